//! The corpus: any number of documents from a seed.

use crate::document::{Body, Document, Kind, Turn};
use crate::draw::{Draw, Split};
use crate::{
    arithmetic, choices, colours, feelings, instructions, mischief, proverbs, repeat, smalltalk,
    stories, town,
};

/// How many of a hundred chats about facts are preceded by another exchange.
const TWO_EXCHANGES: usize = 15;

/// One side of the corpus of a seed. Documents are computed when asked for, each on its own.
///
/// ```
/// use firetender_ember::{Corpus, Split};
///
/// let corpus = Corpus::new(7, Split::Train);
/// let third = corpus.document(3);
/// assert_eq!(corpus.documents(10).nth(3), Some(third));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corpus {
    seed: u64,
    split: Split,
}

impl Corpus {
    /// The corpus of `seed`, on one side of the split.
    #[must_use]
    pub const fn new(seed: u64, split: Split) -> Self {
        Self { seed, split }
    }

    /// Document `index` (only the lower 63 bits count). Depends on nothing but seed, side and index.
    #[must_use]
    pub fn document(&self, index: u64) -> Document {
        let draw = &mut Draw::new(self.seed, self.split, index);
        let kind = kind(draw);
        let document = self.of_kind(draw, kind);
        // A conversation may go on; what was said before is always harmless and right.
        let goes_on = matches!(
            kind,
            Kind::Request
                | Kind::Town
                | Kind::Arithmetic
                | Kind::Colour
                | Kind::Instruction
                | Kind::SmallTalk
        );
        if goes_on && draw.chance(TWO_EXCHANGES) {
            let before = draw.pick(&[Kind::Town, Kind::Arithmetic, Kind::Colour, Kind::SmallTalk]);
            let before = self.of_kind(draw, before);
            return Document {
                body: joined(before.body, document.body),
                ..document
            };
        }
        document
    }

    /// A document of one kind, from a stream of its own: for evaluation sets and for looking at the corpus.
    #[must_use]
    pub fn document_of(&self, kind: Kind, index: u64) -> Document {
        // The kind is folded into the seed, so that these streams differ from those of `document`.
        let seed = self.seed ^ (0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(kind as u64 + 1));
        self.of_kind(&mut Draw::new(seed, self.split, index), kind)
    }

    /// The first `count` documents.
    pub fn documents(&self, count: u64) -> impl Iterator<Item = Document> + use<> {
        let corpus = *self;
        (0..count).map(move |index| corpus.document(index))
    }

    fn of_kind(&self, draw: &mut Draw, kind: Kind) -> Document {
        let split = self.split;
        match kind {
            Kind::Story => stories::plain(draw, split),
            Kind::Request => stories::request(draw, split),
            Kind::Feeling => feelings::document(draw, split),
            Kind::Town => town::document(draw, split),
            Kind::Arithmetic => arithmetic::document(draw, split),
            Kind::Colour => colours::document(draw, split),
            Kind::Instruction => instructions::document(draw, split),
            Kind::Repeat => repeat::document(draw, split),
            Kind::Suspicious => mischief::document(draw, split),
            Kind::Choice => choices::plain(draw, split),
            Kind::Suggested => choices::suggested(draw, split),
            Kind::Proverb => proverbs::document(draw, split),
            Kind::EndQuote => proverbs::end_quote(draw, split),
            Kind::SmallTalk => smalltalk::document(draw, split),
        }
    }
}

/// A kind with the chances of [`Kind::weight`].
fn kind(draw: &mut Draw) -> Kind {
    let mut left = draw.below(100);
    for kind in Kind::ALL {
        if left < kind.weight() {
            return kind;
        }
        left -= kind.weight();
    }
    Kind::Story
}

