//! From texts to token rows by an explicit template.
//!
//! Where a direction is read depends on the very tokens around a text, so the template is the caller's choice and nothing is
//! guessed: [`Template::Plain`] gives a text as it is, [`Template::Chat`] opens the model's own turn after a user's message,
//! [`Template::Format`] fills in a line such as `[INST] {user}\nAnswer: [/INST] {assistant}`.
//!
//! An answer is tokenised on its own and put after the prompt, so that two answers to one question share the very same prompt
//! tokens, and positions counted from the prompt's end mean the same in both. (Tokenising the joined text can merge tokens
//! across the border; where that matters, begin the answer with the blank that belongs to it.)

use firetender_lm::{ChatTemplate, Message, Tokenizer};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::{Contrast, SteerError, data::shuffled};

/// How a text becomes a prompt.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Template {
    /// As it is, with the start token where the model has one.
    Plain,
    /// A user's message in the model's chat template, perhaps after a system message; an answer is the assistant's.
    Chat {
        /// The template.
        template: Box<ChatTemplate>,
        /// The system message.
        system: Option<String>,
    },
    /// A line with `{user}` and perhaps `{assistant}`.
    Format(String),
}

impl Template {
    /// A user's message in a chat template, perhaps after a system message.
    #[must_use]
    pub fn chat(template: ChatTemplate, system: Option<String>) -> Self {
        Self::Chat {
            template: Box::new(template),
            system,
        }
    }
}

/// Turns texts into token rows.
///
/// ```no_run
/// use firetender_lm::Checkpoint;
/// use firetender_steer::{Prompter, Template};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let checkpoint = Checkpoint::open("model.gguf")?;
/// let llama = Template::Format("[INST] {user} [/INST] {assistant}".into());
/// let prompter = Prompter::new(checkpoint.tokenizer()?, llama)?;
/// let (row, prompt_len) = prompter.answered("May I?", "Yes.")?;
/// assert_eq!(row[..prompt_len], prompter.prompt("May I?")?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Prompter<'a> {
    tokenizer: &'a Tokenizer,
    template: Template,
}

const USER: &str = "{user}";
const ASSISTANT: &str = "{assistant}";

impl<'a> Prompter<'a> {
    /// With this template.
    ///
    /// # Errors
    /// [`SteerError::Input`] when a format does not hold `{user}` once, or `{assistant}` more than once or before it.
    pub fn new(tokenizer: &'a Tokenizer, template: Template) -> Result<Self, SteerError> {
        if let Template::Format(format) = &template {
            let users = format.matches(USER).count();
            let ordered = match (format.find(USER), format.find(ASSISTANT)) {
                (Some(user), Some(assistant)) => user < assistant,
                _ => true,
            };
            if users != 1 || format.matches(ASSISTANT).count() > 1 || !ordered {
                let what = format!(
                    "template `{format}`; expected {USER} once and then at most one {ASSISTANT}"
                );
                return Err(SteerError::Input { what });
            }
        }
        Ok(Self {
            tokenizer,
            template,
        })
    }

    /// The prompt of a text.
    ///
    /// # Errors
    /// Whatever the tokenizer or the chat template reports.
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>, SteerError> {
        Ok(match &self.template {
            Template::Plain => self.tokenizer.encode(text, true)?,
            Template::Chat { template, system } => {
                let system = system.as_deref().map(Message::system);
                let messages: Vec<Message> =
                    system.into_iter().chain([Message::user(text)]).collect();
                template.encode(self.tokenizer, &messages, true)?
            }
            Template::Format(format) => {
                let before = format.split(ASSISTANT).next().unwrap_or(format);
                self.tokenizer.encode(&before.replace(USER, text), true)?
            }
        })
    }

    /// A prompt with an answer, and how many of the tokens are prompt.
    ///
    /// # Errors
    /// As [`prompt`](Self::prompt).
    pub fn answered(&self, text: &str, answer: &str) -> Result<(Vec<u32>, usize), SteerError> {
        let mut row = self.prompt(text)?;
        let prompt_len = row.len();
        if !answer.is_empty() {
            row.extend(self.tokenizer.encode_plain(answer)?);
        }
        if let Template::Format(format) = &self.template
            && let Some((_, after)) = format.split_once(ASSISTANT)
            && !after.is_empty()
        {
            row.extend(self.tokenizer.encode(after, false)?);
        }
        Ok((row, prompt_len))
    }
}

/// A prompt and the answer to it, which is empty where the prompt is all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// What the model is given.
    pub prompt: String,
    /// What it is made to have said.
    pub answer: String,
}

impl Text {
    /// A prompt with an answer; an empty answer is none.
    #[must_use]
    pub fn new(prompt: impl Into<String>, answer: impl Into<String>) -> Self {
        Self {
            prompt: prompt.into(),
            answer: answer.into(),
        }
    }
}

