//! The numbers of one entry, checked and on the device.

use burn::tensor::{Device, Tensor, TensorData};
use firetender_hooks::Site;
use firetender_lm::LmShape;

use super::{
    Entry, LowRankLayer, Operator, Turn, VectorRef,
    change::{Change, Kind},
};
use crate::{SteerError, vector::length};

/// What an entry does at one site.
pub(crate) enum What {
    /// Adds this, `k v`.
    Shift(Vec<f64>),
    /// Anything else.
    Change(Box<Change>),
}

/// Makes the numbers of one entry.
pub(crate) struct Maker<'a> {
    pub(crate) number: usize,
    pub(crate) entry: &'a Entry,
    pub(crate) shape: &'a LmShape,
    pub(crate) device: &'a Device,
}

impl Maker<'_> {
    fn fail(&self, field: &'static str, what: String) -> SteerError {
        SteerError::Plan {
            entry: self.number,
            field,
            what,
        }
    }

    /// What it does at each site; nothing at strength 0.
    pub(crate) fn parts(&self) -> Result<Vec<(Site, What)>, SteerError> {
        if let Some((field, what)) = self.entry.problem() {
            return Err(self.fail(field, what));
        }
        let place = format!("plan, entry {}", self.number);
        if let VectorRef::LowRank(edit) = &self.entry.vector {
            edit.check_fits_at(&place, self.shape)?;
            let (chosen, site) = (edit.pick(&self.entry.layers)?, edit.site());
            let strengths = self.strengths(chosen.iter().map(|(layer, _)| *layer))?;
            let parts = chosen.into_iter().zip(strengths);
            let parts = parts.filter(|(_, k)| *k != 0.0);
            return Ok(parts
                .map(|((layer, edit), k)| {
                    let change = Change {
                        kind: self.low_rank(edit, k),
                        adapt: None,
                        keep_norm: self.entry.keep_norm,
                    };
                    (site.at(layer), What::Change(Box::new(change)))
                })
                .collect());
        }
        let vector = self.entry.vector.given(self.number)?;
        vector.check_fits_at(&place, self.shape, None)?;
        let chosen = vector.pick(&self.entry.layers)?;
        let second = match &self.entry.operator {
            Operator::Rotate { toward, .. } => {
                let second = toward.given(self.number)?;
                second.check_fits_at(&place, self.shape, None)?;
                if second.site() != vector.site() {
                    let what = format!(
                        "turns toward a vector at {}; the entry's is at {}",
                        second.site(),
                        vector.site()
                    );
                    return Err(self.fail("operator", what));
                }
                Some(second)
            }
            _ => None,
        };
        let strengths = self.strengths(chosen.iter().map(|(layer, _)| *layer))?;
        let mut parts = vec![];
        for ((layer, direction), k) in chosen.into_iter().zip(strengths) {
            let weight = k == 0.0 && self.entry.strength != 0.0;
            if weight || self.entry.operator.idle(k) {
                continue;
            }
            let second = match second {
                None => None,
                Some(vector) => Some(vector.direction(layer).ok_or_else(|| {
                    let what =
                        format!("turns toward a vector without a direction at layer {layer}");
                    self.fail("operator", what)
                })?),
            };
            let what = self.what(layer, direction, second, k)?;
            parts.push((vector.site().at(layer), what));
        }
        Ok(parts)
    }

    /// The strength at each layer.
    fn strengths(&self, layers: impl Iterator<Item = usize>) -> Result<Vec<f64>, SteerError> {
        let layers: Vec<usize> = layers.collect();
        let weights = self
            .entry
            .profile
            .weights(&layers, self.shape.layers)
            .map_err(|what| self.fail("profile", what))?;
        Ok(weights.iter().map(|w| w * self.entry.strength).collect())
    }

    fn what(
        &self,
        layer: usize,
        direction: &[f32],
        second: Option<&[f32]>,
        k: f64,
    ) -> Result<What, SteerError> {
        let shift: Vec<f64> = direction.iter().map(|x| f64::from(*x) * k).collect();
        if shift.iter().any(|x| !(*x as f32).is_finite()) {
            let what = format!("{k} times the direction of layer {layer} is not finite in 32 bits");
            return Err(self.fail("strength", what));
        }
        let entry = self.entry;
        if entry.operator == Operator::Add && !entry.keep_norm && entry.adapt.is_none() {
            return Ok(What::Shift(shift));
        }
        let norm = length(direction);
        let unit: Vec<f64> = direction.iter().map(|x| f64::from(*x) / norm).collect();
        let device = self.device;
        let along = tensor(&unit, device);
        let adapt = entry.adapt.map(|adapt| (adapt, along.clone()));
        let kind = match &entry.operator {
            Operator::Add => Kind::Shift(tensor(&shift, device)),
            Operator::ProjectOut => Kind::Along {
                unit: along,
                share: k,
                add: None,
            },
            Operator::ProjectThenAdd => Kind::Along {
                unit: along,
                share: 1.0,
                add: (k != 0.0).then(|| tensor(&shift, device)),
            },
            Operator::Piecewise => Kind::Piecewise {
                unit: along,
                shift: tensor(&shift, device),
            },
            Operator::Clamp { low, high } => Kind::Clamp {
                unit: along,
                low: *low,
                high: *high,
                share: k,
            },
            Operator::Rotate { turn, .. } => {
                let across = self.across(layer, &unit, second.unwrap_or_default())?;
                let plane = [along, tensor(&across, device)];
                match turn {
                    Turn::By(angle) => {
                        let (sin, cos) = (angle * k).to_radians().sin_cos();
                        Kind::TurnBy { plane, cos, sin }
                    }
                    Turn::To(angle) => {
                        let (sin, cos) = angle.to_radians().sin_cos();
                        Kind::TurnTo {
                            plane,
                            cos,
                            sin,
                            share: k,
                        }
                    }
                }
            }
        };
        Ok(What::Change(Box::new(Change {
            kind,
            adapt,
            keep_norm: entry.keep_norm,
        })))
    }

    /// The unit vector of the plane that is orthogonal to `unit`, on the side of `second`.
    fn across(&self, layer: usize, unit: &[f64], second: &[f32]) -> Result<Vec<f64>, SteerError> {
        let along: f64 = unit
            .iter()
            .zip(second)
            .map(|(a, b)| a * f64::from(*b))
            .sum();
        let rest = second.iter().zip(unit);
        let rest: Vec<f64> = rest.map(|(b, a)| f64::from(*b) - along * a).collect();
        let norm = rest.iter().map(|x| x * x).sum::<f64>().sqrt();
        if norm <= 1e-6 * length(second) {
            let what = format!(
                "turns toward a direction that is parallel to the entry's at layer {layer}; two parallel directions span no plane"
            );
            return Err(self.fail("operator", what));
        }
        Ok(rest.iter().map(|x| x / norm).collect())
    }

    fn low_rank(&self, edit: &LowRankLayer, k: f64) -> Kind {
        let (rank, width) = (edit.bias.len(), edit.rotation[0].len());
        let matrix = |at: &dyn Fn(usize, usize) -> f32| {
            let numbers = (0..width).flat_map(|w| (0..rank).map(move |r| (r, w)));
            let numbers: Vec<f32> = numbers.map(|(r, w)| at(r, w)).collect();
            Tensor::from_data(TensorData::new(numbers, [1, width, rank]), self.device)
        };
        let bias: Vec<f64> = edit.bias.iter().map(|x| f64::from(*x)).collect();
        Kind::LowRank {
            back: matrix(&|r, w| edit.rotation[r][w]),
            inner: matrix(&|r, w| edit.weights[r][w] - edit.rotation[r][w]),
            bias: tensor(&bias, self.device),
            share: k,
        }
    }
}

/// `[1, 1, width]` on the device.
pub(crate) fn tensor(values: &[f64], device: &Device) -> Tensor<3> {
    let values: Vec<f32> = values.iter().map(|x| *x as f32).collect();
    let width = values.len();
    Tensor::from_data(TensorData::new(values, [1, 1, width]), device)
}
