//! Everything that decides a training run, as plain data, and the presets.
//!
//! The paper (Cooper Stickland et al. 2024, arXiv 2406.15518) and its published code contradict each other, and leave things
//! open. Each such place is an option here, and two presets differ exactly there, so that a difference in results can be traced:
//!
//! | | [`KtsOptions::paper`] | [`KtsOptions::reference_code`] |
//! |---|---|---|
//! | probability that a minibatch is steered | 0.875 | 0.125 (its flag says the opposite of the paper) |
//! | directions from | the base (paper silent) | the current student, each step |
//! | pairs per direction | 5 to 10 | all |
//! | tokens in the loss | real ones (paper silent) | every column, padding too |
//! | adapted matrices | key and value | all seven |
//! | schedule | constant (paper silent) | cosine to zero |
//! | clip | none (paper silent) | whole gradient at 1 |
//! | rows per step | 16 | 16, two times accumulated |
//! | steps | 13,000 | 5,200 |
//!
//! [`KtsOptions::recommended`] is what this project's own measurements support; `docs/REPRODUCTION.md` has the table.

use serde::{Deserialize, Serialize};

use crate::{
    Clip, DoseOptions, KtsError, LoraOptions, LossOptions, OptimiserOptions, PairCount, Per,
    Schedule, Strength, TokenScope, VectorOptions, VectorsFrom, lora::ALL_TARGETS,
    loss::check_scope,
};

/// Larger minibatches fit nowhere.
const LARGEST_BATCH: usize = 1 << 16;

/// How long, on how much at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingOptions {
    /// Steps of the optimiser.
    pub steps: u64,
    /// Texts in a minibatch.
    pub batch: usize,
    /// Minibatches whose gradients are averaged into a step.
    pub accumulate: usize,
    /// Longest text in tokens; longer ones are cut.
    pub max_length: usize,
    /// Seed of everything that is drawn: the adapter's start, the order of texts, directions and strengths.
    pub seed: u64,
    /// The optimiser.
    pub optimiser: OptimiserOptions,
}

impl Default for TrainingOptions {
    /// 300 steps of 8 texts of up to 256 tokens.
    fn default() -> Self {
        Self {
            steps: 300,
            batch: 8,
            accumulate: 1,
            max_length: 256,
            seed: 19,
            optimiser: OptimiserOptions::default(),
        }
    }
}

impl TrainingOptions {
    pub(crate) fn check(&self) -> Result<(), KtsError> {
        for (field, value) in [
            ("training.steps", self.steps),
            ("training.batch", self.batch as u64),
            ("training.accumulate", self.accumulate as u64),
        ] {
            if value == 0 {
                return Err(KtsError::options(field, 0, "at least 1"));
            }
        }
        if self.batch > LARGEST_BATCH {
            let what = format!("at most {LARGEST_BATCH}; accumulate more over several minibatches");
            return Err(KtsError::options("training.batch", self.batch, what));
        }
        if self.max_length < 2 {
            return Err(KtsError::options(
                "training.max_length",
                self.max_length,
                "at least 2 tokens",
            ));
        }
        self.optimiser.check(self.steps)
    }
}

/// A term that keeps the effect of steering on target prompts, so that training cannot undo it together with the damage.
///
/// On target prompts of the drawn source, the steered student is kept near the **steered** base: `weight` times the divergence
/// of the two is added to the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeepEffect {
    /// What the divergence is multiplied by.
    pub weight: f64,
    /// Target prompts in a step.
    pub rows: usize,
    /// Which of their predictions count.
    pub scope: TokenScope,
}

impl Default for KeepEffect {
    /// Weight 1, four prompts, the last prediction of each.
    fn default() -> Self {
        Self {
            weight: 1.0,
            rows: 4,
            scope: TokenScope::Last(1),
        }
    }
}

/// A task trained beside the divergence: the texts' own tokens are to be predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskLoss {
    /// What the mean negative log-probability of the tokens is multiplied by.
    pub weight: f64,
    /// Which predictions count, of those that a token follows.
    pub scope: TokenScope,
}

impl Default for TaskLoss {
    /// Weight 0.1, answers only.
    fn default() -> Self {
        Self {
            weight: 0.1,
            scope: TokenScope::Answer,
        }
    }
}

/// All options of a KL-then-steer run.
///
/// ```
/// use firetender_kts::KtsOptions;
/// let options = KtsOptions::recommended();
/// let text = serde_json::to_string(&options).unwrap();
/// assert_eq!(serde_json::from_str::<KtsOptions>(&text).unwrap(), options);
/// assert!(serde_json::from_str::<KtsOptions>(r#"{"droput": 0.1}"#).is_err(), "unknown keys are errors");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KtsOptions {
    /// The adapter.
    pub lora: LoraOptions,
    /// How directions are made.
    pub vectors: VectorOptions,
    /// How often and how strongly the student is steered.
    pub dose: DoseOptions,
    /// The divergence.
    pub loss: LossOptions,
    /// Keeps the effect on target prompts.
    pub keep_effect: Option<KeepEffect>,
    /// A task beside the divergence; neither paper nor code has one.
    pub task: Option<TaskLoss>,
    /// How long, on how much at a time.
    pub training: TrainingOptions,
}

