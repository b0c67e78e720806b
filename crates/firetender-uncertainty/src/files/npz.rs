//! The npz format: npy files in a zip archive, stored or deflated.

use std::{io::Read as _, path::Path};

use flate2::{Crc, read::DeflateDecoder};

use super::{NpyArray, damaged, npy::npy_bytes, npy::parse_npy, read_all, write_atomically};
use crate::UncertaintyError;

/// Deflate cannot shrink further than 1032 to 1; a directory that claims more lies.
const MOST_SHRINKING: u64 = 1032;

/// Reads all arrays of a `.npz` file, in the order of its directory, under their names without `.npy`.
///
/// # Errors
/// [`UncertaintyError::Io`]; [`UncertaintyError::File`] for an archive that is damaged, encrypted, larger than 4 GiB (zip64) or packed
/// by another method, for two arrays of one name, and as [`parse_npy`].
///
/// ```
/// use firetender_uncertainty::{NpyArray, NpyValues, read_npz, write_npz};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("a.npz");
/// let labels = NpyArray { shape: vec![2], values: NpyValues::Int(vec![3, 4]) };
/// write_npz(&path, &[("labels", &labels)])?;
/// assert_eq!(read_npz(&path)?, [("labels".to_owned(), labels)]);
/// # Ok(())
/// # }
/// ```
pub fn read_npz(path: impl AsRef<Path>) -> Result<Vec<(String, NpyArray)>, UncertaintyError> {
    let path = path.as_ref();
    let mut arrays: Vec<(String, NpyArray)> = vec![];
    for (name, content) in read_npz_files(path)? {
        let array = parse_npy(&content, &path.join(&name))?;
        let name = name.strip_suffix(".npy").unwrap_or(&name);
        if arrays.iter().any(|(other, _)| other == name) {
            return Err(damaged(path, name, "two arrays of this name"));
        }
        arrays.push((name.to_owned(), array));
    }
    Ok(arrays)
}

/// The files inside of a `.npz` archive as bytes, in the order of its directory, under their full names: for arrays that are not numbers.
///
/// # Errors
/// As [`read_npz`], but for what is inside of the files.
pub fn read_npz_files(path: impl AsRef<Path>) -> Result<Vec<(String, Vec<u8>)>, UncertaintyError> {
    let path = path.as_ref();
    let bytes = read_all(path)?;
    let mut files = vec![];
    for entry in directory(&bytes).map_err(|what| damaged(path, "zip directory", what))? {
        let content = entry
            .content(&bytes)
            .map_err(|what| damaged(path, &entry.name, what))?;
        files.push((entry.name, content));
    }
    Ok(files)
}

