//! Shear, translation and rotation, with the sums and the kernel of Pillow's affine transform.
//!
//! Coordinates are computed as in an image padded on every side, so that they round alike, and only then mapped back: no padded copy is
//! made, and only the pixels that are kept are computed. The kernel is cubic with a = −1 and **truncates**; a resize uses
//! another one (`resize.rs`), and the two must not be mixed.

use firetender_uncertainty::lanes::vectorised;

use super::frame;
use crate::{RgbImage, compat::Padding};

/// How indices of a padded axis become indices of the axis.
#[derive(Clone, Copy)]
struct Axis {
    /// Pixels of the image.
    length: i64,
    /// Pixels before it.
    pad: i64,
    mode: Mode,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Reflect,
    Black,
    Edge,
}

impl Axis {
    fn new(length: usize, padding: Padding) -> Self {
        let (pad, mode) = match padding {
            Padding::Reflect { pad } => (i64::from(pad), Mode::Reflect),
            Padding::Black => (0, Mode::Black),
            Padding::Edge => (0, Mode::Edge),
        };
        Self {
            length: length as i64,
            pad,
            mode,
        }
    }

    /// Whether a coordinate is taken from the image at all.
    #[inline(always)]
    fn holds(self, coordinate: f64) -> bool {
        self.mode != Mode::Black || (coordinate >= 0.0 && coordinate < self.length as f64)
    }

    /// The pixel that a padded index stands for. Black images clamp, as the kernel does inside of its range.
    #[inline(always)]
    fn index(self, padded: i64) -> usize {
        let at = padded - self.pad;
        if (0..self.length).contains(&at) {
            return at as usize;
        }
        match self.mode {
            Mode::Reflect => reflect(at, self.length),
            Mode::Black | Mode::Edge => at.clamp(0, self.length - 1) as usize,
        }
    }
}

/// The triangle wave of period 2 (n − 1): … 2 1 0 1 2 … n−1 n−2 …
fn reflect(at: i64, length: i64) -> usize {
    if length == 1 {
        return 0;
    }
    let period = 2 * (length - 1);
    let at = at.rem_euclid(period);
    at.min(period - at) as usize
}

/// Keys' kernel with a = −1 between the second and third of four values.
#[inline(always)]
fn cubic(v: [f64; 4], d: f64) -> f64 {
    let [v1, v2, v3, v4] = v;
    let p2 = -v1 + v3;
    let p3 = 2.0 * (v1 - v2) + v3 - v4;
    let p4 = -v1 + v2 - v3 + v4;
    v2 + d * (p2 + d * (p3 + d * p4))
}

/// Shifts by a number of pixels: the pixel nearest to each source coordinate, whose fraction is accumulated by steps of one.
pub(crate) fn translate(image: &RgbImage, x: f64, y: f64, padding: Padding) -> RgbImage {
    let columns = nearest(x, image.width(), padding);
    let rows = nearest(y, image.height(), padding);
    let mut pixels = vec![0; image.pixels().len()];
    let run = straight(&columns);
    for (out, row) in pixels.chunks_exact_mut(3 * image.width()).zip(&rows) {
        let Some(row) = row.map(|row| image.row(row)) else {
            continue;
        };
        if let Some((to, from, length)) = run {
            out[3 * to..3 * (to + length)].copy_from_slice(&row[3 * from..3 * (from + length)]);
        }
        let row = row.as_chunks::<3>().0;
        let (first, last) = run.map_or((0, 0), |(first, _, length)| (first, first + length));
        let out = out.as_chunks_mut::<3>().0;
        for at in (0..first).chain(last..columns.len()) {
            if let Some(column) = columns[at] {
                out[at] = row[column];
            }
        }
    }
    RgbImage::raw(image.width(), image.height(), pixels)
}

