//! Everything that can go wrong in this crate.

use std::{io, path::PathBuf};

use firetender_uncertainty::UncertaintyError;

/// The error of every fallible function of this crate: where, what was found, and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TtaError {
    /// An image without pixels, or one that is too large.
    #[error(
        "image of {width} × {height}; expected 1 to {} on either side",
        crate::image::MOST_SIDE
    )]
    ImageSize {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// A list of another length than it has to have.
    #[error("{what}: {found}; expected {expected}")]
    Length {
        /// The list.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it has to have.
        expected: usize,
    },
    /// There is nothing to work on.
    #[error("{what}: nothing there; expected at least one")]
    Empty {
        /// What there is none of.
        what: &'static str,
    },
    /// A magnitude or parameter that the operation does not take.
    #[error("operation {op}: {field} is {found}; expected {expected}")]
    Parameter {
        /// Name of the operation.
        op: String,
        /// Which parameter.
        field: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// An operation that is not there.
    #[error("operation {found}; this list has {known}")]
    UnknownOp {
        /// Name or number that was asked for.
        found: String,
        /// What there is.
        known: String,
    },
    /// A text that is no policy.
    #[error("policy text, character {at}: {what}")]
    Text {
        /// Where, in characters from 0.
        at: usize,
        /// What was found and what was expected.
        what: String,
    },
    /// A file that is not what it should be.
    #[error("{}, {place}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Header, entry, array, …
        place: String,
        /// What was found there.
        what: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A prediction that is none: NaN, positive, or a row without any mass.
    #[error("entry {entry}, sample {sample}, class {class}: {found}; expected {expected}")]
    Prediction {
        /// Number of the pool's entry, from 0.
        entry: usize,
        /// Number of the sample, from 0.
        sample: usize,
        /// Number of the class, from 0.
        class: usize,
        /// The value.
        found: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// A row of probabilities that do not sum to one.
    #[error(
        "entry {entry}, sample {sample}: the probabilities sum to {found}; expected 1 within {tolerance} (logits can be normalised on request)"
    )]
    RowSum {
        /// Number of the pool's entry, from 0.
        entry: usize,
        /// Number of the sample, from 0.
        sample: usize,
        /// Its sum.
        found: f64,
        /// How far from one it may be.
        tolerance: f64,
    },
    /// A label that names no class.
    #[error("label of sample {sample}: {found}; expected a class from 0 to {}", classes.saturating_sub(1))]
    Label {
        /// Number of the sample, from 0.
        sample: usize,
        /// The label.
        found: i64,
        /// Number of classes.
        classes: usize,
    },
    /// An option that makes no sense.
    #[error("option `{field}`: {found}; expected {expected}")]
    Options {
        /// Which one.
        field: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// Two things that do not belong together: entries of a pool, a pool and a manifest, …
    #[error("{place}: {field} is {found}; expected {expected}")]
    Mismatch {
        /// Which.
        place: String,
        /// Samples, classes, options, …
        field: &'static str,
        /// Its value.
        found: String,
        /// The value it has to have.
        expected: String,
    },
    /// The predictor failed.
    #[error("predictor: {0}")]
    Predictor(String),
    /// A tensor could not be read from its device.
    #[error("tensor of {what}: {reason}")]
    Tensor {
        /// What it holds.
        what: &'static str,
        /// What the device said.
        reason: String,
    },
    /// Metrics, arrays and temperature fits report in their own words.
    #[error(transparent)]
    Uncertainty(#[from] UncertaintyError),
}

impl TtaError {
    pub(crate) fn file(
        path: impl Into<PathBuf>,
        place: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        Self::File {
            path: path.into(),
            place: place.into(),
            what: what.into(),
        }
    }

    pub(crate) fn option(
        field: &'static str,
        found: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Self::Options {
            field,
            found: found.to_string(),
            expected: expected.into(),
        }
    }
}
