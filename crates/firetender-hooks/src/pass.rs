//! The tokens of one forward pass, and where each stands in its sequence.
//!
//! A pass is a rectangle of token ids `[batch, columns]`. Each cell is either a real token with its absolute position in its
//! sequence, or padding. Because every real token knows its position and every row knows how long its prompt is, the *phase*
//! of a token (prompt or generated) is the same whether the sequence is run in one pass, in chunks, or token by token with a
//! cache. All of this is plain host data: masks for the device are made from it once per pass.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};

use crate::{HookError, Selection};

/// On which side rows shorter than the longest are filled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Before the first token: the last column holds every row's last token, as generation needs.
    Left,
    /// After the last token.
    Right,
}

/// Whether a token belongs to the prompt or was generated after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Part of what the model was given.
    Prompt,
    /// Produced by the model (or scored as if it were: a continuation), when it is fed back in.
    Generated,
}

/// One real token of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Row of the batch.
    pub row: usize,
    /// Column of this pass.
    pub column: usize,
    /// Token id.
    pub id: u32,
    /// Absolute position among the real tokens of its sequence, from 0.
    pub position: usize,
    /// Number of prompt tokens of its sequence.
    pub prompt_len: usize,
}

impl Token {
    /// Prompt or generated.
    #[must_use]
    pub fn phase(&self) -> Phase {
        if self.position < self.prompt_len {
            Phase::Prompt
        } else {
            Phase::Generated
        }
    }

    /// Position relative to the end of the prompt: −1 is the last prompt token, 0 the first generated one.
    #[must_use]
    pub fn from_prompt_end(&self) -> isize {
        self.position as isize - self.prompt_len as isize
    }
}

/// The tokens of one forward pass: the model's input, and what interventions know about it.
///
/// ```
/// use firetender_hooks::{Padding, Pass, Phase};
/// // Two prompts of different length; the second row's last token is an answer to be scored.
/// let pass = Pass::whole(&[vec![7, 8, 9], vec![7, 8]], Padding::Left, 0)
///     .unwrap()
///     .with_prompt_lens(vec![3, 1])
///     .unwrap();
/// assert_eq!((pass.batch(), pass.columns()), (2, 3));
/// assert!(pass.token(1, 0).is_none(), "padding");
/// let last = pass.token(1, 2).unwrap();
/// assert_eq!((last.position, last.phase()), (1, Phase::Generated));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    ids: Vec<u32>,
    /// −1 marks padding.
    positions: Vec<i32>,
    prompt_lens: Vec<usize>,
    columns: usize,
    cache_offset: usize,
}

impl Pass {
    /// A pass over whole sequences from their first token on; each row is all prompt.
    ///
    /// `pad_id` fills short rows; any id of the vocabulary serves, since padding never influences a real token.
    ///
    /// # Errors
    /// No rows, or an empty row.
    pub fn whole(rows: &[Vec<u32>], padding: Padding, pad_id: u32) -> Result<Self, HookError> {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(rows.len() * columns);
        let mut positions = Vec::with_capacity(rows.len() * columns);
        for (index, row) in rows.iter().enumerate() {
            if row.is_empty() {
                return Err(HookError::Pass {
                    what: format!("row {index}"),
                    found: "empty".into(),
                    expected:
                        "at least one token (start an empty text with the model's start token)"
                            .into(),
                });
            }
            let pads = columns - row.len();
            let real = 0..row.len() as i32;
            let (before, after) = if padding == Padding::Left {
                (pads, 0)
            } else {
                (0, pads)
            };
            ids.extend(std::iter::repeat_n(pad_id, before).chain(row.iter().copied()));
            ids.extend(std::iter::repeat_n(pad_id, after));
            positions.extend(std::iter::repeat_n(-1, before).chain(real));
            positions.extend(std::iter::repeat_n(-1, after));
        }
        Self::from_parts(ids, positions, rows.iter().map(Vec::len).collect(), 0)
    }

