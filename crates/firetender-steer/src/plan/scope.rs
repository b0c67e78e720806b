//! Which cells of a pass an entry changes, and how strongly.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use firetender_hooks::Pass;

use super::{Schedule, change::Factor, strength::token_weight};
use crate::TokenRule;

/// What decides about the cells, apart from the value itself. Entries that agree in it share one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scope {
    pub(crate) rule: TokenRule,
    pub(crate) schedule: Schedule,
    pub(crate) token_weights: BTreeMap<i64, f64>,
    /// Whose row strengths count.
    pub(crate) group: usize,
    /// Rules of entries that come first where the first wins.
    pub(crate) except: Vec<TokenRule>,
}

/// Which tokens may be changed at all: a gate that decides late opens the rest of the prompt only behind itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reach {
    #[default]
    Everything,
    Generated,
}

/// What a scope is in one pass.
#[derive(Clone, Debug)]
pub(crate) enum Active {
    Nothing,
    /// Every cell, by the same factor.
    Even(f64),
    /// A factor for each cell, row by row.
    Cells(Vec<f32>),
}

impl Scope {
    /// Its cells in a pass; `row` gives each row's strength.
    pub(crate) fn active(&self, pass: &Pass, row: impl Fn(usize) -> f64, reach: Reach) -> Active {
        let mut cells = vec![0.0f32; pass.ids().len()];
        let mut chosen = 0;
        for token in pass.tokens() {
            let reached = reach == Reach::Everything || token.from_prompt_end() >= 0;
            if !reached || !self.rule.selects(&token) {
                continue;
            }
            if self.except.iter().any(|rule| rule.selects(&token)) {
                continue;
            }
            let factor = row(token.row)
                * self.schedule.at(Schedule::step(&token))
                * token_weight(&self.token_weights, &token);
            if factor != 0.0 {
                cells[token.row * pass.columns() + token.column] = factor as f32;
                chosen += 1;
            }
        }
        if chosen == 0 {
            Active::Nothing
        } else if cells.iter().all(|factor| *factor == cells[0]) {
            Active::Even(f64::from(cells[0]))
        } else {
            Active::Cells(cells)
        }
    }
}

impl Active {
    /// On the device.
    pub(crate) fn factor(&self, pass: &Pass, device: &Device) -> Option<Factor> {
        match self {
            Self::Nothing => None,
            Self::Even(factor) => Some(Factor::Even(*factor)),
            Self::Cells(cells) => {
                let data = TensorData::new(cells.clone(), [pass.batch(), pass.columns(), 1]);
                Some(Factor::Cells(Tensor::from_data(data, device)))
            }
        }
    }

    /// The factor of a cell.
    pub(crate) fn at(&self, cell: usize) -> f32 {
        match self {
            Self::Nothing => 0.0,
            Self::Even(factor) => *factor as f32,
            Self::Cells(cells) => cells[cell],
        }
    }
}
