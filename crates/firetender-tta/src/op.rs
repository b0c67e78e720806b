//! Operations by name, and what a magnitude means to them.
//!
//! A magnitude m says how strong an operation is, on a scale where 30 is the end of its range; the published policies go up to 45,
//! which extrapolates. `value = (m / 30) (max − min) + min`, in this order of operations. [`Op::resolve`] turns a value into a
//! [`ResolvedOp`] by drawing what is random for each image: the side of a shear, the place of a cutout, the box of a crop.
//! Operations of the caller's own stand beside the built-in ones under their names ([`ImageOp`]).

mod space;
mod user;

pub use space::{OpRange, OpSpace};
pub(crate) use user::missing;
pub use user::{ImageOp, OpName, Site, UserOps, UserStep, conformance};

use serde::{Deserialize, Serialize};

use crate::{Compat, Draw, ResolvedOp, TtaError, compat::CutoutCentre};

/// The operations of the reference's lists, in their order (`Op::ALL[7]` is what `(7, 23.0)` names), and others after them. In JSON a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum Op {
    /// Nothing.
    Identity,
    /// Rows against each other; side and fixed edge random.
    ShearX,
    /// Columns against each other; side and fixed edge random.
    ShearY,
    /// By a share of the width; side random.
    TranslateX,
    /// By a share of the height; side random.
    TranslateY,
    /// Degrees; side random.
    Rotate,
    /// Percent cut off.
    AutoContrast,
    /// Threshold.
    Solarize,
    /// Threshold; a half-and-half blend with the solarised image.
    SolarizeAdd,
    /// Bits kept.
    Posterize,
    /// Factor minus one.
    Contrast,
    /// Factor minus one.
    Color,
    /// Factor minus one.
    Brightness,
    /// Factor minus one.
    Sharpness,
    /// Side as a share of the width; place random.
    Cutout,
    /// Smallest share of the area; box, ratio and mirroring random.
    RandomResizedCrop,
    /// Every level.
    Invert,
    /// Levels made equally frequent.
    Equalize,
    /// Levels added to those below 128: what timm calls `SolarizeAdd`. In none of the reference's lists.
    AddToDark,
    /// One of the caller's own, by its name ([`ImageOp`]).
    User(OpName),
}

impl From<Op> for String {
    fn from(op: Op) -> Self {
        op.name().to_owned()
    }
}

/// A built-in operation's name, or any that an operation of the caller's own may have.
impl TryFrom<String> for Op {
    type Error = TtaError;

    fn try_from(name: String) -> Result<Self, TtaError> {
        match Self::from_name(&name) {
            Some(op) => Ok(op),
            None => Ok(Self::User(OpName::new(&name)?)),
        }
    }
}

impl Op {
    /// The built-in ones: the reference's in its order, then the others.
    pub const ALL: [Self; 19] = [
        Self::Identity,
        Self::ShearX,
        Self::ShearY,
        Self::TranslateX,
        Self::TranslateY,
        Self::Rotate,
        Self::AutoContrast,
        Self::Solarize,
        Self::SolarizeAdd,
        Self::Posterize,
        Self::Contrast,
        Self::Color,
        Self::Brightness,
        Self::Sharpness,
        Self::Cutout,
        Self::RandomResizedCrop,
        Self::Invert,
        Self::Equalize,
        Self::AddToDark,
    ];

