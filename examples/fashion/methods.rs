//! The methods, what each costs, and the networks each yields.
//!
//! The unit of cost is an epoch: one pass over the 20,000 training images. One network takes [`NETWORK`] of them. The recipes are the
//! published ones (`docs/REPRODUCTION.md` says where they differ), scaled from 300 epochs to 15.

use std::path::Path;

use burn::{
    lr_scheduler::LrScheduler,
    module::Module,
    optim::{ModuleOptimizer, SgdConfig, decay::WeightDecayConfig, momentum::MomentumConfig},
    store::ModuleRecord,
    tensor::{Device, Tensor, activation::log_softmax},
};
use firetender_support::{
    Failure, fail,
    fashion::{CLASSES, FashionNet, FashionNetConfig, Images, shift_and_flip},
};
use firetender_uncertainty::training::{
    CyclicCosine, DiagonalLaplace, DropoutDraw, LangevinConfig, LastLayerLaplace, NoisyEnd,
    PlateauLinear, Swag, SwagConfig, TriangularFge, WeightSpace, refresh_batch_norm,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::chain::{BATCH, Chain, train};

/// Epochs of one independently trained network.
pub(crate) const NETWORK: usize = 15;
/// Networks in the deep ensemble's pool.
pub(crate) const POOL: usize = 10;
/// Members of every other method.
pub(crate) const MEMBERS: usize = 10;
/// Weight decay of every chain.
const DECAY: f64 = 5e-4;
/// Full learning rate of every chain with momentum.
const RATE: f64 = 0.1;

/// One method: its name as in the paper's code, and its cost.
pub(crate) struct Method {
    pub name: &'static str,
    /// Epochs before the first member.
    pub once: f64,
    /// Epochs for each member.
    pub each: f64,
}

/// All methods. A pass without gradients counts as a third of an epoch.
pub(crate) const METHODS: [Method; 8] = [
    Method {
        name: "deepens",
        once: 0.0,
        each: NETWORK as f64,
    },
    Method {
        name: "sse",
        once: 0.0,
        each: 5.0,
    },
    Method {
        name: "csgld",
        once: 0.0,
        each: 3.0,
    },
    Method {
        name: "fge",
        once: 8.0,
        each: 2.0,
    },
    Method {
        name: "swag",
        once: 18.0,
        each: 1.0 / 12.0,
    },
    Method {
        name: "dropout",
        once: NETWORK as f64,
        each: 0.0,
    },
    Method {
        name: "laplace-last",
        once: NETWORK as f64,
        each: 0.0,
    },
    Method {
        name: "laplace-diag",
        once: NETWORK as f64,
        each: 0.0,
    },
];

/// Where everything is.
pub(crate) struct Bench<'a> {
    /// The images trained on.
    pub train: &'a Images,
    /// Training images that no chain sees: they choose the scale of the Laplace approximations.
    pub held_out: &'a Images,
    /// The images predicted.
    pub test: &'a Images,
    /// For the chains.
    pub folder: &'a Path,
    /// With autodiff.
    pub device: Device,
}

/// Log-probabilities `[images · 10]`.
pub(crate) type Prediction = Vec<f32>;

