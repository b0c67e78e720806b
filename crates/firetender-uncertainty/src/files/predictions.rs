//! Predictions of several members with the targets they belong to, in one `.npz` file.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{NpyArray, NpyValues, damaged, npz::read_npz, npz::write_npz};
use crate::{Checks, Floats, ScoreKind, Scores, Targets, UncertaintyError};

/// SHA-256 of the labels as little-endian 64-bit integers, in hexadecimal: the same labels in the same order.
///
/// Predictions that were stored before a test set was shuffled again look like a bad model; the checksum tells.
///
/// ```
/// use firetender_uncertainty::target_checksum;
/// assert_ne!(target_checksum(&[0, 1]), target_checksum(&[1, 0]));
/// assert!(target_checksum(&[]).starts_with("e3b0c442"));
/// ```
#[must_use]
pub fn target_checksum(labels: &[i64]) -> String {
    let mut hash = Sha256::new();
    for label in labels {
        hash.update(label.to_le_bytes());
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// Scores of K members on one test set.
///
/// The file has `test_preds` `[K, N, C]` (also read: `[N, C]`), `test_targets` `[N]` and, when written here, `target_sha256`; the kind
/// of the scores is not in the file and has to be said.
///
/// ```
/// use firetender_uncertainty::{Predictions, ScoreKind};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("members.npz");
/// let stored = Predictions::new(vec![vec![0.5, 0.5], vec![0.9, 0.1]], 2, vec![0])?;
/// stored.write(&path)?;
/// let read = Predictions::read(&path)?;
/// assert_eq!(read, stored);
/// assert_eq!(read.scores(ScoreKind::Probs)?.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    members: Vec<Vec<f32>>,
    classes: usize,
    labels: Vec<i64>,
}

impl Predictions {
    /// One table `[N, C]` a member, row after row, and N labels.
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] without members, [`UncertaintyError::Length`] when a table does not have a row a label.
    pub fn new(
        members: Vec<Vec<f32>>,
        classes: usize,
        labels: Vec<i64>,
    ) -> Result<Self, UncertaintyError> {
        if members.is_empty() {
            return Err(UncertaintyError::Empty { what: "members" });
        }
        let expected = labels.len().saturating_mul(classes);
        if let Some(member) = members.iter().find(|m| m.len() != expected) {
            return Err(UncertaintyError::Length {
                what: "scores of a member",
                found: member.len(),
                expected,
            });
        }
        Ok(Self {
            members,
            classes,
            labels,
        })
    }

    /// Reads a file; a checksum in it has to be that of its targets.
    ///
    /// # Errors
    /// As [`read_npz`](crate::read_npz); [`UncertaintyError::File`] for arrays that are missing, of other shapes or types, or a
    /// checksum of other targets.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, UncertaintyError> {
        let path = path.as_ref();
        let (mut preds, mut targets, mut checksum) = (None, None, None);
        for (name, array) in read_npz(path)? {
            match name.as_str() {
                "test_preds" => preds = Some(array),
                "test_targets" => targets = Some(array),
                "target_sha256" => checksum = Some(array),
                _ => {}
            }
        }
        let missing = |name: &str| damaged(path, name, "this array is missing");
        let preds = preds.ok_or_else(|| missing("test_preds"))?;
        let NpyValues::Int(labels) = targets.ok_or_else(|| missing("test_targets"))?.values else {
            return Err(damaged(path, "test_targets", "floats, expected integers"));
        };
        let (members, rows, classes) = match preds.shape[..] {
            [members, rows, classes] => (members, rows, classes),
            [rows, classes] => (1, rows, classes),
            _ => {
                let what = format!("shape {:?}, expected [K, N, C]", preds.shape);
                return Err(damaged(path, "test_preds", what));
            }
        };
        if rows != labels.len() || preds.values.is_empty() {
            let what = format!("{rows} rows of {classes} for {} labels", labels.len());
            return Err(damaged(path, "test_preds", what));
        }
        if let Some(checksum) = checksum {
            let known: Vec<i64> = target_checksum(&labels).bytes().map(i64::from).collect();
            if checksum.values != NpyValues::Int(known) {
                return Err(damaged(
                    path,
                    "target_sha256",
                    "it is that of other targets than the file's",
                ));
            }
        }
        let values: Vec<f32> = match preds.values {
            NpyValues::F16(values) | NpyValues::F32(values) => values,
            NpyValues::F64(values) => values.iter().map(|v| *v as f32).collect(),
            NpyValues::Int(_) => {
                return Err(damaged(path, "test_preds", "integers, expected floats"));
            }
        };
        let size = values.len() / members;
        let members = values.chunks_exact(size).map(<[f32]>::to_vec).collect();
        Self::new(members, classes, labels)
    }

    /// Writes a file, atomically.
    ///
    /// # Errors
    /// As [`write_npz`](crate::write_npz).
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), UncertaintyError> {
        let preds = NpyArray {
            shape: vec![self.members.len(), self.labels.len(), self.classes],
            values: NpyValues::F32(self.members.concat()),
        };
        let targets = NpyArray {
            shape: vec![self.labels.len()],
            values: NpyValues::Int(self.labels.clone()),
        };
        let checksum: Vec<i64> = target_checksum(&self.labels)
            .bytes()
            .map(i64::from)
            .collect();
        let checksum = NpyArray {
            shape: vec![checksum.len()],
            values: NpyValues::Int(checksum),
        };
        write_npz(
            path,
            &[
                ("test_preds", &preds),
                ("test_targets", &targets),
                ("target_sha256", &checksum),
            ],
        )
    }

    /// The members' scores, which are of this kind.
    ///
    /// # Errors
    /// As [`Scores::new`].
    pub fn scores(&self, kind: ScoreKind) -> Result<Vec<Scores<'_>>, UncertaintyError> {
        self.members
            .iter()
            .map(|m| Scores::new(kind, Floats::from(m), self.classes, Checks::default()))
            .collect()
    }

    /// The targets.
    #[must_use]
    pub fn targets(&self) -> Targets {
        Targets::classes(&self.labels)
    }
}
