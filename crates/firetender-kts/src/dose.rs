//! How often and how strongly a student is steered while it is trained.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::KtsError;

/// What strengths are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strength {
    /// Uniform from −c to c.
    Symmetric(f64),
    /// Uniform from 0 to c.
    Positive(f64),
    /// Always c.
    Fixed(f64),
    /// The logarithm of the size uniform between those of `low` and `high`; with `both_signs`, either sign as often.
    LogUniform {
        /// Smallest size.
        low: f64,
        /// Largest size.
        high: f64,
        /// Whether negative strengths are drawn too.
        both_signs: bool,
    },
}

impl Strength {
    /// One strength. Two numbers are drawn whatever the distribution, so that what is drawn after stays the same.
    #[must_use]
    pub fn draw(&self, rng: &mut impl Rng) -> f64 {
        let (u, sign) = (rng.random::<f64>(), rng.random::<bool>());
        match *self {
            Self::Symmetric(c) => c * (2.0 * u - 1.0),
            Self::Positive(c) => c * u,
            Self::Fixed(c) => c,
            Self::LogUniform {
                low,
                high,
                both_signs,
            } => {
                let size = low * (high / low).powf(u);
                if both_signs && sign { -size } else { size }
            }
        }
    }

    fn check(&self) -> Result<(), KtsError> {
        let ok = match *self {
            Self::Symmetric(c) | Self::Positive(c) => c.is_finite() && c > 0.0,
            Self::Fixed(c) => c.is_finite() && c != 0.0,
            Self::LogUniform { low, high, .. } => {
                low > 0.0 && high >= low && (high / low).is_finite()
            }
        };
        if ok {
            return Ok(());
        }
        Err(KtsError::options(
            "dose.strength",
            format!("{self:?}"),
            "finite numbers other than 0, the lower end first",
        ))
    }
}

/// What shares one direction and strength.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Per {
    /// The whole minibatch, as in the paper.
    #[default]
    Minibatch,
    /// Each row of it by itself.
    Row,
}

/// How often and how strongly a student is steered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DoseOptions {
    /// Probability that a minibatch (or row) **is** steered. The paper writes that 12.5 % are not; its code's flag of 0.125
    /// steers 12.5 %.
    pub p_steer: f64,
    /// What strengths are drawn from.
    pub strength: Strength,
    /// What shares a draw.
    pub per: Per,
}

impl Default for DoseOptions {
    /// Seven of eight minibatches, strengths from −1.5 to 1.5.
    fn default() -> Self {
        Self {
            p_steer: 0.875,
            strength: Strength::Symmetric(1.5),
            per: Per::Minibatch,
        }
    }
}

impl DoseOptions {
    pub(crate) fn check(&self) -> Result<(), KtsError> {
        if !(0.0..=1.0).contains(&self.p_steer) {
            return Err(KtsError::options(
                "dose.p_steer",
                self.p_steer,
                "a probability from 0 to 1: that a minibatch is steered",
            ));
        }
        self.strength.check()
    }
}
