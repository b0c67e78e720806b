//! The gate of a gated feed-forward part in one pass.

use burn::tensor::Tensor;

use super::{edit, exp::exp, rows::for_rows};

/// `silu(gate) · up` (Shazeer 2020), where `silu(x) = x / (1 + e⁻ˣ)`.
pub(crate) fn silu_times(gate: Tensor<3>, up: Tensor<3>) -> Tensor<3> {
    let [_, _, width] = gate.dims();
    let up = up.into_data();
    #[expect(clippy::expect_used, reason = "`fits` was asked")]
    let up = up.as_slice::<f32>().expect("32-bit floats");
    edit(gate, |values| {
        for_rows(values, width, |index, row| {
            for (x, up) in row.iter_mut().zip(&up[index * width..]) {
                *x = *x / (1.0 + exp(f64::from(-*x))) * up;
            }
        });
    })
}
