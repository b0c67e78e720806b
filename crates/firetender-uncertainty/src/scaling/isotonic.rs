//! One rising curve a class, by pooling adjacent violators.

use serde::{Deserialize, Serialize};

use crate::{Scores, Targets, UncertaintyError, targets::Truth};

/// For each class a rising step function from its probability to the share of objects that are of that class; rows are divided by
/// their sums afterwards.
///
/// ```
/// use firetender_uncertainty::{IsotonicScaling, Scores, Targets};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let scores = Scores::probs(&[0.9, 0.1, 0.8, 0.2, 0.6, 0.4, 0.3, 0.7], 2)?;
/// let scaling = IsotonicScaling::fit(&scores, &Targets::classes(&[0, 1, 0, 1]))?;
/// let mut row = [0.0; 2];
/// scaling.apply(&scores)?.row(1, &mut row);
/// // 0.6 and 0.8 were pooled: half of those two were right.
/// assert_eq!(row, [0.5, 0.5]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IsotonicScaling {
    /// Per class: the lowest probability of each step, ascending, and its value.
    steps: Vec<Vec<(f64, f64)>>,
}

impl IsotonicScaling {
    /// Fits every class against the rest.
    ///
    /// # Errors
    /// As [`Targets::check`].
    pub fn fit(scores: &Scores<'_>, targets: &Targets) -> Result<Self, UncertaintyError> {
        targets.check(scores.rows(), scores.classes())?;
        let classes = scores.classes();
        let log_probs = scores.to_log_probs();
        let steps = (0..classes)
            .map(|class| {
                let mut points: Vec<(f64, f64, f64)> = (0..scores.rows())
                    .filter(|row| !targets.is_out(*row))
                    .map(|row| {
                        let truth = match targets.truth(row) {
                            Truth::Class(own) => f64::from(own == class),
                            Truth::Soft(mass) => mass[class],
                        };
                        (
                            log_probs[row * classes + class].exp(),
                            truth,
                            targets.weight(row),
                        )
                    })
                    .collect();
                points.sort_by(|a, b| a.0.total_cmp(&b.0));
                pool(&points)
            })
            .collect();
        Ok(Self { steps })
    }

    /// Mapped scores, as probabilities. A row that every class maps to zero becomes uniform.
    ///
    /// # Errors
    /// [`UncertaintyError::Mismatch`] for another number of classes.
    pub fn apply(&self, scores: &Scores<'_>) -> Result<Scores<'static>, UncertaintyError> {
        let classes = self.steps.len();
        if scores.classes() != classes {
            return Err(UncertaintyError::Mismatch {
                place: "scores to be scaled".into(),
                field: "classes",
                found: scores.classes().to_string(),
                expected: classes.to_string(),
            });
        }
        let mut all = scores.to_log_probs();
        for row in all.chunks_mut(classes) {
            for (value, steps) in row.iter_mut().zip(&self.steps) {
                let p = value.exp();
                let at = steps.partition_point(|(from, _)| *from <= p);
                *value = steps[at.saturating_sub(1)].1;
            }
            let sum: f64 = row.iter().sum();
            for value in row.iter_mut() {
                *value = if sum > 0.0 {
                    *value / sum
                } else {
                    1.0 / classes as f64
                };
            }
        }
        Scores::probs(all, classes)
    }
}

/// Steps (lowest probability, value); equal probabilities are one point.
fn pool(points: &[(f64, f64, f64)]) -> Vec<(f64, f64)> {
    // (lowest, Σ w y, Σ w)
    let mut blocks: Vec<(f64, f64, f64)> = vec![];
    for group in points.chunk_by(|a, b| a.0 == b.0) {
        let mut block = group.iter().fold((group[0].0, 0.0, 0.0), |b, p| {
            (b.0, b.1 + p.2 * p.1, b.2 + p.2)
        });
        while let Some(&(lowest, sum, weight)) = blocks.last() {
            if sum / weight < block.1 / block.2 {
                break;
            }
            block = (lowest, block.1 + sum, block.2 + weight);
            blocks.pop();
        }
        blocks.push(block);
    }
    blocks
        .into_iter()
        .map(|(lowest, sum, weight)| (lowest, sum / weight))
        .collect()
}
