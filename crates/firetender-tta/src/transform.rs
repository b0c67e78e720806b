//! What frames an image before or after a policy's operations: crops, mirrors, symmetries.
//!
//! Like operations they are resolved first (which draws) and applied after. The transforms that a network was trained with belong to the
//! network: a policy names them, so that the same draws are made again.

use serde::{Deserialize, Serialize};

use crate::{Draw, ResolvedOp, TtaError, image::check_size};

/// A step of the frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Transform {
    /// CIFAR's: pad with black, take a window of the old size at random, mirror every second time.
    CropFlip {
        /// Pixels of padding on each side.
        pad: usize,
        /// Whether it is mirrored at all.
        flip: bool,
    },
    /// `ImageNet`'s: a window of random area and ratio, resized to a square, mirrored every second time.
    RandomResizedCrop {
        /// Side of the square.
        size: usize,
        /// Least share of the area.
        low: f64,
        /// Largest share of the area.
        high: f64,
    },
    /// The shorter side to this length, the longer one in proportion, truncated.
    ResizeShort {
        /// Pixels.
        short: usize,
    },
    /// Exactly this size.
    Resize {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// A square from the middle.
    CentreCrop {
        /// Its side.
        size: usize,
    },
    /// A square from a corner: top left, top right, bottom left, bottom right, centre.
    CornerCrop {
        /// Which, 0 to 4.
        corner: u8,
        /// Its side.
        size: usize,
    },
    /// Left becomes right.
    Mirror,
    /// One of the eight symmetries of a square.
    Dihedral {
        /// 0 to 7.
        index: u8,
    },
}

impl Transform {
    /// Draws what is random for one image of this size.
    ///
    /// ```
    /// use firetender_tta::{Address, Draw, Transform};
    /// let crop = Transform::CropFlip { pad: 4, flip: true };
    /// let op = crop.resolve([32, 32], &mut Draw::at(Address::default()))?;
    /// assert_eq!(op.name(), "crop");
    /// # Ok::<(), firetender_tta::TtaError>(())
    /// ```
    ///
    /// # Errors
    /// [`TtaError::ImageSize`] for a size of zero; [`TtaError::Parameter`] for a crop larger than the image, a corner above 4, shares
    /// outside of (0, 1].
    pub fn resolve(
        &self,
        [width, height]: [usize; 2],
        draw: &mut Draw,
    ) -> Result<ResolvedOp, TtaError> {
        let bad = |op: &str, field: &'static str, found: String, expected: &str| {
            Err(TtaError::Parameter {
                op: op.to_owned(),
                field,
                found,
                expected: expected.to_owned(),
            })
        };
        Ok(match *self {
            Self::CropFlip { pad, flip } => {
                if pad > width.max(height) {
                    return bad(
                        "crop_flip",
                        "pad",
                        pad.to_string(),
                        "at most the image's side",
                    );
                }
                let mut offset = || draw.up_to(2 * pad as u64) as i64 - pad as i64;
                let (top, left) = (offset(), offset());
                ResolvedOp::Crop {
                    left,
                    top,
                    width,
                    height,
                    flip: flip && draw.chance(0.5),
                }
            }
            Self::RandomResizedCrop { size, low, high } => {
                check_size(size, size)?;
                if !(low > 0.0 && low <= high && high <= 1.0) {
                    let found = format!("{low} to {high}");
                    return bad("random_resized_crop", "share", found, "0 < low ≤ high ≤ 1");
                }
                random_resized_crop([width, height], size, [low, high], draw)
            }
            Self::ResizeShort { short } => {
                check_size(short, short)?;
                let long = |side: usize, shorter: usize| short * side / shorter;
                let (width, height) = if width <= height {
                    (short, long(height, width))
                } else {
                    (long(width, height), short)
                };
                check_size(width, height)?;
                ResolvedOp::Resize { width, height }
            }
            Self::Resize { width, height } => {
                check_size(width, height)?;
                ResolvedOp::Resize { width, height }
            }
            Self::CentreCrop { size } => {
                // May be larger than the image, as torchvision pads then.
                let middle = |side: usize| half_even((side as f64 - size as f64) / 2.0) as i64;
                square(size, middle(width), middle(height))?
            }
            Self::CornerCrop { corner, size } => {
                if size > width || size > height {
                    let found = size.to_string();
                    return bad("corner_crop", "size", found, "at most the image's sides");
                }
                let (right, bottom) = ((width - size) as i64, (height - size) as i64);
                match corner {
                    0 => square(size, 0, 0)?,
                    1 => square(size, right, 0)?,
                    2 => square(size, 0, bottom)?,
                    3 => square(size, right, bottom)?,
                    4 => {
                        let middle = |rest: i64| half_even(rest as f64 / 2.0) as i64;
                        square(size, middle(right), middle(bottom))?
                    }
                    _ => return bad("corner_crop", "corner", corner.to_string(), "0 to 4"),
                }
            }
            Self::Mirror => ResolvedOp::Mirror,
            Self::Dihedral { index } => {
                if index > 7 {
                    return bad("dihedral", "index", index.to_string(), "0 to 7");
                }
                ResolvedOp::Dihedral { index }
            }
        })
    }

    /// Whether it draws nothing.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        !matches!(self, Self::CropFlip { .. } | Self::RandomResizedCrop { .. })
    }
}

