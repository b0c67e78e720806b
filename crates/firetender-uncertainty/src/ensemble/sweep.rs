//! Every ensemble size in one sweep: a block of rows goes through all members while its sums are near the processor.

use rayon::prelude::*;

use super::{
    Ensemble, check_members,
    column::Column,
    member::{add_member_quickly, block_rows, target_log_prob},
};
use crate::{Scores, Targets, UncertaintyError};

/// The log-likelihood of every object for the first 1, 2, … K members: one list a size, one number a row in row order (0 for rows
/// that are left out). Host, sums in `f64`; the same bits whatever the number of threads. O(N·K) for probabilities and
/// log-probabilities, whatever the number of classes, since no other class is looked at; one exponential a number for logits and
/// for soft targets.
///
/// Exponentials over whole rows are in the precision of the scores: for `f32` logits and soft targets an object's value is right to
/// about 2e-7, the mean to 1e-8. All else, and [`Ensemble`] with everything built on it, is exact to `f64`.
///
/// ```
/// use firetender_uncertainty::{Scores, Targets, running_log_likelihoods};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let members = [Scores::probs(&[0.9, 0.1], 2)?, Scores::probs(&[0.5, 0.5], 2)?];
/// let sizes = running_log_likelihoods(&members, &Targets::classes(&[0]))?;
/// assert!((sizes[0][0] - 0.9_f64.ln()).abs() < 1e-15 && (sizes[1][0] - 0.7_f64.ln()).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`UncertaintyError::Empty`] without members, [`UncertaintyError::Mismatch`] for a member of another shape, and as
/// [`Targets::check`].
pub fn running_log_likelihoods(
    members: &[Scores<'_>],
    targets: &Targets,
) -> Result<Vec<Vec<f64>>, UncertaintyError> {
    check_members(members)?;
    let (rows, classes) = (members[0].rows(), members[0].classes());
    targets.check(rows, classes)?;
    let blocks: Vec<Vec<Vec<f64>>> = match targets.as_classes() {
        Some(labels) => {
            let block = BLOCK;
            (0..rows.div_ceil(block))
                .into_par_iter()
                .map(|at| {
                    of_classes(
                        members,
                        targets,
                        labels,
                        at * block,
                        block.min(rows - at * block),
                    )
                })
                .collect()
        }
        None => {
            let block = block_rows(classes);
            (0..rows.div_ceil(block))
                .into_par_iter()
                .map(|at| of_rows(members, targets, at * block, block.min(rows - at * block)))
                .collect()
        }
    };
    Ok((0..members.len())
        .map(|k| {
            blocks
                .iter()
                .flat_map(|block| block[k].iter().copied())
                .collect()
        })
        .collect())
}

/// Rows in a block of targets.
const BLOCK: usize = 1024;

/// Every size of a block of rows with one class each: only the targets' column is kept.
fn of_classes(
    members: &[Scores<'_>],
    targets: &Targets,
    labels: &[i64],
    first: usize,
    count: usize,
) -> Vec<Vec<f64>> {
    let out = |row: usize| targets.is_out(row);
    let class = |row: usize| if out(row) { 0 } else { labels[row] as usize };
    let mut column = Column::new(first, (first..first + count).map(class).collect());
    let sizes = members.iter().map(|member| {
        let mut found = column.add(member);
        for (row, value) in found.iter_mut().enumerate() {
            if out(first + row) {
                *value = 0.0;
            }
        }
        found
    });
    sizes.collect()
}

/// Every size of a block of rows with a distribution each: sums of all classes.
fn of_rows(members: &[Scores<'_>], targets: &Targets, first: usize, count: usize) -> Vec<Vec<f64>> {
    let classes = members[0].classes();
    let mut sums = vec![0.0; count * classes];
    let mut logs = vec![false; count];
    let sizes = members.iter().enumerate().map(|(k, member)| {
        add_member_quickly(member, first, classes, &mut sums, &mut logs);
        let weight = (k + 1) as f64;
        (0..count)
            .map(|row| {
                if targets.is_out(first + row) {
                    return 0.0;
                }
                let sums = &sums[row * classes..][..classes];
                target_log_prob(sums, logs[row], weight, targets.truth(first + row))
            })
            .collect()
    });
    sizes.collect()
}

/// Calls `each` with the ensemble of the first 1, 2, … K members: any metric over the size, in O(N·C) memory.
///
/// ```
/// use firetender_uncertainty::{Floor, Objects, Scores, Targets, running};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let members = [Scores::probs(&[0.9, 0.1], 2)?, Scores::probs(&[0.2, 0.8], 2)?];
/// let targets = Targets::classes(&[0]);
/// let mut brier = vec![];
/// running(&members, |ensemble| {
///     brier.push(Objects::new(&ensemble.scores()?, &targets, Floor::None)?.brier());
///     Ok(())
/// })?;
/// assert!(brier[0] < brier[1]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`UncertaintyError::Empty`] without members, [`UncertaintyError::Mismatch`] for a member of another shape, and the first error
/// of `each`.
pub fn running(
    members: &[Scores<'_>],
    mut each: impl FnMut(&Ensemble) -> Result<(), UncertaintyError>,
) -> Result<(), UncertaintyError> {
    check_members(members)?;
    let mut ensemble = Ensemble::new(members[0].rows(), members[0].classes())?;
    for member in members {
        ensemble.add(member, 1.0)?;
        each(&ensemble)?;
    }
    Ok(())
}
