//! A search inside a bracket, for many problems over the same rows at once.
//!
//! Steps are Householder's of third order (1970), which know four derivatives: two more cost two products beside the exponential that every
//! class needs anyway, and the error goes with its fourth power. Where they are not to be trusted, Newton's; where these leave the
//! bracket, halving.
//!
//! A fit without a start of its own begins on the first block of rows, improves the answer on all rows in `f32`, and needs one pass in
//! `f64` then; the log-likelihood comes from the same pass.

use super::{TemperatureFit, TemperatureOptions, TemperatureStatus};
use crate::tiles::{Derivatives, Pass, Passes, Tiles};

/// Newton steps converge quadratically: after one of this relative size the next would be below the last digit.
const ENOUGH: f64 = 1e-8;
/// Householder's leave the fourth power of that.
const ENOUGH_QUARTIC: f64 = 1e-4;
/// Far beyond what bisection of the bracket needs.
const MOST: usize = 200;
/// Rows that a start is found on, if there are at least eight times as many.
const SAMPLE: usize = 512;

/// What the rows of a problem say at β = 0.
#[derive(Clone, Copy, Debug, Default)]
struct Zero {
    /// The loss's derivative.
    slope: f64,
    /// Whether some target does not have its row's largest score.
    wrong: bool,
    /// Whether some row allows one class only.
    certain: bool,
    weight: f64,
    impossible: usize,
}

/// One problem's search.
#[derive(Clone, Copy, Debug)]
struct Search {
    low: f64,
    high: f64,
    beta: f64,
    iterations: usize,
    status: Option<TemperatureStatus>,
    /// Sum of the log-likelihoods at the end, where a step led there.
    log_likelihood: Option<f64>,
}

/// Fits `problems` temperatures; `passes` says which rows each is fitted to.
pub(super) fn fit(
    tiles: &Tiles,
    passes: &Passes,
    problems: usize,
    options: &TemperatureOptions,
    warm: Option<&[f64]>,
) -> Vec<TemperatureFit> {
    let mut zero = vec![Zero::default(); problems];
    for pass in passes {
        for (row, problem) in pass.iter().enumerate() {
            let at = &mut zero[*problem as usize];
            at.impossible += usize::from(tiles.impossible[row]);
            let weight = tiles.weight[row];
            if weight > 0.0 {
                let (slope, right, certain) = tiles.at_zero(row);
                at.slope += weight * slope;
                at.wrong |= !right;
                at.certain |= certain;
                at.weight += weight;
            }
        }
    }
    let unit = if tiles.scale > 0.0 { tiles.scale } else { 1.0 };
    let bounds = (options.min_sharpness / unit, options.max_sharpness / unit);
    let mut searches: Vec<Search> = (0..problems)
        .map(|problem| {
            let Zero {
                slope,
                wrong,
                certain,
                ..
            } = zero[problem];
            let start = warm.map_or(1.0, |warm| warm[problem]);
            // Rows that are certain and right say something, though no temperature changes them.
            let (status, beta) = if slope >= 0.0 && (wrong || !certain) {
                (Some(TemperatureStatus::NoSignal), bounds.0)
            } else if !wrong {
                (
                    Some(TemperatureStatus::Separable),
                    options.at_separable(bounds.1),
                )
            } else if warm.is_some() && start > bounds.0 && start < bounds.1 {
                (None, start)
            } else {
                // T = 1 where that is sensible, and else a softmax that is neither flat nor a step.
                (None, start.clamp(0.25 / unit, 8.0 / unit))
            };
            Search {
                low: 0.0,
                high: f64::INFINITY,
                beta,
                iterations: 0,
                status,
                log_likelihood: None,
            }
        })
        .collect();

    let whole = Rounds {
        tiles,
        passes,
        bounds,
        rows: tiles.rows,
        most: MOST,
        loose: 1.0,
        rough: false,
    };
    if warm.is_none() && tiles.rows >= 8 * SAMPLE {
        let sample = Rounds {
            rows: SAMPLE,
            most: 12,
            loose: 100.0,
            rough: true,
            ..whole
        };
        // Its convergence is not looked at: one round, wherever it leads.
        let all = Rounds {
            most: 1,
            rough: true,
            ..whole
        };
        let mut rough = searches.clone();
        converge(&sample, &mut rough);
        for search in &mut rough {
            if search.status == Some(TemperatureStatus::Converged) {
                (search.status, search.low, search.high) = (None, 0.0, f64::INFINITY);
            } else if search.status.is_none() {
                search.status = Some(TemperatureStatus::AtBound);
            }
        }
        converge(&all, &mut rough);
        for (search, rough) in searches.iter_mut().zip(rough) {
            let found = rough
                .status
                .is_none_or(|s| s == TemperatureStatus::Converged);
            if search.status.is_none() && found {
                search.beta = rough.beta;
            }
        }
    }
    converge(&whole, &mut searches);

    let betas: Vec<f64> = searches.iter().map(|s| s.beta).collect();
    let mut losses: Vec<f64> = searches
        .iter()
        .map(|s| s.log_likelihood.unwrap_or(0.0))
        .collect();
    let open: Vec<bool> = searches
        .iter()
        .map(|s| s.log_likelihood.is_none())
        .collect();
    for pass in passes {
        if !pass.iter().any(|problem| open[*problem as usize]) {
            continue;
        }
        let found = tiles.target_log_probs(pass, &betas);
        for (row, (log_prob, _)) in found.iter().enumerate() {
            let problem = pass[row] as usize;
            if tiles.weight[row] > 0.0 && open[problem] {
                losses[problem] += tiles.weight[row] * log_prob;
            }
        }
    }
    (0..problems)
        .map(|problem| {
            let Zero {
                weight, impossible, ..
            } = zero[problem];
            let search = searches[problem];
            TemperatureFit {
                temperature: 1.0 / search.beta,
                beta: search.beta,
                log_likelihood: if impossible > 0 {
                    f64::NEG_INFINITY
                } else {
                    losses[problem] / weight
                },
                iterations: search.iterations,
                status: search.status.unwrap_or(TemperatureStatus::AtBound),
                impossible,
            }
        })
        .collect()
}

