//! One temperature: divide all logits by T, and the log-likelihood is as good as it gets without changing a single answer.
//!
//! The loss `f(β) = mean[ln Σ exp(β z) − β z_y]` is convex in β = 1/T (not in T), its derivatives come from one pass, and Newton's method inside
//! a bracket finds the minimum to the last digits in a handful of passes. Fits by gradient descent or simplex search, which
//! are common, stop early, diverge on easy data, and return negative temperatures.
//!
//! # When to use it, when not
//!
//! Always before log-likelihoods or Brier scores of different models are compared (Ashukha et al. 2020; Guo, Pleiss, Sun and
//! Weinberger 2017). Fit on other objects than you evaluate on: [`Calibration`](crate::Calibration) does that. Where one number is
//! not enough, see [`AffineScaling`](crate::AffineScaling) and [`IsotonicScaling`](crate::IsotonicScaling), which may change answers.

mod device;
mod newton;
mod shared;

pub use device::fit_temperature_tensor;

use serde::{Deserialize, Serialize};

use crate::{Folds, Scores, Targets, UncertaintyError, tiles::Tiles};

/// What a fit gives where every target has its row's largest score, so that no finite temperature is best.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Separable {
    /// The sharpest temperature that the bounds allow: right on the rows of the fit, ruinous on other rows with one mistake among them.
    #[default]
    Sharpest,
    /// T = 1: such rows say only that they are right, which is no reason to change anything elsewhere. For temperatures that are
    /// carried over to other rows; [`Calibration`](crate::Calibration) uses it there.
    Unscaled,
}

/// Bounds and the start of the search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TemperatureOptions {
    /// The largest β times the mean standard deviation of a row's logits. Separable data, for which T → 0 would be best, get this.
    pub max_sharpness: f64,
    /// The smallest, which a fit without signal gets: 0 is T = ∞, the uniform prediction.
    pub min_sharpness: f64,
    /// What separable rows give.
    #[serde(default)]
    pub separable: Separable,
}

impl Default for TemperatureOptions {
    /// From 0 to 1,000: at the upper end a row whose best logit leads by a fiftieth of the usual spread is all but certain.
    fn default() -> Self {
        Self {
            max_sharpness: 1000.0,
            min_sharpness: 0.0,
            separable: Separable::Sharpest,
        }
    }
}

impl TemperatureOptions {
    /// For a temperature that is used on other rows than it is fitted to: separable rows give T = 1.
    #[must_use]
    pub fn carried_over() -> Self {
        Self {
            separable: Separable::Unscaled,
            ..Self::default()
        }
    }

    /// β of separable rows, given the upper bound.
    fn at_separable(&self, bound: f64) -> f64 {
        match self.separable {
            Separable::Sharpest => bound,
            Separable::Unscaled => 1.0,
        }
    }

    fn check(&self) -> Result<(), UncertaintyError> {
        let (low, high) = (self.min_sharpness, self.max_sharpness);
        if low >= 0.0 && low < high && high.is_finite() {
            return Ok(());
        }
        Err(UncertaintyError::Options {
            field: "min_sharpness and max_sharpness",
            found: format!("{low} and {high}"),
            expected: "0 ≤ min < max < ∞",
        })
    }
}

/// How a temperature came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TemperatureStatus {
    /// The one minimum, to the last digits.
    Converged,
    /// The scores say nothing about the targets, or the wrong thing: the best is T = ∞.
    NoSignal,
    /// Every target has its row's largest score: the best is T → 0, and T is what [`Separable`] says: the lower bound, or 1.
    Separable,
    /// The minimum lies outside of the bounds.
    AtBound,
    /// A minimum of a function that may have several: one T for several members before they are averaged.
    Local,
    /// Given by the caller.
    Given,
}

impl TemperatureStatus {
    /// The name in files, such as `no_signal`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::NoSignal => "no_signal",
            Self::Separable => "separable",
            Self::AtBound => "at_bound",
            Self::Local => "local",
            Self::Given => "given",
        }
    }
}

