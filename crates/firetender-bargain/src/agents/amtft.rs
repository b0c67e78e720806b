//! The ledger of amTFT: what the other has taken more than its share, and how long to punish it.

use serde::{Deserialize, Serialize};

use super::{Norm, player::Ledger};
use crate::{BargainError, markov::Model};

/// Debits are kept in units of 2⁻³², so that ledgers can be compared and counted.
const UNIT: f64 = 4_294_967_296.0;

/// How amTFT keeps its ledger. Debits are in units of reward.
///
/// ```
/// use firetender_bargain::agents::AmTftOptions;
/// let (ours, released) = (AmTftOptions::default(), AmTftOptions::released(10.0, 3.0));
/// assert!(ours.debit_steps == 20 && released.debit_steps == 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmTftOptions {
    /// Punish when the debit is above this.
    pub threshold: f64,
    /// Punish until the other has lost this many times its debit.
    pub multiplier: f64,
    /// Steps that a debit looks ahead; 1 counts the reward of the step alone ("short debit", as released).
    pub debit_steps: usize,
    /// Punish also at the threshold exactly (as released).
    pub at_threshold: bool,
    /// Compare with one sampled action of what the other was to do, and only if it differs from what it did (as released), instead of the
    /// expectation, which is 0 on average between stochastic cooperators.
    pub sampled: bool,
    /// Nothing counts in the last step (as released).
    pub last_is_free: bool,
    /// Debit accrues on the last punishing step, since the counter drops when the action is chosen (as released).
    pub early_counter: bool,
    /// How the number of punishing steps is found.
    pub search: Search,
    /// Punishing steps at least.
    pub least: usize,
    /// Punishing steps at most.
    pub most: usize,
}

/// How the number of punishing steps is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Search {
    /// The smallest that costs the other enough; if none does, the smallest of those that cost it most.
    #[default]
    Smallest,
    /// One step at a time from the last one found, as released: another than the smallest where the cost does not grow with the steps.
    FromLast,
}

impl Default for AmTftOptions {
    /// Exact debits 20 steps ahead, threshold ½, multiplier 3.
    fn default() -> Self {
        Self {
            threshold: 0.5,
            multiplier: 3.0,
            debit_steps: 20,
            at_threshold: false,
            sampled: false,
            last_is_free: false,
            early_counter: false,
            search: Search::Smallest,
            least: 0,
            most: 20,
        }
    }
}

impl AmTftOptions {
    /// As in the released code, whose thresholds and multipliers are 10 and 3 in matrix games, 3 and 6 in coin games.
    #[must_use]
    pub fn released(threshold: f64, multiplier: f64) -> Self {
        Self {
            threshold,
            multiplier,
            debit_steps: 1,
            at_threshold: true,
            sampled: true,
            last_is_free: true,
            early_counter: true,
            search: Search::FromLast,
            ..Self::default()
        }
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// [`BargainError::Option`] when the threshold or multiplier is negative or not finite, or no punishing step is allowed.
    pub fn check(&self) -> Result<(), BargainError> {
        for (field, value) in [
            ("threshold", self.threshold),
            ("multiplier", self.multiplier),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(BargainError::Option {
                    field,
                    found: value.to_string(),
                    expected: "a finite number of 0 or more",
                });
            }
        }
        if self.most == 0 || self.most > 1000 || self.least > self.most || self.debit_steps == 0 {
            return Err(BargainError::Option {
                field: "steps",
                found: format!(
                    "least {}, most {}, debit {}",
                    self.least, self.most, self.debit_steps
                ),
                expected: "from 1 to 1000 steps, the least no more than the most",
            });
        }
        Ok(())
    }

    /// The debit of what the other did, with the probability of each where it is sampled.
    pub(super) fn debits(
        &self,
        model: &Model,
        norm: &Norm,
        seat: usize,
        state: usize,
        other_action: usize,
        left: usize,
    ) -> Vec<(i64, f64)> {
        if self.last_is_free && left == 0 {
            return vec![(0, 1.0)];
        }
        let worth = norm.temptations(model, seat, state, self.debit_steps.min(left + 1));
        let expected = norm.cooperation(1 - seat).row(state);
        let units = |x: f64| (x * UNIT).round() as i64;
        if !self.sampled {
            let mean: f64 = worth.iter().zip(expected).map(|(q, p)| p * q).sum();
            return vec![(units(worth[other_action] - mean), 1.0)];
        }
        let mut out: Vec<(i64, f64)> = vec![];
        for (action, p) in expected.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            let debit = if action == other_action {
                0
            } else {
                units(worth[other_action] - worth[action])
            };
            match out.iter_mut().find(|(d, _)| *d == debit) {
                Some((_, q)) => *q += p,
                None => out.push((debit, *p)),
            }
        }
        out
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the place in the game and the debt are six numbers"
    )]
    /// What the ledger says after a debit, with the game in `state` now and `left` steps to go.
    pub(super) fn book(
        &self,
        model: &Model,
        norm: &Norm,
        seat: usize,
        ledger: &Ledger,
        debit: i64,
        state: usize,
        left: usize,
    ) -> Ledger {
        let mut next = ledger.clone();
        let punishing = ledger.left > 0;
        if punishing {
            next.left -= 1;
            if !(self.early_counter && next.left == 0) {
                return next;
            }
        }
        next.debit = next.debit.saturating_add(debit);
        let owed = next.debit as f64 / UNIT;
        if owed > self.threshold || (self.at_threshold && owed >= self.threshold) {
            let steps = self.length(
                model,
                norm,
                seat,
                state,
                owed,
                usize::from(ledger.last),
                left,
            );
            next.debit = 0;
            next.left = steps as u16;
            if self.search == Search::FromLast {
                next.last = steps as u16;
            }
        }
        next
    }

    /// For how many steps to punish.
    #[expect(
        clippy::too_many_arguments,
        reason = "the place in the game and the debt are six numbers"
    )]
    fn length(
        &self,
        model: &Model,
        norm: &Norm,
        seat: usize,
        state: usize,
        owed: f64,
        last: usize,
        left: usize,
    ) -> usize {
        let most = self.most.min(left).min(norm.ahead());
        let goal = self.multiplier * owed;
        let losses = norm.losses(model, seat, state, most, left);
        let loss = |k: usize| losses[k];
        // Rounding of exact multiples is no reason for another step.
        let enough = |k: usize| loss(k) >= goal - 1e-9 * (1.0 + goal.abs());
        let strongest = || {
            let best = (0..=most).map(loss).fold(f64::MIN, f64::max);
            (0..=most)
                .find(|k| loss(*k) >= best - 1e-9 * (1.0 + best.abs()))
                .unwrap_or(0)
        };
        let found = match self.search {
            Search::Smallest => (0..=most).find(|k| enough(*k)).unwrap_or_else(strongest),
            Search::FromLast => {
                let mut k = last.clamp(usize::from(most > 0), most);
                loop {
                    if !enough(k) {
                        if k == most {
                            break strongest();
                        }
                        k += 1;
                    } else if k > 0 && enough(k - 1) {
                        k -= 1;
                    } else {
                        break k;
                    }
                }
            }
        };
        found.max(self.least.min(most))
    }
}
