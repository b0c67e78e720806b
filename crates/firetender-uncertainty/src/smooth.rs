//! Calibration errors without a number of bins to choose: the smooth error and the sweep.

use rayon::prelude::*;

use crate::lanes::{LANES, Lane, vectorised};
use crate::mass::{Group, grouped};
use crate::objects::Objects;

/// Smooth calibration error (Błasiok and Nakkiran 2023): residuals are smoothed over the confidence by a Gaussian kernel that is
/// reflected at 0 and 1, and the bandwidth is the one that equals the error it gives. Continuous in the predictions, consistent,
/// and free of bins. Returns the error and the bandwidth.
///
/// Takes (confidence, right or wrong as 1 or 0, weight). It follows the authors' package `relplot` 1.0.3 step for step (grid of
/// max(1000, 10/σ) cells, mesh of max(200, 10/σ) points, ten bisections), so that its numbers are theirs; the kernel is cut off at
/// 12 σ, where it is 10⁻³². Bandwidths are multiples of 1/1024.
///
/// ```
/// use firetender_uncertainty::smooth_ece;
/// let calibrated: Vec<_> = (0..1000).map(|i| (0.5, f64::from(i % 2), 1.0)).collect();
/// assert!(smooth_ece(&calibrated).0 < 0.002);
/// ```
#[must_use]
pub fn smooth_ece(objects: &[(f64, f64, f64)]) -> (f64, f64) {
    smooth_of(&grouped(objects.iter().copied()))
}

/// The same of groups of rising confidence.
pub(crate) fn smooth_of(groups: &[Group]) -> (f64, f64) {
    const LEAST: f64 = 0.001;
    if groups.is_empty() {
        return (0.0, 0.0);
    }
    let sorted = residuals(groups);
    let at = |width: f64| smooth_at(&sorted, width);
    let wide_enough = |width: f64| width < LEAST || width < at(width);
    if wide_enough(1.0) {
        return (at(1.0), 1.0);
    }
    let (mut high, mut low) = (1.0, 0.0);
    for _ in 0..10 {
        let middle = (high + low) / 2.0;
        if wide_enough(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    (at(high), high)
}

/// The smooth error at a bandwidth of one's own choice, in (0, 1]; smaller ones are taken for 10⁻³.
///
/// ```
/// use firetender_uncertainty::smooth_ece_at;
/// // Always sure, right half of the time.
/// let objects: Vec<_> = (0..100).map(|i| (1.0, f64::from(i % 2), 1.0)).collect();
/// assert!((smooth_ece_at(&objects, 0.05) - 0.5).abs() < 0.01);
/// ```
#[must_use]
pub fn smooth_ece_at(objects: &[(f64, f64, f64)], bandwidth: f64) -> f64 {
    if objects.is_empty() {
        return 0.0;
    }
    smooth_at(
        &residuals(&grouped(objects.iter().copied())),
        bandwidth.clamp(1e-3, 1.0),
    )
}

/// (confidence, sum of residuals, weight) of every distinct confidence.
fn residuals(groups: &[Group]) -> Vec<(f64, f64, f64)> {
    let residual = |g: &Group| (g.score, g.weight * g.score - g.correct, g.weight);
    groups.iter().map(residual).collect()
}

/// The smooth error at one bandwidth. Takes (confidence, sum of residuals, weight).
fn smooth_at(objects: &[(f64, f64, f64)], width: f64) -> f64 {
    let mesh = (10.0 / width).round_ties_even().max(200.0) as usize;
    let cells = (20.0 / width).round_ties_even().max(2000.0) as usize / 2 + 1;
    let (mut residuals, mut density) = (vec![0.0; cells], vec![0.0; cells]);
    let last = (cells - 1) as f64;
    for (confidence, residual, weight) in objects {
        let place = confidence * last;
        let cell = (place as usize).min(cells - 2);
        let share = place - cell as f64;
        residuals[cell] += (1.0 - share) * residual;
        residuals[cell + 1] += share * residual;
        density[cell] += (1.0 - share) * weight;
        density[cell + 1] += share * weight;
    }
    // The kernel on its own grid; its middle lies between two cells where their number is even.
    let kernel: Vec<f64> = (0..cells)
        .map(|i| {
            let t = i as f64 / last - 0.5;
            (-t * t / (2.0 * width * width)).exp() / ((2.0 * std::f64::consts::PI).sqrt() * width)
        })
        .collect();
    let reach = ((12.0 * width * last).ceil() as usize + 1).min(cells);
    let centre = cells / 2;
    // Reflected at both ends; the kernel turned round, so that both run forward.
    let from = centre.saturating_sub(reach);
    let mut near: Vec<f64> = kernel[from..(centre + reach + 1).min(cells)].to_vec();
    near.reverse();
    let before = near.len() - 1 - (centre - from);
    let mirrored = |values: &[f64]| -> Vec<f64> {
        let ends = cells as i64 - 1;
        let at = |i: i64| {
            let i = i.abs();
            values[(if i > ends { 2 * ends - i } else { i }) as usize]
        };
        (-(before as i64)..(cells + near.len() - 1 - before) as i64)
            .map(at)
            .collect()
    };
    let (residuals, density) = (mirrored(&residuals), mirrored(&density));
    let smoothed = |cell: usize| {
        (
            dot(&near, &residuals[cell..cell + near.len()]),
            dot(&near, &density[cell..cell + near.len()]),
        )
    };
    let points: Vec<(f64, f64)> = (0..mesh)
        .into_par_iter()
        .map(|i| {
            let t = i as f64 / (mesh - 1) as f64;
            let cell = ((t * last) as usize).min(cells - 2);
            let share = (t - cell as f64 / last) * last;
            let (a, b) = (smoothed(cell), smoothed(cell + 1));
            (
                (a.0 * (1.0 - share) + b.0 * share).abs(),
                a.1 * (1.0 - share) + b.1 * share + 1e-4,
            )
        })
        .collect();
    let sum = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>();
    sum(|p| p.0) / sum(|p| p.1)
}

/// Σ a·b in eight running sums: the same bits on every processor.
#[allow(
    clippy::needless_range_loop,
    reason = "several arrays side by side, as vector instructions want them"
)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    vectorised(
        #[inline(always)]
        || {
            let mut sums: Lane = [0.0; LANES];
            let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
            for (a, b) in a.iter().zip(b) {
                for i in 0..LANES {
                    sums[i] += a[i] * b[i];
                }
            }
            let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
            sums.iter().sum::<f64>() + rest
        },
    )
}

