//! Bands that say what is known: the test set, the runs, and which members happened to be trained.
//!
//! Published bands come from permutations of one pool of networks. At the pool's size all permutations are one ensemble, so such a
//! band shrinks to nothing where it should be widest. Here the noise of members is a law fitted below half of the pool and continued
//! above it, and values that depend on the continuation are flagged.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    BandKind, DeeOptions, DeePoint, DeeStatus, SizeCurve, crossing::Crossing, curve::Spread,
};
use crate::{UncertaintyError, bootstrap::quantile};

/// Where the lower and upper ends come from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Bands {
    /// No band.
    None,
    /// The baseline's mean plus its standard deviation (lower) and minus it (upper).
    Shift,
    /// Percentiles over replicates: objects, runs and members are drawn again, the curve is made monotone again, and crossed again.
    Bootstrap {
        /// How many replicates.
        resamples: usize,
        /// Share of the replicates inside, such as 0.95.
        level: f64,
        /// The same seed gives the same band, whatever the number of threads.
        seed: u64,
    },
}

/// `variance(k) = at_one · k^−power`: how the noise of an ensemble's score shrinks with its size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct VarianceLaw {
    /// Variance of one member's score.
    pub at_one: f64,
    /// At least 0.
    pub power: f64,
}

impl VarianceLaw {
    /// A line through the logarithms, least squares; sizes of variance zero are left out.
    ///
    /// ```
    /// use firetender_uncertainty::VarianceLaw;
    /// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
    /// let law = VarianceLaw::fit(&[1.0, 2.0, 4.0], &[0.08, 0.02, 0.005])?;
    /// assert!((law.power - 2.0).abs() < 1e-12 && (law.variance(8.0) - 0.00125).abs() < 1e-12);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`UncertaintyError::Input`] when fewer than two sizes have a variance above zero.
    pub fn fit(sizes: &[f64], variances: &[f64]) -> Result<Self, UncertaintyError> {
        let points: Vec<(f64, f64)> = sizes
            .iter()
            .zip(variances)
            .filter(|(size, variance)| {
                **size > 0.0 && variance.is_finite() && **variance > f64::MIN_POSITIVE
            })
            .map(|(size, variance)| (size.ln(), variance.ln()))
            .collect();
        if points.len() < 2 {
            return Err(UncertaintyError::input(format!(
                "a variance above zero at {} sizes, expected at least 2",
                points.len()
            )));
        }
        let count = points.len() as f64;
        let (sum_x, sum_y) = points
            .iter()
            .fold((0.0, 0.0), |(x, y), p| (x + p.0, y + p.1));
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (xx, xy) = points.iter().fold((0.0, 0.0), |(xx, xy), (x, y)| {
            (xx + (x - mean_x).powi(2), xy + (x - mean_x) * (y - mean_y))
        });
        // Noise that grew with size would be an accident of few replicates.
        let power = if xx > 0.0 { (-xy / xx).max(0.0) } else { 0.0 };
        Ok(Self {
            at_one: (mean_y + power * mean_x).exp(),
            power,
        })
    }

    /// At a size.
    #[must_use]
    pub fn variance(&self, size: f64) -> f64 {
        self.at_one * size.powf(-self.power)
    }
}

/// The noise that comes from which members were trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MemberNoise {
    /// Variance of the score of one ensemble, by size.
    pub law: VarianceLaw,
    /// How many members there are in all.
    pub pool: usize,
    /// Whether the curve is a mean over disjoint groups or permutations of the pool, so that about `pool / size` independent groups
    /// enter at each size.
    pub averaged: bool,
}

impl MemberNoise {
    /// From the scores of disjoint groups: `groups[i]` holds one score for each of the disjoint groups of `sizes[i]` members, at
    /// least two of them (so a size of at most half of the pool).
    ///
    /// # Errors
    /// [`UncertaintyError::Input`] as [`VarianceLaw::fit`].
    pub fn from_groups(
        pool: usize,
        sizes: &[usize],
        groups: &[Vec<f64>],
        averaged: bool,
    ) -> Result<Self, UncertaintyError> {
        let (mut used, mut variances) = (vec![], vec![]);
        for (&size, scores) in sizes.iter().zip(groups) {
            if scores.len() >= 2 && 2 * size <= pool {
                let mean = scores.iter().sum::<f64>() / scores.len() as f64;
                let squares: f64 = scores.iter().map(|s| (s - mean).powi(2)).sum();
                used.push(size as f64);
                variances.push(squares / (scores.len() - 1) as f64);
            }
        }
        Ok(Self {
            law: VarianceLaw::fit(&used, &variances)?,
            pool,
            averaged,
        })
    }

