//! One record of each shape, and which pairs they make.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use super::{Records, split::shuffled};
use crate::{SteerError, Text, TextPairs};

/// A sentence about a concept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sentence {
    /// The concept.
    pub concept: String,
    /// The sentence.
    pub sentence: String,
}

/// A question of a category, perhaps with a jailbreak.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The category.
    pub category: String,
    /// The question.
    pub question: String,
    /// Text that is meant to make the model comply.
    #[serde(default)]
    pub jailbreak: Option<String>,
}

impl Question {
    pub(super) fn text(&self) -> String {
        match &self.jailbreak {
            Some(jailbreak) => format!("{jailbreak}\n{}", self.question),
            None => self.question.clone(),
        }
    }
}

/// A question with an answer that declines and one that does not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The question.
    pub question: String,
    /// The answer that declines.
    pub decline_answer: String,
    /// The answer that responds.
    pub respond_answer: String,
}

/// A question with an answer that shows a behaviour and one that does not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerPair {
    /// The question, choices included.
    pub question: String,
    /// A letter such as ` (A)`, or a whole answer.
    pub answer_matching_behavior: String,
    /// The other.
    pub answer_not_matching_behavior: String,
}

/// A prompt that brings out a behaviour and one that does not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptPair {
    /// The bad one.
    pub bad_prompt: String,
    /// The good one.
    pub good_prompt: String,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Utterance {
    /// What is said.
    pub content: String,
    /// Who says it, if that is written.
    #[serde(default)]
    pub role: Option<String>,
}

/// A question in which the asker suggests an answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suggestion {
    /// Without the suggestion.
    pub original_question: String,
    /// With it.
    pub biased_question: Vec<Utterance>,
    /// The right answer.
    pub ground_truth: String,
    /// The suggested answer.
    pub biased_option: String,
    /// Where the question comes from.
    pub original_dataset: String,
}

impl Suggestion {
    pub(super) fn text(&self) -> String {
        let turns: Vec<&str> = self
            .biased_question
            .iter()
            .map(|t| t.content.as_str())
            .collect();
        turns.join("\n")
    }
}

/// One answer, or a good and a bad one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "output: a text, or a list of a good and a bad text"
)]
pub enum Output {
    /// One answer.
    One(String),
    /// The good answer, then the bad one.
    Two([String; 2]),
}

/// An instruction for fine-tuning.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instruction {
    /// What to do.
    pub instruction: String,
    /// With what; often empty.
    pub input: String,
    /// The answer or answers.
    pub output: Output,
}

impl Instruction {
    pub(super) fn text(&self) -> String {
        if self.input.is_empty() {
            self.instruction.clone()
        } else {
            format!("{}\n{}", self.instruction, self.input)
        }
    }
}

/// A text with a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// The text.
    pub text: String,
    /// Its label.
    pub label: String,
    /// The kind of text, where the file says.
    pub category: Option<String>,
}

/// A problem and its worked answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// The problem.
    pub question: String,
    /// The answer.
    pub answer: String,
}

/// A question with right and wrong answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choices {
    /// The question.
    pub question: String,
    /// One right and one wrong answer.
    #[serde(deserialize_with = "targets")]
    pub mc0_targets: Vec<(String, bool)>,
    /// One right and some wrong answers.
    #[serde(deserialize_with = "targets")]
    pub mc1_targets: Vec<(String, bool)>,
    /// Several right and wrong answers.
    #[serde(deserialize_with = "targets")]
    pub mc2_targets: Vec<(String, bool)>,
}

/// A JSON object from answers to 0 or 1, in its order.
fn targets<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, bool)>, D::Error> {
    struct Answers;
    impl<'de> Visitor<'de> for Answers {
        type Value = Vec<(String, bool)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object from answers to 0 or 1")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = vec![];
            while let Some((answer, right)) = map.next_entry::<String, u8>()? {
                if right > 1 {
                    let what = format!("answer `{answer}` is marked {right}; expected 0 or 1");
                    return Err(serde::de::Error::custom(what));
                }
                found.push((answer, right == 1));
            }
            Ok(found)
        }
    }
    from.deserialize_map(Answers)
}

