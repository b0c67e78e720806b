//! Which of several methods is better, by how much, and whether one may say so at all.
//!
//! One call compares methods on one test set and repeats the pitfalls that Ashukha et al. (2020) name where they apply to the numbers at
//! hand: rankings that change when every method gets its own temperature, differences that are smaller than what another
//! test set would change, calibration errors that rank otherwise than proper scores, log-likelihood that only repeats accuracy.

use serde::{Deserialize, Serialize};

use crate::{
    Bootstrap, Calibration, Ensemble, Folds, Interval, MetricOptions, Metrics, Protocol, Scores,
    Targets, UncertaintyError, evaluate,
};

/// How methods are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareOptions {
    /// Folds of the calibration, the same for every method.
    pub folds: usize,
    /// Repeats of the calibration.
    pub repeats: usize,
    /// Of folds and bootstrap.
    pub seed: u64,
    /// Replicates of the paired bootstrap over objects.
    pub resamples: usize,
    /// Share of replicates inside of an interval.
    pub level: f64,
    /// Conventions of the metrics.
    pub metrics: MetricOptions,
}

impl Default for CompareOptions {
    /// 2 × 5 folds, 1,000 replicates, 95 %, seed 0.
    fn default() -> Self {
        Self {
            folds: 2,
            repeats: 5,
            seed: 0,
            resamples: 1000,
            level: 0.95,
            metrics: MetricOptions::default(),
        }
    }
}

/// One method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// As given.
    pub name: String,
    /// How many members were averaged.
    pub members: usize,
    /// All metrics without calibration.
    pub metrics: Metrics,
    /// Log-likelihood without calibration.
    pub ll: Interval,
    /// Calibrated log-likelihood by test-time cross-validation.
    pub cll: Interval,
    /// Mean temperature of the folds.
    pub temperature: f64,
    /// 1 for the best log-likelihood without calibration.
    pub rank_ll: usize,
    /// 1 for the best calibrated log-likelihood.
    pub rank_cll: usize,
}

/// Two methods, the first minus the second, on the same objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The first.
    pub first: String,
    /// The second.
    pub second: String,
    /// Difference of the calibrated log-likelihoods; positive if the first is better.
    pub difference: Interval,
    /// Whether the interval leaves out zero.
    pub clear: bool,
    /// Whether the two change places when they are calibrated.
    pub flips: bool,
}

/// A comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Methods in the order given.
    pub methods: Vec<Compared>,
    /// All pairs in that order.
    pub pairs: Vec<Pair>,
    /// Kendall's rank correlation between the orders before and after calibration: 1 if no pair flips.
    pub rank_stability: f64,
    /// What a reader has to know about these numbers, in whole sentences.
    pub notes: Vec<String>,
}

