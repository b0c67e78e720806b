//! Whether generated text is broken.
//!
//! Steering that is too strong makes a model repeat itself. Two old and robust signs of that: the share of distinct words and
//! word pairs (distinct-n, Li et al. 2016, arXiv 1510.03055), and how far the text shrinks when it is compressed. Ordinary
//! English of some hundred bytes shrinks to about two thirds; a loop shrinks to a tenth. Short texts are all distinct and hardly shrink: compare
//! texts of similar length.

use std::{collections::BTreeSet, io::Write};

use flate2::{Compression, write::ZlibEncoder};
use serde::{Deserialize, Serialize};

/// One text's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextFluency {
    /// Number of words (runs of characters other than blanks).
    pub words: usize,
    /// Distinct words over words; `None` for no words.
    pub distinct_1: Option<f64>,
    /// Distinct pairs of neighbours over pairs; `None` for fewer than two words.
    pub distinct_2: Option<f64>,
    /// Bytes over compressed bytes (zlib, level 9): large is repetitive. `None` for an empty text.
    pub compression: Option<f64>,
}

impl TextFluency {
    /// Measures a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        Self {
            words: words.len(),
            distinct_1: distinct(&words, 1),
            distinct_2: distinct(&words, 2),
            compression: compression(text),
        }
    }
}

/// The numbers of some texts, in order.
///
/// ```
/// use firetender_steer::Fluency;
/// let fine = Fluency::of(&["The cat sat on the mat while rain fell over the quiet town."]);
/// let broken = Fluency::of(&["joy joy joy joy joy joy joy joy joy joy joy joy joy joy joy"]);
/// assert!(fine.distinct_2().unwrap() == 1.0 && broken.distinct_2().unwrap() < 0.1);
/// assert!(broken.compression().unwrap() > 2.0 * fine.compression().unwrap());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fluency {
    /// Each text's part.
    pub texts: Vec<TextFluency>,
}

impl Fluency {
    /// Measures some texts.
    #[must_use]
    pub fn of<S: AsRef<str>>(texts: &[S]) -> Self {
        let texts = texts.iter().map(|text| TextFluency::of(text.as_ref()));
        Self {
            texts: texts.collect(),
        }
    }

    /// Takes in further texts.
    pub fn merge(&mut self, other: Self) {
        self.texts.extend(other.texts);
    }

    /// Mean share of distinct words, over texts that have any.
    #[must_use]
    pub fn distinct_1(&self) -> Option<f64> {
        mean(self.texts.iter().filter_map(|t| t.distinct_1))
    }

    /// Mean share of distinct word pairs, over texts that have any.
    #[must_use]
    pub fn distinct_2(&self) -> Option<f64> {
        mean(self.texts.iter().filter_map(|t| t.distinct_2))
    }

    /// Mean ratio of compression, over texts that are not empty.
    #[must_use]
    pub fn compression(&self) -> Option<f64> {
        mean(self.texts.iter().filter_map(|t| t.compression))
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, n), x| (sum + x, n + 1));
    (count > 0).then(|| sum / count as f64)
}

fn distinct(words: &[String], n: usize) -> Option<f64> {
    let total = (words.len() + 1)
        .checked_sub(n)
        .filter(|total| *total > 0)?;
    let different: BTreeSet<&[String]> = words.windows(n).collect();
    Some(different.len() as f64 / total as f64)
}

fn compression(text: &str) -> Option<f64> {
    if text.is_empty() {
        return None;
    }
    let mut encoder = ZlibEncoder::new(vec![], Compression::best());
    encoder.write_all(text.as_bytes()).ok()?;
    Some(text.len() as f64 / encoder.finish().ok()?.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_defined_and_states_merge() {
        assert_eq!(TextFluency::of(""), TextFluency::default());
        let one = TextFluency::of("Word");
        assert_eq!(
            (one.words, one.distinct_1, one.distinct_2),
            (1, Some(1.0), None)
        );
        let text = TextFluency::of("a b A b a");
        assert_eq!((text.distinct_1, text.distinct_2), (Some(0.4), Some(0.5)));
        let mut all = Fluency::of(&["a b"]);
        all.merge(Fluency::of(&["a a", ""]));
        assert_eq!(all, Fluency::of(&["a b", "a a", ""]));
        assert_eq!(
            (all.distinct_1(), Fluency::default().distinct_1()),
            (Some(0.75), None)
        );
    }
}
