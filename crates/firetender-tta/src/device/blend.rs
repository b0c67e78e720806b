//! Color and Sharpness: a step from the grey or the smoothed image through the image itself.

use burn::tensor::Tensor;

use super::{each, level};
use crate::{Compat, ResolvedOp, compat::Luma};

/// Grey of levels `[n, 3, h, w]`, as `[n, 1, h, w]`. Every number in it is an integer below 2²⁴, which `f32` holds.
pub(super) fn luma(images: Tensor<4>, compat: &Compat) -> Tensor<4> {
    let half = match compat.luma {
        Luma::Truncating => 0.0,
        Luma::Rounding => 32_768.0,
    };
    let channel = |at| images.clone().narrow(1, at, 1);
    let sum = channel(0) * 19_595.0 + channel(1) * 38_470.0 + channel(2) * 7_471.0 + half;
    (sum / 65_536.0).floor()
}

fn blend(degenerate: Tensor<4>, images: Tensor<4>, ops: &[&ResolvedOp]) -> Tensor<4> {
    let factors = ops.iter().map(|op| match **op {
        ResolvedOp::Color { factor } | ResolvedOp::Sharpness { factor } => factor as f32,
        _ => 1.0,
    });
    let factors = each(factors, &images.device());
    level(degenerate.clone() + factors * (images - degenerate))
}

pub(super) fn colour(ops: &[&ResolvedOp], images: Tensor<4>, compat: &Compat) -> Tensor<4> {
    blend(luma(images.clone(), compat), images, ops)
}

/// Weights 1 around a 5, over 13, added in the exact path's order. The outermost pixels stay.
pub(super) fn sharpness(ops: &[&ResolvedOp], images: Tensor<4>) -> Tensor<4> {
    const ONE: f32 = 1.0 / 13.0;
    const FIVE: f32 = 5.0 / 13.0;
    let [n, channels, height, width] = images.dims();
    let at = |y: usize, x: usize| {
        let (rows, columns) = (y..y + height - 2, x..x + width - 2);
        images.clone().slice([0..n, 0..channels, rows, columns])
    };
    let row = |y: usize, middle: f32| at(y, 0) * ONE + at(y, 1) * middle + at(y, 2) * ONE;
    let smooth = level(row(2, ONE) + 0.5 + row(1, FIVE) + row(0, ONE));
    let inner = blend(smooth, at(1, 1), ops);
    images.slice_assign([0..n, 0..channels, 1..height - 1, 1..width - 1], inner)
}
