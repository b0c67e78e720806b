//! Gates: steer only the requests that a classifier picks.
//!
//! A [`Gate`] scores the prompt of each row on its own, at one or more layers, and fires or not. A [`GatedPlan`] joins gates (or
//! decisions from outside) by boolean rules to plans; compiled, it is an intervention like any other ([`GatedSteering`]). The decision is
//! made once, on the prompt, and kept for the row under the cache. When it is made is explicit ([`Timing`]), because a gate at
//! layer g cannot act on layers up to g of the pass that it reads.
//!
//! Fit a gate with [`GateTrainer`], calibrate its threshold on other prompts with [`Gate::calibrated`], and report effect and damage
//! both in the loop and as the after-the-fact mixture of the KL-then-steer paper with [`gate_effect`] and [`gate_damage`].

mod calibrate;
mod compare;
mod fit;
mod number;
mod plan;
mod probe;
mod rule;
mod steering;

use std::path::Path;

use firetender_hooks::{Site, SiteKind};
use firetender_lm::{LmShape, write_atomically};
use serde::{Deserialize, Serialize};

use crate::{SteerError, vector::check_place};

pub use calibrate::{GateReport, RocPoint, best_f1};
pub use compare::{GateDamage, GateEffect, gate_damage, gate_effect, generate_gated};
pub use fit::{GateMethod, GateTrainer};
pub use plan::{Case, Condition, GatedPlan, Timing};
pub use probe::{Fires, Probe, Scorer};
pub use rule::GateRule;
pub use steering::{Decision, GatedSteering};

/// Version of the gate's JSON.
const FORMAT: u32 = 1;

/// Where in the prompt a gate reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GateRead {
    /// The last token of the prompt.
    #[default]
    LastToken,
    /// The mean over the prompt's tokens.
    Mean,
}

/// How the probes of several layers become one decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Join {
    /// One that fires is enough.
    #[default]
    Any,
    /// All have to fire.
    All,
}

/// A classifier of requests: probes at one or more layers.
///
/// It is plain data: written to and read from JSON files, with the model it belongs to.
///
/// ```
/// use firetender_hooks::SiteKind;
/// use firetender_steer::{Gate, Probe, Scorer};
/// let probe = Probe::new(1, Scorer::Linear { weights: vec![1.0, -1.0], bias: 0.5 });
/// let gate = Gate::new("suspicious", SiteKind::ResidPost, 2, 4, vec![probe]).unwrap();
/// assert!(gate.margin(&[&[1.0, 0.0]]) > 0.0);
/// let text = serde_json::to_string(&gate).unwrap();
/// assert_eq!(serde_json::from_str::<Gate>(&text).unwrap(), gate);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Gate {
    fires_on: String,
    site: SiteKind,
    width: usize,
    layers: usize,
    read: GateRead,
    join: Join,
    probes: Vec<Probe>,
    fingerprint: Option<String>,
    report: Option<GateReport>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: u32,
    fires_on: String,
    site: String,
    width: usize,
    layers: usize,
    #[serde(default)]
    read: GateRead,
    #[serde(default)]
    join: Join,
    probes: Vec<Probe>,
    #[serde(default)]
    fingerprint: Option<String>,
    #[serde(default)]
    report: Option<GateReport>,
}

impl TryFrom<Raw> for Gate {
    type Error = SteerError;

    fn try_from(raw: Raw) -> Result<Self, SteerError> {
        if raw.format != FORMAT {
            let what = format!("is {}; this library reads {FORMAT}", raw.format);
            return Err(fail("format", what));
        }
        let site = raw.site.parse()?;
        let mut gate = Self::new(raw.fires_on, site, raw.width, raw.layers, raw.probes)?;
        (gate.read, gate.join) = (raw.read, raw.join);
        (gate.fingerprint, gate.report) = (raw.fingerprint, raw.report);
        Ok(gate)
    }
}

impl From<Gate> for Raw {
    fn from(gate: Gate) -> Self {
        Self {
            format: FORMAT,
            fires_on: gate.fires_on,
            site: gate.site.to_string(),
            width: gate.width,
            layers: gate.layers,
            read: gate.read,
            join: gate.join,
            probes: gate.probes,
            fingerprint: gate.fingerprint,
            report: gate.report,
        }
    }
}

pub(crate) fn fail(field: &'static str, what: String) -> SteerError {
    SteerError::Gate { field, what }
}

