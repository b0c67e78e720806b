//! `.svec`: JSON files of IBM's `activation-steering` (CAST) and of `AISteer360`.
//!
//! Both hold `model_type` and `directions` by layer. CAST writes a list of numbers a layer, read at the output of block `L` and
//! added to its *input*. `AISteer360` writes a list of `K` such lists, added where it was read, at the output of block `L`; what the
//! `K` rows mean depends on its method: one direction, one for each head (then `num_heads` and `head_dim` say so), one for each
//! token position, or a plane. Only the first two are steering vectors here; the others are kept as they are in [`SvecFile`].

mod rows;

use std::{collections::BTreeMap, path::Path};

use firetender_hooks::SiteKind;
use firetender_lm::write_atomically;
use serde::{Deserialize, Serialize};

use super::{
    Generator, ImportOptions, Imported, SteeringVector, VectorFormat,
    bounded::read_bounded,
    import::{imported, place_in_depth},
};
use crate::SteerError;

pub use rows::SvecRows;

/// Several times the text of a vector of any real model.
const MAX_TEXT: u64 = 128 << 20;

/// The content of an `.svec` file.
///
/// ```
/// use firetender_hooks::SiteKind;
/// use firetender_steer::{ImportOptions, SvecFile};
/// let json = br#"{"model_type": "llama", "directions": {"2": [0.6, 0.8]}, "explained_variances": {"2": 0.5}}"#;
/// let file = SvecFile::parse("example.svec".as_ref(), json)?;
/// let vector = file.to_vector(&ImportOptions::new().with_layers(4))?.vector;
/// // Read after block 2 and applied before it, as CAST does.
/// assert_eq!((vector.site(), vector.direction(2)), (SiteKind::ResidPre, Some(&[0.6, 0.8][..])));
/// assert_eq!(vector.provenance().origin.as_ref().unwrap().read_site.as_deref(), Some("resid_post"));
/// # Ok::<(), firetender_steer::SteerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SvecFile {
    /// Hugging Face's name of the architecture.
    pub model_type: String,
    /// The directions by layer.
    pub directions: BTreeMap<usize, SvecRows>,
    /// Share of the variance that a direction explains, by layer.
    #[serde(default)]
    pub explained_variances: Option<BTreeMap<usize, f64>>,
    /// Number of attention heads, where rows are heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_heads: Option<usize>,
    /// Width of a head, where rows are heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_dim: Option<usize>,
    /// Accuracy of a probe on each head, by `layer:head`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_accuracies: Option<BTreeMap<String, f64>>,
    /// Names of the classes (toward, away): a key of this library, which others ignore.
    #[serde(
        default,
        rename = "firetender_classes",
        skip_serializing_if = "Option::is_none"
    )]
    pub classes: Option<[String; 2]>,
}

impl SvecFile {
    /// What CAST would read: a direction at the output of block `l` becomes one before block `l + 1`, which is the same place.
    ///
    /// # Errors
    /// [`SteerError::Mismatch`] for a vector of another site than the residual stream between blocks; [`SteerError::Direction`]
    /// when it steers the output of the last block, which these files cannot.
    pub fn from_vector(
        vector: &SteeringVector,
        model_type: impl Into<String>,
    ) -> Result<Self, SteerError> {
        let vector = vector.restated(SiteKind::ResidPre)?;
        let directions = vector.directions().iter();
        Ok(Self {
            model_type: model_type.into(),
            directions: directions
                .map(|(layer, d)| (*layer, SvecRows::flat(d.clone())))
                .collect(),
            explained_variances: Some(vector.provenance().explained_variance.clone()),
            num_heads: None,
            head_dim: None,
            probe_accuracies: None,
            classes: Some([vector.toward().into(), vector.away().into()]),
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`SteerError::Io`]; [`SteerError::TooLarge`] above 128 MiB; and as [`parse`](Self::parse).
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SteerError> {
        let path = path.as_ref();
        Self::parse(path, &read_bounded(path, MAX_TEXT)?)
    }

    /// Reads bytes; `path` names them in errors.
    ///
    /// # Errors
    /// [`SteerError::File`] with line and column, for anything but JSON of this form.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, SteerError> {
        if bytes.len() as u64 > MAX_TEXT {
            return Err(SteerError::TooLarge {
                path: path.into(),
                found: bytes.len() as u64,
                limit: MAX_TEXT,
            });
        }
        serde_json::from_slice(bytes).map_err(|error| SteerError::File {
            path: path.into(),
            place: "JSON".into(),
            what: error.to_string(),
        })
    }

    /// Writes the file under a temporary name, then renames it.
    ///
    /// # Errors
    /// [`SteerError::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), SteerError> {
        let path = path.as_ref();
        let io = |source| SteerError::Io {
            path: path.into(),
            source,
        };
        let json = serde_json::to_vec(self).map_err(|error| io(error.into()))?;
        write_atomically(path, &json).map_err(io)
    }

    /// The vector at the site where its author applies it. Without a generator in the options, files that name their classes
    /// are this library's, plain lists CAST's, and nested ones `AISteer360`'s.
    ///
    /// # Errors
    /// [`SteerError::Direction`] for rows that are neither one direction nor heads; [`SteerError::Input`] for a generator that
    /// does not write such files; and as [`SteeringVector::new`].
    pub fn to_vector(&self, options: &ImportOptions) -> Result<Imported, SteerError> {
        let nested = self.directions.values().any(SvecRows::nested);
        let generator = match (options.generator, &self.classes) {
            (Some(generator), _) => generator,
            (None, Some(_)) => Generator::Firetender,
            (None, None) if nested => Generator::AiSteer360,
            (None, None) => Generator::Cast,
        };
        let heads = self.num_heads.is_some() || self.head_dim.is_some();
        let site = match generator {
            Generator::Cast | Generator::Firetender => SiteKind::ResidPre,
            Generator::AiSteer360 if heads => SiteKind::HeadOut,
            Generator::AiSteer360 => SiteKind::ResidPost,
            other => {
                let what = format!("{other} does not write .svec files");
                return Err(SteerError::Input { what });
            }
        };
        let mut directions = BTreeMap::new();
        for (&layer, rows) in &self.directions {
            let what = match (rows.shape(), self.num_heads, self.head_dim) {
                ([1, _], None, None) => None,
                ([k, d], Some(heads), Some(width)) if (k, d) == (heads, width) => None,
                ([k, d], None, None) => Some(format!(
                    "{k} rows of {d} numbers: directions by token position, or a plane, and no single direction"
                )),
                ([k, d], heads, width) => Some(format!(
                    "{k} rows of {d} numbers; num_heads and head_dim are {heads:?} and {width:?}"
                )),
            };
            if let Some(what) = what {
                return Err(SteerError::Direction { layer, what });
            }
            directions.insert(layer, rows.numbers().to_vec());
        }
        let mut notes = vec![];
        let (directions, depth) = place_in_depth(directions, options.layers, &mut notes);
        if generator == Generator::Cast {
            notes.push("read at the output of each block and applied at its input".into());
        }
        let about = Some(generator);
        let mut provenance = imported(VectorFormat::Svec, about, &self.model_type, notes);
        if let (Generator::Cast, Some(origin)) = (generator, &mut provenance.origin) {
            origin.read_site = Some(SiteKind::ResidPost.to_string());
        }
        let explained = self.explained_variances.iter().flatten();
        provenance.explained_variance = explained
            .filter(|(layer, _)| directions.contains_key(layer))
            .map(|(layer, share)| (*layer, *share))
            .collect();
        options.finish(self.classes.as_ref(), site, depth, directions, provenance)
    }
}

#[cfg(test)]
mod tests;
