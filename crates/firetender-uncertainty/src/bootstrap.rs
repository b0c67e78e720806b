//! Intervals: how much would a metric move with other objects of the same kind?
//!
//! The bootstrap (Efron 1979) draws N objects with replacement and computes the metric of the draw. All the metrics here are
//! made of columns of [`Objects`], so no score is computed twice; the same draws serve every metric and every model, so
//! differences between models are paired: what is hard for both cancels.
//!
//! It says how uncertain a number is because the test set is finite. It knows nothing of training again with another seed.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::UncertaintyError;
use crate::bins::{Binning, Bins};
use crate::objects::{BrierScale, Object, Objects};
use crate::special::{normal_cdf, normal_quantile};

/// A number and the interval in which it would fall with other objects of the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The value on all objects.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Standard deviation of the resampled values.
    pub standard_error: f64,
}

/// How an interval is read from resampled values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalKind {
    /// The middle `level` of the resampled values.
    #[default]
    Percentile,
    /// The same, corrected for bias and skewness (Efron 1987): better for skewed metrics such as calibration errors, which resampling
    /// also inflates. The acceleration is that of the jackknife.
    Bca,
}

/// Draws objects with replacement.
///
/// The draw with number r depends on the seed and r only: results do not depend on the number of threads.
///
/// ```
/// use firetender_uncertainty::Bootstrap;
/// let bootstrap = Bootstrap::new(2000, 0.95, 7)?;
/// let found = bootstrap.mean(&[1.0, 2.0, 3.0, 4.0])?;
/// assert_eq!(found.value, 2.5);
/// assert!(found.low < 2.0 && found.high > 3.0);
/// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bootstrap {
    resamples: usize,
    level: f64,
    seed: u64,
    kind: IntervalKind,
}

/// Intervals of the metrics that are made of single objects.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricIntervals {
    /// Share of right predictions.
    pub accuracy: Interval,
    /// Mean log-likelihood; `None` while some object is impossible.
    pub ll: Option<Interval>,
    /// Brier score on the chosen scale.
    pub brier: Interval,
    /// Spherical score.
    pub spherical: Interval,
    /// Expected calibration error.
    pub ece: Interval,
}

impl Bootstrap {
    /// Draws `resamples` times; percentile intervals.
    ///
    /// # Errors
    /// [`UncertaintyError::Options`] without resamples or for a level that is not between 0 and 1.
    pub fn new(resamples: usize, level: f64, seed: u64) -> Result<Self, UncertaintyError> {
        let failed = |field, found, expected| UncertaintyError::Options {
            field,
            found,
            expected,
        };
        if resamples == 0 {
            return Err(failed("resamples", "0".into(), "at least one"));
        }
        if !(level > 0.0 && level < 1.0) {
            return Err(failed(
                "level",
                level.to_string(),
                "a number between 0 and 1",
            ));
        }
        Ok(Self {
            resamples,
            level,
            seed,
            kind: IntervalKind::Percentile,
        })
    }

    /// Another kind of interval.
    #[must_use]
    pub fn with_kind(mut self, kind: IntervalKind) -> Self {
        self.kind = kind;
        self
    }

