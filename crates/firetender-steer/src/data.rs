//! Files of texts in the shapes that the field uses, read strictly.
//!
//! [`Records::read`] tells the shape of a file by the keys of its first record (or the header of a CSV file, or that it is a
//! plain list) and then holds every record to it: an unknown or missing key is an error with file and line, never a silently
//! ignored column. What comes out is text. [`Records::pairs`] makes named pairs of it where a shape holds both sides;
//! [`crate::TextPairs::encode`] turns these into tokens by an explicit template.
//!
//! Files are hostile until parsed: 64 MiB a file, 1 MiB a record and a million records are the most that is read.

mod parse;
mod rows;
mod split;

use std::path::Path;

pub use rows::{
    AnswerPair, Choices, Instruction, Labelled, Output, Problem, PromptPair, Question, Refusal,
    Sentence, Suggestion, Utterance,
};

pub(crate) use split::shuffled;

use crate::{SteerError, TextPairs};

/// The records of one file, by shape.
///
/// ```
/// use firetender_steer::Records;
/// let text = "{\"question\": \"Stop?\", \"answer_matching_behavior\": \" (A)\", \"answer_not_matching_behavior\": \" (B)\"}\n";
/// let records = Records::parse(text, "ab.jsonl").unwrap();
/// assert_eq!((records.len(), records.shape()), (1, "behaviour questions"));
/// let pairs = records.pairs(0).unwrap();
/// assert_eq!((pairs.toward(), pairs.pairs()[0].0.answer.as_str()), ("matching", " (A)"));
/// let unknown = Records::parse("{\"question\": \"a\", \"colour\": \"b\"}", "x.jsonl").unwrap_err();
/// assert!(unknown.to_string().contains("x.jsonl, line 1") && unknown.to_string().contains("colour"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Records {
    /// Plain texts: a JSON list of strings, or one text a line.
    Texts(Vec<String>),
    /// `concept`, `sentence`.
    Sentences(Vec<Sentence>),
    /// `category`, `question` and perhaps `jailbreak`.
    Questions(Vec<Question>),
    /// `question`, `decline_answer`, `respond_answer`.
    Refusals(Vec<Refusal>),
    /// `question`, `answer_matching_behavior`, `answer_not_matching_behavior`: letters or whole answers.
    Behaviours(Vec<AnswerPair>),
    /// `bad_prompt`, `good_prompt`.
    PromptPairs(Vec<PromptPair>),
    /// `original_question`, `biased_question`, `ground_truth`, `biased_option`, `original_dataset`.
    Suggestions(Vec<Suggestion>),
    /// `instruction`, `input`, `output`: one text, or a good and a bad one.
    Instructions(Vec<Instruction>),
    /// A CSV file of texts and labels: `statement,label`, or those of `XSTest`.
    Labelled(Vec<Labelled>),
    /// `question`, `answer`: problems with one worked answer.
    Problems(Vec<Problem>),
    /// `question`, `mc0_targets`, `mc1_targets`, `mc2_targets`: TruthfulQA's choices.
    Choices(Vec<Choices>),
}

