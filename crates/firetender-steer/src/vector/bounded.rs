//! Vector files are read whole, but never more of them than any real one has.

use std::{fs, io::Read, path::Path};

use crate::SteerError;

/// Larger than any vector of a real model: 256 layers of width 131,072 with room for metadata.
pub(super) const MAX_FILE: u64 = 256 << 20;

/// The bytes of a file, `limit` of them at most.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, SteerError> {
    let io = |source| SteerError::Io {
        path: path.into(),
        source,
    };
    let too_large = |found| SteerError::TooLarge {
        path: path.into(),
        found,
        limit,
    };
    let file = fs::File::open(path).map_err(io)?;
    let reported = file.metadata().map_err(io)?.len();
    if reported > limit {
        return Err(too_large(reported));
    }
    // A pipe or a growing file reports less than it gives.
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}
