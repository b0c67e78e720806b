//! Everything that can go wrong in this crate.

use std::path::PathBuf;

/// The error of every fallible function of this crate.
///
/// Each variant says where (`place` is a file, with a position inside it where that is known), what was found and what was
/// expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LmError {
    /// A prompt and a continuation that cannot be cut into tokens by the rule asked for.
    #[error("prompt {prompt:?} with continuation {continuation:?} ({policy}): {what}")]
    Boundary {
        /// The rule.
        policy: &'static str,
        /// The prompt's end.
        prompt: String,
        /// The continuation's beginning.
        continuation: String,
        /// What is wrong.
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
    /// A file breaks the rules of its format.
    #[error("{place}: {what}")]
    Format {
        /// File, and the place in it.
        place: String,
        /// What is wrong and what was expected.
        what: String,
    },
    /// A file ends before what it announces.
    #[error(
        "{place}: ends inside {what}: {needed} bytes at offset {offset} expected, {available} found; the file is cut short or damaged"
    )]
    Truncated {
        /// File.
        place: String,
        /// What was being read.
        what: String,
        /// Where it should start, in bytes from the start of the file.
        offset: u64,
        /// How many bytes it needs.
        needed: u64,
        /// How many are left from there.
        available: u64,
    },
    /// A file announces more of something than any real file holds.
    #[error(
        "{place}: {what} is {found}, above the limit of {limit}; the file is damaged or hostile"
    )]
    Limit {
        /// File.
        place: String,
        /// The quantity.
        what: String,
        /// Its value.
        found: u64,
        /// The largest value that is accepted.
        limit: u64,
    },
    /// A tensor is stored in a type that cannot be converted to `f32` here.
    #[error("{place}: tensor `{name}` has type {found}; expected one of {expected}")]
    TensorType {
        /// File.
        place: String,
        /// Tensor name.
        name: String,
        /// The stored type.
        found: String,
        /// The types that can be read.
        expected: String,
    },
    /// A path is no model that this crate can read.
    #[error("{}: not a model: {found}; expected {expected}", path.display())]
    NotAModel {
        /// The file or folder.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What would be accepted.
        expected: String,
    },
    /// A download failed.
    #[error("{repo}: download failed: {what}")]
    Download {
        /// Repository on the hub.
        repo: String,
        /// What the client said.
        what: String,
    },
    /// A configuration value is missing, unknown or out of range.
    #[error("{place}: `{field}` is {found}; expected {expected}")]
    Config {
        /// File or structure.
        place: String,
        /// Key.
        field: String,
        /// Its value, or "absent", or "unknown".
        found: String,
        /// What would be accepted.
        expected: String,
    },
    /// The weights lack a tensor that the configuration implies.
    #[error(
        "{place}: tensor `{name}` is missing; the configuration needs it with shape {expected:?}"
    )]
    MissingTensor {
        /// File.
        place: String,
        /// Tensor name.
        name: String,
        /// Shape it should have.
        expected: Vec<usize>,
    },
    /// The weights hold a tensor that the model does not know.
    #[error(
        "{place}: tensor `{name}` is not part of this architecture; refusing to ignore weights"
    )]
    UnknownTensor {
        /// File.
        place: String,
        /// Tensor name.
        name: String,
    },
    /// A tensor has another shape than the configuration implies.
    #[error("{place}: tensor `{name}` has shape {found:?}; the configuration implies {expected:?}")]
    TensorShape {
        /// File.
        place: String,
        /// Tensor name.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape the model needs.
        expected: Vec<usize>,
    },
    /// The tokenizer failed, or does not fit the model.
    #[error("tokenizer: {what}")]
    Tokenizer {
        /// What is wrong and what was expected.
        what: String,
    },
    /// The chat template failed.
    #[error("chat template: {what}")]
    ChatTemplate {
        /// What is wrong and what was expected.
        what: String,
    },
    /// Text or tokens that the model cannot take.
    #[error("{what}")]
    Input {
        /// What is wrong and what was expected.
        what: String,
    },
    /// A pass could not be laid out.
    #[error(transparent)]
    Hook(#[from] firetender_hooks::HookError),
}
