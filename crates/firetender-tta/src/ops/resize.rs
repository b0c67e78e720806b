//! Resizing by convolution with Keys' cubic kernel, a = −0.5, in 22-bit fixed point.
//!
//! Each axis is a pass of its own, and the image between the two has 8 bits, so that their order shows ([`ResizeOrder`]). A kernel is
//! widened by the factor by which an axis shrinks. This is not the kernel of the affine operations.

use firetender_uncertainty::lanes::vectorised;

use crate::{RgbImage, compat::ResizeOrder};

const BITS: u32 = 22;

/// Weights of one output position: where they begin, and as many as there are.
struct Kernel {
    first: usize,
    weights: Vec<i32>,
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn kernels(from: usize, to: usize) -> Vec<Kernel> {
    let scale = from as f64 / to as f64;
    let filter = scale.max(1.0);
    let support = 2.0 * filter;
    let inverse = 1.0 / filter;
    (0..to)
        .map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            // Casts truncate and stop at zero.
            let first = (centre - support + 0.5) as usize;
            let last = ((centre + support + 0.5) as usize).min(from);
            let mut weights: Vec<f64> = (first..last)
                .map(|j| cubic((j as f64 - centre + 0.5) * inverse))
                .collect();
            let sum: f64 = weights.iter().sum();
            if sum != 0.0 {
                weights.iter_mut().for_each(|w| *w /= sum);
            }
            let fixed = weights.iter().map(|w| {
                let scaled = w * f64::from(1 << BITS);
                (if *w < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
            });
            Kernel {
                first,
                weights: fixed.collect(),
            }
        })
        .collect()
}

#[inline(always)]
fn level(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

fn horizontal(image: &RgbImage, width: usize) -> RgbImage {
    let kernels = kernels(image.width(), width);
    let mut pixels = vec![0; 3 * width * image.height()];
    // Most kernels have four taps or a few more: the sums stay in registers.
    for (y, out) in pixels.chunks_exact_mut(3 * width).enumerate() {
        let row = image.row(y).as_chunks::<3>().0;
        for (to, kernel) in out.as_chunks_mut::<3>().0.iter_mut().zip(&kernels) {
            let mut sums = [1_i32 << (BITS - 1); 3];
            let taps = &row[kernel.first..kernel.first + kernel.weights.len()];
            for (pixel, weight) in taps.iter().zip(&kernel.weights) {
                for (sum, x) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(*x) * weight;
                }
            }
            *to = sums.map(level);
        }
    }
    RgbImage::raw(width, image.height(), pixels)
}

fn vertical(image: &RgbImage, height: usize) -> RgbImage {
    let stride = 3 * image.width();
    let mut pixels = vec![0; stride * height];
    let mut sums = vec![0_i32; stride];
    for (out, kernel) in pixels
        .chunks_exact_mut(stride)
        .zip(kernels(image.height(), height))
    {
        vectorised(
            #[inline(always)]
            || {
                sums.fill(1 << (BITS - 1));
                for (j, weight) in kernel.weights.iter().enumerate() {
                    for (sum, x) in sums.iter_mut().zip(image.row(kernel.first + j)) {
                        *sum += i32::from(*x) * weight;
                    }
                }
                for (to, sum) in out.iter_mut().zip(&sums) {
                    *to = level(*sum);
                }
            },
        );
    }
    RgbImage::raw(image.width(), height, pixels)
}

/// The image at another size.
pub(crate) fn resize(
    image: &RgbImage,
    width: usize,
    height: usize,
    order: ResizeOrder,
) -> RgbImage {
    let (w, h) = (image.width(), image.height());
    let shrink = |from: usize, to: usize| from as i64 - to as i64;
    let vertical_first =
        order == ResizeOrder::Pillow13 && h > height && shrink(h, height) > 2 * shrink(w, width);
    match (w == width, h == height) {
        (true, true) => image.clone(),
        (false, true) => horizontal(image, width),
        (true, false) => vertical(image, height),
        (false, false) if vertical_first => horizontal(&vertical(image, height), width),
        (false, false) => vertical(&horizontal(image, width), height),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_colour_stays_one_colour() {
        let image = RgbImage::filled(17, 9, [0, 133, 255]).unwrap();
        for (width, height) in [(5, 5), (40, 3), (1, 1), (17, 30)] {
            for order in [ResizeOrder::HorizontalFirst, ResizeOrder::Pillow13] {
                let found = resize(&image, width, height, order);
                assert_eq!(
                    found,
                    RgbImage::filled(width, height, [0, 133, 255]).unwrap()
                );
            }
        }
    }

    #[test]
    fn weights_sum_to_one_in_fixed_point() {
        for (from, to) in [(224, 32), (7, 50), (3, 2), (1, 9), (1000, 1)] {
            for kernel in kernels(from, to) {
                let sum: i64 = kernel.weights.iter().map(|w| i64::from(*w)).sum();
                let slack = kernel.weights.len() as i64;
                assert!((sum - (1 << BITS)).abs() <= slack, "{from} to {to}: {sum}");
            }
        }
    }
}
