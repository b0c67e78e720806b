//! Policies that others have published for training, as they are used at test time: `AutoAugment`'s tables, `TrivialAugment`, timm's `RandAugment`.
//!
//! What they name is theirs: operations, probabilities, magnitudes and ranges (held against torchvision and timm by golden values). What happens to pixels is
//! this crate's, Pillow's arithmetic with bicubic shears and rotations and the padding of [`Compat`](crate::Compat), where torchvision takes the nearest pixel and
//! black. Their frame is that of the policy they are made like.
//!
//! Sources: Cubuk, Zoph, Mané, Vasudevan and Le, "`AutoAugment`: Learning Augmentation Policies from Data" (CVPR 2019), tables 7 to 9 as in torchvision; Müller
//! and Hutter, "`TrivialAugment`: Tuning-free Yet State-of-the-Art Data Augmentation" (ICCV 2021); Cubuk, Zoph, Shlens and Le, "`RandAugment`" (2020), as in timm.

use crate::{
    Address, Draw, Op, OpSpace, Policy, Step, SubPolicy, Transform, TtaError, policy::Provenance,
};

/// Which of `AutoAugment`'s tables: that of the data it was learned on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AutoAugment {
    /// CIFAR-10.
    Cifar10,
    /// `ImageNet`.
    ImageNet,
    /// Street view house numbers.
    Svhn,
}

/// Operation, probability, bin of 0 to 9.
type Chance = (Op, f64, u8);

impl AutoAugment {
    fn table(self) -> &'static [[Chance; 2]; 25] {
        match self {
            Self::Cifar10 => &CIFAR10,
            Self::ImageNet => &IMAGENET,
            Self::Svhn => &SVHN,
        }
    }
}

/// The 25 sub-policies of a table, two operations each with a probability, in its order; signs are drawn for each image.
///
/// ```
/// use firetender_tta::{Op, Policy, Step, baselines::{AutoAugment, autoaugment}};
/// let policy = autoaugment(&Policy::cifar(), AutoAugment::Cifar10);
/// assert_eq!(policy.len(), 25);
/// assert_eq!(policy.entries[0].ops, [Step(Op::Invert, 0.0), Step(Op::Contrast, 20.0)]);
/// assert_eq!(policy.entries[0].probabilities, [0.1, 0.2]);
/// ```
#[must_use]
pub fn autoaugment(like: &Policy, table: AutoAugment) -> Policy {
    let entries = table.table().iter().map(|pair| {
        let step = |(op, _, bin): &Chance| Step(*op, 30.0 * f64::from(*bin) / 9.0);
        SubPolicy::new(pair.iter().map(step).collect()).with_probabilities(
            pair.iter()
                .map(|(_, probability, _)| *probability)
                .collect(),
        )
    });
    with_space(like, OpSpace::autoaugment()).with_entries(entries.collect())
}

/// One operation a recipe, and one of 31 strengths, both uniform: `TrivialAugmentWide`, for images `width` pixels wide.
///
/// # Errors
/// [`TtaError::Options`] for more than a million recipes.
pub fn trivial_augment(
    like: &Policy,
    width: usize,
    samples: usize,
    seed: u64,
) -> Result<Policy, TtaError> {
    let space = OpSpace::trivial_augment_wide(width);
    let entries = drawn(samples, seed, |draw| {
        let op = space.ops[draw.up_to(space.ops.len() as u64 - 1) as usize].op;
        SubPolicy::new(vec![Step(op, draw.up_to(30) as f64)])
    })?;
    let mut policy = with_space(like, space).with_entries(entries);
    policy.provenance = seeded(seed);
    Ok(policy)
}

