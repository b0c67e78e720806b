//! A sweep with its controls, so that no effect is ever shown alone.
//!
//! Any push of some size does something. A random direction of the same length at the same places shows what that is; a
//! direction from the same texts with exchanged labels shows what the texts share apart from the contrast.

use serde::{Deserialize, Serialize};

use crate::{Benign, Curve, Effect, Observer, Plan, Samples, SteerError, SweepOptions, sweep};
use firetender_lm::CausalLm;

/// The curve of a plan and those of its controls, over the same strengths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Controlled {
    /// The plan's own.
    pub curve: Curve,
    /// Random directions of equal length, one curve a seed.
    pub random: Vec<Curve>,
    /// Directions fitted to shuffled labels, one curve a seed.
    pub shuffled: Vec<Curve>,
}

/// One line of a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// `vector`, `random 0`, `shuffled 0`, …
    pub name: String,
    /// Strengths.
    pub strengths: Vec<f64>,
    /// Mean effects.
    pub effect: Vec<f64>,
    /// Lower ends of the effects.
    pub effect_low: Vec<f64>,
    /// Upper ends of the effects.
    pub effect_high: Vec<f64>,
    /// KL(steered ‖ plain), nats a token.
    pub damage: Vec<f64>,
    /// Lower ends of the damage.
    pub damage_low: Vec<f64>,
    /// Upper ends of the damage.
    pub damage_high: Vec<f64>,
}

impl Controlled {
    /// All curves as the columns of a figure.
    #[must_use]
    pub fn series(&self) -> Vec<Series> {
        let one = |name: String, curve: &Curve| {
            let of = |value: &dyn Fn(&crate::CurvePoint) -> f64| {
                curve.points.iter().map(value).collect()
            };
            Series {
                name,
                strengths: of(&|p| p.strength),
                effect: of(&|p| p.effect.value),
                effect_low: of(&|p| p.effect.low),
                effect_high: of(&|p| p.effect.high),
                damage: of(&|p| p.kl.value),
                damage_low: of(&|p| p.kl.low),
                damage_high: of(&|p| p.kl.high),
            }
        };
        let mut all = vec![one("vector".into(), &self.curve)];
        for (name, curves) in [("random", &self.random), ("shuffled", &self.shuffled)] {
            all.extend(
                curves
                    .iter()
                    .enumerate()
                    .map(|(i, c)| one(format!("{name} {i}"), c)),
            );
        }
        all
    }

    /// Mean over the control curves of one kind, and their largest distance from the plain model's effect, at each strength.
    #[must_use]
    pub fn spread(curves: &[Curve]) -> Vec<Spread> {
        let Some(first) = curves.first() else {
            return vec![];
        };
        let at = |index: usize| {
            let strength = first.points[index].strength;
            let points: Vec<_> = curves.iter().filter_map(|c| c.points.get(index)).collect();
            let n = points.len() as f64;
            let effects = points.iter().map(|p| p.effect.value);
            Spread {
                strength,
                effect: effects.clone().sum::<f64>() / n,
                lowest_effect: effects.clone().fold(f64::INFINITY, f64::min),
                highest_effect: effects.fold(f64::NEG_INFINITY, f64::max),
                damage: points.iter().map(|p| p.kl.value).sum::<f64>() / n,
            }
        };
        (0..first.points.len()).map(at).collect()
    }
}

/// What several controls do at one strength.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The strength.
    pub strength: f64,
    /// Mean effect over the controls.
    pub effect: f64,
    /// Smallest mean effect of one control.
    pub lowest_effect: f64,
    /// Largest mean effect of one control.
    pub highest_effect: f64,
    /// Mean damage over the controls, KL(steered ‖ plain).
    pub damage: f64,
}

/// Sweeps a plan, random directions of equal length ([`Plan::random_control`]) for each of the seeds, and plans made with
/// shuffled labels ([`Samples::with_shuffled_labels`]; the caller's, since only the caller knows how the plan was made).
///
/// # Errors
/// As [`sweep`].
#[expect(
    clippy::too_many_arguments,
    reason = "what a sweep takes, and the two kinds of control"
)]
pub fn controlled_sweep(
    model: &dyn CausalLm,
    plan: &Plan,
    random_seeds: &[u64],
    shuffled: &[Plan],
    effect: &dyn Effect,
    benign: &Benign,
    options: &SweepOptions,
    observer: &mut dyn Observer,
) -> Result<Controlled, SteerError> {
    let mut run = |plan: &Plan| sweep(model, plan, effect, benign, options, observer);
    let curve = run(plan)?;
    let random = random_seeds
        .iter()
        .map(|seed| run(&plan.random_control(*seed)?));
    let random = random.collect::<Result<_, _>>()?;
    let shuffled = shuffled.iter().map(run).collect::<Result<_, _>>()?;
    Ok(Controlled {
        curve,
        random,
        shuffled,
    })
}

impl Samples {
    /// Directions fitted to shuffled labels, with the lengths of `like`: the control that has everything but the contrast.
    ///
    /// # Errors
    /// As [`Samples::fit_with`] and [`crate::SteeringVector::with_norms`].
    pub fn shuffled_control(
        &self,
        method: &dyn crate::Aggregator,
        like: &crate::SteeringVector,
        seed: u64,
    ) -> Result<crate::SteeringVector, SteerError> {
        let shuffled = self.with_shuffled_labels(seed)?.fit_with(method)?;
        shuffled.vector.with_norms(&like.norms())
    }
}
