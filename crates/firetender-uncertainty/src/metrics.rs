//! The whole table: every metric of one set of predictions, in one call.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bins::{BinTable, Bins};
use crate::classwise::{Adaptive, AdaptiveState, ClassBins, adaptive_of, check_adaptive};
use crate::decompose::BrierParts;
use crate::exact::ExactColumns;
use crate::lanes::vectorised;
use crate::mass::grouped;
use crate::objects::{Object, Objects};
use crate::options::MetricOptions;
use crate::ranking::Ranking;
use crate::scores::Scores;
use crate::selective::{AurcRule, RiskCoverage};
use crate::smooth::{confidences, smooth_of, sweep_of};
use crate::targets::Targets;
use crate::{ExactSum, UncertaintyError};

/// Every metric of one set of predictions; the field names are the keys in files. What is undefined is `None` (null), never NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Objects that count.
    pub objects: u64,
    /// Rows that were ignored or of weight zero.
    pub left_out: u64,
    /// Number of classes.
    pub classes: u64,
    /// Share of right predictions, in [0, 1]; ties go to the lowest class.
    pub accuracy: f64,
    /// Share of objects whose class is among the k best, for each k asked for below the number of classes. Empty for soft targets.
    pub top_k_accuracy: Vec<TopK>,
    /// Mean log-likelihood in nats, higher is better. Null stands for −∞: `impossible` says why.
    #[serde(with = "minus_infinity")]
    pub ll: f64,
    /// Objects whose class had probability zero (none when there is a floor).
    pub impossible: u64,
    /// Brier score on the chosen scale, lower is better.
    pub brier: f64,
    /// Spherical score in [0, 1], higher is better.
    pub spherical: f64,
    /// Ranked probability score, for ordered classes only.
    pub rps: Option<f64>,
    /// Mean entropy of the predictions, in nats.
    pub entropy: Option<f64>,
    /// Mean probability of the predicted class.
    pub confidence: f64,
    /// Expected calibration error of the predicted class.
    pub ece: f64,
    /// Root mean square calibration error, same bins.
    pub rmsce: f64,
    /// Maximum calibration error, same bins.
    pub mce: f64,
    /// Debiased squared L2 calibration error, same bins; may be negative.
    pub l2_squared_debiased: f64,
    /// ECE with the most equal-mass bins that keep accuracies rising.
    pub ece_sweep: Option<f64>,
    /// Smooth calibration error.
    pub smooth_ece: Option<f64>,
    /// Static (class-wise) calibration error.
    pub sce: Option<f64>,
    /// Thresholded adaptive calibration error.
    pub tace: Option<f64>,
    /// Adaptive calibration error.
    pub ace: Option<f64>,
    /// Brier score in parts, on the scale of the sum over classes.
    pub brier_parts: Option<BrierParts>,
    /// Area under the risk-coverage curve, exact.
    pub aurc: f64,
    /// AURC less that of the best order.
    pub e_aurc: f64,
    /// Area under the generalised risk-coverage curve.
    pub augrc: f64,
    /// The reference's name for the area; equal to `aurc` unless its thinning is asked for.
    pub acc_aac: Option<f64>,
    /// Largest coverage at an error of at most 5 %.
    pub coverage_at_5_risk: f64,
    /// Error at a coverage of at least 80 %.
    pub risk_at_80_coverage: Option<f64>,
    /// Misclassification by entropy: area under the ROC curve. Not comparable between models, like all of this kind.
    pub misclass_entropy_auroc: Option<f64>,
    /// Misclassification by entropy: average precision.
    pub misclass_entropy_prauc: Option<f64>,
    /// Misclassification by entropy: false positive rate at 95 % of the errors found.
    pub misclass_entropy_fpr95: Option<f64>,
    /// Misclassification by −max p: area under the ROC curve.
    pub misclass_confidence_auroc: Option<f64>,
    /// Misclassification by −max p: average precision.
    pub misclass_confidence_prauc: Option<f64>,
    /// Misclassification by −max p: false positive rate at 95 % of the errors found.
    pub misclass_confidence_fpr95: Option<f64>,
    /// What a reader has to know beside the numbers.
    pub notes: Vec<Note>,
}

/// A top-k accuracy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopK {
    /// How many guesses.
    pub k: u32,
    /// Share of objects whose class is among them.
    pub accuracy: f64,
}

