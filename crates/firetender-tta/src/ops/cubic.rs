//! Pillow's cubic kernel for affine transforms: Keys with a = −1, in `f64`, and **truncated**.
//!
//! A resize uses another one (`resize.rs`), and the two must not be mixed. Sixteen pixels are computed together, each with four lanes of which one is
//! idle: gathering neighbours is then copying four bytes, and the arithmetic is plain loops over 64 numbers, which become vector instructions.

use crate::RgbImage;

/// Red, green, blue and a zero.
pub(crate) type Pixel = [u8; 4];

/// Pixels that are computed together.
pub(crate) const BLOCK: usize = 16;

const LANES: usize = 4 * BLOCK;

/// The image with four bytes a pixel.
#[inline(always)]
pub(crate) fn wide(image: &RgbImage) -> Vec<Pixel> {
    let pixels = image.pixels().as_chunks::<3>().0.iter();
    pixels.map(|[r, g, b]| [*r, *g, *b, 0]).collect()
}

/// Four neighbours on a line, for each pixel of a block: `taps[k]` has the lanes of neighbour k.
pub(crate) type Taps = [[u8; LANES]; 4];

/// Numbers of a block.
pub(crate) type Values = [f64; LANES];

/// The value at `d` between the second and third of four numbers.
#[inline(always)]
fn cubic([v1, v2, v3, v4]: [f64; 4], d: f64) -> f64 {
    let p2 = -v1 + v3;
    let p3 = 2.0 * (v1 - v2) + v3 - v4;
    let p4 = -v1 + v2 - v3 + v4;
    v2 + d * (p2 + d * (p3 + d * p4))
}

/// What is needed to compute a block: made once for an image, since clearing it would cost as much as using it.
pub(crate) struct Block {
    /// Neighbours on four lines; one axis alone needs only the first.
    pub(crate) taps: [Taps; 4],
    /// How far each pixel is from its second to its third neighbour, along the lines and across them.
    pub(crate) d: [[f64; BLOCK]; 2],
    spread: Values,
    lines: [Values; 4],
    values: Values,
}

impl Block {
    pub(crate) fn new() -> Self {
        Self {
            taps: [[[0; LANES]; 4]; 4],
            d: [[0.0; BLOCK]; 2],
            spread: [0.0; LANES],
            lines: [[0.0; LANES]; 4],
            values: [0.0; LANES],
        }
    }

    /// Neighbour `k` on a line of pixel `p`.
    #[inline(always)]
    pub(crate) fn put(&mut self, line: usize, k: usize, p: usize, pixel: Pixel) {
        self.taps[line][k].as_chunks_mut::<4>().0[p] = pixel;
    }

    /// Each pixel's fraction in each of its lanes.
    #[inline(always)]
    fn spread(&mut self, axis: usize) {
        for (to, d) in self
            .spread
            .as_chunks_mut::<4>()
            .0
            .iter_mut()
            .zip(&self.d[axis])
        {
            *to = [*d; 4];
        }
    }

    /// The kernel along the first line.
    #[inline(always)]
    pub(crate) fn one(&mut self, out: &mut [[u8; 3]]) {
        self.spread(0);
        along(&self.taps[0], &self.spread, &mut self.values);
        store(&self.values, out);
    }

    /// The kernel along four lines, then across them.
    #[inline(always)]
    pub(crate) fn two(&mut self, out: &mut [[u8; 3]]) {
        self.spread(0);
        for (taps, line) in self.taps.iter().zip(&mut self.lines) {
            along(taps, &self.spread, line);
        }
        self.spread(1);
        let [v1, v2, v3, v4] = &self.lines;
        for i in 0..LANES {
            self.values[i] = cubic([v1[i], v2[i], v3[i], v4[i]], self.spread[i]);
        }
        store(&self.values, out);
    }
}

#[inline(always)]
fn along(taps: &Taps, d: &Values, out: &mut Values) {
    for i in 0..LANES {
        out[i] = along_one([taps[0][i], taps[1][i], taps[2][i], taps[3][i]], d[i]);
    }
}

/// [`cubic`] of bytes, whose differences are exact in whatever order.
#[inline(always)]
pub(crate) fn along_one(v: [u8; 4], d: f64) -> f64 {
    let [v1, v2, v3, v4] = v.map(i32::from);
    let (step, last) = (v1 - v2, v4 - v3);
    let p2 = f64::from(v3 - v1);
    let p3 = f64::from(2 * step - last);
    let p4 = f64::from(last - step);
    f64::from(v2) + d * (p2 + d * (p3 + d * p4))
}

/// Clipped and truncated.
#[inline(always)]
pub(crate) fn level(value: f64) -> u8 {
    // With 2⁵² added, a whole number stands in the low bits.
    const WHOLE: f64 = 4_503_599_627_370_496.0;
    let value = if value > 0.0 { value } else { 0.0 };
    let value = if value < 255.0 { value } else { 255.0 };
    (value.floor() + WHOLE).to_bits() as u8
}

/// Levels without the idle lane.
#[inline(always)]
fn store(values: &Values, out: &mut [[u8; 3]]) {
    let mut bytes = [0; LANES];
    for (to, value) in bytes.iter_mut().zip(values) {
        *to = level(*value);
    }
    for (to, [r, g, b, _]) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *to = [*r, *g, *b];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_the_kernel() {
        let byte = |i: usize| (i * 73 % 256) as u8;
        let mut block = Block::new();
        block.d[0] = std::array::from_fn(|p| p as f64 / 17.0);
        for (k, p) in (0..4).flat_map(|k| (0..BLOCK).map(move |p| (k, p))) {
            block.put(0, k, p, std::array::from_fn(|c| byte(k * 64 + p * 4 + c)));
        }
        let mut out = [[0; 3]; BLOCK];
        block.one(&mut out);
        for (p, pixel) in out.into_iter().enumerate() {
            for (c, found) in pixel.into_iter().enumerate() {
                let v = [0, 1, 2, 3].map(|k| f64::from(byte(k * 64 + p * 4 + c)));
                assert_eq!(found, cubic(v, block.d[0][p]) as u8);
            }
        }
    }

    #[test]
    fn values_are_clipped_and_truncated() {
        let mut values = [3.99; LANES];
        values[4] = -1.0;
        values[5] = 256.0;
        let mut out = [[9; 3]; 2];
        store(&values, &mut out);
        assert_eq!(out, [[3, 3, 3], [0, 255, 3]]);
    }
}
