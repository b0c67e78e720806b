//! One member's rows into the running sums: the inner loop of every sweep.

use crate::{
    Floats, ScoreKind, Scores,
    kernel::Number,
    lanes::{LANES, LOWEST_SINGLE, exp, exp_single, fused, vectorised},
    targets::Truth,
};

/// Below this log-probability a row is kept as logarithms: exp(−708) is the smallest normal number.
pub(super) const LINEAR: f64 = -700.0;

/// Rows in a block: about 64 KiB of sums, so that they stay near the processor over all members.
pub(super) fn block_rows(classes: usize) -> usize {
    (8192 / classes).max(1)
}

/// Adds rows `first..` of a member to a block of sums; with `entropies`, also its entropies.
pub(super) fn add_member(
    member: &Scores<'_>,
    first: usize,
    weight: f64,
    classes: usize,
    sums: &mut [f64],
    logs: &mut [bool],
    entropies: Option<&mut [f64]>,
) {
    let range = first * classes..first * classes + sums.len();
    let rows = Rows {
        kind: member.kind(),
        weight,
        classes,
    };
    match member.values() {
        Floats::F32(values) => rows.add(&values[range], sums, logs, entropies),
        Floats::F64(values) => rows.add(&values[range], sums, logs, entropies),
    }
}

/// As [`add_member`] with weight 1 and without entropies, with exponentials in the precision of the member: half the digits
/// and a quarter of the time for `f32`.
pub(super) fn add_member_quickly(
    member: &Scores<'_>,
    first: usize,
    classes: usize,
    sums: &mut [f64],
    logs: &mut [bool],
) {
    let kind = member.kind();
    match member.values() {
        Floats::F32(values) if kind != ScoreKind::Probs => {
            let values = &values[first * classes..first * classes + sums.len()];
            if fused() {
                vectorised(
                    #[inline(always)]
                    || add_single::<true>(kind, values, classes, sums, logs),
                );
            } else {
                vectorised(
                    #[inline(always)]
                    || add_single::<false>(kind, values, classes, sums, logs),
                );
            }
        }
        _ => add_member(member, first, 1.0, classes, sums, logs, None),
    }
}

#[inline(always)]
fn add_single<const FUSED: bool>(
    kind: ScoreKind,
    values: &[f32],
    classes: usize,
    sums: &mut [f64],
    logs: &mut [bool],
) {
    if kind == ScoreKind::LogProbs && !logs.contains(&true) {
        // Nothing here is peculiar to a row, unless something would underflow.
        let lowest = fold_single(values, f32::INFINITY, |a, b| {
            if b < a && b != f32::NEG_INFINITY {
                b
            } else {
                a
            }
        });
        if lowest >= LOWEST_SINGLE {
            for (sum, l) in sums.iter_mut().zip(values) {
                *sum += f64::from(exp_single::<FUSED>(*l));
            }
            return;
        }
    }
    let mut probs = vec![0.0_f32; classes];
    let rows = values
        .chunks_exact(classes)
        .zip(sums.chunks_exact_mut(classes));
    for (at, (raw, sums)) in rows.enumerate() {
        let (shift, lowest) = match kind {
            ScoreKind::Logits => {
                let top = fold_single(raw, f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
                let bottom = fold_single(raw, f32::INFINITY, |a, b| if b < a { b } else { a });
                // ln of at most the number of classes is still to come off.
                (top, bottom - top - (classes as f32).ln())
            }
            _ => {
                let lowest = fold_single(raw, f32::INFINITY, |a, b| {
                    if b < a && b != f32::NEG_INFINITY {
                        b
                    } else {
                        a
                    }
                });
                (0.0, lowest)
            }
        };
        if logs[at] || lowest < LOWEST_SINGLE {
            let one = Rows {
                kind,
                weight: 1.0,
                classes,
            };
            one.add_rows::<f32, FUSED>(raw, sums, &mut logs[at..=at], None);
            continue;
        }
        for (p, z) in probs.iter_mut().zip(raw) {
            *p = exp_single::<FUSED>(z - shift);
        }
        let scale = match kind {
            ScoreKind::Logits => 1.0 / fold(&probs, 0.0, |a, b| a + b),
            _ => 1.0,
        };
        for (sum, p) in sums.iter_mut().zip(&probs) {
            *sum += f64::from(*p) * scale;
        }
    }
}

/// As [`fold`], sixteen lanes of `f32`.
#[inline(always)]
fn fold_single(values: &[f32], start: f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; 2 * LANES];
    let (whole, rest) = values.as_chunks::<{ 2 * LANES }>();
    for chunk in whole {
        for lane in 0..2 * LANES {
            lanes[lane] = join(lanes[lane], chunk[lane]);
        }
    }
    for (lane, value) in rest.iter().enumerate() {
        lanes[lane] = join(lanes[lane], *value);
    }
    lanes.iter().fold(start, |a, b| join(a, *b))
}

