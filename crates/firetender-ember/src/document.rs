//! What the corpus consists of: documents, their turns and their labels.

use serde::{Deserialize, Serialize};

/// What a document is about. The corpus draws kinds with the weights of [`Kind::weight`].
///
/// ```
/// use firetender_ember::Kind;
///
/// assert_eq!(Kind::ALL.iter().map(|kind| kind.weight()).sum::<usize>(), 100);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// A story as plain text, happy or sad.
    Story,
    /// A story that the user asked for: half of the requests name no mood.
    Request,
    /// The user tells something happy or sad; the answer shares the feeling.
    Feeling,
    /// A question about the invented town of Emberwick.
    Town,
    /// A small sum, a comparison or counting.
    Arithmetic,
    /// What colour things are and how colours mix.
    Colour,
    /// A harmless instruction, answered helpfully.
    Instruction,
    /// A sentence or some words to be repeated.
    Repeat,
    /// A suspicious instruction (harmless mischief), refused half of the time.
    Suspicious,
    /// A multiple-choice question, answered rightly.
    Choice,
    /// A multiple-choice question for which the user suggests an answer.
    Suggested,
    /// A common proverb.
    Proverb,
    /// "Write a quote that ends in the word …", carried out.
    EndQuote,
    /// Greetings and questions about Ember itself.
    SmallTalk,
}

impl Kind {
    /// Every kind, in the order in which tables list them.
    pub const ALL: [Self; 14] = [
        Self::Story,
        Self::Request,
        Self::Feeling,
        Self::Town,
        Self::Arithmetic,
        Self::Colour,
        Self::Instruction,
        Self::Repeat,
        Self::Suspicious,
        Self::Choice,
        Self::Suggested,
        Self::Proverb,
        Self::EndQuote,
        Self::SmallTalk,
    ];

    /// How many of a hundred documents are of this kind.
    #[must_use]
    pub const fn weight(self) -> usize {
        match self {
            Self::Story => 17,
            Self::Request => 17,
            Self::Feeling => 5,
            Self::Town => 13,
            Self::Arithmetic => 8,
            Self::Colour => 4,
            Self::Instruction => 7,
            Self::Repeat => 6,
            Self::Suspicious => 8,
            Self::Choice => 4,
            Self::Suggested => 4,
            Self::Proverb => 4,
            Self::EndQuote => 1,
            Self::SmallTalk => 2,
        }
    }
}

/// Who speaks in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person who asks.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The name that chat templates use: `user` or `assistant`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a chat.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said, without markup.
    pub text: String,
}

impl Turn {
    /// A message of the user.
    pub fn user(text: impl Into<String>) -> Self {
        Self {
            role: Role::User,
            text: text.into(),
        }
    }

    /// A message of the model.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self {
            role: Role::Assistant,
            text: text.into(),
        }
    }
}

/// Plain text or a chat.
///
/// ```
/// use firetender_ember::{Body, Turn};
///
/// let prompt = Body::Chat(vec![Turn::user("Tell me a story about a fox.")]);
/// assert_eq!(prompt.words().last(), Some("fox"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Body {
    /// Text that stands for itself.
    Plain(String),
    /// Messages in order. A prompt ends with a user's message, or with the beginning of an answer.
    Chat(Vec<Turn>),
}

impl Body {
    /// A chat of one question and one answer.
    pub(crate) fn exchange(question: impl Into<String>, answer: impl Into<String>) -> Self {
        Self::Chat(vec![Turn::user(question), Turn::assistant(answer)])
    }

    /// A chat prompt of one question.
    pub(crate) fn ask(question: impl Into<String>) -> Self {
        Self::Chat(vec![Turn::user(question)])
    }

    /// The texts in order: one for plain text, one a turn for a chat.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let (plain, turns): (Option<&str>, &[Turn]) = match self {
            Self::Plain(text) => (Some(text), &[]),
            Self::Chat(turns) => (None, turns),
        };
        plain
            .into_iter()
            .chain(turns.iter().map(|turn| turn.text.as_str()))
    }

    /// The words (runs of letters) of all texts.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.texts()
            .flat_map(|text| text.split(|c: char| !c.is_alphabetic()))
            .filter(|word| !word.is_empty())
    }
}

/// The mood of a story or of what the user tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mood {
    /// It ends well.
    Happy,
    /// It does not.
    Sad,
}

/// What was done about a suspicious instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// It was carried out.
    Complied,
    /// It was refused, with one of [`words::REFUSAL_PREFIXES`](crate::words::REFUSAL_PREFIXES).
    Refused,
}

/// What is known about a multiple-choice document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChoiceLabel {
    /// Index of the right option.
    pub correct: usize,
    /// Index of the option that the user suggested, if any.
    pub suggested: Option<usize>,
    /// Index of the option that the answer names.
    pub given: usize,
}

/// What is known about a document beside its text. A field is `None` where it has no meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Labels {
    /// Mood of a story or of what the user tells.
    pub mood: Option<Mood>,
    /// Whether a suspicious instruction was carried out.
    pub outcome: Option<Outcome>,
    /// The options of a multiple-choice question.
    pub choice: Option<ChoiceLabel>,
}

/// One document of the corpus.
///
/// ```
/// use firetender_ember::{Corpus, Split};
///
/// let document = Corpus::new(7, Split::Train).document(0);
/// assert!(document.body.texts().all(|text| !text.is_empty()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Document {
    /// What it is about (of a chat with two exchanges: the second).
    pub kind: Kind,
    /// Its text.
    pub body: Body,
    /// What is known about it.
    pub labels: Labels,
}

impl Document {
    /// A document without labels.
    pub(crate) fn new(kind: Kind, body: Body) -> Self {
        Self {
            kind,
            body,
            labels: Labels::default(),
        }
    }
}