fn joined(before: Body, after: Body) -> Body {
    let turns = |body| match body {
        Body::Chat(turns) => turns,
        Body::Plain(text) => vec![Turn::assistant(text)],
    };
    Body::Chat([turns(before), turns(after)].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Mood, Outcome, Role};
    use std::collections::{BTreeMap, HashSet};

    #[test]
    fn documents_do_not_depend_on_how_many_are_drawn_or_in_which_order() {
        let corpus = Corpus::new(11, Split::Train);
        let forward: Vec<_> = corpus.documents(50).collect();
        let mut backward: Vec<_> = (0..50).rev().map(|i| corpus.document(i)).collect();
        backward.reverse();
        assert_eq!(forward, backward);
        assert_ne!(
            forward,
            Corpus::new(12, Split::Train)
                .documents(50)
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn nothing_is_empty_and_no_gap_is_left() {
        for split in [Split::Train, Split::HeldOut] {
            for document in Corpus::new(1, split).documents(4000) {
                for text in document.body.texts() {
                    assert!(!text.trim().is_empty(), "{document:?}");
                    assert!(!text.contains(['{', '}']) && !text.contains("  "), "{text}");
                    assert_eq!(text, text.trim(), "{text}");
                    assert!(!text.starts_with(char::is_lowercase), "{text}");
                    let sentences = text
                        .split(". ")
                        .flat_map(|s| s.split("! "))
                        .flat_map(|s| s.split("? "));
                    assert!(
                        sentences
                            .clone()
                            .all(|s| !s.starts_with(char::is_lowercase)),
                        "{text}"
                    );
                }
            }
        }
    }

    #[test]
    fn chats_alternate_and_end_with_an_answer() {
        for document in Corpus::new(1, Split::Train).documents(2000) {
            if let Body::Chat(turns) = &document.body {
                for (index, turn) in turns.iter().enumerate() {
                    let expected = if index % 2 == 0 {
                        Role::User
                    } else {
                        Role::Assistant
                    };
                    assert_eq!(turn.role, expected, "{document:?}");
                }
                assert!(turns.len() == 2 || turns.len() == 4);
            }
        }
    }

    #[test]
    fn kinds_moods_and_outcomes_come_in_their_proportions() {
        let count = 20_000;
        let mut kinds = BTreeMap::new();
        let (mut happy, mut moods, mut refused, mut outcomes) = (0, 0, 0, 0);
        for document in Corpus::new(2, Split::Train).documents(count) {
            *kinds.entry(document.kind).or_insert(0_u64) += 1;
            if let Some(mood) = document.labels.mood {
                moods += 1;
                happy += u64::from(mood == Mood::Happy);
            }
            if let Some(outcome) = document.labels.outcome {
                outcomes += 1;
                refused += u64::from(outcome == Outcome::Refused);
            }
        }
        for kind in Kind::ALL {
            let percent = kinds[&kind] as f64 * 100.0 / count as f64;
            assert!(
                (percent - kind.weight() as f64).abs() < 1.0,
                "{kind:?}: {percent}"
            );
        }
        assert!(
            (happy * 100 / moods).abs_diff(50) <= 1,
            "{happy} of {moods}"
        );
        assert!(
            (refused * 100 / outcomes).abs_diff(50) <= 3,
            "{refused} of {outcomes}"
        );
    }

    #[test]
    fn a_story_without_a_named_mood_is_as_often_happy_as_sad() {
        let (mut happy, mut all) = (0, 0);
        for document in Corpus::new(2, Split::Train).documents(20_000) {
            let neutral = document.kind == Kind::Request
                && !document
                    .body
                    .texts()
                    .any(|t| t.contains("happy story") || t.contains("sad story"));
            if neutral {
                all += 1;
                happy += usize::from(document.labels.mood == Some(Mood::Happy));
            }
        }
        assert!(
            all > 1000 && (happy * 100 / all).abs_diff(50) <= 3,
            "{happy} of {all}"
        );
    }

    #[test]
    fn the_sides_share_no_exchange() {
        // Requests without a topic and "tell me a proverb" are the same words on both sides; question and answer together are not.
        let exchanges = |split| {
            let mut seen = HashSet::new();
            for document in Corpus::new(5, split).documents(20_000) {
                match document.body {
                    Body::Plain(text) => {
                        seen.insert(text);
                    }
                    Body::Chat(turns) => {
                        for pair in turns.chunks(2) {
                            seen.insert(format!("{}\u{0}{}", pair[0].text, pair[1].text));
                        }
                    }
                }
            }
            seen
        };
        let (train, held) = (exchanges(Split::Train), exchanges(Split::HeldOut));
        let shared: Vec<_> = train.intersection(&held).take(5).collect();
        assert!(shared.is_empty(), "{shared:?}");
    }
}
