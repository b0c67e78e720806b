//! Operations that move whole pixels: where every row and every column comes from is a short list, made on the host; the pixels move on the device.

use burn::tensor::{Device, Tensor, TensorData};

use crate::{
    Compat, ResolvedOp, TtaError,
    ops::{axis::Axis, cutout::range},
};

/// Quarter turns counter-clockwise of an angle that is an exact turn: a multiple of 180 degrees, or of 90 on a square.
pub(super) fn right_angle(degrees: f64, square: bool) -> Option<u8> {
    let angle = degrees.rem_euclid(360.0);
    [0.0, 90.0, 180.0, 270.0]
        .iter()
        .position(|turn| *turn == angle)
        .filter(|turns| square || turns % 2 == 0)
        .map(|turns| turns as u8)
}

/// For each place of an axis of the result, its place in the source; none is black.
type Places = Vec<Option<usize>>;

fn reversed(mut places: Places, reverse: bool) -> Places {
    if reverse {
        places.reverse();
    }
    places
}

/// Rows and columns, of the transposed image where the operation transposes.
fn places(op: &ResolvedOp, [width, height]: [usize; 2], compat: &Compat) -> [Places; 2] {
    let all = |n: usize| -> Places { (0..n).map(Some).collect() };
    let symmetry = |turns: u8, mirrored: bool| {
        let (rows, columns) = match turns % 4 {
            0 => (false, mirrored),
            1 => (!mirrored, false),
            2 => (true, !mirrored),
            _ => (mirrored, true),
        };
        [reversed(all(height), rows), reversed(all(width), columns)]
    };
    match *op {
        ResolvedOp::TranslateX { pixels } => {
            let columns = Axis::new(width, compat.padding).nearest(pixels);
            [all(height), columns]
        }
        ResolvedOp::TranslateY { pixels } => {
            let rows = Axis::new(height, compat.padding).nearest(pixels);
            [rows, all(width)]
        }
        ResolvedOp::Crop {
            left,
            top,
            width: to_width,
            height: to_height,
            flip,
        } => {
            let axis = |first: i64, count: usize, length: usize| -> Places {
                (0..count as i64)
                    .map(|at| usize::try_from(first.saturating_add(at)).ok())
                    .map(|at| at.filter(|at| *at < length))
                    .collect()
            };
            let columns = reversed(axis(left, to_width, width), flip);
            [axis(top, to_height, height), columns]
        }
        ResolvedOp::Mirror => symmetry(0, true),
        ResolvedOp::Dihedral { index } => symmetry(index, index % 8 > 3),
        ResolvedOp::Rotate { degrees } => symmetry(right_angle(degrees, true).unwrap_or(0), false),
        _ => [all(height), all(width)],
    }
}

/// A table of numbers, one row an image.
pub(super) fn table(rows: &[Vec<f32>], device: &Device) -> Tensor<2> {
    let width = rows.first().map_or(0, Vec::len);
    Tensor::from_data(TensorData::new(rows.concat(), [rows.len(), width]), device)
}

pub(super) fn gather(
    ops: &[&ResolvedOp],
    images: Tensor<4>,
    compat: &Compat,
) -> Result<Tensor<4>, TtaError> {
    let [count, channels, height, width] = images.dims();
    let found: Vec<[Places; 2]> = ops
        .iter()
        .map(|op| places(op, [width, height], compat))
        .collect();
    let [to_height, to_width] = [0, 1].map(|axis| found.first().map_or(0, |f| f[axis].len()));
    if let Some(at) = found
        .iter()
        .position(|[rows, columns]| rows.len() != to_height || columns.len() != to_width)
    {
        let [rows, columns] = &found[at];
        return Err(TtaError::Mismatch {
            place: format!("{} of a batch", ops[at].name()),
            field: "size after a step",
            found: format!("{} × {}", columns.len(), rows.len()),
            expected: format!("{to_width} × {to_height}, as others"),
        });
    }
    let device = images.device();
    let lists = |axis: usize, value: &dyn Fn(&Option<usize>) -> f32| {
        let rows: Vec<Vec<f32>> = found
            .iter()
            .map(|f| f[axis].iter().map(value).collect())
            .collect();
        table(&rows, &device)
    };
    let place = |p: &Option<usize>| p.unwrap_or(0) as f32;
    let there = |p: &Option<usize>| f32::from(p.is_some());
    let rows = lists(0, &place).int().reshape([count, to_height, 1]);
    let columns = lists(1, &place).int().reshape([count, 1, to_width]);
    let pixels = rows.mul_scalar(width as i32) + columns;
    let pixels = pixels.reshape([count, 1, to_height * to_width]).expand([
        count,
        channels,
        to_height * to_width,
    ]);
    let moved = images
        .reshape([count, channels, height * width])
        .gather(2, pixels)
        .reshape([count, channels, to_height, to_width]);
    if found.iter().flatten().flatten().all(Option::is_some) {
        return Ok(moved);
    }
    let rows = lists(0, &there).reshape([count, 1, to_height, 1]);
    let columns = lists(1, &there).reshape([count, 1, 1, to_width]);
    Ok(moved * rows * columns)
}

pub(super) fn cutout(ops: &[&ResolvedOp], images: Tensor<4>) -> Tensor<4> {
    let [count, _, height, width] = images.dims();
    let device = images.device();
    let inside = |centre: f64, side: f64, length: usize| -> Vec<f32> {
        let range = range(centre, side, length);
        (0..length)
            .map(|at| f32::from(range.contains(&at)))
            .collect()
    };
    let lists = |down: bool| -> Vec<Vec<f32>> {
        let one = |op: &&ResolvedOp| match **op {
            ResolvedOp::Cutout { centre_y, side, .. } if down => inside(centre_y, side, height),
            ResolvedOp::Cutout { centre_x, side, .. } => inside(centre_x, side, width),
            _ => vec![0.0; if down { height } else { width }],
        };
        ops.iter().map(one).collect()
    };
    let rows = table(&lists(true), &device).reshape([count, 1, height, 1]);
    let columns = table(&lists(false), &device).reshape([count, 1, 1, width]);
    images * (rows * columns * -1.0 + 1.0)
}
