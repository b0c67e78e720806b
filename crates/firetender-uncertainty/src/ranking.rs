//! Two kinds of objects, one score: how well does the score tell them apart?
//!
//! Used for misclassification (which predictions are wrong?) and for out-of-distribution detection (which objects are foreign?).
//! Equal scores count half in the area under the ROC curve and stand together in the average precision, so the order of
//! equals does not matter. With one kind only there is nothing to tell apart and the answer is `None`, not ½.
//!
//! Areas of misclassification must not be compared between models: each model sets its own problem by its own mistakes
//! (Ashukha et al. 2020). Compare accuracy-rejection curves instead ([`crate::RiskCoverage`]).

use serde::{Deserialize, Serialize};

use crate::mass::grouped;
use crate::{ExactSum, UncertaintyError};

/// Scores of positive and negative objects; higher means "more likely positive". Host, `f64`.
///
/// It keeps every score, so that two rankings merge exactly; [`RankHistogram`] needs constant memory instead.
///
/// ```
/// use firetender_uncertainty::Ranking;
/// let mut ranking = Ranking::default();
/// for (score, positive) in [(0.9, true), (0.8, false), (0.7, true), (0.1, false)] {
///     ranking.add(score, positive);
/// }
/// assert_eq!(ranking.auroc(), Some(0.75));
/// assert!((ranking.average_precision().unwrap() - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-15);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    entries: Vec<(f64, f64, f64)>,
}

/// The area under a ROC curve made from bins, and how far from the exact one it may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bounded {
    /// The value.
    pub value: f64,
    /// The exact value differs by this much at most.
    pub error: f64,
}

impl Ranking {
    /// Adds an object.
    ///
    /// # Panics
    /// When the score is NaN.
    pub fn add(&mut self, score: f64, positive: bool) {
        let positive = f64::from(u8::from(positive));
        self.add_weighted(score, positive, 1.0 - positive);
    }

    /// Adds an object that is positive to one extent and negative to another: weights, or a soft target.
    ///
    /// # Panics
    /// When the score is NaN.
    pub fn add_weighted(&mut self, score: f64, positive: f64, negative: f64) {
        assert!(!score.is_nan(), "a score that is not a number");
        self.entries.push((score, positive, negative));
    }

    /// Gives the objects other scores, in the order in which they were added.
    pub(crate) fn replace_scores(&mut self, mut score: impl FnMut(f64) -> f64) {
        self.entries.iter_mut().for_each(|e| e.0 = score(e.0));
    }

    /// Scores of the positive and of the negative objects, for instance uncertainties of foreign and of familiar data.
    ///
    /// # Errors
    /// [`UncertaintyError::Options`] for a score that is NaN.
    pub fn of(positive: &[f64], negative: &[f64]) -> Result<Self, UncertaintyError> {
        if let Some(row) = positive.iter().chain(negative).position(|s| s.is_nan()) {
            return Err(UncertaintyError::Options {
                field: "scores to rank",
                found: format!("NaN at {row} of positive, then negative ones"),
                expected: "numbers",
            });
        }
        let mut ranking = Self::default();
        positive.iter().for_each(|s| ranking.add(*s, true));
        negative.iter().for_each(|s| ranking.add(*s, false));
        Ok(ranking)
    }

    /// Adds the objects of another ranking.
    pub fn merge(&mut self, other: &Self) {
        self.entries.extend_from_slice(&other.entries);
    }

    /// (score, positive, negative) of each distinct score, falling.
    fn groups(&self) -> Vec<(f64, f64, f64)> {
        let whole =
            |(_, p, n): &(f64, f64, f64)| (*p == 1.0 && *n == 0.0) || (*p == 0.0 && *n == 1.0);
        if self.entries.iter().all(whole) {
            let objects = self.entries.iter().map(|e| (e.0, e.1, 1.0));
            let rising = grouped(objects).into_iter().rev();
            return rising
                .map(|g| (g.score, g.correct, g.weight - g.correct))
                .collect();
        }
        let mut sorted = self.entries.clone();
        sorted.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let groups = sorted.chunk_by(|a, b| a.0 == b.0).map(|equal| match equal {
            [one] => *one,
            _ => (
                equal[0].0,
                ExactSum::of(equal.iter().map(|e| e.1)).value(),
                ExactSum::of(equal.iter().map(|e| e.2)).value(),
            ),
        });
        groups.collect()
    }

    /// Totals of positive and negative, if there is some of both.
    fn totals(groups: &[(f64, f64, f64)]) -> Option<(f64, f64)> {
        let positive = groups.iter().map(|g| g.1).sum::<f64>();
        let negative = groups.iter().map(|g| g.2).sum::<f64>();
        (positive > 0.0 && negative > 0.0).then_some((positive, negative))
    }

    /// All of it from one sort: areas and the false positive rate at 95 % of the positives. `None` without objects of both kinds.
    #[must_use]
    pub fn summary(&self) -> Option<RankSummary> {
        Self::summary_of(&self.groups())
    }

    /// The same of (score, positive, negative) of each distinct score, falling.
    pub(crate) fn summary_of(groups: &[(f64, f64, f64)]) -> Option<RankSummary> {
        let totals = Self::totals(groups)?;
        Some(RankSummary {
            auroc: auroc(groups, totals),
            average_precision: average_precision(groups, totals),
            fpr95: false_positive_rate(groups, totals, 0.95),
        })
    }

    /// Area under the ROC curve: the probability that a positive scores higher than a negative, equals counted half.
    #[must_use]
    pub fn auroc(&self) -> Option<f64> {
        let groups = self.groups();
        Some(auroc(&groups, Self::totals(&groups)?))
    }

