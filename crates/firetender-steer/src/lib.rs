//! Activation steering: find directions from contrasts, apply them by plan, measure what they do and what they break.
//!
//! # Should I be using this crate?
//!
//! Use it to change a language model's behaviour while it runs, without training: toward happiness, refusal, formality or
//! whatever two sets of texts can contrast. It works on any [`firetender_lm::CausalLm`], takes token ids, and leaves the model
//! unchanged. To make a model that steering harms less, train it with `firetender-kts`.
//!
//! # The way through
//!
//! 1. [`Contrast`]: two named classes of token rows, paired. A positive strength steers toward the first.
//! 2. [`Extractor`] runs the model and reads; [`Method`] makes a direction a layer out of what was read; [`Extraction`] has the
//!    [`SteeringVector`] and a [`LayerReport`] for each layer (length, held-out separation, …).
//! 3. [`Plan`] says where, how strongly, at which tokens ([`TokenRule`]) and how ([`Operator`]) vectors are applied;
//!    [`Plan::compile`] makes a [`Steering`], which every pass, `generate` and `score` takes as intervention.
//! 4. [`GateTrainer`] fits a [`Gate`], [`Gate::calibrated`] sets its threshold, and a [`GatedPlan`] steers only where it fires;
//!    [`Plan::baked`] makes a constant plan part of the weights.
//! 5. [`Effect`] measures the behaviour on target prompts, [`damage()`] the harm on benign ones, and [`sweep()`] both over
//!    strengths; [`Plan::random_control`] is the control to show beside it.
//! 6. [`SteeringVector::save`] and [`SteeringVector::load`] keep vectors in safetensors files; [`SteeringVector::export`] and
//!    [`SteeringVector::import`] exchange them with llama.cpp, repeng, CAST and others.
//!
//! ```
//! use std::ops::ControlFlow;
//! use burn::tensor::Device;
//! use firetender_hooks::{ReadAt, SiteKind};
//! use firetender_lm::{CausalLm, GenerateOptions, ModelConfig, Transformer, generate};
//! use firetender_steer::*;
//!
//! # fn main() -> Result<(), SteerError> {
//! let model = Transformer::init(&ModelConfig::llama(40, 16, 4, 2, 1, 32), 1, &Device::flex())?;
//! let low = vec![vec![1, 3, 5], vec![2, 4, 6], vec![7, 8, 9]];
//! let high = vec![vec![31, 33, 35], vec![32, 34, 36], vec![37, 38, 39]];
//! let contrast = Contrast::new("low", low, "high", high)?;
//!
//! let found = Extractor::new(SiteKind::ResidPost)
//!     .with_layers("1..3".parse()?)
//!     .with_read(ReadAt::LastToken)
//!     .extract(&model, &contrast, Method::Mean, &mut Silent)?;
//! println!("layer {}: AUC {:?}", found.reports[0].layer, found.reports[0].separation);
//!
//! let plan = Plan::new().with(Entry::new(&found.vector, 2.0).with_tokens(TokenRule::from_last_prompt()));
//! let mut steering = plan.compile(&model.shape(), &model.device())?;
//! let options = GenerateOptions::new(4);
//! let text = generate(&model, None, &[vec![1, 2]], &options, &mut steering, &mut |_| ControlFlow::Continue(()))?;
//! assert_eq!(text[0].ids.len(), 4);
//!
//! let effect = NextTokenOdds::new(vec![vec![1, 2]], vec![3], vec![33])?;
//! let benign = Benign::new(vec![vec![10, 11, 12]], Scope::AllTokens)?;
//! let strengths = SweepOptions::new(&[-1.0, 0.0, 1.0])?;
//! let curve = sweep(&model, &plan, &effect, &benign, &strengths, &mut Silent)?;
//! let control = sweep(&model, &plan.random_control(1)?, &effect, &benign, &strengths, &mut Silent)?;
//! for (point, random) in curve.points.iter().zip(&control.points) {
//!     println!("{:+}: effect {:.3} ({:.3}), KL {:.4}", point.strength, point.effect.value, random.effect.value, point.kl.value);
//! }
//! # Ok(())
//! # }
//! ```

mod aggregator;
mod bake;
mod bootstrap;
mod calibrate;
mod contrast;
mod controls;
mod curve;
mod damage;
mod data;
mod divergence;
mod effect;
mod entanglement;
mod error;
mod extract;
mod fluency;
mod gate;
mod layer_shift;
mod layers;
mod length;
mod linear;
mod logistic;
mod method;
mod observe;
mod pairs;
mod plan;
mod position;
mod prompt;
mod report;
mod separation;
mod sweep;
mod tokens;
mod vector;

pub use aggregator::{Aggregator, Custom};
pub use bootstrap::{Bootstrap, Estimate};
pub use calibrate::{Calibration, Calibrator, Cell, Choice, HeldOut, Prompts, calibrate};
pub use contrast::Contrast;
pub use controls::{Controlled, Series, Spread, controlled_sweep};
pub use curve::{Clusters, Derived, Goal, Measure, Track, TrackPoint};
pub use damage::{Benign, Damage, PromptDamage, PromptDetails, Scope, damage, damages};
pub use data::{
    AnswerPair, Choices, Instruction, Labelled, Output, Problem, PromptPair, Question, Records,
    Refusal, Sentence, Suggestion, Utterance,
};
pub use divergence::{kl_of, token_js, token_kl};
pub use effect::{
    AnswerProbability, Effect, FreeText, Judged, MultipleChoice, NextTokenOdds, Preference,
    REFUSALS, WordCounts, first_tokens, is_refusal, word_counts,
};
pub use entanglement::{Entanglement, entanglement};
pub use error::SteerError;
pub use extract::{ClassMeans, Extractor, Samples};
pub use fluency::{Fluency, TextFluency};
pub use gate::{
    Case, Condition, Decision, Fires, Gate, GateDamage, GateEffect, GateMethod, GateRead,
    GateReport, GateRule, GateTrainer, GatedPlan, GatedSteering, Join, Probe, RocPoint, Scorer,
    Timing, best_f1, gate_damage, gate_effect, generate_gated,
};
pub use layer_shift::{LayerShift, layer_shifts};
pub use layers::Layers;
pub use length::Length;
pub use logistic::{Logistic, LogisticOptions};
pub use method::{Fitted, Method, repe_with_flips};
pub use observe::{Observer, Silent};
pub use pairs::Pairs;
pub use plan::{
    Adapt, AdaptTo, BatchPlan, Conflict, Entry, LowRank, LowRankLayer, Operator, Plan, Profile,
    RowPlan, Schedule, Steering, Turn, VectorRef,
};
pub use position::ReadPosition;
pub use prompt::{Prompter, Template, Text, TextPairs};
pub use report::{Extraction, LayerReport, separation_of};
pub use separation::Separation;
pub use sweep::{Curve, CurvePoint, SweepOptions, sweep};
pub use tokens::{Clause, Preview, PreviewToken, TokenRule};
pub use vector::{
    ControlVector, DirectionMatrix, Generator, ImportOptions, Imported, MetadataStyle, Origin,
    Provenance, SteeringVector, SvecFile, SvecRows, VectorFormat,
};
