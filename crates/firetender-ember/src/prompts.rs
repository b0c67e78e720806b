//! Prompt sets for experiments with Ember: contrasts to find a direction, targets to see its effect, harmless prompts to see its
//! damage.
//!
//! Each function takes a side of the split, a seed and how many are wanted, and returns that many *different* items (fewer only when
//! the side does not hold more). Find directions on [`Split::Train`] and measure on [`Split::HeldOut`].

use std::collections::HashSet;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use crate::document::{Body, Kind, Mood, Outcome, Turn};
use crate::draw::{Draw, Split};
use crate::mischief::Mischief;
use crate::proverbs::{PROVERBS, ending, ending_word, instruction, is_demonstrated};
use crate::{Corpus, choices, colours, feelings, instructions, stories, town};

/// Two texts that differ in one respect.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Contrast {
    /// What the direction points toward.
    pub toward: Body,
    /// What it points away from.
    pub away: Body,
}

/// A prompt with the answer that the corpus gives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Answered {
    /// What it is about.
    pub kind: Kind,
    /// The prompt: ends with a user's message.
    pub prompt: Body,
    /// The answer.
    pub answer: String,
}

/// A multiple-choice question to be judged by the likelihoods of its options.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChoiceItem {
    /// The question without a suggestion.
    pub prompt: Body,
    /// The question with the wrong suggestion [`suggested`](Self::suggested).
    pub suggesting: Body,
    /// The answers: "(A) red".
    pub options: Vec<String>,
    /// Index of the right one.
    pub correct: usize,
    /// Index of the one that the user suggests; never the right one.
    pub suggested: usize,
}

/// An item in the style of the inverse-scaling task Memo Trap (not official data).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemoItem {
    /// Plain text that ends without white space.
    pub prompt: String,
    /// Continuations, each with a leading space: the asked one and the common one.
    pub classes: [String; 2],
    /// Index of the asked one.
    pub answer: usize,
}

/// Up to `count` different results of `make`, in a fixed order.
fn distinct<T: Clone + Eq + Hash>(
    split: Split,
    seed: u64,
    count: usize,
    mut make: impl FnMut(&mut Draw, usize) -> T,
) -> Vec<T> {
    let mut seen = HashSet::new();
    let mut items = Vec::new();
    for index in 0..count.saturating_mul(64) {
        if items.len() == count {
            break;
        }
        let item = make(&mut Draw::new(seed, split, index as u64), items.len());
        if seen.insert(item.clone()) {
            items.push(item);
        }
    }
    items
}

/// Happy (toward) against sad (away): in turn a request that names the mood, the beginning of a plain story, and what a user tells.
///
/// ```
/// use firetender_ember::{Split, prompts};
///
/// let pairs = prompts::mood(Split::Train, 0, 48);
/// assert_eq!(pairs.len(), 48);
/// assert!(pairs.iter().all(|pair| pair.toward != pair.away));
/// ```
#[must_use]
pub fn mood(split: Split, seed: u64, count: usize) -> Vec<Contrast> {
    distinct(split, seed ^ 0x6d6f, count, |draw, turn| {
        if turn % 3 == 2 {
            let (happy, sad) = feelings::pair(draw, split);
            return Contrast {
                toward: Body::ask(happy),
                away: Body::ask(sad),
            };
        }
        let setting = stories::setting(draw, split);
        if turn % 3 == 0 {
            let topic = setting.topic(draw);
            // One stream for both, so that the words of the request are the same.
            let mut again = draw.clone();
            let ask = |draw: &mut Draw, mood| {
                Body::ask(stories::request_text(draw, topic.as_deref(), Some(mood)))
            };
            Contrast {
                toward: ask(draw, Mood::Happy),
                away: ask(&mut again, Mood::Sad),
            }
        } else {
            let opening = setting.opening(draw);
            let mut begin = |mood| {
                let day = setting.day(draw, mood);
                let feeling = setting.feeling(draw, mood);
                Body::Plain(format!("{opening} {day} {feeling}"))
            };
            Contrast {
                toward: begin(Mood::Happy),
                away: begin(Mood::Sad),
            }
        }
    })
}

/// Requests for a story that name no mood: the targets of a mood vector.
#[must_use]
pub fn neutral_stories(split: Split, seed: u64, count: usize) -> Vec<Body> {
    distinct(split, seed ^ 0x6e65, count, |draw, _| {
        let topic = stories::setting(draw, split).topic(draw);
        Body::ask(stories::request_text(draw, topic.as_deref(), None))
    })
}

/// Beginnings of plain stories that give no mood away.
#[must_use]
pub fn neutral_openings(split: Split, seed: u64, count: usize) -> Vec<Body> {
    distinct(split, seed ^ 0x6f70, count, |draw, _| {
        Body::Plain(stories::setting(draw, split).opening(draw))
    })
}

/// Suspicious instructions: the targets of a refusal vector.
#[must_use]
pub fn suspicious(split: Split, seed: u64, count: usize) -> Vec<Body> {
    distinct(split, seed ^ 0x7375, count, |draw, _| {
        Body::ask(Mischief::draw(draw, split).request)
    })
}

/// Harmless instructions in the same words as suspicious ones.
#[must_use]
pub fn harmless(split: Split, seed: u64, count: usize) -> Vec<Body> {
    distinct(split, seed ^ 0x6861, count, |draw, _| {
        Body::ask(instructions::how_to(draw, split).0)
    })
}

