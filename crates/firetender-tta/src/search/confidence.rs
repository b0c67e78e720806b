//! How sure each pick is.
//!
//! Another validation set would have led to other picks. Given the picks before, samples are drawn with replacement many times, and the candidates' scores
//! compared on each draw: how often the pick wins is its confidence. Temperatures are kept as they were fitted, since one number fitted to thousands
//! of samples hardly moves. Only the best candidates can win, so only those near the top are compared.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use firetender_uncertainty::Bootstrap;

use super::{
    Candidates, Criterion, GreedySearch, StepRule, Trace,
    fit::highest,
    pass::{self, TILE},
};
use crate::TtaError;

/// How sure one pick is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PickConfidence {
    /// The entry that was picked.
    pub index: usize,
    /// Share of draws on which it wins.
    pub share: f64,
    /// The entry that wins most often of all others, and its share.
    pub rival: Option<(usize, f64)>,
    /// How many different entries win at least once.
    pub winners: usize,
}

/// Bootstraps the first `steps` picks of a trace of the calibrated log-likelihood, among the `contenders` best candidates of each step.
///
/// # Errors
/// [`TtaError::Options`] for a trace of another criterion, or fewer than two contenders; reading errors.
pub fn pick_confidence(
    candidates: &Candidates,
    search: &GreedySearch,
    trace: &Trace,
    steps: usize,
    contenders: usize,
    bootstrap: &Bootstrap,
) -> Result<Vec<PickConfidence>, TtaError> {
    if !matches!(search.criterion, Criterion::CalibratedLl | Criterion::Ll) {
        return Err(TtaError::option(
            "criterion",
            search.criterion.name(),
            "cll or ll",
        ));
    }
    if search.step != StepRule::Uniform {
        return Err(TtaError::option("step", "line search", "uniform steps"));
    }
    if contenders < 2 {
        return Err(TtaError::option("contenders", contenders, "at least 2"));
    }
    let calibrated = matches!(search.criterion, Criterion::CalibratedLl);
    let floor = search.floor.unwrap_or(0.0);
    let weights = &candidates.weights;
    let mut sum = vec![[0.0_f64; TILE]; weights.len() * candidates.classes()];
    let mut used = vec![false; candidates.entries()];
    let begun = trace.start.len();
    let mut found = vec![];
    for (at, entry) in trace.selected().into_iter().enumerate().take(begun + steps) {
        if at >= begun {
            let inverse = 1.0 / (at + 1) as f64;
            let open: Vec<usize> = (0..candidates.entries())
                .filter(|e| search.replacement || !used[*e])
                .collect();
            let in_turn = candidates.in_turn(open.len());
            let mut scores: Vec<(usize, f64, f64)> = open
                .into_par_iter()
                .with_min_len(in_turn)
                .map(|entry| {
                    candidates.with_entry(entry, |tiles| {
                        if calibrated {
                            let start = 1.0 / trace.picks[at - begun].temperature;
                            let fit = highest(start, search.bounds, floor, |beta, floor| {
                                pass::exact(tiles, &sum, weights, inverse, beta, floor)
                            });
                            (entry, fit.value, fit.beta)
                        } else {
                            let value =
                                pass::exact(tiles, &sum, weights, inverse, 1.0, floor).value;
                            (entry, value, 1.0)
                        }
                    })
                })
                .collect::<Result<_, TtaError>>()?;
            scores.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            scores.truncate(contenders);
            let rows: Vec<Vec<f64>> = scores
                .par_iter()
                .with_min_len(candidates.in_turn(scores.len()))
                .map(|(entry, _, beta)| {
                    candidates.with_entry(*entry, |tiles| {
                        pass::exact_samples(tiles, &sum, weights, inverse, *beta, floor)
                    })
                })
                .collect::<Result<_, TtaError>>()?;
            let flat = weights.as_flattened();
            let winners = bootstrap.resample(candidates.samples(), |drawn| {
                let of = |row: &Vec<f64>| -> f64 {
                    drawn
                        .iter()
                        .map(|&i| flat[i as usize] * row[i as usize])
                        .sum()
                };
                let (mut best, mut top) = (0, f64::NEG_INFINITY);
                for (place, row) in rows.iter().enumerate() {
                    let score = of(row);
                    if score > top {
                        (best, top) = (place, score);
                    }
                }
                best as f64
            });
            let mut counts = vec![0_usize; scores.len()];
            winners.iter().for_each(|w| counts[*w as usize] += 1);
            let draws = winners.len() as f64;
            let share = |place: usize| counts[place] as f64 / draws;
            let own = scores.iter().position(|s| s.0 == entry);
            let rival = (0..scores.len())
                .filter(|place| Some(*place) != own)
                .max_by(|a, b| counts[*a].cmp(&counts[*b]).then(b.cmp(a)));
            found.push(PickConfidence {
                index: entry,
                share: own.map_or(0.0, share),
                rival: rival.map(|place| (scores[place].0, share(place))),
                winners: counts.iter().filter(|c| **c > 0).count(),
            });
        }
        used[entry] = true;
        candidates.with_entry(entry, |tiles| {
            for (sum, tile) in sum.iter_mut().zip(tiles) {
                for i in 0..TILE {
                    sum[i] += f64::from(tile[i]);
                }
            }
        })?;
    }
    Ok(found)
}
