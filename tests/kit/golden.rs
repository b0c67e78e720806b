//! Reads the files of `tests/golden` (formats: its README).

use std::{collections::BTreeMap, fs, path::PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// The path of `tests/golden/NAME`.
#[must_use]
pub fn golden_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name)
}

/// A golden JSON file.
#[must_use]
pub fn golden_json(name: &str) -> Value {
    let path = golden_path(name);
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

/// A golden safetensors file: its tensors and the JSON text in its metadata.
#[derive(Debug)]
pub struct Golden {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
    /// The metadata.
    pub meta: Value,
}

impl Golden {
    /// Reads `tests/golden/NAME`.
    #[must_use]
    pub fn open(name: &str) -> Self {
        let path = golden_path(name);
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let text = header
            .metadata()
            .as_ref()
            .and_then(|m| m.get("golden"))
            .cloned();
        let meta = text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
        let tensors = file
            .tensors()
            .into_iter()
            .map(|(name, view)| {
                (
                    name,
                    (view.shape().to_vec(), numbers(view.dtype(), view.data())),
                )
            })
            .collect();
        Self { tensors, meta }
    }

    /// A tensor's shape.
    #[must_use]
    pub fn shape(&self, name: &str) -> &[usize] {
        &self.tensors[name].0
    }

    /// Whether there is such a tensor.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// A tensor's values, row-major.
    #[must_use]
    pub fn f64s(&self, name: &str) -> &[f64] {
        &self
            .tensors
            .get(name)
            .unwrap_or_else(|| panic!("no golden tensor `{name}`"))
            .1
    }

    /// A tensor's values as `f32`.
    #[must_use]
    pub fn f32s(&self, name: &str) -> Vec<f32> {
        self.f64s(name).iter().map(|v| *v as f32).collect()
    }

    /// A two-dimensional tensor of token ids, row by row.
    #[must_use]
    pub fn token_rows(&self, name: &str) -> Vec<Vec<u32>> {
        let columns = self.shape(name)[1];
        self.f64s(name)
            .chunks(columns)
            .map(|row| row.iter().map(|id| *id as u32).collect())
            .collect()
    }
}

fn numbers(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
    match dtype {
        Dtype::F32 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| f64::from(f32::from_le_bytes(*b)))
            .collect(),
        Dtype::F64 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| f64::from_le_bytes(*b))
            .collect(),
        Dtype::I64 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| i64::from_le_bytes(*b) as f64)
            .collect(),
        other => panic!("golden files hold f32, f64 and i64, not {other:?}"),
    }
}
