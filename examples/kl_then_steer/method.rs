//! The methods that are compared, and how each is trained.

use std::time::Instant;

use firetender_kts::{
    Adapter, Divergence, Dpo, DpoOptions, Imitate, KeepEffect, KlThenSteer, KtsOptions,
    LoraOptions, Objective, Representation, RepresentationOptions, Run, TokenScope, TrainObserver,
    VectorBank, train,
};
use firetender_lm::Transformer;
use firetender_support::{Failure, fail};

use crate::{
    arguments::Arguments,
    world::{Sizes, World},
};

/// One way to change the model before it is steered, or the way in which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// KL-then-steer as in the paper: seven of eight minibatches steered.
    Kts,
    /// The same with a term that keeps the effect on target prompts.
    KtsKeep,
    /// As the published code has it: one of eight minibatches steered.
    KtsRare,
    /// Every other minibatch steered, the code's default.
    KtsHalf,
    /// Every minibatch steered: do unsteered ones help?
    KtsAlways,
    /// `kts_keep` with KL(teacher ‖ student) instead of KL(student ‖ teacher).
    KtsTeacherFirst,
    /// `kts_keep` with the Jensen–Shannon divergence.
    KtsJensenShannon,
    /// `kts_keep` on the tokens of answers only.
    KtsAnswer,
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
    /// No training: the base, steered where a probe fires.
    Gate,
    /// `kts_keep`, steered where a probe fires.
    KtsGate,
    /// No training: the base behind the first system prompt.
    PromptV1,
    /// No training: the base behind the second.
    PromptV2,
}

impl Method {
    pub(crate) const ALL: [Self; 18] = [
        Self::Kts,
        Self::KtsKeep,
        Self::KtsRare,
        Self::KtsHalf,
        Self::KtsAlways,
        Self::KtsTeacherFirst,
        Self::KtsJensenShannon,
        Self::KtsAnswer,
        Self::KtsRandom,
        Self::Imitate,
        Self::Representation,
        Self::Dpo,
        Self::DpoRank1,
        Self::KtsDpo,
        Self::Gate,
        Self::KtsGate,
        Self::PromptV1,
        Self::PromptV2,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kts => "kts",
            Self::KtsKeep => "kts_keep",
            Self::KtsRare => "kts_rare",
            Self::KtsHalf => "kts_half",
            Self::KtsAlways => "kts_always",
            Self::KtsTeacherFirst => "kts_teacher_first",
            Self::KtsJensenShannon => "kts_js",
            Self::KtsAnswer => "kts_answer",
            Self::KtsRandom => "kts_random",
            Self::Imitate => "imitate",
            Self::Dpo => "dpo",
            Self::DpoRank1 => "dpo_rank1",
            Self::Representation => "representation",
            Self::KtsDpo => "kts_dpo",
            Self::Gate => "gate",
            Self::KtsGate => "kts_gate",
            Self::PromptV1 => "prompt_v1",
            Self::PromptV2 => "prompt_v2",
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

    /// Whose adapter it has; `None` for the base.
    pub(crate) fn trained_as(self) -> Option<Self> {
        match self {
            Self::Gate | Self::PromptV1 | Self::PromptV2 => None,
            Self::KtsGate => Some(Self::KtsKeep),
            other => Some(other),
        }
    }

    /// Whether its minibatches keep the effect.
    fn keeps(self) -> bool {
        matches!(
            self,
            Self::KtsKeep | Self::KtsTeacherFirst | Self::KtsJensenShannon | Self::KtsAnswer
        )
    }
}

/// How long a training took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seconds {
    /// Reading directions off the base.
    pub(crate) reading: f64,
    /// All of it, reading included.
    pub(crate) all: f64,
}

/// The options of the methods that steer while they train.
pub(crate) fn options(
    method: Method,
    sizes: &Sizes,
    arguments: &Arguments,
    seed: u64,
) -> KtsOptions {
    let mut options = KtsOptions {
        lora: ranked(arguments.rank.unwrap_or(sizes.rank)),
        keep_effect: method.keeps().then(|| KeepEffect {
            weight: arguments.keep,
            ..KeepEffect::default()
        }),
        ..KtsOptions::recommended()
    };
    options.vectors.layers = sizes.layers.clone();
    options.dose.strength = firetender_kts::Strength::Symmetric(arguments.dose.unwrap_or(1.5));
    let training = &mut options.training;
    training.steps = match arguments.steps {
        Some(steps) => steps,
        None if arguments.quick => 6,
        None => sizes.steps,
    };
    training.batch = arguments.batch.unwrap_or(sizes.batch);
    training.seed = 19 + seed;
    training.optimiser.rate = arguments.rate.unwrap_or(sizes.rate);
    match method {
        Method::KtsRare => options.dose.p_steer = 0.125,
        Method::KtsHalf => options.dose.p_steer = 0.5,
        Method::KtsAlways => options.dose.p_steer = 1.0,
        Method::KtsTeacherFirst => options.loss.divergence = Divergence::TeacherFirst,
        Method::KtsJensenShannon => options.loss.divergence = Divergence::JensenShannon,
        Method::KtsAnswer => options.loss.scope = TokenScope::Answer,
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
) -> Result<(Adapter, Seconds), Failure> {
    let base = &world.model.network;
    let teacher = &firetender_kts::teacher(base);
    if method == Method::KtsDpo {
        let (kts, one) = adapter(Method::KtsKeep, world, arguments, seed, observer)?;
        let (dpo, other) = adapter(Method::Dpo, world, arguments, seed, observer)?;
        let seconds = Seconds {
            reading: one.reading + other.reading,
            all: one.all + other.all,
        };
        return Ok((kts.plus(&dpo)?, seconds));
    }
    let begun = Instant::now();
    let mut options = options(method, &world.sizes, arguments, seed);
    let sources = match method {
        Method::KtsRandom => vec![world.random_source()],
        _ => world.sources()?,
    };
    let mut reading = 0.0;
    let mut bank = || {
        let begun = Instant::now();
        let bank = VectorBank::read(base, &options.vectors, sources.clone());
        reading = begun.elapsed().as_secs_f64();
        bank
    };
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
                layers: world.sizes.layers.clone(),
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
    let trained = train(
        base,
        &start,
        objective.as_mut(),
        &options.training,
        &run,
        observer,
    )?;
    drop(objective);
    let all = begun.elapsed().as_secs_f64();
    Ok((trained.adapter, Seconds { reading, all }))
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
