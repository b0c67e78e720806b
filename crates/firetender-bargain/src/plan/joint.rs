//! Joint welfare: both players as one.

use rayon::prelude::*;

use super::{Horizon, Policy, check_discount, iterate::rounding};
use crate::{BargainError, Dice, markov::Model};

/// Sweeps after which there is no best average.
const MOST_SWEEPS: usize = 200_000;

/// The best that both can do together by a weighted sum of their rewards.
///
/// ```
/// use firetender_bargain::{games, markov::Model, plan::{Horizon, JointPlan}};
/// let model = Model::of(&games::named("asym-bos").unwrap()).unwrap();
/// let plan = JointPlan::best(&model, [1.0, 1.0], Horizon::Average).unwrap();
/// assert!((plan.value() - 5.0).abs() < 1e-9);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct JointPlan {
    weights: [f64; 2],
    horizon: Horizon,
    value: f64,
    /// Discounted values, or values relative to the average.
    values: Vec<f64>,
    tolerance: f64,
}

impl JointPlan {
    /// Plans by value iteration. Averages are found by relative value iteration with the aperiodicity transformation (Puterman 1994,
    /// section 8.5.4): bounds on the best average close in from both sides until they are within 10⁻¹¹ of the rewards' scale.
    ///
    /// # Errors
    /// [`BargainError::Option`] when a weight is not finite or a discount is not from 0 to below 1; [`BargainError::Game`] when the best
    /// average depends on where the game begins.
    pub fn best(model: &Model, weights: [f64; 2], horizon: Horizon) -> Result<Self, BargainError> {
        if !weights.iter().all(|w| w.is_finite()) {
            return Err(BargainError::Option {
                field: "weights",
                found: format!("({}, {})", weights[0], weights[1]),
                expected: "finite numbers",
            });
        }
        Self::from(model, weights, horizon, vec![0.0; model.states()])
    }

    /// [`best`](Self::best), of checked weights, from values to begin with: those of a plan for weights nearby save sweeps.
    fn from(
        model: &Model,
        weights: [f64; 2],
        horizon: Horizon,
        mut values: Vec<f64>,
    ) -> Result<Self, BargainError> {
        let (gamma, mix, most) = match horizon {
            Horizon::Average => (1.0, 0.8, MOST_SWEEPS),
            Horizon::Discounted(gamma) => {
                check_discount(gamma)?;
                // A sweep brings values nearer by a factor of γ.
                let sweeps = 40.0 / (1.0 - gamma);
                if sweeps > 1e7 {
                    return Err(BargainError::Option {
                        field: "gamma",
                        found: gamma.to_string(),
                        expected: "a number below 0.999996; for longer plan the average",
                    });
                }
                (gamma, 1.0, 1 + sweeps as usize)
            }
        };
        let scale = model.scale() * (weights[0].abs() + weights[1].abs()).max(f64::MIN_POSITIVE);
        let mut worth = vec![];
        for sweep in 1..=most {
            model.worth(weights, gamma, &mut values, &mut worth);
            let next: Vec<f64> = (0..model.states())
                .into_par_iter()
                .with_min_len(1024)
                .map(|state| mix * top(model, &worth, state) + (1.0 - mix) * values[state])
                .collect();
            let changes = next.iter().zip(&values).map(|(a, b)| a - b);
            let (low, high) = changes.fold((f64::MAX, f64::MIN), |(l, h), x| (l.min(x), h.max(x)));
            values = next;
            let (done, value) = match horizon {
                Horizon::Average => {
                    let base = values[0];
                    values.iter_mut().for_each(|v| *v -= base);
                    (high - low <= 1e-11 * scale, (low + high) / 2.0 / mix)
                }
                Horizon::Discounted(_) => {
                    let change = low.abs().max(high.abs());
                    let mean = model.first().iter().map(|(s, p)| p * values[*s]).sum();
                    let end = (1e-13 * scale).max(rounding(values.iter().copied()));
                    (change <= end || sweep == most, mean)
                }
            };
            if done && !(value.is_finite() && values.iter().all(|v| v.is_finite())) {
                return Err(BargainError::Game {
                    game: model.name().into(),
                    what: format!(
                        "weighted payoffs up to {scale:e} are too large to add up; expected smaller units"
                    ),
                });
            }
            if done {
                return Ok(Self {
                    weights,
                    horizon,
                    value,
                    values,
                    tolerance: 1e-7 * scale,
                });
            }
        }
        Err(BargainError::Game {
            game: model.name().into(),
            what: "the best average depends on where the game begins; plan with a discount".into(),
        })
    }

