//! Files: NumPy arrays of predictions and labels, and the tables of the reference.
//!
//! Everything that is read is hostile until parsed: sizes are checked against the bytes that are there before anything is
//! allocated, and an error says the file and the place. Writes go to a temporary name that is then renamed.

mod npy;
mod npz;
mod predictions;
mod table;

pub use npy::{NpyArray, NpyHeader, NpyValues, npy_header, parse_npy, read_npy, write_npy};
pub use npz::{read_npz, read_npz_files, write_npz, write_npz_files};
pub use predictions::{Predictions, target_checksum};
pub use table::{ResultRow, ResultTable, dee_table};

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::UncertaintyError;

/// No file of predictions is larger: 50 members on 50,000 objects of 1,000 classes in `f32` are 10 GB.
const MOST: u64 = 16 << 30;

fn read_all(path: &Path) -> Result<Vec<u8>, UncertaintyError> {
    let failed = |source| UncertaintyError::Io {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(failed)?;
    let mut bytes = vec![];
    file.take(MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MOST {
        return Err(damaged(path, "file", format!("more than {MOST} bytes")));
    }
    Ok(bytes)
}

fn damaged(path: &Path, place: &str, what: impl Into<String>) -> UncertaintyError {
    UncertaintyError::File {
        path: path.to_owned(),
        place: place.to_owned(),
        what: what.into(),
    }
}

/// Writes a file whole or not at all: under a temporary name in the same folder, which is then renamed.
///
/// ```
/// use firetender_uncertainty::write_atomically;
/// let folder = tempfile::tempdir().unwrap();
/// write_atomically(&folder.path().join("a"), b"whole")?;
/// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
/// ```
///
/// # Errors
/// [`UncertaintyError::Io`]; nothing is left behind then.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), UncertaintyError> {
    write_whole(path, bytes).map_err(|source| UncertaintyError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Writes under a hidden name of its own, differing between processes and threads, then renames.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    hidden.push(format!(".{}-{count}.partial", process::id()));
    let temporary = path.with_file_name(hidden);
    let written = fs::File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written
}
