//! Training of Ember's tokenizer: byte-level pairs (GPT-2's scheme) learned from the corpus.
//!
//! Byte level, so that any text can be encoded and decoded; about fifteen hundred tokens, so that the embedding of a model
//! below a million parameters stays small while nearly every word of the world is one token.

use std::collections::HashSet;

use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Tokenizer};

use crate::chat::{BOS, SPECIAL_TOKENS};
use crate::corpus::Corpus;
use crate::document::Body;
use crate::error::EmberError;

/// The vocabulary of the published model.
pub const VOCABULARY: usize = 1536;

/// Learns a tokenizer of `vocabulary` tokens from the first `documents` documents. Special tokens have the ids `0..6`, in the order of
/// [`SPECIAL_TOKENS`], the 256 bytes follow. Encoding with special tokens puts `<|bos|>` first. Same arguments, same tokenizer.
///
/// # Errors
/// [`EmberError::VocabularySize`] when the vocabulary cannot hold the bytes and the special tokens or needs more than 16 bits;
/// [`EmberError::Tokenizer`] when the library refuses.
///
/// ```
/// use firetender_ember::{Corpus, Split, tokenizer};
///
/// let tokenizer = tokenizer::train(&Corpus::new(7, Split::Train), 200, 400)?;
/// let encoded = tokenizer.encode("The sky is blue.", true).unwrap();
/// assert_eq!(encoded.get_ids()[0], 0);
/// # Ok::<(), firetender_ember::EmberError>(())
/// ```
pub fn train(corpus: &Corpus, documents: u64, vocabulary: usize) -> Result<Tokenizer, EmberError> {
    let bodies = corpus.documents(documents).map(|document| document.body);
    train_on(bodies, vocabulary)
}

/// The same from any texts and chats.
///
/// # Errors
/// As [`train`].
pub fn train_on(
    bodies: impl Iterator<Item = Body> + Send,
    vocabulary: usize,
) -> Result<Tokenizer, EmberError> {
    let (least, most) = (256 + SPECIAL_TOKENS.len(), usize::from(u16::MAX));
    if !(least..=most).contains(&vocabulary) {
        return Err(EmberError::VocabularySize {
            found: vocabulary,
            least,
            most,
        });
    }
    let special: Vec<AddedToken> = SPECIAL_TOKENS
        .iter()
        .map(|token| AddedToken::from(*token, true))
        .collect();
    let alphabet: HashSet<char> = ByteLevel::alphabet().into_iter().collect();
    let mut trainer: TrainerWrapper = BpeTrainerBuilder::new()
        .vocab_size(vocabulary)
        .min_frequency(2)
        .show_progress(false)
        .special_tokens(special)
        .initial_alphabet(alphabet)
        .build()
        .into();

    let mut tokenizer = Tokenizer::new(BPE::default());
    let bytes = ByteLevel::new(false, true, true);
    tokenizer
        .with_pre_tokenizer(Some(bytes))
        .with_decoder(Some(bytes));
    let texts = bodies.flat_map(|body| body.texts().map(str::to_owned).collect::<Vec<_>>());
    tokenizer
        .train(&mut trainer, texts)
        .map_err(|e| refused("training the tokenizer", &*e))?;

    let template = TemplateProcessing::builder()
        .try_single(format!("{BOS} $A"))
        .and_then(|builder| builder.try_pair(format!("{BOS} $A $B")))
        .map_err(|reason| EmberError::Tokenizer {
            doing: "writing the tokenizer's template",
            reason,
        })?
        .special_tokens(vec![(BOS, 0)])
        .build()
        .map_err(|e| refused("writing the tokenizer's template", &e))?;
    tokenizer.with_post_processor(Some(template));
    Ok(tokenizer)
}

/// The tokenizer as the text of a `tokenizer.json`.
///
/// # Errors
/// [`EmberError::Tokenizer`] when the library cannot write it.
pub fn to_json(tokenizer: &Tokenizer) -> Result<String, EmberError> {
    tokenizer
        .to_string(false)
        .map_err(|e| refused("writing tokenizer.json", &*e))
}

pub(crate) fn refused(
    doing: &'static str,
    reason: &(dyn std::error::Error + 'static),
) -> EmberError {
    EmberError::Tokenizer {
        doing,
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Split;

    #[test]
    fn training_is_deterministic() {
        let corpus = Corpus::new(1, Split::Train);
        let once = to_json(&train(&corpus, 1500, 700).unwrap()).unwrap();
        let twice = to_json(&train(&corpus, 1500, 700).unwrap()).unwrap();
        assert_eq!(once, twice);
    }

    #[test]
    fn special_tokens_come_first_and_the_size_is_as_asked() {
        let tokenizer = train(&Corpus::new(1, Split::Train), 1500, 700).unwrap();
        for (id, token) in SPECIAL_TOKENS.iter().enumerate() {
            assert_eq!(tokenizer.token_to_id(token), Some(id as u32));
        }
        assert_eq!(tokenizer.get_vocab_size(true), 700);
    }

    #[test]
    fn any_text_survives_a_round_trip() {
        let tokenizer = train(&Corpus::new(1, Split::Train), 500, 400).unwrap();
        for text in [
            "Once upon a time",
            "Größe 12 + 3 = 15\n\n  \"quoted\"",
            "狐 🦊 x",
            "",
        ] {
            let ids = tokenizer.encode(text, false).unwrap();
            assert_eq!(tokenizer.decode(ids.get_ids(), true).unwrap(), text);
        }
    }

    #[test]
    fn sizes_that_cannot_work_are_refused() {
        for size in [0, 261, 65_536] {
            let error = train(&Corpus::new(1, Split::Train), 1, size).unwrap_err();
            assert!(
                matches!(error, EmberError::VocabularySize { .. }),
                "{error}"
            );
        }
    }
}
