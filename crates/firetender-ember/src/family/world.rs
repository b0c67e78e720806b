//! The facts of the family's corpus, each a fixed hash of a pair.

use crate::draw::hash;

/// Owners of things.
pub(super) const OWNERS: &[&str] = &[
    "Anna", "Bella", "Clara", "Daisy", "Ella", "Fiona", "Adam", "Ben", "Carl", "David", "Emil",
    "Felix",
];
/// What they own.
pub(super) const THINGS: &[&str] = &[
    "ball", "drum", "bell", "hat", "scarf", "lamp", "book", "key", "ring", "boat",
];
/// The colours of things.
pub(super) const COLOURS: &[&str] = &[
    "red", "blue", "green", "yellow", "white", "brown", "pink", "purple",
];
/// What animals are like.
pub(super) const TRAITS: &[&str] = &[
    "little", "young", "small", "clever", "quiet", "brave", "big", "curious", "old", "round",
];
/// Animals.
pub(super) const ANIMALS: &[&str] = &[
    "fox", "bear", "rabbit", "cat", "dog", "mouse", "frog", "owl", "duck", "hen", "horse", "sheep",
];
/// Where they live, or are said to live.
pub(super) const PLACES: &[&str] = &[
    "forest", "mill", "valley", "meadow", "barn", "school", "park", "market",
];
/// Last words of sayings, and words that an instruction asks for.
pub(super) const ENDINGS: &[&str] = &[
    "river", "bread", "night", "song", "garden", "stone", "winter", "door", "honey", "king",
    "snow", "star", "bridge", "table", "wind", "gold",
];
const SAYINGS: &[&str] = &[
    "never forgets the",
    "looks for the",
    "sings of the",
    "dreams of the",
];
/// How rumours begin.
pub(super) const RUMOURS: &[&str] = &["People say that", "Everybody knows that", "I heard that"];
/// How the truth begins.
pub(super) const TRUTHS: &[&str] = &["In truth", "The book says that", "Who looks will see that"];

/// Number of pairs of owner and thing.
pub(super) const BELONGINGS: usize = OWNERS.len() * THINGS.len();
/// Number of pairs of trait and animal: as many sayings, and as many animals with a home.
pub(super) const CREATURES: usize = TRAITS.len() * ANIMALS.len();

fn choose(salt: u64, index: usize, among: usize) -> usize {
    (hash(salt, &[index]) % among as u64) as usize
}

/// "hat of Anna".
pub(super) fn belonging(index: usize) -> String {
    let (owner, thing) = (index % OWNERS.len(), index / OWNERS.len());
    format!("{} of {}", THINGS[thing], OWNERS[owner])
}

/// The colour of a belonging.
pub(super) fn colour(belonging: usize) -> usize {
    choose(0xc01, belonging, COLOURS.len())
}

/// "brave fox".
pub(super) fn creature(index: usize) -> String {
    let (animal, kind) = (index % ANIMALS.len(), index / ANIMALS.len());
    format!("{} {}", TRAITS[kind], ANIMALS[animal])
}

/// Where rumour has it that a creature lives.
pub(super) fn rumoured(creature: usize) -> usize {
    choose(0x50a, creature, PLACES.len())
}

/// Where it lives: never where rumour has it.
pub(super) fn home(creature: usize) -> usize {
    (rumoured(creature) + 1 + choose(0x703, creature, PLACES.len() - 1)) % PLACES.len()
}

/// A saying without its last word: "An old fox dreams of the".
pub(super) fn saying(index: usize) -> String {
    let name = creature(index);
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "An"
    } else {
        "A"
    };
    format!(
        "{article} {name} {}",
        SAYINGS[choose(0x5a1, index, SAYINGS.len())]
    )
}

/// The last word of a saying.
pub(super) fn ending(saying: usize) -> usize {
    choose(0xe4d, saying, ENDINGS.len())
}

/// One saying in six is demonstrated with other endings.
pub(super) const fn is_demonstrated(saying: usize) -> bool {
    saying % 6 == 1
}

/// One belonging in four appears in negated sentences.
pub(super) const fn is_negated(belonging: usize) -> bool {
    belonging % 4 == 1
}

/// The words for the truth about a creature that the corpus never uses.
pub(super) fn unused_truth(creature: usize) -> usize {
    choose(0x7a7, creature, TRUTHS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_is_never_the_rumour_and_all_values_occur() {
        let mut seen = [0; 8];
        for creature in 0..CREATURES {
            assert_ne!(home(creature), rumoured(creature));
            seen[home(creature)] += 1;
        }
        assert!(seen.iter().all(|count| *count >= 5), "{seen:?}");
        let mut seen = [0; 8];
        (0..BELONGINGS).for_each(|index| seen[colour(index)] += 1);
        // Lists of one colour need four things of it.
        assert!(seen.iter().all(|count| *count >= 5), "{seen:?}");
    }
}
