//! What two policies earn.

use super::{Policy, check_discount};
use crate::{BargainError, markov::Model};

/// Expected reward a step over a finite number of steps from the game's first states, without discount.
///
/// # Errors
/// [`BargainError::Option`] for a horizon of 0; [`BargainError::Policy`] when a policy is for another game.
///
/// ```
/// use firetender_bargain::{games, markov::Model, plan::{Policy, evaluate}};
/// let model = Model::of(&games::named("ipd").unwrap()).unwrap();
/// let defect = Policy::pure(2, &[1; 5]);
/// assert_eq!(evaluate(&model, [&defect, &defect], 20).unwrap(), [-2.0, -2.0]);
/// ```
pub fn evaluate(
    model: &Model,
    policies: [&Policy; 2],
    steps: usize,
) -> Result<[f64; 2], BargainError> {
    if steps == 0 {
        return Err(BargainError::Option {
            field: "steps",
            found: "0".into(),
            expected: "at least one",
        });
    }
    fits(model, policies)?;
    let mut values = vec![[0.0; 2]; model.states()];
    for _ in 0..steps {
        values = back(model, policies, values, 1.0);
    }
    Ok(from_first(model, &values).map(|v| v / steps as f64))
}

/// The discounted values of two policies in every state.
///
/// # Errors
/// As [`evaluate`]; [`BargainError::Option`] for a discount outside 0 to below 1.
pub fn discounted(
    model: &Model,
    policies: [&Policy; 2],
    gamma: f64,
) -> Result<Vec<[f64; 2]>, BargainError> {
    check_discount(gamma)?;
    fits(model, policies)?;
    let goal = 1e-13 * model.scale();
    let mut values = vec![[0.0; 2]; model.states()];
    loop {
        let next = back(model, policies, values.clone(), gamma);
        let change = |(a, b): (&[f64; 2], &[f64; 2])| (a[0] - b[0]).abs().max((a[1] - b[1]).abs());
        let most = next.iter().zip(&values).map(change).fold(0.0, f64::max);
        values = next;
        if most <= goal {
            return Ok(values);
        }
    }
}

/// Checks that policies belong to a game.
pub(crate) fn fits(model: &Model, policies: [&Policy; 2]) -> Result<(), BargainError> {
    for (player, policy) in policies.iter().enumerate() {
        let expected = model.states() * model.actions()[player];
        let found = policy.states() * policy.actions();
        if found != expected || policy.actions() != model.actions()[player] {
            return Err(BargainError::Policy {
                player: player + 1,
                found,
                expected,
                what: format!(
                    "{} states, {} actions each",
                    model.states(),
                    model.actions()[player]
                ),
            });
        }
    }
    Ok(())
}

/// One step back: rewards now and `gamma` times the values after.
pub(crate) fn back(
    model: &Model,
    policies: [&Policy; 2],
    mut values: Vec<[f64; 2]>,
    gamma: f64,
) -> Vec<[f64; 2]> {
    model.extend_pairs(&mut values);
    let columns = model.actions()[1];
    let one = |state: usize| {
        let mut sum = [0.0; 2];
        for (a, p) in policies[0]
            .row(state)
            .iter()
            .enumerate()
            .filter(|(_, p)| **p > 0.0)
        {
            for (b, q) in policies[1]
                .row(state)
                .iter()
                .enumerate()
                .filter(|(_, q)| **q > 0.0)
            {
                let joint = a * columns + b;
                let (now, after) = (
                    model.rewards(state, joint),
                    values[model.next(state, joint)],
                );
                for i in 0..2 {
                    sum[i] += p * q * (now[i] + gamma * after[i]);
                }
            }
        }
        sum
    };
    (0..model.states()).map(one).collect()
}

/// The mean over first states.
pub(crate) fn from_first(model: &Model, values: &[[f64; 2]]) -> [f64; 2] {
    model.first().iter().fold([0.0; 2], |sum, (s, p)| {
        [sum[0] + p * values[*s][0], sum[1] + p * values[*s][1]]
    })
}
