//! Test-time augmentation: exact image operations, policies, pools of predictions, and greedy policy search.
//!
//! # Should I be using this crate?
//!
//! Use it to make a trained classifier's predictions better, and better calibrated, by averaging them over changes of the same image, and to *find* which
//! changes: [`GreedySearch`] is the method of Molchanov, Lyzhov, Molchanova, Ashukha and Vetrov ("Greedy Policy Search: A Simple Baseline for Learnable
//! Test-Time Augmentation", UAI 2020). It trains nothing and needs no gradient. Detection and segmentation, whose boxes and masks would have to be
//! changed back, are out of its scope.
//!
//! # The way through
//!
//! 1. [`RgbImage`] and [`ResolvedOp`]: what happens to pixels, byte for byte as in Pillow ([`Compat`] names the version). [`Op`], [`OpSpace`] and
//!    [`Transform`] ([`ImageOp`] for operations of your own): what is drawn at random before, a function of an [`Address`] alone.
//! 2. [`SubPolicy`] and [`Policy`]: recipes, as JSON and in the reference's files ([`mod@reference`]); [`Mixture`]: where recipes come from.
//! 3. [`Candidates`]: the predictions of every recipe; [`GreedySearch`]: which to average; [`cross_validate`], [`pick_confidence`],
//!    [`mixture_optimum`]: how much to believe it.
//!
//! 4. [`Predictor`]: any classifier; [`PoolBuilder`]: its predictions under every recipe, resumable; [`Tta`]: predicting with a policy.
//! 5. [`baselines`], [`Evaluation`], [`Corruption`]: whether it was worth it; [`learn_weights`], [`most_certain`], [`LossPredictor`]: what others do with as many passes.
//!
//! Image operations and the search's deciding sums run on the host, on bytes and in `f64`, and for images and pools that are on a device already there
//! ([`apply_batch`], [`search_tensor`]), to a tolerance that each says.
//!
//! ```
//! use firetender_tta::{Address, OpSpace, Policy, RgbImage, parse_sub_policy};
//! let policy = Policy::cifar().with_entries(vec![parse_sub_policy("[(7,23.0),(13,-15.2)]", &OpSpace::gps_cifar())?]);
//! let image = RgbImage::filled(32, 32, [200, 30, 90])?;
//! let changed = policy.augment(&policy.entries[0], &image, Address { seed: 1, ..Address::default() })?;
//! assert_eq!(changed.width(), 32);
//! # Ok::<(), firetender_tta::TtaError>(())
//! ```

pub mod baselines;
mod compat;
mod corrupt;
mod device;
mod draw;
mod error;
mod evaluate;
mod files;
mod image;
mod methods;
mod op;
mod ops;
mod png;
mod policy;
mod pool;
mod predict;
mod resolved;
mod runtime;
mod search;
mod transform;

pub use compat::{Compat, CutoutCentre, Luma, Padding, PosterizeBelowOne, ResizeOrder};
pub use corrupt::Corruption;
pub use device::{apply_batch, from_levels, predict_entry_on_device, to_levels};
pub use draw::{Address, Draw};
pub use error::TtaError;
pub use evaluate::{Compared, Evaluation, Method, Row};
pub use image::{MOST_SIDE, Normalisation, RgbImage, batch};
pub use methods::{
    LearnedWeights, LossPredictor, WeightOptions, confidence_features, learn_weights, most_certain,
};
pub use op::{
    ImageOp, Op, OpName, OpRange, OpSpace, Site, UserOps, UserStep, conformance as op_conformance,
};
pub use png::{parse_png, png_bytes, read_png, write_png};
pub use policy::{
    Frame, Mixture, MixturePart, Policy, Provenance, SCHEMAS, Step, SubPolicy, format_sub_policy,
    parse_sub_policy, reference,
};
pub use pool::{Manifest, Pool, PoolBuilder, PoolFloat};
pub use predict::{
    Feed, FromLogits, Members, Predictor, conformance as predictor_conformance, mean_log_probs,
    predict_entry, predict_entry_each,
};
pub use resolved::{ResolvedOp, apply_all};
pub use runtime::{Merge, Tta, TtaPrediction, merge};
pub use search::{
    Candidates, Criterion, CrossValidated, GreedySearch, MixtureOptimum, MixtureView, Mode, Pick,
    PickConfidence, PredictionKind, ReadOptions, Score, Scored, StepRule, Trace,
    conformance as score_conformance, cross_validate, mixture_optimum, pick_confidence,
    search_tensor,
};
pub use transform::Transform;
