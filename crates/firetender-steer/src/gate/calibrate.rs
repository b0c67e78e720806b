//! Thresholds from scores: at a false-positive rate, or by F1; and what a gate does on a set.

use serde::{Deserialize, Serialize};

use super::Fires;
use crate::Separation;

/// One point of a receiver operating characteristic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RocPoint {
    /// Requests with this margin and more fire.
    #[serde(with = "super::number")]
    pub margin: f64,
    /// Share of the negative requests that fire.
    pub fpr: f64,
    /// Share of the positive requests that fire.
    pub tpr: f64,
}

/// What a gate does on two sets of requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateReport {
    /// The false-positive rate that was asked for, where the set calibrated the gate.
    pub target_fpr: Option<f64>,
    /// Share of the negative requests that fire.
    pub fpr: f64,
    /// Share of the positive requests that fire.
    pub tpr: f64,
    /// Probability that a positive request has the larger margin, ties counted half.
    pub auc: f64,
    /// Number of positive requests.
    pub positives: usize,
    /// Number of negative requests.
    pub negatives: usize,
    /// From nothing firing to everything firing.
    pub roc: Vec<RocPoint>,
}

impl GateReport {
    /// From the margins of both sets; `None` when one is empty.
    ///
    /// ```
    /// use firetender_steer::GateReport;
    /// let report = GateReport::measure(&[2.0, 1.0, -0.5], &[-1.0, 0.5]).unwrap();
    /// assert_eq!((report.tpr, report.fpr), (2.0 / 3.0, 0.5));
    /// assert_eq!(report.roc.len(), 6);
    /// ```
    #[must_use]
    pub fn measure(positive: &[f64], negative: &[f64]) -> Option<Self> {
        if positive.is_empty() || negative.is_empty() {
            return None;
        }
        let share = |list: &[f64], from: f64| {
            list.iter().filter(|x| **x >= from).count() as f64 / list.len() as f64
        };
        let mut margins: Vec<f64> = positive.iter().chain(negative).copied().collect();
        margins.sort_unstable_by(|a, b| b.total_cmp(a));
        margins.dedup();
        let point = |margin: f64| RocPoint {
            margin,
            fpr: share(negative, margin),
            tpr: share(positive, margin),
        };
        let nothing = RocPoint {
            margin: f64::INFINITY,
            fpr: 0.0,
            tpr: 0.0,
        };
        // Thresholds of ±∞ give margins of ±∞; for the area only their order counts.
        let finite = |list: &[f64]| -> Vec<f64> {
            list.iter().map(|x| x.clamp(f64::MIN, f64::MAX)).collect()
        };
        let separation = Separation::measure(&finite(positive), &finite(negative))?;
        Some(Self {
            target_fpr: None,
            fpr: share(negative, 0.0),
            tpr: share(positive, 0.0),
            auc: separation.auc,
            positives: positive.len(),
            negatives: negative.len(),
            roc: std::iter::once(nothing)
                .chain(margins.into_iter().map(point))
                .collect(),
        })
    }
}

/// The least margin at which at most a share `fpr` of the negative requests fire, halfway to the next margin above.
pub(crate) fn margin_at_fpr(positive: &[f64], negative: &[f64], fpr: f64) -> f64 {
    let mut sorted = negative.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    // A little slack, so that 0.05 of 20 is one.
    let allowed = (fpr * sorted.len() as f64 + 1e-9).floor() as usize;
    let Some(barred) = sorted.get(allowed).copied() else {
        return f64::NEG_INFINITY;
    };
    let above = positive.iter().chain(negative).copied();
    let next = above.filter(|x| *x > barred).fold(f64::INFINITY, f64::min);
    if next.is_finite() && barred.is_finite() {
        barred + (next - barred) / 2.0
    } else if barred.is_finite() {
        barred + barred.abs().max(1.0) * 1e-6
    } else {
        next
    }
}

/// The side and threshold with the best F1 (harmonic mean of precision and recall) among `steps + 1` even thresholds from the
/// least to the greatest score, and that F1: how conditional activation steering picks its condition points. The first best wins,
/// `Above` before `Below`. `None` when a list is empty or a score is not finite.
///
/// ```
/// use firetender_steer::{Fires, best_f1};
/// let (fires, threshold, f1) = best_f1(&[0.1, 0.2], &[0.8, 0.9, 1.0], 100).unwrap();
/// assert_eq!((fires, f1), (Fires::Below, 1.0));
/// assert!(threshold >= 0.2 && threshold < 0.8);
/// ```
#[must_use]
pub fn best_f1(positive: &[f64], negative: &[f64], steps: usize) -> Option<(Fires, f64, f64)> {
    let all = || positive.iter().chain(negative).copied();
    if positive.is_empty() || negative.is_empty() || all().any(|x| !x.is_finite()) {
        return None;
    }
    let (least, most) = (
        all().fold(f64::INFINITY, f64::min),
        all().fold(f64::NEG_INFINITY, f64::max),
    );
    let steps = steps.max(1);
    let mut best: Option<(Fires, f64, f64)> = None;
    for fires in [Fires::Above, Fires::Below] {
        for step in 0..=steps {
            let threshold = least + (most - least) * (step as f64 / steps as f64);
            let fired = |list: &[f64]| {
                let fires = |x: &&f64| match fires {
                    Fires::Above => **x >= threshold,
                    Fires::Below => **x <= threshold,
                };
                list.iter().filter(fires).count() as f64
            };
            let (hits, false_alarms) = (fired(positive), fired(negative));
            let missed = positive.len() as f64 - hits;
            let f1 = 2.0 * hits / (2.0 * hits + false_alarms + missed);
            if best.is_none_or(|(_, _, known)| f1 > known) {
                best = Some((fires, threshold, f1));
            }
        }
    }
    best
}
