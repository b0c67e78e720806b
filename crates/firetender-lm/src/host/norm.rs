//! Normalisation in one pass over a row.

use burn::tensor::{DType, Tensor};

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

/// `(x − mean) / √(variance + ε) · γ + β` over the last axis (Ba, Kiros and Hinton 2016).
pub(crate) fn layer_norm(
    x: Tensor<3>,
    gamma: Tensor<1>,
    beta: Option<Tensor<1>>,
    epsilon: f64,
) -> Tensor<3> {
    let [width] = gamma.dims();
    let beta = beta.unwrap_or_else(|| Tensor::zeros([width], (&gamma.device(), DType::F32)));
    let (gamma, beta) = (gamma.into_data(), beta.into_data());
    #[expect(clippy::expect_used, reason = "`fits` was asked")]
    let (gamma, beta) = (
        gamma.as_slice::<f32>().expect("32-bit floats"),
        beta.as_slice::<f32>().expect("32-bit floats"),
    );
    edit(x, |values| {
        for_rows(values, width, |_, row| {
            let mean = sum(row, |x| x) / width as f32;
            row.iter_mut().for_each(|x| *x -= mean);
            let variance = sum(row, |x| x * x) / width as f32;
            let deviation = (variance + epsilon as f32).sqrt();
            for ((x, gamma), beta) in row.iter_mut().zip(gamma).zip(beta) {
                *x = *x / deviation * gamma + beta;
            }
        });
    })
}

/// The sum of `part` over a row.
#[inline(always)]
fn sum(row: &[f32], part: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (blocks, rest) = row.as_chunks::<LANES>();
    for block in blocks {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane += part(*x);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane += part(*x);
    }
    total(lanes)
}

#[inline(always)]
fn normalise(row: &mut [f32], gamma: &[f32], epsilon: f32) {
    let rms = (sum(row, |x| x * x) / row.len() as f32 + epsilon).sqrt();
    for (x, gamma) in row.iter_mut().zip(gamma) {
        *x = *x / rms * gamma;
    }
}
