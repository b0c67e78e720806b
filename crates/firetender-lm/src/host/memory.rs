//! Where values lie in memory, and what becomes of freed memory.

use rayon::prelude::*;

/// Side of the squares that are transposed at once; two of them fit a processor's first cache.
const SQUARE: usize = 16;

/// `[rows, columns]` as `[columns, rows]`, both row-major.
pub(crate) fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = vec![0.0; rows * columns];
    out.par_chunks_mut(SQUARE * rows.max(1))
        .enumerate()
        .for_each(|(index, strip)| {
            let first = index * SQUARE;
            for start in (0..rows).step_by(SQUARE) {
                for (column, to) in strip.chunks_exact_mut(rows).enumerate() {
                    for row in start..rows.min(start + SQUARE) {
                        to[row] = values[row * columns + first + column];
                    }
                }
            }
        });
    out
}

/// Lets the process keep memory that it frees, up to 64 MB, in place of giving it back and asking for it again.
///
/// A pass makes and frees some megabytes with every operation. The GNU C library's `malloc` returns memory to the system above a
/// threshold that it learns from the largest block freed so far, and then every operation waits for fresh pages: a fifth
/// of the time of a prompt. It learns from blocks up to 32 MiB. This one is never written to, so it costs nothing; with
/// other allocators it does nothing.
pub(crate) fn keep_freed_memory() {
    const LARGEST_LEARNT_FROM: usize = 32 << 20;
    drop(std::hint::black_box(vec![0_u8; LARGEST_LEARNT_FROM - 8192]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        for (rows, columns) in [(1, 1), (3, 2), (16, 16), (33, 50), (5, 100), (0, 4)] {
            let values: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let found = transposed(&values, rows, columns);
            for (index, value) in found.iter().enumerate() {
                assert_eq!(*value as usize, index % rows * columns + index / rows);
            }
        }
    }
}
