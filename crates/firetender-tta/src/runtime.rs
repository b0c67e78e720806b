//! Predicting with a policy: a prefix of its recipes, averaged.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::{Feed, Policy, Predictor, RgbImage, TtaError, predict_entry};

/// How predictions are merged. `p` are probabilities; all but the mean are normalised again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Merge {
    /// The mean of probabilities: what policies are searched for.
    #[default]
    Mean,
    /// The geometric mean, in the logarithm.
    GeometricMean,
    /// A weighted mean, one weight a sample, such as those of a [`crate::MixtureOptimum`].
    Weighted(Vec<f64>),
    /// The largest of each class.
    Max,
    /// The least of each class.
    Min,
    /// The mean of square roots ("tsharpen" elsewhere).
    Sharpen,
}

/// Predicts with a prefix of a policy.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use firetender_tta::*;
/// let network = FromLogits::new(3, |images: Tensor<4>| images.mean_dim(3).mean_dim(2).reshape([-1, 3]));
/// let policy = baselines::crop_flip(&Policy::cifar(), 4);
/// let (normalisation, device) = (Normalisation::none(), Device::flex());
/// let feed = Feed { normalisation: &normalisation, device: &device, batch: 8 };
/// let image = RgbImage::filled(32, 32, [9, 200, 0])?;
/// let found = Tta::new(&policy).predict(&network, &[image], 4, &feed)?;
/// assert_eq!(found.probs.dims(), [1, 3]);
/// # Ok::<(), TtaError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tta<'a> {
    policy: &'a Policy,
    seed: u64,
    merge: Merge,
    temperature: f64,
}

/// What averaging found, on the host's device of the feed.
#[derive(Debug, Clone)]
pub struct TtaPrediction {
    /// Merged probabilities at the temperature, `[n, C]`.
    pub probs: Tensor<2>,
    /// Variance of the probabilities over samples, summed over classes, `[n]`: how much the image's prediction moves.
    pub variance: Tensor<1>,
    /// Entropy of the mean minus mean entropy, nats, `[n]`: how much the samples disagree.
    pub mutual_information: Tensor<1>,
}

impl<'a> Tta<'a> {
    /// The mean at temperature 1.
    #[must_use]
    pub fn new(policy: &'a Policy) -> Self {
        Self {
            policy,
            seed: 0,
            merge: Merge::Mean,
            temperature: 1.0,
        }
    }

    /// Other draws.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Another merge.
    #[must_use]
    pub fn with_merge(mut self, merge: Merge) -> Self {
        self.merge = merge;
        self
    }

    /// A temperature that the logarithm of the merged prediction is divided by, such as the search's.
    ///
    /// # Errors
    /// [`TtaError::Options`] for one that is not positive and finite.
    pub fn with_temperature(mut self, temperature: f64) -> Result<Self, TtaError> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(TtaError::option(
                "temperature",
                temperature,
                "a positive number",
            ));
        }
        self.temperature = temperature;
        Ok(self)
    }

    /// Entry and repeat of each of `samples` passes: a prefix, or, for more samples than entries, every entry `samples / len` times and a prefix
    /// once more.
    ///
    /// # Errors
    /// [`TtaError::Empty`] for an empty policy or no samples.
    pub fn plan(&self, samples: usize) -> Result<Vec<(usize, u64)>, TtaError> {
        let len = self.policy.len();
        if len == 0 || samples == 0 {
            return Err(TtaError::Empty {
                what: "samples or recipes",
            });
        }
        Ok((0..samples)
            .map(|at| (at % len, (at / len) as u64))
            .collect())
    }

    /// The plan for every recipe of the policy once, where no more than `budget` passes may be made.
    ///
    /// # Errors
    /// [`TtaError::Options`] for a policy that is longer than the budget: its prefix is the policy for the budget, and taking it should be somebody's
    /// decision ([`Policy::select`]); as [`Tta::plan`].
    pub fn whole(&self, budget: usize) -> Result<Vec<(usize, u64)>, TtaError> {
        let len = self.policy.len();
        if len > budget {
            let found = format!("{len} recipes");
            let expected = format!("at most {budget}, the budget of passes");
            return Err(TtaError::option("policy", found, expected));
        }
        self.plan(len)
    }

    /// The predictions of every pass, `[N, C]` log-probabilities each: what evaluations of all prefixes are made from.
    ///
    /// # Errors
    /// As [`Tta::plan`] and [`predict_entry`].
    pub fn members(
        &self,
        predictor: &dyn Predictor,
        images: &[RgbImage],
        samples: usize,
        feed: &Feed<'_>,
    ) -> Result<Vec<Vec<f32>>, TtaError> {
        // One recipe may stand in a policy several times; each place draws anew.
        self.plan(samples)?
            .into_iter()
            .map(|(entry, repeat)| {
                predict_entry(
                    predictor,
                    self.policy,
                    entry,
                    images,
                    feed,
                    [self.seed, repeat],
                )
            })
            .collect()
    }

    /// Predicts with the first `samples` passes.
    ///
    /// # Errors
    /// As [`Tta::members`]; [`TtaError::Length`] for another number of weights; [`TtaError::Options`] for weights that are negative or all zero.
    pub fn predict(
        &self,
        predictor: &dyn Predictor,
        images: &[RgbImage],
        samples: usize,
        feed: &Feed<'_>,
    ) -> Result<TtaPrediction, TtaError> {
        let weights = match &self.merge {
            Merge::Weighted(weights) => {
                if weights.len() != samples {
                    return Err(TtaError::Length {
                        what: "weights",
                        found: weights.len(),
                        expected: samples,
                    });
                }
                let sum: f64 = weights.iter().sum();
                let fine = weights.iter().all(|w| *w >= 0.0) && sum > 0.0 && sum.is_finite();
                if !fine {
                    return Err(TtaError::option(
                        "weights",
                        sum,
                        "numbers of at least 0, not all 0",
                    ));
                }
                weights.iter().map(|w| w / sum).collect()
            }
            _ => vec![1.0 / samples.max(1) as f64; samples],
        };
        let members = self.members(predictor, images, samples, feed)?;
        let classes = predictor.classes();
        let tables: Vec<Tensor<2>> = members
            .into_iter()
            .map(|values| {
                Tensor::from_data(
                    TensorData::new(values, [images.len(), classes]),
                    feed.device,
                )
            })
            .collect();
        merge(&tables, &weights, &self.merge, self.temperature)
    }
}

