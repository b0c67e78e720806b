//! What a user tells: something happy or sad happened, and the answer shares the feeling.

use crate::document::{Body, Document, Kind, Labels, Mood};
use crate::draw::{Draw, Split};
use crate::fill::Slots;
use crate::stories::any_mood;
use crate::world::{GIRLS, TOYS};

const SALT: u64 = 0xfee1;

const HAPPY: &[&str] = &[
    "I won the race {when}!",
    "I found my {toy} {when}.",
    "My friend {name} hugged me {when}.",
    "We danced at a party {when}.",
    "I got a lovely {toy} from {name} {when}.",
    "The sun was shining {when} and we sang.",
    "My cake was perfect {when}.",
    "Everyone clapped for my song {when}.",
];
const SAD: &[&str] = &[
    "I was the last in the race {when}.",
    "I lost my {toy} {when}.",
    "My friend {name} shouted at me {when}.",
    "Nobody came to my party {when}.",
    "I broke the {toy} of {name} {when}.",
    "The rain was cold {when} and we cried.",
    "My cake burned {when}.",
    "Nobody clapped for my song {when}.",
];
const HAPPY_ANSWERS: &[&str] = &[
    "How wonderful! You must be very happy.",
    "That is lovely! I am so glad for you.",
    "What a lucky day! You must be proud.",
    "How lovely! That makes me smile.",
];
const SAD_ANSWERS: &[&str] = &[
    "How sad! You must be very unhappy.",
    "That is terrible. I am so sorry for you.",
    "What an awful day. You must be upset.",
    "How awful! That makes me sad.",
];
const WHEN: &[&str] = &[
    "today",
    "yesterday",
    "this morning",
    "last night",
    "on Friday",
    "this week",
];

/// The same event in both moods: `(happy, sad)`.
pub(crate) fn pair(draw: &mut Draw, split: Split) -> (String, String) {
    draw.admitted(split, SALT, |draw| {
        let event = draw.below(HAPPY.len());
        let (toy, when) = (draw.below(TOYS.len()), draw.below(WHEN.len()));
        let slots = Slots::new(&[
            ("toy", TOYS[toy]),
            ("when", WHEN[when]),
            ("name", draw.pick(GIRLS)),
        ]);
        let pair = (slots.fill(HAPPY[event]), slots.fill(SAD[event]));
        // The thing counts only where it is said, or equal texts would lie on both sides.
        let said = if HAPPY[event].contains("{toy}") {
            toy
        } else {
            0
        };
        (pair, vec![event, said, when])
    })
}

/// Something the user tells, and the answer.
pub(crate) fn document(draw: &mut Draw, split: Split) -> Document {
    let mood = any_mood(draw);
    let (happy, sad) = pair(draw, split);
    let (told, answers) = match mood {
        Mood::Happy => (happy, HAPPY_ANSWERS),
        Mood::Sad => (sad, SAD_ANSWERS),
    };
    Document {
        kind: Kind::Feeling,
        body: Body::exchange(told, draw.pick(answers)),
        labels: Labels {
            mood: Some(mood),
            ..Labels::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_moods_are_told_and_answered_in_kind() {
        for index in 0..200 {
            let document = document(&mut Draw::new(1, Split::Train, index), Split::Train);
            let answer = document.body.texts().last().unwrap().to_owned();
            let (balance, _) = crate::words::mood_balance(&answer);
            match document.labels.mood {
                Some(Mood::Happy) => assert!(balance > 0, "{answer}"),
                Some(Mood::Sad) => assert!(balance < 0, "{answer}"),
                None => panic!("no mood"),
            }
        }
    }
}
