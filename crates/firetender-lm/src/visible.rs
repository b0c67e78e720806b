//! Which keys each token of a pass sees: none of the future, none of padding, and no more than a window where there is one.
//!
//! Nearly always that is one run of columns for each token ([`Spans`]), which attention on the CPU uses to leave out hidden keys. Padding
//! between real tokens of a row, as a cache can hold, makes it a set with holes; then, and on other devices, it is a mask.

use std::ops::Range;

use burn::tensor::{Bool, Device, Tensor, TensorData};
use firetender_hooks::Pass;

use crate::ModelConfig;

/// The rule, for one pass.
#[derive(Debug)]
struct Rule<'a> {
    pass: &'a Pass,
    /// Row by row, the positions of all columns that can be attended to, the pass's own at the end.
    keys: &'a [&'a [i32]],
    window: i32,
    /// Rows that differ: one where all are the same.
    rows: usize,
}

impl<'a> Rule<'a> {
    fn new(config: &ModelConfig, pass: &'a Pass, keys: &'a [&'a [i32]]) -> Self {
        let first = &pass.positions()[..pass.columns()];
        let same = pass
            .positions()
            .chunks(pass.columns())
            .all(|row| row == first)
            && keys.iter().all(|k| *k == keys[0]);
        Self {
            pass,
            keys,
            window: config
                .sliding_window
                .map_or(i32::MAX, |w| i32::try_from(w).unwrap_or(i32::MAX)),
            rows: if same { 1 } else { pass.batch() },
        }
    }

    fn sees(&self, row: usize, column: usize, key: usize) -> bool {
        let columns = self.pass.columns();
        let position = self.pass.positions()[row * columns + column];
        if position < 0 {
            // A padding query sees itself alone, so that its softmax stays finite.
            return key == self.keys[row].len() - columns + column;
        }
        let at = self.keys[row][key];
        (0..=position).contains(&at) && position - at < self.window
    }
}

/// For each token the run of key columns it sees.
#[derive(Debug)]
pub(crate) struct Spans {
    /// Row by row; one row stands for all where they are the same.
    spans: Vec<(usize, usize)>,
    columns: usize,
}

impl Spans {
    /// `None` where some token sees keys that are not side by side.
    fn new(rule: &Rule<'_>) -> Option<Self> {
        let columns = rule.pass.columns();
        let mut spans = Vec::with_capacity(rule.rows * columns);
        for row in 0..rule.rows {
            let keys = rule.keys[row].len();
            for column in 0..columns {
                let first = (0..keys).find(|key| rule.sees(row, column, *key))?;
                let end = (first..keys)
                    .find(|key| !rule.sees(row, column, *key))
                    .unwrap_or(keys);
                if (end..keys).any(|key| rule.sees(row, column, key)) {
                    return None;
                }
                spans.push((first, end));
            }
        }
        Some(Self { spans, columns })
    }

    /// The first key that a token sees and the end of those it sees; never empty.
    pub(crate) fn of(&self, row: usize, column: usize) -> (usize, usize) {
        self.spans[(row * self.columns + column) % self.spans.len()]
    }

    /// The keys that any token of some columns sees, in any row.
    pub(crate) fn around(&self, columns: Range<usize>) -> (usize, usize) {
        self.spans
            .chunks(self.columns)
            .flat_map(|row| &row[columns.clone()])
            .fold((usize::MAX, 0), |(first, end), (from, to)| {
                (first.min(*from), end.max(*to))
            })
    }
}

/// What is known of a pass's visible keys, once for all blocks.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one a pass")]
pub(crate) enum Visible {
    /// Runs of keys.
    Spans(Spans),
    /// Some token sees keys that are not side by side.
    Mask(Option<Tensor<4, Bool>>),
}

impl Visible {
    /// `keys` holds, row by row, the positions of all columns that can be attended to, this pass's own at the end.
    pub(crate) fn new(config: &ModelConfig, pass: &Pass, keys: &[&[i32]], device: &Device) -> Self {
        let rule = Rule::new(config, pass, keys);
        match Spans::new(&rule) {
            Some(spans) => Self::Spans(spans),
            None => Self::Mask(mask(
                config,
                pass,
                keys[0].len(),
                rule.rows,
                device,
                |r, c, k| rule.sees(r, c, k),
            )),
        }
    }

