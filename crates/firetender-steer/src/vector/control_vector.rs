//! llama.cpp's control vectors: GGUF files with one tensor `direction.N`, F32 and one-dimensional, for each block.
//!
//! The meaning is that of llama.cpp's loader (`common_control_vector_load`): the data of `direction.N` are added to the output of
//! 0-based block `N`; block 0 can not be steered and blocks that the model does not have are ignored; the text after the first
//! dot counts as a number as far as it is one; several tensors of one block and several files are added up; metadata are not
//! read. What stands in which block depends on who wrote the file, see [`Generator`].

mod file;

use std::collections::BTreeMap;

use firetender_hooks::SiteKind;

use super::{
    Generator, ImportOptions, Imported, SteeringVector, VectorFormat,
    import::{imported, place_in_depth},
};
use crate::SteerError;

/// The content of one or several control vector files: what llama.cpp would add to the output of each block at strength 1.
///
/// ```
/// use std::collections::BTreeMap;
/// use firetender_steer::{ControlVector, MetadataStyle};
/// let directions = BTreeMap::from([(1, vec![1.0, 2.0, 3.0, 4.0]), (2, vec![2.0, 3.0, 4.0, 5.0])]);
/// let vector = ControlVector::new("llama", directions)?;
/// assert_eq!(vector.to_bytes(MetadataStyle::Repeng)?.len(), 320);
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("mood.gguf");
/// vector.save(&path, MetadataStyle::Repeng)?;
/// assert_eq!(ControlVector::load(&path)?.directions(), vector.directions());
/// # Ok::<(), firetender_steer::SteerError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ControlVector {
    model_hint: String,
    names: Option<[String; 2]>,
    directions: BTreeMap<usize, Vec<f32>>,
}

/// In whose way metadata and tensors are ordered. The tensors mean the same either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataStyle {
    /// `controlvector.layer_count` as an unsigned number, the last block first.
    #[default]
    Repeng,
    /// `controlvector.layer_count` as a signed number, the first block first.
    LlamaCpp,
}

impl ControlVector {
    /// From directions by 0-based block. `model_hint` names the model's architecture (`llama`, `qwen2`, …); nobody checks it.
    ///
    /// # Errors
    /// [`SteerError::Input`] without a direction; [`SteerError::Direction`] for block 0, a direction of another length than the
    /// others, or of none.
    pub fn new(
        model_hint: impl Into<String>,
        directions: BTreeMap<usize, Vec<f32>>,
    ) -> Result<Self, SteerError> {
        let width = directions.values().next().map_or(0, Vec::len);
        for (&layer, direction) in &directions {
            let what = if layer == 0 {
                "a control vector cannot steer block 0: files count from `direction.1`".into()
            } else if direction.len() != width || width == 0 {
                format!("{} numbers; expected {width}, at least 1", direction.len())
            } else {
                continue;
            };
            return Err(SteerError::Direction { layer, what });
        }
        if directions.is_empty() {
            let what = "a control vector without any direction".into();
            return Err(SteerError::Input { what });
        }
        Ok(Self {
            model_hint: model_hint.into(),
            names: None,
            directions,
        })
    }

    /// What llama.cpp would add for a vector. Directions before a block become those of the block before it.
    ///
    /// # Errors
    /// [`SteerError::Mismatch`] for a vector of another site than the residual stream between blocks; [`SteerError::Direction`]
    /// when it steers block 0, which these files cannot.
    pub fn from_vector(
        vector: &SteeringVector,
        model_hint: impl Into<String>,
    ) -> Result<Self, SteerError> {
        let vector = vector.restated(SiteKind::ResidPost)?;
        Self::new(model_hint, vector.directions().clone())
    }

    /// Also writes the names of the classes, under keys of this library that others ignore; an import then needs to be told
    /// neither names nor generator.
    #[must_use]
    pub fn with_names(mut self, toward: impl Into<String>, away: impl Into<String>) -> Self {
        self.names = Some([toward.into(), away.into()]);
        self
    }

    /// The directions by 0-based block, ascending.
    #[must_use]
    pub fn directions(&self) -> &BTreeMap<usize, Vec<f32>> {
        &self.directions
    }

    /// What the file calls the model; empty when it does not.
    #[must_use]
    pub fn model_hint(&self) -> &str {
        &self.model_hint
    }

    /// Names of the classes (toward, away), which only files of this library have.
    #[must_use]
    pub fn names(&self) -> Option<&[String; 2]> {
        self.names.as_ref()
    }

    /// Length of each direction.
    #[must_use]
    pub fn width(&self) -> usize {
        self.directions.values().next().map_or(0, Vec::len)
    }

    /// The vector that the file's author meant.
    ///
    /// # Errors
    /// [`SteerError::Input`] when the options name no generator and the file was not written by this library, or name one that
    /// does not write such files; and as [`SteeringVector::new`].
    pub fn to_vector(&self, options: &ImportOptions) -> Result<Imported, SteerError> {
        let input = |what: String| Err(SteerError::Input { what });
        let generator = match (options.generator, &self.names) {
            (Some(generator), _) => generator,
            (None, Some(_)) => Generator::Firetender,
            (None, None) => {
                return input(
                    "who generated the control vector? llama.cpp's own generator writes directions one block late and the file does \
                     not say; name repeng, llama.cpp or firetender"
                        .into(),
                );
            }
        };
        let late = match generator {
            Generator::Firetender | Generator::Repeng => 0,
            Generator::LlamaCpp => 1,
            other => return input(format!("{other} does not write control vectors")),
        };
        let mut notes = vec![];
        let directions = self.directions.iter();
        let directions = directions.map(|(block, d)| (block - late, d.clone()));
        let (directions, depth) = place_in_depth(directions.collect(), options.layers, &mut notes);
        let last = depth.checked_sub(1).filter(|l| directions.contains_key(l));
        if let (Generator::Repeng, Some(last)) = (generator, last) {
            notes.push(format!(
                "the direction of block {last}, if that is the last one, was read behind the final norm and is applied before it"
            ));
        }
        if generator == Generator::LlamaCpp {
            notes.push("the sign of its directions is arbitrary, and their length is 1".into());
        }
        options.finish(
            self.names.as_ref(),
            SiteKind::ResidPost,
            depth,
            directions,
            imported(VectorFormat::Gguf, Some(generator), &self.model_hint, notes),
        )
    }
}

#[cfg(test)]
mod tests;
