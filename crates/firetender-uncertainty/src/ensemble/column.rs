//! The targets' column alone: all that the log-likelihood of every size needs.
//!
//! Rows of probabilities are normalised already, so the other classes need not be read at all: K numbers a row instead of K·C. Of
//! logits every class is read once for the row's sum, and nothing is kept but the target's probability.

use super::member::{LINEAR, log_prob_of};
use crate::{
    Floats, ScoreKind, Scores,
    kernel::{self, Number},
    lanes::{LANES, exp, exp_single, fused, ln, vectorised},
};

/// Running sums of the targets' probabilities over a block of rows.
#[derive(Debug)]
pub(super) struct Column {
    first: usize,
    classes: Vec<usize>,
    /// Sums of probabilities, or their logarithms where a probability went below what a sum can hold.
    sums: Vec<f64>,
    logs: Vec<bool>,
    members: usize,
    /// The latest member's probabilities, and the rows where they underflow.
    probs: Vec<f64>,
    tiny: Vec<usize>,
}

impl Column {
    /// For rows from `first` on, one target class each.
    pub(super) fn new(first: usize, classes: Vec<usize>) -> Self {
        let rows = classes.len();
        Self {
            first,
            classes,
            sums: vec![0.0; rows],
            logs: vec![false; rows],
            members: 0,
            probs: vec![0.0; rows],
            tiny: vec![],
        }
    }

    /// Adds a member; the log-likelihood of each row with it.
    pub(super) fn add(&mut self, member: &Scores<'_>, out: &mut [f64]) {
        self.members += 1;
        let plain = !self.logs.contains(&true);
        match (member.kind(), member.values()) {
            (ScoreKind::Logits, values) => {
                self.tiny.clear();
                self.of_logits(values, member.classes());
                if plain && self.tiny.is_empty() {
                    self.add_plainly::<false>(out);
                    return;
                }
            }
            (kind, values) => {
                match values {
                    Floats::F32(values) => self.gather(member.classes(), values),
                    Floats::F64(values) => self.gather(member.classes(), values),
                }
                if kind == ScoreKind::LogProbs {
                    if plain && self.add_plainly::<true>(out) {
                        return;
                    }
                    self.find_tiny();
                } else {
                    self.tiny.clear();
                    if plain {
                        self.add_plainly::<false>(out);
                        return;
                    }
                }
            }
        }
        self.add_with_logs(member);
        let share = 1.0 / self.members as f64;
        for ((out, sum), log) in out.iter_mut().zip(&self.sums).zip(&self.logs) {
            *out = if *log {
                sum + share.ln()
            } else {
                (sum * share).ln()
            };
        }
    }

    /// The targets' scores as they are, one a row.
    fn gather<T: Number>(&mut self, classes: usize, values: &[T]) {
        let rows = values[self.first * classes..].chunks_exact(classes);
        let targets = self.classes.iter().zip(rows);
        for (p, (class, row)) in self.probs.iter_mut().zip(targets) {
            *p = row[*class].get();
        }
    }

    /// Exponentials (of `LOGS`), sums and logarithms in one sweep, where nothing underflows; else nothing is changed but `out`.
    fn add_plainly<const LOGS: bool>(&mut self, out: &mut [f64]) -> bool {
        let share = 1.0 / self.members as f64;
        let (sums, probs) = (&mut self.sums[..], &self.probs[..]);
        let (done, subnormal) = vectorised(
            #[inline(always)]
            || {
                if fused() {
                    sweep::<LOGS, true>(sums, probs, share, out)
                } else {
                    sweep::<LOGS, false>(sums, probs, share, out)
                }
            },
        );
        if subnormal {
            for (out, sum) in out.iter_mut().zip(&self.sums) {
                *out = (sum * share).ln();
            }
        }
        done
    }

    /// Rows whose probability underflows, and the probabilities of all.
    fn find_tiny(&mut self) {
        self.tiny.clear();
        let low = |l: &f64| *l < LINEAR && *l > f64::NEG_INFINITY;
        let found = self.probs.iter().enumerate().filter(|(_, l)| low(l));
        self.tiny.extend(found.map(|(row, _)| row));
        self.probs.iter_mut().for_each(|l| *l = l.exp());
    }

