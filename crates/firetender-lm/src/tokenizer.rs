//! Text to tokens and back.
//!
//! One [`Tokenizer`] stands for the three kinds of file that models come with: a Hugging Face `tokenizer.json` (the
//! `tokenizers` crate does the work), the vocabulary inside a GGUF file, and the llama2.c vocabulary (byte-pair merging by
//! score, written here). It also knows the model's own rules: which tokens start a text, end it, and fill short rows.
//!
//! Text can hold the *names* of control tokens. [`Tokenizer::encode`] takes them for the tokens, as a rendered chat prompt
//! needs; [`Tokenizer::encode_plain`] takes them for ordinary text, which is right for anything a stranger wrote.

pub(crate) mod fast;
pub(crate) mod matcher;
mod save;
pub(crate) mod scores;
pub(crate) mod settings;
mod stream;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use fast::Fast;
use scores::Scores;
use settings::{Settings, generation_ends};
use sha2::{Digest, Sha256};
pub use stream::DecodeStream;

use crate::LmError;
use crate::blob::read_small;

/// Bound on a tokenizer file, in bytes; the largest of the families read here have some 17 MB.
pub(crate) const MAX_FILE: u64 = 32 << 20;
/// Bound on the settings beside it, in bytes; published ones have up to 1.5 MB.
pub(crate) const MAX_SETTINGS: u64 = 8 << 20;
/// Bound on token ids, far above any vocabulary.
pub(crate) const MAX_TOKENS: usize = 1 << 22;

/// Control tokens that end a text or a turn in the common chat formats. They count only where the tokenizer marks them as special.
const ENDS: [&str; 8] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<end_of_turn>",
    "<|return|>",
];

#[derive(Debug)]
enum Engine {
    Fast(Box<Fast>),
    Scores(Box<Scores>),
}

/// Whether the names of control tokens inside a text mean the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// They are the tokens.
    AreTokens,
    /// They are text.
    AreText,
}

/// A token with the bytes of the text that it stands for.
pub(crate) type Span = (u32, Range<usize>);

/// The parts of a [`Tokenizer`] besides its engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Roles {
    pub(crate) prefix: Vec<u32>,
    pub(crate) suffix: Vec<u32>,
    pub(crate) bos: Option<u32>,
    pub(crate) eos: Vec<u32>,
    pub(crate) pad: Option<u32>,
}

/// Text to tokens and back, with the model's special tokens.
///
/// ```
/// use firetender_lm::Tokenizer;
/// let json = br#"{"version": "1.0", "added_tokens": [{"id": 3, "content": "<end>", "single_word": false, "lstrip": false,
///     "rstrip": false, "normalized": false, "special": true}], "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false,
///     "trim_offsets": true, "use_regex": true}, "decoder": {"type": "ByteLevel", "add_prefix_space": false,
///     "trim_offsets": true, "use_regex": true}, "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<end>": 3, "<": 4},
///     "merges": [["a", "b"]]}}"#;
/// let config = br#"{"eos_token": "<end>"}"#;
/// let tokenizer = Tokenizer::from_bytes(json, Some(config))?;
/// assert_eq!(tokenizer.encode("abba", false)?, [2, 1, 0]);
/// assert_eq!(tokenizer.encode("a<end>", false)?, [0, 3]);
/// assert!(!tokenizer.encode_plain("a<end>")?.contains(&3));
/// assert_eq!(tokenizer.decode(&[2, 1, 0, 3], true)?, "abba");
/// assert_eq!(tokenizer.eos(), [3]);
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
#[derive(Debug)]
pub struct Tokenizer {
    engine: Engine,
    roles: Roles,
    /// Highest id + 1.
    size: usize,
}

