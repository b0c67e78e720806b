//! Scores of single objects: one pass over a table of scores, a few numbers a row.
//!
//! Nearly every metric of this crate is a mean, a histogram or a ranking of these columns; only class-wise calibration needs
//! all probabilities again. They are also what a bootstrap resamples, so an interval costs no second look at the scores.

mod block;

use burn::tensor::Tensor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::lanes::vectorised;
use crate::scores::Scores;
use crate::targets::Targets;
use crate::{Checks, ExactSum, ScoreKind, UncertaintyError};
use block::Block;

/// What keeps the log-likelihood finite where a class that came true had probability zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Floor {
    /// Nothing: such a row scores −∞, and so does the mean; [`Objects::impossible`] counts them.
    #[default]
    None,
    /// `ln(ε + p)`, as the reference of Ashukha et al. (2020) does with ε = 10⁻¹²: at least −27.63 a row.
    Eps(f64),
}

impl Floor {
    /// The score of a log-probability.
    #[must_use]
    pub fn apply(self, log_prob: f64) -> f64 {
        match self {
            Self::None => log_prob,
            Self::Eps(eps) => (eps + log_prob.exp()).ln(),
        }
    }
}

/// Which range the Brier score has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrierScale {
    /// Σ over classes, range [0, 2] (Brier 1950; the reference; scikit-learn from 1.7 on for several classes).
    #[default]
    Sum,
    /// Mean over classes.
    PerClass,
    /// Half the sum, range [0, 1] (scikit-learn's default for two classes).
    Half,
}

impl BrierScale {
    /// What the sum over classes is multiplied by.
    #[must_use]
    pub fn factor(self, classes: usize) -> f64 {
        match self {
            Self::Sum => 1.0,
            Self::PerClass => 1.0 / classes as f64,
            Self::Half => 0.5,
        }
    }
}

/// Which of the costlier columns are filled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    pub(crate) entropy: bool,
    pub(crate) rank: bool,
    /// The ranked probability score.
    pub(crate) ranked: bool,
}

impl Columns {
    /// What [`Objects::new`] gives.
    pub(crate) const ALL: Self = Self {
        entropy: true,
        rank: true,
        ranked: false,
    };
}

/// One row of [`Objects`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// How often the object counts.
    pub weight: f64,
    /// The true class; `None` for a soft target.
    pub target: Option<u32>,
    /// The predicted class, the lowest of equals.
    pub prediction: u32,
    /// 1 if they are equal, else 0; for a soft target its mass on the predicted class.
    pub correct: f64,
    /// Classes that score higher than the true one: 0 is right, below 5 is right among the top five. `None` for a soft target, and where
    /// a [`MetricOptions`](crate::MetricOptions) needs no ranks.
    pub rank: Option<u32>,
    /// Probability of the predicted class.
    pub confidence: f64,
    /// Log-probability of the true class, floored as asked for; the negative cross-entropy for a soft target.
    pub log_likelihood: f64,
    /// Squared distance of the probabilities from the truth, summed over classes.
    pub brier: f64,
    /// `p_y / ‖p‖`, in [0, 1], higher is better.
    pub spherical: f64,
    /// Σ over classes of p².
    pub sum_squares: f64,
    /// Entropy of the prediction, in nats; 0 where a [`MetricOptions`](crate::MetricOptions) does not ask for it.
    pub entropy: f64,
    /// Ranked probability score: Σ over classes of the squared difference of the distribution functions. For ordered classes, where
    /// asked for.
    pub ranked: Option<f64>,
}

impl Object {
    /// A place to be filled.
    const NONE: Self = Self {
        weight: 0.0,
        target: None,
        prediction: 0,
        correct: 0.0,
        rank: None,
        confidence: 0.0,
        log_likelihood: 0.0,
        brier: 0.0,
        spherical: 0.0,
        sum_squares: 0.0,
        entropy: 0.0,
        ranked: None,
    };
}

/// The scores of single objects, in row order, without those that are ignored or of weight zero. Host, `f64`.
///
/// ```
/// use firetender_uncertainty::{Floor, Objects, Scores, Targets, UncertaintyError};
/// let scores = Scores::probs(&[0.8, 0.2, 0.4, 0.6], 2)?;
/// let objects = Objects::new(&scores, &Targets::classes(&[0, 0]), Floor::None)?;
/// assert_eq!(objects.accuracy(), 0.5);
/// assert!((objects.log_likelihood() - (0.8f64.ln() + 0.4f64.ln()) / 2.0).abs() < 1e-15);
/// assert!((objects.brier() - (0.08 + 0.72) / 2.0).abs() < 1e-15);
/// # Ok::<(), UncertaintyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objects {
    classes: usize,
    left_out: u64,
    rows: Vec<Object>,
}

impl Objects {
    /// Scores every object, on all threads; the result does not depend on their number.
    ///
    /// # Errors
    /// As [`Targets::check`], and [`UncertaintyError::Options`] for a floor that is not positive and finite.
    pub fn new(
        scores: &Scores<'_>,
        targets: &Targets,
        floor: Floor,
    ) -> Result<Self, UncertaintyError> {
        Self::build(scores, targets, floor, Columns::ALL)
    }

