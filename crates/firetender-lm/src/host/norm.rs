//! Root-mean-square normalisation in one pass.

use burn::tensor::Tensor;

use super::{
    edit,
    rows::{LANES, for_rows, total},
};

/// `x / √(mean(x²) + ε) · γ` over the last axis (Zhang and Sennrich 2019).
pub(crate) fn rms_norm(x: Tensor<3>, gamma: Tensor<1>, epsilon: f64) -> Tensor<3> {
    let [width] = gamma.dims();
    let gamma = gamma.into_data();
    #[expect(clippy::expect_used, reason = "`fits` was asked")]
    let gamma = gamma.as_slice::<f32>().expect("32-bit floats");
    edit(x, |values| {
        for_rows(values, width, |_, row| {
            normalise(row, gamma, epsilon as f32)
        });
    })
}

#[inline(always)]
fn normalise(row: &mut [f32], gamma: &[f32], epsilon: f32) {
    let mut lanes = [0.0; LANES];
    let (blocks, rest) = row.as_chunks::<LANES>();
    for block in blocks {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane += x * x;
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane += x * x;
    }
    let rms = (total(lanes) / row.len() as f32 + epsilon).sqrt();
    for (x, gamma) in row.iter_mut().zip(gamma) {
        *x = *x / rms * gamma;
    }
}
