//! The search itself.

use std::ops::ControlFlow;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Candidates, Criterion,
    criterion::{MixtureView, Scored},
    fit::{Fit, highest},
    pass::{self, TILE, Tile32, Tile64},
    screen::Bounds,
};
use crate::{Policy, TtaError};

/// How candidates are kept from a full fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Bounds that are proven, so that the result is that of [`Mode::Full`].
    #[default]
    Certified,
    /// Every candidate is maximised in `f64`.
    Full,
    /// Candidates whose estimate is more than this below the best are dropped: empirical, for objectives where bounds are wide.
    Margin(f64),
    /// As certified, on the first so many samples only; not exact, and recorded in the trace.
    Approximate(usize),
}

/// How much of the mixture a pick becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepRule {
    /// 1/t: all picks weigh alike, as in the paper.
    #[default]
    Uniform,
    /// The share that gives the best score: the entry is chosen as with [`StepRule::Uniform`], and then its share is searched for between 10⁻⁴ and 1.
    /// The score is at least as good as with 1/t after the same picks; the mixture is a weighted one ([`Trace::weights`]).
    LineSearch,
}

/// Scores closer than this are equal, and the first entry wins: what sums in `f64` and the end of a fit leave open.
const TIE: f64 = 1e-12;

/// One pick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pick {
    /// Number of the entry in the pool.
    pub index: usize,
    /// Score of the mixture with it.
    pub score: f64,
    /// 1 / β.
    pub temperature: f64,
    /// The second best; none when there was no other.
    pub runner_up: Option<usize>,
    /// How much better than the second best. Below about 1e-6 the order is within what `f32` predictions can tell.
    pub gap: Option<f64>,
    /// Candidates that were maximised in full.
    pub refined: usize,
    /// Passes over a candidate's data, of both kinds.
    pub passes: usize,
    /// Whether β stands at a bound: the mixture separates the samples, or knows nothing.
    pub at_bound: bool,
    /// Its share of the mixture when it was picked; none for 1/t.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

/// What a search did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// Name of the criterion.
    pub criterion: String,
    /// How candidates were kept from a full fit.
    pub mode: Mode,
    /// The picks, in order; those of the start policy are not among them.
    pub picks: Vec<Pick>,
    /// Entries that the search began with.
    #[serde(default)]
    pub start: Vec<usize>,
}

impl Trace {
    /// Numbers of the entries, from the start policy on.
    #[must_use]
    pub fn selected(&self) -> Vec<usize> {
        let picks = self.picks.iter().map(|pick| pick.index);
        self.start.iter().copied().chain(picks).collect()
    }

    /// Scores of the picks.
    #[must_use]
    pub fn scores(&self) -> Vec<f64> {
        self.picks.iter().map(|pick| pick.score).collect()
    }

    /// Temperatures of the picks.
    #[must_use]
    pub fn temperatures(&self) -> Vec<f64> {
        self.picks.iter().map(|pick| pick.temperature).collect()
    }

    /// Weight of each entry of [`Trace::selected`] in the mixture; they sum to one, and are equal without a line search.
    #[must_use]
    pub fn weights(&self) -> Vec<f64> {
        let begun = self.start.len();
        let mut weights = vec![1.0 / begun.max(1) as f64; begun];
        for (at, pick) in self.picks.iter().enumerate() {
            let share = pick.share.unwrap_or(1.0 / (begun + at + 1) as f64);
            weights.iter_mut().for_each(|w| *w *= 1.0 - share);
            weights.push(share);
        }
        weights
    }

    /// How many picks the best score has; the path is not monotone.
    #[must_use]
    pub fn best_prefix(&self) -> usize {
        let mut best = (0, f64::NEG_INFINITY);
        for (at, pick) in self.picks.iter().enumerate() {
            if pick.score > best.1 {
                best = (at + 1, pick.score);
            }
        }
        self.start.len() + best.0
    }

    /// The policy that the picks make, with scores and temperatures in its provenance.
    ///
    /// # Errors
    /// [`TtaError::Options`] when an entry is not in the pool's policy.
    pub fn policy(&self, pool: &Policy) -> Result<Policy, TtaError> {
        let selected = self.selected();
        let mut policy = pool.select(&selected)?;
        policy.provenance.selected = selected;
        policy.provenance.scores = self.scores();
        policy.provenance.temperatures = self.temperatures();
        Ok(policy)
    }
}

