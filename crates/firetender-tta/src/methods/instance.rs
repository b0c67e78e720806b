//! Other passes for every image.
//!
//! [`most_certain`] keeps, for each image, the passes whose predictions are surest: no labels, no fit, but every pass has to be made first (the
//! "confidence selection" of test-time prompt tuning, Shu et al., `NeurIPS` 2022). [`LossPredictor`] learns on validation data which recipes
//! will do well on an image *before* they are applied, in the manner of Kim, Kim and Kim ("Learning Loss for Test-Time Augmentation", `NeurIPS` 2020). Theirs is a
//! second network on the image, trained to rank the losses of the recipes; here it is ridge regression from features of the image, by default of its central
//! prediction, on relative losses: a comparison in a closed form, and no more than that.

use serde::{Deserialize, Serialize};

use crate::{Candidates, TtaError};

/// For each image the mean probability over the `keep` passes of least entropy (of equals the first), as log-probabilities `[n, classes]`. `members` are
/// log-probabilities `[n, classes]` of each pass.
///
/// ```
/// use firetender_tta::most_certain;
/// let sure = [0.9_f32, 0.1].map(f32::ln).to_vec();
/// let unsure = [0.5_f32, 0.5].map(f32::ln).to_vec();
/// let kept = most_certain(&[unsure, sure.clone()], 2, 1)?;
/// assert!((kept[0] - sure[0]).abs() < 1e-6);
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
///
/// # Errors
/// [`TtaError::Options`] for no passes to keep, or more than there are; [`TtaError::Length`] for tables of different length.
pub fn most_certain(
    members: &[Vec<f32>],
    classes: usize,
    keep: usize,
) -> Result<Vec<f32>, TtaError> {
    let rows = rows_of(members, classes)?;
    if keep == 0 || keep > members.len() {
        let expected = format!("1 to {}, the number of passes", members.len());
        return Err(TtaError::option("keep", keep, expected));
    }
    let chosen = (0..rows).map(|row| {
        let of = |member: &Vec<f32>| entropy(&member[row * classes..(row + 1) * classes]);
        let mut order: Vec<(f64, usize)> = members.iter().map(of).zip(0..).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        order.into_iter().take(keep).map(|(_, pass)| pass).collect()
    });
    mean_of(members, classes, &chosen.collect::<Vec<Vec<usize>>>())
}

/// Features of a prediction for [`LossPredictor`]: `[n, classes + 2]`, the probabilities, their entropy, and how far the first is above the second.
/// `log_probs` are `[n, classes]`.
///
/// # Errors
/// [`TtaError::Length`] for a table that is not rows of `classes`.
pub fn confidence_features(log_probs: &[f32], classes: usize) -> Result<Vec<f64>, TtaError> {
    rows_of(&[log_probs], classes)?;
    let mut features = Vec::with_capacity(log_probs.len() / classes * (classes + 2));
    for row in log_probs.chunks_exact(classes) {
        let (mut first, mut second) = (0.0_f64, 0.0_f64);
        for log in row {
            let p = f64::from(*log).exp();
            if p > first {
                (first, second) = (p, first);
            } else {
                second = second.max(p);
            }
            features.push(p);
        }
        features.extend([entropy(row), first - second]);
    }
    Ok(features)
}

/// Predicts which entries of a pool will do well on an image, from features of the image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossPredictor {
    entries: usize,
    /// Mean and deviation of each feature.
    scale: Vec<[f64; 2]>,
    /// For every feature, and at the end for none, one number an entry.
    coefficients: Vec<Vec<f64>>,
}

/// Losses above this are all the same: an image that is hopeless under a recipe should not decide everything.
const MOST_LOSS: f64 = 10.0;

