//! Conformal sets: a set of classes for each object that holds the true one with a chosen probability, whatever the model.
//!
//! A part of the data calibrates a threshold on a conformity score, and every class that conforms is in the set. Coverage of at
//! least 1 − α holds for objects exchangeable with the calibration set, on average over both; a bad model pays with large
//! sets. The probabilities themselves are not changed: for better probabilities, calibrate a temperature.
//!
//! Scores: LAC, also called THR (Sadinle, Lei and Wasserman 2019), smallest sets on average; APS (Romano, Sesia and Candès 2020), sets
//! that grow with difficulty; RAPS (Angelopoulos et al. 2021), APS with a price on far-down classes.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::UncertaintyError;
use crate::row::RowBuffer;
use crate::scores::Scores;
use crate::special::beta_quantile;
use crate::targets::{Targets, Truth};

/// How strange a class is for an object.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conformity {
    /// `1 − p`.
    Lac,
    /// Probability of all classes that are at least as likely, less a uniform share of its own.
    Aps,
    /// The same plus `penalty` for every rank beyond `rank`.
    Raps {
        /// Price of a rank, λ.
        penalty: f64,
        /// Ranks that cost nothing, k.
        rank: usize,
    },
}

impl Conformity {
    /// The score of a class: `u` in [0, 1] is the share of its own probability that APS and RAPS take off. Equal probabilities rank by class.
    ///
    /// ```
    /// use firetender_uncertainty::Conformity;
    /// let p = [0.5, 0.3, 0.2];
    /// assert_eq!(Conformity::Lac.score(&p, 1, 0.0), 0.7);
    /// assert_eq!(Conformity::Aps.score(&p, 1, 0.0), 0.8);
    /// assert_eq!(Conformity::Aps.score(&p, 1, 1.0), 0.5);
    /// ```
    ///
    /// # Panics
    /// When there is no such class.
    #[must_use]
    pub fn score(self, probs: &[f64], class: usize, u: f64) -> f64 {
        let own = probs[class];
        let before = |(c, p): &(usize, &f64)| **p > own || (**p == own && *c < class);
        match self {
            Self::Lac => 1.0 - own,
            Self::Aps | Self::Raps { .. } => {
                // Summed from the likeliest down, as a running sum is, so that every way of computing it gives the same bits.
                let mut above: Vec<f64> = probs
                    .iter()
                    .enumerate()
                    .filter(before)
                    .map(|(_, p)| *p)
                    .collect();
                above.sort_unstable_by(|a, b| b.total_cmp(a));
                let base = above.iter().sum::<f64>() + own - u * own;
                base + self.price(above.len() + 1)
            }
        }
    }

    /// What a rank costs, from 1.
    fn price(self, rank: usize) -> f64 {
        match self {
            Self::Raps {
                penalty,
                rank: free,
            } => penalty * rank.saturating_sub(free) as f64,
            _ => 0.0,
        }
    }
}

/// The threshold for α: the ⌈(n + 1)(1 − α)⌉-th smallest of n scores; +∞ (every class conforms) where n is too small for that.
///
/// ```
/// use firetender_uncertainty::conformal_threshold;
/// assert_eq!(conformal_threshold(&[0.1, 0.2, 0.3, 0.4], 0.4), 0.3);
/// assert_eq!(conformal_threshold(&[0.1, 0.2], 0.1), f64::INFINITY);
/// ```
#[must_use]
pub fn conformal_threshold(scores: &[f64], alpha: f64) -> f64 {
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    // A hair less, so that 0.9 · 10 = 9.000…1 does not become 10.
    let place = ((sorted.len() + 1) as f64 * (1.0 - alpha) - 1e-9).ceil() as usize;
    match place {
        0 => f64::NEG_INFINITY,
        _ => sorted.get(place - 1).copied().unwrap_or(f64::INFINITY),
    }
}

/// A split-conformal method before it has seen data.
///
/// ```
/// use firetender_uncertainty::*;
/// let calibration = Scores::probs(&[0.6, 0.4, 0.7, 0.3, 0.2, 0.8, 0.1, 0.9], 2)?;
/// let fit = Conformal::new(Conformity::Lac, 0.4, 1)?.fit(&calibration, &Targets::classes(&[0, 0, 1, 1]))?;
/// let sets = fit.sets(&Scores::probs(&[0.95, 0.05], 2)?)?;
/// assert_eq!(sets[0], [0]);
/// # Ok::<(), UncertaintyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conformal {
    conformity: Conformity,
    alpha: f64,
    seed: u64,
    randomised: bool,
    class_conditional: bool,
    never_empty: bool,
}

