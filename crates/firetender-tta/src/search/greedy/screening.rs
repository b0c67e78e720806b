//! Keeping candidates from a full fit.

use rayon::prelude::*;

use super::{Mode, state::State};
use crate::{
    TtaError,
    search::{Criterion, pass, screen::Bounds},
};

impl State<'_> {
    /// Candidates that may be the best or the second best, and the passes it took to know.
    pub(super) fn screen(
        &self,
        open: Vec<usize>,
    ) -> Result<(Vec<(usize, Bounds)>, usize), TtaError> {
        let unknown = |open: Vec<usize>| open.into_iter().map(|e| (e, Bounds::unknown(self.beta)));
        let criterion = &self.search.criterion;
        let screened = matches!(criterion, Criterion::CalibratedLl | Criterion::Ll)
            && self.search.mode != Mode::Full;
        // With a large β the powers of f32 run out of exponents.
        let safe = self.beta * (self.candidates.classes() as f64).log2() < 60.0;
        if !screened || !safe {
            return Ok((unknown(open).collect(), 0));
        }
        let afresh = |open: Vec<usize>| open.into_iter().map(|e| (e, Bounds::unknown(1.0)));
        let ll = matches!(criterion, Criterion::Ll);
        if self.deep && !ll {
            return Ok((afresh(open).collect(), 0));
        }
        let mut left: Vec<(usize, Bounds)> = unknown(open).collect();
        let mut passes = 0;
        let least = self.least_weight();
        for round in 0..4 {
            passes += left.len();
            let in_turn = self.candidates.in_turn(left.len());
            let passed: Vec<((usize, Bounds), bool)> = left
                .into_par_iter()
                .with_min_len(in_turn)
                .map(|(entry, before)| {
                    let beta = if ll { 1.0 } else { before.next as f32 };
                    let rough = self.rough(entry, beta)?;
                    // Half of a likelihood is the floor's: there may be a second hill, of which bounds know nothing.
                    let deep = !ll && rough.floor[0] > 0.69 * least;
                    let now = if ll {
                        Bounds::plain(&rough)
                    } else {
                        Bounds::of(&rough, f64::from(beta))
                    };
                    let bounds = Bounds {
                        low: now.low.max(before.low),
                        high: now.high.min(before.high),
                        ..now
                    };
                    Ok(((entry, bounds), deep))
                })
                .collect::<Result<_, TtaError>>()?;
            if passed.iter().any(|(_, deep)| *deep) {
                let all = passed.into_iter().map(|((entry, _), _)| entry);
                return Ok((afresh(all.collect()).collect(), passes));
            }
            left = passed.into_iter().map(|(kept, _)| kept).collect();
            let before = left.len();
            left = self.drop_hopeless(left);
            // Full fits cost some ten times a pass; when few are left, or no fewer, they begin.
            if ll || left.len() <= 6 || (round > 0 && left.len() == before) {
                break;
            }
        }
        Ok((left, passes))
    }

    /// The smallest share of one sample.
    fn least_weight(&self) -> f64 {
        let weights = self.candidates.weights.iter().flatten();
        let (total, least) = weights.fold((0.0, f64::INFINITY), |(total, least): (f64, f64), w| {
            (total + w, if *w > 0.0 { least.min(*w) } else { least })
        });
        least / total
    }

    /// Drops candidates that cannot be among the best two.
    fn drop_hopeless(&self, left: Vec<(usize, Bounds)>) -> Vec<(usize, Bounds)> {
        let of = |pick: &dyn Fn(&Bounds) -> f64| -> f64 {
            let (mut first, mut second) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
            for (entry, bounds) in &left {
                let key = self.key(*entry, pick(bounds));
                if key > first {
                    (first, second) = (key, first);
                } else if key > second {
                    second = key;
                }
            }
            second
        };
        // The first estimates start far from their maxima and say nothing.
        if let Mode::Margin(margin) = self.search.mode
            && self.count >= 3
        {
            let second = of(&|b| b.estimate);
            return left
                .into_iter()
                .filter(|(entry, b)| self.key(*entry, b.estimate + margin) >= second)
                .collect();
        }
        let second = of(&|b| b.low);
        left.into_iter()
            .filter(|(entry, b)| self.key(*entry, b.high) >= second)
            .collect()
    }

    fn rough(&self, entry: usize, beta: f32) -> Result<pass::Rough, TtaError> {
        let inverse = 1.0 / (self.count + 1) as f32;
        let floor = self.search.floor.unwrap_or(0.0);
        self.candidates.with_entry(entry, |tiles| {
            pass::rough(
                tiles,
                &self.rough,
                &self.candidates.weights,
                inverse,
                beta,
                floor,
            )
        })
    }
}
