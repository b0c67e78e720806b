//! Colour images of 8 bits a channel, on the host.
//!
//! Image operations are exact to the byte, and their reference is Pillow, so they work on bytes and not on tensors. A finished
//! batch becomes a tensor in one call ([`batch`]). Images that are on a device already are augmented there ([`crate::apply_batch`]).

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::TtaError;

/// No side is longer.
pub const MOST_SIDE: usize = 16_384;

/// Red, green and blue of every pixel, row after row from the top: `pixels[3 (y · width + x) + channel]`.
///
/// ```
/// use firetender_tta::RgbImage;
/// let image = RgbImage::new(2, 1, vec![255, 0, 0, 0, 0, 255])?;
/// assert_eq!(image.pixel(1, 0), [0, 0, 255]);
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RgbImage {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl RgbImage {
    /// An image of these pixels.
    ///
    /// # Errors
    /// [`TtaError::ImageSize`] for a side of zero or above [`MOST_SIDE`]; [`TtaError::Length`] for another number of bytes.
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Result<Self, TtaError> {
        check_size(width, height)?;
        let expected = 3 * width * height;
        if pixels.len() != expected {
            return Err(TtaError::Length {
                what: "bytes of an image",
                found: pixels.len(),
                expected,
            });
        }
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// An image whose three channels are all `grey`, row after row.
    ///
    /// # Errors
    /// As [`RgbImage::new`].
    pub fn from_grey(width: usize, height: usize, grey: &[u8]) -> Result<Self, TtaError> {
        Self::new(width, height, grey.iter().flat_map(|g| [*g; 3]).collect())
    }

    /// An image of one colour.
    ///
    /// # Errors
    /// [`TtaError::ImageSize`].
    pub fn filled(width: usize, height: usize, colour: [u8; 3]) -> Result<Self, TtaError> {
        check_size(width, height)?;
        Self::new(width, height, colour.repeat(width * height))
    }

    /// Sizes have been checked.
    pub(crate) fn raw(width: usize, height: usize, pixels: Vec<u8>) -> Self {
        debug_assert_eq!(pixels.len(), 3 * width * height);
        Self {
            width,
            height,
            pixels,
        }
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// All bytes.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// All bytes, to be changed in place.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// One pixel.
    ///
    /// # Panics
    /// Outside of the image.
    #[must_use]
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        assert!(x < self.width && y < self.height, "({x}, {y}) lies outside");
        let at = 3 * (y * self.width + x);
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }

    /// One row.
    pub(crate) fn row(&self, y: usize) -> &[u8] {
        &self.pixels[3 * y * self.width..3 * (y + 1) * self.width]
    }
}

/// Whether an image may have these sides.
pub(crate) fn check_size(width: usize, height: usize) -> Result<(), TtaError> {
    if (1..=MOST_SIDE).contains(&width) && (1..=MOST_SIDE).contains(&height) {
        return Ok(());
    }
    Err(TtaError::ImageSize { width, height })
}

/// How bytes become the numbers that a network was trained on: `(x / 255 − mean) / std` of each channel; one channel takes the red.
///
/// It belongs to the network, not to the policy. [`Normalisation::none`] leaves values from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// Of each channel.
    pub mean: Vec<f32>,
    /// Of each channel.
    pub std: Vec<f32>,
}

impl Normalisation {
    /// Three channels, values from 0 to 1.
    #[must_use]
    pub fn none() -> Self {
        Self {
            mean: vec![0.0; 3],
            std: vec![1.0; 3],
        }
    }

    /// One channel (grey images), values from 0 to 1.
    #[must_use]
    pub fn grey() -> Self {
        Self {
            mean: vec![0.0],
            std: vec![1.0],
        }
    }

    /// CIFAR's, as residual networks there are trained with.
    #[must_use]
    pub fn cifar() -> Self {
        Self {
            mean: vec![0.4914, 0.4822, 0.4465],
            std: vec![0.2023, 0.1994, 0.2010],
        }
    }

    /// `ImageNet`'s.
    #[must_use]
    pub fn imagenet() -> Self {
        Self {
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.229, 0.224, 0.225],
        }
    }

    /// Networks that expect one or three channels.
    pub(crate) fn check(&self) -> Result<(), TtaError> {
        let fine = self.mean.len() == self.std.len()
            && [1, 3].contains(&self.mean.len())
            && self.std.iter().all(|s| *s > 0.0 && s.is_finite())
            && self.mean.iter().all(|m| m.is_finite());
        if fine {
            return Ok(());
        }
        Err(TtaError::option(
            "normalisation",
            format!("{self:?}"),
            "one or three finite means and as many positive deviations",
        ))
    }
}

