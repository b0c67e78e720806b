//! Vectors in files.
//!
//! The native format is safetensors: a tensor `layer.{N}.{site}`, `f32`, for each layer, and one metadata key,
//! `firetender_steering_vector`, with everything else as JSON. What is read is hostile until parsed.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use firetender_hooks::SiteKind;
use firetender_lm::{LmShape, write_atomically};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::{
    Provenance, SteeringVector,
    bounded::{MAX_FILE, read_bounded},
};
use crate::SteerError;

const KEY: &str = "firetender_steering_vector";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    toward: String,
    away: String,
    site: String,
    width: usize,
    layers: usize,
    provenance: Provenance,
}

impl SteeringVector {
    /// Writes the vector as safetensors, under a temporary name that is then renamed. The same vector gives the same bytes.
    ///
    /// # Errors
    /// [`SteerError::Io`] when the file cannot be written.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use firetender_hooks::SiteKind;
    /// use firetender_steer::SteeringVector;
    /// let directions = BTreeMap::from([(0, vec![1.0, 2.0])]);
    /// let vector = SteeringVector::new("happy", "sad", SiteKind::ResidPost, 2, 1, directions).unwrap();
    /// let folder = tempfile::tempdir().unwrap();
    /// let path = folder.path().join("mood.safetensors");
    /// vector.save(&path).unwrap();
    /// assert_eq!(SteeringVector::load(&path).unwrap(), vector);
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), SteerError> {
        let path = path.as_ref();
        let header = Header {
            format: VERSION,
            toward: self.toward.clone(),
            away: self.away.clone(),
            site: self.site.to_string(),
            width: self.width,
            layers: self.layers,
            provenance: self.provenance.clone(),
        };
        let damaged = |place: &str, what: String| SteerError::File {
            path: path.into(),
            place: place.into(),
            what,
        };
        let json =
            serde_json::to_string(&header).map_err(|e| damaged("metadata", e.to_string()))?;
        let bytes: Vec<(String, Vec<u8>)> = self
            .directions
            .iter()
            .map(|(layer, direction)| {
                let name = format!("layer.{layer}.{}", self.site);
                (
                    name,
                    direction.iter().flat_map(|x| x.to_le_bytes()).collect(),
                )
            })
            .collect();
        let mut views = Vec::with_capacity(bytes.len());
        for (name, data) in &bytes {
            let view = TensorView::new(Dtype::F32, vec![self.width], data)
                .map_err(|e| damaged(name, e.to_string()))?;
            views.push((name.as_str(), view));
        }
        let metadata = HashMap::from([(KEY.to_string(), json)]);
        let file = safetensors::serialize(views, Some(metadata))
            .map_err(|e| damaged("header", e.to_string()))?;
        write_atomically(path, &file).map_err(|source| SteerError::Io {
            path: path.into(),
            source,
        })
    }

    /// Reads a vector that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`SteerError::Io`]; [`SteerError::TooLarge`] above 256 MiB; [`SteerError::File`] naming the tensor or metadata that is
    /// missing, unknown, of another type or shape; and whatever [`SteeringVector::new`] refuses.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SteerError> {
        let path = path.as_ref();
        parse(path, &read_bounded(path, MAX_FILE)?)
    }

    /// Reads a vector and checks that it belongs to a model; see [`check_fits`](Self::check_fits).
    ///
    /// # Errors
    /// As [`load`](Self::load), and [`SteerError::Mismatch`], which names the file.
    pub fn load_for(
        path: impl AsRef<Path>,
        shape: &LmShape,
        fingerprint: Option<&str>,
    ) -> Result<Self, SteerError> {
        let path = path.as_ref();
        let vector = Self::load(path)?;
        vector.check_fits_at(&path.display().to_string(), shape, fingerprint)?;
        Ok(vector)
    }
}

/// Whether bytes are a safetensors file of this library, rather than of another program.
pub(super) fn is_native(bytes: &[u8]) -> bool {
    SafeTensors::read_metadata(bytes).is_ok_and(|(_, header)| {
        let metadata = header.metadata().as_ref();
        metadata.is_some_and(|m| m.contains_key(KEY))
    })
}

/// Reads the bytes of a file; `path` names them in errors.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<SteeringVector, SteerError> {
    File { path, bytes }.parse()
}

struct File<'a> {
    path: &'a Path,
    bytes: &'a [u8],
}

impl File<'_> {
    fn fail(&self, place: &str, what: impl Into<String>) -> SteerError {
        SteerError::File {
            path: self.path.into(),
            place: place.into(),
            what: what.into(),
        }
    }

    fn parse(&self) -> Result<SteeringVector, SteerError> {
        let damaged = |e: safetensors::SafeTensorError| {
            self.fail("header", format!("no valid safetensors file: {e}"))
        };
        let (_, metadata) = SafeTensors::read_metadata(self.bytes).map_err(damaged)?;
        let tensors = SafeTensors::deserialize(self.bytes).map_err(damaged)?;
        let json = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
        let json = json.ok_or_else(|| {
            self.fail(
                "metadata",
                format!("key `{KEY}` is missing; no vector of this library"),
            )
        })?;
        let version: Version =
            serde_json::from_str(json).map_err(|e| self.fail("metadata", e.to_string()))?;
        if version.format != VERSION {
            let what = format!(
                "format version {}; this library reads {VERSION}",
                version.format
            );
            return Err(self.fail("metadata", what));
        }
        let header: Header =
            serde_json::from_str(json).map_err(|e| self.fail("metadata", e.to_string()))?;
        let site: SiteKind = header
            .site
            .parse()
            .map_err(|e: firetender_hooks::HookError| self.fail("metadata", e.to_string()))?;
        let mut directions = BTreeMap::new();
        for (name, tensor) in tensors.iter() {
            let layer = self.layer_of(name, site)?;
            if tensor.dtype() != Dtype::F32 || tensor.shape() != [header.width] {
                let what = format!(
                    "{:?} of shape {:?}; expected F32 of shape [{}]",
                    tensor.dtype(),
                    tensor.shape(),
                    header.width
                );
                return Err(self.fail(name, what));
            }
            let numbers = tensor.data().chunks_exact(4);
            let numbers = numbers.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            directions.insert(layer, numbers.collect());
        }
        let vector = SteeringVector::new(
            header.toward,
            header.away,
            site,
            header.width,
            header.layers,
            directions,
        );
        match vector {
            Ok(vector) => Ok(vector.with_provenance(header.provenance)),
            Err(SteerError::Direction { layer, what }) => {
                Err(self.fail(&format!("layer.{layer}.{site}"), what))
            }
            Err(error) => Err(self.fail("metadata", error.to_string())),
        }
    }

    fn layer_of(&self, name: &str, site: SiteKind) -> Result<usize, SteerError> {
        let layer = name
            .strip_prefix("layer.")
            .and_then(|rest| rest.strip_suffix(&format!(".{site}")))
            .filter(|digits| {
                digits.bytes().all(|b| b.is_ascii_digit())
                    && (*digits == "0" || !digits.starts_with('0'))
            })
            .and_then(|digits| digits.parse().ok());
        layer.ok_or_else(|| {
            self.fail(
                name,
                format!("unknown tensor; expected `layer.N.{site}` as the metadata say"),
            )
        })
    }
}

/// Only the version, so that a newer file is told apart from a damaged one.
#[derive(Deserialize)]
struct Version {
    format: u32,
}
