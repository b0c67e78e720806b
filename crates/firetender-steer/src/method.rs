//! How a direction is made from pairs of activations.
//!
//! Everything here is `f64` on the host and exact up to rounding. Three different things are called "PCA" in the field; each
//! has its own name here (with `d` the differences toward − away of the pairs):
//!
//! - [`Method::PcaDifference`]: first component of the differences, minus their mean (repeng's `pca_diff`). It describes how
//!   pairs *vary*, so it can miss what they share;
//! - [`Method::PcaPairCentred`]: first component of all points minus their pair's midpoint, equal to the uncentred component of
//!   ±d (repeng's `pca_center`, the steering-vectors package). Usually what is wanted;
//! - [`Method::PcaRepe`]: differences with random signs, minus their mean (representation engineering).
//!
//! A component's sign is arbitrary; it is chosen so that most pairs project higher on the toward side, and on a tie so that the
//! mean difference does. The mean's own sign is its definition, and a random direction is a control and stays as drawn.

pub(crate) mod principal;

use std::{fmt, str::FromStr};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{Pairs, SteerError};
use principal::{dot, principal};

/// A way to make a direction. As text: `mean`, `pca` (the pair-centred one), `pca_difference`, `pca_pair_centred`,
/// `pca_repe:SEED`, `random:SEED`; a seed left out is 0.
///
/// ```
/// use firetender_steer::Method;
/// assert_eq!("pca".parse::<Method>().unwrap(), Method::PcaPairCentred);
/// assert_eq!(Method::Random { seed: 3 }.to_string(), "random:3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Method {
    /// Mean of toward minus mean of away, not normalised.
    Mean,
    /// First component of the centred differences, unit length.
    PcaDifference,
    /// First component of the points minus their pair's midpoint, unit length.
    PcaPairCentred,
    /// First component of the randomly flipped, then centred differences, unit length.
    PcaRepe {
        /// Seed of the flips.
        seed: u64,
    },
    /// A random direction with the length of the mean difference: the control for everything else.
    Random {
        /// Seed of the draw.
        seed: u64,
    },
}

/// A direction as a method gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The direction.
    pub direction: Vec<f64>,
    /// Share of the sum of squares of the method's rows along the direction; for the mean and the random direction the rows
    /// are the differences as they are.
    pub explained_variance: f64,
}

impl Method {
    /// The fewest pairs that it works with.
    #[must_use]
    pub fn fewest_pairs(&self) -> usize {
        match self {
            Self::PcaDifference | Self::PcaRepe { .. } => 2,
            _ => 1,
        }
    }

    /// Makes the direction of one layer. `layer` names the random stream.
    ///
    /// # Errors
    /// [`SteerError::TooFewPairs`]; [`SteerError::Direction`] when the pairs do not differ.
    pub fn fit(&self, pairs: &Pairs, layer: usize) -> Result<Fitted, SteerError> {
        self.check_pairs(pairs.len())?;
        let differences = pairs.differences();
        let width = pairs.width();
        let zero = |what: &str| SteerError::Direction {
            layer,
            what: format!("{what}; the two classes do not differ there"),
        };
        let mean = mean(&differences, width);
        let (direction, explained_variance) = match self {
            Self::Mean => {
                if dot(&mean, &mean) == 0.0 {
                    return Err(zero("the mean difference is zero"));
                }
                let share = share(&differences, &mean);
                (mean, share)
            }
            Self::Random { seed } => {
                let norm = dot(&mean, &mean).sqrt();
                if norm == 0.0 {
                    return Err(zero("the mean difference, whose length is used, is zero"));
                }
                let drawn = random_direction(width, norm, *seed, layer);
                let drawn: Vec<f64> = drawn.into_iter().map(f64::from).collect();
                let share = share(&differences, &drawn);
                (drawn, share)
            }
            Self::PcaPairCentred => oriented(&differences, &differences, layer, width)?,
            Self::PcaDifference => {
                oriented(&centred(&differences, width), &differences, layer, width)?
            }
            Self::PcaRepe { seed } => {
                let flips = flips(pairs.len(), *seed, layer);
                return repe_with_flips(pairs, &flips, layer);
            }
        };
        Ok(Fitted {
            direction,
            explained_variance,
        })
    }

    pub(crate) fn check_pairs(&self, found: usize) -> Result<(), SteerError> {
        if found >= self.fewest_pairs() {
            return Ok(());
        }
        Err(SteerError::TooFewPairs {
            method: self.to_string(),
            needed: self.fewest_pairs(),
            found,
        })
    }
}

