//! The honest comparison: every method on the same images, with error bars.
//!
//! Test-time cross-validation as in the reference: the test set is divided at random into halves, the temperature is fitted on one and scored on the other,
//! both ways, several times; for every number of samples. Policies found by a search often beat random ones by little, so intervals of the
//! *difference* are given too, from the same images.

use serde::{Deserialize, Serialize};

use firetender_uncertainty::{
    Bootstrap, CalibratedPoint, Ensemble, Floor, Folds, Interval, Scores, Targets, calibrated_curve,
};

use crate::{Feed, Policy, Predictor, RgbImage, Tta, TtaError, mean_log_probs, predict_entry_each};

/// The protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Random divisions into halves: 5 on CIFAR, 2 on `ImageNet`.
    pub repeats: usize,
    /// Of the divisions and the bootstrap.
    pub seed: u64,
    /// Draws of the bootstrap.
    pub resamples: usize,
    /// Level of the intervals.
    pub level: f64,
}

impl Default for Evaluation {
    /// Five divisions, 1,000 draws, 95 %.
    fn default() -> Self {
        Self {
            repeats: 5,
            seed: 0,
            resamples: 1000,
            level: 0.95,
        }
    }
}

/// One method with one number of samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The method.
    pub method: String,
    /// Passes of the network for an image.
    pub samples: usize,
    /// Calibrated log-likelihood.
    pub cll: f64,
    /// Its interval, over images.
    pub cll_interval: [f64; 2],
    /// Log-likelihood as it is.
    pub ll: f64,
    /// Share of right answers.
    pub accuracy: f64,
    /// Its interval, over images.
    pub accuracy_interval: [f64; 2],
    /// Mean of the fitted temperatures.
    pub temperature: f64,
    /// Calibrated log-likelihood of each image.
    #[serde(skip)]
    pub objects: Vec<f64>,
    /// Whether each image is answered right, 1 or 0.
    #[serde(skip)]
    pub right: Vec<f64>,
}

/// A policy, and after how many passes it is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    /// What to call it.
    pub name: String,
    /// Its recipes.
    pub policy: Policy,
    /// Numbers of passes, increasing.
    pub sizes: Vec<usize>,
}

impl Method {
    /// From its parts.
    pub fn new(name: impl Into<String>, policy: Policy, sizes: &[usize]) -> Self {
        Self {
            name: name.into(),
            policy,
            sizes: sizes.to_vec(),
        }
    }
}

/// What [`Evaluation::compare`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The rows of each predictor, method after method.
    pub each: Vec<Vec<Row>>,
    /// Those of the mean of all predictors; empty for a single one.
    pub ensemble: Vec<Row>,
}

