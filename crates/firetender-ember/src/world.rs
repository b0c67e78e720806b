//! Names and things that several topics share. All of it is invented; the town's people have names of their own, in
//! [`town`](crate::town), so that a story never contradicts a fact.

/// Heroines of stories.
pub(crate) const GIRLS: &[&str] = &[
    "Anna", "Bella", "Clara", "Daisy", "Ella", "Fiona", "Greta", "Iris", "Julia", "Lily", "Lucy",
    "Mia", "Molly", "Nora", "Poppy", "Rosa", "Ruby", "Sally", "Tilly", "Zoe",
];

/// Heroes of stories.
pub(crate) const BOYS: &[&str] = &[
    "Adam", "Ben", "Carl", "David", "Emil", "Felix", "Finn", "Hugo", "Jack", "Jonas", "Leo", "Max",
    "Milo", "Noah", "Oscar", "Otto", "Paul", "Sam", "Theo", "Tom",
];

/// Animals that a story can be about. All take part in every plot.
pub(crate) const ANIMALS: &[&str] = &[
    "fox", "bear", "rabbit", "cat", "dog", "mouse", "frog", "owl", "duck", "hen", "horse", "pony",
    "sheep", "goat", "cow", "pig", "squirrel", "hedgehog", "turtle", "crow", "deer", "badger",
    "kitten", "puppy", "otter", "beaver",
];

/// Plain adjectives for a hero, in neither mood.
pub(crate) const TRAITS: &[&str] = &[
    "little", "young", "small", "clever", "quiet", "brave", "big", "curious", "brown", "round",
];

/// Where a hero lives.
pub(crate) const HOMES: &[&str] = &[
    "in the forest",
    "by the lake",
    "near the old mill",
    "on a hill",
    "in the valley",
    "by the river",
    "in a small house",
    "under a big oak tree",
    "at the edge of the town",
    "behind the bakery",
    "in a meadow",
    "near the sea",
    "beside the bridge",
    "on a farm",
    "in an old barn",
    "next to the school",
];

/// Where something happens.
pub(crate) const SPOTS: &[&str] = &[
    "by the lake",
    "in the meadow",
    "on the hill",
    "at the market",
    "in the garden",
    "near the bridge",
    "in the park",
    "under the oak tree",
    "by the river",
    "at the school",
    "behind the mill",
    "in the old barn",
    "on the beach",
    "near the well",
    "in the forest",
    "on the bridge",
];

/// Colours of things in stories and of questions.
pub(crate) const COLOURS: &[&str] = &[
    "red", "blue", "green", "yellow", "white", "black", "brown", "pink", "purple", "orange", "grey",
];

/// Colours that things in stories have (grey is kept for sad weather).
pub(crate) const BRIGHT: &[&str] = &[
    "red", "blue", "green", "yellow", "white", "brown", "pink", "purple",
];

/// What a hero likes to eat.
pub(crate) const TREATS: &[&str] = &[
    "apples", "berries", "honey", "nuts", "bread", "cheese", "plums", "cakes", "pears", "soup",
    "cookies", "pancakes",
];

/// Small things to own, lose and give.
pub(crate) const TOYS: &[&str] = &[
    "ball", "drum", "bell", "hat", "scarf", "lamp", "book", "key", "ring", "basket", "doll",
    "boat", "coin", "cup",
];