pub(super) fn pairs(records: &Records, seed: u64) -> Result<TextPairs, SteerError> {
    let fail = |what: String| {
        Err(SteerError::Data {
            path: records.shape().into(),
            line: None,
            what,
        })
    };
    let answers = |question: &str, toward: &str, away: &str| {
        (Text::new(question, toward), Text::new(question, away))
    };
    match records {
        Records::Refusals(rows) => {
            let pair = |r: &Refusal| answers(&r.question, &r.decline_answer, &r.respond_answer);
            TextPairs::new("decline", "respond", rows.iter().map(pair).collect())
        }
        Records::Behaviours(rows) => {
            let pair = |r: &AnswerPair| {
                let (yes, no) = (&r.answer_matching_behavior, &r.answer_not_matching_behavior);
                answers(&r.question, yes, no)
            };
            TextPairs::new("matching", "not matching", rows.iter().map(pair).collect())
        }
        Records::PromptPairs(rows) => {
            let pair =
                |r: &PromptPair| (Text::new(&r.good_prompt, ""), Text::new(&r.bad_prompt, ""));
            TextPairs::new("good", "bad", rows.iter().map(pair).collect())
        }
        Records::Suggestions(rows) => {
            let pair = |r: &Suggestion| answers(&r.text(), &r.biased_option, &r.ground_truth);
            TextPairs::new("biased", "truth", rows.iter().map(pair).collect())
        }
        Records::Instructions(rows) => {
            let pair = |r: &Instruction| match &r.output {
                Output::Two([good, bad]) => Some(answers(&r.text(), good, bad)),
                Output::One(_) => None,
            };
            match rows.iter().map(pair).collect() {
                Some(pairs) => TextPairs::new("good", "bad", pairs),
                None => {
                    fail("a record has one output; expected a good and a bad one in each".into())
                }
            }
        }
        Records::Choices(rows) => {
            let pair = |r: &Choices| {
                let first = |right: bool| r.mc0_targets.iter().find(|(_, is)| *is == right);
                Some(answers(&r.question, &first(true)?.0, &first(false)?.0))
            };
            match rows.iter().map(pair).collect() {
                Some(pairs) => TextPairs::new("true", "false", pairs),
                None => fail("a question has no right or no wrong answer in mc0_targets".into()),
            }
        }
        Records::Labelled(rows) => {
            let texts = rows.iter().map(|r| (r.label.as_str(), r.text.as_str()));
            two_lists(texts.collect(), seed).or_else(fail)
        }
        Records::Sentences(rows) => {
            let texts = rows
                .iter()
                .map(|r| (r.concept.as_str(), r.sentence.as_str()));
            two_lists(texts.collect(), seed).or_else(fail)
        }
        Records::Texts(_) | Records::Questions(_) | Records::Problems(_) => fail(
            "a file of this shape holds one side only; give a file for each class instead".into(),
        ),
    }
}

/// Pairs up the texts of two labels.
fn two_lists(texts: Vec<(&str, &str)>, seed: u64) -> Result<TextPairs, String> {
    let mut labels: Vec<&str> = vec![];
    for (label, _) in &texts {
        if !labels.contains(label) {
            labels.push(label);
        }
        if labels.len() > 2 {
            break;
        }
    }
    let &[first, second] = labels.as_slice() else {
        return Err(format!(
            "labels {labels:?}; expected two of them, or one file for each class"
        ));
    };
    let positive = |label: &str| ["1", "true", "unsafe"].contains(&label.to_lowercase().as_str());
    let (toward, away) = if positive(second) && !positive(first) {
        (second, first)
    } else {
        (first, second)
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut side = |wanted: &str| {
        let of = texts.iter().filter(|(label, _)| *label == wanted);
        let all: Vec<Text> = of.map(|(_, text)| Text::new(*text, "")).collect();
        shuffled(all.len(), &mut rng)
            .into_iter()
            .map(|at| all[at].clone())
            .collect::<Vec<_>>()
    };
    let pairs = side(toward).into_iter().zip(side(away)).collect();
    TextPairs::new(toward, away, pairs).map_err(|error| error.to_string())
}
