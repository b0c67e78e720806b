//! What two policies earn.

use super::{Policy, check_discount, iterate::rounding};
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
    let mut weights = vec![0.0; model.states()];
    for (state, p) in model.first() {
        weights[*state] += p;
    }
    let mut sums = [0.0; 2];
    for step in 0..steps {
        let (rewards, after) = forth(model, policies, &weights);
        let change: f64 = after.iter().zip(&weights).map(|(a, b)| (a - b).abs()).sum();
        // Where the chain has settled it stays: no later step can change the weights by more than this one did.
        let left = if change <= SETTLED { steps - step } else { 1 };
        for (sum, reward) in sums.iter_mut().zip(rewards) {
            *sum += left as f64 * reward;
        }
        if left > 1 {
            break;
        }
        weights = after;
    }
    Ok(sums.map(|sum| sum / steps as f64))
}

/// The change of a distribution of states (sum of absolute differences) in one step below which it has settled.
const SETTLED: f64 = 1e-15;

/// One step forth: the expected rewards of states with these weights, and the weights of the states after it.
pub(crate) fn forth(
    model: &Model,
    policies: [&Policy; 2],
    weights: &[f64],
) -> ([f64; 2], Vec<f64>) {
    let columns = model.actions()[1];
    let mut after = vec![0.0; model.states() + model.lotteries().len()];
    let mut sums = [0.0; 2];
    for (state, weight) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
        let rows = [policies[0].row(state), policies[1].row(state)];
        for (a, p) in rows[0].iter().enumerate().filter(|(_, p)| **p > 0.0) {
            for (b, q) in rows[1].iter().enumerate().filter(|(_, q)| **q > 0.0) {
                let (rewards, next) = model.result(model.outcome(state, a * columns + b));
                let share = weight * p * q;
                sums[0] += share * rewards[0];
                sums[1] += share * rewards[1];
                after[next] += share;
            }
        }
    }
    let drawn = after.split_off(model.states());
    for (lottery, weight) in model
        .lotteries()
        .iter()
        .zip(drawn)
        .filter(|(_, w)| *w > 0.0)
    {
        for (state, p) in lottery {
            after[*state] += weight * p;
        }
    }
    (sums, after)
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
        if most <= goal.max(rounding(values.iter().flatten().copied())) {
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
