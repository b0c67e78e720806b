//! A direction for each of some layers, and what it means.
//!
//! A [`SteeringVector`] names both classes, the kind of site it belongs to, the sizes of the model it was read from and how it
//! was made. It is checked when it is built: a vector that exists has finite, non-zero directions of the right length.

mod arithmetic;
mod bounded;
mod control_vector;
mod file;
mod format;
mod generator;
mod import;
mod matrix;
mod restate;
mod svec;

use std::collections::BTreeMap;

use firetender_hooks::SiteKind;
use firetender_lm::LmShape;
use serde::{Deserialize, Serialize};

use crate::{Separation, SteerError};

pub use control_vector::{ControlVector, MetadataStyle};
pub use format::VectorFormat;
pub use generator::Generator;
pub use import::{ImportOptions, Imported, Origin};
pub use matrix::DirectionMatrix;
pub use svec::{SvecFile, SvecRows};

/// How a vector came about. All of it is optional: a vector made by hand has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provenance {
    /// The method, as [`crate::Method`] prints it.
    pub method: String,
    /// Where in each text it was read.
    pub read: String,
    /// Number of pairs.
    pub pairs: usize,
    /// Fingerprint of the model's weights (`firetender_lm::Checkpoint::fingerprint`).
    pub fingerprint: Option<String>,
    /// Name of the model, for people.
    pub model: Option<String>,
    /// Mean length of the site's value at the read positions, by layer.
    pub residual_norms: BTreeMap<usize, f64>,
    /// How well the direction separates pairs it was not fitted to, by layer.
    pub separation: BTreeMap<usize, Separation>,
    /// Share of the sum of squares of the method's rows that lies along the direction, by layer.
    pub explained_variance: BTreeMap<usize, f64>,
    /// Version of this crate that made it.
    pub crate_version: String,
    /// The file of another program that it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Directions by layer: adding a positive multiple moves a model toward one named class and away from another.
///
/// ```
/// use std::collections::BTreeMap;
/// use firetender_hooks::SiteKind;
/// use firetender_steer::SteeringVector;
/// let directions = BTreeMap::from([(1, vec![3.0, 4.0])]);
/// let vector = SteeringVector::new("happy", "sad", SiteKind::ResidPost, 2, 4, directions).unwrap();
/// assert_eq!(vector.norm(1), Some(5.0));
/// assert_eq!(vector.unit().direction(1).unwrap(), [0.6, 0.8]);
/// assert_eq!(vector.negated().toward(), "sad");
/// let zero = BTreeMap::from([(1, vec![0.0, 0.0])]);
/// assert!(SteeringVector::new("happy", "sad", SiteKind::ResidPost, 2, 4, zero).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct SteeringVector {
    toward: String,
    away: String,
    site: SiteKind,
    width: usize,
    layers: usize,
    directions: BTreeMap<usize, Vec<f32>>,
    provenance: Provenance,
}

/// Most layers and widest stream that are believed; larger numbers are a damaged or hostile file.
const MAX_LAYERS: usize = 1 << 14;
const MAX_WIDTH: usize = 1 << 20;

impl SteeringVector {
    /// Builds a vector for sites of kind `site` in models of `layers` blocks whose value there is `width` wide. Kinds that
    /// exist once in a model (`embed`, `final_norm`) have their one direction at layer 0.
    ///
    /// # Errors
    /// [`SteerError::Direction`] when a direction is zero, not finite, of another length than `width`, or at a layer that does
    /// not exist; [`SteerError::Input`] when there is none, or sizes or names make no sense.
    pub fn new(
        toward: impl Into<String>,
        away: impl Into<String>,
        site: SiteKind,
        width: usize,
        layers: usize,
        directions: BTreeMap<usize, Vec<f32>>,
    ) -> Result<Self, SteerError> {
        let vector = Self {
            toward: toward.into(),
            away: away.into(),
            site,
            width,
            layers,
            directions,
            provenance: Provenance::default(),
        };
        vector.check()?;
        Ok(vector)
    }

    fn check(&self) -> Result<(), SteerError> {
        let input = |what: String| Err(SteerError::Input { what });
        let (width, layers) = (self.width, self.layers);
        if self.toward.trim().is_empty() || self.away.trim().is_empty() || self.toward == self.away
        {
            return input(format!(
                "classes `{}` and `{}`: a vector needs two different names, which say what a positive strength means",
                self.toward, self.away
            ));
        }
        if !(1..=MAX_WIDTH).contains(&width) || !(1..=MAX_LAYERS).contains(&layers) {
            return input(format!(
                "a vector of width {width} for {layers} layers; expected 1 to {MAX_WIDTH} and 1 to {MAX_LAYERS}"
            ));
        }
        if self.directions.is_empty() {
            return input("a vector without any direction".into());
        }
        let places = if self.site.per_layer() { layers } else { 1 };
        for (&layer, direction) in &self.directions {
            let what = if layer >= places {
                format!("{} exists at layers 0 to {} only", self.site, places - 1)
            } else if direction.len() != width {
                format!("{} numbers; expected {width}", direction.len())
            } else if let Some(at) = direction.iter().position(|x| !x.is_finite()) {
                format!("number {at} is {}; expected finite numbers", direction[at])
            } else if !(length(direction) > 0.0 && (length(direction) as f32).is_finite()) {
                format!(
                    "length {}; expected a direction, which is not zero and fits 32-bit numbers",
                    length(direction)
                )
            } else {
                continue;
            };
            return Err(SteerError::Direction { layer, what });
        }
        Ok(())
    }

