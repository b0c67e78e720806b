//! Scores laid out for fitting a temperature: rows centred at their largest value, eight rows side by side.

mod cell;
mod moments;

use rayon::prelude::*;

use crate::{
    Floats, ScoreKind, Scores, Targets, UncertaintyError,
    kernel::logarithms,
    lanes::{LANES, Lane, fused, vectorised},
    targets::Truth,
};
use cell::{Cell, NEVER};
use moments::{cumulants, first_moments, moments, rough_moments};

/// Tiles in a block of work. Sums are added block after block, whatever the number of threads.
const BLOCK: usize = 64;

/// Rows side by side, as `[tile, class, lane]`.
#[derive(Debug)]
enum Cells {
    /// As they came, with the largest of each row: half the memory, and the same differences.
    Single { data: Vec<f32>, tops: Vec<Lane> },
    /// Minus the largest of each row.
    Double(Vec<f64>),
}

/// Scores laid out, and what is known of each row.
#[derive(Debug)]
pub(crate) struct Tiles {
    pub(crate) rows: usize,
    pub(crate) classes: usize,
    cells: Cells,
    /// The target's centred score, at most 0; one a row.
    target: Vec<f64>,
    /// 0 for rows that are left out or whose target cannot happen at any temperature.
    pub(crate) weight: Vec<f64>,
    /// Rows in use whose target has probability zero.
    pub(crate) impossible: Vec<bool>,
    /// Mean of the centred scores that are finite: the derivative of log-sum-exp at β = 0.
    mean: Vec<f64>,
    /// Whether no class but one can happen.
    certain: Vec<bool>,
    /// Mean standard deviation of a row: the unit of 1/β.
    pub(crate) scale: f64,
}

/// For each pass over the rows, the problem to which each row belongs there.
pub(crate) type Passes = [Vec<u32>];

/// Sums over rows: the first four derivatives of the loss by β, and the log-likelihood.
pub(crate) type Derivatives = [f64; 5];

/// What a pass over the rows is made with.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    pub(crate) passes: &'a Passes,
    pub(crate) betas: &'a [f64],
    /// Problems that are not active stay zero.
    pub(crate) active: &'a [bool],
    /// The first so many rows, rounded up to whole blocks.
    pub(crate) rows: usize,
    /// In `f32`: good to about 1e-6, for a start.
    pub(crate) rough: bool,
}

impl Tiles {
    /// Checks targets against scores and lays the rows out.
    pub(crate) fn new(scores: &Scores<'_>, targets: &Targets) -> Result<Self, UncertaintyError> {
        targets.check(scores.rows(), scores.classes())?;
        let (rows, classes) = (scores.rows(), scores.classes());
        let room = rows.div_ceil(LANES) * LANES * classes;
        let (cells, found) = match (scores.values(), scores.kind()) {
            (Floats::F32(values), ScoreKind::Logits | ScoreKind::LogProbs) => {
                let mut data = vec![0.0_f32; room];
                let found = lay_out(&mut data, scores, targets, |first, lanes, tile| {
                    let row = |lane: usize| &values[(first + lane) * classes..][..classes];
                    let rows: [&[f32]; LANES] =
                        std::array::from_fn(|lane| row(lane.min(lanes - 1)));
                    turn(&rows, tile);
                });
                let tops = found.iter().map(|tile| tile.top).collect();
                (Cells::Single { data, tops }, found)
            }
            _ => {
                let mut data = vec![0.0_f64; room];
                let found = lay_out(&mut data, scores, targets, |first, lanes, tile| {
                    let mut row = vec![0.0; classes];
                    for lane in 0..lanes {
                        scores.row(first + lane, &mut row);
                        if scores.kind() == ScoreKind::Probs {
                            logarithms(&mut row);
                        }
                        let column = tile.iter_mut().skip(lane).step_by(LANES);
                        column.zip(&row).for_each(|(own, value)| *own = *value);
                    }
                });
                (Cells::Double(data), found)
            }
        };
        let per_row = |pick: fn(&Tile, usize) -> f64| -> Vec<f64> {
            (0..rows)
                .map(|row| pick(&found[row / LANES], row % LANES))
                .collect()
        };
        let weight = per_row(|tile, lane| tile.weight[lane]);
        let (mut sum, mut count) = (0.0, 0_usize);
        for row in (0..rows).filter(|row| weight[*row] > 0.0) {
            sum += found[row / LANES].deviation[row % LANES];
            count += 1;
        }
        Ok(Self {
            rows,
            classes,
            cells,
            target: per_row(|tile, lane| tile.target[lane].max(NEVER)),
            impossible: (0..rows)
                .map(|row| found[row / LANES].impossible[row % LANES])
                .collect(),
            mean: per_row(|tile, lane| tile.mean[lane]),
            certain: (0..rows)
                .map(|row| found[row / LANES].possible[row % LANES] == 1.0)
                .collect(),
            weight,
            scale: if count == 0 { 0.0 } else { sum / count as f64 },
        })
    }