impl LossPredictor {
    /// Fits by ridge regression on a validation pool. `features` are `[samples, width]`; they are brought to mean 0 and deviation 1, and `ridge` is relative to that. The
    /// target for an entry is its loss (negative log-likelihood, at most 10) less the mean over entries for that sample.
    ///
    /// ```
    /// use firetender_tta::{Candidates, LossPredictor, PredictionKind};
    /// // Entry 0 is right on images of kind 0, entry 1 on those of kind 1; the feature is the kind.
    /// let pool = [0.9_f32, 0.1, 0.9, 0.1, 0.5, 0.5, 0.5, 0.5, /* entry 1 */ 0.5, 0.5, 0.5, 0.5, 0.9, 0.1, 0.9, 0.1];
    /// let candidates = Candidates::new(PredictionKind::Probs, &pool, [2, 4, 2], &[0; 4])?;
    /// let fitted = LossPredictor::fit(&candidates, &[0.0, 0.0, 1.0, 1.0], 1e-3)?;
    /// assert_eq!(fitted.choose(&[0.0, 1.0], 1)?, [[0], [1]]);
    /// # Ok::<(), firetender_tta::TtaError>(())
    /// ```
    ///
    /// # Errors
    /// [`TtaError::Length`] for features that are not rows for every sample; [`TtaError::Options`] for a feature that is not finite, or a ridge that is not
    /// positive; reading errors of streamed candidates.
    pub fn fit(candidates: &Candidates, features: &[f64], ridge: f64) -> Result<Self, TtaError> {
        let (samples, entries) = (candidates.samples(), candidates.entries());
        if features.is_empty() || !features.len().is_multiple_of(samples) {
            return Err(TtaError::Length {
                what: "features",
                found: features.len(),
                expected: samples * (features.len() / samples).max(1),
            });
        }
        finite(features)?;
        if !(ridge > 0.0 && ridge.is_finite()) {
            return Err(TtaError::option("ridge", ridge, "a positive number"));
        }
        let width = features.len() / samples;
        let weights = &candidates.weights.as_flattened()[..samples];
        let total: f64 = weights.iter().sum();
        let mean = |of: &dyn Fn(usize) -> f64| -> f64 {
            weights.iter().zip(0..).map(|(w, i)| w * of(i)).sum::<f64>() / total
        };
        let scale: Vec<[f64; 2]> = (0..width)
            .map(|f| {
                let centre = mean(&|i| features[i * width + f]);
                let spread = mean(&|i| (features[i * width + f] - centre).powi(2)).sqrt();
                // A feature that never changes says nothing.
                [
                    centre,
                    if spread > 1e-12 {
                        spread
                    } else {
                        f64::INFINITY
                    },
                ]
            })
            .collect();
        let mut losses = vec![0.0; samples * entries];
        let classes = candidates.classes();
        for entry in 0..entries {
            let probs = candidates.entry(entry)?;
            for (sample, label) in candidates.labels().iter().enumerate() {
                let p = f64::from(probs[sample * classes + *label as usize]);
                losses[sample * entries + entry] = (-p.ln()).min(MOST_LOSS);
            }
        }
        for row in losses.chunks_exact_mut(entries) {
            let centre = row.iter().sum::<f64>() / entries as f64;
            row.iter_mut().for_each(|x| *x -= centre);
        }
        let size = width + 1;
        let mut normal = vec![0.0; size * size];
        let mut right = vec![vec![0.0; entries]; size];
        for sample in 0..samples {
            let row = scaled(&features[sample * width..(sample + 1) * width], &scale);
            let weight = weights[sample] / total;
            for (a, x) in row.iter().enumerate() {
                for (b, y) in row.iter().enumerate() {
                    normal[a * size + b] += weight * x * y;
                }
                let targets = &losses[sample * entries..(sample + 1) * entries];
                for (sum, target) in right[a].iter_mut().zip(targets) {
                    *sum += weight * x * target;
                }
            }
        }
        // The constant is not penalised.
        for f in 0..width {
            normal[f * size + f] += ridge;
        }
        solve(&mut normal, &mut right, size);
        Ok(Self {
            entries,
            scale,
            coefficients: right,
        })
    }

    /// Predicted relative losses, `[n, entries]`.
    ///
    /// # Errors
    /// [`TtaError::Length`] for features of another width; [`TtaError::Options`] for one that is not finite.
    pub fn predict(&self, features: &[f64]) -> Result<Vec<f64>, TtaError> {
        let width = self.scale.len();
        if !features.len().is_multiple_of(width) {
            return Err(TtaError::Length {
                what: "features",
                found: features.len(),
                expected: features.len() / width * width,
            });
        }
        finite(features)?;
        let mut out = Vec::with_capacity(features.len() / width * self.entries);
        for row in features.chunks_exact(width) {
            let mut sums = vec![0.0; self.entries];
            for (x, coefficients) in scaled(row, &self.scale).iter().zip(&self.coefficients) {
                for (sum, c) in sums.iter_mut().zip(coefficients) {
                    *sum += x * c;
                }
            }
            out.extend(sums);
        }
        Ok(out)
    }

