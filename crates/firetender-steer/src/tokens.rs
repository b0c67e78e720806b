//! Which tokens a direction is applied to.
//!
//! A [`TokenRule`] is a union of clauses minus a union of excluded clauses. Positions count the real tokens of a sequence,
//! never those of a chunk and never padding, and whether a token is prompt or generated is known per token; so a rule selects
//! the same tokens with and without a cache, in chunks, in a scoring pass, and in any batch.
//!
//! The logits that choose the first generated token belong to the last token of the prompt. `generated` therefore leaves the
//! first choice alone; `from_last_prompt` steers it too.

use std::{fmt, str::FromStr};

use firetender_hooks::{Phase, Token};
use serde::{Deserialize, Serialize};

use crate::SteerError;

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

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: ToString>(items: &[T]) -> String {
            let items: Vec<String> = items.iter().map(ToString::to_string).collect();
            items.join(",")
        }
        match self {
            Self::All => f.write_str("all"),
            Self::Prompt => f.write_str("prompt"),
            Self::Generated => f.write_str("generated"),
            Self::FromLastPrompt => f.write_str("from_last_prompt"),
            Self::LastOfPrompt(n) => write!(f, "last:{n}"),
            Self::Positions(positions) => write!(f, "positions:{}", list(positions)),
            Self::PromptWindow(start, None) => write!(f, "prompt:{start}.."),
            Self::PromptWindow(start, Some(end)) => write!(f, "prompt:{start}..{end}"),
            Self::GeneratedWindow(start, None) => write!(f, "generated:{start}.."),
            Self::GeneratedWindow(start, Some(end)) => write!(f, "generated:{start}..{end}"),
            Self::Ids(ids) => write!(f, "ids:{}", list(ids)),
        }
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
    /// [`SteerError::TokenRule`] when nothing is included, or a clause can never select a token.
    pub fn new(include: Vec<Clause>, exclude: Vec<Clause>) -> Result<Self, SteerError> {
        let rule = Self { include, exclude };
        let clauses = rule.include.iter().chain(&rule.exclude);
        let problem = if rule.include.is_empty() {
            Some("includes nothing")
        } else {
            clauses.into_iter().find_map(Clause::problem)
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

impl fmt::Display for TokenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, clause) in self.include.iter().enumerate() {
            let plus = if index == 0 { "" } else { "+" };
            write!(f, "{plus}{clause}")?;
        }
        self.exclude
            .iter()
            .try_for_each(|clause| write!(f, "!{clause}"))
    }
}

impl FromStr for TokenRule {
    type Err = SteerError;

    fn from_str(text: &str) -> Result<Self, SteerError> {
        let clause = |part: &str| {
            parse_clause(part.trim()).ok_or_else(|| SteerError::TokenRule {
                found: text.into(),
                what: format!(
                    "`{part}` is no clause; expected all, prompt, generated, from_last_prompt, last:N, positions:A,B, prompt:A..B, generated:A..B or ids:A,B"
                ),
            })
        };
        let mut parts = text.split('!');
        let include = parts.next().unwrap_or_default();
        let include = include.split('+').map(clause).collect::<Result<_, _>>()?;
        Self::new(include, parts.map(clause).collect::<Result<_, _>>()?)
    }
}

fn parse_clause(text: &str) -> Option<Clause> {
    fn list<T: FromStr>(text: &str) -> Option<Vec<T>> {
        text.split(',')
            .map(|item| item.trim().parse().ok())
            .collect()
    }
    fn window<T: FromStr + Default>(text: &str) -> Option<(T, Option<T>)> {
        let (start, end) = text.split_once("..")?;
        let start = match start {
            "" => T::default(),
            _ => start.parse().ok()?,
        };
        let end = match end {
            "" => None,
            _ => Some(end.parse().ok()?),
        };
        Some((start, end))
    }
    let Some((name, argument)) = text.split_once(':') else {
        return match text {
            "all" => Some(Clause::All),
            "prompt" => Some(Clause::Prompt),
            "generated" => Some(Clause::Generated),
            "from_last_prompt" => Some(Clause::FromLastPrompt),
            _ => None,
        };
    };
    Some(match name {
        "last" => Clause::LastOfPrompt(argument.parse().ok()?),
        "positions" => Clause::Positions(list(argument)?),
        "prompt" => window(argument).map(|(start, end)| Clause::PromptWindow(start, end))?,
        "generated" => window(argument).map(|(start, end)| Clause::GeneratedWindow(start, end))?,
        "ids" => Clause::Ids(list(argument)?),
        _ => return None,
    })
}

