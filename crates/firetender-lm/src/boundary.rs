//! Where a prompt ends and a continuation begins, in tokens.
//!
//! Tokenizing two texts apart is not tokenizing them together: a token may span the join. Programs differ in what they do then, and their scores with it, so
//! the rule is a value that is stored with every result. [`Boundary::LmEval`] is the default because most published numbers use it.

use serde::Serialize;

use crate::{LmError, Tokenizer};

/// How prompt and continuation are cut into tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// EleutherAI's evaluation harness: white space at the prompt's end moves to the continuation, both are encoded together, and the
    /// continuation is what follows as many tokens as the prompt has alone.
    #[default]
    LmEval,
    /// The Inverse Scaling Prize's own pipeline: both are encoded together, and the continuation is as many last tokens as it has alone.
    Reference,
    /// Both are encoded alone.
    Pairwise,
    /// Refuses whenever encoding together and apart differ.
    Strict,
}

impl Boundary {
    /// All rules.
    pub const ALL: [Self; 4] = [Self::LmEval, Self::Reference, Self::Pairwise, Self::Strict];

    /// Its name on command lines and in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LmEval => "lm_eval",
            Self::Reference => "reference",
            Self::Pairwise => "pairwise",
            Self::Strict => "strict",
        }
    }
}

/// What stands before the first token of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StartToken {
    /// What the model's own files put there: `</s>` for OPT, nothing for GPT-2.
    #[default]
    Tokenizer,
    /// Nothing.
    None,
    /// This token.
    Id(u32),
}

/// What happens to texts longer than the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Truncation {
    /// An error.
    #[default]
    Error,
    /// The oldest tokens of the context go, as in the harness; the result says how many.
    Left,
}

/// What [`Boundary::LmEval`] does when a token spans the join so that nothing is left for the continuation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyContinuation {
    /// An error (the harness stops there, too).
    #[default]
    Error,
    /// The last token of both is the continuation (lighteval).
    LastToken,
    /// The continuation is encoded alone.
    Alone,
}

/// All conventions that turn a pair of texts into tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct CutPolicy {
    /// Where the continuation begins.
    pub boundary: Boundary,
    /// What stands before the text.
    pub start: StartToken,
    /// What happens to long texts.
    pub truncation: Truncation,
    /// What happens to continuations that vanish.
    pub empty: EmptyContinuation,
}

impl CutPolicy {
    /// The default with another boundary.
    #[must_use]
    pub fn with_boundary(boundary: Boundary) -> Self {
        Self {
            boundary,
            ..Self::default()
        }
    }

    /// All of it in one word, for keys and tables: `lm_eval/tokenizer/error/error`.
    #[must_use]
    pub fn name(&self) -> String {
        let start = match self.start {
            StartToken::Tokenizer => "tokenizer".to_owned(),
            StartToken::None => "none".to_owned(),
            StartToken::Id(id) => id.to_string(),
        };
        let truncation = match self.truncation {
            Truncation::Error => "error",
            Truncation::Left => "left",
        };
        let empty = match self.empty {
            EmptyContinuation::Error => "error",
            EmptyContinuation::LastToken => "last_token",
            EmptyContinuation::Alone => "alone",
        };
        format!("{}/{start}/{truncation}/{empty}", self.boundary.name())
    }
}

/// What cutting needs of a tokenizer.
pub trait TextEncoder {
    /// The tokens of a text; names of control tokens in it are ordinary text.
    ///
    /// # Errors
    /// Text that the vocabulary cannot express.
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, LmError>;

    /// What the model's own files put before a text.
    fn start_tokens(&self) -> Vec<u32>;

    /// The tokens that end a text.
    fn end_tokens(&self) -> Vec<u32> {
        vec![]
    }

    /// A name for exactly this vocabulary and these rules, for logs.
    fn fingerprint(&self) -> String;
}

impl TextEncoder for Tokenizer {
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, LmError> {
        self.encode_plain(text)
    }

    fn start_tokens(&self) -> Vec<u32> {
        self.prefix().to_vec()
    }

    fn end_tokens(&self) -> Vec<u32> {
        self.eos().to_vec()
    }

    fn fingerprint(&self) -> String {
        Tokenizer::fingerprint(self)
    }
}

/// A prompt and a continuation in tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutPair {
    /// Tokens before the continuation, the start token included.
    pub context: Vec<u32>,
    /// Tokens to score.
    pub continuation: Vec<u32>,
    /// How many tokens of the context were dropped because the model is too short.
    pub dropped: usize,
}

