//! Effect and damage over a range of strengths.
//!
//! One strength says little: steering that "works" may work because the model is broken. A [`Curve`] shows both sides at every
//! strength with intervals over prompts; beside it belongs the curve of a random direction of the same length
//! ([`crate::Plan::random_control`]), which shows what any push of that size does.

use firetender_hooks::Intervene;
use firetender_lm::CausalLm;
use serde::{Deserialize, Serialize};

use crate::{
    Benign, Bootstrap, Damage, Effect, Estimate, Observer, Plan, SteerError, Steering,
    damage::damages,
};

/// How to sweep.
///
/// ```
/// use firetender_steer::SweepOptions;
/// let options = SweepOptions::new(&[-1.0, 0.0, 1.0]).unwrap().with_batch(4);
/// assert!(SweepOptions::new(&[f64::NAN]).is_err());
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SweepOptions {
    strengths: Vec<f64>,
    batch: usize,
    bootstrap: Bootstrap,
}

impl SweepOptions {
    /// At these strengths, in this order; a plan's own strengths are multiplied by each. 0 is the plain model.
    ///
    /// # Errors
    /// [`SteerError::Input`] when there are none or one is not finite.
    pub fn new(strengths: &[f64]) -> Result<Self, SteerError> {
        if strengths.is_empty() || strengths.iter().any(|s| !s.is_finite()) {
            let what = format!("strengths {strengths:?}; expected one or more finite numbers");
            return Err(SteerError::Input { what });
        }
        Ok(Self {
            strengths: strengths.to_vec(),
            batch: 8,
            bootstrap: Bootstrap::default(),
        })
    }

    /// Runs this many benign prompts at a time.
    #[must_use]
    pub fn with_batch(mut self, batch: usize) -> Self {
        self.batch = batch.max(1);
        self
    }

    /// Draws intervals so.
    #[must_use]
    pub fn with_bootstrap(mut self, bootstrap: Bootstrap) -> Self {
        self.bootstrap = bootstrap;
        self
    }
}

/// Effect and damage at one strength, with intervals over prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// What the plan's strengths were multiplied by.
    pub strength: f64,
    /// Mean effect over target prompts.
    pub effect: Estimate,
    /// KL(steered ‖ plain) on benign prompts, nats per token.
    pub kl: Estimate,
    /// KL(plain ‖ steered) on benign prompts, nats per token.
    pub reverse_kl: Estimate,
    /// Share of benign tokens after which the most likely token stays.
    pub top1_agreement: Estimate,
    /// The effect on each target prompt.
    pub effects: Vec<f64>,
    /// The damage to each benign prompt.
    pub damage: Damage,
}

/// Effect and damage over strengths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The points, in the order of the strengths.
    pub points: Vec<CurvePoint>,
}

impl Curve {
    /// The point of a strength.
    #[must_use]
    pub fn at(&self, strength: f64) -> Option<&CurvePoint> {
        self.points.iter().find(|point| point.strength == strength)
    }
}

/// Measures a plan at every strength: effect on target prompts, damage on benign ones.
///
/// # Errors
/// As [`Plan::compile`]; [`SteerError::NotFinite`] when the steered model no longer gives finite numbers; [`SteerError::Input`]
/// when the effect gives no numbers; and whatever the model reports.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::SiteKind;
/// use firetender_lm::{ModelConfig, Transformer};
/// use firetender_steer::{Benign, NextTokenOdds, Plan, Scope, Silent, SteeringVector, SweepOptions, sweep};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let direction = std::collections::BTreeMap::from([(0, (0..16).map(|i| (i % 3) as f32 - 1.0).collect())]);
/// let vector = SteeringVector::new("up", "down", SiteKind::ResidPost, 16, 2, direction).unwrap();
/// let effect = NextTokenOdds::new(vec![vec![1, 2], vec![3]], vec![5], vec![7]).unwrap();
/// let benign = Benign::new(vec![vec![4, 5, 6], vec![8, 9]], Scope::AllTokens).unwrap();
/// let options = SweepOptions::new(&[-0.5, 0.0, 0.5]).unwrap();
/// let curve = sweep(&model, &Plan::of(&vector), &effect, &benign, &options, &mut Silent).unwrap();
/// assert_eq!(curve.at(0.0).unwrap().kl.value, 0.0);
/// assert!(curve.at(0.5).unwrap().kl.value > 0.0);
/// ```
pub fn sweep(
    model: &dyn CausalLm,
    plan: &Plan,
    effect: &dyn Effect,
    benign: &Benign,
    options: &SweepOptions,
    observer: &mut dyn Observer,
) -> Result<Curve, SteerError> {
    let (shape, device) = (model.shape(), model.device());
    let mut steerings: Vec<Steering> = options
        .strengths
        .iter()
        .map(|strength| plan.scaled(*strength).compile(&shape, &device))
        .collect::<Result<_, _>>()?;
    let mut hooks: Vec<&mut dyn Intervene> = vec![];
    for steering in &mut steerings {
        hooks.push(steering);
    }
    let damages = damages(model, &mut hooks, benign, options.batch, observer)?;
    let total = options.strengths.len();
    let mut points = Vec::with_capacity(total);
    for ((strength, steering), damage) in options.strengths.iter().zip(&mut steerings).zip(damages)
    {
        let effects = effect.measure(model, steering)?;
        let point = point(*strength, effects, damage, &options.bootstrap)?;
        observer.swept(points.len() + 1, total, &point);
        points.push(point);
    }
    Ok(Curve { points })
}

pub(crate) fn point(
    strength: f64,
    effects: Vec<f64>,
    damage: Damage,
    bootstrap: &Bootstrap,
) -> Result<CurvePoint, SteerError> {
    if effects.is_empty() {
        let what = "the effect gave no numbers; expected one for each target prompt".into();
        return Err(SteerError::Input { what });
    }
    if let Some(prompt) = effects.iter().position(|x| !x.is_finite()) {
        return Err(SteerError::NotFinite {
            what: format!("the effect at strength {strength}"),
            found: effects[prompt],
            prompt,
        });
    }
    let tokens: Vec<f64> = damage.prompts.iter().map(|p| p.tokens as f64).collect();
    let ratio = |value: &dyn Fn(&crate::PromptDamage) -> f64| {
        let sums: Vec<f64> = damage.prompts.iter().map(value).collect();
        bootstrap.ratio(&sums, &tokens)
    };
    Ok(CurvePoint {
        strength,
        effect: bootstrap.mean(&effects),
        kl: ratio(&|p| p.kl),
        reverse_kl: ratio(&|p| p.reverse_kl),
        top1_agreement: ratio(&|p| p.agreed as f64),
        effects,
        damage,
    })
}
