//! Scores laid out for fitting a temperature: rows centred at their largest value, eight rows side by side.

use rayon::prelude::*;

use crate::{
    ScoreKind, Scores, Targets, UncertaintyError,
    kernel::logarithms,
    lanes::{LANES, Lane, exp, fused, vectorised},
    targets::Truth,
};

/// Stands for a class that cannot happen (log-probability −∞): finite, so that 0 times it is 0.
const NEVER: f64 = -1e300;
/// Tiles in a block of work. Sums are added block after block, whatever the number of threads.
const BLOCK: usize = 64;

/// Rows minus their maxima, as `[tile, class, lane]`.
#[derive(Debug)]
pub(crate) struct Tiles {
    pub(crate) rows: usize,
    pub(crate) classes: usize,
    data: Vec<f64>,
    /// The target's centred score, at most 0; one a row.
    target: Vec<f64>,
    /// 0 for rows that are left out or whose target cannot happen at any temperature.
    pub(crate) weight: Vec<f64>,
    /// Rows in use whose target has probability zero.
    pub(crate) impossible: Vec<bool>,
    /// Mean of the centred scores that are finite: the derivative of log-sum-exp at β = 0.
    mean: Vec<f64>,
    /// Mean standard deviation of a row: the unit of 1/β.
    pub(crate) scale: f64,
}

/// For each pass over the rows, the problem to which each row belongs there.
pub(crate) type Passes = [Vec<u32>];

impl Tiles {
    /// Checks targets against scores and lays the rows out.
    pub(crate) fn new(scores: &Scores<'_>, targets: &Targets) -> Result<Self, UncertaintyError> {
        targets.check(scores.rows(), scores.classes())?;
        let (rows, classes) = (scores.rows(), scores.classes());
        let tiles = rows.div_ceil(LANES);
        let mut data = vec![0.0; tiles * LANES * classes];
        let per_row: Vec<(f64, f64, f64, bool, f64)> = data
            .par_chunks_mut(LANES * classes)
            .enumerate()
            .flat_map_iter(|(tile, data)| {
                let first = tile * LANES;
                let lanes = LANES.min(rows - first);
                let mut row = vec![0.0; classes];
                for lane in 0..lanes {
                    scores.row(first + lane, &mut row);
                    if scores.kind() == ScoreKind::Probs {
                        logarithms(&mut row);
                    }
                    let column = data.iter_mut().skip(lane).step_by(LANES);
                    column.zip(&row).for_each(|(own, value)| *own = *value);
                }
                let [mean, deviation] = vectorised(
                    #[inline(always)]
                    || centre(data),
                );
                let of_lane = |lane: usize| {
                    let at = first + lane;
                    let weight = targets.weight(at);
                    let score = |class: usize| data[class * LANES + lane];
                    let target = if weight == 0.0 {
                        0.0
                    } else {
                        match targets.truth(at) {
                            Truth::Class(class) => score(class),
                            // A class without mass counts nothing, however impossible it is.
                            Truth::Soft(mass) => {
                                let some = mass.iter().enumerate().filter(|(_, q)| **q > 0.0);
                                some.map(|(class, q)| q * score(class)).sum()
                            }
                        }
                    };
                    let some = |class: usize| score(class) <= NEVER;
                    let impossible = weight > 0.0
                        && match targets.truth(at) {
                            Truth::Class(class) => some(class),
                            Truth::Soft(mass) => {
                                let mut classes = mass.iter().enumerate();
                                classes.any(|(class, q)| *q > 0.0 && some(class))
                            }
                        };
                    let weight = if impossible { 0.0 } else { weight };
                    (target, weight, mean[lane], impossible, deviation[lane])
                };
                (0..lanes).map(of_lane).collect::<Vec<_>>()
            })
            .collect();
        let used = per_row.iter().filter(|row| row.1 > 0.0);
        let (sum, count) = used.fold((0.0, 0_usize), |(sum, n), row| (sum + row.4, n + 1));
        Ok(Self {
            rows,
            classes,
            data,
            target: per_row.iter().map(|row| row.0.max(NEVER)).collect(),
            weight: per_row.iter().map(|row| row.1).collect(),
            impossible: per_row.iter().map(|row| row.3).collect(),
            mean: per_row.iter().map(|row| row.2).collect(),
            scale: if count == 0 { 0.0 } else { sum / count as f64 },
        })
    }

