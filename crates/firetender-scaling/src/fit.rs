//! Functional forms of scaling curves: power law with a floor, sigmoid, broken neural scaling law, Chinchilla's law.
//!
//! Fits describe and extrapolate; the label of a trend never comes from one. A fit that did not converge is a value, [`Fit::converged`], not an
//! error. Every fit is found from a grid of starts by Levenberg–Marquardt (least squares) or BFGS (Huber's loss), so no start has to be guessed, and the same data give
//! the same fit.

mod forms;
mod ladder;
mod optimise;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use rayon::prelude::*;
use serde::Serialize;

use crate::ScalingError;
use forms::Law;

pub use ladder::{Ladder, ladder};

/// A form of curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// y = E + A·x^(−α), fitted on ln y.
    Power,
    /// y = γ + (1 − γ)·σ(a + b·log10 x), fitted on y; `chance` is γ.
    Sigmoid {
        /// Accuracy of guessing, 1/K.
        chance: f64,
    },
    /// The broken neural scaling law of Caballero et al. (2022, arXiv 2210.14891), `y = a + b·x^(−c0)·Π (1 + (x/d_i)^(1/f_i))^(−c_i·f_i)`, fitted on ln(y + 1).
    Bnsl {
        /// Number of breaks.
        breaks: usize,
    },
    /// Hoffmann et al. (2022): L = E + A/N^α + B/D^β, Huber's loss with δ = 0.001 on ln L. Takes two columns of x.
    Chinchilla,
}

/// A fitted parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parameter {
    /// Its name in the form's formula.
    pub name: String,
    /// The best value.
    pub value: f64,
    /// Percentile interval over resampled points, where asked for.
    pub interval: Option<(f64, f64)>,
}

/// A fitted curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// The form.
    pub form: Form,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Whether the search ended at a minimum rather than at its limit of steps.
    pub converged: bool,
    /// What was minimised.
    pub objective: f64,
    /// Root mean square of y − ŷ over the fitted points.
    pub rmse: f64,
    /// Root mean square of ln(y + 1) − ln(ŷ + 1) over the fitted points; `None` where a value is −1 or less.
    pub rmsle: Option<f64>,
    /// y − ŷ.
    pub residuals: Vec<f64>,
    /// ŷ.
    pub fitted: Vec<f64>,
}

/// What a fit may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FitOptions {
    /// Resamplings for intervals; 0 for none.
    pub bootstrap: usize,
    /// Their seed.
    pub seed: u64,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            bootstrap: 200,
            seed: 0,
        }
    }
}

/// Fits a form to points: `x[i]` holds one positive value ([`Form::Chinchilla`]: parameters and tokens).
///
/// ```
/// use firetender_scaling::{FitOptions, Form, fit};
///
/// let x: Vec<Vec<f64>> = (0..8).map(|i| vec![10f64.powi(i)]).collect();
/// let y: Vec<f64> = x.iter().map(|x| 1.5 + 4.0 * x[0].powf(-0.3)).collect();
/// let found = fit(&x, &y, Form::Power, FitOptions { bootstrap: 0, ..FitOptions::default() })?;
/// assert!(found.converged && (found.parameters[0].value - 1.5).abs() < 1e-6);
/// # Ok::<(), firetender_scaling::ScalingError>(())
/// ```
///
/// # Errors
/// Fewer points than parameters, x that is not positive, y that is not finite (not positive, where its logarithm is taken), a chance outside [0, 1), or
/// more than eight breaks.
pub fn fit(
    x: &[Vec<f64>],
    y: &[f64],
    form: Form,
    options: FitOptions,
) -> Result<Fit, ScalingError> {
    let law = Law::new(form, x, y)?;
    let best = law.search(x, y);
    let fitted: Vec<f64> = x.iter().map(|x| law.value(&best.point, x)).collect();
    let residuals: Vec<f64> = y.iter().zip(&fitted).map(|(y, f)| y - f).collect();
    let n = y.len() as f64;
    let square = |values: &[f64]| (values.iter().map(|v| v * v).sum::<f64>() / n).sqrt();
    let logs: Vec<f64> = y
        .iter()
        .zip(&fitted)
        .map(|(y, f)| y.ln_1p() - f.ln_1p())
        .collect();
    let rmsle = Some(square(&logs)).filter(|value| value.is_finite());
    let draws: Vec<Vec<f64>> = (0..options.bootstrap)
        .into_par_iter()
        .map(|draw| {
            let mut random = ChaCha8Rng::seed_from_u64(options.seed);
            random.set_stream(draw as u64);
            let chosen: Vec<usize> = (0..y.len())
                .map(|_| ((u64::from(random.next_u32()) * y.len() as u64) >> 32) as usize)
                .collect();
            let x: Vec<Vec<f64>> = chosen.iter().map(|i| x[*i].clone()).collect();
            let y: Vec<f64> = chosen.iter().map(|i| y[*i]).collect();
            law.named(&law.refine(&x, &y, &best.point).point)
        })
        .collect();
    let parameters = law
        .names()
        .into_iter()
        .zip(law.named(&best.point))
        .enumerate()
        .map(|(at, (name, value))| {
            let mut values: Vec<f64> = draws
                .iter()
                .map(|d| d[at])
                .filter(|v| v.is_finite())
                .collect();
            values.sort_by(f64::total_cmp);
            let place = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
            let interval = (!values.is_empty()).then(|| (place(0.025), place(0.975)));
            Parameter {
                name,
                value,
                interval,
            }
        })
        .collect();
    Ok(Fit {
        form,
        parameters,
        converged: best.converged,
        objective: best.value,
        rmse: square(&residuals),
        rmsle,
        residuals,
        fitted,
    })
}

impl Fit {
    /// The curve at other points, for held-out models.
    ///
    /// # Panics
    /// When x has another number of columns than the form takes.
    #[must_use]
    pub fn predict(&self, x: &[f64]) -> f64 {
        let values: Vec<f64> = self.parameters.iter().map(|p| p.value).collect();
        forms::formula(self.form, &values, x)
    }
}

#[cfg(test)]
mod tests;
