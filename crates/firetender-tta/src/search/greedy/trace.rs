//! What a search did, pick by pick.

use serde::{Deserialize, Serialize};

use super::Mode;
use crate::{Policy, TtaError};

/// One pick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pick {
    /// Number of the entry in the pool.
    pub index: usize,
    /// Score of the mixture with it.
    pub score: f64,
    /// 1 / β.
    pub temperature: f64,
    /// The second best; none when there was no other.
    pub runner_up: Option<usize>,
    /// How much better than the second best. Below about 1e-6 the order is within what `f32` predictions can tell.
    pub gap: Option<f64>,
    /// Candidates that were maximised in full.
    pub refined: usize,
    /// Passes over a candidate's data, of both kinds.
    pub passes: usize,
    /// Whether β stands at a bound: the mixture separates the samples, or knows nothing.
    pub at_bound: bool,
    /// Its share of the mixture when it was picked; none for 1/t.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

/// What a search did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// Name of the criterion.
    pub criterion: String,
    /// How candidates were kept from a full fit.
    pub mode: Mode,
    /// The picks, in order; those of the start policy are not among them.
    pub picks: Vec<Pick>,
    /// Entries that the search began with.
    #[serde(default)]
    pub start: Vec<usize>,
}

impl Trace {
    /// Numbers of the entries, from the start policy on.
    #[must_use]
    pub fn selected(&self) -> Vec<usize> {
        let picks = self.picks.iter().map(|pick| pick.index);
        self.start.iter().copied().chain(picks).collect()
    }

    /// Scores of the picks.
    #[must_use]
    pub fn scores(&self) -> Vec<f64> {
        self.picks.iter().map(|pick| pick.score).collect()
    }

    /// Temperatures of the picks.
    #[must_use]
    pub fn temperatures(&self) -> Vec<f64> {
        self.picks.iter().map(|pick| pick.temperature).collect()
    }

    /// Weight of each entry of [`Trace::selected`] in the mixture; they sum to one, and are equal without a line search.
    #[must_use]
    pub fn weights(&self) -> Vec<f64> {
        let begun = self.start.len();
        let mut weights = vec![1.0 / begun.max(1) as f64; begun];
        for (at, pick) in self.picks.iter().enumerate() {
            let share = pick.share.unwrap_or(1.0 / (begun + at + 1) as f64);
            weights.iter_mut().for_each(|w| *w *= 1.0 - share);
            weights.push(share);
        }
        weights
    }

    /// How many picks the best score has; the path is not monotone.
    #[must_use]
    pub fn best_prefix(&self) -> usize {
        let mut best = (0, f64::NEG_INFINITY);
        for (at, pick) in self.picks.iter().enumerate() {
            if pick.score > best.1 {
                best = (at + 1, pick.score);
            }
        }
        self.start.len() + best.0
    }

    /// The policy that the picks make, with scores and temperatures in its provenance.
    ///
    /// # Errors
    /// [`TtaError::Options`] when an entry is not in the pool's policy.
    pub fn policy(&self, pool: &Policy) -> Result<Policy, TtaError> {
        let selected = self.selected();
        let mut policy = pool.select(&selected)?;
        policy.provenance.selected = selected;
        policy.provenance.scores = self.scores();
        policy.provenance.temperatures = self.temperatures();
        Ok(policy)
    }
}