    /// From the standard deviation over random permutations of one pool: subsets of one pool share members, which the factor
    /// `1 − k/M` undoes for sizes k up to half of the pool M.
    ///
    /// # Errors
    /// [`UncertaintyError::Input`] as [`VarianceLaw::fit`].
    pub fn from_permutations(
        pool: usize,
        sizes: &[f64],
        deviations: &[f64],
    ) -> Result<Self, UncertaintyError> {
        let half = pool as f64 / 2.0;
        let (used, variances): (Vec<f64>, Vec<f64>) = sizes
            .iter()
            .zip(deviations)
            .filter(|(size, _)| **size <= half)
            .map(|(size, deviation)| (*size, deviation * deviation / (1.0 - size / pool as f64)))
            .unzip();
        Ok(Self {
            law: VarianceLaw::fit(&used, &variances)?,
            pool,
            averaged: true,
        })
    }

    fn deviation(&self, size: f64) -> f64 {
        let groups = if self.averaged {
            (self.pool as f64 / size).max(1.0)
        } else {
            1.0
        };
        (self.law.variance(size) / groups).sqrt()
    }
}

/// Below this share of the usual spread, runs at the largest size are one ensemble: permutations of one pool.
const ONE_ENSEMBLE: f64 = 1e-3;

/// Writes the ends into the points and says what they are made of.
pub(super) fn fill(
    points: &mut [DeePoint],
    method: &SizeCurve,
    baseline: &SizeCurve,
    options: &DeeOptions,
) -> BandKind {
    match options.bands {
        Bands::None => BandKind::Unknown,
        Bands::Shift => shift(points, method, baseline, options),
        Bands::Bootstrap {
            resamples,
            level,
            seed,
        } => bootstrap(points, method, baseline, options, (resamples, level, seed)),
    }
}

fn shift(
    points: &mut [DeePoint],
    method: &SizeCurve,
    baseline: &SizeCurve,
    options: &DeeOptions,
) -> BandKind {
    let Some(deviations) = baseline.deviations() else {
        return BandKind::Unknown;
    };
    let moved = |sign: f64| -> Vec<f64> {
        let scores = baseline.oriented();
        scores
            .iter()
            .zip(&deviations)
            .map(|(s, d)| s + sign * d)
            .collect()
    };
    let (better, worse) = (moved(1.0), moved(-1.0));
    let cross = |scores: &[f64], score: f64| {
        let (monotone, interpolation) = (options.monotone, options.interpolation);
        let crossing = Crossing::new(baseline.sizes(), scores, monotone, interpolation, false);
        crossing.at(score).0
    };
    for (point, score) in points.iter_mut().zip(method.oriented()) {
        point.lower = cross(&better, score).min(point.dee);
        point.upper = cross(&worse, score).max(point.dee);
    }
    BandKind::Shift
}

fn bootstrap(
    points: &mut [DeePoint],
    method: &SizeCurve,
    baseline: &SizeCurve,
    options: &DeeOptions,
    (resamples, level, seed): (usize, f64, u64),
) -> BandKind {
    let (method, baseline) = (Redrawn::new(method), Redrawn::new(baseline));
    if resamples == 0 || !(method.varies() || baseline.varies()) {
        return BandKind::Unknown;
    }
    let replicates: Vec<Vec<(f64, DeeStatus)>> = (0..resamples as u64)
        .into_par_iter()
        .map(|replicate| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(replicate);
            // The same objects for both curves.
            let counts = draw_counts(&mut rng, method.objects().max(baseline.objects()));
            let scores = method.draw(&mut rng, &counts);
            let curve = baseline.draw(&mut rng, &counts);
            let crossing = Crossing::new(
                baseline.curve.sizes(),
                &curve,
                options.monotone,
                options.interpolation,
                options.extrapolate,
            );
            scores.iter().map(|&score| crossing.at(score)).collect()
        })
        .collect();
    let tail = (1.0 - level) / 2.0;
    let count = resamples as f64;
    let half_pool = baseline.noise.map(|noise| noise.pool as f64 / 2.0);
    for (at, point) in points.iter_mut().enumerate() {
        let mut values: Vec<f64> = replicates.iter().map(|r| r[at].0).collect();
        values.sort_unstable_by(f64::total_cmp);
        let share = |low: bool| {
            let beyond = replicates.iter().filter(|r| match r[at].1 {
                DeeStatus::BelowOne { .. } => low,
                DeeStatus::AboveMax { .. } | DeeStatus::Extrapolated { .. } => !low,
                _ => false,
            });
            beyond.count() as f64 / count
        };
        point.lower = quantile(&values, tail.clamp(0.0, 1.0)).min(point.dee);
        point.upper = quantile(&values, (1.0 - tail).clamp(0.0, 1.0)).max(point.dee);
        point.censored_low = share(true);
        point.censored_high = share(false);
        point.pool_limited = half_pool.is_some_and(|half| point.upper > half);
    }
    BandKind::Bootstrap
}

/// A curve and what is drawn again of it.
struct Redrawn<'a> {
    curve: &'a SizeCurve,
    noise: Option<MemberNoise>,
}

impl<'a> Redrawn<'a> {
    fn new(curve: &'a SizeCurve) -> Self {
        let noise = curve.noise.or_else(|| permuted_pool(curve));
        Self { curve, noise }
    }

