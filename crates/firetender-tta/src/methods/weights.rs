//! Weights for recipes, fitted on validation data.
//!
//! Shanmugam, Blalock, Balakrishnan and Guttag ("Better Aggregation in Test-Time Augmentation", ICCV 2021): the prediction is the softmax of a weighted
//! sum of what the recipes say, `softmax_c Σ_b θ_bc l_bc`, with weights of at least zero that lower the cross-entropy of the validation set; one
//! weight a recipe, or one for each recipe and class. The original descends by stochastic gradient for some epochs from equal weights. Cross-entropy
//! is convex in θ, so here the minimum is found, and a small penalty on the distance to equal weights makes it one point:
//!
//! `F(θ) = −mean_i ln softmax(Σ_b θ_b l_b)_y + (ridge / 2) Σ (θ − 1/B)²`, θ ≥ 0.
//!
//! Pools hold log-probabilities and not logits. For one weight a recipe that is the same (softmax does not see what is added to a row); for weights
//! by class it is a variant. The sum of the weights is free, so a temperature is part of the fit.

use burn::tensor::{Tensor, TensorData, activation::softmax};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Candidates, TtaError};

/// How weights are fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightOptions {
    /// One weight for each recipe and class; else one a recipe.
    pub by_class: bool,
    /// Of the distance to equal weights.
    pub ridge: f64,
    /// Most steps.
    pub steps: usize,
    /// Ends where no weight wants to move by more than this.
    pub tolerance: f64,
}

impl Default for WeightOptions {
    /// One weight a recipe, a ridge of 0.001, at most 5,000 steps, to 10⁻⁶.
    fn default() -> Self {
        Self {
            by_class: false,
            ridge: 1e-3,
            steps: 5_000,
            tolerance: 1e-6,
        }
    }
}

/// Weights, and how well they do on the data they were fitted to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnedWeights {
    /// `[recipes, classes]`, recipe after recipe; equal within a recipe where there is one weight each.
    pub weights: Vec<f64>,
    /// How many recipes.
    pub recipes: usize,
    /// How many classes.
    pub classes: usize,
    /// Mean log-likelihood on the data that they were fitted to, without the penalty.
    pub log_likelihood: f64,
    /// Steps that were made.
    pub steps: usize,
    /// How far the weight that wants to move most would move: near zero at the minimum.
    pub residual: f64,
}

/// Logarithms below this say nothing more, and an impossible class would ask for a weight of exactly zero.
const LEAST: f64 = -30.0;
/// Samples in a block whose sums are added in order.
const BLOCK: usize = 256;

/// Fits weights for the entries `recipes` of a pool (an entry may stand there twice), by accelerated projected gradient descent.
///
/// ```
/// use firetender_tta::{Candidates, PredictionKind, WeightOptions, learn_weights};
/// // The first recipe knows, the second guesses.
/// let pool = [0.8_f32, 0.2, 0.3, 0.7, 0.4, 0.6, /* entry 1 */ 0.5, 0.5, 0.6, 0.4, 0.5, 0.5];
/// let candidates = Candidates::new(PredictionKind::Probs, &pool, [2, 3, 2], &[0, 1, 1])?;
/// let found = learn_weights(&candidates, &[0, 1], &WeightOptions::default())?;
/// assert!(found.weights[0] > 1.0 && found.weights[2] < 0.5);
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
///
/// # Errors
/// [`TtaError::Empty`] without recipes; [`TtaError::Options`] for an entry that is not there, or a ridge or tolerance that is not positive; reading errors
/// of streamed candidates.
pub fn learn_weights(
    candidates: &Candidates,
    recipes: &[usize],
    options: &WeightOptions,
) -> Result<LearnedWeights, TtaError> {
    if recipes.is_empty() {
        return Err(TtaError::Empty { what: "recipes" });
    }
    for (field, value) in [("ridge", options.ridge), ("tolerance", options.tolerance)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(TtaError::option(field, value, "a positive number"));
        }
    }
    let problem = Problem::new(candidates, recipes, options)?;
    let [count, classes] = [recipes.len(), candidates.classes()];
    let (theta, value, steps, residual) = problem.minimise(options);
    let spread = if options.by_class {
        theta.clone()
    } else {
        theta.iter().flat_map(|w| vec![*w; classes]).collect()
    };
    Ok(LearnedWeights {
        weights: spread,
        recipes: count,
        classes,
        log_likelihood: problem.penalty(&theta) - value,
        steps,
        residual,
    })
}

