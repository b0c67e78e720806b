//! Any classifier, as a function from a batch of images to log-probabilities.

use burn::tensor::{Device, Tensor, activation::log_softmax};
use rayon::prelude::*;

use crate::{Address, Normalisation, Policy, RgbImage, TtaError, batch};

/// A classifier. Both tensors are on one device.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use firetender_tta::{FromLogits, Predictor, predictor_conformance};
/// // Two classes: brighter or darker than the middle.
/// let brightness = FromLogits::new(2, |images: Tensor<4>| {
///     let [n, ..] = images.dims();
///     let mean = images.reshape([n as i32, -1]).mean_dim(1) - 0.5;
///     Tensor::cat(vec![mean.clone(), -mean], 1) * 4.0
/// });
/// predictor_conformance(&brightness, [3, 8, 8], &Device::flex())?;
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
pub trait Predictor {
    /// How many classes.
    fn classes(&self) -> usize;
    /// Log-probabilities `[n, classes]` of images `[n, channels, height, width]`.
    ///
    /// # Errors
    /// Whatever keeps it from predicting.
    fn log_probs(&self, images: Tensor<4>) -> Result<Tensor<2>, TtaError>;
}

/// A predictor from a function that gives logits, such as a Burn module's `forward`.
pub struct FromLogits<F> {
    classes: usize,
    logits: F,
}

impl<F: Fn(Tensor<4>) -> Tensor<2>> FromLogits<F> {
    /// From a function to logits `[n, classes]`.
    pub fn new(classes: usize, logits: F) -> Self {
        Self { classes, logits }
    }
}

impl<F> std::fmt::Debug for FromLogits<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FromLogits")
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}

impl<F: Fn(Tensor<4>) -> Tensor<2>> Predictor for FromLogits<F> {
    fn classes(&self) -> usize {
        self.classes
    }

    fn log_probs(&self, images: Tensor<4>) -> Result<Tensor<2>, TtaError> {
        Ok(log_softmax((self.logits)(images), 1))
    }
}

/// Several predictors as one: the mean of their probabilities.
pub struct Members<'a> {
    members: Vec<&'a dyn Predictor>,
}

impl<'a> Members<'a> {
    /// From at least one predictor; all have the same classes.
    ///
    /// # Errors
    /// [`TtaError::Empty`]; [`TtaError::Mismatch`].
    pub fn new(members: Vec<&'a dyn Predictor>) -> Result<Self, TtaError> {
        let first = members.first().ok_or(TtaError::Empty { what: "members" })?;
        let expected = first.classes();
        if let Some(at) = members.iter().position(|m| m.classes() != expected) {
            return Err(TtaError::Mismatch {
                place: format!("member {at}"),
                field: "classes",
                found: members[at].classes().to_string(),
                expected: expected.to_string(),
            });
        }
        Ok(Self { members })
    }
}

impl std::fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Members({})", self.members.len())
    }
}

impl Predictor for Members<'_> {
    fn classes(&self) -> usize {
        self.members[0].classes()
    }

    fn log_probs(&self, images: Tensor<4>) -> Result<Tensor<2>, TtaError> {
        let tables = self
            .members
            .iter()
            .map(|member| member.log_probs(images.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        // log mean exp, shifted by the largest member.
        let count = tables.len() as f64;
        let top = tables[1..]
            .iter()
            .fold(tables[0].clone(), |top, table| top.max_pair(table.clone()));
        let sum = tables
            .into_iter()
            .map(|table| (table - top.clone()).exp())
            .reduce(|a, b| a + b);
        match sum {
            Some(sum) => Ok(sum.log() + top - count.ln()),
            None => Err(TtaError::Empty { what: "members" }),
        }
    }
}

/// The laws of a [`Predictor`], on eight images: the shape, rows that sum to one, and the same prediction for an image whatever stands beside it.
///
/// # Errors
/// [`TtaError::Predictor`] naming the law that does not hold; the predictor's own errors.
pub fn conformance(
    predictor: &dyn Predictor,
    [channels, height, width]: [usize; 3],
    device: &Device,
) -> Result<(), TtaError> {
    let count = 8 * channels * height * width;
    let values: Vec<f32> = (0..count).map(|i| (i * 37 % 101) as f32 / 101.0).collect();
    let data = burn::tensor::TensorData::new(values, [8, channels, height, width]);
    let images = Tensor::<4>::from_data(data, device);
    let classes = predictor.classes();
    let whole = predictor.log_probs(images.clone())?;
    if whole.dims() != [8, classes] {
        let what = format!("shape {:?}, expected [8, {classes}]", whole.dims());
        return Err(TtaError::Predictor(what));
    }
    let whole = read(whole)?;
    for row in whole.chunks(classes) {
        let sum: f64 = row.iter().map(|l| f64::from(*l).exp()).sum();
        if (sum - 1.0).abs() > 1e-3 {
            let what = format!("probabilities that sum to {sum}, expected 1");
            return Err(TtaError::Predictor(what));
        }
    }
    let half = read(predictor.log_probs(images.narrow(0, 4, 4))?)?;
    let gap = half
        .iter()
        .zip(&whole[4 * classes..])
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    if gap > 1e-3 {
        let what = format!("predictions that depend on the rest of the batch, by {gap}");
        return Err(TtaError::Predictor(what));
    }
    Ok(())
}

fn read(tensor: Tensor<2>) -> Result<Vec<f32>, TtaError> {
    tensor
        .try_into_vec_as::<f32>()
        .map_err(|error| TtaError::Tensor {
            what: "log-probabilities",
            reason: error.to_string(),
        })
}

/// How images get to a network.
#[derive(Debug, Clone)]
pub struct Feed<'a> {
    /// The network's numbers for a byte.
    pub normalisation: &'a Normalisation,
    /// Where it runs.
    pub device: &'a Device,
    /// Images in a batch. The result does not depend on it, but for the network's own rounding.
    pub batch: usize,
}

