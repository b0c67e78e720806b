//! A power law for what more networks would bring (Lobacheva, Chirkova, Kodryan and Vetrov 2020, "On Power Laws in Deep Ensembles").

use serde::{Deserialize, Serialize};

/// `score(k) = limit − gap · k^−power`, fitted to the upper half of a curve.
///
/// An extrapolation: it says what the curve would do if it went on as it began.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PowerTail {
    /// The score of infinitely many members (oriented: more is better).
    pub limit: f64,
    /// How far the first member would be from it; above zero.
    pub gap: f64,
    /// How quickly the distance shrinks; above zero.
    pub power: f64,
    /// Root of the mean squared residual.
    pub residual: f64,
}

/// Powers that are tried; published fits lie between 0.5 and 1.5.
const POWERS: (f64, f64) = (0.05, 4.0);

impl PowerTail {
    /// Least squares over the sizes from a tenth of the largest on, at least four of them; scores oriented so that more is
    /// better. None when there are fewer than four sizes or the curve does not rise.
    #[must_use]
    pub fn fit(sizes: &[f64], scores: &[f64]) -> Option<Self> {
        let last = sizes.len().checked_sub(4)?;
        let from = sizes
            .iter()
            .position(|&s| s >= sizes[sizes.len() - 1] / 10.0)?
            .min(last);
        let (sizes, scores) = (&sizes[from..], &scores[from..]);
        // Golden section over the power; limit and gap are linear given it.
        let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
        let (mut low, mut high) = POWERS;
        let error = |power: f64| linear(sizes, scores, power).residual;
        let (mut a, mut b) = (high - ratio * (high - low), low + ratio * (high - low));
        let (mut at_a, mut at_b) = (error(a), error(b));
        while high - low > 1e-9 {
            if at_a < at_b {
                (high, b, at_b) = (b, a, at_a);
                a = high - ratio * (high - low);
                at_a = error(a);
            } else {
                (low, a, at_a) = (a, b, at_b);
                b = low + ratio * (high - low);
                at_b = error(b);
            }
        }
        let best = linear(sizes, scores, f64::midpoint(low, high));
        (best.gap > 0.0 && best.residual.is_finite()).then_some(best)
    }

    /// The size at which the law reaches a score; none at or above its limit.
    #[must_use]
    pub fn size_of(&self, score: f64) -> Option<f64> {
        let size = (self.gap / (self.limit - score)).powf(1.0 / self.power);
        (score < self.limit && size.is_finite()).then_some(size)
    }
}

fn linear(sizes: &[f64], scores: &[f64], power: f64) -> PowerTail {
    let count = sizes.len() as f64;
    let x: Vec<f64> = sizes.iter().map(|s| s.powf(-power)).collect();
    let mean_x = x.iter().sum::<f64>() / count;
    let mean_y = scores.iter().sum::<f64>() / count;
    let (mut xx, mut xy) = (0.0, 0.0);
    for (x, y) in x.iter().zip(scores) {
        xx += (x - mean_x).powi(2);
        xy += (x - mean_x) * (y - mean_y);
    }
    let slope = xy / xx;
    let limit = mean_y - slope * mean_x;
    let squares: f64 = x
        .iter()
        .zip(scores)
        .map(|(x, y)| (y - limit - slope * x).powi(2))
        .sum();
    PowerTail {
        limit,
        gap: -slope,
        power,
        residual: (squares / count).sqrt(),
    }
}
