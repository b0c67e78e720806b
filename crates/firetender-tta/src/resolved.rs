//! An operation with everything decided.
//!
//! A [`ResolvedOp`] draws nothing: applied twice to one image it gives the same bytes. It is plain data, so that what was
//! done to an image can be written down, read back and done again elsewhere.

use serde::{Deserialize, Serialize};

use crate::{
    Compat, RgbImage, TtaError,
    compat::{Padding, PosterizeBelowOne},
    image::check_size,
    op::UserStep,
    ops::{affine, cutout, enhance, frame, levels, resize},
};

/// One step on one image, ready to be applied. As JSON: an object with `op` and the fields below.
///
/// ```
/// use firetender_tta::{Compat, ResolvedOp, RgbImage};
/// let image = RgbImage::filled(4, 4, [10, 200, 30])?;
/// let op: ResolvedOp = serde_json::from_str(r#"{"op": "solarize", "threshold": 128.0}"#).unwrap();
/// assert_eq!(op.apply(&image, &Compat::pillow_13())?.pixel(0, 0), [10, 55, 30]);
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ResolvedOp {
    /// Nothing.
    Identity,
    /// Rows are shifted by `factor` times their distance from the top (or, mirrored, the bottom) edge.
    ShearX {
        /// Pixels per row.
        factor: f64,
        /// Fixes the bottom edge instead.
        mirror: bool,
    },
    /// Columns, likewise from the left (or right) edge.
    ShearY {
        /// Pixels per column.
        factor: f64,
        /// Fixes the right edge instead.
        mirror: bool,
    },
    /// The source is this many pixels to the right.
    TranslateX {
        /// Pixels.
        pixels: f64,
    },
    /// The source is this many pixels below.
    TranslateY {
        /// Pixels.
        pixels: f64,
    },
    /// Counter-clockwise about the centre.
    Rotate {
        /// Degrees.
        degrees: f64,
    },
    /// Histogram of each channel stretched.
    AutoContrast {
        /// Percent of pixels cut off at either end.
        cutoff: f64,
    },
    /// Levels from the threshold on inverted.
    Solarize {
        /// A real number; 256 changes nothing.
        threshold: f64,
    },
    /// Levels from the threshold on blended half and half with their inverse, which is 127.
    SolarizeAdd {
        /// A real number; 256 changes nothing.
        threshold: f64,
    },
    /// Low bits cleared.
    Posterize {
        /// How many high bits stay.
        bits: i32,
    },
    /// Away from the mean grey.
    Contrast {
        /// 1 changes nothing.
        factor: f64,
    },
    /// Away from the grey image.
    Color {
        /// 1 changes nothing.
        factor: f64,
    },
    /// Away from black.
    Brightness {
        /// 1 changes nothing.
        factor: f64,
    },
    /// Away from the smoothed image.
    Sharpness {
        /// 1 changes nothing.
        factor: f64,
    },
    /// A black box.
    Cutout {
        /// Column of the centre.
        centre_x: f64,
        /// Row of the centre.
        centre_y: f64,
        /// Side, on both axes.
        side: f64,
    },
    /// Every level inverted.
    Invert,
    /// Levels of each channel made equally frequent.
    Equalize,
    /// Levels added to those below 128.
    AddToDark {
        /// How many.
        levels: i32,
    },
    /// One of the caller's own ([`crate::ImageOp`]).
    User(UserStep),
    /// A window; what lies outside of the image is black.
    Crop {
        /// Column of its left edge; may be negative.
        left: i64,
        /// Row of its upper edge; may be negative.
        top: i64,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// Whether it is mirrored.
        flip: bool,
    },
    /// A window of the image, resized to a square.
    ResizedCrop {
        /// Column of its left edge.
        left: usize,
        /// Row of its upper edge.
        top: usize,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// Side of the square.
        size: usize,
        /// Whether the result is mirrored.
        flip: bool,
    },
    /// Another size.
    Resize {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// Left becomes right.
    Mirror,
    /// One of the eight symmetries of a square: quarter turns `index % 4` counter-clockwise, of the mirrored image from 4 on.
    Dihedral {
        /// 0 to 7.
        index: u8,
    },
}

impl ResolvedOp {
    /// An operation of the caller's own, with what its code needs: what [`crate::ImageOp::resolve`] gives back.
    #[must_use]
    pub fn user(name: &str, parameters: Vec<f64>) -> Self {
        Self::User(UserStep::new(name, parameters))
    }

    /// Does it. Exact to the byte; host.
    ///
    /// # Errors
    /// [`TtaError::UnknownOp`] for one of the caller's own without its code ([`UserStep::with_code`]);
    /// [`TtaError::Parameter`] for a number that is not finite, a window that is not inside of the image where it has to be, and
    /// posterizing to less than one bit where `compat` forbids it; [`TtaError::ImageSize`] for a result without pixels.
    pub fn apply(&self, image: &RgbImage, compat: &Compat) -> Result<RgbImage, TtaError> {
        self.check([image.width(), image.height()], compat)?;
        let padding = compat.padding;
        Ok(match *self {
            Self::Identity => image.clone(),
            Self::User(ref step) => return step.apply(image, compat),
            Self::AddToDark { levels } => levels::add_to_dark(image, levels),
            Self::ShearX { factor, mirror } => affine::shear_x(image, factor, mirror, padding),
            Self::ShearY { factor, mirror } => affine::shear_y(image, factor, mirror, padding),
            Self::TranslateX { pixels } => affine::translate(image, pixels, 0.0, padding),
            Self::TranslateY { pixels } => affine::translate(image, 0.0, pixels, padding),
            Self::Rotate { degrees } => affine::rotate(image, degrees, padding),
            Self::AutoContrast { cutoff } => levels::auto_contrast(image, cutoff),
            Self::Solarize { threshold } => levels::solarize(image, threshold),
            Self::SolarizeAdd { threshold } => levels::solarize_add(image, threshold),
            Self::Posterize { bits } => levels::posterize(image, bits),
            Self::Contrast { factor } => enhance::contrast(image, factor, compat.luma),
            Self::Color { factor } => enhance::colour(image, factor, compat.luma),
            Self::Brightness { factor } => enhance::brightness(image, factor),
            Self::Sharpness { factor } => enhance::sharpness(image, factor),
            Self::Cutout {
                centre_x,
                centre_y,
                side,
            } => {
                if side <= 0.0 {
                    return Ok(image.clone());
                }
                cutout::cutout(image, [centre_x, centre_y], side)
            }
            Self::Invert => levels::invert(image),
            Self::Equalize => levels::equalize(image),
            Self::Crop {
                left,
                top,
                width,
                height,
                flip,
            } => mirrored(frame::crop(image, left, top, width, height), flip),
            Self::ResizedCrop {
                left,
                top,
                width,
                height,
                size,
                flip,
            } => {
                let window = frame::crop(image, left as i64, top as i64, width, height);
                let resized = resize::resize(&window, size, size, compat.resize_order);
                mirrored(resized, flip)
            }
            Self::Resize { width, height } => {
                resize::resize(image, width, height, compat.resize_order)
            }
            Self::Mirror => frame::mirror(image),
            Self::Dihedral { index } => frame::dihedral(image, index),
        })
    }

    /// Its name, as in JSON; the own name of one of the caller's own.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Identity => "identity",
            Self::AddToDark { .. } => "add_to_dark",
            Self::User(step) => &step.name,
            Self::ShearX { .. } => "shear_x",
            Self::ShearY { .. } => "shear_y",
            Self::TranslateX { .. } => "translate_x",
            Self::TranslateY { .. } => "translate_y",
            Self::Rotate { .. } => "rotate",
            Self::AutoContrast { .. } => "auto_contrast",
            Self::Solarize { .. } => "solarize",
            Self::SolarizeAdd { .. } => "solarize_add",
            Self::Posterize { .. } => "posterize",
            Self::Contrast { .. } => "contrast",
            Self::Color { .. } => "color",
            Self::Brightness { .. } => "brightness",
            Self::Sharpness { .. } => "sharpness",
            Self::Cutout { .. } => "cutout",
            Self::Invert => "invert",
            Self::Equalize => "equalize",
            Self::Crop { .. } => "crop",
            Self::ResizedCrop { .. } => "resized_crop",
            Self::Resize { .. } => "resize",
            Self::Mirror => "mirror",
            Self::Dihedral { .. } => "dihedral",
        }
    }

    /// Whether it can be done to an image of this size.
    pub(crate) fn check(&self, [w, h]: [usize; 2], compat: &Compat) -> Result<(), TtaError> {
        if let Padding::Reflect { pad } = compat.padding
            && pad as usize > crate::image::MOST_SIDE
        {
            return Err(TtaError::option("pad", pad, "at most 16384 pixels"));
        }
        let bounded = |field: &'static str, value: f64, most: f64| {
            if value.abs() <= most {
                return Ok(());
            }
            Err(self.bad(
                field,
                value.to_string(),
                format!("at most {most} either way"),
            ))
        };
        // Beyond these nothing changes any more, and sums would lose the pixel.
        const FAR: f64 = 1e6;
        match *self {
            Self::ShearX { factor, .. } | Self::ShearY { factor, .. } => {
                bounded("factor", factor, 1e3)
            }
            Self::TranslateX { pixels } | Self::TranslateY { pixels } => {
                bounded("pixels", pixels, FAR)
            }
            Self::Rotate { degrees } => bounded("degrees", degrees, FAR),
            Self::AutoContrast { cutoff } => {
                bounded("cutoff", cutoff, FAR)?;
                if cutoff < 0.0 {
                    return Err(self.bad("cutoff", cutoff.to_string(), "at least 0".into()));
                }
                Ok(())
            }
            Self::Solarize { threshold } | Self::SolarizeAdd { threshold } => {
                bounded("threshold", threshold, FAR)
            }
            Self::Contrast { factor }
            | Self::Color { factor }
            | Self::Brightness { factor }
            | Self::Sharpness { factor } => bounded("factor", factor, FAR),
            Self::Cutout {
                centre_x,
                centre_y,
                side,
            } => {
                bounded("centre_x", centre_x, FAR)?;
                bounded("centre_y", centre_y, FAR)?;
                bounded("side", side, FAR)
            }
            Self::Posterize { bits } => {
                let strict = compat.posterize_below_one == PosterizeBelowOne::Error;
                if strict && !(1..=8).contains(&bits) {
                    return Err(self.bad(
                        "bits",
                        bits.to_string(),
                        "1 to 8, with Pillow 13 (before, less than 1 made the image black: --pillow 7 or 6.1)".into(),
                    ));
                }
                Ok(())
            }
            Self::Crop { width, height, .. } | Self::Resize { width, height } => {
                check_size(width, height)
            }
            Self::ResizedCrop {
                left,
                top,
                width,
                height,
                size,
                ..
            } => {
                check_size(size, size)?;
                check_size(width, height)?;
                let fits = |at: usize, length: usize, all: usize| at <= all && length <= all - at;
                if fits(left, width, w) && fits(top, height, h) {
                    return Ok(());
                }
                Err(self.bad(
                    "window",
                    format!("{width} × {height} at ({left}, {top})"),
                    format!("inside of {w} × {h}"),
                ))
            }
            Self::Dihedral { index } if index > 7 => {
                Err(self.bad("index", index.to_string(), "0 to 7".into()))
            }
            _ => Ok(()),
        }
    }

    fn bad(&self, field: &'static str, found: String, expected: String) -> TtaError {
        TtaError::Parameter {
            op: self.name().to_owned(),
            field,
            found,
            expected,
        }
    }
}

