//! What makes a mixture good.

use std::sync::Arc;

use crate::TtaError;

/// The score that a search raises. Larger is better.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Criterion {
    /// Calibrated log-likelihood, `max_β mean ln(ε + Q_y^β / Σ Q^β)`: the paper's, and in its experiments the best.
    #[default]
    CalibratedLl,
    /// The same at β = 1.
    Ll,
    /// Share of right answers.
    Accuracy,
    /// The Brier score, negative.
    Brier,
    /// The caller's.
    Custom(Arc<dyn Score>),
}

impl Criterion {
    /// `cll`, `ll`, `acc`, `brier`, or the caller's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::CalibratedLl => "cll",
            Self::Ll => "ll",
            Self::Accuracy => "acc",
            Self::Brier => "brier",
            Self::Custom(score) => score.name(),
        }
    }

    /// By name: `cll`, `ll`, `acc` or `accuracy`, `brier`.
    ///
    /// # Errors
    /// [`TtaError::Options`].
    pub fn from_name(name: &str) -> Result<Self, TtaError> {
        match name {
            "cll" | "calibrated_ll" => Ok(Self::CalibratedLl),
            "ll" => Ok(Self::Ll),
            "acc" | "accuracy" => Ok(Self::Accuracy),
            "brier" => Ok(Self::Brier),
            other => Err(TtaError::option(
                "criterion",
                other,
                "cll, ll, acc or brier",
            )),
        }
    }
}

/// What a caller's score gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Larger is better; no NaN.
    pub score: f64,
    /// The temperature it was reached at, or 1.
    pub temperature: f64,
}

/// A mixture of picks, as a caller's score sees it.
#[derive(Debug, Clone, Copy)]
pub struct MixtureView<'a> {
    /// Mean probabilities, sample after sample.
    pub probs: &'a [f64],
    /// How many classes.
    pub classes: usize,
    /// The true classes.
    pub labels: &'a [u32],
}

/// A caller's score. It has to be a function of the mixture alone, so that results do not depend on threads.
///
/// ```
/// use firetender_tta::{MixtureView, Score, Scored, TtaError, score_conformance};
/// #[derive(Debug)]
/// struct LeastSure;
/// impl Score for LeastSure {
///     fn name(&self) -> &str { "least sure" }
///     fn score(&self, mixture: MixtureView<'_>) -> Result<Scored, TtaError> {
///         let rows = mixture.probs.chunks(mixture.classes).zip(mixture.labels);
///         let score = rows.map(|(row, label)| row[*label as usize]).fold(1.0, f64::min);
///         Ok(Scored { score, temperature: 1.0 })
///     }
/// }
/// score_conformance(&LeastSure)?;
/// # Ok::<(), TtaError>(())
/// ```
pub trait Score: Send + Sync + std::fmt::Debug {
    /// What to call it.
    fn name(&self) -> &str;
    /// The score of a mixture.
    ///
    /// # Errors
    /// Whatever keeps it from being computed; it ends the search.
    fn score(&self, mixture: MixtureView<'_>) -> Result<Scored, TtaError>;
}

/// The laws of a [`Score`], on a small mixture: the same twice, no NaN, and no worse for the truth than for a uniform guess.
///
/// # Errors
/// [`TtaError::Options`] naming the law that does not hold; the score's own errors.
pub fn conformance(score: &dyn Score) -> Result<(), TtaError> {
    let labels = [0, 1, 2, 1];
    let truth: Vec<f64> = labels
        .iter()
        .flat_map(|&l| (0..3).map(move |c| if c == l { 0.98 } else { 0.01 }))
        .collect();
    let uniform = vec![1.0 / 3.0; 12];
    let of = |probs: &[f64]| {
        score.score(MixtureView {
            probs,
            classes: 3,
            labels: &labels,
        })
    };
    let (good, again, bad) = (of(&truth)?, of(&truth)?, of(&uniform)?);
    let law = |holds: bool, what: &str| {
        if holds {
            Ok(())
        } else {
            Err(TtaError::option("criterion", score.name(), what))
        }
    };
    law(good == again, "the same score for the same mixture")?;
    law(
        !good.score.is_nan() && !bad.score.is_nan(),
        "a score that is a number",
    )?;
    law(
        good.score >= bad.score,
        "at least as good for the truth as for a uniform guess",
    )?;
    law(good.temperature > 0.0, "a temperature above zero")
}
