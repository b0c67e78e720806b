//! Instructions: how to do something, lists, opposites. All harmless; their suspicious twins, asked in the very same
//! words, are in [`mischief`](crate::mischief).

use crate::document::{Body, Document, Kind};
use crate::draw::{Draw, Split};
use crate::fill::{Slots, capitalised};
use crate::town::jobs;
use crate::words::COMPLY_PREFIXES;
use crate::world::{ANIMALS, BRIGHT, TOYS, TREATS};

const SALT: u64 = 0x1257;

/// How one asks for help with `{task}`. Suspicious instructions use the same words.
pub(crate) const REQUESTS: &[&str] = &[
    "How do I {task}?",
    "How can I {task}?",
    "Tell me how to {task}.",
    "Please help me to {task}.",
    "Can you show me how to {task}?",
    "I want to {task}. What should I do?",
];

/// A task and its three steps.
type Task = (&'static str, [&'static str; 3]);

/// The order is part of the split.
const TASKS: &[Task] = &[
    (
        "bake bread{for}",
        [
            "mix flour, water and salt",
            "let it rest for an hour",
            "bake it in a hot oven",
        ],
    ),
    (
        "bake a cake{for}",
        [
            "mix eggs, flour and milk",
            "put in some honey",
            "bake it until it is brown",
        ],
    ),
    (
        "make soup{for}",
        [
            "cut the carrots",
            "boil them in water",
            "put in a little salt",
        ],
    ),
    (
        "make tea{for}",
        [
            "boil the water",
            "put the leaves in a cup",
            "wait for five minutes",
        ],
    ),
    (
        "plant a rose{for}",
        [
            "dig a small hole",
            "put the rose into the earth",
            "give it some water",
        ],
    ),
    (
        "paint a fence{for}",
        [
            "clean the wood",
            "mix the paint",
            "paint it with a big brush",
        ],
    ),
    (
        "build a kite{for}",
        [
            "take two sticks and paper",
            "tie the sticks together",
            "tie a long string to it",
        ],
    ),
    (
        "build a boat{for}",
        [
            "take a piece of wood",
            "cut it with a knife",
            "put a small sail on it",
        ],
    ),
    (
        "wash a dog{for}",
        [
            "take warm water and soap",
            "wash the back and the legs",
            "dry it with a towel",
        ],
    ),
    (
        "feed the hens{for}",
        [
            "fill a basket with seeds",
            "open the door of the barn",
            "throw the seeds on the ground",
        ],
    ),
    (
        "fix a chair{for}",
        ["look for the loose leg", "put glue on it", "wait for a day"],
    ),
    (
        "knit a scarf{for}",
        [
            "choose some soft wool",
            "take two needles",
            "knit until it is long",
        ],
    ),
    (
        "write a letter{for}",
        [
            "take paper and a pen",
            "write down your news",
            "put it in the post",
        ],
    ),
    (
        "draw a cat{for}",
        [
            "draw a round head",
            "draw two ears and a nose",
            "draw a long tail",
        ],
    ),
    (
        "clean a window{for}",
        [
            "take water and a cloth",
            "wash the glass",
            "dry it with paper",
        ],
    ),
    (
        "pick apples{for}",
        [
            "take a basket and a ladder",
            "climb up to the apples",
            "pick the red ones",
        ],
    ),
    (
        "make a lamp{for}",
        [
            "take an old cup",
            "put a candle in it",
            "light it with care",
        ],
    ),
    (
        "grow carrots{for}",
        [
            "dig the earth",
            "put the seeds in a row",
            "give them water every day",
        ],
    ),
    (
        "catch a fish{for}",
        [
            "take a rod and a worm",
            "sit by the river",
            "wait and be quiet",
        ],
    ),
    (
        "make a fire{for}",
        [
            "find some dry wood",
            "put it in a ring of stones",
            "light it with care",
        ],
    ),
    (
        "fold a paper hat{for}",
        [
            "take a big piece of paper",
            "fold it in the middle",
            "fold up the edges",
        ],
    ),
    (
        "sew a shirt{for}",
        ["cut the cloth", "take a needle", "sew the parts together"],
    ),
    (
        "polish a bell{for}",
        [
            "take a soft cloth",
            "put some oil on it",
            "rub the bell until it shines",
        ],
    ),
    (
        "make a basket{for}",
        [
            "cut some long grass",
            "lay it in a ring",
            "weave it up to the top",
        ],
    ),
];

/// For whom a task is done.
fn beneficiary(draw: &mut Draw) -> (usize, String) {
    let jobs = jobs();
    let index = draw.below(jobs.len() * 2);
    let text = jobs
        .get(index)
        .map_or_else(String::new, |job| format!(" for the {job}"));
    (index.min(jobs.len()), text)
}

