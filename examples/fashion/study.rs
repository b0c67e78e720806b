//! What the predictions say: log-likelihood and its calibrated twin by size, the deep-ensemble equivalent with bands, cost, and how
//! rankings change with calibration.

use firetender_support::{
    Failure,
    fashion::{CLASSES, Predictions},
};
use firetender_uncertainty::{
    Bands, CostModel, Dee, DeeOptions, Direction, Floor, Folds, MemberNoise, Scores, SizeCurve,
    Targets, calibrated_curve, dee,
};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::methods::Method;

/// Folds, permutations and bootstraps.
const SEED: u64 = 5;
/// Orders of the pool that the deep ensemble's curve is averaged over.
const ORDERS: usize = 10;

/// One method's curves.
pub(crate) struct Curve {
    pub name: &'static str,
    pub cost: CostModel,
    pub sizes: Vec<usize>,
    /// Mean log-likelihood by size.
    pub plain: Vec<f64>,
    /// The same at the best temperature, by test-time cross-validation.
    pub calibrated: Vec<f64>,
    /// Accuracy of the largest ensemble.
    pub accuracy: f64,
    /// Deep-ensemble equivalent by size.
    pub dee: Dee,
}

/// Curves of all methods; the first one is the deep ensemble, the yardstick.
pub(crate) fn study(methods: &[(&Method, Predictions)]) -> Result<Vec<Curve>, Failure> {
    let Some((_, pool)) = methods.first() else {
        return firetender_support::fail("no predictions");
    };
    let labels: Vec<i64> = pool.labels.iter().map(|&label| i64::from(label)).collect();
    let targets = Targets::classes(&labels);
    // One set of folds for all: methods and baseline are calibrated on the same halves.
    let folds = Folds::random(labels.len(), 2, 5, SEED)?;
    let options = DeeOptions {
        bands: Bands::Bootstrap {
            resamples: 1000,
            level: 0.95,
            seed: SEED,
        },
        ..DeeOptions::default()
    };
    let baseline = pool_curve(pool, &targets, &folds)?;
    methods
        .iter()
        .map(|(method, predictions)| {
            let sizes: Vec<usize> = (1..=predictions.members.len()).collect();
            let (curve, plain) = if method.name == "deepens" {
                (baseline.0.clone(), baseline.1.clone())
            } else {
                let points = calibrated_curve(
                    &scores(&predictions.members)?,
                    &targets,
                    &folds,
                    &[],
                    Floor::None,
                )?
                .points;
                let plain = points.iter().map(|point| point.log_likelihood).collect();
                let objects: Vec<Vec<f64>> =
                    points.into_iter().map(|point| point.objects).collect();
                let curve = SizeCurve::from_objects(&sizes, &objects, Direction::HigherIsBetter)?;
                (curve, plain)
            };
            Ok(Curve {
                name: method.name,
                cost: CostModel {
                    per_sample: method.each,
                    once: method.once,
                },
                calibrated: curve.means().to_vec(),
                plain,
                accuracy: accuracy(predictions),
                dee: dee(&curve, &baseline.0, &options)?,
                sizes,
            })
        })
        .collect()
}

/// The deep ensemble's curve over the pool's orders, with the noise of its members from disjoint groups; calibrated and plain.
fn pool_curve(
    pool: &Predictions,
    targets: &Targets,
    folds: &Folds,
) -> Result<(SizeCurve, Vec<f64>), Failure> {
    let count = pool.members.len();
    let sizes: Vec<usize> = (1..=count).collect();
    let rows = pool.labels.len();
    let mut objects = vec![vec![0.0; rows]; count];
    let mut plain = vec![0.0; count];
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut order: Vec<usize> = (0..count).collect();
    for _ in 0..ORDERS {
        order.shuffle(&mut random);
        let members: Vec<&[f64]> = order
            .iter()
            .map(|&at| pool.members[at].as_slice())
            .collect();
        let curve = calibrated_curve(&views(&members)?, targets, folds, &[], Floor::None)?;
        for (at, point) in curve.points.iter().enumerate() {
            plain[at] += point.log_likelihood / ORDERS as f64;
            for (sum, value) in objects[at].iter_mut().zip(&point.objects) {
                *sum += value / ORDERS as f64;
            }
        }
    }
    let grouped: Vec<usize> = (1..=count / 2).collect();
    let mut groups = vec![];
    for &size in &grouped {
        let mut found = vec![];
        for group in pool.members.chunks_exact(size) {
            let curve = calibrated_curve(&scores(group)?, targets, folds, &[size], Floor::None)?;
            found.extend(
                curve
                    .points
                    .iter()
                    .map(|point| point.calibrated_log_likelihood),
            );
        }
        groups.push(found);
    }
    let curve = SizeCurve::from_objects(&sizes, &objects, Direction::HigherIsBetter)?;
    let curve = match MemberNoise::from_groups(count, &grouped, &groups, true) {
        Ok(noise) => curve.with_member_noise(noise),
        // A pool of a few networks has no groups; the band is then that of the objects alone.
        Err(_) => curve,
    };
    Ok((curve, plain))
}

fn scores(members: &[Vec<f64>]) -> Result<Vec<Scores<'_>>, Failure> {
    let members: Vec<&[f64]> = members.iter().map(Vec::as_slice).collect();
    views(&members)
}

fn views<'a>(members: &[&'a [f64]]) -> Result<Vec<Scores<'a>>, Failure> {
    members
        .iter()
        .map(|&member| Ok(Scores::log_probs(member, CLASSES)?))
        .collect()
}

/// Share of images whose most probable class under the mean of all members is right.
fn accuracy(predictions: &Predictions) -> f64 {
    let right = predictions
        .labels
        .iter()
        .enumerate()
        .filter(|&(row, &label)| {
            let mean = |class: usize| -> f64 {
                predictions
                    .members
                    .iter()
                    .map(|member| member[row * CLASSES + class].exp())
                    .sum()
            };
            let best = (0..CLASSES).max_by(|&a, &b| mean(a).total_cmp(&mean(b)));
            best == Some(usize::from(label))
        });
    right.count() as f64 / predictions.labels.len() as f64
}

/// Ranks, 1 for the largest.
pub(crate) fn ranks(values: &[f64]) -> Vec<usize> {
    values
        .iter()
        .map(|value| 1 + values.iter().filter(|&other| other > value).count())
        .collect()
}