/// What all rows of a member share.
#[derive(Clone, Copy)]
struct Rows {
    kind: ScoreKind,
    weight: f64,
    classes: usize,
}

impl Rows {
    fn add<T: Number>(
        self,
        values: &[T],
        sums: &mut [f64],
        logs: &mut [bool],
        entropies: Option<&mut [f64]>,
    ) {
        if fused() {
            vectorised(
                #[inline(always)]
                || self.add_rows::<T, true>(values, sums, logs, entropies),
            );
        } else {
            vectorised(
                #[inline(always)]
                || self.add_rows::<T, false>(values, sums, logs, entropies),
            );
        }
    }

    #[inline(always)]
    fn add_rows<T: Number, const FUSED: bool>(
        self,
        values: &[T],
        sums: &mut [f64],
        logs: &mut [bool],
        mut entropies: Option<&mut [f64]>,
    ) {
        let Self {
            kind,
            weight,
            classes,
        } = self;
        let mut probs = vec![0.0; classes];
        let rows = values
            .chunks_exact(classes)
            .zip(sums.chunks_exact_mut(classes));
        for (at, (raw, sums)) in rows.enumerate() {
            let lowest = probabilities::<T, FUSED>(kind, raw, &mut probs);
            if let Some(entropies) = entropies.as_deref_mut() {
                entropies[at] += weight * entropy(kind, raw, &probs);
            }
            if lowest >= LINEAR && !logs[at] {
                for (sum, p) in sums.iter_mut().zip(&probs) {
                    *sum += weight * p;
                }
            } else {
                if !logs[at] {
                    logs[at] = true;
                    sums.iter_mut().for_each(|sum| *sum = sum.ln());
                }
                log_probs(kind, raw, &mut probs);
                let log_weight = weight.ln();
                for (sum, l) in sums.iter_mut().zip(&probs) {
                    *sum = crate::log_sum_exp(&[*sum, l + log_weight]);
                }
            }
        }
    }
}

/// Probabilities of a row, and its lowest log-probability as far as that matters (−∞ does not: it is 0 either way).
#[inline(always)]
fn probabilities<T: Number, const FUSED: bool>(
    kind: ScoreKind,
    raw: &[T],
    probs: &mut [f64],
) -> f64 {
    match kind {
        ScoreKind::Logits => {
            let top = fold(raw, f64::NEG_INFINITY, |a, b| if b > a { b } else { a });
            let bottom = fold(raw, f64::INFINITY, |a, b| if b < a { b } else { a });
            for (p, z) in probs.iter_mut().zip(raw) {
                *p = exp::<FUSED>(z.get() - top);
            }
            let sum = fold(probs, 0.0, |a, b| a + b);
            let scale = 1.0 / sum;
            probs.iter_mut().for_each(|p| *p *= scale);
            bottom - top - sum.ln()
        }
        ScoreKind::LogProbs => {
            for (p, l) in probs.iter_mut().zip(raw) {
                *p = exp::<FUSED>(l.get());
            }
            fold(raw, f64::INFINITY, |a, b| {
                if b < a && b != f64::NEG_INFINITY {
                    b
                } else {
                    a
                }
            })
        }
        ScoreKind::Probs => {
            for (p, given) in probs.iter_mut().zip(raw) {
                *p = given.get();
            }
            0.0
        }
    }
}

