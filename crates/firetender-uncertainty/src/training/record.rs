//! What averages and samplers write so that they can go on later: Burn's own container with a few numbers and lists in it.

use std::{fs, path::Path};

use burn::tensor::{Bytes, TensorData};
use burn_pack::{Reader, Scalar, Writer};

use super::space::WeightSpace;
use crate::UncertaintyError;

/// The state of an average or a sampler, as it goes to disk.
///
/// Made by `to_record` and taken by `resume` of [`Swa`](super::Swa), [`Ema`](super::Ema), [`Swag`](super::Swag) and
/// [`DiagonalLaplace`](super::DiagonalLaplace). It remembers which one made it and for which weights, and another one refuses it.
#[derive(Debug, Clone)]
pub struct StateRecord {
    kind: String,
    weights: String,
    numbers: Vec<(String, f64)>,
    lists: Vec<(String, TensorData)>,
}

const KIND: &str = "firetender";
const WEIGHTS: &str = "weights";

impl StateRecord {
    pub(crate) fn new(kind: &str, space: &WeightSpace) -> Self {
        Self {
            kind: kind.to_owned(),
            weights: space.signature(),
            numbers: vec![],
            lists: vec![],
        }
    }

    pub(crate) fn with_number(mut self, name: &str, value: f64) -> Self {
        self.numbers.push((name.to_owned(), value));
        self
    }

    pub(crate) fn with_list(mut self, name: &str, values: &[f64]) -> Self {
        let data = TensorData::new(values.to_vec(), [values.len()]);
        self.lists.push((name.to_owned(), data));
        self
    }

    /// Checks who made this and for what.
    pub(crate) fn expect(&self, kind: &str, space: &WeightSpace) -> Result<(), UncertaintyError> {
        if self.kind != kind {
            return Err(UncertaintyError::Mismatch {
                place: "record".to_owned(),
                field: "kind",
                found: self.kind.clone(),
                expected: kind.to_owned(),
            });
        }
        let expected = space.signature();
        if self.weights != expected {
            let differing = self
                .weights
                .lines()
                .map(Some)
                .chain(std::iter::repeat(None))
                .zip(expected.lines().map(Some).chain([None]))
                .find(|(found, expected)| found != expected)
                .unwrap_or((None, None));
            return Err(UncertaintyError::Mismatch {
                place: "record".to_owned(),
                field: "weights",
                found: differing.0.unwrap_or("more of them").to_owned(),
                expected: differing.1.unwrap_or("no more").to_owned(),
            });
        }
        Ok(())
    }

    pub(crate) fn number(&self, name: &str) -> Result<f64, UncertaintyError> {
        self.numbers
            .iter()
            .find(|(key, _)| key == name)
            .map(|&(_, value)| value)
            .ok_or_else(|| absent(name))
    }

    /// A count that was stored as a number.
    pub(crate) fn count(&self, name: &str) -> Result<u64, UncertaintyError> {
        let value = self.number(name)?;
        // 2^53: the largest count that a number holds exactly.
        if value >= 0.0 && value.fract() == 0.0 && value <= 9_007_199_254_740_992.0 {
            return Ok(value as u64);
        }
        Err(UncertaintyError::Mismatch {
            place: format!("record, {name}"),
            field: "count",
            found: value.to_string(),
            expected: "a whole number".to_owned(),
        })
    }

    /// A list of this length, all finite.
    pub(crate) fn list(&self, name: &str, length: usize) -> Result<Vec<f64>, UncertaintyError> {
        let data = self
            .lists
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, data)| data)
            .ok_or_else(|| absent(name))?;
        let values: Vec<f64> =
            data.clone()
                .try_into_vec::<f64>()
                .map_err(|error| UncertaintyError::Record {
                    place: name.to_owned(),
                    reason: format!("{error:?}"),
                })?;
        if values.len() != length {
            return Err(UncertaintyError::Mismatch {
                place: format!("record, {name}"),
                field: "length",
                found: values.len().to_string(),
                expected: length.to_string(),
            });
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(UncertaintyError::Mismatch {
                place: format!("record, {name}[{at}]"),
                field: "value",
                found: values[at].to_string(),
                expected: "a finite number".to_owned(),
            });
        }
        Ok(values)
    }

    /// The container's bytes.
    ///
    /// # Errors
    /// If Burn's writer refuses.
    pub fn to_bytes(&self) -> Result<Vec<u8>, UncertaintyError> {
        let tensors = self
            .lists
            .iter()
            .map(|(name, data)| {
                let (bytes, shape, dtype) = data.clone().into_parts();
                burn_pack::Tensor::new(name.clone(), dtype, shape, None, bytes)
            })
            .collect();
        let mut writer = Writer::new(tensors)
            .with_metadata(KIND, &self.kind)
            .with_metadata(WEIGHTS, &self.weights);
        for (name, value) in &self.numbers {
            writer = writer.with_scalar(name, Scalar::Float(*value));
        }
        writer
            .into_bytes()
            .map(|bytes| bytes.to_vec())
            .map_err(pack)
    }

    /// Reads such bytes.
    ///
    /// # Errors
    /// Bytes that are no such container: sizes are checked before anything is allocated.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, UncertaintyError> {
        let reader = Reader::from_bytes(Bytes::from_bytes_vec(bytes.to_vec())).map_err(pack)?;
        let text = |key: &str| {
            reader
                .metadata()
                .get(key)
                .cloned()
                .ok_or_else(|| absent(key))
        };
        let (kind, weights) = (text(KIND)?, text(WEIGHTS)?);
        let numbers = reader
            .scalars()
            .iter()
            .filter_map(|(name, &value)| match value {
                Scalar::Float(value) => Some((name.clone(), value)),
                _ => None,
            })
            .collect();
        let lists = reader
            .into_tensors()
            .map_err(pack)?
            .into_iter()
            .map(|tensor| {
                let (name, dtype, shape, _, bytes) = tensor.into_parts().map_err(pack)?;
                Ok((name, TensorData::from_bytes(bytes, shape, dtype)))
            })
            .collect::<Result<_, UncertaintyError>>()?;
        Ok(Self {
            kind,
            weights,
            numbers,
            lists,
        })
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, path: &Path) -> Result<(), UncertaintyError> {
        write_whole(path, &self.to_bytes()?)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What the file system says, and as [`from_bytes`](Self::from_bytes).
    pub fn load(path: &Path) -> Result<Self, UncertaintyError> {
        let bytes = fs::read(path).map_err(|error| io(path, &error))?;
        Self::from_bytes(&bytes).map_err(|error| match error {
            UncertaintyError::Record { place, reason } => UncertaintyError::Record {
                place: format!("{}: {place}", path.display()),
                reason,
            },
            other => other,
        })
    }
}

/// Writes a file whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), UncertaintyError> {
    crate::files::write_whole(path, bytes).map_err(|error| io(path, &error))
}

pub(crate) fn io(path: &Path, error: &std::io::Error) -> UncertaintyError {
    UncertaintyError::Record {
        place: path.display().to_string(),
        reason: error.to_string(),
    }
}

pub(crate) fn burn_record(
    place: impl Into<String>,
    error: &burn::store::RecordError,
) -> UncertaintyError {
    UncertaintyError::Record {
        place: place.into(),
        reason: error.to_string(),
    }
}

fn pack(error: burn_pack::Error) -> UncertaintyError {
    UncertaintyError::Record {
        place: "record".to_owned(),
        reason: error.to_string(),
    }
}

fn absent(name: &str) -> UncertaintyError {
    UncertaintyError::Record {
        place: "record".to_owned(),
        reason: format!("no entry `{name}`"),
    }
}
