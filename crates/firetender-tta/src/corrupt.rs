//! Corruptions that can be made from formulas, in five severities, for measuring robustness.
//!
//! In the manner of Hendrycks and Dietterich's benchmark, but not it: kinds that need other images or codecs (frost, fog, JPEG, …) are left
//! out, and random ones draw from this crate's streams. Compare methods on these images with each other, never with published numbers.

use serde::{Deserialize, Serialize};

use crate::{Address, Draw, RgbImage, TtaError};

/// A kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Corruption {
    /// Normal noise on every value.
    GaussianNoise,
    /// Noise whose variance grows with the value (a normal approximation of counting).
    ShotNoise,
    /// Values replaced by 0 or 255.
    ImpulseNoise,
    /// Noise in proportion to the value.
    SpeckleNoise,
    /// Smoothed by a normal kernel.
    GaussianBlur,
    /// A constant added.
    Brightness,
    /// Values drawn to the mean of their channel.
    Contrast,
    /// Blocks of one colour.
    Pixelate,
}

impl Corruption {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::GaussianNoise,
        Self::ShotNoise,
        Self::ImpulseNoise,
        Self::SpeckleNoise,
        Self::GaussianBlur,
        Self::Brightness,
        Self::Contrast,
        Self::Pixelate,
    ];

    /// Name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GaussianNoise => "gaussian_noise",
            Self::ShotNoise => "shot_noise",
            Self::ImpulseNoise => "impulse_noise",
            Self::SpeckleNoise => "speckle_noise",
            Self::GaussianBlur => "gaussian_blur",
            Self::Brightness => "brightness",
            Self::Contrast => "contrast",
            Self::Pixelate => "pixelate",
        }
    }

    /// The damaged image; `severity` from 1 to 5. Noise is a function of the address. Host, `f64`.
    ///
    /// ```
    /// use firetender_tta::{Address, Corruption, RgbImage};
    /// let image = RgbImage::filled(8, 8, [100, 150, 200])?;
    /// let noisy = Corruption::GaussianNoise.apply(&image, 3, Address::default())?;
    /// assert_ne!(noisy, image);
    /// # Ok::<(), firetender_tta::TtaError>(())
    /// ```
    ///
    /// # Errors
    /// [`TtaError::Options`] for another severity.
    pub fn apply(
        self,
        image: &RgbImage,
        severity: usize,
        address: Address,
    ) -> Result<RgbImage, TtaError> {
        if !(1..=5).contains(&severity) {
            return Err(TtaError::option("severity", severity, "1 to 5"));
        }
        let strength = |table: [f64; 5]| table[severity - 1];
        let mut draw = Draw::at(address);
        let (width, height) = (image.width(), image.height());
        let byte = |x: f64| (255.0 * x.clamp(0.0, 1.0)).round() as u8;
        let mut each = |change: &mut dyn FnMut(f64, &mut Draw) -> f64| {
            let values = image
                .pixels()
                .iter()
                .map(|x| byte(change(f64::from(*x) / 255.0, &mut draw)));
            RgbImage::raw(width, height, values.collect())
        };
        Ok(match self {
            Self::GaussianNoise => {
                let c = strength([0.04, 0.06, 0.08, 0.09, 0.10]);
                each(&mut |x, draw| x + c * draw.normal())
            }
            Self::ShotNoise => {
                let c = strength([500.0, 250.0, 100.0, 75.0, 50.0]);
                each(&mut |x, draw| x + (x / c).sqrt() * draw.normal())
            }
            Self::ImpulseNoise => {
                let c = strength([0.01, 0.02, 0.03, 0.05, 0.07]);
                each(&mut |x, draw| match draw.uniform() {
                    u if u < c / 2.0 => 0.0,
                    u if u < c => 1.0,
                    _ => x,
                })
            }
            Self::SpeckleNoise => {
                let c = strength([0.06, 0.10, 0.12, 0.16, 0.20]);
                each(&mut |x, draw| x + x * c * draw.normal())
            }
            Self::Brightness => {
                let c = strength([0.05, 0.10, 0.15, 0.20, 0.30]);
                each(&mut |x, _| x + c)
            }
            Self::Contrast => {
                let c = strength([0.75, 0.5, 0.4, 0.3, 0.15]);
                let mut sums = [0.0; 3];
                for pixel in image.pixels().as_chunks::<3>().0 {
                    for (sum, x) in sums.iter_mut().zip(pixel) {
                        *sum += f64::from(*x) / 255.0;
                    }
                }
                let means = sums.map(|s| s / (width * height) as f64);
                let mut channel = 0;
                each(&mut |x, _| {
                    let mean = means[channel];
                    channel = (channel + 1) % 3;
                    (x - mean) * c + mean
                })
            }
            Self::GaussianBlur => blur(image, strength([0.4, 0.6, 0.7, 0.8, 1.0])),
            Self::Pixelate => {
                let c = strength([0.75, 0.65, 0.55, 0.45, 0.35]);
                let small = |side: usize| ((side as f64 * c) as usize).max(1);
                let (w, h) = (small(width), small(height));
                let mut out = image.clone();
                for y in 0..height {
                    for x in 0..width {
                        // The middle of the block that the pixel lies in.
                        let block = |at: usize, side: usize, n: usize| {
                            let block = at * n / side;
                            ((2 * block + 1) * side / (2 * n)).min(side - 1)
                        };
                        let from = image.pixel(block(x, width, w), block(y, height, h));
                        let to = 3 * (y * width + x);
                        out.pixels_mut()[to..to + 3].copy_from_slice(&from);
                    }
                }
                out
            }
        })
    }
}

