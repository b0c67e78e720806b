//! The published program (`DeeOptions::ashukha2020`), step by step.

use super::{BandKind, Bands, Dee, DeeOptions, DeePoint, DeeStatus, SizeCurve};

/// One pass of the carried pointer over the method's sizes, ascending. Scores are oriented: more is better.
fn pass(scores: &[f64], sizes: &[f64], baseline: &[f64]) -> Vec<f64> {
    let (mut current, mut previous) = (0, 0);
    scores
        .iter()
        .map(|&score| {
            while score > baseline[current] {
                previous = current;
                if current + 1 == baseline.len() {
                    break;
                }
                current += 1;
            }
            if previous == current {
                return sizes[current];
            }
            // The pointer left `previous` because a score beat it and stopped at a size at least as good: never zero.
            let slope = baseline[current] - baseline[previous];
            let value = sizes[current] + (score - baseline[current]) / slope;
            value.max(sizes[previous])
        })
        .collect()
}

pub(super) fn dee(method: &SizeCurve, baseline: &SizeCurve, options: &DeeOptions) -> Dee {
    let scores = method.oriented();
    let curve = baseline.oriented();
    let values = pass(&scores, baseline.sizes(), &curve);
    let shifted = match (options.bands, baseline.deviations()) {
        (Bands::None, _) | (_, None) => None,
        (_, Some(deviations)) => {
            // Signs are not flipped when less is better: a quirk of the original.
            let moved = |sign: f64| -> Vec<f64> {
                let moved: Vec<f64> = baseline
                    .means()
                    .iter()
                    .zip(&deviations)
                    .map(|(mean, deviation)| mean + sign * deviation)
                    .collect();
                pass(&scores, baseline.sizes(), &baseline.orient(&moved))
            };
            Some((moved(1.0), moved(-1.0)))
        }
    };
    let band = if shifted.is_some() {
        BandKind::Shift
    } else {
        BandKind::Unknown
    };
    let best = curve.iter().copied().fold(f64::MIN, f64::max);
    let points = method
        .sizes()
        .iter()
        .enumerate()
        .map(|(at, &size)| {
            let status = if scores[at] < curve[0] {
                DeeStatus::BelowOne {
                    gap: curve[0] - scores[at],
                }
            } else if scores[at] > best {
                DeeStatus::AboveMax {
                    gap: scores[at] - best,
                }
            } else {
                DeeStatus::Interior
            };
            let (lower, upper) = shifted
                .as_ref()
                .map_or((values[at], values[at]), |(low, high)| (low[at], high[at]));
            DeePoint {
                size,
                dee: values[at],
                lower,
                upper,
                status,
                censored_low: 0.0,
                censored_high: 0.0,
                pool_limited: false,
            }
        })
        .collect();
    Dee {
        points,
        band,
        tail: None,
    }
}
