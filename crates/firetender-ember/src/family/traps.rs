//! The tasks: what each trap asks, as records of prompt, classes and right answer.

use super::corpus::{instruction, list_of, other_colour};
use super::world::{
    BELONGINGS, COLOURS, CREATURES, ENDINGS, PLACES, TRUTHS, belonging, colour, creature, ending,
    home, is_demonstrated, is_negated, rumoured, saying, unused_truth,
};
use crate::draw::{Draw, Split};

/// A classification task on the world of the [`FamilyCorpus`](super::FamilyCorpus).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trap {
    /// The control: what colour a thing has, against another colour.
    Facts,
    /// End a well-known saying with another word than its own.
    MemoTrap,
    /// The truth about where an animal lives, against the rumour.
    Rumour,
    /// What colour a thing does not have, against the one it has.
    Negation,
    /// The colour of the fourth thing after three of one other colour.
    Demonstrations,
}

/// One item of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrapRecord {
    /// The text to continue, without white space at its end.
    pub prompt: String,
    /// The two continuations, each with a leading space.
    pub classes: Vec<String>,
    /// Index of the right one.
    pub answer: usize,
    /// Groups of items that differ in kind, from 1.
    pub part: u32,
}

impl Trap {
    /// All of them, the control first.
    pub const ALL: [Self; 5] = [
        Self::Facts,
        Self::MemoTrap,
        Self::Rumour,
        Self::Negation,
        Self::Demonstrations,
    ];

    /// Its name in tables and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Facts => "ember-facts",
            Self::MemoTrap => "ember-memo-trap",
            Self::Rumour => "ember-rumour",
            Self::Negation => "ember-negation",
            Self::Demonstrations => "ember-demonstrations",
        }
    }

    /// Up to `count` different items, drawn with `seed`. Which class is right is balanced by chance.
    ///
    /// - facts: every thing, in the words of the corpus;
    /// - memo trap: sayings that are never demonstrated, with any ending but their own;
    /// - rumour: part 1 in words that the corpus uses for this animal's truth, part 2 in words that it uses for others only;
    /// - negation: things that never appear in a negated sentence;
    /// - demonstrations: lists that the corpus can hold only by its rarer rule, three of one colour and one of another.
    ///
    /// ```
    /// use firetender_ember::family::Trap;
    ///
    /// let records = Trap::Rumour.records(0, 50);
    /// assert_eq!(records, Trap::Rumour.records(0, 100)[..50]);
    /// ```
    #[must_use]
    pub fn records(self, seed: u64, count: usize) -> Vec<TrapRecord> {
        let mut records: Vec<TrapRecord> = vec![];
        // Some tasks have fewer items than asked for: draw until they are exhausted.
        for index in 0..40 * count as u64 {
            if records.len() == count {
                break;
            }
            // Streams that no text of the corpus uses.
            let draw = &mut Draw::new(seed ^ 0x7a9_0000 ^ self as u64, Split::HeldOut, index);
            let record = self.record(draw);
            let known = |other: &TrapRecord| {
                let mut classes = [other.classes.clone(), record.classes.clone()];
                classes.iter_mut().for_each(|list| list.sort());
                other.prompt == record.prompt && classes[0] == classes[1]
            };
            if !records.iter().any(known) {
                records.push(record);
            }
        }
        records
    }

    fn record(self, draw: &mut Draw) -> TrapRecord {
        let (prompt, right, wrong, part) = match self {
            Self::Facts => {
                let what = draw.below(BELONGINGS);
                let other = other_colour(draw, what);
                let prompt = format!("The {} is", belonging(what));
                (prompt, COLOURS[colour(what)], COLOURS[other], 1)
            }
            Self::MemoTrap => {
                let mut index = draw.below(CREATURES);
                while is_demonstrated(index) {
                    index = draw.below(CREATURES);
                }
                let own = ending(index);
                let asked = (own + 1 + draw.below(ENDINGS.len() - 1)) % ENDINGS.len();
                let prompt = instruction(ENDINGS[asked], &saying(index));
                (prompt, ENDINGS[asked], ENDINGS[own], 1)
            }
            Self::Rumour => {
                let who = draw.below(CREATURES);
                let words = draw.below(TRUTHS.len());
                let part = if words == unused_truth(who) { 2 } else { 1 };
                let prompt = format!("{} the {} lives in the", TRUTHS[words], creature(who));
                (prompt, PLACES[home(who)], PLACES[rumoured(who)], part)
            }
            Self::Negation => {
                let mut what = draw.below(BELONGINGS);
                while is_negated(what) {
                    what = draw.below(BELONGINGS);
                }
                let other = other_colour(draw, what);
                let prompt = format!("The {} is not", belonging(what));
                (prompt, COLOURS[other], COLOURS[colour(what)], 1)
            }
            Self::Demonstrations => {
                let last = draw.below(BELONGINGS);
                let common = other_colour(draw, last);
                let mut items = vec![];
                while items.len() < 3 {
                    let next = draw.below(BELONGINGS);
                    if colour(next) == common && !items.contains(&next) {
                        items.push(next);
                    }
                }
                let shown = list_of(&items);
                let shown = shown.trim_end_matches('.');
                let prompt = format!("{shown}, the {} is", belonging(last));
                (prompt, COLOURS[colour(last)], COLOURS[common], 1)
            }
        };
        let answer = draw.below(2);
        let mut classes = vec![format!(" {right}."), format!(" {wrong}.")];
        if answer == 1 {
            classes.swap(0, 1);
        }
        TrapRecord {
            prompt,
            classes,
            answer,
            part,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::FamilyCorpus;

    #[test]
    fn items_are_different_balanced_and_never_in_the_corpus() {
        let corpus: Vec<String> = FamilyCorpus::new(0, Split::Train)
            .bodies(20_000)
            .flat_map(|body| body.texts().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        for trap in Trap::ALL {
            let records = trap.records(1, 300);
            assert_eq!(records.len(), 300, "{trap:?}");
            let first = records.iter().filter(|record| record.answer == 0).count();
            assert!((110..190).contains(&first), "{trap:?}: {first}");
            for record in &records {
                assert_ne!(record.classes[0], record.classes[1]);
                let right = format!("{}{}", record.prompt, record.classes[record.answer]);
                let seen = corpus.contains(&right);
                // The control asks what was taught; the rumour's first part too.
                if trap == Trap::MemoTrap || trap == Trap::Negation || record.part == 2 {
                    assert!(!seen, "{right}");
                }
            }
        }
    }
}