/// Recipes as timm's configuration draws them, such as `rand-m9-mstd0.5-inc1`: `m` magnitude (10 without it), `mstd` its deviation (0; more than 100 for uniform
/// from 0), `mmax` its bound (10), `n` operations (2), `p` the probability of each (0.5), `inc1` the increasing list. timm draws a magnitude for each image, here
/// a recipe has one, so that a search can choose between them.
///
/// ```
/// use firetender_tta::{Policy, baselines::timm_randaugment};
/// let policy = timm_randaugment(&Policy::cifar(), "rand-m9-mstd0.5-inc1", 20, 1)?;
/// assert!(policy.entries.iter().all(|e| e.ops.len() == 2 && e.probabilities == [0.5, 0.5]));
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
///
/// # Errors
/// [`TtaError::Options`] for a configuration that is none, or sets operations' weights (`t…`), and for more than a million recipes.
pub fn timm_randaugment(
    like: &Policy,
    configuration: &str,
    samples: usize,
    seed: u64,
) -> Result<Policy, TtaError> {
    let timm = Timm::parse(configuration)?;
    let space = if timm.increasing {
        OpSpace::timm_rand_increasing()
    } else {
        OpSpace::timm_rand()
    };
    let entries = drawn(samples, seed, |draw| {
        let steps = (0..timm.ops).map(|_| {
            let op = space.ops[draw.up_to(space.ops.len() as u64 - 1) as usize].op;
            Step(op, 3.0 * timm.magnitude(draw))
        });
        let recipe = SubPolicy::new(steps.collect());
        recipe.with_probabilities(vec![timm.probability; timm.ops])
    })?;
    let mut policy = with_space(like, space).with_entries(entries);
    policy.random_sign = timm.increasing;
    policy.provenance = Provenance {
        note: Some(configuration.to_owned()),
        ..seeded(seed)
    };
    Ok(policy)
}

/// Another list of operations in the frame of `like`. Where its crop is an operation, it becomes a frame.
fn with_space(like: &Policy, space: OpSpace) -> Policy {
    let mut policy = like.clone();
    if like.random.is_empty() && like.space.range(Op::RandomResizedCrop).is_ok() {
        policy.random = vec![Transform::RandomResizedCrop {
            size: like.space.size,
            low: 0.08,
            high: 1.0,
        }];
    }
    policy.space = space;
    policy.space.size = like.space.size;
    policy.true_zero = 0.0;
    policy.random_sign = true;
    policy.provenance = Provenance::default();
    policy
}

fn seeded(seed: u64) -> Provenance {
    Provenance {
        seed: Some(seed),
        ..Provenance::default()
    }
}

/// Each recipe a function of the seed and its number.
fn drawn(
    samples: usize,
    seed: u64,
    recipe: impl Fn(&mut Draw) -> SubPolicy,
) -> Result<Vec<SubPolicy>, TtaError> {
    if samples > 1_000_000 {
        let expected = "at most a million recipes";
        return Err(TtaError::option("samples", samples, expected));
    }
    let each = |entry| {
        recipe(&mut Draw::at(Address {
            seed,
            entry,
            // No image has this number.
            image: u64::MAX - 2,
            repeat: 0,
        }))
    };
    Ok((0..samples as u64).map(each).collect())
}

/// timm's configuration.
#[derive(Debug, PartialEq)]
struct Timm {
    magnitude: f64,
    deviation: f64,
    most: f64,
    ops: usize,
    probability: f64,
    increasing: bool,
}

impl Timm {
    fn parse(text: &str) -> Result<Self, TtaError> {
        let bad = |what: String| TtaError::option("configuration", text, what);
        let mut found = Self {
            magnitude: 10.0,
            deviation: 0.0,
            most: 10.0,
            ops: 2,
            probability: 0.5,
            increasing: false,
        };
        let mut parts = text.split('-');
        if parts.next() != Some("rand") {
            return Err(bad("rand-…, such as rand-m9-mstd0.5-inc1".into()));
        }
        for part in parts {
            let end = part.find(|c: char| c.is_ascii_digit() || c == '.');
            let (key, value) = part.split_at(end.unwrap_or(part.len()));
            let number: Option<f64> = value.parse().ok();
            let number = if (key, value) == ("mstd", "") || part == "mstdinf" {
                None
            } else {
                number.filter(|x| x.is_finite() && *x >= 0.0)
            };
            let Some(number) = number else {
                let what = format!("{part}: m, mstd, mmax, n, p or inc and a number of at least 0");
                return Err(bad(what));
            };
            match key {
                "m" => found.magnitude = number,
                "mstd" => found.deviation = number,
                "mmax" if (1.0..=15.0).contains(&number) => found.most = number,
                "n" if number <= 64.0 && number.fract() == 0.0 => found.ops = number as usize,
                "p" if number <= 1.0 => found.probability = number,
                // timm takes any value after inc for yes, inc0 too.
                "inc" => found.increasing = true,
                _ => {
                    let what = format!(
                        "{part}: m, mstd, mmax (1 to 15), n (to 64), p (to 1) or inc and a number"
                    );
                    return Err(bad(what));
                }
            }
        }
        Ok(found)
    }

