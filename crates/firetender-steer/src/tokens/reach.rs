//! Whether rules can select a token at all, and whether two can select the same one.
//!
//! A clause compares a token's position with constants, its distance from the prompt's end with constants, or its id with a list. So
//! the plane of (position, distance) falls into rectangles in which every clause has one answer, and it is enough to try one
//! token of each rectangle that holds any: the one with the largest position and the smallest distance, since a prompt has at
//! least one token (distance < position).

use firetender_hooks::Token;

use super::{Clause, TokenRule};

/// Farther than any real sequence reaches.
const FAR: i64 = 1 << 40;

impl TokenRule {
    /// A token that the rule selects, if there can be one in any sequence.
    #[must_use]
    pub fn example(&self) -> Option<Token> {
        tokens(&[self]).find(|token| self.selects(token))
    }

    /// A token that both rules select, if there can be one in any sequence.
    ///
    /// ```
    /// use firetender_steer::TokenRule;
    /// let rule = |text: &str| text.parse::<TokenRule>().unwrap();
    /// assert!(rule("prompt").meets(&rule("generated")).is_none());
    /// assert_eq!(rule("from_last_prompt").meets(&rule("prompt")).unwrap().from_prompt_end(), -1);
    /// ```
    #[must_use]
    pub fn meets(&self, other: &Self) -> Option<Token> {
        tokens(&[self, other]).find(|token| self.selects(token) && other.selects(token))
    }
}

/// One token of each rectangle, for each id that a rule names and one that none does.
fn tokens(rules: &[&TokenRule]) -> impl Iterator<Item = Token> {
    let (mut places, mut distances) = (vec![FAR], vec![-FAR]);
    let mut ids: Vec<u32> = vec![];
    let clauses = rules
        .iter()
        .flat_map(|rule| rule.include.iter().chain(&rule.exclude));
    for clause in clauses {
        // A boundary ends the positions before it, and begins the distances from it.
        let mut at = |edge: i64| {
            if edge > 0 {
                places.push((edge - 1).min(FAR));
            }
        };
        let mut from = |edge: i64| distances.push(edge.clamp(-FAR, FAR));
        let number = |n: usize| i64::try_from(n).unwrap_or(FAR).min(FAR);
        match clause {
            Clause::All => {}
            Clause::Prompt | Clause::Generated => from(0),
            Clause::FromLastPrompt => from(-1),
            Clause::LastOfPrompt(n) => {
                from(0);
                from(-number(*n));
            }
            Clause::Positions(list) => {
                for position in list {
                    if *position < 0 {
                        from(*position);
                        from(position + 1);
                    } else {
                        at(*position);
                        at(position.saturating_add(1));
                    }
                }
            }
            Clause::PromptWindow(start, end) => {
                from(0);
                for edge in [Some(*start), *end].into_iter().flatten() {
                    if edge < 0 { from(edge) } else { at(edge) }
                }
            }
            Clause::GeneratedWindow(start, end) => {
                from(0);
                from(number(*start));
                end.iter().for_each(|end| from(number(*end)));
            }
            Clause::Ids(list) => ids.extend(list),
        }
    }
    ids.sort_unstable();
    ids.dedup();
    let other = (0..).find(|id| ids.binary_search(id).is_err());
    ids.extend(other);
    for list in [&mut places, &mut distances] {
        list.sort_unstable();
        list.dedup();
    }
    places.into_iter().flat_map(move |place| {
        let ids = ids.clone();
        let possible: Vec<i64> = distances.iter().copied().filter(|d| *d < place).collect();
        possible.into_iter().flat_map(move |distance| {
            let ids = ids.clone();
            ids.into_iter().map(move |id| Token {
                row: 0,
                column: 0,
                id,
                position: place as usize,
                prompt_len: (place - distance) as usize,
            })
        })
    })
}
