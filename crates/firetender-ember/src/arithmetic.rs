//! Small sums in figures and in words, comparisons and counting. Numbers stay below 21, which a small model learns by heart;
//! one filling in eight is held out, nearly always with the same sum in other words on the training side.

use crate::choices::Quiz;
use crate::document::{Body, Document, Kind};
use crate::draw::{Draw, Split};
use crate::fill::Slots;
use crate::world::{BOYS, GIRLS};

const SALT: u64 = 0x1234;
/// Things that are counted.
const THINGS: &[&str] = &[
    "apples", "nuts", "plums", "cakes", "pears", "cookies", "eggs", "coins", "berries",
];
const ADD: &[(&str, &str)] = &[
    ("What is {a} + {b}?", "{a} + {b} = {c}."),
    ("What is {a} plus {b}?", "{a} plus {b} is {c}."),
    ("How much is {a} + {b}?", "{a} + {b} = {c}."),
    (
        "{name} has {a} {thing} and gets {b} more. How many {thing} does {name} have?",
        "{name} has {c} {thing}.",
    ),
    (
        "There are {a} {thing} on the table and {b} {thing} in the basket. How many are there?",
        "There are {c} {thing}.",
    ),
];
const TAKE: &[(&str, &str)] = &[
    ("What is {a} - {b}?", "{a} - {b} = {c}."),
    ("What is {a} minus {b}?", "{a} minus {b} is {c}."),
    ("How much is {a} - {b}?", "{a} - {b} = {c}."),
    (
        "{name} has {a} {thing} and gives away {b}. How many {thing} are left?",
        "{c} {thing} are left.",
    ),
];
const COMPARE: &[(&str, &str)] = &[
    ("Which is bigger, {a} or {b}?", "{c} is bigger."),
    ("Which number is bigger, {a} or {b}?", "{c} is bigger."),
];
const COUNT: &[(&str, &str)] = &[
    ("Count from {a} to {b}.", "{c}."),
    ("Can you count from {a} to {b}?", "{c}."),
];

/// A filling of one side of the split.
pub(crate) fn question(draw: &mut Draw, split: Split) -> (String, String) {
    draw.admitted(split, SALT, |draw| {
        let operation = draw.below(10);
        let (kind, forms, a, b, result) = match operation {
            0..5 => {
                let (a, b) = (draw.below(11), draw.below(11));
                (0, ADD, a, b, (a + b).to_string())
            }
            5..8 => {
                let a = draw.below(13);
                let b = draw.below(a + 1);
                (1, TAKE, a, b, (a - b).to_string())
            }
            8 => {
                let a = draw.below(20);
                let b = (a + 1 + draw.below(19)) % 20;
                (2, COMPARE, a, b, a.max(b).to_string())
            }
            _ => {
                let a = draw.below(10);
                let b = a + 2 + draw.below(6);
                let numbers: Vec<String> = (a..=b).map(|n| n.to_string()).collect();
                (3, COUNT, a, b, numbers.join(", "))
            }
        };
        let template = draw.below(forms.len());
        let names = if draw.chance(50) { GIRLS } else { BOYS };
        let (first, second) = (a.to_string(), b.to_string());
        let slots = Slots::new(&[
            ("a", &first),
            ("b", &second),
            ("c", &result),
            ("name", draw.pick(names)),
            ("thing", draw.pick(THINGS)),
        ]);
        let (question, answer) = forms[template];
        let filled = (slots.fill(question), slots.fill(answer));
        (filled, vec![kind, a, b, template])
    })
}

/// A question about numbers and its answer.
pub(crate) fn document(draw: &mut Draw, split: Split) -> Document {
    let (question, answer) = question(draw, split);
    Document::new(Kind::Arithmetic, Body::exchange(question, answer))
}

/// A sum for multiple choice.
pub(crate) fn quiz(draw: &mut Draw) -> Quiz {
    let (a, b) = (draw.below(11), draw.below(11));
    let right = a + b;
    let wrong = (1..=4)
        .flat_map(|step| [Some(right + step), right.checked_sub(step)])
        .flatten()
        .map(|n| n.to_string())
        .collect();
    Quiz {
        key: vec![1, a, b],
        question: format!("What is {a} + {b}?"),
        answer: right.to_string(),
        wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_right() {
        let mut checked = 0;
        for index in 0..3000 {
            let (_, answer) = question(&mut Draw::new(1, Split::Train, index), Split::Train);
            let words: Vec<&str> = answer.trim_end_matches('.').split(' ').collect();
            if let [a, sign, b, "=", c] = words[..] {
                let [a, b, c]: [i64; 3] = [a, b, c].map(|n| n.parse().unwrap());
                assert_eq!(if sign == "+" { a + b } else { a - b }, c);
                checked += 1;
            }
        }
        assert!(checked > 500, "{checked}");
    }

    #[test]
    fn the_sides_share_no_question() {
        let texts = |split| {
            (0..5000)
                .map(|i| question(&mut Draw::new(1, split, i), split).0)
                .collect::<std::collections::HashSet<_>>()
        };
        let (train, held) = (texts(Split::Train), texts(Split::HeldOut));
        assert!(held.len() > 60 && train.is_disjoint(&held));
    }
}
