//! Where in a text a direction is read, as text and as data.
//!
//! The last token of a prompt knows the question, the letter of an answer knows the choice, and the mean over an answer knows
//! its tone: directions read at different places are different directions. So the place has a name, which is kept with the
//! vector.

use std::{fmt, ops::Range, str::FromStr, sync::Arc};

use firetender_hooks::{Phase, ReadAt};
use serde::{Deserialize, Serialize};

use crate::SteerError;

/// A place in each text. As text: `last`, `last_prompt`, `answer` (its first token), `answer:1`, `answer:-2` (from its end; the
/// letter of `(A)`), `mean_answer`, `mean`, `index:3`, `index:-1` (from the end), `range:2..5`, `range:-4..-1` (means), `each`.
///
/// ```
/// use firetender_steer::ReadPosition;
/// assert_eq!("answer:-2".parse::<ReadPosition>().unwrap(), ReadPosition::Answer(-2));
/// assert_eq!(ReadPosition::Range(-4, -1).to_string(), "range:-4..-1");
/// assert!("range:5..2".parse::<ReadPosition>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum ReadPosition {
    /// The last token.
    #[default]
    Last,
    /// The last token of the prompt, before any answer.
    LastPrompt,
    /// A token of the answer, counted from 0, or from its end if negative.
    Answer(i64),
    /// Mean over the answer.
    MeanAnswer,
    /// Mean over all tokens.
    Mean,
    /// A token counted from 0, or from the end if negative.
    Index(i64),
    /// Mean over a range of tokens; both ends count from the end if negative, and the second is not included.
    Range(i64, i64),
    /// Every token: for streaming means only, where each counts once.
    Each,
}

/// From a row's ids and the length of its prompt, which positions to take the mean of.
pub(crate) type ByIds = Arc<dyn Fn(&[u32], usize) -> Range<usize> + Send + Sync>;

/// What an extractor reads by.
#[derive(Clone)]
pub(crate) enum Rule {
    /// A rule on tokens.
    Tokens(ReadAt),
    /// A rule on whole rows.
    Rows(ByIds),
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tokens(read) => write!(f, "{read:?}"),
            Self::Rows(_) => f.write_str("a rule on rows"),
        }
    }
}

impl Rule {
    /// The rule for one batch of rows.
    pub(crate) fn at(&self, rows: &[Vec<u32>], prompt_lens: &[usize]) -> ReadAt {
        match self {
            Self::Tokens(read) => read.clone(),
            Self::Rows(rule) => {
                let chosen: Vec<Range<usize>> = rows
                    .iter()
                    .zip(prompt_lens)
                    .map(|(row, prompt)| rule(row, *prompt))
                    .collect();
                ReadAt::mean_where(move |token| chosen[token.row].contains(&token.position))
            }
        }
    }
}

/// `index` from the front, or from the back of `len` if negative; out of range is an empty place.
fn counted(index: i64, len: usize) -> usize {
    let place = if index < 0 { index + len as i64 } else { index };
    usize::try_from(place).unwrap_or(usize::MAX)
}

impl ReadPosition {
    pub(crate) fn rule(self) -> Rule {
        let rows = |rule: ByIds| Rule::Rows(rule);
        match self {
            Self::Last => Rule::Tokens(ReadAt::LastToken),
            Self::LastPrompt => Rule::Tokens(ReadAt::LastPrompt),
            Self::Each => Rule::Tokens(ReadAt::Each),
            Self::Mean => Rule::Tokens(ReadAt::mean()),
            Self::MeanAnswer => Rule::Tokens(ReadAt::mean_where(|t| t.phase() == Phase::Generated)),
            Self::Answer(index) => rows(Arc::new(move |row, prompt| {
                let place = counted(index, row.len() - prompt).saturating_add(prompt);
                place..place.saturating_add(1)
            })),
            Self::Index(index) => rows(Arc::new(move |row, _| {
                let place = counted(index, row.len());
                place..place.saturating_add(1)
            })),
            Self::Range(start, end) => rows(Arc::new(move |row, _| {
                let end = if end < 0 {
                    counted(end, row.len())
                } else {
                    counted(end, 0)
                };
                counted(start, row.len())..end.min(row.len())
            })),
        }
    }
}

