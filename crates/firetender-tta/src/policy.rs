//! Policies: which augmentations, in which order, with everything that gives them their meaning.
//!
//! A [`SubPolicy`] is one recipe: some operations with magnitudes, and the frame around them. It fixes operations and
//! magnitudes; sides, places and boxes are drawn anew for every image, so a sub-policy stands for a distribution of predictions. A [`Policy`]
//! is an ordered list of them: its first k entries are the policy for a budget of k passes through the network.
//!
//! As JSON a policy has a schema and operations by **name**; an unknown key is an error, and magnitudes are read back to the last bit. The
//! reference's files are read and written by [`crate::reference`].

mod file;
mod pickle;
mod prior;
pub mod reference;
mod strings;
mod text;

pub use file::SCHEMAS;
pub use prior::{Mixture, MixturePart};
pub(crate) use strings::npy_bytes;
pub use text::{format_sub_policy, parse_sub_policy};

use std::path::Path;

use firetender_uncertainty::write_atomically;
use serde::{Deserialize, Serialize};

use crate::{
    Address, Compat, Draw, Op, OpSpace, ResolvedOp, RgbImage, Transform, TtaError, UserOps,
    apply_all,
};

/// An operation and how strong it is; as JSON `["Solarize", 23.0]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Step(pub Op, pub f64);

/// What stands around the operations of a recipe.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// The policy's random frame, after the operations.
    #[default]
    Random,
    /// The policy's central frame, which draws nothing.
    Central,
    /// These transforms, before the operations.
    Fixed(Vec<Transform>),
}

/// One recipe.
///
/// ```
/// use firetender_tta::{Op, Step, SubPolicy, parse_sub_policy, OpSpace};
/// let recipe = parse_sub_policy("[(7,23.0),(13,-15.2)]", &OpSpace::gps_cifar())?;
/// assert_eq!(recipe.ops, [Step(Op::Solarize, 23.0), Step(Op::Sharpness, -15.2)]);
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubPolicy {
    /// What is done, in order.
    pub ops: Vec<Step>,
    /// With which probability each operation is done at all, drawn for each image; empty means always. Learned policies for training such as
    /// `AutoAugment`'s have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probabilities: Vec<f64>,
    /// What stands around it.
    #[serde(default)]
    pub frame: Frame,
}

impl SubPolicy {
    /// These operations in the policy's random frame.
    #[must_use]
    pub fn new(ops: Vec<Step>) -> Self {
        Self {
            ops,
            ..Self::default()
        }
    }

    /// The central crop: no operation, nothing random. The reference writes it as `None`.
    #[must_use]
    pub fn central() -> Self {
        Self {
            frame: Frame::Central,
            ..Self::default()
        }
    }

    /// Fixed transforms and no operation.
    #[must_use]
    pub fn fixed(transforms: Vec<Transform>) -> Self {
        Self {
            frame: Frame::Fixed(transforms),
            ..Self::default()
        }
    }

    /// With a probability for each operation, in their order.
    ///
    /// ```
    /// use firetender_tta::{Op, Policy, Step, SubPolicy};
    /// let recipe = SubPolicy::new(vec![Step(Op::Cutout, 9.0)]).with_probabilities(vec![0.4]);
    /// let text = Policy::cifar().with_entries(vec![recipe]).to_json()?;
    /// assert!(text.contains("firetender-policy/2"));
    /// # Ok::<(), firetender_tta::TtaError>(())
    /// ```
    #[must_use]
    pub fn with_probabilities(mut self, probabilities: Vec<f64>) -> Self {
        self.probabilities = probabilities;
        self
    }

