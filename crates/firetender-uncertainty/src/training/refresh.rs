//! Batch normalisation's running statistics, estimated anew for weights that no training pass has seen.
//!
//! An averaged or sampled network needs it: the statistics of the run it comes from belong to other weights. One pass over training
//! data in training mode, in which a batch of b objects enters with momentum b/(n + b), n being the objects before it: the
//! plain mean over objects of each batch's statistics.

use burn::{module::Module, nn::BatchNorm, tensor::Tensor};

use crate::UncertaintyError;

/// A module that can show its batch normalisations. Burn's mappers reach their tensors but not their momentum, so a model says
/// itself where they are:
///
/// ```
/// use burn::{module::Module, nn::{BatchNorm, Linear}};
/// use firetender_uncertainty::training::HasBatchNorm;
///
/// #[derive(Module, Debug)]
/// struct Model {
///     linear: Linear,
///     norm: BatchNorm,
/// }
///
/// impl HasBatchNorm for Model {
///     fn batch_norms(&mut self, visit: &mut dyn FnMut(&mut BatchNorm)) {
///         visit(&mut self.norm);
///     }
/// }
/// ```
pub trait HasBatchNorm: Module {
    /// Calls `visit` on every batch normalisation, always in the same order.
    fn batch_norms(&mut self, visit: &mut dyn FnMut(&mut BatchNorm));
}

/// A copy of a network, in evaluation mode, whose running statistics are those of these batches.
///
/// `forward` runs the network on one batch, on a device with autodiff (batch normalisation trains nowhere else), and returns how many
/// objects were in it; what it computes is thrown away and no gradients are tracked. Frozen normalisations stay as they
/// are; dropout is active, as in training. Burn's variance is the biased one of each batch, PyTorch's the unbiased one.
///
/// # Errors
/// Without batches; an empty batch; if a batch left statistics unchanged, which is what happens on a device without autodiff.
///
/// ```
/// # use burn::{module::Module, nn::{BatchNorm, BatchNormConfig}, tensor::{Device, Tensor}};
/// # use firetender_uncertainty::training::{HasBatchNorm, refresh_batch_norm};
/// # #[derive(Module, Debug)]
/// # struct Model { norm: BatchNorm }
/// # impl HasBatchNorm for Model {
/// #     fn batch_norms(&mut self, visit: &mut dyn FnMut(&mut BatchNorm)) { visit(&mut self.norm); }
/// # }
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let device = Device::flex().autodiff();
/// let model = Model { norm: BatchNormConfig::new(1).init(&device) };
/// let batches = [vec![[1.0_f32], [3.0]], vec![[8.0]]];
/// let fresh = refresh_batch_norm(&model, batches, |model, batch| {
///     let rows = batch.len();
///     let values: Vec<f32> = batch.into_iter().flatten().collect();
///     let input = Tensor::<1>::from_floats(values.as_slice(), &device);
///     model.norm.forward(input.reshape([rows, 1]));
///     rows
/// })?;
/// // The mean of all three objects.
/// let mean: Vec<f32> = fresh.norm.running_mean.value().try_into_vec_as().unwrap();
/// assert!((mean[0] - 4.0).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
pub fn refresh_batch_norm<M: HasBatchNorm, B>(
    model: &M,
    batches: impl IntoIterator<Item = B>,
    mut forward: impl FnMut(&M, B) -> usize,
) -> Result<M, UncertaintyError> {
    // `valid()` gives running statistics of their own, `train()` the flags back; no weight needs a gradient.
    let mut work = model.valid().train().no_grad();
    let mut momenta = vec![];
    work.batch_norms(&mut |norm| {
        momenta.push(norm.momentum);
        if norm.training.is_enabled() {
            // From nothing: with momentum 1 a NaN left by a diverged run would survive as 0 · NaN.
            let mean = norm.running_mean.value_sync();
            norm.running_mean.update(mean.zeros_like());
            norm.running_mean.value_sync();
            norm.running_var.update(mean.ones_like());
            norm.running_var.value_sync();
        }
    });
    let mut seen = 0_usize;
    for batch in batches {
        // The size is known only after the pass, so the statistics of the batch alone are taken and merged here.
        let before = statistics(&mut work);
        work.batch_norms(&mut |norm| norm.momentum = 1.0);
        let rows = forward(&work, batch);
        if rows == 0 {
            return Err(UncertaintyError::Empty {
                what: "objects of a batch for batch normalisation",
            });
        }
        let part = rows as f64 / (seen + rows) as f64;
        let mut place = 0;
        let mut unchanged = false;
        work.batch_norms(&mut |norm| {
            if norm.training.is_enabled() {
                let (mean, variance) = before[place].clone();
                let new_mean = norm.running_mean.value_sync();
                let new_variance = norm.running_var.value_sync();
                if seen == 0 {
                    unchanged |= same(&mean, &new_mean) && same(&variance, &new_variance);
                }
                norm.running_mean.update(blend(mean, new_mean, part));
                norm.running_var.update(blend(variance, new_variance, part));
            }
            place += 1;
        });
        if unchanged {
            return Err(UncertaintyError::Options {
                field: "device",
                found: "batch normalisation did not see the batch".to_owned(),
                expected: "inputs on a device with autodiff, passed through every normalisation",
            });
        }
        seen += rows;
    }
    if seen == 0 {
        return Err(UncertaintyError::Empty {
            what: "batches for batch normalisation",
        });
    }
    let mut momenta = momenta.into_iter();
    work.batch_norms(&mut |norm| {
        if let Some(momentum) = momenta.next() {
            norm.momentum = momentum;
        }
    });
    Ok(work.valid())
}

fn statistics<M: HasBatchNorm>(model: &mut M) -> Vec<(Tensor<1>, Tensor<1>)> {
    let mut found = vec![];
    model.batch_norms(&mut |norm| {
        found.push((
            norm.running_mean.value_sync(),
            norm.running_var.value_sync(),
        ));
    });
    found
}

fn blend(old: Tensor<1>, new: Tensor<1>, part: f64) -> Tensor<1> {
    old.mul_scalar(1.0 - part) + new.mul_scalar(part)
}

fn same(left: &Tensor<1>, right: &Tensor<1>) -> bool {
    left.to_data() == right.to_data()
}
