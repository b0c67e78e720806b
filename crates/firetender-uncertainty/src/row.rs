//! One row of scores, read: probabilities and the few numbers that all metrics are made of.

use crate::scores::{ScoreKind, Scores};

/// Space for one row.
#[derive(Debug)]
pub(crate) struct RowBuffer {
    raw: Vec<f64>,
    /// Probabilities of the row read last.
    pub(crate) probs: Vec<f64>,
}

/// What is known of a row after one pass over it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowStats {
    /// The class of the largest score, the lowest of equals.
    pub(crate) prediction: usize,
    /// Its probability.
    pub(crate) confidence: f64,
    /// −Σ p ln p, with 0 ln 0 = 0.
    pub(crate) entropy: f64,
    /// Σ p².
    pub(crate) sum_squares: f64,
    /// What turns a raw score into a log-probability, for logits.
    shift: f64,
    /// The largest score, and what exponentials are multiplied by.
    normaliser: (f64, f64),
    kind: ScoreKind,
}

impl RowStats {
    pub(crate) fn normaliser(&self) -> (f64, f64) {
        self.normaliser
    }
}

impl RowBuffer {
    pub(crate) fn new(classes: usize) -> Self {
        Self {
            raw: vec![0.0; classes],
            probs: vec![0.0; classes],
        }
    }

    /// Reads row `row` of `scores`.
    pub(crate) fn read(&mut self, scores: &Scores<'_>, row: usize) -> RowStats {
        scores.row(row, &mut self.raw);
        let kind = scores.kind();
        let (mut prediction, mut top) = (0, f64::NEG_INFINITY);
        for (class, &x) in self.raw.iter().enumerate() {
            if x > top {
                (prediction, top) = (class, x);
            }
        }
        let (mut entropy, mut sum_squares) = (0.0, 0.0);
        let mut shift = 0.0;
        let mut normaliser = (0.0, 1.0);
        match kind {
            ScoreKind::Logits => {
                let mut sum = 0.0;
                for (p, &z) in self.probs.iter_mut().zip(&self.raw) {
                    // The difference of two huge logits may be −∞, and 0 · −∞ is NaN.
                    let below = (z - top).max(-1e3);
                    let e = below.exp();
                    *p = e;
                    sum += e;
                    entropy -= e * below;
                    sum_squares += e * e;
                }
                let scale = 1.0 / sum;
                self.probs.iter_mut().for_each(|p| *p *= scale);
                entropy = entropy * scale + sum.ln();
                sum_squares *= scale * scale;
                shift = sum.ln();
                normaliser = (top, scale);
                // The shift by `top` comes first, see `log_softmax`.
                self.raw.iter_mut().for_each(|z| *z -= top);
            }
            ScoreKind::LogProbs => {
                for (p, &l) in self.probs.iter_mut().zip(&self.raw) {
                    *p = l.exp();
                    if *p > 0.0 {
                        entropy -= *p * l;
                    }
                    sum_squares += *p * *p;
                }
            }
            ScoreKind::Probs => {
                self.probs.copy_from_slice(&self.raw);
                for &p in &self.probs {
                    if p > 0.0 {
                        entropy -= p * p.ln();
                    }
                    sum_squares += p * p;
                }
            }
        }
        RowStats {
            prediction,
            confidence: self.probs[prediction],
            entropy,
            sum_squares,
            shift,
            normaliser,
            kind,
        }
    }

    /// Log-probability of a class in the row read last.
    pub(crate) fn log_prob(&self, stats: &RowStats, class: usize) -> f64 {
        match stats.kind {
            ScoreKind::Logits | ScoreKind::LogProbs => self.raw[class] - stats.shift,
            ScoreKind::Probs => self.raw[class].ln(),
        }
    }

    /// How many classes come before `class` when the row read last is sorted by falling score, the lower index first among equals.
    pub(crate) fn rank(&self, class: usize) -> u32 {
        let own = self.raw[class];
        let above = self.raw.iter().filter(|x| **x > own).count();
        let before = self.raw[..class].iter().filter(|x| **x == own).count();
        (above + before) as u32
    }
}
