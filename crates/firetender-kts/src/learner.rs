//! KL-then-steer on `burn-train`'s learner: its metrics and terminal, its checkpoints, and its ways to use several devices.
//!
//! [`learn`] takes the same steps as [`crate::train`], with the same draws. Use it for long runs that somebody watches or that need
//! more than one device; use [`crate::train`] inside programs and tests. The draw travels with its minibatch in the learner's
//! items, so nothing depends on threads or devices. The learner adds up gradients where [`crate::train`] averages them; each
//! loss is therefore divided by the number of minibatches in a step, so that `n` devices give what `n` accumulated minibatches
//! give. The learner's checkpoints hold the whole module, base and teacher too; beside them `run.json` says which model, texts,
//! directions and options they belong to.

mod halt;
mod loader;
mod silent;
mod trainee;

use std::{path::Path, sync::Arc};

use burn::{
    data::dataloader::DataLoader,
    lr_scheduler::{LrScheduler, LrSchedulerRecord},
    module::{Module, ModuleDisplay},
    optim::AdamWConfig,
};
use burn_train::{
    ExecutionStrategy, Learner, SupervisedTraining, metric::LossMetric, renderer::MetricsRenderer,
};
use firetender_lm::CausalLm;

use crate::{
    Adapter, KtsError, KtsOptions, Minibatch, Minibatches, Schedule, VectorsFrom, base_hash,
    checkpoint, teacher,
};
use halt::Halt;
use loader::Numbered;
use trainee::{Settings, Trainee};

pub use silent::Silent;

/// What the learner is given beside the options.
pub struct LearnOptions {
    /// The steps are cut into so many epochs; a checkpoint follows each.
    pub epochs: usize,
    /// Goes on after this many finished epochs.
    pub resume: Option<usize>,
    /// Where it runs.
    pub strategy: ExecutionStrategy,
    /// Who shows what happens; for the learner's own terminal give `burn_train::renderer::default_renderer(…)`.
    pub renderer: Box<dyn MetricsRenderer>,
}

impl LearnOptions {
    /// One epoch, from the beginning, shown nowhere.
    #[must_use]
    pub fn new(strategy: ExecutionStrategy) -> Self {
        Self {
            epochs: 1,
            resume: None,
            strategy,
            renderer: Box::new(Silent),
        }
    }
}

impl std::fmt::Debug for LearnOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LearnOptions")
            .field("epochs", &self.epochs)
            .field("resume", &self.resume)
            .finish_non_exhaustive()
    }
}

