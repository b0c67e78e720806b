//! Lists of operations with their ranges.

use serde::{Deserialize, Serialize};

use super::Op;
use crate::TtaError;

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
    /// What a magnitude means: `(m / 30) (max − min) + min`, of the absolute value except for [`Op::is_signed`].
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
        let m = if self.op.is_signed() {
            magnitude
        } else {
            magnitude.abs()
        };
        (m / 30.0) * (self.max - self.min) + self.min
    }
}

/// An ordered list of operations, by which numbers in published policies get their meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpSpace {
    /// What to call it.
    pub name: String,
    /// The operations; a policy's number is a place in this list.
    pub ops: Vec<OpRange>,
    /// Side of the square that `RandomResizedCrop` makes, in pixels.
    pub size: usize,
}

impl OpSpace {
    fn of(name: &str, size: usize, ops: &[(Op, f64, f64)]) -> Self {
        let ops = ops.iter().map(|&(op, min, max)| OpRange { op, min, max });
        Self {
            name: name.to_owned(),
            ops: ops.collect(),
            size,
        }
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

    /// torchvision's `RandAugment`: its fourteen operations and ranges, with Pillow's arithmetic.
    #[must_use]
    pub fn torchvision_ra() -> Self {
        Self::of(
            "torchvision_ra",
            224,
            &[
                (Op::Identity, 0.0, 1.0),
                (Op::ShearX, 0.0, 0.3),
                (Op::ShearY, 0.0, 0.3),
                (Op::TranslateX, 0.0, 150.0 / 331.0),
                (Op::TranslateY, 0.0, 150.0 / 331.0),
                (Op::Rotate, 0.0, 30.0),
                (Op::Brightness, 0.0, 0.9),
                (Op::Color, 0.0, 0.9),
                (Op::Contrast, 0.0, 0.9),
                (Op::Sharpness, 0.0, 0.9),
                (Op::Posterize, 8.0, 4.0),
                (Op::Solarize, 256.0, 0.0),
                (Op::AutoContrast, 0.0, 0.0),
                (Op::Equalize, 0.0, 1.0),
            ],
        )
    }

    /// timm's increasing `RandAugment` (`rand-…-inc1`): fifteen operations; its magnitudes 0 to 10 are 0 to 30 here.
    #[must_use]
    pub fn timm_rand_increasing() -> Self {
        Self::of(
            "timm_rand_increasing",
            224,
            &[
                (Op::AutoContrast, 0.0, 0.0),
                (Op::Equalize, 0.0, 1.0),
                (Op::Invert, 0.0, 1.0),
                (Op::Rotate, 0.0, 30.0),
                (Op::Posterize, 4.0, 0.0),
                (Op::Solarize, 256.0, 0.0),
                (Op::Color, 0.0, 0.9),
                (Op::Contrast, 0.0, 0.9),
                (Op::Brightness, 0.0, 0.9),
                (Op::Sharpness, 0.0, 0.9),
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
                known: self.names().join(", "),
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

    fn names(&self) -> Vec<&'static str> {
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