impl Evaluation {
    /// Every method with every predictor, and with their ensemble, on the same images under the same draws: all of a comparison in one call. `seed` is that of
    /// the draws, and ought to be another than a search's; `observer` is told how many passes are done and how many there are.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use firetender_tta::*;
    /// let network = FromLogits::new(3, |images: Tensor<4>| images.mean_dim(3).mean_dim(2).reshape([-1, 3]) * 6.0);
    /// let images = (0..8).map(|i| RgbImage::filled(8, 8, [30 * i, 90, 200 - 20 * i])).collect::<Result<Vec<_>, _>>()?;
    /// let labels = [2, 2, 2, 1, 0, 0, 0, 0];
    /// let (normalisation, device) = (Normalisation::none(), Device::flex());
    /// let feed = Feed { normalisation: &normalisation, device: &device, batch: 8 };
    /// let methods = baselines::standard(&Policy::cifar(), 8, &[1, 5])?;
    /// let found = Evaluation::default().compare(&[&network], &methods, &images, &labels, &feed, 7, &mut |_, _| {})?;
    /// assert_eq!(found.each[0][0].method, "central crop");
    /// assert!(found.ensemble.is_empty());
    /// # Ok::<(), TtaError>(())
    /// ```
    ///
    /// # Errors
    /// [`TtaError::Empty`] without predictors, images or sizes; [`TtaError::Mismatch`] for predictors of different classes; as [`Tta::plan`],
    /// [`predict_entry_each`] and [`Evaluation::run`].
    #[expect(
        clippy::too_many_arguments,
        reason = "what a comparison needs, no less"
    )]
    pub fn compare(
        &self,
        predictors: &[&dyn Predictor],
        methods: &[Method],
        images: &[RgbImage],
        labels: &[i64],
        feed: &Feed<'_>,
        seed: u64,
        observer: &mut dyn FnMut(usize, usize),
    ) -> Result<Compared, TtaError> {
        let first = predictors
            .first()
            .ok_or(TtaError::Empty { what: "predictors" })?;
        if images.is_empty() {
            return Err(TtaError::Empty { what: "images" });
        }
        let classes = first.classes();
        if let Some(at) = predictors.iter().position(|p| p.classes() != classes) {
            return Err(TtaError::Mismatch {
                place: format!("predictor {at}"),
                field: "classes",
                found: predictors[at].classes().to_string(),
                expected: classes.to_string(),
            });
        }
        let most = |method: &Method| method.sizes.iter().copied().max().unwrap_or(0);
        let all = methods.iter().map(most).sum();
        let mut done = 0;
        let mut found = Compared {
            each: vec![vec![]; predictors.len()],
            ensemble: vec![],
        };
        for method in methods {
            let tta = Tta::new(&method.policy).with_seed(seed);
            let mut members = vec![vec![]; predictors.len()];
            let mut together = vec![];
            for (entry, repeat) in tta.plan(most(method))? {
                let draws = [seed, repeat];
                let tables =
                    predict_entry_each(predictors, &method.policy, entry, images, feed, draws)?;
                if tables.len() > 1 {
                    together.push(mean_log_probs(&tables)?);
                }
                for (members, table) in members.iter_mut().zip(tables) {
                    members.push(table);
                }
                done += 1;
                observer(done, all);
            }
            let run = |members: &[Vec<f32>]| {
                self.run(&method.name, members, labels, classes, &method.sizes)
            };
            for (rows, members) in found.each.iter_mut().zip(&members) {
                rows.extend(run(members)?);
            }
            if !together.is_empty() {
                found.ensemble.extend(run(&together)?);
            }
        }
        Ok(found)
    }

    /// Scores one table of log-probabilities `[N, C]` that `samples` passes were merged into in some other way, such as by [`crate::LearnedWeights`].
    ///
    /// # Errors
    /// As [`Evaluation::run`].
    pub fn merged(
        &self,
        method: &str,
        samples: usize,
        table: &[f32],
        labels: &[i64],
        classes: usize,
    ) -> Result<Row, TtaError> {
        let mut rows = self.run(method, &[table.to_vec()], labels, classes, &[1])?;
        let mut row = rows.pop().ok_or(TtaError::Empty { what: "rows" })?;
        row.samples = samples;
        Ok(row)
    }

    /// Scores the first k of a method's predictions for every k in `sizes` (which increase). `members` are log-probabilities `[N, C]` each.
    ///
    /// ```
    /// use firetender_tta::Evaluation;
    /// let member = [0.9_f32, 0.1, 0.2, 0.8, 0.7, 0.3, 0.6, 0.4].map(f32::ln).to_vec();
    /// let rows = Evaluation::default().run("one", &[member], &[0, 1, 0, 1], 2, &[1])?;
    /// assert_eq!(rows[0].accuracy, 0.75);
    /// # Ok::<(), firetender_tta::TtaError>(())
    /// ```
    ///
    /// # Errors
    /// Shapes, labels and options, as [`calibrated_curve`] and [`Bootstrap::new`].
    pub fn run(
        &self,
        method: &str,
        members: &[Vec<f32>],
        labels: &[i64],
        classes: usize,
        sizes: &[usize],
    ) -> Result<Vec<Row>, TtaError> {
        let normalised = members
            .iter()
            .map(|member| Scores::logits(member.as_slice(), classes))
            .collect::<Result<Vec<_>, _>>()?;
        let targets = Targets::classes(labels);
        let folds = Folds::random(labels.len(), 2, self.repeats, self.seed)?;
        let curve = calibrated_curve(&normalised, &targets, &folds, sizes, Floor::Eps(1e-12))?;
        let bootstrap = Bootstrap::new(self.resamples, self.level, self.seed)?;
        let mut ensemble = Ensemble::new(labels.len(), classes)?;
        let mut used = 0;
        curve
            .points
            .into_iter()
            .map(|point| {
                while used < point.size {
                    ensemble.add(&normalised[used], 1.0)?;
                    used += 1;
                }
                let logs = ensemble.log_probs()?;
                let right: Vec<f64> = logs
                    .chunks(classes)
                    .zip(labels)
                    .map(|(row, label)| {
                        let mut best = 0;
                        for (class, x) in row.iter().enumerate() {
                            if *x > row[best] {
                                best = class;
                            }
                        }
                        f64::from(u8::from(best as i64 == *label))
                    })
                    .collect();
                Ok(row(method, point, right, &bootstrap)?)
            })
            .collect()
    }

    /// How much better `first` is than `second` on the same images: differences of calibrated log-likelihood and of accuracy, with intervals.
    ///
    /// # Errors
    /// Rows of different images; options, as [`Bootstrap::new`].
    pub fn difference(&self, first: &Row, second: &Row) -> Result<[Interval; 2], TtaError> {
        let bootstrap = Bootstrap::new(self.resamples, self.level, self.seed)?;
        Ok([
            bootstrap.paired_mean(&first.objects, &second.objects)?,
            bootstrap.paired_mean(&first.right, &second.right)?,
        ])
    }
}

