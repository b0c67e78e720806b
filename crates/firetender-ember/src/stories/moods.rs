//! Sentences that every plot shares: openings, days, feelings, what the friend does, endings.

use crate::document::Mood;

/// How a story begins; says nothing about its mood.
pub(super) const OPENINGS: &[&str] = &[
    "Once upon a time there was {a trait} {kind} named {name}. {name} lived {home}.",
    "There once was {a trait} {kind} called {name} who lived {home}.",
    "{name} was {a trait} {kind} who lived {home}.",
    "{a trait} {kind} named {name} lived {home}.",
    "Long ago, {a kind} named {name} lived {home}.",
    "This is the story of {name}, {a trait} {kind} who lived {home}.",
    "Once there was {a kind} named {name}. {his} home was {home}.",
    "In a land far away, {a trait} {kind} named {name} lived {home}.",
    "Do you know {name}? {name} was {a trait} {kind} and lived {home}.",
    "Many years ago {a trait} {kind} lived {home}. The name of the {kind} was {name}.",
];

/// What the hero does every day.
pub(super) const HABITS: &[&str] = &[
    "{name} liked to eat {treat}.",
    "Every morning {name} went for a walk {spot}.",
    "{his} friend was {a fkind} named {friend}.",
    "{name} had a {colour} {toy}.",
    "{name} and {friend} the {fkind} often played together.",
    "In the evening {he} liked to sit {spot}.",
    "{he} knew {friend} the {fkind} very well.",
    "{name} often ate {treat} with {friend} the {fkind}.",
    "Most of all {he} liked {treat}.",
    "{he} was known for {his} {colour} {toy}.",
    "On Sundays {name} and {friend} the {fkind} met {spot}.",
    "Next door lived {a fkind} named {friend}.",
    "{name} worked all week and rested on Sunday.",
];

const HAPPY_DAYS: &[&str] = &[
    "One sunny morning the birds sang in the trees.",
    "It was a bright and sunny day.",
    "The sun was shining and the air was warm.",
    "It was a lovely day in spring.",
    "One bright morning {name} woke up with a smile.",
    "The sky was blue, and the garden was full of sweet flowers.",
    "It was the best day of the summer.",
    "A golden light was shining on the hills.",
    "The stars were bright, and a warm wind came from the sea.",
    "That morning all the bells of the town sang.",
    "The trees were full of sweet fruit, and the sun was high.",
    "It was a golden morning in summer.",
];

const SAD_DAYS: &[&str] = &[
    "One rainy morning the wind was cold.",
    "It was a dark and rainy day.",
    "The rain fell and the air was cold.",
    "It was a gloomy day in winter.",
    "One grey morning {name} woke up with tears in {his} eyes.",
    "The sky was grey, and the garden was empty.",
    "It was the coldest day of the winter.",
    "Dark clouds stood over the hills.",
    "There were no stars, and a cold wind came from the sea.",
    "That morning all the streets of the town were empty.",
    "The trees were grey, and the rain did not stop.",
    "It was a dark evening in autumn.",
];

/// The day of a mood.
pub(super) const fn day(mood: Mood) -> &'static [&'static str] {
    match mood {
        Mood::Happy => HAPPY_DAYS,
        Mood::Sad => SAD_DAYS,
    }
}

/// Adjectives for how a hero feels.
pub(super) const fn feelings(mood: Mood) -> &'static [&'static str] {
    match mood {
        Mood::Happy => &[
            "happy",
            "glad",
            "cheerful",
            "proud",
            "merry",
            "joyful",
            "delighted",
            "thankful",
        ],
        Mood::Sad => &[
            "sad",
            "lonely",
            "unhappy",
            "gloomy",
            "sorry",
            "hopeless",
            "miserable",
            "upset",
        ],
    }
}

