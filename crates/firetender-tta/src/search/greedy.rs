//! The search itself.

mod fits;
mod screening;
mod state;
mod step;
mod trace;

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use self::state::State;
pub use self::trace::{Pick, Trace};
use super::{Candidates, Criterion};
use crate::TtaError;

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
