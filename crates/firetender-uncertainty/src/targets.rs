//! What was true: a class for each object, or a distribution over classes, with optional weights.

use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::UncertaintyError;

/// How far the sum of a soft target may be from one.
const SOFT_SUM: f64 = 1e-4;

/// The truth about N objects: class indices or soft rows; optionally a weight a row and a label to ignore.
///
/// A weight counts how often a row is meant: weight 2 is the same as the row twice, 0 the same as leaving it out.
///
/// ```
/// use firetender_uncertainty::Targets;
/// let plain = Targets::classes(&[0, 2, 1]);
/// let masked = Targets::classes(&[0, -100, 1]).with_ignore(-100);
/// let weighted = Targets::classes(&[0, 2, 1]).with_weights(vec![1.0, 0.5, 2.0]);
/// assert_eq!(plain.rows(), weighted.rows());
/// # let _ = masked;
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Targets {
    labels: Labels,
    weights: Option<Vec<f64>>,
    ignore: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Labels {
    Classes(Vec<i64>),
    Soft { rows: Vec<f64>, classes: usize },
}

/// The truth about one object, once checked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Truth<'a> {
    Class(usize),
    Soft(&'a [f64]),
}

impl Targets {
    /// One class index a row, from 0.
    #[must_use]
    pub fn classes(labels: &[i64]) -> Self {
        Self::new(Labels::Classes(labels.to_vec()))
    }

    /// One class index a row, from 0.
    #[must_use]
    pub fn indices(labels: &[usize]) -> Self {
        let labels = labels.iter().map(|l| i64::try_from(*l).unwrap_or(i64::MAX));
        Self::new(Labels::Classes(labels.collect()))
    }

    /// One distribution over `classes` classes a row, row after row.
    ///
    /// Every metric of right and wrong is then the expectation over a label drawn from the row; the Brier score is the squared
    /// distance from the row.
    #[must_use]
    pub fn soft(rows: Vec<f64>, classes: usize) -> Self {
        Self::new(Labels::Soft { rows, classes })
    }

    /// Class indices from a tensor `[N]` on any device.
    ///
    /// # Errors
    /// [`UncertaintyError::Tensor`] when the device fails.
    pub fn from_tensor(labels: Tensor<1, Int>) -> Result<Self, UncertaintyError> {
        let labels = labels.try_into_vec_as::<i64>();
        let labels = labels.map_err(|error| UncertaintyError::Tensor {
            what: "labels",
            reason: error.to_string(),
        })?;
        Ok(Self::new(Labels::Classes(labels)))
    }

    fn new(labels: Labels) -> Self {
        Self {
            labels,
            weights: None,
            ignore: None,
        }
    }

    /// One weight a row: finite, not negative, at most 2²⁰.
    #[must_use]
    pub fn with_weights(mut self, weights: Vec<f64>) -> Self {
        self.weights = Some(weights);
        self
    }

    /// Rows with this label are left out, whatever it is.
    #[must_use]
    pub fn with_ignore(mut self, label: i64) -> Self {
        self.ignore = Some(label);
        self
    }

    /// Number of rows, ignored ones included.
    #[must_use]
    pub fn rows(&self) -> usize {
        match &self.labels {
            Labels::Classes(labels) => labels.len(),
            Labels::Soft { rows, classes } => rows.len() / (*classes).max(1),
        }
    }

    /// Whether these are distributions.
    #[must_use]
    pub fn is_soft(&self) -> bool {
        matches!(self.labels, Labels::Soft { .. })
    }

    /// Class indices, if these are.
    #[must_use]
    pub fn as_classes(&self) -> Option<&[i64]> {
        match &self.labels {
            Labels::Classes(labels) => Some(labels),
            Labels::Soft { .. } => None,
        }
    }

    /// Weights, if there are any.
    #[must_use]
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// The weight of a row; 0 where the row is ignored.
    pub(crate) fn weight(&self, row: usize) -> f64 {
        if let (Labels::Classes(labels), Some(ignore)) = (&self.labels, self.ignore)
            && labels[row] == ignore
        {
            return 0.0;
        }
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// Whether a row is left out: ignored, or of weight 0.
    pub(crate) fn is_out(&self, row: usize) -> bool {
        self.weight(row) == 0.0
    }

    /// Whether no row can be left out: there are no weights, and no label is ignored.
    pub(crate) fn all_count(&self) -> bool {
        self.weights.is_none() && self.ignore.is_none()
    }

    /// The truth of a row that is not left out. Call [`Self::check`] before.
    pub(crate) fn truth(&self, row: usize) -> Truth<'_> {
        match &self.labels {
            Labels::Classes(labels) => Truth::Class(labels[row] as usize),
            Labels::Soft { rows, classes } => Truth::Soft(&rows[row * classes..][..*classes]),
        }
    }

    /// Checks these targets against scores of `rows` rows and `classes` classes.
    ///
    /// # Errors
    /// [`UncertaintyError::Length`] when the numbers of rows or classes differ, [`UncertaintyError::Label`],
    /// [`UncertaintyError::SoftTarget`] and [`UncertaintyError::Weight`] for the first value that is not allowed, and
    /// [`UncertaintyError::Empty`] when no row is left.
    pub fn check(&self, rows: usize, classes: usize) -> Result<(), UncertaintyError> {
        let length = |what, found, expected| UncertaintyError::Length {
            what,
            found,
            expected,
        };
        if let Some(weights) = &self.weights {
            if weights.len() != rows {
                return Err(length("weights", weights.len(), rows));
            }
            let allowed = 0.0..=2f64.powi(20);
            if let Some(row) = weights.iter().position(|w| !allowed.contains(w)) {
                return Err(UncertaintyError::Weight {
                    row,
                    found: weights[row],
                    expected: "a number from 0 to 2^20",
                });
            }
        }
        match &self.labels {
            Labels::Classes(labels) => {
                if labels.len() != rows {
                    return Err(length("labels", labels.len(), rows));
                }
                let good = |l: &i64| Some(*l) == self.ignore || (0..classes as i64).contains(l);
                if let Some(row) = labels.iter().position(|l| !good(l)) {
                    return Err(UncertaintyError::Label {
                        row,
                        found: labels[row],
                        classes,
                    });
                }
            }
            Labels::Soft {
                rows: values,
                classes: given,
            } => {
                if *given != classes {
                    return Err(length("a soft target", *given, classes));
                }
                if values.len() != rows * classes {
                    return Err(length("soft targets", values.len(), rows * classes));
                }
                for (row, values) in values.chunks(classes).enumerate() {
                    let bad = |found, expected| UncertaintyError::SoftTarget {
                        row,
                        found,
                        expected,
                    };
                    if let Some(p) = values.iter().find(|p| !(0.0..f64::INFINITY).contains(*p)) {
                        return Err(bad(*p, "numbers from 0 to 1"));
                    }
                    let sum: f64 = values.iter().sum();
                    if (sum - 1.0).abs() > SOFT_SUM {
                        return Err(bad(sum, "a sum of 1 within 1e-4"));
                    }
                }
            }
        }
        if (0..rows).all(|row| self.is_out(row)) {
            return Err(UncertaintyError::Empty {
                what: "rows that are neither ignored nor of weight zero",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn each_bad_target_is_named() {
        let message = |t: Targets, rows| t.check(rows, 3).unwrap_err().to_string();
        let out = message(Targets::classes(&[0, 3]), 2);
        assert_eq!(out, "label of row 1: 3; expected a class from 0 to 2");
        assert!(message(Targets::classes(&[0, -1]), 2).contains("row 1: -1"));
        assert!(message(Targets::classes(&[0]), 2).contains("1 values; expected 2"));
        assert!(message(Targets::indices(&[usize::MAX]), 1).contains("row 0"));
        let ignored = Targets::classes(&[-100, -100]).with_ignore(-100);
        assert!(message(ignored, 2).contains("nothing there"));
        let soft = |rows: &[f64]| Targets::soft(rows.to_vec(), 3);
        assert!(message(soft(&[0.5, 0.5, 0.5]), 1).contains("1.5"));
        assert!(message(soft(&[1.5, -0.5, 0.0]), 1).contains("-0.5"));
        assert!(message(Targets::soft(vec![0.5, 0.5], 2), 1).contains("2 values"));
        let weighted = |w: f64| Targets::classes(&[0]).with_weights(vec![w]);
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(message(weighted(bad), 1).contains("weight of row 0"));
        }
        assert!(message(weighted(0.0), 1).contains("nothing there"));
        assert!(
            Targets::classes(&[2, 255])
                .with_ignore(255)
                .check(2, 3)
                .is_ok()
        );
    }

    #[test]
    fn labels_come_from_any_device() {
        let tensor = Tensor::<1, Int>::from_data([2, 0, 1], &Device::flex());
        assert_eq!(
            Targets::from_tensor(tensor).unwrap(),
            Targets::classes(&[2, 0, 1])
        );
    }
}
