//! Shear and rotation: sixteen neighbours of every source coordinate, and one cubic kernel.
//!
//! A source coordinate is a part that depends on the row plus a part that depends on the column. Both are computed on the host in `f64` and split there
//! into a whole number and a fraction, so that on the device the fraction keeps all digits of `f32`, however large the image.

use burn::tensor::{Bool, Tensor};

use super::{level, window::table};
use crate::{Compat, ResolvedOp, compat::Padding, ops::affine::rotation};

/// `x' = a x + b y + c`, `y' = d x + e y + f` between centres of pixels, without padding.
fn matrix(op: &ResolvedOp, [width, height]: [f64; 2]) -> [f64; 6] {
    match *op {
        ResolvedOp::ShearX { factor, mirror } if mirror => {
            [1.0, -factor, factor * height, 0.0, 1.0, 0.0]
        }
        ResolvedOp::ShearX { factor, .. } => [1.0, factor, 0.0, 0.0, 1.0, 0.0],
        ResolvedOp::ShearY { factor, mirror } if mirror => {
            [1.0, 0.0, 0.0, -factor, 1.0, factor * width]
        }
        ResolvedOp::ShearY { factor, .. } => [1.0, 0.0, 0.0, factor, 1.0, 0.0],
        ResolvedOp::Rotate { degrees } => rotation(degrees.rem_euclid(360.0), [width, height]),
        _ => [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    }
}

/// A coordinate less one half, of every pixel `[n, h, w]`: its whole part and its fraction.
struct Coordinate {
    whole: Tensor<3>,
    fraction: Tensor<3>,
}

impl Coordinate {
    /// `of_column x + of_row y + constant` for each image.
    fn new(
        lines: impl Iterator<Item = [f64; 3]>,
        [width, height]: [usize; 2],
        images: &Tensor<4>,
    ) -> Self {
        let (mut columns, mut rows) = ([vec![], vec![]], [vec![], vec![]]);
        for [of_column, of_row, constant] in lines {
            let part = |n: usize, factor: f64, constant: f64| {
                let values: Vec<f64> = (0..n)
                    .map(|at| factor * (at as f64 + 0.5) + constant)
                    .collect();
                let whole = values.iter().map(|v| v.floor() as f32).collect::<Vec<_>>();
                let fraction = values.iter().map(|v| (v - v.floor()) as f32).collect();
                [whole, fraction]
            };
            let [whole, fraction] = part(width, of_column, -0.5);
            columns[0].push(whole);
            columns[1].push(fraction);
            let [whole, fraction] = part(height, of_row, constant);
            rows[0].push(whole);
            rows[1].push(fraction);
        }
        let device = images.device();
        let [whole, fraction] = [0, 1].map(|part| {
            let across = table(&columns[part], &device).unsqueeze_dim::<3>(1);
            let down = table(&rows[part], &device).unsqueeze_dim::<3>(2);
            across + down
        });
        let carry = fraction.clone().floor();
        Self {
            whole: whole + carry.clone(),
            fraction: fraction - carry,
        }
    }

    /// Whether the coordinate itself is inside of `0..length`.
    fn inside(&self, length: usize) -> Tensor<3, Bool> {
        let from_start = self.whole.clone() + self.fraction.clone();
        let from_end = self.whole.clone() - length as f32 + self.fraction.clone();
        from_start
            .greater_equal_elem(-0.5)
            .bool_and(from_end.lower_elem(-0.5))
    }

    /// The place of neighbour `k` (0 to 3) on an axis of this length.
    fn place(&self, k: usize, length: usize, padding: Padding) -> Tensor<3> {
        let at = self.whole.clone() + (k as f32 - 1.0);
        let last = (length - 1) as f32;
        let at = match padding {
            Padding::Reflect { .. } if length > 1 => {
                let period = 2.0 * last;
                let round = at.clone() - (at / period).floor() * period;
                round.clone().min_pair(round * -1.0 + period)
            }
            _ => at,
        };
        at.clamp(0.0, last)
    }
}

/// The value at `d` between the second and third of four; Keys with a = −1.
fn cubic([v1, v2, v3, v4]: [Tensor<3>; 4], d: &Tensor<3>) -> Tensor<3> {
    let step = v1.clone() - v2.clone();
    let p2 = v3.clone() - v1;
    let p3 = step.clone() * 2.0 + v3.clone() - v4.clone();
    let p4 = v4 - v3 - step;
    v2 + d.clone() * (p2 + d.clone() * (p3 + d.clone() * p4))
}

pub(super) fn sample(ops: &[&ResolvedOp], images: Tensor<4>, compat: &Compat) -> Tensor<4> {
    let [count, channels, height, width] = images.dims();
    let size = [width as f64, height as f64];
    let matrices: Vec<[f64; 6]> = ops.iter().map(|op| matrix(op, size)).collect();
    let x = matrices.iter().map(|[a, b, c, ..]| [*a, *b, *c]);
    let x = Coordinate::new(x, [width, height], &images);
    let y = matrices.iter().map(|[.., d, e, f]| [*d, *e, *f]);
    let y = Coordinate::new(y, [width, height], &images);
    let area = height * width;
    let flat = |t: Tensor<3>| t.reshape([count, 1, area]);
    let source = images.clone().reshape([count, channels, area]);
    let (dx, dy) = (flat(x.fraction.clone()), flat(y.fraction.clone()));
    let columns = [0, 1, 2, 3].map(|k| flat(x.place(k, width, compat.padding)).int());
    let lines = [0, 1, 2, 3].map(|k| {
        let row = flat(y.place(k, height, compat.padding)).int();
        let row = row.mul_scalar(width as i32);
        let taps = columns.clone().map(|column| {
            let pixel = (row.clone() + column).expand([count, channels, area]);
            source.clone().gather(2, pixel)
        });
        cubic(taps, &dx)
    });
    let found = level(cubic(lines, &dy)).reshape([count, channels, height, width]);
    if compat.padding != Padding::Black {
        return found;
    }
    let inside = x.inside(width).bool_and(y.inside(height)).float();
    found * inside.reshape([count, 1, height, width])
}
