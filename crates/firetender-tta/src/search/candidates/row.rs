//! One row of predictions.

use serde::{Deserialize, Serialize};

use crate::TtaError;

/// What the numbers are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionKind {
    /// Natural logarithms of probabilities.
    #[default]
    LogProbs,
    /// Probabilities.
    Probs,
    /// Anything whose softmax is the prediction.
    Logits,
}

/// How far a row's sum may be from one before it is normalised: 16-bit logarithms of probabilities sum to 1 ± 0.005.
const TOLERANCE: f64 = 0.01;

/// Probabilities of one row; checked, and normalised.
pub(super) fn normalise(
    kind: PredictionKind,
    [entry, sample]: [usize; 2],
    row: &[f64],
    probs: &mut [f64],
) -> Result<(), TtaError> {
    let expected = match kind {
        PredictionKind::LogProbs => "a number of at most 0 (a logarithm of a probability)",
        PredictionKind::Probs => "a probability",
        PredictionKind::Logits => "a finite number",
    };
    let wrong = row.iter().position(|&x| match kind {
        PredictionKind::LogProbs => x.is_nan() || x > TOLERANCE,
        PredictionKind::Probs => !(0.0..=1.0 + TOLERANCE).contains(&x),
        PredictionKind::Logits => !x.is_finite(),
    });
    if let Some(class) = wrong {
        return Err(TtaError::Prediction {
            entry,
            sample,
            class,
            found: row[class],
            expected,
        });
    }
    let top = match kind {
        PredictionKind::Logits => row.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        _ => 0.0,
    };
    let sum: f64 = if kind == PredictionKind::Probs {
        probs.copy_from_slice(row);
        row.iter().sum()
    } else {
        for (p, x) in probs.iter_mut().zip(row) {
            *p = (x - top).exp();
        }
        probs.iter().sum()
    };
    if kind != PredictionKind::Logits && (sum - 1.0).abs() > TOLERANCE {
        return Err(TtaError::RowSum {
            entry,
            sample,
            found: sum,
            tolerance: TOLERANCE,
        });
    }
    probs.iter_mut().for_each(|p| *p /= sum);
    Ok(())
}
