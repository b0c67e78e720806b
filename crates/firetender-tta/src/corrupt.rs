//! Corruptions that can be made from formulas, in five severities, for measuring robustness.
//!
//! Hendrycks and Dietterich ("Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019), with the severities of their
//! set for images of 32 pixels. Of its fifteen kinds frost (needs photographs) and JPEG (needs a codec) are left out; of its four extra ones spatter.
//! Kinds that draw nothing are the original's up to the last rounding (values are rounded to the nearest level here, and truncated there); kinds that
//! draw do it from this crate's streams. Compare methods on these images with each other; for published numbers use the published images.
//!
//! Larger images want stronger damage: lengths are in pixels. For those, resize before and after, or say so.

mod blur;
mod colour;
mod noise;
mod plane;
mod warp;
mod weather;

use serde::{Deserialize, Serialize};

use crate::{Address, Draw, RgbImage, TtaError};
use plane::Plane;

/// A kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Corruption {
    /// Normal noise on every value.
    GaussianNoise,
    /// Counting: every value becomes a Poisson number of quanta.
    ShotNoise,
    /// Values replaced by 0 or 255.
    ImpulseNoise,
    /// Out of focus: smoothed by a disc.
    DefocusBlur,
    /// Frosted glass: neighbours take each other's places.
    GlassBlur,
    /// Smeared along a line, in one direction.
    MotionBlur,
    /// The mean over zooms towards the middle.
    ZoomBlur,
    /// Flakes that fall along a line, and less colour.
    Snow,
    /// A fractal cloud.
    Fog,
    /// A constant added to the lightness.
    Brightness,
    /// Values drawn to the mean of their channel.
    Contrast,
    /// Stretched, and bent by a smooth random field.
    ElasticTransform,
    /// Blocks of one colour.
    Pixelate,
    /// Noise in proportion to the value.
    SpeckleNoise,
    /// Smoothed by a normal kernel.
    GaussianBlur,
    /// Less or more colour.
    Saturate,
}

impl Corruption {
    /// All of them: the benchmark's thirteen that formulas make, then its extra ones.
    pub const ALL: [Self; 16] = [
        Self::GaussianNoise,
        Self::ShotNoise,
        Self::ImpulseNoise,
        Self::DefocusBlur,
        Self::GlassBlur,
        Self::MotionBlur,
        Self::ZoomBlur,
        Self::Snow,
        Self::Fog,
        Self::Brightness,
        Self::Contrast,
        Self::ElasticTransform,
        Self::Pixelate,
        Self::SpeckleNoise,
        Self::GaussianBlur,
        Self::Saturate,
    ];

