//! Log-probabilities of many continuations at once.
//!
//! [`LikelihoodModel`] is all that an evaluation needs to know of a model: contexts and continuations in, one log-probability a token out. Three ways lead there:
//! [`LmScorer`] over any [`CausalLm`](crate::CausalLm), [`LogitsModel`] over a function from tokens to logits, and your own implementation (a table, a remote server), which
//! [`likelihood_conformance`] checks.
//!
//! [`score_batch`] does the work for a `CausalLm`: what contexts begin with, and what continuations begin with, runs once for all of them, rows of one pass are
//! equally long as far as they go, and the output projection is computed at scored positions only. [`score_rows`](crate::score_rows) is the slow route to the same numbers.

mod apart;
mod batch;
mod conformance;
mod plan;
mod scorer;
mod tree;

use crate::{LmError, ScoreRequest, Scored};

pub use batch::{Sharing, score_batch};
pub use conformance::likelihood_conformance;
pub use scorer::{LmScorer, LogitsModel};

/// A model as an evaluation sees it. Object-safe, without type parameters.
pub trait LikelihoodModel {
    /// Longest sequence that can be fed in, in tokens. The last token of a continuation is never fed in.
    fn max_positions(&self) -> usize;

    /// A name for exactly these weights, their number type and the intervention, for logs.
    fn fingerprint(&self) -> String;

    /// Scores all continuations of all requests, in their order: one value for each token of each continuation, always.
    ///
    /// # Errors
    /// An empty context or continuation, one that is too long, or whatever the model reports.
    fn score(&mut self, requests: &[ScoreRequest]) -> Result<Vec<Vec<Scored>>, LmError>;
}

#[cfg(test)]
mod tests;
