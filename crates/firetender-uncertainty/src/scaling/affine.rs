//! `log_softmax(W z + b)`, fitted by L-BFGS.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Scores, Targets, UncertaintyError, targets::Truth};

/// Scores further than this below their row's largest are moved up to it, so that impossible classes have a number.
const FARTHEST: f64 = -100.0;
/// Rows in a block of work; sums are added block after block.
const BLOCK: usize = 512;
const MOST: usize = 500;
const MEMORY: usize = 10;

/// Which parameters there are, for C classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AffineKind {
    /// One factor and a bias a class: C + 1.
    BiasCorrected,
    /// A factor and a bias a class: 2 C.
    Vector,
    /// All factors and a bias a class: C² + C. Needs many objects, or a large penalty.
    Matrix,
}

/// A fitted map of log-probabilities.
///
/// ```
/// use firetender_uncertainty::{AffineKind, AffineScaling, Floor, Objects, Scores, Targets};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// // Class 0 is predicted far too often.
/// let scores = Scores::logits(vec![2.0, 0.0, 1.0, 0.0, 1.5, 0.0, 3.0, 0.0, 2.5, 0.0, 0.5, 0.0], 2)?;
/// let targets = Targets::classes(&[0, 1, 1, 0, 1, 1]);
/// let scaling = AffineScaling::fit(&scores, &targets, AffineKind::Vector, 1e-3)?;
/// let score = |s: &Scores<'_>| Objects::new(s, &targets, Floor::None).map(|o| o.log_likelihood());
/// assert!(score(&scaling.apply(&scores)?)? > score(&scores)? + 0.3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AffineScaling {
    kind: AffineKind,
    classes: usize,
    parameters: Vec<f64>,
    /// Mean log-likelihood on the rows of the fit.
    pub log_likelihood: f64,
    /// Steps of L-BFGS.
    pub iterations: usize,
    /// Whether the gradient vanished to 1e-8; if not, the best parameters found are kept.
    pub converged: bool,
}

impl AffineScaling {
    /// Maximises the mean log-likelihood minus `penalty` times the squared distance of the parameters from doing nothing. The
    /// problem is convex; without a penalty separable data have no finite answer.
    ///
    /// # Errors
    /// As [`Targets::check`]; [`UncertaintyError::Options`] for a penalty that is negative or not finite.
    pub fn fit(
        scores: &Scores<'_>,
        targets: &Targets,
        kind: AffineKind,
        penalty: f64,
    ) -> Result<Self, UncertaintyError> {
        targets.check(scores.rows(), scores.classes())?;
        if !(penalty >= 0.0 && penalty.is_finite()) {
            return Err(UncertaintyError::Options {
                field: "penalty",
                found: penalty.to_string(),
                expected: "a finite number of at least 0",
            });
        }
        let problem = Problem {
            kind,
            classes: scores.classes(),
            inputs: inputs(scores),
            targets,
            penalty,
        };
        let (parameters, iterations, converged) = problem.minimise();
        let log_likelihood = -problem.data_loss(&parameters).0;
        Ok(Self {
            kind,
            classes: scores.classes(),
            parameters,
            log_likelihood,
            iterations,
            converged,
        })
    }

    /// Scaled scores, as log-probabilities.
    ///
    /// # Errors
    /// [`UncertaintyError::Mismatch`] for another number of classes.
    pub fn apply(&self, scores: &Scores<'_>) -> Result<Scores<'static>, UncertaintyError> {
        if scores.classes() != self.classes {
            return Err(UncertaintyError::Mismatch {
                place: "scores to be scaled".into(),
                field: "classes",
                found: scores.classes().to_string(),
                expected: self.classes.to_string(),
            });
        }
        let inputs = inputs(scores);
        let mut out = vec![0.0; inputs.len()];
        out.par_chunks_mut(self.classes)
            .zip(inputs.par_chunks(self.classes))
            .for_each(|(out, input)| {
                map(self.kind, &self.parameters, input, out);
                crate::log_softmax(out);
            });
        Scores::log_probs(out, self.classes)
    }

    /// The bias of each class.
    #[must_use]
    pub fn bias(&self) -> &[f64] {
        &self.parameters[self.parameters.len() - self.classes..]
    }
}

/// Log-probabilities minus their row's largest, not further below than a number.
fn inputs(scores: &Scores<'_>) -> Vec<f64> {
    let mut all = scores.to_log_probs();
    all.par_chunks_mut(scores.classes()).for_each(|row| {
        let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.iter_mut().for_each(|z| *z = (*z - top).max(FARTHEST));
    });
    all
}

/// Factors first, biases last.
fn map(kind: AffineKind, parameters: &[f64], input: &[f64], out: &mut [f64]) {
    let classes = input.len();
    let (factors, bias) = parameters.split_at(parameters.len() - classes);
    for (class, out) in out.iter_mut().enumerate() {
        *out = bias[class]
            + match kind {
                AffineKind::BiasCorrected => factors[0] * input[class],
                AffineKind::Vector => factors[class] * input[class],
                AffineKind::Matrix => factors[class * classes..][..classes]
                    .iter()
                    .zip(input)
                    .map(|(w, z)| w * z)
                    .sum(),
            };
    }
}

struct Problem<'a> {
    kind: AffineKind,
    classes: usize,
    inputs: Vec<f64>,
    targets: &'a Targets,
    penalty: f64,
}

