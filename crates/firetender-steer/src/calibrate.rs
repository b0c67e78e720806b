//! From a damage budget to a layer and a strength.
//!
//! Which layer, and how strongly, is the question every user of a vector has. [`calibrate`] answers it by search: each layer
//! alone, over a range of strengths, on one set of prompts; the layer that achieves most before its damage exceeds the budget
//! wins, at the strength where it does. The winner is then measured on prompts that had no part in the choice, and that
//! measurement is what may be quoted: a strength chosen on the test metric flatters itself.

use firetender_lm::CausalLm;
use serde::{Deserialize, Serialize};

use crate::{
    Benign, Bootstrap, CurvePoint, Effect, Entry, Estimate, Goal, Layers, Measure, Observer,
    Operator, Plan, SteerError, SteeringVector, SweepOptions, TokenRule, TrackPoint, sweep,
};

/// How to search.
///
/// ```
/// use firetender_steer::Calibrator;
/// assert!(Calibrator::new(0.05, &[0.5, 1.0, 2.0]).is_ok());
/// assert!(Calibrator::new(-1.0, &[1.0]).is_err() && Calibrator::new(0.1, &[0.0]).is_err());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Calibrator {
    budget: f64,
    strengths: Vec<f64>,
    layers: Layers,
    measure: Measure,
    goal: Goal,
    tokens: TokenRule,
    operator: Operator,
    batch: usize,
    bootstrap: Bootstrap,
}

impl Calibrator {
    /// At most `budget` of damage (KL(steered ‖ plain) a benign token unless said otherwise), with strengths from 0 to each of
    /// these; signs are tried as given.
    ///
    /// # Errors
    /// [`SteerError::Input`] unless the budget is positive and there is a strength other than 0, all finite.
    pub fn new(budget: f64, strengths: &[f64]) -> Result<Self, SteerError> {
        let mut strengths: Vec<f64> = strengths.iter().copied().filter(|s| *s != 0.0).collect();
        if !(budget > 0.0 && budget.is_finite())
            || strengths.is_empty()
            || strengths.iter().any(|s| !s.is_finite())
        {
            let what = format!(
                "a calibration for budget {budget} with strengths {strengths:?}; expected a positive budget and finite strengths other than 0"
            );
            return Err(SteerError::Input { what });
        }
        strengths.push(0.0);
        strengths.sort_by(f64::total_cmp);
        strengths.dedup();
        Ok(Self {
            budget,
            strengths,
            layers: Layers::All,
            measure: Measure::Kl,
            goal: Goal::Raise,
            tokens: TokenRule::all(),
            operator: Operator::Add,
            batch: 8,
            bootstrap: Bootstrap::default(),
        })
    }

    /// Tries these layers only; by default all that the vector has.
    #[must_use]
    pub fn with_layers(mut self, layers: Layers) -> Self {
        self.layers = layers;
        self
    }

    /// Measures damage so.
    #[must_use]
    pub fn with_measure(mut self, measure: Measure) -> Self {
        self.measure = measure;
        self
    }

    /// Wants more of the effect, or less.
    #[must_use]
    pub fn with_goal(mut self, goal: Goal) -> Self {
        self.goal = goal;
        self
    }

    /// Steers these tokens.
    #[must_use]
    pub fn with_tokens(mut self, tokens: TokenRule) -> Self {
        self.tokens = tokens;
        self
    }

    /// Applies directions so.
    #[must_use]
    pub fn with_operator(mut self, operator: Operator) -> Self {
        self.operator = operator;
        self
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

    fn plan(&self, vector: &SteeringVector, layer: usize) -> Result<Plan, SteerError> {
        let vector = vector.at_layers(&Layers::one(layer))?;
        let entry = Entry::new(&vector, 1.0)
            .with_tokens(self.tokens.clone())
            .with_operator(self.operator.clone());
        Ok(Plan::new().with(entry))
    }
}

/// What effect and damage are measured on.
#[derive(Clone, Copy)]
pub struct Prompts<'a> {
    /// The behaviour.
    pub effect: &'a dyn Effect,
    /// Harmless prompts.
    pub benign: &'a Benign,
}

impl std::fmt::Debug for Prompts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "an effect, and damage on {} prompts",
            self.benign.prompts()
        )
    }
}

/// One cell of the search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The layer.
    pub layer: usize,
    /// The strength.
    pub strength: f64,
    /// Mean effect.
    pub effect: f64,
    /// Damage.
    pub damage: f64,
    /// Whether that is within the budget.
    pub within: bool,
}

/// The layer and strength to use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The layer.
    pub layer: usize,
    /// The strength, interpolated to where the damage meets the budget or the effect is best.
    pub strength: f64,
    /// The effect expected there, from the prompts searched on.
    pub effect: f64,
    /// The damage expected there, from the prompts searched on.
    pub damage: f64,
}

/// The choice on prompts that had no part in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// The plain model's mean effect.
    pub plain_effect: f64,
    /// What steering adds to the effect, prompt by prompt.
    pub shift: Estimate,
    /// The damage.
    pub damage: f64,
    /// Whether that is within the budget here too.
    pub within: bool,
    /// All that was measured at the chosen strength.
    pub point: CurvePoint,
}