/// Merges log-probabilities `[n, C]` of several samples, on their device.
///
/// # Errors
/// [`TtaError::Empty`] without samples; [`TtaError::Length`] for another number of weights, or tables of different shape; [`TtaError::Options`] for a
/// temperature that is not positive and finite.
pub fn merge(
    tables: &[Tensor<2>],
    weights: &[f64],
    how: &Merge,
    temperature: f64,
) -> Result<TtaPrediction, TtaError> {
    let first = tables.first().ok_or(TtaError::Empty { what: "samples" })?;
    let rows = first.dims()[0];
    if weights.len() != tables.len() {
        return Err(TtaError::Length {
            what: "weights",
            found: weights.len(),
            expected: tables.len(),
        });
    }
    if let Some(wrong) = tables.iter().find(|table| table.dims() != first.dims()) {
        return Err(TtaError::Length {
            what: "predictions of a sample",
            found: wrong.dims().iter().product(),
            expected: first.dims().iter().product(),
        });
    }
    if !(temperature > 0.0 && temperature.is_finite()) {
        let expected = "a positive number";
        return Err(TtaError::option("temperature", temperature, expected));
    }
    let zeros = || Tensor::<2>::zeros_like(first);
    let (mut mean, mut square, mut entropy, mut merged) = (zeros(), zeros(), zeros(), None);
    for (table, &weight) in tables.iter().zip(weights) {
        let p = table.clone().exp();
        let logs = table.clone().clamp_min(-1e4);
        mean = mean + p.clone() * weight;
        square = square + p.clone().square() * weight;
        entropy = entropy - p.clone() * logs.clone() * weight;
        let part = match how {
            Merge::Mean | Merge::Weighted(_) => continue,
            Merge::GeometricMean => logs * weight,
            Merge::Sharpen => p.sqrt() * weight,
            Merge::Max | Merge::Min => p,
        };
        merged = Some(match merged {
            None => part,
            Some(sofar) => match how {
                Merge::Max => part.max_pair(sofar),
                Merge::Min => part.min_pair(sofar),
                _ => part + sofar,
            },
        });
    }
    let merged: Tensor<2> = match (how, merged) {
        (Merge::GeometricMean, Some(logs)) => logs,
        (_, Some(p)) => p.clamp_min(1e-30).log(),
        (_, None) => mean.clone().clamp_min(1e-30).log(),
    };
    let probs = burn::tensor::activation::softmax(merged / temperature, 1);
    let variance = (square - mean.clone().square())
        .clamp_min(0.0)
        .sum_dim(1)
        .reshape([rows]);
    let of_mean = -(mean.clone() * mean.clamp_min(1e-30).log()).sum_dim(1);
    let mutual_information = (of_mean - entropy.sum_dim(1))
        .clamp_min(0.0)
        .reshape([rows]);
    Ok(TtaPrediction {
        probs,
        variance,
        mutual_information,
    })
}

#[cfg(test)]
mod tests;
