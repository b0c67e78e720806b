//! A batch of episodes, and what it says about each observation and move.

use rayon::prelude::*;

use crate::{
    Dice,
    coin::{CoinGame, CoinState},
    tabular::Reward,
};

/// One step on one board.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// The row of each seat's observation.
    pub(super) rows: [u32; 2],
    pub(super) moves: [u8; 2],
    /// As players are rewarded.
    pub(super) rewards: [f64; 2],
}

/// Which boards are played.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) boards: usize,
    pub(super) steps: usize,
    pub(super) gamma: f64,
    pub(super) reward: Reward,
    pub(super) seed: u64,
    /// Number of the batch: no two have boards in common.
    pub(super) number: usize,
}

/// Episodes, board after board.
pub(super) struct Batch {
    plan: Plan,
    moves: usize,
    pub(super) all: Vec<Step>,
    /// The rows after the last step of each board.
    pub(super) last: Vec<[u32; 2]>,
    /// Mean rewards a step, as players are rewarded.
    rewarded: [f64; 2],
    /// Mean rewards a step of the game.
    means: [f64; 2],
}

impl Batch {
    /// Plays from tables of probabilities, a row for each observation; `rows` are the observations of each state.
    pub(super) fn play(
        game: &CoinGame,
        rows: [&[u32]; 2],
        tables: [&[f64]; 2],
        plan: &Plan,
    ) -> Self {
        let moves = game.moves();
        let key = Dice::key(plan.seed);
        let episode = |board: usize| {
            let lane = (plan.number * plan.boards + board) as u64;
            let mut state = game.reset(&mut Dice::keyed(key, lane, 0));
            let mut traces = [0.0; 2];
            let seen = |state: &CoinState| {
                let index = game.index(state);
                [rows[0][index], rows[1][index]]
            };
            let mut now = seen(&state);
            let mut steps = Vec::with_capacity(plan.steps);
            let mut paid = [0.0; 2];
            for step in 0..plan.steps {
                let mut dice = Dice::keyed(key, lane, 1 + step as u64);
                let chosen = [0, 1].map(|i| {
                    let row = &tables[i][now[i] as usize * moves..][..moves];
                    dice.pick(row.iter().copied())
                });
                let after = game.step(state, chosen, &mut dice);
                state = after.state;
                for ((trace, sum), r) in traces.iter_mut().zip(&mut paid).zip(after.rewards) {
                    *trace = plan.reward.trace() * *trace + r;
                    *sum += r;
                }
                steps.push(Step {
                    rows: now,
                    moves: chosen.map(|m| m as u8),
                    rewards: [0, 1].map(|i| plan.reward.of(after.rewards, &traces, i)),
                });
                now = seen(&state);
            }
            (steps, now, paid)
        };
        let played: Vec<(Vec<Step>, [u32; 2], [f64; 2])> = (0..plan.boards)
            .into_par_iter()
            .with_min_len(16)
            .map(episode)
            .collect();
        let n = (plan.boards * plan.steps) as f64;
        let (mut all, mut last) = (Vec::with_capacity(plan.boards * plan.steps), vec![]);
        let mut means = [0.0; 2];
        for (steps, end, paid) in played {
            all.extend(steps);
            last.push(end);
            for i in 0..2 {
                means[i] += paid[i] / n;
            }
        }
        let rewarded = [0, 1].map(|i| all.iter().map(|s| s.rewards[i]).sum::<f64>() / n);
        Self {
            plan: *plan,
            moves,
            all,
            last,
            rewarded,
            means,
        }
    }

    pub(super) fn means(&self) -> [f64; 2] {
        self.means
    }

    /// Episodes, and the rows after each.
    pub(super) fn episodes(&self) -> impl Iterator<Item = (&[Step], [u32; 2])> {
        self.all
            .chunks(self.plan.steps)
            .zip(self.last.iter().copied())
    }

    /// Where a player's step is in its table.
    pub(super) fn place(&self, step: &Step, player: usize) -> usize {
        step.rows[player] as usize * self.moves + usize::from(step.moves[player])
    }

