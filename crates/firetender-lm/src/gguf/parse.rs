//! Reading a GGUF header without trusting it.

use std::collections::BTreeMap;

use super::value::{GgufArray, GgufValue};
use super::{ALIGNMENT, GgmlType, Gguf, GgufTensor};
use crate::LmError;
use crate::blob::{Blob, check_limit};

/// Bound on everything before the tensor data. The largest published vocabularies take some 15 MB.
const MAX_HEADER: u64 = 64 << 20;
/// Longest name of a key or tensor, in bytes.
const MAX_NAME: u64 = 1024;
/// Most dimensions of a tensor.
const MAX_DIMS: u32 = 4;
/// Fewest bytes of one key with its value: an empty name, a type, a byte.
const SMALLEST_KEY: u64 = 8 + 4 + 1;
/// Fewest bytes of one tensor's description.
const SMALLEST_TENSOR: u64 = 8 + 4 + 8 + 4 + 8;
/// How much of the header is read at once.
const CHUNK: u64 = 1 << 16;

/// A place in the header, with what was read ahead.
struct Cursor<'a> {
    blob: &'a Blob,
    at: u64,
    chunk: Vec<u8>,
    chunk_at: u64,
}

impl Cursor<'_> {
    fn format(&self, what: String) -> LmError {
        LmError::Format {
            place: format!("{}, byte {}", self.blob.place(), self.at),
            what,
        }
    }

    /// Bytes until the end of the file or the bound on headers.
    fn left(&self) -> u64 {
        self.blob.len().min(MAX_HEADER).saturating_sub(self.at)
    }

    /// Checks that `count` bytes may be read here.
    fn check(&self, what: &str, count: u64) -> Result<(), LmError> {
        self.blob.check_range(what, self.at, count)?;
        check_limit(
            self.blob.place(),
            "size of the metadata in bytes",
            self.at.saturating_add(count),
            MAX_HEADER,
        )
    }

    fn take(&mut self, what: &str, count: u64) -> Result<&[u8], LmError> {
        self.check(what, count)?;
        let ahead = self.chunk_at + self.chunk.len() as u64;
        if self.at < self.chunk_at || self.at + count > ahead {
            let wanted = count.max(CHUNK).min(self.blob.len() - self.at);
            self.chunk = self.blob.read_vec(what, self.at, wanted)?;
            self.chunk_at = self.at;
        }
        let start = (self.at - self.chunk_at) as usize;
        self.at += count;
        Ok(&self.chunk[start..start + count as usize])
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], LmError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(what, N as u64)?);
        Ok(out)
    }

    fn u32(&mut self, what: &str) -> Result<u32, LmError> {
        self.array(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &str) -> Result<u64, LmError> {
        self.array(what).map(u64::from_le_bytes)
    }

    fn text(&mut self, what: &str, limit: u64) -> Result<String, LmError> {
        let length = self.u64(what)?;
        check_limit(
            self.blob.place(),
            &format!("length of {what}"),
            length,
            limit,
        )?;
        let bytes = self.take(what, length)?.to_vec();
        String::from_utf8(bytes).map_err(|_| self.format(format!("{what} is not UTF-8")))
    }

    fn flag(&mut self, what: &str) -> Result<bool, LmError> {
        match self.array(what)? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(self.format(format!(
                "{what} is a truth value of {other}; expected 0 or 1"
            ))),
        }
    }

    fn value(&mut self, what: &str, kind: u32) -> Result<GgufValue, LmError> {
        Ok(match kind {
            0 => GgufValue::U8(u8::from_le_bytes(self.array(what)?)),
            1 => GgufValue::I8(i8::from_le_bytes(self.array(what)?)),
            2 => GgufValue::U16(u16::from_le_bytes(self.array(what)?)),
            3 => GgufValue::I16(i16::from_le_bytes(self.array(what)?)),
            4 => GgufValue::U32(u32::from_le_bytes(self.array(what)?)),
            5 => GgufValue::I32(i32::from_le_bytes(self.array(what)?)),
            6 => GgufValue::F32(f32::from_le_bytes(self.array(what)?)),
            7 => GgufValue::Bool(self.flag(what)?),
            8 => GgufValue::String(self.text(what, MAX_HEADER)?),
            9 => GgufValue::Array(self.list(what)?),
            10 => GgufValue::U64(u64::from_le_bytes(self.array(what)?)),
            11 => GgufValue::I64(i64::from_le_bytes(self.array(what)?)),
            12 => GgufValue::F64(f64::from_le_bytes(self.array(what)?)),
            other => return Err(self.format(format!("{what} has type {other}; expected 0 to 12"))),
        })
    }

    fn list(&mut self, what: &str) -> Result<GgufArray, LmError> {
        let kind = self.u32(what)?;
        let count = self.u64(what)?;
        Ok(match kind {
            0 => GgufArray::U8(self.numbers(what, count, u8::from_le_bytes)?),
            1 => GgufArray::I8(self.numbers(what, count, i8::from_le_bytes)?),
            2 => GgufArray::U16(self.numbers(what, count, u16::from_le_bytes)?),
            3 => GgufArray::I16(self.numbers(what, count, i16::from_le_bytes)?),
            4 => GgufArray::U32(self.numbers(what, count, u32::from_le_bytes)?),
            5 => GgufArray::I32(self.numbers(what, count, i32::from_le_bytes)?),
            6 => GgufArray::F32(self.numbers(what, count, f32::from_le_bytes)?),
            10 => GgufArray::U64(self.numbers(what, count, u64::from_le_bytes)?),
            11 => GgufArray::I64(self.numbers(what, count, i64::from_le_bytes)?),
            12 => GgufArray::F64(self.numbers(what, count, f64::from_le_bytes)?),
            7 => {
                self.check(what, count)?;
                GgufArray::Bool(
                    (0..count)
                        .map(|_| self.flag(what))
                        .collect::<Result<_, _>>()?,
                )
            }
            8 => {
                // Each string takes at least the bytes of its length.
                self.check(what, count.saturating_mul(8))?;
                GgufArray::String(
                    (0..count)
                        .map(|_| self.text(what, MAX_HEADER))
                        .collect::<Result<_, _>>()?,
                )
            }
            9 => return Err(self.format(format!("{what} is a list of lists (not supported)"))),
            other => {
                return Err(self.format(format!(
                    "{what} is a list of type {other}; expected 0 to 12"
                )));
            }
        })
    }

    fn numbers<T, const N: usize>(
        &mut self,
        what: &str,
        count: u64,
        convert: fn([u8; N]) -> T,
    ) -> Result<Vec<T>, LmError> {
        let bytes = self.take(what, count.saturating_mul(N as u64))?;
        Ok(bytes
            .as_chunks()
            .0
            .iter()
            .map(|chunk| convert(*chunk))
            .collect())
    }

    fn tensor(&mut self) -> Result<(GgufTensor, u64), LmError> {
        let name = self.text("a tensor's name", MAX_NAME)?;
        let what = format!("tensor `{name}`");
        let dims = self.u32(&what)?;
        if dims > MAX_DIMS {
            return Err(self.format(format!(
                "{what} has {dims} dimensions; expected at most {MAX_DIMS}"
            )));
        }
        let mut shape = Vec::new();
        for _ in 0..dims {
            shape.push(self.u64(&what)?);
        }
        let kind = self.u32(&what)?;
        let offset = self.u64(&what)?;
        let kind = GgmlType::from_id(kind).ok_or_else(|| LmError::TensorType {
            place: self.blob.place().into(),
            name: name.clone(),
            found: GgmlType::describe(kind),
            expected: GgmlType::all_names(),
        })?;
        let count = shape
            .iter()
            .try_fold(1_u64, |product, size| product.checked_mul(*size));
        let block = kind.block_len() as u64;
        let row = shape.first().copied().unwrap_or(1);
        if row % block != 0 {
            return Err(self.format(format!(
                "{what} has rows of {row} values; type {} needs a multiple of {block}",
                kind.name()
            )));
        }
        let bytes = count.and_then(|count| (count / block).checked_mul(kind.block_bytes() as u64));
        let bytes =
            bytes.ok_or_else(|| self.format(format!("{what} has the absurd shape {shape:?}")))?;
        // More bytes than the file has is checked by the caller; the sizes fit `usize` once they fit the file.
        self.blob.check_range(&what, 0, bytes)?;
        let shape = shape
            .iter()
            .rev()
            .map(|size| usize::try_from(*size))
            .collect::<Result<_, _>>();
        let shape = shape
            .map_err(|_| self.format(format!("{what} has a dimension beyond this machine")))?;
        Ok((
            GgufTensor {
                name,
                shape,
                kind,
                offset: 0,
                bytes,
            },
            offset,
        ))
    }
}