/// Trains an adapter of `base` with `burn-train`, from `start`; logs and checkpoints go to `folder`. A step takes
/// `training.accumulate` minibatches on each device. With distributed data parallel the collective has to take means.
///
/// # Errors
/// [`KtsError::Options`] when the steps cannot be cut into the epochs, or options ask for what is not done here: directions from
/// the student, keeping the effect, a task; [`KtsError::Checkpoint`] when `folder` holds checkpoints of another run;
/// [`KtsError::NotFinite`] on the first gradient that is not finite, before the optimiser moves; [`KtsError::Input`] with the
/// learner's own words when it stops for another reason.
///
/// # Panics
/// On one device, when the model refuses a minibatch: texts longer than its positions, say. On several, that is an error.
pub fn learn<M>(
    base: &M,
    start: &Adapter,
    batches: Minibatches,
    options: &KtsOptions,
    learning: LearnOptions,
    folder: &Path,
) -> Result<Adapter, KtsError>
where
    M: CausalLm + Module + ModuleDisplay + Sync + 'static,
{
    check(options, learning.epochs as u64)?;
    let devices = match &learning.strategy {
        ExecutionStrategy::SingleDevice(_) => 1,
        ExecutionStrategy::MultiDevice(devices, _)
        | ExecutionStrategy::DistributedDataParallel { devices, .. } => devices.len(),
    };
    let run = format!(
        "base {} adapter {} minibatches {} devices {devices} epochs {}",
        base_hash(base),
        checkpoint::shape_of(start),
        batches.fingerprint(),
        learning.epochs
    );
    belongs(folder, &run, learning.resume.is_some())?;
    let in_step = devices * options.training.accumulate;
    let optimiser = &options.training.optimiser;
    let steps = options.training.steps;
    let per_epoch = (steps / learning.epochs as u64) as usize * in_step;
    let first = learning.resume.unwrap_or(0) as u64;
    let done = first * (per_epoch / in_step) as u64;
    let halt = Halt::new(done);
    let trainee = Trainee {
        student: start.attach(base.clone())?,
        teacher: teacher(base),
        settings: Settings {
            loss: options.loss.clone(),
            clip: optimiser.clip,
            share: 1.0 / in_step as f64,
            halt: halt.clone(),
        },
    };
    let adamw = AdamWConfig::new()
        .with_beta_1(optimiser.betas[0] as f32)
        .with_beta_2(optimiser.betas[1] as f32)
        .with_epsilon(optimiser.epsilon as f32)
        .with_weight_decay(optimiser.decay as f32)
        .init();
    let schedule = Rates {
        rate: optimiser.rate,
        schedule: optimiser.schedule,
        steps,
        done: 0,
    };
    let batches = Arc::new(batches);
    let training: Arc<dyn DataLoader<Minibatch>> =
        Arc::new(Numbered::new(batches.clone(), per_epoch, first));
    let judging: Arc<dyn DataLoader<Minibatch>> = Arc::new(Numbered::new(batches.clone(), 1, 0));
    let mut run = SupervisedTraining::new(folder, training, judging)
        .metric_train_numeric(LossMetric::new())
        .metric_valid_numeric(LossMetric::new())
        .with_default_checkpointers()
        .with_interrupter(halt.interrupter())
        .renderer(learning.renderer)
        .grads_accumulation(options.training.accumulate)
        .with_training_strategy(learning.strategy.into())
        .with_application_logger(None)
        .num_epochs(learning.epochs);
    if let Some(epoch) = learning.resume {
        run = run.checkpoint(epoch);
    }
    let result = run.launch(Learner::new(trainee, adamw, schedule));
    if let Some((step, norm)) = halt.found() {
        let numbers = step * in_step as u64..(step + 1) * in_step as u64;
        let mut texts = vec![];
        for number in numbers {
            texts.extend(batches.get(number)?.texts);
        }
        let finished = step as usize * in_step / per_epoch;
        let last = folder.join(format!("checkpoint/model-{finished}.bpk"));
        return Err(KtsError::NotFinite {
            what: "the length of the gradient".into(),
            found: norm,
            step,
            batch: texts,
            checkpoint: last.exists().then_some(last),
        });
    }
    if let Some(error) = result.error {
        let what = format!("the learner stopped: {error}");
        return Err(KtsError::Input { what });
    }
    start.read_from(&result.model.student)
}

fn check(options: &KtsOptions, epochs: u64) -> Result<(), KtsError> {
    options.check()?;
    if options.keep_effect.is_some() {
        let what = "absent: `train` has the term that keeps the effect";
        return Err(KtsError::options("keep_effect", "set", what));
    }
    if options.task.is_some() {
        let what = "absent: `train` has a task beside the divergence";
        return Err(KtsError::options("task", "set", what));
    }
    if options.vectors.from != VectorsFrom::Base {
        let what = "the base: `train` has directions from the student";
        return Err(KtsError::options("vectors.from", "the student", what));
    }
    let steps = options.training.steps;
    if epochs == 0 || !steps.is_multiple_of(epochs) {
        let found = format!("{steps} steps in {epochs} epochs");
        let what = "as many steps in each, at least one";
        return Err(KtsError::options("epochs", found, what));
    }
    Ok(())
}

/// Refuses a folder of another run; writes down which one it is.
fn belongs(folder: &Path, run: &str, resumes: bool) -> Result<(), KtsError> {
    let path = folder.join("run.json");
    let io = |source| KtsError::Io {
        path: path.clone(),
        source,
    };
    if resumes || path.exists() {
        let text = std::fs::read_to_string(&path).map_err(io)?;
        let found: Option<String> = serde_json::from_str(&text).ok();
        if found.as_deref() != Some(run) {
            return Err(KtsError::Checkpoint {
                path,
                field: "the run it belongs to",
                found: found.unwrap_or(text),
                expected: run.to_owned(),
            });
        }
        return Ok(());
    }
    std::fs::create_dir_all(folder).map_err(io)?;
    let text = serde_json::Value::from(run).to_string();
    firetender_lm::write_atomically(&path, text.as_bytes()).map_err(io)
}

/// Our schedules for the learner.
#[derive(Clone)]
struct Rates {
    rate: f64,
    schedule: Schedule,
    steps: u64,
    done: u64,
}

impl LrScheduler for Rates {
    fn step(&mut self) -> f64 {
        let factor = self.schedule.factor(self.done, self.steps);
        self.done += 1;
        self.rate * factor
    }

    fn to_record(&self) -> LrSchedulerRecord {
        LrSchedulerRecord::new().with_scalar("done", self.done as usize)
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        self.done = record.scalar::<usize>("done").unwrap_or(0) as u64;
    }
}

#[cfg(test)]
mod tests;
