//! Loops over the classes of a row, eight at a time.
//!
//! Eight running sums instead of one, so that the processor's vector instructions can be used; the order of additions is the same
//! on every processor, and so are the bits. Callers run whole blocks of rows inside of one [`vectorised`]: a choice of instructions for
//! every row would cost as much as a row of ten classes.

use crate::lanes::{LANES, Lane, exp, ln, vectorised};
use crate::scores::ScoreKind;

/// Exponents below this are taken for it: the difference of two huge logits may be −∞, and 0 · −∞ is NaN.
const LEAST: f64 = -1e3;

/// What one pass over a row gives.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    /// Of the probabilities, before they are scaled.
    pub(crate) total: f64,
    /// Σ −p ln p of the same.
    pub(crate) entropy: f64,
    /// Σ p² of the same.
    pub(crate) squares: f64,
}

/// A number of a table of scores.
pub(crate) trait Number: Copy {
    fn get(self) -> f64;
}

impl Number for f32 {
    #[inline(always)]
    fn get(self) -> f64 {
        f64::from(self)
    }
}

impl Number for f64 {
    #[inline(always)]
    fn get(self) -> f64 {
        self
    }
}

/// The largest value.
#[inline(always)]
pub(crate) fn largest(row: &[f64]) -> f64 {
    let mut tops: Lane = [f64::NEG_INFINITY; LANES];
    let (lanes, rest) = row.as_chunks::<LANES>();
    for lane in lanes {
        for (top, x) in tops.iter_mut().zip(lane) {
            *top = if *x > *top { *x } else { *top };
        }
    }
    rest.iter()
        .chain(&tops)
        .copied()
        .fold(f64::NEG_INFINITY, f64::max)
}

/// The first place that holds this value; 0 if none does.
#[inline(always)]
pub(crate) fn first<T: Number>(row: &[T], value: f64) -> usize {
    let (lanes, rest) = row.as_chunks::<LANES>();
    for (at, lane) in lanes.iter().enumerate() {
        let mut any = false;
        for x in lane {
            any |= x.get() == value;
        }
        if any {
            let place = lane.iter().position(|x| x.get() == value);
            return at * LANES + place.unwrap_or(0);
        }
    }
    let place = rest.iter().position(|x| x.get() == value);
    place.map_or(0, |place| lanes.len() * LANES + place)
}

/// Subtracts `top` from raw logits and writes their exponentials.
#[inline(always)]
pub(crate) fn exponentials(raw: &mut [f64], probs: &mut [f64], top: f64) -> Sums {
    passes(
        raw,
        probs,
        #[inline(always)]
        |z| {
            *z -= top;
            let below = if *z > LEAST { *z } else { LEAST };
            let e = exp::<false>(below);
            (e, -e * below)
        },
    )
}

/// Probabilities of log-probabilities.
#[inline(always)]
pub(crate) fn from_logs(raw: &mut [f64], probs: &mut [f64]) -> Sums {
    passes(
        raw,
        probs,
        #[inline(always)]
        |l| {
            let p = exp::<false>(*l);
            (p, -p * if *l > LEAST { *l } else { LEAST })
        },
    )
}

/// Probabilities as they are.
#[inline(always)]
pub(crate) fn from_probs(raw: &mut [f64], probs: &mut [f64]) -> Sums {
    passes(
        raw,
        probs,
        #[inline(always)]
        |p| (*p, -*p * ln(*p)),
    )
}

/// The largest of some probabilities and Σ p²: the same bits as [`from_probs`] gives.
#[inline(always)]
pub(crate) fn top_and_squares<T: Number>(row: &[T]) -> (f64, f64) {
    let (mut tops, mut squares): (Lane, Lane) = ([f64::NEG_INFINITY; LANES], [0.0; LANES]);
    let (lanes, rest) = row.as_chunks::<LANES>();
    for lane in lanes {
        for i in 0..LANES {
            let p = lane[i].get();
            tops[i] = if p > tops[i] { p } else { tops[i] };
            squares[i] += p * p;
        }
    }
    for (i, p) in rest.iter().enumerate() {
        let p = p.get();
        tops[i] = if p > tops[i] { p } else { tops[i] };
        squares[i] += p * p;
    }
    let top = tops.into_iter().fold(f64::NEG_INFINITY, f64::max);
    (top, squares.iter().sum())
}

