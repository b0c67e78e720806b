//! Gated steering in the loop, and as the mixture of finished runs.
//!
//! The KL-then-steer paper's gated numbers are mixtures: outputs of an unsteered and of a steered run, picked after the fact by the
//! classifier's decision. In the loop the gate acts while the model runs. With [`super::Timing::SecondPrefill`] both are the same up to
//! rounding; with [`super::Timing::LaterLayersThenAll`] they are not.

use std::ops::ControlFlow;

use firetender_hooks::{Chain, Intervene, Untouched};
use firetender_lm::{
    CausalLm, GenerateOptions, Generation, LmError, NewToken, Tokenizer, generate,
};
use serde::Serialize;

use super::{Decision, GatedSteering, Timing, fail};
use crate::{Benign, Damage, Effect, Observer, SteerError, damage::damages};

/// Prompts that run at a time.
const BATCH: usize = 8;

/// An effect with and without a gate, one number a prompt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateEffect {
    /// What was decided about each prompt.
    pub decisions: Vec<Decision>,
    /// The plain model.
    pub plain: Vec<f64>,
    /// Every prompt steered.
    pub always: Vec<f64>,
    /// The gate at work.
    pub in_loop: Vec<f64>,
    /// Steered or plain, as decided, after the fact.
    pub mixture: Vec<f64>,
}

impl GateEffect {
    /// Share of the prompts on which the gate fired.
    #[must_use]
    pub fn fired(&self) -> f64 {
        share(&self.decisions)
    }
}

/// Damage with and without a gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateDamage {
    /// What was decided about each prompt.
    pub decisions: Vec<Decision>,
    /// Every prompt steered.
    pub always: Damage,
    /// The gate at work.
    pub in_loop: Damage,
    /// Steered or plain, as decided, after the fact.
    pub mixture: Damage,
}

impl GateDamage {
    /// Share of the prompts on which the gate fired.
    #[must_use]
    pub fn fired(&self) -> f64 {
        share(&self.decisions)
    }
}

fn share(decisions: &[Decision]) -> f64 {
    decisions.iter().filter(|d| d.fired()).count() as f64 / decisions.len().max(1) as f64
}

/// Runs something under a set of open cases.
fn under<T>(
    gated: &GatedSteering,
    cases: &[bool],
    run: impl FnOnce(&mut dyn Intervene) -> Result<T, SteerError>,
) -> Result<T, SteerError> {
    let mut open = gated.open(cases);
    let chain = open.iter_mut().fold(Chain::new(), |chain, s| chain.then(s));
    let mut chain = chain;
    run(&mut chain)
}

/// The distinct sets of open cases among decisions.
fn sets(decisions: &[Decision]) -> Vec<Vec<bool>> {
    let mut sets: Vec<Vec<bool>> = decisions.iter().map(|d| d.cases.clone()).collect();
    sets.sort_unstable();
    sets.dedup();
    sets
}

/// Measures an effect on `prompts` without steering, always steered, gated in the loop, and as the mixture.
///
/// # Errors
/// [`SteerError::Gate`] when the effect gives another number of values than there are prompts, or an external condition has no answers;
/// and whatever model and effect report.
pub fn gate_effect(
    model: &dyn CausalLm,
    gated: &mut GatedSteering,
    prompts: &[Vec<u32>],
    effect: &dyn Effect,
) -> Result<GateEffect, SteerError> {
    let decisions = gated.decide(model, prompts, BATCH)?;
    let fits = |values: Vec<f64>| {
        if values.len() == prompts.len() {
            return Ok(values);
        }
        let what = format!(
            "are {}, and the effect has {} numbers; expected one for each",
            prompts.len(),
            values.len()
        );
        Err(fail("prompts", what))
    };
    let plain = fits(effect.measure(model, &mut Untouched)?)?;
    let every = vec![true; decisions.first().map_or(0, |d| d.cases.len())];
    let always = fits(under(gated, &every, |hook| effect.measure(model, hook))?)?;
    let in_loop = fits(effect.measure(model, gated)?)?;
    let mut mixture = plain.clone();
    for set in sets(&decisions)
        .into_iter()
        .filter(|set| set.contains(&true))
    {
        let steered = if set == every {
            always.clone()
        } else {
            fits(under(gated, &set, |hook| effect.measure(model, hook))?)?
        };
        for (at, decision) in decisions.iter().enumerate() {
            if decision.cases == set {
                mixture[at] = steered[at];
            }
        }
    }
    Ok(GateEffect {
        decisions,
        plain,
        always,
        in_loop,
        mixture,
    })
}

