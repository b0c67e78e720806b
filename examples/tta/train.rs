//! `tta train`: the small network for signs, from nothing but a seed; or one for Fashion-MNIST; with crops and mirrors alone, or with `RandAugment`.

use std::{path::PathBuf, time::Instant};

use burn::{
    module::Module,
    nn::loss::CrossEntropyLossConfig,
    optim::{AdamWConfig, GradientsParams},
    tensor::{Int, Tensor, TensorData},
};
use clap::Args;
use firetender_support::{
    Failure, device, fail,
    fashion::{FashionNetConfig, Images, Split},
    signs,
};
use firetender_tta::{Address, Mixture, Normalisation, Policy, batch};
use firetender_uncertainty::write_atomically;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::{
    data::{Set, fashion_policy, grey, load},
    evaluate::at_most,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Where the weights go.
    #[arg(long, default_value = "target/tta/signs.bpk")]
    out: PathBuf,
    /// A folder with Fashion-MNIST's IDX files; signs without it.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Random operations on each image, besides crop and mirror.
    #[arg(long, default_value_t = 0)]
    ops: usize,
    /// Their largest magnitude, either way.
    #[arg(long, default_value_t = 45.0)]
    magnitude: f64,
    /// Images to train on.
    #[arg(long, default_value_t = 12_000)]
    images: usize,
    /// Passes over them.
    #[arg(long, default_value_t = 8)]
    epochs: usize,
    /// Weights to begin with, instead of random ones.
    #[arg(long)]
    from: Option<PathBuf>,
    /// Of the weights and the order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
}

const BATCH: usize = 128;
const RATE: f64 = 4e-3;

#[expect(clippy::print_stderr, reason = "progress goes to standard error")]
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.images == 0 || arguments.epochs == 0 {
        return fail("--images and --epochs: expected at least 1");
    }
    at_most("--images", arguments.images, 900_000)?;
    at_most("--ops", arguments.ops, 100)?;
    let device = device(arguments.device.as_deref())?.autodiff();
    let (Set { images, labels }, mut model, policy, normalisation) = match &arguments.data {
        None => {
            let (images, labels) = signs::draw(signs::SEED, 0, arguments.images);
            let model = signs::fresh_network(arguments.seed, &device);
            let normalisation = Normalisation::none();
            (
                Set { images, labels },
                model,
                Policy::cifar(),
                normalisation,
            )
        }
        Some(folder) => {
            let images = Images::read(folder, Split::Train)?.first(arguments.images);
            let model = FashionNetConfig::new().init(arguments.seed, &device);
            (
                grey(&images)?,
                model,
                fashion_policy(),
                Normalisation::grey(),
            )
        }
    };
    if let Some(path) = &arguments.from {
        model = load(path, model)?;
    }
    let mut optimizer = AdamWConfig::new().with_weight_decay(1e-3).init();
    let loss = CrossEntropyLossConfig::new().init(&device);
    // A recipe for every image and epoch, drawn as a pool's are.
    let mut prior = Mixture::new(&[(1, arguments.ops, arguments.magnitude)]);
    prior.central = false;
    let all = arguments.epochs * images.len().div_ceil(BATCH);
    let mut step = 0;
    for epoch in 0..arguments.epochs {
        let clock = Instant::now();
        let mut random = ChaCha8Rng::seed_from_u64(arguments.seed);
        random.set_stream(epoch as u64);
        let mut order: Vec<usize> = (0..images.len()).collect();
        order.shuffle(&mut random);
        let mut total = 0.0;
        for rows in order.chunks(BATCH) {
            let changed = rows
                .par_iter()
                .map(|&row| {
                    let address = Address {
                        seed: arguments.seed,
                        entry: epoch as u64,
                        image: row as u64,
                        repeat: 0,
                    };
                    let recipe = prior.draw(&policy, fresh(arguments.seed, epoch, row))?;
                    policy.augment(&recipe.entries[0], &images[row], address)
                })
                .collect::<Result<Vec<_>, _>>()?;
            let input = batch(&changed, &normalisation, &device)?;
            let targets: Vec<i64> = rows.iter().map(|&row| labels[row]).collect();
            let targets =
                Tensor::<1, Int>::from_data(TensorData::new(targets, [rows.len()]), &device);
            let value = loss.forward(model.forward(input), targets);
            total += value.clone().into_scalar::<f64>() * rows.len() as f64;
            let gradients = GradientsParams::from_grads(value.backward(), &model);
            // Half a cosine.
            let rate = RATE * 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / all as f64).cos());
            model = optimizer.step(rate, model, gradients);
            step += 1;
        }
        eprintln!(
            "epoch {:>2} of {}  loss {:.4}  {:.1?}",
            epoch + 1,
            arguments.epochs,
            total / images.len() as f64,
            clock.elapsed()
        );
    }
    if let Some(folder) = arguments.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let bytes = model.valid().into_record().into_bytes()?;
    write_atomically(&arguments.out, &bytes[..])?;
    Ok(())
}

/// Another seed for every image and epoch.
fn fresh(seed: u64, epoch: usize, row: usize) -> u64 {
    (seed << 48) ^ ((epoch as u64) << 32) ^ row as u64
}