    /// The derivative of row `row`'s loss at β = 0, whether its target has the largest score, and whether no other class can happen.
    pub(crate) fn at_zero(&self, row: usize) -> (f64, bool, bool) {
        (
            self.mean[row] - self.target[row],
            self.target[row] >= 0.0,
            self.certain[row],
        )
    }

    /// Sums of the derivatives of the loss by β over rows, for each problem.
    pub(crate) fn derivatives(&self, pass: Pass<'_>) -> Vec<Derivatives> {
        match &self.cells {
            Cells::Single { data, tops } => self.sums(data, tops, pass),
            Cells::Double(data) => self.sums(data, &[], pass),
        }
    }

    fn sums<T: Cell>(&self, data: &[T], tops: &[Lane], pass: Pass<'_>) -> Vec<Derivatives> {
        let block = BLOCK * LANES * self.classes;
        let blocks: Vec<Vec<Derivatives>> = data
            .par_chunks(block)
            .take(pass.rows.div_ceil(BLOCK * LANES))
            .enumerate()
            .map(|(at, data)| {
                let mut sums = vec![[0.0; 5]; pass.betas.len()];
                let (tops, first) = (tops.get(at * BLOCK..).unwrap_or(&[]), at * BLOCK);
                if fused() {
                    vectorised(
                        #[inline(always)]
                        || self.add_block::<T, true>(first, data, tops, pass, &mut sums),
                    );
                } else {
                    vectorised(
                        #[inline(always)]
                        || self.add_block::<T, false>(first, data, tops, pass, &mut sums),
                    );
                }
                sums
            })
            .collect();
        let mut total = vec![[0.0; 5]; pass.betas.len()];
        for sums in blocks {
            for (total, sum) in total.iter_mut().zip(sums) {
                total.iter_mut().zip(sum).for_each(|(a, b)| *a += b);
            }
        }
        total
    }

    #[inline(always)]
    fn add_block<T: Cell, const FUSED: bool>(
        &self,
        first: usize,
        data: &[T],
        tops: &[Lane],
        pass: Pass<'_>,
        sums: &mut [Derivatives],
    ) {
        for (at, tile) in data.chunks_exact(LANES * self.classes).enumerate() {
            let start = (first + at) * LANES;
            let lanes = LANES.min(self.rows - start);
            let top = tops.get(at).copied().unwrap_or_default();
            for problems in pass.passes {
                let problems = &problems[start..start + lanes];
                if !problems.iter().any(|p| pass.active[*p as usize]) {
                    continue;
                }
                let mut beta = [0.0; LANES];
                for (beta, problem) in beta.iter_mut().zip(problems) {
                    *beta = pass.betas[*problem as usize];
                }
                let powers = if pass.rough {
                    rough_moments::<T, FUSED>(tile, &top, &beta)
                } else {
                    moments::<T, FUSED>(tile, &top, &beta)
                };
                let mut target = [0.0; LANES];
                target[..lanes].copy_from_slice(&self.target[start..start + lanes]);
                let found = cumulants(&powers, &beta, &target);
                for (lane, problem) in problems.iter().enumerate() {
                    let problem = *problem as usize;
                    let weight = self.weight[start + lane];
                    if pass.active[problem] && weight > 0.0 {
                        for (sum, found) in sums[problem].iter_mut().zip(&found) {
                            *sum += weight * found[lane];
                        }
                    }
                }
            }
        }
    }

    /// Log-probability of the target and its derivative by β, of every row, for one pass; impossible targets give −∞.
    pub(crate) fn target_log_probs(&self, pass: &[u32], betas: &[f64]) -> Vec<(f64, f64)> {
        match &self.cells {
            Cells::Single { data, tops } => self.targets_of(data, tops, pass, betas),
            Cells::Double(data) => self.targets_of(data, &[], pass, betas),
        }
    }

