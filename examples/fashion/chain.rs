//! One chain of training: stochastic gradient descent under a schedule, a snapshot of the weights after chosen epochs.
//!
//! Every method of the example is such a chain, so that all are trained by the same lines. A chain writes its state after each
//! epoch and goes on from there when it is started again; a stopped chain and an undisturbed one end with the same weights.

use std::{fs, path::Path, time::Instant};

use burn::{
    lr_scheduler::LrScheduler,
    module::Module,
    nn::loss::CrossEntropyLossConfig,
    optim::{GradientsParams, ModuleOptimizer, OptimizerRecord},
    store::ModuleRecord,
    tensor::Device,
};
use firetender_lm::write_atomically;
use firetender_support::{
    Failure, fail,
    fashion::{FashionNet, FashionNetConfig, Images, shift_and_flip},
};
use firetender_uncertainty::training::DropoutDraw;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Images in a step.
pub(crate) const BATCH: usize = 128;

/// From a network as it stands to an optimizer for it.
pub(crate) type MakeOptimizer = Box<dyn Fn(&FashionNet) -> Result<ModuleOptimizer, Failure>>;

/// What to train.
pub(crate) struct Chain {
    /// The folder's name.
    pub name: String,
    /// Initial weights, order of images, augmentation.
    pub seed: u64,
    /// Passes over the training images.
    pub epochs: usize,
    /// Learning rate of every step.
    pub schedule: Box<dyn LrScheduler>,
    /// Makes the optimizer for a network.
    pub optimizer: MakeOptimizer,
    /// Where to begin instead of at fresh weights.
    pub start: Option<ModuleRecord>,
    /// Whether features are dropped.
    pub dropout: bool,
    /// Whether the weights after this epoch (from 1) are a sample.
    pub sample: Box<dyn Fn(usize) -> bool>,
}

/// Trains what is left to train; the samples' records, in order.
pub(crate) fn train(
    chain: Chain,
    images: &Images,
    folder: &Path,
    device: &Device,
) -> Result<Vec<ModuleRecord>, Failure> {
    let folder = folder.join(&chain.name);
    fs::create_dir_all(&folder)?;
    let mut model = FashionNetConfig::new().init(chain.seed, device);
    if let Some(start) = chain.start {
        model = model.try_load_record(start)?;
    }
    let mut schedule = chain.schedule;
    let steps = images.len().div_ceil(BATCH);
    let done = (1..=chain.epochs)
        .rev()
        .find(|epoch| folder.join(format!("{epoch:03}.done")).exists())
        .unwrap_or(0);
    if done > 0 {
        model = model.try_load_file(folder.join(format!("{done:03}.model")))?;
    }
    let mut optimizer = (chain.optimizer)(&model)?;
    if done > 0 {
        let state = OptimizerRecord::load(folder.join(format!("{done:03}.optim")))?;
        optimizer = optimizer.load_record(state);
    }
    for _ in 0..done * steps {
        schedule.step();
    }
    let loss = CrossEntropyLossConfig::new().init(device);
    for epoch in done + 1..=chain.epochs {
        let clock = Instant::now();
        let mut random = ChaCha8Rng::seed_from_u64(chain.seed);
        random.set_stream(epoch as u64);
        let mut order: Vec<usize> = (0..images.len()).collect();
        order.shuffle(&mut random);
        let mut total = 0.0;
        for rows in order.chunks(BATCH) {
            let input = images.tensor(rows, device, |_, from, to| {
                shift_and_flip(&mut random, from, to);
            });
            let logits = if chain.dropout {
                let draw = DropoutDraw {
                    seed: chain.seed,
                    member: epoch as u64,
                    objects: rows.iter().map(|&row| row as u64).collect(),
                };
                model.forward_dropping(input, &draw)
            } else {
                model.forward(input)
            };
            let value = loss.forward(logits, images.targets(rows, device));
            total += value.clone().into_scalar::<f64>() * rows.len() as f64;
            let gradients = GradientsParams::from_grads(value.backward(), &model);
            model = optimizer.step(schedule.step(), model, gradients);
        }
        let mean = total / images.len() as f64;
        if !mean.is_finite() {
            return fail(format!(
                "{}: the loss is {mean} in epoch {epoch}",
                chain.name
            ));
        }
        eprintln!(
            "{:<12} epoch {epoch:>3} of {:>3}  loss {mean:.4}  {:.1?}",
            chain.name,
            chain.epochs,
            clock.elapsed()
        );
        let record = model.valid().into_record();
        if (chain.sample)(epoch) {
            save(&record, &folder.join(format!("{epoch:03}.sample")))?;
        }
        save(&record, &folder.join(format!("{epoch:03}.model")))?;
        let partial = folder.join("optim.partial");
        optimizer.save(&partial)?;
        // The writer adds its own ending where there is none; `.partial` is one.
        fs::rename(&partial, folder.join(format!("{epoch:03}.optim")))?;
        // Only now does this epoch count; what came before it is no longer needed.
        fs::write(folder.join(format!("{epoch:03}.done")), b"")?;
        for kind in ["model", "optim", "done"] {
            if epoch > 1 {
                let _ = fs::remove_file(folder.join(format!("{:03}.{kind}", epoch - 1)));
            }
        }
    }
    (1..=chain.epochs)
        .filter(|&epoch| (chain.sample)(epoch))
        .map(|epoch| {
            Ok(ModuleRecord::load(
                folder.join(format!("{epoch:03}.sample")),
            )?)
        })
        .collect()
}

fn save(record: &ModuleRecord, path: &Path) -> Result<(), Failure> {
    Ok(write_atomically(path, &record.clone().into_bytes()?)?)
}