    /// `true` where a query must not see a key, `[batch, kv_heads, group · columns, keys]`; `None` when every query sees all.
    pub(crate) fn mask(
        &self,
        config: &ModelConfig,
        pass: &Pass,
        keys: usize,
        device: &Device,
    ) -> Option<Tensor<4, Bool>> {
        match self {
            Self::Mask(mask) => mask.clone(),
            Self::Spans(spans) => {
                let rows = spans.spans.len() / spans.columns;
                mask(config, pass, keys, rows, device, |row, column, key| {
                    let (first, end) = spans.of(row, column);
                    (first..end).contains(&key)
                })
            }
        }
    }
}

fn mask(
    config: &ModelConfig,
    pass: &Pass,
    keys: usize,
    rows: usize,
    device: &Device,
    sees: impl Fn(usize, usize, usize) -> bool,
) -> Option<Tensor<4, Bool>> {
    let height = config.group() * pass.columns();
    let mut cells = Vec::with_capacity(rows * height * keys);
    for row in 0..rows {
        let start = cells.len();
        for column in 0..pass.columns() {
            cells.extend((0..keys).map(|key| !sees(row, column, key)));
        }
        let block = start..cells.len();
        for _ in 1..config.group() {
            cells.extend_from_within(block.clone());
        }
    }
    if !cells.contains(&true) {
        return None;
    }
    let mask =
        Tensor::<4, Bool>::from_data(TensorData::new(cells, [rows, 1, height, keys]), device);
    Some(mask.expand([pass.batch(), config.kv_heads, height, keys]))
}

#[cfg(test)]
mod tests {
    use firetender_hooks::Padding;

    use super::*;

    fn spans(config: &ModelConfig, pass: &Pass, keys: &[&[i32]]) -> Option<Vec<(usize, usize)>> {
        match Visible::new(config, pass, keys, &Device::flex()) {
            Visible::Spans(spans) => Some(
                (0..pass.batch() * pass.columns())
                    .map(|cell| spans.of(cell / pass.columns(), cell % pass.columns()))
                    .collect(),
            ),
            Visible::Mask(_) => None,
        }
    }

    fn own(pass: &Pass) -> Vec<&[i32]> {
        pass.positions().chunks(pass.columns()).collect()
    }

    #[test]
    fn runs_of_keys() {
        let mut config = ModelConfig::llama(20, 16, 2, 2, 1, 32);
        let pass = Pass::whole(&[vec![1; 4], vec![1; 2]], Padding::Left, 0).unwrap();
        assert_eq!(
            spans(&config, &pass, &own(&pass)).unwrap(),
            [
                (0, 1),
                (0, 2),
                (0, 3),
                (0, 4),
                (0, 1),
                (1, 2),
                (2, 3),
                (2, 4)
            ],
            "padding sees itself"
        );
        config.sliding_window = Some(2);
        assert_eq!(
            spans(&config, &pass, &own(&pass)).unwrap()[..4],
            [(0, 1), (0, 2), (1, 3), (2, 4)]
        );
    }

    #[test]
    fn padding_between_tokens_is_a_mask() {
        let config = ModelConfig::llama(20, 16, 2, 2, 1, 32);
        let pass = Pass::from_parts(vec![5, 6], vec![2, 3], vec![4], 3).unwrap();
        let keys: [&[i32]; 1] = [&[0, 1, -1, 2, 3]];
        assert!(spans(&config, &pass, &keys).is_none());
        let visible = Visible::new(&config, &pass, &keys, &Device::flex());
        let mask = visible.mask(&config, &pass, 5, &Device::flex()).unwrap();
        let hidden: Vec<bool> = mask.into_data().iter::<bool>().collect();
        assert_eq!(hidden[..5], [false, false, true, false, true]);
        assert_eq!(hidden[5..10], [false, false, true, false, false]);
    }

    #[test]
    fn both_forms_say_the_same() {
        let mut config = ModelConfig::llama(20, 16, 2, 4, 2, 32);
        for window in [None, Some(1), Some(3)] {
            config.sliding_window = window;
            for padding in [Padding::Left, Padding::Right] {
                let pass = Pass::whole(&[vec![1; 5], vec![1; 3]], padding, 0).unwrap();
                let keys = own(&pass);
                let rule = Rule::new(&config, &pass, &keys);
                let visible = Visible::new(&config, &pass, &keys, &Device::flex());
                let Visible::Spans(_) = &visible else {
                    panic!("{window:?}, {padding:?}")
                };
                let mask = visible.mask(&config, &pass, 5, &Device::flex()).unwrap();
                assert_eq!(mask.dims(), [2, 2, 10, 5]);
                let hidden: Vec<bool> = mask.into_data().iter::<bool>().collect();
                for (index, hidden) in hidden.into_iter().enumerate() {
                    let (row, column, key) = (index / 100, index / 5 % 5, index % 5);
                    assert_eq!(
                        hidden,
                        !rule.sees(row, column, key),
                        "{row}, {column}, {key}"
                    );
                }
            }
        }
    }
}
