//! Averages of weights along a training: the equal one (SWA) and the exponential one (EMA).
//!
//! Both keep a detached shadow of the trained weights in 32-bit floats (whatever the model's own type, so that half precision
//! does not swallow small steps), on the model's device and moving with it. Neither averages running statistics: those of an
//! averaged network are nobody's, and have to be estimated anew with [`refresh_batch_norm`](super::refresh_batch_norm) before the
//! network is used.

use burn::{
    module::Module,
    tensor::{DType, Device, Tensor, TensorData},
};

use super::{
    record::StateRecord,
    space::{WeightSpace, host},
};
use crate::UncertaintyError;

/// Stochastic weight averaging (Izmailov et al. 2018): the mean of the weights collected so far.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use firetender_uncertainty::training::{Swa, WeightSpace};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let model = LinearConfig::new(2, 1).init(&Device::flex().autodiff());
/// let space = WeightSpace::of(&model)?;
/// let mut average = Swa::new(&space);
/// for value in [1.0, 2.0, 6.0] {
///     average.update(&space.write(model.clone(), &[value; 3])?)?;
/// }
/// assert_eq!(space.read(&average.module(&model)?)?, [3.0; 3]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Swa(Shadow);

impl Swa {
    /// Nothing averaged yet.
    #[must_use]
    pub fn new(space: &WeightSpace) -> Self {
        Self(Shadow::new(space))
    }

    /// Takes the model's present weights into the mean.
    ///
    /// # Errors
    /// A module without these weights.
    pub fn update<M: Module>(&mut self, model: &M) -> Result<(), UncertaintyError> {
        let part = 1.0 / (self.0.count as f64 + 1.0);
        self.0.towards(model, part)
    }

    /// How many were averaged.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.count
    }

    /// The averaged network in evaluation mode. Its running statistics are those of the template: refresh them before use.
    ///
    /// # Errors
    /// Before the first [`update`](Self::update); a template without these weights.
    pub fn module<M: Module>(&self, template: &M) -> Result<M, UncertaintyError> {
        self.0.module(template)
    }

    /// What [`resume`](Self::resume) needs.
    ///
    /// # Errors
    /// A device that cannot be read.
    pub fn to_record(&self) -> Result<StateRecord, UncertaintyError> {
        self.0.to_record("swa")
    }

    /// Goes on from a record.
    ///
    /// # Errors
    /// A record of something else or of other weights.
    pub fn resume(
        space: &WeightSpace,
        record: &StateRecord,
        device: &Device,
    ) -> Result<Self, UncertaintyError> {
        Ok(Self(Shadow::resume("swa", space, record, device)?))
    }
}

/// The exponential moving average of the weights: after update t (from 1), `shadow ← d shadow + (1 − d) weights` with
/// `d = min(decay, (1 + t)/(10 + t))`, which warms up (as TensorFlow's average does); the first update copies.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use firetender_uncertainty::training::{Ema, WeightSpace};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let model = LinearConfig::new(2, 1).init(&Device::flex().autodiff());
/// let space = WeightSpace::of(&model)?;
/// let mut average = Ema::new(&space, 0.5)?.without_warm_up();
/// average.update(&space.write(model.clone(), &[1.0; 3])?)?;
/// average.update(&space.write(model.clone(), &[3.0; 3])?)?;
/// assert_eq!(space.read(&average.module(&model)?)?, [2.0; 3]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Ema {
    shadow: Shadow,
    decay: f64,
    warm_up: bool,
}

impl Ema {
    /// Nothing averaged yet; `decay` is typically 0.99 to 0.9999.
    ///
    /// # Errors
    /// Unless `0 ≤ decay < 1`.
    pub fn new(space: &WeightSpace, decay: f64) -> Result<Self, UncertaintyError> {
        if !(0.0..1.0).contains(&decay) {
            return Err(UncertaintyError::Options {
                field: "decay",
                found: decay.to_string(),
                expected: "at least 0 and below 1",
            });
        }
        Ok(Self {
            shadow: Shadow::new(space),
            decay,
            warm_up: true,
        })
    }

    /// The full decay from the second update on.
    #[must_use]
    pub fn without_warm_up(self) -> Self {
        Self {
            warm_up: false,
            ..self
        }
    }

