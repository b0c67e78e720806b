//! Logistic regression of two classes: a direction, and the probe that gates are made of.
//!
//! A small host fit in `f64`, for hundreds to thousands of activations. It minimises `½|w|² + C Σ log(1 + exp(−y (w·x + b)))`,
//! scikit-learn's `LogisticRegression(C)` with its L2 penalty: a larger `C` trusts the data more, the intercept is not
//! penalised. The minimum is found by Newton's method to rounding, so that two implementations agree, and in the smaller of
//! the two spaces (rows or columns), so that one step costs `min(n, width)³/3` multiplications. For tens of thousands of rows
//! fit on a part of them.
//!
//! Without a penalty (`C = ∞`) two classes that a plane separates have no optimum, since ever longer weights fit better; that
//! is an error here, not a long vector.

use serde::{Deserialize, Serialize};

use crate::{
    SteerError,
    linear::{Cholesky, combined, gram, transposed},
    method::principal::dot,
};

/// Newton steps at most; some ten are usual.
const STEPS: usize = 200;
/// Length of the gradient, relative to that of the sums it consists of, at which the search ends, and may end at worst.
const GOAL: f64 = 1e-13;
const NEAR: f64 = 1e-11;
const WORST: f64 = 1e-8;

/// How to fit.
///
/// ```
/// use firetender_steer::LogisticOptions;
/// assert_eq!(LogisticOptions::default().c, 1.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogisticOptions {
    /// Inverse strength of the L2 penalty, as scikit-learn's `C`; infinity is no penalty.
    pub c: f64,
    /// Whether there is an intercept (never penalised).
    pub intercept: bool,
    /// Whether each class counts the same in sum, however many rows it has (scikit-learn's `class_weight="balanced"`).
    pub balanced: bool,
}

impl Default for LogisticOptions {
    /// `C = 1`, with an intercept, every row counting the same: scikit-learn's defaults.
    fn default() -> Self {
        Self {
            c: 1.0,
            intercept: true,
            balanced: false,
        }
    }
}

impl LogisticOptions {
    /// With another strength of the penalty.
    #[must_use]
    pub fn with_c(mut self, c: f64) -> Self {
        self.c = c;
        self
    }

    /// With or without an intercept.
    #[must_use]
    pub fn with_intercept(mut self, intercept: bool) -> Self {
        self.intercept = intercept;
        self
    }

    /// With or without equal weight of both classes.
    #[must_use]
    pub fn with_balanced(mut self, balanced: bool) -> Self {
        self.balanced = balanced;
        self
    }
}

/// A fitted classifier: positive where `weights · x + intercept ≥ 0`.
///
/// ```
/// use firetender_steer::{Logistic, LogisticOptions};
/// let rows = [0.0, 1.0, 1.0, 1.0, 2.0, 3.0, 3.0, 2.5];
/// let probe = Logistic::fit(&rows, 2, &[false, false, true, true], &LogisticOptions::default()).unwrap();
/// assert!(probe.decision(&[3.0, 3.0]) > 0.0 && probe.probability(&[0.0, 1.0]) < 0.5);
/// let separable = LogisticOptions::default().with_c(f64::INFINITY);
/// assert!(Logistic::fit(&rows, 2, &[false, false, true, true], &separable).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Logistic {
    weights: Vec<f64>,
    intercept: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    weights: Vec<f64>,
    intercept: f64,
}

impl TryFrom<Raw> for Logistic {
    type Error = SteerError;

    fn try_from(raw: Raw) -> Result<Self, SteerError> {
        Self::new(raw.weights, raw.intercept)
    }
}

impl Logistic {
    /// A classifier with weights found elsewhere.
    ///
    /// # Errors
    /// [`SteerError::Input`] when there are no weights, all are zero, or a number is not finite.
    pub fn new(weights: Vec<f64>, intercept: f64) -> Result<Self, SteerError> {
        let norm = dot(&weights, &weights);
        if weights.is_empty() || !(norm > 0.0 && norm.is_finite() && intercept.is_finite()) {
            let what = format!(
                "a probe of {} weights with squared length {norm} and intercept {intercept}; expected finite numbers that are not all zero",
                weights.len()
            );
            return Err(SteerError::Input { what });
        }
        Ok(Self { weights, intercept })
    }

