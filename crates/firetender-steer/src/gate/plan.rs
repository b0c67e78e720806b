//! Conditions, rules and plans: what to do with which requests.

use std::{collections::BTreeMap, path::Path};

use burn::tensor::Device;
use firetender_lm::LmShape;
use serde::{Deserialize, Serialize};

use super::{FORMAT, Gate, GateRule, GatedSteering, fail, save_json};
use crate::{Plan, SteerError};

/// When the decision is made, and what it can still act on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Timing {
    /// While the prompt runs, at the last layer that any gate reads. Prompt tokens are steered at later sites only, generated tokens
    /// everywhere (the KL-then-steer paper's proposal). Costs no extra pass. A prompt that runs in chunks is steered from
    /// the chunk on in which it ends.
    #[default]
    LaterLayersThenAll,
    /// In a pass of its own; then the prompt runs again, steered everywhere, and fills the cache. The same as if every request
    /// that fires had been steered from the start. Needs [`GatedSteering::decide`] before the prompts run, which
    /// [`super::generate_gated`], [`super::gate_effect`] and [`super::gate_damage`] do.
    SecondPrefill,
}

/// Where a condition's answer comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Condition {
    /// A gate on the model's own hidden states.
    Gate(Box<Gate>),
    /// Somebody else, for instance a guard model: given when it runs ([`GatedSteering::with_external`]).
    External,
}

/// A plan for the requests on which a rule holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// When.
    pub when: GateRule,
    /// What.
    pub then: Plan,
}

/// Conditions, and which plan applies when which of them hold: plain data.
///
/// ```
/// use std::collections::BTreeMap;
/// use firetender_hooks::SiteKind;
/// use firetender_steer::{Condition, Gate, GatedPlan, Plan, Probe, Scorer};
/// let probe = Probe::new(1, Scorer::Dot { direction: vec![1.0, 0.0] });
/// let gate = Gate::new("harm", SiteKind::ResidPost, 2, 4, vec![probe]).unwrap();
/// let conditions = BTreeMap::from([("harm".into(), Condition::Gate(Box::new(gate))), ("joke".into(), Condition::External)]);
/// let gated = GatedPlan::new(conditions).with_case("harm and not joke".parse().unwrap(), Plan::new()).unwrap();
/// assert!(gated.with_case("harm and story".parse().unwrap(), Plan::new()).is_err(), "no such condition");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct GatedPlan {
    pub(crate) conditions: BTreeMap<String, Condition>,
    pub(crate) cases: Vec<Case>,
    pub(crate) timing: Timing,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: u32,
    conditions: BTreeMap<String, Condition>,
    cases: Vec<Case>,
    #[serde(default)]
    timing: Timing,
}

impl TryFrom<Raw> for GatedPlan {
    type Error = SteerError;

    fn try_from(raw: Raw) -> Result<Self, SteerError> {
        if raw.format != FORMAT {
            let what = format!("is {}; this library reads {FORMAT}", raw.format);
            return Err(fail("format", what));
        }
        let mut gated = Self::new(raw.conditions).with_timing(raw.timing);
        for case in raw.cases {
            gated = gated.with_case(case.when, case.then)?;
        }
        Ok(gated)
    }
}

impl From<GatedPlan> for Raw {
    fn from(gated: GatedPlan) -> Self {
        Self {
            format: FORMAT,
            conditions: gated.conditions,
            cases: gated.cases,
            timing: gated.timing,
        }
    }
}

impl GatedPlan {
    /// Conditions without any case yet.
    #[must_use]
    pub fn new(conditions: BTreeMap<String, Condition>) -> Self {
        Self {
            conditions,
            cases: vec![],
            timing: Timing::default(),
        }
    }

    /// One gate, under the name `gate`, and the plan for requests on which it fires.
    #[must_use]
    pub fn of(gate: Gate, plan: Plan) -> Self {
        let condition = Condition::Gate(Box::new(gate));
        Self {
            conditions: BTreeMap::from([("gate".into(), condition)]),
            cases: vec![Case {
                when: GateRule::Name("gate".into()),
                then: plan,
            }],
            timing: Timing::default(),
        }
    }

    /// With a plan for the requests on which a rule holds. Several cases can hold for one request; their plans then apply one
    /// after the other.
    ///
    /// # Errors
    /// [`SteerError::Gate`] when the rule names a condition that there is none of.
    pub fn with_case(mut self, when: GateRule, then: Plan) -> Result<Self, SteerError> {
        let unknown = |name: &&str| !self.conditions.contains_key(*name);
        if let Some(name) = when.names().into_iter().find(unknown) {
            let known: Vec<&String> = self.conditions.keys().collect();
            return Err(fail("when", format!("names `{name}`; known are {known:?}")));
        }
        self.cases.push(Case { when, then });
        Ok(self)
    }

    /// Decides then.
    #[must_use]
    pub fn with_timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// The conditions by name.
    #[must_use]
    pub fn conditions(&self) -> &BTreeMap<String, Condition> {
        &self.conditions
    }

    /// The cases.
    #[must_use]
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// When it decides.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Every plan's strengths times `factor`.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let mut scaled = self.clone();
        for case in &mut scaled.cases {
            case.then = case.then.scaled(factor);
        }
        scaled
    }

    /// Checks gates and plans against a model.
    ///
    /// # Errors
    /// [`SteerError::Gate`] when there is no case; [`SteerError::Mismatch`]; and as [`Plan::compile`].
    pub fn compile(&self, shape: &LmShape, device: &Device) -> Result<GatedSteering, SteerError> {
        GatedSteering::new(self, shape, device)
    }

    /// Writes it as JSON, under a temporary name that is then renamed.
    ///
    /// # Errors
    /// [`SteerError::Io`]; [`SteerError::File`] for numbers that JSON cannot hold.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), SteerError> {
        save_json(path.as_ref(), "gated plan", self)
    }

    /// Reads a gated plan; its plans have their vectors inside.
    ///
    /// # Errors
    /// [`SteerError::Io`]; [`SteerError::TooLarge`]; [`SteerError::File`] for JSON that is none.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SteerError> {
        crate::plan::read_json(path.as_ref(), "gated plan")
    }
}
