//! Which tokens of a pass are meant.

use std::{fmt, ops::Range, sync::Arc};

use burn::tensor::Tensor;

use crate::{HookError, Pass, Token};

/// The tokens that a rule selected in one pass, in the form that costs least to apply.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "made once per pass and layer, never stored in numbers"
)]
pub enum Selection {
    /// No token: nothing needs to be computed.
    Nothing,
    /// Every cell of the pass (there is no padding): no mask is needed.
    All,
    /// A mask `[batch, columns, 1]` of ones and zeros.
    Some(Tensor<3>),
}

/// A rule on single tokens, shared and callable from any thread.
type Rule = Arc<dyn Fn(&Token) -> bool + Send + Sync>;

/// Where a recorder reads in each row.
///
/// Rules that yield one sample a row are `LastPrompt`, `LastToken`, `FromEnd`, `Position` and the means; a row without such a
/// token is an error for `FromEnd` (the text is too short) and yields no sample for the others, since with a cache the token
/// may belong to another pass.
#[derive(Clone)]
pub enum ReadAt {
    /// The last token of the prompt, whatever follows it; the same token in cached, chunked and whole passes.
    LastPrompt,
    /// The last real token of the row in this pass.
    LastToken,
    /// The token `n` before the last real one of this pass (0 is the last).
    FromEnd(usize),
    /// The token at an absolute position.
    Position(usize),
    /// Each token at these absolute positions.
    Positions(Range<usize>),
    /// Each real token.
    Each,
    /// Each real token that the rule accepts.
    Where(Rule),
    /// The mean over the row's real tokens that the rule accepts in this pass.
    MeanOf(Rule),
}

impl fmt::Debug for ReadAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LastPrompt => f.write_str("last prompt token"),
            Self::LastToken => f.write_str("last token"),
            Self::FromEnd(n) => write!(f, "{n} before the last token"),
            Self::Position(p) => write!(f, "position {p}"),
            Self::Positions(r) => write!(f, "positions {r:?}"),
            Self::Each => f.write_str("each token"),
            Self::Where(_) => f.write_str("each token accepted by a rule"),
            Self::MeanOf(_) => f.write_str("mean over tokens accepted by a rule"),
        }
    }
}

impl ReadAt {
    /// Each real token that `rule` accepts.
    ///
    /// ```
    /// use firetender_hooks::ReadAt;
    /// let full_stops = ReadAt::each_where(|token| token.id == 13);
    /// # let _ = full_stops;
    /// ```
    #[must_use]
    pub fn each_where(rule: impl Fn(&Token) -> bool + Send + Sync + 'static) -> Self {
        Self::Where(Arc::new(rule))
    }

    /// The mean over the real tokens that `rule` accepts.
    #[must_use]
    pub fn mean_where(rule: impl Fn(&Token) -> bool + Send + Sync + 'static) -> Self {
        Self::MeanOf(Arc::new(rule))
    }

    /// The mean over all real tokens of the row.
    #[must_use]
    pub fn mean() -> Self {
        Self::mean_where(|_| true)
    }

    /// The cells to read, grouped: each inner list becomes one sample, the mean over its cells.
    pub(crate) fn groups(&self, pass: &Pass) -> Result<Vec<Vec<Token>>, HookError> {
        let mut groups = Vec::new();
        for row in 0..pass.batch() {
            let tokens: Vec<Token> = (0..pass.columns())
                .filter_map(|c| pass.token(row, c))
                .collect();
            let single =
                |found: Option<&Token>| found.map(|t| vec![*t]).into_iter().collect::<Vec<_>>();
            let each = |accept: &dyn Fn(&Token) -> bool| {
                tokens
                    .iter()
                    .filter(|t| accept(t))
                    .map(|t| vec![*t])
                    .collect()
            };
            let of_row: Vec<Vec<Token>> = match self {
                Self::LastPrompt => single(tokens.iter().find(|t| t.from_prompt_end() == -1)),
                Self::LastToken => single(tokens.last()),
                Self::FromEnd(n) => {
                    let found = tokens.len().checked_sub(n + 1).map(|index| &tokens[index]);
                    if found.is_none() {
                        let rule = format!("{self:?}");
                        return Err(HookError::ReadPosition {
                            row,
                            len: tokens.len(),
                            rule,
                        });
                    }
                    single(found)
                }
                Self::Position(p) => single(tokens.iter().find(|t| t.position == *p)),
                Self::Positions(range) => each(&|t| range.contains(&t.position)),
                Self::Each => each(&|_| true),
                Self::Where(rule) => each(&|t| rule(t)),
                Self::MeanOf(rule) => {
                    let chosen: Vec<Token> = tokens.iter().filter(|t| rule(t)).copied().collect();
                    if chosen.is_empty() {
                        vec![]
                    } else {
                        vec![chosen]
                    }
                }
            };
            groups.extend(of_row);
        }
        Ok(groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Padding;

    fn columns(rule: &ReadAt) -> Vec<Vec<(usize, usize)>> {
        let pass = Pass::whole(&[vec![1, 2, 3], vec![4, 5]], Padding::Left, 0)
            .unwrap()
            .with_prompt_lens(vec![2, 2])
            .unwrap();
        let groups = rule.groups(&pass).unwrap();
        groups
            .iter()
            .map(|g| g.iter().map(|t| (t.row, t.column)).collect())
            .collect()
    }

    #[test]
    fn rules_skip_padding_and_know_the_prompt() {
        assert_eq!(columns(&ReadAt::LastPrompt), [[(0, 1)], [(1, 2)]]);
        assert_eq!(columns(&ReadAt::LastToken), [[(0, 2)], [(1, 2)]]);
        assert_eq!(columns(&ReadAt::FromEnd(1)), [[(0, 1)], [(1, 1)]]);
        assert_eq!(columns(&ReadAt::Position(2)), [[(0, 2)]]);
        assert_eq!(columns(&ReadAt::Positions(0..1)), [[(0, 0)], [(1, 1)]]);
        assert_eq!(columns(&ReadAt::Each).len(), 5);
        assert_eq!(
            columns(&ReadAt::mean()),
            [vec![(0, 0), (0, 1), (0, 2)], vec![(1, 1), (1, 2)]]
        );
        assert_eq!(columns(&ReadAt::each_where(|t| t.id == 5)), [[(1, 2)]]);
    }

    #[test]
    fn too_short_rows_are_an_error() {
        let pass = Pass::whole(&[vec![1, 2], vec![4]], Padding::Left, 0).unwrap();
        let error = ReadAt::FromEnd(1).groups(&pass).unwrap_err();
        assert!(matches!(
            error,
            HookError::ReadPosition { row: 1, len: 1, .. }
        ));
    }
}