fn mirrored(image: RgbImage, flip: bool) -> RgbImage {
    if flip { frame::mirror(&image) } else { image }
}

/// All steps in turn. Without any, the image itself.
///
/// ```
/// use firetender_tta::{Compat, ResolvedOp, RgbImage, apply_all};
/// let image = RgbImage::filled(4, 4, [10, 200, 30])?;
/// let twice = [ResolvedOp::Invert, ResolvedOp::Invert];
/// assert_eq!(apply_all(&twice, &image, &Compat::pillow_13())?, image);
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
///
/// # Errors
/// As [`ResolvedOp::apply`].
pub fn apply_all(
    ops: &[ResolvedOp],
    image: &RgbImage,
    compat: &Compat,
) -> Result<RgbImage, TtaError> {
    let mut steps = ops.iter().filter(|op| **op != ResolvedOp::Identity);
    let Some(first) = steps.next() else {
        return Ok(image.clone());
    };
    let first = first.apply(image, compat)?;
    steps.try_fold(first, |image, op| op.apply(&image, compat))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dark_levels_are_raised() {
        let image = RgbImage::new(2, 1, vec![0, 127, 128, 255, 100, 40]).unwrap();
        let found = |levels| {
            let op = ResolvedOp::AddToDark { levels };
            op.apply(&image, &Compat::pillow_13()).unwrap()
        };
        assert_eq!(found(0), image);
        assert_eq!(found(110).pixels(), [110, 237, 128, 255, 210, 150]);
        assert_eq!(found(i32::MAX).pixels(), [255, 255, 128, 255, 255, 255]);
        assert_eq!(found(i32::MIN).pixels(), [0, 0, 128, 255, 0, 0]);
    }

    #[test]
    fn wild_parameters_are_refused() {
        let image = RgbImage::filled(3, 3, [1; 3]).unwrap();
        let compat = Compat::pillow_13();
        for op in [
            ResolvedOp::ShearX {
                factor: f64::NAN,
                mirror: false,
            },
            ResolvedOp::Rotate {
                degrees: f64::INFINITY,
            },
            ResolvedOp::TranslateX { pixels: 1e9 },
            ResolvedOp::AutoContrast { cutoff: -1.0 },
            ResolvedOp::Posterize { bits: 0 },
            ResolvedOp::Resize {
                width: 0,
                height: 3,
            },
            ResolvedOp::Crop {
                left: 0,
                top: 0,
                width: 99_999,
                height: 1,
                flip: false,
            },
            ResolvedOp::ResizedCrop {
                left: 2,
                top: 0,
                width: 2,
                height: 2,
                size: 4,
                flip: false,
            },
            ResolvedOp::ResizedCrop {
                left: usize::MAX,
                top: 0,
                width: 2,
                height: 2,
                size: 4,
                flip: false,
            },
            ResolvedOp::Dihedral { index: 8 },
        ] {
            assert!(op.apply(&image, &compat).is_err(), "{op:?}");
        }
        let black = ResolvedOp::Posterize { bits: 0 }.apply(&image, &Compat::pillow_6_1());
        assert_eq!(black.unwrap().pixel(0, 0), [0; 3]);
    }

    #[test]
    fn json_names_are_stable() {
        let op = ResolvedOp::Cutout {
            centre_x: 1.5,
            centre_y: 2.0,
            side: 8.0,
        };
        let text = serde_json::to_string(&op).unwrap();
        assert_eq!(
            text,
            r#"{"op":"cutout","centre_x":1.5,"centre_y":2.0,"side":8.0}"#
        );
        assert_eq!(serde_json::from_str::<ResolvedOp>(&text).unwrap(), op);
        assert!(
            serde_json::from_str::<ResolvedOp>(r#"{"op":"rotate","degrees":1,"by":2}"#).is_err()
        );
        assert!(serde_json::from_str::<ResolvedOp>(r#"{"op":"eval"}"#).is_err());
    }
}