    /// What is wrong with its probabilities, if anything.
    fn check(&self) -> Result<(), TtaError> {
        let (found, expected) = (self.probabilities.len(), self.ops.len());
        if found != 0 && found != expected {
            return Err(TtaError::Length {
                what: "probabilities of a recipe",
                found,
                expected,
            });
        }
        let wrong = |p: &&f64| !(0.0..=1.0).contains(*p);
        match self.probabilities.iter().find(wrong) {
            None => Ok(()),
            Some(p) => Err(TtaError::option("probabilities", p, "0 to 1")),
        }
    }

    /// Whether this is [`SubPolicy::central`].
    #[must_use]
    pub fn is_central(&self) -> bool {
        self.ops.is_empty() && self.frame == Frame::Central
    }
}

/// Where a policy comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Seed of the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Fingerprint of the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Numbers of the entries in the pool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub selected: Vec<usize>,
    /// The search's score after each step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<f64>,
    /// The temperature after each step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub temperatures: Vec<f64>,
    /// Anything else worth knowing, such as the file that it was read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An ordered list of recipes, with what gives them their meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "file::PolicyFile", try_from = "file::PolicyFile")]
pub struct Policy {
    /// Operations and their ranges.
    pub space: OpSpace,
    /// Versions and choices.
    pub compat: Compat,
    /// Operations with a magnitude below this, either way, are left out; zero leaves out none. 0.5 in the reference's CIFAR experiments.
    pub true_zero: f64,
    /// Whether a magnitude's sign is drawn for each image, with [`Compat::sign_flip_probability`]: for the enhancers, since other operations draw their
    /// side anyway. Off in the reference's policies, on in `AutoAugment`'s.
    pub random_sign: bool,
    /// The random frame, applied after the operations of entries that ask for it.
    pub random: Vec<Transform>,
    /// The central frame.
    pub central: Vec<Transform>,
    /// The recipes.
    pub entries: Vec<SubPolicy>,
    /// Where it comes from.
    pub provenance: Provenance,
}

impl Policy {
    /// A policy without entries, as the reference runs it on CIFAR: crops within 4 pixels of padding, mirrored every second time, and
    /// magnitudes below 0.5 left out.
    #[must_use]
    pub fn cifar() -> Self {
        Self {
            space: OpSpace::gps_cifar(),
            compat: Compat::pillow_6_1(),
            true_zero: 0.5,
            random_sign: false,
            random: vec![Transform::CropFlip { pad: 4, flip: true }],
            central: vec![],
            entries: vec![],
            provenance: Provenance::default(),
        }
    }

    /// A policy without entries, as the reference runs it on `ImageNet`: the crop is an operation, black outside, nothing left out. The
    /// central frame resizes the shorter side to `size / crop_share`, truncated (224 / 0.875 = 256).
    #[must_use]
    pub fn imagenet(size: usize, crop_share: f64) -> Self {
        Self {
            space: OpSpace::gps_imagenet(size),
            compat: Compat::pillow_6_1().with_padding(crate::Padding::Black),
            true_zero: 0.0,
            random: vec![],
            central: vec![
                Transform::ResizeShort {
                    short: (size as f64 / crop_share) as usize,
                },
                Transform::CentreCrop { size },
            ],
            ..Self::cifar()
        }
    }

    /// With these entries.
    #[must_use]
    pub fn with_entries(mut self, entries: Vec<SubPolicy>) -> Self {
        self.entries = entries;
        self
    }

    /// With another arithmetic.
    #[must_use]
    pub fn with_compat(mut self, compat: Compat) -> Self {
        self.compat = compat;
        self
    }

