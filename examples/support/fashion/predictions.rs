//! Predictions small enough to be kept beside the code: one byte a class.
//!
//! A byte q stands for the log-probability `−16 (q/255)²`, after which the row is normalised again: fine where the probability is near
//! one, coarse where it hardly matters. Rounding at log-probability l errs by `2 √(16 |l|) / (255 √12)`, root mean square: 0.009 at −1, 0.016 at −3.

use std::{fs, path::Path};

use super::data::CLASSES;
use crate::{Failure, fail};

/// The lowest log-probability kept.
const FLOOR: f64 = 16.0;
/// First bytes of a file; then members and rows as 32-bit numbers, then labels, then the members' bytes.
const MAGIC: &[u8; 8] = b"fmnist-1";

/// What several members said about the same images.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// The true classes.
    pub labels: Vec<u8>,
    /// Log-probabilities `[images · 10]` of each member.
    pub members: Vec<Vec<f64>>,
}

impl Predictions {
    /// Those for the first `rows` images.
    #[must_use]
    pub fn first(&self, rows: usize) -> Self {
        let rows = rows.min(self.labels.len());
        let members = self
            .members
            .iter()
            .map(|member| member[..rows * CLASSES].to_vec());
        Self {
            labels: self.labels[..rows].to_vec(),
            members: members.collect(),
        }
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for count in [self.members.len(), self.labels.len()] {
            bytes.extend((count as u32).to_le_bytes());
        }
        bytes.extend(&self.labels);
        for value in self.members.iter().flatten() {
            let part = ((-value).clamp(0.0, FLOOR) / FLOOR).sqrt();
            bytes.push((255.0 * part).round() as u8);
        }
        bytes
    }

    /// Reads such bytes.
    ///
    /// # Errors
    /// Another kind of file, a length that does not fit, a label above 9.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Failure> {
        let Some((head, rest)) = bytes.split_at_checked(16) else {
            return fail("predictions: ends within its header");
        };
        if head[..8] != MAGIC[..] {
            return fail("predictions: not a file of predictions (another magic number)");
        }
        let number = |at: usize| {
            u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize
        };
        let (members, rows) = (number(8), number(12));
        let expected = members
            .checked_mul(CLASSES)
            .and_then(|each| each.checked_add(1))
            .and_then(|each| each.checked_mul(rows));
        if members == 0 || rows == 0 || expected != Some(rest.len()) {
            return fail(format!(
                "predictions: {members} members of {rows} rows announced, {} bytes present",
                rest.len()
            ));
        }
        let (labels, values) = rest.split_at(rows);
        if let Some(row) = labels
            .iter()
            .position(|&label| usize::from(label) >= CLASSES)
        {
            return fail(format!("predictions: label {} of row {row}", labels[row]));
        }
        let members = values
            .chunks_exact(rows * CLASSES)
            .map(|member| member.chunks_exact(CLASSES).flat_map(decode).collect())
            .collect();
        Ok(Self {
            labels: labels.to_vec(),
            members,
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes), and what the file system says; with the path.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        match fs::read(path) {
            Ok(bytes) => Self::from_bytes(&bytes)
                .or_else(|error| fail(format!("{}: {}", path.display(), error.message()))),
            Err(error) => fail(format!("{}: {error}", path.display())),
        }
    }
}

/// One row of log-probabilities, normalised.
fn decode(row: &[u8]) -> [f64; CLASSES] {
    let mut values = [0.0; CLASSES];
    for (value, &byte) in values.iter_mut().zip(row) {
        *value = -FLOOR * (f64::from(byte) / 255.0).powi(2);
    }
    firetender_uncertainty::log_softmax(&mut values);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Predictions {
        let mut state = 7_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f64 / (1_u64 << 24) as f64
        };
        let members = (0..3)
            .map(|_| {
                (0..50)
                    .flat_map(|_| {
                        let mut row: [f64; CLASSES] = std::array::from_fn(|_| 8.0 * next());
                        firetender_uncertainty::log_softmax(&mut row);
                        row
                    })
                    .collect()
            })
            .collect();
        Predictions {
            labels: (0..50).map(|row| row % 10).collect(),
            members,
        }
    }

    #[test]
    fn a_byte_a_class_is_precise_enough() {
        let exact = some();
        let back = Predictions::from_bytes(&exact.to_bytes()).unwrap();
        assert_eq!(back.labels, exact.labels);
        let (mut squares, mut count) = (0.0, 0.0);
        for (found, expected) in back
            .members
            .iter()
            .flatten()
            .zip(exact.members.iter().flatten())
        {
            if *expected > -3.0 {
                squares += (found - expected).powi(2);
                count += 1.0;
            }
        }
        let error = (squares / count).sqrt();
        // That of rounding at −3, the worst of those counted.
        assert!(count > 100.0 && error < 0.016, "{error}");
    }

    #[test]
    fn other_bytes_are_refused() {
        let good = some().to_bytes();
        for length in [0, 7, 15, 16, good.len() - 1] {
            assert!(
                Predictions::from_bytes(&good[..length]).is_err(),
                "{length}"
            );
        }
        let mut bad = good.clone();
        bad[0] = b'x';
        assert!(Predictions::from_bytes(&bad).is_err());
        bad = good.clone();
        bad[16] = 10;
        assert!(Predictions::from_bytes(&bad).is_err());
        bad = good;
        bad[8..16].fill(255);
        assert!(Predictions::from_bytes(&bad).is_err());
    }
}
