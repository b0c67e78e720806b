//! Documents as token ids: what a training loop reads.
//!
//! [`encode`] renders one document, [`stream`] lays many end to end for training on windows of a fixed length.

use serde::{Deserialize, Serialize};
use tokenizers::Tokenizer;

use crate::chat::{ASSISTANT, BOS, END, EOS, SPECIAL_TOKENS, USER};
use crate::corpus::Corpus;
use crate::document::{Body, Document, Role};
use crate::error::EmberError;
use crate::tokenizer::refused;

/// Which tokens a model is trained to predict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Targets {
    /// Every token but the first of a document.
    #[default]
    All,
    /// Plain text, and in chats only the answers with their `<|end|>`.
    Answers,
}

/// Token ids and, for each, whether it is a target (to be predicted from those before it).
///
/// ```
/// use firetender_ember::{Corpus, Split, Targets, render, tokenizer};
///
/// let corpus = Corpus::new(7, Split::Train);
/// let tokenizer = tokenizer::train(&corpus, 200, 400)?;
/// let stream = render::stream(&corpus, 0..50, &tokenizer, Targets::All)?;
/// let (inputs, targets, counts) = stream.window(0, 64).unwrap();
/// assert_eq!((inputs.len(), targets.len(), counts.len()), (64, 64, 64));
/// assert_eq!(inputs[1..], targets[..63]);
/// # Ok::<(), firetender_ember::EmberError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The tokens.
    pub ids: Vec<u16>,
    /// As long as [`ids`](Self::ids); never true for the first token of a document.
    pub targets: Vec<bool>,
}

impl Rendered {
    fn push(&mut self, id: u16, target: bool) {
        self.ids.push(id);
        self.targets.push(target);
    }

    /// How many whole windows of `length` inputs there are.
    #[must_use]
    pub fn windows(&self, length: usize) -> usize {
        self.ids
            .len()
            .saturating_sub(1)
            .checked_div(length)
            .unwrap_or(0)
    }

    /// Window `index` of `length` tokens: inputs, the token that follows each, and whether it counts. `None` beyond the end.
    #[must_use]
    pub fn window(&self, index: usize, length: usize) -> Option<(&[u16], &[u16], &[bool])> {
        if index >= self.windows(length) {
            return None;
        }
        let from = index * length;
        Some((
            &self.ids[from..from + length],
            &self.ids[from + 1..=from + length],
            &self.targets[from + 1..=from + length],
        ))
    }
}

/// One document with its markup: a plain text ends with `<|eos|>`, a chat with the `<|end|>` of its last answer.
///
/// # Errors
/// [`EmberError::SpecialToken`] or [`EmberError::TokenId`] when the tokenizer is not Ember's; [`EmberError::Tokenizer`] when the
/// library refuses a text.
pub fn encode(
    document: &Document,
    tokenizer: &Tokenizer,
    targets: Targets,
) -> Result<Rendered, EmberError> {
    encode_body(&document.body, tokenizer, targets)
}

/// The same for a text or chat that is no document of the corpus.
///
/// # Errors
/// As [`encode`].
pub fn encode_body(
    body: &Body,
    tokenizer: &Tokenizer,
    targets: Targets,
) -> Result<Rendered, EmberError> {
    let mut out = Rendered::default();
    append(&mut out, body, tokenizer, targets)?;
    Ok(out)
}

/// The documents of a range of indices, end to end.
///
/// # Errors
/// As [`encode`].
pub fn stream(
    corpus: &Corpus,
    documents: std::ops::Range<u64>,
    tokenizer: &Tokenizer,
    targets: Targets,
) -> Result<Rendered, EmberError> {
    let mut out = Rendered::default();
    for index in documents {
        append(&mut out, &corpus.document(index).body, tokenizer, targets)?;
    }
    Ok(out)
}

fn append(
    out: &mut Rendered,
    body: &Body,
    tokenizer: &Tokenizer,
    targets: Targets,
) -> Result<(), EmberError> {
    out.push(special(tokenizer, BOS)?, false);
    match body {
        Body::Plain(text) => {
            append_text(out, text, tokenizer, true)?;
            out.push(special(tokenizer, EOS)?, true);
        }
        Body::Chat(turns) => {
            for turn in turns {
                let (marker, counts) = match turn.role {
                    Role::User => (USER, targets == Targets::All),
                    Role::Assistant => (ASSISTANT, true),
                };
                out.push(special(tokenizer, marker)?, targets == Targets::All);
                append_text(out, &turn.text, tokenizer, counts)?;
                out.push(special(tokenizer, END)?, counts);
            }
        }
    }
    Ok(())
}