impl Conformal {
    /// Sets that miss the truth with probability `alpha`. APS and RAPS are randomised, which makes their coverage exact; LAC never is.
    ///
    /// # Errors
    /// [`UncertaintyError::Options`] unless 0 < alpha < 1 and the penalty is finite and not negative.
    pub fn new(conformity: Conformity, alpha: f64, seed: u64) -> Result<Self, UncertaintyError> {
        let failed = |field, found: f64, expected| UncertaintyError::Options {
            field,
            found: found.to_string(),
            expected,
        };
        if !(alpha > 0.0 && alpha < 1.0) {
            return Err(failed("alpha", alpha, "a number between 0 and 1"));
        }
        if let Conformity::Raps { penalty, .. } = conformity
            && !(penalty >= 0.0 && penalty.is_finite())
        {
            return Err(failed("penalty", penalty, "a number that is not negative"));
        }
        Ok(Self {
            conformity,
            alpha,
            seed,
            randomised: true,
            class_conditional: false,
            never_empty: false,
        })
    }

    /// Without random shares (u = 0): coverage above 1 − α, sets that are a function of the scores alone.
    #[must_use]
    pub fn deterministic(mut self) -> Self {
        self.randomised = false;
        self
    }

    /// A threshold for each class, so that coverage holds within each class. Classes with few calibration objects get all sets.
    #[must_use]
    pub fn class_conditional(mut self) -> Self {
        self.class_conditional = true;
        self
    }

    /// Every set holds at least the likeliest class; coverage only rises.
    #[must_use]
    pub fn never_empty(mut self) -> Self {
        self.never_empty = true;
        self
    }

    /// Calibrates the threshold. Ignored rows are left out.
    ///
    /// # Errors
    /// As [`Targets::check`]; [`UncertaintyError::Options`] for soft targets and for weights other than 0 and 1.
    pub fn fit(
        self,
        scores: &Scores<'_>,
        targets: &Targets,
    ) -> Result<ConformalFit, UncertaintyError> {
        targets.check(scores.rows(), scores.classes())?;
        let groups = if self.class_conditional {
            scores.classes()
        } else {
            1
        };
        let mut found = vec![vec![]; groups];
        let mut buffer = RowBuffer::new(scores.classes());
        for row in 0..scores.rows() {
            if targets.is_out(row) {
                continue;
            }
            let (Truth::Class(class), 1.0) = (targets.truth(row), targets.weight(row)) else {
                return Err(UncertaintyError::Options {
                    field: "targets",
                    found: format!("a soft or weighted row {row}"),
                    expected: "class indices without weights, for conformal sets",
                });
            };
            buffer.read(scores, row);
            let u = self.share(0, row);
            let score = self.conformity.score(&buffer.probs, class, u);
            found[if self.class_conditional { class } else { 0 }].push(score);
        }
        let thresholds = found
            .iter()
            .map(|scores| conformal_threshold(scores, self.alpha));
        Ok(ConformalFit {
            method: self,
            classes: scores.classes(),
            thresholds: thresholds.map(|t| t.is_finite().then_some(t)).collect(),
            counts: found.iter().map(|scores| scores.len() as u64).collect(),
        })
    }

    /// The random share of a row: a function of seed, use and row, not of order.
    fn share(&self, stream: u64, row: usize) -> f64 {
        if !self.randomised || self.conformity == Conformity::Lac {
            return 0.0;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(stream);
        rng.set_word_pos(2 * row as u128);
        (rng.next_u64() >> 11) as f64 / 2f64.powi(53)
    }
}

/// A calibrated threshold, or one for each class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConformalFit {
    method: Conformal,
    classes: usize,
    thresholds: Vec<Option<f64>>,
    counts: Vec<u64>,
}

/// How sets did on data with known truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Objects.
    pub objects: u64,
    /// Share of sets that hold the truth.
    pub coverage: f64,
    /// Mean number of classes in a set.
    pub mean_size: f64,
    /// Number of sets of each size, from 0 to C.
    pub sizes: Vec<u64>,
    /// Coverage of the objects of each class; `None` for an absent class.
    pub by_class: Vec<Option<f64>>,
    /// Coverage of the sets of each size, from 0 to C; `None` where there are none.
    pub by_size: Vec<Option<f64>>,
}

