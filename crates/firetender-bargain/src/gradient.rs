//! Learned players of coin games: networks trained by policy gradients, alone or shaping each other (LOLA-PG, Foerster and others 2018), by PPO (Schulman and
//! others 2017) or as deep Q-networks (Mnih and others 2015; double Q of van Hasselt and others 2016). A [`Trainer`] makes one update at a time, and goes on from a
//! [`Checkpoint`] to the same result.
//!
//! LOLA's correction asks how the other's next step changes with one's own policy, a second derivative. Sampled, it is
//! `∇ᵢ (2/B) Σ ρⱼₜ Λᵢₜ Dⱼₜ` with `Λᵢₜ` the log-probability of what player `i` did until step `t`, `ρⱼₜ` the other's discounted reward over its mean, and `Dⱼₜ` the
//! derivative of the other's log-probability along `∇ⱼ Vᵢ`: a directional derivative, which a network gives in one forward pass.
//!
//! All states of a coin game can be listed. So the networks, which are Burn tensors on the caller's device, are asked about all states at once, a
//! thousand or ten thousand rows however many boards there are; boards are played on the host from those tables; and what a batch says about
//! the parameters is a sum over states and actions. That is exact, and makes a batch of a thousand boards cost what the states cost.

mod dqn;
mod network;
mod pg;
mod ppo;
mod rollout;
mod trainer;

pub use dqn::DqnOptions;
pub use pg::PgOptions;
pub use ppo::PpoOptions;
pub use trainer::{Algorithm, Checkpoint, Trainer};

use std::collections::HashMap;

use burn::tensor::{Device, Tensor, TensorData};

use crate::{BargainError, Dice, coin::CoinGame, markov::MarkovGame, plan::Policy};
use network::View;

/// Players that were trained together.
#[derive(Clone, Debug, PartialEq)]
pub struct PgTrained {
    /// What each does in every state of the game.
    pub policies: [Policy; 2],
    /// Mean rewards a step of both players in each batch.
    pub curve: Vec<[f64; 2]>,
}

/// Trains a pair of networks in a coin game. `observer` is called after each update with its number and the batch's mean rewards a step, and stops
/// the training by returning `false`.
///
/// # Errors
/// [`BargainError::Option`] when a number is out of range; [`BargainError::Game`] when the game has too many states to list or the device does not give its
/// numbers back.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_bargain::{coin::CoinGame, gradient::{PgOptions, train_networks}};
/// let game = CoinGame::named("cg").unwrap();
/// let options = PgOptions { boards: 8, updates: 2, ..PgOptions::default() };
/// let trained = train_networks(&game, &options, &Device::flex(), &mut |_, _| true).unwrap();
/// assert_eq!(trained.curve.len(), 2);
/// ```
pub fn train_networks(
    game: &CoinGame,
    options: &PgOptions,
    device: &Device,
    observer: &mut dyn FnMut(usize, [f64; 2]) -> bool,
) -> Result<PgTrained, BargainError> {
    let mut trainer = Trainer::new(game, &Algorithm::Pg(*options), device)?;
    while let Some(means) = trainer.step()? {
        if !observer(trainer.updates() - 1, means) {
            break;
        }
    }
    Ok(PgTrained {
        policies: trainer.policies()?,
        curve: trainer.curve().to_vec(),
    })
}

/// What a seat sees in every state: `[rows, 9 · planes]`, each different observation once.
fn view(game: &CoinGame, seat: usize, centred: bool, device: &Device) -> View {
    let width = 9 * game.planes();
    let mut known: HashMap<Vec<u8>, u32> = HashMap::new();
    let (mut rows, mut of) = (vec![], vec![]);
    let mut out = vec![0.0; width];
    for index in 0..game.states() {
        let state = game.state(index);
        if centred {
            game.observe_centred(&state, seat, &mut out);
        } else {
            game.observe(&state, seat, false, &mut out);
        }
        let key: Vec<u8> = out.iter().map(|x| u8::from(*x > 0.0)).collect();
        let next = known.len() as u32;
        let row = *known.entry(key).or_insert(next);
        if row == next {
            rows.extend_from_slice(&out);
        }
        of.push(row);
    }
    let count = known.len();
    View {
        rows: Tensor::from_data(TensorData::new(rows, [count, width]), device),
        of,
    }
}

/// The policy of all states from a table of probabilities of all observations, rounding forgiven.
fn policy(moves: usize, of: &[u32], table: &[f64]) -> Result<Policy, BargainError> {
    let row = |row: &u32| {
        let p = &table[*row as usize * moves..][..moves];
        let sum: f64 = p.iter().sum();
        p.iter().map(move |x| x / sum)
    };
    Policy::new(moves, of.iter().flat_map(row).collect())
}

/// Probabilities from log-probabilities.
fn probabilities(logs: &[f32]) -> Vec<f64> {
    logs.iter().map(|l| f64::from(*l).exp()).collect()
}

/// Refuses games with too many states, and numbers that are out of range: counts from 1 to a million, the others finite and not negative.
fn check(
    game: &CoinGame,
    counts: &[(&'static str, usize)],
    numbers: &[(&'static str, f64)],
) -> Result<(), BargainError> {
    if game.states() > 20_000 {
        return Err(BargainError::Game {
            game: game.name(),
            what: format!("{} states; expected at most 20,000", game.states()),
        });
    }
    let fail = |field, found: String, expected| {
        Err(BargainError::Option {
            field,
            found,
            expected,
        })
    };
    for (field, value) in counts {
        if *value == 0 || *value > 1 << 20 {
            return fail(field, value.to_string(), "a number from 1 to a million");
        }
    }
    let of = |name: &str| counts.iter().find(|(f, _)| *f == name).map_or(1, |c| c.1);
    let parameters = of("layers").saturating_mul(of("hidden").saturating_mul(of("hidden")));
    if parameters > 1 << 26 {
        let found = format!("{} layers of {}", of("layers"), of("hidden"));
        return fail("hidden", found, "at most 67 million parameters");
    }
    for (field, value) in numbers {
        if !(value.is_finite() && *value >= 0.0) {
            return fail(field, value.to_string(), "a finite number of 0 or more");
        }
    }
    Ok(())
}

/// Refuses what is no number from 0 to 1.
fn check_share(field: &'static str, value: f64) -> Result<(), BargainError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(BargainError::Option {
        field,
        found: value.to_string(),
        expected: "a number from 0 to 1",
    })
}

/// A first parameter: uniform within `±1/√inputs`.
fn first_parameter(seed: u64, layer: u64, index: u64, inputs: usize) -> f32 {
    let reach = 1.0 / (inputs as f64).sqrt();
    (reach * (2.0 * Dice::at(seed, index, layer).unit() - 1.0)) as f32
}

#[cfg(test)]
mod tests;
