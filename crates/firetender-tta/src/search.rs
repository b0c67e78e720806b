//! Greedy policy search: which recipes, averaged, predict best.
//!
//! Molchanov, Lyzhov, Molchanova, Ashukha and Vetrov (UAI 2020): predict a validation set once under each of many random recipes, then pick
//! recipes one by one so that the mean of the picked predictions has the best calibrated log-likelihood. The search sees no image and
//! no model: its input is one array `[B, N, C]` ([`Candidates`]), so anything that averages predictions can use it, such as
//! choosing members of an ensemble. No gradient, no training.
//!
//! # How it is fast, and exact all the same
//!
//! The calibrated log-likelihood of a candidate is a maximum over the inverse temperature β of a concave function, whose value, slope and
//! curvature one pass over the data gives. Each step begins with one pass in `f32` over every candidate, at the last winner's β. From the slope, the
//! curvature and the range of the logarithms follows a *bound*: by generalised self-concordance (|φ'''| ≤ R |φ''|) the curvature
//! cannot fade faster than exp(−R |δ|), so no candidate can rise above the maximum of `g δ − h (e^{−R|δ|} + R|δ| − 1) / R²`. Candidates
//! whose bound lies below a value that another one surely has are out, for certain. The few that are left are maximised by Newton's method
//! in `f64`, and the best of them wins; of equals, the first. So the trace is the one of a full search in `f64`, and it
//! does not depend on threads, chunks or the order of work.
//!
//! # When not to use it
//!
//! The score is fitted and measured on the same samples, so it is optimistic, the more the longer the search. [`cross_validate`] says how long
//! a policy is worth it, [`pick_confidence`] how sure each pick is, and [`mixture_optimum`] what any mixture could reach.

mod candidates;
mod confidence;
mod criterion;
mod cross;
mod device;
mod fit;
mod greedy;
mod mixture;
mod pass;
mod screen;
mod store;
#[cfg(test)]
mod tests;

pub use candidates::{Candidates, PredictionKind, ReadOptions};
pub use confidence::{PickConfidence, pick_confidence};
pub use criterion::{Criterion, MixtureView, Score, Scored, conformance};
pub use cross::{CrossValidated, cross_validate};
pub use device::search_tensor;
pub use greedy::{GreedySearch, Mode, Pick, StepRule, Trace};
pub use mixture::{MixtureOptimum, mixture_optimum};
