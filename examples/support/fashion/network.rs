//! The network: three convolutions of stride two with batch normalisation, the mean over places, one linear layer.

use burn::{
    config::Config,
    module::{Module, Param},
    nn::{
        BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor, TensorData, activation::relu},
};
use firetender_uncertainty::training::{DropoutDraw, Grain, HasBatchNorm, McDropout};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::data::CLASSES;

/// Sizes of a [`FashionNet`].
#[derive(Config, Debug)]
pub struct FashionNetConfig {
    /// Channels of an image.
    #[config(default = 1)]
    pub inputs: usize,
    /// Channels after each convolution.
    #[config(default = "[16, 32, 64]")]
    pub channels: [usize; 3],
    /// Probability of dropping a feature before the last layer, where a pass is given a draw.
    #[config(default = 0.3)]
    pub dropout: f64,
}

/// Convolution, batch normalisation, rectifier.
#[derive(Module, Debug)]
pub struct Block {
    conv: Conv2d,
    norm: BatchNorm,
}

/// A small classifier of 28 × 28 grey images, or of others; 24,000 weights at the default sizes.
#[derive(Module, Debug)]
pub struct FashionNet {
    /// The convolutions.
    pub blocks: Vec<Block>,
    /// From features to logits.
    pub head: Linear,
    /// Between them, when a pass asks for it.
    pub dropout: McDropout,
}

impl FashionNetConfig {
    /// A fresh network; its weights are a function of the seed alone (normal initialisation after He, on the host).
    ///
    /// # Panics
    /// If the probability of dropout is not at least 0 and below 1.
    #[must_use]
    pub fn init(&self, seed: u64, device: &Device) -> FashionNet {
        let dropout = McDropout::new(self.dropout, 0, Grain::Value);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut inputs = self.inputs;
        let blocks = self
            .channels
            .iter()
            .map(|&outputs| {
                let mut conv = Conv2dConfig::new([inputs, outputs], [3, 3])
                    .with_stride([2, 2])
                    .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                    .with_bias(false)
                    .init(device);
                conv.weight = Param::from_data(
                    normal(&mut random, [outputs, inputs, 3, 3], 9 * inputs),
                    device,
                );
                inputs = outputs;
                Block {
                    conv,
                    norm: BatchNormConfig::new(outputs).init(device),
                }
            })
            .collect();
        let mut head = LinearConfig::new(inputs, CLASSES).init(device);
        head.weight = Param::from_data(normal(&mut random, [inputs, CLASSES], 2 * inputs), device);
        head.bias = Some(Param::from_data([0.0_f32; CLASSES], device));
        FashionNet {
            blocks,
            head,
            dropout: dropout.expect("a probability of dropout"),
        }
    }
}

impl FashionNet {
    /// Convolutions with their batch normalisations, in order.
    pub fn parts(&self) -> impl Iterator<Item = (&Conv2d, &BatchNorm)> {
        self.blocks.iter().map(|block| (&block.conv, &block.norm))
    }

    /// What the last layer sees, `[rows, 64]`, from images `[rows, 1, 28, 28]`.
    #[must_use]
    pub fn features(&self, images: Tensor<4>) -> Tensor<2> {
        let mut maps = images;
        for block in &self.blocks {
            maps = relu(block.norm.forward(block.conv.forward(maps)));
        }
        let [rows, channels, height, width] = maps.dims();
        maps.reshape([rows, channels, height * width])
            .mean_dim(2)
            .reshape([rows, channels])
    }

    /// Logits `[rows, 10]` of images `[rows, inputs, height, width]`.
    #[must_use]
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.head.forward(self.features(images))
    }

    /// Logits of images with features dropped as `draw` says.
    #[must_use]
    pub fn forward_dropping(&self, images: Tensor<4>, draw: &DropoutDraw) -> Tensor<2> {
        let features = self.features(images);
        self.head
            .forward(self.dropout.forward(features, Some(draw)))
    }
}

impl HasBatchNorm for FashionNet {
    fn batch_norms(&mut self, visit: &mut dyn FnMut(&mut BatchNorm)) {
        for block in &mut self.blocks {
            visit(&mut block.norm);
        }
    }
}

/// Normal values with variance 2 over the fan-in.
fn normal<const D: usize>(random: &mut ChaCha8Rng, shape: [usize; D], fan_in: usize) -> TensorData {
    let scale = (2.0 / fan_in as f64).sqrt();
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
            let angle = std::f64::consts::TAU * random.random::<f64>();
            (scale * radius * angle.cos()) as f32
        })
        .collect();
    TensorData::new(values, shape)
}