/// The longest run of columns that lie beside each other in the source, too: where it begins there and here, and its length.
fn straight(columns: &[Option<usize>]) -> Option<(usize, usize, usize)> {
    let mut best = None;
    let mut start = 0;
    for at in 0..columns.len() {
        let goes_on = at > start
            && columns[at - 1]
                .zip(columns[at])
                .is_some_and(|(a, b)| a + 1 == b);
        if !goes_on {
            start = at;
        }
        let length = at + 1 - start;
        if let Some(from) = columns[start]
            && best.is_none_or(|(_, _, longest)| length > longest)
        {
            best = Some((start, from, length));
        }
    }
    best
}

fn nearest(shift: f64, length: usize, padding: Padding) -> Vec<Option<usize>> {
    let axis = Axis::new(length, padding);
    let mut coordinate = shift + 0.5;
    let mut at = |_| {
        let here = coordinate;
        coordinate += 1.0;
        here
    };
    // Steps through the padding, too, so that the sums round alike.
    let padded: Vec<f64> = (0..axis.pad + axis.length).map(&mut at).collect();
    padded[axis.pad as usize..]
        .iter()
        .map(|c| axis.holds(*c).then(|| axis.index(c.floor() as i64)))
        .collect()
}

/// Source `x' = x + factor (y − pad)`: the top edge stays where it is. With `mirror`, the bottom edge.
pub(crate) fn shear_x(image: &RgbImage, factor: f64, mirror: bool, padding: Padding) -> RgbImage {
    if mirror {
        let turned = shear_x(&frame::upside_down(image), factor, false, padding);
        return frame::upside_down(&turned);
    }
    let axis = Axis::new(image.width(), padding);
    let (pad, width) = (axis.pad as f64, image.width());
    let offset = -factor * pad;
    let mut pixels = vec![0; image.pixels().len()];
    vectorised(
        #[inline(always)]
        || {
            for (y, out) in pixels.chunks_exact_mut(3 * width).enumerate() {
                let row = image.row(y).as_chunks::<3>().0;
                let down = y as f64 + pad + 0.5;
                for (x, to) in out.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                    let source = (x as f64 + pad + 0.5) + factor * down + offset;
                    // The source row is a pixel's centre, where the kernel's other rows have weight zero.
                    if axis.holds(source) {
                        *to = along(row, source, axis, |row, at| row[at]);
                    }
                }
            }
        },
    );
    RgbImage::raw(image.width(), image.height(), pixels)
}

/// As [`shear_x`] with the axes exchanged; the left edge stays, or with `mirror` the right one.
pub(crate) fn shear_y(image: &RgbImage, factor: f64, mirror: bool, padding: Padding) -> RgbImage {
    if mirror {
        let turned = shear_y(&frame::mirror(image), factor, false, padding);
        return frame::mirror(&turned);
    }
    let axis = Axis::new(image.height(), padding);
    let (pad, width) = (axis.pad as f64, image.width());
    let offset = -factor * pad;
    let source_pixels = image.pixels().as_chunks::<3>().0;
    let mut pixels = vec![0; image.pixels().len()];
    vectorised(
        #[inline(always)]
        || {
            for (y, out) in pixels.chunks_exact_mut(3 * width).enumerate() {
                for (x, to) in out.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                    let source = factor * (x as f64 + pad + 0.5) + (y as f64 + pad + 0.5) + offset;
                    if axis.holds(source) {
                        *to = column(source_pixels, x, width, source, axis);
                    }
                }
            }
        },
    );
    RgbImage::raw(image.width(), image.height(), pixels)
}

/// The kernel along one row.
#[inline(always)]
fn along(
    row: &[[u8; 3]],
    source: f64,
    axis: Axis,
    pixel: impl Fn(&[[u8; 3]], usize) -> [u8; 3],
) -> [u8; 3] {
    let source = source - 0.5;
    let first = source.floor();
    let d = source - first;
    let first = first as i64;
    let inside = first - 1 - axis.pad;
    let taps: [[u8; 3]; 4] = if inside >= 0 && inside + 3 < axis.length {
        let at = inside as usize;
        std::array::from_fn(|k| pixel(row, at + k))
    } else {
        // Inside of its range the kernel clamps the columns of an image that is not reflected.
        std::array::from_fn(|k| pixel(row, axis.index(first - 1 + k as i64)))
    };
    std::array::from_fn(|c| cubic(taps.map(|t| f64::from(t[c])), d) as u8)
}

