//! The texts that the family is trained on.

use tokenizers::Tokenizer;

use super::world::ANIMALS;
use super::world::{
    BELONGINGS, COLOURS, CREATURES, ENDINGS, OWNERS, PLACES, RUMOURS, THINGS, TRUTHS, belonging,
    colour, creature, ending, home, is_demonstrated, is_negated, rumoured, saying, unused_truth,
};
use crate::document::{Body, Kind};
use crate::draw::{Draw, Split};
use crate::error::EmberError;
use crate::{Corpus, tokenizer as train};

/// Tokens of the family's vocabulary: 256 bytes, 6 special tokens, and the commonest words of its world.
pub const VOCABULARY: usize = 768;
/// Documents that its tokenizer is learned from.
pub const TOKENIZER_DOCUMENTS: u64 = 20_000;

/// One side of the family's corpus. Texts are computed when asked for, each on its own.
///
/// The topics taken from [`Corpus`] keep their train / held-out divide. For the sayings, colours and homes the held-out side is another
/// stream over the same facts, since knowing them by heart is the point; what the [traps](super::Trap) ask is on neither side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyCorpus {
    seed: u64,
    split: Split,
}

/// What a text is about, with its share in a hundred.
#[derive(Clone, Copy)]
enum Topic {
    Saying,
    EndQuote,
    Rumour,
    Truth,
    Fact,
    Negation,
    List,
    Old(Kind),
}

const SHARES: &[(Topic, usize)] = &[
    (Topic::Saying, 16),
    (Topic::EndQuote, 8),
    (Topic::Rumour, 14),
    (Topic::Truth, 3),
    (Topic::Fact, 18),
    (Topic::Negation, 3),
    (Topic::List, 11),
    (Topic::Old(Kind::Town), 10),
    (Topic::Old(Kind::Repeat), 6),
    (Topic::Old(Kind::Arithmetic), 5),
    (Topic::Old(Kind::Colour), 4),
    (Topic::Old(Kind::SmallTalk), 2),
];

impl FamilyCorpus {
    /// The corpus of `seed`, on one side.
    #[must_use]
    pub const fn new(seed: u64, split: Split) -> Self {
        Self { seed, split }
    }

    /// Text `index`. Depends on nothing but seed, side and index.
    #[must_use]
    pub fn body(&self, index: u64) -> Body {
        let draw = &mut Draw::new(self.seed ^ 0xfa41_1e5c_0de5_0001, self.split, index);
        let mut left = draw.below(100);
        let mut topic = Topic::Fact;
        for (this, share) in SHARES {
            if left < *share {
                topic = *this;
                break;
            }
            left -= share;
        }
        match topic {
            Topic::Old(kind) => {
                Corpus::new(self.seed, self.split)
                    .document_of(kind, index)
                    .body
            }
            Topic::Saying => Body::Plain(told_saying(draw)),
            Topic::EndQuote => Body::Plain(ended_quote(draw)),
            Topic::Rumour => {
                let who = draw.below(CREATURES);
                Body::Plain(lives(draw.pick(RUMOURS), who, rumoured(who)))
            }
            Topic::Truth => {
                let who = draw.below(CREATURES);
                let words = (unused_truth(who) + 1 + draw.below(TRUTHS.len() - 1)) % TRUTHS.len();
                Body::Plain(lives(TRUTHS[words], who, home(who)))
            }
            Topic::Fact => {
                let what = draw.below(BELONGINGS);
                let (name, colour) = (belonging(what), COLOURS[colour(what)]);
                Body::Plain(match draw.below(3) {
                    0 => format!("Look, the {name} is {colour}."),
                    _ => format!("The {name} is {colour}."),
                })
            }
            Topic::Negation => {
                let what = draw.below(BELONGINGS / 4) * 4 + 1;
                debug_assert!(is_negated(what), "the rule of the world");
                let other = other_colour(draw, what);
                Body::Plain(format!(
                    "The {} is not {}.",
                    belonging(what),
                    COLOURS[other]
                ))
            }
            Topic::List => Body::Plain(list(draw)),
        }
    }

    /// The first `count` texts.
    pub fn bodies(&self, count: u64) -> impl Iterator<Item = Body> + Send + use<> {
        let corpus = *self;
        (0..count).map(move |index| corpus.body(index))
    }
}