    /// Fits row-major samples `[n, width]` to one label each (`true` is the class on the positive side).
    ///
    /// # Errors
    /// [`SteerError::Logistic`] when a size is wrong, a number is not finite, a class has no row, `C` is not positive, all rows
    /// are alike, or no penalty is asked for where classes are separable or columns depend on each other.
    pub fn fit(
        samples: &[f32],
        width: usize,
        labels: &[bool],
        options: &LogisticOptions,
    ) -> Result<Self, SteerError> {
        let samples: Vec<f64> = samples.iter().map(|x| f64::from(*x)).collect();
        fit(&samples, width, labels, options).map_err(|what| SteerError::Logistic { what })
    }

    /// The weights.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The intercept.
    #[must_use]
    pub fn intercept(&self) -> f64 {
        self.intercept
    }

    /// The weights with length 1: the direction from the negative to the positive class.
    #[must_use]
    pub fn direction(&self) -> Vec<f64> {
        let norm = dot(&self.weights, &self.weights).sqrt();
        self.weights.iter().map(|w| w / norm).collect()
    }

    /// `weights · x + intercept`: log-odds of the positive class.
    ///
    /// # Panics
    /// When the sample has another width than the weights.
    #[must_use]
    pub fn decision(&self, sample: &[f32]) -> f64 {
        assert_eq!(sample.len(), self.weights.len(), "width of the sample");
        let along = self.weights.iter().zip(sample);
        along.map(|(w, x)| w * f64::from(*x)).sum::<f64>() + self.intercept
    }

    /// Probability of the positive class.
    ///
    /// # Panics
    /// As [`decision`](Self::decision).
    #[must_use]
    pub fn probability(&self, sample: &[f32]) -> f64 {
        1.0 / (1.0 + (-self.decision(sample)).exp())
    }

    /// The decision for each of some row-major samples.
    ///
    /// # Panics
    /// When they are no whole rows.
    #[must_use]
    pub fn decisions(&self, samples: &[f32]) -> Vec<f64> {
        assert!(
            samples.len().is_multiple_of(self.weights.len()),
            "{} numbers for rows of {}",
            samples.len(),
            self.weights.len()
        );
        let rows = samples.chunks(self.weights.len());
        rows.map(|row| self.decision(row)).collect()
    }

    /// The probability of the positive class for each of some row-major samples.
    ///
    /// # Panics
    /// When they are no whole rows.
    #[must_use]
    pub fn probabilities(&self, samples: &[f32]) -> Vec<f64> {
        let decisions = self.decisions(samples).into_iter();
        decisions.map(|d| 1.0 / (1.0 + (-d).exp())).collect()
    }
}

/// [`Logistic::fit`] of rows in `f64`.
pub(crate) fn fit(
    rows: &[f64],
    width: usize,
    labels: &[bool],
    options: &LogisticOptions,
) -> Result<Logistic, String> {
    check(rows, width, labels, options)?;
    let n = labels.len();
    let positive = labels.iter().filter(|label| **label).count();
    let weight = |label: bool| {
        let class = if label { positive } else { n - positive };
        if options.balanced {
            n as f64 / (2 * class) as f64
        } else {
            1.0
        }
    };
    let problem = Problem {
        rows,
        width,
        signs: labels.iter().map(|l| if *l { 1.0 } else { -1.0 }).collect(),
        counts: labels.iter().map(|l| weight(*l)).collect(),
        lambda: 1.0 / options.c,
        intercept: options.intercept,
        gram: (n <= width).then(|| gram(rows, width)),
        columns: if n <= width {
            vec![]
        } else {
            transposed(rows, width)
        },
    };
    let (weights, intercept) = problem.minimise()?;
    Logistic::new(weights, intercept).map_err(|_| {
        "the weights are zero: the rows of both classes are alike, so that nothing tells them apart"
            .to_owned()
    })
}

fn check(
    rows: &[f64],
    width: usize,
    labels: &[bool],
    options: &LogisticOptions,
) -> Result<(), String> {
    if width == 0 || rows.len() != labels.len() * width {
        let (found, n) = (rows.len(), labels.len());
        return Err(format!(
            "{found} numbers for {n} labels and width {width}; expected one row for each label"
        ));
    }
    for class in [true, false] {
        if !labels.contains(&class) {
            let n = labels.len();
            return Err(format!(
                "all {n} labels are {}; expected rows of both classes",
                !class
            ));
        }
    }
    if let Some(at) = rows.iter().position(|x| !x.is_finite()) {
        let (row, column) = (at / width, at % width);
        return Err(format!(
            "row {row}, column {column} is {}; expected finite numbers",
            rows[at]
        ));
    }
    if options.c.is_nan() || options.c <= 0.0 {
        return Err(format!("C is {}; expected a positive number", options.c));
    }
    Ok(())
}

