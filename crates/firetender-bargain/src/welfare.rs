//! Welfare functions: what a norm says an outcome is worth, given what the players get without agreement.

use serde::{Deserialize, Serialize};

use crate::BargainError;

/// What a pair of payoffs is worth to a norm.
///
/// ```
/// use firetender_bargain::Welfare;
/// assert_eq!(Welfare::Utilitarian.value([4.0, 1.0], [0.0, 0.0]), 5.0);
/// assert_eq!(Welfare::Egalitarian.value([4.0, 1.0], [0.0, 0.0]), 1.0);
/// assert_eq!(Welfare::Nash.value([3.0, 1.5], [0.0, 0.0]), 4.5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Welfare {
    /// `V₁ + V₂`. The disagreement point moves it by a constant only.
    Utilitarian,
    /// `min (Vᵢ − dᵢ)`.
    Egalitarian,
    /// `(V₁ − d₁)(V₂ − d₂)`, negative when either loses.
    Nash,
    /// `min (Vᵢ − dᵢ) / (Iᵢ − dᵢ)` with the ideal point `I`.
    KalaiSmorodinsky {
        /// The ideal point.
        ideal: [f64; 2],
    },
    /// `w₁V₁ + w₂V₂`.
    Weighted {
        /// The weights.
        weights: [f64; 2],
    },
    /// `Σ (Vᵢ − dᵢ)^(1 − α) / (1 − α)`, logarithms at `α = 1`; −∞ when someone loses.
    AlphaFair {
        /// From 0 (utilitarian) over 1 (Nash) to infinity (egalitarian).
        alpha: f64,
    },
}

impl Welfare {
    /// What `payoffs` are worth from disagreement point `d`.
    #[must_use]
    pub fn value(self, payoffs: [f64; 2], d: [f64; 2]) -> f64 {
        let gains = [payoffs[0] - d[0], payoffs[1] - d[1]];
        match self {
            Self::Utilitarian => payoffs[0] + payoffs[1],
            Self::Egalitarian => gains[0].min(gains[1]),
            Self::Nash if gains[0] < 0.0 || gains[1] < 0.0 => -(gains[0] * gains[1]).abs(),
            Self::Nash => gains[0] * gains[1],
            Self::KalaiSmorodinsky { ideal } => {
                (gains[0] / (ideal[0] - d[0])).min(gains[1] / (ideal[1] - d[1]))
            }
            Self::Weighted { weights } => weights[0] * payoffs[0] + weights[1] * payoffs[1],
            Self::AlphaFair { alpha } => gains
                .iter()
                .map(|g| {
                    if *g < 0.0 {
                        f64::NEG_INFINITY
                    } else if alpha == 1.0 {
                        g.ln()
                    } else {
                        g.powf(1.0 - alpha) / (1.0 - alpha)
                    }
                })
                .sum(),
        }
    }

    /// Whether its choice stays the same when one player's payoffs are counted in other units.
    #[must_use]
    pub fn scale_invariant(self) -> bool {
        matches!(self, Self::Nash | Self::KalaiSmorodinsky { .. })
            || self == Self::AlphaFair { alpha: 1.0 }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Utilitarian => "utilitarian",
            Self::Egalitarian => "egalitarian",
            Self::Nash => "nash",
            Self::KalaiSmorodinsky { .. } => "kalai_smorodinsky",
            Self::Weighted { .. } => "weighted",
            Self::AlphaFair { .. } => "alpha_fair",
        }
    }
}

/// How near an outcome comes to the best of some norm: `S(u) = max_w (w(u) − w(d)) / (max w − w(d))`.
///
/// It is 1 for an outcome that some norm of the set considers best, and has no lower bound. The set of norms, the disagreement point
/// and where the maxima come from belong to the number and are kept with it.
///
/// ```
/// use firetender_bargain::{Score, Welfare};
/// let score = Score::new(&[Welfare::Utilitarian, Welfare::Egalitarian], &[5.0, 2.0], [0.0, 0.0], "theory").unwrap();
/// assert_eq!(score.of([2.0, 2.0]), (1.0, Welfare::Egalitarian));
/// assert_eq!(score.of([0.0, 0.0]).0, 0.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    norms: Vec<Welfare>,
    maxima: Vec<f64>,
    disagreement: [f64; 2],
    source: String,
}

