//! What the members of an ensemble add to each other: how far they disagree, and what averaging gains.
//!
//! The prediction of an ensemble is the arithmetic mean of its members' probabilities, computed as a log-sum-exp. Its entropy splits into
//! what the members are unsure of themselves (expected entropy) and what they disagree about (mutual information).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::math::entropy_of_logs;
use crate::metrics::{Metrics, evaluate, misclassification};
use crate::objects::{Floor, Objects};
use crate::options::MetricOptions;
use crate::row::RowBuffer;
use crate::scores::{ScoreKind, Scores};
use crate::targets::{Targets, Truth};
use crate::{Ensemble, ExactSum, UncertaintyError};

/// Disagreement of the members about one object.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectDiversity {
    /// Entropy of the mean less mean entropy of the members, in nats; not negative.
    pub mutual_information: f64,
    /// Mean entropy of the members, in nats.
    pub expected_entropy: f64,
    /// Share of the member pairs that predict different classes; 0 for one member.
    pub disagreement: f64,
    /// One less the share of the most frequent prediction.
    pub variation_ratio: f64,
    /// Mean over members of the log-likelihood.
    pub member_ll: f64,
}

/// The members of an ensemble beside each other, and their mean. Host, `f64`, one pass over all scores.
///
/// ```
/// use firetender_uncertainty::{Diversity, Floor, Scores, Targets};
/// let members = [Scores::probs(&[0.9, 0.1], 2)?, Scores::probs(&[0.3, 0.7], 2)?];
/// let found = Diversity::new(&members, &Targets::classes(&[0]), Floor::None)?;
/// assert_eq!(found.objects()[0].disagreement, 1.0);
/// let mean = found.mean_scores()?;
/// let mut row = [0.0; 2];
/// mean.row(0, &mut row);
/// assert!((row[0] - 0.6f64.ln()).abs() < 1e-15);
/// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Diversity {
    classes: usize,
    /// Log-probabilities of the mean, all rows.
    mean: Vec<f64>,
    /// Of the rows that count.
    objects: Vec<ObjectDiversity>,
    weights: Vec<f64>,
}

impl Diversity {
    /// Compares the members object by object.
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] without members, [`UncertaintyError::Mismatch`] when they differ in rows or classes, and as [`Objects::new`].
    pub fn new(
        members: &[Scores<'_>],
        targets: &Targets,
        floor: Floor,
    ) -> Result<Self, UncertaintyError> {
        crate::objects::check_floor(floor)?;
        let (rows, classes) = same_shape(members)?;
        targets.check(rows, classes)?;
        let mut mean = vec![0.0; rows * classes];
        let objects: Vec<Option<ObjectDiversity>> = mean
            .par_chunks_mut(classes)
            .enumerate()
            .map_init(
                || (RowBuffer::new(classes), vec![0.0; classes * members.len()]),
                |(buffer, logs), (row, mean)| {
                    compare(members, targets, floor, row, buffer, logs, mean)
                },
            )
            .collect();
        let weights = (0..rows).map(|row| targets.weight(row));
        let weights = weights.filter(|weight| *weight > 0.0).collect();
        Ok(Self {
            classes,
            mean,
            objects: objects.into_iter().flatten().collect(),
            weights,
        })
    }

    /// The objects that count, in row order.
    #[must_use]
    pub fn objects(&self) -> &[ObjectDiversity] {
        &self.objects
    }

    /// Log-probabilities of the mean prediction.
    ///
    /// # Errors
    /// As [`Scores::log_probs`]; none are expected.
    pub fn mean_scores(&self) -> Result<Scores<'_>, UncertaintyError> {
        Scores::new(
            ScoreKind::LogProbs,
            &self.mean,
            self.classes,
            crate::Checks {
                // Members may each be off by as much.
                row_sum_tolerance: 1e-3,
                ..crate::Checks::default()
            },
        )
    }

    /// Weighted mean of a column that is finite everywhere.
    #[must_use]
    pub fn mean(&self, column: impl Fn(&ObjectDiversity) -> f64) -> f64 {
        let terms = self.objects.iter().zip(&self.weights);
        let weight = ExactSum::of(self.weights.iter().copied()).value();
        ExactSum::of(terms.map(|(o, w)| w * column(o))).over(weight)
    }
}