/// What a reader has to know beside the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Note {
    /// Some objects were impossible, so the log-likelihood is −∞.
    Impossible {
        /// How many.
        objects: u64,
    },
    /// The reference's thinning needs 1,000 objects.
    TooFewToThin {
        /// How many there are.
        objects: u64,
    },
    /// Classes with fewer probabilities than bins: bins were merged, or there is no value.
    ShortClasses {
        /// In TACE.
        tace: u64,
        /// In ACE.
        ace: u64,
    },
    /// No mistakes, or nothing but mistakes: misclassification is undefined.
    OneKind,
    /// Bins with fewer than two objects were left out of the debiased error.
    SmallBins {
        /// Their share of the weight.
        share: f64,
    },
}

/// Computes every metric. Host, `f64`, on all threads; bit for bit the same for every order of the rows and every number of threads.
///
/// ```
/// use firetender_uncertainty::{MetricOptions, Scores, Targets, evaluate};
/// let scores = Scores::probs(&[0.7, 0.3, 0.4, 0.6, 0.9, 0.1], 2)?;
/// let found = evaluate(&scores, &Targets::classes(&[0, 1, 1]), &MetricOptions::default())?;
/// assert!((found.accuracy - 2.0 / 3.0).abs() < 1e-15);
/// assert_eq!(found.misclass_confidence_auroc, Some(0.0));
/// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
/// ```
///
/// # Errors
/// As [`Targets::check`], and [`UncertaintyError::Options`] for options that make no sense.
pub fn evaluate(
    scores: &Scores<'_>,
    targets: &Targets,
    options: &MetricOptions,
) -> Result<Metrics, UncertaintyError> {
    let adaptive_options = options.adaptive_options();
    adaptive_options.iter().try_for_each(check_adaptive)?;
    let mut bins = match options.class_wise {
        true => Some(ClassBins::new(
            scores.classes(),
            options.class_binning.clone(),
        )?),
        false => None,
    };
    let columns = options.columns(scores.classes());
    let objects = Objects::build(scores, targets, options.floor, columns)?;
    if let Some(bins) = &mut bins {
        bins.update(scores, targets)?;
    }
    let adaptive = options
        .adaptive
        .then(|| adaptive_of(scores, targets, &adaptive_options, objects.weight()));
    finish(&objects, bins.as_ref(), adaptive.as_deref(), options)
}

/// [`evaluate`] for several models on the same targets, in order.
///
/// # Errors
/// That of the first model that fails.
pub fn evaluate_many(
    models: &[Scores<'_>],
    targets: &Targets,
    options: &MetricOptions,
) -> Result<Vec<Metrics>, UncertaintyError> {
    let all: Vec<Result<Metrics, UncertaintyError>> = models
        .par_iter()
        .map(|scores| evaluate(scores, targets, options))
        .collect();
    all.into_iter().collect()
}

/// All metrics of a stream of batches: update batch by batch, merge shards, read at any time.
///
/// The result is that of [`evaluate`] on all rows at once, bit for bit. It keeps about 130 bytes an object and, for TACE and ACE,
/// 8 bytes a probability; where that is too much, switch `adaptive` off, or use [`crate::ProperSums`], [`crate::BinState`], [`ClassBins`] and
/// [`crate::RankHistogram`], which need constant memory.
///
/// ```
/// use firetender_uncertainty::{MetricOptions, MetricState, Scores, Targets};
/// let mut first = MetricState::new(2, MetricOptions::default())?;
/// let mut second = first.clone();
/// first.update(&Scores::probs(&[0.7, 0.3], 2)?, &Targets::classes(&[0]))?;
/// second.update(&Scores::probs(&[0.4, 0.6], 2)?, &Targets::classes(&[0]))?;
/// first.merge(&second)?;
/// assert_eq!(first.finalize()?.accuracy, 0.5);
/// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricState {
    options: MetricOptions,
    objects: Objects,
    bins: Option<ClassBins>,
    adaptive: Option<AdaptiveState>,
}

impl MetricState {
    /// Nothing yet, for `classes` classes.
    ///
    /// # Errors
    /// [`UncertaintyError::Options`] for options that make no sense, [`UncertaintyError::Classes`] for fewer than two classes.
    pub fn new(classes: usize, options: MetricOptions) -> Result<Self, UncertaintyError> {
        if classes < 2 {
            return Err(UncertaintyError::Classes { found: classes });
        }
        options
            .adaptive_options()
            .iter()
            .try_for_each(check_adaptive)?;
        let bins = match options.class_wise {
            true => Some(ClassBins::new(classes, options.class_binning.clone())?),
            false => None,
        };
        Ok(Self {
            objects: Objects::empty(classes),
            bins,
            adaptive: options.adaptive.then(|| AdaptiveState::new(classes)),
            options,
        })
    }