    /// 0 to `most`.
    fn magnitude(&self, draw: &mut Draw) -> f64 {
        let magnitude = if self.deviation > 100.0 {
            draw.between(0.0, self.magnitude)
        } else {
            self.magnitude + self.deviation * draw.normal()
        };
        magnitude.clamp(0.0, self.most)
    }
}

/// Learned on CIFAR-10.
const CIFAR10: [[Chance; 2]; 25] = [
    [(Op::Invert, 0.1, 0), (Op::Contrast, 0.2, 6)],
    [(Op::Rotate, 0.7, 2), (Op::TranslateX, 0.3, 9)],
    [(Op::Sharpness, 0.8, 1), (Op::Sharpness, 0.9, 3)],
    [(Op::ShearY, 0.5, 8), (Op::TranslateY, 0.7, 9)],
    [(Op::AutoContrast, 0.5, 0), (Op::Equalize, 0.9, 0)],
    [(Op::ShearY, 0.2, 7), (Op::Posterize, 0.3, 7)],
    [(Op::Color, 0.4, 3), (Op::Brightness, 0.6, 7)],
    [(Op::Sharpness, 0.3, 9), (Op::Brightness, 0.7, 9)],
    [(Op::Equalize, 0.6, 0), (Op::Equalize, 0.5, 0)],
    [(Op::Contrast, 0.6, 7), (Op::Sharpness, 0.6, 5)],
    [(Op::Color, 0.7, 7), (Op::TranslateX, 0.5, 8)],
    [(Op::Equalize, 0.3, 0), (Op::AutoContrast, 0.4, 0)],
    [(Op::TranslateY, 0.4, 3), (Op::Sharpness, 0.2, 6)],
    [(Op::Brightness, 0.9, 6), (Op::Color, 0.2, 8)],
    [(Op::Solarize, 0.5, 2), (Op::Invert, 0.0, 0)],
    [(Op::Equalize, 0.2, 0), (Op::AutoContrast, 0.6, 0)],
    [(Op::Equalize, 0.2, 0), (Op::Equalize, 0.6, 0)],
    [(Op::Color, 0.9, 9), (Op::Equalize, 0.6, 0)],
    [(Op::AutoContrast, 0.8, 0), (Op::Solarize, 0.2, 8)],
    [(Op::Brightness, 0.1, 3), (Op::Color, 0.7, 0)],
    [(Op::Solarize, 0.4, 5), (Op::AutoContrast, 0.9, 0)],
    [(Op::TranslateY, 0.9, 9), (Op::TranslateY, 0.7, 9)],
    [(Op::AutoContrast, 0.9, 0), (Op::Solarize, 0.8, 3)],
    [(Op::Equalize, 0.8, 0), (Op::Invert, 0.1, 0)],
    [(Op::TranslateY, 0.7, 9), (Op::AutoContrast, 0.9, 0)],
];

