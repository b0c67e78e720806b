//! Everything that can go wrong in this crate.

use std::path::PathBuf;

use firetender_hooks::HookError;
use firetender_lm::LmError;

/// The error of every fallible function of this crate: where, what was found, and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SteerError {
    /// Two classes that cannot be contrasted.
    #[error("contrast of `{toward}` and `{away}`: {what}")]
    Contrast {
        /// Name of the class that a positive strength steers toward.
        toward: String,
        /// Name of the other class.
        away: String,
        /// What is wrong and what was expected.
        what: String,
    },
    /// Fewer pairs than a method can work with.
    #[error("{method} needs {needed} pairs or more; the contrast has {found}")]
    TooFewPairs {
        /// The method.
        method: String,
        /// The fewest pairs it takes.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// A row whose tokens yield no sample, or several where a method needs one.
    #[error(
        "row {row} of class `{class}` yields {found} samples at read position {rule}; expected {expected}"
    )]
    Samples {
        /// Name of the class.
        class: String,
        /// Number of the row.
        row: usize,
        /// The rule that says where to read.
        rule: String,
        /// Samples found.
        found: usize,
        /// What is needed.
        expected: &'static str,
    },
    /// A direction that no model could be steered along.
    #[error("direction of layer {layer}: {what}")]
    Direction {
        /// The layer.
        layer: usize,
        /// What is wrong: zero, not finite, or of another length.
        what: String,
    },
    /// Two vectors, or a vector and a model, of different make.
    #[error("{place}: {field} is {found}; expected {expected}")]
    Mismatch {
        /// Vector, file or plan entry.
        place: String,
        /// Width, number of layers, fingerprint, …
        field: &'static str,
        /// Its value.
        found: String,
        /// The value it has to have.
        expected: String,
    },
    /// A choice of layers that the model does not have, or a text that names none.
    #[error("layers `{found}`: {what}")]
    Layers {
        /// The choice.
        found: String,
        /// What is wrong and what was expected.
        what: String,
    },
    /// A token rule that selects nothing, or a text that is none.
    #[error("token rule `{found}`: {what}")]
    TokenRule {
        /// The rule.
        found: String,
        /// What is wrong and what was expected.
        what: String,
    },
    /// A method that does not exist.
    #[error(
        "`{found}` is not a method; expected mean, pca, pca_difference, pca_pair_centred, pca_repe:SEED, whitened:SHRINKAGE (0 to 1), logistic:C, logistic_pair_centred:C, trimmed_mean:SHARE (0 to 0.5), median or random:SEED"
    )]
    Method {
        /// The text.
        found: String,
    },
    /// A classifier that cannot be fitted.
    #[error("logistic fit: {what}")]
    Logistic {
        /// What is wrong and what was expected.
        what: String,
    },
    /// A plan that cannot be carried out.
    #[error("plan, entry {entry}: `{field}` {what}")]
    Plan {
        /// Number of the entry, from 0.
        entry: usize,
        /// Which part of it.
        field: &'static str,
        /// What is wrong and what was expected.
        what: String,
    },
    /// A gate that cannot decide.
    #[error("gate: `{field}` {what}")]
    Gate {
        /// Which part of it.
        field: &'static str,
        /// What is wrong and what was expected.
        what: String,
    },
    /// An argument that makes no sense.
    #[error("{what}")]
    Input {
        /// What is wrong and what was expected.
        what: String,
    },
    /// A measurement gave a number that is not finite.
    #[error("{what} is {found} at prompt {prompt}; the steered model's output is no longer finite")]
    NotFinite {
        /// What was measured.
        what: String,
        /// The value.
        found: f64,
        /// Number of the prompt.
        prompt: usize,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is larger than any real one.
    #[error("{}: {found} bytes, above the limit of {limit}; no vector file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        found: u64,
        /// The largest size that is read.
        limit: u64,
    },
    /// A file is no vector file, or a damaged one.
    #[error("{}, {place}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Header, metadata or the name of a tensor.
        place: String,
        /// What is wrong and what was expected.
        what: String,
    },
    /// A file of texts that is not of a known shape, or a record that does not fit it.
    #[error("{path}{}: {what}", line.map_or(String::new(), |line| format!(", line {line}")))]
    Data {
        /// The file, or the shape of its records.
        path: String,
        /// The line, where one can be named.
        line: Option<usize>,
        /// What is wrong and what was expected.
        what: String,
    },
    /// The model refused.
    #[error(transparent)]
    Lm(#[from] LmError),
    /// A hook refused.
    #[error(transparent)]
    Hook(#[from] HookError),
}
