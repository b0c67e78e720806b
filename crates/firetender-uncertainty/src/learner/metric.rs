//! Metrics of this crate as metrics of the learner.

use std::sync::Arc;

use burn::tensor::{ExecutionError, Int, Tensor, TensorReadError};
use burn_train::{
    ClassificationOutput,
    metric::{
        Adaptor, Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes,
        NumericEntry, SerializedEntry, format_float,
    },
};

use crate::{
    Checks, Direction, MetricOptions, MetricState, Metrics, ScoreKind, Scores, Targets,
    UncertaintyError,
};

/// What a model said about one batch, and what was true.
///
/// A learner's output has to be adaptable to this. [`ClassificationOutput`] is, with its output taken as **logits**; where yours holds
/// probabilities, implement [`Adaptor`] for an output type of your own and say so in `kind`.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// Scores `[N, C]`.
    pub scores: Tensor<2>,
    /// What the scores are.
    pub kind: ScoreKind,
    /// Classes `[N]`.
    pub targets: Tensor<1, Int>,
}

impl Adaptor<Predicted> for ClassificationOutput {
    fn adapt(&self) -> Predicted {
        Predicted {
            scores: self.output.clone(),
            kind: ScoreKind::Logits,
            targets: self.targets.clone(),
        }
    }
}

/// Which of the [`Metrics`]; the names are theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Measure {
    /// Share of right predictions, in [0, 1].
    Accuracy,
    /// Mean log-likelihood, nats.
    LogLikelihood,
    /// Brier score.
    Brier,
    /// Expected calibration error.
    Ece,
    /// Class-wise calibration error.
    Sce,
    /// Thresholded adaptive calibration error.
    Tace,
    /// Smooth calibration error.
    SmoothEce,
    /// Area under the risk-coverage curve.
    Aurc,
    /// Misclassification by −max p, area under the ROC curve; undefined while everything is right, or wrong.
    MisclassificationAuroc,
}

impl Measure {
    /// The key of [`Metrics`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::LogLikelihood => "ll",
            Self::Brier => "brier",
            Self::Ece => "ece",
            Self::Sce => "sce",
            Self::Tace => "tace",
            Self::SmoothEce => "smooth_ece",
            Self::Aurc => "aurc",
            Self::MisclassificationAuroc => "misclass_confidence_auroc",
        }
    }

    /// Its value; `None` where it is undefined.
    fn of(self, metrics: &Metrics) -> Option<f64> {
        match self {
            Self::Accuracy => Some(metrics.accuracy),
            Self::LogLikelihood => Some(metrics.ll),
            Self::Brier => Some(metrics.brier),
            Self::Ece => Some(metrics.ece),
            Self::Sce => metrics.sce,
            Self::Tace => metrics.tace,
            Self::SmoothEce => metrics.smooth_ece,
            Self::Aurc => Some(metrics.aurc),
            Self::MisclassificationAuroc => metrics.misclass_confidence_auroc,
        }
    }

    /// Whether the mean over batches is the value of the epoch, so that a batch has a value of its own.
    fn is_mean(self) -> bool {
        matches!(self, Self::Accuracy | Self::LogLikelihood | Self::Brier)
    }
}

/// One [`Measure`], epoch by epoch, in `burn-train`'s learner.
///
/// It keeps about 130 bytes an object until the epoch ends (and all probabilities for [`Measure::Tace`]). Where a measure is undefined
/// nothing is logged, instead of the 0.5 or 0 that other metrics report; [`Numeric::final_value`], which has to be a number, is NaN then.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_train::{ClassificationOutput, metric::{Adaptor, Metric, Numeric}};
/// use firetender_uncertainty::learner::{EpochMetric, Measure};
/// let mut ece = EpochMetric::new(Measure::Ece);
/// assert_eq!(*ece.name(), "ece");
/// assert!(ece.final_value().current().is_nan(), "no epoch yet");
/// ```
#[derive(Clone, Debug)]
pub struct EpochMetric {
    measure: Measure,
    name: MetricName,
    options: MetricOptions,
    state: Option<MetricState>,
    batch: Option<NumericEntry>,
    /// Sum over the batches of value times objects, and the objects: for the terminal only.
    running: (f64, usize),
    epoch: Option<f64>,
}

