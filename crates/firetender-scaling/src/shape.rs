//! Which shape has a curve: constant, positive, inverse, U or inverted U? With stated error rates, and "unresolved" where data do not say.
//!
//! The shapes are nested: constant ⊂ {rising, falling} ⊂ {falling then rising, rising then falling} ⊂ anything. A shape's statistic is its
//! distance χ² = Σ (mean − fit)² / σ² from the best fit of that shape ([`isotonic`](crate::isotonic())); its p-value is the share of draws
//! that lie at least as far from the shape when the fit is the truth. The label is the simplest shape not rejected, or
//! [`Label::Unresolved`] if two that exclude each other survive, or none does.
//!
//! The noise is that of the examples. Where scores of single examples are given, whole examples are resampled, all models together, which
//! keeps what models have in common. Published tables with means and standard errors only leave independent normal noise, and the result
//! says so. Neither knows how much another model of the same size would differ: for that, train more seeds.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use rayon::prelude::*;
use serde::Serialize;

use crate::{
    ScalingError,
    isotonic::{CONSTANT, FALLING, HILL, RISING, SHAPES, VALLEY, Workspace},
};

/// What a curve of performance does as models grow. Larger is better: negate losses first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Label {
    /// Nothing that the data can show.
    Constant,
    /// Better.
    Positive,
    /// Worse: inverse scaling.
    Inverse,
    /// Worse, then better.
    UShaped,
    /// Better, then worse.
    InvertedU,
    /// The data exclude each simple shape, or cannot choose between two.
    Unresolved,
}

impl Label {
    /// All labels, from simple to none.
    pub const ALL: [Self; 6] = [
        Self::Constant,
        Self::Positive,
        Self::Inverse,
        Self::UShaped,
        Self::InvertedU,
        Self::Unresolved,
    ];

    /// Its name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Constant => "Constant",
            Self::Positive => "Positive",
            Self::Inverse => "Inverse",
            Self::UShaped => "UShaped",
            Self::InvertedU => "InvertedU",
            Self::Unresolved => "Unresolved",
        }
    }

    /// The simplest shape that is not rejected.
    fn of(survives: [bool; SHAPES]) -> Self {
        if survives[CONSTANT] {
            return Self::Constant;
        }
        for (up, down, labels) in [
            (RISING, FALLING, [Self::Positive, Self::Inverse]),
            (VALLEY, HILL, [Self::UShaped, Self::InvertedU]),
        ] {
            match (survives[up], survives[down]) {
                (true, false) => return labels[0],
                (false, true) => return labels[1],
                (true, true) => return Self::Unresolved,
                (false, false) => {}
            }
        }
        Self::Unresolved
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Conventions of the classifier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShapeOptions {
    /// Level at which a shape is rejected.
    pub alpha: f64,
    /// Least standard error: accuracies of exactly 0 or 1 have an estimated error of 0.
    pub floor: f64,
    /// Draws of the bootstrap.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for ShapeOptions {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            floor: 0.001,
            draws: 10_000,
            seed: 0,
        }
    }
}

/// Where the noise of a bootstrap came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// Whole examples were resampled, all models together.
    PairedExamples,
    /// Independent normal noise with the given standard errors.
    Parametric,
}

/// One shape against the data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShapeFit {
    /// Σ (mean − fit)² / σ².
    pub chi2: f64,
    /// Share of draws at least as far from the shape when the fit is the truth.
    pub p: f64,
    /// The best fit, model by model.
    pub fit: Vec<f64>,
}

/// All shapes against the data, and the verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shapes {
    /// No trend.
    pub constant: ShapeFit,
    /// Rising (weakly).
    pub increasing: ShapeFit,
    /// Falling (weakly).
    pub decreasing: ShapeFit,
    /// Falling, then rising.
    pub u_shaped: ShapeFit,
    /// Rising, then falling.
    pub inverted_u: ShapeFit,
    /// The simplest shape not rejected.
    pub label: Label,
    /// How often each label would be given to resampled data, in the order of [`Label::ALL`].
    pub probabilities: [f64; 6],
    /// Where the noise came from.
    pub noise: Noise,
    /// Number of draws.
    pub draws: usize,
}

