//! Resizing by convolution with Keys' cubic kernel, a = −0.5, in 22-bit fixed point.
//!
//! Each axis is a pass of its own, and the image between the two has 8 bits, so that their order shows ([`ResizeOrder`]). A kernel is
//! widened by the factor by which an axis shrinks. This is not the kernel of the affine operations.

use firetender_uncertainty::lanes::vectorised;

use crate::{RgbImage, compat::ResizeOrder};

pub(crate) const BITS: u32 = 22;

/// Weights of one output position: the first input position, and where its weights stand in [`Kernels::weights`].
struct Kernel {
    first: usize,
    from: usize,
    to: usize,
}

/// The kernels of an axis.
pub(crate) struct Kernels {
    each: Vec<Kernel>,
    weights: Vec<i32>,
}

impl Kernels {
    /// Weights in fixed point ([`BITS`]) for every one of `to` positions, from `from`.
    pub(crate) fn new(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        let filter = scale.max(1.0);
        let support = 2.0 * filter;
        let inverse = 1.0 / filter;
        let (mut each, mut weights) = (Vec::with_capacity(to), vec![]);
        let mut exact: Vec<f64> = vec![];
        for i in 0..to {
            let centre = (i as f64 + 0.5) * scale;
            // Casts truncate and stop at zero.
            let first = (centre - support + 0.5) as usize;
            let last = ((centre + support + 0.5) as usize).min(from);
            exact.clear();
            exact.extend((first..last).map(|j| cubic((j as f64 - centre + 0.5) * inverse)));
            let sum: f64 = exact.iter().sum();
            let start = weights.len();
            weights.extend(exact.iter().map(|w| {
                let w = if sum == 0.0 { *w } else { w / sum };
                let scaled = w * f64::from(1 << BITS);
                (if w < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
            }));
            each.push(Kernel {
                first,
                from: start,
                to: weights.len(),
            });
        }
        Self { each, weights }
    }

    /// The first input position and the weights of each output position.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        self.each
            .iter()
            .map(|kernel| (kernel.first, &self.weights[kernel.from..kernel.to]))
    }
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

#[inline(always)]
fn level(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

fn horizontal(image: &RgbImage, width: usize) -> RgbImage {
    let kernels = Kernels::new(image.width(), width);
    let mut pixels = vec![0; 3 * width * image.height()];
    vectorised(
        #[inline(always)]
        || {
            // Four rows side by side, four lanes a pixel: one vector of sums.
            let mut band = vec![[0_u8; 16]; image.width()];
            for (y, out) in pixels.chunks_mut(4 * 3 * width).enumerate() {
                let rows = out.len() / (3 * width);
                for k in 0..rows {
                    let row = image.row(4 * y + k).as_chunks::<3>().0;
                    for (to, [r, g, b]) in band.iter_mut().zip(row) {
                        to.as_chunks_mut::<4>().0[k] = [*r, *g, *b, 0];
                    }
                }
                let out = out.as_chunks_mut::<3>().0;
                for (x, (first, weights)) in kernels.iter().enumerate() {
                    let mut sums = [1_i32 << (BITS - 1); 16];
                    for (pixels, weight) in band[first..first + weights.len()].iter().zip(weights) {
                        for i in 0..16 {
                            sums[i] += i32::from(pixels[i]) * weight;
                        }
                    }
                    let mut levels = [0; 16];
                    for i in 0..16 {
                        levels[i] = level(sums[i]);
                    }
                    for (k, [r, g, b, _]) in levels.as_chunks::<4>().0[..rows].iter().enumerate() {
                        out[k * width + x] = [*r, *g, *b];
                    }
                }
            }
        },
    );
    RgbImage::raw(width, image.height(), pixels)
}

/// Bytes of a row whose sums stay in registers.
const BLOCK: usize = 64;

fn vertical(image: &RgbImage, height: usize) -> RgbImage {
    let stride = 3 * image.width();
    let kernels = Kernels::new(image.height(), height);
    let mut pixels = vec![0; stride * height];
    vectorised(
        #[inline(always)]
        || {
            for (out, (first, weights)) in pixels.chunks_exact_mut(stride).zip(kernels.iter()) {
                let source = &image.pixels()[first * stride..(first + weights.len()) * stride];
                let mut at = 0;
                while at + BLOCK <= stride {
                    let mut sums = [1_i32 << (BITS - 1); BLOCK];
                    for (row, weight) in source.chunks_exact(stride).zip(weights) {
                        for (sum, x) in sums.iter_mut().zip(&row[at..at + BLOCK]) {
                            *sum += i32::from(*x) * weight;
                        }
                    }
                    for (to, sum) in out[at..at + BLOCK].iter_mut().zip(sums) {
                        *to = level(sum);
                    }
                    at += BLOCK;
                }
                let mut sums = [1_i32 << (BITS - 1); BLOCK];
                for (row, weight) in source.chunks_exact(stride).zip(weights) {
                    for (sum, x) in sums.iter_mut().zip(&row[at..]) {
                        *sum += i32::from(*x) * weight;
                    }
                }
                for (to, sum) in out[at..].iter_mut().zip(sums) {
                    *to = level(sum);
                }
            }
        },
    );
    RgbImage::raw(image.width(), height, pixels)
}

/// Whether the vertical pass comes first.
pub(crate) fn vertical_first(
    [w, h]: [usize; 2],
    [width, height]: [usize; 2],
    order: ResizeOrder,
) -> bool {
    let shrink = |from: usize, to: usize| from as i64 - to as i64;
    order == ResizeOrder::Pillow13 && h > height && shrink(h, height) > 2 * shrink(w, width)
}

/// The image at another size.
pub(crate) fn resize(
    image: &RgbImage,
    width: usize,
    height: usize,
    order: ResizeOrder,
) -> RgbImage {
    let (w, h) = (image.width(), image.height());
    let vertical_first = vertical_first([w, h], [width, height], order);
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
            for (_, weights) in Kernels::new(from, to).iter() {
                let sum: i64 = weights.iter().map(|w| i64::from(*w)).sum();
                let slack = weights.len() as i64;
                assert!((sum - (1 << BITS)).abs() <= slack, "{from} to {to}: {sum}");
            }
        }
    }
}
