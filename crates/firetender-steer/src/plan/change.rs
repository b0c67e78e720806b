//! An operator with its numbers on the device.

use burn::tensor::Tensor;

use super::{Adapt, AdaptTo};

/// What happens to a value, per token; directions are `[1, 1, width]`.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `k v`.
    Shift(Tensor<3>),
    /// `−share p v̂ + add`.
    Along {
        unit: Tensor<3>,
        share: f64,
        add: Option<Tensor<3>>,
    },
    /// `sgn(p) k v`.
    Piecewise { unit: Tensor<3>, shift: Tensor<3> },
    /// `k (clamp(p) − p) v̂`.
    Clamp {
        unit: Tensor<3>,
        low: Option<f64>,
        high: Option<f64>,
        share: f64,
    },
    /// Turns by an angle in the plane of two orthogonal unit vectors.
    TurnBy {
        plane: [Tensor<3>; 2],
        cos: f64,
        sin: f64,
    },
    /// Turns to an angle there, some share of the way.
    TurnTo {
        plane: [Tensor<3>; 2],
        cos: f64,
        sin: f64,
        share: f64,
    },
    /// `k Rᵀ(Wh + b − Rh)`: `[1, width, rank]` for `R` and `W − R`, transposed; `[1, 1, rank]` for `b`.
    LowRank {
        back: Tensor<3>,
        inner: Tensor<3>,
        bias: Tensor<3>,
        share: f64,
    },
}

/// One change at one site.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    /// How the strength depends on the value itself, and the unit direction that it is measured along.
    pub(crate) adapt: Option<(Adapt, Tensor<3>)>,
    pub(crate) keep_norm: bool,
}

impl Change {
    /// What is added to `value`, broadcastable to its shape; `factor` multiplies the change, cell by cell or as a whole.
    pub(crate) fn delta(&self, value: &Tensor<3>, factor: &Factor) -> Tensor<3> {
        let mut delta = self.kind.delta(value);
        if let Some((adapt, unit)) = &self.adapt {
            delta = delta * adapt_factor(*adapt, value, &like(unit, value));
        }
        delta = factor.times(delta);
        if !self.keep_norm {
            return delta;
        }
        let moved = value.clone() + delta;
        let before = norm(value.clone());
        let after = norm(moved.clone()).clamp_min(f32::MIN_POSITIVE);
        moved * (before / after) - value.clone()
    }
}

/// How strongly an entry acts in a pass.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a handful for each plan, never stored in numbers"
)]
pub(crate) enum Factor {
    /// Everywhere the same.
    Even(f64),
    /// `[batch, columns, 1]`.
    Cells(Tensor<3>),
}

impl Factor {
    pub(crate) fn times(&self, delta: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Even(1.0) => delta,
            Self::Even(factor) => delta.mul_scalar(*factor),
            Self::Cells(cells) => {
                let cells = like(cells, &delta);
                delta * cells
            }
        }
    }
}

impl Kind {
    fn delta(&self, value: &Tensor<3>) -> Tensor<3> {
        let part = |unit: &Tensor<3>| (value.clone() * unit.clone()).sum_dim(2);
        match self {
            Self::Shift(shift) => like(shift, value),
            Self::Along { unit, share, add } => {
                let unit = like(unit, value);
                let taken = unit.clone() * part(&unit).mul_scalar(-share);
                match add {
                    Some(add) => taken + like(add, value),
                    None => taken,
                }
            }
            Self::Piecewise { unit, shift } => like(shift, value) * part(&like(unit, value)).sign(),
            Self::Clamp {
                unit,
                low,
                high,
                share,
            } => {
                let unit = like(unit, value);
                let p = part(&unit);
                let mut inside = p.clone();
                if let Some(low) = low {
                    inside = inside.clamp_min(*low);
                }
                if let Some(high) = high {
                    inside = inside.clamp_max(*high);
                }
                unit * (inside - p).mul_scalar(*share)
            }
            Self::TurnBy { plane, cos, sin } => {
                let [x, y] = plane.each_ref().map(|unit| like(unit, value));
                let (a, b) = (part(&x), part(&y));
                let along = a.clone().mul_scalar(cos - 1.0) - b.clone().mul_scalar(*sin);
                let across = a.mul_scalar(*sin) + b.mul_scalar(cos - 1.0);
                x * along + y * across
            }
            Self::TurnTo {
                plane,
                cos,
                sin,
                share,
            } => {
                let [x, y] = plane.each_ref().map(|unit| like(unit, value));
                let (a, b) = (part(&x), part(&y));
                // The square root has no gradient at zero.
                let length = (a.clone().square() + b.clone().square())
                    .clamp_min(f32::MIN_POSITIVE)
                    .sqrt();
                let along = length.clone().mul_scalar(*cos) - a;
                let across = length.mul_scalar(*sin) - b;
                (x * along + y * across).mul_scalar(*share)
            }
            Self::LowRank {
                back,
                inner,
                bias,
                share,
            } => {
                let [batch, columns, width] = value.dims();
                let rank = bias.dims()[2];
                let flat = value.clone().reshape([1, batch * columns, width]);
                let low = flat.matmul(like(inner, value)) + like(bias, value);
                let back = like(back, value).swap_dims(1, 2);
                debug_assert_eq!(back.dims(), [1, rank, width]);
                low.matmul(back)
                    .mul_scalar(*share)
                    .reshape([batch, columns, width])
            }
        }
    }
}

/// 1 up to `from`, 0 from `to` on, a line between; `[batch, columns, 1]`.
fn adapt_factor(adapt: Adapt, value: &Tensor<3>, unit: &Tensor<3>) -> Tensor<3> {
    let mut measure = (value.clone() * unit.clone()).sum_dim(2);
    if adapt.of == AdaptTo::Cosine {
        measure = measure / norm(value.clone()).clamp_min(f32::MIN_POSITIVE);
    }
    let slope = 1.0 / (adapt.from - adapt.to);
    measure
        .sub_scalar(adapt.to)
        .mul_scalar(slope)
        .clamp(0.0, 1.0)
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
