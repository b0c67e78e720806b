//! Reading the four files of Fashion-MNIST, gzipped or not.

use std::{fs, io::Read, path::Path};

use burn::tensor::{Device, Int, Tensor, TensorData};
use flate2::read::GzDecoder;

use crate::{Failure, fail};

/// Where Debian's package `dataset-fashion-mnist` puts the files.
pub const FOLDER: &str = "/usr/share/datasets/fashion-mnist";
/// T-shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot.
pub const CLASSES: usize = 10;
/// Pixels on a side.
pub const SIDE: usize = 28;

/// Which half of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// 60,000 images.
    Train,
    /// 10,000 images.
    Test,
}

/// Grey images of 28 by 28 pixels and what they show.
#[derive(Debug, Clone)]
pub struct Images {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Images {
    /// Reads one split from a folder with the files' original names, with or without `.gz`.
    ///
    /// # Errors
    /// A file that is missing, is no IDX file of bytes, or whose sizes do not fit.
    pub fn read(folder: &Path, split: Split) -> Result<Self, Failure> {
        let name = match split {
            Split::Train => "train",
            Split::Test => "t10k",
        };
        let (count, pixels) = idx(folder, &format!("{name}-images-idx3-ubyte"), &[SIDE, SIDE])?;
        let (labelled, labels) = idx(folder, &format!("{name}-labels-idx1-ubyte"), &[])?;
        if count != labelled {
            return fail(format!(
                "{count} images but {labelled} labels in {}",
                folder.display()
            ));
        }
        if let Some(row) = labels
            .iter()
            .position(|&label| usize::from(label) >= CLASSES)
        {
            return fail(format!("label {} of image {row} is above 9", labels[row]));
        }
        Ok(Self { pixels, labels })
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The first `count`, or all where there are fewer.
    #[must_use]
    pub fn first(mut self, count: usize) -> Self {
        let count = count.min(self.len());
        self.labels.truncate(count);
        self.pixels.truncate(count * SIDE * SIDE);
        self
    }

    /// Those with these numbers, as far as there are any.
    #[must_use]
    pub fn range(&self, range: std::ops::Range<usize>) -> Self {
        let (start, end) = (range.start.min(self.len()), range.end.min(self.len()));
        Self {
            pixels: self.pixels[start * SIDE * SIDE..end * SIDE * SIDE].to_vec(),
            labels: self.labels[start..end].to_vec(),
        }
    }

    /// The classes, 0 to 9.
    #[must_use]
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The pixels of one image, row by row, 0 (background) to 255.
    ///
    /// # Panics
    /// Beyond the last image.
    #[must_use]
    pub fn pixels(&self, index: usize) -> &[u8] {
        &self.pixels[index * SIDE * SIDE..(index + 1) * SIDE * SIDE]
    }

    /// These images as a tensor `[rows, 1, 28, 28]` with values from 0 to 1, each pixel block passed through `change` first.
    ///
    /// # Panics
    /// On an index beyond the last image.
    pub fn tensor(
        &self,
        rows: &[usize],
        device: &Device,
        mut change: impl FnMut(usize, &[u8], &mut [f32]),
    ) -> Tensor<4> {
        let mut values = vec![0.0_f32; rows.len() * SIDE * SIDE];
        for (place, &row) in rows.iter().enumerate() {
            let to = &mut values[place * SIDE * SIDE..(place + 1) * SIDE * SIDE];
            change(place, self.pixels(row), to);
        }
        Tensor::from_data(TensorData::new(values, [rows.len(), 1, SIDE, SIDE]), device)
    }

    /// These images unchanged, `[rows, 1, 28, 28]`.
    ///
    /// # Panics
    /// On an index beyond the last image.
    #[must_use]
    pub fn plain(&self, rows: &[usize], device: &Device) -> Tensor<4> {
        self.tensor(rows, device, |_, from, to| {
            for (to, &from) in to.iter_mut().zip(from) {
                *to = f32::from(from) / 255.0;
            }
        })
    }

    /// The classes of these images, `[rows]`.
    ///
    /// # Panics
    /// On an index beyond the last image.
    #[must_use]
    pub fn targets(&self, rows: &[usize], device: &Device) -> Tensor<1, Int> {
        let labels: Vec<i64> = rows
            .iter()
            .map(|&row| i64::from(self.labels[row]))
            .collect();
        Tensor::from_data(TensorData::new(labels, [rows.len()]), device)
    }
}

/// Items and bytes of an IDX file whose items have these sizes.
fn idx(folder: &Path, name: &str, item: &[usize]) -> Result<(usize, Vec<u8>), Failure> {
    let plain = folder.join(name);
    let zipped = folder.join(format!("{name}.gz"));
    // More than the largest file of the data set; what is longer is something else.
    const MOST: u64 = 64 << 20;
    let mut bytes = vec![];
    let read = if plain.exists() {
        fs::File::open(&plain).and_then(|file| file.take(MOST).read_to_end(&mut bytes))
    } else {
        fs::File::open(&zipped)
            .and_then(|file| GzDecoder::new(file).take(MOST).read_to_end(&mut bytes))
    };
    if let Err(error) = read {
        return fail(format!(
            "{}: {error}; the files come with Debian's package dataset-fashion-mnist",
            zipped.display()
        ));
    }
    let place = if plain.exists() { plain } else { zipped };
    let number = |at: usize| -> Option<usize> {
        let four = bytes.get(at..at + 4)?;
        usize::try_from(u32::from_be_bytes(four.try_into().ok()?)).ok()
    };
    let rank = item.len() + 1;
    if bytes.get(..4) != Some(&[0, 0, 8, rank as u8]) {
        return fail(format!(
            "{}: not an IDX file of bytes of rank {rank}",
            place.display()
        ));
    }
    let Some(count) = number(4) else {
        return fail(format!("{}: ends within its header", place.display()));
    };
    for (axis, &size) in item.iter().enumerate() {
        if number(8 + 4 * axis) != Some(size) {
            return fail(format!("{}: expected items of {item:?}", place.display()));
        }
    }
    let header = 4 + 4 * rank;
    let expected = count.checked_mul(item.iter().product());
    if count == 0 || expected != Some(bytes.len() - header.min(bytes.len())) {
        return fail(format!(
            "{}: {count} items announced, {} bytes present",
            place.display(),
            bytes.len().saturating_sub(header)
        ));
    }
    bytes.drain(..header);
    Ok((count, bytes))
}