struct Problem {
    /// `[sample, recipe, class]`.
    logs: Vec<f64>,
    labels: Vec<u32>,
    weights: Vec<f64>,
    total: f64,
    recipes: usize,
    classes: usize,
    by_class: bool,
    ridge: f64,
}

impl Problem {
    fn new(
        candidates: &Candidates,
        recipes: &[usize],
        options: &WeightOptions,
    ) -> Result<Self, TtaError> {
        let (samples, classes) = (candidates.samples(), candidates.classes());
        let mut logs = vec![0.0; samples * recipes.len() * classes];
        for (at, &entry) in recipes.iter().enumerate() {
            let probs = candidates.entry(entry)?;
            for (sample, row) in probs.chunks_exact(classes).enumerate() {
                let to = (sample * recipes.len() + at) * classes;
                for (log, p) in logs[to..to + classes].iter_mut().zip(row) {
                    *log = f64::from(*p).ln().max(LEAST);
                }
            }
        }
        let weights = candidates.weights.as_flattened()[..samples].to_vec();
        Ok(Self {
            logs,
            labels: candidates.labels().to_vec(),
            total: weights.iter().sum(),
            weights,
            recipes: recipes.len(),
            classes,
            by_class: options.by_class,
            ridge: options.ridge,
        })
    }

    fn size(&self) -> usize {
        self.recipes * if self.by_class { self.classes } else { 1 }
    }

    fn penalty(&self, theta: &[f64]) -> f64 {
        let equal = 1.0 / self.recipes as f64;
        0.5 * self.ridge * theta.iter().map(|t| (t - equal) * (t - equal)).sum::<f64>()
    }

    /// F and its gradient. Blocks are added in order, so the sum does not depend on threads.
    fn value(&self, theta: &[f64]) -> (f64, Vec<f64>) {
        let per = self.recipes * self.classes;
        let blocks: Vec<(f64, Vec<f64>)> = self
            .logs
            .par_chunks(BLOCK * per)
            .enumerate()
            .map(|(block, logs)| {
                let mut sum = (0.0, vec![0.0; self.size()]);
                for (at, table) in logs.chunks_exact(per).enumerate() {
                    self.sample(block * BLOCK + at, table, theta, &mut sum);
                }
                sum
            })
            .collect();
        let (mut value, mut gradient) = (0.0, vec![0.0; self.size()]);
        for (part, parts) in blocks {
            value += part;
            for (sum, part) in gradient.iter_mut().zip(parts) {
                *sum += part;
            }
        }
        let equal = 1.0 / self.recipes as f64;
        for (g, t) in gradient.iter_mut().zip(theta) {
            *g = *g / self.total + self.ridge * (t - equal);
        }
        (value / self.total + self.penalty(theta), gradient)
    }

    fn sample(&self, sample: usize, table: &[f64], theta: &[f64], sum: &mut (f64, Vec<f64>)) {
        let (classes, weight) = (self.classes, self.weights[sample]);
        if weight == 0.0 {
            return;
        }
        let mut mixed = vec![0.0; classes];
        for (recipe, row) in table.chunks_exact(classes).enumerate() {
            for (class, (z, l)) in mixed.iter_mut().zip(row).enumerate() {
                *z += theta[self.place(recipe, class)] * l;
            }
        }
        let label = self.labels[sample] as usize;
        let top = mixed.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mass: f64 = mixed.iter().map(|z| (z - top).exp()).sum();
        sum.0 -= weight * (mixed[label] - top - mass.ln());
        for (recipe, row) in table.chunks_exact(classes).enumerate() {
            for (class, l) in row.iter().enumerate() {
                let p = (mixed[class] - top).exp() / mass;
                let own = f64::from(u8::from(class == label));
                sum.1[self.place(recipe, class)] += weight * (p - own) * l;
            }
        }
    }

    fn place(&self, recipe: usize, class: usize) -> usize {
        if self.by_class {
            recipe * self.classes + class
        } else {
            recipe
        }
    }

