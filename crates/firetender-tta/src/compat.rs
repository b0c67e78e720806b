//! Where versions of Pillow differ, as switches.
//!
//! The published policies were found with Pillow 6.1.0. Between that version and 13.0.0 three things changed that an operation of this
//! crate shows; everything else is byte for byte the same (golden files from both). The reference code itself adds choices that
//! belong to no version: how images are padded, and where a cutout may lie. All are recorded in every policy and pool.

use serde::{Deserialize, Serialize};

use crate::TtaError;

/// How an 8-bit luma is made from red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Luma {
    /// `(19595 R + 38470 G + 7471 B) >> 16`, before Pillow 7.
    Truncating,
    /// The same with one half added, since Pillow 7.
    Rounding,
}

/// What Posterize does when less than one bit is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PosterizeBelowOne {
    /// An all-black image. Published policies with magnitudes above 35 rely on it.
    Black,
    /// An error, as in Pillow 13.
    Error,
}

/// Which pass of a resize comes first. The image between the passes has 8 bits, so it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeOrder {
    /// Always the horizontal one.
    HorizontalFirst,
    /// The vertical one first exactly when `in_h > out_h` and `in_h − out_h > 2 (in_w − out_w)`, else the horizontal one.
    Pillow13,
}

/// Where the centre of a cutout may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutoutCentre {
    /// In (1, w] and (1, h], as in the reference (which passes the size as the lower bound of a draw up to 1).
    Reference,
    /// In [0, w) and [0, h).
    Uniform,
}

/// What geometric operations find outside of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// The image mirrored without repeating its edge, without end. Coordinates are computed as if the image had been padded by this
    /// many pixels, so that sums round as they do in a padded pipeline (the reference pads by 31).
    Reflect {
        /// Pixels on each side.
        pad: u32,
    },
    /// Black.
    Black,
    /// The nearest pixel of the edge.
    Edge,
}

/// All switches.
///
/// ```
/// use firetender_tta::{Compat, Luma};
/// assert_eq!(Compat::pillow("6.1")?.luma, Luma::Truncating);
/// assert_eq!(Compat::pillow("13")?, Compat::pillow_13());
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compat {
    /// Grey of a colour.
    pub luma: Luma,
    /// Posterize to less than one bit.
    pub posterize_below_one: PosterizeBelowOne,
    /// Order of a resize's passes.
    pub resize_order: ResizeOrder,
    /// Range of a cutout's centre.
    pub cutout_centre: CutoutCentre,
    /// What lies outside.
    pub padding: Padding,
    /// Probability with which a magnitude's sign is flipped where that is random at all: 0.5, or 0.691462… to replay the reference, which
    /// draws a normal number and asks whether it is below 0.5.
    pub sign_flip_probability: f64,
}

impl Compat {
    /// What the reference ran with: Pillow 6.1, reflection by 31, its own range of cutouts.
    #[must_use]
    pub fn pillow_6_1() -> Self {
        Self {
            luma: Luma::Truncating,
            posterize_below_one: PosterizeBelowOne::Black,
            resize_order: ResizeOrder::HorizontalFirst,
            cutout_centre: CutoutCentre::Reference,
            padding: Padding::Reflect { pad: 31 },
            sign_flip_probability: 0.5,
        }
    }

    /// The same choices with the arithmetic of Pillow 7.0 to 12.
    #[must_use]
    pub fn pillow_7() -> Self {
        Self {
            luma: Luma::Rounding,
            ..Self::pillow_6_1()
        }
    }

    /// The same choices with the arithmetic of Pillow 13.0.
    #[must_use]
    pub fn pillow_13() -> Self {
        Self {
            luma: Luma::Rounding,
            posterize_below_one: PosterizeBelowOne::Error,
            resize_order: ResizeOrder::Pillow13,
            ..Self::pillow_6_1()
        }
    }

    /// The arithmetic of a version of Pillow, by its number (`6.1`, `7`, `13`, also `12.3.0`).
    ///
    /// # Errors
    /// [`TtaError::Options`] for a text that is no version, and below 6.
    pub fn pillow(version: &str) -> Result<Self, TtaError> {
        let numbers: Option<Vec<u32>> = version.split('.').map(|n| n.parse().ok()).collect();
        match numbers.as_deref().and_then(<[u32]>::first) {
            Some(6) => Ok(Self::pillow_6_1()),
            Some(7..=12) => Ok(Self::pillow_7()),
            Some(13) => Ok(Self::pillow_13()),
            _ => Err(TtaError::option(
                "pillow",
                version,
                "a version from 6 to 13, such as 6.1, 7 or 13",
            )),
        }
    }

    /// With another padding.
    #[must_use]
    pub fn with_padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// With another range of cutouts.
    #[must_use]
    pub fn with_cutout_centre(mut self, centre: CutoutCentre) -> Self {
        self.cutout_centre = centre;
        self
    }
}
