//! Fit, choose, measure: the same for every behaviour.

use firetender_hooks::SiteKind;
use firetender_lm::CausalLm;
use firetender_steer::{
    Bootstrap, Curve, Estimate, Extractor, LayerReport, Layers, Method, Plan, SweepOptions, sweep,
};
use firetender_support::{Bars, Failure, Model, fail};

use crate::behaviour::Behaviour;

/// How much is run.
pub(crate) struct Settings {
    pub(crate) budget: f64,
    pub(crate) controls: u64,
    pub(crate) pairs: usize,
    pub(crate) chosen_on: usize,
    pub(crate) measured_on: usize,
    pub(crate) benign: usize,
    /// Lengths that are tried, as shares of the stream's.
    doses: Vec<f64>,
    /// Layers that are tried, as shares of the depth.
    depths: Vec<f64>,
}

impl Settings {
    pub(crate) fn new(budget: f64, controls: u64, quick: bool) -> Result<Self, Failure> {
        if !(budget > 0.0 && budget.is_finite()) || controls == 0 {
            return fail(format!(
                "a budget of {budget} and {controls} random directions; expected more than none of both"
            ));
        }
        let (doses, depths) = if quick {
            (vec![0.1, 0.3], vec![0.4, 0.6])
        } else {
            (vec![0.1, 0.2, 0.4], vec![0.3, 0.5, 0.7])
        };
        let pick = |few: usize, many: usize| if quick { few } else { many };
        Ok(Self {
            budget,
            controls: if quick { controls.min(2) } else { controls },
            pairs: pick(24, 100),
            chosen_on: pick(6, 12),
            measured_on: pick(8, 32),
            benign: pick(6, 10),
            doses,
            depths,
        })
    }
}

/// A layer and a length that was tried on the validation prompts.
#[derive(Clone, Copy)]
pub(crate) struct Tried {
    pub(crate) layer: usize,
    pub(crate) dose: f64,
    /// Change of the effect.
    pub(crate) change: f64,
    pub(crate) kl: f64,
}

/// What one direction does: half the difference of the effect between strength 1 and −1.
pub(crate) struct Push {
    pub(crate) effect: Estimate,
    /// Mean damage of the two.
    pub(crate) kl: f64,
}

/// Everything that was found.
pub(crate) struct Found {
    pub(crate) reports: Vec<LayerReport>,
    pub(crate) tried: Vec<Tried>,
    pub(crate) chosen: Tried,
    pub(crate) curve: Curve,
    /// Change of the effect against the plain model, prompt by prompt, for each point of the curve.
    pub(crate) changes: Vec<Estimate>,
    pub(crate) push: Push,
    pub(crate) random: Vec<Push>,
    /// Strength → effect on the prompts where the behaviour is not wanted.
    pub(crate) spill: Vec<(f64, Estimate)>,
}

impl Found {
    /// How many random directions push as hard, in either direction.
    pub(crate) fn as_hard(&self) -> usize {
        let mine = self.push.effect.value.abs();
        let random = self.random.iter();
        random.filter(|r| r.effect.value.abs() >= mine).count()
    }
}

/// Strengths that are measured, as multiples of the chosen one.
const STRENGTHS: [f64; 5] = [-1.0, -0.5, 0.0, 0.5, 1.0];

pub(crate) fn run(
    behaviour: &Behaviour,
    model: &Model,
    settings: &Settings,
) -> Result<Found, Failure> {
    let network = &model.network;
    let depth = network.shape().layers;
    let mut layers: Vec<usize> = settings
        .depths
        .iter()
        .map(|share| ((share * depth as f64) as usize).min(depth - 1))
        .collect();
    layers.dedup();
    let names: Vec<String> = layers.iter().map(ToString::to_string).collect();
    let extraction = Extractor::new(SiteKind::ResidPost)
        .with_layers(names.join(",").parse()?)
        .with_read(behaviour.read.clone())
        .extract(
            network,
            &behaviour.fit,
            Method::Mean,
            &mut Bars::new("direction"),
        )?;

    let mut tried = vec![];
    for &layer in &layers {
        let unit = extraction
            .vector
            .at_layers(&Layers::one(layer))?
            .relative(1.0)?;
        let mut strengths = vec![0.0];
        strengths.extend(&settings.doses);
        let curve = sweep(
            network,
            &Plan::of(&unit),
            behaviour.validation.as_ref(),
            &behaviour.benign_validation,
            &SweepOptions::new(&strengths)?,
            &mut Bars::new(&format!("choosing, layer {layer}")),
        )?;
        let plain = curve.points[0].effect.value;
        tried.extend(curve.points[1..].iter().map(|point| Tried {
            layer,
            dose: point.strength,
            change: point.effect.value - plain,
            kl: point.kl.value,
        }));
    }
    let within = tried.iter().filter(|t| t.kl <= settings.budget);
    let Some(&chosen) = within.max_by(|a, b| a.change.total_cmp(&b.change)) else {
        return fail(format!(
            "every strength that was tried does more damage than {}; give a larger --budget",
            settings.budget
        ));
    };

    let vector = extraction
        .vector
        .at_layers(&Layers::one(chosen.layer))?
        .relative(chosen.dose)?;
    let plan = Plan::of(&vector);
    let measure = |plan: &Plan, strengths: &[f64], title: &str| {
        sweep(
            network,
            plan,
            behaviour.test.as_ref(),
            &behaviour.benign_test,
            &SweepOptions::new(strengths)?,
            &mut Bars::new(title),
        )
    };
    let curve = measure(&plan, &STRENGTHS, "measuring")?;
    let plain = curve.at(0.0).map_or(&[][..], |point| &point.effects);
    let bootstrap = Bootstrap::default();
    let changes = curve
        .points
        .iter()
        .map(|point| bootstrap.mean(&difference(&point.effects, plain, 1.0)))
        .collect();
    let mut random = vec![];
    for seed in 0..settings.controls {
        let title = format!("random direction {}", seed + 1);
        let control = plan.random_control(seed)?;
        random.push(push(&measure(&control, &[-1.0, 1.0], &title)?)?);
    }
    let mut spill = vec![];
    if let Some((_, effect)) = &behaviour.spill {
        for strength in [-1.0, 0.0, 1.0] {
            let mut steering = plan
                .scaled(strength)
                .compile(&network.shape(), &network.device())?;
            spill.push((
                strength,
                bootstrap.mean(&effect.measure(network, &mut steering)?),
            ));
        }
    }
    Ok(Found {
        reports: extraction.reports,
        tried,
        chosen,
        push: push(&curve)?,
        curve,
        changes,
        random,
        spill,
    })
}

fn push(curve: &Curve) -> Result<Push, Failure> {
    let (Some(up), Some(down)) = (curve.at(1.0), curve.at(-1.0)) else {
        return fail("strengths 1 and -1 were not measured");
    };
    Ok(Push {
        effect: Bootstrap::default().mean(&difference(&up.effects, &down.effects, 0.5)),
        kl: (up.kl.value + down.kl.value) / 2.0,
    })
}

fn difference(a: &[f64], b: &[f64], factor: f64) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| factor * (a - b)).collect()
}
