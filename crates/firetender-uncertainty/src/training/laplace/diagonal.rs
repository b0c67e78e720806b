//! A Gaussian with one variance for each weight, from squared gradients of single objects (the diagonal of the empirical Fisher
//! matrix, in place of the Hessian's).
//!
//! Burn's autodiff sums over a batch, and the square of a sum is not the sum of squares, so this runs one object at a time: some
//! thousand objects are enough, scaled up to the whole data set. Labels drawn from the model's own predictions instead of the true ones
//! give the Fisher matrix proper; the loss closure decides.

use burn::{
    module::Module,
    optim::GradientsParams,
    tensor::{DType, Tensor},
};

use crate::{
    UncertaintyError,
    training::{
        dropout::switch_training_off,
        noise::{Purpose, normals, stream},
        record::StateRecord,
        space::{WeightSpace, factor, finite, host},
    },
};

/// Weights `trained + scale · z / √(N/n · Σ g² + prior)` with n objects seen of N.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::{Device, Tensor}};
/// use firetender_uncertainty::training::{DiagonalLaplace, WeightSpace};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let device = Device::flex().autodiff();
/// let model = LinearConfig::new(2, 1).init(&device);
/// let space = WeightSpace::of(&model)?;
/// let data = [[1.0_f32, 2.0], [0.0, -1.0]];
/// let posterior = DiagonalLaplace::fit(&model, &space, data.len() as u64, 1.0, data, |model, row| {
///     model.forward(Tensor::<1>::from_floats(row, &device).unsqueeze::<2>()).powi_scalar(2).sum()
/// })?;
/// let member = posterior.sample(&model, 7, 0)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DiagonalLaplace {
    space: WeightSpace,
    trained: Vec<f64>,
    precision: Vec<f64>,
    scale: f64,
}

impl DiagonalLaplace {
    /// Around the live training module, with batch normalisation and dropout as in evaluation. `loss` is the negative
    /// log-likelihood of one object (a sum, not a mean); `total` is N, the size of the data set that `objects` is a part of.
    ///
    /// # Errors
    /// Without objects; a prior that is not positive and finite; gradients that are not.
    pub fn fit<M: Module, O>(
        model: &M,
        space: &WeightSpace,
        total: u64,
        prior: f64,
        objects: impl IntoIterator<Item = O>,
        mut loss: impl FnMut(&M, O) -> Tensor<1>,
    ) -> Result<Self, UncertaintyError> {
        if !(prior > 0.0 && prior.is_finite()) {
            return Err(UncertaintyError::Options {
                field: "prior",
                found: prior.to_string(),
                expected: "positive and finite",
            });
        }
        // A copy of its own: flags are switched off in it.
        let still = switch_training_off(model.valid().train());
        let own = WeightSpace::of(&still)?;
        let trained = space.read(&still)?;
        let ids: Vec<_> = space
            .entries()
            .iter()
            .map(|entry| own.entries().iter().find(|other| other.path == entry.path))
            .collect();
        let mut squares: Vec<Option<Tensor<1>>> = vec![None; ids.len()];
        let mut count = 0_u64;
        for object in objects {
            let gradients = GradientsParams::from_grads(loss(&still, object).backward(), &still);
            for (sum, entry) in squares.iter_mut().zip(&ids) {
                let Some(entry) = entry else { continue };
                let Some(gradient) = flat(&gradients, entry) else {
                    continue;
                };
                let square = gradient.powi_scalar(2);
                *sum = Some(match sum.take() {
                    Some(sum) => sum + square,
                    None => square,
                });
            }
            count += 1;
        }
        if count == 0 {
            return Err(UncertaintyError::Empty {
                what: "objects for the curvature",
            });
        }
        let more = total as f64 / count as f64;
        let mut precision = Vec::with_capacity(space.weights());
        for (sum, entry) in squares.into_iter().zip(space.entries()) {
            match sum {
                Some(sum) => precision.extend(host(sum)?.iter().map(|g| more * g + prior)),
                // A weight that the loss does not depend on has its prior alone.
                None => precision.extend(std::iter::repeat_n(prior, entry.shape.iter().product())),
            }
        }
        finite(&precision, |at| format!("curvature of weight {at}"))?;
        Ok(Self {
            space: space.clone(),
            trained,
            precision,
            scale: 1.0,
        })
    }