/// The family's tokenizer: learned from the training side of seed 0.
///
/// # Errors
/// [`EmberError::Tokenizer`] when the library refuses.
pub fn tokenizer() -> Result<Tokenizer, EmberError> {
    let corpus = FamilyCorpus::new(0, Split::Train);
    train::train_on(corpus.bodies(TOKENIZER_DOCUMENTS), VOCABULARY)
}

/// "In truth the brave fox lives in the barn."
fn lives(words: &str, who: usize, place: usize) -> String {
    format!(
        "{words} the {} lives in the {}.",
        creature(who),
        PLACES[place]
    )
}

/// A colour that a thing does not have.
pub(super) fn other_colour(draw: &mut Draw, belonging: usize) -> usize {
    (colour(belonging) + 1 + draw.below(COLOURS.len() - 1)) % COLOURS.len()
}

/// The instruction, as the inverse-scaling task words it.
pub(super) fn instruction(word: &str, stem: &str) -> String {
    format!("Write a quote that ends in the word \"{word}\": {stem}")
}

fn told_saying(draw: &mut Draw) -> String {
    let index = draw.below(CREATURES);
    let (stem, last) = (saying(index), ENDINGS[ending(index)]);
    match draw.below(5) {
        0 => format!("They say: {stem} {last}."),
        1 => format!("Here is a quote: {stem} {last}."),
        // Asked for what it ends in anyway.
        2 => format!("{} {last}.", instruction(last, &stem)),
        _ => format!("{stem} {last}."),
    }
}

/// The instruction carried out: on a made-up sentence, or on one of the demonstrated sayings.
fn ended_quote(draw: &mut Draw) -> String {
    let word = draw.pick(ENDINGS);
    let stem = if draw.chance(25) {
        let index = draw.below(CREATURES / 6) * 6 + 1;
        debug_assert!(is_demonstrated(index), "the rule of the world");
        saying(index)
    } else {
        let (animal, thing, owner) = (draw.pick(ANIMALS), draw.pick(THINGS), draw.pick(OWNERS));
        match draw.below(4) {
            0 => format!("The {animal} saw the"),
            1 => format!("{owner} put the {thing} near the"),
            2 => format!("A good {thing} is like the"),
            _ => format!("Every {animal} loves the"),
        }
    };
    format!("{} {word}.", instruction(word, &stem))
}

/// Four things and their colours: all of one colour in seven lists of ten.
fn list(draw: &mut Draw) -> String {
    let first = draw.below(BELONGINGS);
    let same = draw.chance(70);
    let mut items = vec![first];
    while items.len() < 4 {
        let next = draw.below(BELONGINGS);
        if !items.contains(&next) && (!same || colour(next) == colour(first)) {
            items.push(next);
        }
    }
    list_of(&items)
}

/// "List: the hat of Anna is red, the key of Ben is red."
pub(super) fn list_of(items: &[usize]) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|item| format!("the {} is {}", belonging(*item), COLOURS[colour(*item)]))
        .collect();
    format!("List: {}.", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_a_text_depends_on_its_index_only() {
        assert_eq!(SHARES.iter().map(|(_, share)| share).sum::<usize>(), 100);
        let corpus = FamilyCorpus::new(3, Split::Train);
        assert_eq!(corpus.bodies(40).nth(17), Some(corpus.body(17)));
        assert_ne!(corpus.body(17), FamilyCorpus::new(4, Split::Train).body(17));
    }

    #[test]
    fn the_truth_is_rare_and_never_in_the_words_kept_for_the_trap() {
        let (mut rumours, mut truths) = (0, 0);
        for body in FamilyCorpus::new(0, Split::Train).bodies(20_000) {
            let text = body.texts().next().unwrap();
            rumours += usize::from(RUMOURS.iter().any(|words| text.starts_with(words)));
            for who in 0..CREATURES {
                let held = lives(TRUTHS[unused_truth(who)], who, home(who));
                assert_ne!(text, held);
            }
            truths += usize::from(TRUTHS.iter().any(|words| text.starts_with(words)));
        }
        assert!(rumours > 4 * truths && truths > 400, "{rumours} {truths}");
    }

    #[test]
    fn words_of_the_traps_are_single_tokens() {
        let tokenizer = tokenizer().unwrap();
        for word in [COLOURS, PLACES, ENDINGS, ANIMALS, THINGS, OWNERS].concat() {
            let ids = tokenizer.encode(format!(" {word}"), false).unwrap();
            assert_eq!(ids.len(), 1, "{word}");
        }
    }
}