    /// The best average a step, or the best discounted sum from the first states.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The weights of the two players' rewards.
    #[must_use]
    pub fn weights(&self) -> [f64; 2] {
        self.weights
    }

    /// The joint actions that are best in a state.
    ///
    /// # Panics
    /// When there is no such state.
    #[must_use]
    pub fn choices(&self, model: &Model, state: usize) -> Vec<usize> {
        self.best_in(model, &self.worth(model), state)
    }

    /// What each outcome is worth by the plan.
    fn worth(&self, model: &Model) -> Vec<f64> {
        let gamma = match self.horizon {
            Horizon::Average => 1.0,
            Horizon::Discounted(gamma) => gamma,
        };
        let mut out = vec![];
        model.worth(self.weights, gamma, &mut self.values.clone(), &mut out);
        out
    }

    fn best_in(&self, model: &Model, worth: &[f64], state: usize) -> Vec<usize> {
        let best = top(model, worth, state) - self.tolerance;
        let outcomes = model.outcomes_in(state).iter().enumerate();
        outcomes
            .filter(|(_, outcome)| worth[**outcome as usize] >= best)
            .map(|(joint, _)| joint)
            .collect()
    }

    /// The plan as a policy for each player. Where several joint actions are best, the seed decides, in each state anew: two seeds are two
    /// pairs of players who were trained apart.
    #[must_use]
    pub fn policies(&self, model: &Model, seed: u64) -> [Policy; 2] {
        let worth = self.worth(model);
        let [one, two] = model.actions();
        let chosen: Vec<usize> = (0..model.states())
            .map(|state| {
                let best = self.best_in(model, &worth, state);
                let draw = Dice::at(seed, state as u64, 0).unit() * best.len() as f64;
                best[(draw as usize).min(best.len() - 1)]
            })
            .collect();
        let of = |n: usize, pick: &dyn Fn(usize) -> usize| {
            Policy::pure(n, &chosen.iter().map(|j| pick(*j)).collect::<Vec<_>>())
        };
        [of(one, &|j| j / two), of(two, &|j| j % two)]
    }
}

/// The most that any joint action in a state is worth.
fn top(model: &Model, worth: &[f64], state: usize) -> f64 {
    let all = model.outcomes_in(state).iter();
    all.fold(f64::MIN, |best, outcome| best.max(worth[*outcome as usize]))
}

/// The plan whose worse-off player is best off, among those that maximise a weighted sum of gains over `disagreement`: the corner of the
/// frontier nearest to the egalitarian point. The weight is found by bisection, `steps` times; what the players get is measured over
/// `horizon` steps.
///
/// # Errors
/// As [`JointPlan::best`] and [`evaluate`](super::evaluate).
pub fn egalitarian_plan(
    model: &Model,
    disagreement: [f64; 2],
    horizon: usize,
    steps: usize,
) -> Result<JointPlan, BargainError> {
    let (mut low, mut high) = (0.0, 1.0);
    let mut best: Option<(f64, JointPlan)> = None;
    let mut values = vec![0.0; model.states()];
    for _ in 0..steps.max(1) {
        let share = (low + high) / 2.0;
        let plan = JointPlan::from(model, [share, 1.0 - share], Horizon::Average, values)?;
        values = plan.values.clone();
        let [one, two] = plan.policies(model, 0);
        let gains = super::evaluate(model, [&one, &two], horizon)?;
        let gains = [gains[0] - disagreement[0], gains[1] - disagreement[1]];
        let worst = gains[0].min(gains[1]);
        if best.as_ref().is_none_or(|(value, _)| worst > *value) {
            best = Some((worst, plan));
        }
        if gains[0] > gains[1] {
            high = share;
        } else if gains[0] < gains[1] {
            low = share;
        } else {
            break;
        }
    }
    match best {
        Some((_, plan)) => Ok(plan),
        None => JointPlan::best(model, [0.5, 0.5], Horizon::Average),
    }
}
