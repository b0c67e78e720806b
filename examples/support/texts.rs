//! Sets of texts: files that people write, and the sets that come with the examples.

use std::fs;

use crate::{Failure, fail};

/// Reads a set of texts: a JSON list of strings, or one text a line (empty lines are skipped).
///
/// # Errors
/// A file that cannot be read, is not UTF-8 text, holds other JSON, or no text at all.
pub fn read_texts(path: &str) -> Result<Vec<String>, Failure> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return fail(format!("{path}: {error}")),
    };
    let texts: Vec<String> = if text.trim_start().starts_with('[') {
        match serde_json::from_str(&text) {
            Ok(texts) => texts,
            Err(error) => {
                return fail(format!("{path}: expected a JSON list of strings ({error})"));
            }
        }
    } else {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    };
    match texts.iter().position(|text| text.trim().is_empty()) {
        Some(at) => fail(format!("{path}: text {at} is empty")),
        None if texts.is_empty() => fail(format!(
            "{path}: no texts; expected one a line, or a JSON list of strings"
        )),
        None => Ok(texts),
    }
}

/// The lines of a set that is compiled in.
#[must_use]
pub fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// The contrast sets and prompts in `examples/data`; its README says how they were made.
pub mod sets {
    /// Happy scenes.
    pub const MOOD_POSITIVE: &str = include_str!("../data/mood.positive.txt");
    /// Sad scenes.
    pub const MOOD_NEGATIVE: &str = include_str!("../data/mood.negative.txt");
    /// Everyday questions and requests.
    pub const BENIGN: &str = include_str!("../data/benign.txt");
    /// Beginnings that lean neither way.
    pub const NEUTRAL: &str = include_str!("../data/mood_neutral_prompts.txt");
    /// Held-out happy words.
    pub const HAPPY_WORDS: &str = include_str!("../data/happy_words.txt");
    /// Held-out sad words.
    pub const SAD_WORDS: &str = include_str!("../data/sad_words.txt");
}
