//! Everything that can go wrong in this crate.

use std::path::PathBuf;

use firetender_hooks::HookError;
use firetender_lm::LmError;
use firetender_steer::SteerError;

/// The error of every fallible function of this crate: where, what was found, and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KtsError {
    /// Options that contradict themselves, each other or what is trained; found before training starts.
    #[error("option `{field}` is {found}; expected {expected}")]
    Options {
        /// The option.
        field: &'static str,
        /// Its value.
        found: String,
        /// What would be accepted, or why it cannot be.
        expected: String,
    },
    /// Texts that cannot be trained on.
    #[error("{what}")]
    Input {
        /// What is wrong and what was expected.
        what: String,
    },
    /// An adapter that does not fit a model, or another adapter.
    #[error("adapter, {place}: {what}")]
    Adapter {
        /// The parameter, file or adapter.
        place: String,
        /// What is wrong and what was expected.
        what: String,
    },
    /// A number that training cannot go on from. The optimiser has not moved.
    #[error(
        "{what} is {found} at step {step} (texts {batch:?}); the last good checkpoint is {}",
        checkpoint.as_ref().map_or_else(|| "none".into(), |path| path.display().to_string())
    )]
    NotFinite {
        /// The quantity.
        what: String,
        /// Its value.
        found: f64,
        /// The step, from 0.
        step: u64,
        /// The numbers of the texts in the batch.
        batch: Vec<usize>,
        /// Where to go on from.
        checkpoint: Option<PathBuf>,
    },
    /// A checkpoint of another run.
    #[error("{}: {field} is {found}; this run has {expected}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What differs.
        field: &'static str,
        /// Its value in the file.
        found: String,
        /// The value it has to have.
        expected: String,
    },
    /// A file breaks the rules of its format.
    #[error("{}: {what}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong and what was expected.
        what: String,
    },
    /// A file could not be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The model refused.
    #[error(transparent)]
    Lm(#[from] LmError),
    /// Steering refused.
    #[error(transparent)]
    Steer(#[from] SteerError),
    /// A pass could not be laid out.
    #[error(transparent)]
    Hook(#[from] HookError),
}

impl KtsError {
    pub(crate) fn options(
        field: &'static str,
        found: impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        Self::Options {
            field,
            found: found.to_string(),
            expected: expected.into(),
        }
    }
}