impl ConformalFit {
    /// The threshold, or one for each class; `None` where there was too little data and every class conforms.
    #[must_use]
    pub fn thresholds(&self) -> &[Option<f64>] {
        &self.thresholds
    }

    /// The interval in which the coverage on endless data lies with probability `level`, for continuous scores and over random
    /// calibration sets: quantiles of Beta(n + 1 − l, l), l = ⌊(n + 1) α⌋ (Vovk 2012). `(1, 1)` where every class conforms. One for each
    /// threshold.
    #[must_use]
    pub fn coverage_bands(&self, level: f64) -> Vec<(f64, f64)> {
        let band = |n: &u64| {
            let n = *n as f64;
            let l = ((n + 1.0) * self.method.alpha + 1e-9).floor();
            if l < 1.0 {
                return (1.0, 1.0);
            }
            let tail = (1.0 - level) / 2.0;
            (
                beta_quantile(n + 1.0 - l, l, tail),
                beta_quantile(n + 1.0 - l, l, 1.0 - tail),
            )
        };
        self.counts.iter().map(band).collect()
    }

    /// The set of each row: classes in rising order.
    ///
    /// # Errors
    /// [`UncertaintyError::Mismatch`] for another number of classes.
    pub fn sets(&self, scores: &Scores<'_>) -> Result<Vec<Vec<u32>>, UncertaintyError> {
        if scores.classes() != self.classes {
            return Err(UncertaintyError::Mismatch {
                place: "scores to make sets of".into(),
                field: "classes",
                found: scores.classes().to_string(),
                expected: self.classes.to_string(),
            });
        }
        let mut buffer = RowBuffer::new(self.classes);
        let mut order: Vec<usize> = (0..self.classes).collect();
        let mut sets = Vec::with_capacity(scores.rows());
        for row in 0..scores.rows() {
            buffer.read(scores, row);
            let probs = &buffer.probs;
            order.sort_unstable_by(|a, b| probs[*b].total_cmp(&probs[*a]).then(a.cmp(b)));
            let u = self.method.share(1, row);
            let (mut below, mut set) = (0.0, vec![]);
            for (at, &class) in order.iter().enumerate() {
                let own = probs[class];
                let score = match self.method.conformity {
                    Conformity::Lac => 1.0 - own,
                    other => below + own - u * own + other.price(at + 1),
                };
                below += own;
                let threshold = self.thresholds[class.min(self.thresholds.len() - 1)];
                let kept = threshold.is_none_or(|t| score <= t);
                if kept || (at == 0 && self.method.never_empty) {
                    set.push(class as u32);
                }
            }
            set.sort_unstable();
            sets.push(set);
        }
        Ok(sets)
    }

    /// Holds sets against the truth.
    ///
    /// # Errors
    /// [`UncertaintyError::Options`] for soft targets, and as [`Targets::check`].
    pub fn coverage(
        &self,
        sets: &[Vec<u32>],
        targets: &Targets,
    ) -> Result<Coverage, UncertaintyError> {
        targets.check(sets.len(), self.classes)?;
        let mut by_size = vec![(0u64, 0u64); self.classes + 1];
        let mut by_class = vec![(0u64, 0u64); self.classes];
        let (mut objects, mut hits, mut total) = (0u64, 0u64, 0u64);
        for (row, set) in sets.iter().enumerate() {
            if targets.is_out(row) {
                continue;
            }
            let Truth::Class(class) = targets.truth(row) else {
                return Err(UncertaintyError::Options {
                    field: "targets",
                    found: "soft targets".into(),
                    expected: "class indices, to say what a set covers",
                });
            };
            let hit = u64::from(set.contains(&(class as u32)));
            objects += 1;
            hits += hit;
            total += set.len() as u64;
            for cell in [
                &mut by_size[set.len().min(self.classes)],
                &mut by_class[class],
            ] {
                cell.0 += 1;
                cell.1 += hit;
            }
        }
        let share = |(n, hits): &(u64, u64)| (*n > 0).then(|| *hits as f64 / *n as f64);
        Ok(Coverage {
            objects,
            coverage: hits as f64 / objects as f64,
            mean_size: total as f64 / objects as f64,
            sizes: by_size.iter().map(|(n, _)| *n).collect(),
            by_class: by_class.iter().map(share).collect(),
            by_size: by_size.iter().map(share).collect(),
        })
    }
}