    /// The general form. `positions` has an entry for each id, −1 for padding; the number of rows is that of `prompt_lens`;
    /// `cache_offset` counts the columns that earlier passes have put into the cache.
    ///
    /// # Errors
    /// No rows or columns, lengths that contradict each other, or positions that do not rise within a row.
    pub fn from_parts(
        ids: Vec<u32>,
        positions: Vec<i32>,
        prompt_lens: Vec<usize>,
        cache_offset: usize,
    ) -> Result<Self, HookError> {
        let fail = |what: &str, found: String, expected: &str| {
            Err(HookError::Pass {
                what: what.into(),
                found,
                expected: expected.into(),
            })
        };
        let batch = prompt_lens.len();
        if batch == 0 || ids.is_empty() {
            return fail(
                "batch",
                format!("{batch} rows, {} tokens", ids.len()),
                "at least one row of one token",
            );
        }
        if !ids.len().is_multiple_of(batch) {
            return fail(
                "number of tokens",
                ids.len().to_string(),
                "a multiple of the number of rows",
            );
        }
        if positions.len() != ids.len() {
            return fail(
                "number of positions",
                positions.len().to_string(),
                "one for each token",
            );
        }
        let columns = ids.len() / batch;
        for (row, cells) in positions.chunks(columns).enumerate() {
            let mut last = -1;
            for &position in cells.iter().filter(|p| **p != -1) {
                if position <= last {
                    return fail(
                        &format!("row {row}"),
                        format!("position {position} after {last}"),
                        "rising positions from 0, or -1 for padding",
                    );
                }
                last = position;
            }
        }
        Ok(Self {
            ids,
            positions,
            prompt_lens,
            columns,
            cache_offset,
        })
    }

    /// Says how many tokens of each row are prompt; later ones count as generated.
    ///
    /// # Errors
    /// Not one length per row.
    pub fn with_prompt_lens(mut self, prompt_lens: Vec<usize>) -> Result<Self, HookError> {
        if prompt_lens.len() != self.batch() {
            return Err(HookError::Pass {
                what: "number of prompt lengths".into(),
                found: prompt_lens.len().to_string(),
                expected: self.batch().to_string(),
            });
        }
        self.prompt_lens = prompt_lens;
        Ok(self)
    }

    /// Some columns of this pass as a pass of its own, to be run after the columns before it with the same cache.
    ///
    /// ```
    /// use firetender_hooks::{Padding, Pass};
    /// let whole = Pass::whole(&[vec![1, 2, 3]], Padding::Left, 0).unwrap();
    /// let rest = whole.chunk(1..3);
    /// assert_eq!((rest.columns(), rest.cache_offset()), (2, 1));
    /// assert_eq!(rest.token(0, 0).unwrap().position, 1);
    /// ```
    ///
    /// # Panics
    /// When the range is empty or reaches beyond the columns.
    #[must_use]
    pub fn chunk(&self, columns: Range<usize>) -> Self {
        assert!(
            !columns.is_empty() && columns.end <= self.columns,
            "columns {columns:?} of {}",
            self.columns
        );
        let cut = |row: usize| row * self.columns + columns.start..row * self.columns + columns.end;
        Self {
            ids: (0..self.batch())
                .flat_map(|row| self.ids[cut(row)].iter().copied())
                .collect(),
            positions: (0..self.batch())
                .flat_map(|row| self.positions[cut(row)].iter().copied())
                .collect(),
            prompt_lens: self.prompt_lens.clone(),
            columns: columns.len(),
            cache_offset: self.cache_offset + columns.start,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.prompt_lens.len()
    }

    /// Number of columns of this pass.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of columns that are in the cache already.
    #[must_use]
    pub fn cache_offset(&self) -> usize {
        self.cache_offset
    }

    /// Number of prompt tokens of a row.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn prompt_len(&self, row: usize) -> usize {
        self.prompt_lens[row]
    }

    /// Token ids, row by row, padding included.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Absolute positions, row by row; −1 for padding.
    #[must_use]
    pub fn positions(&self) -> &[i32] {
        &self.positions
    }

    /// The token of a cell, or `None` if it is padding.
    ///
    /// # Panics
    /// When there is no such cell.
    #[must_use]
    pub fn token(&self, row: usize, column: usize) -> Option<Token> {
        assert!(column < self.columns, "column {column} of {}", self.columns);
        let index = row * self.columns + column;
        let position = usize::try_from(self.positions[index]).ok()?;
        Some(Token {
            row,
            column,
            id: self.ids[index],
            position,
            prompt_len: self.prompt_lens[row],
        })
    }