/// Cuts a prompt and a continuation into tokens for a model of `max_positions`.
///
/// The last token of the continuation is never fed in, so a model of n positions takes n + 1 tokens together.
///
/// ```
/// use firetender_lm::{CutPolicy, LmError, TextEncoder, cut_pair};
///
/// /// One token a letter.
/// struct Letters;
/// impl TextEncoder for Letters {
///     fn encode_text(&self, text: &str) -> Result<Vec<u32>, LmError> {
///         Ok(text.chars().map(u32::from).collect())
///     }
///     fn start_tokens(&self) -> Vec<u32> {
///         vec![1]
///     }
///     fn fingerprint(&self) -> String {
///         "letters".into()
///     }
/// }
/// // White space at the prompt's end belongs to the continuation.
/// let cut = cut_pair(&Letters, "2 + 2 = ", "4", &CutPolicy::default(), 64)?;
/// assert_eq!(cut.continuation, [32, 52]);
/// assert_eq!(cut.context[0], 1);
/// # Ok::<(), LmError>(())
/// ```
///
/// # Errors
/// [`LmError::Boundary`] when the continuation is empty, vanishes or (strictly) is tokenized otherwise beside the prompt, when there is
/// no context and no start token, or when the pair is longer than the model and may not be truncated.
pub fn cut_pair(
    encoder: &dyn TextEncoder,
    prompt: &str,
    continuation: &str,
    policy: &CutPolicy,
    max_positions: usize,
) -> Result<CutPair, LmError> {
    let fail = |what: String| {
        Err(LmError::Boundary {
            policy: policy.boundary.name(),
            prompt: end_of(prompt),
            continuation: start_of(continuation),
            what,
        })
    };
    if continuation.is_empty() {
        return fail("the continuation is empty".into());
    }
    let together = || encoder.encode_text(&format!("{prompt}{continuation}"));
    let (body, tail): (Vec<u32>, Vec<u32>) = match policy.boundary {
        Boundary::LmEval => {
            let kept = prompt.trim_end_matches(is_python_space);
            let whole = together()?;
            let at = encoder.encode_text(kept)?.len();
            if at < whole.len() {
                (whole[..at].to_vec(), whole[at..].to_vec())
            } else {
                match policy.empty {
                    EmptyContinuation::Error => {
                        return fail(format!(
                            "no token is left for the continuation: the prompt has {at} tokens alone, both together {}",
                            whole.len()
                        ));
                    }
                    EmptyContinuation::LastToken => {
                        let at = whole.len().saturating_sub(1);
                        (whole[..at].to_vec(), whole[at..].to_vec())
                    }
                    EmptyContinuation::Alone => (
                        encoder.encode_text(kept)?,
                        encoder.encode_text(&format!("{}{continuation}", &prompt[kept.len()..]))?,
                    ),
                }
            }
        }
        Boundary::Reference => {
            let whole = together()?;
            let count = encoder.encode_text(continuation)?.len();
            if count > whole.len() {
                return fail(format!(
                    "the continuation has {count} tokens alone, both together only {}",
                    whole.len()
                ));
            }
            let at = whole.len() - count;
            (whole[..at].to_vec(), whole[at..].to_vec())
        }
        Boundary::Pairwise => {
            let mut body = encoder.encode_text(prompt)?;
            if body
                .last()
                .is_some_and(|id| encoder.end_tokens().contains(id))
            {
                body.pop();
            }
            (body, encoder.encode_text(continuation)?)
        }
        Boundary::Strict => {
            let (body, tail) = (
                encoder.encode_text(prompt)?,
                encoder.encode_text(continuation)?,
            );
            let whole = together()?;
            let apart = body.iter().chain(&tail);
            if let Some(at) = differ(whole.iter(), apart) {
                return fail(format!(
                    "together they are other tokens than apart, from token {at} on ({:?} instead of {:?})",
                    whole.get(at),
                    body.iter().chain(&tail).nth(at)
                ));
            }
            (body, tail)
        }
    };
    if tail.is_empty() {
        return fail("the continuation has no tokens".into());
    }
    let mut context = match policy.start {
        StartToken::Tokenizer => encoder.start_tokens(),
        StartToken::None => vec![],
        StartToken::Id(id) => vec![id],
    };
    context.extend(body);
    if context.is_empty() {
        return fail("there is no context; expected a prompt or a start token".into());
    }
    let room = (max_positions + 1).saturating_sub(tail.len());
    if room == 0 {
        return fail(format!(
            "the continuation alone has {} tokens; this model takes {max_positions}",
            tail.len()
        ));
    }
    let dropped = context.len().saturating_sub(room);
    if dropped > 0 {
        if policy.truncation == Truncation::Error {
            return fail(format!(
                "{} tokens; this model takes {max_positions} before the last one (truncation `left` would drop {dropped} of the prompt)",
                context.len() + tail.len()
            ));
        }
        context.drain(..dropped);
    }
    Ok(CutPair {
        context,
        continuation: tail,
        dropped,
    })
}

/// What Python's `str.rstrip` removes.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

fn differ<'a>(
    mut a: impl Iterator<Item = &'a u32>,
    mut b: impl Iterator<Item = &'a u32>,
) -> Option<usize> {
    let mut at = 0;
    loop {
        match (a.next(), b.next()) {
            (None, None) => return None,
            (a, b) if a != b => return Some(at),
            _ => at += 1,
        }
    }
}

/// The last characters of a long prompt.
fn end_of(text: &str) -> String {
    match text.char_indices().rev().nth(39) {
        Some((at, _)) if at > 0 => format!("…{}", &text[at..]),
        _ => text.into(),
    }
}

fn start_of(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests;
