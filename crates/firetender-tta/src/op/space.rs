//! Lists of operations with their ranges.

use serde::{Deserialize, Serialize};

use super::{ImageOp, Op, OpName, Site, UserOps, missing};
use crate::{Compat, Draw, ResolvedOp, TtaError};

/// An operation and what the magnitudes 0 and 30 mean to it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpRange {
    /// The operation.
    pub op: Op,
    /// At magnitude 0.
    pub min: f64,
    /// At magnitude 30. More extrapolates.
    pub max: f64,
}

impl OpRange {
    /// What a magnitude means: `(m / 30) (max − min) + min`, of the absolute value except for [`Op::is_signed`]. For an operation of the
    /// caller's own the magnitude counts as it is; a list takes the absolute value before where [`ImageOp::is_signed`] says so.
    ///
    /// ```
    /// use firetender_tta::OpSpace;
    /// let space = OpSpace::gps_cifar();
    /// assert_eq!(space.at(9)?.value(45.0), -1.0);
    /// assert_eq!(space.at(5)?.value(-30.0), 40.0);
    /// # Ok::<(), firetender_tta::TtaError>(())
    /// ```
    #[must_use]
    pub fn value(&self, magnitude: f64) -> f64 {
        let m = if self.op.is_signed() || matches!(self.op, Op::User(_)) {
            magnitude
        } else {
            magnitude.abs()
        };
        (m / 30.0) * (self.max - self.min) + self.min
    }
}

/// An ordered list of operations, by which numbers in published policies get their meaning.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpSpace {
    /// What to call it.
    pub name: String,
    /// The operations; a policy's number is a place in this list.
    pub ops: Vec<OpRange>,
    /// Side of the square that `RandomResizedCrop` makes, in pixels.
    pub size: usize,
    /// The code of operations of the caller's own; not in JSON. Add with [`OpSpace::with_op`], give back after reading with [`OpSpace::bind`].
    #[serde(skip)]
    pub user: UserOps,
}

/// Names, ranges and size; code is not compared.
impl PartialEq for OpSpace {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.ops, self.size) == (&other.name, &other.ops, other.size)
    }
}

impl OpSpace {
    fn of(name: &str, size: usize, ops: &[(Op, f64, f64)]) -> Self {
        let ops = ops.iter().map(|&(op, min, max)| OpRange { op, min, max });
        Self {
            name: name.to_owned(),
            ops: ops.collect(),
            size,
            user: UserOps::new(),
        }
    }

    /// And an operation of the caller's own, at the end, with what the magnitudes 0 and 30 mean to it. See [`ImageOp`] for an example.
    ///
    /// # Errors
    /// As [`UserOps::with`]; [`TtaError::Parameter`] for a range that is not finite.
    pub fn with_op(
        mut self,
        op: impl ImageOp + 'static,
        min: f64,
        max: f64,
    ) -> Result<Self, TtaError> {
        let name = OpName::new(op.name())?;
        self.user = self.user.with(op)?;
        self.ops.push(OpRange {
            op: Op::User(name),
            min,
            max,
        });
        self.check()?;
        Ok(self)
    }

    /// With the code of the operations that are the caller's own: after reading a list whose names alone are in the file.
    ///
    /// # Errors
    /// [`TtaError::UnknownOp`] for a name that is neither built in nor in `ops`.
    pub fn bind(mut self, ops: &UserOps) -> Result<Self, TtaError> {
        for range in &self.ops {
            if let Op::User(name) = range.op
                && ops.get(name.as_str()).is_none()
            {
                return Err(missing(name));
            }
        }
        self.user = ops.clone();
        Ok(self)
    }

