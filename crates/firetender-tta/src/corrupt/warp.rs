//! Places moved: stretched and bent, or merged into blocks.

use super::{
    blur::{Edge, gaussian},
    plane::{Plane, mirrored, reflected},
};
use crate::{Draw, RgbImage};

/// A random affine map, then a smooth random field; `bend`, `smooth` and `stretch` in shares of the shorter side.
pub(super) fn elastic(plane: &Plane, [bend, smooth, stretch]: [f64; 3], draw: &mut Draw) -> Plane {
    let side = plane.width.min(plane.height) as f64;
    let (width, height) = (plane.width, plane.height);
    let (cx, cy) = ((width / 2) as f64, (height / 2) as f64);
    let third = (width.min(height) / 3).max(1) as f64;
    let from = [
        [cx + third, cy + third],
        [cx + third, cy - third],
        [cx - third, cy - third],
    ];
    let reach = stretch * side;
    let to = from.map(|[x, y]| {
        [
            x + draw.between(-reach, reach),
            y + draw.between(-reach, reach),
        ]
    });
    let stretched = match affine(to, from) {
        // Where a pixel of the result lies in the image.
        Some([a, b]) => plane.like(|x, y, c| {
            let (x, y) = (x as f64, y as f64);
            let at = [a[0] * x + a[1] * y + a[2], b[0] * x + b[1] * y + b[2]];
            sample(plane, at, c, mirrored)
        }),
        None => plane.clone(),
    };
    if bend == 0.0 {
        return stretched;
    }
    let mut field = || {
        let mut noise = plane.clone();
        for pixel in noise.values.as_chunks_mut::<3>().0 {
            *pixel = [draw.between(-1.0, 1.0); 3];
        }
        gaussian(&noise, smooth * side, 3.0, Edge::Reflect).map(|x| x * bend * side)
    };
    let (dx, dy) = (field(), field());
    plane.like(|x, y, c| {
        let at = [x as f64 + dx.at(x, y, 0), y as f64 + dy.at(x, y, 0)];
        sample(&stretched, at, c, reflected)
    })
}

/// Between pixels, anywhere.
fn sample(plane: &Plane, [x, y]: [f64; 2], channel: usize, edge: fn(i64, usize) -> usize) -> f64 {
    let (x0, y0) = (x.floor(), y.floor());
    let at = |dx: i64, dy: i64| {
        let column = edge(x0 as i64 + dx, plane.width);
        plane.at(column, edge(y0 as i64 + dy, plane.height), channel)
    };
    let (fx, fy) = (x - x0, y - y0);
    let upper = (1.0 - fx) * at(0, 0) + fx * at(1, 0);
    let lower = (1.0 - fx) * at(0, 1) + fx * at(1, 1);
    (1.0 - fy) * upper + fy * lower
}

/// The map `[x, y, 1] → [a, b]` that takes three points to three others; none where the points lie on a line.
fn affine(from: [[f64; 2]; 3], to: [[f64; 2]; 3]) -> Option<[[f64; 3]; 2]> {
    let [[x0, y0], [x1, y1], [x2, y2]] = from;
    let determinant = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0);
    if determinant.abs() < 1e-9 {
        return None;
    }
    let along = |c: usize| {
        let [t0, t1, t2] = [to[0][c], to[1][c], to[2][c]];
        let a = ((t1 - t0) * (y2 - y0) - (t2 - t0) * (y1 - y0)) / determinant;
        let b = ((t2 - t0) * (x1 - x0) - (t1 - t0) * (x2 - x0)) / determinant;
        [a, b, t0 - a * x0 - b * y0]
    };
    Some([along(0), along(1)])
}

/// Down to a share of the sides by means over boxes, and up again by the nearest; bytes between, as Pillow has it.
pub(super) fn pixelate(image: &RgbImage, share: f64) -> RgbImage {
    let (width, height) = (image.width(), image.height());
    let small = |side: usize| ((side as f64 * share) as usize).max(1);
    let (w, h) = (small(width), small(height));
    // Whose centres lie within half a block of the block's centre.
    let pixels_of = |block: usize, side: usize, blocks: usize| {
        let scale = side as f64 / blocks as f64;
        let centre = (block as f64 + 0.5) * scale;
        let first = (centre - scale / 2.0 + 0.5) as usize;
        let last = ((centre + scale / 2.0 + 0.5) as usize).min(side);
        first.min(side - 1)..last.max(first.min(side - 1) + 1)
    };
    let mean = |sum: u32, count: usize| (f64::from(sum) / count as f64).round() as u8;
    let mut across = vec![0; 3 * w * height];
    for y in 0..height {
        for x in 0..w {
            let range = pixels_of(x, width, w);
            for c in 0..3 {
                let sum = range
                    .clone()
                    .map(|from| u32::from(image.row(y)[3 * from + c]))
                    .sum();
                across[3 * (y * w + x) + c] = mean(sum, range.len());
            }
        }
    }
    let mut blocks = vec![0; 3 * w * h];
    for y in 0..h {
        let range = pixels_of(y, height, h);
        for at in 0..3 * w {
            let sum = range
                .clone()
                .map(|from| u32::from(across[3 * w * from + at]))
                .sum();
            blocks[3 * w * y + at] = mean(sum, range.len());
        }
    }
    let block = |at: usize, side: usize, blocks: usize| {
        (((at as f64 + 0.5) * blocks as f64 / side as f64) as usize).min(blocks - 1)
    };
    let mut out = image.clone();
    for y in 0..height {
        for x in 0..width {
            let from = 3 * (block(y, height, h) * w + block(x, width, w));
            let to = 3 * (y * width + x);
            out.pixels_mut()[to..to + 3].copy_from_slice(&blocks[from..from + 3]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_points_fix_a_map() {
        let from = [[1.0, 2.0], [4.0, -1.0], [0.0, 7.0]];
        let to = [[0.5, 3.0], [2.0, 2.0], [-1.0, 0.0]];
        let [a, b] = affine(from, to).unwrap();
        for ([x, y], [u, v]) in from.into_iter().zip(to) {
            assert!((a[0] * x + a[1] * y + a[2] - u).abs() < 1e-12);
            assert!((b[0] * x + b[1] * y + b[2] - v).abs() < 1e-12);
        }
        assert!(affine([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], to).is_none());
    }
}