impl Bench<'_> {
    fn steps(&self) -> usize {
        self.train.len().div_ceil(BATCH)
    }

    fn chain(
        &self,
        name: &str,
        seed: u64,
        epochs: usize,
        schedule: impl LrScheduler + 'static,
    ) -> Chain {
        Chain {
            name: name.to_owned(),
            seed,
            epochs,
            schedule: Box::new(schedule),
            optimizer: Box::new(|_| Ok(descent())),
            start: None,
            dropout: false,
            sample: Box::new(move |epoch| epoch == epochs),
        }
    }

    fn run(&self, chain: Chain) -> Result<Vec<ModuleRecord>, Failure> {
        train(chain, self.train, self.folder, &self.device)
    }

    /// One independently trained network; `number` from 1.
    pub(crate) fn network(&self, number: usize) -> Result<ModuleRecord, Failure> {
        let schedule = PlateauLinear::new(RATE, NETWORK * self.steps())?;
        let chain = self.chain(
            &format!("deepens-{number:02}"),
            number as u64,
            NETWORK,
            schedule,
        );
        match self.run(chain)?.pop() {
            Some(record) => Ok(record),
            None => fail("a chain without a sample"),
        }
    }

    /// The members of a method, trained as far as they are not yet, and their predictions on the test images.
    pub(crate) fn predictions(&self, method: &str) -> Result<Vec<Prediction>, Failure> {
        match method {
            "deepens" => (1..=POOL)
                .map(|number| self.predict(&self.load(self.network(number)?)?, self.test))
                .collect(),
            "sse" => {
                let schedule = CyclicCosine::new(RATE, 5 * self.steps())?;
                let chain = self.chain("sse", 101, 5 * MEMBERS, schedule);
                self.records(Chain {
                    sample: Box::new(|epoch| epoch % 5 == 0),
                    ..chain
                })
            }
            "csgld" => {
                let (cycle, noisy) = (6 * self.steps(), 2 * self.steps());
                let (objects, batches) = (self.train.len() as u64, self.steps() as u64);
                let chain = self.chain("csgld", 201, 3 * MEMBERS, CyclicCosine::new(0.5, cycle)?);
                self.records(Chain {
                    optimizer: Box::new(move |model| {
                        let config = LangevinConfig {
                            temperature: LangevinConfig::reference_temperature(objects, batches),
                            weight_decay: DECAY,
                            window: Some(NoisyEnd {
                                cycle: cycle as u64,
                                noisy: noisy as u64,
                            }),
                            ..LangevinConfig::new(objects)
                        };
                        Ok(config.init(model, 201)?)
                    }),
                    sample: Box::new(|epoch| matches!(epoch % 6, 5 | 0)),
                    ..chain
                })
            }
            "fge" => {
                let schedule = PlateauLinear::new(RATE, NETWORK * self.steps())?;
                let start = self.run(self.chain("fge-start", 301, 8, schedule))?.pop();
                let schedule = TriangularFge::new(1e-2, 5e-4, 2 * self.steps())?;
                // The last member is half a cycle in.
                let chain = self.chain("fge", 302, 2 * MEMBERS - 1, schedule);
                self.records(Chain {
                    start,
                    sample: Box::new(|epoch| epoch % 2 == 1),
                    ..chain
                })
            }
            "swag" => self.swag(),
            "dropout" => {
                let schedule = PlateauLinear::new(RATE, NETWORK * self.steps())?;
                let chain = self.chain("dropout", 501, NETWORK, schedule);
                let Some(record) = self
                    .run(Chain {
                        dropout: true,
                        ..chain
                    })?
                    .pop()
                else {
                    return fail("a chain without a sample");
                };
                let model = self.load(record)?;
                (0..MEMBERS as u64)
                    .map(|member| {
                        self.passes(self.test, |rows| {
                            let draw = DropoutDraw {
                                seed: 502,
                                member,
                                objects: rows.iter().map(|&row| row as u64).collect(),
                            };
                            model.forward_dropping(self.plain(self.test, rows), &draw)
                        })
                    })
                    .collect()
            }
            "laplace-last" => self.last_layer(),
            "laplace-diag" => self.diagonal(),
            other => fail(format!("no method `{other}`")),
        }
    }

    fn swag(&self) -> Result<Vec<Prediction>, Failure> {
        // Down to the averaging rate within the first eight epochs, then constant.
        let schedule = PlateauLinear::new(RATE, 8 * self.steps())?.with_floor(0.2)?;
        let chain = self.chain("swag", 401, 16, schedule);
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
        swag.samples(&last, 402)
            .take(MEMBERS)
            .enumerate()
            .map(|(member, sample)| {
                let mut random = ChaCha8Rng::seed_from_u64(403 + member as u64);
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

    fn last_layer(&self) -> Result<Vec<Prediction>, Failure> {
        let model = self.load(self.network(1)?)?;
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
                let samples = posterior.samples(601).take(count);
                samples
                    .map(|layer| {
                        let layer = layer?;
                        self.passes(images, |rows| {
                            layer.logits(model.features(self.plain(images, rows)))
                        })
                    })
                    .collect()
            };
        self.best_scale("laplace-last", members)
    }

    fn diagonal(&self) -> Result<Vec<Prediction>, Failure> {
        let record = self.network(1)?;
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
                let samples = posterior.samples(&template, 701).take(count);
                samples.map(|model| self.predict(&model?, images)).collect()
            };
        self.best_scale("laplace-diag", members)
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

    fn records(&self, chain: Chain) -> Result<Vec<Prediction>, Failure> {
        self.run(chain)?
            .into_iter()
            .map(|record| self.predict(&self.load(record)?, self.test))
            .collect()
    }

    /// A network for evaluation.
    pub(crate) fn load(&self, record: ModuleRecord) -> Result<FashionNet, Failure> {
        let fresh = FashionNetConfig::new().init(0, &self.device).valid();
        Ok(fresh.try_load_record(record)?)
    }

    pub(crate) fn predict(
        &self,
        model: &FashionNet,
        images: &Images,
    ) -> Result<Prediction, Failure> {
        self.passes(images, |rows| model.forward(self.plain(images, rows)))
    }

    fn plain(&self, images: &Images, rows: &[usize]) -> Tensor<4> {
        images.plain(rows, &self.device.clone().without_autodiff())
    }

    fn passes(
        &self,
        images: &Images,
        mut forward: impl FnMut(&[usize]) -> Tensor<2>,
    ) -> Result<Prediction, Failure> {
        let rows: Vec<usize> = (0..images.len()).collect();
        let mut all = Vec::with_capacity(images.len() * CLASSES);
        for rows in rows.chunks(500) {
            let log: Tensor<2> = log_softmax(forward(rows), 1);
            all.extend(log.try_into_vec_as::<f32>()?);
        }
        Ok(all)
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

/// The published optimizer: momentum 0.9, and no dampening, which Burn's default has.
fn descent() -> ModuleOptimizer {
    SgdConfig::new()
        .with_momentum(Some(MomentumConfig {
            momentum: 0.9,
            dampening: 0.0,
            nesterov: false,
        }))
        .with_weight_decay(Some(WeightDecayConfig {
            penalty: DECAY as f32,
        }))
        .init()
}
