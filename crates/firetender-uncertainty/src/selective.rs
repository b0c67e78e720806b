//! Selective prediction: what happens to the error when the least confident predictions are rejected.
//!
//! Objects are ranked by confidence. The selective risk at i is the share of errors among the i most confident; plotted over
//! coverage i/N it is the risk-coverage curve, one minus it the accuracy-rejection curve, which unlike misclassification
//! areas may be compared between models. Equal confidences count by the expectation over their orders.

use serde::{Deserialize, Serialize};

use crate::UncertaintyError;
use crate::mass::{Group, grouped};
use crate::objects::Objects;

/// How `acc_aac`, the name of this area in the logs of the reference, is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AurcRule {
    /// The exact area.
    #[default]
    Exact,
    /// The reference's thinning to about a thousand points, errors included: see [`RiskCoverage::reference_thinned`].
    ReferenceThinned,
}

/// A point of the risk-coverage curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskPoint {
    /// Predictions with at least this confidence are kept.
    pub confidence: f64,
    /// Share of the objects that are kept.
    pub coverage: f64,
    /// Share of errors among them.
    pub risk: f64,
}

/// Objects ranked by confidence. Host, `f64`; exact areas in one sort.
///
/// ```
/// use firetender_uncertainty::RiskCoverage;
/// // Right, wrong, right, from most to least confident.
/// let ranked = RiskCoverage::new([(0.9, 1.0, 1.0), (0.8, 0.0, 1.0), (0.7, 1.0, 1.0)])?;
/// assert!((ranked.aurc() - (0.0 + 1.0 / 2.0 + 1.0 / 3.0) / 3.0).abs() < 1e-15);
/// assert_eq!(ranked.risk_at_coverage(0.3), Some(0.0));
/// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RiskCoverage {
    /// Groups of equal confidence, falling: confidence, weight, weight of the errors.
    groups: Vec<(f64, f64, f64)>,
    weight: f64,
    errors: f64,
}

impl RiskCoverage {
    /// Ranks (confidence, right or wrong as 1 or 0, weight). Any score may take the place of the confidence.
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] without objects of positive weight, [`UncertaintyError::Options`] for a confidence that is NaN.
    pub fn new(
        objects: impl IntoIterator<Item = (f64, f64, f64)>,
    ) -> Result<Self, UncertaintyError> {
        let kept: Vec<(f64, f64, f64)> = objects.into_iter().filter(|o| o.2 > 0.0).collect();
        if kept.is_empty() {
            return Err(UncertaintyError::Empty {
                what: "objects to rank",
            });
        }
        if let Some(at) = kept.iter().position(|o| o.0.is_nan()) {
            return Err(UncertaintyError::Options {
                field: "confidence",
                found: format!("NaN at object {at}"),
                expected: "a number",
            });
        }
        Ok(Self::from_groups(&grouped(kept.iter().copied())))
    }

    /// From groups of rising confidence.
    pub(crate) fn from_groups(rising: &[Group]) -> Self {
        let groups = rising.iter().rev();
        let groups: Vec<(f64, f64, f64)> = groups
            .map(|g| (g.score, g.weight, g.weight - g.correct))
            .collect();
        let (weight, errors) = groups
            .iter()
            .fold((0.0, 0.0), |(w, e), g| (w + g.1, e + g.2));
        Self {
            groups,
            weight,
            errors,
        }
    }

    /// Ranks objects by the probability of the predicted class.
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] without objects.
    pub fn of(objects: &Objects) -> Result<Self, UncertaintyError> {
        Self::new(
            objects
                .rows()
                .iter()
                .map(|o| (o.confidence, o.correct, o.weight)),
        )
    }

    /// Area under the risk-coverage curve (Geifman et al. 2019): mean over i of the selective risk at i. Lower is better.
    ///
    /// After j of a group of g equals with e errors the expected number of errors is E + j·e/g. Weights count objects; the sum over
    /// j of a weight that is no whole number is continued by the digamma function.
    #[must_use]
    pub fn aurc(&self) -> f64 {
        let (mut before, mut errors, mut sum) = (0.0, 0.0, 0.0);
        for (_, weight, wrong) in &self.groups {
            sum += group_risk(before, errors, *weight, *wrong);
            before += weight;
            errors += wrong;
        }
        sum / self.weight
    }

    /// AURC less that of the best order of the same predictions, in which all errors come last (Geifman et al. 2019).
    #[must_use]
    pub fn e_aurc(&self) -> f64 {
        let right = self.weight - self.errors;
        let best = group_risk(right, 0.0, self.errors, self.errors) / self.weight;
        (self.aurc() - best).max(0.0)
    }

    /// Area under the generalised risk-coverage curve (Traub et al. 2024): mean over i of errors among the i most confident, divided
    /// by N and not by i.
    #[must_use]
    pub fn augrc(&self) -> f64 {
        let (mut errors, mut sum) = (0.0, 0.0);
        for (_, weight, wrong) in &self.groups {
            sum += weight * errors + wrong * (weight + 1.0) / 2.0;
            errors += wrong;
        }
        sum / (self.weight * self.weight)
    }

    /// Share of errors when nothing is rejected.
    #[must_use]
    pub fn risk(&self) -> f64 {
        self.errors / self.weight
    }

    /// Risk and coverage at every threshold, from the most confident on.
    #[must_use]
    pub fn curve(&self) -> Vec<RiskPoint> {
        self.points().collect()
    }

    fn points(&self) -> impl Iterator<Item = RiskPoint> {
        let (mut kept, mut errors) = (0.0, 0.0);
        self.groups.iter().map(move |(confidence, weight, wrong)| {
            kept += weight;
            errors += wrong;
            RiskPoint {
                confidence: *confidence,
                coverage: kept / self.weight,
                risk: errors / kept,
            }
        })
    }

    /// (share rejected, accuracy of the rest) at every threshold: the accuracy-rejection curve.
    #[must_use]
    pub fn accuracy_rejection(&self) -> Vec<(f64, f64)> {
        let points = self.curve().into_iter().rev();
        points.map(|p| (1.0 - p.coverage, 1.0 - p.risk)).collect()
    }

    /// Risk of the highest threshold that keeps at least this share; `None` unless it lies in (0, 1].
    #[must_use]
    pub fn risk_at_coverage(&self, coverage: f64) -> Option<f64> {
        let asked = coverage > 0.0 && coverage <= 1.0;
        let found = self.points().find(|p| p.coverage >= coverage - 1e-12);
        found.filter(|_| asked).map(|p| p.risk)
    }

    /// The largest share that can be kept at no more than this risk; 0 if no threshold reaches it.
    #[must_use]
    pub fn coverage_at_risk(&self, risk: f64) -> f64 {
        let found = self.points().filter(|p| p.risk <= risk).last();
        found.map_or(0.0, |p| p.coverage)
    }

    /// `acc_aac` of the reference of Ashukha et al. (2020): sorted ascending, with step ⌊N/1000⌋, the accuracies of objects i.. for i = 1,
    /// 1 + step, …; one minus their trapezoid sum over 1,000. It fails below 1,000 objects (`None`), never counts the first
    /// object, and is wrong unless N is a multiple of 1,000: use it to compare with published logs only. Weights are
    /// ignored.
    #[must_use]
    pub fn reference_thinned(objects: &Objects) -> Option<f64> {
        let mut sorted: Vec<(f64, f64)> = objects
            .rows()
            .iter()
            .map(|o| (o.confidence, o.correct))
            .collect();
        let n = sorted.len();
        let step = n / 1000;
        if step == 0 {
            return None;
        }
        sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        // Equals by expectation, so that the order of rows does not matter.
        for equal in sorted.chunk_by_mut(|a, b| a.0 == b.0) {
            let mean = equal.iter().map(|o| o.1).sum::<f64>() / equal.len() as f64;
            equal.iter_mut().for_each(|o| o.1 = mean);
        }
        let mut right = vec![0.0; n + 1];
        for i in (0..n).rev() {
            right[i] = right[i + 1] + sorted[i].1;
        }
        let accuracies: Vec<f64> = (1..n)
            .step_by(step)
            .map(|i| right[i] / (n - i) as f64)
            .collect();
        let area: f64 = accuracies.windows(2).map(|p| (p[0] + p[1]) / 2.0).sum();
        Some(1.0 - area / 1000.0)
    }
}