/// A fitted temperature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TemperatureFit {
    /// T; infinite without signal. Never negative.
    pub temperature: f64,
    /// 1 / T.
    pub beta: f64,
    /// Mean log-likelihood at T on the rows of the fit, in nats, without a floor; −∞ when a target is impossible.
    pub log_likelihood: f64,
    /// Passes over the data.
    pub iterations: usize,
    /// How it came about. Read it: a number without `Converged` means something else.
    pub status: TemperatureStatus,
    /// Rows whose target has probability zero at any temperature; they do not enter the fit.
    pub impossible: usize,
}

/// Fits one temperature to the scores: f64, on the host, to about 1e-15 relative; the same bits whatever the number of threads.
///
/// For an ensemble give the averaged log-probabilities. A class of probability zero keeps it at every T.
///
/// ```
/// use firetender_uncertainty::{Scores, Targets, TemperatureOptions, TemperatureStatus, fit_temperature};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// // Twice as sure as it is right: three of four, at a logit of 2 ln 3.
/// let z = 2.0 * 3_f64.ln();
/// let scores = Scores::logits(vec![z, 0.0, z, 0.0, z, 0.0, z, 0.0], 2)?;
/// let fit = fit_temperature(&scores, &Targets::classes(&[0, 0, 0, 1]), &TemperatureOptions::default())?;
/// assert_eq!(fit.status, TemperatureStatus::Converged);
/// assert!((fit.temperature - 2.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Targets::check`]; [`UncertaintyError::Options`] for bounds that are none.
pub fn fit_temperature(
    scores: &Scores<'_>,
    targets: &Targets,
    options: &TemperatureOptions,
) -> Result<TemperatureFit, UncertaintyError> {
    options.check()?;
    let tiles = Tiles::new(scores, targets)?;
    let pass = [vec![0; tiles.rows]];
    let fits = newton::fit(&tiles, &pass, 1, options, None);
    Ok(fits[0])
}

/// Fits a temperature for every fold of every repeat on the rows *outside* of that fold, all at once: each row is read once a
/// round of Newton's method, whatever the number of repeats. The fit of fold `f` of repeat `r` is at `r · folds + f`.
///
/// `warm` may hold the betas of a smaller ensemble; two or three rounds are enough then.
///
/// ```
/// use firetender_uncertainty::{Folds, Scores, Targets, TemperatureOptions, fit_temperature_folds};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let scores = Scores::logits(vec![2.0, 0.0, 1.0, 0.0, 0.5, 0.0, 0.0, 1.0, 1.0, 0.2, 0.3, 0.0], 2)?;
/// let targets = Targets::classes(&[0, 1, 0, 0, 0, 1]);
/// let folds = Folds::even_odd(6)?;
/// let fits = fit_temperature_folds(&scores, &targets, &folds, &TemperatureOptions::default(), None)?;
/// assert_eq!(fits.len(), 2);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`fit_temperature`]; [`UncertaintyError::Length`] when the folds are of another number of rows, or `warm` of another number
/// of fits.
pub fn fit_temperature_folds(
    scores: &Scores<'_>,
    targets: &Targets,
    folds: &Folds,
    options: &TemperatureOptions,
    warm: Option<&[f64]>,
) -> Result<Vec<TemperatureFit>, UncertaintyError> {
    options.check()?;
    let tiles = Tiles::new(scores, targets)?;
    fit_tiles(&tiles, folds, options, warm)
}

pub(crate) fn fit_tiles(
    tiles: &Tiles,
    folds: &Folds,
    options: &TemperatureOptions,
    warm: Option<&[f64]>,
) -> Result<Vec<TemperatureFit>, UncertaintyError> {
    check_length("rows in folds", folds.rows(), tiles.rows)?;
    let problems = folds.repeats() * folds.folds();
    if let Some(warm) = warm {
        check_length("betas to start from", warm.len(), problems)?;
    }
    Ok(newton::fit(
        tiles,
        &fit_passes(folds),
        problems,
        options,
        warm,
    ))
}

/// For each repeat and each distance between folds, the problem that a row helps to fit.
fn fit_passes(folds: &Folds) -> Vec<Vec<u32>> {
    let count = folds.folds() as u32;
    (0..folds.repeats())
        .flat_map(|repeat| {
            (1..count).map(move |distance| {
                let of = folds.of(repeat).iter();
                of.map(|fold| repeat as u32 * count + (fold + distance) % count)
                    .collect()
            })
        })
        .collect()
}

