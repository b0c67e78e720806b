//! Fused passes over values that lie in host memory, for inference on Burn's CPU backend.
//!
//! That backend is fast at matrix products, but runs everything else as one single-threaded pass over memory for each
//! operation: a norm is six of them, a rotation nine with four copies, and its attention scores the keys that a causal model must
//! not see before it hides them. Here each is one pass, spread over the threads of rayon's pool, and attention leaves out what is
//! hidden. Taking a tensor's values and making a tensor of them again copies nothing on that backend as long as the tensor has one
//! owner, so the libraries still depend on no backend.
//!
//! When: `f32`, no gradients, values in host memory ([`fits`]). Otherwise the callers compose tensor operations, which is also what
//! these functions are checked against. Rows are independent of each other and each is summed in one fixed order, so results
//! do not depend on the number of threads, nor on the processor's vector width (no fused multiply-add).

mod attend;
mod exp;
mod gate;
mod memory;
mod norm;
mod rows;
mod turn;

use burn::tensor::{DType, Device, Tensor};

pub(crate) use attend::attend;
pub(crate) use gate::{gelu, gelu_tanh, silu_times};
pub(crate) use memory::{keep_freed_memory, transposed};
pub(crate) use norm::{layer_norm, rms_norm};
pub(crate) use turn::turn;

/// Whether a device keeps its values in host memory, where reading them is free.
///
/// Burn has no question for that; the name of its CPU backend is the only public sign of it. An unknown name means tensor
/// operations: slower there, never wrong.
pub(crate) fn is_host(device: &Device) -> bool {
    format!("{device:?}").starts_with("Device<Flex(")
}

/// Whether a tensor of a host device can be worked on here: 32-bit floats that no gradient has to pass through.
pub(crate) fn fits<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && !tensor.device().is_autodiff()
}

/// Changes a tensor's values, in place if it has no other owner.
fn edit<const D: usize>(tensor: Tensor<D>, change: impl FnOnce(&mut [f32])) -> Tensor<D> {
    let device = tensor.device();
    let mut data = tensor.into_data();
    #[expect(clippy::expect_used, reason = "`fits` was asked")]
    change(data.as_mut_slice().expect("32-bit floats"));
    Tensor::from_data(data, (&device, DType::F32))
}

#[cfg(test)]
mod tests;