/// One file of the archive, as the central directory describes it.
struct Entry {
    name: String,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    header: usize,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let b = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes([b[0], b[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let b = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

/// The central directory: found from the end of the file, read in order.
fn directory(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let ended = || "the file ends inside of it".to_owned();
    // The end record has 22 bytes and a comment of at most 65,535.
    let last = bytes.len().checked_sub(22).ok_or("no zip archive")?;
    let end = (last.saturating_sub(65_535)..=last)
        .rev()
        .find(|at| bytes[*at..].starts_with(b"PK\x05\x06"))
        .ok_or("no zip archive")?;
    let count = u16_at(bytes, end + 10).ok_or_else(ended)?;
    let mut at = u32_at(bytes, end + 16).ok_or_else(ended)? as usize;
    let mut entries = vec![];
    for _ in 0..count {
        if !bytes
            .get(at..)
            .is_some_and(|b| b.starts_with(b"PK\x01\x02"))
        {
            return Err(format!("no entry at byte {at}"));
        }
        let flags = u16_at(bytes, at + 8).ok_or_else(ended)?;
        let name_length = usize::from(u16_at(bytes, at + 28).ok_or_else(ended)?);
        let extra = usize::from(u16_at(bytes, at + 30).ok_or_else(ended)?);
        let comment = usize::from(u16_at(bytes, at + 32).ok_or_else(ended)?);
        let name = bytes
            .get(at + 46..at + 46 + name_length)
            .ok_or_else(ended)?;
        let name = String::from_utf8_lossy(name).into_owned();
        if flags & 1 != 0 {
            return Err(format!("{name} is encrypted"));
        }
        let packed = u32_at(bytes, at + 20).ok_or_else(ended)?;
        let size = u32_at(bytes, at + 24).ok_or_else(ended)?;
        if packed == u32::MAX || size == u32::MAX {
            return Err(format!("{name} is larger than 4 GiB"));
        }
        entries.push(Entry {
            name,
            method: u16_at(bytes, at + 10).ok_or_else(ended)?,
            crc: u32_at(bytes, at + 16).ok_or_else(ended)?,
            packed: u64::from(packed),
            size: u64::from(size),
            header: u32_at(bytes, at + 42).ok_or_else(ended)? as usize,
        });
        at += 46 + name_length + extra + comment;
    }
    Ok(entries)
}

impl Entry {
    fn content(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let at = self.header;
        if !bytes
            .get(at..)
            .is_some_and(|b| b.starts_with(b"PK\x03\x04"))
        {
            return Err(format!("no file at byte {at}"));
        }
        let ended = || "the archive ends inside of it".to_owned();
        let name = usize::from(u16_at(bytes, at + 26).ok_or_else(ended)?);
        let extra = usize::from(u16_at(bytes, at + 28).ok_or_else(ended)?);
        let start = at + 30 + name + extra;
        let packed = start
            .checked_add(self.packed as usize)
            .and_then(|end| bytes.get(start..end))
            .ok_or_else(ended)?;
        if self.size > self.packed.saturating_mul(MOST_SHRINKING) {
            return Err(format!(
                "{} bytes are said to unpack to {}",
                self.packed, self.size
            ));
        }
        let mut content = vec![];
        match self.method {
            0 => content.extend_from_slice(packed),
            8 => {
                DeflateDecoder::new(packed)
                    .take(self.size + 1)
                    .read_to_end(&mut content)
                    .map_err(|error| format!("cannot be unpacked: {error}"))?;
            }
            other => return Err(format!("packed by method {other}, expected 0 or 8")),
        }
        if content.len() as u64 != self.size {
            return Err(format!("{} bytes, expected {}", content.len(), self.size));
        }
        let mut crc = Crc::new();
        crc.update(&content);
        if crc.sum() != self.crc {
            return Err("the checksum is wrong".into());
        }
        Ok(content)
    }
}

/// Writes arrays into a `.npz` file, not compressed, atomically; the same arrays give the same bytes.
///
/// # Errors
/// [`UncertaintyError::Io`]; as [`write_npy`](super::write_npy); [`UncertaintyError::Input`] when the archive would be larger than 4 GiB.
pub fn write_npz(
    path: impl AsRef<Path>,
    arrays: &[(&str, &NpyArray)],
) -> Result<(), UncertaintyError> {
    let files = arrays
        .iter()
        .map(|(name, array)| Ok((format!("{name}.npy"), npy_bytes(array)?)))
        .collect::<Result<Vec<_>, UncertaintyError>>()?;
    write_npz_files(path, &files)
}

/// Writes files, given by full name and bytes, into an archive as [`write_npz`] does.
///
/// # Errors
/// [`UncertaintyError::Io`]; [`UncertaintyError::Input`] when the archive would be larger than 4 GiB.
pub fn write_npz_files(
    path: impl AsRef<Path>,
    files: &[(String, Vec<u8>)],
) -> Result<(), UncertaintyError> {
    let mut bytes: Vec<u8> = vec![];
    let mut directory: Vec<u8> = vec![];
    for (name, content) in files {
        let mut crc = Crc::new();
        crc.update(content);
        let too_large = |_| UncertaintyError::input(format!("{name} would lie beyond 4 GiB"));
        let size = u32::try_from(content.len()).map_err(too_large)?;
        let offset = u32::try_from(bytes.len()).map_err(too_large)?;
        // Version 2.0, no flags, stored, 1 January 1980.
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        common.extend(crc.sum().to_le_bytes());
        common.extend(size.to_le_bytes());
        common.extend(size.to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(content);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let too_large = |_| UncertaintyError::input("the archive would be larger than 4 GiB");
    let start = u32::try_from(bytes.len()).map_err(too_large)?;
    let length = u32::try_from(directory.len()).map_err(too_large)?;
    let count = (files.len() as u16).to_le_bytes();
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\x00\x00\x00\x00");
    bytes.extend(count);
    bytes.extend(count);
    bytes.extend(length.to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    write_atomically(path.as_ref(), &bytes)
}