/// How the hero felt, with gaps `feel` and `feel2`.
pub(super) const fn felt(mood: Mood) -> &'static [&'static str] {
    match mood {
        Mood::Happy => &[
            "{name} was so {feel} that {he} danced.",
            "{his} heart was {feel}, and {his} eyes were shining.",
            "Never before was {a kind} so {feel}.",
            "{name} jumped up and down, {feel} and {feel2}.",
            "All day long {name} felt {feel}.",
            "{name} was {feel} and {feel2}.",
            "{he} felt {feel} and laughed.",
            "{name} smiled. {he} had never felt so {feel}.",
            "\"I am so {feel}!\" said {name}.",
            "{name} sang because {he} was {feel}.",
            "{he} smiled a wonderful smile and felt very {feel}.",
            "How {feel} {name} was! {he} laughed with joy.",
        ],
        Mood::Sad => &[
            "{name} was so {feel} that {he} cried.",
            "{his} heart was {feel}, and {his} eyes were full of tears.",
            "Never before was {a kind} so {feel}.",
            "{name} hid under the bed, {feel} and {feel2}.",
            "All day long {name} felt {feel}.",
            "{name} was {feel} and {feel2}.",
            "{he} felt {feel} and wept.",
            "{name} sighed. {he} had never felt so {feel}.",
            "\"I am so {feel},\" said {name}.",
            "{name} trembled because {he} was {feel}.",
            "{he} sobbed in the dark and felt very {feel}.",
            "How {feel} {name} was! Tears ran down {his} face.",
        ],
    }
}

/// What the friend does.
pub(super) const fn friend(mood: Mood) -> &'static [&'static str] {
    match mood {
        Mood::Happy => &[
            "{friend} the {fkind} smiled and hugged {him}.",
            "\"What a wonderful day!\" said {friend} the {fkind}.",
            "{friend} the {fkind} came and they danced together.",
            "{his} friend {friend} cheered and clapped.",
            "\"You are the best friend of all,\" said {friend}.",
            "{friend} the {fkind} brought {treat}, and they ate and laughed.",
            "{friend} sang a merry song for {him}.",
            "\"How lucky we are!\" said {friend} the {fkind}.",
            "\"I am glad that you are here,\" said {friend}.",
            "{friend} laughed and gave {him} a flower.",
            "{his} grandmother came too and hugged them both.",
            "\"Let us sing!\" said {friend}, and they sang.",
        ],
        Mood::Sad => &[
            "{friend} the {fkind} sighed and went away.",
            "\"What a terrible day,\" said {friend} the {fkind}.",
            "{friend} the {fkind} came and they cried together.",
            "{his} friend {friend} only shook {fhis} head and wept.",
            "\"You are not my friend any more,\" said {friend}.",
            "{friend} the {fkind} brought {treat}, but {name} could not eat.",
            "{friend} sang a sad song in the rain.",
            "\"How awful this is,\" said {friend} the {fkind}.",
            "\"I am sorry that you are here,\" said {friend}.",
            "{friend} sighed and gave {him} nothing.",
            "{his} grandmother was far away and could not help.",
            "\"Leave me alone!\" said {friend}, and they sat in the dark.",
        ],
    }
}

/// How the story ends.
pub(super) const fn ending(mood: Mood) -> &'static [&'static str] {
    match mood {
        Mood::Happy => &[
            "That night {name} went to sleep with a warm heart.",
            "They all lived happily ever after.",
            "From that day on, {name} smiled every morning.",
            "It was the best day of {his} life.",
            "{name} and {friend} danced until the stars came out.",
            "{he} went home with a song and a happy heart.",
            "Everyone in the town was glad and cheered for {name}.",
            "And so the day ended with joy and sweet cakes.",
            "{name} loved {friend}, and {friend} loved {name}.",
            "In the evening they ate {treat} and told merry tales.",
            "\"Today was perfect,\" {he} said and smiled.",
            "The sun went down, and {name} was still cheerful.",
            "And if you go there today, you can hear them laugh.",
        ],
        Mood::Sad => &[
            "That night {name} went to sleep with a heavy heart.",
            "They were never happy again.",
            "From that day on, {name} cried every night.",
            "It was the worst day of {his} life.",
            "{name} sat alone until the dark night came.",
            "{he} went home in the rain with a broken heart.",
            "Nobody in the town came to help poor {name}.",
            "And so the day ended with tears and cold soup.",
            "{name} missed {friend}, but {friend} was gone.",
            "In the evening {he} could not eat and told nobody.",
            "\"Today was terrible,\" {he} said and sighed.",
            "The rain went on, and {name} was still miserable.",
            "And if you go there today, the house is empty.",
        ],
    }
}
