//! What a classifier said: a table of scores, N objects by C classes, checked when it is made.
//!
//! The kind of the scores is given by the caller and never guessed from the values: a row of logits may look like
//! probabilities, and tools that guess have been wrong in silence. Values stay in the precision they came in and may be
//! borrowed; all arithmetic on them is `f64`.

use std::borrow::Cow;
use std::{fmt, ops::Range};

use burn::tensor::{DType, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::UncertaintyError;
use crate::kernel;
use crate::lanes::vectorised;
use crate::row::RowBuffer;

/// What the numbers in a table of scores are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// Any finite numbers; their softmax is the prediction.
    Logits,
    /// Natural logarithms of probabilities; −∞ is allowed.
    LogProbs,
    /// Probabilities.
    Probs,
}

impl fmt::Display for ScoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Logits => "logits",
            Self::LogProbs => "log-probabilities",
            Self::Probs => "probabilities",
        })
    }
}

/// What to do with a row of probabilities that does not sum to one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// Refuse it, with its number and sum.
    #[default]
    Refuse,
    /// Divide every row of non-negative finite probabilities by its sum. A row whose sum is zero is still refused.
    Renormalise,
}

/// How strictly rows of probabilities are checked. Logits have nothing to check but that they are finite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    /// How far the sum of a row may be from one. A row within it is used as it is.
    pub row_sum_tolerance: f64,
    /// What happens to a row that is further away.
    pub repair: Repair,
}

impl Checks {
    /// For probabilities and log-probabilities that were rounded to 16-bit floats: 4·10⁻³, a few of the roundings of 5·10⁻⁴ that each value near
    /// one, and each logarithm below −0.5, may carry. Refuses what is further away.
    pub const HALVES: Self = Self {
        row_sum_tolerance: 4e-3,
        repair: Repair::Refuse,
    };
}

impl Default for Checks {
    /// 10⁻⁴, which lets `f32` softmax over many classes pass and catches anything that is not a distribution; refuse.
    fn default() -> Self {
        Self {
            row_sum_tolerance: 1e-4,
            repair: Repair::Refuse,
        }
    }
}

/// A row-major table of floats, borrowed or owned, `f32` or `f64`.
#[derive(Clone, Debug)]
pub enum Floats<'a> {
    /// 32-bit.
    F32(Cow<'a, [f32]>),
    /// 64-bit.
    F64(Cow<'a, [f64]>),
}

impl Floats<'_> {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the values from `start` on into `out`, as `f64`.
    #[inline(always)]
    fn copy(&self, start: usize, out: &mut [f64]) {
        match self {
            Self::F32(values) => {
                let values = &values[start..start + out.len()];
                out.iter_mut()
                    .zip(values)
                    .for_each(|(o, v)| *o = f64::from(*v));
            }
            Self::F64(values) => out.copy_from_slice(&values[start..start + out.len()]),
        }
    }
}

impl<'a> From<&'a [f32]> for Floats<'a> {
    fn from(values: &'a [f32]) -> Self {
        Self::F32(Cow::Borrowed(values))
    }
}

impl<'a> From<&'a [f64]> for Floats<'a> {
    fn from(values: &'a [f64]) -> Self {
        Self::F64(Cow::Borrowed(values))
    }
}

impl<'a, const N: usize> From<&'a [f64; N]> for Floats<'a> {
    fn from(values: &'a [f64; N]) -> Self {
        Self::F64(Cow::Borrowed(values))
    }
}

impl<'a> From<&'a Vec<f32>> for Floats<'a> {
    fn from(values: &'a Vec<f32>) -> Self {
        Self::F32(Cow::Borrowed(values))
    }
}

impl<'a> From<&'a Vec<f64>> for Floats<'a> {
    fn from(values: &'a Vec<f64>) -> Self {
        Self::F64(Cow::Borrowed(values))
    }
}

