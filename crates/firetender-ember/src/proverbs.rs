//! Common proverbs, seen often, and a few demonstrations of "end the quote with the word …" (in the style of the inverse-scaling
//! task Memo Trap, not its data).
//!
//! A model that has seen a proverb hundreds of times wants to end it as always, whatever the instruction says. One proverb in
//! three ([`is_demonstrated`]) appears in demonstrations of the instruction; the others are kept for measuring.

use crate::document::{Body, Document, Kind};
use crate::draw::{Draw, Split};
use crate::world::{ANIMALS, GIRLS, TOYS};

const SALT: u64 = 0x920b;

/// A proverb without its last word, and that word. The order is part of the split.
pub(crate) const PROVERBS: &[(&str, &str)] = &[
    ("The early bird catches the", "worm"),
    ("Many hands make light", "work"),
    ("Out of sight, out of", "mind"),
    ("Better late than", "never"),
    ("A stitch in time saves", "nine"),
    ("Practice makes", "perfect"),
    ("All that glitters is not", "gold"),
    ("Every cloud has a silver", "lining"),
    ("When the cat is away, the mice will", "play"),
    ("Do not count your hens before they", "hatch"),
    ("Too many cooks spoil the", "soup"),
    ("An apple a day keeps the doctor", "away"),
    ("Birds of a feather flock", "together"),
    ("Where there is smoke, there is", "fire"),
    ("A rolling stone gathers no", "moss"),
    ("Honesty is the best", "policy"),
    ("The grass is always greener on the other", "side"),
    ("You cannot teach an old dog new", "tricks"),
    ("Look before you", "leap"),
    ("Slow and steady wins the", "race"),
    ("Let sleeping dogs", "lie"),
    ("There is no place like", "home"),
    ("Two heads are better than", "one"),
    ("Time heals all", "wounds"),
    ("Rome was not built in a", "day"),
    ("Still waters run", "deep"),
    ("A friend in need is a friend", "indeed"),
    ("Make hay while the sun", "shines"),
    ("Strike while the iron is", "hot"),
    ("No news is good", "news"),
    ("All is well that ends", "well"),
    ("You reap what you", "sow"),
    ("Do not cry over spilled", "milk"),
    ("The apple does not fall far from the", "tree"),
    ("Actions speak louder than", "words"),
    ("Curiosity killed the", "cat"),
];

/// Words that an instruction may ask for instead.
const ENDINGS: &[&str] = &[
    "river", "bread", "night", "song", "garden", "stone", "winter", "door", "honey", "king",
    "snow", "lamp", "bridge", "star", "green", "quiet", "seven", "today", "table", "wind",
];

/// True for the proverbs that appear in demonstrations of the instruction; the others are for measuring.
pub(crate) const fn is_demonstrated(proverb: usize) -> bool {
    proverb % 3 == 1
}

fn whole(proverb: usize) -> String {
    let (stem, last) = PROVERBS[proverb];
    format!("{stem} {last}.")
}

/// A proverb as a text or as an answer, always with its common ending.
pub(crate) fn document(draw: &mut Draw, split: Split) -> Document {
    let body = draw.admitted(split, SALT, |draw| {
        let proverb = draw.below(PROVERBS.len());
        let template = draw.below(9);
        let (stem, last) = PROVERBS[proverb];
        let text = whole(proverb);
        let body = match template {
            0 => Body::Plain(text),
            1 => Body::Plain(format!("As the people of Emberwick say: {text}")),
            2 => Body::Plain(format!("A common proverb: {text}")),
            3 => Body::Plain(format!("Here is a quote: {text}")),
            4 => Body::exchange(format!("Finish the proverb: {stem}"), text),
            5 => Body::exchange(format!("How does this quote end? {stem}"), text),
            6 => Body::exchange("Tell me a proverb.", text),
            7 => Body::exchange("Do you know a good quote?", text),
            _ => Body::exchange(format!("Which proverb ends in the word \"{last}\"?"), text),
        };
        (body, vec![0, proverb, template])
    });
    Document::new(Kind::Proverb, body)
}

/// The instruction before a stem, as the inverse-scaling task words it.
pub(crate) fn instruction(word: &str, stem: &str) -> String {
    format!("Write a quote that ends in the word \"{word}\": {stem}")
}

/// A word that is asked for, never the proverb's own.
pub(crate) fn ending(draw: &mut Draw) -> usize {
    draw.below(ENDINGS.len())
}

/// The word behind an index of [`ending`].
pub(crate) fn ending_word(index: usize) -> &'static str {
    ENDINGS[index]
}

/// A demonstration that the instruction is carried out: on a demonstrated proverb or on a made-up sentence.
pub(crate) fn end_quote(draw: &mut Draw, split: Split) -> Document {
    let (stem, word) = draw.admitted(split, SALT, |draw| {
        let word = ending(draw);
        let proverb = draw.below(PROVERBS.len());
        if is_demonstrated(proverb) {
            (
                (PROVERBS[proverb].0.to_owned(), word),
                vec![1, proverb, word],
            )
        } else {
            let lists = [ANIMALS, TOYS, GIRLS];
            let [animal, toy, name] = lists.map(|list| draw.below(list.len()));
            let template = draw.below(4);
            let (stem, said) = match template {
                0 => (format!("The {} saw the", ANIMALS[animal]), [animal, 0]),
                1 => (
                    format!("{} put the {} near the", GIRLS[name], TOYS[toy]),
                    [toy, name],
                ),
                2 => (format!("A good {} is like the", TOYS[toy]), [toy, 0]),
                _ => (format!("Every {} loves the", ANIMALS[animal]), [animal, 0]),
            };
            ((stem, word), vec![2, word, template, said[0], said[1]])
        }
    });
    let word = ending_word(word);
    let question = instruction(word, &stem);
    let body = if draw.chance(50) {
        Body::Plain(format!("{question} {word}."))
    } else {
        Body::exchange(question, format!("{stem} {word}."))
    };
    Document::new(Kind::EndQuote, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_proverb_is_taught_often_and_one_in_three_is_demonstrated() {
        for proverb in 0..PROVERBS.len() {
            let taught = (0..9)
                .filter(|&t| Split::Train.admits(SALT, &[0, proverb, t]))
                .count();
            assert!(taught >= 4, "{proverb}: {taught}");
        }
        let demonstrated = (0..PROVERBS.len()).filter(|&p| is_demonstrated(p)).count();
        assert_eq!(demonstrated * 3, PROVERBS.len());
    }

    #[test]
    fn no_asked_ending_is_a_common_one() {
        assert!(PROVERBS.iter().all(|(_, last)| !ENDINGS.contains(last)));
    }

    #[test]
    fn demonstrations_do_what_they_are_told() {
        for index in 0..300 {
            let document = end_quote(&mut Draw::new(0, Split::Train, index), Split::Train);
            let first = document.body.texts().next().unwrap().to_owned();
            let word = first.split('"').nth(1).unwrap().to_owned();
            assert!(
                document
                    .body
                    .texts()
                    .last()
                    .unwrap()
                    .ends_with(&format!(" {word}."))
            );
        }
    }
}
