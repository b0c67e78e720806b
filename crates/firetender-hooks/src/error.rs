//! Everything that can go wrong in this crate.

/// The error of every fallible function of this crate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// A text is not the name of a site.
    #[error(
        "`{found}` is not a site; expected a name such as `blocks.5.hook_resid_post`, `hook_embed` or `resid_post`"
    )]
    SiteName {
        /// The text.
        found: String,
    },
    /// The tokens of a pass contradict each other.
    #[error("pass: {what} is {found}; expected {expected}")]
    Pass {
        /// Which part.
        what: String,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// A recorded or given tensor does not fit where it is used.
    #[error("{place}: shape {found:?}; expected {expected:?}")]
    Shape {
        /// Site or structure.
        place: String,
        /// Shape found.
        found: Vec<usize>,
        /// Shape needed.
        expected: Vec<usize>,
    },
    /// Nothing was recorded where something was asked for.
    #[error(
        "nothing was recorded at {site}: the recorder did not ask for it, or no pass reached it"
    )]
    NotRecorded {
        /// The site.
        site: String,
    },
    /// A read position does not exist in a row.
    #[error("row {row} has {len} real tokens, none of them at read position {rule}")]
    ReadPosition {
        /// Row of the batch.
        row: usize,
        /// Its number of real tokens in this pass.
        len: usize,
        /// The rule that selected nothing.
        rule: String,
    },
    /// A model broke one of the laws of [`crate::conformance`].
    #[error("conformance, {law}: {what}")]
    Law {
        /// Which law.
        law: &'static str,
        /// What was seen.
        what: String,
    },
}
