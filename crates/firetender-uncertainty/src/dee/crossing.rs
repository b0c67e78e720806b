//! The definition: the smallest size at which the baseline's curve reaches a score.

use serde::{Deserialize, Serialize};

use super::{DeeStatus, PowerTail};

/// How a noisy baseline becomes a curve that never falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Monotone {
    /// The closest rising curve in least squares (pool adjacent violators). The default.
    Isotonic,
    /// The best score so far. Biased upward by noise.
    RunningMax,
    /// As it is; the first crossing counts.
    None,
    /// As it is, with the published program's pointer that is carried from size to size.
    Reference,
}

/// What is linear between two sizes of the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Interpolation {
    /// The score over the size, as defined. For sizes one apart.
    Linear,
    /// The score over the logarithm of the size. For sparse sizes: the curve is concave, so a chord overstates the equivalent.
    Log,
    /// The score over 1 / size.
    Reciprocal,
}

impl Interpolation {
    fn between(self, lo: f64, hi: f64, share: f64) -> f64 {
        match self {
            Self::Linear => lo + (hi - lo) * share,
            Self::Log => lo * (hi / lo).powf(share),
            Self::Reciprocal => 1.0 / (1.0 / lo + (1.0 / hi - 1.0 / lo) * share),
        }
        .clamp(lo, hi)
    }
}

/// The closest rising sequence in least squares, all weights one: pool adjacent violators.
///
/// ```
/// use firetender_uncertainty::isotonic_increasing;
/// assert_eq!(isotonic_increasing(&[1.0, 3.0, 2.0, 4.0]), [1.0, 2.5, 2.5, 4.0]);
/// ```
#[must_use]
pub fn isotonic_increasing(values: &[f64]) -> Vec<f64> {
    // Blocks of (sum, count); the means of finished blocks rise.
    let mut blocks: Vec<(f64, usize)> = Vec::with_capacity(values.len());
    for &value in values {
        let mut block = (value, 1_usize);
        while let Some(&(sum, count)) = blocks.last() {
            if sum / count as f64 <= block.0 / block.1 as f64 {
                break;
            }
            block = (block.0 + sum, block.1 + count);
            blocks.pop();
        }
        blocks.push(block);
    }
    blocks
        .iter()
        .flat_map(|&(sum, count)| std::iter::repeat_n(sum / count as f64, count))
        .collect()
}

/// A baseline ready to be crossed.
#[derive(Debug)]
pub(super) struct Crossing<'a> {
    sizes: &'a [f64],
    scores: Vec<f64>,
    interpolation: Interpolation,
    pub(super) tail: Option<PowerTail>,
}

impl<'a> Crossing<'a> {
    /// Scores are oriented: more is better.
    pub(super) fn new(
        sizes: &'a [f64],
        scores: &[f64],
        monotone: Monotone,
        interpolation: Interpolation,
        extrapolate: bool,
    ) -> Self {
        let scores = match monotone {
            Monotone::Isotonic => isotonic_increasing(scores),
            Monotone::RunningMax => scores
                .iter()
                .scan(f64::NEG_INFINITY, |best, &score| {
                    *best = best.max(score);
                    Some(*best)
                })
                .collect(),
            Monotone::None | Monotone::Reference => scores.to_vec(),
        };
        let tail = extrapolate
            .then(|| PowerTail::fit(sizes, &scores))
            .flatten();
        Self {
            sizes,
            scores,
            interpolation,
            tail,
        }
    }

    /// The equivalent of a score.
    pub(super) fn at(&self, score: f64) -> (f64, DeeStatus) {
        let last = self.sizes.len() - 1;
        // The first size that is at least as good. The curve may fall in between when it is used as it is.
        let Some(first) = self.scores.iter().position(|&s| s >= score) else {
            let best = self.scores.iter().copied().fold(f64::MIN, f64::max);
            let gap = score - best;
            return match self.tail.as_ref().and_then(|tail| tail.size_of(score)) {
                Some(size) => (size.max(self.sizes[last]), DeeStatus::Extrapolated { gap }),
                None => (self.sizes[last], DeeStatus::AboveMax { gap }),
            };
        };
        if self.scores[first] == score {
            let equal = self.scores[first..]
                .iter()
                .take_while(|&&s| s == score)
                .count();
            let (lo, hi) = (self.sizes[first], self.sizes[first + equal - 1]);
            return if equal > 1 {
                (lo, DeeStatus::Plateau { lo, hi })
            } else {
                (lo, DeeStatus::Interior)
            };
        }
        if first == 0 {
            let gap = self.scores[0] - score;
            return (self.sizes[0], DeeStatus::BelowOne { gap });
        }
        let (below, above) = (self.scores[first - 1], self.scores[first]);
        let share = (score - below) / (above - below);
        let size = self
            .interpolation
            .between(self.sizes[first - 1], self.sizes[first], share);
        (size, DeeStatus::Interior)
    }
}
