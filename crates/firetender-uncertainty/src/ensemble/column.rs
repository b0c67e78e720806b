//! The targets' column alone: all that the log-likelihood of every size needs.
//!
//! Rows of probabilities are normalised already, so the other classes need not be read at all: K numbers a row instead of K·C. Of
//! logits every class is read once for the row's sum, and nothing is kept but the target's probability.

use super::member::{LINEAR, log_prob_of};
use crate::{
    Floats, ScoreKind, Scores, kernel,
    lanes::{LANES, exp, exp_single, fused, vectorised},
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
    pub(super) fn add(&mut self, member: &Scores<'_>) -> Vec<f64> {
        self.members += 1;
        self.tiny.clear();
        match (member.kind(), member.values()) {
            (ScoreKind::Logits, values) => self.of_logits(values, member.classes()),
            (kind, Floats::F32(values)) => {
                self.gather(kind, member.classes(), |at| f64::from(values[at]));
            }
            (kind, Floats::F64(values)) => self.gather(kind, member.classes(), |at| values[at]),
        }
        let plain = self.tiny.is_empty() && !self.logs.contains(&true);
        if plain {
            let pairs = self.sums.iter_mut().zip(&self.probs);
            pairs.for_each(|(sum, p)| *sum += p);
        } else {
            self.add_with_logs(member);
        }
        let share = 1.0 / self.members as f64;
        let mut out: Vec<f64> = self.sums.iter().map(|sum| sum * share).collect();
        if plain {
            kernel::logarithms(&mut out);
            return out;
        }
        for ((out, sum), log) in out.iter_mut().zip(&self.sums).zip(&self.logs) {
            *out = if *log { sum + share.ln() } else { out.ln() };
        }
        out
    }

    fn gather(&mut self, kind: ScoreKind, classes: usize, value: impl Fn(usize) -> f64) {
        let first = self.first;
        let targets = self.classes.iter().enumerate();
        for (p, (row, class)) in self.probs.iter_mut().zip(targets) {
            *p = value((first + row) * classes + class);
        }
        if kind == ScoreKind::Probs {
            return;
        }
        let low = |l: &f64| *l < LINEAR && *l > f64::NEG_INFINITY;
        let found = self.probs.iter().enumerate().filter(|(_, l)| low(l));
        self.tiny.extend(found.map(|(row, _)| row));
        let probs = &mut self.probs;
        if fused() {
            vectorised(
                #[inline(always)]
                || probs.iter_mut().for_each(|l| *l = exp::<true>(*l)),
            );
        } else {
            vectorised(
                #[inline(always)]
                || probs.iter_mut().for_each(|l| *l = exp::<false>(*l)),
            );
        }
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
                let mut room = vec![0.0; classes];
                for (row, (raw, class)) in rows.zip(targets).enumerate() {
                    room.copy_from_slice(raw);
                    let top = kernel::largest(raw);
                    let mut exponentials = vec![0.0; classes];
                    let sum = kernel::exponentials(&mut room, &mut exponentials, top).total;
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
