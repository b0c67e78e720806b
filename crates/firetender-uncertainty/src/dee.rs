//! The deep-ensemble equivalent: how many independently trained networks is this ensemble worth?
//!
//! "Twenty snapshots reach a calibrated log-likelihood of −0.79" says little. "Twenty snapshots are worth eight networks trained
//! from scratch" can be weighed against their cost. The definition (Ashukha, Lyzhov, Molchanov and Vetrov, "Pitfalls of In-Domain
//! Uncertainty Estimation and Ensembling in Deep Learning", ICLR 2020): `DEE_m(k) = min { l ≥ 1 : score_DE(l) ≥ score_m(k) }`, with
//! the deep ensemble's curve linear between its sizes.
//!
//! # When to use it, when not
//!
//! Use it on scores that can be compared: the *calibrated* log-likelihood ([`Calibration`](crate::Calibration)). Scores without
//! calibration rank methods by the temperature at which training happened to stop. Do not trust differences where the curve is flat:
//! on VGG16 and CIFAR-100 one more network is worth 1.4e-4 nats at 99 networks, about what another random split of the test set
//! is worth; that is what the bands are for.
//!
//! # Two algorithms
//!
//! [`DeeOptions::default`] is the definition: a stateless crossing of a monotone curve, any sizes, with a [status](DeeStatus) for
//! every value. [`DeeOptions::ashukha2020`] is the published program with its quirks (a pointer that never goes back, sizes one
//! apart, a hidden floor and cap), for reproducing published numbers.
//!
//! Everything here is `f64` on the host.

mod bands;
mod cost;
mod crossing;
mod curve;
mod published;
mod tail;

pub use bands::{Bands, MemberNoise, VarianceLaw};
pub use cost::CostModel;
pub use crossing::{Interpolation, Monotone, isotonic_increasing};
pub use curve::{Direction, SizeCurve};
pub use tail::PowerTail;

use serde::{Deserialize, Serialize};

use crate::UncertaintyError;
use crossing::Crossing;

/// How the deep-ensemble equivalent is computed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DeeOptions {
    /// How the baseline's noisy curve is made monotone.
    pub monotone: Monotone,
    /// What is linear between two sizes of the baseline.
    pub interpolation: Interpolation,
    /// Where lower and upper ends come from.
    pub bands: Bands,
    /// Whether a score above the whole baseline is read off a fitted power law ([`PowerTail`]); such values are marked
    /// [`DeeStatus::Extrapolated`].
    pub extrapolate: bool,
}

impl Default for DeeOptions {
    /// Isotonic baseline, linear in size, 95 % bootstrap bands of 1,000 replicates with seed 0, no extrapolation.
    fn default() -> Self {
        Self {
            monotone: Monotone::Isotonic,
            interpolation: Interpolation::Linear,
            bands: Bands::Bootstrap {
                resamples: 1000,
                level: 0.95,
                seed: 0,
            },
            extrapolate: false,
        }
    }
}

impl DeeOptions {
    /// The published program, step by step: [`Monotone::Reference`], and bands from the baseline's mean ± its standard deviation.
    ///
    /// On the published VGG16 / CIFAR-100 curves it gives the published values to 1e-5. Its quirks are part of it: the
    /// pointer into the baseline is carried from size to size (a value never falls below an earlier one's lower neighbour, and
    /// once the baseline is exhausted every later value is the cap), the line between two sizes assumes that they are one apart, and
    /// for metrics of which less is better the ends of the band are swapped.
    #[must_use]
    pub fn ashukha2020() -> Self {
        Self {
            monotone: Monotone::Reference,
            interpolation: Interpolation::Linear,
            bands: Bands::Shift,
            extrapolate: false,
        }
    }
}

/// Where a score lies on the baseline's curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeeStatus {
    /// Worse than the smallest baseline by `gap`; the value is the smallest size.
    BelowOne {
        /// Score of the smallest baseline minus this score, in the metric's unit; above zero.
        gap: f64,
    },
    /// Between two sizes, or exactly on one.
    Interior,
    /// The baseline's curve is flat at exactly this score; the value is `lo`.
    Plateau {
        /// The smallest size of this score.
        lo: f64,
        /// The largest.
        hi: f64,
    },
    /// Better than the largest baseline by `gap`; the value is the largest size, a lower bound.
    AboveMax {
        /// This score minus that of the largest baseline, in the metric's unit; above zero.
        gap: f64,
    },
    /// Better than the largest baseline; the value is read off a fitted power law.
    Extrapolated {
        /// As for `AboveMax`.
        gap: f64,
    },
}

