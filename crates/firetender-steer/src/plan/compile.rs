//! From a plan to what runs.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use firetender_hooks::Site;
use firetender_lm::LmShape;

use super::{Entry, Operator, Plan, Steering, operator::Change, steering::Action};
use crate::{SteerError, TokenRule, vector::length};

impl Plan {
    /// Checks the plan against a model and puts its numbers on `device` (without autodiff: they are constants to a gradient).
    ///
    /// Vectors that are added to the same tokens of the same site become one, `k·v` is multiplied out once, and equal token
    /// rules are evaluated once a pass.
    ///
    /// # Errors
    /// [`SteerError::Mismatch`] when a vector belongs to a model of another width or depth; [`SteerError::Layers`];
    /// [`SteerError::Plan`] when a strength is not finite, a vector is only named, or `k·v` no longer fits 32-bit numbers.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use firetender_hooks::{Intervene, Padding, Pass, Site, SiteKind, Untouched};
    /// use firetender_lm::{CausalLm, ModelConfig, Transformer};
    /// use firetender_steer::{Plan, SteeringVector};
    /// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
    /// let direction = std::collections::BTreeMap::from([(1, vec![1.0; 16])]);
    /// let vector = SteeringVector::new("up", "down", SiteKind::ResidPost, 16, 2, direction).unwrap();
    /// let mut steering = Plan::of(&vector).scaled(0.5).compile(&model.shape(), &model.device()).unwrap();
    /// assert!(steering.wants(Site::ResidPost(1)) && !steering.wants(Site::ResidPost(0)));
    /// let pass = Pass::whole(&[vec![1, 2, 3]], Padding::Left, 0).unwrap();
    /// let steered = model.logits(&pass, None, &mut steering).unwrap();
    /// let plain = model.logits(&pass, None, &mut Untouched).unwrap();
    /// assert_ne!(steered.into_data(), plain.into_data());
    /// ```
    pub fn compile(&self, shape: &LmShape, device: &Device) -> Result<Steering, SteerError> {
        let device = device.clone().without_autodiff();
        let mut rules: Vec<TokenRule> = vec![];
        let mut sites: BTreeMap<Site, Parts> = BTreeMap::new();
        for (number, entry) in self.entries.iter().enumerate() {
            let vector = entry.given(number)?;
            vector.check_fits_at(&format!("plan, entry {number}"), shape, None)?;
            let fail = |field, what| SteerError::Plan {
                entry: number,
                field,
                what,
            };
            if !entry.strength.is_finite() {
                let what = format!("is {}; expected a finite number", entry.strength);
                return Err(fail("strength", what));
            }
            let chosen = vector.pick(&entry.layers)?;
            if entry.operator.idle(entry.strength) {
                continue;
            }
            let rule = rules
                .iter()
                .position(|rule| *rule == entry.tokens)
                .unwrap_or_else(|| {
                    rules.push(entry.tokens.clone());
                    rules.len() - 1
                });
            for (layer, direction) in chosen {
                let site = sites.entry(vector.site().at(layer)).or_default();
                let shift: Vec<f64> = direction
                    .iter()
                    .map(|x| f64::from(*x) * entry.strength)
                    .collect();
                if shift.iter().any(|x| !(*x as f32).is_finite()) {
                    let what = format!(
                        "{} times the direction of layer {layer} is not finite in 32 bits",
                        entry.strength
                    );
                    return Err(fail("strength", what));
                }
                site.take(entry, rule, direction, shift, &device);
            }
        }
        let sites = sites
            .into_iter()
            .map(|(site, parts)| (site, parts.actions(&device)))
            .filter(|(_, actions)| !actions.is_empty())
            .collect();
        Ok(Steering::new(rules, sites, device))
    }
}

/// What is collected for one site: plain additions by token rule, and everything else.
#[derive(Default)]
struct Parts {
    shifts: BTreeMap<usize, Vec<f64>>,
    others: Vec<Action>,
}

impl Parts {
    fn take(
        &mut self,
        entry: &Entry,
        rule: usize,
        direction: &[f32],
        shift: Vec<f64>,
        device: &Device,
    ) {
        if entry.operator == Operator::Add && !entry.keep_norm {
            match self.shifts.entry(rule) {
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(shift);
                }
                std::collections::btree_map::Entry::Occupied(mut known) => {
                    known
                        .get_mut()
                        .iter_mut()
                        .zip(&shift)
                        .for_each(|(a, b)| *a += b);
                }
            }
            return;
        }
        let norm = length(direction);
        let unit: Vec<f64> = direction.iter().map(|x| f64::from(*x) / norm).collect();
        let add = (entry.operator != Operator::ProjectOut && entry.strength != 0.0)
            .then(|| tensor(&shift, device));
        let take = match entry.operator {
            Operator::Add => None,
            Operator::ProjectOut => Some((tensor(&unit, device), entry.strength)),
            Operator::ProjectThenAdd => Some((tensor(&unit, device), 1.0)),
        };
        let change = Change { take, add };
        self.others.push(Action {
            rule,
            change,
            keep_norm: entry.keep_norm,
        });
    }

    fn actions(self, device: &Device) -> Vec<Action> {
        // Additions that cancel out are none.
        let shifts = self
            .shifts
            .into_iter()
            .filter(|(_, shift)| shift.iter().any(|x| *x != 0.0));
        let mut actions: Vec<Action> = shifts
            .map(|(rule, shift)| Action {
                rule,
                change: Change {
                    take: None,
                    add: Some(tensor(&shift, device)),
                },
                keep_norm: false,
            })
            .collect();
        actions.extend(self.others);
        actions
    }
}

/// `[1, 1, width]` on the device.
fn tensor(values: &[f64], device: &Device) -> Tensor<3> {
    let values: Vec<f32> = values.iter().map(|x| *x as f32).collect();
    let width = values.len();
    Tensor::from_data(TensorData::new(values, [1, 1, width]), device)
}
