//! A policy as it stands in JSON.
//!
//! A file says the oldest schema that can express it, so that policies and pools which need nothing new stay as they were, to the byte.

use serde::{Deserialize, Serialize};

use super::{Policy, Provenance, SubPolicy};
use crate::{Compat, Op, OpSpace, Transform, TtaError};

/// What policy files begin with, older first. The second adds probabilities of operations, random signs, and operations that are in none of the
/// reference's lists.
pub const SCHEMAS: [&str; 2] = ["firetender-policy/1", "firetender-policy/2"];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyFile {
    schema: String,
    space: OpSpace,
    compat: Compat,
    true_zero: f64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    random_sign: bool,
    random: Vec<Transform>,
    central: Vec<Transform>,
    entries: Vec<SubPolicy>,
    #[serde(default)]
    provenance: Provenance,
}

/// Whether the first schema cannot say it.
fn is_new(policy: &Policy) -> bool {
    let new = |op: Op| op.index() >= 18;
    policy.random_sign
        || policy.space.ops.iter().any(|range| new(range.op))
        || policy.entries.iter().any(|e| !e.probabilities.is_empty())
}

impl From<Policy> for PolicyFile {
    fn from(policy: Policy) -> Self {
        Self {
            schema: SCHEMAS[usize::from(is_new(&policy))].to_owned(),
            space: policy.space,
            compat: policy.compat,
            true_zero: policy.true_zero,
            random_sign: policy.random_sign,
            random: policy.random,
            central: policy.central,
            entries: policy.entries,
            provenance: policy.provenance,
        }
    }
}

impl TryFrom<PolicyFile> for Policy {
    type Error = TtaError;

    fn try_from(file: PolicyFile) -> Result<Self, TtaError> {
        if !SCHEMAS.contains(&file.schema.as_str()) {
            let expected = format!("{} or {}", SCHEMAS[0], SCHEMAS[1]);
            return Err(TtaError::option("schema", file.schema, expected));
        }
        let policy = Self {
            space: file.space,
            compat: file.compat,
            true_zero: file.true_zero,
            random_sign: file.random_sign,
            random: file.random,
            central: file.central,
            entries: file.entries,
            provenance: file.provenance,
        };
        if is_new(&policy) && file.schema == SCHEMAS[0] {
            let expected = format!(
                "{}, for probabilities, random signs and operations outside of the reference's lists",
                SCHEMAS[1]
            );
            return Err(TtaError::option("schema", file.schema, expected));
        }
        Ok(policy)
    }
}