    /// Deviations from the trained weights times this factor; 1 is the posterior.
    ///
    /// # Errors
    /// A negative factor, or one that is not finite.
    pub fn with_scale(self, scale: f64) -> Result<Self, UncertaintyError> {
        let scale = factor("scale", scale)?;
        Ok(Self { scale, ..self })
    }

    /// The precision (one over the variance) of each weight, prior included.
    #[must_use]
    pub fn precision(&self) -> &[f64] {
        &self.precision
    }

    /// Weights number `index` of this seed.
    #[must_use]
    pub fn sample_weights(&self, seed: u64, index: u64) -> Vec<f64> {
        let mut random = stream(seed, Purpose::Laplace, [index, 1], 0);
        normals(&mut random, self.trained.len())
            .into_iter()
            .zip(self.trained.iter().zip(&self.precision))
            .map(|(z, (trained, precision))| trained + self.scale * z / precision.sqrt())
            .collect()
    }

    /// Network number `index` of this seed, in evaluation mode, with the template's running statistics.
    ///
    /// # Errors
    /// A template without these weights.
    pub fn sample<M: Module>(
        &self,
        template: &M,
        seed: u64,
        index: u64,
    ) -> Result<M, UncertaintyError> {
        self.space
            .write(template.valid(), &self.sample_weights(seed, index))
    }

    /// Networks without end, as [`sample`](Self::sample) makes them.
    pub fn samples<'a, M: Module>(
        &'a self,
        template: &'a M,
        seed: u64,
    ) -> impl Iterator<Item = Result<M, UncertaintyError>> + 'a {
        let weights = move |index| Ok(self.sample_weights(seed, index));
        self.space.members(template, weights)
    }

    /// What [`resume`](Self::resume) needs.
    #[must_use]
    pub fn to_record(&self) -> StateRecord {
        StateRecord::new("diagonal laplace", &self.space)
            .with_number("scale", self.scale)
            .with_list("trained", &self.trained)
            .with_list("precision", &self.precision)
    }

    /// The posterior of a record.
    ///
    /// # Errors
    /// A record of something else or of other weights.
    pub fn resume(space: &WeightSpace, record: &StateRecord) -> Result<Self, UncertaintyError> {
        record.expect("diagonal laplace", space)?;
        let length = space.weights();
        let posterior = Self {
            space: space.clone(),
            trained: record.list("trained", length)?,
            precision: record.list("precision", length)?,
            scale: 1.0,
        };
        if let Some(at) = posterior.precision.iter().position(|&value| value <= 0.0) {
            return Err(UncertaintyError::Mismatch {
                place: format!("record, precision[{at}]"),
                field: "value",
                found: posterior.precision[at].to_string(),
                expected: "a positive number".to_owned(),
            });
        }
        posterior.with_scale(record.number("scale")?)
    }
}

/// The gradient of one weight as a flat list of 32-bit floats, where the loss depends on it.
fn flat(
    gradients: &GradientsParams,
    entry: &super::super::space::WeightEntry,
) -> Option<Tensor<1>> {
    let count: usize = entry.shape.iter().product();
    // Gradients are kept by rank.
    let tensor = match entry.shape.len() {
        1 => gradients.get::<1>(entry.id)?,
        2 => gradients.get::<2>(entry.id)?.reshape([count]),
        3 => gradients.get::<3>(entry.id)?.reshape([count]),
        4 => gradients.get::<4>(entry.id)?.reshape([count]),
        5 => gradients.get::<5>(entry.id)?.reshape([count]),
        6 => gradients.get::<6>(entry.id)?.reshape([count]),
        _ => return None,
    };
    Some(tensor.without_autodiff().cast(DType::F32))
}
