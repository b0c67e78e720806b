//! Firetender: what comes after training. Steer a language model, and measure what steering does and breaks.
//!
//! # Should I be using this crate?
//!
//! It is the front door: every crate of the workspace under one name, each behind a feature, and the `guide`. A library that needs
//! one part only depends on that part (`firetender-hooks`, `firetender-lm`, …) and stays small.
//!
//! # Parts
//!
//! | module | feature | what it is |
//! |---|---|---|
//! | `hooks` | `hooks` | named sites in a network, and the trait that sees and changes what flows through them |
//! | `lm` | `lm` | language models with those sites: loading, tokenizers, generation, log-likelihoods |
//! | `steer` | `steer` | directions from contrasts, plans that apply them, effect and damage |
//! | `scaling` | `scaling` | inverse-scaling tasks, likelihood evaluation, honest trends for families of models |
//! | `report` | `report` | figures, tables and one-file HTML reports |
//! | `ember` | `ember` | the small chat model that is built in, with its prompts and word lists |
//! | `tta` | `tta` | test-time augmentation: exact image operations, policies, greedy policy search |
//! | `uncertainty` | `uncertainty` | proper scores, calibration, ensembles, the deep-ensemble equivalent |
//! | `bargain` | `bargain` | bargaining games, learners that shape each other, norms, cross-play |
//!
//! All of these are on by default. A backend is not: choose `flex` (CPU), `wgpu`, `vulkan`, `metal`, `cuda` or `rocm`, and
//! make its device yourself, for instance `Device::flex()`. [`burn`] is re-exported so that your program uses the same one.
//!
//! ```toml
//! [dependencies]
//! firetender = { version = "0.1", features = ["flex"] }
//! ```
//!
//! Begin with the `guide`: load a model, look inside, find a direction, steer, measure.

pub use burn;
#[cfg(feature = "bargain")]
pub use firetender_bargain as bargain;
#[cfg(feature = "ember")]
pub use firetender_ember as ember;
#[cfg(feature = "hooks")]
pub use firetender_hooks as hooks;
#[cfg(feature = "kts")]
pub use firetender_kts as kts;
#[cfg(feature = "lm")]
pub use firetender_lm as lm;
#[cfg(feature = "report")]
pub use firetender_report as report;
#[cfg(feature = "scaling")]
pub use firetender_scaling as scaling;
#[cfg(feature = "steer")]
pub use firetender_steer as steer;
#[cfg(feature = "tta")]
pub use firetender_tta as tta;
#[cfg(feature = "uncertainty")]
pub use firetender_uncertainty as uncertainty;

#[cfg(all(feature = "steer", feature = "report", feature = "ember"))]
pub mod guide;