/// A greedy search, to be run on candidates.
///
/// ```
/// use firetender_tta::{Candidates, GreedySearch, PredictionKind};
/// let pool = [0.9_f32, 0.1, 0.6, 0.4, /* entry 1 */ 0.5, 0.5, 0.1, 0.9, /* entry 2 */ 0.5, 0.5, 0.5, 0.5];
/// let candidates = Candidates::new(PredictionKind::Probs, &pool, [3, 2, 2], &[0, 1])?;
/// let trace = GreedySearch::new(2).run(&candidates)?;
/// assert_eq!(trace.selected()[0], 1);
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
#[derive(Debug, Clone)]
pub struct GreedySearch {
    /// Picks to be made.
    pub steps: usize,
    /// What makes a mixture good.
    pub criterion: Criterion,
    /// Whether an entry may be picked again, as in the paper. Without, the search ends when none is left.
    pub replacement: bool,
    /// How candidates are kept from a full fit.
    pub mode: Mode,
    /// How much of the mixture a pick becomes.
    pub step: StepRule,
    /// Added to every probability under the logarithm (10⁻¹² in the reference); none means that an impossible truth is −∞.
    pub floor: Option<f64>,
    /// β lies between these.
    pub bounds: [f64; 2],
    /// Entries that are already chosen.
    pub start: Vec<usize>,
    /// What each entry costs, such as passes of the network; the gain per cost is raised then, from the second pick on.
    pub costs: Option<Vec<f64>>,
    /// Ends the search after so many picks without a new best score.
    pub patience: Option<usize>,
}

impl GreedySearch {
    /// The paper's: calibrated log-likelihood, with replacement.
    #[must_use]
    pub fn new(steps: usize) -> Self {
        Self {
            steps,
            criterion: Criterion::CalibratedLl,
            replacement: true,
            mode: Mode::Certified,
            step: StepRule::Uniform,
            floor: Some(1e-12),
            bounds: [1e-2, 1e2],
            start: vec![],
            costs: None,
            patience: None,
        }
    }

    /// With another criterion.
    #[must_use]
    pub fn with_criterion(mut self, criterion: Criterion) -> Self {
        self.criterion = criterion;
        self
    }

    /// Each entry at most once.
    #[must_use]
    pub fn without_replacement(mut self) -> Self {
        self.replacement = false;
        self
    }

    /// With another mode.
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// With weights of its own for every pick.
    #[must_use]
    pub fn with_line_search(mut self) -> Self {
        self.step = StepRule::LineSearch;
        self
    }

    /// Goes on from these entries.
    #[must_use]
    pub fn with_start(mut self, start: Vec<usize>) -> Self {
        self.start = start;
        self
    }

    /// Searches.
    ///
    /// # Errors
    /// [`TtaError::Options`] for options that make no sense (a start beyond the pool, costs that are not positive, bounds that are none);
    /// what the candidates' files or the caller's score report.
    pub fn run(&self, candidates: &Candidates) -> Result<Trace, TtaError> {
        self.run_observed(candidates, &mut |_| ControlFlow::Continue(()))
    }

    /// Searches, telling `observer` of every pick; the observer may end the search.
    ///
    /// # Errors
    /// As [`GreedySearch::run`].
    pub fn run_observed(
        &self,
        candidates: &Candidates,
        observer: &mut dyn FnMut(&Pick) -> ControlFlow<()>,
    ) -> Result<Trace, TtaError> {
        self.check(candidates)?;
        let part;
        let candidates = match self.mode {
            Mode::Approximate(samples) if samples < candidates.samples() => {
                let first: Vec<usize> = (0..samples).collect();
                part = candidates.subset(&first)?;
                &part
            }
            _ => candidates,
        };
        let mut state = State::new(self, candidates)?;
        let mut trace = Trace {
            criterion: self.criterion.name().to_owned(),
            mode: self.mode,
            picks: vec![],
            start: self.start.clone(),
        };
        let (mut best, mut since) = (f64::NEG_INFINITY, 0);
        for _ in 0..self.steps {
            let Some(pick) = state.step()? else {
                break;
            };
            state.take(pick.index, Some(&pick))?;
            let stop = observer(&pick).is_break();
            since = if pick.score > best { 0 } else { since + 1 };
            best = best.max(pick.score);
            trace.picks.push(pick);
            if stop || self.patience.is_some_and(|patience| since >= patience) {
                break;
            }
        }
        Ok(trace)
    }