/// Compares ensembles (lists of members; one member is a single model) on one test set.
///
/// ```
/// use firetender_uncertainty::{CompareOptions, Scores, Targets, compare};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let targets = Targets::classes(&[0, 1, 0, 1, 0, 1]);
/// let member = |a: f64| Scores::logits(vec![a, 0.0, 0.0, a, a, 0.0, 1.0, 0.5, a, 0.2, 0.0, a], 2);
/// let methods = [("plain", vec![member(1.0)?]), ("pair", vec![member(1.0)?, member(2.0)?])];
/// let found = compare(&methods, &targets, &CompareOptions::default())?;
/// assert_eq!(found.methods.len(), 2);
/// assert_eq!(found.pairs.len(), 1);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`UncertaintyError::Empty`] without methods; [`UncertaintyError::Input`] for two methods of one name or options that make no sense; as
/// [`evaluate`] and [`Calibration::run`].
pub fn compare(
    methods: &[(&str, Vec<Scores<'_>>)],
    targets: &Targets,
    options: &CompareOptions,
) -> Result<Comparison, UncertaintyError> {
    if methods.is_empty() {
        return Err(UncertaintyError::Empty { what: "methods" });
    }
    let bootstrap = Bootstrap::new(options.resamples, options.level, options.seed)?;
    for (at, (name, _)) in methods.iter().enumerate() {
        if methods[..at].iter().any(|(other, _)| other == name) {
            return Err(UncertaintyError::input(format!(
                "two methods are called {name:?}, expected different names"
            )));
        }
    }
    for (name, members) in methods {
        let (found, expected) = match (members.first(), methods[0].1.first()) {
            (Some(own), Some(first)) => (own.classes(), first.classes()),
            _ => continue,
        };
        if found != expected {
            return Err(UncertaintyError::Mismatch {
                place: format!("method {name:?}"),
                field: "classes",
                found: found.to_string(),
                expected: expected.to_string(),
            });
        }
    }
    let folds = Folds::random(targets.rows(), options.folds, options.repeats, options.seed)?;
    let calibration = Calibration {
        floor: options.metrics.floor,
        ..Calibration::new(Protocol::Given(folds))
    };
    let used: Vec<usize> = (0..targets.rows())
        .filter(|row| !targets.is_out(*row))
        .collect();
    let weights: Vec<f64> = used.iter().map(|row| targets.weight(*row)).collect();
    let interval = |values: &[f64]| interval(&bootstrap, &weights, values);
    let (mut compared, mut columns) = (vec![], vec![]);
    for (name, members) in methods {
        let scores = Ensemble::of(members)?.scores()?;
        let metrics = evaluate(&scores, targets, &options.metrics)?;
        let found = calibration.run(members, targets)?;
        let plain = crate::Objects::new(&scores, targets, options.metrics.floor)?;
        let plain: Vec<f64> = plain.rows().iter().map(|o| o.log_likelihood).collect();
        let calibrated: Vec<f64> = used.iter().map(|row| found.objects[*row]).collect();
        let temperatures = found.temperatures();
        compared.push(Compared {
            name: (*name).to_owned(),
            members: members.len(),
            metrics,
            ll: interval(&plain)?,
            cll: interval(&calibrated)?,
            temperature: temperatures.iter().sum::<f64>() / temperatures.len() as f64,
            rank_ll: 0,
            rank_cll: 0,
        });
        columns.push(calibrated);
    }
    rank(&mut compared, |m| m.ll.value, |m, rank| m.rank_ll = rank);
    rank(&mut compared, |m| m.cll.value, |m, rank| m.rank_cll = rank);
    let mut pairs = vec![];
    let mut agreement = 0_i64;
    for a in 0..compared.len() {
        for b in a + 1..compared.len() {
            let gaps: Vec<f64> = columns[a]
                .iter()
                .zip(&columns[b])
                .map(|(a, b)| a - b)
                .collect();
            let difference = interval(&gaps)?;
            let before = compared[a].ll.value - compared[b].ll.value;
            let flips = before * difference.value < 0.0;
            agreement += if flips { -1 } else { 1 };
            pairs.push(Pair {
                first: compared[a].name.clone(),
                second: compared[b].name.clone(),
                clear: difference.low > 0.0 || difference.high < 0.0,
                difference,
                flips,
            });
        }
    }
    let rank_stability = if pairs.is_empty() {
        1.0
    } else {
        agreement as f64 / pairs.len() as f64
    };
    let notes = notes(&compared, &pairs);
    Ok(Comparison {
        methods: compared,
        pairs,
        rank_stability,
        notes,
    })
}

/// The mean and its interval; without an end where some object is impossible. A weight counts how often a row is meant.
fn interval(
    bootstrap: &Bootstrap,
    weights: &[f64],
    values: &[f64],
) -> Result<Interval, UncertaintyError> {
    if values.iter().all(|v| v.is_finite()) {
        return bootstrap.weighted_mean(weights, values);
    }
    let value: f64 = values.iter().sum();
    Ok(Interval {
        value,
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
        standard_error: f64::INFINITY,
    })
}

fn rank(
    methods: &mut [Compared],
    score: impl Fn(&Compared) -> f64,
    set: impl Fn(&mut Compared, usize),
) {
    let scores: Vec<f64> = methods.iter().map(score).collect();
    for (method, own) in methods.iter_mut().zip(&scores) {
        set(method, 1 + scores.iter().filter(|s| *s > own).count());
    }
}

/// The pitfalls that show in these numbers.
fn notes(methods: &[Compared], pairs: &[Pair]) -> Vec<String> {
    let mut notes = vec![];
    let flips: Vec<String> = pairs
        .iter()
        .filter(|pair| pair.flips)
        .map(|pair| format!("{} and {}", pair.first, pair.second))
        .collect();
    if !flips.is_empty() {
        notes.push(format!(
            "Calibration changes the order of {}: without it, log-likelihood and Brier score compare the temperatures at which training \
             ended; compare by `cll`.",
            flips.join(", ")
        ));
    }
    let unclear: Vec<String> = pairs
        .iter()
        .filter(|pair| !pair.clear)
        .map(|pair| format!("{} and {}", pair.first, pair.second))
        .collect();
    if !unclear.is_empty() {
        notes.push(format!(
            "Another test set of this size could turn the order of {}: the interval of the difference holds zero.",
            unclear.join(", ")
        ));
    }
    let better = |pick: fn(&Compared) -> f64| {
        methods
            .iter()
            .min_by(|a, b| pick(a).total_cmp(&pick(b)))
            .map(|m| m.name.clone())
    };
    if methods.len() > 1 {
        let by_score = better(|m| -m.cll.value);
        let by_ece = better(|m| m.metrics.ece);
        if by_score != by_ece {
            notes.push(format!(
                "The smallest ECE is that of {}, the best calibrated log-likelihood that of {}: calibration errors are no proper scores, \
                 depend on bins, and see the top label only.",
                by_ece.unwrap_or_default(),
                by_score.unwrap_or_default()
            ));
        }
        notes.push(
            "Do not compare AUROC or AP of misclassification between methods: each defines the problem by its own errors. Risk against \
             coverage can be compared."
                .to_owned(),
        );
        if let Some(correlation) = correlation(methods).filter(|c| c.abs() > 0.95) {
            notes.push(format!(
                "Accuracy and calibrated log-likelihood correlate at {correlation:.3} over these methods: the log-likelihood says little here \
                 that accuracy does not."
            ));
        }
    }
    let many: Vec<&Compared> = methods.iter().filter(|m| m.members > 1).collect();
    if !many.is_empty() && many.len() < methods.len() {
        notes.push(
            "Ensembles are compared with single models: ask what the members cost, and how many independent networks they are worth (DEE)."
                .to_owned(),
        );
    }
    let silent = methods.iter().filter(|m| m.temperature.is_infinite());
    for method in silent {
        notes.push(format!(
            "{}: no temperature helps, because the scores say nothing about the targets.",
            method.name
        ));
    }
    notes
}

/// Pearson's correlation of accuracy and calibrated log-likelihood, from three methods on.
fn correlation(methods: &[Compared]) -> Option<f64> {
    if methods.len() < 3 {
        return None;
    }
    let n = methods.len() as f64;
    let mean = |pick: fn(&Compared) -> f64| methods.iter().map(pick).sum::<f64>() / n;
    let (x, y) = (mean(|m| m.metrics.accuracy), mean(|m| m.cll.value));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for m in methods {
        let (dx, dy) = (m.metrics.accuracy - x, m.cll.value - y);
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    let found = xy / (xx * yy).sqrt();
    found.is_finite().then_some(found)
}