    fn targets_of<T: Cell>(
        &self,
        data: &[T],
        tops: &[Lane],
        pass: &[u32],
        betas: &[f64],
    ) -> Vec<(f64, f64)> {
        let mut out = vec![(0.0, 0.0); self.rows];
        out.par_chunks_mut(BLOCK * LANES)
            .zip(data.par_chunks(BLOCK * LANES * self.classes))
            .enumerate()
            .for_each(|(block, (out, data))| {
                let first = block * BLOCK;
                let tops = tops.get(first..).unwrap_or(&[]);
                if fused() {
                    vectorised(
                        #[inline(always)]
                        || self.block_targets::<T, true>(first, data, tops, (pass, betas), out),
                    );
                } else {
                    vectorised(
                        #[inline(always)]
                        || self.block_targets::<T, false>(first, data, tops, (pass, betas), out),
                    );
                }
            });
        out
    }

    #[inline(always)]
    fn block_targets<T: Cell, const FUSED: bool>(
        &self,
        first: usize,
        data: &[T],
        tops: &[Lane],
        (pass, betas): (&[u32], &[f64]),
        out: &mut [(f64, f64)],
    ) {
        for (at, tile) in data.chunks_exact(LANES * self.classes).enumerate() {
            let start = (first + at) * LANES;
            let lanes = LANES.min(self.rows - start);
            let top = tops.get(at).copied().unwrap_or_default();
            let mut beta = [0.0; LANES];
            for (beta, problem) in beta.iter_mut().zip(&pass[start..start + lanes]) {
                *beta = betas[*problem as usize];
            }
            let [s0, s1] = first_moments::<T, FUSED>(tile, &top, &beta);
            for lane in 0..lanes {
                let target = self.target[start + lane];
                out[at * LANES + lane] = if self.impossible[start + lane] {
                    (f64::NEG_INFINITY, 0.0)
                } else {
                    (
                        beta[lane] * target - s0[lane].ln(),
                        target - s1[lane] / s0[lane],
                    )
                };
            }
        }
    }
}

/// What is known of the eight rows of a tile.
#[derive(Clone, Copy, Debug)]
struct Tile {
    top: Lane,
    mean: Lane,
    deviation: Lane,
    /// How many classes can happen.
    possible: Lane,
    target: Lane,
    weight: Lane,
    impossible: [bool; LANES],
}

/// Eight rows of classes into classes of eight rows.
#[inline(always)]
fn turn(rows: &[&[f32]; LANES], tile: &mut [f32]) {
    let squares = rows.map(|row| row.as_chunks::<LANES>());
    let cells = tile.as_chunks_mut::<LANES>().0;
    let (whole, rest) = cells.as_chunks_mut::<LANES>();
    for (at, cells) in whole.iter_mut().enumerate() {
        let square = squares.map(|(row, _)| row[at]);
        for (class, cells) in cells.iter_mut().enumerate() {
            for lane in 0..LANES {
                cells[lane] = square[lane][class];
            }
        }
    }
    for (class, cells) in rest.iter_mut().enumerate() {
        for lane in 0..LANES {
            cells[lane] = squares[lane].1[class];
        }
    }
}

/// Fills tiles and looks at their rows.
fn lay_out<T: Cell>(
    data: &mut [T],
    scores: &Scores<'_>,
    targets: &Targets,
    fill: impl Fn(usize, usize, &mut [T]) + Sync,
) -> Vec<Tile> {
    let (rows, classes) = (scores.rows(), scores.classes());
    data.par_chunks_mut(LANES * classes)
        .enumerate()
        .map(|(tile, cells)| {
            let first = tile * LANES;
            let lanes = LANES.min(rows - first);
            let [top, mean, deviation, possible] = vectorised(
                #[inline(always)]
                || {
                    fill(first, lanes, cells);
                    T::survey(cells)
                },
            );
            let mut found = Tile {
                top,
                mean,
                deviation,
                possible,
                target: [0.0; LANES],
                weight: [0.0; LANES],
                impossible: [false; LANES],
            };
            for lane in 0..lanes {
                let weight = targets.weight(first + lane);
                if weight == 0.0 {
                    continue;
                }
                let score = |class: usize| cells[class * LANES + lane].below(top[lane]);
                let (target, impossible) = match targets.truth(first + lane) {
                    Truth::Class(class) => (score(class), score(class) <= NEVER),
                    // A class without mass counts nothing, however impossible it is.
                    Truth::Soft(mass) => {
                        let some = || mass.iter().enumerate().filter(|(_, q)| **q > 0.0);
                        (
                            some().map(|(class, q)| q * score(class)).sum(),
                            some().any(|(class, _)| score(class) <= NEVER),
                        )
                    }
                };
                found.target[lane] = target;
                found.impossible[lane] = impossible;
                found.weight[lane] = if impossible { 0.0 } else { weight };
            }
            found
        })
        .collect()
}