/// What rounds of a search go over.
#[derive(Clone, Copy)]
struct Rounds<'a> {
    tiles: &'a Tiles,
    passes: &'a Passes,
    bounds: (f64, f64),
    /// The first so many rows.
    rows: usize,
    most: usize,
    /// Settles at steps so many times larger than the last digits ask for.
    loose: f64,
    /// In `f32`.
    rough: bool,
}

/// Goes on until every search has settled.
fn converge(rounds: &Rounds<'_>, searches: &mut [Search]) {
    for _ in 0..rounds.most {
        let active: Vec<bool> = searches.iter().map(|s| s.status.is_none()).collect();
        if !active.contains(&true) {
            break;
        }
        let betas: Vec<f64> = searches.iter().map(|s| s.beta).collect();
        let sums = rounds.tiles.derivatives(Pass {
            passes: rounds.passes,
            betas: &betas,
            active: &active,
            rows: rounds.rows,
            rough: rounds.rough,
        });
        for (search, derivatives) in searches.iter_mut().zip(sums) {
            if search.status.is_none() {
                search.step(&derivatives, rounds.bounds, rounds.loose);
            }
        }
    }
}

impl Search {
    /// One step, given the derivatives at the present β.
    fn step(&mut self, found: &Derivatives, (least, most): (f64, f64), loose: f64) {
        let [slope, curvature, third, fourth, _] = *found;
        self.iterations += 1;
        if slope < 0.0 {
            self.low = self.beta;
        } else {
            self.high = self.beta;
        }
        let mut next = self.beta - slope / curvature;
        let mut enough = loose * ENOUGH;
        // Householder's step where it agrees with Newton's within a quarter of β.
        let (squared, product) = (curvature * curvature, slope * third);
        let step = 3.0 * slope * (2.0 * squared - product)
            / (6.0 * curvature * (squared - product) + slope * slope * fourth);
        let near = (self.beta - step - next).abs() <= 0.25 * self.beta;
        if near && step * slope > 0.0 && step.abs() <= 0.5 * self.beta {
            next = self.beta - step;
            enough = loose * ENOUGH_QUARTIC;
        } else if next < 0.3 * self.beta {
            // The curvature by β vanishes where the softmax is a step, so a step down may overshoot zero; Newton's step in ln β
            // divides by e at most.
            next = self.beta * (-slope / (self.beta * curvature + slope)).exp();
        }
        if (next - self.beta).abs() <= enough * self.beta {
            self.end(next, found, least, most);
            return;
        }
        let newton = next;
        // The step where it stays inside; else halve the bracket in the logarithm.
        let inside = newton > self.low && newton < self.high && newton <= 8.0 * self.beta;
        let next = if inside {
            newton
        } else if self.high.is_infinite() {
            8.0 * self.beta
        } else if self.low == 0.0 {
            self.beta / 8.0
        } else {
            (self.low * self.high).sqrt()
        };
        // Beyond a bound that has been tried from the wrong side there is nothing to find.
        if self.low >= most || self.high <= least {
            self.settle(next, least, most);
        } else if self.high.is_finite() && self.high - self.low <= f64::EPSILON * self.high {
            self.end(self.beta, found, least, most);
        } else {
            self.beta = next.clamp(least, most);
        }
    }

    /// Settles a last, tiny step away: the log-likelihood there is that of here and four derivatives.
    fn end(&mut self, beta: f64, found: &Derivatives, least: f64, most: f64) {
        let step = beta - self.beta;
        self.settle(beta, least, most);
        if self.status == Some(TemperatureStatus::Converged) {
            let [slope, curvature, third, fourth, here] = found;
            let gain =
                slope + step / 2.0 * (curvature + step / 3.0 * (third + step / 4.0 * fourth));
            self.log_likelihood = Some(here - step * gain);
        }
    }

    fn settle(&mut self, beta: f64, least: f64, most: f64) {
        self.beta = beta.clamp(least, most);
        let status = if beta > most || beta < least {
            TemperatureStatus::AtBound
        } else {
            TemperatureStatus::Converged
        };
        self.status = Some(status);
    }
}
