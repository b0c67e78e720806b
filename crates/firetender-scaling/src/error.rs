//! Everything that can go wrong in this crate.

use std::{io, path::PathBuf};

/// The error of every fallible function of this crate: where, what was found, what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScalingError {
    /// Too little of something.
    #[error("{found} {what}; expected at least {least}")]
    TooFew {
        /// What there is too little of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are needed.
        least: usize,
    },
    /// A list of another length than it has to have.
    #[error("{what}: {found} values; expected {expected}")]
    Length {
        /// The list.
        what: String,
        /// Its length.
        found: usize,
        /// The length it has to have.
        expected: usize,
    },
    /// A value out of range.
    #[error("{what}: {found}; expected {expected}")]
    Value {
        /// What it is the value of.
        what: String,
        /// The value.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// Text that is not what it should be.
    #[error("{place}, line {line}, column {column}: {what}")]
    Parse {
        /// The file.
        place: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1; of a table: the number of the field.
        column: usize,
        /// What is wrong, and what was expected.
        what: String,
    },
    /// A file that is wrong as a whole.
    #[error("{place}: {what}")]
    File {
        /// The file.
        place: String,
        /// What is wrong, and what was expected.
        what: String,
    },
    /// Results that may not be put beside each other.
    #[error("{task}: {what}")]
    Incomparable {
        /// The task, with its family where there is one.
        task: String,
        /// What differs between which models.
        what: String,
    },
    /// An example that cannot be scored.
    #[error("example {index} of {task}: {what}")]
    Example {
        /// The task.
        task: String,
        /// Number of the example in its file, from 0.
        index: usize,
        /// What is wrong.
        what: String,
    },
    /// A name that stands for nothing.
    #[error("{what} `{found}` is not known; {expected}")]
    Unknown {
        /// What was named.
        what: &'static str,
        /// The name.
        found: String,
        /// What is known.
        expected: String,
    },
    /// The model or its tokenizer.
    #[error(transparent)]
    Model(#[from] firetender_lm::LmError),
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}
