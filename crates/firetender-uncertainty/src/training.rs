//! Ensembles on the training side: from one training run, or several, to members that [`crate`] can score.
//!
//! # Which one?
//!
//! | you can afford | use |
//! |---|---|
//! | several trainings | [`DeepEnsemble`]: the strongest per member, and the yardstick (the deep-ensemble equivalent) of all others |
//! | one long training | [`CyclicCosine`] and [`Snapshots`] (snapshot ensembles), [`Langevin`] noise on top (cSGLD, SGHMC), [`TriangularFge`] (fast geometric ensembles) |
//! | one training and some epochs | [`Swag`], the average alone ([`Swa`], [`Ema`]) |
//! | one trained network | [`LastLayerLaplace`], [`DiagonalLaplace`], [`McDropout`] where it was trained with dropout |
//! | another kind of layer | [`VariationalLinear`], [`VariationalConv2d`] |
//!
//! Each works on any Burn `Module`, takes a seed, yields modules or predictions, and resumes from its own record.
//!
//! # What Burn 0.22 makes easy to get wrong
//!
//! Weight-space methods must not touch what batch normalisation has seen: its running statistics are visited like weights. All of
//! them go through one list, [`WeightSpace`], made once from the live training module. Running statistics are shared by clones and
//! lag one batch behind: take snapshots as `model.valid().into_record()`, as [`Snapshots`] does, and re-estimate the statistics of
//! every averaged or sampled network with [`refresh_batch_norm`]. `MomentumConfig` dampens by 0.1 unless told otherwise; published
//! recipes assume 0. Clones of a module that was never run share their initial weights: each member needs its own `init`.

mod average;
mod dropout;
mod ensemble;
mod langevin;
mod laplace;
mod noise;
mod record;
mod refresh;
mod schedule;
mod snapshot;
mod space;
mod swag;
mod variational;

pub use average::{Ema, Swa};
pub use dropout::{DropoutDraw, Grain, McDropout, switch_dropout_on, switch_training_off};
pub use ensemble::DeepEnsemble;
pub use langevin::{Langevin, LangevinConfig, NoisyEnd};
pub use laplace::{DiagonalLaplace, LastLayerLaplace, LastLayerSample};
pub use record::StateRecord;
pub use refresh::{HasBatchNorm, refresh_batch_norm};
pub use schedule::{CyclicCosine, PlateauLinear, TriangularFge};
pub use snapshot::Snapshots;
#[cfg(feature = "learner")]
pub(crate) use snapshot::read_member;
pub use space::{WeightEntry, WeightSpace};
pub use swag::{Swag, SwagConfig};
pub use variational::{VariationalConv2d, VariationalLinear, WeightDraw};
