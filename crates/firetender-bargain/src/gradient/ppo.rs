//! Proximal policy optimisation: two players who learn apart, each with a critic.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::{
    check, check_share,
    network::{Adam, Network, View},
    pg::sizes,
    probabilities,
    rollout::{Batch, Plan},
};
use crate::{BargainError, coin::CoinGame, tabular::Reward};

/// Norm to which gradients are shortened.
const LONGEST: f64 = 0.5;

/// How to train by PPO (Schulman and others 2017). Episodes do not end the game: values go on after the last step.
///
/// ```
/// use firetender_bargain::gradient::PpoOptions;
/// assert_eq!(PpoOptions::default().clip, 0.2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PpoOptions {
    /// Boards that are played for each update.
    pub boards: usize,
    /// Steps of an episode.
    pub steps: usize,
    /// Updates.
    pub updates: usize,
    /// Steps of gradient ascent on each batch.
    pub epochs: usize,
    /// Discount.
    pub gamma: f64,
    /// λ of the advantages (Schulman and others 2016).
    pub lambda: f64,
    /// How far the probability of a move may change in one update before its steps no longer count.
    pub clip: f64,
    /// Step size of Adam at the start; falls linearly to 0.
    pub rate: f64,
    /// Weight of the policies' entropy.
    pub entropy: f64,
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

impl Default for PpoOptions {
    /// 400 updates of 10 steps on 64 boards of 100 steps, γ 0.96, λ 0.95, clip 0.2, rate 0.003, entropy 0.01, two hidden layers of 64, centred.
    fn default() -> Self {
        Self {
            boards: 64,
            steps: 100,
            updates: 400,
            epochs: 10,
            gamma: 0.96,
            lambda: 0.95,
            clip: 0.2,
            rate: 3e-3,
            entropy: 0.01,
            hidden: 64,
            layers: 2,
            centred: true,
            reward: Reward::Own,
            seed: 0,
        }
    }
}

/// What a batch says of one player: by observation and move, and by observation.
pub(super) struct Evidence {
    /// Sums of the advantages above and below 0, per step of the batch.
    above: Vec<f64>,
    below: Vec<f64>,
    /// Shares of the steps, and sums of returns.
    visits: Vec<f64>,
    returns: Vec<f64>,
}

impl PpoOptions {
    pub(super) fn check(&self, game: &CoinGame) -> Result<(), BargainError> {
        check(
            game,
            &[
                ("boards", self.boards),
                ("steps", self.steps),
                ("epochs", self.epochs),
                ("hidden", self.hidden),
                ("layers", self.layers),
            ],
            &[
                ("rate", self.rate),
                ("entropy", self.entropy),
                ("clip", self.clip),
            ],
        )?;
        check_share("gamma", self.gamma)?;
        check_share("lambda", self.lambda)
    }

    /// Actors of both players and critics of both.
    pub(super) fn networks(&self, game: &CoinGame, device: &Device) -> Vec<Network> {
        let draw = |number: u64, outputs: usize| {
            let sizes = sizes(9 * game.planes(), self.hidden, self.layers, outputs);
            let seed = self.seed.wrapping_mul(4).wrapping_add(number);
            Network::draw(&sizes, seed, device)
        };
        let moves = game.moves();
        vec![draw(0, moves), draw(1, moves), draw(2, 1), draw(3, 1)]
    }

    /// One update of both players; gives the batch's mean rewards.
    pub(super) fn update(
        &self,
        game: &CoinGame,
        views: &[View; 2],
        networks: &mut [Network],
        adams: &mut [Adam],
        update: usize,
    ) -> Result<[f64; 2], BargainError> {
        let mut tables = vec![];
        for (network, view) in networks.iter().zip(views) {
            tables.push(network.pass(&view.rows).log_probs()?);
        }
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
        let rate = self.rate * (1.0 - update as f64 / self.updates as f64);
        for (player, view) in views.iter().enumerate() {
            let critic = 2 + player;
            let values = networks[critic].pass(&view.rows).outputs()?;
            let old = &tables[player];
            let evidence = self.evidence(&batch, player, &values, old.len());
            for epoch in 0..self.epochs {
                let number = update * self.epochs + epoch + 1;
                let pass = networks[player].pass(&view.rows);
                let weights = self.weights(&batch, player, &evidence, old, &pass.log_probs()?);
                let up = networks[player]
                    .gradient(&view.rows, &pass, &view.upload(weights))
                    .clipped(LONGEST)?;
                networks[player] = networks[player].plus(&adams[player].step(&up, rate, number));
                let pass = networks[critic].pass(&view.rows);
                let miss = pass
                    .outputs()?
                    .iter()
                    .zip(evidence.returns.iter().zip(&evidence.visits))
                    .map(|(value, (sum, share))| (sum - share * f64::from(*value)) as f32)
                    .collect();
                let up = networks[critic]
                    .backward(&view.rows, &pass, view.upload(miss))
                    .clipped(LONGEST)?;
                networks[critic] = networks[critic].plus(&adams[critic].step(&up, rate, number));
            }
        }
        Ok(batch.means())
    }

    /// Advantages, normalised over the batch, and returns, gathered by observation.
    pub(super) fn evidence(
        &self,
        batch: &Batch,
        player: usize,
        values: &[f32],
        len: usize,
    ) -> Evidence {
        let value = |row: u32| f64::from(values[row as usize]);
        let mut advantages = vec![0.0; batch.all.len()];
        for ((steps, end), out) in batch.episodes().zip(advantages.chunks_mut(self.steps)) {
            let (mut next, mut tail) = (value(end[player]), 0.0);
            for (step, out) in steps.iter().zip(out).rev() {
                let now = value(step.rows[player]);
                let surprise = step.rewards[player] + self.gamma * next - now;
                tail = surprise + self.gamma * self.lambda * tail;
                *out = tail;
                next = now;
            }
        }
        let n = advantages.len() as f64;
        let mean = advantages.iter().sum::<f64>() / n;
        let variance = advantages.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / n;
        let unit = 1.0 / (variance.sqrt() + 1e-8);
        let mut evidence = Evidence {
            above: vec![0.0; len],
            below: vec![0.0; len],
            visits: vec![0.0; values.len()],
            returns: vec![0.0; values.len()],
        };
        for (step, advantage) in batch.all.iter().zip(advantages) {
            let row = step.rows[player];
            evidence.visits[row as usize] += 1.0 / n;
            evidence.returns[row as usize] += (advantage + value(row)) / n;
            let normal = (advantage - mean) * unit / n;
            let side = if normal > 0.0 {
                &mut evidence.above
            } else {
                &mut evidence.below
            };
            side[batch.place(step, player)] += normal;
        }
        evidence
    }

    /// Weights of `∇ log π` in the gradient of the clipped surrogate, entropy included.
    pub(super) fn weights(
        &self,
        batch: &Batch,
        player: usize,
        evidence: &Evidence,
        old: &[f32],
        new: &[f32],
    ) -> Vec<f32> {
        let mut weights: Vec<f64> = (0..old.len())
            .map(|place| {
                let ratio = f64::from(new[place] - old[place]).exp();
                let mut sum = 0.0;
                if ratio < 1.0 + self.clip {
                    sum += evidence.above[place];
                }
                if ratio > 1.0 - self.clip {
                    sum += evidence.below[place];
                }
                ratio * sum
            })
            .collect();
        batch.add_entropy(&mut weights, player, new, self.entropy);
        weights.into_iter().map(|w| w as f32).collect()
    }
}
