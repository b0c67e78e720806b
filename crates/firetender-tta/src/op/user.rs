//! Operations of the caller's own, beside the built-in ones.
//!
//! Use it for a change of images that is not in [`Op`]: a blur, a channel shuffle, the noise of one's own sensor. An [`ImageOp`] has a name, draws what is
//! random ([`ImageOp::resolve`]) and does it ([`ImageOp::apply`]). A list of operations takes it in with [`OpSpace::with_op`]; from there on policies name
//! it, priors draw it, pools and predictions run it, and JSON keeps its name. Code is in no file: whoever reads a policy that names such an operation
//! hands it over ([`Policy::read_with`](crate::Policy::read_with)), and without it reading is an error that says so. What a name does is the
//! caller's word: an operation that changes should change its name, or old pools will be taken for new ones.
//!
//! Built-in operations do not pass through the trait where images are changed, so they cost what they did.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::Op;
use crate::{Address, Compat, Draw, ResolvedOp, RgbImage, TtaError};

/// What an operation is resolved for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Site {
    /// Columns and rows of the image.
    pub size: [usize; 2],
    /// Side of the square that `RandomResizedCrop` makes.
    pub crop: usize,
    /// Versions and choices.
    pub compat: Compat,
}

/// An operation on images, drawn first and done after.
///
/// ```
/// use firetender_tta::*;
///
/// /// Levels pushed towards their neighbours on the left.
/// #[derive(Debug)]
/// struct Smear;
///
/// impl ImageOp for Smear {
///     fn name(&self) -> &str {
///         "Smear"
///     }
///     fn resolve(&self, value: f64, _: &Site, draw: &mut Draw) -> Result<ResolvedOp, TtaError> {
///         Ok(ResolvedOp::user(self.name(), vec![draw.between(0.0, value)]))
///     }
///     fn apply(&self, parameters: &[f64], image: &RgbImage, _: &Compat) -> Result<RgbImage, TtaError> {
///         let share = parameters[0];
///         let mut pixels = image.pixels().to_vec();
///         for row in pixels.chunks_exact_mut(3 * image.width()) {
///             for i in 3..row.len() {
///                 row[i] = (share * f64::from(row[i - 3]) + (1.0 - share) * f64::from(row[i])) as u8;
///             }
///         }
///         RgbImage::new(image.width(), image.height(), pixels)
///     }
/// }
///
/// op_conformance(&Smear, &[0.0, 0.4, 0.9])?;
/// // In a list, in random recipes, on an image.
/// let mut policy = Policy::cifar();
/// policy.space = policy.space.with_op(Smear, 0.0, 0.9)?;
/// let pool = Mixture::new(&[(20, 3, 30.0)]).draw(&policy, 1)?;
/// let recipe = parse_sub_policy("[(7,23.0),(Smear,15.0)]", &policy.space)?;
/// let image = RgbImage::filled(32, 32, [9, 200, 0])?;
/// policy.augment(&recipe, &image, Address::default())?;
/// // In predictions, as any other.
/// let network = FromLogits::new(3, |images: burn::Tensor<4>| images.mean_dim(3).mean_dim(2).reshape([-1, 3]));
/// let (normalisation, device) = (Normalisation::none(), burn::tensor::Device::flex());
/// let feed = Feed { normalisation: &normalisation, device: &device, batch: 8 };
/// Tta::new(&pool).predict(&network, &[image], 20, &feed)?;
/// // A file has its name; the code has to be handed over.
/// let text = pool.to_json()?;
/// assert!(Policy::from_json(&text, "pool.json".as_ref()).is_err());
/// let ops = UserOps::new().with(Smear)?;
/// assert_eq!(Policy::from_json_with(&text, "pool.json".as_ref(), &ops)?, pool);
/// # Ok::<(), TtaError>(())
/// ```
pub trait ImageOp: fmt::Debug + Send + Sync {
    /// Its name in policies: 1 to 24 ASCII letters, digits and `_`, a letter first, and none of [`Op::ALL`]'s.
    fn name(&self) -> &str;

    /// Whether a magnitude's sign means something. Otherwise `value` is that of the absolute magnitude.
    fn is_signed(&self) -> bool {
        false
    }

    /// Draws what is random for one image. `value` is what the magnitude means by the range in the list, a finite number. The result is [`ResolvedOp::user`] with this
    /// name and whatever [`ImageOp::apply`] needs, or a built-in operation.
    ///
    /// # Errors
    /// [`TtaError::Parameter`] for a value that makes no sense.
    fn resolve(&self, value: f64, site: &Site, draw: &mut Draw) -> Result<ResolvedOp, TtaError>;

