//! How long a policy is worth it, on samples that the search did not see.
//!
//! A search fits and scores on the same samples, and every pick fits them a little better. Here the samples are divided into folds; the search runs on all but
//! one, and each of its prefixes is scored on that one at the temperature of the others. The mean over folds says which length to take.

use serde::{Deserialize, Serialize};

use firetender_uncertainty::Folds;

use super::{
    Candidates, Criterion, GreedySearch, StepRule, Trace,
    pass::{self, TILE},
};
use crate::TtaError;

/// What cross-validation found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossValidated {
    /// For each length, the mean over folds of the log-likelihood on samples that were left out, at the temperature of the others.
    pub held_out: Vec<f64>,
    /// For each length, the same on the samples that the search saw: how optimistic it is.
    pub seen: Vec<f64>,
    /// Standard error of `held_out`, from single samples.
    pub standard_error: Vec<f64>,
    /// The length with the best `held_out`.
    pub best_length: usize,
    /// The shortest length within one standard error of the best.
    pub short_length: usize,
    /// The search on all samples, of `best_length` picks.
    pub trace: Trace,
}

/// Runs `search` with folds, then once more on everything for the length that was best. The criterion has to be the calibrated
/// log-likelihood or the plain one.
///
/// # Errors
/// [`TtaError::Options`] for another criterion; folds of another number of samples; as [`GreedySearch::run`].
pub fn cross_validate(
    candidates: &Candidates,
    search: &GreedySearch,
    folds: usize,
    seed: u64,
) -> Result<CrossValidated, TtaError> {
    let calibrated = match search.criterion {
        Criterion::CalibratedLl => true,
        Criterion::Ll => false,
        _ => {
            let found = search.criterion.name();
            return Err(TtaError::option("criterion", found, "cll or ll"));
        }
    };
    if search.step != StepRule::Uniform {
        return Err(TtaError::option("step", "line search", "uniform steps"));
    }
    let divided = Folds::random(candidates.samples(), folds, 1, seed)?;
    let of = divided.of(0);
    let (mut held_out, mut seen) = (vec![0.0; search.steps], vec![0.0; search.steps]);
    let mut squares = vec![0.0; search.steps];
    let mut shortest = search.steps;
    for fold in 0..folds as u32 {
        let pick = |inside: bool| -> Vec<usize> {
            (0..of.len())
                .filter(|i| (of[*i] == fold) == inside)
                .collect()
        };
        let (fit, test) = (
            candidates.subset(&pick(false))?,
            candidates.subset(&pick(true))?,
        );
        let trace = search.run(&fit)?;
        shortest = shortest.min(trace.picks.len());
        let tiles = test.weights.len() * test.classes();
        let mut sum = vec![[0.0; TILE]; tiles];
        let floor = search.floor.unwrap_or(0.0);
        let begun = trace.start.len();
        let mut lengths = trace.selected().into_iter().enumerate();
        for (at, entry) in lengths.by_ref() {
            let inverse = 1.0 / (at + 1) as f64;
            if at >= begun {
                let pick = &trace.picks[at - begun];
                let beta = if calibrated {
                    1.0 / pick.temperature
                } else {
                    1.0
                };
                let rows = test.with_entry(entry, |tiles| {
                    pass::exact_samples(tiles, &sum, &test.weights, inverse, beta, floor)
                })?;
                for (row, weight) in rows.iter().zip(test.weights.as_flattened()) {
                    held_out[at - begun] += weight * row;
                    squares[at - begun] += weight * row * row;
                }
                seen[at - begun] += pick.score / folds as f64;
            }
            test.with_entry(entry, |tiles| {
                for (sum, tile) in sum.iter_mut().zip(tiles) {
                    for i in 0..TILE {
                        sum[i] += f64::from(tile[i]);
                    }
                }
            })?;
        }
    }
    let total: f64 = candidates.weights.iter().flatten().sum();
    let mut standard_error = vec![];
    for (mean, square) in held_out.iter_mut().zip(&squares) {
        *mean /= total;
        standard_error.push(((square / total - *mean * *mean).max(0.0) / total).sqrt());
    }
    for curve in [&mut held_out, &mut seen, &mut standard_error] {
        curve.truncate(shortest);
    }
    let mut best = 0;
    for (at, value) in held_out.iter().enumerate() {
        if *value > held_out[best] {
            best = at;
        }
    }
    let close = |value: &f64| *value >= held_out[best] - standard_error[best];
    let short = held_out.iter().position(close).unwrap_or(best);
    let mut whole = search.clone();
    whole.steps = best + 1;
    Ok(CrossValidated {
        best_length: best + 1,
        short_length: short + 1,
        trace: whole.run(candidates)?,
        held_out,
        seen,
        standard_error,
    })
}
