//! A policy with one hidden layer, with its gradient and its directional derivative written out, so that they work on any device.

use burn::tensor::{Device, Tensor, TensorData, activation::log_softmax};

use super::first_parameter;
use crate::BargainError;

/// Parameters of a policy, or a change of them.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// `[inputs, hidden]`, `[1, hidden]`, `[hidden, moves]`, `[1, moves]`.
    layers: [Tensor<2>; 4],
}

/// What a pass over all states leaves for derivatives.
pub(super) struct Pass {
    hidden: Tensor<2>,
    /// 1 where a hidden unit is on.
    on: Tensor<2>,
    log_probs: Tensor<2>,
}

impl Pass {
    /// Log-probabilities, state after state.
    pub(super) fn log_probs(&self) -> Result<Vec<f32>, BargainError> {
        read(self.log_probs.clone())
    }
}

fn read(tensor: Tensor<2>) -> Result<Vec<f32>, BargainError> {
    tensor
        .try_into_vec_as()
        .map_err(|error| BargainError::Game {
            game: "coin game".into(),
            what: format!("could not be read from the device: {error}"),
        })
}

impl Network {
    pub(super) fn draw(
        inputs: usize,
        hidden: usize,
        moves: usize,
        seed: u64,
        device: &Device,
    ) -> Self {
        let shapes = [
            ([inputs, hidden], inputs),
            ([1, hidden], inputs),
            ([hidden, moves], hidden),
            ([1, moves], hidden),
        ];
        let mut layer = 0;
        Self {
            layers: shapes.map(|(shape, fan)| {
                layer += 1;
                let n = (shape[0] * shape[1]) as u64;
                let list: Vec<f32> = (0..n)
                    .map(|i| first_parameter(seed, layer, i, fan))
                    .collect();
                Tensor::from_data(TensorData::new(list, shape), device)
            }),
        }
    }

    pub(super) fn pass(&self, inputs: &Tensor<2>) -> Pass {
        let [w1, b1, w2, b2] = &self.layers;
        let sum = inputs.clone().matmul(w1.clone()) + b1.clone();
        let on = sum.clone().greater_scalar(0.0).float();
        let hidden = sum.clamp_min(0.0);
        let logits = hidden.clone().matmul(w2.clone()) + b2.clone();
        Pass {
            hidden,
            on,
            log_probs: log_softmax(logits, 1),
        }
    }

    /// `Σ weights[s, a] · ∇ log π(a|s)`.
    pub(super) fn gradient(&self, inputs: &Tensor<2>, pass: &Pass, weights: &Tensor<2>) -> Self {
        let total = weights.clone().sum_dim(1);
        let by_logits = weights.clone() - pass.log_probs.clone().exp() * total;
        let by_hidden =
            by_logits.clone().matmul(self.layers[2].clone().transpose()) * pass.on.clone();
        Self {
            layers: [
                inputs.clone().transpose().matmul(by_hidden.clone()),
                by_hidden.sum_dim(0),
                pass.hidden.clone().transpose().matmul(by_logits.clone()),
                by_logits.sum_dim(0),
            ],
        }
    }

    /// The derivative of every log-probability along a direction, state after state.
    pub(super) fn tangent(
        &self,
        inputs: &Tensor<2>,
        pass: &Pass,
        direction: &Self,
    ) -> Result<Vec<f32>, BargainError> {
        let [w1, b1, w2, b2] = &direction.layers;
        let hidden = (inputs.clone().matmul(w1.clone()) + b1.clone()) * pass.on.clone();
        let logits = hidden.matmul(self.layers[2].clone())
            + pass.hidden.clone().matmul(w2.clone())
            + b2.clone();
        let mean = (pass.log_probs.clone().exp() * logits.clone()).sum_dim(1);
        read(logits - mean)
    }

    pub(super) fn scaled(&self, factor: f64) -> Self {
        Self {
            layers: self.layers.clone().map(|layer| layer.mul_scalar(factor)),
        }
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut others = other.layers.iter();
        Self {
            layers: self.layers.clone().map(|layer| match others.next() {
                Some(other) => layer + other.clone(),
                None => layer,
            }),
        }
    }

    /// Shortened to a norm of `most`.
    pub(super) fn clipped(self, most: f64) -> Result<Self, BargainError> {
        let squares = self
            .layers
            .iter()
            .map(|layer| layer.clone().powi_scalar(2).sum());
        let sum = squares.reduce(|a, b| a + b);
        let Some(sum) = sum else { return Ok(self) };
        let norm = f64::from(read(sum.reshape([1, 1]))?[0]).sqrt();
        if norm.is_finite() && norm > most {
            return Ok(self.scaled(most / norm));
        }
        if !norm.is_finite() {
            return Err(BargainError::Option {
                field: "gradient",
                found: norm.to_string(),
                expected: "a finite number; a smaller rate keeps it",
            });
        }
        Ok(self)
    }

    /// All parameters, for tests.
    #[cfg(test)]
    pub(super) fn flat(&self) -> Vec<f32> {
        self.layers
            .iter()
            .flat_map(|layer| read(layer.clone()).unwrap())
            .collect()
    }

    /// The network with one parameter changed, for tests.
    #[cfg(test)]
    pub(super) fn moved(&self, mut index: usize, by: f32) -> Self {
        let mut out = self.clone();
        for layer in &mut out.layers {
            let [a, b] = layer.dims();
            if index < a * b {
                let mut list = read(layer.clone()).unwrap();
                list[index] += by;
                *layer = Tensor::from_data(TensorData::new(list, [a, b]), &layer.device());
                return out;
            }
            index -= a * b;
        }
        unreachable!()
    }
}
