//! A block of rows into objects: the inner loop of every table of metrics.

use super::{Columns, Floor, Object};
use crate::kernel::{self, Number};
use crate::row::{RowBuffer, RowStats};
use crate::scores::{Floats, ScoreKind, Scores};
use crate::targets::{Targets, Truth};

/// Rows from `first` on.
pub(super) struct Block<'a> {
    pub(super) scores: &'a Scores<'a>,
    pub(super) targets: &'a Targets,
    pub(super) floor: Floor,
    pub(super) columns: Columns,
    pub(super) first: usize,
}

impl Block<'_> {
    /// Scores the rows; those that are left out stay as they are. Inside of [`vectorised`](crate::lanes::vectorised).
    #[inline(always)]
    pub(super) fn fill(&self, objects: &mut [Object]) {
        let Columns {
            entropy,
            rank,
            ranked,
        } = self.columns;
        let classes = self.scores.classes();
        // Without logarithms and ranks a row of probabilities needs no copy.
        let labels = self.targets.as_classes();
        if let (ScoreKind::Probs, false, false, false, Some(labels)) =
            (self.scores.kind(), entropy, rank, ranked, labels)
        {
            let range = self.first * classes..(self.first + objects.len()) * classes;
            match self.scores.values() {
                Floats::F32(values) => self.probs(&values[range], labels, objects),
                Floats::F64(values) => self.probs(&values[range], labels, objects),
            }
            return;
        }
        let mut buffer = RowBuffer::new(classes);
        for (at, object) in objects.iter_mut().enumerate() {
            let row = self.first + at;
            if !self.targets.is_out(row) {
                let stats = buffer.read_here(self.scores, row);
                *object = self.object(&buffer, &stats, row);
            }
        }
    }

    #[inline(always)]
    fn probs<T: Number>(&self, values: &[T], labels: &[i64], objects: &mut [Object]) {
        let rows = values.chunks_exact(self.scores.classes());
        for (at, (probs, object)) in rows.zip(objects).enumerate() {
            let row = self.first + at;
            let weight = self.targets.weight(row);
            if weight == 0.0 {
                continue;
            }
            let class = labels[row] as usize;
            let (top, sum_squares) = kernel::top_and_squares(probs);
            let prediction = kernel::first(probs, top);
            let p = probs[class].get();
            *object = Object {
                weight,
                target: Some(class as u32),
                prediction: prediction as u32,
                correct: f64::from(class == prediction),
                confidence: top,
                log_likelihood: self.floor.apply(p.ln()),
                brier: brier(p, sum_squares),
                spherical: p / sum_squares.sqrt(),
                sum_squares,
                ..Object::NONE
            };
        }
    }

    /// Scores the row that is in the buffer.
    #[inline(always)]
    fn object(&self, buffer: &RowBuffer, stats: &RowStats, row: usize) -> Object {
        let norm = stats.sum_squares.sqrt();
        let base = Object {
            weight: self.targets.weight(row),
            prediction: stats.prediction as u32,
            confidence: stats.confidence,
            sum_squares: stats.sum_squares,
            entropy: if self.columns.entropy {
                stats.entropy
            } else {
                0.0
            },
            ..Object::NONE
        };
        let ordinal = self.columns.ranked;
        match self.targets.truth(row) {
            Truth::Class(class) => {
                let p = buffer.probs[class];
                let ranked = ordinal.then(|| ranked(&buffer.probs, |c| f64::from(c >= class)));
                Object {
                    target: Some(class as u32),
                    correct: f64::from(class == stats.prediction),
                    rank: self.columns.rank.then(|| buffer.rank(class)),
                    log_likelihood: self.floor.apply(buffer.log_prob(stats, class)),
                    brier: brier(p, stats.sum_squares),
                    spherical: p / norm,
                    ranked,
                    ..base
                }
            }
            Truth::Soft(truth) => {
                let (mut log_likelihood, mut brier, mut dot) = (0.0, 0.0, 0.0);
                for (class, &t) in truth.iter().enumerate() {
                    let p = buffer.probs[class];
                    if t > 0.0 {
                        log_likelihood += t * self.floor.apply(buffer.log_prob(stats, class));
                    }
                    brier += (p - t) * (p - t);
                    dot += p * t;
                }
                let mut sum = 0.0;
                let cumulative: Vec<f64> = truth
                    .iter()
                    .map(|t| {
                        sum += t;
                        sum
                    })
                    .collect();
                Object {
                    correct: truth[stats.prediction],
                    log_likelihood,
                    brier,
                    spherical: dot / norm,
                    ranked: ordinal.then(|| ranked(&buffer.probs, |c| cumulative[c])),
                    ..base
                }
            }
        }
    }
}

/// Σ (p − [c = y])², without a second pass: rounding may take it below zero where p is one-hot.
#[inline(always)]
fn brier(p: f64, sum_squares: f64) -> f64 {
    (sum_squares - 2.0 * p + 1.0).max(0.0)
}

/// Σ over the first C − 1 classes of the squared difference of two distribution functions.
fn ranked(probs: &[f64], truth: impl Fn(usize) -> f64) -> f64 {
    let (mut below, mut sum) = (0.0, 0.0);
    for (class, p) in probs[..probs.len() - 1].iter().enumerate() {
        below += p;
        let gap = below - truth(class);
        sum += gap * gap;
    }
    sum
}
