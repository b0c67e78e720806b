//! `tta train`: the small network for signs, from nothing but a seed.

use std::{path::PathBuf, time::Instant};

use burn::{
    module::Module,
    nn::loss::CrossEntropyLossConfig,
    optim::{AdamWConfig, GradientsParams},
    tensor::{Int, Tensor, TensorData},
};
use clap::Args;
use firetender_support::{Failure, device, signs};
use firetender_tta::{Address, Normalisation, Policy, SubPolicy, batch};
use firetender_uncertainty::write_atomically;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Where the weights go.
    #[arg(long, default_value = "target/tta/signs.bpk")]
    out: PathBuf,
    /// Images to train on.
    #[arg(long, default_value_t = 12_000)]
    images: usize,
    /// Passes over them.
    #[arg(long, default_value_t = 8)]
    epochs: usize,
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
    let device = device(arguments.device.as_deref())?.autodiff();
    let (images, labels) = signs::draw(signs::SEED, 0, arguments.images);
    let mut model = signs::fresh_network(arguments.seed, &device);
    let mut optimizer = AdamWConfig::new().with_weight_decay(1e-3).init();
    let loss = CrossEntropyLossConfig::new().init(&device);
    let policy = Policy::cifar();
    let plain = SubPolicy::new(vec![]);
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
                .iter()
                .map(|&row| {
                    let address = Address {
                        seed: arguments.seed,
                        entry: epoch as u64,
                        image: row as u64,
                        repeat: 0,
                    };
                    policy.augment(&plain, &images[row], address)
                })
                .collect::<Result<Vec<_>, _>>()?;
            let input = batch(&changed, &Normalisation::none(), &device)?;
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