impl DeeStatus {
    /// The name in files: `below_one`, `interior`, `plateau`, `above_max` or `extrapolated`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BelowOne { .. } => "below_one",
            Self::Interior => "interior",
            Self::Plateau { .. } => "plateau",
            Self::AboveMax { .. } => "above_max",
            Self::Extrapolated { .. } => "extrapolated",
        }
    }
}

/// What a band is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BandKind {
    /// Nothing is known about the spread: lower and upper repeat the value and mean nothing.
    Unknown,
    /// The baseline's mean ± its standard deviation.
    Shift,
    /// Percentiles of a bootstrap.
    Bootstrap,
}

/// The deep-ensemble equivalent of one size of a method.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DeePoint {
    /// How many predictions the method averages.
    pub size: f64,
    /// How many independently trained networks that is worth.
    pub dee: f64,
    /// Lower end of the band.
    pub lower: f64,
    /// Upper end of the band.
    pub upper: f64,
    /// Where the score lies on the baseline.
    pub status: DeeStatus,
    /// Share of bootstrap replicates that fell below the smallest baseline.
    pub censored_low: f64,
    /// Share of bootstrap replicates that rose above the largest: the upper end is a bound if this exceeds the tail.
    pub censored_high: f64,
    /// The upper end lies above half of the baseline's pool, where the pool itself says nothing about the noise of its
    /// members: that part of the band is extrapolated.
    pub pool_limited: bool,
}

/// A method's deep-ensemble equivalents, one a size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dee {
    /// One point for each size of the method, in its order.
    pub points: Vec<DeePoint>,
    /// What the bands are made of.
    pub band: BandKind,
    /// The fitted tail, if extrapolation was asked for and a fit was possible.
    pub tail: Option<PowerTail>,
}

/// The deep-ensemble equivalent of every size of `method` on the curve `baseline`.
///
/// ```
/// use firetender_uncertainty::{DeeOptions, DeeStatus, Direction, SizeCurve, dee};
///
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let higher = Direction::HigherIsBetter;
/// let ensembles = SizeCurve::from_means(&[1, 2, 3, 4], &[-1.0, -0.8, -0.7, -0.65], higher)?;
/// let snapshots = SizeCurve::from_means(&[1, 5, 10], &[-1.1, -0.75, -0.6], higher)?;
/// let found = dee(&snapshots, &ensembles, &DeeOptions::default())?;
/// assert_eq!(found.points[0].status.name(), "below_one");
/// assert!((found.points[1].dee - 2.5).abs() < 1e-12);
/// assert!(matches!(found.points[2].status, DeeStatus::AboveMax { gap } if (gap - 0.05).abs() < 1e-12));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`UncertaintyError::Input`] when the curves differ in direction.
pub fn dee(
    method: &SizeCurve,
    baseline: &SizeCurve,
    options: &DeeOptions,
) -> Result<Dee, UncertaintyError> {
    if method.direction() != baseline.direction() {
        return Err(UncertaintyError::input(format!(
            "the method's curve says {:?}, the baseline's {:?}; expected one metric",
            method.direction(),
            baseline.direction()
        )));
    }
    if options.monotone == Monotone::Reference {
        return Ok(published::dee(method, baseline, options));
    }
    let crossing = Crossing::new(
        baseline.sizes(),
        &baseline.oriented(),
        options.monotone,
        options.interpolation,
        options.extrapolate,
    );
    let mut points: Vec<DeePoint> = method
        .sizes()
        .iter()
        .zip(method.oriented())
        .map(|(&size, score)| {
            let (value, status) = crossing.at(score);
            DeePoint {
                size,
                dee: value,
                lower: value,
                upper: value,
                status,
                censored_low: 0.0,
                censored_high: 0.0,
                pool_limited: false,
            }
        })
        .collect();
    let band = bands::fill(&mut points, method, baseline, options);
    Ok(Dee {
        points,
        band,
        tail: crossing.tail,
    })
}

#[cfg(test)]
mod tests;