impl TryFrom<String> for TokenRule {
    type Error = SteerError;

    fn try_from(text: String) -> Result<Self, SteerError> {
        text.parse()
    }
}

impl From<TokenRule> for String {
    fn from(rule: TokenRule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Positions that a rule selects in a sequence of a prompt of 4 and 4 generated tokens; the id is the position.
    fn selected(text: &str) -> Vec<usize> {
        let rule: TokenRule = text.parse().unwrap();
        (0..8)
            .filter(|position| {
                rule.selects(&Token {
                    row: 0,
                    column: 0,
                    id: *position as u32,
                    position: *position,
                    prompt_len: 4,
                })
            })
            .collect()
    }

    #[test]
    fn each_clause_alone() {
        assert_eq!(selected("all"), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(selected("prompt"), [0, 1, 2, 3]);
        assert_eq!(selected("generated"), [4, 5, 6, 7]);
        assert_eq!(selected("from_last_prompt"), [3, 4, 5, 6, 7]);
        assert_eq!(selected("last:3"), [1, 2, 3]);
        assert_eq!(selected("last:99"), [0, 1, 2, 3]);
        assert_eq!(selected("positions:0,5,-1"), [0, 3, 5]);
        assert_eq!(selected("prompt:1..3"), [1, 2]);
        assert_eq!(selected("prompt:-2.."), [2, 3]);
        assert_eq!(selected("prompt:1..-1"), [1, 2]);
        assert_eq!(selected("prompt:..9"), [0, 1, 2, 3]);
        assert_eq!(selected("generated:2..5"), [6, 7]);
        assert_eq!(selected("generated:..1"), [4]);
        assert_eq!(selected("ids:7,2"), [2, 7]);
    }

    #[test]
    fn unions_and_exclusions() {
        assert_eq!(selected("positions:0+generated:1.."), [0, 5, 6, 7]);
        assert_eq!(selected("all!prompt!ids:5"), [4, 6, 7]);
        assert!(
            selected("prompt!prompt").is_empty(),
            "exclusion always wins"
        );
    }

    #[test]
    fn texts_round_trip() {
        for text in [
            "all",
            "last:3",
            "positions:0,1,-1",
            "prompt:-4..",
            "prompt:2..5+generated:0..8!positions:0!ids:5,7",
        ] {
            let rule: TokenRule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
            let json = serde_json::to_string(&rule).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<TokenRule>(&json).unwrap(), rule);
        }
    }

    #[test]
    fn rules_that_select_nothing_are_refused() {
        for text in [
            "",
            "al",
            "!all",
            "all+",
            "last",
            "last:0",
            "last:-1",
            "positions:",
            "positions:x",
            "prompt:3..3",
            "prompt:-1..-2",
            "prompt:2..0",
            "generated:5..2",
            "generated:-1..",
            "ids:",
            "ids:-1",
            "all:3",
        ] {
            let error = text.parse::<TokenRule>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_rule_that_prints_itself_or_a_typed_error(
            text in "(all|prompt|generated|last|positions|ids|[-+!:.,0-9a-z]){0,9}",
        ) {
            if let Ok(rule) = text.parse::<TokenRule>() {
                let again: TokenRule = rule.to_string().parse().unwrap();
                proptest::prop_assert_eq!(again, rule);
            }
        }
    }
}
