//! How long directions are: the unit of a strength.
//!
//! A strength means nothing without the length it multiplies. Mean differences carry the distance of the classes; components
//! and classifiers have length 1. To compare methods or layers, give all the same kind of length: [`Length::Residual`] is a
//! dose relative to the stream, which carries over between layers and models, and [`Length::Like`] that of another vector.

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::{SteerError, SteeringVector};

/// A rule for the length of each layer's direction. As text: `raw`, `unit`, or a fraction of the residual stream such as `0.1`.
///
/// ```
/// use firetender_steer::Length;
/// assert_eq!("unit".parse::<Length>().unwrap(), Length::Unit);
/// assert_eq!("0.1".parse::<Length>().unwrap(), Length::Residual(0.1));
/// assert!("-1".parse::<Length>().is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Length {
    /// As the method gives it.
    #[default]
    Raw,
    /// 1.
    Unit,
    /// This fraction of the mean length of the value where it was read.
    Residual(f64),
    /// These lengths by layer, for instance [`SteeringVector::norms`] of another vector.
    Like(BTreeMap<usize, f64>),
}

impl Length {
    /// The vector with lengths of this kind.
    ///
    /// # Errors
    /// [`SteerError::Input`] when the length of the stream or of the other vector at a layer is not known;
    /// [`SteerError::Direction`] when the result is zero or not finite.
    pub fn apply(&self, vector: &SteeringVector) -> Result<SteeringVector, SteerError> {
        match self {
            Self::Raw => Ok(vector.clone()),
            Self::Unit => Ok(vector.unit()),
            Self::Residual(fraction) => vector.relative(*fraction),
            Self::Like(norms) => vector.with_norms(norms),
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw => f.write_str("raw"),
            Self::Unit => f.write_str("unit"),
            Self::Residual(fraction) => write!(f, "{fraction} of the stream"),
            Self::Like(_) => f.write_str("as another vector"),
        }
    }
}

impl FromStr for Length {
    type Err = SteerError;

    fn from_str(text: &str) -> Result<Self, SteerError> {
        match (text, text.parse::<f64>()) {
            ("raw", _) => Ok(Self::Raw),
            ("unit", _) => Ok(Self::Unit),
            (_, Ok(fraction)) if fraction > 0.0 && fraction.is_finite() => {
                Ok(Self::Residual(fraction))
            }
            _ => Err(SteerError::Input {
                what: format!(
                    "length `{text}`; expected raw, unit, or a positive fraction of the residual stream such as 0.1"
                ),
            }),
        }
    }
}