    /// Notes how it came about. Numbers are kept to nine significant digits, so that text formats give back the same.
    #[must_use]
    pub fn with_provenance(mut self, mut provenance: Provenance) -> Self {
        let p = &mut provenance;
        let separations = p.separation.values_mut();
        let numbers = separations.flat_map(|s| [Some(&mut s.auc), s.d_prime.as_mut()]);
        let norms = p.residual_norms.values_mut();
        for number in norms
            .chain(p.explained_variance.values_mut())
            .chain(numbers.flatten())
        {
            *number = format!("{number:.8e}").parse().unwrap_or(*number);
        }
        self.provenance = provenance;
        self
    }

    /// Notes which weights it was read from; see `firetender_lm::Checkpoint::fingerprint`.
    #[must_use]
    pub fn with_fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.provenance.fingerprint = Some(fingerprint.into());
        self
    }

    /// Name of the class that a positive strength steers toward.
    #[must_use]
    pub fn toward(&self) -> &str {
        &self.toward
    }

    /// Name of the class that a positive strength steers away from.
    #[must_use]
    pub fn away(&self) -> &str {
        &self.away
    }

    /// The kind of site it was read at and belongs to.
    #[must_use]
    pub fn site(&self) -> SiteKind {
        self.site
    }

    /// Length of each direction.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of blocks of the model it belongs to.
    #[must_use]
    pub fn n_layers(&self) -> usize {
        self.layers
    }

    /// The directions by layer, ascending.
    #[must_use]
    pub fn directions(&self) -> &BTreeMap<usize, Vec<f32>> {
        &self.directions
    }

    /// The direction of a layer.
    #[must_use]
    pub fn direction(&self, layer: usize) -> Option<&[f32]> {
        self.directions.get(&layer).map(Vec::as_slice)
    }

    /// Euclidean length of a layer's direction.
    #[must_use]
    pub fn norm(&self, layer: usize) -> Option<f64> {
        self.direction(layer).map(length)
    }

    /// How it came about.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Checks that it belongs to a model of this shape, and to these weights where both sides name theirs.
    ///
    /// # Errors
    /// [`SteerError::Mismatch`] with the field that differs. A missing fingerprint (`None` here or in the vector) is not
    /// compared: passing `None` is the override.
    pub fn check_fits(&self, shape: &LmShape, fingerprint: Option<&str>) -> Result<(), SteerError> {
        self.check_fits_at("vector", shape, fingerprint)
    }

    pub(crate) fn check_fits_at(
        &self,
        place: &str,
        shape: &LmShape,
        fingerprint: Option<&str>,
    ) -> Result<(), SteerError> {
        check_place(place, self.site, self.width, self.layers, shape)?;
        match (&self.provenance.fingerprint, fingerprint) {
            (Some(found), Some(expected)) if found != expected => Err(SteerError::Mismatch {
                place: place.into(),
                field: "model fingerprint",
                found: found.clone(),
                expected: format!("{expected}; the vector was read from other weights"),
            }),
            _ => Ok(()),
        }
    }
}

/// Whether something made for sites of a kind, a width and a depth belongs to a model.
pub(crate) fn check_place(
    place: &str,
    site: SiteKind,
    width: usize,
    layers: usize,
    shape: &LmShape,
) -> Result<(), SteerError> {
    let fail = |field: &'static str, found: String, expected: String| {
        Err(SteerError::Mismatch {
            place: place.into(),
            field,
            found,
            expected,
        })
    };
    let expected = site_width(site, shape);
    if width != expected {
        let expected = format!("{expected}, the model's width at {site}");
        return fail("width", width.to_string(), expected);
    }
    if layers != shape.layers {
        let expected = format!("{}, the model's", shape.layers);
        return fail("number of layers", layers.to_string(), expected);
    }
    if shape.parallel && site == SiteKind::ResidMid {
        let expected = "another one: blocks of this model are parallel and have none".into();
        return fail("site", site.to_string(), expected);
    }
    Ok(())
}

/// Width of the value at sites of a kind.
pub(crate) fn site_width(site: SiteKind, shape: &LmShape) -> usize {
    if site == SiteKind::HeadOut {
        shape.head_width
    } else {
        shape.width
    }
}

/// Euclidean length.
pub(crate) fn length(direction: &[f32]) -> f64 {
    direction
        .iter()
        .map(|x| f64::from(*x).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// What is written: plain data, checked on the way in.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    toward: String,
    away: String,
    site: String,
    width: usize,
    layers: usize,
    directions: BTreeMap<usize, Vec<f32>>,
    #[serde(default)]
    provenance: Provenance,
}

impl TryFrom<Raw> for SteeringVector {
    type Error = SteerError;

    fn try_from(raw: Raw) -> Result<Self, SteerError> {
        let site = raw.site.parse()?;
        let vector = Self::new(
            raw.toward,
            raw.away,
            site,
            raw.width,
            raw.layers,
            raw.directions,
        )?;
        Ok(vector.with_provenance(raw.provenance))
    }
}

impl From<SteeringVector> for Raw {
    fn from(vector: SteeringVector) -> Self {
        Self {
            toward: vector.toward,
            away: vector.away,
            site: vector.site.to_string(),
            width: vector.width,
            layers: vector.layers,
            directions: vector.directions,
            provenance: vector.provenance,
        }
    }
}

#[cfg(test)]
mod tests;