    /// The name, as in JSON.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Identity => "Identity",
            Self::ShearX => "ShearX",
            Self::ShearY => "ShearY",
            Self::TranslateX => "TranslateX",
            Self::TranslateY => "TranslateY",
            Self::Rotate => "Rotate",
            Self::AutoContrast => "AutoContrast",
            Self::Solarize => "Solarize",
            Self::SolarizeAdd => "SolarizeAdd",
            Self::Posterize => "Posterize",
            Self::Contrast => "Contrast",
            Self::Color => "Color",
            Self::Brightness => "Brightness",
            Self::Sharpness => "Sharpness",
            Self::Cutout => "Cutout",
            Self::RandomResizedCrop => "RandomResizedCrop",
            Self::Invert => "Invert",
            Self::Equalize => "Equalize",
            Self::AddToDark => "AddToDark",
            Self::User(name) => name.as_str(),
        }
    }

    /// The built-in operation of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.name() == name)
    }

    /// Its place in [`Op::ALL`], which for the reference's operations (0 to 17) is their number; its length for the caller's own.
    #[must_use]
    pub fn index(self) -> usize {
        let place = Self::ALL.iter().position(|op| *op == self);
        place.unwrap_or(Self::ALL.len())
    }

    /// Whether a magnitude's sign means something: the enhancers, which weaken as well as strengthen. All others take the absolute
    /// value, and geometric ones draw their side.
    #[must_use]
    pub fn is_signed(self) -> bool {
        matches!(
            self,
            Self::Contrast | Self::Color | Self::Brightness | Self::Sharpness
        )
    }

    /// Draws what is random for one image of this size. `value` is what the magnitude means ([`OpRange::value`]); `size` is the side
    /// of the square that `RandomResizedCrop` makes.
    ///
    /// ```
    /// use firetender_tta::{Address, Compat, Draw, Op, ResolvedOp};
    /// let mut draw = Draw::at(Address::default());
    /// let op = Op::Rotate.resolve(30.0, [32, 32], 32, &Compat::pillow_13(), &mut draw)?;
    /// assert!([30.0, -30.0].map(|degrees| ResolvedOp::Rotate { degrees }).contains(&op));
    /// # Ok::<(), firetender_tta::TtaError>(())
    /// ```
    ///
    /// # Errors
    /// [`TtaError::Parameter`] for a value that is not finite; [`TtaError::UnknownOp`] for one of the caller's own, whose code only a list of operations
    /// has ([`OpSpace::with_op`]).
    pub fn resolve(
        self,
        value: f64,
        [width, height]: [usize; 2],
        size: usize,
        compat: &Compat,
        draw: &mut Draw,
    ) -> Result<ResolvedOp, TtaError> {
        if !value.is_finite() {
            return Err(TtaError::Parameter {
                op: self.name().to_owned(),
                field: "value",
                found: value.to_string(),
                expected: "a finite number".into(),
            });
        }
        let mut side = |value: f64| if draw.chance(0.5) { -value } else { value };
        Ok(match self {
            Self::Identity => ResolvedOp::Identity,
            Self::ShearX => ResolvedOp::ShearX {
                factor: side(value),
                mirror: draw.chance(0.5),
            },
            Self::ShearY => ResolvedOp::ShearY {
                factor: side(value),
                mirror: draw.chance(0.5),
            },
            Self::TranslateX => ResolvedOp::TranslateX {
                pixels: side(value) * width as f64,
            },
            Self::TranslateY => ResolvedOp::TranslateY {
                pixels: side(value) * height as f64,
            },
            Self::Rotate => ResolvedOp::Rotate {
                degrees: side(value),
            },
            Self::AutoContrast => ResolvedOp::AutoContrast { cutoff: value },
            Self::Solarize => ResolvedOp::Solarize { threshold: value },
            Self::SolarizeAdd => ResolvedOp::SolarizeAdd { threshold: value },
            // Truncated, as Python's int().
            Self::Posterize => ResolvedOp::Posterize { bits: value as i32 },
            Self::Contrast => ResolvedOp::Contrast {
                factor: 1.0 + value,
            },
            Self::Color => ResolvedOp::Color {
                factor: 1.0 + value,
            },
            Self::Brightness => ResolvedOp::Brightness {
                factor: 1.0 + value,
            },
            Self::Sharpness => ResolvedOp::Sharpness {
                factor: 1.0 + value,
            },
            Self::Cutout => {
                if value <= 0.0 {
                    return Ok(ResolvedOp::Identity);
                }
                let mut centre = |length: usize| {
                    let (u, length) = (draw.uniform(), length as f64);
                    match compat.cutout_centre {
                        CutoutCentre::Uniform => u * length,
                        // A uniform draw from `length` down to, and without, 1.
                        CutoutCentre::Reference => length + (1.0 - length) * u,
                    }
                };
                ResolvedOp::Cutout {
                    centre_x: centre(width),
                    centre_y: centre(height),
                    side: value * width as f64,
                }
            }
            Self::RandomResizedCrop => {
                let low = value.abs();
                crate::transform::random_resized_crop(
                    [width, height],
                    size,
                    [low, low + 0.01],
                    draw,
                )
            }
            Self::Invert => ResolvedOp::Invert,
            Self::Equalize => ResolvedOp::Equalize,
            // Truncated, and at most 128, as in timm.
            Self::AddToDark => ResolvedOp::AddToDark {
                levels: (value as i32).clamp(0, 128),
            },
            Self::User(name) => return Err(missing(name)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;

    fn draws(op: Op, value: f64, compat: &Compat, n: u64) -> Vec<ResolvedOp> {
        let each = |image| {
            let mut draw = Draw::at(Address {
                image,
                ..Address::default()
            });
            op.resolve(value, [32, 32], 32, compat, &mut draw).unwrap()
        };
        (0..n).map(each).collect()
    }

    #[test]
    fn names_and_numbers_go_both_ways() {
        for (index, op) in Op::ALL.into_iter().enumerate() {
            assert_eq!(op.index(), index);
            assert_eq!(Op::from_name(op.name()), Some(op));
            assert_eq!(
                serde_json::to_string(&op).unwrap(),
                format!("{:?}", op.name())
            );
        }
    }

    #[test]
    fn sides_are_fair() {
        let n = 20_000;
        let left = draws(Op::Rotate, 10.0, &Compat::pillow_13(), n)
            .iter()
            .filter(|op| **op == ResolvedOp::Rotate { degrees: -10.0 })
            .count();
        // Five standard errors of a fair coin.
        assert!((left as f64 - 10_000.0).abs() < 5.0 * 70.8);
        let four: Vec<(bool, bool)> = draws(Op::ShearX, 0.5, &Compat::pillow_13(), n)
            .iter()
            .map(|op| match op {
                ResolvedOp::ShearX { factor, mirror } => (*factor < 0.0, *mirror),
                other => panic!("{other:?}"),
            })
            .collect();
        for way in [(false, false), (false, true), (true, false), (true, true)] {
            let count = four.iter().filter(|w| **w == way).count();
            assert!(
                (count as f64 - 5_000.0).abs() < 5.0 * 61.3,
                "{way:?} {count}"
            );
        }
    }

    #[test]
    fn cutouts_lie_where_the_switch_says() {
        let centres = |compat: &Compat| -> Vec<f64> {
            draws(Op::Cutout, 0.5, compat, 20_000)
                .iter()
                .map(|op| match op {
                    ResolvedOp::Cutout { centre_x, .. } => *centre_x,
                    other => panic!("{other:?}"),
                })
                .collect()
        };
        let reference = centres(&Compat::pillow_6_1());
        assert!(reference.iter().all(|c| *c > 1.0 && *c <= 32.0));
        let mean = reference.iter().sum::<f64>() / 20_000.0;
        // 31 / √12 / √20,000 = 0.063.
        assert!((mean - 16.5).abs() < 0.32, "{mean}");
        let uniform = centres(&Compat::pillow_6_1().with_cutout_centre(CutoutCentre::Uniform));
        assert!(uniform.iter().all(|c| (0.0..32.0).contains(c)));
        assert!(uniform.iter().any(|c| *c < 1.0));
    }

    #[test]
    fn a_cutout_of_nothing_draws_nothing() {
        let mut one = Draw::at(Address::default());
        let found = Op::Cutout.resolve(0.0, [8, 8], 8, &Compat::pillow_13(), &mut one);
        assert_eq!(found.unwrap(), ResolvedOp::Identity);
        assert_eq!(one.uniform(), Draw::at(Address::default()).uniform());
    }
}
