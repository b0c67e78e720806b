//! Averaging predictions: the mean of the members' probabilities, kept up member by member.
//!
//! `log p = log-sum-exp_k(log p_k) − ln K` without ever holding more than one table: O(N·C) memory whatever the number of members,
//! and every K from 1 to the last in one sweep instead of a new average each.
//!
//! Sums of probabilities are kept as they are (`f64`) while every log-probability of a row is above −700, and as logarithms
//! from the first member on that goes below: nothing underflows, and the common case costs one exponential a number.

mod column;
mod curve;
mod device;
mod member;
mod sweep;

pub use curve::{
    CalibratedCurve, CalibratedPoint, CurvePoint, calibrated_curve, disjoint_groups, ensemble_curve,
};
pub use device::EnsembleTensor;
pub use sweep::{log_likelihood_curve, running, running_log_likelihoods};

use rayon::prelude::*;

use crate::{ScoreKind, Scores, Targets, UncertaintyError, targets::Truth};
use member::{add_member, block_rows, log_prob_of, subtract_member};

/// An ensemble's state: add, remove and peek at members in any order. Host, `f64`.
///
/// ```
/// use firetender_uncertainty::{Ensemble, Scores, Targets};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let sure = Scores::probs(&[0.9, 0.1], 2)?;
/// let doubtful = Scores::probs(&[0.5, 0.5], 2)?;
/// let targets = Targets::classes(&[0]);
/// let mut ensemble = Ensemble::new(1, 2)?;
/// ensemble.add(&sure, 1.0)?;
/// // What would it score with the other one?
/// let peeked = ensemble.peek(&doubtful, 1.0, &targets)?;
/// ensemble.add(&doubtful, 1.0)?;
/// assert!((ensemble.log_likelihood(&targets)? - 0.7_f64.ln()).abs() < 1e-15);
/// assert!((peeked - ensemble.log_likelihood(&targets)?).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Ensemble {
    classes: usize,
    /// Per row and class: Σ w p, or ln Σ w p where `logs` says so.
    sums: Vec<f64>,
    logs: Vec<bool>,
    /// Per row: Σ w `H(p_k)`.
    entropies: Vec<f64>,
    weight: f64,
    members: usize,
}

