//! A small network with everything that needs care, and a step of its training.

use burn::{
    module::Module,
    nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig},
    optim::{GradientsParams, ModuleOptimizer, SgdConfig},
    tensor::{Device, Tensor, TensorData, activation::relu},
};
use firetender_uncertainty::training::HasBatchNorm;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[derive(Module, Debug)]
pub(crate) struct Net {
    pub(crate) body: Linear,
    pub(crate) norm: BatchNorm,
    pub(crate) dropout: Dropout,
    pub(crate) head: Linear,
}

impl Net {
    pub(crate) fn init(device: &Device) -> Self {
        Self {
            body: LinearConfig::new(3, 4).init(device),
            norm: BatchNormConfig::new(4).init(device),
            dropout: DropoutConfig::new(0.5).init(),
            head: LinearConfig::new(4, 2).init(device),
        }
    }

    pub(crate) fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let hidden = relu(self.norm.forward(self.body.forward(input)));
        self.head.forward(self.dropout.forward(hidden))
    }
}

impl HasBatchNorm for Net {
    fn batch_norms(&mut self, visit: &mut dyn FnMut(&mut BatchNorm)) {
        visit(&mut self.norm);
    }
}

pub(crate) fn training_device() -> Device {
    Device::flex().autodiff()
}

/// Numbers from a seed, `[rows, columns]`.
pub(crate) fn random<const D: usize>(seed: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| random.random_range(-2.0..2.0)).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// One training step on numbers from a seed.
pub(crate) fn step(model: Net, optimizer: &mut ModuleOptimizer, seed: u64) -> Net {
    let device = training_device();
    let loss = model
        .forward(random(seed, [8, 3], &device))
        .powi_scalar(2)
        .mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    optimizer.step(0.1, model, gradients)
}

pub(crate) fn sgd() -> ModuleOptimizer {
    SgdConfig::new().init()
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.try_into_vec_as::<f64>().unwrap()
}

/// The mean and the variance of a list.
pub(crate) fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (
        mean,
        values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count,
    )
}
