//! The methods, what each costs, and the predictions each yields.
//!
//! The unit of cost is an epoch: one pass over the 20,000 training images. One network takes [`NETWORK`] of them. The recipes are the
//! published ones (`docs/REPRODUCTION.md` says where they differ), scaled from 300 epochs to 15.

mod posterior;

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::{
    lr_scheduler::LrScheduler,
    module::Module,
    optim::{ModuleOptimizer, SgdConfig, decay::WeightDecayConfig, momentum::MomentumConfig},
    store::ModuleRecord,
    tensor::{Device, Tensor, activation::log_softmax},
};
use firetender_support::{
    Failure, fail,
    fashion::{CLASSES, FashionNet, FashionNetConfig, Images},
};
use firetender_uncertainty::{
    NpyArray, NpyValues, read_npy,
    training::{CyclicCosine, DropoutDraw, LangevinConfig, NoisyEnd, PlateauLinear, TriangularFge},
    write_npy,
};

use crate::chain::{BATCH, Chain, train};

/// Epochs of one independently trained network.
pub(crate) const NETWORK: usize = 15;
/// Members of every other method.
pub(crate) const MEMBERS: usize = 10;
/// Weight decay of every chain.
pub(crate) const DECAY: f64 = 5e-4;
/// Full learning rate of every chain with momentum.
pub(crate) const RATE: f64 = 0.1;

/// One method: its name as in the paper's code, and its cost.
pub(crate) struct Method {
    pub name: &'static str,
    /// Epochs before the first member.
    pub once: f64,
    /// Epochs for each member.
    pub each: f64,
}

/// All methods. A pass without gradients counts as a third of an epoch.
pub(crate) const METHODS: [Method; 9] = [
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
        name: "vi",
        once: (NETWORK + crate::variational::EPOCHS) as f64,
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
    pub(crate) fn steps(&self) -> usize {
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

    /// The members of one run of a method (from 1), or the deep ensemble's pool of `networks`, on the test images. What has been
    /// predicted before is read.
    pub(crate) fn predictions(
        &self,
        method: &str,
        run: usize,
        networks: usize,
    ) -> Result<Vec<Prediction>, Failure> {
        if method == "deepens" {
            let network = |number| {
                self.kept(&format!("deepens-{number:02}"), || {
                    let model = self.load(self.network(number)?)?;
                    Ok(vec![self.predict(&model, self.test)?])
                })
            };
            let all: Result<Vec<_>, Failure> = (1..=networks).map(network).collect();
            return Ok(all?.concat());
        }
        self.kept(&named(method, run), || self.members(method, run))
    }

    /// Whether the predictions of a run are there, or those of the pool's first network.
    pub(crate) fn is_predicted(&self, method: &str, run: usize) -> bool {
        self.path(&match method {
            "deepens" => "deepens-01".to_owned(),
            _ => named(method, run),
        })
        .exists()
    }

    /// How many of the pool's networks are predicted, `most` at most.
    pub(crate) fn networks(&self, most: usize) -> usize {
        (1..=most)
            .take_while(|number| self.path(&format!("deepens-{number:02}")).exists())
            .count()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join("predictions").join(format!("{name}.npy"))
    }

    /// Predictions from their file, or made and written to it.
    fn kept(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<Vec<Prediction>, Failure>,
    ) -> Result<Vec<Prediction>, Failure> {
        let path = self.path(name);
        let each = self.test.len() * CLASSES;
        if path.exists() {
            return match read_npy(&path)?.values {
                NpyValues::F32(values) if values.len().is_multiple_of(each) => {
                    Ok(values.chunks_exact(each).map(<[f32]>::to_vec).collect())
                }
                _ => fail(format!(
                    "{}: not the predictions of these images",
                    path.display()
                )),
            };
        }
        let members = make()?;
        fs::create_dir_all(self.folder.join("predictions"))?;
        let array = NpyArray {
            shape: vec![members.len(), self.test.len(), CLASSES],
            values: NpyValues::F32(members.concat()),
        };
        write_npy(&path, &array)?;
        Ok(members)
    }

    /// The members of one run, trained as far as they are not yet.
    fn members(&self, method: &str, run: usize) -> Result<Vec<Prediction>, Failure> {
        match method {
            "sse" => {
                let schedule = CyclicCosine::new(RATE, 5 * self.steps())?;
                let chain = self.chain(&named("sse", run), seed(101, run), 5 * MEMBERS, schedule);
                self.records(Chain {
                    sample: Box::new(|epoch| epoch % 5 == 0),
                    ..chain
                })
            }
            "csgld" => {
                let (cycle, noisy) = (6 * self.steps(), 2 * self.steps());
                let (objects, batches) = (self.train.len() as u64, self.steps() as u64);
                let chain = self.chain(
                    &named("csgld", run),
                    seed(201, run),
                    3 * MEMBERS,
                    CyclicCosine::new(0.5, cycle)?,
                );
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
                        Ok(config.init(model, seed(201, run))?)
                    }),
                    sample: Box::new(|epoch| matches!(epoch % 6, 5 | 0)),
                    ..chain
                })
            }
            "fge" => {
                let schedule = PlateauLinear::new(RATE, NETWORK * self.steps())?;
                let start = self
                    .run(self.chain(&named("fge-start", run), seed(301, run), 8, schedule))?
                    .pop();
                let schedule = TriangularFge::new(1e-2, 5e-4, 2 * self.steps())?;
                // The last member is half a cycle in.
                let chain = self.chain(
                    &named("fge", run),
                    seed(302, run),
                    2 * MEMBERS - 1,
                    schedule,
                );
                self.records(Chain {
                    start,
                    sample: Box::new(|epoch| epoch % 2 == 1),
                    ..chain
                })
            }
            "swag" => self.swag(run),
            "dropout" => {
                let schedule = PlateauLinear::new(RATE, NETWORK * self.steps())?;
                let chain = self.chain(&named("dropout", run), seed(501, run), NETWORK, schedule);
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
                                seed: seed(502, run),
                                member,
                                objects: rows.iter().map(|&row| row as u64).collect(),
                            };
                            model.forward_dropping(self.plain(self.test, rows), &draw)
                        })
                    })
                    .collect()
            }
            "vi" => self.variational(run),
            "laplace-last" => self.last_layer(run),
            "laplace-diag" => self.diagonal(run),
            other => fail(format!("no method `{other}`")),
        }
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

    pub(crate) fn plain(&self, images: &Images, rows: &[usize]) -> Tensor<4> {
        images.plain(rows, &self.device.clone().without_autodiff())
    }

    pub(crate) fn passes(
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

/// The name of a chain in a run: the first has the method's.
pub(crate) fn named(method: &str, run: usize) -> String {
    match run {
        0 | 1 => method.to_owned(),
        _ => format!("{method}-run{run}"),
    }
}

/// The seed of a chain in a run.
pub(crate) fn seed(first: u64, run: usize) -> u64 {
    first + 1000 * (run.max(1) as u64 - 1)
}

/// The published optimizer: momentum 0.9, and no dampening, which Burn's default has.
pub(crate) fn descent() -> ModuleOptimizer {
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
