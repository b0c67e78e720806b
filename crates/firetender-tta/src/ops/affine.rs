//! Shear, translation and rotation, with the sums and the kernel of Pillow's affine transform.
//!
//! Coordinates are computed as in an image padded on every side, so that they round alike, and only then mapped back: no padded copy is
//! made, and only the pixels that are kept are computed. Along a row a coordinate never turns back, so the pixels whose sixteen
//! neighbours all lie inside are one span, found once a row; only the others ask where each neighbour is.

use std::ops::Range;

use firetender_uncertainty::lanes::vectorised;

use super::{
    axis::Axis,
    cubic::{BLOCK, Block, along_one, level, wide},
    frame,
};
use crate::{RgbImage, compat::Padding};

/// The first of `0..n` from which on something holds.
#[inline(always)]
fn first(n: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut from, mut to) = (0, n);
    while from < to {
        let middle = usize::midpoint(from, to);
        if holds(middle) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    from
}

/// The places `x` in `0..n` where `low ≤ value(x) < high`, for a `value` that never turns back.
#[inline(always)]
fn span(n: usize, value: impl Fn(usize) -> f64, [low, high]: [f64; 2]) -> Range<usize> {
    let (start, end) = if value(n - 1) >= value(0) {
        (
            first(n, |x| value(x) >= low),
            first(n, |x| value(x) >= high),
        )
    } else {
        (first(n, |x| value(x) < high), first(n, |x| value(x) < low))
    };
    start..end.max(start)
}

/// Shifts by a number of pixels: the pixel nearest to each source coordinate, whose fraction is accumulated by steps of one.
pub(crate) fn translate(image: &RgbImage, x: f64, y: f64, padding: Padding) -> RgbImage {
    let columns = Axis::new(image.width(), padding).nearest(x);
    let rows = Axis::new(image.height(), padding).nearest(y);
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

/// The places of a row whose source coordinate is taken from the image at all; the others are black.
#[inline(always)]
fn held(n: usize, at: impl Fn(usize) -> f64, axis: Axis) -> Range<usize> {
    match axis.range() {
        Some(range) => span(n, at, range),
        None => 0..n,
    }
}

/// What two ranges have in common.
fn both(a: Range<usize>, b: Range<usize>) -> Range<usize> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}

/// Source `x' = x + factor (y − pad)`: the top edge stays where it is. With `mirror`, the bottom edge.
pub(crate) fn shear_x(image: &RgbImage, factor: f64, mirror: bool, padding: Padding) -> RgbImage {
    if mirror {
        let turned = shear_x(&frame::upside_down(image), factor, false, padding);
        return frame::upside_down(&turned);
    }
    let axis = Axis::new(image.width(), padding);
    let (pad, width) = (axis.pad(), image.width());
    let offset = -factor * pad;
    let mut pixels = vec![0; image.pixels().len()];
    vectorised(
        #[inline(always)]
        || {
            let mut block = Block::new();
            let centre = |x: usize| x as f64 + pad + 0.5;
            // A number a byte.
            let centres: Vec<f64> = (0..3 * width).map(|i| centre(i / 3)).collect();
            for (y, out) in pixels.chunks_exact_mut(3 * width).enumerate() {
                // The source row is a pixel's centre, where the kernel's other rows have weight zero.
                let row = image.row(y);
                let slide = factor * (y as f64 + pad + 0.5);
                let at = |x: usize| centre(x) + slide + offset;
                let held = held(width, at, axis);
                let inner = both(span(width, |x| at(x) - 0.5, axis.inside()), held.clone());
                let slid = slide_row(row, out, &centres, inner.clone(), axis, [slide, offset]);
                let inner = if slid { inner } else { held.end..held.end };
                for part in [held.start..inner.start, inner.end..held.end] {
                    taps_row(&mut block, row, out, part, axis, at);
                }
            }
        },
    );
    RgbImage::raw(image.width(), image.height(), pixels)
}

/// The pixels of a row whose neighbours are in the image and lie, for each pixel, one further to the right than for the one before: then the row is shifted
/// as it is, byte by byte. Where a rounded sum crosses a whole number they do not; then it gives up.
#[inline(always)]
fn slide_row(
    row: &[u8],
    out: &mut [u8],
    centres: &[f64],
    inner: Range<usize>,
    axis: Axis,
    [slide, offset]: [f64; 2],
) -> bool {
    if inner.is_empty() {
        return false;
    }
    let (start, n) = (3 * inner.start, 3 * inner.len());
    let place = centres[start] + slide + offset - 0.5;
    let (first, _) = axis.split_inside(place);
    let apart = place.floor() - centres[start];
    let Some(source) = row.get(3 * first..3 * first + n + 9) else {
        return false;
    };
    let (v1, v2) = (&source[..n], &source[3..n + 3]);
    let (v3, v4) = (&source[6..n + 6], &source[9..n + 9]);
    let (out, centres) = (&mut out[start..start + n], &centres[start..start + n]);
    let mut bent = 0;
    for i in 0..n {
        let place = centres[i] + slide + offset - 0.5;
        let second = place.floor();
        bent |= u64::from(second - centres[i] != apart);
        out[i] = level(along_one([v1[i], v2[i], v3[i], v4[i]], place - second));
    }
    bent == 0
}

