//! Where the probabilities of candidates are: in memory, or in files that are read again at every step.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use firetender_uncertainty::{NpyValues, UncertaintyError, read_npz};

use super::pass::Tile32;
use crate::TtaError;

/// Reads the values of one entry, `[samples, classes]`, row by row, as `f64`.
pub(crate) type Source = Arc<dyn Fn(usize) -> Result<Vec<f64>, TtaError> + Send + Sync>;

pub(crate) enum Store {
    /// Tiles of every entry, one after the other.
    Memory(Vec<Tile32>),
    /// Read anew each time.
    Stream(Source),
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory(tiles) => write!(f, "Memory({} tiles)", tiles.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// Rows of one entry of a `.npy` file `[B, N, C]` (or `[N, C]`) of `f2`, `f4` or `f8`.
#[derive(Debug, Clone)]
pub(crate) struct NpyEntries {
    path: PathBuf,
    start: u64,
    width: usize,
    big: bool,
    /// Fortran order: the whole file, read once, since an entry's numbers lie everywhere in it.
    scattered: Option<Arc<Vec<u8>>>,
    pub(crate) shape: [usize; 3],
}

impl NpyEntries {
    pub(crate) fn open(path: &Path) -> Result<Self, TtaError> {
        let failed = |source| TtaError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        // Version 1 headers have at most 64 KiB; larger ones are not needed for three axes.
        let mut head = vec![];
        file.by_ref()
            .take(1 << 17)
            .read_to_end(&mut head)
            .map_err(failed)?;
        let header = firetender_uncertainty::npy_header(&head, path)?;
        let bad = |what: String| TtaError::file(path, "npy header", what);
        let (big, width) = match header.descr.as_str() {
            "<f2" => (false, 2),
            "<f4" => (false, 4),
            "<f8" => (false, 8),
            ">f2" => (true, 2),
            ">f4" => (true, 4),
            ">f8" => (true, 8),
            other => return Err(bad(format!("type {other:?}, expected f2, f4 or f8"))),
        };
        let shape = match header.shape[..] {
            [b, n, c] => [b, n, c],
            [n, c] => [1, n, c],
            _ => {
                let what = format!(
                    "shape {:?}, expected [entries, samples, classes]",
                    header.shape
                );
                return Err(bad(what));
            }
        };
        let bytes = shape.iter().try_fold(width as u64, |product, axis| {
            product.checked_mul(*axis as u64)
        });
        let found = length.saturating_sub(header.start as u64);
        if bytes != Some(found) {
            return Err(TtaError::file(
                path,
                "npy data",
                format!("shape {shape:?} of {width} bytes each, but {found} bytes follow"),
            ));
        }
        let mut scattered = None;
        if header.fortran {
            let mut bytes = vec![];
            file.seek(SeekFrom::Start(header.start as u64))
                .map_err(failed)?;
            file.take(found).read_to_end(&mut bytes).map_err(failed)?;
            if bytes.len() as u64 != found {
                return Err(TtaError::file(
                    path,
                    "npy data",
                    "it became shorter meanwhile",
                ));
            }
            scattered = Some(Arc::new(bytes));
        }
        Ok(Self {
            scattered,
            path: path.to_owned(),
            start: header.start as u64,
            width,
            big,
            shape,
        })
    }

    /// Values of one entry.
    pub(crate) fn read(&self, entry: usize) -> Result<Vec<f64>, TtaError> {
        let failed = |source| TtaError::Io {
            path: self.path.clone(),
            source,
        };
        let [entries, samples, classes] = self.shape;
        let bytes = samples * classes * self.width;
        if let Some(whole) = &self.scattered {
            let mut raw = Vec::with_capacity(bytes);
            for sample in 0..samples {
                for class in 0..classes {
                    let at = (entry + entries * (sample + samples * class)) * self.width;
                    raw.extend_from_slice(&whole[at..at + self.width]);
                }
            }
            return Ok(self.numbers(raw));
        }
        let mut file = File::open(&self.path).map_err(failed)?;
        file.seek(SeekFrom::Start(self.start + (entry * bytes) as u64))
            .map_err(failed)?;
        let mut raw = vec![0; bytes];
        file.read_exact(&mut raw).map_err(failed)?;
        Ok(self.numbers(raw))
    }

    fn numbers(&self, mut raw: Vec<u8>) -> Vec<f64> {
        if self.big {
            raw.chunks_exact_mut(self.width).for_each(<[u8]>::reverse);
        }
        match self.width {
            2 => {
                let chunks = raw.as_chunks::<2>().0.iter();
                chunks
                    .map(|b| half::f16::from_le_bytes(*b).to_f64())
                    .collect()
            }
            4 => {
                let chunks = raw.as_chunks::<4>().0.iter();
                chunks.map(|b| f64::from(f32::from_le_bytes(*b))).collect()
            }
            _ => {
                let chunks = raw.as_chunks::<8>().0.iter();
                chunks.map(|b| f64::from_le_bytes(*b)).collect()
            }
        }
    }
}

/// A `.npz` archive with one array `[B, N, C]` (or `[N, C]`).
pub(crate) fn read_archive(path: &Path) -> Result<(Vec<f64>, [usize; 3]), TtaError> {
    let (values, shape) = one_array(path)?;
    match shape[..] {
        [b, n, c] => Ok((values, [b, n, c])),
        [n, c] => Ok((values, [1, n, c])),
        _ => {
            let what = format!("shape {shape:?}, expected [entries, samples, classes]");
            Err(TtaError::file(path, "npz", what))
        }
    }
}

/// One prediction file of the reference, `[N, C]`: `.npz` with one array, or `.npy`.
pub(crate) fn read_table(path: &Path) -> Result<(Vec<f64>, usize, usize), TtaError> {
    if path.extension().is_some_and(|e| e == "npy") {
        let entries = NpyEntries::open(path)?;
        let [count, rows, classes] = entries.shape;
        if count != 1 {
            let what = format!("{count} tables, expected one");
            return Err(TtaError::file(path, "npy header", what));
        }
        return Ok((entries.read(0)?, rows, classes));
    }
    let (values, shape) = one_array(path)?;
    let [rows, classes] = shape[..] else {
        let what = format!("shape {shape:?}, expected [samples, classes]");
        return Err(TtaError::file(path, "npz", what));
    };
    Ok((values, rows, classes))
}

/// The only array of an archive.
fn one_array(path: &Path) -> Result<(Vec<f64>, Vec<usize>), TtaError> {
    let arrays = read_npz(path).map_err(TtaError::from)?;
    let [(name, array)] = &arrays[..] else {
        let what = format!("{} arrays, expected one", arrays.len());
        return Err(TtaError::file(path, "npz", what));
    };
    let values = match &array.values {
        NpyValues::F16(v) | NpyValues::F32(v) => v.iter().map(|x| f64::from(*x)).collect(),
        NpyValues::F64(v) => v.clone(),
        _ => {
            let what = "integers, expected floats";
            return Err(TtaError::file(path, name, what));
        }
    };
    Ok((values, array.shape.clone()))
}

/// Whole numbers of a `.npy` file with one axis.
pub(crate) fn read_integers(path: &Path) -> Result<Vec<i64>, TtaError> {
    let array = firetender_uncertainty::read_npy(path)?;
    let bad = |what: String| TtaError::file(path, "npy", what);
    // `[N, 1]` is a column.
    if array.shape.iter().filter(|n| **n != 1).count() > 1 {
        return Err(bad(format!("shape {:?}, expected one axis", array.shape)));
    }
    match array.values {
        NpyValues::Int(values) => Ok(values),
        NpyValues::F16(values) | NpyValues::F32(values) => {
            whole(values.iter().map(|x| f64::from(*x)))
                .ok_or_else(|| bad("a number that is not whole".into()))
        }
        NpyValues::F64(values) => {
            whole(values.into_iter()).ok_or_else(|| bad("a number that is not whole".into()))
        }
        _ => Err(TtaError::Uncertainty(UncertaintyError::Input {
            what: "labels of an unknown type".into(),
        })),
    }
}

fn whole(values: impl Iterator<Item = f64>) -> Option<Vec<i64>> {
    values
        .map(|x| (x.fract() == 0.0 && x.abs() < 1e15).then_some(x as i64))
        .collect()
}