    /// What an operation of the list does to one image at a magnitude.
    pub(crate) fn resolve(
        &self,
        op: Op,
        magnitude: f64,
        size: [usize; 2],
        compat: &Compat,
        draw: &mut Draw,
    ) -> Result<ResolvedOp, TtaError> {
        let range = self.range(op)?;
        let Op::User(name) = op else {
            return op.resolve(range.value(magnitude), size, self.size, compat, draw);
        };
        let user = self.user.get(name.as_str()).ok_or_else(|| missing(name))?;
        let magnitude = if user.is_signed() {
            magnitude
        } else {
            magnitude.abs()
        };
        let site = Site {
            size,
            crop: self.size,
            compat: *compat,
        };
        self.user.resolve(name, range.value(magnitude), &site, draw)
    }

    /// The operation of this name: built in, or the caller's own.
    pub(crate) fn named(&self, name: &str) -> Option<Op> {
        let range = self.ops.iter().find(|range| range.op.name() == name);
        range.map(|range| range.op)
    }

    /// The reference's list for CIFAR: numbers 0 to 14.
    #[must_use]
    pub fn gps_cifar() -> Self {
        let mut space = Self::gps_imagenet(32);
        space.name = "gps_cifar".into();
        space.ops.truncate(15);
        space
    }

    /// The reference's list for `ImageNet`: numbers 0 to 17, crops of `size` pixels.
    #[must_use]
    pub fn gps_imagenet(size: usize) -> Self {
        Self::of(
            "gps_imagenet",
            size,
            &[
                (Op::Identity, 0.0, 1.0),
                (Op::ShearX, 0.0, 0.5),
                (Op::ShearY, 0.0, 0.5),
                (Op::TranslateX, 0.0, 0.45),
                (Op::TranslateY, 0.0, 0.45),
                (Op::Rotate, 0.0, 40.0),
                (Op::AutoContrast, 0.0, 10.0),
                (Op::Solarize, 256.0, 128.0),
                (Op::SolarizeAdd, 256.0, 128.0),
                (Op::Posterize, 8.0, 2.0),
                (Op::Contrast, 0.0, 0.8),
                (Op::Color, 0.0, 0.9),
                (Op::Brightness, 0.0, 0.8),
                (Op::Sharpness, 0.0, 0.9),
                (Op::Cutout, 0.0, 0.5),
                (Op::RandomResizedCrop, 0.99, 0.08),
                (Op::Invert, 0.0, 1.0),
                (Op::Equalize, 0.0, 1.0),
            ],
        )
    }

    /// The `RandAugment` list that the reference's authors started from: fourteen operations with the usual ranges.
    #[must_use]
    pub fn randaugment() -> Self {
        Self::of(
            "randaugment",
            32,
            &[
                (Op::AutoContrast, 0.0, 0.0),
                (Op::Equalize, 0.0, 1.0),
                (Op::Invert, 0.0, 1.0),
                (Op::Rotate, 0.0, 30.0),
                (Op::Posterize, 4.0, 8.0),
                (Op::Solarize, 0.0, 256.0),
                (Op::Color, -0.9, 0.9),
                (Op::Contrast, -0.9, 0.9),
                (Op::Brightness, -0.9, 0.9),
                (Op::Sharpness, -0.9, 0.9),
                (Op::ShearX, 0.0, 0.3),
                (Op::ShearY, 0.0, 0.3),
                (Op::TranslateX, 0.0, 0.45),
                (Op::TranslateY, 0.0, 0.45),
                (Op::Cutout, 0.0, 0.2),
            ],
        )
    }

    /// torchvision's `RandAugment`: its fourteen operations and ranges, with Pillow's arithmetic. Its bins 0 to 30 are magnitudes here.
    #[must_use]
    pub fn torchvision_ra() -> Self {
        let translate = 150.0 / 331.0;
        Self::torchvision("torchvision_ra", 224, [0.3, translate, 30.0, 0.9, 4.5])
    }

