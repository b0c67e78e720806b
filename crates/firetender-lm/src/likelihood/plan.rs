//! In how many columns at a time a block of sequences is fed in.
//!
//! The sequences of a block are sorted, so that those with a common beginning stand side by side. Feeding columns `a..b` in one pass takes one row for each different beginning of length `b`: narrow
//! stages share more, wide ones make fewer passes and larger products. The cheapest way is found by dynamic programming over the places where sequences part or end.

use std::ops::Range;

/// What a pass costs whatever its size, in tokens: the weights are read once. Measured on SmolLM2 (two cores): some 60 ms beside 2 ms for each token of a large pass.
const PASS: usize = 32;

/// Number of tokens that two sequences begin with together.
pub(super) fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// A block of sorted sequences of which none is the beginning of another.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Length of each.
    lengths: Vec<usize>,
    /// What each has in common with the one before it.
    shared: Vec<usize>,
}

impl Shape {
    pub(super) fn new(sequences: &[&[u32]]) -> Self {
        let shared = (0..sequences.len())
            .map(|at| match at {
                0 => 0,
                at => common(sequences[at - 1], sequences[at]),
            })
            .collect();
        Self {
            lengths: sequences.iter().map(|ids| ids.len()).collect(),
            shared,
        }
    }

    /// For the columns `columns`: of each sequence that reaches into them the row it is in.
    pub(super) fn rows(&self, columns: &Range<usize>) -> (usize, Vec<Option<usize>>) {
        let mut rows = 0;
        let mut since = usize::MAX;
        let mut of = Vec::with_capacity(self.lengths.len());
        for (length, shared) in self.lengths.iter().zip(&self.shared) {
            since = since.min(*shared);
            if *length <= columns.start {
                of.push(None);
                continue;
            }
            if rows == 0 || since < columns.end {
                rows += 1;
            }
            since = usize::MAX;
            of.push(Some(rows - 1));
        }
        (rows, of)
    }

    /// The stages from column `start` to the end of the longest sequence, each of at most `tokens` tokens where its rows allow.
    pub(super) fn stages(&self, start: usize, tokens: usize) -> Vec<Range<usize>> {
        let mut places: Vec<usize> = self
            .lengths
            .iter()
            .chain(&self.shared)
            .copied()
            .filter(|place| *place > start)
            .collect();
        places.push(start);
        places.sort_unstable();
        places.dedup();
        // The cheapest way to each place, and where it came from.
        let mut best = vec![(usize::MAX, 0); places.len()];
        best[0] = (0, 0);
        for to in 1..places.len() {
            for from in 0..to {
                let columns = places[from]..places[to];
                let cells = self.rows(&columns).0 * columns.len();
                let cost = best[from]
                    .0
                    .saturating_add(cells + PASS * cells.div_ceil(tokens.max(1)));
                if cost < best[to].0 {
                    best[to] = (cost, from);
                }
            }
        }
        let mut stages = vec![];
        let mut to = places.len() - 1;
        while to > 0 {
            let from = best[to].1;
            stages.push(places[from]..places[to]);
            to = from;
        }
        stages.reverse();
        // Pieces that fit into a pass.
        stages
            .into_iter()
            .flat_map(|columns| {
                let widest = (tokens / self.rows(&columns).0.max(1)).max(1);
                let pieces = columns.len().div_ceil(widest);
                let cut = move |piece: usize| columns.start + columns.len() * piece / pieces;
                (0..pieces)
                    .map(|piece| cut(piece)..cut(piece + 1))
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(sequences: &[&[u32]]) -> Shape {
        assert!(sequences.is_sorted());
        Shape::new(sequences)
    }

    #[test]
    fn rows_are_the_different_beginnings() {
        let shape = shape(&[&[1, 2, 3], &[1, 2, 4, 5, 6], &[1, 2, 4, 5, 7], &[9]]);
        assert_eq!(shape.rows(&(0..1)).0, 2);
        assert_eq!(shape.rows(&(0..2)).0, 2);
        assert_eq!(shape.rows(&(0..3)).0, 3);
        assert_eq!(shape.rows(&(3..4)), (1, vec![None, Some(0), Some(0), None]));
        assert_eq!(shape.rows(&(3..5)).0, 2);
    }

    #[test]
    fn a_long_common_beginning_is_fed_once_and_short_ones_are_not_worth_a_pass() {
        let head: Vec<u32> = (0..100).collect();
        let with = |tail: &[u32]| [head.as_slice(), tail].concat();
        let sequences = [with(&[1, 5]), with(&[2, 6]), with(&[3, 7, 8])];
        let sequences: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
        assert_eq!(shape(&sequences).stages(0, 512), [0..100, 100..103]);
        let short = shape(&[&[1, 2, 3], &[1, 2, 4], &[1, 5, 6]]).stages(0, 512);
        assert_eq!((short.len(), short[0].clone()), (1, 0..3));
    }

    #[test]
    fn pieces_cover_every_column_once_and_fit() {
        let sequences: Vec<Vec<u32>> = (0..40_u32)
            .map(|i| {
                (0..30 + i % 7)
                    .map(|at| i * u32::from(at > i % 5))
                    .collect()
            })
            .collect();
        let mut sequences: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
        sequences.sort_unstable();
        let shape = shape(&sequences);
        for start in [0, 3] {
            let stages = shape.stages(start, 64);
            assert_eq!(stages[0].start, start);
            assert_eq!(stages[stages.len() - 1].end, 36);
            assert!(stages.windows(2).all(|pair| pair[0].end == pair[1].start));
            for columns in &stages {
                let rows = shape.rows(columns).0;
                assert!(rows * columns.len() <= 64 || columns.len() == 1);
            }
        }
    }
}
