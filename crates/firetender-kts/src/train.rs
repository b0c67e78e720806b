//! The training loop, for every objective: accumulate, clip, move, log, write checkpoints.
//!
//! What is drawn depends on the seed and the number of the minibatch alone, and a checkpoint holds the
//! factors, the optimiser's memory and the step, so a run that was stopped and resumed gives the same numbers as one that was not.

use std::path::{Path, PathBuf};

use burn::module::Module;
use firetender_lm::CausalLm;

use crate::{
    Adapter, Clip, FactorGradients, KtsError, Objective, Parts, StepLog, TrainObserver,
    TrainingOptions,
    checkpoint::{self, State},
    optimiser::FactorAdamW,
};

/// Something measured on the student while it is trained, such as the effect of steering on target prompts: over-cancelling
/// shows here before it is too late.
pub struct Probe<'a> {
    /// Its name.
    pub name: String,
    /// Measured before the first step, then after every so many.
    pub every: u64,
    /// The measurement.
    pub measure: &'a dyn Fn(&dyn CausalLm) -> Result<f64, KtsError>,
}

impl std::fmt::Debug for Probe<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe")
            .field("name", &self.name)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

/// Where checkpoints go and what is watched.
#[derive(Debug, Default)]
pub struct Run<'a> {
    folder: Option<PathBuf>,
    every: u64,
    probes: Vec<Probe<'a>>,
}

impl<'a> Run<'a> {
    /// No checkpoints, no probes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a checkpoint into `folder` after every `every` steps, at the end and when the run is stopped, and goes on from the
    /// newest one there. Only the newest two are kept.
    #[must_use]
    pub fn with_checkpoints(mut self, folder: impl Into<PathBuf>, every: u64) -> Self {
        self.folder = Some(folder.into());
        self.every = every.max(1);
        self
    }

    /// With a measurement.
    #[must_use]
    pub fn with_probe(mut self, probe: Probe<'a>) -> Self {
        self.probes.push(probe);
        self
    }

    fn probe(
        &self,
        step: u64,
        model: &dyn CausalLm,
        observer: &mut dyn TrainObserver,
    ) -> Result<(), KtsError> {
        for probe in &self.probes {
            if step.is_multiple_of(probe.every.max(1)) {
                let value = (probe.measure)(model)?;
                observer.probed(step, &probe.name, value);
            }
        }
        Ok(())
    }
}

/// What a run ended with.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The adapter.
    pub adapter: Adapter,
    /// Steps done, over all runs that were resumed.
    pub steps: u64,
    /// Whether these are all steps; otherwise the observer stopped the run.
    pub finished: bool,
}

/// Trains an adapter of `base` for an objective, starting from `start`.
///
/// # Errors
/// [`KtsError::Options`] for options that cannot be; [`KtsError::Checkpoint`] when the newest checkpoint is of another model,
/// data or options; [`KtsError::NotFinite`] on the first loss or gradient that is not finite, before the optimiser moves; and
/// whatever the objective reports.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::{Padding, Pass, SiteKind, Untouched};
/// use firetender_kts::*;
/// use firetender_lm::{ModelConfig, Transformer};
/// use firetender_steer::SteeringVector;
///
/// let base = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex())?;
/// let direction = std::collections::BTreeMap::from([(0, (0..16).map(|i| (i % 3) as f32 - 1.0).collect())]);
/// let vector = SteeringVector::new("up", "down", SiteKind::ResidPost, 16, 2, direction)?;
/// let texts = Texts::new((0..16).map(|i| (vec![i, 1, 2, i + 3], 2)).collect())?;
///
/// let mut options = KtsOptions::default();
/// options.training.steps = 3;
/// let bank = VectorBank::read(&base, &options.vectors, vec![Source::fixed("up", vector)])?;
/// let teacher = teacher(&base);
/// let mut objective = KlThenSteer::new(&teacher, &texts, bank, &options)?;
/// let start = options.lora.start(&base, options.training.seed)?;
/// let mut history = History::default();
/// let trained = train(&base, &start, &mut objective, &options.training, &Run::new(), &mut history)?;
/// assert_eq!((trained.steps, history.steps.len()), (3, 3));
/// assert_ne!(trained.adapter, start);
/// # Ok::<(), KtsError>(())
/// ```
pub fn train<M: CausalLm + Module>(
    base: &M,
    start: &Adapter,
    objective: &mut dyn Objective,
    options: &TrainingOptions,
    run: &Run<'_>,
    observer: &mut dyn TrainObserver,
) -> Result<Trained, KtsError> {
    options.check()?;
    let fingerprint = format!(
        "base {} adapter {} objective {}",
        base_hash(base),
        checkpoint::shape_of(start),
        objective.fingerprint()
    );
    let mut state = State {
        step: 0,
        adapter: start.clone(),
        optimiser: FactorAdamW::new(&options.optimiser),
    };
    let mut last = None;
    if let Some(folder) = &run.folder
        && let Some(path) = checkpoint::newest(folder)?
    {
        state = checkpoint::read(&path, &fingerprint, state, &base.device())?;
        last = Some(path);
    }
    let mut student = state.adapter.attach(base.clone())?;
    if state.step == 0 {
        run.probe(0, &student, observer)?;
    }
    let mut stopping = false;
    while state.step < options.steps {
        let (gradients, mut log) =
            gather(&student, objective, options, state.step, last.as_deref())?;
        let rate =
            options.optimiser.rate * options.optimiser.schedule.factor(state.step, options.steps);
        student = state.optimiser.step(student, &gradients, rate);
        log.rate = rate;
        state.step += 1;
        run.probe(state.step, &student, observer)?;
        stopping |= observer.stepped(&log).is_break();
        let whole = objective.can_stop_before(state.step) || state.step == options.steps;
        let due = run.every > 0 && state.step.is_multiple_of(run.every);
        if let Some(folder) = &run.folder
            && whole
            && (stopping || due || state.step == options.steps)
        {
            state.adapter = start.read_from(&student)?;
            let path = checkpoint::write(folder, &fingerprint, &state)?;
            observer.saved(state.step, &path);
            last = Some(path);
        }
        if stopping && whole {
            break;
        }
    }
    Ok(Trained {
        adapter: start.read_from(&student)?,
        steps: state.step,
        finished: state.step >= options.steps,
    })
}