impl Problem<'_> {
    fn start(&self) -> Vec<f64> {
        let factors = match self.kind {
            AffineKind::BiasCorrected => vec![1.0],
            AffineKind::Vector => vec![1.0; self.classes],
            AffineKind::Matrix => (0..self.classes * self.classes)
                .map(|at| f64::from(at % (self.classes + 1) == 0))
                .collect(),
        };
        [factors, vec![0.0; self.classes]].concat()
    }

    /// Mean loss and its gradient.
    fn data_loss(&self, parameters: &[f64]) -> (f64, Vec<f64>) {
        let classes = self.classes;
        let blocks: Vec<(f64, f64, Vec<f64>)> = self
            .inputs
            .par_chunks(BLOCK * classes)
            .enumerate()
            .map(|(block, inputs)| {
                let (mut loss, mut weights) = (0.0, 0.0);
                let mut gradient = vec![0.0; parameters.len()];
                let mut scaled = vec![0.0; classes];
                for (at, input) in inputs.chunks(classes).enumerate() {
                    let row = block * BLOCK + at;
                    let weight = self.targets.weight(row);
                    if weight == 0.0 {
                        continue;
                    }
                    map(self.kind, parameters, input, &mut scaled);
                    crate::log_softmax(&mut scaled);
                    weights += weight;
                    let mut residual: Vec<f64> = scaled.iter().map(|l| l.exp()).collect();
                    match self.targets.truth(row) {
                        Truth::Class(class) => {
                            loss -= weight * scaled[class];
                            residual[class] -= 1.0;
                        }
                        Truth::Soft(mass) => {
                            for (class, q) in mass.iter().enumerate() {
                                loss -= weight * q * scaled[class];
                                residual[class] -= q;
                            }
                        }
                    }
                    self.add_gradient(&residual, input, weight, &mut gradient);
                }
                (loss, weights, gradient)
            })
            .collect();
        let (mut loss, mut weights) = (0.0, 0.0);
        let mut gradient = vec![0.0; parameters.len()];
        for (l, w, g) in blocks {
            loss += l;
            weights += w;
            gradient.iter_mut().zip(g).for_each(|(a, b)| *a += b);
        }
        gradient.iter_mut().for_each(|g| *g /= weights);
        (loss / weights, gradient)
    }

    fn add_gradient(&self, residual: &[f64], input: &[f64], weight: f64, gradient: &mut [f64]) {
        let classes = self.classes;
        let (factors, bias) = gradient.split_at_mut(gradient.len() - classes);
        for (class, r) in residual.iter().enumerate() {
            let r = weight * r;
            bias[class] += r;
            match self.kind {
                AffineKind::BiasCorrected => factors[0] += r * input[class],
                AffineKind::Vector => factors[class] += r * input[class],
                AffineKind::Matrix => factors[class * classes..][..classes]
                    .iter_mut()
                    .zip(input)
                    .for_each(|(g, z)| *g += r * z),
            }
        }
    }

    fn loss(&self, parameters: &[f64], start: &[f64]) -> (f64, Vec<f64>) {
        let (mut loss, mut gradient) = self.data_loss(parameters);
        for ((g, p), s) in gradient.iter_mut().zip(parameters).zip(start) {
            loss += self.penalty * (p - s) * (p - s);
            *g += 2.0 * self.penalty * (p - s);
        }
        (loss, gradient)
    }

    /// L-BFGS (Nocedal 1980) with Armijo's rule; the best point so far is never left for a worse one.
    fn minimise(&self) -> (Vec<f64>, usize, bool) {
        let start = self.start();
        let mut x = start.clone();
        let (mut loss, mut gradient) = self.loss(&x, &start);
        let mut pairs: Vec<(Vec<f64>, Vec<f64>, f64)> = vec![];
        for iteration in 0..MOST {
            if gradient.iter().all(|g| g.abs() < 1e-8) {
                return (x, iteration, true);
            }
            let direction = two_loops(&gradient, &pairs);
            let slope = dot(&direction, &gradient);
            let mut step = if pairs.is_empty() {
                1.0_f64.min(1.0 / dot(&gradient, &gradient).sqrt())
            } else {
                1.0
            };
            let next = loop {
                let next: Vec<f64> = x
                    .iter()
                    .zip(&direction)
                    .map(|(x, d)| x + step * d)
                    .collect();
                let (l, g) = self.loss(&next, &start);
                if l <= loss + 1e-4 * step * slope {
                    break Some((next, l, g));
                }
                step *= 0.5;
                if step < 1e-12 {
                    break None;
                }
            };
            let Some((next, next_loss, next_gradient)) = next else {
                // Rounding hides any further descent.
                let flat = gradient.iter().all(|g| g.abs() < 1e-6);
                return (x, iteration, flat);
            };
            let s: Vec<f64> = next.iter().zip(&x).map(|(a, b)| a - b).collect();
            let y: Vec<f64> = next_gradient
                .iter()
                .zip(&gradient)
                .map(|(a, b)| a - b)
                .collect();
            let curvature = dot(&s, &y);
            if curvature > 1e-300 {
                if pairs.len() == MEMORY {
                    pairs.remove(0);
                }
                pairs.push((s, y, curvature));
            }
            (x, loss, gradient) = (next, next_loss, next_gradient);
        }
        (x, MOST, false)
    }
}

fn two_loops(gradient: &[f64], pairs: &[(Vec<f64>, Vec<f64>, f64)]) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = vec![];
    for (s, y, curvature) in pairs.iter().rev() {
        let alpha = dot(s, &q) / curvature;
        q.iter_mut().zip(y).for_each(|(q, y)| *q -= alpha * y);
        alphas.push(alpha);
    }
    if let Some((_, y, curvature)) = pairs.last() {
        let scale = curvature / dot(y, y);
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((s, y, curvature), alpha) in pairs.iter().zip(alphas.iter().rev()) {
        let beta = dot(y, &q) / curvature;
        q.iter_mut()
            .zip(s)
            .for_each(|(q, s)| *q += (alpha - beta) * s);
    }
    q
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
