//! Scores over the size of an ensemble: as they are, and calibrated by test-time cross-validation.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{check_members, mean_log_likelihood, running, running_log_likelihoods};
use crate::{
    Floor, Folds, Objects, Scores, Targets, TemperatureFit, TemperatureOptions, UncertaintyError,
    calibration::CrossValidated, temperature, tiles::Tiles,
};

/// The scores of the first `size` members together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// How many members.
    pub size: usize,
    /// Mean log-likelihood of the average, nats.
    pub log_likelihood: f64,
    /// Share of right answers.
    pub accuracy: f64,
    /// Mean Brier score, summed over classes.
    pub brier: f64,
    /// Mean over the members of their own log-likelihoods; what averaging adds to it is the Jensen gap, never negative.
    pub member_log_likelihood: f64,
    /// Mean mutual information between prediction and member, nats.
    pub mutual_information: f64,
    /// Share of (object, pair of members) with different answers; 0 for one member.
    pub disagreement: f64,
}

/// Scores of the first 1, 2, … K members, in O(N·C) memory. Host, `f64`.
///
/// ```
/// use firetender_uncertainty::{Floor, Scores, Targets, ensemble_curve};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let members = [Scores::probs(&[0.9, 0.1], 2)?, Scores::probs(&[0.4, 0.6], 2)?];
/// let curve = ensemble_curve(&members, &Targets::classes(&[0]), Floor::None)?;
/// assert!(curve[1].log_likelihood > curve[1].member_log_likelihood);
/// assert_eq!(curve[1].disagreement, 1.0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`UncertaintyError::Empty`] without members, [`UncertaintyError::Mismatch`] for a member of another shape; as
/// [`Objects::new`].
pub fn ensemble_curve(
    members: &[Scores<'_>],
    targets: &Targets,
    floor: Floor,
) -> Result<Vec<CurvePoint>, UncertaintyError> {
    check_members(members)?;
    let mut points: Vec<CurvePoint> = Vec::with_capacity(members.len());
    let (mut own, mut agreeing) = (0.0, 0.0);
    // The answers of all members so far, one list a member, and how each row counts.
    let mut answers: Vec<Vec<u32>> = vec![];
    running(members, |ensemble| {
        let size = ensemble.members();
        let member = Objects::new(&members[size - 1], targets, floor)?;
        own += member.log_likelihood();
        let weight = member.weight();
        let answer: Vec<u32> = member.rows().iter().map(|o| o.prediction).collect();
        for earlier in &answers {
            let same = earlier.iter().zip(&answer).zip(member.rows());
            agreeing += same
                .filter(|((a, b), _)| a == b)
                .map(|(_, object)| object.weight)
                .sum::<f64>()
                / weight;
        }
        answers.push(answer);
        let objects = Objects::new(&ensemble.scores()?, targets, floor)?;
        let information = ensemble.mutual_information()?;
        let mut information_sum = crate::ExactSum::default();
        for (row, value) in information.iter().enumerate() {
            information_sum.add(targets.weight(row) * value);
        }
        let pairs = (size * (size - 1)) as f64 / 2.0;
        points.push(CurvePoint {
            size,
            log_likelihood: objects.log_likelihood(),
            accuracy: objects.accuracy(),
            brier: objects.brier(),
            member_log_likelihood: own / size as f64,
            mutual_information: information_sum.over(weight),
            disagreement: if size == 1 {
                0.0
            } else {
                1.0 - agreeing / pairs
            },
        });
        Ok(())
    })?;
    Ok(points)
}

/// The calibrated log-likelihood of one ensemble size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibratedPoint {
    /// How many members.
    pub size: usize,
    /// Mean log-likelihood as it is, nats.
    pub log_likelihood: f64,
    /// Mean log-likelihood at the temperatures of the other folds: over all objects and repeats.
    pub calibrated_log_likelihood: f64,
    /// The same as the plain mean over folds and repeats, which differs if the folds do not have one size (the reference's way).
    pub mean_of_folds: f64,
    /// Standard error of the calibrated value, from one number an object.
    pub standard_error: f64,
    /// One fit for each fold of each repeat.
    pub fits: Vec<TemperatureFit>,
    /// Calibrated log-likelihood of each object, averaged over repeats: what bands are made of. 0 for rows that are left out.
    pub objects: Vec<f64>,
}