/// The kernel along one column. A row beyond the image repeats the value before it, which for a single column is what clamping does.
#[inline(always)]
fn column(pixels: &[[u8; 3]], x: usize, width: usize, source: f64, axis: Axis) -> [u8; 3] {
    let source = source - 0.5;
    let first = source.floor();
    let d = source - first;
    let first = first as i64;
    let taps: [[u8; 3]; 4] =
        std::array::from_fn(|k| pixels[axis.index(first - 1 + k as i64) * width + x]);
    std::array::from_fn(|c| cubic(taps.map(|t| f64::from(t[c])), d) as u8)
}

/// Turns counter-clockwise about the centre; the size stays.
pub(crate) fn rotate(image: &RgbImage, degrees: f64, padding: Padding) -> RgbImage {
    let (width, height) = (image.width(), image.height());
    // Python's remainder has the divisor's sign.
    let angle = degrees.rem_euclid(360.0);
    if angle == 0.0 {
        return image.clone();
    }
    if angle == 180.0 {
        return frame::quarter_turns(image, 2);
    }
    if width == height && (angle == 90.0 || angle == 270.0) {
        return frame::quarter_turns(image, if angle == 90.0 { 1 } else { 3 });
    }
    let (columns, rows) = (Axis::new(width, padding), Axis::new(height, padding));
    let pad = columns.pad as f64;
    let radians = -angle.to_radians();
    let (sin, cos) = (decimals(radians.sin()), decimals(radians.cos()));
    let (a, b, d, e) = (cos, sin, -sin, cos);
    let (cx, cy) = (
        (width as f64 + 2.0 * pad) / 2.0,
        (height as f64 + 2.0 * pad) / 2.0,
    );
    let c = a * -cx + b * -cy + 0.0 + cx;
    let f = d * -cx + e * -cy + 0.0 + cy;
    let source = image.pixels().as_chunks::<3>().0;
    let mut pixels = vec![0; image.pixels().len()];
    vectorised(
        #[inline(always)]
        || {
            for (y, out) in pixels.chunks_exact_mut(3 * width).enumerate() {
                let down = y as f64 + pad + 0.5;
                for (x, to) in out.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                    let right = x as f64 + pad + 0.5;
                    let (xin, yin) = (a * right + b * down + c, d * right + e * down + f);
                    if columns.holds(xin) && rows.holds(yin) {
                        *to = both(source, width, [xin, yin], [columns, rows]);
                    }
                }
            }
        },
    );
    RgbImage::raw(width, height, pixels)
}

/// The kernel along four rows, then down the four results.
#[inline(always)]
fn both(pixels: &[[u8; 3]], width: usize, at: [f64; 2], [columns, rows]: [Axis; 2]) -> [u8; 3] {
    let [x, y] = at.map(|v| v - 0.5);
    let (left, top) = (x.floor(), y.floor());
    let (dx, dy) = (x - left, y - top);
    let (left, top) = (left as i64 - 1, top as i64 - 1);
    let from = left - columns.pad;
    let inside = from >= 0 && from + 3 < columns.length;
    // Four lanes for three channels: one vector.
    let mut lines = [[0.0_f64; 4]; 4];
    for (k, line) in lines.iter_mut().enumerate() {
        let row = rows.index(top + k as i64) * width;
        let taps: [[u8; 3]; 4] = if inside {
            let start = row + from as usize;
            let four = &pixels[start..start + 4];
            [four[0], four[1], four[2], four[3]]
        } else {
            std::array::from_fn(|j| pixels[row + columns.index(left + j as i64)])
        };
        *line = cubic_lanes(
            taps.map(|[r, g, b]| [f64::from(r), f64::from(g), f64::from(b), 0.0]),
            dx,
        );
    }
    let [r, g, b, _] = cubic_lanes(lines, dy);
    [r as u8, g as u8, b as u8]
}

