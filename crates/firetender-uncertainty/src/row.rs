//! One row of scores, read: probabilities and the few numbers that all metrics are made of.

use crate::kernel;
use crate::lanes::vectorised;
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
        vectorised(
            #[inline(always)]
            || self.read_here(scores, row),
        )
    }

    /// As [`Self::read`], inside of a block that chose its instructions already.
    #[inline(always)]
    pub(crate) fn read_here(&mut self, scores: &Scores<'_>, row: usize) -> RowStats {
        scores.row(row, &mut self.raw);
        let kind = scores.kind();
        let top = kernel::largest(&self.raw);
        let prediction = kernel::first(&self.raw, top);
        let (mut shift, mut normaliser) = (0.0, (0.0, 1.0));
        let (entropy, sum_squares) = match kind {
            ScoreKind::Logits => {
                // The shift by `top` comes first, see `log_softmax`.
                let sums = kernel::exponentials(&mut self.raw, &mut self.probs, top);
                let scale = 1.0 / sums.total;
                kernel::scale(&mut self.probs, scale);
                shift = sums.total.ln();
                normaliser = (top, scale);
                (sums.entropy * scale + shift, sums.squares * scale * scale)
            }
            ScoreKind::LogProbs => {
                let sums = kernel::from_logs(&mut self.raw, &mut self.probs);
                (sums.entropy, sums.squares)
            }
            ScoreKind::Probs => {
                let sums = kernel::from_probs(&mut self.raw, &mut self.probs);
                (sums.entropy, sums.squares)
            }
        };
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

    /// Reads the probabilities alone; what [`Self::log_prob`] and [`Self::rank`] need is not there afterwards.
    #[inline(always)]
    pub(crate) fn read_probs(&mut self, scores: &Scores<'_>, row: usize) {
        match scores.kind() {
            ScoreKind::Probs => scores.row(row, &mut self.probs),
            _ => {
                self.read_here(scores, row);
            }
        }
    }

    /// Log-probability of a class in the row read last.
    #[inline(always)]
    pub(crate) fn log_prob(&self, stats: &RowStats, class: usize) -> f64 {
        match stats.kind {
            ScoreKind::Logits | ScoreKind::LogProbs => self.raw[class] - stats.shift,
            ScoreKind::Probs => self.raw[class].ln(),
        }
    }

    /// How many classes come before `class` when the row read last is sorted by falling score, the lower index first among equals.
    #[inline(always)]
    pub(crate) fn rank(&self, class: usize) -> u32 {
        kernel::rank(&self.raw, class)
    }
}