impl Ensemble {
    /// No members yet.
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] without rows, [`UncertaintyError::Classes`] for fewer than two classes.
    pub fn new(rows: usize, classes: usize) -> Result<Self, UncertaintyError> {
        if rows == 0 {
            return Err(UncertaintyError::Empty {
                what: "rows of scores",
            });
        }
        if classes < 2 {
            return Err(UncertaintyError::Classes { found: classes });
        }
        Ok(Self {
            classes,
            sums: vec![0.0; rows * classes],
            logs: vec![false; rows],
            entropies: vec![0.0; rows],
            weight: 0.0,
            members: 0,
        })
    }

    /// All of these, with weight 1.
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] without members, [`UncertaintyError::Mismatch`] for a member of another shape.
    pub fn of(members: &[Scores<'_>]) -> Result<Self, UncertaintyError> {
        check_members(members)?;
        let mut ensemble = Self::new(members[0].rows(), members[0].classes())?;
        for member in members {
            ensemble.add(member, 1.0)?;
        }
        Ok(ensemble)
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.logs.len()
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many members are in.
    #[must_use]
    pub fn members(&self) -> usize {
        self.members
    }

    /// Adds a member's probabilities times a weight; the prediction is the weighted mean.
    ///
    /// # Errors
    /// [`UncertaintyError::Mismatch`] for another shape, [`UncertaintyError::Options`] for a weight that is not above zero and
    /// finite. The state is as before then.
    pub fn add(&mut self, member: &Scores<'_>, weight: f64) -> Result<(), UncertaintyError> {
        self.check(member, weight)?;
        let classes = self.classes;
        let block = block_rows(classes);
        self.sums
            .par_chunks_mut(block * classes)
            .zip(self.logs.par_chunks_mut(block))
            .zip(self.entropies.par_chunks_mut(block))
            .enumerate()
            .for_each(|(at, ((sums, logs), entropies))| {
                add_member(
                    member,
                    at * block,
                    weight,
                    classes,
                    sums,
                    logs,
                    Some(entropies),
                );
            });
        self.weight += weight;
        self.members += 1;
        Ok(())
    }

    /// Takes a member out again that was added with this weight.
    ///
    /// Subtraction loses digits where the member held nearly all of a sum. The answer is the largest loss: how many times a
    /// rounding error was magnified, 1 at best; above 1e6 make the ensemble anew from the members that stay. Sums that would come
    /// out negative are zero.
    ///
    /// # Errors
    /// As [`add`](Self::add), and [`UncertaintyError::Input`] when no member or less weight than this is in.
    pub fn remove(&mut self, member: &Scores<'_>, weight: f64) -> Result<f64, UncertaintyError> {
        self.check(member, weight)?;
        // The last member takes its weight exactly; a sum of weights may have been rounded.
        if self.members == 0 || weight > self.weight * (1.0 + 1e-9) {
            return Err(UncertaintyError::input(format!(
                "a member of weight {weight} is to leave an ensemble of {} with weight {} in all",
                self.members, self.weight
            )));
        }
        if self.members == 1 {
            *self = Self::new(self.rows(), self.classes)?;
            return Ok(1.0);
        }
        let classes = self.classes;
        let block = block_rows(classes);
        let worst: Vec<f64> = self
            .sums
            .par_chunks_mut(block * classes)
            .zip(self.logs.par_chunks(block))
            .zip(self.entropies.par_chunks_mut(block))
            .enumerate()
            .map(|(at, ((sums, logs), entropies))| {
                subtract_member(member, at * block, weight, classes, sums, logs, entropies)
            })
            .collect();
        self.weight -= weight;
        self.members -= 1;
        Ok(worst.into_iter().fold(1.0, f64::max))
    }

    /// The prediction's log-probabilities, row after row.
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] without members.
    pub fn log_probs(&self) -> Result<Vec<f64>, UncertaintyError> {
        self.not_empty()?;
        let log_weight = self.weight.ln();
        let mut out = self.sums.clone();
        out.par_chunks_mut(self.classes)
            .zip(&self.logs)
            .for_each(|(row, logs)| {
                for value in row {
                    *value = if *logs {
                        *value - log_weight
                    } else {
                        (*value / self.weight).ln()
                    };
                }
            });
        Ok(out)
    }

    /// The prediction as scores, for every metric of this crate: probabilities, so that a mean of 0.6 is in the bin that ends there and equal
    /// means are equal; log-probabilities where some probability is too small for that.
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] without members.
    pub fn scores(&self) -> Result<Scores<'static>, UncertaintyError> {
        self.not_empty()?;
        if !self.logs.contains(&true) {
            let mut probs = self.sums.clone();
            probs.par_iter_mut().for_each(|p| *p /= self.weight);
            return Ok(Scores::trusted(
                ScoreKind::Probs,
                probs.into(),
                self.classes,
            ));
        }
        Ok(Scores::trusted(
            ScoreKind::LogProbs,
            self.log_probs()?.into(),
            self.classes,
        ))
    }

    /// Mean log-likelihood of the prediction, in nats.
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] without members; as [`Targets::check`].
    pub fn log_likelihood(&self, targets: &Targets) -> Result<f64, UncertaintyError> {
        self.not_empty()?;
        targets.check(self.rows(), self.classes)?;
        let rows = self.target_rows(targets, |row, truth| self.log_prob(row, truth, self.weight));
        Ok(mean_log_likelihood(&rows, targets))
    }

    /// The mean log-likelihood that adding `candidate` would give; the state stays as it is.
    ///
    /// Of log-probabilities and probabilities only the targets' column is read, so peeking is much cheaper than adding.
    ///
    /// # Errors
    /// As [`add`](Self::add) and [`Targets::check`].
    pub fn peek(
        &self,
        candidate: &Scores<'_>,
        weight: f64,
        targets: &Targets,
    ) -> Result<f64, UncertaintyError> {
        Ok(mean_log_likelihood(
            &self.peek_objects(candidate, weight, targets)?,
            targets,
        ))
    }

    /// As [`peek`](Self::peek), one log-likelihood a row (0 for rows that are left out).
    ///
    /// # Errors
    /// As [`peek`](Self::peek).
    pub fn peek_objects(
        &self,
        candidate: &Scores<'_>,
        weight: f64,
        targets: &Targets,
    ) -> Result<Vec<f64>, UncertaintyError> {
        self.check(candidate, weight)?;
        targets.check(self.rows(), self.classes)?;
        let log_weight = weight.ln();
        let total = self.weight + weight;
        Ok(self.target_rows(targets, |row, truth| {
            let mut raw = vec![
                0.0;
                if candidate.kind() == ScoreKind::Logits {
                    self.classes
                } else {
                    0
                }
            ];
            let one = |raw: &mut Vec<f64>, class: usize| {
                let own = log_prob_of(candidate, row, class, raw);
                let sum = self.sums[row * self.classes + class];
                if self.logs[row] {
                    crate::log_sum_exp(&[sum, own + log_weight]) - total.ln()
                } else {
                    ((sum + weight * own.exp()) / total).ln()
                }
            };
            match truth {
                Truth::Class(class) => one(&mut raw, class),
                Truth::Soft(mass) => {
                    let classes = mass.iter().enumerate().filter(|(_, q)| **q > 0.0);
                    classes.map(|(class, q)| q * one(&mut raw, class)).sum()
                }
            }
        }))
    }

    /// Entropy of the prediction minus the mean entropy of its members, one a row, in nats: how much the members disagree
    /// (mutual information between prediction and member). At least 0 up to rounding, and 0 for one member.
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] without members.
    pub fn mutual_information(&self) -> Result<Vec<f64>, UncertaintyError> {
        let log_probs = self.log_probs()?;
        Ok(log_probs
            .par_chunks(self.classes)
            .zip(&self.entropies)
            .map(|(row, members)| {
                (crate::math::entropy_of_logs(row) - members / self.weight).max(0.0)
            })
            .collect())
    }

    fn log_prob(&self, row: usize, truth: Truth<'_>, weight: f64) -> f64 {
        let sums = &self.sums[row * self.classes..][..self.classes];
        member::target_log_prob(sums, self.logs[row], weight, truth)
    }

    /// One number a row that is in use, 0 for the others.
    fn target_rows(
        &self,
        targets: &Targets,
        each: impl Fn(usize, Truth<'_>) -> f64 + Sync,
    ) -> Vec<f64> {
        (0..self.rows())
            .into_par_iter()
            .map(|row| {
                if targets.is_out(row) {
                    0.0
                } else {
                    each(row, targets.truth(row))
                }
            })
            .collect()
    }

    fn not_empty(&self) -> Result<(), UncertaintyError> {
        if self.members == 0 {
            return Err(UncertaintyError::Empty { what: "members" });
        }
        Ok(())
    }

    fn check(&self, member: &Scores<'_>, weight: f64) -> Result<(), UncertaintyError> {
        same_shape(
            &format!("member {}", self.members),
            member,
            self.rows(),
            self.classes,
        )?;
        if weight > 0.0 && weight.is_finite() {
            return Ok(());
        }
        Err(UncertaintyError::Options {
            field: "weight",
            found: weight.to_string(),
            expected: "a finite number above 0",
        })
    }
}

