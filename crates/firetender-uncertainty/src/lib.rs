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
//! 4. [`Ensemble`] averages members; [`ensemble_curve`] and [`running`] give every size in one sweep.
//! 5. [`fit_temperature`] finds the temperature, [`Calibration`] fits and evaluates it on different objects: compare methods by
//!    *calibrated* log-likelihood ([`calibrated_curve`]).
//! 6. [`dee()`] says how many independently trained networks an ensemble is worth; [`compare()`] puts methods beside each other, with
//!    intervals and the pitfalls that apply.
//! 7. Arrays and tables of others: [`read_npy`], [`read_npz`], [`ResultTable`].
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
mod calibration;
mod classwise;
mod compare;
mod conformal;
mod decompose;
mod dee;
mod device;
mod diversity;
mod ensemble;
mod error;
mod exact;
mod files;
mod folds;
mod kernel;
pub mod lanes;
#[cfg(feature = "learner")]
pub mod learner;
mod mass;
mod math;
mod metrics;
mod objects;
mod options;
mod ranking;
mod row;
mod scaling;
mod scores;
mod selective;
mod smooth;
mod special;
mod sums;
mod targets;
mod temperature;
mod tiles;
#[cfg(feature = "training")]
pub mod training;

pub use bins::{Bin, BinState, BinTable, Binning, Bins, EdgeRule};
pub use bootstrap::{Bootstrap, Interval, IntervalKind, MetricIntervals};
pub use calibration::{Calibrated, Calibration, HalfScore, Protocol, Stage};
pub use classwise::{Adaptive, AdaptiveOptions, AdaptiveState, ClassBins, TaceNorm};
pub use compare::{CompareOptions, Compared, Comparison, Pair, compare};
pub use conformal::{Conformal, ConformalFit, Conformity, Coverage, conformal_threshold};
pub use decompose::{BrierParts, LikelihoodParts};
pub use dee::{
    BandKind, Bands, CostModel, Dee, DeeOptions, DeePoint, DeeStatus, Direction, Interpolation,
    MemberNoise, Monotone, PowerTail, SizeCurve, VarianceLaw, dee, isotonic_increasing,
};
pub use device::evaluate_tensor;
pub use diversity::{
    Diversity, EnsembleMetrics, ObjectDiversity, evaluate_ensemble, evaluate_sizes,
};
pub use ensemble::{
    CalibratedCurve, CalibratedPoint, CurvePoint, Ensemble, EnsembleTensor, calibrated_curve,
    disjoint_groups, ensemble_curve, log_likelihood_curve, running, running_log_likelihoods,
};
pub use error::UncertaintyError;
pub use exact::ExactSum;
pub use files::{
    NpyArray, NpyHeader, NpyValues, Predictions, ResultRow, ResultTable, dee_table, npy_header,
    parse_npy, read_npy, read_npz, read_npz_files, target_checksum, write_atomically, write_npy,
    write_npz, write_npz_files,
};
pub use folds::Folds;
pub use math::{log_softmax, log_sum_exp};
pub use metrics::{MetricState, Metrics, Note, TopK, evaluate, evaluate_many, misclassification};
pub use objects::{BrierScale, Floor, Object, Objects};
pub use options::MetricOptions;
pub use ranking::{Bounded, RankHistogram, RankSummary, Ranking};
pub use scaling::{AffineKind, AffineScaling, IsotonicScaling};
pub use scores::{Checks, Floats, Repair, ScoreKind, Scores};
pub use selective::{AurcRule, RiskCoverage, RiskPoint};
pub use smooth::{smooth_ece, smooth_ece_at, sweep_ece};
pub use sums::ProperSums;
pub use targets::Targets;
pub use temperature::{
    Separable, TemperatureFit, TemperatureOptions, TemperatureStatus, fit_shared_temperature,
    fit_temperature, fit_temperature_folds, fit_temperature_tensor, scaled_log_probs,
};
