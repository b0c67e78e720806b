//! Mean-field variational inference around a finished network, as the paper's: every weight a Gaussian, five more epochs, a cold
//! posterior.
//!
//! Means go on with gradient descent at a hundredth of the usual rate and its weight decay, which is the prior's; logarithms of
//! deviations with Adam. The divergence counts 10⁻⁴ of its weight. Published runs give the deviations 39,000 steps of 10⁻³; at 785 steps the
//! rate is 10⁻², or they would stay where they begin.

use std::fs;

use burn::{
    module::{Module, ParamId},
    nn::{BatchNorm, loss::CrossEntropyLossConfig},
    optim::{AdamConfig, GradientsParams},
    store::ModuleRecord,
    tensor::{Tensor, activation::relu},
};
use firetender_lm::write_atomically;
use firetender_support::{
    Failure,
    fashion::{FashionNet, shift_and_flip},
};
use firetender_uncertainty::training::{
    PlateauLinear, VariationalConv2d, VariationalLinear, WeightDraw,
};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use burn::lr_scheduler::LrScheduler;

use crate::{
    chain::BATCH,
    methods::{Bench, DECAY, MEMBERS, Prediction, descent, named, seed},
};

/// Epochs after those of the network that it begins from: a third, as in the paper.
pub(crate) const EPOCHS: usize = 5;
/// Weight of the divergence.
const COLD: f64 = 1e-4;
/// First standard deviations, exp(−5).
const DEVIATION: f64 = 0.006_737_946_999_085_467;
/// Learning rates of the means and of the logarithms of deviations.
const RATES: [f64; 2] = [1e-3, 1e-2];

/// Convolution with Gaussian weights, batch normalisation, rectifier.
#[derive(Module, Debug)]
struct Block {
    conv: VariationalConv2d,
    norm: BatchNorm,
}

/// The network with Gaussian weights.
#[derive(Module, Debug)]
struct VariationalNet {
    blocks: Vec<Block>,
    head: VariationalLinear,
}

impl VariationalNet {
    fn around(net: &FashionNet, objects: usize) -> Result<Self, Failure> {
        // Weight decay d on N objects is a Gaussian prior of variance 1 / (N d).
        let prior = (objects as f64 * DECAY).recip().sqrt();
        let mut blocks = vec![];
        for (number, (conv, norm)) in net.parts().enumerate() {
            blocks.push(Block {
                conv: VariationalConv2d::around(conv, DEVIATION, prior, number as u64)?,
                norm: norm.clone(),
            });
        }
        let number = blocks.len() as u64;
        Ok(Self {
            blocks,
            head: VariationalLinear::around(&net.head, DEVIATION, prior, number)?,
        })
    }

    fn forward(&self, images: Tensor<4>, draw: &WeightDraw) -> Tensor<2> {
        let mut maps = images;
        for block in &self.blocks {
            maps = relu(block.norm.forward(block.conv.forward(maps, Some(draw))));
        }
        let [rows, channels, height, width] = maps.dims();
        let features = maps
            .reshape([rows, channels, height * width])
            .mean_dim(2)
            .reshape([rows, channels]);
        self.head.forward(features, Some(draw))
    }

    fn kl(&self) -> Tensor<1> {
        let parts = self.blocks.iter().map(|block| block.conv.kl());
        parts.fold(self.head.kl(), |sum, part| sum + part)
    }

    /// The parameters that are logarithms of deviations.
    fn deviations(&self) -> Vec<ParamId> {
        let convs = self.blocks.iter().map(|block| block.conv.log_deviation.id);
        convs.chain([self.head.log_deviation.id]).collect()
    }
}

impl Bench<'_> {
    /// Members of one run, around the deep ensemble's network of the same number.
    pub(crate) fn variational(&self, run: usize) -> Result<Vec<Prediction>, Failure> {
        let start = self.load(self.network(run)?)?.train();
        let fresh = VariationalNet::around(&start, self.train.len())?;
        let path = self.folder.join(format!("{}.model", named("vi", run)));
        let model = if path.exists() {
            fresh.valid().try_load_record(ModuleRecord::load(&path)?)?
        } else {
            let model = self.train_variational(fresh, run)?.valid();
            fs::create_dir_all(self.folder)?;
            write_atomically(&path, &model.clone().into_record().into_bytes()?)?;
            model
        };
        (0..MEMBERS as u64)
            .map(|member| {
                self.passes(self.test, |rows| {
                    let draw = WeightDraw {
                        seed: seed(802, run),
                        member,
                        objects: rows.iter().map(|&row| row as u64).collect(),
                    };
                    model.forward(self.plain(self.test, rows), &draw)
                })
            })
            .collect()
    }

    fn train_variational(
        &self,
        mut model: VariationalNet,
        run: usize,
    ) -> Result<VariationalNet, Failure> {
        let seed = seed(801, run);
        let mut schedule = PlateauLinear::new(1.0, EPOCHS * self.steps())?;
        let deviations = model.deviations();
        let (mut means, mut spreads) = (descent(), AdamConfig::new().init());
        let loss = CrossEntropyLossConfig::new().init(&self.device);
        let mut step = 0;
        for epoch in 1..=EPOCHS {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(epoch as u64);
            let mut order: Vec<usize> = (0..self.train.len()).collect();
            order.shuffle(&mut random);
            let mut total = 0.0;
            for rows in order.chunks(BATCH) {
                let input = self.train.tensor(rows, &self.device, |_, from, to| {
                    shift_and_flip(&mut random, from, to);
                });
                let draw = WeightDraw {
                    seed,
                    member: step,
                    objects: rows.iter().map(|&row| row as u64).collect(),
                };
                let logits = model.forward(input, &draw);
                let value = loss.forward(logits, self.train.targets(rows, &self.device));
                total += value.clone().into_scalar::<f64>() * rows.len() as f64;
                let prior = model.kl().mul_scalar(COLD / self.train.len() as f64);
                let mut gradients = (value + prior).backward();
                let of_spreads = GradientsParams::from_params(&mut gradients, &model, &deviations);
                let of_means = GradientsParams::from_grads(gradients, &model);
                let factor = schedule.step();
                model = means.step(factor * RATES[0], model, of_means);
                model = spreads.step(factor * RATES[1], model, of_spreads);
                step += 1;
            }
            eprintln!(
                "{:<12} epoch {epoch:>3} of {EPOCHS:>3}  loss {:.4}",
                named("vi", run),
                total / self.train.len() as f64
            );
        }
        Ok(model)
    }
}