    /// Adds a batch. A batch whose rows are all ignored is an error only if nothing else is left in the end.
    ///
    /// # Errors
    /// As [`Targets::check`], and [`UncertaintyError::Mismatch`] for another number of classes. Nothing is added then.
    pub fn update(
        &mut self,
        scores: &Scores<'_>,
        targets: &Targets,
    ) -> Result<(), UncertaintyError> {
        let columns = self.options.columns(scores.classes());
        let objects = Objects::build(scores, targets, self.options.floor, columns)?;
        self.objects.merge(&objects)?;
        if let Some(bins) = &mut self.bins {
            bins.update(scores, targets)?;
        }
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.update(scores, targets)?;
        }
        Ok(())
    }

    /// Adds the objects of another state.
    ///
    /// # Errors
    /// [`UncertaintyError::Mismatch`] when classes or options differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), UncertaintyError> {
        if self.options != other.options {
            return Err(UncertaintyError::Mismatch {
                place: "state to merge".into(),
                field: "options",
                found: format!("{:?}", other.options),
                expected: format!("{:?}", self.options),
            });
        }
        self.objects.merge(&other.objects)?;
        if let (Some(own), Some(other)) = (&mut self.bins, &other.bins) {
            own.merge(other)?;
        }
        if let (Some(own), Some(other)) = (&mut self.adaptive, &other.adaptive) {
            own.merge(other)?;
        }
        Ok(())
    }

    /// The objects so far, for intervals.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// The metrics of all objects so far.
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] before the first batch.
    pub fn finalize(&self) -> Result<Metrics, UncertaintyError> {
        if self.objects.is_empty() {
            return Err(UncertaintyError::Empty {
                what: "objects in the state",
            });
        }
        let adaptive = match &self.adaptive {
            Some(state) => Some(state.errors(&self.options.adaptive_options())?),
            None => None,
        };
        finish(
            &self.objects,
            self.bins.as_ref(),
            adaptive.as_deref(),
            &self.options,
        )
    }
}

/// Sums of the columns that every table needs, in one pass.
struct Totals {
    weight: f64,
    correct: ExactSum,
    log_likelihood: ExactSum,
    brier: ExactSum,
    spherical: ExactSum,
    entropy: ExactSum,
    confidence: ExactSum,
    impossible: u64,
}

impl Totals {
    fn of(rows: &[Object]) -> Self {
        let mut sums = ExactColumns::<8>::default();
        let mut impossible = 0;
        vectorised(
            #[inline(always)]
            || {
                for o in rows {
                    let lost = o.log_likelihood == f64::NEG_INFINITY;
                    impossible += u64::from(lost);
                    let likelihood = if lost { 0.0 } else { o.log_likelihood };
                    sums.add(&[
                        o.weight,
                        o.weight * o.correct,
                        o.weight * likelihood,
                        o.weight * o.brier,
                        o.weight * o.spherical,
                        o.weight * o.entropy,
                        o.weight * o.confidence,
                        0.0,
                    ]);
                }
            },
        );
        let [
            weight,
            correct,
            log_likelihood,
            brier,
            spherical,
            entropy,
            confidence,
            _,
        ] = sums.sums();
        Self {
            weight: weight.value(),
            correct,
            log_likelihood,
            brier,
            spherical,
            entropy,
            confidence,
            impossible,
        }
    }

    fn mean(&self, sum: ExactSum) -> f64 {
        sum.over(self.weight)
    }
}

