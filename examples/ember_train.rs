//! Trains Ember, the model that is built into the workspace, from nothing but a seed:
//! `cargo run --release -p firetender-examples --features train --example ember_train -- --out target/ember`.
//!
//! Generates the corpus, learns the tokenizer, trains with `burn-train` (terminal dashboard, checkpoint after each piece, resumes where it
//! was stopped with `--resume N`), reports the held-out loss, and writes a Hugging Face folder in 16-bit floats.

#![expect(clippy::print_stdout, reason = "the outcome goes to standard output")]

use std::{fs, path::PathBuf, process::ExitCode, sync::Arc, time::Instant};

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
    tensor::{Device, Int, Tensor, TensorData, activation::log_softmax},
};
use burn_train::{
    InferenceStep, ItemLazy, Learner, SupervisedTraining, TrainOutput, TrainStep,
    metric::{Adaptor, LossInput, LossMetric},
};
use clap::Parser;
use firetender_ember::{Corpus, Split, Targets, chat, render, tokenizer};
use firetender_hooks::{Padding, Pass, Untouched};
use firetender_lm::{CausalLm, ModelConfig, StoreAs, Transformer, write_atomically};
use firetender_support::{Failure, arguments, device, finish};

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

/// Whole documents end to end, filled up with the padding token.
type Row = Vec<u16>;

/// The id of `<|pad|>`, which is never a target.
const PAD: u16 = 2;

fn main() -> ExitCode {
    finish(run(&arguments::<Arguments>()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let device = device(arguments.device.as_deref())?.autodiff();
    let start = Instant::now();
    let corpus = Corpus::new(arguments.seed, Split::Train);
    let tokenizer = tokenizer::train(&corpus, 20_000, tokenizer::VOCABULARY)?;
    let pack = |corpus: &Corpus, documents: u64| -> Result<Vec<Row>, Failure> {
        let mut rows: Vec<Row> = vec![];
        let mut row: Row = vec![];
        for index in 0..documents {
            let ids = render::encode(&corpus.document(index), &tokenizer, Targets::All)?.ids;
            if row.len() + ids.len() > arguments.length + 1 && !row.is_empty() {
                rows.push(std::mem::take(&mut row));
            }
            row.extend(ids);
            row.truncate(arguments.length + 1);
        }
        rows.push(row);
        for row in &mut rows {
            row.resize(arguments.length + 1, PAD);
        }
        Ok(rows)
    };
    let train = pack(&corpus, arguments.documents)?;
    let held_out = pack(&Corpus::new(arguments.seed, Split::HeldOut), 2_000)?;
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

    model.save(&arguments.out, StoreAs::F16)?;
    let path = arguments.out.join("config.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path)?)?;
    let id = |token: &str| tokenizer.token_to_id(token);
    json["bos_token_id"] = serde_json::json!(id(chat::BOS));
    json["eos_token_id"] = serde_json::json!([id(chat::EOS), id(chat::END)]);
    json["pad_token_id"] = serde_json::json!(id(chat::PAD));
    write_atomically(&path, format!("{json:#}\n").as_bytes())?;
    let name = arguments.out.join("tokenizer.json");
    write_atomically(&name, tokenizer::to_json(&tokenizer)?.as_bytes())?;
    let settings = format!("{:#}\n", chat::tokenizer_config(config.max_positions));
    write_atomically(
        &arguments.out.join("tokenizer_config.json"),
        settings.as_bytes(),
    )?;
    println!("written to {}", arguments.out.display());
    Ok(())
}

/// Mean negative log-probability over all real tokens of the held-out rows.
fn held_out_loss(model: &Transformer, rows: &[Row]) -> Result<f64, Failure> {
    let (mut total, mut count) = (0.0, 0.0);
    for rows in rows.chunks(8) {
        let batch = Stack.batch(rows.to_vec(), &model.device());
        let real = batch.weights.clone().sum().into_scalar::<f64>();
        total += loss(model, batch).into_scalar::<f64>() * real;
        count += real;
    }
    Ok(total / count)
}

/// What the training loop moves around: the model.
#[derive(Module, Debug)]
struct Trainee {
    model: Transformer,
}

/// Rows as inputs and shifted targets.
#[derive(Clone, Debug)]
struct Batch {
    pass: Pass,
    targets: Tensor<2, Int>,
    weights: Tensor<1>,
}

/// Stacks rows into batches.
#[derive(Clone)]
struct Stack;

impl Batcher<Row, Batch> for Stack {
    fn batch(&self, rows: Vec<Row>, device: &Device) -> Batch {
        let columns = rows[0].len() - 1;
        let inputs: Vec<Vec<u32>> = rows
            .iter()
            .map(|row| row[..columns].iter().map(|id| (*id).into()).collect())
            .collect();
        let shifted = || rows.iter().flat_map(|row| row[1..].iter().copied());
        let cells = rows.len() * columns;
        let targets: Vec<i64> = shifted().map(i64::from).collect();
        let weights: Vec<f32> = shifted().map(|id| f32::from(id != PAD)).collect();
        Batch {
            pass: Pass::whole(&inputs, Padding::Right, PAD.into()).expect("rows are never empty"),
            targets: Tensor::from_data(TensorData::new(targets, [cells, 1]), device),
            weights: Tensor::from_data(TensorData::new(weights, [cells]), device),
        }
    }
}

/// Mean negative log-probability of the targets.
fn loss(model: &Transformer, batch: Batch) -> Tensor<1> {
    let logits = model
        .logits(&batch.pass, None, &mut Untouched)
        .expect("the corpus fits the model");
    let [rows, columns, vocab] = logits.dims();
    let log_probs = log_softmax(logits.reshape([rows * columns, vocab]), 1);
    let of_targets: Tensor<1> = log_probs.gather(1, batch.targets).squeeze_dim(1);
    -(of_targets * batch.weights.clone()).sum() / batch.weights.sum()
}

impl TrainStep for Trainee {
    type Input = Batch;
    type Output = Loss;

    fn step(&self, batch: Batch) -> TrainOutput<Loss> {
        let loss = loss(&self.model, batch);
        let gradients = loss.backward();
        TrainOutput::new(self, gradients, Loss(loss))
    }
}

impl InferenceStep for Trainee {
    type Input = Batch;
    type Output = Loss;

    fn step(&self, batch: Batch) -> Loss {
        Loss(loss(&self.model, batch))
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