    /// Average precision: Σ over thresholds of the gain in recall times the precision, equals grouped (as scikit-learn).
    #[must_use]
    pub fn average_precision(&self) -> Option<f64> {
        let groups = self.groups();
        Some(average_precision(&groups, Self::totals(&groups)?))
    }

    /// Share of the negatives above the highest threshold that catches at least `rate` of the positives.
    #[must_use]
    pub fn false_positive_rate(&self, rate: f64) -> Option<f64> {
        let groups = self.groups();
        Some(false_positive_rate(&groups, Self::totals(&groups)?, rate))
    }
}

/// The usual numbers of one ranking.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankSummary {
    /// See [`Ranking::auroc`].
    pub auroc: f64,
    /// See [`Ranking::average_precision`].
    pub average_precision: f64,
    /// See [`Ranking::false_positive_rate`], at 0.95.
    pub fpr95: f64,
}

fn auroc(groups: &[(f64, f64, f64)], (positive, negative): (f64, f64)) -> f64 {
    let (mut above, mut wins) = (0.0, 0.0);
    for (_, p, n) in groups {
        wins += n * (above + p / 2.0);
        above += p;
    }
    wins / (positive * negative)
}

fn average_precision(groups: &[(f64, f64, f64)], (positive, _): (f64, f64)) -> f64 {
    let (mut p_above, mut n_above, mut sum) = (0.0, 0.0, 0.0);
    for (_, p, n) in groups {
        p_above += p;
        n_above += n;
        if *p > 0.0 {
            sum += p * (p_above / (p_above + n_above));
        }
    }
    sum / positive
}

fn false_positive_rate(
    groups: &[(f64, f64, f64)],
    (positive, negative): (f64, f64),
    rate: f64,
) -> f64 {
    let (mut p_above, mut n_above) = (0.0, 0.0);
    for (_, p, n) in groups {
        p_above += p;
        n_above += n;
        if p_above >= rate * positive {
            break;
        }
    }
    n_above / negative
}

/// A ranking in constant memory: scores in equal bins of a known range, with the error that the bins may cause.
///
/// ```
/// use firetender_uncertainty::RankHistogram;
/// let mut histogram = RankHistogram::new(0.0, 1.0, 1 << 16)?;
/// histogram.add(0.9, true);
/// histogram.add(0.2, false);
/// let found = histogram.auroc().unwrap();
/// assert_eq!((found.value, found.error), (1.0, 0.0));
/// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankHistogram {
    low: f64,
    high: f64,
    positive: Vec<u64>,
    negative: Vec<u64>,
}

impl RankHistogram {
    /// Empty bins between `low` and `high`; scores outside go to the first and last.
    ///
    /// # Errors
    /// [`UncertaintyError::Options`] for an empty range, no bin or more than 2²⁴.
    pub fn new(low: f64, high: f64, bins: usize) -> Result<Self, UncertaintyError> {
        if !(low < high && (high - low).is_finite()) || bins == 0 || bins > 1 << 24 {
            return Err(UncertaintyError::Options {
                field: "histogram",
                found: format!("{bins} bins from {low} to {high}"),
                expected: "1 to 2^24 bins, and a range that is finite and not empty",
            });
        }
        Ok(Self {
            low,
            high,
            positive: vec![0; bins],
            negative: vec![0; bins],
        })
    }

    /// Adds an object.
    ///
    /// # Panics
    /// When the score is NaN.
    pub fn add(&mut self, score: f64, positive: bool) {
        assert!(!score.is_nan(), "a score that is not a number");
        let place = (score - self.low) / (self.high - self.low) * self.positive.len() as f64;
        let bin = (place.max(0.0) as usize).min(self.positive.len() - 1);
        let side = if positive {
            &mut self.positive
        } else {
            &mut self.negative
        };
        side[bin] += 1;
    }

    /// Adds the objects of another histogram.
    ///
    /// # Errors
    /// [`UncertaintyError::Mismatch`] when ranges or bins differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), UncertaintyError> {
        let shape = |h: &Self| format!("{} bins from {} to {}", h.positive.len(), h.low, h.high);
        if shape(self) != shape(other) {
            return Err(UncertaintyError::Mismatch {
                place: "histogram to merge".into(),
                field: "bins",
                found: shape(other),
                expected: shape(self),
            });
        }
        let add = |own: &mut Vec<u64>, other: &[u64]| {
            own.iter_mut().zip(other).for_each(|(a, b)| *a += b);
        };
        add(&mut self.positive, &other.positive);
        add(&mut self.negative, &other.negative);
        Ok(())
    }

    /// Area under the ROC curve, scores of one bin taken as equal: off by at most half the share of pairs that share a bin.
    #[must_use]
    pub fn auroc(&self) -> Option<Bounded> {
        let total = |side: &[u64]| side.iter().map(|n| u128::from(*n)).sum::<u128>();
        let pairs = total(&self.positive) * total(&self.negative);
        if pairs == 0 {
            return None;
        }
        // Twice the wins, in whole numbers.
        let (mut above, mut wins, mut shared) = (0u128, 0u128, 0u128);
        for (p, n) in self.positive.iter().zip(&self.negative).rev() {
            let (p, n) = (u128::from(*p), u128::from(*n));
            wins += n * (2 * above + p);
            shared += n * p;
            above += p;
        }
        let pairs = pairs as f64 * 2.0;
        Some(Bounded {
            value: wins as f64 / pairs,
            error: shared as f64 / pairs,
        })
    }
}
