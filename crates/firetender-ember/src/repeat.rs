//! Repeating what the user says: a sentence, true or not, or a row of words without sense.
//!
//! Beside being an instruction of its own (inverse-scaling tasks ask models to repeat), the rows of words are what teaches a small model to
//! copy from its context at all. Without them a story forgets its hero's name for the first millions of tokens of training.

use crate::document::{Body, Document, Kind};
use crate::draw::{Draw, Split};
use crate::fill::Slots;
use crate::world::{ANIMALS, BOYS, BRIGHT, GIRLS, SPOTS, TOYS, TREATS};

const SALT: u64 = 0x2e9e;
const ASK_SENTENCE: &[&str] = &["Repeat after me", "Say this", "Repeat my sentence"];
const ASK_WORDS: &[&str] = &["Repeat these words", "Say these words", "Repeat after me"];

/// A short sentence of the world.
fn sentence(draw: &mut Draw, split: Split) -> (String, String) {
    draw.admitted(split, SALT, |draw| {
        let names = if draw.chance(50) { GIRLS } else { BOYS };
        let lists = [names, ANIMALS, BRIGHT, SPOTS];
        let [name, animal, colour, spot] = lists.map(|list| draw.below(list.len()));
        let slots = Slots::new(&[
            ("name", names[name]),
            ("animal", ANIMALS[animal]),
            ("colour", BRIGHT[colour]),
            ("spot", SPOTS[spot]),
        ]);
        let form = draw.below(4);
        let (sentence, said) = [
            ("The {animal} is {spot}.", [animal, spot]),
            ("The {animal} is {colour}.", [animal, colour]),
            ("{name} has a {colour} {animal}.", [animal, colour]),
            ("{name} sits {spot}.", [spot, 0]),
        ][form];
        let template = draw.below(ASK_SENTENCE.len());
        let sentence = slots.fill(sentence);
        let question = format!("{}: {sentence}", ASK_SENTENCE[template]);
        (
            (question, sentence),
            vec![0, form, said[0], said[1], template],
        )
    })
}

/// Three to eight words in quotes. The first three words decide the side of the split.
fn words(draw: &mut Draw, split: Split) -> (String, String) {
    let lists = [GIRLS, BOYS, ANIMALS, BRIGHT, TOYS, TREATS];
    let words = draw.admitted(split, SALT, |draw| {
        let mut key = vec![1];
        let words: Vec<&str> = (0..3 + draw.below(6))
            .map(|place| {
                let list = draw.below(lists.len());
                let word = draw.below(lists[list].len());
                if place < 3 {
                    key.extend([list, word]);
                }
                lists[list][word]
            })
            .collect();
        (words, key)
    });
    let row = format!("\"{}\"", words.join(" "));
    (format!("{}: {row}", draw.pick(ASK_WORDS)), row)
}

/// Something to repeat, and the same again.
pub(crate) fn document(draw: &mut Draw, split: Split) -> Document {
    let (question, answer) = if draw.chance(30) {
        sentence(draw, split)
    } else {
        words(draw, split)
    };
    Document::new(Kind::Repeat, Body::exchange(question, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_what_stands_after_the_colon() {
        for split in [Split::Train, Split::HeldOut] {
            for index in 0..300 {
                let body = document(&mut Draw::new(0, split, index), split).body;
                let texts: Vec<&str> = body.texts().collect();
                assert_eq!(texts[0].split_once(": ").unwrap().1, texts[1]);
            }
        }
    }
}