impl KtsOptions {
    /// What the paper says, with the nearest sane choice where it says nothing.
    #[must_use]
    pub fn paper() -> Self {
        Self {
            lora: LoraOptions {
                rank: 128,
                alpha: 256.0,
                targets: vec!["k_proj".into(), "v_proj".into()],
                ..LoraOptions::default()
            },
            vectors: VectorOptions {
                pairs: PairCount::Between(5, 10),
                from: VectorsFrom::Base,
                ..VectorOptions::default()
            },
            dose: DoseOptions {
                p_steer: 0.875,
                strength: Strength::Symmetric(1.5),
                per: Per::Minibatch,
            },
            loss: LossOptions::default(),
            keep_effect: None,
            task: None,
            training: TrainingOptions {
                steps: 13_000,
                batch: 16,
                accumulate: 1,
                max_length: 1024,
                seed: 19,
                optimiser: OptimiserOptions {
                    rate: 1e-5,
                    schedule: Schedule::Constant,
                    clip: None,
                    ..OptimiserOptions::default()
                },
            },
        }
    }

    /// What the published code does.
    #[must_use]
    pub fn reference_code() -> Self {
        let mut options = Self::paper();
        options.lora.targets = ALL_TARGETS.map(String::from).to_vec();
        options.vectors.pairs = PairCount::All;
        options.vectors.from = VectorsFrom::Student { every: 1 };
        options.dose.p_steer = 0.125;
        options.loss.scope = TokenScope::EverythingWithPadding;
        options.training.steps = 5_200;
        options.training.accumulate = 2;
        options.training.optimiser.schedule = Schedule::Cosine;
        options.training.optimiser.clip = Some(Clip::Whole(1.0));
        options
    }

    /// What this project's own measurements support, exactly as it was measured on a model of four blocks: rank 16 on all seven
    /// matrices, 200 steps of eight texts at 2·10⁻³ with a cosine, strengths from −1.5 to 1.5 on seven of eight minibatches, student
    /// first, and the term that keeps the effect, without which the student learnt to undo the direction. Larger models want a
    /// smaller rate and more steps; the rest has no reason to change with size that we know of.
    #[must_use]
    pub fn recommended() -> Self {
        Self {
            lora: LoraOptions {
                rank: 16,
                alpha: 32.0,
                ..LoraOptions::default()
            },
            keep_effect: Some(KeepEffect::default()),
            training: TrainingOptions {
                steps: 200,
                optimiser: OptimiserOptions {
                    rate: 2e-3,
                    ..OptimiserOptions::default()
                },
                ..TrainingOptions::default()
            },
            ..Self::default()
        }
    }

    /// Refuses options that cannot be, with the reason.
    ///
    /// # Errors
    /// [`KtsError::Options`].
    ///
    /// ```
    /// use firetender_kts::KtsOptions;
    /// let mut options = KtsOptions::default();
    /// options.dose.p_steer = 12.5;
    /// assert!(options.check().unwrap_err().to_string().contains("p_steer"));
    /// ```
    pub fn check(&self) -> Result<(), KtsError> {
        self.lora.check()?;
        self.vectors.check()?;
        self.dose.check()?;
        self.loss.check()?;
        self.training.check()?;
        if let Some(task) = &self.task {
            check_scope("task.scope", task.scope)?;
            if !(task.weight.is_finite() && task.weight > 0.0) {
                let what = "a finite number above 0, or no task";
                return Err(KtsError::options("task.weight", task.weight, what));
            }
        }
        if let Some(keep) = &self.keep_effect {
            check_scope("keep_effect.scope", keep.scope)?;
            if !(keep.weight.is_finite() && keep.weight > 0.0) || keep.rows == 0 {
                let found = format!("weight {}, {} rows", keep.weight, keep.rows);
                return Err(KtsError::options(
                    "keep_effect",
                    found,
                    "a weight above 0 and at least 1 row",
                ));
            }
            if self.dose.p_steer == 0.0 {
                let what = "absent when no minibatch is steered: there is no effect to keep";
                return Err(KtsError::options("keep_effect", "set", what));
            }
            if self.dose.per == Per::Row {
                let what =
                    "absent when each row has its own direction: target prompts belong to one";
                return Err(KtsError::options("keep_effect", "set", what));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
