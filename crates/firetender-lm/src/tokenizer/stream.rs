//! Decoding while tokens arrive.

use super::Tokenizer;
use crate::LmError;

/// What is held of a context: enough to know that the text goes on.
const CONTEXT: usize = 8;

/// Takes tokens one by one and gives out text as soon as it is whole characters.
///
/// All pieces together are what [`Tokenizer::decode`] makes of all tokens together.
///
/// ```
/// # use firetender_lm::Tokenizer;
/// # let json = br#"{"version": "1.0", "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
/// #     "use_regex": true}, "model": {"type": "BPE", "vocab": {"\u00c3": 0, "\u00a9": 1, "a": 2}, "merges": []}}"#;
/// # let tokenizer = Tokenizer::from_bytes(json, None)?;
/// // `é` is two bytes, and here each byte is a token.
/// let mut stream = tokenizer.decode_stream(true);
/// assert_eq!(stream.push(2)?, "a");
/// assert_eq!(stream.push(0)?, "");
/// assert_eq!(stream.push(1)?, "é");
/// assert_eq!(stream.finish()?, "");
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
#[derive(Clone, Debug)]
pub struct DecodeStream<'a> {
    tokenizer: &'a Tokenizer,
    skip_special: bool,
    /// Tokens whose text was given out and that the next ones are decoded behind, then tokens not yet given out.
    window: Vec<u32>,
    /// How many of the window were given out.
    given: usize,
}

impl<'a> DecodeStream<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer, context: &[u32], skip_special: bool) -> Self {
        let window = context[context.len().saturating_sub(CONTEXT)..].to_vec();
        Self {
            tokenizer,
            skip_special,
            given: window.len(),
            window,
        }
    }

    /// The text that is certain after this token; empty while a character is incomplete.
    ///
    /// # Errors
    /// [`LmError::Tokenizer`] for an id outside the vocabulary.
    pub fn push(&mut self, id: u32) -> Result<String, LmError> {
        self.window.push(id);
        let text = match self.pending() {
            Ok(text) => text,
            Err(error) => {
                self.window.pop();
                return Err(error);
            }
        };
        // U+FFFD at the end: the rest of a character may still come.
        if text.is_empty() || text.ends_with('\u{FFFD}') {
            return Ok(String::new());
        }
        self.window.drain(..self.given);
        self.given = self.window.len();
        Ok(text)
    }

    /// What is left when no more tokens come, incomplete characters as U+FFFD.
    ///
    /// # Errors
    /// As [`DecodeStream::push`].
    pub fn finish(self) -> Result<String, LmError> {
        self.pending()
    }

    /// Text of the window that was not given out.
    fn pending(&self) -> Result<String, LmError> {
        let before = self
            .tokenizer
            .decode(&self.window[..self.given], self.skip_special)?;
        let all = self.tokenizer.decode(&self.window, self.skip_special)?;
        Ok(all.get(before.len()..).unwrap_or_default().to_string())
    }
}
