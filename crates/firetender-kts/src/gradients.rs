//! The gradients of an adapter's factors.

use std::collections::BTreeMap;

use burn::{
    module::Module,
    tensor::{Gradients, Tensor},
};

use crate::adapter::visit_factors;

/// Gradients by factor: the path of the weight, then `a` or `b`. On the model's device, without a graph.
#[derive(Clone, Debug, Default)]
pub struct FactorGradients {
    values: BTreeMap<(String, char), Tensor<2>>,
}

impl FactorGradients {
    /// Takes a model's factors' gradients out of a backward pass. A factor that the loss does not depend on has none.
    #[must_use]
    pub fn of<M: Module>(model: &M, gradients: &Gradients) -> Self {
        let mut values = BTreeMap::new();
        visit_factors(model, Some(gradients), |seen| {
            if let Some(gradient) = seen.gradient {
                values.insert((seen.place, seen.which), gradient);
            }
        });
        Self { values }
    }

    /// The gradient of a factor, `[d_in, rank]` of `a` and `[rank, d_out]` of `b`.
    #[must_use]
    pub fn get(&self, path: &str, which: char) -> Option<&Tensor<2>> {
        self.values.get(&(path.to_owned(), which))
    }

    /// All of them, in the order of paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, char, &Tensor<2>)> {
        self.values
            .iter()
            .map(|((path, which), gradient)| (path.as_str(), *which, gradient))
    }

    /// Adds another step's.
    pub fn add(&mut self, other: Self) {
        for (key, gradient) in other.values {
            let sum = match self.values.remove(&key) {
                Some(own) => own + gradient,
                None => gradient,
            };
            self.values.insert(key, sum);
        }
    }

    /// Times a number.
    pub fn scale(&mut self, factor: f64) {
        for gradient in self.values.values_mut() {
            *gradient = gradient.clone().mul_scalar(factor);
        }
    }

    /// The length of all of them as one vector. Read once from the device; the sum over factors is in `f64`.
    #[must_use]
    pub fn norm(&self) -> f64 {
        self.squares().into_iter().sum::<f64>().sqrt()
    }

    /// Scales so that the whole is no longer than `limit`, as the reference does; `norm` is that of [`norm`](Self::norm).
    pub fn clip_whole(&mut self, norm: f64, limit: f64) {
        // PyTorch's rule, with its small constant.
        let factor = limit / (norm + 1e-6);
        if factor < 1.0 {
            self.scale(factor);
        }
    }

    /// Scales every factor's own gradient so that it is no longer than `limit`, as Burn's optimisers do.
    pub fn clip_each(&mut self, limit: f64) {
        let norms = self.squares();
        for (gradient, square) in self.values.values_mut().zip(norms) {
            let norm = square.sqrt();
            if norm > limit {
                *gradient = gradient.clone().mul_scalar(limit / norm);
            }
        }
    }

    fn squares(&self) -> Vec<f64> {
        if self.values.is_empty() {
            return vec![];
        }
        let sums: Vec<Tensor<1>> = self
            .values
            .values()
            .map(|gradient| gradient.clone().square().sum())
            .collect();
        Tensor::cat(sums, 0).into_data().iter::<f64>().collect()
    }
}
