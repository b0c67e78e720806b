//! What can go wrong in this crate.

/// Why a tokenizer could not be made or used.
///
/// The corpus and the prompt sets cannot fail; only what touches a tokenizer can.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmberError {
    /// The tokenizer library refused.
    #[error("{doing}: {reason}")]
    Tokenizer {
        /// What was being done: "training the tokenizer".
        doing: &'static str,
        /// The library's own words.
        reason: String,
    },
    /// A vocabulary that cannot hold the bytes and the special tokens.
    #[error(
        "a vocabulary of {found} tokens is outside {least}..={most}: 256 bytes and the special tokens must fit, and ids are 16 bits wide"
    )]
    VocabularySize {
        /// What was asked for.
        found: usize,
        /// The smallest that works.
        least: usize,
        /// The largest that works.
        most: usize,
    },
    /// A tokenizer that is not Ember's: a special token has no id or another one.
    #[error(
        "special token {token} has id {found:?} in this tokenizer, Ember's has {expected}: use the tokenizer.json that lies beside the model"
    )]
    SpecialToken {
        /// The token.
        token: &'static str,
        /// Its id in Ember's tokenizer.
        expected: u32,
        /// Its id in the tokenizer given.
        found: Option<u32>,
    },
    /// A token id beyond 16 bits, so the tokenizer is not Ember's.
    #[error("token id {id} does not fit into 16 bits: this is not Ember's tokenizer")]
    TokenId {
        /// The id.
        id: u32,
    },
}
