//! One temperature for members that are averaged afterwards.

use rayon::prelude::*;

use super::{TemperatureFit, TemperatureOptions, TemperatureStatus};
use crate::tiles::Tiles;

/// Starts: β times the usual spread of the logits, an eighth to sixty-four and the two ends.
const STARTS: [f64; 13] = [
    0.03, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5, 4.0, 8.0, 16.0, 32.0, 64.0,
];

/// Fits to the rows that are in use; there is at least one member.
pub(crate) fn fit(tiles: &[Tiles], used: &[bool], options: &TemperatureOptions) -> TemperatureFit {
    let scale = tiles.iter().map(|t| t.scale).sum::<f64>() / tiles.len() as f64;
    let unit = if scale > 0.0 { scale } else { 1.0 };
    let bounds = (options.min_sharpness / unit, options.max_sharpness / unit);
    let mut passes = 0;
    let mut loss = |beta: f64| {
        passes += 1;
        loss(tiles, used, beta)
    };
    let starts: Vec<f64> = std::iter::once(bounds.0)
        .chain(STARTS.map(|s| s / unit))
        .chain([bounds.1])
        .filter(|beta| (bounds.0..=bounds.1).contains(beta))
        .collect();
    let at: Vec<(f64, f64)> = starts.iter().map(|beta| loss(*beta)).collect();
    // The slope turns from falling to rising somewhere inside: a minimum, found by its derivative.
    let mut best: Option<(f64, f64)> = None;
    for (ends, found) in starts.windows(2).zip(at.windows(2)) {
        if found[0].1 < 0.0 && found[1].1 > 0.0 {
            let beta = root(ends[0], ends[1], found[0].1, found[1].1, |b| loss(b).1);
            let value = loss(beta).0;
            if best.is_none_or(|(_, least)| value < least) {
                best = Some((beta, value));
            }
        }
    }
    let impossible = (0..used.len())
        .filter(|row| used[*row] && tiles.iter().all(|t| t.impossible[*row]))
        .count();
    let (ends, last) = ((at[0], bounds.0), starts.len() - 1);
    let (beta, status) = match best {
        Some((beta, value)) if value <= ends.0.0.min(at[last].0) => {
            (beta, TemperatureStatus::Local)
        }
        _ if ends.0.0 <= at[last].0 => (ends.1, TemperatureStatus::NoSignal),
        _ => (options.at_separable(bounds.1), TemperatureStatus::Separable),
    };
    let log_likelihood = if impossible > 0 {
        f64::NEG_INFINITY
    } else {
        -loss(beta).0
    };
    TemperatureFit {
        temperature: 1.0 / beta,
        beta,
        log_likelihood,
        iterations: passes,
        status,
        impossible,
    }
}

/// Mean loss and its derivative by β over the rows in use whose target some member allows.
fn loss(tiles: &[Tiles], used: &[bool], beta: f64) -> (f64, f64) {
    let pass = vec![0; tiles[0].rows];
    let members: Vec<Vec<(f64, f64)>> = tiles
        .iter()
        .map(|t| t.target_log_probs(&pass, &[beta]))
        .collect();
    let rows: Vec<(f64, f64, f64)> = (0..used.len())
        .into_par_iter()
        .map(|row| {
            // A member that rules the target out has weight 0 in its own tiles only.
            let weight = tiles.iter().map(|t| t.weight[row]).fold(0.0, f64::max);
            if !used[row] || weight == 0.0 {
                return (0.0, 0.0, 0.0);
            }
            let top = members
                .iter()
                .map(|m| m[row].0)
                .fold(f64::NEG_INFINITY, f64::max);
            let (mut sum, mut slope) = (0.0, 0.0);
            for member in &members {
                let (log_prob, derivative) = member[row];
                let share = (log_prob - top).exp();
                sum += share;
                if share > 0.0 {
                    slope += share * derivative;
                }
            }
            let mean = top + (sum / members.len() as f64).ln();
            (weight * mean, weight * slope / sum, weight)
        })
        .collect();
    let (sum, slope, weight) = rows
        .iter()
        .fold((0.0, 0.0, 0.0), |a, r| (a.0 + r.0, a.1 + r.1, a.2 + r.2));
    (-sum / weight, -slope / weight)
}

/// A zero of a function that is negative at `low` and positive at `high`: false position with the Illinois rule (Dowell and
/// Jarratt 1971), to the last digits.
fn root(
    mut low: f64,
    mut high: f64,
    mut at_low: f64,
    mut at_high: f64,
    mut f: impl FnMut(f64) -> f64,
) -> f64 {
    let mut side = 0;
    for _ in 0..100 {
        if high - low <= 4.0 * f64::EPSILON * high {
            break;
        }
        let mut x = (low * at_high - high * at_low) / (at_high - at_low);
        if !(x > low && x < high) {
            x = f64::midpoint(low, high);
        }
        let at = f(x);
        if at == 0.0 {
            return x;
        }
        if at < 0.0 {
            (low, at_low) = (x, at);
            if side == -1 {
                at_high *= 0.5;
            }
            side = -1;
        } else {
            (high, at_high) = (x, at);
            if side == 1 {
                at_low *= 0.5;
            }
            side = 1;
        }
    }
    f64::midpoint(low, high)
}