    /// Weights of `∇ log π_k` in the gradient of player `i`'s return, `(2/B) γᵗ (Gᵢₜ − b)`, and of `entropy` times the mean entropy of player `k`, whose
    /// log-probabilities are `table`. The baseline `b`, where one is wanted, is the mean of the returns of that step over all boards.
    pub(super) fn returns(
        &self,
        i: usize,
        k: usize,
        table: &[f32],
        entropy: f64,
        baseline: bool,
    ) -> Vec<f32> {
        let steps = self.plan.steps;
        let mut tails = vec![0.0_f64; self.all.len()];
        let mut means = vec![0.0_f64; steps];
        for (episode, tails) in self.all.chunks(steps).zip(tails.chunks_mut(steps)) {
            let mut tail = 0.0;
            for (t, step) in episode.iter().enumerate().rev() {
                tail = step.rewards[i] + self.plan.gamma * tail;
                tails[t] = tail;
                if baseline {
                    means[t] += tail / self.plan.boards as f64;
                }
            }
        }
        let mut weights = vec![0.0_f64; table.len()];
        let share = 2.0 / self.plan.boards as f64;
        for (number, (step, tail)) in self.all.iter().zip(&tails).enumerate() {
            let t = number % steps;
            weights[self.place(step, k)] +=
                share * self.plan.gamma.powi(t as i32) * (tail - means[t]);
        }
        self.add_entropy(&mut weights, k, table, entropy);
        weights.into_iter().map(|w| w as f32).collect()
    }

    /// Adds `entropy` times the weights of the mean entropy of player `k` over all steps.
    pub(super) fn add_entropy(&self, weights: &mut [f64], k: usize, table: &[f32], entropy: f64) {
        if entropy <= 0.0 {
            return;
        }
        let mut visits = vec![0.0_f64; weights.len() / self.moves];
        for step in &self.all {
            visits[step.rows[k] as usize] += 1.0;
        }
        let each = entropy / self.all.len() as f64;
        for (row, count) in visits.iter().enumerate().filter(|(_, c)| **c > 0.0) {
            for place in row * self.moves..(row + 1) * self.moves {
                let log = f64::from(table[place]);
                weights[place] -= each * count * log * log.exp();
            }
        }
    }

    /// Weights of `∇ log π_i` in LOLA's correction, `(2/B) Σ_{t ≥ l} ρⱼₜ Dⱼₜ`, from the derivatives `along` of the other's log-probabilities along `∇ⱼ Vᵢ`;
    /// `len` is the length of player `i`'s table.
    pub(super) fn correction(&self, i: usize, along: &[f32], len: usize) -> Vec<f32> {
        let j = 1 - i;
        let mut weights = vec![0.0_f64; len];
        let share = 2.0 / self.plan.boards as f64;
        let mut terms = vec![0.0; self.plan.steps];
        for episode in self.all.chunks(self.plan.steps) {
            let mut until = 0.0;
            for (t, step) in episode.iter().enumerate() {
                until += f64::from(along[self.place(step, j)]);
                let surplus = step.rewards[j] - self.rewarded[j];
                terms[t] = self.plan.gamma.powi(t as i32) * surplus * until;
            }
            let mut tail = 0.0;
            for (t, step) in episode.iter().enumerate().rev() {
                tail += terms[t];
                weights[self.place(step, i)] += share * tail;
            }
        }
        weights.into_iter().map(|w| w as f32).collect()
    }

    /// `(2/B) Σ ρⱼₜ Λᵢₜ Dⱼₜ` on this batch, whose gradient the correction is; for tests.
    #[cfg(test)]
    pub(super) fn surrogate(&self, i: usize, along: &[f32], own: &[f32]) -> f64 {
        let j = 1 - i;
        let mut sum = 0.0;
        for episode in self.all.chunks(self.plan.steps) {
            let (mut d, mut lambda) = (0.0, 0.0);
            for (t, step) in episode.iter().enumerate() {
                d += f64::from(along[self.place(step, j)]);
                lambda += f64::from(own[self.place(step, i)]);
                sum += self.plan.gamma.powi(t as i32)
                    * (step.rewards[j] - self.rewarded[j])
                    * lambda
                    * d;
            }
        }
        2.0 / self.plan.boards as f64 * sum
    }
}
