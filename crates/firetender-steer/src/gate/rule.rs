//! Boolean rules over named conditions.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::fail;
use crate::SteerError;

/// Deepest nesting and longest text that is read.
const DEPTH: usize = 64;
const LENGTH: usize = 4096;

/// When a case applies: a condition's name, or `not`, `and`, `or` and brackets over such. `not` binds closest, `or` least.
///
/// ```
/// use firetender_steer::GateRule;
/// let rule: GateRule = "harm and not (joke or story)".parse().unwrap();
/// assert!(rule.holds(&|name| name == "harm"));
/// assert!(!rule.holds(&|name| name != "story"));
/// assert_eq!(rule.to_string(), "harm and not (joke or story)");
/// assert!("harm and".parse::<GateRule>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum GateRule {
    /// The condition of this name.
    Name(String),
    /// Not this.
    Not(Box<Self>),
    /// Both.
    And(Box<Self>, Box<Self>),
    /// Either.
    Or(Box<Self>, Box<Self>),
}

impl GateRule {
    /// Whether it holds, given which conditions do.
    pub fn holds(&self, condition: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Name(name) => condition(name),
            Self::Not(rule) => !rule.holds(condition),
            Self::And(a, b) => a.holds(condition) && b.holds(condition),
            Self::Or(a, b) => a.holds(condition) || b.holds(condition),
        }
    }

    /// The names in it.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Name(name) => vec![name],
            Self::Not(rule) => rule.names(),
            Self::And(a, b) | Self::Or(a, b) => [a.names(), b.names()].concat(),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Or(..) => 0,
            Self::And(..) => 1,
            Self::Not(_) | Self::Name(_) => 2,
        }
    }
}

impl fmt::Display for GateRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = |f: &mut fmt::Formatter<'_>, rule: &Self, least: u8| {
            if rule.rank() < least {
                write!(f, "({rule})")
            } else {
                write!(f, "{rule}")
            }
        };
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Not(rule) => {
                f.write_str("not ")?;
                inner(f, rule, 2)
            }
            Self::And(a, b) => {
                inner(f, a, 1)?;
                f.write_str(" and ")?;
                inner(f, b, 2)
            }
            Self::Or(a, b) => {
                inner(f, a, 0)?;
                f.write_str(" or ")?;
                inner(f, b, 1)
            }
        }
    }
}

struct Parser<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl Parser<'_> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }

    fn either(&mut self, depth: usize) -> Option<GateRule> {
        let mut rule = self.both(depth)?;
        while self.take("or") {
            rule = GateRule::Or(Box::new(rule), Box::new(self.both(depth)?));
        }
        Some(rule)
    }

    fn both(&mut self, depth: usize) -> Option<GateRule> {
        let mut rule = self.one(depth)?;
        while self.take("and") {
            rule = GateRule::And(Box::new(rule), Box::new(self.one(depth)?));
        }
        Some(rule)
    }

    fn one(&mut self, depth: usize) -> Option<GateRule> {
        let depth = depth.checked_sub(1)?;
        if self.take("not") {
            return Some(GateRule::Not(Box::new(self.one(depth)?)));
        }
        if self.take("(") {
            let rule = self.either(depth)?;
            return self.take(")").then_some(rule);
        }
        let word = *self.words.get(self.at)?;
        self.at += 1;
        let plain = word
            .chars()
            .all(|c| c.is_alphanumeric() || "_-.".contains(c));
        let name = plain && !["and", "or", "not"].contains(&word);
        name.then(|| GateRule::Name(word.into()))
    }
}

impl FromStr for GateRule {
    type Err = SteerError;

    fn from_str(text: &str) -> Result<Self, SteerError> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let mut parser = Parser {
            words: spaced.split_whitespace().collect(),
            at: 0,
        };
        let short = text.len() <= LENGTH && parser.words.len() <= LENGTH / 8;
        let rule = if short { parser.either(DEPTH) } else { None };
        rule.filter(|_| parser.at == parser.words.len())
            .ok_or_else(|| {
                let shown: String = text.chars().take(80).collect();
                fail(
                    "when",
                    format!(
                        "`{shown}` is no rule; expected names with `and`, `or`, `not` and brackets"
                    ),
                )
            })
    }
}

impl TryFrom<String> for GateRule {
    type Error = SteerError;

    fn try_from(text: String) -> Result<Self, SteerError> {
        text.parse()
    }
}

impl From<GateRule> for String {
    fn from(rule: GateRule) -> Self {
        rule.to_string()
    }
}
