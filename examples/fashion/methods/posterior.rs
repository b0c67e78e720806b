//! Distributions around trained weights: SWAG from the end of a chain, Laplace approximations of a finished network.

use burn::{module::Module, tensor::activation::log_softmax};
use firetender_support::{
    Failure,
    fashion::{CLASSES, FashionNetConfig, Images, shift_and_flip},
};
use firetender_uncertainty::training::{
    DiagonalLaplace, LastLayerLaplace, PlateauLinear, Swag, SwagConfig, WeightSpace,
    refresh_batch_norm,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Bench, DECAY, MEMBERS, Prediction, RATE, named, seed};
use crate::chain::Chain;

impl Bench<'_> {
    pub(super) fn swag(&self, run: usize) -> Result<Vec<Prediction>, Failure> {
        // Down to the averaging rate within the first eight epochs, then constant.
        let schedule = PlateauLinear::new(RATE, 8 * self.steps())?.with_floor(0.2)?;
        let chain = self.chain(&named("swag", run), seed(401, run), 16, schedule);
        let records = self.run(Chain {
            sample: Box::new(|epoch| epoch > 8),
            ..chain
        })?;
        let live = FashionNetConfig::new().init(0, &self.device);
        let space = WeightSpace::of(&live)?;
        let mut swag = Swag::new(
            &space,
            SwagConfig {
                rank: 10,
                ..SwagConfig::default()
            },
        )?;
        let mut last = live.valid();
        for record in records {
            last = last.valid().try_load_record(record)?;
            swag.collect(&last)?;
        }
        let rows: Vec<usize> = (0..self.train.len().min(5_000)).collect();
        swag.samples(&last, seed(402, run))
            .take(MEMBERS)
            .enumerate()
            .map(|(member, sample)| {
                let mut random = ChaCha8Rng::seed_from_u64(seed(403, run) + member as u64);
                let model = refresh_batch_norm(&sample?, rows.chunks(500), |model, rows| {
                    let input = self.train.tensor(rows, &self.device, |_, from, to| {
                        shift_and_flip(&mut random, from, to);
                    });
                    let _ = model.forward(input);
                    rows.len()
                })?;
                self.predict(&model, self.test)
            })
            .collect()
    }

    pub(super) fn last_layer(&self, run: usize) -> Result<Vec<Prediction>, Failure> {
        let model = self.load(self.network(run)?)?;
        let bias = model.head.bias.as_ref().map(|bias| bias.val());
        let mut posterior = LastLayerLaplace::new(model.head.weight.val(), bias)?;
        let rows: Vec<usize> = (0..self.train.len()).collect();
        for rows in rows.chunks(500) {
            posterior.add(model.features(self.plain(self.train, rows)))?;
        }
        let posterior = posterior.with_prior(self.train.len() as f64 * DECAY)?;
        let members =
            |scale: f64, count: usize, images: &Images| -> Result<Vec<Prediction>, Failure> {
                let posterior = posterior.clone().with_scale(scale)?;
                let samples = posterior.samples(seed(601, run)).take(count);
                samples
                    .map(|layer| {
                        let layer = layer?;
                        self.passes(images, |rows| {
                            layer.logits(model.features(self.plain(images, rows)))
                        })
                    })
                    .collect()
            };
        self.best_scale(&named("laplace-last", run), members)
    }

    pub(super) fn diagonal(&self, run: usize) -> Result<Vec<Prediction>, Failure> {
        let record = self.network(run)?;
        let live = FashionNetConfig::new()
            .init(0, &self.device)
            .try_load_record(record)?;
        let space = WeightSpace::of(&live)?;
        let objects = self.train.len() as u64;
        let posterior = DiagonalLaplace::fit(
            &live,
            &space,
            objects,
            objects as f64 * DECAY,
            0..self.train.len().min(2_000),
            |model, row| {
                let log = log_softmax(model.forward(self.train.plain(&[row], &self.device)), 1);
                let target = self.train.targets(&[row], &self.device);
                log.gather(1, target.reshape([1, 1])).neg().reshape([1])
            },
        )?;
        let members =
            |scale: f64, count: usize, images: &Images| -> Result<Vec<Prediction>, Failure> {
                let posterior = posterior.clone().with_scale(scale)?;
                let template = live.valid();
                let samples = posterior.samples(&template, seed(701, run)).take(count);
                samples.map(|model| self.predict(&model?, images)).collect()
            };
        self.best_scale(&named("laplace-diag", run), members)
    }

    /// Members at the scale whose first five have the best log-likelihood on held-out training images.
    fn best_scale(
        &self,
        name: &str,
        members: impl Fn(f64, usize, &Images) -> Result<Vec<Prediction>, Failure>,
    ) -> Result<Vec<Prediction>, Failure> {
        let mut best = (f64::NEG_INFINITY, 1.0);
        for step in 0..9 {
            let scale = 10_f64.powf(-1.0 + 0.25 * f64::from(step));
            let likelihood = likelihood(&members(scale, 5, self.held_out)?, self.held_out.labels());
            if likelihood > best.0 {
                best = (likelihood, scale);
            }
        }
        eprintln!(
            "{name:<12} scale {:.3}: held-out log-likelihood {:.4}",
            best.1, best.0
        );
        members(best.1, MEMBERS, self.test)
    }
}

/// Mean log-probability of the labels under the averaged members.
fn likelihood(members: &[Prediction], labels: &[u8]) -> f64 {
    let sum: f64 = labels
        .iter()
        .enumerate()
        .map(|(row, &label)| {
            let at = row * CLASSES + usize::from(label);
            let mean = members
                .iter()
                .map(|member| f64::from(member[at]).exp())
                .sum::<f64>()
                / members.len() as f64;
            mean.ln()
        })
        .sum();
    sum / labels.len() as f64
}