    /// The derivative of row `row`'s loss at β = 0, and whether its target has the largest score.
    pub(crate) fn at_zero(&self, row: usize) -> (f64, bool) {
        (self.mean[row] - self.target[row], self.target[row] >= 0.0)
    }

    /// Sums of the first three derivatives of the loss by β over the first `rows` rows (whole blocks), for each problem; problems that
    /// are not active stay zero.
    pub(crate) fn derivatives(
        &self,
        rows: usize,
        passes: &Passes,
        betas: &[f64],
        active: &[bool],
    ) -> Vec<[f64; 3]> {
        let block = BLOCK * LANES * self.classes;
        let blocks: Vec<Vec<[f64; 3]>> = self
            .data
            .par_chunks(block)
            .take(rows.div_ceil(BLOCK * LANES))
            .enumerate()
            .map(|(at, data)| {
                let mut sums = vec![[0.0; 3]; betas.len()];
                if fused() {
                    vectorised(
                        #[inline(always)]
                        || {
                            self.block_derivatives::<true>(
                                at, data, passes, betas, active, &mut sums,
                            )
                        },
                    );
                } else {
                    vectorised(
                        #[inline(always)]
                        || {
                            self.block_derivatives::<false>(
                                at, data, passes, betas, active, &mut sums,
                            )
                        },
                    );
                }
                sums
            })
            .collect();
        let mut total = vec![[0.0; 3]; betas.len()];
        for sums in blocks {
            for (total, sum) in total.iter_mut().zip(sums) {
                total.iter_mut().zip(sum).for_each(|(a, b)| *a += b);
            }
        }
        total
    }

    #[inline(always)]
    fn block_derivatives<const FUSED: bool>(
        &self,
        block: usize,
        data: &[f64],
        passes: &Passes,
        betas: &[f64],
        active: &[bool],
        sums: &mut [[f64; 3]],
    ) {
        let first = block * BLOCK;
        for (at, tile) in data.chunks_exact(LANES * self.classes).enumerate() {
            let start = (first + at) * LANES;
            let lanes = LANES.min(self.rows - start);
            for pass in passes {
                let problems = &pass[start..start + lanes];
                if !problems.iter().any(|p| active[*p as usize]) {
                    continue;
                }
                let mut beta = [0.0; LANES];
                for (beta, problem) in beta.iter_mut().zip(problems) {
                    *beta = betas[*problem as usize];
                }
                let [s0, s1, s2, s3] = moments::<FUSED>(tile, beta);
                for (lane, problem) in problems.iter().enumerate() {
                    let problem = *problem as usize;
                    let weight = self.weight[start + lane];
                    if active[problem] && weight > 0.0 {
                        let scale = 1.0 / s0[lane];
                        let (mean, square) = (s1[lane] * scale, s2[lane] * scale);
                        let variance = square - mean * mean;
                        let third = s3[lane] * scale - mean * (3.0 * variance + mean * mean);
                        sums[problem][0] += weight * (mean - self.target[start + lane]);
                        sums[problem][1] += weight * variance;
                        sums[problem][2] += weight * third;
                    }
                }
            }
        }
    }