impl Shapes {
    /// The classifier on scores of single examples, `examples[i][j]` of example i under model j, models in order of scale, larger is better.
    ///
    /// ```
    /// use firetender_scaling::{Label, ShapeOptions, Shapes};
    ///
    /// // The larger the model, the fewer of 200 examples it gets right.
    /// let examples: Vec<Vec<f64>> = (0..200).map(|i| (0..5).map(|j| f64::from(i % 10 >= 2 * j)).collect()).collect();
    /// let options = ShapeOptions { draws: 500, ..ShapeOptions::default() };
    /// assert_eq!(Shapes::from_examples(&examples, options)?.label, Label::Inverse);
    /// # Ok::<(), firetender_scaling::ScalingError>(())
    /// ```
    ///
    /// # Errors
    /// Fewer than two models or examples, rows of different length, a score that is not finite, or options out of range.
    pub fn from_examples(
        examples: &[Vec<f64>],
        options: ShapeOptions,
    ) -> Result<Self, ScalingError> {
        let k = examples.first().map_or(0, Vec::len);
        check(k, options)?;
        if examples.len() < 2 {
            return Err(ScalingError::TooFew {
                what: "examples",
                found: examples.len(),
                least: 2,
            });
        }
        for (index, row) in examples.iter().enumerate() {
            if row.len() != k {
                return Err(ScalingError::Length {
                    what: format!("scores of example {index}"),
                    found: row.len(),
                    expected: k,
                });
            }
            if let Some(model) = row.iter().position(|v| !v.is_finite()) {
                return Err(ScalingError::Value {
                    what: format!("score of example {index} under model {model}"),
                    found: row[model].to_string(),
                    expected: "a finite number",
                });
            }
        }
        let n = examples.len() as f64;
        let means: Vec<f64> = (0..k)
            .map(|j| examples.iter().map(|row| row[j]).sum::<f64>() / n)
            .collect();
        let errors: Vec<f64> = (0..k)
            .map(|j| {
                let spread: f64 = examples.iter().map(|row| (row[j] - means[j]).powi(2)).sum();
                (spread / (n - 1.0) / n).sqrt()
            })
            .collect();
        let noise = resampled(examples, &means, options);
        Ok(judge(
            &means,
            &errors,
            &noise,
            Noise::PairedExamples,
            options,
        ))
    }

    /// The classifier on means and their standard errors, where nothing else is known. The errors are taken as independent between models,
    /// although models that answered the same examples share a part of them.
    ///
    /// # Errors
    /// Fewer than two models, lengths that differ, values that are not finite, a negative error, or options out of range.
    pub fn from_means(
        means: &[f64],
        errors: &[f64],
        options: ShapeOptions,
    ) -> Result<Self, ScalingError> {
        check(means.len(), options)?;
        if errors.len() != means.len() {
            return Err(ScalingError::Length {
                what: "standard errors".into(),
                found: errors.len(),
                expected: means.len(),
            });
        }
        for (index, (mean, error)) in means.iter().zip(errors).enumerate() {
            if !(mean.is_finite() && error.is_finite() && *error >= 0.0) {
                return Err(ScalingError::Value {
                    what: format!("model {index}"),
                    found: format!("{mean} ± {error}"),
                    expected: "a finite mean and a finite standard error of at least 0",
                });
            }
        }
        let k = means.len();
        let mut noise = vec![0.0; options.draws * k];
        noise
            .par_chunks_mut(k)
            .enumerate()
            .for_each(|(draw, noise)| {
                let mut random = stream(options.seed, draw);
                for (value, error) in noise.iter_mut().zip(errors) {
                    *value = error.max(options.floor) * normal(&mut random);
                }
            });
        Ok(judge(means, errors, &noise, Noise::Parametric, options))
    }

    /// The fits in the order constant, increasing, decreasing, U, inverted U.
    #[must_use]
    pub const fn fits(&self) -> [&ShapeFit; 5] {
        [
            &self.constant,
            &self.increasing,
            &self.decreasing,
            &self.u_shaped,
            &self.inverted_u,
        ]
    }
}