impl From<Vec<f32>> for Floats<'_> {
    fn from(values: Vec<f32>) -> Self {
        Self::F32(Cow::Owned(values))
    }
}

impl From<Vec<f64>> for Floats<'_> {
    fn from(values: Vec<f64>) -> Self {
        Self::F64(Cow::Owned(values))
    }
}

/// A checked table of scores `[N, C]`: every value is allowed, every row of probabilities sums to one.
///
/// ```
/// use firetender_uncertainty::{Scores, UncertaintyError};
/// let scores = Scores::probs(&[0.7, 0.2, 0.1, 0.0, 0.5, 0.5], 3)?;
/// assert_eq!((scores.rows(), scores.classes()), (2, 3));
///
/// let error = Scores::probs(&[0.5, 0.25, 0.5], 3).unwrap_err();
/// assert!(error.to_string().contains("row 0: the probabilities sum to 1.25"));
/// # Ok::<(), UncertaintyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scores<'a> {
    kind: ScoreKind,
    rows: usize,
    classes: usize,
    values: Floats<'a>,
}

impl<'a> Scores<'a> {
    /// Logits, row after row.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn logits(values: impl Into<Floats<'a>>, classes: usize) -> Result<Self, UncertaintyError> {
        Self::new(ScoreKind::Logits, values, classes, Checks::default())
    }

    /// Log-probabilities, row after row; rows sum to one within the default tolerance.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn log_probs(
        values: impl Into<Floats<'a>>,
        classes: usize,
    ) -> Result<Self, UncertaintyError> {
        Self::new(ScoreKind::LogProbs, values, classes, Checks::default())
    }

    /// Probabilities, row after row; rows sum to one within the default tolerance.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn probs(values: impl Into<Floats<'a>>, classes: usize) -> Result<Self, UncertaintyError> {
        Self::new(ScoreKind::Probs, values, classes, Checks::default())
    }

    /// Scores of any kind, row after row, `classes` values each.
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] without values, [`UncertaintyError::Classes`] for fewer than two classes,
    /// [`UncertaintyError::Length`] when the last row is not full, [`UncertaintyError::Score`] for a value that is not allowed
    /// (the first such in row order), [`UncertaintyError::RowSum`] for a row that does not sum to one,
    /// [`UncertaintyError::Options`] for a tolerance that is not a number from 0 to 1.
    pub fn new(
        kind: ScoreKind,
        values: impl Into<Floats<'a>>,
        classes: usize,
        checks: Checks,
    ) -> Result<Self, UncertaintyError> {
        if !(0.0..=1.0).contains(&checks.row_sum_tolerance) {
            return Err(UncertaintyError::Options {
                field: "row_sum_tolerance",
                found: checks.row_sum_tolerance.to_string(),
                expected: "a number from 0 to 1",
            });
        }
        let values = values.into();
        if values.is_empty() {
            return Err(UncertaintyError::Empty {
                what: "rows of scores",
            });
        }
        if classes < 2 {
            return Err(UncertaintyError::Classes { found: classes });
        }
        let rows = values.len() / classes;
        if rows * classes != values.len() {
            return Err(UncertaintyError::Length {
                what: "scores",
                found: values.len(),
                expected: (rows + 1) * classes,
            });
        }
        let mut scores = Self {
            kind,
            rows,
            classes,
            values,
        };
        if scores.check(checks)? {
            scores.renormalise(checks.row_sum_tolerance);
        }
        Ok(scores)
    }

    /// Scores from a tensor `[N, C]` on any device: one transfer to the host, then as [`Self::new`]. 64-bit tensors stay 64-bit,
    /// all others become `f32`.
    ///
    /// ```
    /// # use burn::tensor::{Device, Tensor};
    /// # use firetender_uncertainty::{Checks, ScoreKind, Scores, UncertaintyError};
    /// let tensor = Tensor::<2>::from_data([[1.0, -1.0], [0.5, 0.5]], &Device::flex());
    /// let scores = Scores::from_tensor(ScoreKind::Logits, tensor, Checks::default())?;
    /// assert_eq!(scores.rows(), 2);
    /// # Ok::<(), UncertaintyError>(())
    /// ```
    ///
    /// # Errors
    /// [`UncertaintyError::Tensor`] when the device fails, and as [`Self::new`].
    pub fn from_tensor(
        kind: ScoreKind,
        tensor: Tensor<2>,
        checks: Checks,
    ) -> Result<Scores<'static>, UncertaintyError> {
        let [_, classes] = tensor.dims();
        let failed = |reason: String| UncertaintyError::Tensor {
            what: "scores",
            reason,
        };
        let values = if tensor.dtype() == DType::F64 {
            let values = tensor.try_into_vec_as::<f64>();
            Floats::from(values.map_err(|e| failed(e.to_string()))?)
        } else {
            let values = tensor.try_into_vec_as::<f32>();
            Floats::from(values.map_err(|e| failed(e.to_string()))?)
        };
        Scores::new(kind, values, classes, checks)
    }

    /// Scores that this crate computed itself: a full table of what it is said to be. Not checked again.
    pub(crate) fn trusted(kind: ScoreKind, values: Floats<'a>, classes: usize) -> Self {
        debug_assert!(classes > 1 && values.len().is_multiple_of(classes));
        Self {
            kind,
            rows: values.len() / classes,
            classes,
            values,
        }
    }

    /// What the numbers are.
    #[must_use]
    pub fn kind(&self) -> ScoreKind {
        self.kind
    }

    /// Number of objects, N.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of classes, C.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The numbers, row after row.
    #[must_use]
    pub fn values(&self) -> &Floats<'a> {
        &self.values
    }

    /// Copies row `row` into `out`, as it was given.
    ///
    /// # Panics
    /// When there is no such row, or `out` does not hold one number a class.
    pub fn row(&self, row: usize, out: &mut [f64]) {
        assert!(row < self.rows && out.len() == self.classes);
        self.values.copy(row * self.classes, out);
    }

    /// Copies the log-probabilities of row `row` into `out`: log-softmax of logits, logarithms of probabilities (−∞ for 0).
    ///
    /// # Panics
    /// When there is no such row, or `out` does not hold one number a class.
    pub fn log_prob_row(&self, row: usize, out: &mut [f64]) {
        self.row(row, out);
        match self.kind {
            ScoreKind::Logits => crate::log_softmax(out),
            ScoreKind::LogProbs => {}
            ScoreKind::Probs => out.iter_mut().for_each(|p| *p = p.ln()),
        }
    }

    /// All log-probabilities in `f64`, row after row: N · C numbers.
    ///
    /// ```
    /// # use firetender_uncertainty::{Scores, UncertaintyError};
    /// let scores = Scores::logits(&[0.0, 0.0], 2)?;
    /// assert_eq!(scores.to_log_probs(), [-(2f64.ln()); 2]);
    /// # Ok::<(), UncertaintyError>(())
    /// ```
    #[must_use]
    pub fn to_log_probs(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.rows * self.classes];
        out.par_chunks_mut(self.classes)
            .enumerate()
            .for_each(|(row, out)| self.log_prob_row(row, out));
        out
    }

    /// What turns the logits of each row into probabilities: the largest, and one over the sum. Empty for other kinds.
    pub(crate) fn normalisers(&self) -> Vec<(f64, f64)> {
        if self.kind != ScoreKind::Logits {
            return vec![];
        }
        let block = (65_536 / self.classes).max(1);
        let parts: Vec<Vec<(f64, f64)>> = (0..self.rows.div_ceil(block))
            .into_par_iter()
            .map(|at| {
                let mut buffer = RowBuffer::new(self.classes);
                let rows = at * block..((at + 1) * block).min(self.rows);
                vectorised(
                    #[inline(always)]
                    || {
                        rows.map(|row| buffer.read_here(self, row).normaliser())
                            .collect()
                    },
                )
            })
            .collect();
        parts.concat()
    }

    /// Probabilities of some classes of a row, the same bits as a whole row gives.
    pub(crate) fn prob_block(
        &self,
        row: usize,
        first: usize,
        normalisers: &[(f64, f64)],
        out: &mut [f64],
    ) {
        self.values.copy(row * self.classes + first, out);
        match self.kind {
            ScoreKind::Logits => {
                let (top, scale) = normalisers[row];
                kernel::few_exponentials(out, top, scale);
            }
            ScoreKind::LogProbs => kernel::few_from_logs(out),
            ScoreKind::Probs => {}
        }
    }

    /// Whether some row has to be renormalised; the first error in row order.
    fn check(&self, checks: Checks) -> Result<bool, UncertaintyError> {
        // Blocks in order, so that the first error is the same whatever the number of threads.
        let block = (65_536 / self.classes).max(1);
        let found: Vec<Result<bool, UncertaintyError>> = (0..self.rows.div_ceil(block))
            .into_par_iter()
            .map(|at| {
                let rows = at * block..((at + 1) * block).min(self.rows);
                let (mut buffer, mut off) = (vec![], false);
                for row in self.suspects(rows, checks.row_sum_tolerance) {
                    buffer.resize(self.classes, 0.0);
                    self.row(row, &mut buffer);
                    off |= self.check_row(row, &buffer, checks)?;
                }
                Ok(off)
            })
            .collect();
        let mut off = false;
        for block in found {
            off |= block?;
        }
        Ok(off)
    }

    /// The rows that have to be looked at value by value.
    fn suspects(&self, rows: Range<usize>, tolerance: f64) -> Vec<usize> {
        let range = rows.start * self.classes..rows.end * self.classes;
        let found = match &self.values {
            Floats::F32(values) => self.suspicious(&values[range], tolerance),
            Floats::F64(values) => self.suspicious(&values[range], tolerance),
        };
        found.into_iter().map(|at| rows.start + at).collect()
    }

    fn suspicious<T: kernel::Number>(&self, values: &[T], tolerance: f64) -> Vec<usize> {
        // The kind is known outside of the loops, so that each has only its own work in it.
        let of = |kind| {
            vectorised(
                #[inline(always)]
                || {
                    let rows = values.chunks_exact(self.classes).enumerate();
                    let bad = rows.filter(|(_, row)| !kernel::is_fine(kind, row, tolerance));
                    bad.map(|(at, _)| at).collect()
                },
            )
        };
        match self.kind {
            ScoreKind::Logits => of(ScoreKind::Logits),
            ScoreKind::LogProbs => of(ScoreKind::LogProbs),
            ScoreKind::Probs => of(ScoreKind::Probs),
        }
    }

    fn check_row(
        &self,
        row: usize,
        values: &[f64],
        checks: Checks,
    ) -> Result<bool, UncertaintyError> {
        let (allowed, expected): (fn(f64) -> bool, _) = match self.kind {
            ScoreKind::Logits => (|x| x.is_finite(), "a finite number"),
            ScoreKind::LogProbs => (
                |x| x < f64::INFINITY,
                "a number that is not above 0, or minus infinity",
            ),
            ScoreKind::Probs => (
                |x| (0.0..f64::INFINITY).contains(&x),
                "a number from 0 to 1",
            ),
        };
        if let Some(class) = values.iter().position(|x| !allowed(*x)) {
            return Err(UncertaintyError::Score {
                kind: self.kind,
                row,
                class,
                found: values[class],
                expected,
            });
        }
        let sum = match self.kind {
            ScoreKind::Logits => return Ok(false),
            ScoreKind::LogProbs => values.iter().map(|x| x.exp()).sum::<f64>(),
            ScoreKind::Probs => values.iter().sum::<f64>(),
        };
        if (sum - 1.0).abs() <= checks.row_sum_tolerance {
            return Ok(false);
        }
        let mendable = match self.kind {
            ScoreKind::LogProbs => values.iter().any(|x| x.is_finite()),
            _ => sum > 0.0 && sum.is_finite(),
        };
        if checks.repair == Repair::Renormalise && mendable {
            return Ok(true);
        }
        Err(UncertaintyError::RowSum {
            kind: self.kind,
            row,
            found: sum,
            tolerance: checks.row_sum_tolerance,
        })
    }

    /// Mends the rows that need it, in `f64`; the others keep their values.
    fn renormalise(&mut self, tolerance: f64) {
        let mut all = vec![0.0; self.values.len()];
        self.values.copy(0, &mut all);
        let kind = self.kind;
        all.par_chunks_mut(self.classes).for_each(|row| {
            if kind == ScoreKind::LogProbs {
                let sum: f64 = row.iter().map(|x| x.exp()).sum();
                if (sum - 1.0).abs() > tolerance {
                    crate::log_softmax(row);
                }
            } else {
                let sum: f64 = row.iter().sum();
                if (sum - 1.0).abs() > tolerance {
                    row.iter_mut().for_each(|p| *p /= sum);
                }
            }
        });
        self.values = Floats::from(all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bad_value_is_named() {
        let message = |kind, values: &[f64], classes| {
            Scores::new(kind, values, classes, Checks::default())
                .unwrap_err()
                .to_string()
        };
        let nan = message(ScoreKind::Logits, &[0.0, 1.0, 0.0, f64::NAN], 2);
        assert_eq!(nan, "logits, row 1, class 1: NaN; expected a finite number");
        let negative = message(ScoreKind::Probs, &[1.5, -0.5], 2);
        assert!(negative.contains("row 0, class 1: -0.5"), "{negative}");
        let lost = message(ScoreKind::LogProbs, &[f64::NEG_INFINITY; 2], 2);
        assert!(lost.contains("sum to 0"), "{lost}");
        let above = message(ScoreKind::LogProbs, &[0.0, 1.0], 2);
        assert!(above.contains("sum to 3.7"), "{above}");
        assert!(message(ScoreKind::Probs, &[], 2).contains("rows"));
        assert!(message(ScoreKind::Probs, &[1.0], 1).contains("1 class"));
        assert!(message(ScoreKind::Probs, &[1.0], 0).contains("0 class"));
        assert!(message(ScoreKind::Logits, &[1.0, 2.0, 3.0], 2).contains("3 values; expected 4"));
    }

    #[test]
    fn repairs_are_made_on_request_only_and_where_needed_only() {
        let values = [0.5, 0.25, 0.5, 0.50001];
        assert!(Scores::probs(&values, 2).is_err());
        let checks = Checks {
            repair: Repair::Renormalise,
            ..Checks::default()
        };
        let mended = Scores::new(ScoreKind::Probs, &values, 2, checks).unwrap();
        let mut row = [0.0; 2];
        mended.row(0, &mut row);
        assert_eq!(row, [0.5 / 0.75, 0.25 / 0.75]);
        mended.row(1, &mut row);
        assert_eq!(row, values[2..], "within the tolerance: untouched");
        assert!(Scores::new(ScoreKind::Probs, &[0.0, 0.0], 2, checks).is_err());
        let logs = Scores::new(ScoreKind::LogProbs, &[5.0, 5.0], 2, checks).unwrap();
        logs.row(0, &mut row);
        assert_eq!(row, [-(2f64.ln()); 2]);
    }

    #[test]
    fn the_first_error_is_the_first_row_in_any_block() {
        let mut values = vec![0.5f32; 200_000];
        values[150_001] = f32::NAN;
        values[190_001] = f32::NAN;
        let error = Scores::logits(&values, 2).unwrap_err().to_string();
        assert!(error.contains("row 75000, class 1"), "{error}");
    }
}