    fn of_logits(&mut self, values: &Floats<'_>, classes: usize) {
        let range = self.first * classes..(self.first + self.classes.len()) * classes;
        let (targets, probs) = (&self.classes, &mut self.probs);
        let tiny = &mut self.tiny;
        match values {
            Floats::F32(values) => {
                let rows = values[range].chunks_exact(classes);
                let mut room = vec![0.0_f32; classes];
                for (row, (raw, class)) in rows.zip(targets).enumerate() {
                    let (top, sum) = vectorised(
                        #[inline(always)]
                        || {
                            if fused() {
                                sum_single::<true>(raw, &mut room)
                            } else {
                                sum_single::<false>(raw, &mut room)
                            }
                        },
                    );
                    let below = f64::from(raw[*class]) - f64::from(top);
                    probs[row] = below.exp() / sum;
                    if below - sum.ln() < LINEAR {
                        tiny.push(row);
                    }
                }
            }
            Floats::F64(values) => {
                let rows = values[range].chunks_exact(classes);
                let (mut room, mut exponentials) = (vec![0.0; classes], vec![0.0; classes]);
                for (row, (raw, class)) in rows.zip(targets).enumerate() {
                    room.copy_from_slice(raw);
                    let (top, sum) = vectorised(
                        #[inline(always)]
                        || {
                            let top = kernel::largest(raw);
                            let sums = kernel::exponentials(&mut room, &mut exponentials, top);
                            (top, sums.total)
                        },
                    );
                    let below = raw[*class] - top;
                    probs[row] = below.exp() / sum;
                    if below - sum.ln() < LINEAR {
                        tiny.push(row);
                    }
                }
            }
        }
    }

    /// Where some row needs logarithms.
    fn add_with_logs(&mut self, member: &Scores<'_>) {
        let mut raw = vec![0.0; member.classes()];
        let mut tiny = self.tiny.iter().peekable();
        for row in 0..self.classes.len() {
            let low = tiny.next_if(|at| **at == row).is_some();
            if !low && !self.logs[row] {
                self.sums[row] += self.probs[row];
                continue;
            }
            if !self.logs[row] {
                self.logs[row] = true;
                self.sums[row] = self.sums[row].ln();
            }
            let own = log_prob_of(member, self.first + row, self.classes[row], &mut raw);
            self.sums[row] = crate::log_sum_exp(&[self.sums[row], own]);
        }
    }
}

/// Adds probabilities, or exponentials of log-probabilities, to sums and writes the logarithms of their shares. Whether it was done (not where a
/// log-probability is too low), and whether some share is too small for a quick logarithm.
#[inline(always)]
fn sweep<const LOGS: bool, const FUSED: bool>(
    sums: &mut [f64],
    probs: &[f64],
    share: f64,
    out: &mut [f64],
) -> (bool, bool) {
    // One thing at a time: such loops become vector instructions.
    if LOGS {
        if least(probs, f64::NEG_INFINITY) < LINEAR {
            return (false, false);
        }
        for (sum, l) in sums.iter_mut().zip(probs) {
            *sum += exp::<FUSED>(*l);
        }
    } else {
        for (sum, p) in sums.iter_mut().zip(probs) {
            *sum += p;
        }
    }
    for (out, sum) in out.iter_mut().zip(&*sums) {
        *out = sum * share;
    }
    let subnormal = least(out, 0.0) < f64::MIN_POSITIVE;
    for out in out.iter_mut() {
        *out = if *out > 0.0 {
            ln(*out)
        } else {
            f64::NEG_INFINITY
        };
    }
    (true, subnormal)
}

/// The least of the values above `bound`.
#[inline(always)]
fn least(values: &[f64], bound: f64) -> f64 {
    let mut lanes = [f64::INFINITY; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for chunk in whole {
        for lane in 0..LANES {
            let x = if chunk[lane] > bound {
                chunk[lane]
            } else {
                f64::INFINITY
            };
            lanes[lane] = if x < lanes[lane] { x } else { lanes[lane] };
        }
    }
    let rest = rest.iter().copied().filter(|x| *x > bound);
    rest.chain(lanes)
        .fold(f64::INFINITY, |a, b| if b < a { b } else { a })
}

/// The largest logit of a row, and the sum of the exponentials of all below it.
#[inline(always)]
fn sum_single<const FUSED: bool>(raw: &[f32], room: &mut [f32]) -> (f32, f64) {
    let mut tops = [f32::NEG_INFINITY; 2 * LANES];
    let (lanes, rest) = raw.as_chunks::<{ 2 * LANES }>();
    for lane in lanes {
        for (top, z) in tops.iter_mut().zip(lane) {
            *top = if *z > *top { *z } else { *top };
        }
    }
    let all = rest.iter().chain(&tops).copied();
    let top = all.fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
    for (e, z) in room.iter_mut().zip(raw) {
        *e = exp_single::<FUSED>(z - top);
    }
    let mut sums = [0.0; LANES];
    let (lanes, rest) = room.as_chunks::<LANES>();
    for lane in lanes {
        for (sum, e) in sums.iter_mut().zip(lane) {
            *sum += f64::from(*e);
        }
    }
    let rest: f64 = rest.iter().map(|e| f64::from(*e)).sum();
    (top, rest + sums.iter().sum::<f64>())
}
