//! Mean-field variational layers: every weight is a Gaussian, trained by its mean and the logarithm of its deviation (Graves 2011;
//! Blundell et al. 2015).
//!
//! The loss to minimise is `mean negative log-likelihood + β · (sum of kl()) / N`. Published runs start from a trained network's means,
//! deviations near exp(−5), and a cold β (1e-4 to 1e-3): name it when you report. [`VariationalLinear`] samples its *outputs* (the local
//! reparametrisation of Kingma, Salimans and Welling 2015: one draw for each object, less noise in the gradient);
//! [`VariationalConv2d`] draws one set of weights for a batch, as published code does.
//!
//! Draws are functions of (seed, member, layer) and, for linear layers, of the object: a member can be evaluated again. Without a draw
//! a layer uses its means.

use burn::{
    module::{Module, Param},
    nn::{Linear, PaddingConfig2d, conv::Conv2d},
    tensor::{Shape, Tensor, TensorData},
};

use super::noise::{Purpose, normals, stream};
use crate::UncertaintyError;

/// Which noise: that of one member, for these objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightDraw {
    /// Seed of the whole ensemble.
    pub seed: u64,
    /// Member of the ensemble; in training, the step.
    pub member: u64,
    /// The object of each row of the batch: its number in the data set.
    pub objects: Vec<u64>,
}

/// A linear layer whose weights are independent Gaussians.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::{Device, Tensor}};
/// use firetender_uncertainty::training::{VariationalLinear, WeightDraw};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let device = Device::flex();
/// let trained = LinearConfig::new(3, 2).init(&device);
/// let layer = VariationalLinear::around(&trained, 0.1, 1.0, 0)?;
/// let input = Tensor::<2>::ones([1, 3], &device);
/// let mean = layer.forward(input.clone(), None);
/// assert_eq!(mean.into_data(), trained.forward(input.clone()).into_data());
/// let draw = WeightDraw { seed: 7, member: 0, objects: vec![0] };
/// assert_ne!(layer.forward(input.clone(), Some(&draw)).into_data(), trained.forward(input).into_data());
/// # Ok(())
/// # }
/// ```
#[derive(Module, Debug)]
pub struct VariationalLinear {
    /// Means of the weights, `[inputs, outputs]`.
    pub mean: Param<Tensor<2>>,
    /// Logarithms of their standard deviations, likewise.
    pub log_deviation: Param<Tensor<2>>,
    /// Biases, which are plain numbers.
    pub bias: Option<Param<Tensor<1>>>,
    prior: f64,
    layer: u64,
}

impl VariationalLinear {
    /// Around a trained layer's weights, with this standard deviation for each, a prior of standard deviation `prior`, and the layer's
    /// number in the network, which keeps its noise apart from other layers'.
    ///
    /// # Errors
    /// Deviations that are not positive and finite.
    pub fn around(
        layer: &Linear,
        deviation: f64,
        prior: f64,
        number: u64,
    ) -> Result<Self, UncertaintyError> {
        let mean = layer.weight.val();
        Ok(Self {
            log_deviation: Param::from_tensor(log_deviations(&mean, deviation, prior)?),
            mean: Param::from_tensor(mean.detach()),
            bias: detached(layer.bias.as_ref()),
            prior,
            layer: number,
        })
    }

    /// `[rows, outputs]` from `[rows, inputs]`: with a draw, each output is drawn from the Gaussian that the weights make of it,
    /// mean `x μ` and variance `x² σ²`; without one, its mean.
    ///
    /// # Panics
    /// If the draw names another number of objects than there are rows.
    #[must_use]
    pub fn forward(&self, input: Tensor<2>, draw: Option<&WeightDraw>) -> Tensor<2> {
        let mut output = input.clone().matmul(self.mean.val());
        if let Some(draw) = draw {
            let [rows, width] = output.dims();
            assert_eq!(
                draw.objects.len(),
                rows,
                "a draw for {} objects, but {rows} rows",
                draw.objects.len()
            );
            let variance = self.log_deviation.val().mul_scalar(2.0).exp();
            // The smallest addend that keeps the root's gradient finite where all inputs are 0.
            let deviation = input
                .powi_scalar(2)
                .matmul(variance)
                .add_scalar(1e-20)
                .sqrt();
            let noise: Vec<f32> = draw
                .objects
                .iter()
                .flat_map(|&object| {
                    let key = [draw.member, self.layer];
                    normals(
                        &mut stream(draw.seed, Purpose::Variational, key, object),
                        width,
                    )
                })
                .map(|z| z as f32)
                .collect();
            let noise = Tensor::<2>::from_data(
                TensorData::new(noise, [rows, width]),
                (&output.device(), output.dtype()),
            );
            output = output + deviation * noise;
        }
        match &self.bias {
            Some(bias) => output + bias.val().unsqueeze(),
            None => output,
        }
    }