/// Σ over j = 1..g of (E + j·e/g)/(n + j): selective risks while a group of equals is let in.
fn group_risk(before: f64, errors: f64, weight: f64, wrong: f64) -> f64 {
    if weight == 1.0 {
        return (errors + wrong) / (before + 1.0);
    }
    if weight == 0.0 {
        return 0.0;
    }
    let rate = wrong / weight;
    if weight.fract() == 0.0 && before.fract() == 0.0 {
        let steps = (1..=weight as u64).map(|j| j as f64);
        return steps.map(|j| (errors + j * rate) / (before + j)).sum();
    }
    wrong + (errors - before * rate) * harmonic_step(before, weight)
}

/// H(n + g) − H(n) = ψ(n + g + 1) − ψ(n + 1) for real n ≥ 0, g ≥ 0.
fn harmonic_step(before: f64, weight: f64) -> f64 {
    let (mut a, mut sum) = (before + 1.0, 0.0);
    while a < 12.0 {
        sum += 1.0 / a - 1.0 / (a + weight);
        a += 1.0;
    }
    // The asymptotic series of ψ, term by term as differences.
    let b = a + weight;
    let (x, y) = (1.0 / a, 1.0 / b);
    let power = |n: i32| x.powi(n) - y.powi(n);
    sum + (weight / a).ln_1p() + power(1) / 2.0 + power(2) / 12.0 - power(4) / 120.0
        + power(6) / 252.0
        - power(8) / 240.0
        + power(10) / 132.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_continuation_meets_whole_numbers() {
        for (before, weight) in [
            (0.0, 1.0),
            (0.0, 7.0),
            (3.0, 2.0),
            (500.0, 100.0),
            (1e6, 3.0),
        ] {
            let slow: f64 = (1..=weight as u64).map(|j| 1.0 / (before + j as f64)).sum();
            let fast = harmonic_step(before, weight);
            assert!(
                (fast / slow - 1.0).abs() < 1e-13,
                "{before} {weight}: {fast} {slow}"
            );
        }
        // Halves add up too.
        let halves = harmonic_step(2.0, 0.5) + harmonic_step(2.5, 0.5);
        assert!((halves - 1.0 / 3.0).abs() < 1e-14);
    }
}