    /// torchvision's `TrivialAugmentWide` (Müller and Hutter, 2021) for images `width` pixels wide, since it shifts by pixels: up to 32 of them, while
    /// magnitudes here are shares. Its bins 0 to 30 are magnitudes.
    #[must_use]
    pub fn trivial_augment_wide(width: usize) -> Self {
        let translate = 32.0 / width.max(1) as f64;
        let ranges = [0.99, translate, 135.0, 0.99, 2.5];
        Self::torchvision("trivial_augment_wide", width.max(1), ranges)
    }

    /// torchvision's `AutoAugment`: the ranges of [`OpSpace::torchvision_ra`] and Invert. A bin b of its 0 to 9 is the magnitude 30 b / 9.
    #[must_use]
    pub fn autoaugment() -> Self {
        let mut space = Self::torchvision_ra();
        space.name = "autoaugment".into();
        space.ops.push(OpRange {
            op: Op::Invert,
            min: 0.0,
            max: 1.0,
        });
        space
    }

    /// torchvision's fourteen operations, with the ends of shear, translation, rotation, enhancers and Posterize. It rounds bits where operations here
    /// truncate them, hence halves; its thresholds begin at 255.
    fn torchvision(
        name: &str,
        size: usize,
        [shear, translate, rotate, enhance, bits]: [f64; 5],
    ) -> Self {
        Self::of(
            name,
            size,
            &[
                (Op::Identity, 0.0, 1.0),
                (Op::ShearX, 0.0, shear),
                (Op::ShearY, 0.0, shear),
                (Op::TranslateX, 0.0, translate),
                (Op::TranslateY, 0.0, translate),
                (Op::Rotate, 0.0, rotate),
                (Op::Brightness, 0.0, enhance),
                (Op::Color, 0.0, enhance),
                (Op::Contrast, 0.0, enhance),
                (Op::Sharpness, 0.0, enhance),
                (Op::Posterize, 8.5, bits),
                (Op::Solarize, 255.0, 0.0),
                (Op::AutoContrast, 0.0, 0.0),
                (Op::Equalize, 0.0, 1.0),
            ],
        )
    }

    /// timm's `RandAugment` (`rand-…`) without `inc1`: fifteen operations, of which some weaken with the magnitude. timm's magnitudes 0 to 10 are 0 to 30 here.
    #[must_use]
    pub fn timm_rand() -> Self {
        Self::timm("timm_rand", [0.0, 4.0], [0.0, 256.0], [-0.9, 0.9])
    }

    /// timm's increasing `RandAugment` (`rand-…-inc1`): fifteen operations; its magnitudes 0 to 10 are 0 to 30 here.
    #[must_use]
    pub fn timm_rand_increasing() -> Self {
        // Four less truncated bits is what five less a hair leaves when it is truncated.
        let bits = [5.0 - 1e-9, 1.0 - 1e-9];
        Self::timm("timm_rand_increasing", bits, [256.0, 0.0], [0.0, 0.9])
    }

    fn timm(name: &str, bits: [f64; 2], threshold: [f64; 2], enhance: [f64; 2]) -> Self {
        Self::of(
            name,
            224,
            &[
                (Op::AutoContrast, 0.0, 0.0),
                (Op::Equalize, 0.0, 1.0),
                (Op::Invert, 0.0, 1.0),
                (Op::Rotate, 0.0, 30.0),
                (Op::Posterize, bits[0], bits[1]),
                (Op::Solarize, threshold[0], threshold[1]),
                (Op::AddToDark, 0.0, 110.0),
                (Op::Color, enhance[0], enhance[1]),
                (Op::Contrast, enhance[0], enhance[1]),
                (Op::Brightness, enhance[0], enhance[1]),
                (Op::Sharpness, enhance[0], enhance[1]),
                (Op::ShearX, 0.0, 0.3),
                (Op::ShearY, 0.0, 0.3),
                (Op::TranslateX, 0.0, 0.45),
                (Op::TranslateY, 0.0, 0.45),
            ],
        )
    }