/// For one repeat, the problem whose temperature a row is evaluated at.
pub(crate) fn test_pass(folds: &Folds, repeat: usize) -> Vec<u32> {
    let first = (repeat * folds.folds()) as u32;
    folds.of(repeat).iter().map(|fold| first + fold).collect()
}

/// One temperature for all members before they are averaged, `log mean_k softmax(z_k / T)`: a bracketed search over ln β from
/// several starts, since the loss may have several minima; the status says [`TemperatureStatus::Local`].
///
/// ```
/// use firetender_uncertainty::{Scores, Targets, TemperatureOptions, fit_shared_temperature};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let members = [
///     Scores::logits(vec![4.0, 0.0, 3.0, 0.0, 0.0, 2.0], 2)?,
///     Scores::logits(vec![0.0, 1.0, 5.0, 0.0, 0.0, 4.0], 2)?,
/// ];
/// let fit = fit_shared_temperature(&members, &Targets::classes(&[0, 1, 1]), &TemperatureOptions::default())?;
/// assert_eq!(fit.status.name(), "local");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`fit_temperature`]; [`UncertaintyError::Empty`] without members; [`UncertaintyError::Mismatch`] for a member of
/// another shape.
pub fn fit_shared_temperature(
    members: &[Scores<'_>],
    targets: &Targets,
    options: &TemperatureOptions,
) -> Result<TemperatureFit, UncertaintyError> {
    options.check()?;
    let tiles = member_tiles(members, targets)?;
    let rows: Vec<bool> = vec![true; tiles[0].rows];
    Ok(shared::fit(&tiles, &rows, options))
}

pub(crate) use shared::fit as fit_shared_tiles;

/// Tiles of every member, which have one shape.
pub(crate) fn member_tiles(
    members: &[Scores<'_>],
    targets: &Targets,
) -> Result<Vec<Tiles>, UncertaintyError> {
    crate::ensemble::check_members(members)?;
    members
        .iter()
        .map(|member| Tiles::new(member, targets))
        .collect()
}

/// `log_softmax(scores / T)` of every row, row after row, `f64` on the host. T = ∞ gives the uniform prediction over the
/// classes that are possible, and T = 0 the largest.
///
/// # Errors
/// [`UncertaintyError::Options`] for a temperature that is negative or NaN.
///
/// ```
/// use firetender_uncertainty::{Scores, scaled_log_probs};
/// let scores = Scores::probs(&[0.8, 0.2], 2)?;
/// let softer = scaled_log_probs(&scores, 2.0)?;
/// assert!((softer[0].exp() - 2.0 / 3.0).abs() < 1e-15);
/// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
/// ```
pub fn scaled_log_probs(
    scores: &Scores<'_>,
    temperature: f64,
) -> Result<Vec<f64>, UncertaintyError> {
    if temperature.is_nan() || temperature < 0.0 {
        return Err(UncertaintyError::Options {
            field: "temperature",
            found: temperature.to_string(),
            expected: "a number of at least 0",
        });
    }
    let rows = scores.rows();
    Ok(scaled_rows(scores, &vec![1.0 / temperature; rows]))
}

/// As [`scaled_log_probs`], with one β a row.
pub(crate) fn scaled_rows(scores: &Scores<'_>, betas: &[f64]) -> Vec<f64> {
    use rayon::prelude::*;
    let classes = scores.classes();
    let mut out = vec![0.0; scores.rows() * classes];
    out.par_chunks_mut(classes)
        .enumerate()
        .for_each(|(row, out)| {
            scores.row(row, out);
            if scores.kind() == crate::ScoreKind::Probs {
                out.iter_mut().for_each(|p| *p = p.ln());
            }
            let top = out.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for z in out.iter_mut() {
                // 0 · ∞ means: possible classes count alike, impossible ones not; ties at the top stay ties.
                *z = match *z - top {
                    0.0 => 0.0,
                    d if d == f64::NEG_INFINITY => d,
                    d => d * betas[row],
                };
            }
            crate::log_softmax(out);
        });
    out
}

fn check_length(what: &'static str, found: usize, expected: usize) -> Result<(), UncertaintyError> {
    if found == expected {
        return Ok(());
    }
    Err(UncertaintyError::Length {
        what,
        found,
        expected,
    })
}
