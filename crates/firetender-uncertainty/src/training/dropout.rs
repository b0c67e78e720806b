//! Dropout as a sampler (Gal and Ghahramani 2016): the same network, another mask, another prediction.
//!
//! Burn's dropout draws from the device's generator, in the order of calls, on whatever is on that device. [`McDropout`] is a layer with
//! a switch of its own, the [`DropoutDraw`]: its mask is a function of (seed, member, object, layer), so that a member can be
//! evaluated again, in other batches, on another device, and be the same member. For networks that have Burn's layer
//! already there is [`switch_dropout_on`].

use burn::{
    module::{Flag, Module, ModuleMapper, Param},
    tensor::{Tensor, TensorData},
};
use rand::Rng;

use super::noise::{Purpose, stream};
use crate::UncertaintyError;

/// What is dropped together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Every value for itself.
    Value,
    /// Whole channels (the second axis).
    Channel,
}

/// Which masks: those of one member, for these objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropoutDraw {
    /// Seed of the whole ensemble.
    pub seed: u64,
    /// Member of the ensemble; in training, the step.
    pub member: u64,
    /// The object of each row of the batch: its number in the data set, so that batching does not matter.
    pub objects: Vec<u64>,
}

impl DropoutDraw {
    /// For objects that follow each other.
    #[must_use]
    pub fn of_range(seed: u64, member: u64, objects: std::ops::Range<u64>) -> Self {
        Self {
            seed,
            member,
            objects: objects.collect(),
        }
    }
}

/// Dropout that is active exactly when it is given a [`DropoutDraw`], in training and at test time alike.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use firetender_uncertainty::training::{DropoutDraw, Grain, McDropout};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let layer = McDropout::new(0.5, 0, Grain::Value)?;
/// let input = Tensor::<2>::ones([2, 8], &Device::flex());
/// assert_eq!(layer.forward(input.clone(), None).into_data(), input.to_data());
/// let draw = DropoutDraw::of_range(7, 0, 0..2);
/// let once = layer.forward(input.clone(), Some(&draw)).into_data();
/// assert_ne!(once, input.to_data());
/// assert_eq!(once, layer.forward(input, Some(&draw)).into_data());
/// # Ok(())
/// # }
/// ```
#[derive(Module, Debug)]
pub struct McDropout {
    probability: f64,
    layer: u64,
    #[module(skip)]
    grain: Grain,
}

impl McDropout {
    /// With this probability of dropping, and this layer's number in the network, which keeps its masks apart from other layers'.
    ///
    /// # Errors
    /// Unless `0 ≤ probability < 1`.
    pub fn new(probability: f64, layer: u64, grain: Grain) -> Result<Self, UncertaintyError> {
        if !(0.0..1.0).contains(&probability) {
            return Err(UncertaintyError::Options {
                field: "probability",
                found: probability.to_string(),
                expected: "at least 0 and below 1",
            });
        }
        Ok(Self {
            probability,
            layer,
            grain,
        })
    }

    /// The input `[rows, …]` unchanged without a draw; with one, values dropped by the row's mask and the rest scaled up by
    /// `1/(1 − probability)`.
    ///
    /// # Panics
    /// If the draw names another number of objects than there are rows, or the input has no second axis to drop channels of.
    #[must_use]
    pub fn forward<const D: usize>(
        &self,
        input: Tensor<D>,
        draw: Option<&DropoutDraw>,
    ) -> Tensor<D> {
        let Some(draw) = draw.filter(|_| self.probability > 0.0) else {
            return input;
        };
        let dims = input.dims();
        assert_eq!(
            draw.objects.len(),
            dims[0],
            "a dropout draw for {} objects, but {} rows",
            draw.objects.len(),
            dims[0]
        );
        let mut shape = dims;
        if self.grain == Grain::Channel {
            assert!(
                D >= 2,
                "channels are the second axis of an input, and there is none"
            );
            shape[2..].fill(1);
        }
        let width: usize = shape[1..].iter().product();
        // Out of 2^32: exact enough for any probability worth having.
        let dropped = (self.probability * 4_294_967_296.0) as u64;
        let kept = (1.0 / (1.0 - self.probability)) as f32;
        let mut mask = Vec::with_capacity(dims[0] * width);
        for &object in &draw.objects {
            let key = [draw.member, self.layer];
            let mut random = stream(draw.seed, Purpose::Dropout, key, object);
            mask.extend((0..width).map(|_| {
                if u64::from(random.next_u32()) < dropped {
                    0.0
                } else {
                    kept
                }
            }));
        }
        let mask = Tensor::<D>::from_data(
            TensorData::new(mask, shape),
            (&input.device(), input.dtype()),
        );
        input * mask
    }
}

/// A copy of a model in evaluation mode in which Burn's own `Dropout` layers are active, and nothing else is.
///
/// They drop only on inputs that are on a device with autodiff, so give it such inputs; no gradients are tracked. The masks come from the
/// device's generator: for masks that can be repeated use [`McDropout`].
#[must_use]
pub fn switch_dropout_on<M: Module>(model: &M) -> M {
    model.valid().map(&mut Switch {
        containers: vec![],
        inside: Some("Struct:Dropout"),
        value: true,
    })
}

/// The model with every training flag off but its weights still trained: batch normalisation and dropout behave as in evaluation
/// while gradients flow, which is what posterior approximations around a trained network need.
#[must_use]
pub fn switch_training_off<M: Module>(model: M) -> M {
    model.map(&mut Switch {
        containers: vec![],
        inside: None,
        value: false,
    })
}

struct Switch {
    containers: Vec<String>,
    inside: Option<&'static str>,
    value: bool,
}

impl ModuleMapper for Switch {
    fn enter_module(&mut self, _name: &str, container_type: &str) {
        self.containers.push(container_type.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.containers.pop();
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        let meant = self
            .inside
            .is_none_or(|wanted| self.containers.last().is_some_and(|found| found == wanted));
        if meant {
            flag.with_value(self.value)
        } else {
            flag
        }
    }
}
