//! Weights in the safetensors format: one file, a folder of shards with their index, or bytes built into a program.
//!
//! The header is read and checked through the `safetensors` crate; the data stay in the file until a tensor is asked for and are
//! then read by position. F16, BF16, F32 and F64 become `f32` (F64 by rounding to nearest). Shards are named by
//! `model.safetensors.index.json`, whose names must stay inside the folder.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Component, Path};

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::Metadata;

use crate::blob::{Blob, check_limit, read_small};
use crate::{LmError, TensorSource};

/// Bound on a header, in bytes: 32 MiB of JSON describe some 300,000 tensors.
const MAX_HEADER: u64 = 32 << 20;
/// Bound on an index, in bytes.
const MAX_INDEX: u64 = 16 << 20;
/// Bound on the number of shards.
const MAX_SHARDS: u64 = 4096;
/// The index of a sharded checkpoint.
const INDEX: &str = "model.safetensors.index.json";
/// A checkpoint in one file.
const SINGLE: &str = "model.safetensors";
/// What can be converted.
const READABLE: &str = "F32, F16, BF16, F64";

/// One tensor of one shard.
#[derive(Debug)]
struct Entry {
    shard: usize,
    offset: u64,
    bytes: u64,
    dtype: Dtype,
    shape: Vec<usize>,
}

/// Tensors of one or many safetensors files.
///
/// ```
/// use firetender_lm::{SafeTensorsSource, TensorSource};
/// // A length, a JSON header, then the data.
/// let header = br#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
/// let mut file = (header.len() as u64).to_le_bytes().to_vec();
/// file.extend_from_slice(header);
/// file.extend([1.5_f32, -2.0].iter().flat_map(|v| v.to_le_bytes()));
/// let source = SafeTensorsSource::from_bytes("example", file)?;
/// assert_eq!(source.shape("x"), Some(vec![2]));
/// assert_eq!(source.read("x")?, [1.5, -2.0]);
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
#[derive(Debug)]
pub struct SafeTensorsSource {
    place: String,
    shards: Vec<Blob>,
    names: Vec<String>,
    entries: BTreeMap<String, Entry>,
}

impl SafeTensorsSource {
    /// Opens a file, or a folder with `model.safetensors`, with an index of shards, or with a single `.safetensors` file.
    ///
    /// # Errors
    /// A folder without such a file, a header that contradicts the file's size, a tensor in two shards, or an index whose names
    /// leave the folder or disagree with the shards.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LmError> {
        let path = path.as_ref();
        if !path.is_dir() {
            return Self::from_blobs(path.display().to_string(), vec![Blob::open(path)?]);
        }
        let index = path.join(INDEX);
        if index.is_file() {
            return Self::open_sharded(path, &index);
        }
        let single = path.join(SINGLE);
        let file = if single.is_file() {
            single
        } else {
            only_safetensors(path)?
        };
        Self::from_blobs(file.display().to_string(), vec![Blob::open(&file)?])
    }

    /// Reads from bytes; `place` names them in errors.
    ///
    /// # Errors
    /// A header that contradicts the number of bytes.
    pub fn from_bytes(place: &str, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, LmError> {
        Self::from_blobs(place.into(), vec![Blob::memory(place, bytes.into())])
    }

    fn open_sharded(folder: &Path, index: &Path) -> Result<Self, LmError> {
        let place = index.display().to_string();
        let format = |what: String| LmError::Format {
            place: place.clone(),
            what,
        };
        let json: serde_json::Value = serde_json::from_slice(&read_small(index, MAX_INDEX)?)
            .map_err(|error| format(format!("invalid JSON: {error}")))?;
        let map = json
            .get("weight_map")
            .and_then(|map| map.as_object())
            .ok_or_else(|| {
                format(
                    "no object `weight_map`; expected a map from tensor names to file names".into(),
                )
            })?;
        let mut files: BTreeMap<&str, usize> = BTreeMap::new();
        for (tensor, file) in map {
            let file = file
                .as_str()
                .ok_or_else(|| format(format!("the file of tensor `{tensor}` is not a string")))?;
            // One normal component: nothing absolute, no `..`, no folder.
            let mut parts = Path::new(file).components();
            if !matches!(
                (parts.next(), parts.next()),
                (Some(Component::Normal(_)), None)
            ) || file.contains(['/', '\\'])
            {
                return Err(format(format!(
                    "tensor `{tensor}` names the file `{file}`; expected a file name inside the folder"
                )));
            }
            files.insert(file, 0);
        }
        check_limit(&place, "number of shards", files.len() as u64, MAX_SHARDS)?;
        let mut shards = Vec::new();
        for (file, number) in &mut files {
            *number = shards.len();
            shards.push(Blob::open(&folder.join(file))?);
        }
        let source = Self::from_blobs(folder.display().to_string(), shards)?;
        for (tensor, file) in map {
            let expected = file.as_str().and_then(|file| files.get(file));
            let found = source.entries.get(tensor).map(|entry| &entry.shard);
            if found != expected {
                return Err(format(format!(
                    "tensor `{tensor}` is not in the file {file} that the index names"
                )));
            }
        }
        if let Some(extra) = source.names.iter().find(|name| !map.contains_key(*name)) {
            return Err(format(format!(
                "tensor `{extra}` is in a shard but not in the index"
            )));
        }
        Ok(source)
    }

    fn from_blobs(place: String, shards: Vec<Blob>) -> Result<Self, LmError> {
        let mut names = Vec::new();
        let mut entries = BTreeMap::new();
        for (shard, blob) in shards.iter().enumerate() {
            let (start, metadata) = read_header(blob)?;
            for name in metadata.offset_keys() {
                let Some(info) = metadata.info(&name) else {
                    continue;
                };
                let (from, to) = info.data_offsets;
                let entry = Entry {
                    shard,
                    offset: start + from as u64,
                    bytes: (to - from) as u64,
                    dtype: info.dtype,
                    shape: info.shape.clone(),
                };
                if entries.insert(name.clone(), entry).is_some() {
                    let what = format!("tensor `{name}` is also in another shard");
                    return Err(LmError::Format {
                        place: blob.place().into(),
                        what,
                    });
                }
                names.push(name);
            }
        }
        Ok(Self {
            place,
            shards,
            names,
            entries,
        })
    }

    fn entry(&self, name: &str) -> Result<(&Entry, &Blob), LmError> {
        let entry = self.entries.get(name).ok_or_else(|| LmError::Format {
            place: self.place.clone(),
            what: format!("there is no tensor `{name}`"),
        })?;
        Ok((entry, &self.shards[entry.shard]))
    }
}

