//! Ensembles, proper scores, calibration and the deep-ensemble equivalent.
//!
//! # Should I be using this crate?
//!
//! Use it when a classifier's probabilities matter and not only its first answer: to say how good they are, with intervals, to
//! compare models or ensembles without the pitfalls that Ashukha, Lyzhov, Molchanov and Vetrov describe ("Pitfalls of In-Domain
//! Uncertainty Estimation and Ensembling in Deep Learning", ICLR 2020), and to reproduce published figures down to their quirks.
//! It does not train classifiers by itself and draws no figures: it returns the numbers for them.
//!
//! # The way through
//!
//! 1. [`Scores`]: what the model said, `[N, C]`, as logits, log-probabilities or probabilities (never guessed), from slices of
//!    `f32` or `f64` or a Burn tensor on any device. [`Targets`]: what was true.
//! 2. [`evaluate`]: every metric in one call, as [`Metrics`]; [`MetricState`] for streams and shards. [`MetricOptions`] holds the conventions.
//! 3. [`Objects`]: the scores of single objects in one pass; means, rankings and bootstraps are made from them. [`BinTable`],
//!    [`ClassBins`], [`RiskCoverage`] and [`Ranking`] are the tables and curves behind the numbers.
//! 4. [`evaluate_ensemble`]: several members, their mean and how far they disagree. [`Bootstrap`]: intervals, paired between models.
//!    [`Conformal`]: sets of classes with a promise.
//!
//! Conventions differ between libraries, so each is a value with a default that follows the field, and a switch for the reference.
//! Every sum over objects is exact in fixed point ([`ExactSum`]): no result depends on batch order, sharding or thread count.
//!
//! ```
//! use firetender_uncertainty::{Floor, Objects, Scores, Targets};
//! # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
//! let scores = Scores::logits(&[2.0, 0.0, -1.0, 0.0, 1.0, 3.0], 3)?;
//! let targets = Targets::classes(&[0, 1]);
//! let objects = Objects::new(&scores, &targets, Floor::None)?;
//! assert_eq!(objects.accuracy(), 0.5);
//! assert!(objects.log_likelihood() < 0.0);
//! # Ok(())
//! # }
//! ```

mod bins;
mod bootstrap;
mod classwise;
mod conformal;
mod decompose;
mod device;
mod diversity;
mod error;
mod exact;
mod mass;
mod math;
mod metrics;
mod objects;
mod options;
mod ranking;
mod row;
mod scores;
mod selective;
mod smooth;
mod special;
mod sums;
mod targets;
#[cfg(feature = "training")]
pub mod training;

pub use bins::{Bin, BinState, BinTable, Binning, Bins, EdgeRule};
pub use bootstrap::{Bootstrap, Interval, IntervalKind, MetricIntervals};
pub use classwise::{Adaptive, AdaptiveOptions, AdaptiveState, ClassBins, TaceNorm};
pub use conformal::{Conformal, ConformalFit, Conformity, Coverage, conformal_threshold};
pub use decompose::{BrierParts, LikelihoodParts};
pub use device::evaluate_tensor;
pub use diversity::{
    Diversity, EnsembleMetrics, ObjectDiversity, evaluate_ensemble, evaluate_sizes,
};
pub use error::UncertaintyError;
pub use exact::ExactSum;
pub use math::{log_softmax, log_sum_exp};
pub use metrics::{MetricState, Metrics, Note, TopK, evaluate, evaluate_many, misclassification};
pub use objects::{BrierScale, Floor, Object, Objects};
pub use options::MetricOptions;
pub use ranking::{Bounded, RankHistogram, RankSummary, Ranking};
pub use scores::{Checks, Floats, Repair, ScoreKind, Scores};
pub use selective::{AurcRule, RiskCoverage, RiskPoint};
pub use smooth::{smooth_ece, smooth_ece_at, sweep_ece};
pub use sums::ProperSums;
pub use targets::Targets;