    fn varies(&self) -> bool {
        self.noise.is_some() || self.curve.spread != Spread::Nothing
    }

    fn objects(&self) -> usize {
        match &self.curve.spread {
            Spread::Objects(scores) => scores[0].len(),
            Spread::RunObjects(runs) => runs[0][0].len(),
            _ => 0,
        }
    }

    /// Scores of one replicate, oriented.
    fn draw(&self, rng: &mut ChaCha8Rng, counts: &[u32]) -> Vec<f64> {
        let curve = self.curve;
        // Curves of other test sets draw objects of their own.
        let own = match self.objects() {
            count if count == counts.len() => vec![],
            count => draw_counts(rng, count),
        };
        let counts = if own.is_empty() { counts } else { &own };
        let mut means = match &curve.spread {
            Spread::Objects(scores) => scores
                .iter()
                .map(|scores| weighted_mean(scores, counts))
                .collect(),
            Spread::RunObjects(runs) => {
                let scores: Vec<Vec<f64>> = runs
                    .iter()
                    .map(|run| run.iter().map(|s| weighted_mean(s, counts)).collect())
                    .collect();
                drawn_runs(rng, &scores, curve.sizes().len())
            }
            // Permutations of one pool say nothing that the noise of members does not say.
            Spread::Runs(runs) if self.noise.is_none() => {
                let drawn: Vec<usize> = (0..runs.len())
                    .map(|_| rng.random_range(0..runs.len() as u64) as usize)
                    .collect();
                (0..curve.sizes().len())
                    .map(|at| {
                        drawn.iter().map(|&run| runs[run][at]).sum::<f64>() / runs.len() as f64
                    })
                    .collect()
            }
            // How runs hang together over sizes is unknown: all sizes move together, which is the widest.
            Spread::Deviations(deviations) if self.noise.is_none() => {
                let z = normal(rng);
                let means = curve.means().iter().zip(deviations);
                means
                    .map(|(mean, deviation)| mean + z * deviation)
                    .collect()
            }
            _ => curve.means().to_vec(),
        };
        if let Some(noise) = &self.noise {
            // An ensemble grows by members, so its noise is a mean over a growing list: a Brownian path over its length.
            let (mut path, mut before) = (0.0, 0.0);
            for (mean, &size) in means.iter_mut().zip(curve.sizes()) {
                path += (size - before).sqrt() * normal(rng);
                before = size;
                *mean += noise.deviation(size) * path / size.sqrt();
            }
        }
        curve.orient(&means)
    }
}

/// The mean over runs with what drawing the runs again makes of it. A bootstrap over n runs has (n − 1)/n of their variance, which
/// matters for the three to five runs that people can afford: the deviation from the mean is widened by √(n / (n − 1)).
fn drawn_runs(rng: &mut ChaCha8Rng, runs: &[Vec<f64>], sizes: usize) -> Vec<f64> {
    let count = runs.len() as f64;
    let drawn: Vec<usize> = (0..runs.len())
        .map(|_| rng.random_range(0..runs.len() as u64) as usize)
        .collect();
    let wider = (count / (count - 1.0)).sqrt();
    (0..sizes)
        .map(|at| {
            let mean = runs.iter().map(|run| run[at]).sum::<f64>() / count;
            let again = drawn.iter().map(|&run| runs[run][at]).sum::<f64>() / count;
            mean + wider * (again - mean)
        })
        .collect()
}

/// Noise of members when the runs are permutations of one pool: they coincide at the largest size, and nowhere else.
fn permuted_pool(curve: &SizeCurve) -> Option<MemberNoise> {
    let Spread::Runs(_) = curve.spread else {
        return None;
    };
    let deviations = curve.deviations()?;
    let last = deviations.len().checked_sub(1)?;
    let mut others = deviations[..last].to_vec();
    others.sort_unstable_by(f64::total_cmp);
    let usual = *others.get(others.len() / 2)?;
    if !(usual > 0.0 && deviations[last] < ONE_ENSEMBLE * usual) {
        return None;
    }
    let pool = curve.sizes()[last] as usize;
    MemberNoise::from_permutations(pool, curve.sizes(), &deviations).ok()
}

/// How often each object is drawn among as many draws as objects.
fn draw_counts(rng: &mut ChaCha8Rng, objects: usize) -> Vec<u32> {
    let mut counts = vec![0_u32; objects];
    for _ in 0..objects {
        counts[rng.random_range(0..objects as u64) as usize] += 1;
    }
    counts
}

fn weighted_mean(scores: &[f64], counts: &[u32]) -> f64 {
    let sum: f64 = scores
        .iter()
        .zip(counts)
        .map(|(score, &count)| score * f64::from(count))
        .sum();
    sum / scores.len() as f64
}

/// A standard normal number (Box and Muller 1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let a: f64 = 1.0 - rng.random::<f64>();
    let b: f64 = rng.random();
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}