/// Named pairs of texts: what [`Contrast`] is before a model's tokens.
///
/// ```
/// use firetender_steer::TextPairs;
/// let pairs = TextPairs::from_suffixes("happy", "sad", "Act extremely happy.", "Act extremely sad.", &["I think", "The"]).unwrap();
/// assert_eq!((pairs.pairs().len(), pairs.toward()), (2, "happy"));
/// assert_eq!((pairs.pairs()[1].0.prompt.as_str(), pairs.pairs()[1].0.answer.as_str()), ("Act extremely happy.", "The"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPairs {
    toward: String,
    away: String,
    pairs: Vec<(Text, Text)>,
}

impl TextPairs {
    /// Pairs of a toward and an away text.
    ///
    /// # Errors
    /// [`SteerError::Contrast`] when there are none or the names are empty or equal.
    pub fn new(
        toward: impl Into<String>,
        away: impl Into<String>,
        pairs: Vec<(Text, Text)>,
    ) -> Result<Self, SteerError> {
        let (toward, away) = (toward.into(), away.into());
        let what = if pairs.is_empty() {
            "no pairs; expected one or more"
        } else if toward.trim().is_empty() || away.trim().is_empty() || toward == away {
            "expected two different names"
        } else {
            return Ok(Self {
                toward,
                away,
                pairs,
            });
        };
        Err(SteerError::Contrast {
            toward,
            away,
            what: what.into(),
        })
    }

    /// Two lists of texts, paired by their order; the longer one loses its surplus.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_lists<S: AsRef<str>>(
        toward: &str,
        toward_texts: &[S],
        away: &str,
        away_texts: &[S],
    ) -> Result<Self, SteerError> {
        let both = toward_texts.iter().zip(away_texts);
        let pairs = both.map(|(t, a)| (Text::new(t.as_ref(), ""), Text::new(a.as_ref(), "")));
        Self::new(toward, away, pairs.collect())
    }

    /// One pair for each beginning of an answer: the same beginning after an instruction toward the class and after one away
    /// from it (repeng's way of making data).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_suffixes<S: AsRef<str>>(
        toward: &str,
        away: &str,
        toward_instruction: &str,
        away_instruction: &str,
        suffixes: &[S],
    ) -> Result<Self, SteerError> {
        let pair = |suffix: &S| {
            (
                Text::new(toward_instruction, suffix.as_ref()),
                Text::new(away_instruction, suffix.as_ref()),
            )
        };
        Self::new(toward, away, suffixes.iter().map(pair).collect())
    }

    /// At most so many of the pairs, in an order drawn by a seed.
    ///
    /// # Errors
    /// [`SteerError::Contrast`] for none.
    pub fn drawn(&self, most: usize, seed: u64) -> Result<Self, SteerError> {
        let order = shuffled(self.pairs.len(), &mut ChaCha8Rng::seed_from_u64(seed));
        let pairs = order.into_iter().take(most);
        let pairs = pairs.map(|at| self.pairs[at].clone()).collect();
        Self::new(&self.toward, &self.away, pairs)
    }

    /// Name of the class that a positive strength steers toward.
    #[must_use]
    pub fn toward(&self) -> &str {
        &self.toward
    }

    /// Name of the class that a positive strength steers away from.
    #[must_use]
    pub fn away(&self) -> &str {
        &self.away
    }

    /// The pairs, toward first.
    #[must_use]
    pub fn pairs(&self) -> &[(Text, Text)] {
        &self.pairs
    }

    /// Whether any text has an answer, so that read positions in the answer mean something.
    #[must_use]
    pub fn has_answers(&self) -> bool {
        let mut texts = self.pairs.iter().flat_map(|(t, a)| [t, a]);
        texts.any(|text| !text.answer.is_empty())
    }

    /// The token rows, with the length of each prompt.
    ///
    /// # Errors
    /// As [`Prompter::prompt`] and [`Contrast::new`].
    pub fn encode(&self, prompter: &Prompter<'_>) -> Result<Contrast, SteerError> {
        let side = |pick: &dyn Fn(&(Text, Text)) -> Text| {
            let rows = self.pairs.iter().map(|pair| {
                let text = pick(pair);
                prompter.answered(&text.prompt, &text.answer)
            });
            let rows = rows.collect::<Result<Vec<_>, SteerError>>()?;
            Ok::<(Vec<_>, Vec<_>), SteerError>(rows.into_iter().unzip())
        };
        let (toward, toward_lens) = side(&|pair| pair.0.clone())?;
        let (away, away_lens) = side(&|pair| pair.1.clone())?;
        Contrast::new(&self.toward, toward, &self.away, away)?
            .with_prompt_lens(toward_lens, away_lens)
    }
}
