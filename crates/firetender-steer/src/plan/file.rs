//! Plans in files: JSON, with the vectors inside or in files beside it.

use std::{fs, io::Read, path::Path};

use firetender_lm::write_atomically;

use super::{Plan, VectorRef};
use crate::{SteerError, SteeringVector};

/// Larger than any plan of a real model with its vectors.
const MAX_FILE: u64 = 256 << 20;

impl Plan {
    /// Writes the plan as JSON with its vectors inside, under a temporary name that is then renamed.
    ///
    /// # Errors
    /// [`SteerError::Io`]; [`SteerError::File`] for numbers that JSON cannot hold.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use firetender_hooks::SiteKind;
    /// use firetender_steer::{Plan, SteeringVector};
    /// let directions = BTreeMap::from([(0, vec![1.0, 2.0])]);
    /// let plan = Plan::of(SteeringVector::new("happy", "sad", SiteKind::ResidPost, 2, 1, directions).unwrap());
    /// let folder = tempfile::tempdir().unwrap();
    /// plan.save(folder.path().join("plan.json")).unwrap();
    /// assert_eq!(Plan::load(folder.path().join("plan.json")).unwrap(), plan);
    /// plan.save_beside_vectors(folder.path().join("short.json")).unwrap();
    /// assert_eq!(Plan::load(folder.path().join("short.json")).unwrap(), plan);
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), SteerError> {
        let path = path.as_ref();
        let mut text = serde_json::to_string_pretty(self).map_err(|error| SteerError::File {
            path: path.into(),
            place: "plan".into(),
            what: error.to_string(),
        })?;
        text.push('\n');
        write_atomically(path, text.as_bytes()).map_err(|source| SteerError::Io {
            path: path.into(),
            source,
        })
    }

    /// Writes the plan as JSON that points to its vectors, and each vector as a safetensors file beside it:
    /// `NAME.0.safetensors`, `NAME.1.safetensors`, …, equal vectors once. Low-rank edits stay inside.
    ///
    /// # Errors
    /// As [`save`](Self::save) and [`SteeringVector::save`].
    pub fn save_beside_vectors(&self, path: impl AsRef<Path>) -> Result<(), SteerError> {
        let path = path.as_ref();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut written: Vec<SteeringVector> = vec![];
        let pointing = self.replacing(|_, reference| {
            let VectorRef::Inline(vector) = reference else {
                return Ok(());
            };
            let known = written.iter().position(|other| *other == **vector);
            let number = known.unwrap_or(written.len());
            let name = format!("{stem}.{number}.safetensors");
            if known.is_none() {
                vector.save(path.with_file_name(&name))?;
                written.push((**vector).clone());
            }
            *reference = VectorRef::File(name);
            Ok(())
        })?;
        pointing.save(path)
    }

    /// Reads a plan. Vectors that it points to are read too, relative to the plan's folder; names stay names.
    ///
    /// # Errors
    /// [`SteerError::Io`]; [`SteerError::TooLarge`] above 256 MiB; [`SteerError::File`] for JSON that is no plan (an unknown key, a
    /// missing one, another format), naming line and column; and whatever [`SteeringVector::load`] refuses.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SteerError> {
        let path = path.as_ref();
        let plan: Self = read_json(path, "plan")?;
        let folder = path.parent().unwrap_or(Path::new(""));
        plan.replacing(|_, reference| {
            if let VectorRef::File(file) = reference {
                *reference = SteeringVector::load(folder.join(file.as_str()))?.into();
            }
            Ok(())
        })
    }
}

/// Reads JSON that somebody else may have written.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(
    path: &Path,
    what: &str,
) -> Result<T, SteerError> {
    let io = |source| SteerError::Io {
        path: path.into(),
        source,
    };
    let file = fs::File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(SteerError::TooLarge {
            path: path.into(),
            found: bytes.len() as u64,
            limit: MAX_FILE,
        });
    }
    serde_json::from_slice(&bytes).map_err(|error| SteerError::File {
        path: path.into(),
        place: what.into(),
        what: error.to_string(),
    })
}
