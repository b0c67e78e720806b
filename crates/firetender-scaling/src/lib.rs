//! Does a task get worse as language models grow? Honest statistics for families of models, after the Inverse Scaling Prize.
//!
//! # Should I be using this crate?
//!
//! Use it to say whether results over several sizes of model rise, fall, turn or do nothing, with error rates that have been measured; to score models on
//! the prize's tasks (McKenzie et al., "Inverse Scaling: When Bigger Isn't Better", 2023, arXiv 2306.09479) or tasks of the same form; and to fit scaling laws. It judges curves
//! that others have measured as well as its own: half of the crate needs no model. It draws nothing: figures are made from the numbers it returns.
//!
//! # The way through a trend
//!
//! 1. [`read_results`] and [`curves`]: a table of means to [`Curve`]s, refusing what cannot be compared.
//! 2. [`trend`] or [`trends`]: every statistic and a [`Label`]. The label comes from [`Shapes`], which asks whether a shape is *rejected*, with the noise of the examples.
//! 3. Single tests: [`spearman`], [`kendall`], [`mann_kendall`], [`theil_sen`], [`page`], [`jonckheere_terpstra`], [`cochran_armitage`], [`paired`],
//!    [`lind_mehlum`], [`two_lines`], [`isotonic()`], [`big_bench`], [`benjamini_hochberg`].
//! 4. [`two_factor`]: parameters and training tokens at once. [`fit()`]: power law, sigmoid, broken and Chinchilla's scaling law.
//!
//! Scores are on the host in `f64`: they are small tables.

mod blocks;
mod csv;
mod error;
mod fit;
mod hump;
mod isotonic;
mod linear;
mod monotone;
mod regression;
mod scale;
mod shape;
mod special;
mod table;
mod trend;

pub use blocks::{PairTest, TrendTest, cochran_armitage, jonckheere_terpstra, page, paired};
pub use error::ScalingError;
pub use fit::{Fit, FitOptions, Form, Parameter, fit};
pub use hump::{LindMehlum, Turn, TwoLines, lind_mehlum, two_lines};
pub use isotonic::{isotonic, monotone_chi2};
pub use monotone::{
    BigBench, Kendall, MannKendall, Spearman, average_ranks, benjamini_hochberg, big_bench,
    kendall, mann_kendall, spearman, theil_sen,
};
pub use regression::{Line, Term, TwoFactor, line, two_factor};
pub use scale::{Scale, parse_size};
pub use shape::{Label, Noise, ShapeFit, ShapeOptions, Shapes};
pub use table::{ResultRow, attach_examples, curves, lower_is_better, read_columns, read_results};
pub use trend::{Adjusted, Companion, Curve, Point, Trend, trend, trends};