/// Measures the damage to harmless prompts always steered, gated in the loop, and as the mixture.
///
/// # Errors
/// As [`crate::damage()`]; [`SteerError::Gate`] for an external condition without answers.
pub fn gate_damage(
    model: &dyn CausalLm,
    gated: &mut GatedSteering,
    benign: &Benign,
    observer: &mut dyn Observer,
) -> Result<GateDamage, SteerError> {
    let decisions = gated.decide(model, &benign.prompt_rows(), BATCH)?;
    let every = vec![true; decisions.first().map_or(0, |d| d.cases.len())];
    let mut one = |hook: &mut dyn Intervene| {
        let found = damages(model, &mut [hook], benign, BATCH, observer)?;
        Ok(found.into_iter().next().unwrap_or_default())
    };
    let in_loop: Damage = one(gated)?;
    let always: Damage = under(gated, &every, &mut one)?;
    let mut mixture: Damage = one(&mut Untouched)?;
    for set in sets(&decisions)
        .into_iter()
        .filter(|set| set.contains(&true))
    {
        let steered = if set == every {
            always.clone()
        } else {
            under(gated, &set, &mut one)?
        };
        for (at, decision) in decisions.iter().enumerate() {
            if decision.cases == set {
                mixture.prompts[at] = steered.prompts[at];
            }
        }
    }
    Ok(GateDamage {
        decisions,
        always,
        in_loop,
        mixture,
    })
}

/// [`generate`] under a gated plan, and what was decided about each prompt. With [`Timing::SecondPrefill`] the prompts run twice.
///
/// # Errors
/// As [`generate`]; [`SteerError::Gate`] for an external condition without answers.
///
/// ```
/// use std::ops::ControlFlow;
/// use burn::tensor::Device;
/// use firetender_hooks::SiteKind;
/// use firetender_lm::{CausalLm, GenerateOptions, ModelConfig, Transformer};
/// use firetender_steer::{Gate, GatedPlan, Plan, Probe, Scorer, SteeringVector, generate_gated};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 3, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let gate = Probe::new(0, Scorer::Dot { direction: vec![1.0; 16] });
/// let gate = Gate::new("some", SiteKind::ResidPost, 16, 3, vec![gate]).unwrap();
/// let directions = std::collections::BTreeMap::from([(1, vec![1.0; 16])]);
/// let plan = Plan::of(SteeringVector::new("a", "b", SiteKind::ResidPost, 16, 3, directions).unwrap());
/// let mut gated = GatedPlan::of(gate, plan).compile(&model.shape(), &model.device()).unwrap();
/// let prompts = [vec![1, 2], vec![3]];
/// let go_on = &mut |_| ControlFlow::Continue(());
/// let (texts, decisions) = generate_gated(&model, None, &prompts, &GenerateOptions::new(3), &mut gated, go_on).unwrap();
/// assert_eq!((texts.len(), decisions.len()), (2, 2));
/// ```
pub fn generate_gated(
    model: &dyn CausalLm,
    tokenizer: Option<&Tokenizer>,
    prompts: &[Vec<u32>],
    options: &GenerateOptions,
    gated: &mut GatedSteering,
    on_token: &mut dyn FnMut(NewToken) -> ControlFlow<()>,
) -> Result<(Vec<Generation>, Vec<Decision>), SteerError> {
    gated.check_external()?;
    let second = gated.timing() == Timing::SecondPrefill;
    if second {
        let decisions = gated.decide(model, prompts, BATCH)?;
        gated.set_decisions(Some(decisions))?;
    }
    let mut run = |gated: &mut GatedSteering| -> Result<_, LmError> {
        let texts = generate(model, tokenizer, prompts, options, gated, on_token)?;
        let decisions = gated.decisions().into_iter();
        let decisions = decisions.map(Option::unwrap_or_default).collect();
        Ok((texts, decisions))
    };
    let written = run(gated);
    if second {
        gated.set_decisions(None)?;
    }
    Ok(written?)
}
