//! Proper scores in parts: how much is lost to miscalibration, how much to not telling objects apart.

use serde::{Deserialize, Serialize};

use crate::classwise::ClassBins;
use crate::objects::Objects;

/// The Brier score in five parts that sum to it exactly, over the bins of every class:
/// `reliability − resolution + uncertainty + within_variance − within_covariance` (Murphy 1973, with the within-bin terms of
/// Stephenson, Coelho and Jolliffe 2008, without which binned parts do not add up).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BrierParts {
    /// `Σ n_b/N (mean probability − frequency)²`: miscalibration, lower is better.
    pub reliability: f64,
    /// `Σ n_b/N (frequency in the bin − overall frequency)²`: how far bins differ, higher is better.
    pub resolution: f64,
    /// Variance of the outcomes; no model changes it.
    pub uncertainty: f64,
    /// Variance of probabilities inside their bins.
    pub within_variance: f64,
    /// Twice the covariance of probabilities and outcomes inside bins.
    pub within_covariance: f64,
}

impl BrierParts {
    /// Splits the Brier score of objects over the class-wise bins of the same objects.
    ///
    /// ```
    /// use firetender_uncertainty::*;
    /// let scores = Scores::probs(&[0.9, 0.1, 0.35, 0.65, 0.3, 0.7], 2)?;
    /// let targets = Targets::classes(&[0, 1, 0]);
    /// let objects = Objects::new(&scores, &targets, Floor::None)?;
    /// let mut bins = ClassBins::new(2, Binning::default())?;
    /// bins.update(&scores, &targets)?;
    /// let parts = BrierParts::new(&objects, &bins);
    /// assert!((parts.total() - objects.brier()).abs() < 1e-15);
    /// # Ok::<(), UncertaintyError>(())
    /// ```
    #[must_use]
    pub fn new(objects: &Objects, bins: &ClassBins) -> Self {
        let squares = objects.mean(|o| o.sum_squares);
        let products = objects.mean(|o| o.spherical * o.sum_squares.sqrt());
        let outcomes =
            objects.mean(|o| o.brier - o.sum_squares + 2.0 * o.spherical * o.sum_squares.sqrt());
        let (mut reliability, mut frequencies, mut base) = (0.0, 0.0, 0.0);
        let (mut probs, mut cross) = (0.0, 0.0);
        for class in 0..bins.classes() {
            let table = bins.table(class);
            let total = table.weight();
            let hits: f64 = table.rows().iter().map(|b| b.correct_sum).sum();
            base += (hits / total).powi(2);
            for bin in table.rows().iter().filter(|b| b.weight > 0.0) {
                let share = bin.weight / total;
                let (p, y) = (
                    bin.confidence_sum / bin.weight,
                    bin.correct_sum / bin.weight,
                );
                reliability += share * (p - y).powi(2);
                frequencies += share * y * y;
                probs += share * p * p;
                cross += share * p * y;
            }
        }
        Self {
            reliability,
            resolution: frequencies - base,
            uncertainty: outcomes - base,
            within_variance: squares - probs,
            within_covariance: 2.0 * (products - cross),
        }
    }

    /// The Brier score.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.reliability - self.resolution + self.uncertainty + self.within_variance
            - self.within_covariance
    }
}

/// The log-likelihood in two parts: what calibration would gain, and what remains.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LikelihoodParts {
    /// Log-likelihood at the best temperature less log-likelihood as given: never negative where that temperature was fitted on the
    /// same objects.
    pub calibration: f64,
    /// Log-likelihood at the best temperature: comparable between models.
    pub refinement: f64,
}

impl LikelihoodParts {
    /// Splits a log-likelihood, given that at the best temperature.
    #[must_use]
    pub fn new(log_likelihood: f64, calibrated: f64) -> Self {
        Self {
            calibration: calibrated - log_likelihood,
            refinement: calibrated,
        }
    }
}
