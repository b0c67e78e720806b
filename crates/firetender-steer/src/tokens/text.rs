//! Token rules as text.

use std::{fmt, str::FromStr};

use super::{Clause, TokenRule};
use crate::SteerError;

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
