//! Which tokens a direction is applied to.
//!
//! A [`TokenRule`] is a union of clauses minus a union of excluded clauses. Positions count the real tokens of a sequence,
//! never those of a chunk and never padding, and whether a token is prompt or generated is known per token; so a rule selects
//! the same tokens with and without a cache, in chunks, in a scoring pass, and in any batch.
//!
//! The logits that choose the first generated token belong to the last token of the prompt. `generated` therefore leaves the
//! first choice alone; `from_last_prompt` steers it too.

mod preview;
mod reach;
mod text;

use firetender_hooks::{Phase, Token};
use serde::{Deserialize, Serialize};

use crate::SteerError;

pub use preview::{Preview, PreviewToken};

/// One part of a [`TokenRule`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clause {
    /// Every real token.
    All,
    /// Every token of the prompt.
    Prompt,
    /// Every generated token, from when it is fed in.
    Generated,
    /// The last token of the prompt and every generated one: all choices of the model are steered.
    FromLastPrompt,
    /// The last `n` tokens of the prompt.
    LastOfPrompt(usize),
    /// These positions of the sequence, from 0; negative ones count from the end of the prompt (−1 is its last token).
    Positions(Vec<i64>),
    /// Prompt tokens from the first position to before the second; negative ones count from the end of the prompt.
    PromptWindow(i64, Option<i64>),
    /// Generated tokens number `start` to before `end`; 0 is the first generated token, when it is fed in.
    GeneratedWindow(usize, Option<usize>),
    /// Tokens with one of these ids.
    Ids(Vec<u32>),
}

impl Clause {
    fn selects(&self, token: &Token) -> bool {
        let after_prompt = token.from_prompt_end() as i64;
        match self {
            Self::All => true,
            Self::Prompt => token.phase() == Phase::Prompt,
            Self::Generated => after_prompt >= 0,
            Self::FromLastPrompt => after_prompt >= -1,
            Self::LastOfPrompt(n) => after_prompt < 0 && after_prompt.unsigned_abs() <= *n as u64,
            Self::Positions(list) => list.iter().any(|position| {
                if *position < 0 {
                    *position == after_prompt
                } else {
                    *position == token.position as i64
                }
            }),
            Self::PromptWindow(start, end) => {
                let place = |edge: i64| {
                    if edge < 0 {
                        edge.saturating_add(token.prompt_len as i64)
                    } else {
                        edge
                    }
                };
                let position = token.position as i64;
                after_prompt < 0
                    && position >= place(*start)
                    && end.is_none_or(|end| position < place(end))
            }
            Self::GeneratedWindow(start, end) => usize::try_from(after_prompt)
                .is_ok_and(|step| step >= *start && end.is_none_or(|end| step < end)),
            Self::Ids(ids) => ids.contains(&token.id),
        }
    }

    /// What is wrong with a clause that can never select a token.
    fn problem(&self) -> Option<&'static str> {
        let empty = match self {
            Self::LastOfPrompt(0) => true,
            Self::Positions(list) => list.is_empty(),
            Self::Ids(ids) => ids.is_empty(),
            Self::PromptWindow(start, Some(end)) => {
                (*start < 0) == (*end < 0) && start >= end || *end == 0
            }
            Self::GeneratedWindow(start, Some(end)) => start >= end,
            _ => false,
        };
        empty.then_some("a clause selects no token")
    }
}

/// Which tokens a direction is applied to: what any clause includes and no clause excludes. Padding is never selected.
///
/// As text: clauses joined by `+`, excluded ones after `!`:
/// `all`, `prompt`, `generated`, `from_last_prompt`, `last:3`, `positions:0,1,-1`, `prompt:2..5`, `prompt:-4..`,
/// `generated:0..8`, `ids:5,7`; for instance `prompt+generated:0..8!positions:0`.
///
/// ```
/// use firetender_hooks::Token;
/// use firetender_steer::TokenRule;
/// let rule: TokenRule = "last:2+generated!ids:9".parse().unwrap();
/// let token = |position, id| Token { row: 0, column: 0, id, position, prompt_len: 5 };
/// assert!(!rule.selects(&token(2, 1)) && rule.selects(&token(3, 1)) && rule.selects(&token(6, 1)));
/// assert!(!rule.selects(&token(6, 9)), "excluded");
/// assert!("last:0".parse::<TokenRule>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenRule {
    include: Vec<Clause>,
    exclude: Vec<Clause>,
}

impl Default for TokenRule {
    fn default() -> Self {
        Self::all()
    }
}

impl TokenRule {
    /// Tokens that a clause of `include` selects and none of `exclude`.
    ///
    /// # Errors
    /// [`SteerError::TokenRule`] when nothing is included, a clause can never select a token, or everything that is included is
    /// excluded again.
    pub fn new(include: Vec<Clause>, exclude: Vec<Clause>) -> Result<Self, SteerError> {
        let rule = Self { include, exclude };
        let mut clauses = rule.include.iter().chain(&rule.exclude);
        let problem = if rule.include.is_empty() {
            Some("includes nothing")
        } else if let Some(problem) = clauses.find_map(Clause::problem) {
            Some(problem)
        } else if rule.example().is_none() {
            Some("excludes every token that it includes")
        } else {
            None
        };
        match problem {
            None => Ok(rule),
            Some(what) => Err(SteerError::TokenRule {
                found: rule.to_string(),
                what: what.into(),
            }),
        }
    }

    /// Every real token.
    #[must_use]
    pub fn all() -> Self {
        Self::of(Clause::All)
    }

    /// The prompt only.
    #[must_use]
    pub fn prompt() -> Self {
        Self::of(Clause::Prompt)
    }

    /// Generated tokens only, from when the first is fed in.
    #[must_use]
    pub fn generated() -> Self {
        Self::of(Clause::Generated)
    }

    /// The last prompt token and all generated ones.
    #[must_use]
    pub fn from_last_prompt() -> Self {
        Self::of(Clause::FromLastPrompt)
    }

    fn of(clause: Clause) -> Self {
        Self {
            include: vec![clause],
            exclude: vec![],
        }
    }

    /// Whether the rule selects a token.
    #[must_use]
    pub fn selects(&self, token: &Token) -> bool {
        self.include.iter().any(|clause| clause.selects(token))
            && !self.exclude.iter().any(|clause| clause.selects(token))
    }

    /// The clauses whose tokens are included.
    #[must_use]
    pub fn include(&self) -> &[Clause] {
        &self.include
    }

    /// The clauses whose tokens are excluded.
    #[must_use]
    pub fn exclude(&self) -> &[Clause] {
        &self.exclude
    }
}

#[cfg(test)]
mod tests;