/// Log-probabilities `[N, C]` of images under one recipe, each with draws of its own: `seed`, the number of the entry, the number of
/// the image, and `repeat`. Augmentation runs on all threads, batches go to the device one after the other.
///
/// # Errors
/// As [`Policy::augment`], [`batch`] and [`Predictor::log_probs`]; [`TtaError::Predictor`] for a NaN or another shape.
pub fn predict_entry(
    predictor: &dyn Predictor,
    policy: &Policy,
    entry: usize,
    images: &[RgbImage],
    feed: &Feed<'_>,
    [seed, repeat]: [u64; 2],
) -> Result<Vec<f32>, TtaError> {
    let mut found = predict_entry_each(&[predictor], policy, entry, images, feed, [seed, repeat])?;
    found.pop().ok_or(TtaError::Empty { what: "predictors" })
}

/// [`predict_entry`] for several predictors, which see the same changed images: one table each, for the price of one augmentation.
///
/// # Errors
/// As [`predict_entry`].
pub fn predict_entry_each(
    predictors: &[&dyn Predictor],
    policy: &Policy,
    entry: usize,
    images: &[RgbImage],
    feed: &Feed<'_>,
    [seed, repeat]: [u64; 2],
) -> Result<Vec<Vec<f32>>, TtaError> {
    let recipe = policy
        .entries
        .get(entry)
        .ok_or_else(|| TtaError::option("entry", entry, format!("below {}", policy.len())))?;
    let mut all: Vec<Vec<f32>> = predictors
        .iter()
        .map(|p| Vec::with_capacity(images.len() * p.classes()))
        .collect();
    for (number, part) in images.chunks(feed.batch.max(1)).enumerate() {
        let first = number * feed.batch.max(1);
        let changed = part
            .par_iter()
            .enumerate()
            .map(|(at, image)| {
                let address = Address {
                    seed,
                    entry: entry as u64,
                    image: (first + at) as u64,
                    repeat,
                };
                policy.augment(recipe, image, address)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let tensor = batch(&changed, feed.normalisation, feed.device)?;
        for (predictor, out) in predictors.iter().zip(&mut all) {
            let classes = predictor.classes();
            let found = predictor.log_probs(tensor.clone())?;
            if found.dims() != [part.len(), classes] {
                let what = format!(
                    "shape {:?}, expected [{}, {classes}]",
                    found.dims(),
                    part.len()
                );
                return Err(TtaError::Predictor(what));
            }
            let found = read(found)?;
            if let Some(at) = found.iter().position(|x| x.is_nan()) {
                let (image, class) = (first + at / classes, at % classes);
                let what = format!("NaN for image {image}, class {class}");
                return Err(TtaError::Predictor(what));
            }
            out.extend(found);
        }
    }
    Ok(all)
}

/// Log of the mean probability of several tables of log-probabilities, each `[n, C]`: an ensemble's prediction from its members'. Host, `f64`.
///
/// ```
/// use firetender_tta::mean_log_probs;
/// let tables = [vec![0.9_f32.ln(), 0.1_f32.ln()], vec![0.5_f32.ln(), 0.5_f32.ln()]];
/// assert!((mean_log_probs(&tables)?[0].exp() - 0.7).abs() < 1e-6);
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
///
/// # Errors
/// [`TtaError::Empty`] without tables; [`TtaError::Length`] for tables of different length.
pub fn mean_log_probs(tables: &[Vec<f32>]) -> Result<Vec<f32>, TtaError> {
    let first = tables.first().ok_or(TtaError::Empty { what: "tables" })?;
    if let Some(wrong) = tables.iter().find(|table| table.len() != first.len()) {
        return Err(TtaError::Length {
            what: "predictions of a member",
            found: wrong.len(),
            expected: first.len(),
        });
    }
    let count = tables.len() as f64;
    let mean = |at: usize| -> f32 {
        let sum: f64 = tables.iter().map(|table| f64::from(table[at]).exp()).sum();
        (sum / count).ln() as f32
    };
    Ok((0..first.len()).map(mean).collect())
}

#[cfg(test)]
mod tests;