/// The gradient of one step: the mean over its minibatches, checked and clipped.
fn gather<M: CausalLm + Module>(
    student: &M,
    objective: &mut dyn Objective,
    options: &TrainingOptions,
    step: u64,
    last: Option<&Path>,
) -> Result<(FactorGradients, StepLog), KtsError> {
    let mut log = StepLog {
        step,
        steps: options.steps,
        loss: 0.0,
        parts: vec![],
        gradient_norm: 0.0,
        rate: 0.0,
        draws: vec![],
    };
    let mut gradients = FactorGradients::default();
    let mut texts = vec![];
    let not_finite = |what: &str, found: f64, batch: &[usize]| KtsError::NotFinite {
        what: what.into(),
        found,
        step,
        batch: batch.to_vec(),
        checkpoint: last.map(Into::into),
    };
    objective.begin(step, student)?;
    for part in 0..options.accumulate as u64 {
        let number = step * options.accumulate as u64 + part;
        let Parts {
            total,
            named,
            draws,
            texts: chosen,
        } = objective.loss(student, number)?;
        let value = total.clone().into_scalar::<f64>();
        texts.extend(chosen);
        if !value.is_finite() {
            return Err(not_finite("the loss", value, &texts));
        }
        log.loss += value / options.accumulate as f64;
        log.parts.extend(named);
        log.draws.extend(draws);
        gradients.add(FactorGradients::of(student, &total.backward()));
    }
    if options.accumulate > 1 {
        gradients.scale(1.0 / options.accumulate as f64);
    }
    let norm = gradients.norm();
    if !norm.is_finite() {
        return Err(not_finite("the length of the gradient", norm, &texts));
    }
    log.gradient_norm = norm;
    match options.optimiser.clip {
        Some(Clip::Whole(limit)) => gradients.clip_whole(norm, limit),
        Some(Clip::Each(limit)) => gradients.clip_each(limit),
        None => {}
    }
    Ok((gradients, log))
}

/// SHA-256 over every base parameter of a model in the order of visiting, in hexadecimal: the same before and after training.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_kts::{LoraOptions, base_hash};
/// use firetender_lm::{ModelConfig, Transformer};
/// let config = ModelConfig::llama(20, 16, 2, 2, 1, 32);
/// let model = Transformer::init(&config, 0, &Device::flex()).unwrap();
/// let student = LoraOptions::default().start(&model, 1).unwrap().attach(model.clone()).unwrap();
/// assert_eq!(base_hash(&student), base_hash(&model), "factors do not count");
/// assert_ne!(base_hash(&Transformer::init(&config, 1, &Device::flex()).unwrap()), base_hash(&model));
/// ```
#[must_use]
pub fn base_hash<M: Module>(model: &M) -> String {
    crate::adapter::base_hash(model)
}

#[cfg(test)]
mod tests;
