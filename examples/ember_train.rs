//! Trains Ember, the model that is built into the workspace, from nothing but a seed:
//! `cargo run --release -p firetender-examples --features train --example ember_train -- --out target/ember`.
//!
//! Generates the corpus, learns the tokenizer, trains with `burn-train` (terminal dashboard, checkpoint after each piece, resumes where it
//! was stopped with `--resume N`), reports the held-out loss, and writes a Hugging Face folder in 16-bit floats.

#![expect(clippy::print_stdout, reason = "the outcome goes to standard output")]

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Instant};

use burn::{
    data::{
        dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher},
        dataset::InMemDataset,
    },
    grad_clipping::GradientClippingConfig,
    lr_scheduler::{
        composed::ComposedLrSchedulerConfig, cosine::CosineAnnealingLrSchedulerConfig,
        linear::LinearLrSchedulerConfig,
    },
    module::Module,
    optim::AdamWConfig,
    tensor::{Device, Tensor},
};
use burn_train::{
    InferenceStep, ItemLazy, Learner, SupervisedTraining, TrainOutput, TrainStep,
    metric::{Adaptor, LossInput, LossMetric},
};
use clap::Parser;
use firetender_ember::{Corpus, Split, Targets, render, tokenizer};
use firetender_lm::{ModelConfig, Transformer};
use firetender_support::{
    Failure, arguments, device, finish,
    rows::{Batch, Row, held_out_loss, loss, pack, save},
};

/// Trains Ember and writes its files.
#[derive(Parser)]
struct Arguments {
    /// Folder for the model; checkpoints go to its subfolder `training`.
    #[arg(long, default_value = "target/ember")]
    out: PathBuf,
    /// Seed of the corpus, the initial weights and the order of rows.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Documents to train on.
    #[arg(long, default_value_t = 50_000)]
    documents: u64,
    /// Passes over them; a checkpoint follows each.
    #[arg(long, default_value_t = 3)]
    epochs: usize,
    /// Rows in a batch.
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Tokens in a row.
    #[arg(long, default_value_t = 192)]
    length: usize,
    /// Highest learning rate.
    #[arg(long, default_value_t = 3e-3)]
    rate: f64,
    /// Goes on after this many finished epochs.
    #[arg(long)]
    resume: Option<usize>,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
}

fn main() -> ExitCode {
    finish(run(&arguments::<Arguments>()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let device = device(arguments.device.as_deref())?.autodiff();
    let start = Instant::now();
    let corpus = Corpus::new(arguments.seed, Split::Train);
    let tokenizer = tokenizer::train(&corpus, 20_000, tokenizer::VOCABULARY)?;
    let packed = |corpus: &Corpus, documents: u64| {
        let encode = |index| {
            let document = corpus.document(index);
            Ok(render::encode(&document, &tokenizer, Targets::All)?.ids)
        };
        pack((0..documents).map(encode), arguments.length + 1)
    };
    let train = packed(&corpus, arguments.documents)?;
    let held_out = packed(&Corpus::new(arguments.seed, Split::HeldOut), 2_000)?;
    let steps = train.len().div_ceil(arguments.batch) * arguments.epochs;
    println!(
        "{} rows of {} tokens, {steps} steps; corpus made in {:.0?}",
        train.len(),
        arguments.length,
        start.elapsed()
    );

    let config = ModelConfig {
        max_positions: 256,
        ..ModelConfig::llama(tokenizer.get_vocab_size(true), 128, 4, 4, 2, 320)
    };
    let trainee = Trainee {
        model: Transformer::init(&config, arguments.seed, &device)?,
    };
    println!("{} parameters", trainee.num_params());
    let optimiser = AdamWConfig::new()
        .with_beta_2(0.95)
        .with_epsilon(1e-8)
        .with_weight_decay(0.1)
        .with_grad_clipping(Some(GradientClippingConfig::Norm(1.0)))
        .init();
    // A hundred steps of linear warm-up times half a cosine down to one fiftieth.
    let schedule = ComposedLrSchedulerConfig::new()
        .linear(LinearLrSchedulerConfig::new(0.01, 1.0, 100))
        .cosine(
            CosineAnnealingLrSchedulerConfig::new(arguments.rate, steps)
                .with_min_lr(arguments.rate / 50.0),
        )
        .init()
        .or_else(firetender_support::fail)?;

    let loader = |rows: Vec<Row>, shuffle: bool| -> Arc<dyn DataLoader<Batch>> {
        let builder = DataLoaderBuilder::new(Stack)
            .batch_size(arguments.batch)
            .set_device(device.clone());
        let builder = if shuffle {
            builder.shuffle(arguments.seed)
        } else {
            builder
        };
        builder.build(InMemDataset::new(rows))
    };
    let mut training = SupervisedTraining::new(
        arguments.out.join("training"),
        loader(train, true),
        loader(held_out.clone(), false),
    )
    .metric_train_numeric(LossMetric::new())
    .metric_valid_numeric(LossMetric::new())
    .with_default_checkpointers()
    .num_epochs(arguments.epochs)
    .summary();
    if let Some(epoch) = arguments.resume {
        training = training.checkpoint(epoch);
    }
    let start = Instant::now();
    let result = training.launch(Learner::new(trainee, optimiser, schedule));
    if let Some(error) = result.error {
        return firetender_support::fail(format!("training stopped: {error}"));
    }
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    let model = result.model.model;
    println!(
        "held-out loss {:.4} nats a token after {minutes:.1} minutes",
        held_out_loss(&model, &held_out)?
    );

    save(&model, &tokenizer, &arguments.out)?;
    println!("written to {}", arguments.out.display());
    Ok(())
}

/// What the training loop moves around: the model.
#[derive(Module, Debug)]
struct Trainee {
    model: Transformer,
}

/// Stacks rows into batches.
#[derive(Clone)]
struct Stack;

impl Batcher<Row, Batch> for Stack {
    fn batch(&self, rows: Vec<Row>, device: &Device) -> Batch {
        Batch::stack(&rows, device).expect("rows are never empty")
    }
}

/// The loss of rows that were packed for this model.
fn fitting(model: &Transformer, batch: &Batch) -> Tensor<1> {
    loss(model, batch).expect("the corpus fits the model")
}

impl TrainStep for Trainee {
    type Input = Batch;
    type Output = Loss;

    fn step(&self, batch: Batch) -> TrainOutput<Loss> {
        let loss = fitting(&self.model, &batch);
        let gradients = loss.backward();
        TrainOutput::new(self, gradients, Loss(loss))
    }
}

impl InferenceStep for Trainee {
    type Input = Batch;
    type Output = Loss;

    fn step(&self, batch: Batch) -> Loss {
        Loss(fitting(&self.model, &batch))
    }
}

/// The loss of a step, for the metrics.
struct Loss(Tensor<1>);

impl ItemLazy for Loss {
    fn sync(self) -> Result<Self, burn::tensor::ExecutionError> {
        Ok(Self(self.0.without_autodiff()))
    }
}

impl Adaptor<LossInput> for Loss {
    fn adapt(&self) -> LossInput {
        LossInput::new(self.0.clone())
    }
}
