//! The invented town of Emberwick: its people and places never change, so that a model can learn them by heart.
//!
//! A filling is a fact in the words of one template. One filling in eight is held out, but every fact is in the training side in
//! some words (tested), so a held-out question can be answered by a model that has learned the town.

use crate::choices::Quiz;
use crate::document::{Body, Document, Kind};
use crate::draw::{Draw, Split};
use crate::fill::{Slots, capitalised, with_article};
use crate::stories::pronouns;

const SALT: u64 = 0x7033;

/// One inhabitant.
struct Person {
    name: &'static str,
    woman: bool,
    job: &'static str,
    street: &'static str,
    pet: &'static str,
    food: &'static str,
}

const fn person(
    name: &'static str,
    woman: bool,
    job: &'static str,
    street: &'static str,
    pet: &'static str,
    food: &'static str,
) -> Person {
    Person {
        name,
        woman,
        job,
        street,
        pet,
        food,
    }
}

/// The people. The order is part of the split.
const PEOPLE: &[Person] = &[
    person("Mara", true, "baker", "Mill Street", "cat", "bread"),
    person("Edwin", false, "teacher", "Oak Street", "owl", "cheese"),
    person("Olga", true, "doctor", "River Street", "dog", "soup"),
    person("Bruno", false, "farmer", "Hill Street", "goat", "apples"),
    person("Selma", true, "mayor", "Market Street", "parrot", "cakes"),
    person(
        "Viktor",
        false,
        "gardener",
        "Garden Street",
        "rabbit",
        "plums",
    ),
    person("Agnes", true, "painter", "Bridge Street", "hen", "berries"),
    person("Rufus", false, "tailor", "Church Street", "mouse", "honey"),
    person("Wanda", true, "singer", "Mill Street", "pony", "pears"),
    person(
        "Gilbert",
        false,
        "miller",
        "River Street",
        "duck",
        "pancakes",
    ),
    person("Tessa", true, "fisher", "Bridge Street", "turtle", "fish"),
    person("Harold", false, "cook", "Market Street", "pig", "eggs"),
    person("Irma", true, "judge", "Church Street", "crow", "nuts"),
    person("Conrad", false, "smith", "Hill Street", "horse", "cookies"),
    person("Della", true, "nurse", "Oak Street", "frog", "cherries"),
    person("Boris", false, "guard", "Garden Street", "sheep", "carrots"),
];

/// A building: name, street, colour, what one gets there.
const PLACES: &[(&str, &str, &str, &str)] = &[
    ("bakery", "Mill Street", "yellow", "bread"),
    ("school", "Oak Street", "red", "books"),
    ("hospital", "River Street", "white", "medicine"),
    ("town hall", "Market Street", "blue", "maps"),
    ("mill", "River Street", "brown", "flour"),
    ("inn", "Market Street", "green", "soup"),
    ("smithy", "Hill Street", "black", "nails"),
    ("theatre", "Mill Street", "purple", "tickets"),
    ("church", "Church Street", "grey", "candles"),
    ("flower shop", "Garden Street", "pink", "roses"),
];

/// Facts about the town itself: three questions and the answer.
const TOWN: &[([&str; 3], &str)] = &[
    (
        [
            "What is the name of the town?",
            "What is the town called?",
            "What town is this?",
        ],
        "The town is called Emberwick.",
    ),
    (
        [
            "Which river runs through Emberwick?",
            "What is the name of the river?",
            "What is the river called?",
        ],
        "The river is called the Silver.",
    ),
    (
        [
            "On which day is the market?",
            "When is the market in Emberwick?",
            "When can I go to the market?",
        ],
        "The market is on Friday.",
    ),
    (
        [
            "How many bridges does Emberwick have?",
            "How many bridges are there?",
            "Can you count the bridges of Emberwick?",
        ],
        "Emberwick has 3 bridges.",
    ),
    (
        [
            "When is the lantern feast?",
            "When do the people of Emberwick light the lanterns?",
            "On which day is the lantern feast?",
        ],
        "The lantern feast is on the first day of winter.",
    ),
    (
        [
            "How old is Emberwick?",
            "What is the age of the town?",
            "How many years old is the town?",
        ],
        "Emberwick is 700 years old.",
    ),
    (
        [
            "What stands on the hill?",
            "What can I see on the hill of Emberwick?",
            "What is on top of the hill?",
        ],
        "An old lighthouse stands on the hill.",
    ),
    (
        [
            "What is the flag of Emberwick?",
            "What does the flag look like?",
            "What is on the flag of the town?",
        ],
        "The flag shows a red fox on a white field.",
    ),
];