pub(super) fn parse(blob: Blob) -> Result<Gguf, LmError> {
    let mut cursor = Cursor {
        blob: &blob,
        at: 0,
        chunk: Vec::new(),
        chunk_at: 0,
    };
    let magic: [u8; 4] = cursor.array("the magic bytes")?;
    if &magic != b"GGUF" {
        return Err(cursor.format(format!(
            "starts with {magic:?}; expected the bytes of `GGUF`"
        )));
    }
    let version = cursor.u32("the version")?;
    if !(2..=3).contains(&version) {
        let hint = if (2..=3).contains(&version.swap_bytes()) {
            " (a big-endian file)"
        } else {
            ""
        };
        return Err(cursor.format(format!(
            "version {version}{hint}; expected 2 or 3, little-endian"
        )));
    }
    let tensor_count = cursor.u64("the number of tensors")?;
    let key_count = cursor.u64("the number of keys")?;
    check_limit(
        blob.place(),
        "number of keys",
        key_count,
        cursor.left() / SMALLEST_KEY,
    )?;
    check_limit(
        blob.place(),
        "number of tensors",
        tensor_count,
        cursor.left() / SMALLEST_TENSOR,
    )?;

    let (mut keys, mut metadata) = (Vec::new(), BTreeMap::new());
    for _ in 0..key_count {
        let key = cursor.text("a key", MAX_NAME)?;
        let what = format!("the value of `{key}`");
        let kind = cursor.u32(&what)?;
        let value = cursor.value(&what, kind)?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(cursor.format(format!("the key `{key}` appears twice")));
        }
        keys.push(key);
    }
    let (mut tensors, mut index) = (Vec::new(), BTreeMap::new());
    for i in 0..tensor_count {
        let (tensor, offset) = cursor.tensor()?;
        if index.insert(tensor.name.clone(), i as usize).is_some() {
            return Err(cursor.format(format!("the tensor `{}` appears twice", tensor.name)));
        }
        tensors.push(GgufTensor { offset, ..tensor });
    }
    let header_end = cursor.at;
    let mut file = Gguf {
        version,
        keys,
        metadata,
        tensors,
        index,
        blob,
    };
    place_tensors(&mut file, header_end)?;
    Ok(file)
}

