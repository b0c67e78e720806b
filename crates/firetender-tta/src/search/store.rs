//! Where the probabilities of candidates are: in memory, or in files that are read again at every step.

mod npy;

use std::{path::Path, sync::Arc};

use firetender_uncertainty::{NpyValues, UncertaintyError, read_npz};

pub(crate) use self::npy::NpyEntries;
use super::pass::Tile32;
use crate::TtaError;

/// Takes the number of a row and its values.
pub(crate) type Rows<'a> = dyn FnMut(usize, &[f64]) -> Result<(), TtaError> + 'a;

/// Hands over the rows of one entry, one by one, so that no entry has to be in memory in `f64`.
pub(crate) type Source = Arc<dyn Fn(usize, &mut Rows<'_>) -> Result<(), TtaError> + Send + Sync>;

/// Hands over rows that lie one after the other.
pub(crate) fn each_row(
    values: &[f64],
    classes: usize,
    each: &mut Rows<'_>,
) -> Result<(), TtaError> {
    let rows = values.chunks_exact(classes.max(1)).enumerate();
    rows.into_iter().try_for_each(|(at, row)| each(at, row))
}

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

/// One prediction file of the reference, `[N, C]`: `.npz` with one array, which is read whole, or `.npy`.
pub(crate) enum Table {
    Npy(NpyEntries),
    Whole(Vec<f64>, [usize; 2]),
}

impl Table {
    pub(crate) fn open(path: &Path) -> Result<Self, TtaError> {
        if path.extension().is_some_and(|e| e == "npy") {
            let entries = NpyEntries::open(path)?;
            if entries.shape[0] != 1 {
                let what = format!("{} tables, expected one", entries.shape[0]);
                return Err(TtaError::file(path, "npy header", what));
            }
            return Ok(Self::Npy(entries));
        }
        let (values, shape) = one_array(path)?;
        let [rows, classes] = shape[..] else {
            let what = format!("shape {shape:?}, expected [samples, classes]");
            return Err(TtaError::file(path, "npz", what));
        };
        Ok(Self::Whole(values, [rows, classes]))
    }

    /// Rows and classes.
    pub(crate) fn shape(&self) -> [usize; 2] {
        match self {
            Self::Npy(entries) => [entries.shape[1], entries.shape[2]],
            Self::Whole(_, shape) => *shape,
        }
    }

    pub(crate) fn visit(&self, each: &mut Rows<'_>) -> Result<(), TtaError> {
        match self {
            Self::Npy(entries) => entries.visit(0, each),
            Self::Whole(values, shape) => each_row(values, shape[1], each),
        }
    }
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