    /// Nesterov's accelerated descent with projection on θ ≥ 0, steps found by halving, momentum forgotten where it would climb.
    fn minimise(&self, options: &WeightOptions) -> (Vec<f64>, f64, usize, f64) {
        let mut theta = vec![1.0 / self.recipes as f64; self.size()];
        let (mut value, mut gradient) = self.value(&theta);
        let (mut ahead, mut momentum, mut rate) = (theta.clone(), 1.0_f64, 1.0);
        let (mut ahead_value, mut ahead_gradient) = (value, gradient.clone());
        for step in 0..options.steps {
            let residual = residual(&theta, &gradient);
            if residual <= options.tolerance {
                return (theta, value, step, residual);
            }
            rate *= 1.5;
            let (next, next_value, next_gradient) = loop {
                let next: Vec<f64> = ahead
                    .iter()
                    .zip(&ahead_gradient)
                    .map(|(t, g)| (t - rate * g).max(0.0))
                    .collect();
                let (found, slope) = self.value(&next);
                let (mut model, mut far) = (ahead_value, 0.0);
                for ((a, n), g) in ahead.iter().zip(&next).zip(&ahead_gradient) {
                    model += g * (n - a);
                    far += (n - a) * (n - a);
                }
                // What rounding leaves open does not count against a step.
                if found <= model + far / (2.0 * rate) + 1e-14 * value.abs() || rate < 1e-12 {
                    break (next, found, slope);
                }
                rate *= 0.5;
            };
            if next_value > value && momentum > 1.0 {
                momentum = 1.0;
                ahead.clone_from(&theta);
                ahead_value = value;
                ahead_gradient.clone_from(&gradient);
                continue;
            }
            let grown = 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt());
            let share = (momentum - 1.0) / grown;
            ahead = next
                .iter()
                .zip(&theta)
                .map(|(n, t)| (n + share * (n - t)).max(0.0))
                .collect();
            momentum = grown;
            (theta, value, gradient) = (next, next_value, next_gradient);
            (ahead_value, ahead_gradient) = self.value(&ahead);
        }
        let residual = residual(&theta, &gradient);
        (theta, value, options.steps, residual)
    }
}

/// The longest move of a projected step of length one.
fn residual(theta: &[f64], gradient: &[f64]) -> f64 {
    let moves = theta
        .iter()
        .zip(gradient)
        .map(|(t, g)| (t - (t - g).max(0.0)).abs());
    moves.fold(0.0, f64::max)
}

impl LearnedWeights {
    /// Log-probabilities `[n, classes]` from those of every recipe, in the order of the weights. Host.
    ///
    /// # Errors
    /// [`TtaError::Length`] for another number of tables, or tables of different length.
    pub fn merge(&self, members: &[Vec<f32>]) -> Result<Vec<f32>, TtaError> {
        self.check(members.len())?;
        let length = members[0].len();
        for member in members {
            if member.len() != length || !length.is_multiple_of(self.classes) {
                return Err(TtaError::Length {
                    what: "predictions of a recipe",
                    found: member.len(),
                    expected: length - length % self.classes,
                });
            }
        }
        let mut out = Vec::with_capacity(length);
        for row in 0..length / self.classes {
            let mut mixed = vec![0.0; self.classes];
            for (member, weights) in members.iter().zip(self.weights.chunks_exact(self.classes)) {
                let row = &member[row * self.classes..(row + 1) * self.classes];
                for ((z, w), l) in mixed.iter_mut().zip(weights).zip(row) {
                    *z += w * f64::from(*l).max(LEAST);
                }
            }
            let top = mixed.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mass = mixed.iter().map(|z| (z - top).exp()).sum::<f64>().ln();
            out.extend(mixed.iter().map(|z| (z - top - mass) as f32));
        }
        Ok(out)
    }

    /// Probabilities `[n, classes]` from the log-probabilities of every recipe, on their device.
    ///
    /// # Errors
    /// [`TtaError::Length`] for another number of tables or another shape.
    pub fn apply(&self, tables: &[Tensor<2>]) -> Result<Tensor<2>, TtaError> {
        self.check(tables.len())?;
        let [rows, _] = tables[0].dims();
        let device = tables[0].device();
        let mut sum: Option<Tensor<2>> = None;
        for (table, weights) in tables.iter().zip(self.weights.chunks_exact(self.classes)) {
            let [found, classes] = table.dims();
            if [found, classes] != [rows, self.classes] {
                return Err(TtaError::Length {
                    what: "predictions of a recipe",
                    found: found * classes,
                    expected: rows * self.classes,
                });
            }
            let weights: Vec<f32> = weights.iter().map(|w| *w as f32).collect();
            let row = Tensor::<2>::from_data(TensorData::new(weights, [1, self.classes]), &device);
            let part = table.clone().clamp_min(LEAST) * row;
            sum = Some(match sum {
                None => part,
                Some(sum) => sum + part,
            });
        }
        match sum {
            Some(sum) => Ok(softmax(sum, 1)),
            None => Err(TtaError::Empty { what: "recipes" }),
        }
    }

    fn check(&self, tables: usize) -> Result<(), TtaError> {
        if tables != self.recipes
            || self.weights.len() != self.recipes * self.classes
            || tables == 0
        {
            return Err(TtaError::Length {
                what: "recipes",
                found: tables,
                expected: self.recipes,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