impl Records {
    /// Reads a file.
    ///
    /// # Errors
    /// [`SteerError::Io`]; [`SteerError::Data`] with the line for what does not fit.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, SteerError> {
        let path = path.as_ref();
        Self::parse(&parse::text(path)?, &path.display().to_string())
    }

    /// Reads a text; `name` is the file's name in errors, and its extension `.csv` means comma-separated values.
    ///
    /// # Errors
    /// [`SteerError::Data`].
    pub fn parse(text: &str, name: &str) -> Result<Self, SteerError> {
        parse::records(text, name)
    }

    /// Number of records; never 0 for a file that was read.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Texts(rows) => rows.len(),
            Self::Sentences(rows) => rows.len(),
            Self::Questions(rows) => rows.len(),
            Self::Refusals(rows) => rows.len(),
            Self::Behaviours(rows) => rows.len(),
            Self::PromptPairs(rows) => rows.len(),
            Self::Suggestions(rows) => rows.len(),
            Self::Instructions(rows) => rows.len(),
            Self::Labelled(rows) => rows.len(),
            Self::Problems(rows) => rows.len(),
            Self::Choices(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the shape is called.
    #[must_use]
    pub fn shape(&self) -> &'static str {
        match self {
            Self::Texts(_) => "texts",
            Self::Sentences(_) => "concept sentences",
            Self::Questions(_) => "questions",
            Self::Refusals(_) => "refusal pairs",
            Self::Behaviours(_) => "behaviour questions",
            Self::PromptPairs(_) => "prompt pairs",
            Self::Suggestions(_) => "suggested answers",
            Self::Instructions(_) => "instructions",
            Self::Labelled(_) => "labelled texts",
            Self::Problems(_) => "problems",
            Self::Choices(_) => "multiple choice",
        }
    }

    /// The text that would be given to a model, one a record: sentence, question (with its jailbreak before it), statement or
    /// instruction. For prompt pairs these are the good prompts.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::Texts(rows) => rows.clone(),
            Self::Sentences(rows) => rows.iter().map(|r| r.sentence.clone()).collect(),
            Self::Questions(rows) => rows.iter().map(Question::text).collect(),
            Self::Refusals(rows) => rows.iter().map(|r| r.question.clone()).collect(),
            Self::Behaviours(rows) => rows.iter().map(|r| r.question.clone()).collect(),
            Self::PromptPairs(rows) => rows.iter().map(|r| r.good_prompt.clone()).collect(),
            Self::Suggestions(rows) => rows.iter().map(Suggestion::text).collect(),
            Self::Instructions(rows) => rows.iter().map(Instruction::text).collect(),
            Self::Labelled(rows) => rows.iter().map(|r| r.text.clone()).collect(),
            Self::Problems(rows) => rows.iter().map(|r| r.question.clone()).collect(),
            Self::Choices(rows) => rows.iter().map(|r| r.question.clone()).collect(),
        }
    }

    /// For each record the group it belongs to (concept, category, type), numbered from 0 in order of appearance; records of
    /// shapes without groups are groups of their own. Intervals have to draw whole groups, since texts made from one template
    /// are not independent: see [`crate::Bootstrap::clustered_ratio`].
    #[must_use]
    pub fn clusters(&self) -> Vec<usize> {
        let names: Vec<&str> = match self {
            Self::Sentences(rows) => rows.iter().map(|r| r.concept.as_str()).collect(),
            Self::Questions(rows) => rows.iter().map(|r| r.category.as_str()).collect(),
            Self::Labelled(rows) if rows.iter().all(|r| r.category.is_some()) => {
                rows.iter().filter_map(|r| r.category.as_deref()).collect()
            }
            _ => return (0..self.len()).collect(),
        };
        let mut known: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
        names
            .into_iter()
            .map(|name| {
                let next = known.len();
                *known.entry(name).or_insert(next)
            })
            .collect()
    }

    /// Pairs of a text toward one class and one away from it, for shapes that hold both sides:
    ///
    /// | shape | toward | away |
    /// |---|---|---|
    /// | refusal pairs | `decline` | `respond` |
    /// | behaviour questions | `matching` | `not matching` |
    /// | prompt pairs, instructions with two outputs | `good` | `bad` |
    /// | suggested answers | `biased` | `truth` |
    /// | multiple choice | `true` | `false` |
    /// | labelled texts | label `1`, `true` or `unsafe` | the other label |
    /// | concept sentences of two concepts | the first concept | the second |
    ///
    /// Where the sides are lists and no pairs, both are shuffled with `seed` and paired up; the longer one loses its surplus.
    ///
    /// # Errors
    /// [`SteerError::Data`] for shapes with one side only, more than two labels or concepts, or an empty side.
    pub fn pairs(&self, seed: u64) -> Result<TextPairs, SteerError> {
        rows::pairs(self, seed)
    }
}