    /// How many recipes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The policy made of these entries, in this order.
    ///
    /// # Errors
    /// [`TtaError::Options`] for a number beyond the last entry.
    pub fn select(&self, entries: &[usize]) -> Result<Self, TtaError> {
        let chosen = entries
            .iter()
            .map(|&at| {
                self.entries.get(at).cloned().ok_or_else(|| {
                    let expected = format!("below {}, the number of entries", self.len());
                    TtaError::option("entry", at, expected)
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(self.clone().with_entries(chosen))
    }

    /// Everything that is done to an image of this size under one entry, drawn at an address: a function of its arguments alone.
    ///
    /// ```
    /// use firetender_tta::{Address, Policy, SubPolicy};
    /// let policy = Policy::cifar().with_entries(vec![SubPolicy::central()]);
    /// assert!(policy.resolve(&policy.entries[0], [32, 32], Address::default())?.is_empty());
    /// # Ok::<(), firetender_tta::TtaError>(())
    /// ```
    ///
    /// # Errors
    /// [`TtaError::UnknownOp`] for an operation that the space does not have, or of the caller's own without its code; [`TtaError::Length`] and
    /// [`TtaError::Options`] for probabilities that are none; as [`Op::resolve`] and [`Transform::resolve`].
    pub fn resolve(
        &self,
        recipe: &SubPolicy,
        size: [usize; 2],
        address: Address,
    ) -> Result<Vec<ResolvedOp>, TtaError> {
        recipe.check()?;
        let mut draw = Draw::at(address);
        let mut size = size;
        let mut done = vec![];
        let frame = |done: &mut Vec<ResolvedOp>,
                     transforms: &[Transform],
                     size: &mut [usize; 2],
                     draw: &mut Draw| {
            for transform in transforms {
                let op = transform.resolve(*size, draw)?;
                *size = size_after(&op, *size);
                done.push(op);
            }
            Ok::<(), TtaError>(())
        };
        match &recipe.frame {
            Frame::Fixed(transforms) => frame(&mut done, transforms, &mut size, &mut draw)?,
            Frame::Central => frame(&mut done, &self.central, &mut size, &mut draw)?,
            Frame::Random => {}
        }
        let mut probabilities = recipe.probabilities.iter();
        for &Step(op, mut magnitude) in &recipe.ops {
            let probability = *probabilities.next().unwrap_or(&1.0);
            if magnitude.abs() < self.true_zero {
                continue;
            }
            if probability < 1.0 && !draw.chance(probability) {
                continue;
            }
            if self.random_sign && draw.chance(self.compat.sign_flip_probability) {
                magnitude = -magnitude;
            }
            let space = &self.space;
            let op = space.resolve(op, magnitude, size, &self.compat, &mut draw)?;
            size = size_after(&op, size);
            if op != ResolvedOp::Identity {
                done.push(op);
            }
        }
        if recipe.frame == Frame::Random {
            frame(&mut done, &self.random, &mut size, &mut draw)?;
        }
        Ok(done)
    }

    /// One image under one recipe.
    ///
    /// # Errors
    /// As [`Policy::resolve`] and [`ResolvedOp::apply`].
    pub fn augment(
        &self,
        recipe: &SubPolicy,
        image: &RgbImage,
        address: Address,
    ) -> Result<RgbImage, TtaError> {
        let ops = self.resolve(recipe, [image.width(), image.height()], address)?;
        apply_all(&ops, image, &self.compat)
    }

    /// What in it may surprise: magnitudes whose meaning turns around, or that a version of Pillow refuses. One line each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut found = vec![];
        for (at, entry) in self.entries.iter().enumerate() {
            for Step(op, m) in &entry.ops {
                if *op == Op::Posterize && m.abs() > 35.0 {
                    found.push(format!(
                        "entry {at}: Posterize at {m} leaves less than one bit: black before Pillow 13, an error since"
                    ));
                }
                if *op == Op::RandomResizedCrop && m.abs() > 32.0 {
                    found.push(format!(
                        "entry {at}: RandomResizedCrop at {m}: beyond 32.6 a larger magnitude means a larger box again"
                    ));
                }
            }
        }
        found
    }

    /// What is wrong with it, if anything.
    fn check(&self) -> Result<(), TtaError> {
        self.space.check()?;
        if !(self.true_zero >= 0.0 && self.true_zero.is_finite()) {
            return Err(TtaError::option(
                "true_zero",
                self.true_zero,
                "a number of at least 0",
            ));
        }
        if !(0.0..=1.0).contains(&self.compat.sign_flip_probability) {
            let found = self.compat.sign_flip_probability;
            return Err(TtaError::option("sign_flip_probability", found, "0 to 1"));
        }
        for entry in &self.entries {
            entry.check()?;
            for Step(op, magnitude) in &entry.ops {
                self.space.range(*op)?;
                if !magnitude.is_finite() {
                    return Err(TtaError::Parameter {
                        op: op.name().into(),
                        field: "magnitude",
                        found: magnitude.to_string(),
                        expected: "a finite number".into(),
                    });
                }
            }
        }
        Ok(())
    }

    /// As JSON, indented.
    ///
    /// # Errors
    /// [`TtaError::File`] for a number that JSON cannot hold.
    pub fn to_json(&self) -> Result<String, TtaError> {
        self.check()?;
        serde_json::to_string_pretty(self)
            .map_err(|error| TtaError::file("policy", "json", error.to_string()))
    }

    /// Reads [`Policy::to_json`]'s text; `path` is for messages.
    ///
    /// ```
    /// use firetender_tta::{Policy, SubPolicy};
    /// let policy = Policy::cifar().with_entries(vec![SubPolicy::central()]);
    /// assert_eq!(Policy::from_json(&policy.to_json()?, "policy.json".as_ref())?, policy);
    /// # Ok::<(), firetender_tta::TtaError>(())
    /// ```
    ///
    /// # Errors
    /// [`TtaError::File`] for a text that is no policy, with line and column; a transform that is not known; another schema; [`TtaError::UnknownOp`] for
    /// an operation that is not known, which includes the caller's own ([`Policy::from_json_with`]); [`TtaError::Parameter`], [`TtaError::Options`] and
    /// [`TtaError::Length`] for numbers that make no sense.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, TtaError> {
        Self::from_json_with(text, path, &UserOps::new())
    }

    /// [`Policy::from_json`] for a policy that may name operations of the caller's own ([`crate::ImageOp`] has an example).
    ///
    /// # Errors
    /// As [`Policy::from_json`].
    pub fn from_json_with(text: &str, path: &Path, ops: &UserOps) -> Result<Self, TtaError> {
        let policy: Self = serde_json::from_str(text)
            .map_err(|error| TtaError::file(path, "json", error.to_string()))?;
        policy.check()?;
        policy.bind(ops)
    }

    /// With the code of operations that are the caller's own, such as for the policy in a pool's manifest.
    ///
    /// # Errors
    /// As [`OpSpace::bind`].
    pub fn bind(mut self, ops: &UserOps) -> Result<Self, TtaError> {
        self.space = self.space.bind(ops)?;
        Ok(self)
    }

    /// Reads a policy from a JSON file.
    ///
    /// # Errors
    /// [`TtaError::Io`]; as [`Policy::from_json`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, TtaError> {
        Self::read_with(path, &UserOps::new())
    }

    /// Reads a policy from a JSON file; it may name operations of the caller's own.
    ///
    /// # Errors
    /// As [`Policy::read`].
    pub fn read_with(path: impl AsRef<Path>, ops: &UserOps) -> Result<Self, TtaError> {
        let path = path.as_ref();
        let bytes = crate::files::read(path)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| TtaError::file(path, "json", "it is not text"))?;
        Self::from_json_with(text, path, ops)
    }

