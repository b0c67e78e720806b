//! SWAG (Maddox, Garipov, Izmailov, Vetrov, Wilson 2019): a Gaussian around the average of late weights, with the spread that they
//! had: a variance for each weight and a few directions.
//!
//! Collect once an epoch at a constant, fairly high rate; then sample as many networks as wanted, each with batch normalisation
//! re-estimated ([`refresh_batch_norm`](super::refresh_batch_norm)). Moments are kept on the host in `f64` by Welford's update: a
//! difference of means of squares in `f32`, as published code has it, cancels. Samples are functions of (seed, number): one
//! low-rank draw for *all* tensors together, or the directions would mean nothing.

use std::collections::VecDeque;

use burn::module::Module;

use super::{
    noise::{Purpose, normals, stream},
    record::StateRecord,
    space::{WeightSpace, factor, finite},
};
use crate::UncertaintyError;

/// What a [`Swag`] keeps and how widely it samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SwagConfig {
    /// Deviations kept for the low-rank part; 0 for the diagonal alone. Published: 20.
    pub rank: usize,
    /// Factor on the covariance. 0.5 is the published one with a low-rank part, 1 without.
    pub scale: f64,
    /// Lowest variance of a weight.
    pub floor: f64,
}

impl Default for SwagConfig {
    fn default() -> Self {
        Self {
            rank: 20,
            scale: 0.5,
            floor: 1e-30,
        }
    }
}

/// Running moments of weights, and samples from the Gaussian they describe.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use firetender_uncertainty::training::{Swag, SwagConfig, WeightSpace};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let model = LinearConfig::new(2, 1).init(&Device::flex().autodiff());
/// let space = WeightSpace::of(&model)?;
/// let mut swag = Swag::new(&space, SwagConfig::default())?;
/// for value in [1.0, 2.0, 3.0] {
///     swag.collect(&space.write(model.clone(), &[value, 0.0, -value])?)?;
/// }
/// assert_eq!(swag.mean(), [2.0, 0.0, -2.0]);
/// // The variance of 1, 2, 3, not a standard deviation.
/// assert!((swag.variance()[0] - 2.0 / 3.0).abs() < 1e-12);
/// let members: Vec<_> = swag.samples(&model, 7).take(5).collect::<Result<_, _>>()?;
/// assert_eq!(members.len(), 5);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Swag {
    config: SwagConfig,
    space: WeightSpace,
    count: u64,
    mean: Vec<f64>,
    squares: Vec<f64>,
    deviations: VecDeque<Vec<f64>>,
}

impl Swag {
    /// Nothing collected yet.
    ///
    /// # Errors
    /// A negative scale or floor, or one that is not finite.
    pub fn new(space: &WeightSpace, config: SwagConfig) -> Result<Self, UncertaintyError> {
        factor("scale", config.scale)?;
        factor("floor", config.floor)?;
        Ok(Self {
            config,
            space: space.clone(),
            count: 0,
            mean: vec![0.0; space.weights()],
            squares: vec![0.0; space.weights()],
            deviations: VecDeque::new(),
        })
    }

    /// Takes the model's present weights into the moments. The deviation kept is that from the mean *after* this update.
    ///
    /// # Errors
    /// A module without these weights, or with one that is not finite.
    pub fn collect<M: Module>(&mut self, model: &M) -> Result<(), UncertaintyError> {
        let values = self.space.read(model)?;
        finite(&values, |at| format!("weight number {at}"))?;
        self.count += 1;
        let part = 1.0 / self.count as f64;
        let mut deviation = vec![0.0; values.len()];
        for (at, &value) in values.iter().enumerate() {
            let before = value - self.mean[at];
            self.mean[at] += before * part;
            let after = value - self.mean[at];
            self.squares[at] += before * after;
            deviation[at] = after;
        }
        if self.config.rank > 0 {
            if self.deviations.len() == self.config.rank {
                self.deviations.pop_front();
            }
            self.deviations.push_back(deviation);
        }
        Ok(())
    }

    /// How many were collected.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean of each weight, in the order of the [`WeightSpace`].
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The variance of each weight (over the count, not one less), at least the floor.
    #[must_use]
    pub fn variance(&self) -> Vec<f64> {
        let part = 1.0 / self.count.max(1) as f64;
        self.squares
            .iter()
            .map(|&square| (square * part).max(self.config.floor))
            .collect()
    }

