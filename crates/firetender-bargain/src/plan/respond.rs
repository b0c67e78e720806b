//! The best answer to a fixed policy, and with it how far that policy can be exploited.

use super::{Policy, check_discount, iterate::iterate};
use crate::{BargainError, markov::Model};

/// The best answer to a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct BestResponse {
    /// What it does.
    pub policy: Policy,
    /// `[red, blue]`: what both earn a step, `(1 − γ)` times the discounted sums from the first states.
    pub payoffs: [f64; 2],
}

/// The answer of `player` (0 or 1) to the other's policy that earns it most, discounted by γ.
///
/// # Errors
/// [`BargainError::Option`] when γ is not from 0 to below 1 or `player` is neither 0 nor 1; [`BargainError::Policy`] when the policy is for
/// another game.
///
/// ```
/// use firetender_bargain::{games, markov::Model, plan::{Policy, best_response}};
/// let model = Model::of(&games::named("ipd").unwrap()).unwrap();
/// let always_cooperate = Policy::pure(2, &[0; 5]);
/// let answer = best_response(&model, &always_cooperate, 0, 0.96).unwrap();
/// assert!((answer.payoffs[0] - 0.0).abs() < 1e-9 && (answer.payoffs[1] + 3.0).abs() < 1e-9);
/// ```
pub fn best_response(
    model: &Model,
    other: &Policy,
    player: usize,
    gamma: f64,
) -> Result<BestResponse, BargainError> {
    check_discount(gamma)?;
    super::check_seat(player)?;
    let mut goal = [0.0; 2];
    goal[player] = 1.0;
    let dummy = Policy::pure(model.actions()[player], &vec![0; model.states()]);
    let seats = |own| {
        if player == 0 {
            [own, other]
        } else {
            [other, own]
        }
    };
    super::evaluate::fits(model, seats(&dummy))?;
    let policy = greedy(model, other, player, goal, gamma);
    let values = super::discounted(model, seats(&policy), gamma)?;
    let payoffs = super::evaluate::from_first(model, &values).map(|v| (1.0 - gamma) * v);
    Ok(BestResponse { policy, payoffs })
}

/// The policy of `player` that is best for the weighted rewards `goal` against `other`, by value iteration; the first of equal actions.
pub(crate) fn greedy(
    model: &Model,
    other: &Policy,
    player: usize,
    goal: [f64; 2],
    gamma: f64,
) -> Policy {
    let actions = model.actions()[player];
    let columns = model.actions()[1];
    let mean = |worth: &[f64], state: usize, action: usize| {
        let row = other.row(state).iter().enumerate();
        row.filter(|(_, q)| **q > 0.0).fold(0.0, |sum, (b, q)| {
            let joint = if player == 0 {
                action * columns + b
            } else {
                b * columns + action
            };
            sum + q * worth[model.outcome(state, joint)]
        })
    };
    let top = |worth: &[f64], state: usize| {
        (0..actions).fold(f64::MIN, |best, a| best.max(mean(worth, state, a)))
    };
    let start = vec![0.0; model.states()];
    let mut values = iterate(
        model,
        goal,
        gamma,
        start,
        (1e-12 * model.scale(), usize::MAX),
        top,
    );
    let mut worth = vec![];
    model.worth(goal, gamma, &mut values, &mut worth);
    let chosen: Vec<usize> = (0..model.states())
        .map(|state| {
            let enough = top(&worth, state) - 1e-9 * model.scale();
            (0..actions)
                .find(|a| mean(&worth, state, *a) >= enough)
                .unwrap_or(0)
        })
        .collect();
    Policy::pure(actions, &chosen)
}
