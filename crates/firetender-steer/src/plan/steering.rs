//! A compiled plan at work.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use firetender_hooks::{Intervene, Pass, Site};

use super::{
    change::{Change, Factor},
    scope::{Active, Reach, Scope},
};
use crate::SteerError;

/// A compiled [`super::Plan`]: give it to a pass, to `generate` or to `score`.
///
/// Masks are made once a pass from the tokens themselves, so a steering can be used for one pass after another, with or without
/// a cache, in any batch. It holds nothing of the model.
#[derive(Clone, Debug)]
pub struct Steering {
    pub(crate) scopes: Vec<Scope>,
    /// Sets of scopes whose plain additions are one matrix product.
    pub(crate) bundles: Vec<Vec<usize>>,
    pub(crate) sites: BTreeMap<Site, Vec<Stage>>,
    /// Strength of each row, for each plan of a batch; `None` is 1 for all.
    pub(crate) groups: Vec<Option<Vec<f64>>>,
    pub(crate) device: Device,
    rows: Option<Vec<f64>>,
    reach: Reach,
    /// What each scope and each bundle is in the pass under way.
    factors: Vec<Option<Factor>>,
    coefficients: Vec<Option<Tensor<3>>>,
}

/// Changes that see the same value; stages follow each other.
pub(crate) type Stage = Vec<Step>;

/// Something that is added to the value of a site.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a handful for each plan, never stored in numbers"
)]
pub(crate) enum Step {
    /// One change in one scope.
    One { scope: usize, change: Box<Change> },
    /// `k v` of several scopes: `[scopes, width]`.
    Stack { bundle: usize, shifts: Tensor<3> },
}

impl Steering {
    pub(crate) fn new(device: Device) -> Self {
        Self {
            scopes: vec![],
            bundles: vec![],
            sites: BTreeMap::new(),
            groups: vec![],
            device,
            rows: None,
            reach: Reach::Everything,
            factors: vec![],
            coefficients: vec![],
        }
    }

    /// Whether it can change anything at all.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.sites.is_empty()
    }

    /// The sites that it changes, in the order in which a pass reaches the kinds of one layer.
    pub fn sites(&self) -> impl Iterator<Item = Site> + '_ {
        self.sites.keys().copied()
    }

    /// With a strength for each row of the batch, which multiplies what every entry changes; 0 leaves a row alone. One number
    /// counts for every row.
    ///
    /// # Errors
    /// [`SteerError::Input`] when there are none or one is not finite.
    pub fn with_row_strengths(mut self, rows: &[f64]) -> Result<Self, SteerError> {
        if rows.is_empty() || rows.iter().any(|row| !row.is_finite()) {
            let what = format!("row strengths {rows:?}; expected a finite number for each row");
            return Err(SteerError::Input { what });
        }
        self.rows = Some(rows.to_vec());
        Ok(self)
    }

    /// Row strengths that are known to be good.
    pub(crate) fn set_rows(&mut self, rows: Option<Vec<f64>>, reach: Reach) {
        self.rows = rows;
        self.reach = reach;
    }

    fn row(&self, group: usize, row: usize) -> f64 {
        let of = |rows: &Option<Vec<f64>>| match rows.as_deref() {
            None => 1.0,
            Some([one]) => *one,
            Some(rows) => rows[row],
        };
        of(&self.rows) * of(&self.groups[group])
    }

    /// Whether a step changes anything in the pass under way; before one, whether it can.
    fn acts(&self, step: &Step) -> bool {
        match step {
            Step::One { scope, .. } => self.factors.get(*scope).is_none_or(Option::is_some),
            Step::Stack { bundle, .. } => {
                self.coefficients.get(*bundle).is_none_or(Option::is_some)
            }
        }
    }

    /// What a step adds to a value, or `None` when nothing.
    fn delta(&self, step: &Step, value: &Tensor<3>) -> Option<Tensor<3>> {
        match step {
            Step::One { scope, change } => {
                let factor = self.factors.get(*scope)?.as_ref()?;
                Some(change.delta(value, factor))
            }
            Step::Stack { bundle, shifts } => {
                let coefficients = self.coefficients.get(*bundle)?.clone()?;
                let sum = coefficients.matmul(shifts.clone()).reshape(value.dims());
                Some(super::change::like(&sum, value))
            }
        }
    }
}

impl Intervene for Steering {
    /// # Panics
    /// When row strengths or row plans were given for another number of rows than the pass has.
    fn begin(&mut self, pass: &Pass) {
        for rows in self.groups.iter().chain([&self.rows]).flatten() {
            assert!(
                rows.len() == 1 || rows.len() == pass.batch(),
                "strengths for {} rows in a pass of {}",
                rows.len(),
                pass.batch()
            );
        }
        let active: Vec<Active> = self
            .scopes
            .iter()
            .map(|scope| scope.active(pass, |row| self.row(scope.group, row), self.reach))
            .collect();
        self.factors = active
            .iter()
            .map(|active| active.factor(pass, &self.device))
            .collect();
        let cells = pass.ids().len();
        let matrix = |bundle: &Vec<usize>| {
            let idle = |scope: &usize| matches!(active[*scope], Active::Nothing);
            if bundle.iter().all(idle) {
                return None;
            }
            let numbers = (0..cells).flat_map(|cell| bundle.iter().map(move |s| (*s, cell)));
            let numbers: Vec<f32> = numbers.map(|(s, cell)| active[s].at(cell)).collect();
            let data = TensorData::new(numbers, [1, cells, bundle.len()]);
            Some(Tensor::from_data(data, &self.device))
        };
        self.coefficients = self.bundles.iter().map(matrix).collect();
    }

    fn wants(&self, site: Site) -> bool {
        let stages = self.sites.get(&site);
        stages.is_some_and(|stages| stages.iter().flatten().any(|step| self.acts(step)))
    }

    fn at(&mut self, site: Site, value: Tensor<3>, _pass: &Pass) -> Tensor<3> {
        let mut value = value;
        for stage in self.sites.get(&site).into_iter().flatten() {
            let deltas = stage.iter().filter_map(|step| self.delta(step, &value));
            if let Some(delta) = deltas.reduce(|sum, delta| sum + delta) {
                value = value + delta;
            }
        }
        value
    }

    fn end(&mut self, _pass: &Pass) {
        self.factors.clear();
        self.coefficients.clear();
    }
}
