//! Fully connected networks with rectifiers, with their gradient and directional derivative written out, so that they work on any device.

use burn::tensor::{Device, Tensor, TensorData, activation::log_softmax};

use super::first_parameter;
use crate::BargainError;

/// Parameters of a network, or a change of them.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// Weights `[inputs, outputs]` and biases `[1, outputs]` of each layer, in turn.
    layers: Vec<Tensor<2>>,
}

/// What a pass over all rows leaves for derivatives.
pub(super) struct Pass {
    /// What goes into each layer after the first.
    hidden: Vec<Tensor<2>>,
    /// 1 where a hidden unit is on.
    on: Vec<Tensor<2>>,
    out: Tensor<2>,
}

impl Pass {
    /// What comes out, row after row.
    pub(super) fn outputs(&self) -> Result<Vec<f32>, BargainError> {
        read(self.out.clone())
    }

    /// Log-probabilities by a softmax of what comes out, row after row.
    pub(super) fn log_probs(&self) -> Result<Vec<f32>, BargainError> {
        read(self.log_softmax())
    }

    fn log_softmax(&self) -> Tensor<2> {
        log_softmax(self.out.clone(), 1)
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
    /// First parameters of a network with layers of these sizes, the inputs first.
    pub(super) fn draw(sizes: &[usize], seed: u64, device: &Device) -> Self {
        let mut number = 0;
        let mut tensor = |shape: [usize; 2], fan: usize| {
            number += 1;
            let n = (shape[0] * shape[1]) as u64;
            let list: Vec<f32> = (0..n)
                .map(|i| first_parameter(seed, number, i, fan))
                .collect();
            Tensor::from_data(TensorData::new(list, shape), device)
        };
        let mut layers = vec![];
        for (inputs, outputs) in sizes.iter().zip(sizes.iter().skip(1)) {
            layers.push(tensor([*inputs, *outputs], *inputs));
            layers.push(tensor([1, *outputs], *inputs));
        }
        Self { layers }
    }

    /// A network of this one's shapes from its parameters; `None` when there are too few or too many.
    pub(super) fn with(&self, parameters: &[f32]) -> Option<Self> {
        let mut rest = parameters;
        let mut layers = vec![];
        for layer in &self.layers {
            let [a, b] = layer.dims();
            let (list, more) = rest.split_at_checked(a * b)?;
            rest = more;
            layers.push(Tensor::from_data(
                TensorData::new(list.to_vec(), [a, b]),
                &layer.device(),
            ));
        }
        rest.is_empty().then_some(Self { layers })
    }

    /// All parameters, layer after layer.
    pub(super) fn flat(&self) -> Result<Vec<f32>, BargainError> {
        let mut out = vec![];
        for layer in &self.layers {
            out.extend(read(layer.clone())?);
        }
        Ok(out)
    }

    pub(super) fn pass(&self, inputs: &Tensor<2>) -> Pass {
        let (mut hidden, mut on) = (vec![], vec![]);
        let mut now = inputs.clone();
        let last = self.layers.len() / 2 - 1;
        for (depth, layer) in self.layers.chunks(2).enumerate() {
            let sum = now.matmul(layer[0].clone()) + layer[1].clone();
            if depth == last {
                now = sum;
            } else {
                on.push(sum.clone().greater_scalar(0.0).float());
                now = sum.clamp_min(0.0);
                hidden.push(now.clone());
            }
        }
        Pass {
            hidden,
            on,
            out: now,
        }
    }

    /// `Σ weights[row, o] · ∇ out[row, o]`.
    pub(super) fn backward(&self, inputs: &Tensor<2>, pass: &Pass, weights: Tensor<2>) -> Self {
        let mut back = weights;
        let mut layers = vec![];
        for (depth, layer) in self.layers.chunks(2).enumerate().rev() {
            let below = match depth {
                0 => inputs,
                depth => &pass.hidden[depth - 1],
            };
            layers.push(back.clone().sum_dim(0));
            layers.push(below.clone().transpose().matmul(back.clone()));
            if depth > 0 {
                back = back.matmul(layer[0].clone().transpose()) * pass.on[depth - 1].clone();
            }
        }
        layers.reverse();
        Self { layers }
    }

    /// `Σ weights[row, a] · ∇ log π(a|row)`.
    pub(super) fn gradient(&self, inputs: &Tensor<2>, pass: &Pass, weights: &Tensor<2>) -> Self {
        let total = weights.clone().sum_dim(1);
        let by_logits = weights.clone() - pass.log_softmax().exp() * total;
        self.backward(inputs, pass, by_logits)
    }

    /// The derivative of every log-probability along a direction, row after row.
    pub(super) fn tangent(
        &self,
        inputs: &Tensor<2>,
        pass: &Pass,
        direction: &Self,
    ) -> Result<Vec<f32>, BargainError> {
        let mut moved: Option<Tensor<2>> = None;
        let layers = self.layers.chunks(2).zip(direction.layers.chunks(2));
        for (depth, (layer, change)) in layers.enumerate() {
            let below = match depth {
                0 => inputs,
                depth => &pass.hidden[depth - 1],
            };
            let mut sum = below.clone().matmul(change[0].clone()) + change[1].clone();
            if let Some(moved) = moved {
                sum = sum + moved.matmul(layer[0].clone());
            }
            moved = Some(match pass.on.get(depth) {
                Some(on) => sum * on.clone(),
                None => sum,
            });
        }
        let Some(logits) = moved else {
            return Ok(vec![]);
        };
        let mean = (pass.log_softmax().exp() * logits.clone()).sum_dim(1);
        read(logits - mean)
    }

    fn map(&self, change: impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        Self {
            layers: self.layers.iter().cloned().map(change).collect(),
        }
    }

    fn with_other(&self, other: &Self, both: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<2>) -> Self {
        let pairs = self
            .layers
            .iter()
            .cloned()
            .zip(other.layers.iter().cloned());
        Self {
            layers: pairs.map(|(a, b)| both(a, b)).collect(),
        }
    }

    pub(super) fn scaled(&self, factor: f64) -> Self {
        self.map(|layer| layer.mul_scalar(factor))
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        self.with_other(other, |a, b| a + b)
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

    /// The network with one parameter changed, for tests.
    #[cfg(test)]
    pub(super) fn moved(&self, index: usize, by: f32) -> Self {
        let mut list = self.flat().unwrap();
        list[index] += by;
        self.with(&list).unwrap()
    }
}

/// Adam's running means (Kingma and Ba 2015, with β 0.9 and 0.999), without weight decay.
#[derive(Clone, Debug)]
pub(super) struct Adam {
    pub(super) mean: Network,
    pub(super) square: Network,
}

impl Adam {
    pub(super) fn of(network: &Network) -> Self {
        Self {
            mean: network.scaled(0.0),
            square: network.scaled(0.0),
        }
    }

    /// The step upwards for a gradient, the first of which has number 1.
    pub(super) fn step(&mut self, gradient: &Network, rate: f64, number: usize) -> Network {
        let n = i32::try_from(number).unwrap_or(i32::MAX);
        self.mean = self.mean.scaled(0.9).plus(&gradient.scaled(0.1));
        let squares = gradient.map(|g| g.powi_scalar(2).mul_scalar(0.001));
        self.square = self.square.scaled(0.999).plus(&squares);
        let (first, second) = (1.0 - 0.9_f64.powi(n), 1.0 - 0.999_f64.powi(n));
        self.mean.with_other(&self.square, |m, v| {
            m.mul_scalar(rate / first) / (v.div_scalar(second).sqrt().add_scalar(1e-8))
        })
    }
}

/// What a seat sees: the different observations as rows, and the row of each state.
#[derive(Debug)]
pub(super) struct View {
    pub(super) rows: Tensor<2>,
    pub(super) of: Vec<u32>,
}

impl View {
    pub(super) fn count(&self) -> usize {
        self.rows.dims()[0]
    }

    /// A table of one row for each different observation.
    pub(super) fn upload(&self, table: Vec<f32>) -> Tensor<2> {
        let rows = self.count();
        let columns = table.len() / rows;
        Tensor::from_data(TensorData::new(table, [rows, columns]), &self.rows.device())
    }
}