    /// Those that count for the mean corruption error: all but the extra ones.
    #[must_use]
    pub fn benchmark() -> &'static [Self] {
        &Self::ALL[..13]
    }

    /// Name, as in JSON and in the benchmark's files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GaussianNoise => "gaussian_noise",
            Self::ShotNoise => "shot_noise",
            Self::ImpulseNoise => "impulse_noise",
            Self::DefocusBlur => "defocus_blur",
            Self::GlassBlur => "glass_blur",
            Self::MotionBlur => "motion_blur",
            Self::ZoomBlur => "zoom_blur",
            Self::Snow => "snow",
            Self::Fog => "fog",
            Self::Brightness => "brightness",
            Self::Contrast => "contrast",
            Self::ElasticTransform => "elastic_transform",
            Self::Pixelate => "pixelate",
            Self::SpeckleNoise => "speckle_noise",
            Self::GaussianBlur => "gaussian_blur",
            Self::Saturate => "saturate",
        }
    }

    /// By [`Corruption::name`].
    ///
    /// # Errors
    /// [`TtaError::Options`] for a name that is not known.
    pub fn from_name(name: &str) -> Result<Self, TtaError> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
            TtaError::option("corruption", name, known.join(", "))
        })
    }

    /// The damaged image; `severity` from 1 to 5. What is drawn is a function of the address. Host, `f64`.
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
        let level = severity - 1;
        let draw = &mut Draw::at(address);
        let plane = Plane::of(image);
        let done = match self {
            Self::GaussianNoise => {
                noise::gaussian(plane, [0.04, 0.06, 0.08, 0.09, 0.10][level], draw)
            }
            Self::ShotNoise => noise::shot(plane, [500.0, 250.0, 100.0, 75.0, 50.0][level], draw),
            Self::ImpulseNoise => {
                noise::impulse(plane, [0.01, 0.02, 0.03, 0.05, 0.07][level], draw)
            }
            Self::SpeckleNoise => {
                noise::speckle(plane, [0.06, 0.10, 0.12, 0.16, 0.20][level], draw)
            }
            Self::GaussianBlur => blur::gaussian(
                &plane,
                [0.4, 0.6, 0.7, 0.8, 1.0][level],
                4.0,
                blur::Edge::Nearest,
            ),
            Self::DefocusBlur => {
                let (radius, soft) =
                    [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)][level];
                blur::disc(&plane, radius, soft)
            }
            Self::GlassBlur => {
                let (sigma, times) = [(0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2)][level];
                blur::glass(&plane, sigma, times, draw)
            }
            Self::MotionBlur => {
                let (radius, sigma) = [(6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5)][level];
                blur::motion(&plane, radius, sigma, draw.between(-45.0, 45.0))
            }
            // 1.00 to 1.06, 1.11, 1.15, 1.20 and 1.25: what NumPy's `arange` makes of the original's ends.
            Self::ZoomBlur => blur::zoom(&plane, [7, 12, 16, 21, 26][level]),
            Self::Snow => weather::snow(&plane, level, draw),
            Self::Fog => {
                let (thick, decay) =
                    [(0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)][level];
                weather::fog(plane, thick, decay, draw)
            }
            Self::Brightness => colour::lighter(plane, [0.05, 0.10, 0.15, 0.20, 0.30][level]),
            Self::Contrast => colour::contrast(plane, [0.75, 0.5, 0.4, 0.3, 0.15][level]),
            Self::Saturate => {
                let (times, plus) =
                    [(0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)][level];
                colour::saturate(plane, times, plus)
            }
            Self::ElasticTransform => {
                let (bend, smooth, stretch) = [
                    (0.0, 0.0, 0.08),
                    (0.05, 0.2, 0.07),
                    (0.08, 0.06, 0.06),
                    (0.1, 0.04, 0.05),
                    (0.1, 0.03, 0.03),
                ][level];
                warp::elastic(&plane, [bend, smooth, stretch], draw)
            }
            Self::Pixelate => {
                return Ok(warp::pixelate(image, [0.95, 0.9, 0.85, 0.75, 0.65][level]));
            }
        };
        Ok(done.image())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A smooth picture with an edge, so that neither blur nor noise goes unseen.
    fn picture(width: usize, height: usize) -> RgbImage {
        let value = |x: usize, y: usize, c: usize| {
            let wave = (x as f64 / 5.0 + c as f64).sin() * (y as f64 / 4.0).cos();
            let edge = if x > y { 40.0 } else { 0.0 };
            (110.0 + 70.0 * wave + edge) as u8
        };
        let pixels = (0..height)
            .flat_map(|y| (0..width).flat_map(move |x| (0..3).map(move |c| value(x, y, c))))
            .collect();
        RgbImage::new(width, height, pixels).unwrap()
    }

    fn harm(kind: Corruption, severity: usize) -> f64 {
        let image = picture(32, 32);
        let each = (0..8).map(|n| {
            let address = Address {
                image: n,
                ..Address::default()
            };
            let found = kind.apply(&image, severity, address).unwrap();
            let gaps = found.pixels().iter().zip(image.pixels());
            gaps.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2))
                .sum::<f64>()
        });
        each.sum::<f64>() / (8.0 * 3072.0)
    }

    #[test]
    fn severity_grows() {
        for kind in Corruption::ALL {
            assert!(harm(kind, 1) > 0.0, "{kind:?}");
            // A stretched and a bent image are not comparable by pixels, nor are less and more colour.
            if !matches!(kind, Corruption::ElasticTransform | Corruption::Saturate) {
                let harms: Vec<f64> = [1, 3, 5].map(|severity| harm(kind, severity)).into();
                assert!(harms[0] < harms[2], "{kind:?}: {harms:?}");
            }
            assert!(kind.apply(&picture(8, 8), 0, Address::default()).is_err());
            assert!(kind.apply(&picture(8, 8), 6, Address::default()).is_err());
        }
    }

    #[test]
    fn any_size_and_the_same_twice() {
        for (width, height) in [(1, 1), (2, 1), (1, 5), (3, 3), (33, 7), (17, 64)] {
            let image = picture(width, height);
            for kind in Corruption::ALL {
                for severity in 1..=5 {
                    let at = |image_number| {
                        let address = Address {
                            image: image_number,
                            ..Address::default()
                        };
                        kind.apply(&image, severity, address).unwrap()
                    };
                    assert_eq!((at(0).width(), at(0).height()), (width, height));
                    assert_eq!(at(1), at(1));
                }
            }
        }
    }

    #[test]
    fn a_flat_image_cannot_be_blurred() {
        let image = RgbImage::filled(9, 12, [10, 20, 30]).unwrap();
        for kind in [
            Corruption::GaussianBlur,
            Corruption::DefocusBlur,
            Corruption::GlassBlur,
            Corruption::MotionBlur,
            Corruption::ZoomBlur,
            Corruption::ElasticTransform,
            Corruption::Contrast,
            Corruption::Pixelate,
        ] {
            for severity in 1..=5 {
                let found = kind.apply(&image, severity, Address::default()).unwrap();
                assert_eq!(found, image, "{kind:?} {severity}");
            }
        }
    }

    #[test]
    fn names_lead_back() {
        for kind in Corruption::ALL {
            assert_eq!(Corruption::from_name(kind.name()).unwrap(), kind);
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("{:?}", kind.name()));
        }
        assert!(Corruption::from_name("frost").is_err());
        assert!(!Corruption::benchmark().contains(&Corruption::SpeckleNoise));
    }
}
