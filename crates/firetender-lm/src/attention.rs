//! Grouped-query self-attention with rotary positions.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Tensor, module::attention, ops::AttentionModuleOptions},
};
use firetender_hooks::{Intervene, Site, visit};

use crate::{
    KvCache, Positions, RopeLayout,
    blocks::{Call, project},
    host,
    layout::Angles,
};

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

impl Attention {
    pub(crate) fn forward(
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
            let turn = |x: Tensor<4>| {
                if call.layout.host && host::fits(&x) {
                    host::turn(x, angles, dims, layout)
                } else {
                    rotate(x, angles, dims, layout)
                }
            };
            (q, k) = (turn(q), turn(k));
        }
        let k = k.swap_dims(1, 2);
        let (k, v) = match cache {
            Some(cache) => cache.append(call.layer, k, v),
            None => (k, v),
        };
        let plain = call.layout.host && host::fits(&q) && host::fits(&k) && host::fits(&v);
        let out = match call.layout.spans().filter(|_| plain) {
            Some(spans) => host::attend(q, k, v, spans),
            None => composed(q, k, v, call),
        };
        project(
            &self.o_proj,
            visit(hook, Site::HeadOut(call.layer), out, call.pass),
        )
    }
}

/// Attention by the device's own operation, `[batch, columns, heads · head_dim]`: for gradients, other devices and other floats.
fn composed(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, call: &Call<'_>) -> Tensor<3> {
    let [batch, columns, heads, dim] = q.dims();
    let [_, kv_heads, _, _] = k.dims();
    // Queries that share a key/value head are laid one after the other along the columns, so keys are never copied.
    let grouped = [batch, kv_heads, heads / kv_heads * columns, dim];
    let q = q.swap_dims(1, 2).reshape(grouped);
    let mask = call.layout.mask(call.config, call.pass);
    let out = attention(q, k, v, mask, None, AttentionModuleOptions::default());
    let out = out.reshape([batch, heads, columns, dim]);
    out.swap_dims(1, 2).reshape([batch, columns, heads * dim])
}

/// Rotates the first `dims` coordinates of each head, `[batch, columns, heads, head_dim]`.
pub(crate) fn rotate(x: Tensor<4>, angles: &Angles, dims: usize, layout: RopeLayout) -> Tensor<4> {
    let [batch, columns, heads, head_dim] = x.dims();
    let [cos, sin] = angles.tensors();
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
