//! What to do to a model while it runs, as plain data.
//!
//! A [`Plan`] lists vectors with layers, strength, operator and token rule. It can be compared, written to a file together with its
//! vectors ([`Plan::save`]), read back and changed. [`Plan::compile`] checks it against a model and makes a [`Steering`] out of
//! it, which is what a pass takes. A [`BatchPlan`] gives each row of a batch a plan of its own.

mod batch;
mod change;
mod compile;
mod entry;
mod file;
mod low_rank;
mod numbers;
mod operator;
mod scope;
mod steering;
mod strength;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{SteerError, SteeringVector};

pub use batch::{BatchPlan, RowPlan};
pub use entry::{Entry, VectorRef};
pub(crate) use file::read_json;
pub use low_rank::{LowRank, LowRankLayer};
pub use operator::{Operator, Turn};
pub(crate) use scope::Reach;
pub use steering::Steering;
pub use strength::{Adapt, AdaptTo, Profile, Schedule};

/// Version of the plan's JSON; a file without one is of version 1.
pub(crate) const FORMAT: u32 = 1;

/// What happens where several entries change the same token at the same site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Conflict {
    /// All see the same value, and what each changes is added up; the order does not matter.
    #[default]
    Sum,
    /// Each sees what the one before it left.
    InOrder,
    /// The first entry whose rule selects the token changes it; the others do not.
    FirstWins,
    /// Such a plan is refused when it is compiled.
    Error,
}

/// Entries to apply together.
///
/// An empty plan, an entry with strength 0 (except for [`Operator::ProjectThenAdd`]), and a rule that selects no token of a pass
/// leave the model's output bit-identical.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Raw")]
pub struct Plan {
    format: u32,
    conflict: Conflict,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default = "format")]
    format: u32,
    #[serde(default)]
    conflict: Conflict,
    entries: Vec<Entry>,
}

fn format() -> u32 {
    FORMAT
}

impl TryFrom<Raw> for Plan {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        if raw.format != FORMAT {
            return Err(format!(
                "plan of format {}; this library reads {FORMAT}",
                raw.format
            ));
        }
        Ok(Self {
            format: raw.format,
            conflict: raw.conflict,
            entries: raw.entries,
        })
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            format: FORMAT,
            conflict: Conflict::Sum,
            entries: vec![],
        }
    }
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

    /// With another rule for entries that meet at a token.
    #[must_use]
    pub fn with_conflict(mut self, conflict: Conflict) -> Self {
        self.conflict = conflict;
        self
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What happens where entries meet.
    #[must_use]
    pub fn conflict(&self) -> Conflict {
        self.conflict
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
        self.replacing(|number, reference| {
            let VectorRef::Named(name) = reference else {
                return Ok(());
            };
            let vector = vectors.get(name.as_str()).ok_or_else(|| {
                let known: Vec<&str> = vectors.keys().map(String::as_str).collect();
                SteerError::Plan {
                    entry: number,
                    field: "vector",
                    what: format!("`{name}` is not given; known are {known:?}"),
                }
            })?;
            *reference = vector.into();
            Ok(())
        })
    }

    /// The control for this plan: random directions of the same lengths at the same places. Equal vectors get equal
    /// replacements, different ones different.
    ///
    /// # Errors
    /// [`SteerError::Plan`] when a vector is not given by value, or is a low-rank edit, which has no such control.
    pub fn random_control(&self, seed: u64) -> Result<Self, SteerError> {
        let mut seen: Vec<SteeringVector> = vec![];
        self.replacing(|number, reference| {
            let vector = reference.given(number)?.clone();
            let index = seen.iter().position(|v| *v == vector).unwrap_or_else(|| {
                seen.push(vector.clone());
                seen.len() - 1
            });
            // The first vector keeps the seed, so that it equals `SteeringVector::random_like`.
            let random = vector.random_like(seed.wrapping_add((index as u64) << 32));
            *reference = random.into();
            Ok(())
        })
    }

    /// A copy in which `change` saw every reference to a vector, with the number of its entry.
    pub(crate) fn replacing(
        &self,
        mut change: impl FnMut(usize, &mut VectorRef) -> Result<(), SteerError>,
    ) -> Result<Self, SteerError> {
        let mut changed = self.clone();
        for (number, entry) in changed.entries.iter_mut().enumerate() {
            for reference in entry.vectors_mut() {
                change(number, reference)?;
            }
        }
        Ok(changed)
    }
}