/// Representation engineering's component with given flips (`true` negates the pair's difference), for comparing with another
/// implementation's draw.
///
/// # Errors
/// As [`Method::fit`]; [`SteerError::Input`] unless there is one flip for each pair.
pub fn repe_with_flips(pairs: &Pairs, flips: &[bool], layer: usize) -> Result<Fitted, SteerError> {
    Method::PcaRepe { seed: 0 }.check_pairs(pairs.len())?;
    if flips.len() != pairs.len() {
        let what = format!("{} flips for {} pairs", flips.len(), pairs.len());
        return Err(SteerError::Input { what });
    }
    let (width, differences) = (pairs.width(), pairs.differences());
    let mut flipped = differences.clone();
    for (row, flip) in flipped.chunks_mut(width).zip(flips) {
        if *flip {
            row.iter_mut().for_each(|x| *x = -*x);
        }
    }
    let (direction, explained_variance) =
        oriented(&centred(&flipped, width), &differences, layer, width)?;
    Ok(Fitted {
        direction,
        explained_variance,
    })
}

/// First component of `rows`, turned so that most differences project on its positive side.
fn oriented(
    rows: &[f64],
    differences: &[f64],
    layer: usize,
    width: usize,
) -> Result<(Vec<f64>, f64), SteerError> {
    let (mut component, share) = principal(rows, width).map_err(|what| SteerError::Direction {
        layer,
        what: what.into(),
    })?;
    let projections = differences.chunks(width).map(|d| dot(d, &component));
    let (mut votes, mut sum) = (0i64, 0.0);
    for projection in projections {
        votes += i64::from(projection > 0.0) - i64::from(projection < 0.0);
        sum += projection;
    }
    let turn = if votes == 0 { sum < 0.0 } else { votes < 0 };
    if turn {
        component.iter_mut().for_each(|x| *x = -*x);
    }
    Ok((component, share))
}

/// Standard normal numbers scaled to length `norm`, from the stream `layer` of `seed`: the same on every device.
pub(crate) fn random_direction(width: usize, norm: f64, seed: u64, layer: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(layer as u64);
    let drawn: Vec<f64> = (0..width).map(|_| normal(&mut rng)).collect();
    let scale = norm / dot(&drawn, &drawn).sqrt();
    drawn.into_iter().map(|x| (x * scale) as f32).collect()
}

/// A standard normal number by the Box–Muller transform.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

fn flips(pairs: usize, seed: u64, layer: usize) -> Vec<bool> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(layer as u64);
    let mut flips: Vec<bool> = (0..pairs).map(|_| rng.random()).collect();
    // All alike would be no flip at all, and centring would then delete what the pairs share.
    if pairs > 1 && flips.iter().all(|flip| *flip == flips[0]) {
        flips[0] = !flips[0];
    }
    flips
}

fn mean(rows: &[f64], width: usize) -> Vec<f64> {
    let count = (rows.len() / width) as f64;
    let mut mean = vec![0.0; width];
    for row in rows.chunks(width) {
        for (sum, x) in mean.iter_mut().zip(row) {
            *sum += x;
        }
    }
    mean.iter_mut().for_each(|x| *x /= count);
    mean
}

fn centred(rows: &[f64], width: usize) -> Vec<f64> {
    let mean = mean(rows, width);
    rows.chunks(width)
        .flat_map(|row| row.iter().zip(&mean).map(|(x, m)| x - m))
        .collect()
}

/// Share of the rows' sum of squares along a direction.
fn share(rows: &[f64], direction: &[f64]) -> f64 {
    let along: f64 = rows
        .chunks(direction.len())
        .map(|row| dot(row, direction).powi(2))
        .sum();
    along / (dot(direction, direction) * dot(rows, rows)).max(f64::MIN_POSITIVE)
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mean => f.write_str("mean"),
            Self::PcaDifference => f.write_str("pca_difference"),
            Self::PcaPairCentred => f.write_str("pca_pair_centred"),
            Self::PcaRepe { seed } => write!(f, "pca_repe:{seed}"),
            Self::Random { seed } => write!(f, "random:{seed}"),
        }
    }
}

impl FromStr for Method {
    type Err = SteerError;

    fn from_str(text: &str) -> Result<Self, SteerError> {
        let fail = || SteerError::Method { found: text.into() };
        let (name, seed) = match text.split_once(':') {
            Some((name, seed)) => (name, Some(seed.parse::<u64>().map_err(|_| fail())?)),
            None => (text, None),
        };
        match (name, seed) {
            ("mean", None) => Ok(Self::Mean),
            ("pca" | "pca_pair_centred", None) => Ok(Self::PcaPairCentred),
            ("pca_difference", None) => Ok(Self::PcaDifference),
            ("pca_repe", seed) => Ok(Self::PcaRepe {
                seed: seed.unwrap_or(0),
            }),
            ("random", seed) => Ok(Self::Random {
                seed: seed.unwrap_or(0),
            }),
            _ => Err(fail()),
        }
    }
}

impl TryFrom<String> for Method {
    type Error = SteerError;

    fn try_from(text: String) -> Result<Self, SteerError> {
        text.parse()
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.to_string()
    }
}

#[cfg(test)]
mod tests;
