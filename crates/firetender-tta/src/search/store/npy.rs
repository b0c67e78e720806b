//! `.npy` files of predictions, read by blocks of rows.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Rows;
use crate::TtaError;

/// Numbers that are read at once.
const BLOCK: usize = 1 << 16;

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

    /// Calls `each` with every row of one entry, reading a block at a time.
    pub(crate) fn visit(&self, entry: usize, each: &mut Rows<'_>) -> Result<(), TtaError> {
        let failed = |source| TtaError::Io {
            path: self.path.clone(),
            source,
        };
        let [entries, samples, classes] = self.shape;
        let block = (BLOCK / classes.max(1)).max(1);
        let mut file = None;
        if self.scattered.is_none() {
            let mut opened = File::open(&self.path).map_err(failed)?;
            let before = entry as u64 * (samples * classes * self.width) as u64;
            opened
                .seek(SeekFrom::Start(self.start + before))
                .map_err(failed)?;
            file = Some(opened);
        }
        let mut raw = vec![];
        let mut first = 0;
        while first < samples {
            let rows = block.min(samples - first);
            if let Some(file) = &mut file {
                raw.resize(rows * classes * self.width, 0);
                file.read_exact(&mut raw).map_err(failed)?;
            } else if let Some(whole) = &self.scattered {
                raw.clear();
                for sample in first..first + rows {
                    for class in 0..classes {
                        let at = (entry + entries * (sample + samples * class)) * self.width;
                        raw.extend_from_slice(&whole[at..at + self.width]);
                    }
                }
            }
            let values = self.numbers(&mut raw);
            for (at, row) in values.chunks_exact(classes.max(1)).enumerate() {
                each(first + at, row)?;
            }
            first += rows;
        }
        Ok(())
    }

    fn numbers(&self, raw: &mut [u8]) -> Vec<f64> {
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
