//! The trained model, as it is built into this crate.

use firetender_lm::{Checkpoint, LmError};

const CONFIG: &[u8] = include_bytes!("../assets/config.json");
const WEIGHTS: &[u8] = include_bytes!("../assets/model.safetensors");
const TOKENIZER: &[u8] = include_bytes!("../assets/tokenizer.json");
const TOKENIZER_CONFIG: &[u8] = include_bytes!("../assets/tokenizer_config.json");

/// Opens the published Ember: its configuration, weights (16-bit floats), tokenizer and chat template. Nothing is fetched and no
/// file is read. How it was made and what it can do is in its model card, `assets/README.md`.
///
/// # Errors
/// None for the files as published; the type is that of every [`Checkpoint`].
///
/// ```
/// use burn::tensor::Device;
/// use firetender_lm::{CausalLm, Transformer};
///
/// let checkpoint = firetender_ember::checkpoint()?;
/// let model = Transformer::load(&checkpoint.config, checkpoint.source.as_ref(), checkpoint.layout(), &Device::flex())?;
/// assert_eq!(model.shape().layers, 4);
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
pub fn checkpoint() -> Result<Checkpoint, LmError> {
    Checkpoint::from_bytes("ember", CONFIG, WEIGHTS, TOKENIZER, TOKENIZER_CONFIG)
}

#[cfg(test)]
mod tests {
    use crate::tokenizer;

    #[test]
    fn the_published_tokenizer_is_the_one_that_the_corpus_gives() {
        let corpus = crate::Corpus::new(7, crate::Split::Train);
        let again = tokenizer::train(&corpus, 20_000, tokenizer::VOCABULARY).unwrap();
        let again = tokenizer::to_json(&again).unwrap();
        assert!(
            again.as_bytes() == super::TOKENIZER,
            "the corpus or the tokenizer's training changed; train Ember again"
        );
    }

    #[test]
    fn it_opens() {
        let checkpoint = super::checkpoint().unwrap();
        assert_eq!(checkpoint.config.vocab_size, tokenizer::VOCABULARY);
        assert!(checkpoint.chat.is_some());
    }
}