#[allow(
    clippy::needless_range_loop,
    reason = "several arrays side by side, as vector instructions want them"
)]
#[inline(always)]
fn passes(
    raw: &mut [f64],
    probs: &mut [f64],
    each: impl Fn(&mut f64) -> (f64, f64) + Copy,
) -> Sums {
    let mut sums: [Lane; 3] = [[0.0; LANES]; 3];
    let (raw_lanes, raw_rest) = raw.as_chunks_mut::<LANES>();
    let (lanes, rest) = probs.as_chunks_mut::<LANES>();
    for (raw, probs) in raw_lanes.iter_mut().zip(lanes) {
        for i in 0..LANES {
            let (p, entropy) = each(&mut raw[i]);
            probs[i] = p;
            sums[0][i] += p;
            sums[1][i] += entropy;
            sums[2][i] += p * p;
        }
    }
    for (i, (raw, prob)) in raw_rest.iter_mut().zip(rest).enumerate() {
        let (p, entropy) = each(raw);
        *prob = p;
        sums[0][i] += p;
        sums[1][i] += entropy;
        sums[2][i] += p * p;
    }
    let [total, entropy, squares] = sums.map(|lane| lane.iter().sum());
    Sums {
        total,
        entropy,
        squares,
    }
}

/// Multiplies every value.
#[inline(always)]
pub(crate) fn scale(row: &mut [f64], by: f64) {
    row.iter_mut().for_each(|x| *x *= by);
}

/// Probabilities of a few logits: the same bits as a whole row gives.
pub(crate) fn few_exponentials(row: &mut [f64], top: f64, by: f64) {
    for z in row {
        let below = *z - top;
        *z = exp::<false>(if below > LEAST { below } else { LEAST }) * by;
    }
}

/// Probabilities of a few log-probabilities.
pub(crate) fn few_from_logs(row: &mut [f64]) {
    row.iter_mut().for_each(|l| *l = exp::<false>(*l));
}

/// Logarithms of probabilities, −∞ for 0, to a few units in the last place.
pub(crate) fn logarithms(values: &mut [f64]) {
    if values.iter().any(|x| *x > 0.0 && *x < f64::MIN_POSITIVE) {
        values.iter_mut().for_each(|x| *x = x.ln());
        return;
    }
    vectorised(
        #[inline(always)]
        || {
            for x in &mut *values {
                *x = if *x > 0.0 { ln(*x) } else { f64::NEG_INFINITY };
            }
        },
    );
}

/// How many values of the row are larger, or equal and of a lower class.
#[inline(always)]
pub(crate) fn rank(row: &[f64], class: usize) -> u32 {
    let own = row[class];
    let above: u64 = row.iter().map(|x| u64::from(*x > own)).sum();
    let before: u64 = row[..class].iter().map(|x| u64::from(*x == own)).sum();
    (above + before) as u32
}

/// Whether a row is certainly fine; `false` means that it has to be looked at value by value.
#[inline(always)]
pub(crate) fn is_fine<T: Number>(kind: ScoreKind, row: &[T], tolerance: f64) -> bool {
    let mut sums: Lane = [0.0; LANES];
    let mut least: Lane = [0.0; LANES];
    let (lanes, rest) = row.as_chunks::<LANES>();
    let mut add = |i: usize, x: f64| {
        match kind {
            // 0, or NaN for what is not finite.
            ScoreKind::Logits => sums[i] += x * 0.0,
            // Above 0.5 no logarithm of a probability can be.
            ScoreKind::LogProbs => {
                sums[i] += exp::<false>(if x < 0.5 { x } else { 0.5 });
                least[i] = if x < 0.5 { least[i] } else { -1.0 };
                // NaN compares as false everywhere.
            }
            ScoreKind::Probs => {
                sums[i] += x;
                least[i] = if x < least[i] { x } else { least[i] };
            }
        }
    };
    for lane in lanes {
        for (i, x) in lane.iter().enumerate() {
            add(i, x.get());
        }
    }
    for (i, x) in rest.iter().enumerate() {
        add(i, x.get());
    }
    let sum: f64 = sums.iter().sum();
    let whole = match kind {
        ScoreKind::Logits => sum == 0.0,
        _ => (sum - 1.0).abs() <= tolerance,
    };
    whole && least.iter().all(|x| *x >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fine_rows_are_told_from_others() {
        let fine = |kind, row: &[f64]| is_fine(kind, row, 1e-4);
        let tenth = [0.1; 10];
        assert!(fine(ScoreKind::Probs, &tenth) && !fine(ScoreKind::Probs, &tenth[1..]));
        assert!(!fine(ScoreKind::Probs, &[1.5, -0.5]) && !fine(ScoreKind::Probs, &[1.0, f64::NAN]));
        assert!(
            !fine(ScoreKind::Logits, &[0.0, f64::INFINITY])
                && fine(ScoreKind::Logits, &[-9e300, 3.0])
        );
        assert!(!fine(ScoreKind::LogProbs, &[f64::NAN, 0.0]) && !fine(ScoreKind::LogProbs, &[0.6]));
        assert!(fine(ScoreKind::LogProbs, &[f64::NEG_INFINITY, 0.0]));
    }
}