    /// The `count` entries of least predicted loss for each image, best first, of equals the first.
    ///
    /// # Errors
    /// As [`LossPredictor::predict`]; [`TtaError::Options`] for none, or more than there are.
    pub fn choose(&self, features: &[f64], count: usize) -> Result<Vec<Vec<usize>>, TtaError> {
        if count == 0 || count > self.entries {
            let expected = format!("1 to {}, the number of entries", self.entries);
            return Err(TtaError::option("count", count, expected));
        }
        let losses = self.predict(features)?;
        let of = |row: &[f64]| {
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by(|a, b| row[*a].total_cmp(&row[*b]).then(a.cmp(b)));
            order.truncate(count);
            order
        };
        Ok(losses.chunks_exact(self.entries).map(of).collect())
    }

    /// For each image the mean probability over the entries chosen for it, as log-probabilities `[n, classes]`. `members` holds one table an entry; at run time only
    /// the chosen ones would have to be computed.
    ///
    /// # Errors
    /// As [`LossPredictor::choose`]; [`TtaError::Length`] for another number of tables or rows.
    pub fn merge(
        &self,
        members: &[Vec<f32>],
        classes: usize,
        features: &[f64],
        count: usize,
    ) -> Result<Vec<f32>, TtaError> {
        let chosen = self.choose(features, count)?;
        if members.len() != self.entries {
            return Err(TtaError::Length {
                what: "tables of predictions",
                found: members.len(),
                expected: self.entries,
            });
        }
        mean_of(members, classes, &chosen)
    }
}

fn finite(features: &[f64]) -> Result<(), TtaError> {
    match features.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(TtaError::option(
            "features",
            format!("{} at {at}", features[at]),
            "finite numbers",
        )),
        None => Ok(()),
    }
}

fn scaled(row: &[f64], scale: &[[f64; 2]]) -> Vec<f64> {
    let features = row
        .iter()
        .zip(scale)
        .map(|(x, [centre, spread])| (x - centre) / spread);
    features.chain([1.0]).collect()
}

fn entropy(row: &[f32]) -> f64 {
    row.iter()
        .map(|log| {
            let log = f64::from(*log).max(-1e3);
            -log.exp() * log
        })
        .sum()
}

/// How many rows every table has.
fn rows_of(members: &[impl AsRef<[f32]>], classes: usize) -> Result<usize, TtaError> {
    let first = members.first().ok_or(TtaError::Empty { what: "passes" })?;
    let length = first.as_ref().len();
    if classes == 0 {
        return Err(TtaError::option("classes", 0, "at least 1"));
    }
    for member in members {
        let found = member.as_ref().len();
        if found != length || !found.is_multiple_of(classes) {
            return Err(TtaError::Length {
                what: "predictions of a pass",
                found,
                expected: length / classes * classes,
            });
        }
    }
    Ok(length / classes)
}

/// The mean over the passes chosen for each row.
fn mean_of(
    members: &[Vec<f32>],
    classes: usize,
    chosen: &[Vec<usize>],
) -> Result<Vec<f32>, TtaError> {
    let rows = rows_of(members, classes)?;
    if rows != chosen.len() {
        return Err(TtaError::Length {
            what: "rows",
            found: chosen.len(),
            expected: rows,
        });
    }
    let mut out = Vec::with_capacity(rows * classes);
    for (row, passes) in chosen.iter().enumerate() {
        for class in 0..classes {
            let of = |pass: &usize| f64::from(members[*pass][row * classes + class]).exp();
            let sum: f64 = passes.iter().map(of).sum();
            out.push((sum / passes.len() as f64).ln() as f32);
        }
    }
    Ok(out)
}

/// Solves `A X = R` in place, A symmetric and positive definite, by elimination.
fn solve(a: &mut [f64], right: &mut [Vec<f64>], size: usize) {
    for pivot in 0..size {
        let top = right[pivot].clone();
        for row in pivot + 1..size {
            let factor = a[row * size + pivot] / a[pivot * size + pivot];
            for column in pivot..size {
                a[row * size + column] -= factor * a[pivot * size + column];
            }
            for (x, t) in right[row].iter_mut().zip(&top) {
                *x -= factor * t;
            }
        }
    }
    for row in (0..size).rev() {
        for below in row + 1..size {
            let factor = a[row * size + below];
            let known = right[below].clone();
            for (x, k) in right[row].iter_mut().zip(known) {
                *x -= factor * k;
            }
        }
        let pivot = a[row * size + row];
        right[row].iter_mut().for_each(|x| *x /= pivot);
    }
}

#[cfg(test)]
mod tests;