fn row(
    method: &str,
    point: CalibratedPoint,
    right: Vec<f64>,
    bootstrap: &Bootstrap,
) -> Result<Row, firetender_uncertainty::UncertaintyError> {
    let (cll, accuracy) = (bootstrap.mean(&point.objects)?, bootstrap.mean(&right)?);
    let temperatures = point.fits.iter().map(|fit| fit.temperature);
    Ok(Row {
        method: method.to_owned(),
        samples: point.size,
        cll: point.calibrated_log_likelihood,
        cll_interval: [cll.low, cll.high],
        ll: point.log_likelihood,
        accuracy: right.iter().sum::<f64>() / right.len() as f64,
        accuracy_interval: [accuracy.low, accuracy.high],
        temperature: temperatures.sum::<f64>() / point.fits.len().max(1) as f64,
        objects: point.objects,
        right,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_better_method_is_better_beyond_the_interval() {
        let (n, c) = (400, 3);
        let labels: Vec<i64> = (0..n).map(|i| (i % 3) as i64).collect();
        let noisy = |error: usize, shift: usize| -> Vec<f32> {
            (0..n)
                .flat_map(|i| {
                    let wrong = (i * 7 + shift).is_multiple_of(error);
                    let answer = if wrong { (i + 1) % 3 } else { i % 3 };
                    (0..c).map(move |k| {
                        if k == answer {
                            0.8_f32.ln()
                        } else {
                            0.1_f32.ln()
                        }
                    })
                })
                .collect()
        };
        let evaluation = Evaluation::default();
        let good = evaluation
            .run("good", &[noisy(9, 0), noisy(9, 4)], &labels, c, &[1, 2])
            .unwrap();
        let bad = evaluation
            .run("bad", &[noisy(3, 0)], &labels, c, &[1])
            .unwrap();
        assert_eq!(good.len(), 2);
        assert!(good[0].cll > bad[0].cll && good[0].accuracy > bad[0].accuracy);
        assert!(good[0].cll_interval[0] <= good[0].cll && good[0].cll <= good[0].cll_interval[1]);
        let [cll, accuracy] = evaluation.difference(&good[0], &bad[0]).unwrap();
        assert!(cll.low > 0.0 && accuracy.low > 0.0);
        assert_eq!(
            evaluation
                .run("bad", &[noisy(3, 0)], &labels, c, &[1])
                .unwrap(),
            bad
        );
    }
}
