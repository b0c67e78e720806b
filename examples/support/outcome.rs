//! How an example ends: exit code 0 on success only; an error is one readable line on standard error.

use std::process::ExitCode;

/// What went wrong, as one line for a person.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// What it says.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// An error with this message.
///
/// # Errors
/// Always.
pub fn fail<T>(what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure(what.into()))
}

/// Turns the outcome of an example into its exit code, printing an error to standard error.
#[must_use]
#[expect(
    clippy::print_stderr,
    reason = "this is where the examples report errors"
)]
pub fn finish(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(what)) => {
            eprintln!("error: {}", what.replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}