/// Turns offsets from the start of the data into offsets in the file and checks them.
fn place_tensors(file: &mut Gguf, header_end: u64) -> Result<(), LmError> {
    let alignment = file.whole("general.alignment")?.unwrap_or(ALIGNMENT);
    if !alignment.is_power_of_two() || !(8..=1 << 20).contains(&alignment) {
        return Err(file.wrong(
            "general.alignment",
            &alignment.to_string(),
            "a power of two from 8 to 2^20",
        ));
    }
    let start = header_end.next_multiple_of(alignment);
    for tensor in &mut file.tensors {
        let what = format!("tensor `{}`", tensor.name);
        if tensor.offset % alignment != 0 {
            return Err(LmError::Format {
                place: file.blob.place().into(),
                what: format!(
                    "{what} has offset {}; expected a multiple of the alignment {alignment}",
                    tensor.offset
                ),
            });
        }
        let offset = start.saturating_add(tensor.offset);
        file.blob.check_range(&what, offset, tensor.bytes)?;
        tensor.offset = offset;
    }
    // Two names for the same bytes would let a small file become a large model.
    let mut order: Vec<&GgufTensor> = file
        .tensors
        .iter()
        .filter(|tensor| tensor.bytes > 0)
        .collect();
    order.sort_by_key(|tensor| tensor.offset);
    for pair in order.windows(2) {
        if pair[0].offset + pair[0].bytes > pair[1].offset {
            let what = format!("tensors `{}` and `{}` overlap", pair[0].name, pair[1].name);
            return Err(LmError::Format {
                place: file.blob.place().into(),
                what,
            });
        }
    }
    Ok(())
}
