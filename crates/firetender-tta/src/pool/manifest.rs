//! What a pool's predictions depend on.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Policy, TtaError};

/// Version of the form.
pub(super) const SCHEMA: &str = "firetender-pool/1";

/// How numbers are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolFloat {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits: log-probabilities to about three digits.
    F16,
}

/// What a pool's predictions depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub(super) schema: String,
    /// The recipes, with ranges and versions.
    pub policy: Policy,
    /// Of the draws.
    pub seed: u64,
    /// How many images.
    pub samples: usize,
    /// How many classes.
    pub classes: usize,
    /// How numbers are kept.
    pub float: PoolFloat,
    /// The caller's name or hash for the network.
    pub model: String,
    /// Hash of the images.
    pub data: String,
    /// Hash of the labels.
    pub labels: String,
}

pub(super) fn hash(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part);
    }
    sha.finalize()[..16]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// Of labels.
pub(super) fn label_hash(labels: &[i64]) -> String {
    hash(labels.iter().map(|l| l.to_le_bytes()))
}

pub(super) fn read_manifest(path: &Path) -> Result<Manifest, TtaError> {
    let bytes = crate::files::read(path)?;
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|error| TtaError::file(path, "json", error.to_string()))?;
    if manifest.schema != SCHEMA {
        let what = format!("{:?}, expected {SCHEMA:?}", manifest.schema);
        return Err(TtaError::file(path, "schema", what));
    }
    Ok(manifest)
}

/// Names the first thing in which two manifests differ.
pub(super) fn same(found: &Manifest, expected: &Manifest, place: &Path) -> Result<(), TtaError> {
    let differs = |field: &'static str, found: String, expected: String| {
        Err(TtaError::Mismatch {
            place: place.display().to_string(),
            field,
            found,
            expected: format!("{expected}; build into another folder, or remove this one"),
        })
    };
    if found.model != expected.model {
        return differs("model", found.model.clone(), expected.model.clone());
    }
    if found.data != expected.data {
        return differs("data", found.data.clone(), expected.data.clone());
    }
    if found.labels != expected.labels {
        return differs("labels", found.labels.clone(), expected.labels.clone());
    }
    if found.seed != expected.seed {
        return differs("seed", found.seed.to_string(), expected.seed.to_string());
    }
    if found != expected {
        return differs("policy or shape", "another".into(), "the same".into());
    }
    Ok(())
}
