//! Deep Q-networks: two players who learn apart from what both remember.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::{
    check,
    network::{Adam, Network, View},
    pg::sizes,
    rollout::{Batch, Plan},
};
use crate::{BargainError, Dice, coin::CoinGame, tabular::Reward};

/// How to train deep Q-networks (Mnih and others 2015) with double Q (van Hasselt and others 2016) and uniform replay. Episodes do not end the game:
/// values go on after the last step.
///
/// ```
/// use firetender_bargain::gradient::DqnOptions;
/// assert_eq!(DqnOptions::default().gamma, 0.96);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DqnOptions {
    /// Boards that are played before each update.
    pub boards: usize,
    /// Steps of an episode.
    pub steps: usize,
    /// Updates.
    pub updates: usize,
    /// Gradient steps of an update.
    pub fits: usize,
    /// Remembered steps that are drawn for each of them.
    pub batch: usize,
    /// Steps that are remembered; the oldest are forgotten.
    pub memory: usize,
    /// Gradient steps after which the network that gives the targets is renewed.
    pub refresh: usize,
    /// Discount.
    pub gamma: f64,
    /// Step size of Adam at the start; falls linearly to a tenth.
    pub rate: f64,
    /// Softmax temperature of the moves at the start and the end, in units of reward; geometric in between.
    pub temperatures: [f64; 2],
    /// Width of the hidden layers.
    pub hidden: usize,
    /// Hidden layers.
    pub layers: usize,
    /// Each sees itself in the middle of the board ([`CoinGame::observe_centred`]).
    pub centred: bool,
    /// What each player is rewarded by.
    pub reward: Reward,
    /// Seed.
    pub seed: u64,
}

impl Default for DqnOptions {
    /// 250 updates of 16 boards of 100 steps (4,000 episodes, as released), 60 gradient steps of 1,024 remembered steps each, memory 50,000, targets renewed
    /// every 200 gradient steps, γ 0.96, rate 0.002, temperatures 0.75 to 0.01, two hidden layers of 64, centred.
    fn default() -> Self {
        Self {
            boards: 16,
            steps: 100,
            updates: 250,
            fits: 60,
            batch: 1024,
            memory: 50_000,
            refresh: 200,
            gamma: 0.96,
            rate: 2e-3,
            temperatures: [0.75, 0.01],
            hidden: 64,
            layers: 2,
            centred: true,
            reward: Reward::Sum,
            seed: 0,
        }
    }
}

/// A remembered step: rows before and after, moves, and rewards' bits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Remembered(
    pub(super) [u32; 2],
    pub(super) [u32; 2],
    pub(super) [u8; 2],
    [u32; 2],
);

/// What is remembered, and where the next step goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replay {
    pub(super) steps: Vec<Remembered>,
    pub(super) next: usize,
}

impl Replay {
    fn remember(&mut self, step: Remembered, most: usize) {
        if self.steps.len() < most {
            self.steps.push(step);
        } else {
            self.steps[self.next] = step;
        }
        self.next = (self.next + 1) % most;
    }
}

impl DqnOptions {
    pub(super) fn check(&self, game: &CoinGame) -> Result<(), BargainError> {
        check(
            game,
            &[
                ("boards", self.boards),
                ("steps", self.steps),
                ("fits", self.fits),
                ("batch", self.batch),
                ("memory", self.memory),
                ("refresh", self.refresh),
                ("hidden", self.hidden),
                ("layers", self.layers),
            ],
            &[("rate", self.rate)],
        )?;
        crate::plan::check_discount(self.gamma)?;
        if !self.temperatures.iter().all(|t| t.is_finite() && *t > 0.0) {
            return Err(BargainError::Option {
                field: "temperatures",
                found: format!("{:?}", self.temperatures),
                expected: "finite numbers above 0",
            });
        }
        Ok(())
    }

    /// Networks of both players, and those that give their targets.
    pub(super) fn networks(&self, game: &CoinGame, device: &Device) -> Vec<Network> {
        let sizes = sizes(9 * game.planes(), self.hidden, self.layers, game.moves());
        let draw = |seat: u64| {
            let seed = self.seed.wrapping_mul(4).wrapping_add(seat);
            Network::draw(&sizes, seed, device)
        };
        vec![draw(0), draw(1), draw(0), draw(1)]
    }

