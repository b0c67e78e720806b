//! The parts that all architectures share: norms, feed-forward, and the block that joins them with attention.
//!
//! What differs between Llama, Qwen2, GPT-2 and GPT-NeoX is read from [`ModelConfig`]; there is one implementation of each part.

use burn::{
    module::Module,
    nn::{LayerNorm, Linear, RmsNorm},
    tensor::{
        Tensor,
        activation::{gelu, gelu_approximate, relu, silu},
    },
};
use firetender_hooks::{Intervene, Pass, Site, visit};

use crate::{Activation, Attention, KvCache, ModelConfig, Residual, host, layout::Layout};

/// Either normalisation.
#[derive(Module, Debug)]
pub enum Norm {
    /// Root mean square.
    Rms(RmsNorm),
    /// Mean and variance.
    Layer(LayerNorm),
}

impl Norm {
    /// `epsilon` is the configuration's, which Burn's layer norm keeps to itself; `on_host` says whether the device keeps its values in host memory.
    pub(crate) fn forward(&self, x: Tensor<3>, epsilon: f64, on_host: bool) -> Tensor<3> {
        match self {
            Self::Rms(norm) => {
                let gamma = norm.gamma.val();
                if on_host && host::fits(&x) && host::fits(&gamma) {
                    host::rms_norm(x, gamma, norm.epsilon)
                } else {
                    norm.forward(x)
                }
            }
            Self::Layer(norm) => {
                let gamma = norm.gamma.val();
                let beta = norm.beta.as_ref().map(|beta| beta.val());
                let plain = host::fits(&gamma) && beta.as_ref().is_none_or(host::fits);
                if on_host && host::fits(&x) && plain {
                    host::layer_norm(x, gamma, beta, epsilon)
                } else {
                    norm.forward(x)
                }
            }
        }
    }
}

/// Applies a linear layer to every token.
///
/// The tokens are laid out as the rows of one matrix product. `Linear::forward` would first reshape the weight for a batched
/// product when there is one token, and on the CPU that copies a transposed weight on every call (80 % of decoding time).
///
/// A LoRA adapter is applied as two thin products beside the base weight: `weight.val()` would form `W + s·A·B` in full on every
/// pass, and training would compute a gradient of the full size to get at those of the factors.
pub(crate) fn project(linear: &Linear, x: Tensor<3>) -> Tensor<3> {
    let [batch, columns, width] = x.dims();
    let x = x.reshape([batch * columns, width]);
    let out = match linear.weight.adapter() {
        None => x.matmul(linear.weight.val()),
        Some(lora) => {
            let inner = x.clone().matmul(lora.a.val()).mul_scalar(lora.scale);
            x.matmul(linear.weight.base()) + inner.matmul(lora.b.val())
        }
    };
    let out = match &linear.bias {
        Some(bias) => out + bias.val().unsqueeze(),
        None => out,
    };
    let width = out.dims()[1];
    out.reshape([batch, columns, width])
}

/// Where a block is called from: everything that is the same for all its parts.
pub(crate) struct Call<'a> {
    pub(crate) config: &'a ModelConfig,
    pub(crate) layer: usize,
    pub(crate) pass: &'a Pass,
    pub(crate) layout: &'a Layout,
}

/// The feed-forward part, gated or plain.
#[derive(Module, Debug)]
pub struct Mlp {
    /// Gate projection, `[width, mlp_width]`, where the part is gated.
    pub gate_proj: Option<Linear>,
    /// Up projection, `[width, mlp_width]`.
    pub up_proj: Linear,
    /// Down projection, `[mlp_width, width]`.
    pub down_proj: Linear,
}

impl Mlp {
    fn forward(&self, x: Tensor<3>, call: &Call<'_>) -> Tensor<3> {
        let activation = call.config.activation;
        let act = |x: Tensor<3>| {
            let plain = call.layout.host && host::fits(&x);
            match activation {
                Activation::Silu => silu(x),
                Activation::Gelu if plain => host::gelu(x),
                Activation::Gelu => gelu(x),
                Activation::GeluTanh if plain => host::gelu_tanh(x),
                Activation::GeluTanh => gelu_approximate(x),
                Activation::Relu => relu(x),
            }
        };
        let inner = match &self.gate_proj {
            Some(gate) => {
                let (gate, up) = (project(gate, x.clone()), project(&self.up_proj, x));
                let plain = call.layout.host && host::fits(&gate) && host::fits(&up);
                if plain && activation == Activation::Silu {
                    host::silu_times(gate, up)
                } else {
                    act(gate) * up
                }
            }
            None => act(project(&self.up_proj, x)),
        };
        project(&self.down_proj, inner)
    }
}

/// One transformer block.
#[derive(Module, Debug)]
pub struct Block {
    /// Norm before attention.
    pub attn_norm: Norm,
    /// Attention.
    pub attn: Attention,
    /// Norm before the feed-forward part.
    pub mlp_norm: Norm,
    /// Feed-forward part.
    pub mlp: Mlp,
}

impl Block {
    pub(crate) fn forward(
        &self,
        x: Tensor<3>,
        call: &Call<'_>,
        cache: Option<&mut KvCache>,
        hook: &mut dyn Intervene,
    ) -> Tensor<3> {
        let layer = call.layer;
        let pre = visit(hook, Site::ResidPre(layer), x, call.pass);
        let normed = self
            .attn_norm
            .forward(pre.clone(), call.config.norm_eps, call.layout.host);
        let attn = self.attn.forward(normed, call, cache, hook);
        let attn = visit(hook, Site::AttnOut(layer), attn, call.pass);
        let feed_forward = |x| {
            self.mlp.forward(
                self.mlp_norm
                    .forward(x, call.config.norm_eps, call.layout.host),
                call,
            )
        };
        let post = match call.config.residual {
            Residual::Sequential => {
                let mid = visit(hook, Site::ResidMid(layer), pre + attn, call.pass);
                let mlp = feed_forward(mid.clone());
                mid + visit(hook, Site::MlpOut(layer), mlp, call.pass)
            }
            Residual::Parallel => {
                let mlp = feed_forward(pre.clone());
                pre + attn + visit(hook, Site::MlpOut(layer), mlp, call.pass)
            }
        };
        visit(hook, Site::ResidPost(layer), post, call.pass)
    }
}