/// What is asked about a person; every kind has three templates.
const PERSON_FACTS: usize = 6;
/// What is asked about a place; every kind has three templates.
const PLACE_FACTS: usize = 3;
const TEMPLATES: usize = 3;

/// Number of facts, each with three templates.
pub(crate) const FACTS: usize =
    PEOPLE.len() * PERSON_FACTS + PLACES.len() * PLACE_FACTS + TOWN.len();

/// Question and answer of a fact in the words of a template (`0..3`).
pub(crate) fn fact(index: usize, template: usize) -> (String, String) {
    let (kind, slots) = if index < PEOPLE.len() * PERSON_FACTS {
        let who = &PEOPLE[index / PERSON_FACTS];
        let (he, _, his) = pronouns(who.woman);
        let slots = Slots::new(&[
            ("name", who.name),
            ("job", who.job),
            ("street", who.street),
            ("pet", who.pet),
            ("food", who.food),
            ("he", he),
            ("his", his),
        ]);
        (index % PERSON_FACTS, slots)
    } else if index < PEOPLE.len() * PERSON_FACTS + PLACES.len() * PLACE_FACTS {
        let rest = index - PEOPLE.len() * PERSON_FACTS;
        let (place, street, colour, goods) = PLACES[rest / PLACE_FACTS];
        let slots = Slots::new(&[
            ("place", place),
            ("street", street),
            ("colour", colour),
            ("goods", goods),
        ]);
        (PERSON_FACTS + rest % PLACE_FACTS, slots)
    } else {
        let (questions, answer) =
            TOWN[index - PEOPLE.len() * PERSON_FACTS - PLACES.len() * PLACE_FACTS];
        return (questions[template].to_owned(), answer.to_owned());
    };
    let (questions, answer) = FORMS[kind];
    (slots.fill(questions[template]), slots.fill(answer))
}

/// Question templates and answer of each kind of fact.
const FORMS: [([&str; TEMPLATES], &str); PERSON_FACTS + PLACE_FACTS] = [
    (
        [
            "What is the job of {name}?",
            "What does {name} do?",
            "What work does {name} do in Emberwick?",
        ],
        "{name} is the {job} of Emberwick.",
    ),
    (
        [
            "Who is the {job} of Emberwick?",
            "Who is the {job}?",
            "What is the name of the {job}?",
        ],
        "The {job} is {name}.",
    ),
    (
        [
            "Where does {name} live?",
            "In which street does {name} live?",
            "Where is the house of {name}?",
        ],
        "{name} lives in {street}.",
    ),
    (
        [
            "What pet does {name} have?",
            "Which animal does {name} have?",
            "Does {name} have a pet?",
        ],
        "{name} has {a pet}.",
    ),
    (
        [
            "What does {name} like to eat?",
            "What is the favourite food of {name}?",
            "Which food does {name} like?",
        ],
        "{name} likes to eat {food}.",
    ),
    (
        [
            "Who is {name}?",
            "Tell me about {name}.",
            "What do you know about {name}?",
        ],
        "{name} is the {job} of Emberwick. {he} lives in {street} with {his} {pet} and likes to eat {food}.",
    ),
    (
        [
            "Where is the {place}?",
            "In which street is the {place}?",
            "How do I find the {place}?",
        ],
        "The {place} is in {street}.",
    ),
    (
        [
            "What colour is the {place}?",
            "Which colour does the {place} have?",
            "What does the {place} look like?",
        ],
        "The {place} is {colour}.",
    ),
    (
        [
            "What can I get at the {place}?",
            "What do they have at the {place}?",
            "Why do people go to the {place}?",
        ],
        "At the {place} you can get {goods}.",
    ),
];

