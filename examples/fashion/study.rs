//! What the predictions say: log-likelihood and its calibrated twin by size, the deep-ensemble equivalent with bands, cost, and how
//! rankings change with calibration.

use firetender_support::{
    Failure, fail,
    fashion::{CLASSES, Predictions},
};
use firetender_uncertainty::{
    Bands, CostModel, Dee, DeeOptions, Direction, Floor, Folds, MemberNoise, ResultRow,
    ResultTable, Scores, SizeCurve, Targets, calibrated_curve, dee,
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
    /// Independent runs; for the deep ensemble, orders of its pool.
    pub runs: Vec<Run>,
    /// Mean log-likelihood by size, over runs.
    pub plain: Vec<f64>,
    /// The same at the best temperature, by test-time cross-validation.
    pub calibrated: Vec<f64>,
    /// Accuracy of the largest ensemble, the mean over runs.
    pub accuracy: f64,
    /// Deep-ensemble equivalent by size.
    pub dee: Dee,
}

/// The log-likelihoods of one run by size.
#[derive(Clone)]
pub(crate) struct Run {
    pub plain: Vec<f64>,
    pub calibrated: Vec<f64>,
    /// Calibrated log-likelihoods of every image, by size.
    objects: Vec<Vec<f64>>,
}

impl Run {
    fn of(members: &[&[f64]], targets: &Targets, folds: &Folds) -> Result<Self, Failure> {
        let points = calibrated_curve(&views(members)?, targets, folds, &[], Floor::None)?.points;
        Ok(Self {
            plain: points.iter().map(|point| point.log_likelihood).collect(),
            calibrated: points
                .iter()
                .map(|point| point.calibrated_log_likelihood)
                .collect(),
            objects: points.into_iter().map(|point| point.objects).collect(),
        })
    }
}

/// Curves of all methods; the first one is the deep ensemble, the yardstick.
pub(crate) fn study(methods: &[(&Method, Vec<Predictions>)]) -> Result<Vec<Curve>, Failure> {
    let Some(pool) = methods.first().and_then(|(_, runs)| runs.first()) else {
        return fail("no predictions");
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
    let (baseline, orders) = pool_curve(pool, &targets, &folds)?;
    methods
        .iter()
        .map(|(method, predictions)| {
            let sizes: Vec<usize> = (1..=predictions[0].members.len()).collect();
            let (curve, runs) = if method.name == "deepens" {
                (baseline.clone(), orders.clone())
            } else {
                let runs = predictions
                    .iter()
                    .map(|run| Run::of(&members(run), &targets, &folds))
                    .collect::<Result<Vec<_>, _>>()?;
                let objects: Vec<Vec<Vec<f64>>> =
                    runs.iter().map(|run| run.objects.clone()).collect();
                let direction = Direction::HigherIsBetter;
                (
                    SizeCurve::from_run_objects(&sizes, &objects, direction)?,
                    runs,
                )
            };
            let count = predictions.len() as f64;
            Ok(Curve {
                name: method.name,
                cost: CostModel {
                    per_sample: method.each,
                    once: method.once,
                },
                calibrated: curve.means().to_vec(),
                plain: mean(&runs, |run| &run.plain),
                runs,
                accuracy: predictions.iter().map(accuracy).sum::<f64>() / count,
                dee: dee(&curve, &baseline, &options)?,
                sizes,
            })
        })
        .collect()
}

/// Mean over runs, size by size.
fn mean(runs: &[Run], values: impl Fn(&Run) -> &Vec<f64>) -> Vec<f64> {
    let sizes = runs.first().map_or(0, |run| values(run).len());
    (0..sizes)
        .map(|at| runs.iter().map(|run| values(run)[at]).sum::<f64>() / runs.len() as f64)
        .collect()
}

/// Every run's scores by size, in the reference's columns; the run is its `info`.
pub(crate) fn table(curves: &[Curve]) -> ResultTable {
    let mut table = ResultTable::default();
    for curve in curves {
        for (number, run) in curve.runs.iter().enumerate() {
            let calibrated = format!("{} (ts)", curve.name);
            for (method, values) in [(curve.name, &run.plain), (&calibrated, &run.calibrated)] {
                for (size, value) in curve.sizes.iter().zip(values) {
                    table.rows.push(ResultRow {
                        dataset: "fashion-mnist".into(),
                        model: "convnet".into(),
                        method: method.to_owned(),
                        n_samples: *size,
                        metric: "ll".into(),
                        value: (value * 1e7).round() / 1e7,
                        std: None,
                        info: format!("run {}", number + 1),
                    });
                }
            }
        }
    }
    table
}

/// The deep ensemble's curve over the pool's orders, with the noise of its members from disjoint groups; and the orders.
fn pool_curve(
    pool: &Predictions,
    targets: &Targets,
    folds: &Folds,
) -> Result<(SizeCurve, Vec<Run>), Failure> {
    let count = pool.members.len();
    let sizes: Vec<usize> = (1..=count).collect();
    let rows = pool.labels.len();
    let mut objects = vec![vec![0.0; rows]; count];
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut order: Vec<usize> = (0..count).collect();
    let mut orders = vec![];
    for _ in 0..ORDERS {
        order.shuffle(&mut random);
        let members: Vec<&[f64]> = order
            .iter()
            .map(|&at| pool.members[at].as_slice())
            .collect();
        let run = Run::of(&members, targets, folds)?;
        for (sums, values) in objects.iter_mut().zip(&run.objects) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value / ORDERS as f64;
            }
        }
        orders.push(Run {
            objects: vec![],
            ..run
        });
    }
    let grouped: Vec<usize> = (1..=count / 2).collect();
    let mut groups = vec![];
    for &size in &grouped {
        let mut found = vec![];
        for group in pool.members.chunks_exact(size) {
            let curve = calibrated_curve(
                &views(&slices(group))?,
                targets,
                folds,
                &[size],
                Floor::None,
            )?;
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
    Ok((curve, orders))
}

fn members(predictions: &Predictions) -> Vec<&[f64]> {
    slices(&predictions.members)
}

fn slices(members: &[Vec<f64>]) -> Vec<&[f64]> {
    members.iter().map(Vec::as_slice).collect()
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
