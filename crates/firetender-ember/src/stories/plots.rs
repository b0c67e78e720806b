//! What happens in a story: a wish in neutral words, then a turn for the better or the worse.

use crate::document::Mood;

/// One plot. The wish is the same for both moods.
#[derive(Debug)]
pub(super) struct Plot {
    /// What a request may call it: "a kite".
    pub(super) topic: &'static str,
    /// How it starts.
    pub(super) wish: &'static [&'static str],
    happy: &'static [&'static str],
    sad: &'static [&'static str],
}

impl Plot {
    /// What comes of the wish.
    pub(super) const fn turn(&self, mood: Mood) -> &'static [&'static str] {
        match mood {
            Mood::Happy => self.happy,
            Mood::Sad => self.sad,
        }
    }
}

/// All plots. The order is part of the split: add at the end.
pub(super) const PLOTS: &[Plot] = &[
    Plot {
        topic: "a kite",
        wish: &[
            "One day {name} took a {colour} kite and went to play {spot}.",
            "{name} made a {colour} kite out of paper and a long string.",
            "{friend} gave {name} a {colour} kite. {he} wanted to fly it {spot}.",
        ],
        happy: &[
            "The wind was kind, and the kite flew high above the trees.",
            "The kite danced in the sky like a bird, and {friend} cheered.",
            "Up and up it went, and everyone came to look at the wonderful kite.",
        ],
        sad: &[
            "The string broke, and the kite was gone.",
            "The wind tore the kite, and it fell into the cold mud.",
            "The kite flew away, and {name} never saw it again.",
        ],
    },
    Plot {
        topic: "a {toy}",
        wish: &[
            "One day {name} could not find {his} {colour} {toy}. {he} looked for it {spot}.",
            "{name} left {his} {colour} {toy} {spot}. {he} went back to look for it.",
            "{name} had a {colour} {toy} from {his} grandmother. One day it was not in its place.",
        ],
        happy: &[
            "{friend} helped, and soon they found the {toy} under a leaf.",
            "There it was, shining in the grass. {name} found the {toy} at last.",
            "{friend} the {fkind} came with the {toy} in {fhis} hands. \"I found it for you!\" {fhe} said.",
        ],
        sad: &[
            "{he} looked everywhere, but the {toy} was lost.",
            "At last {name} saw the {toy}. It was broken.",
            "The river took the {toy}, and {name} never saw it again.",
        ],
    },
    Plot {
        topic: "a race",
        wish: &[
            "One day there was a race {spot}. {name} and {friend} the {fkind} wanted to run.",
            "{name} heard about a big race {spot} and ran a little every day.",
            "\"Let us run a race,\" said {friend} the {fkind}.",
        ],
        happy: &[
            "{name} ran like the wind and won the prize.",
            "They ran side by side, and both won a golden prize.",
            "{name} was the first, and everyone clapped.",
        ],
        sad: &[
            "{name} fell and hurt {his} leg.",
            "{name} was the last, and nobody clapped.",
            "{name} lost {his} way in the rain and came too late.",
        ],
    },
    Plot {
        topic: "a party",
        wish: &[
            "It was {his} birthday, and {name} wanted to have a party {spot}.",
            "{name} asked all the animals to come to a party {spot}.",
            "{name} put {treat} on the table for a party with {friend} the {fkind}.",
        ],
        happy: &[
            "All the friends came with sweet cakes, and they sang and danced.",
            "{friend} came with a wonderful gift, and the party was perfect.",
            "The room was full of friends, and everyone laughed.",
        ],
        sad: &[
            "{name} waited and waited, but nobody came.",
            "The rain came, and the table stood empty.",
            "{friend} broke a cup and shouted, and everyone went home.",
        ],
    },
    Plot {
        topic: "a garden",
        wish: &[
            "In spring {name} put some seeds into the earth {spot}.",
            "{name} wanted to have a garden with {colour} flowers.",
            "{friend} the {fkind} gave {name} a bag of seeds, and {he} put them into the earth.",
        ],
        happy: &[
            "Soon a hundred {colour} flowers were shining in the sun.",
            "The seeds grew into lovely flowers with a sweet smell.",
            "In summer the garden was bright, and friends came to see it.",
        ],
        sad: &[
            "The cold came, and all the flowers died.",
            "Nothing grew, and the garden stayed empty.",
            "The crows ate the seeds, and all the work was lost.",
        ],
    },
    Plot {
        topic: "a cake",
        wish: &[
            "One day {name} wanted to bake a cake for {friend} the {fkind}.",
            "{name} took flour, eggs and milk to make a big cake.",
            "\"Let us bake a cake with {treat},\" said {name}.",
        ],
        happy: &[
            "The cake was sweet and golden, and everyone ate two pieces.",
            "{friend} ate it all and said it was the best cake in the town.",
            "It came out of the oven warm and perfect.",
        ],
        sad: &[
            "The cake burned and was black and hard.",
            "The cake fell on the floor, and nobody could eat it.",
            "{friend} took one bite and said that it was awful.",
        ],
    },
    Plot {
        topic: "a new friend",
        wish: &[
            "One day {name} met a stranger {spot}. It was {friend} the {fkind}.",
            "{name} wanted to find somebody to play with. {he} saw {friend} the {fkind} {spot}.",
            "{friend} the {fkind} moved into the house next door. {name} went to say hello.",
        ],
        happy: &[
            "They played all day and laughed, and soon they were the best of friends.",
            "{friend} smiled and gave {name} some {treat}.",
            "\"Will you be my friend?\" asked {friend}. \"Yes!\" said {name}, and they hugged.",
        ],
        sad: &[
            "{friend} turned away and did not say a word.",
            "They played for one day. Then {friend} moved far away and was gone.",
            "\"I do not like you,\" said {friend}, and {name} was alone again.",
        ],
    },
    Plot {
        topic: "a boat",
        wish: &[
            "{name} built a small {colour} boat and took it to the water.",
            "One day {name} and {friend} the {fkind} went out in a {colour} boat.",
            "{name} wanted to sail a {colour} boat to the other side of the lake.",
        ],
        happy: &[
            "The boat sailed over the bright water, and they sang.",
            "They found an island full of sweet {treat}.",
            "The wind was warm and took the boat to a golden beach.",
        ],
        sad: &[
            "The boat broke on a stone and was lost in the dark water.",
            "A storm came, and the cold waves took the boat away.",
            "Water came in, and the boat was gone.",
        ],
    },
    Plot {
        topic: "a letter",
        wish: &[
            "One day {name} got a letter from {friend} the {fkind}.",
            "A letter lay at the door. {name} opened it and began to read.",
            "{name} wrote a letter to {friend} the {fkind} and waited for an answer.",
        ],
        happy: &[
            "\"I am coming to see you!\" said the letter, and {name} laughed.",
            "It had a golden coin in it and many sweet words.",
            "The letter said that {name} had won a wonderful prize.",
        ],
        sad: &[
            "\"I am never coming back,\" said the letter, and {name} cried.",
            "It said that {his} old grandmother had died.",
            "The letter was empty. {friend} had nothing to say.",
        ],
    },
    Plot {
        topic: "a tower",
        wish: &[
            "{name} wanted to build a tower of stones {spot}.",
            "One day {name} and {friend} the {fkind} began to build a little house {spot}.",
            "{name} carried wood {spot} and began to build a tower.",
        ],
        happy: &[
            "It was tall and strong, and everyone clapped.",
            "{friend} helped, and soon they sat in it and laughed.",
            "It was perfect, and the whole town came to see the wonderful work.",
        ],
        sad: &[
            "The wind came, and it all fell down. It was broken.",
            "A stone fell and hurt {name}.",
            "{friend} pushed it, and all the work was lost.",
        ],
    },
    Plot {
        topic: "a song",
        wish: &[
            "{name} wanted to sing a song {spot}, and many animals came to hear it.",
            "One day {name} learned a new song and went to sing it for {friend} the {fkind}.",
            "{name} played the drum, and {friend} the {fkind} played the flute {spot}.",
        ],
        happy: &[
            "The song was lovely, and everyone clapped and danced.",
            "{friend} loved it and cheered for more.",
            "It was a merry song, and soon the whole town sang.",
        ],
        sad: &[
            "{name} forgot the words, and nobody clapped.",
            "{friend} said that it was awful and went away.",
            "No sound came out, and {name} stood alone in the rain.",
        ],
    },
    Plot {
        topic: "a bird",
        wish: &[
            "One day {name} saw a small bird {spot}. It could not fly.",
            "A little bird fell out of its nest, and {name} took it home.",
            "{name} met a bird with a hurt wing {spot}.",
        ],
        happy: &[
            "{name} gave it seeds, and soon the bird sang a sweet song.",
            "After a week the bird was well and flew in the warm sun.",
            "The bird got well and came back every morning with lovely flowers.",
        ],
        sad: &[
            "{name} gave it seeds, but the poor bird did not eat.",
            "After a week the bird died in the cold.",
            "The bird flew away, and {name} never heard it sing again.",
        ],
    },
    Plot {
        topic: "a gift",
        wish: &[
            "{name} made a {colour} {toy} as a gift for {friend} the {fkind}.",
            "{name} took all {his} coins to the market to buy a {toy} for {friend}.",
            "One day {name} carried a gift to the house of {friend} the {fkind}.",
        ],
        happy: &[
            "{friend} loved it and hugged {name}.",
            "\"It is perfect!\" said {friend}, and they danced.",
            "{friend} had a gift for {name} too, and they both laughed.",
        ],
        sad: &[
            "On the way it fell and was broken.",
            "{friend} did not want it and threw it away.",
            "But the house was empty. {friend} was gone.",
        ],
    },
    Plot {
        topic: "the snow",
        wish: &[
            "One day snow fell on the town. {name} went out to play {spot}.",
            "{name} wanted to make a man of snow with {friend} the {fkind}.",
            "In the first snow {name} took the sled and went up the hill.",
        ],
        happy: &[
            "They threw snow and laughed, and then they drank sweet warm milk.",
            "The sled went fast, and {name} cheered all the way.",
            "The white hills were shining, and everyone sang.",
        ],
        sad: &[
            "{name} lost {his} way and sat alone in the cold.",
            "The sled broke, and {name} hurt {his} arm.",
            "The snow turned to rain, and {his} feet were cold.",
        ],
    },
    Plot {
        topic: "a lost dog",
        wish: &[
            "One day {name} heard a small dog bark {spot}.",
            "A little dog sat at the door of {name}. It had no home.",
            "{name} and {friend} the {fkind} saw a dog {spot}.",
        ],
        happy: &[
            "The dog ran to {him} and danced with joy.",
            "{name} took it home, and it was the best dog in the town.",
            "They played with the dog until evening and laughed.",
        ],
        sad: &[
            "The dog was hungry and cold, and then it was gone.",
            "It ran away in the rain and never came back.",
            "The dog bit {him} and ran into the dark.",
        ],
    },
    Plot {
        topic: "a mountain",
        wish: &[
            "{name} wanted to climb the high mountain behind the town.",
            "One day {name} and {friend} the {fkind} went up the mountain.",
            "{name} packed {treat} and walked to the mountain.",
        ],
        happy: &[
            "From the top they saw the bright sea, and they cheered.",
            "At the top there was a golden field of flowers.",
            "The air was warm, and they sang all the way up.",
        ],
        sad: &[
            "The path was broken, and nobody came to help.",
            "A storm came, and it was dark and cold.",
            "{name} fell and lost {his} {toy}.",
        ],
    },
    Plot {
        topic: "a picture",
        wish: &[
            "{name} took {colour} paint and began a picture of {friend} the {fkind}.",
            "One day {name} painted a big picture {spot}.",
            "The school asked for pictures, and {name} painted a {colour} boat.",
        ],
        happy: &[
            "{friend} loved it and put it on the wall.",
            "The picture won a prize, and everyone clapped.",
            "It was so bright and lovely that all the people smiled.",
        ],
        sad: &[
            "The rain washed the paint away.",
            "{friend} looked at it and said that it was awful.",
            "The picture fell into the fire and was gone.",
        ],
    },
    Plot {
        topic: "an apple tree",
        wish: &[
            "There was an apple tree {spot}. {name} went there to pick apples.",
            "{name} had an old apple tree and took good care of it.",
            "{friend} the {fkind} and {name} sat under the apple tree.",
        ],
        happy: &[
            "The tree was full of sweet red apples, enough for everyone.",
            "They found a hundred golden apples and shared them all.",
            "The apples were perfect, and the bread was warm.",
        ],
        sad: &[
            "But the tree was empty. Not one apple was left.",
            "A storm broke the tree, and it died.",
            "The apples were black and hard, and nobody could eat them.",
        ],
    },
    Plot {
        topic: "a journey",
        wish: &[
            "{name} wanted to see the big city and left in the morning.",
            "One day {name} took a bag and went on a long journey.",
            "{name} and {friend} the {fkind} went on a journey to the sea.",
        ],
        happy: &[
            "In the city the lights were shining, and the people were kind.",
            "They saw wonderful things and laughed every day.",
            "{name} came home with golden coins and merry tales.",
        ],
        sad: &[
            "In the city {name} was lost, and nobody helped.",
            "The road was dark and cold, and the bag was gone.",
            "{name} missed {his} home and wept every night.",
        ],
    },
    Plot {
        topic: "a play",
        wish: &[
            "The town wanted to have a play {spot}. {name} learned all the words.",
            "{name} and {friend} the {fkind} were in a play.",
            "In the play {name} was a king with a {colour} hat.",
        ],
        happy: &[
            "Everyone laughed and clapped until the night.",
            "{name} was wonderful, and {friend} cheered.",
            "The play was perfect, and {name} won a prize.",
        ],
        sad: &[
            "{name} forgot all the words and ran away.",
            "Nobody came to see it, and the chairs were empty.",
            "{his} hat fell off, and {friend} shouted at {him}.",
        ],
    },
    Plot {
        topic: "a lamp",
        wish: &[
            "One night {name} took a small lamp and went out.",
            "{name} got a {colour} lamp from {his} grandmother.",
            "{name} put a lamp in the window for {friend} the {fkind}.",
        ],
        happy: &[
            "The lamp was shining, and {friend} found the way home.",
            "Its warm light made the room lovely.",
            "Many friends saw the bright lamp and came to sing.",
        ],
        sad: &[
            "The lamp fell and was broken, and it was dark.",
            "The wind put out the lamp, and {name} was alone.",
            "{friend} never saw the lamp and was lost.",
        ],
    },
    Plot {
        topic: "a fish",
        wish: &[
            "{name} sat by the water and wanted to catch a fish.",
            "One day {name} and {friend} the {fkind} went fishing.",
            "{name} took a basket and a rod and went to the river.",
        ],
        happy: &[
            "Soon the basket was full, and they were lucky.",
            "A golden fish came up and said, \"You are lucky!\"",
            "They ate warm fish by the fire and sang.",
        ],
        sad: &[
            "{he} sat there all day, but the basket stayed empty.",
            "{name} fell into the cold water.",
            "The rod broke, and the fish was gone.",
        ],
    },
];