fn check(models: usize, options: ShapeOptions) -> Result<(), ScalingError> {
    if models < 2 {
        return Err(ScalingError::TooFew {
            what: "models",
            found: models,
            least: 2,
        });
    }
    let wrong = |what: &str, found: String, expected| {
        Err(ScalingError::Value {
            what: what.into(),
            found,
            expected,
        })
    };
    if !(options.alpha > 0.0 && options.alpha < 1.0) {
        return wrong(
            "alpha",
            options.alpha.to_string(),
            "a level between 0 and 1",
        );
    }
    if !(options.floor > 0.0 && options.floor.is_finite()) {
        return wrong(
            "floor",
            options.floor.to_string(),
            "a standard error above 0",
        );
    }
    if !(1..=10_000_000).contains(&options.draws) {
        return wrong("draws", options.draws.to_string(), "1 to 10,000,000 draws");
    }
    Ok(())
}

fn stream(seed: u64, draw: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(draw as u64);
    random
}

/// A standard normal number by the Box–Muller transform.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let unit = |bits: u64| (bits >> 11) as f64 / (1_u64 << 53) as f64;
    let radius = (-2.0 * (1.0 - unit(random.next_u64())).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(random.next_u64())).cos()
}

/// Columns that are summed at a time: one row of them is a cache line.
const LANES: usize = 8;

/// The examples of draw `draw`: any of `chosen.len()`, with replacement.
fn choose(seed: u64, draw: usize, chosen: &mut [u32]) {
    let mut random = stream(seed, draw);
    let n = chosen.len() as u64;
    // The bias of multiply-and-shift is below n / 2^32.
    for index in chosen {
        *index = ((u64::from(random.next_u32()) * n) >> 32) as u32;
    }
}

/// Scores of 0 and 1, a byte each: eight models to a word, so that one addition counts for all of them. `None` for any other score.
fn packed(examples: &[Vec<f64>], k: usize) -> Option<Vec<Vec<u64>>> {
    let binary = |row: &Vec<f64>| row.iter().all(|v| *v == 0.0 || *v == 1.0);
    if !examples.iter().all(binary) {
        return None;
    }
    let word = |row: &Vec<f64>, from: usize| {
        let lanes = row[from..k.min(from + LANES)].iter().enumerate();
        lanes.fold(0, |word, (lane, v)| {
            word | u64::from(*v == 1.0) << (8 * lane)
        })
    };
    let panel = |from| examples.iter().map(|row| word(row, from)).collect();
    Some((0..k).step_by(LANES).map(panel).collect())
}

/// How often each of eight models is right on the chosen examples.
fn count(panel: &[u64], chosen: &[u32]) -> [u64; LANES] {
    let mut counts = [0; LANES];
    // A byte holds 255.
    for chosen in chosen.chunks(255) {
        let word: u64 = chosen.iter().map(|index| panel[*index as usize]).sum();
        for (count, byte) in counts.iter_mut().zip(word.to_le_bytes()) {
            *count += u64::from(byte);
        }
    }
    counts
}

