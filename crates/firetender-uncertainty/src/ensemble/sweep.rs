//! Every ensemble size in one sweep: a block of rows goes through all members while its sums are near the processor.

use rayon::prelude::*;

use super::{
    Ensemble, check_members,
    column::Column,
    member::{add_member_quickly, block_rows, target_log_prob},
};
use crate::{
    Scores, Targets, UncertaintyError,
    lanes::{LANES, vectorised},
};

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
    let mut sizes: Vec<Vec<f64>> = members.iter().map(|_| vec![0.0; rows]).collect();
    let block = match targets.as_classes() {
        Some(_) => BLOCK,
        None => block_rows(classes),
    };
    // Blocks of rows go through all members one after the other, so each has its place in every size.
    let mut blocks: Vec<Vec<&mut [f64]>> = (0..rows.div_ceil(block)).map(|_| vec![]).collect();
    for size in &mut sizes {
        for (block, part) in blocks.iter_mut().zip(size.chunks_mut(block)) {
            block.push(part);
        }
    }
    blocks.into_par_iter().enumerate().for_each(|(at, out)| {
        let first = at * block;
        match targets.as_classes() {
            Some(labels) => of_classes(members, targets, labels, first, out),
            None => of_rows(members, targets, first, out),
        }
    });
    Ok(sizes)
}

/// The mean log-likelihood of the first 1, 2, … K members, nats: [`running_log_likelihoods`] where only means are wanted, without a list of
/// N numbers a size. −∞ from the first size on at which some object is impossible. Host; the same bits whatever the number of threads.
///
/// ```
/// use firetender_uncertainty::{Scores, Targets, log_likelihood_curve};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let members = [Scores::probs(&[0.9, 0.1], 2)?, Scores::probs(&[0.5, 0.5], 2)?];
/// let curve = log_likelihood_curve(&members, &Targets::classes(&[0]))?;
/// assert!((curve[1] - 0.7_f64.ln()).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`running_log_likelihoods`].
pub fn log_likelihood_curve(
    members: &[Scores<'_>],
    targets: &Targets,
) -> Result<Vec<f64>, UncertaintyError> {
    check_members(members)?;
    let (rows, classes) = (members[0].rows(), members[0].classes());
    targets.check(rows, classes)?;
    let Some(labels) = targets.as_classes() else {
        let sizes = running_log_likelihoods(members, targets)?;
        let mean = |rows: &Vec<f64>| super::mean_log_likelihood(rows, targets);
        return Ok(sizes.iter().map(mean).collect());
    };
    // Of each block the weight and a sum a size; blocks are added in their order.
    let blocks: Vec<(f64, Vec<f64>)> = (0..rows.div_ceil(BLOCK))
        .into_par_iter()
        .map(|at| {
            let first = at * BLOCK;
            let count = BLOCK.min(rows - first);
            let weights: Vec<f64> = (first..first + count).map(|r| targets.weight(r)).collect();
            let class = |row: usize| match weights[row] {
                0.0 => 0,
                _ => labels[first + row] as usize,
            };
            let mut column = Column::new(first, (0..count).map(class).collect());
            let mut found = vec![0.0; count];
            let sums = members.iter().map(|member| {
                column.add(member, &mut found);
                sum_of(&weights, &found)
            });
            let sums = sums.collect();
            (weights.iter().sum(), sums)
        })
        .collect();
    let weight: f64 = blocks.iter().map(|block| block.0).sum();
    let size = |k: usize| blocks.iter().map(|block| block.1[k]).sum::<f64>() / weight;
    Ok((0..members.len()).map(size).collect())
}

/// Σ w x over eight lanes; what has no weight counts nothing, −∞ neither.
fn sum_of(weights: &[f64], values: &[f64]) -> f64 {
    vectorised(
        #[inline(always)]
        || {
            let mut lanes = [0.0; LANES];
            let (whole, rest) = weights.as_chunks::<LANES>();
            let (others, other) = values.as_chunks::<LANES>();
            for (w, x) in whole.iter().zip(others) {
                for lane in 0..LANES {
                    lanes[lane] += if w[lane] > 0.0 {
                        w[lane] * x[lane]
                    } else {
                        0.0
                    };
                }
            }
            for (lane, (w, x)) in rest.iter().zip(other).enumerate() {
                lanes[lane] += if *w > 0.0 { w * x } else { 0.0 };
            }
            lanes.iter().sum()
        },
    )
}

/// Rows in a block of targets.
const BLOCK: usize = 1024;

/// Every size of a block of rows with one class each: only the targets' column is kept.
fn of_classes(
    members: &[Scores<'_>],
    targets: &Targets,
    labels: &[i64],
    first: usize,
    out: Vec<&mut [f64]>,
) {
    let Some(count) = out.first().map(|out| out.len()) else {
        return;
    };
    let is_out: Vec<usize> = (0..count)
        .filter(|row| targets.is_out(first + row))
        .collect();
    let class = |(at, label): (usize, &i64)| {
        if is_out.binary_search(&at).is_ok() {
            0
        } else {
            *label as usize
        }
    };
    let labels = labels[first..first + count].iter().enumerate();
    let mut column = Column::new(first, labels.map(class).collect());
    for (member, out) in members.iter().zip(out) {
        column.add(member, out);
        for row in &is_out {
            out[*row] = 0.0;
        }
    }
}

/// Every size of a block of rows with a distribution each: sums of all classes.
fn of_rows(members: &[Scores<'_>], targets: &Targets, first: usize, out: Vec<&mut [f64]>) {
    let classes = members[0].classes();
    let count = out.first().map_or(0, |out| out.len());
    let mut sums = vec![0.0; count * classes];
    let mut logs = vec![false; count];
    for (k, (member, out)) in members.iter().zip(out).enumerate() {
        add_member_quickly(member, first, classes, &mut sums, &mut logs);
        let weight = (k + 1) as f64;
        for (row, out) in out.iter_mut().enumerate() {
            if !targets.is_out(first + row) {
                let sums = &sums[row * classes..][..classes];
                *out = target_log_prob(sums, logs[row], weight, targets.truth(first + row));
            }
        }
    }
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