    /// Log-probability of the target and its derivative by β, of every row, for one pass; impossible targets give −∞.
    pub(crate) fn target_log_probs(&self, pass: &[u32], betas: &[f64]) -> Vec<(f64, f64)> {
        let mut out = vec![(0.0, 0.0); self.rows];
        out.par_chunks_mut(BLOCK * LANES)
            .zip(self.data.par_chunks(BLOCK * LANES * self.classes))
            .enumerate()
            .for_each(|(block, (out, data))| {
                if fused() {
                    vectorised(
                        #[inline(always)]
                        || self.block_targets::<true>(block * BLOCK, data, pass, betas, out),
                    );
                } else {
                    vectorised(
                        #[inline(always)]
                        || self.block_targets::<false>(block * BLOCK, data, pass, betas, out),
                    );
                }
            });
        out
    }

    #[inline(always)]
    fn block_targets<const FUSED: bool>(
        &self,
        first: usize,
        data: &[f64],
        pass: &[u32],
        betas: &[f64],
        out: &mut [(f64, f64)],
    ) {
        for (at, tile) in data.chunks_exact(LANES * self.classes).enumerate() {
            let start = (first + at) * LANES;
            let lanes = LANES.min(self.rows - start);
            let mut beta = [0.0; LANES];
            for (beta, problem) in beta.iter_mut().zip(&pass[start..start + lanes]) {
                *beta = betas[*problem as usize];
            }
            let [s0, s1] = first_moments::<FUSED>(tile, beta);
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

/// Σ e, Σ e d, Σ e d², Σ e d³ over the classes of a tile, e = exp(β d).
#[inline(always)]
fn moments<const FUSED: bool>(tile: &[f64], beta: Lane) -> [Lane; 4] {
    let (mut s0, mut s1) = ([0.0; LANES], [0.0; LANES]);
    let (mut s2, mut s3) = ([0.0; LANES], [0.0; LANES]);
    for d in tile.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            let e = exp::<FUSED>(beta[lane] * d[lane]);
            let ed = e * d[lane];
            s0[lane] += e;
            let edd = ed * d[lane];
            s1[lane] += ed;
            s2[lane] += edd;
            s3[lane] += edd * d[lane];
        }
    }
    [s0, s1, s2, s3]
}

/// Σ e and Σ e d; a class that cannot happen counts nothing even at β = 0.
#[inline(always)]
fn first_moments<const FUSED: bool>(tile: &[f64], beta: Lane) -> [Lane; 2] {
    let (mut s0, mut s1) = ([0.0; LANES], [0.0; LANES]);
    for d in tile.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            let e = exp::<FUSED>(beta[lane] * d[lane]);
            let e = if d[lane] > 0.5 * NEVER { e } else { 0.0 };
            s0[lane] += e;
            s1[lane] += e * d[lane];
        }
    }
    [s0, s1]
}

/// Subtracts every lane's largest value; what cannot happen becomes [`NEVER`]. Mean and standard deviation of the others.
#[inline(always)]
fn centre(tile: &mut [f64]) -> [Lane; 2] {
    let classes = tile.as_chunks_mut::<LANES>().0;
    let mut top = [f64::NEG_INFINITY; LANES];
    for z in &*classes {
        for lane in 0..LANES {
            top[lane] = if z[lane] > top[lane] {
                z[lane]
            } else {
                top[lane]
            };
        }
    }
    let (mut count, mut sum, mut squares) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    for z in classes {
        for lane in 0..LANES {
            let d = z[lane] - top[lane];
            let (own, one) = if d > NEVER { (d, 1.0) } else { (0.0, 0.0) };
            z[lane] = if d > NEVER { d } else { NEVER };
            count[lane] += one;
            sum[lane] += own;
            squares[lane] += own * own;
        }
    }
    let (mut mean, mut deviation) = ([0.0; LANES], [0.0; LANES]);
    for lane in 0..LANES {
        mean[lane] = sum[lane] / count[lane];
        deviation[lane] = (squares[lane] / count[lane] - mean[lane] * mean[lane])
            .max(0.0)
            .sqrt();
    }
    [mean, deviation]
}
