//! A batch of episodes, and what it says about each state and move.

use rayon::prelude::*;

use super::PgOptions;
use crate::{Dice, coin::CoinGame};

/// One step on one board.
#[derive(Clone, Copy)]
struct Step {
    state: u32,
    moves: [u8; 2],
    rewards: [f64; 2],
}

/// Episodes, board after board.
pub(super) struct Batch {
    boards: usize,
    steps: usize,
    moves: usize,
    states: usize,
    gamma: f64,
    all: Vec<Step>,
    /// Mean rewards a step, as players are rewarded.
    rewarded: [f64; 2],
    /// Mean rewards a step of the game.
    means: [f64; 2],
}

impl Batch {
    /// Plays from tables of log-probabilities.
    pub(super) fn play(
        game: &CoinGame,
        tables: [&[f32]; 2],
        options: &PgOptions,
        update: usize,
    ) -> Self {
        let moves = game.moves();
        let key = Dice::key(options.seed);
        let tables = tables.map(|t| t.iter().map(|l| f64::from(*l).exp()).collect::<Vec<f64>>());
        let episode = |board: usize| {
            let lane = (update * options.boards + board) as u64;
            let mut state = game.reset(&mut Dice::keyed(key, lane, 0));
            let mut traces = [0.0; 2];
            (0..options.steps)
                .map(|step| {
                    let mut dice = Dice::keyed(key, lane, 1 + step as u64);
                    let index = game.index(&state);
                    let chosen = [0, 1]
                        .map(|i| dice.pick(tables[i][index * moves..][..moves].iter().copied()));
                    let after = game.step(state, chosen, &mut dice);
                    state = after.state;
                    for (t, r) in traces.iter_mut().zip(after.rewards) {
                        *t = options.reward.trace() * *t + r;
                    }
                    let seen = [0, 1].map(|i| options.reward.of(after.rewards, &traces, i));
                    let step = Step {
                        state: index as u32,
                        moves: chosen.map(|m| m as u8),
                        rewards: seen,
                    };
                    (step, after.rewards)
                })
                .collect::<Vec<_>>()
        };
        let played: Vec<(Step, [f64; 2])> = (0..options.boards)
            .into_par_iter()
            .with_min_len(16)
            .flat_map_iter(episode)
            .collect();
        let n = played.len() as f64;
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / n;
        let rewarded = [0, 1].map(|i| mean(&mut played.iter().map(|(step, _)| step.rewards[i])));
        let means = [0, 1].map(|i| mean(&mut played.iter().map(|(_, rewards)| rewards[i])));
        Self {
            boards: options.boards,
            steps: options.steps,
            moves,
            states: tables[0].len() / moves,
            gamma: options.gamma,
            rewarded,
            means,
            all: played.into_iter().map(|(step, _)| step).collect(),
        }
    }

    pub(super) fn means(&self) -> [f64; 2] {
        self.means
    }

    /// Weights of `∇ log π_k` in the gradient of player `i`'s return, `(2/B) γᵗ Gᵢₜ`, and of `entropy` times the mean entropy of player `k`.
    pub(super) fn returns(&self, i: usize, k: usize, table: &[f32], entropy: f64) -> Vec<f32> {
        let mut weights = vec![0.0_f64; self.states * self.moves];
        let share = 2.0 / self.boards as f64;
        let mut visits = vec![0.0_f64; if entropy > 0.0 { self.states } else { 0 }];
        for episode in self.all.chunks(self.steps) {
            let mut tail = 0.0;
            for (t, step) in episode.iter().enumerate().rev() {
                tail = step.rewards[i] + self.gamma * tail;
                let place = step.state as usize * self.moves + usize::from(step.moves[k]);
                weights[place] += share * self.gamma.powi(t as i32) * tail;
                if entropy > 0.0 {
                    visits[step.state as usize] += 1.0;
                }
            }
        }
        let each = entropy / self.all.len() as f64;
        for (state, count) in visits.iter().enumerate().filter(|(_, c)| **c > 0.0) {
            for place in state * self.moves..(state + 1) * self.moves {
                let log = f64::from(table[place]);
                weights[place] -= each * count * log * log.exp();
            }
        }
        weights.into_iter().map(|w| w as f32).collect()
    }

    /// Weights of `∇ log π_i` in LOLA's correction, `(2/B) Σ_{t ≥ l} ρⱼₜ Dⱼₜ`, from the derivatives of the other's log-probabilities along `∇ⱼ Vᵢ`.
    pub(super) fn correction(&self, i: usize, along: &[f32]) -> Vec<f32> {
        let j = 1 - i;
        let mut weights = vec![0.0_f64; self.states * self.moves];
        let share = 2.0 / self.boards as f64;
        let mut terms = vec![0.0; self.steps];
        for episode in self.all.chunks(self.steps) {
            let mut until = 0.0;
            for (t, step) in episode.iter().enumerate() {
                until +=
                    f64::from(along[step.state as usize * self.moves + usize::from(step.moves[j])]);
                let surplus = step.rewards[j] - self.rewarded[j];
                terms[t] = self.gamma.powi(t as i32) * surplus * until;
            }
            let mut tail = 0.0;
            for (t, step) in episode.iter().enumerate().rev() {
                tail += terms[t];
                weights[step.state as usize * self.moves + usize::from(step.moves[i])] +=
                    share * tail;
            }
        }
        weights.into_iter().map(|w| w as f32).collect()
    }

    /// `(2/B) Σ ρⱼₜ Λᵢₜ Dⱼₜ` on this batch, whose gradient the correction is; for tests.
    #[cfg(test)]
    pub(super) fn surrogate(&self, i: usize, along: &[f32], own: &[f32]) -> f64 {
        let j = 1 - i;
        let mut sum = 0.0;
        for episode in self.all.chunks(self.steps) {
            let (mut d, mut lambda) = (0.0, 0.0);
            for (t, step) in episode.iter().enumerate() {
                let at = |player: usize| {
                    step.state as usize * self.moves + usize::from(step.moves[player])
                };
                d += f64::from(along[at(j)]);
                lambda += f64::from(own[at(i)]);
                sum +=
                    self.gamma.powi(t as i32) * (step.rewards[j] - self.rewarded[j]) * lambda * d;
            }
        }
        2.0 / self.boards as f64 * sum
    }
}