    fn check(&self, candidates: &Candidates) -> Result<(), TtaError> {
        let [low, high] = self.bounds;
        if !(low > 0.0 && low < high && high <= 1e4) {
            let found = format!("{low} to {high}");
            return Err(TtaError::option("bounds", found, "0 < low < high ≤ 10000"));
        }
        if let Some(floor) = self.floor
            && !(floor > 0.0 && floor < 1e-3)
        {
            return Err(TtaError::option(
                "floor",
                floor,
                "above 0 and below 0.001, or none",
            ));
        }
        let entries = candidates.entries();
        if let Some(at) = self.start.iter().find(|at| **at >= entries) {
            let expected = format!("below {entries}, the number of entries");
            return Err(TtaError::option("start", at, expected));
        }
        if let Some(costs) = &self.costs
            && (costs.len() != entries || !costs.iter().all(|c| *c > 0.0 && c.is_finite()))
        {
            let found = format!("{} costs", costs.len());
            let expected = format!("one positive number for each of {entries} entries");
            return Err(TtaError::option("costs", found, expected));
        }
        match self.mode {
            Mode::Margin(margin) if !(margin >= 0.0 && margin.is_finite()) => {
                Err(TtaError::option("margin", margin, "a number of at least 0"))
            }
            Mode::Approximate(0) => Err(TtaError::option("samples", 0, "at least 1")),
            _ => Ok(()),
        }
    }
}

/// What the picks so far add up to.
struct State<'a> {
    search: &'a GreedySearch,
    candidates: &'a Candidates,
    sum: Vec<Tile64>,
    rough: Vec<Tile32>,
    count: usize,
    used: Vec<bool>,
    /// Where the next fits begin.
    beta: f64,
    /// Whether the last step's fits met samples below the floor: no bound holds then.
    deep: bool,
    /// Score of the picks so far, for costs.
    current: Option<f64>,
}

impl<'a> State<'a> {
    fn new(search: &'a GreedySearch, candidates: &'a Candidates) -> Result<Self, TtaError> {
        let tiles = candidates.weights.len() * candidates.classes();
        let mut state = Self {
            search,
            candidates,
            sum: vec![[0.0; TILE]; tiles],
            rough: vec![[0.0; TILE]; tiles],
            count: 0,
            used: vec![false; candidates.entries()],
            beta: 1.0,
            deep: false,
            current: None,
        };
        for (at, entry) in search.start.iter().enumerate() {
            if at + 1 == search.start.len() {
                // The same fit that a search that came here would have made.
                let fit = state.fit(*entry, 1.0)?;
                state.beta = fit.beta;
                state.current = Some(fit.value);
            }
            state.take(*entry, None)?;
        }
        Ok(state)
    }

    /// Adds an entry to the sum.
    fn take(&mut self, entry: usize, pick: Option<&Pick>) -> Result<(), TtaError> {
        let (sum, rough) = (&mut self.sum, &mut self.rough);
        self.candidates.with_entry(entry, |tiles| {
            let all = sum.iter_mut().zip(rough.iter_mut()).zip(tiles);
            for ((sum, rough), tile) in all {
                for i in 0..TILE {
                    sum[i] += f64::from(tile[i]);
                    rough[i] = sum[i] as f32;
                }
            }
        })?;
        self.count += 1;
        self.used[entry] = true;
        if let Some(pick) = pick {
            if let Some(share) = pick.share {
                // The sum of so many equal picks as would make this mixture.
                self.reweigh(entry, share)?;
            }
            self.beta = 1.0 / pick.temperature;
            self.current = Some(pick.score);
        }
        Ok(())
    }