fn append_text(
    out: &mut Rendered,
    text: &str,
    tokenizer: &Tokenizer,
    target: bool,
) -> Result<(), EmberError> {
    let encoded = tokenizer
        .encode(text, false)
        .map_err(|e| refused("encoding a document", &*e))?;
    for &id in encoded.get_ids() {
        out.push(
            u16::try_from(id).map_err(|_| EmberError::TokenId { id })?,
            target,
        );
    }
    Ok(())
}

fn special(tokenizer: &Tokenizer, token: &'static str) -> Result<u16, EmberError> {
    let expected = SPECIAL_TOKENS.iter().position(|t| *t == token).unwrap_or(0) as u16;
    match tokenizer.token_to_id(token) {
        Some(id) if id == u32::from(expected) => Ok(expected),
        found => Err(EmberError::SpecialToken {
            token,
            expected: expected.into(),
            found,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Split;
    use crate::tokenizer::train;

    fn tokenizer() -> Tokenizer {
        train(&Corpus::new(1, Split::Train), 1000, 600).unwrap()
    }

    #[test]
    fn markup_surrounds_the_texts_and_every_id_is_in_the_vocabulary() {
        let tokenizer = tokenizer();
        for document in Corpus::new(2, Split::HeldOut).documents(500) {
            let rendered = encode(&document, &tokenizer, Targets::All).unwrap();
            assert_eq!(rendered.ids.len(), rendered.targets.len());
            assert_eq!(rendered.ids[0], 0);
            assert!(rendered.ids.iter().all(|&id| id < 600));
            assert!(!rendered.targets[0] && rendered.targets[1..].iter().all(|t| *t));
            let ids: Vec<u32> = rendered.ids.iter().map(|&id| id.into()).collect();
            let text = tokenizer.decode(&ids, false).unwrap();
            let expected = match &document.body {
                Body::Plain(text) => format!("<|bos|>{text}<|eos|>"),
                chat @ Body::Chat(_) => crate::chat::prompt_text(chat) + END,
            };
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn only_answers_count_when_asked_so() {
        let tokenizer = tokenizer();
        let body = Body::exchange("Who are you?", "I am Ember.");
        let document = Document::new(crate::Kind::SmallTalk, body);
        let rendered = encode(&document, &tokenizer, Targets::Answers).unwrap();
        let counted: Vec<u32> = (0..rendered.ids.len())
            .filter(|&i| rendered.targets[i])
            .map(|i| rendered.ids[i].into())
            .collect();
        assert_eq!(
            tokenizer.decode(&counted, false).unwrap(),
            "I am Ember.<|end|>"
        );
    }

    #[test]
    fn windows_cover_the_stream_without_overlap() {
        let tokenizer = tokenizer();
        let stream = stream(
            &Corpus::new(1, Split::Train),
            0..40,
            &tokenizer,
            Targets::All,
        )
        .unwrap();
        let length = 32;
        let mut seen = vec![stream.ids[0]];
        for index in 0..stream.windows(length) {
            let (inputs, targets, _) = stream.window(index, length).unwrap();
            assert_eq!(inputs[0], *seen.last().unwrap());
            seen.extend(targets);
        }
        assert_eq!(seen, stream.ids[..seen.len()]);
        assert!(stream.window(stream.windows(length), length).is_none());
        assert_eq!(stream.windows(0), 0);
        assert_eq!(Rendered::default().windows(8), 0);
    }

    #[test]
    fn another_tokenizer_is_refused() {
        let other = Tokenizer::new(tokenizers::models::bpe::BPE::default());
        let document = Document::new(crate::Kind::SmallTalk, Body::exchange("Hi", "Bye"));
        let error = encode(&document, &other, Targets::All).unwrap_err();
        assert!(error.to_string().contains("<|bos|>"), "{error}");
    }
}