    /// Does it: a function of its arguments alone, to an image of the same size. Not needed where [`ImageOp::resolve`] gives built-in
    /// operations only.
    ///
    /// # Errors
    /// [`TtaError::Parameter`] for parameters that make no sense: they may come from a file.
    fn apply(
        &self,
        parameters: &[f64],
        image: &RgbImage,
        compat: &Compat,
    ) -> Result<RgbImage, TtaError> {
        let _ = (image, compat);
        Err(bad(
            self.name(),
            "apply",
            format!("{parameters:?}"),
            "an operation that implements it",
        ))
    }
}

fn bad(op: &str, field: &'static str, found: impl ToString, expected: &str) -> TtaError {
    TtaError::Parameter {
        op: op.to_owned(),
        field,
        found: found.to_string(),
        expected: expected.to_owned(),
    }
}

/// The built-in operations, so that what is written for the trait takes them, too.
impl ImageOp for Op {
    fn name(&self) -> &str {
        Self::name(self)
    }

    fn is_signed(&self) -> bool {
        Self::is_signed(*self)
    }

    fn resolve(&self, value: f64, site: &Site, draw: &mut Draw) -> Result<ResolvedOp, TtaError> {
        Self::resolve(*self, value, site.size, site.crop, &site.compat, draw)
    }
}

/// Most characters of a name.
const LONGEST: usize = 24;

/// Name of an operation of the caller's own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpName([u8; LONGEST]);

impl OpName {
    /// Checks a name.
    ///
    /// ```
    /// use firetender_tta::OpName;
    /// assert_eq!(OpName::new("Smear")?.as_str(), "Smear");
    /// assert!(OpName::new("Rotate").is_err() && OpName::new("two words").is_err());
    /// # Ok::<(), firetender_tta::TtaError>(())
    /// ```
    ///
    /// # Errors
    /// [`TtaError::Options`] for a name that is too long, has other characters than ASCII letters, digits and `_`, does not begin with a letter, or
    /// belongs to a built-in operation.
    pub fn new(name: &str) -> Result<Self, TtaError> {
        let letters = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let mut bytes = [0; LONGEST];
        match bytes.get_mut(..name.len()) {
            Some(to) if letters && Op::from_name(name).is_none() => {
                to.copy_from_slice(name.as_bytes());
                Ok(Self(bytes))
            }
            _ => Err(TtaError::option(
                "name of an operation",
                format!("{:?}", name.chars().take(40).collect::<String>()),
                "1 to 24 ASCII letters, digits and _, a letter first, and no built-in operation's name",
            )),
        }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(LONGEST);
        // ASCII by construction.
        std::str::from_utf8(&self.0[..end]).unwrap_or_default()
    }
}

impl fmt::Debug for OpName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Operations of the caller's own, by name.
#[derive(Debug, Clone, Default)]
pub struct UserOps {
    ops: Vec<Arc<dyn ImageOp>>,
}

impl UserOps {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// And this one.
    ///
    /// # Errors
    /// [`TtaError::Options`] for a name that is none ([`OpName::new`]) or is there already.
    pub fn with(mut self, op: impl ImageOp + 'static) -> Result<Self, TtaError> {
        let name = OpName::new(op.name())?;
        if self.get(name.as_str()).is_some() {
            return Err(TtaError::option(
                "name of an operation",
                name.as_str(),
                "a name that no other operation has",
            ));
        }
        self.ops.push(Arc::new(op));
        Ok(self)
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn ImageOp>> {
        self.ops.iter().find(|op| op.name() == name)
    }

    /// What is drawn for one image, with the code that does it.
    pub(crate) fn resolve(
        &self,
        name: OpName,
        value: f64,
        site: &Site,
        draw: &mut Draw,
    ) -> Result<ResolvedOp, TtaError> {
        let op = self.get(name.as_str()).ok_or_else(|| missing(name))?;
        if !value.is_finite() {
            return Err(bad(name.as_str(), "value", value, "a finite number"));
        }
        bound(op.resolve(value, site, draw)?, op)
    }
}

/// What is said of a name without code.
pub(crate) fn missing(name: OpName) -> TtaError {
    TtaError::UnknownOp {
        found: name.as_str().to_owned(),
        known: "its name only; an operation of your own has to be registered with its code (OpSpace::with_op, or Policy::read_with for a file)".into(),
    }
}

fn bound(found: ResolvedOp, op: &Arc<dyn ImageOp>) -> Result<ResolvedOp, TtaError> {
    match found {
        ResolvedOp::User(step) if step.name != op.name() => Err(bad(
            op.name(),
            "resolve",
            step.name,
            "this operation's name, or a built-in operation",
        )),
        ResolvedOp::User(step) => Ok(ResolvedOp::User(step.bind(op.clone()))),
        other => Ok(other),
    }
}

/// An operation of the caller's own with everything decided: a name, numbers, and (not in JSON) the code.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserStep {
    /// Its name.
    pub name: String,
    /// What [`ImageOp::apply`] gets.
    pub parameters: Vec<f64>,
    #[serde(skip)]
    op: Option<Arc<dyn ImageOp>>,
}