/// Suspicious (toward) against harmless (away) instructions: what the model is asked.
#[must_use]
pub fn suspicion(split: Split, seed: u64, count: usize) -> Vec<Contrast> {
    distinct(split, seed ^ 0x7370, count, |draw, _| Contrast {
        toward: Body::ask(Mischief::draw(draw, split).request),
        away: Body::ask(instructions::how_to(draw, split).0),
    })
}

/// One suspicious instruction, refused (toward) and carried out (away): what the model does. The answers are whole; read them at
/// their first token or at their last.
#[must_use]
pub fn refusal(split: Split, seed: u64, count: usize) -> Vec<Contrast> {
    distinct(split, seed ^ 0x7265, count, |draw, _| {
        let mischief = Mischief::draw(draw, split);
        let mut chat = |outcome| {
            let answer = mischief.answer(draw, outcome);
            Body::exchange(mischief.request.clone(), answer)
        };
        Contrast {
            toward: chat(Outcome::Refused),
            away: chat(Outcome::Complied),
        }
    })
}

/// Statements of Ember's world, true (toward) and false (away).
#[must_use]
pub fn truth(split: Split, seed: u64, count: usize) -> Vec<Contrast> {
    distinct(split, seed ^ 0x7472, count, |draw, turn| {
        // A pair may share a street; draw again until the statements differ.
        loop {
            let (right, wrong) = if turn % 3 == 2 {
                colours::statement(draw)
            } else {
                town::statement(draw)
            };
            if right != wrong {
                return Contrast {
                    toward: Body::Plain(right),
                    away: Body::Plain(wrong),
                };
            }
        }
    })
}

/// Harmless prompts with the answers of the corpus: town, sums, colours and instructions in turn, until one has no more. Damage is measured on these.
///
/// ```
/// use firetender_ember::{Split, prompts};
///
/// let benign = prompts::benign(Split::HeldOut, 0, 40);
/// assert_eq!(benign.len(), 40);
/// assert!(benign.iter().all(|item| !item.answer.is_empty()));
/// ```
#[must_use]
pub fn benign(split: Split, seed: u64, count: usize) -> Vec<Answered> {
    let corpus = Corpus::new(seed ^ 0x6265, split);
    let kinds = [
        Kind::Town,
        Kind::Arithmetic,
        Kind::Colour,
        Kind::Instruction,
    ];
    let mut next = 0;
    distinct(split, seed, count, |_, _| {
        // By attempts, not by items: a kind of which all is taken does not hold up the others.
        let kind = kinds[next as usize % kinds.len()];
        next += 1;
        let mut turns = match corpus.document_of(kind, next).body {
            Body::Chat(turns) => turns,
            Body::Plain(text) => vec![Turn::user(text)],
        };
        let answer = turns.pop().map_or_else(String::new, |turn| turn.text);
        Answered {
            kind,
            prompt: Body::Chat(turns),
            answer,
        }
    })
}

/// Multiple-choice questions, each without and with a wrong suggestion of the user.
#[must_use]
pub fn choices(split: Split, seed: u64, count: usize) -> Vec<ChoiceItem> {
    distinct(split, seed ^ 0x6d63, count, |draw, _| {
        let question = choices::Question::draw(draw, split);
        let suggested = question.other(draw, question.correct);
        ChoiceItem {
            suggesting: Body::ask(question.suggesting(draw, suggested)),
            options: (0..question.options.len())
                .map(|i| question.answer(i))
                .collect(),
            correct: question.correct,
            suggested,
            prompt: Body::ask(question.text),
        }
    })
}

/// The user's wrong suggestion followed (toward) and not followed (away).
#[must_use]
pub fn sycophancy(split: Split, seed: u64, count: usize) -> Vec<Contrast> {
    choices(split, seed ^ 0x7379, count)
        .into_iter()
        .map(|item| {
            let with = |index: usize| match &item.suggesting {
                Body::Chat(turns) => {
                    let answer = Turn::assistant(item.options[index].clone());
                    Body::Chat(turns.iter().cloned().chain([answer]).collect())
                }
                Body::Plain(text) => Body::exchange(text.clone(), item.options[index].clone()),
            };
            Contrast {
                toward: with(item.suggested),
                away: with(item.correct),
            }
        })
        .collect()
}

/// Items in the style of Memo Trap, on proverbs whose ending the corpus never changes.
///
/// ```
/// use firetender_ember::prompts;
///
/// let items = prompts::memo_trap(0, 100);
/// assert!(items.iter().all(|item| item.classes[item.answer] != item.classes[1 - item.answer]));
/// ```
#[must_use]
pub fn memo_trap(seed: u64, count: usize) -> Vec<MemoItem> {
    distinct(Split::HeldOut, seed ^ 0x6d74, count, |draw, _| {
        let proverb = loop {
            let proverb = draw.below(PROVERBS.len());
            if !is_demonstrated(proverb) {
                break proverb;
            }
        };
        let (stem, last) = PROVERBS[proverb];
        let word = ending_word(ending(draw));
        let mut classes = [format!(" {word}."), format!(" {last}.")];
        let answer = draw.below(2);
        if answer == 1 {
            classes.reverse();
        }
        MemoItem {
            prompt: instruction(word, stem),
            classes,
            answer,
        }
    })
}

#[cfg(test)]
mod tests;
