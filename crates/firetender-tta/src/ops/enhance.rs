//! Enhancers: a step from a degenerate image through the image itself and beyond.
//!
//! `blend(d, x, α) = d + α (x − d)` in `f32`, truncated; clipped only outside of 0 ≤ α ≤ 1. No rounding and no fused multiply-add:
//! either would change bytes.

use firetender_uncertainty::lanes::vectorised;

use super::levels::Table;
use crate::{RgbImage, compat::Luma};

/// One value; for all but the two exact cases.
#[inline(always)]
fn mix(d: u8, x: u8, alpha: f32) -> u8 {
    // A cast stops at 0 and 255 and truncates, which for 0 ≤ α ≤ 1 changes nothing: the value lies between d and x.
    (f32::from(d) + alpha * (f32::from(x) - f32::from(d))) as u8
}

/// [`mix`] of numbers that are levels. A cast would do the same, but slower: here the integer is what the sum with 2²³ ends in.
#[inline(always)]
fn mix_wide(d: f32, x: f32, alpha: f32) -> u8 {
    let value = d + alpha * (x - d);
    let value = if value > 0.0 { value } else { 0.0 };
    let value = if value < 255.0 { value } else { 255.0 };
    (value.trunc() + 8_388_608.0).to_bits() as u8
}

/// What becomes of each level when it is blended with one.
fn mix_table(d: u8, alpha: f32) -> Table {
    std::array::from_fn(|x| mix(d, x as u8, alpha))
}

/// Blends every byte with one level.
fn blend_level(image: &RgbImage, level: u8, alpha: f32) -> RgbImage {
    let mut pixels = vec![0; image.pixels().len()];
    let d = f32::from(level);
    vectorised(
        #[inline(always)]
        || {
            for (to, x) in pixels.iter_mut().zip(image.pixels()) {
                *to = mix_wide(d, f32::from(*x), alpha);
            }
        },
    );
    RgbImage::raw(image.width(), image.height(), pixels)
}

/// Blends with black.
pub(crate) fn brightness(image: &RgbImage, factor: f64) -> RgbImage {
    blend_level(image, 0, factor as f32)
}

#[inline(always)]
fn luma(pixel: [u8; 3], half: u32) -> u8 {
    let [r, g, b] = pixel.map(u32::from);
    ((19_595 * r + 38_470 * g + 7_471 * b + half) >> 16) as u8
}

fn half(kind: Luma) -> u32 {
    match kind {
        Luma::Truncating => 0,
        Luma::Rounding => 32_768,
    }
}

/// Blends with the mean of the luma, rounded.
pub(crate) fn contrast(image: &RgbImage, factor: f64, kind: Luma) -> RgbImage {
    let half = half(kind);
    let pixels = image.pixels().as_chunks::<3>().0;
    let sum: u64 = pixels
        .chunks(1 << 16)
        .map(|part| u64::from(part.iter().map(|p| u32::from(luma(*p, half))).sum::<u32>()))
        .sum();
    blend_level(image, mean_level(sum, pixels.len()), factor as f32)
}

/// The mean of so many pixels' luma, rounded.
fn mean_level(sum: u64, pixels: usize) -> u8 {
    (sum as f64 / pixels as f64 + 0.5) as u8
}

/// The table that blends with the mean of so many pixels' luma, given its sum.
pub(crate) fn contrast_table(sum: u64, pixels: usize, factor: f64) -> Table {
    mix_table(mean_level(sum, pixels), factor as f32)
}

/// Bytes of a block whose numbers stay near: whole pixels, and whole vectors.
const BLOCK: usize = 192;

/// For each byte of a block, the weights of the five bytes around it: those of its own pixel make its luma, others are 0.
const LUMA: [[f32; BLOCK]; 5] = {
    let mut weights = [[0.0; BLOCK]; 5];
    let mut at = 0;
    while at < BLOCK {
        let first = 2 - at % 3;
        weights[first][at] = 19_595.0;
        weights[first + 1][at] = 38_470.0;
        weights[first + 2][at] = 7_471.0;
        at += 1;
    }
    weights
};

/// Blends with the grey image.
pub(crate) fn colour(image: &RgbImage, factor: f64, kind: Luma) -> RgbImage {
    let (alpha, half) = (factor as f32, half(kind) as f32);
    if alpha == 1.0 {
        return image.clone();
    }
    let mut pixels = vec![0; image.pixels().len()];
    vectorised(
        #[inline(always)]
        || {
            // Channels are not taken apart: each byte gets the luma of its pixel. It is an integer below 2²⁴, which `f32` holds.
            let mut near = [0.0_f32; BLOCK + 4];
            let mut levels = [0; BLOCK];
            for (from, to) in image.pixels().chunks(BLOCK).zip(pixels.chunks_mut(BLOCK)) {
                for (x, byte) in near[2..].iter_mut().zip(from) {
                    *x = f32::from(*byte);
                }
                for i in 0..BLOCK {
                    let mut sum = half;
                    for (k, weights) in LUMA.iter().enumerate() {
                        sum += weights[i] * near[i + k];
                    }
                    let grey = (sum * (1.0 / 65_536.0)).trunc();
                    levels[i] = mix_wide(grey, near[i + 2], alpha);
                }
                to.copy_from_slice(&levels[..to.len()]);
            }
        },
    );
    RgbImage::raw(image.width(), image.height(), pixels)
}