/// Name and numbers; code is not compared.
impl PartialEq for UserStep {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.parameters) == (&other.name, &other.parameters)
    }
}

impl UserStep {
    pub(crate) fn new(name: &str, parameters: Vec<f64>) -> Self {
        Self {
            name: name.to_owned(),
            parameters,
            op: None,
        }
    }

    fn bind(mut self, op: Arc<dyn ImageOp>) -> Self {
        self.op = Some(op);
        self
    }

    /// With the code from these, where it is there: what a step that was read from JSON needs before it can be applied.
    #[must_use]
    pub fn with_code(self, ops: &UserOps) -> Self {
        match ops.get(&self.name).cloned() {
            Some(op) => self.bind(op),
            None => self,
        }
    }

    pub(crate) fn apply(&self, image: &RgbImage, compat: &Compat) -> Result<RgbImage, TtaError> {
        let Some(op) = &self.op else {
            return Err(TtaError::UnknownOp {
                found: self.name.chars().take(40).collect(),
                known: "its name only; a step that was read from a file needs its code (UserStep::with_code)".into(),
            });
        };
        let found = op.apply(&self.parameters, image, compat)?;
        let size = |image: &RgbImage| [image.width(), image.height()];
        if size(&found) != size(image) {
            return Err(bad(
                &self.name,
                "size of the result",
                format!("{:?}", size(&found)),
                "the image's own (a built-in resize or crop may change it)",
            ));
        }
        Ok(found)
    }
}

/// Whether an operation keeps the promises of [`ImageOp`] at these values: every implementation should pass. It tries images of several sizes at several
/// addresses.
///
/// What is asked: a name that policies can have (or a built-in operation's); draws that are a function of the address, and numbers that are finite;
/// bytes that are a function of the numbers, also after a way through JSON; images of the size
/// that a policy expects.
///
/// ```
/// use firetender_tta::{Op, op_conformance};
/// op_conformance(&Op::Rotate, &[0.0, 30.0])?;
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
///
/// # Errors
/// [`TtaError::Parameter`] for the first promise that is broken; as [`ImageOp::resolve`] and [`ImageOp::apply`].
pub fn conformance(op: &dyn ImageOp, values: &[f64]) -> Result<(), TtaError> {
    let name = op.name();
    let built_in = Op::from_name(name).is_some();
    if !built_in {
        OpName::new(name)?;
    }
    let compat = Compat::pillow_6_1();
    for size in [[32, 32], [1, 1], [7, 2], [2, 7], [33, 17]] {
        let [width, height] = size;
        let bytes = (0..3 * width * height).map(|i| (i * 7919 % 256) as u8);
        let image = RgbImage::new(width, height, bytes.collect())?;
        let site = Site {
            size,
            crop: 16,
            compat,
        };
        let resolve = |value: f64, image: u64| {
            let address = Address {
                image,
                ..Address::default()
            };
            op.resolve(value, &site, &mut Draw::at(address))
        };
        for (&value, number) in values.iter().flat_map(|v| (0..4).map(move |n| (v, n))) {
            let found = resolve(value, number)?;
            if resolve(value, number)? != found {
                let expected = "the same draws at the same address, and no NaN";
                return Err(bad(name, "resolve", format!("{found:?}"), expected));
            }
            let changed = done(op, &found, &image, &compat)?;
            if done(op, &found, &image, &compat)? != changed {
                return Err(bad(name, "apply", "other bytes", "the same bytes again"));
            }
            let read = serde_json::to_string(&found)
                .and_then(|text| serde_json::from_str::<ResolvedOp>(&text));
            match read {
                Ok(read) if done(op, &read, &image, &compat)? == changed => {}
                _ => return Err(bad(name, "apply", "other bytes", "the same after JSON")),
            }
            let expected = crate::policy::size_after(&found, size);
            if [changed.width(), changed.height()] != expected {
                let found = format!("{} × {}", changed.width(), changed.height());
                let expected = format!("{} × {}", expected[0], expected[1]);
                return Err(bad(name, "size of the result", found, &expected));
            }
        }
    }
    Ok(())
}

/// Applies what `op` resolved to, with its own code.
fn done(
    op: &dyn ImageOp,
    found: &ResolvedOp,
    image: &RgbImage,
    compat: &Compat,
) -> Result<RgbImage, TtaError> {
    match found {
        ResolvedOp::User(step) if step.name == op.name() => {
            op.apply(&step.parameters, image, compat)
        }
        ResolvedOp::User(step) => {
            let expected = "this operation's name, or a built-in operation";
            Err(bad(op.name(), "resolve", &step.name, expected))
        }
        other => other.apply(image, compat),
    }
}

#[cfg(test)]
mod tests;