/// Pixels of a row of which each looks for its neighbours.
#[inline(always)]
fn taps_row(
    block: &mut Block,
    row: &[u8],
    out: &mut [u8],
    part: Range<usize>,
    axis: Axis,
    at: impl Fn(usize) -> f64,
) {
    let (row, out) = (row.as_chunks::<3>().0, out.as_chunks_mut::<3>().0);
    for start in part.clone().step_by(BLOCK) {
        let end = part.end.min(start + BLOCK);
        for x in start..end {
            let (places, d) = axis.taps(at(x) - 0.5);
            block.d[0][x - start] = d;
            for (k, place) in places.into_iter().enumerate() {
                let [r, g, b] = row[place];
                block.put(0, k, x - start, [r, g, b, 0]);
            }
        }
        block.one(&mut out[start..end]);
    }
}

/// As [`shear_x`] with the axes exchanged; the left edge stays, or with `mirror` the right one.
pub(crate) fn shear_y(image: &RgbImage, factor: f64, mirror: bool, padding: Padding) -> RgbImage {
    // A mirrored column is a row upside down. Beyond the image rows repeat the value before, which for a single column is what clamping does.
    let turned = frame::transpose(image);
    frame::transpose(&shear_x(&turned, factor, mirror, padding))
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
    let pad = columns.pad();
    let [a, b, c, d, e, f] = rotation(angle, [width as f64 + 2.0 * pad, height as f64 + 2.0 * pad]);
    let mut pixels = vec![0; image.pixels().len()];
    vectorised(
        #[inline(always)]
        || {
            let (source, mut block) = (wide(image), Block::new());
            for (y, out) in pixels.chunks_exact_mut(3 * width).enumerate() {
                let out = out.as_chunks_mut::<3>().0;
                let down = y as f64 + pad + 0.5;
                let right = |x: usize| x as f64 + pad + 0.5;
                let xin = |x: usize| a * right(x) + b * down + c;
                let yin = |x: usize| d * right(x) + e * down + f;
                let across = span(width, |x| xin(x) - 0.5, columns.inside());
                let along = span(width, |x| yin(x) - 0.5, rows.inside());
                let inner = both(across, along);
                let held = both(held(width, xin, columns), held(width, yin, rows));
                for start in held.clone().step_by(BLOCK) {
                    let end = held.end.min(start + BLOCK);
                    for x in start..end {
                        let p = x - start;
                        if inner.contains(&x) {
                            let (left, dx) = columns.split_inside(xin(x) - 0.5);
                            let (top, dy) = rows.split_inside(yin(x) - 0.5);
                            (block.d[0][p], block.d[1][p]) = (dx, dy);
                            for line in 0..4 {
                                let first = (top + line) * width + left;
                                let four = &source[first..first + 4];
                                for (k, pixel) in four.iter().enumerate() {
                                    block.put(line, k, p, *pixel);
                                }
                            }
                        } else {
                            let (across, dx) = columns.taps(xin(x) - 0.5);
                            let (down, dy) = rows.taps(yin(x) - 0.5);
                            (block.d[0][p], block.d[1][p]) = (dx, dy);
                            for (line, row) in down.into_iter().enumerate() {
                                for (k, column) in across.into_iter().enumerate() {
                                    block.put(line, k, p, source[row * width + column]);
                                }
                            }
                        }
                    }
                    block.two(&mut out[start..end]);
                }
            }
        },
    );
    RgbImage::raw(width, height, pixels)
}

/// The six numbers by which Pillow turns an image of this (padded) size: `x' = a x + b y + c`, `y' = d x + e y + f`.
pub(crate) fn rotation(degrees: f64, [width, height]: [f64; 2]) -> [f64; 6] {
    let radians = -degrees.to_radians();
    let (sin, cos) = (decimals(radians.sin()), decimals(radians.cos()));
    let (a, b, d, e) = (cos, sin, -sin, cos);
    let (cx, cy) = (width / 2.0, height / 2.0);
    let c = a * -cx + b * -cy + 0.0 + cx;
    let f = d * -cx + e * -cy + 0.0 + cy;
    [a, b, c, d, e, f]
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
