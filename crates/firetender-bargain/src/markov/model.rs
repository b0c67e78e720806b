//! A game's rewards and successors as tables.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{MarkovGame, survey};
use crate::BargainError;

/// The tables of a game. Joint actions that come to the same are one outcome, and successors that are the same lottery are kept once, so that a
/// planner weighs each once a sweep.
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
    /// By state and joint action: the number of an outcome.
    outcomes: Vec<u32>,
    /// Of each outcome.
    rewards: Vec<[f64; 2]>,
    /// Of each outcome: a state, or `states` + the number of a lottery.
    next: Vec<u32>,
    lotteries: Vec<Vec<(usize, f64)>>,
}

/// Outcomes and lotteries by what they are made of.
#[derive(Default)]
struct Known {
    /// Rewards' bits and what comes next.
    outcomes: HashMap<([u64; 2], u32), u32>,
    /// Numbers of the lotteries with a hash.
    lotteries: HashMap<u64, Vec<u32>>,
}

impl Model {
    /// The tables of a game that [conforms](super::conformance).
    ///
    /// # Errors
    /// As [`conformance`](super::conformance).
    pub fn of(game: &dyn MarkovGame) -> Result<Self, BargainError> {
        let mut model = Self {
            name: game.name(),
            states: game.states(),
            actions: game.actions(),
            first: vec![],
            outcomes: vec![],
            rewards: vec![],
            next: vec![],
            lotteries: vec![],
        };
        let mut known = Known::default();
        let outcomes = survey(game, &mut |rewards, next| {
            model.add(&mut known, rewards, next)
        })?;
        model.outcomes = outcomes;
        model.first = game.first();
        Ok(model)
    }

    /// The number of an outcome, which is new or known.
    fn add(&mut self, known: &mut Known, rewards: [f64; 2], next: &[(usize, f64)]) -> u32 {
        let next: Vec<(usize, f64)> = next.iter().copied().filter(|(_, p)| *p > 0.0).collect();
        let follows = match next[..] {
            [(only, _)] => only as u32,
            _ => (self.states + self.lottery(known, next)) as u32,
        };
        let key = (rewards.map(f64::to_bits), follows);
        let number = self.rewards.len() as u32;
        let found = *known.outcomes.entry(key).or_insert(number);
        if found == number {
            self.rewards.push(rewards);
            self.next.push(follows);
        }
        found
    }

    fn lottery(&mut self, known: &mut Known, members: Vec<(usize, f64)>) -> usize {
        let mut hasher = DefaultHasher::new();
        for (state, p) in &members {
            (state, p.to_bits()).hash(&mut hasher);
        }
        let same = known.lotteries.entry(hasher.finish()).or_default();
        if let Some(found) = same
            .iter()
            .find(|number| self.lotteries[**number as usize] == members)
        {
            return *found as usize;
        }
        same.push(self.lotteries.len() as u32);
        self.lotteries.push(members);
        self.lotteries.len() - 1
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
        self.rewards[self.outcome(state, joint)]
    }

    /// The number of what a joint action comes to.
    pub(crate) fn outcome(&self, state: usize, joint: usize) -> usize {
        self.outcomes[state * self.joint() + joint] as usize
    }

    /// What can come of the joint actions in a state, by their numbers.
    pub(crate) fn outcomes_in(&self, state: usize) -> &[u32] {
        &self.outcomes[state * self.joint()..][..self.joint()]
    }

    /// Rewards of each outcome, and what comes next: a state, or `states` + the number of a lottery.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = ([f64; 2], usize)> + '_ {
        self.rewards
            .iter()
            .zip(&self.next)
            .map(|(r, n)| (*r, *n as usize))
    }

    /// Rewards of an outcome, and what comes next.
    pub(crate) fn result(&self, outcome: usize) -> ([f64; 2], usize) {
        (self.rewards[outcome], self.next[outcome] as usize)
    }

    /// The lotteries, in the order of their numbers.
    pub(crate) fn lotteries(&self) -> &[Vec<(usize, f64)>] {
        &self.lotteries
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
        self.next[self.outcome(state, joint)] as usize
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

    /// What each outcome is worth when rewards have these weights: its own now, and `gamma` times the mean of `values` after it.
    pub(crate) fn worth(
        &self,
        weights: [f64; 2],
        gamma: f64,
        values: &mut Vec<f64>,
        out: &mut Vec<f64>,
    ) {
        self.extend_numbers(values);
        out.clear();
        out.extend(
            self.outcomes().map(|([one, two], next)| {
                weights[0] * one + weights[1] * two + gamma * values[next]
            }),
        );
        values.truncate(self.states);
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
