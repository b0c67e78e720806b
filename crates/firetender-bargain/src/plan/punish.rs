//! Policies that punish.

use rayon::prelude::*;

use super::{Policy, check_discount, iterate::iterate, respond::greedy};
use crate::{BargainError, markov::Model, minimax};

/// Rounds of answering each other after which players who have not settled are taken as they are.
const MOST_ROUNDS: usize = 50;

/// Sweeps in which a victim answers a punisher that holds still.
const MOST_ANSWERS: usize = 60;

/// How a player punishes the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Punishment {
    /// Holds the other to the least it can be held to, however it answers (Shapley 1953).
    #[default]
    Minimax,
    /// Plays for itself: both answer each other selfishly until neither changes (or 50 times), from the joint action 0.
    Selfish,
    /// Compatibility with the released code: each plays for the other's loss, against another who does the same. The other does not answer as
    /// it should, so this is not minimax.
    MinusOther,
}

/// The punishing policy of each player, discounted by γ.
///
/// # Errors
/// [`BargainError::Option`] when γ is not from 0 to below 1.
///
/// ```
/// use firetender_bargain::{games, markov::Model, plan::{Punishment, punish}};
/// let model = Model::of(&games::named("ipd").unwrap()).unwrap();
/// let both = punish(&model, Punishment::Minimax, 0.9).unwrap();
/// assert_eq!(both[0].row(0), [0.0, 1.0]);
/// ```
pub fn punish(model: &Model, how: Punishment, gamma: f64) -> Result<[Policy; 2], BargainError> {
    check_discount(gamma)?;
    Ok(match how {
        Punishment::Minimax => [
            minimax_policy(model, 0, gamma),
            minimax_policy(model, 1, gamma),
        ],
        Punishment::Selfish => settle(model, gamma, [[1.0, 0.0], [0.0, 1.0]]),
        Punishment::MinusOther => settle(model, gamma, [[0.0, -1.0], [-1.0, 0.0]]),
    })
}

/// `punisher`'s part of the zero-sum game for the victim's reward, by policy iteration: what the punisher does is found state by state, held while the
/// victim answers it better and better, and found again. From values that are too high they fall to the game's, whatever the number of
/// answers (van der Wal 1978), and sweeps in which every state is a game to solve are few.
fn minimax_policy(model: &Model, punisher: usize, gamma: f64) -> Policy {
    let victim = 1 - punisher;
    let (own, other) = (model.actions()[victim], model.actions()[punisher]);
    let joint = |a: usize, b: usize| {
        if victim == 0 {
            a * model.actions()[1] + b
        } else {
            b * model.actions()[1] + a
        }
    };
    let mut weights = [0.0; 2];
    weights[victim] = 1.0;
    let most = model
        .outcomes()
        .fold(f64::MIN, |most, (rewards, _)| most.max(rewards[victim]));
    let mut values = vec![most / (1.0 - gamma); model.states()];
    let goal = 1e-7 * model.scale();
    let mut worth = vec![];
    let mut last = false;
    let mixtures = loop {
        model.worth(weights, gamma, &mut values, &mut worth);
        let solved: Vec<(f64, Vec<f64>)> = (0..model.states())
            .into_par_iter()
            .with_min_len(128)
            .map(|state| {
                minimax::zero_sum(own, other, |a, b| worth[model.outcome(state, joint(a, b))])
            })
            .collect();
        let changes = solved.iter().zip(&values).map(|((a, _), b)| (a - b).abs());
        let change = changes.fold(0.0, f64::max);
        let (next, mixtures): (Vec<f64>, Vec<Vec<f64>>) = solved.into_iter().unzip();
        if last {
            break mixtures;
        }
        last = change <= goal;
        values = next;
        if last {
            continue;
        }
        // The victim answers.
        let answer = |worth: &[f64], state: usize| {
            let mean = |a: usize| {
                let row = mixtures[state].iter().enumerate();
                row.filter(|(_, p)| **p > 0.0).fold(0.0, |sum, (b, p)| {
                    sum + p * worth[model.outcome(state, joint(a, b))]
                })
            };
            (0..own).fold(f64::MIN, |best, a| best.max(mean(a)))
        };
        values = iterate(model, weights, gamma, values, (goal, MOST_ANSWERS), answer);
    };
    let rows = mixtures.into_iter().flat_map(|mut row| {
        // What the simplex leaves off is rounding.
        row.iter_mut().for_each(|p| *p = p.max(0.0));
        let sum: f64 = row.iter().sum();
        row.into_iter().map(move |p| p / sum).collect::<Vec<_>>()
    });
    Policy {
        actions: other,
        probabilities: rows.collect(),
    }
}

/// Both answer each other by `goals`, the weights of (red, blue) rewards that each plays for.
fn settle(model: &Model, gamma: f64, goals: [[f64; 2]; 2]) -> [Policy; 2] {
    let mut both = model
        .actions()
        .map(|n| Policy::pure(n, &vec![0; model.states()]));
    for _ in 0..MOST_ROUNDS {
        let mut still = true;
        for player in 0..2 {
            let answer = greedy(model, &both[1 - player], player, goals[player], gamma);
            still &= answer == both[player];
            both[player] = answer;
        }
        if still {
            break;
        }
    }
    both
}
