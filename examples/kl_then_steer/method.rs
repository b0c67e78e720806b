//! The methods that are compared, and how each is trained.

use firetender_kts::{
    Adapter, Dpo, DpoOptions, Imitate, KeepEffect, KlThenSteer, KtsOptions, LoraOptions, Objective,
    Representation, RepresentationOptions, Run, TrainObserver, VectorBank, train,
};
use firetender_lm::Transformer;
use firetender_support::{Failure, fail};

use crate::{arguments::Arguments, world::World};

/// One way to change the model before it is steered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// KL-then-steer as in the paper: seven of eight minibatches steered.
    Kts,
    /// The same with a term that keeps the effect on target prompts.
    KtsKeep,
    /// As the published code has it: one of eight minibatches steered.
    KtsRare,
    /// Every minibatch steered: do unsteered ones help?
    KtsAlways,
    /// KL-then-steer on random directions only: how far robustness carries over.
    KtsRandom,
    /// Training on the base's own answers, steered.
    Imitate,
    /// Preference of the target behaviour, rank 128.
    Dpo,
    /// The same with rank 1.
    DpoRank1,
    /// Turning away representations of unwanted answers.
    Representation,
    /// `kts_keep` and `dpo` added, without further training.
    KtsDpo,
}

impl Method {
    pub(crate) const ALL: [Self; 10] = [
        Self::Kts,
        Self::KtsKeep,
        Self::KtsRare,
        Self::KtsAlways,
        Self::KtsRandom,
        Self::Imitate,
        Self::Dpo,
        Self::DpoRank1,
        Self::Representation,
        Self::KtsDpo,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kts => "kts",
            Self::KtsKeep => "kts_keep",
            Self::KtsRare => "kts_rare",
            Self::KtsAlways => "kts_always",
            Self::KtsRandom => "kts_random",
            Self::Imitate => "imitate",
            Self::Dpo => "dpo",
            Self::DpoRank1 => "dpo_rank1",
            Self::Representation => "representation",
            Self::KtsDpo => "kts_dpo",
        }
    }

    pub(crate) fn named(name: &str) -> Result<Self, Failure> {
        match Self::ALL.into_iter().find(|method| method.name() == name) {
            Some(method) => Ok(method),
            None => {
                let known: Vec<&str> = Self::ALL.map(Self::name).to_vec();
                fail(format!(
                    "method `{name}`: expected some of {}",
                    known.join(", ")
                ))
            }
        }
    }

    /// Whether it is run with every seed: the two that the verdicts are about.
    pub(crate) fn repeated(self) -> bool {
        matches!(self, Self::Kts | Self::KtsKeep)
    }
}

/// The options of the methods that steer while they train.
pub(crate) fn options(
    method: Method,
    world: &World,
    arguments: &Arguments,
    seed: u64,
) -> KtsOptions {
    let mut options = KtsOptions {
        lora: LoraOptions {
            rank: arguments.rank.unwrap_or(world.rank),
            ..LoraOptions::default()
        },
        ..KtsOptions::default()
    };
    options.lora.alpha = 2.0 * options.lora.rank as f64;
    options.vectors.layers = world.layers.clone();
    options.dose.strength = firetender_kts::Strength::Symmetric(arguments.dose.unwrap_or(1.5));
    let training = &mut options.training;
    training.steps = if arguments.quick {
        6
    } else {
        arguments.steps.unwrap_or(world.steps)
    };
    training.batch = arguments.batch.unwrap_or(world.batch);
    training.seed = 19 + seed;
    training.optimiser.rate = arguments.rate.unwrap_or(world.rate);
    match method {
        Method::KtsKeep => {
            options.keep_effect = Some(KeepEffect {
                weight: arguments.keep,
                ..KeepEffect::default()
            });
        }
        Method::KtsRare => options.dose.p_steer = 0.125,
        Method::KtsAlways => options.dose.p_steer = 1.0,
        _ => {}
    }
    options
}

/// Trains one method with one seed.
pub(crate) fn adapter(
    method: Method,
    world: &World,
    arguments: &Arguments,
    seed: u64,
    observer: &mut dyn TrainObserver,
) -> Result<Adapter, Failure> {
    let base = &world.model.network;
    let teacher = &firetender_kts::teacher(base);
    if method == Method::KtsDpo {
        let kts = adapter(Method::KtsKeep, world, arguments, seed, observer)?;
        return Ok(kts.plus(&adapter(Method::Dpo, world, arguments, seed, observer)?)?);
    }
    let mut options = options(method, world, arguments, seed);
    let sources = match method {
        Method::KtsRandom => vec![world.random_source()],
        _ => world.sources()?,
    };
    let bank = || VectorBank::read(base, &options.vectors, sources.clone());
    let training_seed = options.training.seed;
    let dpo = DpoOptions {
        seed: training_seed,
        ..DpoOptions::default()
    };
    let mut objective: Box<dyn Objective + '_> = match method {
        Method::Imitate => Box::new(Imitate::new(
            teacher,
            &world.base_answers,
            bank()?,
            &options,
        )?),
        Method::Dpo | Method::DpoRank1 => {
            Box::new(Dpo::new(teacher, world.preferred.clone(), &dpo)?)
        }
        Method::Representation => {
            let settings = RepresentationOptions {
                layers: world.layers.clone(),
                steps: options.training.steps,
                seed: training_seed,
                ..RepresentationOptions::default()
            };
            Box::new(Representation::new(
                teacher,
                &world.unwanted,
                &world.texts,
                &settings,
            )?)
        }
        _ => Box::new(KlThenSteer::new(teacher, &world.texts, bank()?, &options)?),
    };
    match method {
        // The paper's ranks and rates.
        Method::Dpo => {
            options.lora = ranked(128);
            options.training.optimiser.rate = 1e-4;
        }
        Method::DpoRank1 => {
            options.lora = ranked(1);
            options.training.optimiser.rate = 2e-4;
        }
        _ => {}
    }
    let start = options.lora.start(base, training_seed)?;
    let folder = arguments.out.join(format!("{}-{seed}", method.name()));
    let run = Run::new().with_checkpoints(&folder, 25);
    Ok(train(
        base,
        &start,
        objective.as_mut(),
        &options.training,
        &run,
        observer,
    )?
    .adapter)
}

fn ranked(rank: usize) -> LoraOptions {
    LoraOptions {
        rank,
        alpha: 2.0 * rank as f64,
        ..LoraOptions::default()
    }
}

/// The base with an adapter.
pub(crate) fn student(world: &World, adapter: &Adapter) -> Result<Transformer, Failure> {
    Ok(adapter.merge_into(world.model.network.clone())?)
}