    /// Only some of the operations, in this list's order. Numbers change with it; names do not.
    ///
    /// # Errors
    /// [`TtaError::Empty`] when none is left.
    pub fn only(mut self, ops: &[Op]) -> Result<Self, TtaError> {
        self.ops.retain(|range| ops.contains(&range.op));
        if self.ops.is_empty() {
            return Err(TtaError::Empty { what: "operations" });
        }
        self.name = format!("{} (subset)", self.name);
        Ok(self)
    }

    /// The operation with this number.
    ///
    /// # Errors
    /// [`TtaError::UnknownOp`].
    pub fn at(&self, index: usize) -> Result<&OpRange, TtaError> {
        self.ops.get(index).ok_or_else(|| TtaError::UnknownOp {
            found: format!("number {index}"),
            known: format!("0 to {}", self.ops.len().saturating_sub(1)),
        })
    }

    /// The range of an operation.
    ///
    /// # Errors
    /// [`TtaError::UnknownOp`].
    pub fn range(&self, op: Op) -> Result<&OpRange, TtaError> {
        self.ops
            .iter()
            .find(|range| range.op == op)
            .ok_or_else(|| TtaError::UnknownOp {
                found: op.name().to_owned(),
                known: format!(
                    "{} (an operation of your own has to be registered: OpSpace::with_op)",
                    self.names().join(", ")
                ),
            })
    }

    /// The number of an operation, as published policies write it.
    ///
    /// # Errors
    /// [`TtaError::UnknownOp`].
    pub fn index_of(&self, op: Op) -> Result<usize, TtaError> {
        self.range(op)?;
        Ok(self.ops.iter().position(|r| r.op == op).unwrap_or(0))
    }

    fn names(&self) -> Vec<&str> {
        self.ops.iter().map(|range| range.op.name()).collect()
    }

    /// What is wrong with it, if anything: an empty list, an operation twice, a range that is not finite.
    pub(crate) fn check(&self) -> Result<(), TtaError> {
        if self.ops.is_empty() {
            return Err(TtaError::Empty { what: "operations" });
        }
        crate::image::check_size(self.size, self.size)?;
        for (at, range) in self.ops.iter().enumerate() {
            if !range.min.is_finite() || !range.max.is_finite() {
                return Err(TtaError::Parameter {
                    op: range.op.name().into(),
                    field: "range",
                    found: format!("{} to {}", range.min, range.max),
                    expected: "finite numbers".into(),
                });
            }
            if self.ops[..at].iter().any(|other| other.op == range.op) {
                return Err(TtaError::option(
                    "ops",
                    range.op.name(),
                    "each operation once",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_sound() {
        for space in [
            OpSpace::gps_cifar(),
            OpSpace::gps_imagenet(224),
            OpSpace::randaugment(),
            OpSpace::torchvision_ra(),
            OpSpace::trivial_augment_wide(32),
            OpSpace::autoaugment(),
            OpSpace::timm_rand(),
            OpSpace::timm_rand_increasing(),
        ] {
            space.check().unwrap();
        }
        assert_eq!(OpSpace::gps_cifar().ops.len(), 15);
        for (at, range) in OpSpace::gps_imagenet(224).ops.iter().enumerate() {
            assert_eq!(range.op.index(), at);
        }
    }

    #[test]
    fn magnitudes_extrapolate_as_the_table_says() {
        let space = OpSpace::gps_imagenet(224);
        let value = |at: usize, m: f64| space.at(at).unwrap().value(m);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(value(1, 45.0), 0.75);
        near(value(3, -45.0), 0.675);
        near(value(5, 45.0), 60.0);
        near(value(7, 45.0), 64.0);
        assert_eq!(value(9, 35.0), 1.0);
        near(value(10, -45.0), -1.2);
        near(value(13, 45.0), 1.35);
        near(value(15, 45.0), -0.375);
        near(value(15, 0.0), 0.99);
    }
}