fn square(size: usize, left: i64, top: i64) -> Result<ResolvedOp, TtaError> {
    check_size(size, size)?;
    Ok(ResolvedOp::Crop {
        left,
        top,
        width: size,
        height: size,
        flip: false,
    })
}

/// Python's `round`: halves go to the even neighbour.
fn half_even(x: f64) -> f64 {
    x.round_ties_even()
}

/// torchvision's box: ten attempts at an area between the shares and a ratio log-uniform in (3/4, 4/3), else the largest central
/// box of allowed ratio; a box without pixels does not count.
pub(crate) fn random_resized_crop(
    [width, height]: [usize; 2],
    size: usize,
    [low, high]: [f64; 2],
    draw: &mut Draw,
) -> ResolvedOp {
    const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];
    let area = (width * height) as f64;
    let (w, h) = (width as f64, height as f64);
    let mut found = None;
    for _ in 0..10 {
        let target = draw.between(low, high) * area;
        let ratio = draw.between(RATIO[0].ln(), RATIO[1].ln()).exp();
        let (cw, ch) = (
            half_even((target * ratio).sqrt()),
            half_even((target / ratio).sqrt()),
        );
        if (1.0..=w).contains(&cw) && (1.0..=h).contains(&ch) {
            let (cw, ch) = (cw as usize, ch as usize);
            let top = draw.up_to((height - ch) as u64) as usize;
            let left = draw.up_to((width - cw) as u64) as usize;
            found = Some((left, top, cw, ch));
            break;
        }
    }
    let (left, top, width, height) = found.unwrap_or_else(|| {
        let ratio = w / h;
        let (cw, ch) = if ratio < RATIO[0] {
            (width, (half_even(w / RATIO[0]) as usize).clamp(1, height))
        } else if ratio > RATIO[1] {
            ((half_even(h * RATIO[1]) as usize).clamp(1, width), height)
        } else {
            (width, height)
        };
        ((width - cw) / 2, (height - ch) / 2, cw, ch)
    });
    ResolvedOp::ResizedCrop {
        left,
        top,
        width,
        height,
        size,
        flip: draw.chance(0.5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;

    fn draw(image: u64) -> Draw {
        Draw::at(Address {
            image,
            ..Address::default()
        })
    }

    #[test]
    fn crops_lie_anywhere_within_the_padding() {
        let crop = Transform::CropFlip { pad: 4, flip: true };
        let (mut seen, mut flips) = ([0_u32; 9], 0);
        for image in 0..9_000 {
            match crop.resolve([32, 32], &mut draw(image)).unwrap() {
                ResolvedOp::Crop {
                    left,
                    top,
                    width: 32,
                    height: 32,
                    flip,
                } => {
                    assert!((-4..=4).contains(&top));
                    seen[(left + 4) as usize] += 1;
                    flips += u32::from(flip);
                }
                other => panic!("{other:?}"),
            }
        }
        // Chi-square with 8 degrees of freedom: above 26.1 once in a thousand.
        let chi: f64 = seen
            .iter()
            .map(|n| (f64::from(*n) - 1000.0).powi(2) / 1000.0)
            .sum();
        assert!(chi < 26.1, "{seen:?}");
        assert!((f64::from(flips) - 4500.0).abs() < 5.0 * 47.5);
    }

    #[test]
    fn boxes_fit_and_have_the_area_they_should() {
        for image in 0..2_000 {
            let op = random_resized_crop([60, 40], 16, [0.3, 0.31], &mut draw(image));
            match op {
                ResolvedOp::ResizedCrop {
                    left,
                    top,
                    width,
                    height,
                    size: 16,
                    ..
                } => {
                    assert!(left + width <= 60 && top + height <= 40 && width > 0 && height > 0);
                    let share = (width * height) as f64 / 2400.0;
                    assert!((0.27..0.34).contains(&share), "{share}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_share_of_nothing_falls_back_to_the_centre() {
        let op = random_resized_crop([90, 30], 16, [0.0, 0.0], &mut draw(0));
        assert!(matches!(
            op,
            ResolvedOp::ResizedCrop {
                left: 25,
                top: 0,
                width: 40,
                height: 30,
                ..
            }
        ));
    }

    #[test]
    fn fixed_frames() {
        let at = |t: Transform, size| t.resolve(size, &mut draw(0)).unwrap();
        assert_eq!(
            at(Transform::ResizeShort { short: 256 }, [500, 375]),
            ResolvedOp::Resize {
                width: 341,
                height: 256
            }
        );
        // (33 − 32) / 2 is a half, which goes to the even 0.
        assert_eq!(
            at(Transform::CentreCrop { size: 32 }, [33, 35]),
            ResolvedOp::Crop {
                left: 0,
                top: 2,
                width: 32,
                height: 32,
                flip: false
            }
        );
        assert!(
            Transform::CornerCrop { corner: 5, size: 3 }
                .resolve([9, 9], &mut draw(0))
                .is_err()
        );
        assert!(
            Transform::CornerCrop {
                corner: 0,
                size: 10
            }
            .resolve([9, 9], &mut draw(0))
            .is_err()
        );
        assert!(
            Transform::RandomResizedCrop {
                size: 0,
                low: 0.1,
                high: 1.0
            }
            .resolve([9, 9], &mut draw(0))
            .is_err()
        );
        assert!(
            Transform::RandomResizedCrop {
                size: 9,
                low: 0.0,
                high: 1.0
            }
            .resolve([9, 9], &mut draw(0))
            .is_err()
        );
    }
}