/// Learned on `ImageNet`; some sub-policies stand twice.
const IMAGENET: [[Chance; 2]; 25] = [
    [(Op::Posterize, 0.4, 8), (Op::Rotate, 0.6, 9)],
    [(Op::Solarize, 0.6, 5), (Op::AutoContrast, 0.6, 0)],
    [(Op::Equalize, 0.8, 0), (Op::Equalize, 0.6, 0)],
    [(Op::Posterize, 0.6, 7), (Op::Posterize, 0.6, 6)],
    [(Op::Equalize, 0.4, 0), (Op::Solarize, 0.2, 4)],
    [(Op::Equalize, 0.4, 0), (Op::Rotate, 0.8, 8)],
    [(Op::Solarize, 0.6, 3), (Op::Equalize, 0.6, 0)],
    [(Op::Posterize, 0.8, 5), (Op::Equalize, 1.0, 0)],
    [(Op::Rotate, 0.2, 3), (Op::Solarize, 0.6, 8)],
    [(Op::Equalize, 0.6, 0), (Op::Posterize, 0.4, 6)],
    [(Op::Rotate, 0.8, 8), (Op::Color, 0.4, 0)],
    [(Op::Rotate, 0.4, 9), (Op::Equalize, 0.6, 0)],
    [(Op::Equalize, 0.0, 0), (Op::Equalize, 0.8, 0)],
    [(Op::Invert, 0.6, 0), (Op::Equalize, 1.0, 0)],
    [(Op::Color, 0.6, 4), (Op::Contrast, 1.0, 8)],
    [(Op::Rotate, 0.8, 8), (Op::Color, 1.0, 2)],
    [(Op::Color, 0.8, 8), (Op::Solarize, 0.8, 7)],
    [(Op::Sharpness, 0.4, 7), (Op::Invert, 0.6, 0)],
    [(Op::ShearX, 0.6, 5), (Op::Equalize, 1.0, 0)],
    [(Op::Color, 0.4, 0), (Op::Equalize, 0.6, 0)],
    [(Op::Equalize, 0.4, 0), (Op::Solarize, 0.2, 4)],
    [(Op::Solarize, 0.6, 5), (Op::AutoContrast, 0.6, 0)],
    [(Op::Invert, 0.6, 0), (Op::Equalize, 1.0, 0)],
    [(Op::Color, 0.6, 4), (Op::Contrast, 1.0, 8)],
    [(Op::Equalize, 0.8, 0), (Op::Equalize, 0.6, 0)],
];