    /// Weights number `index` of this seed:
    /// `mean + √scale · (√variance z₁ + D z₂ / √(r − 1))` with the r deviations held as columns of D, and √1 where r is 1.
    ///
    /// # Errors
    /// Before the first [`collect`](Self::collect).
    pub fn sample_weights(&self, seed: u64, index: u64) -> Result<Vec<f64>, UncertaintyError> {
        if self.count == 0 {
            return Err(UncertaintyError::Empty {
                what: "collected weights",
            });
        }
        let scale = self.config.scale.sqrt();
        let mut diagonal = stream(seed, Purpose::SwagDiagonal, [index, 0], 0);
        let mut sample: Vec<f64> = normals(&mut diagonal, self.mean.len())
            .into_iter()
            .zip(self.variance())
            .zip(&self.mean)
            .map(|((z, variance), mean)| mean + scale * variance.sqrt() * z)
            .collect();
        let rank = self.deviations.len();
        let divisor = (rank.saturating_sub(1).max(1) as f64).sqrt();
        let mut low_rank = stream(seed, Purpose::SwagLowRank, [index, 0], 0);
        for (z, deviation) in normals(&mut low_rank, rank)
            .into_iter()
            .zip(&self.deviations)
        {
            let share = scale * z / divisor;
            for (value, deviation) in sample.iter_mut().zip(deviation) {
                *value += share * deviation;
            }
        }
        Ok(sample)
    }

    /// Network number `index` of this seed, in evaluation mode. Its running statistics are the template's: refresh them before use.
    ///
    /// # Errors
    /// Before the first [`collect`](Self::collect); a template without these weights.
    pub fn sample<M: Module>(
        &self,
        template: &M,
        seed: u64,
        index: u64,
    ) -> Result<M, UncertaintyError> {
        self.space
            .write(template.valid(), &self.sample_weights(seed, index)?)
    }

    /// Networks without end, as [`sample`](Self::sample) makes them.
    pub fn samples<'a, M: Module>(
        &'a self,
        template: &'a M,
        seed: u64,
    ) -> impl Iterator<Item = Result<M, UncertaintyError>> + 'a {
        let weights = move |index| self.sample_weights(seed, index);
        self.space.members(template, weights)
    }

    /// The network at the mean (SWA), in evaluation mode. Its running statistics are the template's: refresh them before use.
    ///
    /// # Errors
    /// A template without these weights.
    pub fn center<M: Module>(&self, template: &M) -> Result<M, UncertaintyError> {
        self.space.write(template.valid(), &self.mean)
    }

    /// What [`resume`](Self::resume) needs.
    #[must_use]
    pub fn to_record(&self) -> StateRecord {
        let mut record = StateRecord::new("swag", &self.space)
            .with_number("rank", self.config.rank as f64)
            .with_number("scale", self.config.scale)
            .with_number("floor", self.config.floor)
            .with_number("count", self.count as f64)
            .with_number("deviations", self.deviations.len() as f64)
            .with_list("mean", &self.mean)
            .with_list("squares", &self.squares);
        for (at, deviation) in self.deviations.iter().enumerate() {
            record = record.with_list(&format!("deviation.{at}"), deviation);
        }
        record
    }

    /// Goes on from a record.
    ///
    /// # Errors
    /// A record of something else or of other weights.
    pub fn resume(space: &WeightSpace, record: &StateRecord) -> Result<Self, UncertaintyError> {
        record.expect("swag", space)?;
        let config = SwagConfig {
            rank: record.count("rank")? as usize,
            scale: record.number("scale")?,
            floor: record.number("floor")?,
        };
        let held = record.count("deviations")?;
        if held > config.rank as u64 {
            return Err(UncertaintyError::Mismatch {
                place: "record".to_owned(),
                field: "deviations",
                found: held.to_string(),
                expected: format!("at most the rank, {}", config.rank),
            });
        }
        let swag = Self::new(space, config)?;
        let length = space.weights();
        Ok(Self {
            count: record.count("count")?,
            mean: record.list("mean", length)?,
            squares: record.list("squares", length)?,
            deviations: (0..held)
                .map(|at| record.list(&format!("deviation.{at}"), length))
                .collect::<Result<_, _>>()?,
            ..swag
        })
    }
}
