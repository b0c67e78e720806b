//! What the picks so far add up to.

use super::{GreedySearch, Pick};
use crate::{
    TtaError,
    search::{
        Candidates,
        pass::{TILE, Tile32, Tile64},
    },
};

/// What the picks so far add up to.
pub(super) struct State<'a> {
    pub(super) search: &'a GreedySearch,
    pub(super) candidates: &'a Candidates,
    pub(super) sum: Vec<Tile64>,
    pub(super) rough: Vec<Tile32>,
    pub(super) count: usize,
    pub(super) used: Vec<bool>,
    /// Where the next fits begin.
    pub(super) beta: f64,
    /// Whether the last step's fits met samples below the floor: no bound holds then.
    pub(super) deep: bool,
    /// Score of the picks so far, for costs.
    pub(super) current: Option<f64>,
}

impl<'a> State<'a> {
    pub(super) fn new(
        search: &'a GreedySearch,
        candidates: &'a Candidates,
    ) -> Result<Self, TtaError> {
        let tiles = candidates.weights.len() * candidates.classes();
        let mut state = Self {
            search,
            candidates,
            sum: vec![[0.0; TILE]; tiles],
            rough: vec![[0.0; TILE]; tiles],
            count: 0,
            used: vec![false; candidates.entries()],
            beta: 1.0,
            deep: false,
            current: None,
        };
        for (at, entry) in search.start.iter().enumerate() {
            if at + 1 == search.start.len() {
                // The same fit that a search that came here would have made.
                let fit = state.fit(*entry, 1.0)?;
                state.beta = fit.beta;
                state.current = Some(fit.value);
            }
            state.take(*entry, None)?;
        }
        Ok(state)
    }

    /// Adds an entry to the sum.
    pub(super) fn take(&mut self, entry: usize, pick: Option<&Pick>) -> Result<(), TtaError> {
        let (sum, rough) = (&mut self.sum, &mut self.rough);
        self.candidates.with_entry(entry, |tiles| {
            let all = sum.iter_mut().zip(rough.iter_mut()).zip(tiles);
            for ((sum, rough), tile) in all {
                for i in 0..TILE {
                    sum[i] += f64::from(tile[i]);
                    rough[i] = sum[i] as f32;
                }
            }
        })?;
        self.count += 1;
        self.used[entry] = true;
        if let Some(pick) = pick {
            if let Some(share) = pick.share {
                // The sum of so many equal picks as would make this mixture.
                self.reweigh(entry, share)?;
            }
            self.beta = 1.0 / pick.temperature;
            self.current = Some(pick.score);
        }
        Ok(())
    }

    /// Makes the sum, which has the entry at 1/t, one that has it at `share`.
    fn reweigh(&mut self, entry: usize, share: f64) -> Result<(), TtaError> {
        let count = self.count as f64;
        if count < 2.0 {
            return Ok(());
        }
        let (old, own) = (count * (1.0 - share) / (count - 1.0), count * share);
        let (sum, rough) = (&mut self.sum, &mut self.rough);
        self.candidates.with_entry(entry, |tiles| {
            for ((sum, rough), tile) in sum.iter_mut().zip(rough.iter_mut()).zip(tiles) {
                for i in 0..TILE {
                    let p = f64::from(tile[i]);
                    sum[i] = (sum[i] - p) * old + p * own;
                    rough[i] = sum[i] as f32;
                }
            }
        })
    }

    /// What is compared between candidates: a growing function of the score.
    pub(super) fn key(&self, entry: usize, score: f64) -> f64 {
        match (&self.search.costs, self.current) {
            (Some(costs), Some(current)) => (score - current) / costs[entry],
            _ => score,
        }
    }
}