/// Learned on house numbers.
const SVHN: [[Chance; 2]; 25] = [
    [(Op::ShearX, 0.9, 4), (Op::Invert, 0.2, 0)],
    [(Op::ShearY, 0.9, 8), (Op::Invert, 0.7, 0)],
    [(Op::Equalize, 0.6, 0), (Op::Solarize, 0.6, 6)],
    [(Op::Invert, 0.9, 0), (Op::Equalize, 0.6, 0)],
    [(Op::Equalize, 0.6, 0), (Op::Rotate, 0.9, 3)],
    [(Op::ShearX, 0.9, 4), (Op::AutoContrast, 0.8, 0)],
    [(Op::ShearY, 0.9, 8), (Op::Invert, 0.4, 0)],
    [(Op::ShearY, 0.9, 5), (Op::Solarize, 0.2, 6)],
    [(Op::Invert, 0.9, 0), (Op::AutoContrast, 0.8, 0)],
    [(Op::Equalize, 0.6, 0), (Op::Rotate, 0.9, 3)],
    [(Op::ShearX, 0.9, 4), (Op::Solarize, 0.3, 3)],
    [(Op::ShearY, 0.8, 8), (Op::Invert, 0.7, 0)],
    [(Op::Equalize, 0.9, 0), (Op::TranslateY, 0.6, 6)],
    [(Op::Invert, 0.9, 0), (Op::Equalize, 0.6, 0)],
    [(Op::Contrast, 0.3, 3), (Op::Rotate, 0.8, 4)],
    [(Op::Invert, 0.8, 0), (Op::TranslateY, 0.0, 2)],
    [(Op::ShearY, 0.7, 6), (Op::Solarize, 0.4, 8)],
    [(Op::Invert, 0.6, 0), (Op::Rotate, 0.8, 4)],
    [(Op::ShearY, 0.3, 7), (Op::TranslateX, 0.9, 3)],
    [(Op::ShearX, 0.1, 6), (Op::Invert, 0.6, 0)],
    [(Op::Solarize, 0.7, 2), (Op::TranslateY, 0.6, 7)],
    [(Op::ShearY, 0.8, 4), (Op::Invert, 0.8, 0)],
    [(Op::ShearX, 0.7, 9), (Op::TranslateY, 0.8, 3)],
    [(Op::ShearY, 0.8, 5), (Op::AutoContrast, 0.7, 0)],
    [(Op::ShearX, 0.7, 2), (Op::Invert, 0.1, 0)],
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RgbImage, Tta};

    #[test]
    fn tables_run_in_every_frame() {
        let image = RgbImage::new(40, 36, (0..4320).map(|i| (i * 31 % 256) as u8).collect());
        let image = image.unwrap();
        for table in [
            AutoAugment::Cifar10,
            AutoAugment::ImageNet,
            AutoAugment::Svhn,
        ] {
            for (like, size) in [
                (Policy::cifar(), (40, 36)),
                (Policy::imagenet(24, 0.875), (24, 24)),
            ] {
                let policy = autoaugment(&like, table);
                assert_eq!(policy.len(), 25);
                for (at, (entry, repeat)) in
                    Tta::new(&policy).plan(75).unwrap().into_iter().enumerate()
                {
                    let address = Address {
                        entry: entry as u64,
                        repeat,
                        image: at as u64,
                        ..Address::default()
                    };
                    let found = policy
                        .augment(&policy.entries[entry], &image, address)
                        .unwrap();
                    assert_eq!((found.width(), found.height()), size);
                }
                let text = policy.to_json().unwrap();
                assert_eq!(Policy::from_json(&text, "p".as_ref()).unwrap(), policy);
            }
        }
    }

    #[test]
    fn trivial_recipes_are_uniform() {
        let policy = trivial_augment(&Policy::cifar(), 32, 14_000, 3).unwrap();
        // Chi-square with 13 and 30 degrees of freedom: above 34.5 and 59.7 once in a thousand.
        let (mut ops, mut bins) = ([0.0_f64; 14], [0.0_f64; 31]);
        for entry in &policy.entries {
            let Step(op, m) = entry.ops[0];
            ops[policy.space.index_of(op).unwrap()] += 1.0;
            bins[m as usize] += 1.0;
        }
        let chi = |counts: &[f64]| {
            let mean = 14_000.0 / counts.len() as f64;
            counts
                .iter()
                .map(|n| (n - mean).powi(2) / mean)
                .sum::<f64>()
        };
        assert!(chi(&ops) < 34.5 && chi(&bins) < 59.7, "{ops:?} {bins:?}");
    }

    #[test]
    fn configurations_of_timm() {
        let parse = |text| Timm::parse(text).unwrap();
        assert_eq!(
            parse("rand-m9-mstd0.5-inc1"),
            Timm {
                magnitude: 9.0,
                deviation: 0.5,
                most: 10.0,
                ops: 2,
                probability: 0.5,
                increasing: true
            }
        );
        assert_eq!(parse("rand-n3-p1-mmax12-mstd101").ops, 3);
        for text in [
            "",
            "rand-",
            "augmix-m3",
            "rand-m",
            "rand-mNaN",
            "rand-q3",
            "rand-p2",
            "rand-n1e9",
            "rand-tweights",
            "rand-m-3",
        ] {
            assert!(Timm::parse(text).is_err(), "{text}");
        }
        let policy = timm_randaugment(&Policy::cifar(), "rand-m9-mstd0.5-inc1", 4000, 1).unwrap();
        assert!(policy.random_sign);
        let steps: Vec<f64> = policy
            .entries
            .iter()
            .flat_map(|e| e.ops.iter().map(|s| s.1))
            .collect();
        assert!(steps.iter().all(|m| (0.0..=30.0).contains(m)));
        // 9 ± 0.5, cut off at 10: the mean is 27 less a hair, the deviation of the mean 0.017.
        let mean = steps.iter().sum::<f64>() / steps.len() as f64;
        assert!((mean - 27.0).abs() < 0.1, "{mean}");
        let wide = timm_randaugment(&Policy::cifar(), "rand-m10-mstd101", 4000, 1).unwrap();
        let mean = wide.entries.iter().map(|e| e.ops[0].1).sum::<f64>() / 4000.0;
        assert!((mean - 15.0).abs() < 5.0 * 0.137, "{mean}");
    }
}