/// Blends with a smoothed image: weights 1 around a 5, over 13; the outermost pixels are not smoothed.
pub(crate) fn sharpness(image: &RgbImage, factor: f64) -> RgbImage {
    let alpha = factor as f32;
    if alpha == 1.0 {
        return image.clone();
    }
    let (width, height) = (image.width(), image.height());
    let mut out = image.pixels().to_vec();
    // Where the image is not smoothed it is blended with itself, which changes nothing.
    if width < 3 || height < 3 {
        return RgbImage::raw(width, height, out);
    }
    let stride = 3 * width;
    let n = stride - 6;
    vectorised(
        #[inline(always)]
        || {
            // Sums of each row, made once for the three rows that need them: around a middle of weight one, for the two rows before, and of weight five.
            let mut values = vec![0.0_f32; stride];
            let mut outer = [vec![0.0_f32; n], vec![0.0_f32; n], vec![0.0_f32; n]];
            let mut inner = [vec![0.0_f32; n], vec![0.0_f32; n]];
            for y in 0..height {
                for (value, x) in values.iter_mut().zip(image.row(y)) {
                    *value = f32::from(*x);
                }
                row_sums(&values, &mut outer[y % 3], &mut inner[y % 2]);
                if y < 2 {
                    continue;
                }
                let sums = [&outer[y % 3], &inner[(y - 1) % 2], &outer[(y - 2) % 3]];
                let here = &image.row(y - 1)[3..3 + n];
                let place = (y - 1) * stride + 3;
                smooth_row(
                    sums.map(|row| &row[..n]),
                    here,
                    alpha,
                    &mut out[place..place + n],
                );
            }
        },
    );
    RgbImage::raw(width, height, out)
}

/// Of each byte but those of the first and last pixel: its left neighbour in its channel, itself and its right neighbour, added in this order. Neighbours
/// in a channel are three bytes apart.
#[inline(always)]
fn row_sums(values: &[f32], outer: &mut [f32], inner: &mut [f32]) {
    const ONE: f32 = 1.0 / 13.0;
    const FIVE: f32 = 5.0 / 13.0;
    let n = outer.len();
    let (left, middle, right) = (&values[..n], &values[3..n + 3], &values[6..n + 6]);
    let inner = &mut inner[..n];
    for i in 0..n {
        outer[i] = left[i] * ONE + middle[i] * ONE + right[i] * ONE;
        inner[i] = left[i] * ONE + middle[i] * FIVE + right[i] * ONE;
    }
}

/// All but the first and last pixel of a row, smoothed and blended.
#[inline(always)]
fn smooth_row([below, centre, above]: [&[f32]; 3], here: &[u8], alpha: f32, out: &mut [u8]) {
    let n = out.len();
    let (below, centre, above, here) = (&below[..n], &centre[..n], &above[..n], &here[..n]);
    for i in 0..n {
        // The order of these additions is the reference's: below, centre, above.
        let mut sum = 0.5_f32;
        sum += below[i];
        sum += centre[i];
        sum += above[i];
        let smooth = (if sum < 255.0 { sum } else { 255.0 }).trunc();
        out[i] = mix_wide(smooth, f32::from(here[i]), alpha);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_the_image_itself() {
        let pixels = (0..75).map(|i| (i * 37 % 256) as u8).collect();
        let image = RgbImage::new(5, 5, pixels).unwrap();
        for luma in [Luma::Truncating, Luma::Rounding] {
            assert_eq!(colour(&image, 1.0, luma), image);
            assert_eq!(contrast(&image, 1.0, luma), image);
        }
        assert_eq!(brightness(&image, 1.0), image);
        assert_eq!(sharpness(&image, 1.0), image);
    }

    #[test]
    fn zero_is_the_degenerate_image() {
        let image = RgbImage::new(2, 1, vec![10, 20, 30, 200, 100, 0]).unwrap();
        assert!(brightness(&image, 0.0).pixels().iter().all(|x| *x == 0));
        let grey = colour(&image, 0.0, Luma::Rounding);
        assert_eq!(grey.pixel(0, 0), [18; 3]);
        let flat = contrast(&image, 0.0, Luma::Rounding);
        assert_eq!(flat.pixel(0, 0), flat.pixel(1, 0));
    }

    #[test]
    fn beyond_the_ends_values_are_clipped() {
        let image = RgbImage::filled(3, 3, [200, 1, 90]).unwrap();
        assert_eq!(brightness(&image, 2.2).pixel(0, 0), [255, 2, 198]);
        assert_eq!(brightness(&image, -0.2).pixel(1, 1), [0, 0, 0]);
    }

    #[test]
    fn small_images_are_not_smoothed() {
        let image = RgbImage::new(2, 2, (0..12).map(|i| i * 20).collect()).unwrap();
        assert_eq!(sharpness(&image, -0.35), image);
    }
}