    /// As [`Self::new`], with the ranked probability score: classes are ordered.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn ordinal(
        scores: &Scores<'_>,
        targets: &Targets,
        floor: Floor,
    ) -> Result<Self, UncertaintyError> {
        let columns = Columns {
            ranked: true,
            ..Columns::ALL
        };
        Self::build(scores, targets, floor, columns)
    }

    pub(crate) fn build(
        scores: &Scores<'_>,
        targets: &Targets,
        floor: Floor,
        columns: Columns,
    ) -> Result<Self, UncertaintyError> {
        check_floor(floor)?;
        targets.check(scores.rows(), scores.classes())?;
        let block = (65_536 / scores.classes()).max(1);
        let mut rows = vec![Object::NONE; scores.rows()];
        rows.par_chunks_mut(block)
            .enumerate()
            .for_each(|(at, objects)| {
                let block = Block {
                    scores,
                    targets,
                    floor,
                    columns,
                    first: at * block,
                };
                vectorised(
                    #[inline(always)]
                    || block.fill(objects),
                );
            });
        if !targets.all_count() && (0..scores.rows()).any(|row| targets.is_out(row)) {
            let mut row = 0..;
            rows.retain(|_| row.next().is_some_and(|row| !targets.is_out(row)));
        }
        Ok(Self {
            classes: scores.classes(),
            left_out: (scores.rows() - rows.len()) as u64,
            rows,
        })
    }

    /// No objects yet.
    pub(crate) fn empty(classes: usize) -> Self {
        Self {
            classes,
            left_out: 0,
            rows: vec![],
        }
    }

    pub(crate) fn from_rows(classes: usize, left_out: u64, rows: Vec<Object>) -> Self {
        Self {
            classes,
            left_out,
            rows,
        }
    }

    /// As [`Self::new`], from a tensor `[N, C]` of scores: all of it is read to the host, so that the arithmetic is `f64`.
    ///
    /// # Errors
    /// As [`Scores::from_tensor`] and [`Self::new`].
    pub fn from_tensor(
        kind: ScoreKind,
        scores: Tensor<2>,
        targets: &Targets,
        floor: Floor,
    ) -> Result<Self, UncertaintyError> {
        let scores = Scores::from_tensor(kind, scores, Checks::default())?;
        Self::new(&scores, targets, floor)
    }

    /// The objects, in row order.
    #[must_use]
    pub fn rows(&self) -> &[Object] {
        &self.rows
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none. Never of one that was made by [`Self::new`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many rows were ignored or of weight zero.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Sum of the weights.
    #[must_use]
    pub fn weight(&self) -> f64 {
        ExactSum::of(self.rows.iter().map(|o| o.weight)).value()
    }

    /// Weighted mean of a column that is finite everywhere.
    #[must_use]
    pub fn mean(&self, column: impl Fn(&Object) -> f64) -> f64 {
        ExactSum::of(self.rows.iter().map(|o| o.weight * column(o))).over(self.weight())
    }

    /// Share of right predictions, in [0, 1].
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.mean(|o| o.correct)
    }

    /// Share of objects whose class is among the `k` best. `None` for soft targets.
    #[must_use]
    pub fn top_k_accuracy(&self, k: u32) -> Option<f64> {
        let known = self.rows.iter().all(|o| o.rank.is_some());
        known.then(|| self.mean(|o| f64::from(u8::from(o.rank.is_some_and(|r| r < k)))))
    }

    /// Mean log-likelihood in nats, higher is better; −∞ if some object is impossible.
    #[must_use]
    pub fn log_likelihood(&self) -> f64 {
        if self.impossible() > 0 {
            return f64::NEG_INFINITY;
        }
        self.mean(|o| o.log_likelihood)
    }

    /// Objects whose class has probability zero.
    #[must_use]
    pub fn impossible(&self) -> u64 {
        let none = |o: &&Object| o.log_likelihood == f64::NEG_INFINITY;
        self.rows.iter().filter(none).count() as u64
    }

    /// Mean Brier score, summed over classes: range [0, 2], lower is better.
    #[must_use]
    pub fn brier(&self) -> f64 {
        self.mean(|o| o.brier)
    }

    /// Adds the objects of another shard of the same data.
    ///
    /// # Errors
    /// [`UncertaintyError::Mismatch`] when the numbers of classes differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), UncertaintyError> {
        if other.classes != self.classes {
            return Err(UncertaintyError::Mismatch {
                place: "objects to merge".into(),
                field: "classes",
                found: other.classes.to_string(),
                expected: self.classes.to_string(),
            });
        }
        self.left_out += other.left_out;
        self.rows.extend_from_slice(&other.rows);
        Ok(())
    }
}

pub(crate) fn check_floor(floor: Floor) -> Result<(), UncertaintyError> {
    match floor {
        Floor::Eps(eps) if !(eps > 0.0 && eps.is_finite()) => Err(UncertaintyError::Options {
            field: "floor",
            found: eps.to_string(),
            expected: "a positive number",
        }),
        _ => Ok(()),
    }
}
