//! Planning in games whose states can be listed: what is the most that both can get together, each alone, or be held to.
//!
//! A planner answers in seconds, exactly, what learners approach in hours. Its policies are the cooperative and punishing parts of
//! [`agents`](crate::agents), and its values are the maxima that scores are measured by.

mod evaluate;
mod iterate;
mod joint;
mod punish;
mod respond;

pub(crate) use evaluate::{back, fits, forth};
pub use evaluate::{discounted, evaluate};
pub use joint::{JointPlan, egalitarian_plan};
pub use punish::{Punishment, punish};
pub use respond::{BestResponse, best_response};

use crate::{BargainError, Dice};

/// What a player does in each state: a distribution of its actions.
///
/// ```
/// use firetender_bargain::plan::Policy;
/// let policy = Policy::pure(3, &[2, 0]);
/// assert_eq!(policy.row(0), [0.0, 0.0, 1.0]);
/// assert!(Policy::new(2, vec![0.5, 0.6]).is_err());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    actions: usize,
    probabilities: Vec<f64>,
}

impl Policy {
    /// A policy from its probabilities, state after state.
    ///
    /// # Errors
    /// [`BargainError::Option`] when a row is no distribution.
    pub fn new(actions: usize, probabilities: Vec<f64>) -> Result<Self, BargainError> {
        let rows =
            actions > 0 && !probabilities.is_empty() && probabilities.len().is_multiple_of(actions);
        let wrong = |row: &[f64]| {
            row.iter().any(|p| !(0.0..=1.0).contains(p))
                || (row.iter().sum::<f64>() - 1.0).abs() > 1e-9
        };
        if let Some(row) = if rows {
            probabilities.chunks(actions).position(wrong)
        } else {
            Some(0)
        } {
            return Err(BargainError::Option {
                field: "probabilities",
                found: format!("{} of {actions} actions, state {row}", probabilities.len()),
                expected: "a distribution of the actions in each state",
            });
        }
        Ok(Self {
            actions,
            probabilities,
        })
    }

    /// A policy that takes one action in each state.
    ///
    /// # Panics
    /// When there is no such action.
    #[must_use]
    pub fn pure(actions: usize, chosen: &[usize]) -> Self {
        let mut probabilities = vec![0.0; actions * chosen.len()];
        for (state, action) in chosen.iter().enumerate() {
            assert!(*action < actions, "action {action} of {actions}");
            probabilities[state * actions + action] = 1.0;
        }
        Self {
            actions,
            probabilities,
        }
    }

    /// Actions.
    #[must_use]
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// States.
    #[must_use]
    pub fn states(&self) -> usize {
        self.probabilities.len() / self.actions
    }

    /// The distribution in a state.
    ///
    /// # Panics
    /// When there is no such state.
    #[must_use]
    pub fn row(&self, state: usize) -> &[f64] {
        &self.probabilities[state * self.actions..][..self.actions]
    }

    /// Draws an action.
    pub fn draw(&self, state: usize, dice: &mut Dice) -> usize {
        dice.pick(self.row(state).iter().copied())
    }
}

/// How far a planner looks.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Horizon {
    /// The average reward a step, for ever.
    Average,
    /// The sum discounted by γ a step.
    Discounted(f64),
}

pub(crate) fn check_discount(gamma: f64) -> Result<(), BargainError> {
    if (0.0..1.0).contains(&gamma) {
        return Ok(());
    }
    Err(BargainError::Option {
        field: "gamma",
        found: gamma.to_string(),
        expected: "a number from 0 to below 1",
    })
}

/// Refuses a player that is neither 0 nor 1.
pub(crate) fn check_seat(player: usize) -> Result<(), BargainError> {
    if player < 2 {
        return Ok(());
    }
    Err(BargainError::Option {
        field: "player",
        found: player.to_string(),
        expected: "0 for the first player or 1 for the second",
    })
}

#[cfg(test)]
mod tests;