impl Score {
    /// A score over `norms`, whose best values are `maxima`, from a disagreement point. `source` says where the maxima come from,
    /// such as `theory`, `planner` or `observed`.
    ///
    /// # Errors
    /// [`BargainError::Option`] when there is no norm, not one maximum for each, or a maximum is no gain over disagreement.
    pub fn new(
        norms: &[Welfare],
        maxima: &[f64],
        disagreement: [f64; 2],
        source: impl Into<String>,
    ) -> Result<Self, BargainError> {
        let fail = |field, found: String, expected| {
            Err(BargainError::Option {
                field,
                found,
                expected,
            })
        };
        if norms.is_empty() || norms.len() != maxima.len() {
            return fail(
                "maxima",
                format!("{} for {} norms", maxima.len(), norms.len()),
                "one maximum for each norm, and at least one norm",
            );
        }
        for (norm, best) in norms.iter().zip(maxima) {
            let base = norm.value(disagreement, disagreement);
            if !(best.is_finite() && base.is_finite() && *best > base) {
                return fail(
                    "maximum",
                    format!(
                        "{best} for {}, whose value at disagreement is {base}",
                        norm.name()
                    ),
                    "a greater value than that of the disagreement point",
                );
            }
        }
        Ok(Self {
            norms: norms.to_vec(),
            maxima: maxima.to_vec(),
            disagreement,
            source: source.into(),
        })
    }

    /// The score of an outcome, and the norm that it comes nearest to.
    #[must_use]
    pub fn of(&self, payoffs: [f64; 2]) -> (f64, Welfare) {
        let d = self.disagreement;
        let one = |(norm, best): (&Welfare, &f64)| {
            let base = norm.value(d, d);
            ((norm.value(payoffs, d) - base) / (best - base), *norm)
        };
        let all = self.norms.iter().zip(&self.maxima).map(one);
        all.reduce(|a, b| if b.0 > a.0 { b } else { a })
            .unwrap_or((f64::NAN, Welfare::Utilitarian))
    }

    /// The disagreement point.
    #[must_use]
    pub fn disagreement(&self) -> [f64; 2] {
        self.disagreement
    }

    /// The norms.
    #[must_use]
    pub fn norms(&self) -> &[Welfare] {
        &self.norms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_common_units_and_refuse_what_is_no_gain() {
        let norms = [Welfare::Utilitarian, Welfare::Egalitarian, Welfare::Nash];
        let plain = Score::new(&norms, &[5.0, 2.0, 4.5], [0.0; 2], "theory").unwrap();
        let moved = Score::new(&norms, &[10.0 + 14.0, 4.0, 18.0], [7.0; 2], "theory").unwrap();
        for u in [[4.0, 1.0], [2.0, 2.0], [3.0, 1.5], [0.3, 0.1], [-1.0, 2.0]] {
            let other = u.map(|x| 2.0 * x + 7.0);
            assert!((plain.of(u).0 - moved.of(other).0).abs() < 1e-12);
        }
        assert!(Score::new(&norms, &[5.0, 2.0], [0.0; 2], "").is_err());
        assert!(Score::new(&[], &[], [0.0; 2], "").is_err());
        assert!(Score::new(&norms[..1], &[-1.0], [0.0; 2], "").is_err());
        assert!(Score::new(&norms[..1], &[f64::NAN], [0.0; 2], "").is_err());
    }

    #[test]
    fn both_losing_is_no_gain() {
        assert!(Welfare::Nash.value([-1.0, -1.0], [0.0; 2]) < 0.0);
        assert_eq!(
            Welfare::AlphaFair { alpha: 1.0 }.value([-1.0, 1.0], [0.0; 2]),
            f64::NEG_INFINITY
        );
        let fair = Welfare::AlphaFair { alpha: 0.0 };
        assert_eq!(fair.value([2.0, 3.0], [0.0; 2]), 5.0);
    }
}
