//! From a plan to what runs.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use firetender_hooks::Site;
use firetender_lm::LmShape;

use super::{
    Conflict, Entry, Plan, Steering,
    change::{Change, Kind},
    numbers::{Maker, What, tensor},
    scope::Scope,
    steering::{Stage, Step},
};
use crate::SteerError;

impl Plan {
    /// Checks the plan against a model and puts its numbers on `device` (without autodiff: they are constants to a gradient).
    ///
    /// Vectors that are added to the same tokens of the same site become one, `k·v` is multiplied out once, and equal token
    /// rules are evaluated once a pass.
    ///
    /// # Errors
    /// [`SteerError::Mismatch`] when a vector belongs to a model of another width or depth; [`SteerError::Layers`];
    /// [`SteerError::Plan`] naming the entry and the field: a number that is not finite, a vector that is only named, `k·v` that
    /// no longer fits 32-bit numbers, or entries that meet at a token of a plan whose [`Conflict`] is `Error`.
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
        compile(&[self], vec![None], shape, device)
    }
}

/// Plans for the rows of one batch; `rows` has each plan's strength for each row.
pub(crate) fn compile(
    plans: &[&Plan],
    rows: Vec<Option<Vec<f64>>>,
    shape: &LmShape,
    device: &Device,
) -> Result<Steering, SteerError> {
    let mut steering = Steering::new(device.clone().without_autodiff());
    steering.groups = rows;
    let mut sites: BTreeMap<Site, Vec<Parts>> = BTreeMap::new();
    for (group, plan) in plans.iter().enumerate() {
        let mut of_plan: BTreeMap<Site, Vec<Part<'_>>> = BTreeMap::new();
        for (number, entry) in plan.entries().iter().enumerate() {
            let maker = Maker {
                number,
                entry,
                shape,
                device: &steering.device,
            };
            for (site, what) in maker.parts()? {
                of_plan.entry(site).or_default().push(Part {
                    number,
                    entry,
                    what,
                });
            }
        }
        for (site, parts) in of_plan {
            let stages = stages(parts, plan.conflict(), group, site, &mut steering.scopes)?;
            let known = sites.entry(site).or_default();
            // Rows of different plans are different rows, so plans of one stage share it.
            match (known.as_mut_slice(), stages.as_slice()) {
                ([one], [_]) => stages.into_iter().for_each(|new| one.merge(new)),
                _ => known.extend(stages),
            }
        }
    }
    for (site, parts) in sites {
        let stages: Vec<Stage> = parts
            .into_iter()
            .map(|parts| parts.stage(&mut steering.bundles, &steering.device))
            .filter(|stage| !stage.is_empty())
            .collect();
        if !stages.is_empty() {
            steering.sites.insert(site, stages);
        }
    }
    Ok(steering)
}

/// What an entry does at one site.
struct Part<'a> {
    number: usize,
    entry: &'a Entry,
    what: What,
}

/// The changes of one stage: plain additions by scope, and everything else.
#[derive(Default)]
struct Parts {
    shifts: BTreeMap<usize, Vec<f64>>,
    others: Vec<(usize, Box<Change>)>,
}

/// Sorts the changes of one site into stages, and checks that they may meet.
fn stages(
    parts: Vec<Part<'_>>,
    conflict: Conflict,
    group: usize,
    site: Site,
    scopes: &mut Vec<Scope>,
) -> Result<Vec<Parts>, SteerError> {
    let mut stages: Vec<Parts> = vec![];
    for (index, part) in parts.iter().enumerate() {
        let rule = &part.entry.tokens;
        let before = &parts[..index];
        if conflict == Conflict::Error {
            for other in before {
                if let Some(token) = rule.meets(&other.entry.tokens) {
                    return Err(SteerError::Plan {
                        entry: part.number,
                        field: "tokens",
                        what: format!(
                            "`{rule}` and entry {}'s `{}` both select a token at {site} (for instance position {} after a prompt of {}), which this plan's conflict policy forbids",
                            other.number, other.entry.tokens, token.position, token.prompt_len
                        ),
                    });
                }
            }
        }
        let except = match conflict {
            Conflict::FirstWins => {
                let rules = before.iter().map(|other| other.entry.tokens.clone());
                rules.filter(|other| rule.meets(other).is_some()).collect()
            }
            _ => vec![],
        };
        let scope = Scope {
            rule: rule.clone(),
            schedule: part.entry.schedule,
            token_weights: part.entry.token_weights.clone(),
            group,
            except,
        };
        let scope = scopes.iter().position(|s| *s == scope).unwrap_or_else(|| {
            scopes.push(scope);
            scopes.len() - 1
        });
        if stages.is_empty() || conflict == Conflict::InOrder {
            stages.push(Parts::default());
        }
        if let Some(stage) = stages.last_mut() {
            match &part.what {
                What::Shift(shift) => stage.shift(scope, shift),
                What::Change(change) => stage.others.push((scope, change.clone())),
            }
        }
    }
    Ok(stages)
}

impl Parts {
    fn shift(&mut self, scope: usize, shift: &[f64]) {
        let sum = self
            .shifts
            .entry(scope)
            .or_insert_with(|| vec![0.0; shift.len()]);
        sum.iter_mut().zip(shift).for_each(|(a, b)| *a += b);
    }

    fn merge(&mut self, other: Self) {
        for (scope, shift) in other.shifts {
            self.shift(scope, &shift);
        }
        self.others.extend(other.others);
    }

    fn stage(self, bundles: &mut Vec<Vec<usize>>, device: &Device) -> Stage {
        // Additions that cancel out are none.
        let shifts: Vec<(usize, Vec<f64>)> = self
            .shifts
            .into_iter()
            .filter(|(_, shift)| shift.iter().any(|x| *x != 0.0))
            .collect();
        let mut stage: Stage = match shifts.as_slice() {
            [] => vec![],
            [(scope, shift)] => vec![Step::One {
                scope: *scope,
                change: Box::new(Change {
                    kind: Kind::Shift(tensor(shift, device)),
                    adapt: None,
                    keep_norm: false,
                }),
            }],
            several => {
                let scopes: Vec<usize> = several.iter().map(|(scope, _)| *scope).collect();
                let known = bundles.iter().position(|bundle| *bundle == scopes);
                let width = several[0].1.len();
                let numbers = several.iter().flat_map(|(_, shift)| shift);
                let numbers: Vec<f32> = numbers.map(|x| *x as f32).collect();
                let data = TensorData::new(numbers, [1, several.len(), width]);
                let bundle = known.unwrap_or_else(|| {
                    bundles.push(scopes);
                    bundles.len() - 1
                });
                vec![Step::Stack {
                    bundle,
                    shifts: Tensor::from_data(data, device),
                }]
            }
        };
        let others = self.others.into_iter();
        stage.extend(others.map(|(scope, change)| Step::One { scope, change }));
        stage
    }
}