/// Images of one size as a tensor `[n, channels, height, width]` on a device.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_tta::{Normalisation, RgbImage, batch};
/// let image = RgbImage::filled(4, 2, [255, 0, 51])?;
/// let tensor = batch(&[image], &Normalisation::none(), &Device::flex())?;
/// assert_eq!(tensor.dims(), [1, 3, 2, 4]);
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
///
/// # Errors
/// [`TtaError::Empty`] without images, [`TtaError::Mismatch`] for images of different sizes, [`TtaError::Options`] for a
/// normalisation that is none.
pub fn batch(
    images: &[RgbImage],
    normalisation: &Normalisation,
    device: &Device,
) -> Result<Tensor<4>, TtaError> {
    normalisation.check()?;
    // One table a channel: 256 values are all there are.
    let tables: Vec<[f32; 256]> = normalisation
        .mean
        .iter()
        .zip(&normalisation.std)
        .map(|(mean, std)| std::array::from_fn(|x| (x as f32 / 255.0 - mean) / std))
        .collect();
    planes(images, &tables, device)
}

/// Each channel of images of one size through its table, as planes.
pub(crate) fn planes(
    images: &[RgbImage],
    tables: &[[f32; 256]],
    device: &Device,
) -> Result<Tensor<4>, TtaError> {
    let first = images.first().ok_or(TtaError::Empty { what: "images" })?;
    let (width, height) = (first.width, first.height);
    if let Some(at) = images
        .iter()
        .position(|i| (i.width, i.height) != (width, height))
    {
        return Err(TtaError::Mismatch {
            place: format!("image {at} of a batch"),
            field: "size",
            found: format!("{} × {}", images[at].width, images[at].height),
            expected: format!("{width} × {height}, as the first"),
        });
    }
    let (channels, area) = (tables.len(), width * height);
    let mut values = vec![0.0_f32; images.len() * channels * area];
    values
        .par_chunks_mut(channels * area)
        .zip(images)
        .for_each(|(out, image)| {
            for (channel, (plane, table)) in out.chunks_mut(area).zip(tables).enumerate() {
                for (to, from) in plane.iter_mut().zip(image.pixels.chunks_exact(3)) {
                    *to = table[usize::from(from[channel])];
                }
            }
        });
    Ok(Tensor::from_data(
        TensorData::new(values, [images.len(), channels, height, width]),
        device,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked() {
        assert!(matches!(
            RgbImage::new(0, 3, vec![]),
            Err(TtaError::ImageSize { .. })
        ));
        assert!(matches!(
            RgbImage::new(1, 1, vec![0]),
            Err(TtaError::Length { .. })
        ));
        assert!(RgbImage::filled(MOST_SIDE + 1, 1, [0; 3]).is_err());
    }

    #[test]
    fn the_way_to_floats_loses_nothing() {
        let bytes: Vec<u8> = (0..=255).collect();
        let image = RgbImage::from_grey(256, 1, &bytes).unwrap();
        let tensor = batch(&[image], &Normalisation::none(), &Device::flex()).unwrap();
        let back: Vec<f32> = tensor.into_data().try_to_vec().unwrap();
        for (byte, value) in bytes.iter().zip(&back) {
            assert_eq!((value * 255.0) as u8, *byte);
        }
    }

    #[test]
    fn batches_are_planes() {
        let image = RgbImage::new(1, 2, vec![0, 51, 255, 255, 102, 0]).unwrap();
        let values = |n: &Normalisation| -> Vec<f32> {
            let tensor = batch(std::slice::from_ref(&image), n, &Device::flex()).unwrap();
            tensor.into_data().try_to_vec().unwrap()
        };
        assert_eq!(
            values(&Normalisation::none()),
            [0.0, 1.0, 0.2, 0.4, 1.0, 0.0]
        );
        assert_eq!(values(&Normalisation::grey()), [0.0, 1.0]);
        let broken = Normalisation {
            mean: vec![0.0],
            std: vec![0.0],
        };
        assert!(batch(&[image], &broken, &Device::flex()).is_err());
    }
}
