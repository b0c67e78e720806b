//! Does a task get worse as language models grow? Honest statistics for families of models, after the Inverse Scaling Prize.
//!
//! # Should I be using this crate?
//!
//! Use it to say whether results over several sizes of model rise, fall, turn or do nothing, with error rates that have been measured; to score models on
//! the prize's tasks (McKenzie et al., "Inverse Scaling: When Bigger Isn't Better", 2023, arXiv 2306.09479) or tasks of the same form; and to fit scaling laws. It judges curves
//! that others have measured as well as its own: half of the crate needs no model. It draws nothing: figures are made from the numbers it returns.
//!
//! # The way through an evaluation
//!
//! 1. [`read_task`]: an official file ([`verify`] compares its bytes with the release) or your own; [`generate`] makes tasks in the prize's style. [`Task::lints`], [`Task::few_shot`], [`Task::subsample`].
//! 2. [`evaluate`]: any [`LikelihoodModel`](firetender_lm::LikelihoodModel) on it, under explicit policies, with a log that can be resumed ([`RunLog`]). [`compare_boundaries`] asks what the policies change.
//! 3. [`Evaluation::summary`]: means, errors, baselines. [`curve_of`]: several models to a [`Curve`].
//!
//! # The way through a trend
//!
//! 1. [`read_results`] and [`curves`]: a table of means to [`Curve`]s, refusing what cannot be compared.
//! 2. [`trend`] or [`trends`]: every statistic and a [`Label`]. The label comes from [`Shapes`], which asks whether a shape is *rejected*, with the noise of the examples.
//! 3. Single tests: [`spearman`], [`kendall`], [`mann_kendall`], [`theil_sen`], [`page`], [`jonckheere_terpstra`], [`cochran_armitage`], [`paired`],
//!    [`lind_mehlum`], [`two_lines`], [`isotonic()`], [`big_bench`], [`benjamini_hochberg`].
//! 4. [`Curve::by_difficulty`], [`Evaluation::part`]: what a mean over all examples may hide. [`Simulation`]: how often the label errs.
//! 5. [`two_factor`]: parameters and training tokens at once. [`fit()`]: power law, sigmoid, broken and Chinchilla's scaling law; [`ladder`]: accuracy through the loss.
//!
//! Scores are on the host in `f64`: they are small tables.

mod blocks;
mod csv;
mod draw;
mod error;
mod fit;
mod groups;
mod hump;
mod isotonic;
mod linear;
mod log;
mod manifest;
mod monotone;
mod pylist;
mod rates;
mod read;
mod regression;
mod run;
mod scale;
mod score;
mod shape;
mod special;
mod style;
mod table;
mod task;
mod trend;

pub use blocks::{PairTest, TrendTest, cochran_armitage, jonckheere_terpstra, page, paired};
pub use error::ScalingError;
pub use fit::{Fit, FitOptions, Form, Ladder, Parameter, fit, ladder};
pub use hump::{LindMehlum, Turn, TwoLines, lind_mehlum, two_lines};
pub use isotonic::{isotonic, monotone_chi2};
pub use log::RunLog;
pub use manifest::{Cause, OFFICIAL, OfficialFile, Verified, sha256_hex, verify};
pub use monotone::{
    BigBench, Kendall, MannKendall, Spearman, average_ranks, benjamini_hochberg, big_bench,
    kendall, mann_kendall, spearman, theil_sen,
};
pub use pylist::{LiteralError, parse_list, write_list};
pub use rates::Simulation;
pub use read::{read_task, write_task};
pub use regression::{Line, Term, TwoFactor, line, two_factor};
pub use run::{
    BoundaryDifference, Evaluation, ExampleResult, RunObserver, RunOptions, Silent, Summary,
    compare_boundaries, curve_of, evaluate,
};
pub use scale::{Scale, parse_size};
pub use score::{
    Baselines, ClassScore, ExampleScores, Mean, SCORES, baselines, clustered_stderr, invert, mean,
    wilson,
};
pub use shape::{Label, Noise, ShapeFit, ShapeOptions, Shapes};
pub use style::{Style, generate};
pub use table::{
    FieldColumns, NumberColumns, ResultRow, attach_examples, curves, lower_is_better, read_columns,
    read_results,
};
pub use task::{Example, Lint, Task};
pub use trend::{Adjusted, Companion, Curve, Point, Trend, trend, trends};
