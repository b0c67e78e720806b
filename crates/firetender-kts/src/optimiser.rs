//! `AdamW` over an adapter's factors, and how its rate changes over the steps.
//!
//! The update is Burn's [`AdamW`]; its state is kept here by the factor's path, so that it can be written to a checkpoint and
//! read by another process. Burn's defaults (epsilon 1e-5, decay 1e-4) are not those of the paper's code (1e-8, 0), and its
//! cosine schedule climbs again after its end; this one stays at the end.

use std::collections::BTreeMap;

use burn::{
    module::Module,
    optim::{AdamW, AdamWConfig, AdamWState, Optimizer},
};
use serde::{Deserialize, Serialize};

use crate::{FactorGradients, KtsError, adapter::map_factors};

/// How the rate changes from the first step to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Schedule {
    /// The same for all steps.
    Constant,
    /// Half a cosine from the full rate to zero, without warm-up.
    Cosine,
    /// Up from zero over `warm_up` steps, then down to zero in a straight line.
    Linear {
        /// Steps of warm-up.
        warm_up: u64,
    },
}

impl Schedule {
    /// What the rate is multiplied by at a step (from 0) of so many.
    ///
    /// ```
    /// use firetender_kts::Schedule;
    /// assert_eq!((Schedule::Cosine.factor(0, 10), Schedule::Cosine.factor(5, 10)), (1.0, 0.5));
    /// assert_eq!(Schedule::Cosine.factor(12, 10), 0.0, "it does not climb again");
    /// assert_eq!(Schedule::Linear { warm_up: 4 }.factor(1, 12), 0.25);
    /// ```
    #[must_use]
    pub fn factor(self, step: u64, steps: u64) -> f64 {
        let (at, end) = (step.min(steps) as f64, steps.max(1) as f64);
        match self {
            Self::Constant => 1.0,
            Self::Cosine => f64::midpoint(1.0, (std::f64::consts::PI * at / end).cos()),
            Self::Linear { warm_up } if step < warm_up => at / warm_up as f64,
            Self::Linear { warm_up } => (end - at) / (end - warm_up as f64).max(1.0),
        }
    }
}

/// Which gradients are shortened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Clip {
    /// All factors' gradients as one vector.
    Whole(f64),
    /// Each factor's gradient by itself.
    Each(f64),
}

/// `AdamW` (Loshchilov and Hutter, arXiv 1711.05101).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimiserOptions {
    /// Highest learning rate.
    pub rate: f64,
    /// Decay of the running means of the gradient and of its square.
    pub betas: [f64; 2],
    /// Added to the root of the second running mean.
    pub epsilon: f64,
    /// Weight decay, times the rate.
    pub decay: f64,
    /// How the rate changes.
    pub schedule: Schedule,
    /// Which gradients are shortened; none when absent.
    pub clip: Option<Clip>,
}

impl Default for OptimiserOptions {
    /// Rate 1e-3, betas 0.9 and 0.999, epsilon 1e-8, no decay, cosine, the whole gradient clipped at 1.
    fn default() -> Self {
        Self {
            rate: 1e-3,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            decay: 0.0,
            schedule: Schedule::Cosine,
            clip: Some(Clip::Whole(1.0)),
        }
    }
}

impl OptimiserOptions {
    pub(crate) fn check(&self, steps: u64) -> Result<(), KtsError> {
        let fail =
            |field, found: String, expected: &str| Err(KtsError::options(field, found, expected));
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if !positive(self.rate) {
            return fail(
                "optimiser.rate",
                self.rate.to_string(),
                "a finite number above 0",
            );
        }
        if self.betas.iter().any(|beta| !(0.0..1.0).contains(beta)) {
            return fail(
                "optimiser.betas",
                format!("{:?}", self.betas),
                "two numbers from 0 to below 1",
            );
        }
        let decays = self.decay.is_finite() && self.decay >= 0.0;
        if !(positive(self.epsilon) && decays) {
            let found = format!("{}, {}", self.epsilon, self.decay);
            return fail(
                "optimiser.epsilon, decay",
                found,
                "a number above 0, and one from 0",
            );
        }
        match self.clip {
            Some(Clip::Whole(limit) | Clip::Each(limit)) if !positive(limit) => {
                return fail(
                    "optimiser.clip",
                    limit.to_string(),
                    "a finite number above 0",
                );
            }
            _ => {}
        }
        match self.schedule {
            Schedule::Linear { warm_up } if warm_up >= steps => fail(
                "optimiser.schedule.warm_up",
                warm_up.to_string(),
                &format!("fewer than the {steps} steps of training"),
            ),
            _ => Ok(()),
        }
    }
}

/// The optimiser at work: what it remembers of each factor.
#[derive(Clone)]
pub(crate) struct FactorAdamW {
    rule: AdamW,
    pub(crate) states: BTreeMap<(String, char), AdamWState<2>>,
}

impl FactorAdamW {
    pub(crate) fn new(options: &OptimiserOptions) -> Self {
        let rule = AdamWConfig::new()
            .with_beta_1(options.betas[0] as f32)
            .with_beta_2(options.betas[1] as f32)
            .with_epsilon(options.epsilon as f32)
            .with_weight_decay(options.decay as f32)
            .build();
        Self {
            rule,
            states: BTreeMap::new(),
        }
    }

    /// Moves every factor that has a gradient.
    pub(crate) fn step<M: Module>(
        &mut self,
        model: M,
        gradients: &FactorGradients,
        rate: f64,
    ) -> M {
        map_factors(model, |place, which, value| {
            let Some(gradient) = gradients.get(place, which) else {
                return value;
            };
            let key = (place.to_owned(), which);
            let state = self.states.remove(&key);
            let (value, state) = self.rule.step(rate, value, gradient.clone(), state);
            if let Some(state) = state {
                self.states.insert(key, state);
            }
            value
        })
    }
}