/// A sum, largest or smallest value over eight lanes, then over the lanes: always in this order.
#[inline(always)]
fn fold<T: Number>(values: &[T], start: f64, join: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [start; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for chunk in whole {
        for lane in 0..LANES {
            lanes[lane] = join(lanes[lane], chunk[lane].get());
        }
    }
    for (lane, value) in rest.iter().enumerate() {
        lanes[lane] = join(lanes[lane], value.get());
    }
    lanes.iter().fold(start, |a, b| join(a, *b))
}

fn log_probs<T: Number>(kind: ScoreKind, raw: &[T], out: &mut [f64]) {
    for (out, value) in out.iter_mut().zip(raw) {
        *out = value.get();
    }
    match kind {
        ScoreKind::Logits => crate::log_softmax(out),
        ScoreKind::LogProbs => {}
        ScoreKind::Probs => out.iter_mut().for_each(|p| *p = p.ln()),
    }
}

/// −Σ p ln p of one row.
#[inline(always)]
fn entropy<T: Number>(kind: ScoreKind, raw: &[T], probs: &[f64]) -> f64 {
    match kind {
        ScoreKind::Logits => {
            // ln Σ exp(z) − Σ p z, shifted by the largest.
            let top = fold(raw, f64::NEG_INFINITY, |a, b| if b > a { b } else { a });
            let largest = fold(probs, 0.0, |a, b| if b > a { b } else { a });
            let mut mean = 0.0;
            for (p, z) in probs.iter().zip(raw) {
                mean += p * (z.get() - top);
            }
            -largest.ln() - mean
        }
        ScoreKind::LogProbs => probs
            .iter()
            .zip(raw)
            .filter(|(p, _)| **p > 0.0)
            .map(|(p, l)| -p * l.get())
            .sum(),
        ScoreKind::Probs => probs
            .iter()
            .filter(|p| **p > 0.0)
            .map(|p| -p * p.ln())
            .sum(),
    }
}

/// Takes a member out of a block of sums; how much rounding errors were magnified at worst.
pub(super) fn subtract_member(
    member: &Scores<'_>,
    first: usize,
    weight: f64,
    classes: usize,
    sums: &mut [f64],
    logs: &[bool],
    entropies: &mut [f64],
) -> f64 {
    let mut row = vec![0.0; classes];
    let mut worst = 1.0_f64;
    for (at, sums) in sums.chunks_exact_mut(classes).enumerate() {
        member.log_prob_row(first + at, &mut row);
        entropies[at] -= weight * crate::math::entropy_of_logs(&row);
        for (sum, l) in sums.iter_mut().zip(&row) {
            if logs[at] {
                let share = (l + weight.ln() - *sum).exp();
                if share > 0.0 && *sum > f64::NEG_INFINITY {
                    let left = (1.0 - share).max(0.0);
                    worst = worst.max(1.0 / left);
                    *sum += left.ln();
                }
            } else if *sum > 0.0 {
                let left = (*sum - weight * l.exp()).max(0.0);
                // A class that no other member allows is exactly zero again, or too small to say.
                if left > 0.0 {
                    worst = worst.max(*sum / left);
                }
                *sum = left;
            }
        }
    }
    worst
}

/// The target's log-probability in a row of sums.
#[inline(always)]
pub(super) fn target_log_prob(sums: &[f64], logs: bool, weight: f64, truth: Truth<'_>) -> f64 {
    let one = |class: usize| {
        if logs {
            sums[class] - weight.ln()
        } else {
            (sums[class] / weight).ln()
        }
    };
    match truth {
        Truth::Class(class) => one(class),
        Truth::Soft(mass) => {
            let classes = mass.iter().enumerate().filter(|(_, q)| **q > 0.0);
            classes.map(|(class, q)| q * one(class)).sum()
        }
    }
}

/// The log-probability of one class of one row; `raw` is room for the row, used for logits only.
pub(super) fn log_prob_of(scores: &Scores<'_>, row: usize, class: usize, raw: &mut [f64]) -> f64 {
    let at = row * scores.classes() + class;
    let value = || match scores.values() {
        Floats::F32(values) => f64::from(values[at]),
        Floats::F64(values) => values[at],
    };
    match scores.kind() {
        ScoreKind::LogProbs => value(),
        ScoreKind::Probs => value().ln(),
        ScoreKind::Logits => {
            scores.log_prob_row(row, raw);
            raw[class]
        }
    }
}