/// ECE with as many equal-mass bins as leave the accuracies rising from bin to bin (Roelofs et al. 2022). Returns the error and the
/// number of bins.
///
/// Takes (confidence, right or wrong as 1 or 0, weight). The sweep goes up from two bins and stops before the first number for which an
/// accuracy falls; object i of n in rising confidence belongs to bin ⌊i·b/n⌋. Weights are rounded up to whole repetitions and
/// equal confidences share their mean outcome, so that the order of rows does not matter.
///
/// ```
/// use firetender_uncertainty::sweep_ece;
/// let objects: Vec<_> = (0..100).map(|i| (f64::from(i) / 100.0, f64::from(u8::from(i >= 50)), 1.0)).collect();
/// let (error, bins) = sweep_ece(&objects);
/// assert!(error > 0.2 && bins > 2);
/// ```
#[must_use]
pub fn sweep_ece(objects: &[(f64, f64, f64)]) -> (f64, usize) {
    sweep_of(&grouped(objects.iter().copied()))
}

/// The same of groups of rising confidence.
pub(crate) fn sweep_of(groups: &[Group]) -> (f64, usize) {
    // Running sums of confidence and of outcome.
    let mut sums = vec![(0.0, 0.0)];
    for group in groups.iter().filter(|g| g.weight > 0.0) {
        let rate = group.correct / group.weight;
        for _ in 0..group.weight.ceil() as u64 {
            let (confidence, correct) = sums[sums.len() - 1];
            sums.push((confidence + group.score, correct + rate));
        }
    }
    let n = sums.len() - 1;
    if n == 0 {
        return (0.0, 0);
    }
    // First object of bin b: the least i with ⌊i·bins/n⌋ ≥ b.
    let start = |b: usize, bins: usize| (b * n).div_ceil(bins);
    let rising = |bins: usize| {
        let mut last = f64::NEG_INFINITY;
        (0..bins).all(|b| {
            let (from, to) = (start(b, bins), start(b + 1, bins));
            let accuracy = (sums[to].1 - sums[from].1) / (to - from) as f64;
            // Sums differ in their last digits: equal accuracies are not a fall.
            let fine = accuracy >= last - 1e-9;
            last = accuracy;
            fine
        })
    };
    let bins = (2..n)
        .find(|bins| !rising(*bins))
        .map_or(n.max(2) - 1, |bins| bins - 1);
    let gap = |b: usize| {
        let (from, to) = (sums[start(b, bins)], sums[start(b + 1, bins)]);
        ((to.0 - from.0) - (to.1 - from.1)).abs()
    };
    ((0..bins).map(gap).sum::<f64>() / n as f64, bins)
}

/// (confidence, right or wrong, weight) of every object.
pub(crate) fn confidences(objects: &Objects) -> impl Iterator<Item = (f64, f64, f64)> + Clone {
    let rows = objects.rows().iter();
    rows.map(|o| (o.confidence, o.correct, o.weight))
}
