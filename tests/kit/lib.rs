//! What the integration tests share: golden files, tiny models, real data where it is present, and comparisons.
//!
//! Everything here panics on failure: a test's panic is its report.
#![allow(clippy::missing_panics_doc, reason = "tests report by panicking")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests report by panicking"
)]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod compare;
mod golden;
mod models;

pub use compare::{assert_close, values};
pub use golden::{Golden, golden_json, golden_path};
pub use models::{FAMILIES, data, load, rows, tiny, tiny_on};
