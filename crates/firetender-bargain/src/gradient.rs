//! Learned players of coin games: networks trained by policy gradients, alone or shaping each other (LOLA-PG, Foerster and others 2018).
//!
//! LOLA's correction asks how the other's next step changes with one's own policy, a second derivative. Sampled, it is
//! `∇ᵢ (2/B) Σ ρⱼₜ Λᵢₜ Dⱼₜ` with `Λᵢₜ` the log-probability of what player `i` did until step `t`, `ρⱼₜ` the other's discounted reward over its mean, and `Dⱼₜ` the
//! derivative of the other's log-probability along `∇ⱼ Vᵢ`: a directional derivative, which a network gives in one forward pass.
//!
//! All states of a coin game can be listed. So the networks, which are Burn tensors on the caller's device, are asked about all states at once, a
//! thousand or ten thousand rows however many boards there are; boards are played on the host from those tables; and what a batch says about
//! the parameters is a sum over states and actions. That is exact, and makes a batch of a thousand boards cost what the states cost.

mod network;
mod rollout;

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::{
    BargainError, Dice, coin::CoinGame, markov::MarkovGame, plan::Policy, tabular::Reward,
};
use network::Network;
use rollout::Batch;

/// How to train.
///
/// ```
/// use firetender_bargain::gradient::PgOptions;
/// assert_eq!(PgOptions::default().correction, 8.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PgOptions {
    /// Boards that are played for each update.
    pub boards: usize,
    /// Steps of an episode.
    pub steps: usize,
    /// Updates.
    pub updates: usize,
    /// Discount.
    pub gamma: f64,
    /// Step size at the start; falls linearly to 0 after a first update without.
    pub rate: f64,
    /// Weight of LOLA's correction; 0 learns without shaping.
    pub correction: f64,
    /// Largest norms of gradient and weighted correction.
    pub clip: [f64; 2],
    /// Weight of the policies' entropy.
    pub entropy: f64,
    /// Width of the hidden layer.
    pub hidden: usize,
    /// What each player is rewarded by.
    pub reward: Reward,
    /// Compatibility: log-probabilities divided by the number of moves, as in the released code, which shrinks the gradient by 4 and the correction by 64.
    pub averaged: bool,
    /// Seed.
    pub seed: u64,
}

impl Default for PgOptions {
    /// The released code's numbers for CG: 1,024 boards, 40 steps, 2,000 updates, γ 0.9, rate 0.05, correction 8, norms 10 and 3, entropy 0.02; one hidden layer of
    /// 32 instead of its convolutions and recurrence.
    fn default() -> Self {
        Self {
            boards: 1024,
            steps: 40,
            updates: 2000,
            gamma: 0.9,
            rate: 0.05,
            correction: 8.0,
            clip: [10.0, 3.0],
            entropy: 0.02,
            hidden: 32,
            reward: Reward::Own,
            averaged: false,
            seed: 0,
        }
    }
}

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
    check(game, options)?;
    let inputs = [0, 1].map(|seat| observations(game, seat, device));
    let moves = game.moves();
    let mut players = [0, 1].map(|seat| {
        let seed = options.seed.wrapping_mul(2).wrapping_add(seat as u64);
        Network::draw(9 * game.planes(), options.hidden, moves, seed, device)
    });
    let mut curve = vec![];
    for update in 0..options.updates {
        let passes = [0, 1].map(|i| players[i].pass(&inputs[i]));
        let tables = [passes[0].log_probs()?, passes[1].log_probs()?];
        let batch = Batch::play(game, [&tables[0], &tables[1]], options, update);
        curve.push(batch.means());
        let upload = |table: Vec<f32>| {
            let rows = table.len() / moves;
            Tensor::<2>::from_data(TensorData::new(table, [rows, moves]), device)
        };
        // Gradients of player i's return by the parameters of player k.
        let by = |i: usize, k: usize, entropy: f64| {
            let weights = batch.returns(i, k, &tables[k], entropy);
            players[k].gradient(&inputs[k], &passes[k], &upload(weights))
        };
        let rate = if update == 0 {
            0.0
        } else {
            options.rate * (1.0 - update as f64 / options.updates as f64)
        };
        let [first, third] = if options.averaged {
            let n = moves as f64;
            [1.0 / n, 1.0 / (n * n * n)]
        } else {
            [1.0, 1.0]
        };
        let mut steps = vec![];
        for i in 0..2 {
            let own = by(i, i, options.entropy)
                .scaled(first)
                .clipped(options.clip[0])?;
            let step = if options.correction == 0.0 {
                own
            } else {
                let direction = by(i, 1 - i, 0.0);
                let along = players[1 - i].tangent(&inputs[1 - i], &passes[1 - i], &direction)?;
                let weights = batch.correction(i, &along);
                let more = players[i].gradient(&inputs[i], &passes[i], &upload(weights));
                own.plus(
                    &more
                        .scaled(options.correction * third)
                        .clipped(options.clip[1])?,
                )
            };
            steps.push(step.scaled(rate));
        }
        for (player, step) in players.iter_mut().zip(&steps) {
            *player = player.plus(step);
        }
        if !observer(update, batch.means()) {
            break;
        }
    }
    let policy = |i: usize| -> Result<Policy, BargainError> {
        let table = players[i].pass(&inputs[i]).log_probs()?;
        let row = |row: &[f32]| {
            let p: Vec<f64> = row.iter().map(|l| f64::from(*l).exp()).collect();
            let sum: f64 = p.iter().sum();
            p.into_iter().map(move |x| x / sum).collect::<Vec<_>>()
        };
        Policy::new(moves, table.chunks(moves).flat_map(row).collect())
    };
    Ok(PgTrained {
        policies: [policy(0)?, policy(1)?],
        curve,
    })
}

/// What a seat sees in every state, `[states, 9 · planes]`.
fn observations(game: &CoinGame, seat: usize, device: &Device) -> Tensor<2> {
    let width = 9 * game.planes();
    let mut all = vec![0.0; game.states() * width];
    for (index, out) in all.chunks_mut(width).enumerate() {
        game.observe(&game.state(index), seat, false, out);
    }
    Tensor::from_data(TensorData::new(all, [game.states(), width]), device)
}

fn check(game: &CoinGame, options: &PgOptions) -> Result<(), BargainError> {
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
    for (field, value) in [
        ("boards", options.boards),
        ("steps", options.steps),
        ("hidden", options.hidden),
    ] {
        if value == 0 || value > 1 << 20 {
            return fail(field, value.to_string(), "a number from 1 to a million");
        }
    }
    for (field, value) in [
        ("rate", options.rate),
        ("correction", options.correction),
        ("entropy", options.entropy),
        ("clip", options.clip[0].min(options.clip[1])),
    ] {
        if !(value.is_finite() && value >= 0.0) {
            return fail(field, value.to_string(), "a finite number of 0 or more");
        }
    }
    if !(0.0..=1.0).contains(&options.gamma) {
        return fail("gamma", options.gamma.to_string(), "a number from 0 to 1");
    }
    Ok(())
}

/// A first parameter: uniform within `±1/√inputs`.
fn first_parameter(seed: u64, layer: u64, index: u64, inputs: usize) -> f32 {
    let reach = 1.0 / (inputs as f64).sqrt();
    (reach * (2.0 * Dice::at(seed, index, layer).unit() - 1.0)) as f32
}

#[cfg(test)]
mod tests;
