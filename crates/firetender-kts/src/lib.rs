//! KL-then-steer: train a small adapter so that steering a model stops hurting it.
//!
//! # Should I be using this crate?
//!
//! Use it when a steering vector of `firetender-steer` does what you want and breaks too much else. It trains a LoRA on harmless
//! texts so that the *steered* model predicts what the *unsteered original* does (Cooper Stickland et al. 2024,
//! arXiv 2406.15518), and measures, at equal effect, how much damage is left. If steering does not hurt your model, or the
//! behaviour can simply be trained in ([`Dpo`] is here too, as a baseline), you do not need it.
//!
//! # The way through
//!
//! 1. [`KtsOptions`]: every choice as plain data; presets [`KtsOptions::paper`], [`KtsOptions::reference_code`] and
//!    [`KtsOptions::recommended`].
//! 2. [`Source`]s of directions, read once into a [`VectorBank`]; [`Texts`] to train on.
//! 3. [`KlThenSteer`] is the objective, [`train`] the loop: resumable, watched by a [`TrainObserver`], with [`Probe`]s.
//! 4. [`Judge`] measures effect and damage against the base; [`damage_at`] compares methods at equal effect.
//! 5. [`Adapter`]: attach it, merge it, add it to another, save it in PEFT's naming.
//!
//! [`step`] is one step as a pure function, for loops of your own; feature `learner` runs it on `burn-train`.

mod adapter;
mod baselines;
mod checkpoint;
mod dense;
mod dose;
mod draw;
mod error;
mod gradients;
mod head;
mod judge;
mod kts;
#[cfg(feature = "learner")]
mod learner;
mod lora;
mod loss;
mod objective;
mod observe;
mod optimiser;
mod options;
mod peft;
mod push;
mod step;
mod texts;
mod train;
mod vectors;

pub use adapter::{Adapter, Factors, teacher};
pub use baselines::{Dpo, DpoOptions, Imitate, Preferred, Representation, RepresentationOptions};
pub use dense::DenseFactors;
pub use dose::{DoseOptions, Per, Strength};
pub use draw::{Draw, Drawer, SourceSize};
pub use error::KtsError;
pub use gradients::FactorGradients;
pub use judge::{Judge, JudgedPoint, damage_at, track};
pub use kts::{KlThenSteer, Minibatch, Minibatches};
#[cfg(feature = "learner")]
pub use learner::{LearnOptions, Silent, learn};
pub use lora::{LoraOptions, LoraStart};
pub use loss::{Divergence, LossOptions, TokenScope};
pub use objective::{Objective, Parts};
pub use observe::{History, StepLog, TrainObserver, Unwatched};
pub use optimiser::{Clip, OptimiserOptions, Schedule};
pub use options::{KeepEffect, KtsOptions, TaskLoss, TrainingOptions};
pub use push::{Push, PushHook};
pub use step::{predictions, step, step_loss};
pub use texts::Texts;
pub use train::{Probe, Run, Trained, base_hash, train};
pub use vectors::{PairCount, Source, VectorBank, VectorOptions, VectorsFrom};
