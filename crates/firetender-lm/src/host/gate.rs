//! What stands between the two products of a feed-forward part, in one pass.

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

/// `x Φ(x)`, with the error function by formula 7.1.26 of Abramowitz and Stegun (1964), which is within 1.5e-7 of it.
pub(crate) fn gelu(x: Tensor<3>) -> Tensor<3> {
    each(x, |x| {
        let z = f64::from(x.abs()) * std::f64::consts::FRAC_1_SQRT_2;
        let t = 1.0 / (1.0 + 0.327_591_1 * z);
        let p = t * 1.061_405_429 - 1.453_152_027;
        let p = t * p + 1.421_413_741;
        let p = t * p - 0.284_496_736;
        let p = t * p + 0.254_829_592;
        // Half of what is missing to 1: Φ(−|x|).
        let tail = 0.5 * t * p * f64::from(exp(-z * z));
        let below = if x > 0.0 { 1.0 - tail } else { tail };
        (f64::from(x) * below) as f32
    })
}

/// GELU by its tanh approximation: `x · (1 + tanh u) / 2 = x / (1 + e⁻²ᵘ)` with `u = √(2/π) · (x + 0.044715 x³)`.
pub(crate) fn gelu_tanh(x: Tensor<3>) -> Tensor<3> {
    const TWICE: f64 = 2.0 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
    each(x, |x| {
        let wide = f64::from(x);
        let u = TWICE * wide * (1.0 + 0.044715 * wide * wide);
        x / (1.0 + exp(-u))
    })
}

/// Changes every value.
fn each(x: Tensor<3>, change: impl Fn(f32) -> f32 + Sync + Send) -> Tensor<3> {
    let [_, _, width] = x.dims();
    edit(x, |values| {
        for_rows(values, width, |_, row| {
            for x in row {
                *x = change(*x);
            }
        });
    })
}
