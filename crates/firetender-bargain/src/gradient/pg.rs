//! Policy gradients, alone or with LOLA's correction.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::{
    check, check_share,
    network::{Network, View},
    probabilities,
    rollout::{Batch, Plan},
};
use crate::{BargainError, coin::CoinGame, tabular::Reward};

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
    /// Width of the hidden layers.
    pub hidden: usize,
    /// Hidden layers.
    #[serde(default = "one")]
    pub layers: usize,
    /// Each sees itself in the middle of the board ([`CoinGame::observe_centred`]).
    #[serde(default)]
    pub centred: bool,
    /// Returns are counted from their mean over boards, step by step, which makes gradients less noisy.
    #[serde(default)]
    pub baseline: bool,
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
            layers: 1,
            centred: false,
            baseline: false,
            reward: Reward::Own,
            averaged: false,
            seed: 0,
        }
    }
}

fn one() -> usize {
    1
}

/// The sizes of a network's layers.
pub(super) fn sizes(inputs: usize, hidden: usize, layers: usize, outputs: usize) -> Vec<usize> {
    let mut sizes = vec![inputs];
    sizes.extend(std::iter::repeat_n(hidden, layers));
    sizes.push(outputs);
    sizes
}

impl PgOptions {
    pub(super) fn check(&self, game: &CoinGame) -> Result<(), BargainError> {
        check(
            game,
            &[
                ("boards", self.boards),
                ("steps", self.steps),
                ("hidden", self.hidden),
                ("layers", self.layers),
            ],
            &[
                ("rate", self.rate),
                ("correction", self.correction),
                ("entropy", self.entropy),
                ("clip", self.clip[0]),
                ("clip", self.clip[1]),
            ],
        )?;
        check_share("gamma", self.gamma)
    }

    /// The first networks.
    pub(super) fn networks(&self, game: &CoinGame, device: &Device) -> Vec<Network> {
        let sizes = sizes(9 * game.planes(), self.hidden, self.layers, game.moves());
        let draw = |seat: u64| {
            let seed = self.seed.wrapping_mul(2).wrapping_add(seat);
            Network::draw(&sizes, seed, device)
        };
        vec![draw(0), draw(1)]
    }

    /// One update of both players; gives the batch's mean rewards.
    pub(super) fn update(
        &self,
        game: &CoinGame,
        views: &[View; 2],
        players: &mut [Network],
        update: usize,
    ) -> Result<[f64; 2], BargainError> {
        let passes = [0, 1].map(|i| players[i].pass(&views[i].rows));
        let tables = [passes[0].log_probs()?, passes[1].log_probs()?];
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
            [&probabilities(&tables[0]), &probabilities(&tables[1])],
            &plan,
        );
        // Gradients of player i's return by the parameters of player k.
        let by = |i: usize, k: usize, entropy: f64| {
            let weights = batch.returns(i, k, &tables[k], entropy, self.baseline);
            players[k].gradient(&views[k].rows, &passes[k], &views[k].upload(weights))
        };
        let rate = if update == 0 {
            0.0
        } else {
            self.rate * (1.0 - update as f64 / self.updates as f64)
        };
        let [first, third] = if self.averaged {
            let n = game.moves() as f64;
            [1.0 / n, 1.0 / (n * n * n)]
        } else {
            [1.0, 1.0]
        };
        let mut steps = vec![];
        for i in 0..2 {
            let j = 1 - i;
            let own = by(i, i, self.entropy).scaled(first).clipped(self.clip[0])?;
            let step = if self.correction == 0.0 {
                own
            } else {
                let direction = by(i, j, 0.0);
                let along = players[j].tangent(&views[j].rows, &passes[j], &direction)?;
                let weights = batch.correction(i, &along, tables[i].len());
                let more =
                    players[i].gradient(&views[i].rows, &passes[i], &views[i].upload(weights));
                own.plus(&more.scaled(self.correction * third).clipped(self.clip[1])?)
            };
            steps.push(step.scaled(rate));
        }
        for (player, step) in players.iter_mut().zip(&steps) {
            *player = player.plus(step);
        }
        Ok(batch.means())
    }
}
