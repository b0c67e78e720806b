//! Writing small GGUF files.

use std::path::Path;

use super::value::{GgufArray, GgufValue};
use super::{ALIGNMENT, GgmlType};
use crate::LmError;

/// Builds a GGUF file (version 3, little-endian) in memory.
///
/// Keys and tensors are written in the order in which they were added; the data of each tensor, the last one too, are padded
/// with zeros to 32 bytes, as llama.cpp does.
///
/// ```
/// use firetender_lm::{GgufValue, GgufWriter};
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("vector.gguf");
/// GgufWriter::new()
///     .metadata("general.architecture", GgufValue::String("controlvector".into()))
///     .tensor("direction.1", &[3], &[0.5, 0.0, -0.5])
///     .write(&path)?;
/// assert_eq!(firetender_lm::Gguf::open(&path)?.tensors().len(), 1);
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct GgufWriter {
    metadata: Vec<(String, GgufValue)>,
    tensors: Vec<Stored>,
}

#[derive(Clone, Debug)]
struct Stored {
    name: String,
    shape: Vec<usize>,
    kind: GgmlType,
    data: Vec<u8>,
}

impl GgufWriter {
    /// An empty file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key.
    #[must_use]
    pub fn metadata(mut self, key: &str, value: GgufValue) -> Self {
        self.metadata.push((key.into(), value));
        self
    }

    /// Adds a tensor of `f32` values in row-major order; `shape` is outermost first.
    #[must_use]
    pub fn tensor(self, name: &str, shape: &[usize], values: &[f32]) -> Self {
        self.raw_tensor(
            name,
            shape,
            GgmlType::F32,
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        )
    }

    /// Adds a tensor whose bytes are already in the form of `kind`.
    #[must_use]
    pub fn raw_tensor(
        mut self,
        name: &str,
        shape: &[usize],
        kind: GgmlType,
        data: Vec<u8>,
    ) -> Self {
        self.tensors.push(Stored {
            name: name.into(),
            shape: shape.into(),
            kind,
            data,
        });
        self
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// [`LmError::Input`] for a repeated name or a tensor whose data do not fit its shape.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LmError> {
        self.check()?;
        let mut out = b"GGUF".to_vec();
        out.extend(3_u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            put_text(&mut out, key);
            out.extend(value.type_id().to_le_bytes());
            put_value(&mut out, value);
        }
        let mut offset = 0_u64;
        for tensor in &self.tensors {
            put_text(&mut out, &tensor.name);
            out.extend((tensor.shape.len() as u32).to_le_bytes());
            for size in tensor.shape.iter().rev() {
                out.extend((*size as u64).to_le_bytes());
            }
            out.extend(tensor.kind.id().to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += (tensor.data.len() as u64).next_multiple_of(ALIGNMENT);
        }
        pad(&mut out);
        for tensor in &self.tensors {
            out.extend_from_slice(&tensor.data);
            pad(&mut out);
        }
        Ok(out)
    }

    /// Writes the file under a temporary name and renames it, so that no half-written file is left under `path`.
    ///
    /// # Errors
    /// As [`GgufWriter::to_bytes`], and [`LmError::Io`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), LmError> {
        let path = path.as_ref();
        let bytes = self.to_bytes()?;
        let io = |source| LmError::Io {
            path: path.to_path_buf(),
            source,
        };
        crate::write_atomically(path, &bytes).map_err(io)
    }

    fn check(&self) -> Result<(), LmError> {
        let input = |what: String| Err(LmError::Input { what });
        for (i, tensor) in self.tensors.iter().enumerate() {
            let Stored {
                name,
                shape,
                kind,
                data,
            } = tensor;
            if self.tensors[..i].iter().any(|other| other.name == *name) {
                return input(format!("tensor `{name}` was added twice"));
            }
            let count: usize = shape.iter().product();
            let row = shape.last().copied().unwrap_or(1);
            let expected = count / kind.block_len() * kind.block_bytes();
            if row % kind.block_len() != 0 || data.len() != expected || shape.len() > 4 {
                let bytes = data.len();
                return input(format!(
                    "tensor `{name}` of shape {shape:?} has {bytes} bytes; expected {expected}"
                ));
            }
        }
        for (i, (key, _)) in self.metadata.iter().enumerate() {
            if self.metadata[..i].iter().any(|(other, _)| other == key) {
                return input(format!("key `{key}` was added twice"));
            }
        }
        Ok(())
    }
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(ALIGNMENT as usize), 0);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &GgufValue) {
    match value {
        GgufValue::U8(n) => out.extend(n.to_le_bytes()),
        GgufValue::I8(n) => out.extend(n.to_le_bytes()),
        GgufValue::U16(n) => out.extend(n.to_le_bytes()),
        GgufValue::I16(n) => out.extend(n.to_le_bytes()),
        GgufValue::U32(n) => out.extend(n.to_le_bytes()),
        GgufValue::I32(n) => out.extend(n.to_le_bytes()),
        GgufValue::U64(n) => out.extend(n.to_le_bytes()),
        GgufValue::I64(n) => out.extend(n.to_le_bytes()),
        GgufValue::F32(n) => out.extend(n.to_le_bytes()),
        GgufValue::F64(n) => out.extend(n.to_le_bytes()),
        GgufValue::Bool(flag) => out.push(u8::from(*flag)),
        GgufValue::String(text) => put_text(out, text),
        GgufValue::Array(list) => {
            out.extend(element_type(list).to_le_bytes());
            out.extend((list.len() as u64).to_le_bytes());
            for value in (0..list.len()).filter_map(|i| list.get(i)) {
                put_value(out, &value);
            }
        }
    }
}

/// The number of a list's element type, also of an empty list.
fn element_type(list: &GgufArray) -> u32 {
    match list {
        GgufArray::U8(_) => 0,
        GgufArray::I8(_) => 1,
        GgufArray::U16(_) => 2,
        GgufArray::I16(_) => 3,
        GgufArray::U32(_) => 4,
        GgufArray::I32(_) => 5,
        GgufArray::F32(_) => 6,
        GgufArray::Bool(_) => 7,
        GgufArray::String(_) => 8,
        GgufArray::U64(_) => 10,
        GgufArray::I64(_) => 11,
        GgufArray::F64(_) => 12,
    }
}
