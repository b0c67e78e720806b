//! One pick, and how much of the mixture it becomes.

use rayon::prelude::*;

use super::{Mode, Pick, StepRule, TIE, state::State};
use crate::{
    TtaError,
    search::{fit::Fit, pass::Tile64},
};

impl State<'_> {
    pub(super) fn step(&mut self) -> Result<Option<Pick>, TtaError> {
        let open: Vec<usize> = (0..self.candidates.entries())
            .filter(|entry| self.search.replacement || !self.used[*entry])
            .collect();
        if open.is_empty() {
            return Ok(None);
        }
        let (mut left, mut passes) = self.screen(open)?;
        let refined = left.len();
        let mut found: Vec<(usize, Fit)> = left
            .par_drain(..)
            .with_min_len(self.candidates.in_turn(refined))
            .map(|(entry, bounds)| {
                let start = match self.search.mode {
                    Mode::Full => 1.0,
                    _ => bounds.next,
                };
                Ok((entry, self.fit(entry, start)?))
            })
            .collect::<Result<_, TtaError>>()?;
        passes += found.iter().map(|(_, fit)| fit.passes).sum::<usize>();
        self.deep = found.iter().any(|(_, fit)| fit.deep);
        let Some(top) = self.best(&found, None) else {
            return Ok(None);
        };
        // Fits end within 1e-12 of their maxima, and where depends on their starts. What that could decide is fitted again from one start,
        // so that neither the mode nor what came before shows.
        let near = self.key(found[top].0, found[top].1.value) - 1e3 * TIE;
        let second = self.best(&found, Some(top));
        let again: Vec<usize> = (0..found.len())
            .filter(|&at| Some(at) == second || self.key(found[at].0, found[at].1.value) >= near)
            .collect();
        let fits: Vec<Fit> = again
            .par_iter()
            .with_min_len(self.candidates.in_turn(again.len()))
            .map(|&at| self.fit(found[at].0, 1.0))
            .collect::<Result<_, TtaError>>()?;
        for (at, fit) in again.into_iter().zip(fits) {
            passes += fit.passes;
            found[at].1 = fit;
        }
        let Some(top) = self.best(&found, None) else {
            return Ok(None);
        };
        let least = self.key(found[top].0, found[top].1.value) - TIE;
        let best = (0..found.len())
            .filter(|&at| self.key(found[at].0, found[at].1.value) >= least)
            .min_by_key(|&at| found[at].0)
            .unwrap_or(top);
        let second = self.best(&found, Some(best));
        let (index, fit) = found[best];
        let gap = |at: usize| {
            let gap = self.key(index, fit.value) - self.key(found[at].0, found[at].1.value);
            // ∞ − ∞, where the truth is impossible under both.
            if gap.is_nan() { 0.0 } else { gap.max(0.0) }
        };
        let (mut share, mut fit) = (None, fit);
        if self.search.step == StepRule::LineSearch {
            let found = if self.count == 0 {
                (1.0, fit)
            } else {
                self.line_search(index, &fit)?
            };
            share = Some(found.0);
            fit = found.1;
            passes += fit.passes;
        }
        Ok(Some(Pick {
            index,
            score: fit.value,
            temperature: 1.0 / fit.beta,
            runner_up: second.map(|at| found[at].0),
            gap: second.map(gap),
            refined,
            passes,
            at_bound: fit.at_bound,
            share,
        }))
    }

    /// The largest key but one, the first of equals.
    fn best(&self, found: &[(usize, Fit)], but: Option<usize>) -> Option<usize> {
        let mut best: Option<(usize, f64)> = None;
        for (at, (entry, fit)) in found.iter().enumerate() {
            let key = self.key(*entry, fit.value);
            if Some(at) != but && best.is_none_or(|(_, top)| key > top) {
                best = Some((at, key));
            }
        }
        best.map(|(at, _)| at)
    }

    /// The share of an entry that gives the best score, and that score: a look at thirteen shares, then a golden section about the best of them.
    fn line_search(&self, entry: usize, uniform: &Fit) -> Result<(f64, Fit), TtaError> {
        let count = (self.count + 1) as f64;
        let mut best = (1.0 / count, *uniform);
        let mut passes = uniform.passes;
        let mut at = |share: f64| -> Result<f64, TtaError> {
            let scale = (1.0 - share) / ((count - 1.0) * share);
            let sum: Vec<Tile64> = self.sum.iter().map(|t| t.map(|x| x * scale)).collect();
            let fit = self.fit_to(entry, &sum, share, 1.0)?;
            passes += fit.passes;
            if fit.value > best.1.value {
                best = (share, fit);
            }
            Ok(fit.value)
        };
        // From 1e-4 to 1, evenly in the logarithm.
        let shares: Vec<f64> = (0..=12)
            .map(|k| 10_f64.powf(f64::from(k) / 3.0 - 4.0))
            .collect();
        let mut top = (0, f64::NEG_INFINITY);
        for (k, share) in shares.iter().enumerate() {
            let value = at(*share)?;
            if value > top.1 {
                top = (k, value);
            }
        }
        let (mut low, mut high) = (
            shares[top.0.saturating_sub(1)],
            shares[(top.0 + 1).min(shares.len() - 1)],
        );
        let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
        let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
        let (mut value_left, mut value_right) = (at(left)?, at(right)?);
        for _ in 0..40 {
            if high - low < 1e-6 {
                break;
            }
            if value_left > value_right {
                (high, right, value_right) = (right, left, value_left);
                left = high - golden * (high - low);
                value_left = at(left)?;
            } else {
                (low, left, value_left) = (left, right, value_right);
                right = low + golden * (high - low);
                value_right = at(right)?;
            }
        }
        best.1.passes = passes;
        Ok(best)
    }
}