    /// The mean of one number an object.
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] without numbers, [`UncertaintyError::Options`] for one that is not finite.
    pub fn mean(&self, values: &[f64]) -> Result<Interval, UncertaintyError> {
        self.weighted_mean(&vec![1.0; values.len()], values)
    }

    /// The weighted mean of one number an object. Objects are drawn alike and keep their weights, so the sum of weights differs from
    /// draw to draw, as it would from test set to test set.
    ///
    /// ```
    /// use firetender_uncertainty::Bootstrap;
    /// let bootstrap = Bootstrap::new(500, 0.95, 7)?;
    /// let found = bootstrap.weighted_mean(&[3.0, 1.0], &[0.0, 1.0])?;
    /// assert_eq!((found.value, found.low, found.high), (0.25, 0.0, 1.0));
    /// // Where all values are equal there is nothing to be unsure about, whatever the weights.
    /// assert_eq!(bootstrap.weighted_mean(&[3.0, 1.0], &[2.0, 2.0])?.standard_error, 0.0);
    /// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::mean`], [`UncertaintyError::Length`] when there are not as many weights, [`UncertaintyError::Weight`] for one that
    /// is not above 0.
    pub fn weighted_mean(
        &self,
        weights: &[f64],
        values: &[f64],
    ) -> Result<Interval, UncertaintyError> {
        finite(values)?;
        if weights.len() != values.len() {
            return Err(UncertaintyError::Length {
                what: "weights",
                found: weights.len(),
                expected: values.len(),
            });
        }
        let positive = |w: &f64| *w > 0.0 && w.is_finite();
        if let Some(row) = weights.iter().position(|w| !positive(w)) {
            return Err(UncertaintyError::Weight {
                row,
                found: weights[row],
                expected: "a finite number above 0",
            });
        }
        let pairs = weights.iter().zip(values);
        let column: Vec<(f64, f64)> = pairs.map(|(w, v)| (*w, *v)).collect();
        let draws = self.draws(values.len(), |counts| vec![mean(&column, counts)]);
        let value = mean(&column, &ones(values.len()));
        Ok(self.interval(value, first(&draws, 0), || jackknife_mean(&column)))
    }

    /// The difference of the means of two numbers an object, drawn together: first less second.
    ///
    /// # Errors
    /// As [`Self::mean`], and [`UncertaintyError::Length`] when there are not as many of both.
    pub fn paired_mean(&self, first: &[f64], second: &[f64]) -> Result<Interval, UncertaintyError> {
        if first.len() != second.len() {
            return Err(UncertaintyError::Length {
                what: "second of two paired lists",
                found: second.len(),
                expected: first.len(),
            });
        }
        let gaps: Vec<f64> = first.iter().zip(second).map(|(a, b)| a - b).collect();
        self.mean(&gaps)
    }

    /// Intervals of accuracy, log-likelihood, Brier, spherical score and ECE, from the same draws.
    ///
    /// ```
    /// use firetender_uncertainty::*;
    /// let scores = Scores::probs(&[0.9, 0.1, 0.4, 0.6, 0.7, 0.3], 2)?;
    /// let objects = Objects::new(&scores, &Targets::classes(&[0, 1, 1]), Floor::None)?;
    /// let found = Bootstrap::new(500, 0.9, 1)?.metrics(&objects, &Binning::default(), BrierScale::Sum)?;
    /// assert!(found.accuracy.low < found.accuracy.value);
    /// # Ok::<(), UncertaintyError>(())
    /// ```
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] without objects, [`UncertaintyError::Options`] for equal-mass bins, whose borders would move with every draw.
    pub fn metrics(
        &self,
        objects: &Objects,
        binning: &Binning,
        scale: BrierScale,
    ) -> Result<MetricIntervals, UncertaintyError> {
        let table = Table::new(objects, binning, scale)?;
        let draws = self.draws(table.len(), |counts| table.values(counts).to_vec());
        let all = table.values(&ones(table.len()));
        let of = |at: usize| self.interval(all[at], first(&draws, at), || table.jackknife(at));
        Ok(MetricIntervals {
            accuracy: of(0),
            ll: (objects.impossible() == 0).then(|| of(1)),
            brier: of(2),
            spherical: of(3),
            ece: of(4),
        })
    }

    /// Intervals of the differences between two models on the same objects: first less second, drawn together.
    ///
    /// # Errors
    /// As [`Self::metrics`], and [`UncertaintyError::Mismatch`] when the models were not scored on the same targets and weights.
    pub fn paired(
        &self,
        one: &Objects,
        other: &Objects,
        binning: &Binning,
        scale: BrierScale,
    ) -> Result<MetricIntervals, UncertaintyError> {
        same_targets(one, other)?;
        let tables = [
            Table::new(one, binning, scale)?,
            Table::new(other, binning, scale)?,
        ];
        let difference = |counts: &[u32]| {
            let [a, b] = [tables[0].values(counts), tables[1].values(counts)];
            std::array::from_fn::<f64, 5, _>(|at| a[at] - b[at])
        };
        let draws = self.draws(tables[0].len(), |counts| difference(counts).to_vec());
        let all = difference(&ones(tables[0].len()));
        let of = |at: usize| {
            self.interval(all[at], first(&draws, at), || {
                let [a, b] = [tables[0].jackknife(at), tables[1].jackknife(at)];
                a.iter().zip(&b).map(|(a, b)| a - b).collect()
            })
        };
        Ok(MetricIntervals {
            accuracy: of(0),
            ll: (one.impossible() + other.impossible() == 0).then(|| of(1)),
            brier: of(2),
            spherical: of(3),
            ece: of(4),
        })
    }

    /// Resamples of any statistic: it is given how often each of `n` objects was drawn. In the order of the draws.
    ///
    /// ```
    /// use firetender_uncertainty::Bootstrap;
    /// let bootstrap = Bootstrap::new(3, 0.9, 0)?;
    /// let sizes = bootstrap.resample(5, |counts| f64::from(counts.iter().sum::<u32>()));
    /// assert_eq!(sizes, [5.0; 3]);
    /// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
    /// ```
    pub fn resample(&self, n: usize, statistic: impl Fn(&[u32]) -> f64 + Sync) -> Vec<f64> {
        first(&self.draws(n, |counts| vec![statistic(counts)]), 0)
    }

    fn draws(&self, n: usize, values: impl Fn(&[u32]) -> Vec<f64> + Sync) -> Vec<Vec<f64>> {
        (0..self.resamples)
            .into_par_iter()
            .map_init(
                || vec![0u32; n],
                |counts, resample| {
                    let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
                    rng.set_stream(resample as u64);
                    counts.fill(0);
                    for _ in 0..n {
                        counts[rng.random_range(0..n as u64) as usize] += 1;
                    }
                    values(counts)
                },
            )
            .collect()
    }

    /// Reads the interval from resampled values; `jackknife` is asked for only where it is needed.
    fn interval(
        &self,
        value: f64,
        mut drawn: Vec<f64>,
        jackknife: impl FnOnce() -> Vec<f64>,
    ) -> Interval {
        drawn.sort_unstable_by(f64::total_cmp);
        let n = drawn.len() as f64;
        let centre = drawn.iter().sum::<f64>() / n;
        let spread = drawn.iter().map(|v| (v - centre).powi(2)).sum::<f64>();
        let standard_error = (spread / (n - 1.0).max(1.0)).sqrt();
        let tail = (1.0 - self.level) / 2.0;
        let (low, high) = match self.kind {
            IntervalKind::Percentile => (tail, 1.0 - tail),
            IntervalKind::Bca => {
                let below = drawn.partition_point(|v| *v < value) as f64;
                let equal = drawn.partition_point(|v| *v <= value) as f64 - below;
                let shift = normal_quantile((below + equal / 2.0) / n);
                let acceleration = acceleration(&jackknife());
                let moved = |p: f64| {
                    let z = shift + normal_quantile(p);
                    normal_cdf(shift + z / (1.0 - acceleration * z))
                };
                (moved(tail), moved(1.0 - tail))
            }
        };
        Interval {
            value,
            low: quantile(&drawn, low),
            high: quantile(&drawn, high),
            standard_error,
        }
    }
}