impl fmt::Display for ReadPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last => f.write_str("last"),
            Self::LastPrompt => f.write_str("last_prompt"),
            Self::Answer(index) => write!(f, "answer:{index}"),
            Self::MeanAnswer => f.write_str("mean_answer"),
            Self::Mean => f.write_str("mean"),
            Self::Index(index) => write!(f, "index:{index}"),
            Self::Range(start, end) => write!(f, "range:{start}..{end}"),
            Self::Each => f.write_str("each"),
        }
    }
}

impl FromStr for ReadPosition {
    type Err = SteerError;

    fn from_str(text: &str) -> Result<Self, SteerError> {
        let fail = || SteerError::Input {
            what: format!(
                "read position `{text}`; expected last, last_prompt, answer, answer:N, mean_answer, mean, index:N, range:A..B or each"
            ),
        };
        // Texts are never longer than this; it keeps sums of numbers from outside in range.
        let number = |part: &str| match part.parse::<i32>() {
            Ok(number) => Ok(i64::from(number)),
            Err(_) => Err(fail()),
        };
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        match (name.replace('-', "_").as_str(), argument) {
            ("last", None) => Ok(Self::Last),
            ("last_prompt", None) => Ok(Self::LastPrompt),
            ("answer", None) => Ok(Self::Answer(0)),
            ("answer", Some(index)) => Ok(Self::Answer(number(index)?)),
            ("mean_answer", None) => Ok(Self::MeanAnswer),
            ("mean", None) => Ok(Self::Mean),
            ("index", Some(index)) => Ok(Self::Index(number(index)?)),
            ("each", None) => Ok(Self::Each),
            ("range", Some(range)) => {
                let (start, end) = range.split_once("..").ok_or_else(fail)?;
                let (start, end) = (number(start)?, number(end)?);
                if (start < 0) == (end < 0) && start >= end {
                    return Err(fail());
                }
                Ok(Self::Range(start, end))
            }
            _ => Err(fail()),
        }
    }
}

impl TryFrom<String> for ReadPosition {
    type Error = SteerError;

    fn try_from(text: String) -> Result<Self, SteerError> {
        text.parse()
    }
}

impl From<ReadPosition> for String {
    fn from(position: ReadPosition) -> Self {
        position.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str, len: usize, prompt: usize) -> Range<usize> {
        let row: Vec<u32> = (0..len as u32).collect();
        match text.parse::<ReadPosition>().unwrap().rule() {
            Rule::Rows(rule) => rule(&row, prompt),
            Rule::Tokens(_) => panic!("{text}"),
        }
    }

    #[test]
    fn places_count_from_either_end_and_never_overflow() {
        assert_eq!(places("answer", 7, 4), 4..5);
        assert_eq!(places("answer:-2", 7, 4), 5..6);
        assert_eq!(places("index:-1", 7, 4), 6..7);
        assert_eq!(places("range:2..5", 7, 7), 2..5);
        assert_eq!(places("range:-3..-1", 7, 7), 4..6);
        assert_eq!(places("range:1..-1", 7, 7), 1..6);
        // Beyond the row: nothing is selected, which the extractor reports.
        for text in [
            "answer:3",
            "answer:-4",
            "index:-8",
            "index:7",
            "range:-9..-8",
        ] {
            let found = places(text, 7, 4);
            assert!(found.clone().all(|p| p >= 7), "{text} {found:?}");
        }
    }

    #[test]
    fn texts_round_trip_and_nonsense_is_refused() {
        for text in [
            "last",
            "last_prompt",
            "answer:0",
            "answer:-2",
            "mean_answer",
            "mean",
            "index:-1",
            "range:-4..-1",
            "each",
        ] {
            let position: ReadPosition = text.parse().unwrap();
            assert_eq!(position.to_string(), text);
            let json = serde_json::to_string(&position).unwrap();
            assert_eq!(
                serde_json::from_str::<ReadPosition>(&json).unwrap(),
                position
            );
        }
        assert_eq!(
            "last-prompt".parse::<ReadPosition>().unwrap(),
            ReadPosition::LastPrompt
        );
        for text in [
            "",
            "first",
            "answer:x",
            "index",
            "range:3",
            "range:3..3",
            "range:-1..-4",
            "index:99999999999",
        ] {
            assert!(text.parse::<ReadPosition>().is_err(), "{text}");
        }
    }
}
