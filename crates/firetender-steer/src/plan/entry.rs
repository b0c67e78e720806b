//! One line of a plan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Adapt, LowRank, Operator, Profile, Schedule};
use crate::{Layers, SteerError, SteeringVector, TokenRule};

/// What an entry applies: a vector or a low-rank edit, or where it is to be found.
///
/// As JSON: `{"inline": {…}}`, `{"named": "mood"}`, `{"file": "mood.safetensors"}`, `{"low_rank": {…}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VectorRef {
    /// The vector.
    Inline(Box<SteeringVector>),
    /// The name under which it is given later ([`super::Plan::resolved`]).
    Named(String),
    /// A safetensors file, relative to the folder of the plan's own file; [`super::Plan::load`] reads it.
    File(String),
    /// A low-rank affine edit; it takes the place of vector and operator.
    LowRank(Box<LowRank>),
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

impl From<LowRank> for VectorRef {
    fn from(edit: LowRank) -> Self {
        Self::LowRank(Box::new(edit))
    }
}

/// One line of a plan: a vector applied at some layers to some tokens with a strength.
///
/// ```
/// use std::collections::BTreeMap;
/// use firetender_hooks::SiteKind;
/// use firetender_steer::{Entry, Operator, Plan, Schedule, SteeringVector};
/// let directions = BTreeMap::from([(1, vec![1.0, 0.0]), (2, vec![0.0, 1.0])]);
/// let mood = SteeringVector::new("happy", "sad", SiteKind::ResidPost, 2, 4, directions).unwrap();
/// let entry = Entry::new(&mood, -0.5)
///     .with_layers("2".parse().unwrap())
///     .with_tokens("from_last_prompt".parse().unwrap())
///     .with_schedule(Schedule::Linear { from: 1.0, to: 0.0, steps: 20 })
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
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) profile: Profile,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) schedule: Schedule,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) token_weights: BTreeMap<i64, f64>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) adapt: Option<Adapt>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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
            profile: Profile::Even,
            schedule: Schedule::Constant,
            token_weights: BTreeMap::new(),
            adapt: None,
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

    /// With a strength for each layer.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// With a strength that changes over decode steps.
    #[must_use]
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// With a weight for the tokens at some positions (negative ones count from the prompt's end); others weigh 1.
    #[must_use]
    pub fn with_token_weights(mut self, weights: BTreeMap<i64, f64>) -> Self {
        self.token_weights = weights;
        self
    }

    /// With a strength that depends on how far the value already points along the direction.
    #[must_use]
    pub fn with_adapt(mut self, adapt: Adapt) -> Self {
        self.adapt = Some(adapt);
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
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The tokens.
    #[must_use]
    pub fn tokens(&self) -> &TokenRule {
        &self.tokens
    }

    /// Whether lengths are kept.
    #[must_use]
    pub fn keeps_norm(&self) -> bool {
        self.keep_norm
    }

    /// What is wrong with its numbers, and in which field.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        if !self.strength.is_finite() {
            let what = format!("is {}; expected a finite number", self.strength);
            return Some(("strength", what));
        }
        let weight = self.token_weights.iter().find(|(_, w)| !w.is_finite());
        let low_rank = matches!(self.vector, VectorRef::LowRank(_));
        if low_rank && self.operator != Operator::Add {
            let what = "is given beside a low-rank edit, which is an operator of its own";
            return Some(("operator", what.into()));
        }
        if low_rank && self.adapt.is_some() {
            let what = "needs a direction; a low-rank edit has none";
            return Some(("adapt", what.into()));
        }
        let found = [
            ("operator", self.operator.problem()),
            ("schedule", self.schedule.problem()),
            (
                "token_weights",
                weight.map(|(at, w)| format!("weigh position {at} by {w}")),
            ),
            ("adapt", self.adapt.and_then(|adapt| adapt.problem())),
        ];
        let mut found = found.into_iter();
        found.find_map(|(field, what)| what.map(|what| (field, what)))
    }

    /// Everything of it that refers to a vector.
    pub(crate) fn vectors_mut(&mut self) -> impl Iterator<Item = &mut VectorRef> {
        let second = match &mut self.operator {
            Operator::Rotate { toward, .. } => Some(toward),
            _ => None,
        };
        std::iter::once(&mut self.vector).chain(second)
    }
}

impl VectorRef {
    /// The vector, if it is given by value.
    pub(crate) fn given(&self, entry: usize) -> Result<&SteeringVector, SteerError> {
        let what = match self {
            Self::Inline(vector) => return Ok(vector),
            Self::Named(name) => {
                format!("`{name}` is only a name; give the vectors with `Plan::resolved`")
            }
            Self::File(file) => {
                format!("`{file}` is a file that has not been read; use `Plan::load`")
            }
            Self::LowRank(_) => "is a low-rank edit; expected a vector".into(),
        };
        Err(SteerError::Plan {
            entry,
            field: "vector",
            what,
        })
    }
}