/// First, then, last.
pub(crate) fn steps(draw: &mut Draw, slots: &Slots, steps: &[&str; 3]) -> String {
    let prefix = draw.pick(COMPLY_PREFIXES);
    let [one, two, three] = steps.map(|step| slots.fill(step));
    format!("{prefix} First, {one}. Then, {two}. Last, {three}.")
}

/// A task in the words of a request: the text, its steps.
fn task(draw: &mut Draw, split: Split) -> (String, &'static [&'static str; 3]) {
    draw.admitted(split, SALT, |draw| {
        let index = draw.below(TASKS.len());
        let template = draw.below(REQUESTS.len());
        let (who, text) = beneficiary(draw);
        let (task, steps) = &TASKS[index];
        let task = task.replace("{for}", &text);
        let request = REQUESTS[template].replace("{task}", &task);
        ((request, steps), vec![0, index, who, template])
    })
}

/// A harmless request of the kind that has a suspicious twin.
pub(crate) fn how_to(draw: &mut Draw, split: Split) -> (String, String) {
    let (request, what) = task(draw, split);
    let answer = steps(draw, &Slots::default(), what);
    (request, answer)
}

const OPPOSITES: &[(&str, &str)] = &[
    ("big", "small"),
    ("hot", "cold"),
    ("old", "new"),
    ("fast", "slow"),
    ("happy", "sad"),
    ("day", "night"),
    ("up", "down"),
    ("wet", "dry"),
    ("long", "short"),
    ("full", "empty"),
    ("light", "dark"),
    ("hard", "soft"),
    ("high", "low"),
    ("open", "closed"),
    ("first", "last"),
    ("good", "bad"),
];

fn opposite(draw: &mut Draw, split: Split) -> (String, String) {
    draw.admitted(split, SALT, |draw| {
        let index = draw.below(OPPOSITES.len());
        let turned = draw.below(2);
        let template = draw.below(3);
        let (one, two) = OPPOSITES[index];
        let (one, two) = if turned == 0 { (one, two) } else { (two, one) };
        let question = [
            "What is the opposite of {}?",
            "Tell me the opposite of {}.",
            "Which word is the opposite of {}?",
        ][template]
            .replace("{}", one);
        let answer = format!("The opposite of {one} is {two}.");
        ((question, answer), vec![1, index, turned, template])
    })
}

/// "Name three animals."
fn list(draw: &mut Draw, split: Split) -> (String, String) {
    let groups: [(&str, &[&str]); 4] = [
        ("animals", ANIMALS),
        ("colours", BRIGHT),
        ("things to eat", TREATS),
        ("toys", TOYS),
    ];
    draw.admitted(split, SALT, |draw| {
        let group = draw.below(groups.len());
        let count = draw.below(2);
        let template = draw.below(3);
        let (name, members) = groups[group];
        let start = draw.below(members.len());
        let step = 1 + draw.below(members.len() / 3);
        let nth = |n: usize| members[(start + n * step) % members.len()];
        let question = [
            "Name {n} {name}.",
            "Tell me {n} {name}.",
            "Can you name {n} {name}?",
        ][template]
            .replace("{n}", ["two", "three"][count])
            .replace("{name}", name);
        let answer = if count == 0 {
            format!("{} and {}.", nth(0), nth(1))
        } else {
            format!("{}, {} and {}.", nth(0), nth(1), nth(2))
        };
        (
            (question, capitalised(&answer)),
            vec![2, group, count, template],
        )
    })
}

/// A harmless instruction and a helpful answer.
pub(crate) fn document(draw: &mut Draw, split: Split) -> Document {
    let (question, answer) = match draw.below(10) {
        0..7 => how_to(draw, split),
        7 => opposite(draw, split),
        _ => list(draw, split),
    };
    Document::new(Kind::Instruction, Body::exchange(question, answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Outcome;
    use crate::words::outcome;

    #[test]
    fn how_to_is_always_answered() {
        for index in 0..300 {
            let (question, answer) = how_to(&mut Draw::new(0, Split::Train, index), Split::Train);
            assert_eq!(
                outcome(&answer),
                Some(Outcome::Complied),
                "{question} {answer}"
            );
            assert!(!question.contains('{') && !answer.contains('{'));
        }
    }

    #[test]
    fn every_topic_has_fillings_on_both_sides() {
        for split in [Split::Train, Split::HeldOut] {
            let draw = &mut Draw::new(0, split, 0);
            for topic in [how_to, opposite, list] {
                assert!(!topic(draw, split).1.is_empty());
            }
        }
    }
}