impl Tokenizer {
    /// Reads a `tokenizer.json` and, where they stand beside it, `tokenizer_config.json` and `generation_config.json`.
    ///
    /// # Errors
    /// A file that is too large, no JSON, or describes something other than a byte-pair or word-level tokenizer; ids that
    /// contradict each other; a start or end token that is not in the vocabulary.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, LmError> {
        let path = path.as_ref();
        let json = read_small(path, MAX_FILE)?;
        let beside = |name: &str| {
            let path = path.with_file_name(name);
            if path.is_file() {
                read_small(&path, MAX_SETTINGS).map(Some)
            } else {
                Ok(None)
            }
        };
        let place = path.display().to_string();
        let mut tokenizer = Self::read(
            &place,
            &json,
            &Settings::parse_optional(beside("tokenizer_config.json")?.as_deref())?,
        )?;
        if let Some(generation) = beside("generation_config.json")? {
            tokenizer.add_ends(&generation_ends(&generation)?)?;
        }
        Ok(tokenizer)
    }

    /// Reads the bytes of a `tokenizer.json` and of its `tokenizer_config.json`.
    ///
    /// # Errors
    /// As [`Tokenizer::from_file`].
    pub fn from_bytes(
        tokenizer_json: &[u8],
        tokenizer_config: Option<&[u8]>,
    ) -> Result<Self, LmError> {
        Self::read(
            "tokenizer.json",
            tokenizer_json,
            &Settings::parse_optional(tokenizer_config)?,
        )
    }

    pub(crate) fn read(place: &str, json: &[u8], settings: &Settings) -> Result<Self, LmError> {
        let (fast, prefix, suffix) = Fast::parse(place, json)?;
        let mut tokenizer = Self::new(
            Engine::Fast(Box::new(fast)),
            Roles {
                prefix,
                suffix,
                ..Roles::default()
            },
        )?;
        tokenizer.apply(settings)?;
        Ok(tokenizer)
    }

    pub(crate) fn from_fast(fast: Fast, roles: Roles) -> Result<Self, LmError> {
        Self::new(Engine::Fast(Box::new(fast)), roles)
    }

    pub(crate) fn from_scores(scores: Scores, roles: Roles) -> Result<Self, LmError> {
        Self::new(Engine::Scores(Box::new(scores)), roles)
    }

    fn new(engine: Engine, roles: Roles) -> Result<Self, LmError> {
        let size = match &engine {
            Engine::Fast(fast) => fast.size(),
            Engine::Scores(scores) => scores.size(),
        };
        let mut tokenizer = Self {
            engine,
            roles,
            size,
        };
        let roles = &tokenizer.roles;
        let all = roles
            .prefix
            .iter()
            .chain(&roles.suffix)
            .chain(&roles.eos)
            .chain(&roles.bos)
            .chain(&roles.pad);
        if let Some(id) = all.into_iter().find(|id| **id as usize >= size) {
            return Err(LmError::Tokenizer {
                what: format!("special token {id}; expected an id below {size}"),
            });
        }
        let ends: Vec<u32> = ENDS
            .iter()
            .filter_map(|name| tokenizer.id(name))
            .filter(|id| tokenizer.is_special(*id))
            .collect();
        tokenizer.add_ends(&ends)?;
        Ok(tokenizer)
    }

    /// Takes over what `tokenizer_config.json` says.
    fn apply(&mut self, settings: &Settings) -> Result<(), LmError> {
        let find = |name: &Option<String>, role: &str| match name {
            None => Ok(None),
            Some(name) => self.id(name).map(Some).ok_or_else(|| LmError::Tokenizer {
                what: format!(
                    "the {role} token `{name}` of tokenizer_config.json is not in the vocabulary"
                ),
            }),
        };
        let (bos, eos, pad) = (
            find(&settings.bos, "start")?,
            find(&settings.eos, "end")?,
            find(&settings.pad, "padding")?,
        );
        (self.roles.bos, self.roles.pad) = (bos, pad);
        if let Some(eos) = eos {
            self.roles.eos.retain(|id| *id != eos);
            self.roles.eos.insert(0, eos);
        }
        let switch = |wanted: Option<bool>, id: Option<u32>, role: &str, list: &mut Vec<u32>| match (
            wanted, id,
        ) {
            (None, _) => Ok(()),
            (Some(false), _) => {
                list.clear();
                Ok(())
            }
            (Some(true), Some(id)) => {
                *list = vec![id];
                Ok(())
            }
            (Some(true), None) => Err(LmError::Tokenizer {
                what: format!("tokenizer_config.json wants a {role} token added and names none"),
            }),
        };
        switch(settings.add_bos, bos, "start", &mut self.roles.prefix)?;
        switch(settings.add_eos, eos, "end", &mut self.roles.suffix)
    }

    /// Adds end tokens that another file of the model names.
    pub(crate) fn add_ends(&mut self, ids: &[u32]) -> Result<(), LmError> {
        for id in ids {
            if *id as usize >= self.size {
                return Err(LmError::Tokenizer {
                    what: format!("end token {id}; expected an id below {}", self.size),
                });
            }
            if !self.roles.eos.contains(id) {
                self.roles.eos.push(*id);
            }
        }
        Ok(())
    }

    /// Takes start and padding tokens from another file of the model where the tokenizer's own files are silent.
    pub(crate) fn fill_roles(&mut self, bos: Option<u32>, pad: Option<u32>) {
        let known = |id: &u32| (*id as usize) < self.size;
        self.roles.bos = self.roles.bos.or(bos.filter(known));
        self.roles.pad = self.roles.pad.or(pad.filter(known));
    }

    /// The tokens of a text in which names of control tokens mean the tokens; `add_special` puts the model's start and end
    /// tokens around, as the model's own files say.
    ///
    /// # Errors
    /// [`LmError::Tokenizer`] if a part of the text has no token and the vocabulary has none for the unknown.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, LmError> {
        let body = self.ids(text, Names::AreTokens)?;
        if !add_special {
            return Ok(body);
        }
        Ok([self.roles.prefix.as_slice(), &body, &self.roles.suffix].concat())
    }

    /// The tokens of a text in which names of control tokens are ordinary text; nothing is put around.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>, LmError> {
        self.ids(text, Names::AreText)
    }

    /// As [`Tokenizer::encode`], each token with the range of bytes of `text` that it stands for. Tokens put around have empty
    /// ranges; tokens that share the bytes of one character all have the whole character's range.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_with_offsets(
        &self,
        text: &str,
        add_special: bool,
    ) -> Result<Vec<(u32, Range<usize>)>, LmError> {
        let body = match &self.engine {
            Engine::Fast(fast) => fast.spans(text, Names::AreTokens)?,
            Engine::Scores(scores) => scores.spans(text, Names::AreTokens)?,
        };
        if !add_special {
            return Ok(body);
        }
        let end = text.len();
        let before = self.roles.prefix.iter().map(|id| (*id, 0..0));
        let after = self.roles.suffix.iter().map(|id| (*id, end..end));
        Ok(before.chain(body).chain(after).collect())
    }

    fn ids(&self, text: &str, names: Names) -> Result<Vec<u32>, LmError> {
        match &self.engine {
            Engine::Fast(fast) => fast.ids(text, names),
            Engine::Scores(scores) => Ok(scores
                .spans(text, names)?
                .into_iter()
                .map(|(id, _)| id)
                .collect()),
        }
    }

    /// The text of tokens; `skip_special` leaves control tokens out. Bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// [`LmError::Tokenizer`] for an id outside the vocabulary.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, LmError> {
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.size) {
            return Err(LmError::Tokenizer {
                what: format!("token {id}; expected an id below {}", self.size),
            });
        }
        match &self.engine {
            Engine::Fast(fast) => fast.decode(ids, skip_special),
            Engine::Scores(scores) => Ok(scores.decode(ids, skip_special)),
        }
    }

    /// A decoder that takes one token at a time and gives out whole characters only.
    #[must_use]
    pub fn decode_stream(&self, skip_special: bool) -> DecodeStream<'_> {
        DecodeStream::new(self, &[], skip_special)
    }

    /// As [`Tokenizer::decode_stream`], for tokens that continue `context`: some vocabularies drop the space at the start of a
    /// text, which must stay when the text goes on.
    #[must_use]
    pub fn decode_stream_after(&self, context: &[u32], skip_special: bool) -> DecodeStream<'_> {
        DecodeStream::new(self, context, skip_special)
    }

    /// The name of a token, as the file writes it (byte-level vocabularies write a space as `Ġ`).
    #[must_use]
    pub fn token(&self, id: u32) -> Option<String> {
        match &self.engine {
            Engine::Fast(fast) => fast.token(id),
            Engine::Scores(scores) => scores.token(id),
        }
    }

    /// The id of a token by its name.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        match &self.engine {
            Engine::Fast(fast) => fast.id(token),
            Engine::Scores(scores) => scores.id(token),
        }
    }

    /// Whether a token is a control token, which [`Tokenizer::decode`] can leave out.
    #[must_use]
    pub fn is_special(&self, id: u32) -> bool {
        match &self.engine {
            Engine::Fast(fast) => fast.is_special(id),
            Engine::Scores(scores) => scores.is_special(id),
        }
    }

    /// The highest id plus one.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.size
    }

    /// The tokens that [`Tokenizer::encode`] puts before a text when asked for the model's special tokens.
    #[must_use]
    pub fn prefix(&self) -> &[u32] {
        &self.roles.prefix
    }

    /// A name for exactly this vocabulary and the tokens put around texts: SHA-256 in hexadecimal. Two tokenizers with the same names of tokens that split
    /// texts by other rules have one name.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for id in 0..self.size as u32 {
            let name = self.token(id).unwrap_or_default();
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
        }
        hash.update(format!("{:?}", self.roles).as_bytes());
        let digest = hash.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The token that starts a text, if the model has one.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        self.roles.bos
    }

    /// All tokens that end a text or a turn; the model's own end token first.
    #[must_use]
    pub fn eos(&self) -> &[u32] {
        &self.roles.eos
    }

    /// The token for filling short rows, if the model names one.
    #[must_use]
    pub fn pad(&self) -> Option<u32> {
        self.roles.pad
    }

    /// Checks that a model's embedding has a row for every token.
    ///
    /// # Errors
    /// [`LmError::Tokenizer`] if it has fewer rows than there are tokens.
    pub fn check_fits(&self, rows: usize) -> Result<(), LmError> {
        if self.size > rows {
            let what = format!(
                "{} tokens for a model with {rows} embedding rows; expected at most as many",
                self.size
            );
            return Err(LmError::Tokenizer { what });
        }
        Ok(())
    }

    /// Byte ranges in which the names of control tokens stand, and which token each is.
    pub(crate) fn special_names(&self, text: &str) -> Vec<Span> {
        match &self.engine {
            Engine::Fast(fast) => fast.special_names(text),
            Engine::Scores(scores) => scores.special_names(text),
        }
    }

    /// Ids of all control tokens, ascending.
    #[must_use]
    pub fn specials(&self) -> Vec<u32> {
        let ids: BTreeSet<u32> = match &self.engine {
            Engine::Fast(fast) => fast.specials(),
            Engine::Scores(scores) => scores.specials(),
        };
        ids.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
