//! Scores laid out for fitting a temperature: rows centred at their largest value, eight rows side by side.

use rayon::prelude::*;

use crate::{
    ScoreKind, Scores, Targets, UncertaintyError,
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
                let mut row = vec![0.0; classes];
                (tile * LANES..((tile + 1) * LANES).min(rows))
                    .map(|at| {
                        scores.row(at, &mut row);
                        if scores.kind() == ScoreKind::Probs {
                            row.iter_mut().for_each(|p| *p = p.ln());
                        }
                        centre(&mut row);
                        for (class, value) in row.iter().enumerate() {
                            data[class * LANES + at % LANES] = value.max(NEVER);
                        }
                        let weight = targets.weight(at);
                        let target = if weight == 0.0 {
                            0.0
                        } else {
                            match targets.truth(at) {
                                Truth::Class(class) => row[class],
                                // A class without mass counts nothing, however impossible it is.
                                Truth::Soft(mass) => mass
                                    .iter()
                                    .zip(&row)
                                    .filter(|(q, _)| **q > 0.0)
                                    .map(|(q, z)| q * z)
                                    .sum(),
                            }
                        };
                        let (mean, deviation) = moments_of(&row);
                        let impossible = weight > 0.0 && target == f64::NEG_INFINITY;
                        let weight = if impossible { 0.0 } else { weight };
                        (target, weight, mean, impossible, deviation)
                    })
                    .collect::<Vec<_>>()
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

    /// Sums of first and second derivatives of the loss by β, one pair a problem; problems that are not active stay zero.
    pub(crate) fn derivatives(
        &self,
        passes: &Passes,
        betas: &[f64],
        active: &[bool],
    ) -> Vec<[f64; 2]> {
        let block = BLOCK * LANES * self.classes;
        let blocks: Vec<Vec<[f64; 2]>> = self
            .data
            .par_chunks(block)
            .enumerate()
            .map(|(at, data)| {
                let mut sums = vec![[0.0; 2]; betas.len()];
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
        let mut total = vec![[0.0; 2]; betas.len()];
        for sums in blocks {
            for (total, sum) in total.iter_mut().zip(sums) {
                total[0] += sum[0];
                total[1] += sum[1];
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
        sums: &mut [[f64; 2]],
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
                let [s0, s1, s2] = moments::<FUSED>(tile, beta);
                for (lane, problem) in problems.iter().enumerate() {
                    let problem = *problem as usize;
                    let weight = self.weight[start + lane];
                    if active[problem] && weight > 0.0 {
                        let mean = s1[lane] / s0[lane];
                        sums[problem][0] += weight * (mean - self.target[start + lane]);
                        sums[problem][1] += weight * (s2[lane] / s0[lane] - mean * mean);
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

/// Σ e, Σ e d, Σ e d² over the classes of a tile, e = exp(β d).
#[inline(always)]
fn moments<const FUSED: bool>(tile: &[f64], beta: Lane) -> [Lane; 3] {
    let (mut s0, mut s1, mut s2) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    for d in tile.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            let e = exp::<FUSED>(beta[lane] * d[lane]);
            let ed = e * d[lane];
            s0[lane] += e;
            s1[lane] += ed;
            s2[lane] += ed * d[lane];
        }
    }
    [s0, s1, s2]
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

/// Subtracts the largest value.
fn centre(row: &mut [f64]) {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter_mut().for_each(|z| *z -= top);
}

/// Mean and standard deviation of the finite values; there is at least one.
fn moments_of(row: &[f64]) -> (f64, f64) {
    let finite = || row.iter().filter(|z| z.is_finite());
    let count = finite().count() as f64;
    let mean = finite().sum::<f64>() / count;
    let squares: f64 = finite().map(|z| (z - mean).powi(2)).sum();
    (mean, (squares / count).sqrt())
}