fn blur(image: &RgbImage, sigma: f64) -> RgbImage {
    let reach = (4.0 * sigma + 0.5) as i64;
    let weights: Vec<f64> = (-reach..=reach)
        .map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    let (width, height) = (image.width() as i64, image.height() as i64);
    let at = |values: &[f64], x: i64, y: i64, c: usize| {
        let (x, y) = (x.clamp(0, width - 1), y.clamp(0, height - 1));
        values[3 * (y * width + x) as usize + c]
    };
    let pass = |values: &[f64], dx: i64, dy: i64| -> Vec<f64> {
        let mut out = Vec::with_capacity(values.len());
        for y in 0..height {
            for x in 0..width {
                for c in 0..3 {
                    let sum: f64 = weights
                        .iter()
                        .zip(-reach..)
                        .map(|(w, k)| w * at(values, x + k * dx, y + k * dy, c))
                        .sum();
                    out.push(sum / total);
                }
            }
        }
        out
    };
    let values: Vec<f64> = image.pixels().iter().map(|x| f64::from(*x)).collect();
    let done = pass(&pass(&values, 1, 0), 0, 1);
    let pixels = done.iter().map(|x| x.round().clamp(0.0, 255.0) as u8);
    RgbImage::raw(image.width(), image.height(), pixels.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_grows() {
        let image =
            RgbImage::new(24, 24, (0..1728).map(|i| (i * 89 % 256) as u8).collect()).unwrap();
        for kind in Corruption::ALL {
            let harm = |severity| {
                let found = kind.apply(&image, severity, Address::default()).unwrap();
                let gaps = found.pixels().iter().zip(image.pixels());
                gaps.map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2))
                    .sum::<u64>()
            };
            assert!(harm(1) > 0 && harm(5) > harm(1), "{kind:?}");
            assert_eq!(harm(3), harm(3));
            assert!(kind.apply(&image, 6, Address::default()).is_err());
        }
    }

    #[test]
    fn a_flat_image_cannot_be_blurred() {
        let image = RgbImage::filled(7, 3, [10, 20, 30]).unwrap();
        for kind in [
            Corruption::GaussianBlur,
            Corruption::Contrast,
            Corruption::Pixelate,
        ] {
            assert_eq!(kind.apply(&image, 5, Address::default()).unwrap(), image);
        }
    }
}
