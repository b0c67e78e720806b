//! Stochastic-gradient Langevin dynamics: descent that samples instead of converging.
//!
//! With a loss that is the *mean* negative log-likelihood over objects (plus weight decay), N training objects and temperature T,
//! the posterior is `exp(−N loss / T)`, and with friction α each step is
//!
//! ```text
//! v ← (1 − α) v − lr ∇loss + √(2 α lr T / N) ξ,     w ← w + v
//! ```
//!
//! α = 1 is SGLD (Welling and Teh 2011), `w ← w − lr ∇loss + √(2 lr T/N) ξ`; α < 1 is SGHMC (Chen, Fox and Guestrin 2014) with
//! momentum 1 − α. Under a cyclical rate with noise at the end of each cycle only it is cSGLD (Zhang et al. 2020).
//!
//! The noise's scale is where implementations differ: dividing it by N gives T = 1/N, by the number of batches B (the code published
//! with Ashukha et al. 2020) T = N/B², 0.082 for CIFAR. So N and T are named here, and
//! [`reference_temperature`](LangevinConfig::reference_temperature) says which T reproduces whom.
//!
//! It is an optimizer, so it sees the rate and exactly the parameters that have gradients, never running statistics. Noise is drawn on
//! the host as a function of (seed, parameter, step); the step is in the optimizer's record, so a resumed chain is the same chain.

use burn::{
    module::{Module, ParamGroup},
    optim::{LearningRate, ModuleOptimizer, Optimizer, RecordState, StateSink, StateSource},
    tensor::{Device, Tensor, TensorData},
};

use super::{
    noise::{Purpose, normals, stream},
    space::WeightSpace,
};
use crate::UncertaintyError;

/// When noise is added: in the last `noisy` steps of each `cycle`, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoisyEnd {
    /// Steps in a cycle.
    pub cycle: u64,
    /// Those at its end that add noise.
    pub noisy: u64,
}

impl NoisyEnd {
    /// Whether this step, counted from 0, adds noise.
    #[must_use]
    pub fn is_noisy(&self, step: u64) -> bool {
        step % self.cycle.max(1) >= self.cycle.saturating_sub(self.noisy)
    }
}

/// Settings of a Langevin sampler.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LangevinConfig {
    /// N: training objects over which the loss is a mean.
    pub objects: u64,
    /// T: 1 samples the posterior, less is a cold posterior, 0 is plain descent.
    pub temperature: f64,
    /// α: 1 for SGLD, below for SGHMC with momentum 1 − α.
    pub friction: f64,
    /// Coupled L2 penalty: adds `weight_decay · w` to the gradient, a Gaussian prior of variance `T/(N · weight_decay)`.
    pub weight_decay: f64,
    /// Noise in part of each cycle only; always where `None`.
    pub window: Option<NoisyEnd>,
}

impl LangevinConfig {
    /// SGLD at temperature 1 without weight decay.
    #[must_use]
    pub fn new(objects: u64) -> Self {
        Self {
            objects,
            temperature: 1.0,
            friction: 1.0,
            weight_decay: 0.0,
            window: None,
        }
    }

    /// The temperature at which the code published with Ashukha et al. (2020) really samples: `N/B²` for B batches an epoch.
    ///
    /// ```
    /// use firetender_uncertainty::training::LangevinConfig;
    /// let temperature = LangevinConfig::reference_temperature(50_000, 782);
    /// assert!((temperature - 0.0818).abs() < 1e-4);
    /// ```
    #[must_use]
    pub fn reference_temperature(objects: u64, batches: u64) -> f64 {
        objects as f64 / (batches as f64 * batches as f64)
    }

    /// An optimizer for this module, with a stream of noise of its own for each weight tensor. Make one for each chain; to resume, make
    /// it for the module as loaded and `load_record` its state.
    ///
    /// # Errors
    /// Settings out of range; a module without trained parameters.
    ///
    /// ```
    /// use burn::{nn::LinearConfig, optim::GradientsParams, tensor::{Device, Tensor}};
    /// use firetender_uncertainty::training::LangevinConfig;
    /// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
    /// let device = Device::flex().autodiff();
    /// let mut model = LinearConfig::new(3, 1).init(&device);
    /// let mut optimizer = LangevinConfig::new(1000).init(&model, 7)?;
    /// let loss = model.forward(Tensor::<2>::ones([4, 3], &device)).powi_scalar(2).mean();
    /// let gradients = GradientsParams::from_grads(loss.backward(), &model);
    /// model = optimizer.step(0.01, model, gradients);
    /// # Ok(())
    /// # }
    /// ```
    pub fn init<M: Module>(
        &self,
        module: &M,
        seed: u64,
    ) -> Result<ModuleOptimizer, UncertaintyError> {
        let space = WeightSpace::of(module)?;
        // By path and not by id: ids change when a record is loaded.
        let mut optimizer = ModuleOptimizer::from(self.build(seed, u64::MAX)?);
        for (number, entry) in space.entries().iter().enumerate() {
            let group = ParamGroup::from_path(entry.path.clone());
            optimizer = optimizer.with_group(group, self.build(seed, number as u64)?, None);
        }
        Ok(optimizer)
    }

