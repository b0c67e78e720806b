//! Control vectors from and to GGUF files.

use std::{collections::BTreeMap, path::Path};

use firetender_lm::{GgmlType, Gguf, GgufValue, GgufWriter, TensorSource, write_atomically};

use super::{ControlVector, MetadataStyle};
use crate::{
    SteerError,
    vector::bounded::{MAX_FILE, read_bounded},
};

/// Largest block number that is believed.
const MAX_BLOCK: u64 = 1 << 14;
/// Keys under which this library keeps the names of the classes. llama.cpp does not read metadata.
const TOWARD: &str = "firetender.toward";
const AWAY: &str = "firetender.away";

impl ControlVector {
    /// Reads one file.
    ///
    /// # Errors
    /// [`SteerError::Io`]; [`SteerError::TooLarge`] above 256 MiB; [`SteerError::Lm`] for a file that is no GGUF or a damaged one;
    /// [`SteerError::File`] naming the tensor that is no direction: another name, a block below 1, not F32, not one-dimensional,
    /// or of another length than the first.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SteerError> {
        let path = path.as_ref();
        Self::parse(path, read_bounded(path, MAX_FILE)?)
    }

    /// Reads several files and adds up the directions of each block, every file times its strength (in 32 bits, as llama.cpp
    /// does with `--control-vector-scaled`).
    ///
    /// # Errors
    /// As [`load`](Self::load); [`SteerError::File`] for a file of another width than the first; [`SteerError::Input`] without a
    /// file.
    pub fn load_scaled<P: AsRef<Path>>(files: &[(P, f32)]) -> Result<Self, SteerError> {
        let mut sum: Option<Self> = None;
        for (path, strength) in files {
            let path = path.as_ref();
            let mut next = Self::load(path)?;
            let all = next.directions.values_mut().flatten();
            all.for_each(|x| *x *= strength);
            let Some(sum) = &mut sum else {
                sum = Some(next);
                continue;
            };
            if next.width() != sum.width() {
                let what = format!(
                    "directions of {} numbers; those of the first file have {}",
                    next.width(),
                    sum.width()
                );
                return Err(fail(path, "directions", what));
            }
            sum.names = None;
            for (block, direction) in next.directions {
                add(&mut sum.directions, block, direction);
            }
        }
        sum.ok_or_else(|| SteerError::Input {
            what: "no control vector file is given".into(),
        })
    }

    pub(in crate::vector) fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self, SteerError> {
        let file = Gguf::from_bytes(&path.display().to_string(), bytes)?;
        let mut directions = BTreeMap::new();
        let mut width = None;
        for tensor in file.tensors() {
            let refuse = |what: String| Err(fail(path, &format!("tensor `{}`", tensor.name), what));
            let block = match block_of(&tensor.name) {
                Ok(block) => block,
                Err(what) => return refuse(what),
            };
            if tensor.kind != GgmlType::F32 {
                return refuse(format!("type {}; expected F32", tensor.kind.name()));
            }
            // ggml does not count outer dimensions of one.
            let (inner, outer) = match tensor.shape.split_last() {
                Some((inner, outer)) => (*inner, outer),
                None => (0, &[][..]),
            };
            if outer.iter().any(|size| *size != 1) || inner == 0 {
                return refuse(format!("shape {:?}; expected one dimension", tensor.shape));
            }
            let expected = *width.get_or_insert(inner);
            if inner != expected {
                return refuse(format!(
                    "{inner} numbers; the first direction has {expected}"
                ));
            }
            add(&mut directions, block, file.read(&tensor.name)?);
        }
        if directions.is_empty() {
            let what = "no tensor `direction.N`; no control vector".into();
            return Err(fail(path, "tensors", what));
        }
        let text = |key: &str| match file.value(key) {
            Some(GgufValue::String(text)) => Some(text.clone()),
            _ => None,
        };
        let names = text(TOWARD).zip(text(AWAY)).map(|(t, a)| [t, a]);
        Ok(Self {
            model_hint: text("controlvector.model_hint").unwrap_or_default(),
            names,
            directions,
        })
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// [`SteerError::Lm`], never for a control vector that exists.
    pub fn to_bytes(&self, style: MetadataStyle) -> Result<Vec<u8>, SteerError> {
        let count = self.directions.len();
        let text = |text: &str| GgufValue::String(text.into());
        let count = match style {
            MetadataStyle::Repeng => GgufValue::U32(count as u32),
            MetadataStyle::LlamaCpp => GgufValue::I32(count as i32),
        };
        let mut file = GgufWriter::new()
            .metadata("general.architecture", text("controlvector"))
            .metadata("controlvector.model_hint", text(&self.model_hint))
            .metadata("controlvector.layer_count", count);
        if let Some([toward, away]) = &self.names {
            file = file
                .metadata(TOWARD, text(toward))
                .metadata(AWAY, text(away));
        }
        let mut blocks: Vec<_> = self.directions.iter().collect();
        if style == MetadataStyle::Repeng {
            blocks.reverse();
        }
        for (block, direction) in blocks {
            file = file.tensor(&format!("direction.{block}"), &[direction.len()], direction);
        }
        Ok(file.to_bytes()?)
    }

    /// Writes the file under a temporary name, then renames it.
    ///
    /// # Errors
    /// [`SteerError::Io`].
    pub fn save(&self, path: impl AsRef<Path>, style: MetadataStyle) -> Result<(), SteerError> {
        let path = path.as_ref();
        write_atomically(path, &self.to_bytes(style)?).map_err(|source| SteerError::Io {
            path: path.into(),
            source,
        })
    }
}

/// The block of a tensor's name: the number that the text after the first dot begins with, as C's `strtol` reads it.
fn block_of(name: &str) -> Result<usize, String> {
    let expected = "expected `direction.N` with a block from 1";
    let text = name
        .split_once('.')
        .filter(|(head, _)| *head == "direction")
        .ok_or(expected)?
        .1;
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let digits = text.strip_prefix('+').unwrap_or(text);
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    match digits[..end].parse::<u64>() {
        Ok(0) => Err(format!("block 0 cannot be steered; {expected}")),
        Ok(block) if block > MAX_BLOCK => Err(format!("no model has {block} blocks; {expected}")),
        Ok(block) => Ok(block as usize),
        Err(_) => Err(expected.into()),
    }
}

fn add(sums: &mut BTreeMap<usize, Vec<f32>>, block: usize, direction: Vec<f32>) {
    match sums.get_mut(&block) {
        Some(sum) => sum.iter_mut().zip(&direction).for_each(|(s, x)| *s += x),
        None => {
            sums.insert(block, direction);
        }
    }
}

fn fail(path: &Path, place: &str, what: String) -> SteerError {
    SteerError::File {
        path: path.into(),
        place: place.into(),
        what,
    }
}
