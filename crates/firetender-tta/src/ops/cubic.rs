//! Pillow's cubic kernel for affine transforms: Keys with a = −1, in `f64`, and **truncated**.
//!
//! A resize uses another one (`resize.rs`), and the two must not be mixed. Pixels have four lanes here, of which one is idle, so that a
//! pixel is one vector.

use crate::RgbImage;

/// Red, green, blue and a zero.
pub(crate) type Pixel = [u8; 4];

/// The image with four bytes a pixel.
#[inline(always)]
pub(crate) fn wide(image: &RgbImage) -> Vec<Pixel> {
    let pixels = image.pixels().as_chunks::<3>().0.iter();
    pixels.map(|[r, g, b]| [*r, *g, *b, 0]).collect()
}

/// Four numbers, or the pixel that they come from.
pub(crate) trait Lanes: Copy {
    fn lanes(self) -> [f64; 4];
}

impl Lanes for Pixel {
    #[inline(always)]
    fn lanes(self) -> [f64; 4] {
        self.map(|x| f64::from(i32::from(x)))
    }
}

impl Lanes for [f64; 4] {
    #[inline(always)]
    fn lanes(self) -> Self {
        self
    }
}

/// The value at `d` between the second and third of four.
#[inline(always)]
pub(crate) fn cubic<T: Lanes>(taps: [T; 4], d: f64) -> [f64; 4] {
    let [v1, v2, v3, v4] = taps.map(Lanes::lanes);
    let mut out = [0.0; 4];
    for i in 0..4 {
        let p2 = -v1[i] + v3[i];
        let p3 = 2.0 * (v1[i] - v2[i]) + v3[i] - v4[i];
        let p4 = -v1[i] + v2[i] - v3[i] + v4[i];
        out[i] = v2[i] + d * (p2 + d * (p3 + d * p4));
    }
    out
}

/// Clipped and truncated.
#[inline(always)]
pub(crate) fn level(value: [f64; 4]) -> [u8; 3] {
    let [r, g, b, _] = value;
    [r as u8, g as u8, b as u8]
}
