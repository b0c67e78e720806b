//! A game's rewards and successors as tables.

use std::collections::BTreeMap;

use super::{MarkovGame, conformance};
use crate::BargainError;

/// The tables of a game. Successors that are the same lottery are kept once, so that a planner averages each once a sweep.
///
/// ```
/// use firetender_bargain::{coin::CoinGame, markov::Model};
/// let model = Model::of(&CoinGame::named("cg").unwrap()).unwrap();
/// assert_eq!((model.states(), model.joint()), (1458, 16));
/// ```
#[derive(Clone, Debug)]
pub struct Model {
    name: String,
    states: usize,
    actions: [usize; 2],
    first: Vec<(usize, f64)>,
    /// By state and joint action.
    rewards: Vec<[f64; 2]>,
    /// By state and joint action: a state, or `states` + the number of a lottery.
    next: Vec<u32>,
    lotteries: Vec<Vec<(usize, f64)>>,
}

impl Model {
    /// The tables of a game that [conforms](conformance).
    ///
    /// # Errors
    /// As [`conformance`].
    pub fn of(game: &dyn MarkovGame) -> Result<Self, BargainError> {
        conformance(game)?;
        let (states, actions) = (game.states(), game.actions());
        let joint = actions[0] * actions[1];
        let mut model = Self {
            name: game.name(),
            states,
            actions,
            first: game.first(),
            rewards: Vec::with_capacity(states * joint),
            next: Vec::with_capacity(states * joint),
            lotteries: vec![],
        };
        let mut known: BTreeMap<Vec<(usize, u64)>, u32> = BTreeMap::new();
        let mut next = vec![];
        for state in 0..states {
            for both in 0..joint {
                next.clear();
                let pair = [both / actions[1], both % actions[1]];
                model.rewards.push(game.outcomes(state, pair, &mut next));
                next.retain(|(_, p)| *p > 0.0);
                if let [(only, _)] = next[..] {
                    model.next.push(only as u32);
                    continue;
                }
                let key = next.iter().map(|(s, p)| (*s, p.to_bits())).collect();
                let number = *known.entry(key).or_insert_with(|| {
                    model.lotteries.push(next.clone());
                    (states + model.lotteries.len() - 1) as u32
                });
                model.next.push(number);
            }
        }
        Ok(model)
    }

    /// The game's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of states.
    #[must_use]
    pub fn states(&self) -> usize {
        self.states
    }

    /// Actions of each player.
    #[must_use]
    pub fn actions(&self) -> [usize; 2] {
        self.actions
    }

    /// Joint actions, numbered `first player's · actions of the second + second player's`.
    #[must_use]
    pub fn joint(&self) -> usize {
        self.actions[0] * self.actions[1]
    }

    /// The distribution of the first state.
    #[must_use]
    pub fn first(&self) -> &[(usize, f64)] {
        &self.first
    }

    /// Expected rewards of a joint action.
    ///
    /// # Panics
    /// When there is no such state or joint action.
    #[must_use]
    pub fn rewards(&self, state: usize, joint: usize) -> [f64; 2] {
        assert!(joint < self.joint(), "joint action {joint}");
        self.rewards[state * self.joint() + joint]
    }

    /// Calls `each` with the successors of a joint action and their probabilities.
    pub(crate) fn successors(&self, state: usize, joint: usize, mut each: impl FnMut(usize, f64)) {
        let next = self.next(state, joint);
        if next < self.states {
            each(next, 1.0);
        } else {
            for (state, p) in &self.lotteries[next - self.states] {
                each(*state, *p);
            }
        }
    }

    /// A state, or `states` + the number of a lottery.
    pub(crate) fn next(&self, state: usize, joint: usize) -> usize {
        self.next[state * self.joint() + joint] as usize
    }

    /// Appends the mean of each lottery to the values of the states, so that what [`next`](Self::next) gives is an index.
    pub(crate) fn extend<T>(&self, values: &mut Vec<T>, mean: impl Fn(&[(usize, f64)], &[T]) -> T) {
        values.truncate(self.states);
        for lottery in &self.lotteries {
            let value = mean(lottery, &values[..self.states]);
            values.push(value);
        }
    }

    /// [`extend`](Self::extend) for numbers.
    pub(crate) fn extend_numbers(&self, values: &mut Vec<f64>) {
        self.extend(values, |lottery, v| {
            lottery.iter().map(|(s, p)| p * v[*s]).sum()
        });
    }

    /// [`extend`](Self::extend) for a pair of values a state.
    pub(crate) fn extend_pairs(&self, values: &mut Vec<[f64; 2]>) {
        self.extend(values, |lottery, v| {
            lottery.iter().fold([0.0; 2], |sum, (s, p)| {
                [sum[0] + p * v[*s][0], sum[1] + p * v[*s][1]]
            })
        });
    }

    /// The largest difference between two rewards of one player: what tolerances are relative to.
    pub(crate) fn scale(&self) -> f64 {
        let spread = |i: usize| {
            let (low, high) = self
                .rewards
                .iter()
                .fold((f64::MAX, f64::MIN), |(l, h), r| (l.min(r[i]), h.max(r[i])));
            high - low
        };
        spread(0).max(spread(1)).max(1e-300)
    }
}
