//! Enhancers: a step from a degenerate image through the image itself and beyond.
//!
//! `blend(d, x, α) = d + α (x − d)` in `f32`, truncated; clipped only outside of 0 ≤ α ≤ 1. No rounding and no fused multiply-add:
//! either would change bytes.

use firetender_uncertainty::lanes::vectorised;

use super::levels::{self, Table};
use crate::{RgbImage, compat::Luma};

/// One value; for all but the two exact cases.
#[inline(always)]
fn mix(d: u8, x: u8, alpha: f32) -> u8 {
    // A cast stops at 0 and 255 and truncates, which for 0 ≤ α ≤ 1 changes nothing: the value lies between d and x.
    (f32::from(d) + alpha * (f32::from(x) - f32::from(d))) as u8
}

/// What becomes of each level when it is blended with one.
fn mix_table(d: u8, alpha: f32) -> Table {
    std::array::from_fn(|x| mix(d, x as u8, alpha))
}

/// Blends with black.
pub(crate) fn brightness(image: &RgbImage, factor: f64) -> RgbImage {
    levels::apply(image, &mix_table(0, factor as f32))
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
    levels::apply(image, &contrast_table(sum, pixels.len(), factor))
}

/// The table that blends with the mean of so many pixels' luma, given its sum.
pub(crate) fn contrast_table(sum: u64, pixels: usize, factor: f64) -> Table {
    let mean = sum as f64 / pixels as f64;
    mix_table((mean + 0.5) as u8, factor as f32)
}

/// Blends with the grey image.
pub(crate) fn colour(image: &RgbImage, factor: f64, kind: Luma) -> RgbImage {
    let (alpha, half) = (factor as f32, half(kind));
    if alpha == 1.0 {
        return image.clone();
    }
    let mut pixels = image.pixels().to_vec();
    vectorised(
        #[inline(always)]
        || {
            // Channels apart for as many pixels as fill some vectors, so that each is a row of numbers.
            const BLOCK: usize = 64;
            let [mut red, mut green, mut blue] = [[0; BLOCK]; 3];
            for block in pixels.as_chunks_mut::<3>().0.chunks_mut(BLOCK) {
                for (i, [r, g, b]) in block.iter().enumerate() {
                    (red[i], green[i], blue[i]) = (*r, *g, *b);
                }
                for i in 0..BLOCK {
                    let grey = luma([red[i], green[i], blue[i]], half);
                    red[i] = mix(grey, red[i], alpha);
                    green[i] = mix(grey, green[i], alpha);
                    blue[i] = mix(grey, blue[i], alpha);
                }
                for (i, pixel) in block.iter_mut().enumerate() {
                    *pixel = [red[i], green[i], blue[i]];
                }
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
    vectorised(
        #[inline(always)]
        || {
            for y in 1..height - 1 {
                let rows = [image.row(y - 1), image.row(y), image.row(y + 1)];
                smooth_row(rows, alpha, &mut out[y * stride + 3..(y + 1) * stride - 3]);
            }
        },
    );
    RgbImage::raw(width, height, out)
}

/// Each byte's left neighbour, itself and right neighbour in its channel, for `n` bytes.
#[inline(always)]
fn taps(row: &[u8], n: usize) -> [&[u8]; 3] {
    [&row[..n], &row[3..n + 3], &row[6..n + 6]]
}

/// All but the first and last pixel of a row, smoothed and blended. Neighbours in a channel are three bytes apart.
#[inline(always)]
fn smooth_row([above, here, below]: [&[u8]; 3], alpha: f32, out: &mut [u8]) {
    const ONE: f32 = 1.0 / 13.0;
    const FIVE: f32 = 5.0 / 13.0;
    let n = out.len();
    let ([a0, a1, a2], [h0, h1, h2], [b0, b1, b2]) =
        (taps(above, n), taps(here, n), taps(below, n));
    let f = |x: u8| f32::from(x);
    for i in 0..n {
        // The order of these additions is the reference's: below, centre, above.
        let mut sum = 0.5_f32;
        sum += f(b0[i]) * ONE + f(b1[i]) * ONE + f(b2[i]) * ONE;
        sum += f(h0[i]) * ONE + f(h1[i]) * FIVE + f(h2[i]) * ONE;
        sum += f(a0[i]) * ONE + f(a1[i]) * ONE + f(a2[i]) * ONE;
        out[i] = mix(sum as u8, h1[i], alpha);
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