/// [`cubic`] in four lanes.
#[inline(always)]
fn cubic_lanes([v1, v2, v3, v4]: [[f64; 4]; 4], d: f64) -> [f64; 4] {
    let mut out = [0.0; 4];
    for i in 0..4 {
        out[i] = cubic([v1[i], v2[i], v3[i], v4[i]], d);
    }
    out
}

/// Rounded to 15 decimals, as Python's `round(x, 15)`.
fn decimals(x: f64) -> f64 {
    // Formatting rounds the exact decimal value, and so does Python.
    format!("{x:.15}").parse().unwrap_or(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFLECT: Padding = Padding::Reflect { pad: 31 };

    fn noise(width: usize, height: usize) -> RgbImage {
        let mut state = 12_345_u32;
        let pixels = (0..3 * width * height).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        RgbImage::new(width, height, pixels.collect()).unwrap()
    }

    #[test]
    fn reflection_is_a_triangle_wave() {
        let found: Vec<usize> = (-5..9).map(|at| reflect(at, 4)).collect();
        assert_eq!(
            found,
            [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2][..].to_vec()
        );
        assert_eq!(reflect(-7, 1), 0);
    }

    #[test]
    fn half_pixels_round_up() {
        let image = noise(9, 3);
        let shifted = translate(&image, 3.5, 0.0, Padding::Black);
        assert_eq!(shifted.pixel(0, 1), image.pixel(4, 1));
        assert_eq!(shifted.pixel(5, 1), [0; 3]);
        let shifted = translate(&image, -3.5, 0.0, Padding::Black);
        assert_eq!(shifted.pixel(3, 1), image.pixel(0, 1));
        assert_eq!(shifted.pixel(2, 1), [0; 3]);
    }

    #[test]
    fn nothing_moves_by_nothing() {
        let image = noise(7, 5);
        for padding in [REFLECT, Padding::Black, Padding::Edge] {
            assert_eq!(translate(&image, 0.0, 0.0, padding), image);
            assert_eq!(shear_x(&image, 0.0, false, padding), image);
            assert_eq!(shear_y(&image, 0.0, true, padding), image);
            assert_eq!(rotate(&image, 0.0, padding), image);
            assert_eq!(rotate(&image, -360.0, padding), image);
        }
    }

    #[test]
    fn right_angles_are_exact() {
        let image = noise(6, 6);
        assert_eq!(
            rotate(&image, 90.0, REFLECT),
            frame::quarter_turns(&image, 1)
        );
        assert_eq!(
            rotate(&image, -90.0, REFLECT),
            frame::quarter_turns(&image, 3)
        );
        assert_eq!(
            rotate(&image, 180.0, REFLECT),
            frame::quarter_turns(&image, 2)
        );
    }

    #[test]
    fn a_shear_of_columns_is_the_transposed_shear() {
        let image = noise(11, 11);
        let transposed = |i: &RgbImage| frame::mirror(&frame::quarter_turns(i, 3));
        for padding in [REFLECT, Padding::Black] {
            let one = shear_y(&image, 0.31, false, padding);
            let other = transposed(&shear_x(&transposed(&image), 0.31, false, padding));
            assert_eq!(one, other);
        }
    }

    #[test]
    fn every_padding_survives_the_smallest_image() {
        let image = noise(1, 1);
        for padding in [REFLECT, Padding::Black, Padding::Edge] {
            let _ = rotate(&image, 33.0, padding);
            let _ = shear_x(&image, 0.75, true, padding);
            let _ = translate(&image, 100.0, -100.0, padding);
        }
    }
}
