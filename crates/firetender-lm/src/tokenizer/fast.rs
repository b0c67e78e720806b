//! The `tokenizers` crate behind a fence.
//!
//! A `tokenizer.json` is a small program: normalisers, splitters, a model, decoders, templates. Here it is checked before the
//! crate sees it (only parts that the known model families use, no merge whose result is missing, no random dropout, ids that
//! agree), and its template is reduced to the tokens before and after a text. Truncation and padding in the file are ignored,
//! as they are in the Python library unless asked for.

mod check;

use std::collections::BTreeSet;

use serde::Deserialize;
use tokenizers::tokenizer::{AddedVocabulary, Model, OffsetType, PreTokenizer};
use tokenizers::{AddedToken, Encoding};

use super::matcher::Matcher;
use super::{Names, Span};
use crate::LmError;

/// A tokenizer of the `tokenizers` crate.
#[derive(Debug)]
pub(crate) struct Fast {
    inner: tokenizers::Tokenizer,
    /// The added tokens again, with the special ones taken for text.
    plain: AddedVocabulary,
    special: Matcher,
    size: usize,
}

fn fail(error: impl std::fmt::Display) -> LmError {
    LmError::Tokenizer {
        what: error.to_string(),
    }
}

impl Fast {
    /// Reads a `tokenizer.json`; also gives the tokens that its template puts before and after a text.
    pub(crate) fn parse(place: &str, json: &[u8]) -> Result<(Self, Vec<u32>, Vec<u32>), LmError> {
        let format = |what: String| LmError::Format {
            place: place.into(),
            what,
        };
        let mut value: serde_json::Value = serde_json::from_slice(json)
            .map_err(|error| format(format!("invalid JSON: {error}")))?;
        let checked = check::check(&value).map_err(format)?;
        if let Some(map) = value.as_object_mut() {
            for key in ["post_processor", "truncation", "padding"] {
                map.remove(key);
            }
        }
        let inner = tokenizers::Tokenizer::deserialize(&value)
            .map_err(|error| format(error.to_string()))?;
        for (name, id) in &checked.added {
            if inner.token_to_id(name) != Some(*id) {
                let found = inner.token_to_id(name);
                return Err(format(format!(
                    "added token `{name}` has id {id}, but the vocabulary gives it {found:?}"
                )));
            }
        }
        Ok((Self::new(inner), checked.prefix, checked.suffix))
    }

    pub(crate) fn new(inner: tokenizers::Tokenizer) -> Self {
        let mut plain = inner.get_added_vocabulary().clone();
        plain.set_encode_special_tokens(true);
        let mut added: Vec<(u32, AddedToken)> =
            inner.get_added_tokens_decoder().into_iter().collect();
        added.sort_by_key(|(id, _)| *id);
        let special = Matcher::new(
            added
                .into_iter()
                .filter(|(_, token)| token.special)
                .map(|(id, token)| (token.content, id)),
        );
        let size = inner
            .get_vocab(true)
            .into_values()
            .max()
            .map_or(0, |id| id as usize + 1);
        Self {
            inner,
            plain,
            special,
            size,
        }
    }

    /// The content of a `tokenizer.json`, without what goes around a text.
    pub(crate) fn json(&self) -> Result<serde_json::Value, LmError> {
        serde_json::to_value(&self.inner).map_err(fail)
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    pub(crate) fn id(&self, name: &str) -> Option<u32> {
        self.inner.token_to_id(name)
    }

    pub(crate) fn is_special(&self, id: u32) -> bool {
        self.inner
            .get_added_vocabulary()
            .get_added_tokens_decoder()
            .get(&id)
            .is_some_and(|token| token.special)
    }

    pub(crate) fn specials(&self) -> BTreeSet<u32> {
        self.special.ids()
    }

    pub(crate) fn special_names(&self, text: &str) -> Vec<Span> {
        self.special.find(text)
    }

    pub(crate) fn ids(&self, text: &str, names: Names) -> Result<Vec<u32>, LmError> {
        Ok(self
            .encoding(text, names, OffsetType::None)?
            .get_ids()
            .to_vec())
    }

    /// Tokens with the bytes of the text that they stand for.
    pub(crate) fn spans(&self, text: &str, names: Names) -> Result<Vec<Span>, LmError> {
        let encoding = self.encoding(text, names, OffsetType::Byte)?;
        let offsets = encoding.get_offsets().iter().map(|(from, to)| *from..*to);
        Ok(encoding.get_ids().iter().copied().zip(offsets).collect())
    }

    /// The steps of the crate's own `encode`, with the choice of added tokens and without the template, whose trimming would
    /// shorten the ranges.
    fn encoding(&self, text: &str, names: Names, offsets: OffsetType) -> Result<Encoding, LmError> {
        let added = match names {
            Names::AreTokens => self.inner.get_added_vocabulary(),
            Names::AreText => &self.plain,
        };
        let mut parts = added.extract_and_normalize(self.inner.get_normalizer(), text);
        if let Some(pre) = self.inner.get_pre_tokenizer() {
            pre.pre_tokenize(&mut parts).map_err(fail)?;
        }
        self.inner
            .get_model()
            .tokenize_in_pretokenized(&mut parts, None)
            .map_err(fail)?;
        parts.into_encoding(None, 0, offsets).map_err(fail)
    }

    pub(crate) fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, LmError> {
        self.inner.decode(ids, skip_special).map_err(fail)
    }
}