/// What a calibration found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The budget.
    pub budget: f64,
    /// What damage is.
    pub measure: Measure,
    /// The plain model's mean effect on the prompts searched on.
    pub plain_effect: f64,
    /// The choice; `None` when no layer gains anything within the budget, which is a result.
    pub choice: Option<Choice>,
    /// The choice on other prompts.
    pub held_out: Option<HeldOut>,
    /// Every layer at every strength, in order.
    pub table: Vec<Cell>,
}

/// Searches a vector's layers and strengths on one set of prompts, and measures the winner on another.
///
/// # Errors
/// As [`sweep`]; [`SteerError::Layers`] when a layer has no direction.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::SiteKind;
/// use firetender_lm::{ModelConfig, Transformer};
/// use firetender_steer::{Benign, Calibrator, NextTokenOdds, Prompts, Scope, Silent, SteeringVector, calibrate};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let direction = |layer| (layer, (0..16).map(|i| ((i + layer) % 3) as f32 - 1.0).collect());
/// let vector = SteeringVector::new("up", "down", SiteKind::ResidPost, 16, 2, [direction(0), direction(1)].into()).unwrap();
/// let effect = |ids: Vec<u32>| NextTokenOdds::new(vec![ids], vec![5], vec![7]).unwrap();
/// let benign = |ids: Vec<u32>| Benign::new(vec![ids], Scope::AllTokens).unwrap();
/// let (search, judge) = (effect(vec![1, 2]), effect(vec![3]));
/// let (harmless, others) = (benign(vec![4, 5]), benign(vec![6, 8]));
/// let found = calibrate(
///     &model,
///     &vector,
///     Prompts { effect: &search, benign: &harmless },
///     Prompts { effect: &judge, benign: &others },
///     &Calibrator::new(0.1, &[-1.0, 1.0]).unwrap(),
///     &mut Silent,
/// )
/// .unwrap();
/// assert_eq!(found.table.len(), 6);
/// assert!(found.choice.is_none_or(|c| c.damage <= 0.1 + 1e-9));
/// ```
pub fn calibrate(
    model: &dyn CausalLm,
    vector: &SteeringVector,
    search: Prompts<'_>,
    judge: Prompts<'_>,
    calibrator: &Calibrator,
    observer: &mut dyn Observer,
) -> Result<Calibration, SteerError> {
    let options = |strengths: &[f64]| {
        Ok::<_, SteerError>(
            SweepOptions::new(strengths)?
                .with_batch(calibrator.batch)
                .with_bootstrap(calibrator.bootstrap),
        )
    };
    let (budget, goal) = (calibrator.budget, calibrator.goal);
    let wide = options(&calibrator.strengths)?;
    let layers: Vec<usize> = vector
        .pick(&calibrator.layers)?
        .into_iter()
        .map(|(l, _)| l)
        .collect();
    let mut table = vec![];
    let mut best: Option<(usize, TrackPoint, f64)> = None;
    let mut plain_effect = 0.0;
    for (done, layer) in layers.iter().enumerate() {
        let plan = calibrator.plan(vector, *layer)?;
        let curve = sweep(model, &plan, search.effect, search.benign, &wide, observer)?;
        let track = curve.track(calibrator.measure)?;
        plain_effect = track.plain().effect;
        table.extend(track.points().iter().map(|point| Cell {
            layer: *layer,
            strength: point.strength,
            effect: point.effect,
            damage: point.damage,
            within: point.damage <= budget,
        }));
        let found = track.effect_at_damage(budget, goal);
        let gain = goal.gain(found.effect, plain_effect);
        if gain > best.map_or(0.0, |(_, _, known)| known) {
            best = Some((*layer, found, gain));
        }
        observer.calibrated(done + 1, layers.len());
    }
    let choice = best.map(|(layer, point, _)| Choice {
        layer,
        strength: point.strength,
        effect: point.effect,
        damage: point.damage,
    });
    let held_out = match choice {
        None => None,
        Some(choice) => {
            let plan = calibrator.plan(vector, choice.layer)?;
            let narrow = options(&[0.0, choice.strength])?;
            let curve = sweep(model, &plan, judge.effect, judge.benign, &narrow, observer)?;
            let damage = curve
                .track(calibrator.measure)?
                .points()
                .iter()
                .map(|p| p.damage)
                .fold(0.0, f64::max);
            let mut points = curve.points.into_iter();
            let (plain, point) = match (points.next(), points.next()) {
                (Some(plain), Some(point)) => (plain, point),
                _ => {
                    return Err(SteerError::Input {
                        what: "a sweep of two strengths gave fewer points".into(),
                    });
                }
            };
            let shifts = point.effects.iter().zip(&plain.effects);
            let shifts: Vec<f64> = shifts.map(|(steered, plain)| steered - plain).collect();
            Some(HeldOut {
                plain_effect: plain.effect.value,
                shift: calibrator.bootstrap.mean(&shifts),
                damage,
                within: damage <= budget,
                point,
            })
        }
    };
    Ok(Calibration {
        budget,
        measure: calibrator.measure,
        plain_effect,
        choice,
        held_out,
        table,
    })
}