/// Weighted mean of one log-likelihood a row; −∞ if some row in use is impossible.
pub(crate) fn mean_log_likelihood(rows: &[f64], targets: &Targets) -> f64 {
    let (mut sum, mut weight) = (crate::ExactSum::default(), crate::ExactSum::default());
    for (row, value) in rows.iter().enumerate() {
        let w = targets.weight(row);
        if w > 0.0 {
            if !value.is_finite() {
                return f64::NEG_INFINITY;
            }
            sum.add(w * value);
            weight.add(w);
        }
    }
    sum.over(weight.value())
}

/// At least one member, all of one shape.
pub(crate) fn check_members(members: &[Scores<'_>]) -> Result<(), UncertaintyError> {
    let Some(first) = members.first() else {
        return Err(UncertaintyError::Empty { what: "members" });
    };
    for (at, member) in members.iter().enumerate() {
        same_shape(
            &format!("member {at}"),
            member,
            first.rows(),
            first.classes(),
        )?;
    }
    Ok(())
}

fn same_shape(
    place: &str,
    member: &Scores<'_>,
    rows: usize,
    classes: usize,
) -> Result<(), UncertaintyError> {
    let fields = [
        ("rows", member.rows(), rows),
        ("classes", member.classes(), classes),
    ];
    for (field, found, expected) in fields {
        if found != expected {
            return Err(UncertaintyError::Mismatch {
                place: place.to_owned(),
                field,
                found: found.to_string(),
                expected: expected.to_string(),
            });
        }
    }
    Ok(())
}