/// All metrics of an ensemble: those of its mean prediction, and what its members say about each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnsembleMetrics {
    /// Number of members, K.
    pub members: u64,
    /// Metrics of the mean prediction.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Mutual information of prediction and member, in nats.
    pub mi: f64,
    /// Mean entropy of the members, in nats; `entropy` is this plus `mi`.
    pub expected_entropy: f64,
    /// Share of (object, pair of members) with different predictions.
    pub disagreement: f64,
    /// Mean over objects of one less the share of the most frequent prediction.
    pub variation_ratio: f64,
    /// Mean log-likelihood of a single member; `None` where it is −∞.
    pub member_ll: Option<f64>,
    /// `ll − member_ll`, what averaging gains: never negative (Jensen), 0 for identical members.
    pub jensen_gap: Option<f64>,
    /// Misclassification by mutual information: area under the ROC curve.
    #[serde(rename = "misclass_MI_auroc")]
    pub misclass_mi_auroc: Option<f64>,
    /// Misclassification by mutual information: average precision.
    #[serde(rename = "misclass_MI_prauc")]
    pub misclass_mi_prauc: Option<f64>,
}

/// [`evaluate`] for the mean prediction of several members, with their diversity.
///
/// ```
/// use firetender_uncertainty::{MetricOptions, Scores, Targets, evaluate_ensemble};
/// let members = [Scores::probs(&[0.9, 0.1], 2)?, Scores::probs(&[0.3, 0.7], 2)?];
/// let found = evaluate_ensemble(&members, &Targets::classes(&[0]), &MetricOptions::default())?;
/// assert!((found.metrics.ll - 0.6f64.ln()).abs() < 1e-12);
/// assert!(found.jensen_gap.unwrap() > 0.0);
/// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
/// ```
///
/// # Errors
/// As [`Diversity::new`] and [`evaluate`].
pub fn evaluate_ensemble(
    members: &[Scores<'_>],
    targets: &Targets,
    options: &MetricOptions,
) -> Result<EnsembleMetrics, UncertaintyError> {
    let diversity = Diversity::new(members, targets, options.floor)?;
    let mean = match members {
        // The same bits as without an ensemble.
        [only] => only.clone(),
        _ => Ensemble::of(members)?.scores()?,
    };
    let metrics = evaluate(&mean, targets, options)?;
    let objects = Objects::new(&mean, targets, options.floor)?;
    let mut information = diversity.objects.iter().map(|o| o.mutual_information);
    let mut ranking = misclassification(&objects, options.misclass_top_k, |_| 0.0);
    ranking.replace_scores(|_| information.next().unwrap_or(0.0));
    let by_information = ranking.summary();
    let possible = diversity
        .objects
        .iter()
        .all(|o| o.member_ll > f64::NEG_INFINITY);
    let member_ll = possible.then(|| diversity.mean(|o| o.member_ll));
    Ok(EnsembleMetrics {
        members: members.len() as u64,
        mi: diversity.mean(|o| o.mutual_information),
        expected_entropy: diversity.mean(|o| o.expected_entropy),
        disagreement: diversity.mean(|o| o.disagreement),
        variation_ratio: diversity.mean(|o| o.variation_ratio),
        member_ll,
        jensen_gap: member_ll.map(|member| (metrics.ll - member).max(0.0)),
        misclass_mi_auroc: by_information.map(|s| s.auroc),
        misclass_mi_prauc: by_information.map(|s| s.average_precision),
        metrics,
    })
}

/// [`evaluate_ensemble`] of the first k members, for each k asked for. Every size is computed afresh; for all sizes of a long list and
/// the log-likelihood alone, a running mean is cheaper.
///
/// # Errors
/// As [`evaluate_ensemble`], and [`UncertaintyError::Options`] for a size without as many members.
pub fn evaluate_sizes(
    members: &[Scores<'_>],
    sizes: &[usize],
    targets: &Targets,
    options: &MetricOptions,
) -> Result<Vec<EnsembleMetrics>, UncertaintyError> {
    let one = |size: &usize| {
        let members = members.get(..*size).filter(|_| *size > 0);
        let members = members.ok_or_else(|| UncertaintyError::Options {
            field: "sizes",
            found: size.to_string(),
            expected: "numbers from 1 to the number of members",
        })?;
        evaluate_ensemble(members, targets, options)
    };
    sizes.iter().map(one).collect()
}

fn same_shape(members: &[Scores<'_>]) -> Result<(usize, usize), UncertaintyError> {
    let Some(first) = members.first() else {
        return Err(UncertaintyError::Empty { what: "members" });
    };
    let shape = (first.rows(), first.classes());
    for (at, member) in members.iter().enumerate() {
        let found = (member.rows(), member.classes());
        if found != shape {
            return Err(UncertaintyError::Mismatch {
                place: format!("member {at}"),
                field: "rows and classes",
                found: format!("{found:?}"),
                expected: format!("{shape:?}"),
            });
        }
    }
    Ok(shape)
}

/// Compares members about one row and writes the log-probabilities of their mean.
fn compare(
    members: &[Scores<'_>],
    targets: &Targets,
    floor: Floor,
    row: usize,
    buffer: &mut RowBuffer,
    logs: &mut [f64],
    mean: &mut [f64],
) -> Option<ObjectDiversity> {
    let count = members.len() as f64;
    let mut predictions = Vec::with_capacity(members.len());
    let (mut expected, mut likelihood) = (0.0, 0.0);
    for (member, logs) in members.iter().zip(logs.chunks_mut(mean.len())) {
        let stats = buffer.read(member, row);
        for (class, log) in logs.iter_mut().enumerate() {
            *log = buffer.log_prob(&stats, class);
        }
        predictions.push(stats.prediction);
        expected += stats.entropy;
        if targets.is_out(row) {
            continue;
        }
        likelihood += match targets.truth(row) {
            Truth::Class(class) => floor.apply(logs[class]),
            Truth::Soft(shares) => shares
                .iter()
                .zip(&*logs)
                .filter(|(share, _)| **share > 0.0)
                .map(|(share, log)| share * floor.apply(*log))
                .sum(),
        };
    }
    let classes = mean.len();
    for (class, out) in mean.iter_mut().enumerate() {
        let of = || logs.iter().skip(class).step_by(classes);
        let top = of().copied().fold(f64::NEG_INFINITY, f64::max);
        *out = if top == f64::NEG_INFINITY {
            top
        } else {
            top + (of().map(|l| (l - top).exp()).sum::<f64>() / count).ln()
        };
    }
    if targets.is_out(row) {
        return None;
    }
    expected /= count;
    let entropy = entropy_of_logs(mean);
    predictions.sort_unstable();
    let runs: Vec<f64> = predictions
        .chunk_by(|a, b| a == b)
        .map(|run| run.len() as f64)
        .collect();
    let agreeing: f64 = runs.iter().map(|n| n * (n - 1.0)).sum();
    let pairs = count * (count - 1.0);
    Some(ObjectDiversity {
        // Zero for identical members, where only rounding is left.
        mutual_information: Some(entropy - expected)
            .filter(|mi| *mi > 1e-15)
            .unwrap_or(0.0),
        expected_entropy: expected,
        disagreement: if pairs > 0.0 {
            1.0 - agreeing / pairs
        } else {
            0.0
        },
        variation_ratio: 1.0 - runs.iter().copied().fold(0.0, f64::max) / count,
        member_ll: likelihood / count,
    })
}
