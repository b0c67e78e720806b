//! Bare matrices `[layers, width]`: `.npy`, a two-dimensional tensor in a safetensors file, or raw 32-bit numbers (ds4).
//!
//! Row `i` is the direction of layer `i`, and a row of zeros is none. A matrix says nothing about the site that it belongs to
//! (serving plug-ins mean the residual stream after each block, ds4 what the feed-forward part or attention adds), so an import
//! asks.

mod npy;

use std::{collections::BTreeMap, path::Path};

use firetender_lm::write_atomically;
use safetensors::{Dtype, SafeTensors};

use super::{
    ImportOptions, Imported, SteeringVector, VectorFormat,
    import::{imported, place_in_depth},
};
use crate::SteerError;

/// A direction for every layer, zeros where there is none.
///
/// ```
/// use firetender_hooks::SiteKind;
/// use firetender_steer::{DirectionMatrix, ImportOptions};
/// let matrix = DirectionMatrix::new(2, vec![0.0, 0.0, 3.0, 4.0])?;
/// let vector = matrix.to_vector(&ImportOptions::new().with_site(SiteKind::MlpOut))?.vector;
/// assert_eq!((vector.n_layers(), vector.norm(1), vector.norm(0)), (2, Some(5.0), None));
/// assert_eq!(DirectionMatrix::from_vector(&vector), matrix);
/// # Ok::<(), firetender_steer::SteerError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DirectionMatrix {
    width: usize,
    numbers: Vec<f32>,
}

impl DirectionMatrix {
    /// From numbers row by row.
    ///
    /// # Errors
    /// [`SteerError::Input`] unless they make whole rows, at least one.
    pub fn new(width: usize, numbers: Vec<f32>) -> Result<Self, SteerError> {
        if width == 0 || numbers.is_empty() || !numbers.len().is_multiple_of(width) {
            let what = format!(
                "a matrix of {} numbers with rows of {width}; expected whole rows",
                numbers.len()
            );
            return Err(SteerError::Input { what });
        }
        Ok(Self { width, numbers })
    }

    /// The directions of a vector; layers without one get zeros.
    #[must_use]
    pub fn from_vector(vector: &SteeringVector) -> Self {
        let width = vector.width();
        let rows = if vector.site().per_layer() {
            vector.n_layers()
        } else {
            1
        };
        let mut numbers = vec![0.0; rows * width];
        for (layer, direction) in vector.directions() {
            numbers[layer * width..][..width].copy_from_slice(direction);
        }
        Self { width, numbers }
    }

    /// Reads the bytes of an `.npy` file, of a safetensors file with one tensor of two dimensions, or, where `path` ends in
    /// `.f32`, `.bin` or `.raw`, of bare numbers in rows of `width`. `path` names them in errors.
    ///
    /// # Errors
    /// [`SteerError::File`] for anything else, numbers of another type than 32-bit (64-bit too in `.npy`), or a size that does not
    /// fit; [`SteerError::Input`] for bare numbers without a width.
    pub fn parse(path: &Path, bytes: &[u8], width: Option<usize>) -> Result<Self, SteerError> {
        let fail = |place: &str, what: String| {
            Err(SteerError::File {
                path: path.into(),
                place: place.into(),
                what,
            })
        };
        let (rows, width, numbers) = match VectorFormat::detect(path, bytes)? {
            VectorFormat::Npy => match npy::read(bytes) {
                Ok(([rows, width], numbers)) => (rows, width, numbers),
                Err(what) => return fail("header", what),
            },
            VectorFormat::Safetensors => {
                let file = match SafeTensors::deserialize(bytes) {
                    Ok(file) => file,
                    Err(error) => return fail("header", error.to_string()),
                };
                let tensors = file.tensors();
                let [(name, tensor)] = tensors.as_slice() else {
                    let what = format!("{} tensors; expected one matrix", tensors.len());
                    return fail("header", what);
                };
                let (Dtype::F32, [rows, width]) = (tensor.dtype(), tensor.shape()) else {
                    let what = format!(
                        "{:?} of shape {:?}; expected F32 of shape [layers, width]",
                        tensor.dtype(),
                        tensor.shape()
                    );
                    return fail(name, what);
                };
                (*rows, *width, floats(tensor.data()))
            }
            _ => {
                let Some(width) = width else {
                    let what = format!(
                        "{}: bare numbers do not say how wide a row is; give the width",
                        path.display()
                    );
                    return Err(SteerError::Input { what });
                };
                let row = width.saturating_mul(4);
                if row == 0 || !bytes.len().is_multiple_of(row) {
                    let what = format!(
                        "{} bytes; expected a multiple of {row}, a row of {width} 32-bit numbers",
                        bytes.len()
                    );
                    return fail("size", what);
                }
                (bytes.len() / row, width, floats(bytes))
            }
        };
        if rows == 0 || width == 0 {
            let what = format!("a matrix of {rows} rows of {width} numbers");
            return fail("shape", what);
        }
        Self::new(width, numbers)
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.numbers.len() / self.width
    }

    /// Length of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The numbers, row by row.
    #[must_use]
    pub fn numbers(&self) -> &[f32] {
        &self.numbers
    }

    /// The vector for the site that the options name. A model of another depth than the matrix has rows is refused.
    ///
    /// # Errors
    /// [`SteerError::Input`] without a site; [`SteerError::Mismatch`] for another depth; and as [`SteeringVector::new`].
    pub fn to_vector(&self, options: &ImportOptions) -> Result<Imported, SteerError> {
        let Some(site) = options.site else {
            let what =
                "a bare matrix does not say which site its rows belong to; give the site".into();
            return Err(SteerError::Input { what });
        };
        let rows = self.rows();
        let expected = options.layers.unwrap_or(rows);
        let places = if site.per_layer() { expected } else { 1 };
        if rows != places {
            return Err(SteerError::Mismatch {
                place: "matrix of directions".into(),
                field: "number of rows",
                found: rows.to_string(),
                expected: format!("{places}, one for each {site} of the model"),
            });
        }
        let rows = self.numbers.chunks(self.width).enumerate();
        let directions: BTreeMap<usize, Vec<f32>> = rows
            .filter(|(_, row)| row.iter().any(|x| *x != 0.0))
            .map(|(layer, row)| (layer, row.to_vec()))
            .collect();
        let mut notes = vec![];
        let (directions, depth) = place_in_depth(directions, Some(expected), &mut notes);
        let about = imported(VectorFormat::Npy, options.generator, "", notes);
        options.finish(None, site, depth, directions, about)
    }

    /// Writes an `.npy` file under a temporary name, then renames it.
    ///
    /// # Errors
    /// [`SteerError::Io`].
    pub fn save_npy(&self, path: impl AsRef<Path>) -> Result<(), SteerError> {
        let header = npy::header([self.rows(), self.width]);
        self.write(path.as_ref(), header)
    }

    /// Writes bare little-endian numbers under a temporary name, then renames the file.
    ///
    /// # Errors
    /// [`SteerError::Io`].
    pub fn save_f32(&self, path: impl AsRef<Path>) -> Result<(), SteerError> {
        self.write(path.as_ref(), vec![])
    }

    fn write(&self, path: &Path, mut bytes: Vec<u8>) -> Result<(), SteerError> {
        bytes.extend(self.numbers.iter().flat_map(|x| x.to_le_bytes()));
        write_atomically(path, &bytes).map_err(|source| SteerError::Io {
            path: path.into(),
            source,
        })
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let numbers = bytes.as_chunks().0.iter();
    numbers.map(|b| f32::from_le_bytes(*b)).collect()
}

#[cfg(test)]
mod tests;