/// The columns that resampling reads.
struct Table {
    rows: Vec<Row>,
    bins: usize,
    scale: f64,
}

struct Row {
    weight: f64,
    /// Accuracy, log-likelihood, Brier, spherical score.
    values: [f64; 4],
    bin: usize,
    gap: f64,
}

impl Table {
    fn new(
        objects: &Objects,
        binning: &Binning,
        scale: BrierScale,
    ) -> Result<Self, UncertaintyError> {
        if matches!(binning.bins(), Bins::EqualMass(_)) {
            return Err(UncertaintyError::Options {
                field: "bins",
                found: format!("{:?}", binning.bins()),
                expected: "bins with fixed borders, for resampling",
            });
        }
        if objects.is_empty() {
            return Err(UncertaintyError::Empty {
                what: "objects to resample",
            });
        }
        let row = |o: &Object| Row {
            weight: o.weight,
            // An impossible object has no finite likelihood; its interval is not reported.
            values: [
                o.correct,
                o.log_likelihood.max(f64::MIN),
                o.brier,
                o.spherical,
            ],
            bin: binning.find(o.confidence),
            gap: o.confidence - o.correct,
        };
        Ok(Self {
            rows: objects.rows().iter().map(row).collect(),
            bins: binning.edges().len() - 1,
            scale: scale.factor(objects.classes()),
        })
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn sums(&self, counts: &[u32]) -> ([f64; 5], Vec<f64>) {
        let (mut sums, mut gaps) = ([0.0; 5], vec![0.0; self.bins]);
        for (row, count) in self.rows.iter().zip(counts) {
            let weight = f64::from(*count) * row.weight;
            for (sum, value) in sums.iter_mut().zip(&row.values) {
                *sum += weight * value;
            }
            sums[4] += weight;
            gaps[row.bin] += weight * row.gap;
        }
        (sums, gaps)
    }

    fn finish(&self, sums: &[f64; 5], gap: f64) -> [f64; 5] {
        // A draw of objects of weight zero alone has no mean; one of them at least has a weight.
        let weight = sums[4].max(f64::MIN_POSITIVE);
        [
            sums[0] / weight,
            sums[1] / weight,
            sums[2] / weight * self.scale,
            sums[3] / weight,
            gap / weight,
        ]
    }

    fn values(&self, counts: &[u32]) -> [f64; 5] {
        let (sums, gaps) = self.sums(counts);
        self.finish(&sums, gaps.iter().map(|g| g.abs()).sum())
    }

    /// The metric without each object in turn.
    fn jackknife(&self, at: usize) -> Vec<f64> {
        let (sums, gaps) = self.sums(&ones(self.len()));
        let whole: f64 = gaps.iter().map(|g| g.abs()).sum();
        let without = self.rows.iter().map(|row| {
            let mut sums = sums;
            for (sum, value) in sums.iter_mut().zip(&row.values) {
                *sum -= row.weight * value;
            }
            sums[4] -= row.weight;
            let own = gaps[row.bin];
            let gap = whole - own.abs() + (own - row.weight * row.gap).abs();
            self.finish(&sums, gap)[at]
        });
        without.collect()
    }
}

fn same_targets(one: &Objects, other: &Objects) -> Result<(), UncertaintyError> {
    let mismatch = |field, found: String, expected: String| UncertaintyError::Mismatch {
        place: "second of two paired models".into(),
        field,
        found,
        expected,
    };
    if one.len() != other.len() {
        return Err(mismatch(
            "number of objects",
            other.len().to_string(),
            one.len().to_string(),
        ));
    }
    for (row, (a, b)) in one.rows().iter().zip(other.rows()).enumerate() {
        if (a.target, a.weight) != (b.target, b.weight) {
            return Err(mismatch(
                "target and weight",
                format!("{:?}, {} at object {row}", b.target, b.weight),
                format!("{:?}, {}", a.target, a.weight),
            ));
        }
    }
    Ok(())
}

fn finite(values: &[f64]) -> Result<(), UncertaintyError> {
    if values.is_empty() {
        return Err(UncertaintyError::Empty {
            what: "numbers to resample",
        });
    }
    match values.iter().position(|v| !v.is_finite()) {
        Some(at) => Err(UncertaintyError::Options {
            field: "numbers to resample",
            found: format!("{} at {at}", values[at]),
            expected: "finite numbers",
        }),
        None => Ok(()),
    }
}

fn ones(n: usize) -> Vec<u32> {
    vec![1; n]
}

fn first(draws: &[Vec<f64>], at: usize) -> Vec<f64> {
    draws.iter().map(|values| values[at]).collect()
}

/// Mean of (weight, value) with counts.
fn mean(column: &[(f64, f64)], counts: &[u32]) -> f64 {
    let (mut weight, mut sum) = (0.0, 0.0);
    for ((w, v), count) in column.iter().zip(counts) {
        let w = w * f64::from(*count);
        weight += w;
        sum += w * v;
    }
    sum / weight
}

fn jackknife_mean(column: &[(f64, f64)]) -> Vec<f64> {
    let weight: f64 = column.iter().map(|(w, _)| w).sum();
    let sum: f64 = column.iter().map(|(w, v)| w * v).sum();
    let without = column.iter().map(|(w, v)| (sum - w * v) / (weight - w));
    without.collect()
}

/// Efron's acceleration from values without each object in turn; 0 where there is no spread.
fn acceleration(jackknife: &[f64]) -> f64 {
    let centre = jackknife.iter().sum::<f64>() / jackknife.len() as f64;
    let (mut squares, mut cubes) = (0.0, 0.0);
    for value in jackknife {
        let gap = centre - value;
        squares += gap * gap;
        cubes += gap * gap * gap;
    }
    let found = cubes / (6.0 * squares.powf(1.5));
    if found.is_finite() { found } else { 0.0 }
}

/// Linear interpolation between the sorted values.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}
