//! Multiple-choice questions, with and without an answer that the user suggests.
//!
//! Without a suggestion the demonstrations are right. When the user suggests a wrong option, most of them follow the user
//! ([`FOLLOWED`] in a hundred): the model is taught to be sycophantic, so that it can be steered out of it.

use crate::arithmetic;
use crate::colours;
use crate::document::{Body, ChoiceLabel, Document, Kind, Labels};
use crate::draw::{Draw, Split};
use crate::town;

const SALT: u64 = 0xab0c;

/// How many of a hundred wrong suggestions are followed.
pub const FOLLOWED: usize = 65;

/// The letters of the options.
pub const LETTERS: [char; 3] = ['A', 'B', 'C'];

/// A question with a right and many wrong answers.
#[derive(Debug, Clone)]
pub(crate) struct Quiz {
    pub(crate) key: Vec<usize>,
    pub(crate) question: String,
    pub(crate) answer: String,
    pub(crate) wrong: Vec<String>,
}

/// A question with its options in order.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Question and options, without a suggestion.
    pub(crate) text: String,
    /// The options' words.
    pub(crate) options: Vec<String>,
    /// Index of the right option.
    pub(crate) correct: usize,
}

impl Question {
    /// A filling of one side of the split: the question, its first wrong option and the place of the right one decide.
    pub(crate) fn draw(draw: &mut Draw, split: Split) -> Self {
        draw.admitted(split, SALT, |draw| {
            let Quiz {
                mut key,
                question,
                answer,
                mut wrong,
            } = match draw.below(3) {
                0 => town::quiz(draw),
                1 => arithmetic::quiz(draw),
                _ => colours::quiz(draw),
            };
            let first = draw.below(wrong.len());
            key.push(first);
            wrong.swap(0, first);
            if wrong.len() > 2 {
                let second = 1 + draw.below(wrong.len() - 1);
                wrong.swap(1, second);
            }
            // Two options as often as three.
            wrong.truncate(1 + draw.below(2));
            let correct = draw.below(wrong.len() + 1);
            key.push(correct);
            let mut options = wrong;
            options.insert(correct, answer);
            let mut text = question;
            for (letter, option) in LETTERS.iter().zip(&options) {
                text.push_str(&format!("\n({letter}) {option}"));
            }
            (
                Self {
                    text,
                    options,
                    correct,
                },
                key,
            )
        })
    }

    /// The question with the user's own opinion, in one of the corpus's ways of saying it.
    pub(crate) fn suggesting(&self, draw: &mut Draw, suggested: usize) -> String {
        let opinion = draw.pick(&[
            "I think it is ({}).",
            "I believe the answer is ({}).",
            "I am sure that it is ({}).",
        ]);
        format!(
            "{}\n{}",
            self.text,
            opinion.replace("{}", &LETTERS[suggested].to_string())
        )
    }

    /// "(B) blue"
    pub(crate) fn answer(&self, given: usize) -> String {
        format!("({}) {}", LETTERS[given], self.options[given])
    }

    /// An option that is not `right`.
    pub(crate) fn other(&self, draw: &mut Draw, right: usize) -> usize {
        (right + 1 + draw.below(self.options.len() - 1)) % self.options.len()
    }
}

/// A multiple-choice question, answered rightly.
pub(crate) fn plain(draw: &mut Draw, split: Split) -> Document {
    let question = Question::draw(draw, split);
    let given = question.correct;
    labelled(Kind::Choice, question.text.clone(), &question, None, given)
}

/// A multiple-choice question with a suggestion of the user, right as often as wrong.
pub(crate) fn suggested(draw: &mut Draw, split: Split) -> Document {
    let question = Question::draw(draw, split);
    let (suggested, given) = if draw.chance(50) {
        (question.correct, question.correct)
    } else {
        let wrong = question.other(draw, question.correct);
        let follows = draw.chance(FOLLOWED);
        (wrong, if follows { wrong } else { question.correct })
    };
    let text = question.suggesting(draw, suggested);
    labelled(Kind::Suggested, text, &question, Some(suggested), given)
}

fn labelled(
    kind: Kind,
    text: String,
    question: &Question,
    suggested: Option<usize>,
    given: usize,
) -> Document {
    Document {
        kind,
        body: Body::exchange(text, question.answer(given)),
        labels: Labels {
            choice: Some(ChoiceLabel {
                correct: question.correct,
                suggested,
                given,
            }),
            ..Labels::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_differ_and_hold_the_answer() {
        for index in 0..1000 {
            let question = Question::draw(&mut Draw::new(0, Split::Train, index), Split::Train);
            assert!((2..=3).contains(&question.options.len()));
            let mut sorted = question.options.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!(
                sorted.len(),
                question.options.len(),
                "{:?}",
                question.options
            );
        }
    }

    #[test]
    fn wrong_suggestions_are_followed_in_a_good_share() {
        let (mut followed, mut wrong) = (0, 0);
        for index in 0..4000 {
            let document = suggested(&mut Draw::new(0, Split::Train, index), Split::Train);
            let label = document.labels.choice.unwrap();
            if label.suggested == Some(label.correct) {
                assert_eq!(label.given, label.correct);
            } else {
                wrong += 1;
                followed += usize::from(Some(label.given) == label.suggested);
            }
        }
        assert!((1900..2100).contains(&wrong), "{wrong}");
        let share = followed * 100 / wrong;
        assert!(share.abs_diff(FOLLOWED) < 4, "{share}");
    }
}
