//! The GGUF container: typed metadata and (quantised) tensors in one little-endian file, versions 2 and 3.
//!
//! [`Gguf`] reads one without trusting it: every count is checked against the bytes that are there before anything is allocated,
//! offsets must be aligned, inside the file and free of overlaps, and tensor data stay in the file until asked for.
//! [`GgufWriter`] writes one, small, for control vectors and tests. The layout is that of ggml's `gguf.md`.
//!
//! Model semantics live in the submodules: metadata to a [`ModelConfig`](crate::ModelConfig), vocabulary to a
//! [`Tokenizer`](crate::Tokenizer), blocks of quantised numbers to `f32`.

pub(crate) mod config;
mod parse;
mod quant;
#[cfg(test)]
mod tests;
pub(crate) mod tokenizer;
mod value;
mod writer;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

pub use quant::GgmlType;
pub use value::{GgufArray, GgufValue};
pub use writer::GgufWriter;

use crate::blob::Blob;
use crate::{LmError, TensorSource};

/// Where the tensors start in files that do not say, and what tensors are padded to, in bytes.
pub(crate) const ALIGNMENT: u64 = 32;

/// One tensor of a [`Gguf`] file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GgufTensor {
    /// Its name.
    pub name: String,
    /// Its shape, outermost dimension first (the file stores it the other way round).
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub kind: GgmlType,
    /// First byte in the file.
    pub offset: u64,
    /// Number of bytes in the file.
    pub bytes: u64,
}

/// A GGUF file, opened and checked.
///
/// ```
/// use firetender_lm::{Gguf, GgufValue, GgufWriter, TensorSource};
/// let bytes = GgufWriter::new()
///     .metadata("general.architecture", GgufValue::String("controlvector".into()))
///     .tensor("direction.1", &[2, 2], &[1.0, 2.0, 3.0, 4.0])
///     .to_bytes()?;
/// let file = Gguf::from_bytes("example", bytes)?;
/// assert_eq!(file.string("general.architecture")?, Some("controlvector"));
/// assert_eq!(file.shape("direction.1"), Some(vec![2, 2]));
/// assert_eq!(file.read("direction.1")?, [1.0, 2.0, 3.0, 4.0]);
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
#[derive(Debug)]
pub struct Gguf {
    blob: Blob,
    version: u32,
    keys: Vec<String>,
    metadata: BTreeMap<String, GgufValue>,
    tensors: Vec<GgufTensor>,
    index: BTreeMap<String, usize>,
}

impl Gguf {
    /// Opens a file and reads everything but the tensor data.
    ///
    /// # Errors
    /// [`LmError::Io`], [`LmError::Truncated`] or [`LmError::Limit`] for a file that is shorter than it announces or announces
    /// absurd sizes, [`LmError::TensorType`] for an unknown quantisation, [`LmError::Format`] for anything else that breaks the
    /// format.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LmError> {
        parse::parse(Blob::open(path.as_ref())?)
    }

    /// Reads from bytes; `place` names them in errors.
    ///
    /// # Errors
    /// As [`Gguf::open`].
    pub fn from_bytes(place: &str, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, LmError> {
        parse::parse(Blob::memory(place, bytes.into()))
    }

    /// Version of the format, 2 or 3.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Metadata keys in file order.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The value of a key.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&GgufValue> {
        self.metadata.get(key)
    }

    /// The tensors in file order.
    #[must_use]
    pub fn tensors(&self) -> &[GgufTensor] {
        &self.tensors
    }

    /// One tensor by name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&GgufTensor> {
        self.index.get(name).map(|i| &self.tensors[*i])
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        convert: impl Fn(&'a GgufValue) -> Option<T>,
    ) -> Result<Option<T>, LmError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(value) => convert(value)
                .map(Some)
                .ok_or_else(|| self.wrong(key, &value.to_string(), expected)),
        }
    }

    pub(crate) fn wrong(&self, key: &str, found: &str, expected: &str) -> LmError {
        LmError::Config {
            place: self.blob.place().into(),
            field: key.into(),
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// A string, or `None` if the key is absent.
    ///
    /// # Errors
    /// [`LmError::Config`] if the value has another type.
    pub fn string(&self, key: &str) -> Result<Option<&str>, LmError> {
        self.typed(key, "a string", |value| match value {
            GgufValue::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A whole number of any integer type, not negative, or `None` if the key is absent.
    ///
    /// # Errors
    /// [`LmError::Config`] if the value has another type or is negative.
    pub fn whole(&self, key: &str) -> Result<Option<u64>, LmError> {
        self.typed(key, "a whole number, not negative", GgufValue::as_u64)
    }

    /// A number of a floating-point type, or `None` if the key is absent.
    ///
    /// # Errors
    /// [`LmError::Config`] if the value has another type.
    pub fn number(&self, key: &str) -> Result<Option<f64>, LmError> {
        self.typed(key, "a floating-point number", |value| match value {
            GgufValue::F32(number) => Some(f64::from(*number)),
            GgufValue::F64(number) => Some(*number),
            _ => None,
        })
    }

    /// A truth value, or `None` if the key is absent.
    ///
    /// # Errors
    /// [`LmError::Config`] if the value has another type.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, LmError> {
        self.typed(key, "true or false", |value| match value {
            GgufValue::Bool(flag) => Some(*flag),
            _ => None,
        })
    }

    /// A list of strings, or `None` if the key is absent.
    ///
    /// # Errors
    /// [`LmError::Config`] if the value has another type.
    pub fn strings(&self, key: &str) -> Result<Option<&[String]>, LmError> {
        self.typed(key, "a list of strings", |value| match value {
            GgufValue::Array(GgufArray::String(list)) => Some(list.as_slice()),
            _ => None,
        })
    }

    /// A list, or `None` if the key is absent.
    ///
    /// # Errors
    /// [`LmError::Config`] if the value has another type.
    pub fn array(&self, key: &str) -> Result<Option<&GgufArray>, LmError> {
        self.typed(key, "a list", |value| match value {
            GgufValue::Array(list) => Some(list),
            _ => None,
        })
    }

    fn find(&self, name: &str) -> Result<&GgufTensor, LmError> {
        self.tensor(name).ok_or_else(|| LmError::Format {
            place: self.blob.place().into(),
            what: format!("there is no tensor `{name}`"),
        })
    }
}

impl TensorSource for Gguf {
    fn names(&self) -> Vec<String> {
        self.tensors
            .iter()
            .map(|tensor| tensor.name.clone())
            .collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensor(name).map(|tensor| tensor.shape.clone())
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, LmError> {
        let tensor = self.find(name)?;
        let kind = tensor.kind;
        // Both were checked against each other and against the file.
        let mut out = Vec::with_capacity(
            (tensor.bytes / kind.block_bytes() as u64) as usize * kind.block_len(),
        );
        let what = format!("tensor `{name}`");
        let piece = |piece: &[u8]| kind.dequantize_into(piece, &mut out);
        self.blob.read_pieces(
            &what,
            tensor.offset,
            tensor.bytes,
            kind.block_bytes(),
            piece,
        )?;
        Ok(out)
    }

    fn sample(&self, name: &str) -> Result<Vec<u8>, LmError> {
        let tensor = self.find(name)?;
        self.blob
            .sample(&format!("tensor `{name}`"), tensor.offset, tensor.bytes)
    }

    fn place(&self) -> String {
        self.blob.place().into()
    }
}