    /// One update of both players; gives the batch's mean rewards.
    pub(super) fn update(
        &self,
        game: &CoinGame,
        views: &[View; 2],
        networks: &mut [Network],
        adams: &mut [Adam],
        replay: &mut Replay,
        update: usize,
    ) -> Result<[f64; 2], BargainError> {
        let share = update as f64 / self.updates as f64;
        let [hot, cold] = self.temperatures;
        let temperature = hot * (cold / hot).powf(share);
        let moves = game.moves();
        let mut worth = vec![];
        for (network, view) in networks.iter().zip([&views[0], &views[1]]) {
            worth.push(network.pass(&view.rows).outputs()?);
        }
        let play = |i: usize| softmax(&worth[i], moves, temperature);
        let plan = Plan {
            boards: self.boards,
            steps: self.steps,
            gamma: self.gamma,
            reward: self.reward,
            seed: self.seed,
            number: update,
        };
        let batch = Batch::play(
            game,
            [&views[0].of, &views[1].of],
            [&play(0), &play(1)],
            &plan,
        );
        for (steps, end) in batch.episodes() {
            for (t, step) in steps.iter().enumerate() {
                let after = steps.get(t + 1).map_or(end, |next| next.rows);
                let rewards = step.rewards.map(|r| (r as f32).to_bits());
                let seen = Remembered(step.rows, after, step.moves, rewards);
                replay.remember(seen, self.memory);
            }
        }
        let key = Dice::key(!self.seed);
        let rate = self.rate * (1.0 - 0.9 * share);
        let mut targets = self.targets(views, networks)?;
        for fit in 0..self.fits {
            let number = update * self.fits + fit;
            if number.is_multiple_of(self.refresh) {
                for player in 0..2 {
                    networks[2 + player] = networks[player].clone();
                }
                targets = self.targets(views, networks)?;
            }
            let drawn: Vec<Remembered> = (0..self.batch)
                .map(|i| {
                    let place = Dice::keyed(key, i as u64, number as u64).unit();
                    replay.steps[(place * replay.steps.len() as f64) as usize]
                })
                .collect();
            for (player, view) in views.iter().enumerate() {
                let pass = networks[player].pass(&view.rows);
                let worth = pass.outputs()?;
                let miss = self.miss(&drawn, player, &worth, &targets[player], moves);
                let up = networks[player].backward(&view.rows, &pass, view.upload(miss));
                let step = adams[player].step(&up, rate, number + 1);
                networks[player] = networks[player].plus(&step);
            }
        }
        Ok(batch.means())
    }

    fn targets(
        &self,
        views: &[View; 2],
        networks: &[Network],
    ) -> Result<[Vec<f32>; 2], BargainError> {
        Ok([
            networks[2].pass(&views[0].rows).outputs()?,
            networks[3].pass(&views[1].rows).outputs()?,
        ])
    }

    /// By how much each drawn step's value is missed, at most 1 each (Huber), by observation and move.
    fn miss(
        &self,
        drawn: &[Remembered],
        player: usize,
        worth: &[f32],
        target: &[f32],
        moves: usize,
    ) -> Vec<f32> {
        let mut out = vec![0.0_f64; worth.len()];
        for Remembered(rows, after, chosen, rewards) in drawn {
            let place = rows[player] as usize * moves + usize::from(chosen[player]);
            let next = after[player] as usize * moves;
            // The best by the network that learns, at the value of the one that stands still.
            let best = first_best(&worth[next..next + moves]);
            let goal = f64::from(f32::from_bits(rewards[player]))
                + self.gamma * f64::from(target[next + best]);
            out[place] += (goal - f64::from(worth[place])).clamp(-1.0, 1.0);
        }
        let share = 1.0 / drawn.len() as f64;
        out.into_iter().map(|x| (x * share) as f32).collect()
    }
}

/// The first of the largest.
pub(super) fn first_best(row: &[f32]) -> usize {
    let top = row.iter().copied().fold(f32::MIN, f32::max);
    row.iter().position(|q| *q >= top).unwrap_or(0)
}

/// Probabilities in proportion to `e^(worth / temperature)`, row after row.
fn softmax(worth: &[f32], moves: usize, temperature: f64) -> Vec<f64> {
    let row = |row: &[f32]| {
        let top = row.iter().copied().fold(f32::MIN, f32::max);
        let weights: Vec<f64> = row
            .iter()
            .map(|q| (f64::from(q - top) / temperature).exp())
            .collect();
        let sum: f64 = weights.iter().sum();
        weights
            .into_iter()
            .map(move |w| w / sum)
            .collect::<Vec<_>>()
    };
    worth.chunks(moves).flat_map(row).collect()
}
