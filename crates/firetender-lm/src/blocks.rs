//! The parts that all architectures share: norms, attention, feed-forward, and the block that joins them.
//!
//! What differs between Llama, Qwen2, GPT-2 and GPT-NeoX is read from [`ModelConfig`]; there is one implementation of each part.

use burn::{
    module::Module,
    nn::{LayerNorm, Linear, RmsNorm},
    tensor::{
        Tensor,
        activation::{gelu, gelu_approximate, relu, silu},
        module::attention,
        ops::AttentionModuleOptions,
    },
};
use firetender_hooks::{Intervene, Pass, Site, visit};

use crate::{
    Activation, KvCache, ModelConfig, Positions, Residual, RopeLayout,
    layout::{Angles, Layout},
};

/// Either normalisation.
#[derive(Module, Debug)]
pub enum Norm {
    /// Root mean square.
    Rms(RmsNorm),
    /// Mean and variance.
    Layer(LayerNorm),
}

impl Norm {
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Rms(norm) => norm.forward(x),
            Self::Layer(norm) => norm.forward(x),
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
fn project(linear: &Linear, x: Tensor<3>) -> Tensor<3> {
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

/// Grouped-query self-attention with optional rotary positions.
#[derive(Module, Debug)]
pub struct Attention {
    /// Query projection, `[width, heads · head_dim]`.
    pub q_proj: Linear,
    /// Key projection, `[width, kv_heads · head_dim]`.
    pub k_proj: Linear,
    /// Value projection, `[width, kv_heads · head_dim]`.
    pub v_proj: Linear,
    /// Output projection, `[heads · head_dim, width]`.
    pub o_proj: Linear,
}

/// Where a block is called from: everything that is the same for all its parts.
pub(crate) struct Call<'a> {
    pub(crate) config: &'a ModelConfig,
    pub(crate) layer: usize,
    pub(crate) pass: &'a Pass,
    pub(crate) layout: &'a Layout,
}

impl Attention {
    fn forward(
        &self,
        x: Tensor<3>,
        call: &Call<'_>,
        cache: Option<&mut KvCache>,
        hook: &mut dyn Intervene,
    ) -> Tensor<3> {
        let config = call.config;
        let [batch, columns, _] = x.dims();
        let heads = |x: Tensor<3>, n: usize| x.reshape([batch, columns, n, config.head_dim]);
        let mut q = heads(project(&self.q_proj, x.clone()), config.heads);
        let mut k = heads(project(&self.k_proj, x.clone()), config.kv_heads);
        let v = heads(project(&self.v_proj, x), config.kv_heads).swap_dims(1, 2);
        if let (Some(angles), Positions::Rotary { dims, layout, .. }) =
            (&call.layout.rotary, config.positions)
        {
            q = rotate(q, angles, dims, layout);
            k = rotate(k, angles, dims, layout);
        }
        let k = k.swap_dims(1, 2);
        let (k, v) = match cache {
            Some(cache) => cache.append(call.layer, k, v),
            None => (k, v),
        };
        // Queries that share a key/value head are laid one after the other along the columns, so keys are never copied.
        let grouped = [
            batch,
            config.kv_heads,
            config.group() * columns,
            config.head_dim,
        ];
        let q = q.swap_dims(1, 2).reshape(grouped);
        let mask = call.layout.mask.clone();
        let out = attention(q, k, v, mask, None, AttentionModuleOptions::default());
        let width = config.heads * config.head_dim;
        let out = out.reshape([batch, config.heads, columns, config.head_dim]);
        let out = out.swap_dims(1, 2).reshape([batch, columns, width]);
        project(
            &self.o_proj,
            visit(hook, Site::HeadOut(call.layer), out, call.pass),
        )
    }
}

/// Rotates the first `dims` coordinates of each head, `[batch, columns, heads, head_dim]`.
fn rotate(x: Tensor<4>, angles: &Angles, dims: usize, layout: RopeLayout) -> Tensor<4> {
    let [batch, columns, heads, head_dim] = x.dims();
    let (cos, sin) = (angles.cos.clone(), angles.sin.clone());
    let (turned, rest) = if dims == head_dim {
        (x, None)
    } else {
        let rest = x
            .clone()
            .slice([0..batch, 0..columns, 0..heads, dims..head_dim]);
        (
            x.slice([0..batch, 0..columns, 0..heads, 0..dims]),
            Some(rest),
        )
    };
    let half = dims / 2;
    let turned = match layout {
        RopeLayout::Half => {
            let a = turned
                .clone()
                .slice([0..batch, 0..columns, 0..heads, 0..half]);
            let b = turned.slice([0..batch, 0..columns, 0..heads, half..dims]);
            let first = a.clone() * cos.clone() - b.clone() * sin.clone();
            Tensor::cat(vec![first, b * cos + a * sin], 3)
        }
        RopeLayout::Interleaved => {
            let pairs = turned.reshape([batch, columns, heads, half, 2]);
            let part = |i: usize| {
                let part: Tensor<5> =
                    pairs
                        .clone()
                        .slice([0..batch, 0..columns, 0..heads, 0..half, i..i + 1]);
                part.reshape([batch, columns, heads, half])
            };
            let (a, b) = (part(0), part(1));
            let first = a.clone() * cos.clone() - b.clone() * sin.clone();
            let second = b * cos + a * sin;
            Tensor::stack::<5>(vec![first, second], 4).reshape([batch, columns, heads, dims])
        }
    };
    match rest {
        None => turned,
        Some(rest) => Tensor::cat(vec![turned, rest], 3),
    }
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
    fn forward(&self, x: Tensor<3>, activation: Activation) -> Tensor<3> {
        let act = |x| match activation {
            Activation::Silu => silu(x),
            Activation::Gelu => gelu(x),
            Activation::GeluTanh => gelu_approximate(x),
            Activation::Relu => relu(x),
        };
        let inner = match &self.gate_proj {
            Some(gate) => act(project(gate, x.clone())) * project(&self.up_proj, x),
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
        let normed = self.attn_norm.forward(pre.clone());
        let attn = self.attn.forward(normed, call, cache, hook);
        let attn = visit(hook, Site::AttnOut(layer), attn, call.pass);
        let post = match call.config.residual {
            Residual::Sequential => {
                let mid = visit(hook, Site::ResidMid(layer), pre + attn, call.pass);
                let mlp = self
                    .mlp
                    .forward(self.mlp_norm.forward(mid.clone()), call.config.activation);
                mid + visit(hook, Site::MlpOut(layer), mlp, call.pass)
            }
            Residual::Parallel => {
                let mlp = self
                    .mlp
                    .forward(self.mlp_norm.forward(pre.clone()), call.config.activation);
                pre + attn + visit(hook, Site::MlpOut(layer), mlp, call.pass)
            }
        };
        visit(hook, Site::ResidPost(layer), post, call.pass)
    }
}
