//! Effects that are read off generated text.

use std::ops::ControlFlow;

use firetender_hooks::Intervene;
use firetender_lm::{CausalLm, GenerateOptions, Tokenizer, generate};

use super::{Effect, logits::check_prompts};
use crate::SteerError;

/// How often words of two lists occur in some texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WordCounts {
    /// Words of the first list.
    pub positive: usize,
    /// Words of the second list.
    pub negative: usize,
    /// All words.
    pub words: usize,
}

impl WordCounts {
    /// `log((positive + ½) / (negative + ½))`: 0 is balance, and a list that never occurs does not give infinity.
    #[must_use]
    pub fn log_odds(&self) -> f64 {
        ((self.positive as f64 + 0.5) / (self.negative as f64 + 0.5)).ln()
    }

    /// Occurrences of the two lists per 100 words; zeros for no words.
    #[must_use]
    pub fn per_100_words(&self) -> [f64; 2] {
        let per = 100.0 / self.words.max(1) as f64;
        [self.positive as f64 * per, self.negative as f64 * per]
    }

    /// Takes in the counts of further texts.
    pub fn merge(&mut self, other: Self) {
        self.positive += other.positive;
        self.negative += other.negative;
        self.words += other.words;
    }
}

/// Counts words of two lists in a text. A word is a run of letters, digits and apostrophes; case does not matter, and only whole
/// words count.
///
/// ```
/// use firetender_steer::word_counts;
/// let counts = word_counts("Happy days! She was happy, not unhappy or sad.", &["happy", "glad"], &["sad"]);
/// assert_eq!((counts.positive, counts.negative, counts.words), (2, 1, 9));
/// assert!((counts.log_odds() - (2.5f64 / 1.5).ln()).abs() < 1e-12);
/// ```
#[must_use]
pub fn word_counts<P: AsRef<str>, N: AsRef<str>>(
    text: &str,
    positive: &[P],
    negative: &[N],
) -> WordCounts {
    let text = text.to_lowercase();
    let words = text
        .split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’'))
        .map(|word| word.trim_matches(['\'', '’']))
        .filter(|word| !word.is_empty());
    let mut counts = WordCounts::default();
    for word in words {
        counts.words += 1;
        let is = |listed: &str| listed.to_lowercase() == word;
        counts.positive += usize::from(positive.iter().any(|p| is(p.as_ref())));
        counts.negative += usize::from(negative.iter().any(|n| is(n.as_ref())));
    }
    counts
}

/// Log-odds of two word lists in text that the model writes: each prompt is continued, and its number is
/// [`WordCounts::log_odds`] of the continuation. Repeat a prompt, with a sampling temperature, for more than one text of it.
#[derive(Debug)]
pub struct FreeText<'a> {
    tokenizer: &'a Tokenizer,
    prompts: Vec<Vec<u32>>,
    options: GenerateOptions,
    positive: Vec<String>,
    negative: Vec<String>,
}

impl<'a> FreeText<'a> {
    /// Continues each prompt as `options` say, and counts words of the two lists. Use lists that had no part in making the
    /// direction.
    ///
    /// # Errors
    /// [`SteerError::Input`] when there are no prompts, one is empty, a list is empty, or a word stands in both.
    pub fn new(
        tokenizer: &'a Tokenizer,
        prompts: Vec<Vec<u32>>,
        options: GenerateOptions,
        positive: Vec<String>,
        negative: Vec<String>,
    ) -> Result<Self, SteerError> {
        check_prompts(&prompts)?;
        let fail = |what: String| Err(SteerError::Input { what });
        if positive.is_empty() || negative.is_empty() {
            return fail("a word list is empty".into());
        }
        if let Some(word) = positive.iter().find(|word| negative.contains(word)) {
            return fail(format!("`{word}` stands in both word lists"));
        }
        Ok(Self {
            tokenizer,
            prompts,
            options,
            positive,
            negative,
        })
    }

    /// The continuations.
    ///
    /// # Errors
    /// Whatever generation reports.
    pub fn texts(
        &self,
        model: &dyn CausalLm,
        hook: &mut dyn Intervene,
    ) -> Result<Vec<String>, SteerError> {
        let written = generate(
            model,
            Some(self.tokenizer),
            &self.prompts,
            &self.options,
            hook,
            &mut |_| ControlFlow::Continue(()),
        )?;
        Ok(written.into_iter().map(|one| one.text).collect())
    }

    /// Counts in one text.
    #[must_use]
    pub fn counts(&self, text: &str) -> WordCounts {
        word_counts(text, &self.positive, &self.negative)
    }
}

impl Effect for FreeText<'_> {
    fn measure(
        &self,
        model: &dyn CausalLm,
        hook: &mut dyn Intervene,
    ) -> Result<Vec<f64>, SteerError> {
        let texts = self.texts(model, hook)?;
        Ok(texts
            .iter()
            .map(|text| self.counts(text).log_odds())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_count_whatever_their_case() {
        let count = |text: &str| word_counts(text, &["Joy", "can't"], &["gloom"]);
        assert_eq!(count("").words, 0);
        assert_eq!(count("").log_odds(), 0.0);
        assert_eq!(count("JOY joyful enjoy 'joy'").positive, 2);
        assert_eq!(count("I can't, gloom-gloom").positive, 1);
        assert_eq!(count("I can't, gloom-gloom").negative, 2);
        assert_eq!(count("joy, a b c").per_100_words(), [25.0, 0.0]);
        let mut sum = count("joy");
        sum.merge(count("gloom it is"));
        assert_eq!((sum.positive, sum.negative, sum.words), (1, 1, 4));
    }
}
