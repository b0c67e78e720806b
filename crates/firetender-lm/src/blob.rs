//! Bytes of a weight file, read by position and never further than they reach.
//!
//! Every format of this crate is read through a [`Blob`]: a regular file or bytes in memory, of known length. A request beyond
//! the end is an error *before* anything is allocated, so a file that lies about its sizes costs no memory. Tensors are read in
//! pieces of about a mebibyte, so the largest cost of reading one is its `f32` values.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::LmError;

/// About how many stored bytes are held while a tensor is converted.
const PIECE: usize = 1 << 20;

/// How many bytes of each end of a tensor stand for it in a fingerprint.
const SAMPLE: u64 = 256;

enum Bytes {
    File(Mutex<File>),
    Memory(Cow<'static, [u8]>),
}

/// Bytes of known length with a name for error messages.
pub(crate) struct Blob {
    place: String,
    len: u64,
    bytes: Bytes,
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blob")
            .field("place", &self.place)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl Blob {
    /// Opens a regular file; pipes and devices, which have no length, are refused.
    pub(crate) fn open(path: &Path) -> Result<Self, LmError> {
        let io = |source| LmError::Io {
            path: path.to_path_buf(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(LmError::Format {
                place: path.display().to_string(),
                what: "expected a regular file".into(),
            });
        }
        Ok(Self {
            place: path.display().to_string(),
            len: metadata.len(),
            bytes: Bytes::File(Mutex::new(file)),
        })
    }

    /// Bytes in memory; `place` names them in errors.
    pub(crate) fn memory(place: impl Into<String>, bytes: Cow<'static, [u8]>) -> Self {
        Self {
            place: place.into(),
            len: bytes.len() as u64,
            bytes: Bytes::Memory(bytes),
        }
    }

    /// The file's name.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Number of bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Checks that `count` bytes exist at `offset`.
    pub(crate) fn check_range(&self, what: &str, offset: u64, count: u64) -> Result<(), LmError> {
        if offset.checked_add(count).is_none_or(|end| end > self.len) {
            return Err(LmError::Truncated {
                place: self.place.clone(),
                what: what.into(),
                offset,
                needed: count,
                available: self.len.saturating_sub(offset),
            });
        }
        Ok(())
    }

    /// Fills `into` from `offset`.
    pub(crate) fn read_at(&self, what: &str, offset: u64, into: &mut [u8]) -> Result<(), LmError> {
        self.check_range(what, offset, into.len() as u64)?;
        match &self.bytes {
            Bytes::Memory(bytes) => {
                // In range as checked above, and a length in memory fits `usize`.
                let start = offset as usize;
                into.copy_from_slice(&bytes[start..start + into.len()]);
                Ok(())
            }
            Bytes::File(file) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(offset))
                    .and_then(|_| file.read_exact(into))
                    .map_err(|source| LmError::Io {
                        path: self.place.clone().into(),
                        source,
                    })
            }
        }
    }

    /// `count` bytes from `offset`.
    pub(crate) fn read_vec(&self, what: &str, offset: u64, count: u64) -> Result<Vec<u8>, LmError> {
        self.check_range(what, offset, count)?;
        // A range inside memory or a file that is about to be held in memory.
        let mut out = vec![0; usize::try_from(count).unwrap_or(usize::MAX)];
        self.read_at(what, offset, &mut out)?;
        Ok(out)
    }

    /// Reads `count` bytes in pieces of whole units and hands each piece to `convert`.
    pub(crate) fn read_pieces(
        &self,
        what: &str,
        offset: u64,
        count: u64,
        unit: usize,
        mut convert: impl FnMut(&[u8]),
    ) -> Result<(), LmError> {
        self.check_range(what, offset, count)?;
        let step = (PIECE / unit).max(1) * unit;
        let mut piece = vec![0; step.min(usize::try_from(count).unwrap_or(usize::MAX))];
        let mut done = 0;
        while done < count {
            let now = (count - done).min(piece.len() as u64);
            let part = &mut piece[..now as usize];
            self.read_at(what, offset + done, part)?;
            convert(part);
            done += now;
        }
        Ok(())
    }

    /// The first and last bytes of a range, for a fingerprint.
    pub(crate) fn sample(&self, what: &str, offset: u64, count: u64) -> Result<Vec<u8>, LmError> {
        self.check_range(what, offset, count)?;
        let head = count.min(SAMPLE);
        let tail = (count - head).min(SAMPLE);
        let mut out = self.read_vec(what, offset, head)?;
        out.extend(self.read_vec(what, offset + count - tail, tail)?);
        Ok(out)
    }
}

/// Reads a small text-like file whole, refusing more than `limit` bytes.
pub(crate) fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>, LmError> {
    let blob = Blob::open(path)?;
    check_limit(blob.place(), "file size in bytes", blob.len(), limit)?;
    blob.read_vec("the file", 0, blob.len())
}

/// Refuses a count above its limit.
pub(crate) fn check_limit(place: &str, what: &str, found: u64, limit: u64) -> Result<(), LmError> {
    if found > limit {
        return Err(LmError::Limit {
            place: place.into(),
            what: what.into(),
            found,
            limit,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_inside_and_refuses_outside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, b"0123456789").unwrap();
        for blob in [
            Blob::open(&path).unwrap(),
            Blob::memory("x", Cow::Borrowed(b"0123456789")),
        ] {
            assert_eq!(blob.read_vec("t", 3, 4).unwrap(), b"3456");
            assert_eq!(blob.read_vec("t", 10, 0).unwrap(), b"");
            for (offset, count) in [(3, 8), (11, 0), (u64::MAX, 1), (1, u64::MAX), (0, 1 << 60)] {
                let error = blob.read_vec("tensor `t`", offset, count).unwrap_err();
                assert!(matches!(error, LmError::Truncated { .. }), "{error}");
                assert!(error.to_string().contains("tensor `t`"), "{error}");
            }
            let mut seen = Vec::new();
            blob.read_pieces("t", 1, 8, 2, |piece| seen.extend_from_slice(piece))
                .unwrap();
            assert_eq!(seen, b"12345678");
            assert_eq!(blob.sample("t", 0, 10).unwrap(), b"0123456789");
        }
        assert!(Blob::open(folder.path()).is_err());
        assert!(
            read_small(&path, 9)
                .unwrap_err()
                .to_string()
                .contains("limit")
        );
    }
}
