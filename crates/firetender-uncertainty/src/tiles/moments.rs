//! Sums over the classes of eight rows at one temperature: where fits spend their time.

use super::cell::{Cell, NEVER};
use crate::lanes::{LANES, Lane, exp, exp_single, ln};

/// Σ e, Σ e d, Σ e d², Σ e d³, Σ e d⁴ over the classes of a tile, e = exp(β d).
#[inline(always)]
pub(super) fn moments<T: Cell, const FUSED: bool>(
    tile: &[T],
    top: &Lane,
    beta: &Lane,
) -> [Lane; 5] {
    let (mut s0, mut s1, mut s2) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    let (mut s3, mut s4) = ([0.0; LANES], [0.0; LANES]);
    for z in tile.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            let d = z[lane].below(top[lane]);
            let e = exp::<FUSED>(beta[lane] * d);
            let ed = e * d;
            let edd = ed * d;
            let eddd = edd * d;
            s0[lane] += e;
            s1[lane] += ed;
            s2[lane] += edd;
            s3[lane] += eddd;
            s4[lane] += eddd * d;
        }
    }
    [s0, s1, s2, s3, s4]
}

/// As [`moments`], in `f32`: a quarter of the time.
#[inline(always)]
pub(super) fn rough_moments<T: Cell, const FUSED: bool>(
    tile: &[T],
    top: &Lane,
    beta: &Lane,
) -> [Lane; 5] {
    let beta = beta.map(|beta| beta as f32);
    let (mut s0, mut s1, mut s2) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
    let (mut s3, mut s4) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    for z in tile.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            let d = z[lane].roughly_below(top[lane]);
            let e = exp_single::<FUSED>(beta[lane] * d);
            let ed = e * d;
            let edd = ed * d;
            let eddd = edd * d;
            s0[lane] += e;
            s1[lane] += ed;
            s2[lane] += edd;
            s3[lane] += eddd;
            s4[lane] += eddd * d;
        }
    }
    [s0, s1, s2, s3, s4].map(|sums| sums.map(f64::from))
}

/// The first four derivatives of `ln Σ exp(β d) − β t`, and minus its value, from Σ e dⁿ.
#[inline(always)]
pub(super) fn cumulants([s0, s1, s2, s3, s4]: &[Lane; 5], beta: &Lane, target: &Lane) -> [Lane; 5] {
    let mut out = [[0.0; LANES]; 5];
    for lane in 0..LANES {
        let scale = 1.0 / s0[lane];
        let (m, m2) = (s1[lane] * scale, s2[lane] * scale);
        let (m3, m4) = (s3[lane] * scale, s4[lane] * scale);
        let variance = m2 - m * m;
        let central = m4 - m * (4.0 * m3 - m * (6.0 * m2 - 3.0 * m * m));
        out[0][lane] = m - target[lane];
        out[1][lane] = variance;
        out[2][lane] = m3 - m * (3.0 * variance + m * m);
        out[3][lane] = central - 3.0 * variance * variance;
        out[4][lane] = beta[lane] * target[lane] - ln(s0[lane]);
    }
    out
}

/// Σ e and Σ e d; a class that cannot happen counts nothing even at β = 0.
#[inline(always)]
pub(super) fn first_moments<T: Cell, const FUSED: bool>(
    tile: &[T],
    top: &Lane,
    beta: &Lane,
) -> [Lane; 2] {
    let (mut s0, mut s1) = ([0.0; LANES], [0.0; LANES]);
    for z in tile.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            let d = z[lane].below(top[lane]);
            let e = exp::<FUSED>(beta[lane] * d);
            let e = if d > 0.5 * NEVER { e } else { 0.0 };
            s0[lane] += e;
            s1[lane] += e * d;
        }
    }
    [s0, s1]
}
