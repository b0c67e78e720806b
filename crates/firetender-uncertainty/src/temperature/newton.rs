//! A search inside a bracket, for many problems over the same rows at once.
//!
//! Steps are Halley's (1694), which know the third derivative: it costs one more product beside the exponential that every class needs
//! anyway, and saves a third of the passes. Where they are not to be trusted, Newton's; where these leave the bracket, halving.
//! A fit without a start of its own begins on the first block of rows and takes its answer as the start for all.

use super::{TemperatureFit, TemperatureOptions, TemperatureStatus};
use crate::tiles::{Passes, Tiles};

/// Newton steps converge quadratically: after one of this relative size the next would be below the last digit.
const ENOUGH: f64 = 1e-8;
/// Halley's converge cubically.
const ENOUGH_CUBIC: f64 = 1e-6;
/// Far beyond what bisection of the bracket needs.
const MOST: usize = 200;
/// Rows that a start is found on, if there are at least eight times as many.
const SAMPLE: usize = 512;

/// One problem's search.
#[derive(Clone, Copy, Debug)]
struct Search {
    low: f64,
    high: f64,
    beta: f64,
    iterations: usize,
    status: Option<TemperatureStatus>,
}

/// Fits `problems` temperatures; `passes` says which rows each is fitted to.
pub(super) fn fit(
    tiles: &Tiles,
    passes: &Passes,
    problems: usize,
    options: &TemperatureOptions,
    warm: Option<&[f64]>,
) -> Vec<TemperatureFit> {
    let mut zero = vec![(0.0, true, 0.0, 0_usize); problems];
    for pass in passes {
        for (row, problem) in pass.iter().enumerate() {
            let at = &mut zero[*problem as usize];
            at.3 += usize::from(tiles.impossible[row]);
            let weight = tiles.weight[row];
            if weight > 0.0 {
                let (slope, right) = tiles.at_zero(row);
                at.0 += weight * slope;
                at.1 &= right;
                at.2 += weight;
            }
        }
    }
    let unit = if tiles.scale > 0.0 { tiles.scale } else { 1.0 };
    let bounds = (options.min_sharpness / unit, options.max_sharpness / unit);
    let mut searches: Vec<Search> = (0..problems)
        .map(|problem| {
            let (slope, separable, ..) = zero[problem];
            let start = warm.map_or(1.0, |warm| warm[problem]);
            let (status, beta) = if slope >= 0.0 {
                (Some(TemperatureStatus::NoSignal), bounds.0)
            } else if separable {
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
            }
        })
        .collect();

    let whole = Rounds {
        tiles,
        passes,
        bounds,
        rows: tiles.rows,
        most: MOST,
        enough: 1.0,
    };
    if warm.is_none() && tiles.rows >= 8 * SAMPLE {
        let sample = Rounds {
            rows: SAMPLE,
            most: 12,
            enough: 100.0,
            ..whole
        };
        let mut rough = searches.clone();
        converge(&sample, &mut rough);
        for (search, rough) in searches.iter_mut().zip(rough) {
            if search.status.is_none() && rough.status == Some(TemperatureStatus::Converged) {
                search.beta = rough.beta;
            }
        }
    }
    converge(&whole, &mut searches);

    let betas: Vec<f64> = searches.iter().map(|s| s.beta).collect();
    let mut losses = vec![0.0; problems];
    for pass in passes {
        let found = tiles.target_log_probs(pass, &betas);
        for (row, (log_prob, _)) in found.iter().enumerate() {
            if tiles.weight[row] > 0.0 {
                losses[pass[row] as usize] += tiles.weight[row] * log_prob;
            }
        }
    }
    (0..problems)
        .map(|problem| {
            let (_, _, weight, impossible) = zero[problem];
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
    enough: f64,
}

/// Goes on until every search has settled.
fn converge(rounds: &Rounds<'_>, searches: &mut [Search]) {
    for _ in 0..rounds.most {
        let active: Vec<bool> = searches.iter().map(|s| s.status.is_none()).collect();
        if !active.contains(&true) {
            break;
        }
        let betas: Vec<f64> = searches.iter().map(|s| s.beta).collect();
        let Rounds {
            tiles,
            passes,
            rows,
            ..
        } = *rounds;
        let sums = tiles.derivatives(rows, passes, &betas, &active);
        for (search, derivatives) in searches.iter_mut().zip(sums) {
            if search.status.is_none() {
                search.step(derivatives, rounds.bounds, rounds.enough);
            }
        }
    }
}

impl Search {
    /// One step, given the derivatives at the present β.
    fn step(&mut self, [slope, curvature, third]: [f64; 3], (least, most): (f64, f64), loose: f64) {
        self.iterations += 1;
        if slope < 0.0 {
            self.low = self.beta;
        } else {
            self.high = self.beta;
        }
        let mut newton = self.beta - slope / curvature;
        let mut enough = loose * ENOUGH;
        // Halley's step where it agrees with Newton's within a quarter of β.
        let halley = 2.0 * slope * curvature / (2.0 * curvature * curvature - slope * third);
        let near = (self.beta - halley - newton).abs() <= 0.25 * self.beta;
        if near && halley * slope > 0.0 && halley.abs() <= 0.5 * self.beta {
            newton = self.beta - halley;
            enough = loose * ENOUGH_CUBIC;
        } else if newton < 0.3 * self.beta {
            // The curvature by β vanishes where the softmax is a step, so a step down may overshoot zero; Newton's step in ln β
            // divides by e at most.
            newton = self.beta * (-slope / (self.beta * curvature + slope)).exp();
        }
        if (newton - self.beta).abs() <= enough * self.beta {
            self.settle(newton, least, most);
            return;
        }
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
            self.settle(self.beta, least, most);
        } else {
            self.beta = next.clamp(least, most);
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