/// A filling of one side of the split.
pub(crate) fn question(draw: &mut Draw, split: Split) -> (String, String) {
    let (index, template) = draw.admitted(split, SALT, |draw| {
        let index = draw.below(FACTS);
        let template = draw.below(TEMPLATES);
        ((index, template), vec![index, template])
    });
    fact(index, template)
}

/// A question about the town and its answer.
pub(crate) fn document(draw: &mut Draw, split: Split) -> Document {
    let (question, answer) = question(draw, split);
    Document::new(Kind::Town, Body::exchange(question, answer))
}

/// Jobs of the town, for instructions and mischief.
pub(crate) fn jobs() -> Vec<&'static str> {
    PEOPLE.iter().map(|person| person.job).collect()
}

/// A question with a short answer, for multiple choice: who has a job, who has which pet, where a person lives.
pub(crate) fn quiz(draw: &mut Draw) -> Quiz {
    let index = draw.below(PEOPLE.len());
    let who = &PEOPLE[index];
    let others = |value: fn(&Person) -> &'static str| {
        let right = value(who);
        let mut wrong: Vec<String> = Vec::new();
        for other in PEOPLE {
            let value = value(other);
            if value != right && !wrong.iter().any(|w| w == value) {
                wrong.push(value.to_owned());
            }
        }
        wrong
    };
    let kind = draw.below(4);
    let (question, answer, wrong) = match kind {
        0 => (
            format!("Who is the {}?", who.job),
            who.name,
            others(|p| p.name),
        ),
        1 => (
            format!("What does {} do?", who.name),
            who.job,
            others(|p| p.job),
        ),
        2 => (
            format!("Where does {} live?", who.name),
            who.street,
            others(|p| p.street),
        ),
        _ => (
            format!("What pet does {} have?", who.name),
            who.pet,
            others(|p| p.pet),
        ),
    };
    Quiz {
        key: vec![0, index, kind],
        question,
        answer: answer.to_owned(),
        wrong,
    }
}

/// Statements about the town, the true one and a false one that differs in one word or name: `(true, false)`.
pub(crate) fn statement(draw: &mut Draw) -> (String, String) {
    let index = draw.below(PEOPLE.len());
    let who = &PEOPLE[index];
    let kind = draw.below(4);
    let other = (0..PEOPLE.len())
        .map(|step| &PEOPLE[(index + 1 + step) % PEOPLE.len()])
        .nth(draw.below(PEOPLE.len() - 1))
        .unwrap_or(who);
    let say = |from: &Person| match kind {
        0 => format!("{} is the {} of Emberwick.", who.name, from.job),
        1 => format!("{} lives in {}.", who.name, from.street),
        2 => capitalised(&format!("{} has {}.", who.name, with_article(from.pet))),
        _ => format!("{} likes to eat {}.", who.name, from.food),
    };
    (say(who), say(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_is_taught_and_some_fillings_are_held_out() {
        let mut held = 0;
        for index in 0..FACTS {
            let taught = (0..TEMPLATES)
                .filter(|&t| Split::Train.admits(SALT, &[index, t]))
                .count();
            assert!(
                taught > 0,
                "fact {index} is never taught: {:?}",
                fact(index, 0)
            );
            held += TEMPLATES - taught;
        }
        assert!(held >= 40, "{held}");
    }

    #[test]
    fn facts_have_no_gaps_left() {
        for index in 0..FACTS {
            for template in 0..TEMPLATES {
                let (question, answer) = fact(index, template);
                assert!(
                    !question.contains('{') && !answer.contains('{'),
                    "{question} {answer}"
                );
            }
        }
    }

    #[test]
    fn people_differ_in_name_job_pet_and_food() {
        for (i, one) in PEOPLE.iter().enumerate() {
            for other in &PEOPLE[..i] {
                assert!(one.name != other.name && one.job != other.job);
                assert!(one.pet != other.pet && one.food != other.food);
            }
        }
    }

    #[test]
    fn statements_differ() {
        // Streets are shared by two people, so a "false" statement may be true by accident only there.
        let mut same = 0;
        for index in 0..500 {
            let (right, wrong) = statement(&mut Draw::new(0, Split::Train, index));
            same += usize::from(right == wrong);
        }
        assert!(same < 25, "{same}");
    }
}