struct Problem<'a> {
    rows: &'a [f64],
    width: usize,
    /// +1 or −1.
    signs: Vec<f64>,
    /// How often each row counts.
    counts: Vec<f64>,
    /// 1 / C.
    lambda: f64,
    intercept: bool,
    /// `rows · rowsᵀ` where that is the smaller matrix.
    gram: Option<Vec<f64>>,
    /// The columns as rows where those are fewer.
    columns: Vec<f64>,
}

impl Problem<'_> {
    fn minimise(&self) -> Result<(Vec<f64>, f64), String> {
        let n = self.signs.len();
        let (mut w, mut b) = (vec![0.0; self.width], 0.0);
        let mut scores = vec![0.0; n];
        let mut value = self.value(&w, &scores);
        let mut relative = f64::INFINITY;
        for _ in 0..STEPS {
            let before = relative;
            let pull: Vec<f64> = (0..n)
                .map(|i| -self.counts[i] * self.signs[i] * sigmoid(-self.signs[i] * scores[i]))
                .collect();
            let data = combined(self.rows, self.width, &pull);
            let gradient: Vec<f64> = data
                .iter()
                .zip(&w)
                .map(|(g, w)| g + self.lambda * w)
                .collect();
            let along_b = if self.intercept {
                pull.iter().sum()
            } else {
                0.0
            };
            relative = self.relative(&gradient, along_b, &pull);
            // Near the end rounding decides; what no longer improves is the optimum.
            if relative <= GOAL || (relative <= NEAR && relative >= before) {
                break;
            }
            if self.lambda == 0.0 && (0..n).all(|i| self.signs[i] * scores[i] > 0.0) {
                return Err("a plane separates the classes, so that without a penalty there is no optimum; expected a finite C".into());
            }
            let curvature: Vec<f64> = (0..n)
                .map(|i| self.counts[i] * sigmoid(scores[i]) * sigmoid(-scores[i]))
                .collect();
            let Some((dw, db)) = self.newton(&gradient, along_b, &curvature) else {
                return Err("without a penalty the optimum is not unique: columns depend on each other, or rows are too few; expected a finite C".into());
            };
            let moved = times(self.rows, self.width, &dw);
            // The function is convex: halving the step always ends, at the latest where rounding hides any gain.
            let mut step = 1.0;
            let better = loop {
                let tried: Vec<f64> = scores
                    .iter()
                    .zip(&moved)
                    .map(|(s, m)| s - step * (m + db))
                    .collect();
                let at: Vec<f64> = w.iter().zip(&dw).map(|(w, d)| w - step * d).collect();
                let found = self.value(&at, &tried);
                if found <= value + 1e-13 * value.abs() {
                    break Some((at, tried, found));
                }
                step /= 2.0;
                if step < 1e-10 {
                    break None;
                }
            };
            let Some((at, tried, found)) = better else {
                break;
            };
            let stuck = at == w;
            (w, b, value) = (at, b - step * db, found);
            // Exact scores now and then keep rounding from adding up.
            scores = if step < 1.0 {
                tried
            } else {
                times(self.rows, self.width, &w)
                    .into_iter()
                    .map(|s| s + b)
                    .collect()
            };
            if stuck {
                break;
            }
        }
        let margins = || scores.iter().zip(&self.signs).map(|(s, y)| s * y);
        let longest = margins().fold(0.0, |m: f64, x| m.max(x.abs()));
        let touching = self.lambda == 0.0 && margins().all(|m| m >= -1e-6 * longest);
        if relative <= WORST && !(touching && longest > 0.0) {
            return Ok((w, b));
        }
        Err(if self.lambda == 0.0 {
            "no optimum was found without a penalty, as when the classes only just touch; expected a finite C".into()
        } else {
            format!(
                "no optimum was found; the gradient is still {relative:e} of its parts. Expected rows of a more even size, or a smaller C"
            )
        })
    }

    /// Length of the gradient over the sum of its terms' lengths.
    fn relative(&self, gradient: &[f64], along_b: f64, pull: &[f64]) -> f64 {
        let parts: f64 = self
            .rows
            .chunks(self.width)
            .zip(pull)
            .map(|(row, p)| p.abs() * (1.0 + dot(row, row).sqrt()))
            .sum();
        (dot(gradient, gradient) + along_b * along_b).sqrt() / parts.max(f64::MIN_POSITIVE)
    }

    fn value(&self, w: &[f64], scores: &[f64]) -> f64 {
        let losses = scores.iter().zip(&self.signs).zip(&self.counts);
        let loss: f64 = losses.map(|((s, y), c)| c * softplus(-y * s)).sum();
        loss + self.lambda * dot(w, w) / 2.0
    }

    /// The step `H⁻¹ gradient`. The intercept is eliminated by centring the rows under the curvature's weights.
    fn newton(&self, gradient: &[f64], along_b: f64, curvature: &[f64]) -> Option<(Vec<f64>, f64)> {
        let total: f64 = curvature.iter().sum();
        let shares: Vec<f64> = curvature.iter().map(|d| d / total).collect();
        let centre = if self.intercept {
            combined(self.rows, self.width, &shares)
        } else {
            vec![0.0; self.width]
        };
        let ahead: Vec<f64> = gradient
            .iter()
            .zip(&centre)
            .map(|(g, c)| g - c * along_b)
            .collect();
        let dw = match &self.gram {
            Some(gram) if self.lambda > 0.0 => {
                self.by_rows(gram, &shares, curvature, &centre, &ahead)?
            }
            // Fewer rows than columns and no penalty: never unique.
            Some(_) => return None,
            None => self.by_columns(curvature, &centre, &ahead)?,
        };
        let db = if self.intercept {
            along_b / total - dot(&centre, &dw)
        } else {
            0.0
        };
        db.is_finite().then_some((dw, db))
    }

    /// `(λ + XᵀDX)⁻¹ v` with centred rows, as it stands.
    fn by_columns(&self, d: &[f64], centre: &[f64], v: &[f64]) -> Option<Vec<f64>> {
        let (width, n) = (self.width, d.len());
        let mut hessian = vec![0.0; width * width];
        let mut weighted = vec![0.0; n];
        for i in 0..width {
            let column = &self.columns[i * n..(i + 1) * n];
            for ((w, x), d) in weighted.iter_mut().zip(column).zip(d) {
                *w = (x - centre[i]) * d;
            }
            for j in 0..=i {
                let other = &self.columns[j * n..(j + 1) * n];
                // Σ D (x_i − c_i) x_j; without an intercept the centre is 0, with one Σ D (x_i − c_i) c_j vanishes.
                hessian[i * width + j] = dot(&weighted, other);
            }
            hessian[i * width + i] += self.lambda;
        }
        Some(Cholesky::new(hessian, width)?.solve(v))
    }

    /// The same by Woodbury's identity with a matrix of the rows: `v/λ − XᵀD^½ (λ + D^½ K D^½)⁻¹ D^½ X v / λ`, rows centred.
    fn by_rows(
        &self,
        gram: &[f64],
        shares: &[f64],
        d: &[f64],
        centre: &[f64],
        v: &[f64],
    ) -> Option<Vec<f64>> {
        let n = d.len();
        let roots: Vec<f64> = d.iter().map(|d| d.sqrt()).collect();
        // Inner products of centred rows.
        let (means, middle) = if self.intercept {
            let means: Vec<f64> = gram.chunks(n).map(|row| dot(row, shares)).collect();
            let middle = dot(&means, shares);
            (means, middle)
        } else {
            (vec![0.0; n], 0.0)
        };
        let mut inner = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let product = gram[i * n + j] - means[i] - means[j] + middle;
                inner[i * n + j] = roots[i] * roots[j] * product;
            }
            inner[i * n + i] += self.lambda;
        }
        let along_centre = dot(centre, v);
        let seen: Vec<f64> = times(self.rows, self.width, v)
            .iter()
            .zip(&roots)
            .map(|(x, r)| r * (x - along_centre))
            .collect();
        let solved = Cholesky::new(inner, n)?.solve(&seen);
        let back: Vec<f64> = solved.iter().zip(&roots).map(|(s, r)| s * r).collect();
        let taken = combined(self.rows, self.width, &back);
        let weight: f64 = back.iter().sum();
        let parts = v.iter().zip(&taken).zip(centre);
        Some(
            parts
                .map(|((v, t), c)| (v - (t - weight * c)) / self.lambda)
                .collect(),
        )
    }
}

fn times(rows: &[f64], width: usize, x: &[f64]) -> Vec<f64> {
    rows.chunks(width).map(|row| dot(row, x)).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `log(1 + eˣ)` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests;