impl Gate {
    /// A gate that fires on requests of a named class, with a probe for each layer that it reads, in models of `layers` blocks
    /// whose value at sites of this kind is `width` wide. It reads the last token and fires when any probe does.
    ///
    /// # Errors
    /// [`SteerError::Gate`] naming the field: no name, no probe, a layer that does not exist or comes twice, weights of another
    /// width, zero or not finite, a threshold that is no number, a scale that is not positive.
    pub fn new(
        fires_on: impl Into<String>,
        site: SiteKind,
        width: usize,
        layers: usize,
        probes: Vec<Probe>,
    ) -> Result<Self, SteerError> {
        let fires_on = fires_on.into();
        if fires_on.trim().is_empty() {
            return Err(fail(
                "fires_on",
                "is empty; expected the name of a class".into(),
            ));
        }
        if probes.is_empty() {
            return Err(fail("probes", "are none; expected one or more".into()));
        }
        let places = if site.per_layer() { layers } else { 1 };
        for (index, probe) in probes.iter().enumerate() {
            let layer = probe.layer;
            if layer >= places {
                let last = places.saturating_sub(1);
                let what = format!("is {layer}; {site} exists at 0 to {last}");
                return Err(fail("layer", what));
            }
            if probes[..index].iter().any(|other| other.layer == layer) {
                return Err(fail("layer", format!("{layer} has two probes")));
            }
            if let Some((field, what)) = probe.problem(width) {
                return Err(fail(field, what));
            }
        }
        Ok(Self {
            fires_on,
            site,
            width,
            layers,
            read: GateRead::LastToken,
            join: Join::Any,
            probes,
            fingerprint: None,
            report: None,
        })
    }

    /// Reads here in the prompt.
    #[must_use]
    pub fn with_read(mut self, read: GateRead) -> Self {
        self.read = read;
        self
    }

    /// Joins its layers so.
    #[must_use]
    pub fn with_join(mut self, join: Join) -> Self {
        self.join = join;
        self
    }

    /// Notes which weights it was fitted on; see `firetender_lm::Checkpoint::fingerprint`.
    #[must_use]
    pub fn with_fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.fingerprint = Some(fingerprint.into());
        self
    }

    /// With the same threshold for every probe: −∞ always fires, +∞ never (for probes that fire above).
    #[must_use]
    pub fn with_threshold(mut self, threshold: f64) -> Self {
        for probe in &mut self.probes {
            probe.threshold = threshold;
        }
        self
    }

    /// The class that it fires on.
    #[must_use]
    pub fn fires_on(&self) -> &str {
        &self.fires_on
    }

    /// The kind of site it reads.
    #[must_use]
    pub fn site(&self) -> SiteKind {
        self.site
    }

    /// Where in the prompt it reads.
    #[must_use]
    pub fn read(&self) -> GateRead {
        self.read
    }

    /// Its probes.
    #[must_use]
    pub fn probes(&self) -> &[Probe] {
        &self.probes
    }

    /// How it was calibrated.
    #[must_use]
    pub fn report(&self) -> Option<&GateReport> {
        self.report.as_ref()
    }

    /// The sites that it reads.
    pub(crate) fn sites(&self) -> impl Iterator<Item = Site> + '_ {
        self.probes.iter().map(|probe| self.site.at(probe.layer))
    }

    /// The joint margin of one request, from the hidden state at each probe's site: the gate fires at 0 and above.
    #[must_use]
    pub fn margin(&self, hidden: &[&[f64]]) -> f64 {
        let margins = self.probes.iter().zip(hidden);
        let margins = margins.map(|(probe, hidden)| probe.margin(hidden));
        match self.join {
            Join::Any => margins.fold(f64::NEG_INFINITY, f64::max),
            Join::All => margins.fold(f64::INFINITY, f64::min),
        }
    }

    /// Checks that it belongs to a model of this shape, and to these weights where both sides name theirs.
    ///
    /// # Errors
    /// [`SteerError::Mismatch`] with the field that differs; passing no fingerprint is the override.
    pub fn check_fits(&self, shape: &LmShape, fingerprint: Option<&str>) -> Result<(), SteerError> {
        check_place("gate", self.site, self.width, self.layers, shape)?;
        match (&self.fingerprint, fingerprint) {
            (Some(found), Some(expected)) if found != expected => Err(SteerError::Mismatch {
                place: "gate".into(),
                field: "model fingerprint",
                found: found.clone(),
                expected: format!("{expected}; the gate was fitted on other weights"),
            }),
            _ => Ok(()),
        }
    }

    /// Writes the gate as JSON, under a temporary name that is then renamed.
    ///
    /// # Errors
    /// [`SteerError::Io`]; [`SteerError::File`] for numbers that JSON cannot hold.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), SteerError> {
        save_json(path.as_ref(), "gate", self)
    }

    /// Reads a gate.
    ///
    /// # Errors
    /// [`SteerError::Io`]; [`SteerError::TooLarge`]; [`SteerError::File`] for JSON that is no gate, naming the field.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SteerError> {
        crate::plan::read_json(path.as_ref(), "gate")
    }
}

/// Writes plain data atomically.
pub(crate) fn save_json<T: Serialize>(
    path: &Path,
    place: &str,
    value: &T,
) -> Result<(), SteerError> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| SteerError::File {
        path: path.into(),
        place: place.into(),
        what: error.to_string(),
    })?;
    text.push('\n');
    write_atomically(path, text.as_bytes()).map_err(|source| SteerError::Io {
        path: path.into(),
        source,
    })
}