/// A calibrated curve over ensemble sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibratedCurve {
    /// One point for each size asked for.
    pub points: Vec<CalibratedPoint>,
}

/// The calibrated log-likelihood of the first k members for every k in `sizes` (all of them if empty), by test-time
/// cross-validation: one temperature after averaging, fitted on the other folds. Each size starts from the temperatures of the
/// one before.
///
/// ```
/// use firetender_uncertainty::{Floor, Folds, Scores, Targets, calibrated_curve};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let member = |a: f64| Scores::logits(vec![a, 0.0, 0.5, 0.0, 0.0, a, 1.0, 0.0, 0.0, 0.5, a, 0.0], 2);
/// let members = [member(1.0)?, member(3.0)?];
/// let targets = Targets::classes(&[0, 1, 1, 0, 1, 1]);
/// let folds = Folds::even_odd(6)?;
/// let curve = calibrated_curve(&members, &targets, &folds, &[], Floor::None)?;
/// assert_eq!(curve.points.len(), 2);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`ensemble_curve`] and [`fit_temperature_folds`](crate::fit_temperature_folds); [`UncertaintyError::Input`] for sizes
/// that do not increase or exceed the number of members.
pub fn calibrated_curve(
    members: &[Scores<'_>],
    targets: &Targets,
    folds: &Folds,
    sizes: &[usize],
    floor: Floor,
) -> Result<CalibratedCurve, UncertaintyError> {
    crate::objects::check_floor(floor)?;
    check_sizes(sizes, members.len())?;
    let mut points = vec![];
    let mut warm: Option<Vec<f64>> = None;
    let options = TemperatureOptions::carried_over();
    running(members, |ensemble| {
        let size = ensemble.members();
        if !sizes.is_empty() && !sizes.contains(&size) {
            return Ok(());
        }
        let tiles = Tiles::new(&ensemble.scores()?, targets)?;
        let fits = temperature::fit_tiles(&tiles, folds, &options, warm.as_deref())?;
        let found = CrossValidated::of_tiles(&tiles, targets, folds, &fits, floor);
        let plain: Vec<f64> = tiles
            .target_log_probs(&vec![0; tiles.rows], &[1.0])
            .into_iter()
            .map(|(log_prob, _)| floor.apply(log_prob))
            .collect();
        warm = Some(fits.iter().map(|fit| fit.beta).collect());
        points.push(CalibratedPoint {
            size,
            log_likelihood: mean_log_likelihood(&plain, targets),
            calibrated_log_likelihood: mean_log_likelihood(&found.objects, targets),
            mean_of_folds: found.mean_of_folds(),
            standard_error: found.standard_error(targets),
            fits,
            objects: found.objects,
        });
        Ok(())
    })?;
    Ok(CalibratedCurve { points })
}

/// Log-likelihoods of disjoint groups of members, for the noise of members
/// ([`MemberNoise::from_groups`](crate::MemberNoise::from_groups)): `floor(M / k)` groups for each size k.
///
/// # Errors
/// As [`running_log_likelihoods`]; [`UncertaintyError::Input`] for a size of 0 or above the number of members.
pub fn disjoint_groups(
    members: &[Scores<'_>],
    targets: &Targets,
    sizes: &[usize],
) -> Result<Vec<Vec<f64>>, UncertaintyError> {
    check_members(members)?;
    if let Some(size) = sizes.iter().find(|s| **s == 0 || **s > members.len()) {
        return Err(UncertaintyError::input(format!(
            "groups of {size} out of {} members, expected at least 1 and at most all",
            members.len()
        )));
    }
    sizes
        .par_iter()
        .map(|&size| {
            members
                .chunks_exact(size)
                .map(|group| {
                    let rows = running_log_likelihoods(group, targets)?;
                    Ok(mean_log_likelihood(&rows[size - 1], targets))
                })
                .collect()
        })
        .collect()
}

fn check_sizes(sizes: &[usize], members: usize) -> Result<(), UncertaintyError> {
    let rising = sizes.windows(2).all(|w| w[0] < w[1]);
    let within = sizes.iter().all(|s| (1..=members).contains(s));
    if rising && within {
        return Ok(());
    }
    Err(UncertaintyError::input(format!(
        "sizes {sizes:?} of {members} members, expected increasing sizes from 1 to {members}"
    )))
}
