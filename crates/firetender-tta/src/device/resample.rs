//! Resizing as two products with matrices.
//!
//! The exact path adds 30-bit integers. Here each weight is split, `w = 2⁸ high + low`: the products of either part with 8-bit levels add up to integers
//! below 2²⁴, which `f32` holds, and the two sums are put together without rounding. So it is equal, for up to 220 weights an output, that is for images that
//! become up to 56 times smaller.

use burn::tensor::{Tensor, TensorData};

use crate::{
    ResolvedOp, TtaError,
    ops::resize::{BITS, Kernels},
};

/// Bits of the low part.
const LOW: u32 = 8;

/// What an operation takes and makes: left, top, width, height of the window, then size and mirroring of the result.
struct Plan {
    at: [usize; 2],
    from: [usize; 2],
    to: [usize; 2],
    flip: bool,
}

fn plan(op: &ResolvedOp, size: [usize; 2]) -> Plan {
    match *op {
        ResolvedOp::ResizedCrop {
            left,
            top,
            width,
            height,
            size,
            flip,
        } => Plan {
            at: [left, top],
            from: [width, height],
            to: [size, size],
            flip,
        },
        ResolvedOp::Resize { width, height } => Plan {
            at: [0, 0],
            from: size,
            to: [width, height],
            flip: false,
        },
        _ => Plan {
            at: [0, 0],
            from: size,
            to: size,
            flip: false,
        },
    }
}

/// Width and height before and after.
pub(super) fn sizes(op: &ResolvedOp, size: [usize; 2]) -> ([usize; 2], [usize; 2]) {
    let plan = plan(op, size);
    (plan.from, plan.to)
}

/// Weights `[output, input]` of one axis (0: columns, 1: rows), in two parts.
fn weights(plan: &Plan, axis: usize, length: usize) -> [Vec<f32>; 2] {
    let (from, to) = (plan.from[axis], plan.to[axis]);
    let mut parts = [vec![0.0; to * length], vec![0.0; to * length]];
    for (output, (first, list)) in Kernels::new(from, to).iter().enumerate() {
        let output = if plan.flip && axis == 0 {
            to - 1 - output
        } else {
            output
        };
        for (j, weight) in list.iter().enumerate() {
            // An axis that keeps its size needs no pass; its kernel is one.
            let at = output * length + plan.at[axis] + first + j;
            parts[0][at] = (weight >> LOW) as f32;
            parts[1][at] = (weight & ((1 << LOW) - 1)) as f32;
        }
    }
    parts
}

pub(super) fn resize(
    ops: &[&ResolvedOp],
    images: Tensor<4>,
    vertical_first: bool,
) -> Result<Tensor<4>, TtaError> {
    let [_, _, height, width] = images.dims();
    let size = [width, height];
    // One matrix for all, where all are alike.
    let alike = ops.iter().all(|op| *op == ops[0]);
    let plans: Vec<Plan> = ops[..if alike { 1 } else { ops.len() }]
        .iter()
        .map(|op| plan(op, size))
        .collect();
    let to = plans[0].to;
    if let Some(other) = plans.iter().find(|plan| plan.to != to) {
        return Err(TtaError::Mismatch {
            place: "resize of a batch".into(),
            field: "size after a step",
            found: format!("{:?}", other.to),
            expected: format!("{to:?}, as others"),
        });
    }
    let device = images.device();
    // The axis is the last one of `images`: columns as they are, rows transposed.
    let pass = |images: Tensor<4>, axis: usize| {
        let length = size[axis];
        let mut parts = [vec![], vec![]];
        for plan in &plans {
            let [high, low] = weights(plan, axis, length);
            parts[0].extend(high);
            parts[1].extend(low);
        }
        let [high, low] = parts.map(|values| {
            let shape = [plans.len(), 1, to[axis], length];
            let matrix = Tensor::<4>::from_data(TensorData::new(values, shape), &device);
            images.clone().matmul(matrix.swap_dims(2, 3))
        });
        // (2⁸ high + low + 2²¹) >> 22, in numbers that stay below 2²⁴.
        let half = f64::from(1 << (BITS - 1));
        let carried = ((low + half) / f64::from(1 << LOW)).floor();
        ((high + carried) / f64::from(1 << (BITS - LOW)))
            .floor()
            .clamp(0.0, 255.0)
    };
    let across = |images: Tensor<4>| pass(images, 0);
    let down = |images: Tensor<4>| pass(images.swap_dims(2, 3), 1).swap_dims(2, 3);
    Ok(if vertical_first {
        across(down(images))
    } else {
        down(across(images))
    })
}