    /// The bare optimizer of one parameter, whose noise is stream number `parameter` of this seed.
    ///
    /// # Errors
    /// Settings out of range.
    pub fn build(&self, seed: u64, parameter: u64) -> Result<Langevin, UncertaintyError> {
        let checks = [
            ("temperature", self.temperature, 0.0, f64::MAX),
            ("friction", self.friction, f64::MIN_POSITIVE, 1.0),
            ("weight_decay", self.weight_decay, 0.0, f64::MAX),
        ];
        for (field, value, least, most) in checks {
            if !(least..=most).contains(&value) {
                return Err(UncertaintyError::Options {
                    field,
                    found: value.to_string(),
                    expected: "0 or more, finite; friction above 0 and at most 1",
                });
            }
        }
        if self.objects == 0 {
            return Err(UncertaintyError::Empty {
                what: "training objects",
            });
        }
        if let Some(window) = self.window
            && (window.cycle == 0 || window.noisy > window.cycle)
        {
            return Err(UncertaintyError::Options {
                field: "window",
                found: format!("{} of {} steps", window.noisy, window.cycle),
                expected: "a part of a cycle of at least one step",
            });
        }
        Ok(Langevin {
            config: *self,
            seed,
            parameter,
        })
    }
}

/// The optimizer that [`LangevinConfig`] makes, for use in a group of Burn's `ModuleOptimizer`.
#[derive(Debug, Clone)]
pub struct Langevin {
    config: LangevinConfig,
    seed: u64,
    parameter: u64,
}

/// What a [`Langevin`] chain remembers of one parameter: its velocity, its stream of noise, its step.
#[derive(Debug, Clone)]
pub struct LangevinState<const D: usize> {
    velocity: Option<Tensor<D>>,
    parameter: u64,
    step: u64,
}

impl Optimizer for Langevin {
    type State<const D: usize> = LangevinState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let config = &self.config;
        let state = state.unwrap_or(LangevinState {
            velocity: None,
            parameter: self.parameter,
            step: 0,
        });
        let grad = if config.weight_decay > 0.0 {
            grad + tensor.clone().mul_scalar(config.weight_decay)
        } else {
            grad
        };
        let mut velocity = grad.mul_scalar(-lr);
        if let Some(before) = state.velocity {
            velocity = velocity + before.mul_scalar(1.0 - config.friction);
        }
        let noisy = config
            .window
            .is_none_or(|window| window.is_noisy(state.step));
        let deviation =
            (2.0 * config.friction * lr * config.temperature / config.objects as f64).sqrt();
        if noisy && deviation > 0.0 {
            let mut random = stream(
                self.seed,
                Purpose::Langevin,
                [state.step, 0],
                state.parameter,
            );
            let shape = tensor.shape();
            let values: Vec<f32> = normals(&mut random, shape.num_elements())
                .into_iter()
                .map(|z| (deviation * z) as f32)
                .collect();
            let noise = Tensor::from_data(
                TensorData::new(values, shape),
                (&tensor.device(), tensor.dtype()),
            );
            velocity = velocity + noise;
        }
        let next = LangevinState {
            // Overdamped dynamics have no memory.
            velocity: (config.friction < 1.0).then(|| velocity.clone()),
            parameter: state.parameter,
            step: state.step + 1,
        };
        (tensor + velocity, Some(next))
    }

    fn to_device<const D: usize>(mut state: Self::State<D>, device: &Device) -> Self::State<D> {
        state.velocity = state.velocity.map(|velocity| velocity.to_device(device));
        state
    }
}

// By hand: Burn's derive names crates that only Burn sees.
impl<const D: usize> RecordState for LangevinState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        if let Some(velocity) = &self.velocity {
            out.push_tensor(prefix, "velocity", velocity.clone().into_data());
        }
        out.push_scalar(prefix, "parameter", self.parameter.into());
        out.push_scalar(prefix, "step", self.step.into());
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        let velocity = src.take_tensor(prefix, "velocity").map(|data| {
            let dtype = data.dtype();
            Tensor::from_data(data, (device, dtype))
        });
        Some(Self {
            velocity,
            parameter: src.take_scalar(prefix, "parameter")?.try_into().ok()?,
            step: src.take_scalar(prefix, "step")?.try_into().ok()?,
        })
    }
}