/// Start of the data and the checked header.
fn read_header(blob: &Blob) -> Result<(u64, Metadata), LmError> {
    let mut length = [0; 8];
    blob.read_at("the header's length", 0, &mut length)?;
    let length = u64::from_le_bytes(length);
    check_limit(blob.place(), "header length in bytes", length, MAX_HEADER)?;
    let header = blob.read_vec("the header", 8, length)?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| LmError::Format {
        place: blob.place().into(),
        what: format!("invalid safetensors header: {error}"),
    })?;
    let start = 8 + length;
    let (needed, found) = (metadata.data_len() as u64, blob.len() - start);
    if needed > found {
        blob.check_range("the tensor data", start, needed)?;
    }
    if needed < found {
        let what =
            format!("the header describes {needed} bytes of tensor data, the file holds {found}");
        return Err(LmError::Format {
            place: blob.place().into(),
            what,
        });
    }
    Ok((start, metadata))
}

/// The one `.safetensors` file of a folder.
fn only_safetensors(folder: &Path) -> Result<std::path::PathBuf, LmError> {
    let io = |source| LmError::Io {
        path: folder.to_path_buf(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "safetensors")
        {
            found.push(path);
        }
    }
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        many => Err(LmError::NotAModel {
            path: folder.to_path_buf(),
            found: format!("{many} files with the ending .safetensors and no {INDEX}"),
            expected: format!("{SINGLE}, {INDEX}, or exactly one .safetensors file"),
        }),
    }
}

impl TensorSource for SafeTensorsSource {
    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.entries.get(name).map(|entry| entry.shape.clone())
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, LmError> {
        let (entry, blob) = self.entry(name)?;
        let convert: fn(&[u8], &mut Vec<f32>) = match entry.dtype {
            Dtype::F32 => {
                |piece, out| out.extend(piece.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)))
            }
            Dtype::F16 => |piece, out| {
                out.extend(
                    piece
                        .as_chunks()
                        .0
                        .iter()
                        .map(|b| f16::from_le_bytes(*b).to_f32()),
                )
            },
            Dtype::BF16 => |piece, out| {
                out.extend(
                    piece
                        .as_chunks()
                        .0
                        .iter()
                        .map(|b| bf16::from_le_bytes(*b).to_f32()),
                )
            },
            Dtype::F64 => |piece, out| {
                out.extend(
                    piece
                        .as_chunks()
                        .0
                        .iter()
                        .map(|b| f64::from_le_bytes(*b) as f32),
                )
            },
            other => {
                return Err(LmError::TensorType {
                    place: blob.place().into(),
                    name: name.into(),
                    found: format!("{other:?}"),
                    expected: READABLE.into(),
                });
            }
        };
        let unit = entry.dtype.bitsize() / 8;
        // The header was checked against the file, so this many values really are there.
        let mut out = Vec::with_capacity((entry.bytes / unit as u64) as usize);
        blob.read_pieces(
            &format!("tensor `{name}`"),
            entry.offset,
            entry.bytes,
            unit,
            |piece| convert(piece, &mut out),
        )?;
        Ok(out)
    }

    fn sample(&self, name: &str) -> Result<Vec<u8>, LmError> {
        let (entry, blob) = self.entry(name)?;
        blob.sample(&format!("tensor `{name}`"), entry.offset, entry.bytes)
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}

#[cfg(test)]
mod tests;
