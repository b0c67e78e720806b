//! Everything that can go wrong in this crate.

use std::{io, path::PathBuf};

use crate::ScoreKind;

/// The error of every fallible function of this crate: where, what was found, and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UncertaintyError {
    /// There is nothing to measure.
    #[error("{what}: nothing there; expected at least one")]
    Empty {
        /// What there is none of: rows, members, …
        what: &'static str,
    },
    /// Too few classes to be sure or unsure about.
    #[error(
        "{found} class(es); expected at least 2 columns (for a binary problem, one for each answer)"
    )]
    Classes {
        /// How many there are.
        found: usize,
    },
    /// A list of another length than it has to have.
    #[error("{what}: {found} values; expected {expected}")]
    Length {
        /// The list.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it has to have.
        expected: usize,
    },
    /// A score that is none.
    #[error("{kind}, row {row}, class {class}: {found}; expected {expected}")]
    Score {
        /// What the scores are said to be.
        kind: ScoreKind,
        /// Number of the row, from 0.
        row: usize,
        /// Number of the class, from 0.
        class: usize,
        /// The value.
        found: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// A row of probabilities that do not sum to one.
    #[error(
        "{kind}, row {row}: the probabilities sum to {found}; expected 1 within {tolerance} (logits must be given as logits; \
         rounded probabilities can be renormalised on request)"
    )]
    RowSum {
        /// What the scores are said to be.
        kind: ScoreKind,
        /// Number of the row, from 0.
        row: usize,
        /// Its sum.
        found: f64,
        /// How far from one it may be.
        tolerance: f64,
    },
    /// A label that names no class.
    #[error("label of row {row}: {found}; expected a class from 0 to {}", classes - 1)]
    Label {
        /// Number of the row, from 0.
        row: usize,
        /// The label.
        found: i64,
        /// Number of classes.
        classes: usize,
    },
    /// A soft target that is no distribution.
    #[error("soft target of row {row}: {found}; expected {expected}")]
    SoftTarget {
        /// Number of the row, from 0.
        row: usize,
        /// The value, or the sum of the row.
        found: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// A weight that is none.
    #[error("weight of row {row}: {found}; expected {expected}")]
    Weight {
        /// Number of the row, from 0.
        row: usize,
        /// The value.
        found: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// Two inputs that do not belong together: members of an ensemble, two shards, …
    #[error("{place}: {field} is {found}; expected {expected}")]
    Mismatch {
        /// Which input.
        place: String,
        /// Rows, classes, options, …
        field: &'static str,
        /// Its value.
        found: String,
        /// The value it has to have.
        expected: String,
    },
    /// An option that makes no sense.
    #[error("option `{field}`: {found}; expected {expected}")]
    Options {
        /// Which one.
        field: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A record or checkpoint that could not be written, read or applied.
    #[error("{place}: {reason}")]
    Record {
        /// The file, or what was to be read from it.
        place: String,
        /// What the file system or Burn said.
        reason: String,
    },
    /// A tensor could not be read from its device.
    #[error("tensor of {what}: {reason}")]
    Tensor {
        /// What it holds.
        what: &'static str,
        /// What the device said.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is not what it should be.
    #[error("{}, {place}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Header, line, array, …
        place: String,
        /// What was found there.
        what: String,
    },
    /// An input that cannot be used, in words: a curve, a table of a file, a pool of members.
    #[error("{what}")]
    Input {
        /// What was found and what was expected.
        what: String,
    },
}

impl UncertaintyError {
    pub(crate) fn input(what: impl Into<String>) -> Self {
        Self::Input { what: what.into() }
    }
}
