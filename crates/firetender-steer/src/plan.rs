//! What to do to a model while it runs, as plain data.
//!
//! A [`Plan`] lists vectors with layers, strength, operator and token rule. It can be compared, written to and read from any
//! serde format, and changed. [`Plan::compile`] checks it against a model and makes a [`Steering`] out of it, which is what
//! a pass takes.

mod compile;
mod operator;
mod steering;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Layers, SteerError, SteeringVector, TokenRule};

pub use operator::Operator;
pub use steering::Steering;

/// A vector in a plan: itself, or the name under which it is given when the plan is compiled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VectorRef {
    /// The vector.
    Inline(Box<SteeringVector>),
    /// A name.
    Named(String),
}

impl From<SteeringVector> for VectorRef {
    fn from(vector: SteeringVector) -> Self {
        Self::Inline(Box::new(vector))
    }
}

impl From<&SteeringVector> for VectorRef {
    fn from(vector: &SteeringVector) -> Self {
        vector.clone().into()
    }
}

impl From<&str> for VectorRef {
    fn from(name: &str) -> Self {
        Self::Named(name.into())
    }
}

/// One line of a plan: a vector applied at some layers to some tokens with a strength.
///
/// ```
/// use std::collections::BTreeMap;
/// use firetender_hooks::SiteKind;
/// use firetender_steer::{Entry, Operator, Plan, SteeringVector};
/// let directions = BTreeMap::from([(1, vec![1.0, 0.0]), (2, vec![0.0, 1.0])]);
/// let mood = SteeringVector::new("happy", "sad", SiteKind::ResidPost, 2, 4, directions).unwrap();
/// let entry = Entry::new(&mood, -0.5)
///     .with_layers("2".parse().unwrap())
///     .with_tokens("from_last_prompt".parse().unwrap())
///     .with_operator(Operator::ProjectThenAdd);
/// let plan = Plan::new().with(entry);
/// let text = serde_json::to_string(&plan).unwrap();
/// assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub(crate) vector: VectorRef,
    pub(crate) strength: f64,
    #[serde(default)]
    pub(crate) layers: Layers,
    #[serde(default)]
    pub(crate) operator: Operator,
    #[serde(default)]
    pub(crate) keep_norm: bool,
    #[serde(default)]
    pub(crate) tokens: TokenRule,
}

impl Entry {
    /// Adds `strength` times the vector at every layer that it has a direction for, to every real token.
    #[must_use]
    pub fn new(vector: impl Into<VectorRef>, strength: f64) -> Self {
        Self {
            vector: vector.into(),
            strength,
            layers: Layers::All,
            operator: Operator::Add,
            keep_norm: false,
            tokens: TokenRule::all(),
        }
    }

    /// At these layers only; each must have a direction. [`Layers::All`] means all that have one.
    #[must_use]
    pub fn with_layers(mut self, layers: Layers) -> Self {
        self.layers = layers;
        self
    }

    /// Does something other than add.
    #[must_use]
    pub fn with_operator(mut self, operator: Operator) -> Self {
        self.operator = operator;
        self
    }

    /// To these tokens only.
    #[must_use]
    pub fn with_tokens(mut self, tokens: TokenRule) -> Self {
        self.tokens = tokens;
        self
    }

    /// Scales what the operator gives back to the length that the value had before: `h' · |h| / |h'|`.
    #[must_use]
    pub fn keeping_norm(mut self) -> Self {
        self.keep_norm = true;
        self
    }

    /// With another strength.
    #[must_use]
    pub fn with_strength(mut self, strength: f64) -> Self {
        self.strength = strength;
        self
    }

    /// The vector.
    #[must_use]
    pub fn vector(&self) -> &VectorRef {
        &self.vector
    }

    /// The strength.
    #[must_use]
    pub fn strength(&self) -> f64 {
        self.strength
    }

    /// The layers.
    #[must_use]
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The operator.
    #[must_use]
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The tokens.
    #[must_use]
    pub fn tokens(&self) -> &TokenRule {
        &self.tokens
    }
}

/// Entries to apply together. Several entries at one site see the same value, and what each changes is added up, so their order
/// does not matter.
///
/// An empty plan, an entry that adds with strength 0, and a rule that selects no token of a pass leave the model's output
/// bit-identical.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    entries: Vec<Entry>,
}

impl Plan {
    /// A plan that does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A plan that adds a vector with strength 1 wherever it has directions, to every token: what a sweep multiplies.
    #[must_use]
    pub fn of(vector: impl Into<VectorRef>) -> Self {
        Self::new().with(Entry::new(vector, 1.0))
    }

    /// With another entry.
    #[must_use]
    pub fn with(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Every strength times `factor`.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let mut scaled = self.clone();
        for entry in &mut scaled.entries {
            entry.strength *= factor;
        }
        scaled
    }

    /// The same plan with names replaced by the vectors they stand for.
    ///
    /// # Errors
    /// [`SteerError::Plan`] for a name that is not among them.
    pub fn resolved(&self, vectors: &BTreeMap<String, SteeringVector>) -> Result<Self, SteerError> {
        let mut resolved = self.clone();
        for (number, entry) in resolved.entries.iter_mut().enumerate() {
            if let VectorRef::Named(name) = &entry.vector {
                let vector = vectors.get(name).ok_or_else(|| {
                    let known: Vec<&str> = vectors.keys().map(String::as_str).collect();
                    SteerError::Plan {
                        entry: number,
                        field: "vector",
                        what: format!("`{name}` is not given; known are {known:?}"),
                    }
                })?;
                entry.vector = vector.into();
            }
        }
        Ok(resolved)
    }

    /// The control for this plan: random directions of the same lengths at the same places. Equal vectors get equal
    /// replacements, different ones different.
    ///
    /// # Errors
    /// [`SteerError::Plan`] when a vector is named and not given by value.
    pub fn random_control(&self, seed: u64) -> Result<Self, SteerError> {
        let mut control = self.clone();
        let mut seen: Vec<SteeringVector> = vec![];
        for (number, entry) in control.entries.iter_mut().enumerate() {
            let vector = entry.given(number)?.clone();
            let index = seen.iter().position(|v| *v == vector).unwrap_or_else(|| {
                seen.push(vector.clone());
                seen.len() - 1
            });
            // The first vector keeps the seed, so that it equals `SteeringVector::random_like`.
            entry.vector = vector
                .random_like(seed.wrapping_add((index as u64) << 32))
                .into();
        }
        Ok(control)
    }
}

impl Entry {
    /// The vector, if it is given by value.
    pub(crate) fn given(&self, number: usize) -> Result<&SteeringVector, SteerError> {
        match &self.vector {
            VectorRef::Inline(vector) => Ok(vector),
            VectorRef::Named(name) => Err(SteerError::Plan {
                entry: number,
                field: "vector",
                what: format!("`{name}` is only a name; give the vectors with `Plan::resolved`"),
            }),
        }
    }
}
