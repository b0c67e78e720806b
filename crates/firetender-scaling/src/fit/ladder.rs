//! Two steps from size to accuracy: the loss of a task from parameters and tokens, then accuracy from that loss.
//!
//! The second step is what most "emergent" accuracies are: a smooth loss seen through a sigmoid (Schaeffer, Miranda and Koyejo 2023, arXiv 2304.15004; Bhagia et al., "Establishing task scaling laws via
//! compute-efficient model ladders", 2024). Each step is fitted to what was measured; a prediction goes through both.

use serde::Serialize;

use super::{Fit, FitOptions, Form, fit};
use crate::ScalingError;

/// Both steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ladder {
    /// Chinchilla's form: the task's loss from parameters and tokens.
    pub loss: Fit,
    /// γ + (1 − γ)·σ(a + b·loss): accuracy from the loss.
    pub accuracy: Fit,
}

/// Fits both steps: `x[i]` holds parameters and tokens of run i, `loss[i]` and `accuracy[i]` what it scored; `chance` is γ, the accuracy of guessing.
///
/// ```
/// use firetender_scaling::{FitOptions, ladder};
///
/// let x: Vec<Vec<f64>> = (0..24).map(|i| vec![1e7 * 4f64.powi(i % 6), 1e9 * 5f64.powi(i / 6)]).collect();
/// let loss: Vec<f64> = x.iter().map(|x| 0.3 + 40.0 / x[0].powf(0.3) + 90.0 / x[1].powf(0.28)).collect();
/// let accuracy: Vec<f64> = loss.iter().map(|l| 0.25 + 0.75 / (1.0 + (-(3.0 - 5.0 * l)).exp())).collect();
/// let found = ladder(&x, &loss, &accuracy, 0.25, FitOptions { bootstrap: 0, seed: 0 })?;
/// let (l, a) = found.predict(1e12, 1e13);
/// assert!((l - (0.3 + 40.0 / 1e12f64.powf(0.3) + 90.0 / 1e13f64.powf(0.28))).abs() < 5e-3 && a > 0.8);
/// # Ok::<(), firetender_scaling::ScalingError>(())
/// ```
///
/// # Errors
/// As [`fit()`] for either step; lengths that differ.
pub fn ladder(
    x: &[Vec<f64>],
    loss: &[f64],
    accuracy: &[f64],
    chance: f64,
    options: FitOptions,
) -> Result<Ladder, ScalingError> {
    let first = fit(x, loss, Form::Chinchilla, options)?;
    // The sigmoid is one of log10 x.
    let raised: Vec<Vec<f64>> = loss.iter().map(|loss| vec![10f64.powf(*loss)]).collect();
    let second = fit(&raised, accuracy, Form::Sigmoid { chance }, options)?;
    Ok(Ladder {
        loss: first,
        accuracy: second,
    })
}

impl Ladder {
    /// Loss and accuracy of a model with these parameters, trained on these tokens.
    #[must_use]
    pub fn predict(&self, parameters: f64, tokens: f64) -> (f64, f64) {
        let loss = self.loss.predict(&[parameters, tokens]);
        (loss, self.accuracy.predict(&[10f64.powf(loss)]))
    }
}
