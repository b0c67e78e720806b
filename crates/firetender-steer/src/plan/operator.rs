//! What a direction does to a value, as data.

use serde::{Deserialize, Serialize};

use super::VectorRef;

/// What an entry does to the value `h` of a site, with direction `v`, `v̂ = v / |v|`, `p = ⟨h, v̂⟩` and strength `k`.
///
/// As JSON: `"add"`, `"project_out"`, `"project_then_add"`, `"piecewise"`, `{"clamp": {"low": 0, "high": 4}}`,
/// `{"rotate": {"toward": VECTOR, "turn": {"by": 30}}}`. Strength 0 changes nothing, except for `project_then_add`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Operator {
    /// `h + k v`.
    #[default]
    Add,
    /// `h − k p v̂`: at strength 1 nothing along the direction is left, whatever its length and sign; at strength 2 the value is
    /// reflected at the plane across the direction.
    ProjectOut,
    /// `h − p v̂ + k v`: the part along the direction becomes `k v`, whatever it was. Strength 0 projects out.
    ProjectThenAdd,
    /// `h + k v sgn(p)`: pushes each token further to the side that it is on (RepE's piecewise operator).
    Piecewise,
    /// `h + k (clamp(p, low, high) − p) v̂`: strength 1 brings the part along the direction into the interval, in units of the
    /// stream; a missing bound bounds nothing.
    Clamp {
        /// Least part along the direction.
        #[serde(default)]
        low: Option<f64>,
        /// Greatest part along the direction.
        #[serde(default)]
        high: Option<f64>,
    },
    /// Turns the part of `h` in the plane of `v` and a second direction; what is across the plane stays. An angle of 0° lies
    /// along `v`, 90° on the side of the second direction (made orthogonal to `v`).
    Rotate {
        /// The second direction, at the same layers as the first.
        toward: VectorRef,
        /// By or to which angle.
        turn: Turn,
    },
}

/// A turn in a plane, in degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Turn {
    /// By this angle times the strength.
    By(f64),
    /// To this angle, keeping the length of the part in the plane; the strength is the share of the way, along the chord.
    To(f64),
}

impl Operator {
    /// Whether a strength makes it do nothing at all.
    pub(crate) fn idle(&self, strength: f64) -> bool {
        strength == 0.0 && *self != Self::ProjectThenAdd
    }

    /// What is wrong with its numbers.
    pub(crate) fn problem(&self) -> Option<String> {
        match self {
            Self::Clamp { low, high } => {
                let (least, most) = (
                    low.unwrap_or(f64::NEG_INFINITY),
                    high.unwrap_or(f64::INFINITY),
                );
                let bad = |x: &Option<f64>| x.is_some_and(|x| !(x as f32).is_finite());
                if low.is_none() && high.is_none() {
                    Some("clamps without `low` and `high`; expected one or both".into())
                } else if bad(low) || bad(high) || least > most {
                    Some(format!(
                        "clamps to {least} … {most}; expected finite numbers, the lower first"
                    ))
                } else {
                    None
                }
            }
            Self::Rotate {
                turn: Turn::By(angle) | Turn::To(angle),
                ..
            } if !angle.is_finite() => Some(format!("turns by {angle}°; expected a finite angle")),
            _ => None,
        }
    }
}
