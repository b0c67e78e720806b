//! Vectors from vectors: other signs, lengths and layers, and the random control.

use std::collections::BTreeMap;

use super::{Provenance, SteeringVector, length};
use crate::{Layers, SteerError, method::random_direction};

impl SteeringVector {
    /// The opposite directions; the classes exchange their roles, so a positive strength still steers toward `toward()`.
    #[must_use]
    pub fn negated(&self) -> Self {
        let mut negated = self.map(|_, x| -x);
        std::mem::swap(&mut negated.toward, &mut negated.away);
        negated
    }

    /// Every direction times `factor`. A negative factor keeps the names although the meaning of the sign is reversed; use
    /// [`negated`](Self::negated) for that.
    ///
    /// # Errors
    /// [`SteerError::Direction`] when the result is zero or not finite.
    pub fn scaled(&self, factor: f64) -> Result<Self, SteerError> {
        let scaled = self.map(|_, x| (f64::from(x) * factor) as f32);
        scaled.check()?;
        Ok(scaled)
    }

    /// Every direction with length 1.
    #[must_use]
    pub fn unit(&self) -> Self {
        self.map(|norm, x| (f64::from(x) / norm) as f32)
    }

    /// Every direction with `fraction` of the length that the stream had where it was read: one dose for all layers and
    /// models. Values from 0.05 to 0.5 are usual.
    ///
    /// # Errors
    /// [`SteerError::Input`] when the provenance does not know the stream's length at a layer; [`SteerError::Direction`] when
    /// the result is zero or not finite.
    pub fn relative(&self, fraction: f64) -> Result<Self, SteerError> {
        let mut norms = BTreeMap::new();
        for &layer in self.directions.keys() {
            let residual = self.provenance.residual_norms.get(&layer).ok_or_else(|| {
                SteerError::Input {
                    what: format!("the vector does not say how long the stream is at layer {layer}; a relative length needs that"),
                }
            })?;
            norms.insert(layer, fraction * residual);
        }
        self.with_norms(&norms)
    }

    /// Every direction with the length given for its layer, for instance that of another vector.
    ///
    /// # Errors
    /// [`SteerError::Input`] when a layer has no length; [`SteerError::Direction`] when the result is zero or not finite.
    pub fn with_norms(&self, norms: &BTreeMap<usize, f64>) -> Result<Self, SteerError> {
        let mut changed = self.clone();
        for (layer, direction) in &mut changed.directions {
            let target = norms.get(layer).ok_or_else(|| SteerError::Input {
                what: format!("no length is given for layer {layer}"),
            })?;
            let factor = target / length(direction);
            for x in direction {
                *x = (f64::from(*x) * factor) as f32;
            }
        }
        changed.check()?;
        Ok(changed)
    }

    /// Lengths by layer.
    #[must_use]
    pub fn norms(&self) -> BTreeMap<usize, f64> {
        self.directions
            .iter()
            .map(|(layer, direction)| (*layer, length(direction)))
            .collect()
    }

    /// The directions of some layers only.
    ///
    /// # Errors
    /// [`SteerError::Layers`] when a layer does not exist or has no direction here.
    pub fn at_layers(&self, layers: &Layers) -> Result<Self, SteerError> {
        let mut kept = self.clone();
        kept.directions = self
            .pick(layers)?
            .into_iter()
            .map(|(layer, direction)| (layer, direction.to_vec()))
            .collect();
        Ok(kept)
    }

    /// The directions that a choice of layers names; `all` means all that there are.
    pub(crate) fn pick(&self, layers: &Layers) -> Result<Vec<(usize, &[f32])>, SteerError> {
        if *layers == Layers::All {
            let all = self.directions.iter();
            return Ok(all.map(|(layer, d)| (*layer, d.as_slice())).collect());
        }
        let places = if self.site.per_layer() {
            self.layers
        } else {
            1
        };
        let chosen = layers.resolve(places)?;
        chosen
            .into_iter()
            .map(|layer| {
                let direction = self.direction(layer).ok_or_else(|| SteerError::Layers {
                    found: layers.to_string(),
                    what: format!("the vector has no direction at layer {layer}"),
                })?;
                Ok((layer, direction))
            })
            .collect()
    }

    /// A control: random directions of the same lengths, layer by layer, drawn on the host from `seed`.
    #[must_use]
    pub fn random_like(&self, seed: u64) -> Self {
        let mut random = self.clone();
        for (layer, direction) in &mut random.directions {
            *direction = random_direction(self.width, length(direction), seed, *layer);
        }
        random.toward = format!("random {seed}");
        random.away = format!("minus random {seed}");
        random.provenance = Provenance {
            method: format!("random:{seed}"),
            fingerprint: self.provenance.fingerprint.clone(),
            model: self.provenance.model.clone(),
            residual_norms: self.provenance.residual_norms.clone(),
            crate_version: env!("CARGO_PKG_VERSION").into(),
            ..Provenance::default()
        };
        random
    }

    /// The same directions declared for a model of another depth: the explicit override of the check of the number of layers.
    ///
    /// # Errors
    /// [`SteerError::Direction`] when a direction is beyond the new depth.
    pub fn for_depth(&self, layers: usize) -> Result<Self, SteerError> {
        let mut changed = self.clone();
        changed.layers = layers;
        changed.check()?;
        Ok(changed)
    }

    fn map(&self, change: impl Fn(f64, f32) -> f32) -> Self {
        let mut changed = self.clone();
        for direction in changed.directions.values_mut() {
            let norm = length(direction);
            for x in direction {
                *x = change(norm, *x);
            }
        }
        changed
    }
}
