//! What colour things are, and how colours mix.

use crate::choices::Quiz;
use crate::document::{Body, Document, Kind};
use crate::draw::{Draw, Split};
use crate::fill::{Slots, with_article};
use crate::world::COLOURS;

const SALT: u64 = 0xc010;

/// Things and their colours; "the" things stand alone, the others are kinds. The order is part of the split.
const THINGS: &[(&str, &str)] = &[
    ("the sky", "blue"),
    ("the sea", "blue"),
    ("the grass", "green"),
    ("the sun", "yellow"),
    ("the snow", "white"),
    ("the night", "black"),
    ("the fire", "red"),
    ("leaf", "green"),
    ("frog", "green"),
    ("lemon", "yellow"),
    ("banana", "yellow"),
    ("cherry", "red"),
    ("tomato", "red"),
    ("strawberry", "red"),
    ("carrot", "orange"),
    ("pumpkin", "orange"),
    ("plum", "purple"),
    ("grape", "purple"),
    ("swan", "white"),
    ("egg", "white"),
    ("crow", "black"),
    ("mouse", "grey"),
    ("stone", "grey"),
    ("bear", "brown"),
    ("nut", "brown"),
    ("pig", "pink"),
];

/// Two colours and what they make.
const MIXES: &[(&str, &str, &str)] = &[
    ("red", "yellow", "orange"),
    ("blue", "yellow", "green"),
    ("red", "blue", "purple"),
    ("red", "white", "pink"),
    ("black", "white", "grey"),
    ("red", "green", "brown"),
];

fn named(thing: &str) -> String {
    if thing.starts_with("the ") {
        thing.to_owned()
    } else {
        with_article(thing)
    }
}

/// A filling of one side of the split.
pub(crate) fn question(draw: &mut Draw, split: Split) -> (String, String) {
    draw.admitted(split, SALT, |draw| {
        let index = draw.below(THINGS.len() + MIXES.len());
        if let Some(&(thing, colour)) = THINGS.get(index) {
            let template = draw.below(4);
            let name = named(thing);
            let slots = Slots::new(&[("thing", &name), ("colour", colour)]);
            let (question, answer) = [
                ("What colour is {thing}?", "{thing} is {colour}."),
                ("Which colour does {thing} have?", "{thing} is {colour}."),
                ("Tell me the colour of {thing}.", "{thing} is {colour}."),
                (
                    "Do you know what colour {thing} is?",
                    "{thing} is {colour}.",
                ),
            ][template];
            (
                (slots.fill(question), slots.fill(answer)),
                vec![index, template],
            )
        } else {
            let (one, two, both) = MIXES[index - THINGS.len()];
            let turned = draw.below(2);
            let (one, two) = if turned == 0 { (one, two) } else { (two, one) };
            let template = draw.below(3);
            let slots = Slots::new(&[("one", one), ("two", two), ("both", both)]);
            let question = [
                "What do you get when you mix {one} and {two}?",
                "What colour do {one} and {two} make?",
                "I mix {one} and {two}. Which colour is it?",
            ][template];
            let answer = "{one} and {two} make {both}.";
            (
                (slots.fill(question), slots.fill(answer)),
                vec![index, turned, template],
            )
        }
    })
}

/// A question about colours and its answer.
pub(crate) fn document(draw: &mut Draw, split: Split) -> Document {
    let (question, answer) = question(draw, split);
    Document::new(Kind::Colour, Body::exchange(question, answer))
}

/// A colour question for multiple choice.
pub(crate) fn quiz(draw: &mut Draw) -> Quiz {
    let index = draw.below(THINGS.len());
    let (thing, colour) = THINGS[index];
    Quiz {
        key: vec![2, index],
        question: format!("What colour is {}?", named(thing)),
        answer: colour.to_owned(),
        wrong: COLOURS
            .iter()
            .filter(|c| **c != colour)
            .map(|c| (*c).to_owned())
            .collect(),
    }
}

/// A thing and its colour, as a true and a false statement.
pub(crate) fn statement(draw: &mut Draw) -> (String, String) {
    let (thing, colour) = draw.pick(THINGS);
    let wrong: Vec<&str> = COLOURS.iter().copied().filter(|c| *c != colour).collect();
    let say =
        |colour: &str| Slots::new(&[("thing", &named(thing))]).fill("{thing} is ") + colour + ".";
    (say(colour), say(draw.pick(&wrong)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thing_is_taught_in_some_words() {
        for index in 0..THINGS.len() {
            assert!(
                (0..4).any(|t| Split::Train.admits(SALT, &[index, t])),
                "{index}"
            );
        }
        for index in THINGS.len()..THINGS.len() + MIXES.len() {
            assert!(
                (0..6).any(|t| Split::Train.admits(SALT, &[index, t / 3, t % 3])),
                "{index}"
            );
        }
    }

    #[test]
    fn statements_differ_in_the_colour() {
        let (right, wrong) = statement(&mut Draw::new(1, Split::Train, 0));
        assert_ne!(right, wrong);
        assert_eq!(
            right.rsplit_once(' ').unwrap().0,
            wrong.rsplit_once(' ').unwrap().0
        );
    }
}