    /// All real tokens, row by row.
    pub fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        (0..self.batch()).flat_map(move |row| {
            (0..self.columns).filter_map(move |column| self.token(row, column))
        })
    }

    /// Whether any cell is padding.
    #[must_use]
    pub fn has_padding(&self) -> bool {
        self.positions.contains(&-1)
    }

    /// Column of each row's last real token in this pass, or `None` for a row that is all padding.
    #[must_use]
    pub fn last_columns(&self) -> Vec<Option<usize>> {
        self.positions
            .chunks(self.columns)
            .map(|row| row.iter().rposition(|p| *p != -1))
            .collect()
    }

    /// The real tokens that a rule selects, as a mask `[batch, columns, 1]` of ones and zeros on `device` without autodiff.
    /// `Selection::All` and `Selection::Nothing` need no mask, so that a caller can skip work.
    #[must_use]
    pub fn select(&self, device: &Device, rule: impl Fn(&Token) -> bool) -> Selection {
        let mut mask = vec![0.0f32; self.ids.len()];
        let mut chosen = 0;
        for token in self.tokens() {
            if rule(&token) {
                mask[token.row * self.columns + token.column] = 1.0;
                chosen += 1;
            }
        }
        if chosen == 0 {
            Selection::Nothing
        } else if chosen == mask.len() {
            Selection::All
        } else {
            let data = TensorData::new(mask, [self.batch(), self.columns, 1]);
            Selection::Some(Tensor::from_data(data, &device.clone().inner()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_sides_keep_positions() {
        let rows = [vec![5, 6, 7], vec![8]];
        let left = Pass::whole(&rows, Padding::Left, 0).unwrap();
        let right = Pass::whole(&rows, Padding::Right, 0).unwrap();
        assert_eq!(left.positions(), [0, 1, 2, -1, -1, 0]);
        assert_eq!(right.positions(), [0, 1, 2, 0, -1, -1]);
        assert_eq!(left.last_columns(), [Some(2), Some(2)]);
        assert_eq!(right.last_columns(), [Some(2), Some(0)]);
        assert_eq!(
            left.tokens().map(|t| t.id).collect::<Vec<_>>(),
            right.tokens().map(|t| t.id).collect::<Vec<_>>()
        );
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(Pass::whole(&[], Padding::Left, 0).is_err());
        assert!(Pass::whole(&[vec![1], vec![]], Padding::Left, 0).is_err());
        assert!(
            Pass::from_parts(vec![1, 2], vec![1, 0], vec![2], 0).is_err(),
            "falling"
        );
        assert!(Pass::from_parts(vec![1, 2], vec![0], vec![2], 0).is_err());
        assert!(Pass::from_parts(vec![1, 2, 3], vec![0, 1, 2], vec![2, 2], 0).is_err());
    }

    #[test]
    fn chunks_know_where_they_are() {
        let whole = Pass::whole(&[vec![1, 2, 3, 4], vec![5, 6]], Padding::Left, 0).unwrap();
        let rest = whole.chunk(2..4);
        assert_eq!(rest.ids(), [3, 4, 5, 6]);
        assert_eq!(rest.positions(), [2, 3, 0, 1]);
        assert_eq!(rest.cache_offset(), 2);
    }

    #[test]
    fn selections_skip_padding() {
        let device = Device::flex();
        let padded = Pass::whole(&[vec![1, 2], vec![3]], Padding::Left, 0).unwrap();
        let Selection::Some(mask) = padded.select(&device, |_| true) else {
            panic!("padding must not be selected")
        };
        assert_eq!(
            mask.into_data().try_to_vec::<f32>().unwrap(),
            [1.0, 1.0, 0.0, 1.0]
        );
        assert!(matches!(
            padded.select(&device, |_| false),
            Selection::Nothing
        ));
        let full = Pass::whole(&[vec![1, 2]], Padding::Left, 0).unwrap();
        assert!(matches!(full.select(&device, |_| true), Selection::All));
    }
}