/// Resampled means less the means, draw by draw.
fn resampled(examples: &[Vec<f64>], means: &[f64], options: ShapeOptions) -> Vec<f64> {
    let (n, k) = (examples.len(), means.len());
    let mut noise = vec![0.0; options.draws * k];
    if let Some(panels) = packed(examples, k) {
        noise.par_chunks_mut(k).enumerate().for_each_init(
            || vec![0_u32; n],
            |chosen, (draw, noise)| {
                choose(options.seed, draw, chosen);
                for ((panel, noise), means) in panels
                    .iter()
                    .zip(noise.chunks_mut(LANES))
                    .zip(means.chunks(LANES))
                {
                    let counts = count(panel, chosen);
                    for ((noise, mean), count) in noise.iter_mut().zip(means).zip(counts) {
                        *noise = count as f64 / n as f64 - mean;
                    }
                }
            },
        );
        return noise;
    }
    // Deviations from the mean, so that the sums are small and nothing cancels.
    let panels: Vec<Vec<[f64; LANES]>> = (0..k)
        .step_by(LANES)
        .map(|from| {
            examples
                .iter()
                .map(|row| {
                    let mut lanes = [0.0; LANES];
                    for (lane, column) in lanes.iter_mut().zip(from..k) {
                        *lane = row[column] - means[column];
                    }
                    lanes
                })
                .collect()
        })
        .collect();
    noise.par_chunks_mut(k).enumerate().for_each_init(
        || vec![0_u32; n],
        |chosen, (draw, noise)| {
            choose(options.seed, draw, chosen);
            for (panel, noise) in panels.iter().zip(noise.chunks_mut(LANES)) {
                let mut sums = [0.0; LANES];
                for index in chosen.iter() {
                    let row = &panel[*index as usize];
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += value;
                    }
                }
                for (noise, sum) in noise.iter_mut().zip(sums) {
                    *noise = sum / n as f64;
                }
            }
        },
    );
    noise
}

fn judge(
    means: &[f64],
    errors: &[f64],
    noise: &[f64],
    source: Noise,
    options: ShapeOptions,
) -> Shapes {
    let k = means.len();
    let weights: Vec<f64> = errors
        .iter()
        .map(|error| error.max(options.floor).powi(-2))
        .collect();
    let mut space = Workspace::new(k);
    let fits: Vec<Vec<f64>> = (0..SHAPES)
        .map(|shape| space.fit(shape, means, &weights))
        .collect();
    let found: Vec<f64> = (0..SHAPES)
        .map(|shape| space.cost(shape, means, &weights))
        .collect();
    // Of each draw: distances when the shape's fit is the truth, and distances of the resampled means.
    let distances: Vec<[[f64; SHAPES]; 2]> = noise
        .par_chunks(k)
        .map_init(
            || (Workspace::new(k), vec![0.0; k]),
            |(space, values), noise| {
                let mut distances = [[0.0; SHAPES]; 2];
                for shape in 0..SHAPES {
                    for (which, centre) in [&fits[shape][..], means].into_iter().enumerate() {
                        for ((value, centre), noise) in values.iter_mut().zip(centre).zip(noise) {
                            *value = centre + noise;
                        }
                        distances[which][shape] = space.cost(shape, values, &weights);
                    }
                }
                distances
            },
        )
        .collect();
    let draws = distances.len();
    // Equal curves have distances of the size of rounding errors.
    let slack = 1e-9;
    let p = |shape: usize| {
        let far = distances
            .iter()
            .filter(|d| d[0][shape] >= found[shape] - slack)
            .count();
        (far + 1) as f64 / (draws + 1) as f64
    };
    let p: Vec<f64> = (0..SHAPES).map(p).collect();
    let critical: Vec<f64> = (0..SHAPES)
        .map(|shape| {
            let mut null: Vec<f64> = distances.iter().map(|d| d[0][shape]).collect();
            let at = (((1.0 - options.alpha) * draws as f64) as usize).min(draws - 1);
            *null.select_nth_unstable_by(at, f64::total_cmp).1
        })
        .collect();
    let mut counts = [0_usize; 6];
    for d in &distances {
        let survives = std::array::from_fn(|shape| d[1][shape] <= critical[shape] + slack);
        counts[Label::of(survives) as usize] += 1;
    }
    let label = Label::of(std::array::from_fn(|shape| p[shape] > options.alpha));
    let mut fits = fits.into_iter().enumerate().map(|(shape, fit)| ShapeFit {
        chi2: found[shape],
        p: p[shape],
        fit,
    });
    let mut next = || {
        fits.next().unwrap_or(ShapeFit {
            chi2: f64::NAN,
            p: f64::NAN,
            fit: vec![],
        })
    };
    Shapes {
        constant: next(),
        increasing: next(),
        decreasing: next(),
        u_shaped: next(),
        inverted_u: next(),
        label,
        probabilities: counts.map(|count| count as f64 / draws as f64),
        noise: source,
        draws,
    }
}

#[cfg(test)]
mod tests;