impl EpochMetric {
    /// With the default conventions.
    #[must_use]
    pub fn new(measure: Measure) -> Self {
        Self::with_options(measure, &MetricOptions::default())
    }

    /// With other conventions. What the measure does not need is not computed.
    #[must_use]
    pub fn with_options(measure: Measure, options: &MetricOptions) -> Self {
        let options = MetricOptions {
            class_wise: measure == Measure::Sce,
            adaptive: measure == Measure::Tace,
            smooth: measure == Measure::SmoothEce,
            ..options.clone()
        };
        Self {
            measure,
            name: Arc::new(measure.name().to_owned()),
            options,
            state: None,
            batch: None,
            running: (0.0, 0),
            epoch: None,
        }
    }

    fn add(&mut self, item: &Predicted) -> Result<(), UncertaintyError> {
        let scores = Scores::from_tensor(item.kind, item.scores.clone(), Checks::default())?;
        let targets = Targets::from_tensor(item.targets.clone())?;
        let mut batch = MetricState::new(scores.classes(), self.options.clone())?;
        batch.update(&scores, &targets)?;
        self.batch = None;
        if self.measure.is_mean() {
            let count = scores.rows();
            if let Some(value) = self.measure.of(&batch.finalize()?) {
                self.running.0 += value * count as f64;
                self.running.1 += count;
                self.batch = Some(NumericEntry::Aggregated {
                    aggregated_value: value,
                    count,
                });
            }
        }
        match &mut self.state {
            Some(state) => state.merge(&batch)?,
            None => self.state = Some(batch),
        }
        Ok(())
    }
}

/// The learner knows errors of tensors only.
fn failed(error: &UncertaintyError) -> TensorReadError {
    TensorReadError::Execution(ExecutionError::WithContext {
        reason: error.to_string(),
    })
}

fn shown(value: f64) -> String {
    // Its own formatting writes every negative number as a power of ten.
    if value < 0.0 {
        format!("-{}", format_float(-value, 4))
    } else {
        format_float(value, 4)
    }
}

impl Metric for EpochMetric {
    type Input = Predicted;

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        let better = Direction::of_metric(self.measure.name()) == Direction::HigherIsBetter;
        MetricAttributes::Numeric(NumericAttributes {
            unit: None,
            higher_is_better: better,
        })
    }

    /// Scores that are none (a NaN, a label out of range) are an error, which the learner reports; the epoch goes on without the batch.
    fn update(
        &mut self,
        item: &Predicted,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        self.add(item).map_err(|error| failed(&error))?;
        Ok(match &self.batch {
            Some(entry) => SerializedEntry::new(
                format!("batch {}", shown(entry.current())),
                entry.serialize(),
            ),
            None => SerializedEntry::not_available(None),
        })
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        let metrics = self.state.as_ref().map(MetricState::finalize);
        let metrics = metrics.transpose().map_err(|error| failed(&error))?;
        self.epoch = metrics.and_then(|metrics| self.measure.of(&metrics));
        Ok(match self.epoch {
            Some(value) => SerializedEntry::new(
                format!("epoch {}", shown(value)),
                NumericEntry::Final(value).serialize(),
            ),
            None => SerializedEntry::not_available(None),
        })
    }

    fn clear(&mut self) {
        self.state = None;
        self.batch = None;
        self.running = (0.0, 0);
        self.epoch = None;
    }
}

impl Numeric for EpochMetric {
    fn value(&self) -> Option<NumericEntry> {
        self.batch.clone()
    }

    fn running_value(&self) -> Option<NumericEntry> {
        let (sum, count) = self.running;
        (count > 0).then(|| NumericEntry::Aggregated {
            aggregated_value: sum / count as f64,
            count,
        })
    }

    fn final_value(&self) -> NumericEntry {
        NumericEntry::Final(self.epoch.unwrap_or(f64::NAN))
    }
}