/// The metrics of objects, and of what class-wise sums there are.
pub(crate) fn finish(
    objects: &Objects,
    class_bins: Option<&ClassBins>,
    adaptive: Option<&[Adaptive]>,
    options: &MetricOptions,
) -> Result<Metrics, UncertaintyError> {
    let mut notes = vec![];
    let sums = Totals::of(objects.rows());
    let impossible = sums.impossible;
    if impossible > 0 {
        notes.push(Note::Impossible {
            objects: impossible,
        });
    }
    let table = BinTable::top_label(objects, &options.binning);
    let (debiased, small) = table.debiased_squared();
    if small > 0.0 && !matches!(options.binning.bins(), Bins::EqualMass(_)) {
        notes.push(Note::SmallBins { share: small });
    }
    // One sort by confidence serves everything that ranks by it.
    let rising = grouped(confidences(objects));
    let selective = RiskCoverage::from_groups(&rising);
    let aurc = selective.aurc();
    let acc_aac = match options.acc_aac {
        AurcRule::Exact => Some(aurc),
        AurcRule::ReferenceThinned => RiskCoverage::reference_thinned(objects),
    };
    if acc_aac.is_none() {
        notes.push(Note::TooFewToThin {
            objects: objects.len() as u64,
        });
    }
    let by_entropy = match options.entropy {
        true => misclassification(objects, options.misclass_top_k, |o| o.entropy).summary(),
        false => None,
    };
    let by_confidence = if options.misclass_top_k == 1 {
        let wrong = rising.iter();
        let wrong: Vec<_> = wrong
            .map(|g| (-g.score, g.weight - g.correct, g.correct))
            .collect();
        Ranking::summary_of(&wrong)
    } else {
        misclassification(objects, options.misclass_top_k, |o| -o.confidence).summary()
    };
    if by_confidence.is_none() {
        notes.push(Note::OneKind);
    }
    let (tace, ace) = match adaptive {
        Some([tace, ace]) => {
            if tace.short_classes + ace.short_classes > 0 {
                notes.push(Note::ShortClasses {
                    tace: tace.short_classes,
                    ace: ace.short_classes,
                });
            }
            (tace.value, ace.value)
        }
        _ => (None, None),
    };
    let top_k = options
        .top_k
        .iter()
        .filter(|k| (**k as usize) < objects.classes());
    Ok(Metrics {
        objects: objects.len() as u64,
        left_out: objects.left_out(),
        classes: objects.classes() as u64,
        accuracy: sums.mean(sums.correct),
        top_k_accuracy: top_k
            .filter_map(|k| {
                let accuracy = objects.top_k_accuracy(*k)?;
                Some(TopK { k: *k, accuracy })
            })
            .collect(),
        ll: match impossible {
            0 => sums.mean(sums.log_likelihood),
            _ => f64::NEG_INFINITY,
        },
        impossible,
        brier: sums.mean(sums.brier) * options.brier.factor(objects.classes()),
        spherical: sums.mean(sums.spherical),
        rps: options
            .ordinal
            .then(|| objects.mean(|o| o.ranked.unwrap_or(0.0))),
        entropy: options.entropy.then(|| sums.mean(sums.entropy)),
        confidence: sums.mean(sums.confidence),
        ece: table.ece(),
        rmsce: table.rmsce(),
        mce: table.mce(),
        l2_squared_debiased: debiased,
        ece_sweep: options.smooth.then(|| sweep_of(&rising).0),
        smooth_ece: options.smooth.then(|| smooth_of(&rising).0),
        sce: class_bins.map(|bins| match options.drop_zeros {
            true => bins.sce_without_zeros(),
            false => bins.sce(),
        }),
        tace,
        ace,
        brier_parts: class_bins.map(|bins| BrierParts::new(objects, bins)),
        aurc,
        e_aurc: selective.e_aurc(),
        augrc: selective.augrc(),
        acc_aac,
        coverage_at_5_risk: selective.coverage_at_risk(0.05),
        risk_at_80_coverage: selective.risk_at_coverage(0.8),
        misclass_entropy_auroc: by_entropy.map(|s| s.auroc),
        misclass_entropy_prauc: by_entropy.map(|s| s.average_precision),
        misclass_entropy_fpr95: by_entropy.map(|s| s.fpr95),
        misclass_confidence_auroc: by_confidence.map(|s| s.auroc),
        misclass_confidence_prauc: by_confidence.map(|s| s.average_precision),
        misclass_confidence_fpr95: by_confidence.map(|s| s.fpr95),
        notes,
    })
}

/// Ranks objects by a score of uncertainty; positive are those whose class is not among the `k` best predictions (k = 1: the wrong
/// ones). For soft targets k is 1.
///
/// ```
/// use firetender_uncertainty::*;
/// let scores = Scores::probs(&[0.9, 0.1, 0.4, 0.6], 2)?;
/// let objects = Objects::new(&scores, &Targets::classes(&[0, 0]), Floor::None)?;
/// assert_eq!(misclassification(&objects, 1, |o| o.entropy).auroc(), Some(1.0));
/// # Ok::<(), UncertaintyError>(())
/// ```
#[must_use]
pub fn misclassification(
    objects: &Objects,
    k: u32,
    uncertainty: impl Fn(&Object) -> f64,
) -> Ranking {
    let mut ranking = Ranking::default();
    for object in objects.rows() {
        let right = match object.rank {
            Some(rank) => f64::from(u8::from(rank < k)),
            None => object.correct,
        };
        let (wrong, right) = (object.weight * (1.0 - right), object.weight * right);
        ranking.add_weighted(uncertainty(object), wrong, right);
    }
    ranking
}

/// JSON has no −∞: null stands for it.
mod minus_infinity {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        value.is_finite().then_some(*value).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let value = Option::<f64>::deserialize(deserializer)?;
        Ok(value.unwrap_or(f64::NEG_INFINITY))
    }
}
