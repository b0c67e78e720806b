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
//! mean difference does. The sign of all others is their definition, toward minus away, and a random direction is a control and
//! stays as drawn. So the meaning of a plus sign is the names of the classes, never a convention.

pub(crate) mod principal;
mod robust;
mod whitened;

use std::{fmt, str::FromStr};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{LogisticOptions, Pairs, SteerError};
use principal::{dot, principal};

/// A way to make a direction. As text, with `-` and `_` the same: `mean`, `pca` (the pair-centred one), `pca_difference`,
/// `pca_pair_centred`, `pca_repe:SEED`, `whitened:SHRINKAGE`, `logistic:C`, `logistic_pair_centred:C`, `trimmed_mean:SHARE`,
/// `median`, `random:SEED`. What is left out is seed 0, Ledoit and Wolf's shrinkage, C = 1, a share of 0.1.
///
/// ```
/// use firetender_steer::Method;
/// assert_eq!("pca".parse::<Method>().unwrap(), Method::PcaPairCentred);
/// assert_eq!(Method::Random { seed: 3 }.to_string(), "random:3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Linear discriminant: `Σ⁻¹ mean`, with the covariance within the classes, unit length. It turns away from directions in
    /// which both classes vary anyway.
    Whitened {
        /// Share of the covariance that is replaced by its mean variance times the identity, from 0 to 1; `None` is Ledoit and
        /// Wolf's estimate of the best one.
        shrinkage: Option<f64>,
    },
    /// Weights of an L2-penalised logistic regression with intercept ([`crate::Logistic`]), unit length.
    Logistic {
        /// Inverse strength of the penalty, as scikit-learn's `C`.
        c: f64,
    },
    /// The same without intercept on the points minus their pair's midpoint, unit length (the steering-vectors package).
    LogisticPairCentred {
        /// Inverse strength of the penalty, as scikit-learn's `C`.
        c: f64,
    },
    /// Mean of the differences, each coordinate without its smallest and largest values; not normalised. One odd pair cannot
    /// move it.
    TrimmedMean {
        /// Share that is cut at either end, from 0 to 0.5; 0.5 is the median.
        share: f64,
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

impl Fitted {
    /// A direction and the share of the differences' sum of squares along it.
    #[must_use]
    pub(crate) fn of(direction: Vec<f64>, pairs: &Pairs) -> Self {
        let explained_variance = share(&pairs.differences(), &direction);
        Self {
            direction,
            explained_variance,
        }
    }
}

impl Method {
    /// The fewest pairs that it works with.
    #[must_use]
    pub fn fewest_pairs(&self) -> usize {
        match self {
            Self::PcaDifference | Self::PcaRepe { .. } | Self::Whitened { .. } => 2,
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
        let settled = |direction: Vec<f64>, unit: bool| {
            let norm = dot(&direction, &direction).sqrt();
            if norm == 0.0 {
                return Err(zero("the direction is zero"));
            }
            let scale = if unit { norm } else { 1.0 };
            let direction = direction.into_iter().map(|x| x / scale).collect();
            Ok(Fitted::of(direction, pairs))
        };
        let (direction, explained_variance) = match self {
            Self::Whitened { shrinkage } => {
                let rows = within_classes(pairs);
                let whitened = whitened::whiten(&rows, width, &mean, *shrinkage);
                let (direction, _) = whitened.map_err(|what| SteerError::Direction {
                    layer,
                    what: what.into(),
                })?;
                return settled(direction, true);
            }
            Self::Logistic { c } => {
                return settled(logistic(pairs, *c, false, layer)?, true);
            }
            Self::LogisticPairCentred { c } => {
                return settled(logistic(pairs, *c, true, layer)?, true);
            }
            Self::TrimmedMean { share } => {
                return settled(robust::trimmed_mean(&differences, width, *share), false);
            }
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

/// The samples of both classes, each minus its class's mean.
fn within_classes(pairs: &Pairs) -> Vec<f64> {
    let width = pairs.width();
    let side = |rows: &[f32]| {
        centred(
            &rows.iter().map(|x| f64::from(*x)).collect::<Vec<_>>(),
            width,
        )
    };
    [side(pairs.toward()), side(pairs.away())].concat()
}

/// Weights of the classifier between the samples, or between the samples minus their pair's midpoint.
fn logistic(
    pairs: &Pairs,
    c: f64,
    pair_centred: bool,
    layer: usize,
) -> Result<Vec<f64>, SteerError> {
    let labels: Vec<bool> = (0..2 * pairs.len()).map(|row| row < pairs.len()).collect();
    let wide = |rows: &[f32]| rows.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
    let rows = if pair_centred {
        // toward − midpoint is half the difference, and away − midpoint its negative.
        let halves: Vec<f64> = pairs.differences().iter().map(|d| d / 2.0).collect();
        let negative: Vec<f64> = halves.iter().map(|d| -d).collect();
        [halves, negative].concat()
    } else {
        [wide(pairs.toward()), wide(pairs.away())].concat()
    };
    let options = LogisticOptions::default()
        .with_c(c)
        .with_intercept(!pair_centred);
    crate::logistic::fit(&rows, pairs.width(), &labels, &options)
        .map(|fitted| fitted.weights().to_vec())
        .map_err(|what| SteerError::Direction { layer, what })
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
            Self::Whitened { shrinkage: None } => f.write_str("whitened"),
            Self::Whitened {
                shrinkage: Some(share),
            } => write!(f, "whitened:{share}"),
            Self::Logistic { c } => write!(f, "logistic:{c}"),
            Self::LogisticPairCentred { c } => write!(f, "logistic_pair_centred:{c}"),
            Self::TrimmedMean { share: 0.5 } => f.write_str("median"),
            Self::TrimmedMean { share } => write!(f, "trimmed_mean:{share}"),
            Self::PcaRepe { seed } => write!(f, "pca_repe:{seed}"),
            Self::Random { seed } => write!(f, "random:{seed}"),
        }
    }
}

impl FromStr for Method {
    type Err = SteerError;

    fn from_str(text: &str) -> Result<Self, SteerError> {
        let fail = || SteerError::Method { found: text.into() };
        let (name, setting) = match text.split_once(':') {
            Some((name, setting)) => (name, Some(setting)),
            None => (text, None),
        };
        let seed = || setting.map_or(Ok(0), |s| s.parse::<u64>().map_err(|_| fail()));
        let number = |usual: f64, accepted: &dyn Fn(f64) -> bool| {
            let found = setting.map_or(Ok(usual), |s| s.parse::<f64>().map_err(|_| fail()))?;
            if accepted(found) {
                Ok(found)
            } else {
                Err(fail())
            }
        };
        let plain = |method: Self| {
            if setting.is_none() {
                Ok(method)
            } else {
                Err(fail())
            }
        };
        match name.replace('-', "_").as_str() {
            "mean" => plain(Self::Mean),
            "median" => plain(Self::TrimmedMean { share: 0.5 }),
            "pca" | "pca_pair_centred" => plain(Self::PcaPairCentred),
            "pca_difference" => plain(Self::PcaDifference),
            "pca_repe" => Ok(Self::PcaRepe { seed: seed()? }),
            "random" => Ok(Self::Random { seed: seed()? }),
            "whitened" => Ok(Self::Whitened {
                shrinkage: match setting {
                    None => None,
                    Some(_) => Some(number(0.0, &|s| (0.0..=1.0).contains(&s))?),
                },
            }),
            "logistic" => Ok(Self::Logistic {
                c: number(1.0, &|c| c > 0.0 && c.is_finite())?,
            }),
            "logistic_pair_centred" => Ok(Self::LogisticPairCentred {
                c: number(1.0, &|c| c > 0.0 && c.is_finite())?,
            }),
            "trimmed_mean" => Ok(Self::TrimmedMean {
                share: number(0.1, &|s| (0.0..=0.5).contains(&s))?,
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
