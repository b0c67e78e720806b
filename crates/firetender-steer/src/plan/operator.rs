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

/// An operator with its numbers on the device: what it takes away, and what it adds.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// A unit vector `[1, 1, width]`, and how much of the part along it goes.
    pub(crate) take: Option<(Tensor<3>, f64)>,
    /// A vector `[1, 1, width]`.
    pub(crate) add: Option<Tensor<3>>,
}

impl Change {
    /// What is added to `value`, at every token: broadcastable to its shape.
    pub(crate) fn delta(&self, value: &Tensor<3>, keep_norm: bool) -> Tensor<3> {
        let taken = self.take.as_ref().map(|(unit, share)| {
            let unit = like(unit, value);
            let along = (value.clone() * unit.clone()).sum_dim(2);
            unit * along.mul_scalar(-share)
        });
        let delta = match (taken, &self.add) {
            (Some(taken), Some(add)) => taken + like(add, value),
            (Some(taken), None) => taken,
            (None, Some(add)) => like(add, value),
            (None, None) => return value.zeros_like(),
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