    /// The divergence of these weights from the prior, summed, `[1]`: `Σ ½ (σ²/s² + μ²/s² − 1) − ln(σ/s)`.
    #[must_use]
    pub fn kl(&self) -> Tensor<1> {
        divergence(self.mean.val(), self.log_deviation.val(), self.prior)
    }
}

/// A convolution whose weights are independent Gaussians, drawn once for a batch.
#[derive(Module, Debug)]
pub struct VariationalConv2d {
    /// Means of the weights, `[outputs, inputs / groups, height, width]`.
    pub mean: Param<Tensor<4>>,
    /// Logarithms of their standard deviations, likewise.
    pub log_deviation: Param<Tensor<4>>,
    /// Biases, which are plain numbers.
    pub bias: Option<Param<Tensor<1>>>,
    stride: [usize; 2],
    dilation: [usize; 2],
    groups: usize,
    #[module(skip)]
    padding: PaddingConfig2d,
    prior: f64,
    layer: u64,
}

impl VariationalConv2d {
    /// Around a trained layer's weights; as [`VariationalLinear::around`].
    ///
    /// # Errors
    /// Deviations that are not positive and finite.
    pub fn around(
        layer: &Conv2d,
        deviation: f64,
        prior: f64,
        number: u64,
    ) -> Result<Self, UncertaintyError> {
        let mean = layer.weight.val();
        Ok(Self {
            log_deviation: Param::from_tensor(log_deviations(&mean, deviation, prior)?),
            mean: Param::from_tensor(mean.detach()),
            bias: detached(layer.bias.as_ref()),
            stride: layer.stride,
            dilation: layer.dilation,
            groups: layer.groups,
            padding: layer.padding.clone(),
            prior,
            layer: number,
        })
    }

    /// The convolution of `[rows, inputs, height, width]` with weights drawn for (seed, member), the same for every row; without a draw,
    /// with their means.
    #[must_use]
    pub fn forward(&self, input: Tensor<4>, draw: Option<&WeightDraw>) -> Tensor<4> {
        let mut weight = self.mean.val();
        if let Some(draw) = draw {
            let shape = weight.shape();
            let key = [draw.member, self.layer];
            // A stream that no object has.
            let mut random = stream(draw.seed, Purpose::Variational, key, u64::MAX);
            let noise = noise(&mut random, shape);
            let noise = Tensor::<4>::from_data(noise, (&weight.device(), weight.dtype()));
            weight = weight + self.log_deviation.val().exp() * noise;
        }
        // As a plain convolution: its padding rules and checks are Burn's.
        let [_, _, height, width] = weight.dims();
        let plain = Conv2d {
            weight: Param::initialized(self.mean.id, weight),
            bias: self.bias.clone(),
            stride: self.stride,
            kernel_size: [height, width],
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding.clone(),
        };
        plain.forward(input)
    }

    /// The divergence of these weights from the prior, summed, `[1]`.
    #[must_use]
    pub fn kl(&self) -> Tensor<1> {
        divergence(self.mean.val(), self.log_deviation.val(), self.prior)
    }
}

/// A bias outside any graph, for a layer of its own.
fn detached(bias: Option<&Param<Tensor<1>>>) -> Option<Param<Tensor<1>>> {
    bias.map(|bias| Param::from_tensor(bias.val().detach()))
}

fn noise(random: &mut impl rand::Rng, shape: Shape) -> TensorData {
    let values: Vec<f32> = normals(random, shape.num_elements())
        .into_iter()
        .map(|z| z as f32)
        .collect();
    TensorData::new(values, shape)
}

fn log_deviations<const D: usize>(
    mean: &Tensor<D>,
    deviation: f64,
    prior: f64,
) -> Result<Tensor<D>, UncertaintyError> {
    for (field, value) in [("deviation", deviation), ("prior", prior)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(UncertaintyError::Options {
                field,
                found: value.to_string(),
                expected: "positive and finite",
            });
        }
    }
    Ok(mean.clone().detach().full_like(deviation.ln()))
}

fn divergence<const D: usize>(mean: Tensor<D>, log_deviation: Tensor<D>, prior: f64) -> Tensor<1> {
    let inverse = 1.0 / (prior * prior);
    let variance = log_deviation.clone().mul_scalar(2.0).exp();
    let quadratic = (variance + mean.powi_scalar(2)).mul_scalar(0.5 * inverse);
    (quadratic - log_deviation)
        .add_scalar(prior.ln() - 0.5)
        .sum()
}
