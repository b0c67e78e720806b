//! What a direction does to a value.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// What an entry does to the value `h` of a site, with direction `v`, `v̂ = v / |v|` and strength `k`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Operator {
    /// `h + k v`.
    #[default]
    Add,
    /// `h − k ⟨h, v̂⟩ v̂`: at strength 1 nothing along the direction is left, whatever its length and sign.
    ProjectOut,
    /// `h − ⟨h, v̂⟩ v̂ + k v`: the part along the direction becomes `k v`, whatever it was. Strength 0 projects out.
    ProjectThenAdd,
}

impl Operator {
    /// Whether a strength makes it do nothing at all.
    pub(crate) fn idle(self, strength: f64) -> bool {
        strength == 0.0 && self != Self::ProjectThenAdd
    }
}

/// An operator with its numbers on the device.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Adds `[1, 1, width]`.
    Add(Tensor<3>),
    /// Takes `strength` of the part along a unit vector `[1, 1, width]` away, then adds if there is something to add.
    Project {
        unit: Tensor<3>,
        strength: f64,
        add: Option<Tensor<3>>,
    },
}

impl Change {
    /// What is added to `value`, at every token: broadcastable to its shape.
    pub(crate) fn delta(&self, value: &Tensor<3>, keep_norm: bool) -> Tensor<3> {
        let delta = match self {
            Self::Add(shift) => like(shift, value),
            Self::Project {
                unit,
                strength,
                add,
            } => {
                let unit = like(unit, value);
                let along = (value.clone() * unit.clone()).sum_dim(2);
                let taken = unit * along.mul_scalar(-strength);
                match add {
                    Some(shift) => taken + like(shift, value),
                    None => taken,
                }
            }
        };
        if !keep_norm {
            return delta;
        }
        let moved = value.clone() + delta;
        let before = norm(value.clone());
        let after = norm(moved.clone()).clamp_min(f32::MIN_POSITIVE);
        moved * (before / after) - value.clone()
    }
}

/// The vector in the value's number type.
pub(crate) fn like(vector: &Tensor<3>, value: &Tensor<3>) -> Tensor<3> {
    if vector.dtype() == value.dtype() {
        vector.clone()
    } else {
        vector.clone().cast(value.dtype())
    }
}

/// Length along the width, `[batch, columns, 1]`.
fn norm(value: Tensor<3>) -> Tensor<3> {
    value.square().sum_dim(2).sqrt()
}