    /// Takes the model's present weights into the average.
    ///
    /// # Errors
    /// A module without these weights.
    pub fn update<M: Module>(&mut self, model: &M) -> Result<(), UncertaintyError> {
        let step = self.shadow.count as f64 + 1.0;
        let decay = if self.warm_up {
            self.decay.min((1.0 + step) / (10.0 + step))
        } else {
            self.decay
        };
        let part = if self.shadow.count == 0 {
            1.0
        } else {
            1.0 - decay
        };
        self.shadow.towards(model, part)
    }

    /// How many updates there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shadow.count
    }

    /// The averaged network in evaluation mode. Its running statistics are those of the template: refresh them before use.
    ///
    /// # Errors
    /// Before the first [`update`](Self::update); a template without these weights.
    pub fn module<M: Module>(&self, template: &M) -> Result<M, UncertaintyError> {
        self.shadow.module(template)
    }

    /// What [`resume`](Self::resume) needs: the average, its count, decay and warm-up.
    ///
    /// # Errors
    /// A device that cannot be read.
    pub fn to_record(&self) -> Result<StateRecord, UncertaintyError> {
        let record = self.shadow.to_record("ema")?;
        Ok(record
            .with_number("decay", self.decay)
            .with_number("warm_up", f64::from(u8::from(self.warm_up))))
    }

    /// Goes on from a record.
    ///
    /// # Errors
    /// A record of something else or of other weights.
    pub fn resume(
        space: &WeightSpace,
        record: &StateRecord,
        device: &Device,
    ) -> Result<Self, UncertaintyError> {
        let shadow = Shadow::resume("ema", space, record, device)?;
        Ok(Self {
            shadow,
            warm_up: record.count("warm_up")? != 0,
            ..Self::new(space, record.number("decay")?)?
        })
    }
}

/// Weights off the graph that follow the model's.
#[derive(Debug, Clone)]
struct Shadow {
    space: WeightSpace,
    values: Vec<Tensor<1>>,
    count: u64,
}

impl Shadow {
    fn new(space: &WeightSpace) -> Self {
        Self {
            space: space.clone(),
            values: vec![],
            count: 0,
        }
    }

    /// Moves this part of the way to the model's weights.
    fn towards<M: Module>(&mut self, model: &M, part: f64) -> Result<(), UncertaintyError> {
        let present = self.space.tensors(model)?;
        self.values = if self.count == 0 {
            present
                .into_iter()
                .map(|tensor| tensor.cast(DType::F32))
                .collect()
        } else {
            std::mem::take(&mut self.values)
                .into_iter()
                .zip(present)
                .map(|(shadow, tensor)| {
                    let shadow = shadow.to_device(&tensor.device());
                    let step = (tensor.cast(DType::F32) - shadow.clone()).mul_scalar(part);
                    shadow + step
                })
                .collect()
        };
        self.count += 1;
        Ok(())
    }

    fn module<M: Module>(&self, template: &M) -> Result<M, UncertaintyError> {
        if self.count == 0 {
            return Err(UncertaintyError::Empty {
                what: "averaged weights",
            });
        }
        self.space
            .with_tensors(template.valid(), self.values.clone())
    }

    fn to_record(&self, kind: &str) -> Result<StateRecord, UncertaintyError> {
        let mut record =
            StateRecord::new(kind, &self.space).with_number("count", self.count as f64);
        for (entry, tensor) in self.space.entries().iter().zip(&self.values) {
            record = record.with_list(&entry.path, &host(tensor.clone())?);
        }
        Ok(record)
    }

    fn resume(
        kind: &str,
        space: &WeightSpace,
        record: &StateRecord,
        device: &Device,
    ) -> Result<Self, UncertaintyError> {
        record.expect(kind, space)?;
        let count = record.count("count")?;
        let device = device.clone().without_autodiff();
        let values = if count == 0 {
            vec![]
        } else {
            space
                .entries()
                .iter()
                .map(|entry| {
                    let length = entry.shape.iter().product();
                    let values: Vec<f32> = record
                        .list(&entry.path, length)?
                        .iter()
                        .map(|&value| value as f32)
                        .collect();
                    Ok(Tensor::from_data(
                        TensorData::new(values, [length]),
                        (&device, DType::F32),
                    ))
                })
                .collect::<Result<_, UncertaintyError>>()?
        };
        Ok(Self {
            space: space.clone(),
            values,
            count,
        })
    }
}
