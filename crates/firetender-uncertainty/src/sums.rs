//! Proper scores of a stream in constant memory.

use serde::{Deserialize, Serialize};

use crate::objects::{Floor, Object, Objects};
use crate::scores::Scores;
use crate::targets::Targets;
use crate::{ExactSum, UncertaintyError};

/// Sums of accuracy, log-likelihood, Brier and spherical score: 136 bytes whatever the number of objects.
///
/// ```
/// use firetender_uncertainty::{Floor, ProperSums, Scores, Targets};
/// let mut sums = ProperSums::new(Floor::None);
/// for (p, label) in [([0.75, 0.25], 0), ([0.5, 0.5], 1)] {
///     sums.update(&Scores::probs(&p, 2)?, &Targets::classes(&[label]))?;
/// }
/// assert_eq!(sums.accuracy(), Some(0.5));
/// assert_eq!(sums.brier(), Some((0.125 + 0.5) / 2.0));
/// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProperSums {
    floor: Floor,
    objects: u64,
    impossible: u64,
    weight: ExactSum,
    correct: ExactSum,
    log_likelihood: ExactSum,
    brier: ExactSum,
    spherical: ExactSum,
}

impl ProperSums {
    /// Nothing yet.
    #[must_use]
    pub fn new(floor: Floor) -> Self {
        Self {
            floor,
            objects: 0,
            impossible: 0,
            weight: ExactSum::default(),
            correct: ExactSum::default(),
            log_likelihood: ExactSum::default(),
            brier: ExactSum::default(),
            spherical: ExactSum::default(),
        }
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// As [`Objects::new`].
    pub fn update(
        &mut self,
        scores: &Scores<'_>,
        targets: &Targets,
    ) -> Result<(), UncertaintyError> {
        let objects = Objects::new(scores, targets, self.floor)?;
        objects.rows().iter().for_each(|object| self.add(object));
        Ok(())
    }

    /// Adds an object, which has to be scored with the same floor.
    pub fn add(&mut self, object: &Object) {
        self.objects += 1;
        self.weight.add(object.weight);
        self.correct.add(object.weight * object.correct);
        if object.log_likelihood == f64::NEG_INFINITY {
            self.impossible += 1;
        } else {
            self.log_likelihood
                .add(object.weight * object.log_likelihood);
        }
        self.brier.add(object.weight * object.brier);
        self.spherical.add(object.weight * object.spherical);
    }

    /// Adds the objects of other sums.
    ///
    /// # Errors
    /// [`UncertaintyError::Mismatch`] when the floors differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), UncertaintyError> {
        if self.floor != other.floor {
            return Err(UncertaintyError::Mismatch {
                place: "sums to merge".into(),
                field: "floor",
                found: format!("{:?}", other.floor),
                expected: format!("{:?}", self.floor),
            });
        }
        self.objects += other.objects;
        self.impossible += other.impossible;
        self.weight.merge(other.weight);
        self.correct.merge(other.correct);
        self.log_likelihood.merge(other.log_likelihood);
        self.brier.merge(other.brier);
        self.spherical.merge(other.spherical);
        Ok(())
    }

    /// Number of objects.
    #[must_use]
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// Objects whose class had probability zero.
    #[must_use]
    pub fn impossible(&self) -> u64 {
        self.impossible
    }

    fn over(&self, sum: ExactSum) -> Option<f64> {
        (self.objects > 0).then(|| sum.over(self.weight.value()))
    }

    /// Share of right predictions; `None` without objects.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        self.over(self.correct)
    }

    /// Mean log-likelihood, −∞ if some object is impossible; `None` without objects.
    #[must_use]
    pub fn log_likelihood(&self) -> Option<f64> {
        match self.impossible {
            0 => self.over(self.log_likelihood),
            _ => Some(f64::NEG_INFINITY),
        }
    }

    /// Mean Brier score, summed over classes; `None` without objects.
    #[must_use]
    pub fn brier(&self) -> Option<f64> {
        self.over(self.brier)
    }

    /// Mean spherical score; `None` without objects.
    #[must_use]
    pub fn spherical(&self) -> Option<f64> {
        self.over(self.spherical)
    }
}
