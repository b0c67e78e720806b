//! Rotary positions in one pass and in place.

use burn::tensor::Tensor;

use super::{edit, rows::for_rows};
use crate::{RopeLayout, layout::Angles};

/// Rotates the first `dims` coordinates of each head of `[batch, columns, heads, head_dim]` (Su et al. 2021). The arithmetic is that of
/// the tensor operations it stands for, bit for bit.
pub(crate) fn turn(x: Tensor<4>, angles: &Angles, dims: usize, layout: RopeLayout) -> Tensor<4> {
    let [_, _, heads, head_dim] = x.dims();
    let half = dims / 2;
    let (cos, sin) = (&angles.cos, &angles.sin);
    edit(x, |values| {
        for_rows(values, heads * head_dim, |token, row| {
            // One row of angles may serve all rows of the batch.
            let at = token * half % cos.len();
            let (cos, sin) = (&cos[at..at + half], &sin[at..at + half]);
            for head in row.chunks_exact_mut(head_dim) {
                match layout {
                    RopeLayout::Half => halves(&mut head[..dims], cos, sin),
                    RopeLayout::Interleaved => pairs(&mut head[..dims], cos, sin),
                }
            }
        });
    })
}

#[inline(always)]
fn halves(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (first, second) = head.split_at_mut(cos.len());
    for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}

#[inline(always)]
fn pairs(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    for ((pair, cos), sin) in head.as_chunks_mut::<2>().0.iter_mut().zip(cos).zip(sin) {
        let [a, b] = *pair;
        *pair = [a * cos - b * sin, b * cos + a * sin];
    }
}
