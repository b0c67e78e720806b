//! Spreads rows of values over threads and lets the compiler use the processor's widest vectors.

use pulp::Arch;
use rayon::prelude::*;

/// Values a thread is woken up for.
const TASK: usize = 16 * 1024;

/// Calls `change(index, row)` for every row of `width` values. Code that is to be vectorised has to be inlined into `change`.
pub(super) fn for_rows(
    values: &mut [f32],
    width: usize,
    change: impl Fn(usize, &mut [f32]) + Sync + Send,
) {
    let rows_a_task = (TASK / width.max(1)).max(1);
    let task = |(index, rows): (usize, &mut [f32])| {
        Arch::new().dispatch(|| {
            for (row, values) in rows.chunks_exact_mut(width).enumerate() {
                change(index * rows_a_task + row, values);
            }
        });
    };
    if values.len() < 2 * TASK {
        values
            .chunks_mut(rows_a_task * width)
            .enumerate()
            .for_each(task);
    } else {
        values
            .par_chunks_mut(rows_a_task * width)
            .enumerate()
            .for_each(task);
    }
}

/// Independent partial sums of a reduction, so that it can be vectorised; their number is fixed, so its order is too.
pub(super) const LANES: usize = 16;

/// Adds up the lanes pairwise.
#[inline(always)]
pub(super) fn total(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}