    /// Makes the sum, which has the entry at 1/t, one that has it at `share`.
    fn reweigh(&mut self, entry: usize, share: f64) -> Result<(), TtaError> {
        let count = self.count as f64;
        if count < 2.0 {
            return Ok(());
        }
        let (old, own) = (count * (1.0 - share) / (count - 1.0), count * share);
        let (sum, rough) = (&mut self.sum, &mut self.rough);
        self.candidates.with_entry(entry, |tiles| {
            for ((sum, rough), tile) in sum.iter_mut().zip(rough.iter_mut()).zip(tiles) {
                for i in 0..TILE {
                    let p = f64::from(tile[i]);
                    sum[i] = (sum[i] - p) * old + p * own;
                    rough[i] = sum[i] as f32;
                }
            }
        })
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

    /// What is compared between candidates: a growing function of the score.
    fn key(&self, entry: usize, score: f64) -> f64 {
        match (&self.search.costs, self.current) {
            (Some(costs), Some(current)) => (score - current) / costs[entry],
            _ => score,
        }
    }

    fn step(&mut self) -> Result<Option<Pick>, TtaError> {
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

    /// Candidates that may be the best or the second best, and the passes it took to know.
    fn screen(&self, open: Vec<usize>) -> Result<(Vec<(usize, Bounds)>, usize), TtaError> {
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
            let passed: Vec<((usize, Bounds), bool)> = left
                .into_par_iter()
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

    fn fit(&self, entry: usize, start: f64) -> Result<Fit, TtaError> {
        self.fit_to(entry, &self.sum, 1.0 / (self.count + 1) as f64, start)
    }

    /// Of the mixture `(sum + entry) · inverse`.
    fn fit_to(
        &self,
        entry: usize,
        sum: &[Tile64],
        inverse: f64,
        start: f64,
    ) -> Result<Fit, TtaError> {
        let floor = self.search.floor.unwrap_or(0.0);
        let weights = &self.candidates.weights;
        let plain = |value: f64| Fit {
            beta: 1.0,
            value,
            passes: 1,
            at_bound: false,
            deep: false,
        };
        let found = self.candidates.with_entry(entry, |tiles| {
            Ok(match &self.search.criterion {
                Criterion::CalibratedLl => {
                    highest(start, self.search.bounds, floor, |beta, floor| {
                        pass::exact(tiles, sum, weights, inverse, beta, floor)
                    })
                }
                Criterion::Ll => plain(pass::exact(tiles, sum, weights, inverse, 1.0, floor).value),
                Criterion::Accuracy => plain(pass::accuracy(
                    tiles,
                    sum,
                    weights,
                    self.candidates.labels(),
                )),
                Criterion::Brier => plain(pass::brier(tiles, sum, weights, inverse)),
                Criterion::Custom(score) => {
                    let probs = self.mixture(tiles, sum, inverse);
                    let view = MixtureView {
                        probs: &probs,
                        classes: self.candidates.classes(),
                        labels: self.candidates.labels(),
                    };
                    let Scored {
                        score: value,
                        temperature,
                    } = score.score(view)?;
                    if value.is_nan() {
                        return Err(TtaError::option("criterion", score.name(), "no NaN"));
                    }
                    Fit {
                        beta: 1.0 / temperature,
                        ..plain(value)
                    }
                }
            })
        })??;
        // An impossible truth without a floor, said as such and never as NaN.
        let impossible = found.value.is_nan() || found.value < -1e4;
        let log = matches!(
            self.search.criterion,
            Criterion::CalibratedLl | Criterion::Ll
        );
        Ok(if impossible && log {
            Fit {
                value: f64::NEG_INFINITY,
                ..found
            }
        } else {
            found
        })
    }

    /// Mean probabilities, sample after sample, classes in their order.
    fn mixture(&self, tiles: &[Tile32], sum: &[Tile64], inverse: f64) -> Vec<f64> {
        let classes = self.candidates.classes();
        let mut probs = vec![0.0; self.candidates.samples() * classes];
        let rows = probs
            .chunks_exact_mut(classes)
            .zip(self.candidates.labels());
        for (sample, (row, label)) in rows.enumerate() {
            let (tile, lane) = (sample / TILE * classes, sample % TILE);
            for (class, p) in row.iter_mut().enumerate() {
                *p = (sum[tile + class][lane] + f64::from(tiles[tile + class][lane])) * inverse;
            }
            row.swap(0, *label as usize);
        }
        probs
    }
}