    /// Writes it as JSON, whole or not at all.
    ///
    /// # Errors
    /// As [`Policy::to_json`] and [`write_atomically`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), TtaError> {
        let mut text = self.to_json()?;
        text.push('\n');
        Ok(write_atomically(path.as_ref(), text.as_bytes())?)
    }
}

/// The size of what an operation makes of an image of some size.
pub(crate) fn size_after(op: &ResolvedOp, [width, height]: [usize; 2]) -> [usize; 2] {
    match *op {
        ResolvedOp::Crop { width, height, .. } | ResolvedOp::Resize { width, height } => {
            [width, height]
        }
        ResolvedOp::ResizedCrop { size, .. } => [size, size],
        ResolvedOp::Dihedral { index } if index % 2 == 1 => [height, width],
        _ => [width, height],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn image() -> RgbImage {
        let pixels = (0..3 * 32 * 32).map(|i| (i * 7919 % 256) as u8).collect();
        RgbImage::new(32, 32, pixels).unwrap()
    }

    #[test]
    fn a_pure_policy_of_identity_is_the_plain_frame() {
        let policy = Policy::cifar();
        let identity = SubPolicy::new(vec![Step(Op::Identity, 40.0); 3]);
        let plain = SubPolicy::new(vec![]);
        let at = Address {
            seed: 3,
            image: 5,
            ..Address::default()
        };
        let augment = |s: &SubPolicy| policy.augment(s, &image(), at).unwrap();
        assert_eq!(augment(&identity), augment(&plain));
    }

    #[test]
    fn weak_operations_are_left_out_only_on_request() {
        let mut policy = Policy::cifar();
        let recipe = SubPolicy::new(vec![Step(Op::AutoContrast, 0.0)]);
        let count = |p: &Policy| {
            p.resolve(&recipe, [32, 32], Address::default())
                .unwrap()
                .len()
        };
        assert_eq!(count(&policy), 1);
        policy.true_zero = 0.0;
        assert_eq!(count(&policy), 2);
    }

    #[test]
    fn strange_json_is_refused() {
        let policy =
            Policy::cifar().with_entries(vec![SubPolicy::new(vec![Step(Op::Cutout, 3.0)])]);
        let text = policy.to_json().unwrap();
        let with = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            Policy::from_json(&text.replace(from, to), Path::new("p"))
                .unwrap_err()
                .to_string()
        };
        assert!(with("firetender-policy/1", "other/9").contains("schema"));
        assert!(with("\"Cutout\",\n          3.0", "\"Eval\",\n 3.0").contains("Eval"));
        assert!(with("\"true_zero\": 0.5", "\"true_zero\": -1").contains("true_zero"));
        assert!(
            with("\"true_zero\": 0.5", "\"true_zero\": 0.5, \"x\": 1").contains("unknown field")
        );
    }

    #[test]
    fn probabilities_are_drawn_for_each_image() {
        let mut policy = Policy::cifar();
        policy.space = OpSpace::gps_imagenet(32);
        policy.random.clear();
        policy.true_zero = 0.0;
        let recipe = SubPolicy::new(vec![Step(Op::Invert, 0.0), Step(Op::Equalize, 0.0)])
            .with_probabilities(vec![0.3, 1.0]);
        let n = 4000;
        let lengths: Vec<usize> = (0..n)
            .map(|image| {
                let address = Address {
                    image,
                    ..Address::default()
                };
                let ops = policy.resolve(&recipe, [4, 4], address).unwrap();
                assert_eq!(ops.last(), Some(&ResolvedOp::Equalize));
                ops.len()
            })
            .collect();
        let inverted = lengths.iter().filter(|n| **n == 2).count() as f64;
        // Five standard errors.
        assert!((inverted - 0.3 * n as f64).abs() < 5.0 * 29.0, "{inverted}");
        for wrong in [
            vec![0.5],
            vec![0.5, 1.5],
            vec![f64::NAN, 0.5],
            vec![-0.1, 0.5],
        ] {
            let wrong = recipe.clone().with_probabilities(wrong);
            assert!(policy.resolve(&wrong, [4, 4], Address::default()).is_err());
            assert!(policy.clone().with_entries(vec![wrong]).to_json().is_err());
        }
    }

    #[test]
    fn probability_one_draws_nothing() {
        let policy = Policy::cifar();
        let plain = SubPolicy::new(vec![Step(Op::Rotate, 20.0), Step(Op::ShearX, 9.0)]);
        let certain = plain.clone().with_probabilities(vec![1.0, 1.0]);
        let at = |recipe| {
            policy
                .resolve(recipe, [32, 32], Address::default())
                .unwrap()
        };
        assert_eq!(at(&plain), at(&certain));
    }

    #[test]
    fn random_signs_turn_enhancers_around() {
        let mut policy = Policy::cifar();
        policy.random.clear();
        let recipe = SubPolicy::new(vec![Step(Op::Color, 30.0)]);
        let weaker = |policy: &Policy| {
            let factor = |image| {
                let address = Address {
                    image,
                    ..Address::default()
                };
                policy.resolve(&recipe, [4, 4], address).unwrap().remove(0)
            };
            let weak =
                |op: &ResolvedOp| matches!(op, ResolvedOp::Color { factor } if *factor < 1.0);
            (0..4000).map(factor).filter(weak).count() as f64
        };
        assert_eq!(weaker(&policy), 0.0);
        policy.random_sign = true;
        assert!((weaker(&policy) - 2000.0).abs() < 5.0 * 31.6);
        policy.compat.sign_flip_probability = 0.691;
        assert!((weaker(&policy) - 2764.0).abs() < 5.0 * 29.2);
    }

    #[test]
    fn a_file_has_the_oldest_schema_that_can_say_it() {
        let path = Path::new("p");
        let entry = SubPolicy::new(vec![Step(Op::Cutout, 3.0)]);
        let old = Policy::cifar().with_entries(vec![entry.clone()]);
        let mut signs = old.clone();
        signs.random_sign = true;
        let chance = old
            .clone()
            .with_entries(vec![entry.with_probabilities(vec![0.25])]);
        let mut other = old.clone();
        other.space.ops.push(crate::OpRange {
            op: Op::AddToDark,
            min: 0.0,
            max: 1.0,
        });
        for (policy, schema) in [(&old, 1), (&signs, 2), (&chance, 2), (&other, 2)] {
            let text = policy.to_json().unwrap();
            assert!(
                text.contains(&format!("\"firetender-policy/{schema}\"")),
                "{text}"
            );
            assert_eq!(text.contains("random_sign"), policy.random_sign);
            assert_eq!(Policy::from_json(&text, path).unwrap(), *policy);
        }
        // What an older file cannot say is not taken from it.
        let text = chance.to_json().unwrap();
        let error = Policy::from_json(&text.replace("policy/2", "policy/1"), path).unwrap_err();
        assert!(error.to_string().contains("firetender-policy/2"), "{error}");
    }

    proptest! {
        #[test]
        fn magnitudes_survive_json(m in any::<f64>().prop_filter("finite", |m| m.is_finite()), at in 0_usize..15) {
            let op = OpSpace::gps_cifar().ops[at].op;
            let policy = Policy::cifar().with_entries(vec![SubPolicy::new(vec![Step(op, m)])]);
            let back = Policy::from_json(&policy.to_json().unwrap(), Path::new("p")).unwrap();
            prop_assert_eq!(back.entries[0].ops[0].1.to_bits(), m.to_bits());
        }

        #[test]
        fn no_recipe_panics(ops in prop::collection::vec((0_usize..18, -60.0..60.0_f64), 0..4), w in 1_usize..40, h in 1_usize..40, seed in any::<u64>()) {
            let mut policy = Policy::imagenet(24, 0.875);
            policy.random = vec![Transform::CropFlip { pad: 1, flip: true }];
            let steps = ops.iter().map(|(at, m)| Step(Op::ALL[*at], *m)).collect();
            let image = RgbImage::filled(w, h, [1, 2, 3]).unwrap();
            let address = Address { seed, ..Address::default() };
            let found = policy.augment(&SubPolicy::new(steps), &image, address);
            prop_assert!(found.is_ok());
        }
    }
}
