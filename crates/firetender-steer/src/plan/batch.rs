//! Different plans for different rows of one batch.

use burn::tensor::Device;
use firetender_lm::LmShape;
use serde::{Deserialize, Serialize};

use super::{FORMAT, Plan, Steering, compile::compile};
use crate::SteerError;

/// What one row of a batch gets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowPlan {
    /// Number of the plan.
    pub plan: usize,
    /// Multiplies what it changes.
    #[serde(default = "one")]
    pub strength: f64,
}

fn one() -> f64 {
    1.0
}

/// Plans, and which row of a batch gets which: all of them run in one pass.
///
/// ```
/// use std::collections::BTreeMap;
/// use burn::tensor::Device;
/// use firetender_hooks::{Padding, Pass, SiteKind};
/// use firetender_lm::{CausalLm, ModelConfig, Transformer};
/// use firetender_steer::{BatchPlan, Plan, SteeringVector};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let vector = |at| {
///     let direction = (0..16).map(|i| if i == at { 1.0 } else { 0.0 }).collect();
///     SteeringVector::new("up", "down", SiteKind::ResidPost, 16, 2, BTreeMap::from([(0, direction)])).unwrap()
/// };
/// let plans = vec![Plan::of(vector(0)), Plan::of(vector(1))];
/// let batch = BatchPlan::new(plans, &[Some(1), None, Some(0)]).unwrap();
/// let mut steering = batch.compile(&model.shape(), &model.device()).unwrap();
/// let pass = Pass::whole(&[vec![1, 2], vec![3], vec![4]], Padding::Left, 0).unwrap();
/// let _logits = model.logits(&pass, None, &mut steering).unwrap();
/// assert!(BatchPlan::new(vec![Plan::new()], &[Some(1)]).is_err(), "there is no plan 1");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Raw")]
pub struct BatchPlan {
    format: u32,
    plans: Vec<Plan>,
    rows: Vec<Option<RowPlan>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default = "super::format")]
    format: u32,
    plans: Vec<Plan>,
    rows: Vec<Option<RowPlan>>,
}

impl TryFrom<Raw> for BatchPlan {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        if raw.format != FORMAT {
            return Err(format!(
                "plan of format {}; this library reads {FORMAT}",
                raw.format
            ));
        }
        Self::checked(raw.plans, raw.rows).map_err(|error| error.to_string())
    }
}

impl BatchPlan {
    /// Row `i` gets plan number `rows[i]`, or none.
    ///
    /// # Errors
    /// [`SteerError::Input`] when there are no rows or a plan does not exist.
    pub fn new(plans: Vec<Plan>, rows: &[Option<usize>]) -> Result<Self, SteerError> {
        let full = |plan| RowPlan {
            plan,
            strength: 1.0,
        };
        Self::checked(plans, rows.iter().map(|row| row.map(full)).collect())
    }

    /// Row `i` gets what `rows[i]` says.
    ///
    /// # Errors
    /// As [`new`](Self::new); also for a strength that is not finite.
    pub fn with_rows(plans: Vec<Plan>, rows: Vec<Option<RowPlan>>) -> Result<Self, SteerError> {
        Self::checked(plans, rows)
    }

    fn checked(plans: Vec<Plan>, rows: Vec<Option<RowPlan>>) -> Result<Self, SteerError> {
        let fail = |what: String| Err(SteerError::Input { what });
        if rows.is_empty() {
            return fail("a batch plan for no rows; expected one or more".into());
        }
        for (number, row) in rows.iter().enumerate() {
            let Some(row) = row else { continue };
            if row.plan >= plans.len() {
                return fail(format!(
                    "row {number}: `plan` is {}; there are {}",
                    row.plan,
                    plans.len()
                ));
            }
            if !row.strength.is_finite() {
                return fail(format!(
                    "row {number}: `strength` is {}; expected a finite number",
                    row.strength
                ));
            }
        }
        Ok(Self {
            format: FORMAT,
            plans,
            rows,
        })
    }

    /// The plans.
    #[must_use]
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// What each row gets.
    #[must_use]
    pub fn rows(&self) -> &[Option<RowPlan>] {
        &self.rows
    }

    /// Checks all plans against a model. Passes must have as many rows as the batch plan.
    ///
    /// # Errors
    /// As [`Plan::compile`].
    pub fn compile(&self, shape: &LmShape, device: &Device) -> Result<Steering, SteerError> {
        let strengths = |number: usize| {
            let rows = self.rows.iter().map(|row| match row {
                Some(row) if row.plan == number => row.strength,
                _ => 0.0,
            });
            Some(rows.collect::<Vec<f64>>())
        };
        let plans: Vec<&Plan> = self.plans.iter().collect();
        let rows = (0..plans.len()).map(strengths).collect();
        compile(&plans, rows, shape, device)
    }
}
