//! Trains the Ember family, five sizes on the same texts, from nothing but a seed:
//! `cargo run --release -p firetender-examples --example ember_family -- --out target/ember-family`.
//!
//! Every member sees the same rows in the same order under one seed; another seed draws other texts about the same world, another order and
//! other first weights. The state is written every few hundred steps, and a run that was stopped goes on from there when it is started again:
//! finished members are left alone. A member is a Hugging Face folder in 16-bit floats with its held-out loss in `training.json`.

#![expect(
    clippy::print_stderr,
    reason = "progress and the outcome of a long run"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use burn::{
    grad_clipping::GradientClippingConfig,
    module::Module,
    optim::{AdamWConfig, GradientsParams, OptimizerRecord},
    store::ModuleRecord,
    tensor::Device,
};
use clap::Parser;
use firetender_ember::{
    Split, Targets,
    family::{self, FamilyCorpus, MEMBERS, Member, pack_weights, unpack_weights},
    render,
};
use firetender_lm::{Checkpoint, Transformer, write_atomically};
use firetender_support::{
    Failure, arguments, device, fail, finish,
    rows::{Batch, PAD, Row, held_out_loss, loss, pack, save},
};

/// Trains the Ember family.
#[derive(Parser)]
struct Arguments {
    /// Folder for the models, one subfolder each.
    #[arg(long, default_value = "target/ember-family")]
    out: PathBuf,
    /// Sizes to train, by name, in this order (default: all, smallest first).
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<String>,
    /// Training seeds, in this order.
    #[arg(long, value_delimiter = ',', default_value = "0,1,2")]
    seeds: Vec<u64>,
    /// Texts to train on, each once.
    #[arg(long, default_value_t = 80_000)]
    documents: u64,
    /// Rows in a step.
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Tokens in a row, at most 128.
    #[arg(long, default_value_t = 96)]
    length: usize,
    /// Highest learning rate at width 96; others get it times the root of 96 over their width.
    #[arg(long, default_value_t = 3e-3)]
    rate: f64,
    /// Steps between two saved states.
    #[arg(long, default_value_t = 250)]
    save_every: usize,
    /// Writes the members' weights in eight bits, too, as `eight_bits.safetensors`, and says what rounding costs.
    #[arg(long)]
    eight_bits: bool,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
}

/// Steps of linear warm-up.
const WARM_UP: usize = 100;

fn main() -> ExitCode {
    finish(run(&arguments::<Arguments>()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    if !(1..=128).contains(&arguments.length) || arguments.batch == 0 || arguments.save_every == 0 {
        return fail("--length is 1 to 128, --batch and --save-every at least 1");
    }
    let members = if arguments.sizes.is_empty() {
        MEMBERS.to_vec()
    } else {
        let named = |name: &String| match MEMBERS.iter().find(|member| member.name == *name) {
            Some(member) => Ok(*member),
            None => fail(format!(
                "no member `{name}`; the family has {}",
                MEMBERS.map(|member| member.name).join(", ")
            )),
        };
        arguments
            .sizes
            .iter()
            .map(named)
            .collect::<Result<_, _>>()?
    };
    let device = device(arguments.device.as_deref())?.autodiff();
    let tokenizer = family::tokenizer()?;
    for &seed in &arguments.seeds {
        let packed = |corpus: &FamilyCorpus, documents| {
            let bodies = corpus.bodies(documents);
            let ids =
                bodies.map(|body| Ok(render::encode_body(&body, &tokenizer, Targets::All)?.ids));
            pack(ids, arguments.length + 1)
        };
        let rows = packed(&FamilyCorpus::new(seed, Split::Train), arguments.documents)?;
        // The same held-out texts for every seed.
        let held_out = packed(&FamilyCorpus::new(0, Split::HeldOut), 1_500)?;
        for member in &members {
            let folder = arguments.out.join(format!("{}-s{seed}", member.name));
            if folder.join("training.json").is_file() {
                eprintln!("{}: finished before", folder.display());
                if arguments.eight_bits {
                    eight_bits(&folder, &held_out, &device)?;
                }
                continue;
            }
            fs::create_dir_all(&folder)?;
            let trained = train(member, seed, &rows, arguments, &folder, &device)?;
            let loss = held_out_loss(&trained.model, &held_out)?;
            save(&trained.model, &tokenizer, &folder)?;
            let report = serde_json::json!({
                "size": member.name, "seed": seed, "parameters": member.parameters(),
                "non_embedding": member.body_parameters(), "documents": arguments.documents,
                "tokens": trained.tokens, "steps": trained.steps, "held_out_loss": loss,
            });
            write_atomically(
                &folder.join("training.json"),
                format!("{report:#}\n").as_bytes(),
            )?;
            remove_states(&folder, None)?;
            eprintln!("{}: held-out loss {loss:.4} nats a token", folder.display());
            if arguments.eight_bits {
                eight_bits(&folder, &held_out, &device)?;
            }
        }
    }
    Ok(())
}

/// Packs a finished member's weights and measures the model that comes out again.
fn eight_bits(folder: &Path, held_out: &[Row], device: &Device) -> Result<(), Failure> {
    let read = |name: &str| fs::read(folder.join(name));
    let packed = pack_weights(&read("model.safetensors")?)?;
    write_atomically(&folder.join("eight_bits.safetensors"), &packed)?;
    let checkpoint = Checkpoint::from_bytes(
        "eight bits",
        &read("config.json")?,
        unpack_weights(&packed)?,
        &read("tokenizer.json")?,
        &read("tokenizer_config.json")?,
    )?;
    let model = Transformer::load(
        &checkpoint.config,
        checkpoint.source.as_ref(),
        checkpoint.layout(),
        &device.clone().without_autodiff(),
    )?;
    eprintln!(
        "{}: {} bytes in eight bits, held-out loss {:.4}",
        folder.display(),
        packed.len(),
        held_out_loss(&model, held_out)?
    );
    Ok(())
}

/// A finished member.
struct Trained {
    model: Transformer,
    steps: usize,
    tokens: usize,
}

fn train(
    member: &Member,
    seed: u64,
    rows: &[Row],
    arguments: &Arguments,
    folder: &Path,
    device: &Device,
) -> Result<Trained, Failure> {
    let mut model = Transformer::init(&member.config(), seed, device)?;
    let steps = rows.len().div_ceil(arguments.batch);
    let path = |name: &str| folder.join(name);
    let done: usize = match fs::read_to_string(path("state.step")) {
        Ok(text) => text.trim().parse()?,
        Err(_) => 0,
    };
    let mut optimiser = AdamWConfig::new()
        .with_beta_2(0.95)
        .with_epsilon(1e-8)
        .with_weight_decay(0.1)
        .with_grad_clipping(Some(GradientClippingConfig::Norm(1.0)))
        .init();
    if done > 0 {
        let record = ModuleRecord::load(path(&format!("state.{done}.model")))?;
        model = model.try_load_record(record)?;
        let record = OptimizerRecord::load(path(&format!("state.{done}.optim")))?;
        optimiser = optimiser.load_record(record);
    }
    let peak = arguments.rate * (96.0 / member.width as f64).sqrt();
    let clock = Instant::now();
    let (mut sum, mut since) = (0.0, 0);
    let batches = rows.chunks(arguments.batch);
    for (step, rows) in batches.enumerate().skip(done) {
        let loss = loss(&model, &Batch::stack(rows, device)?)?;
        sum += loss.clone().into_scalar::<f64>();
        since += 1;
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let warm = ((step + 1) as f64 / WARM_UP as f64).min(1.0);
        let turn = (std::f64::consts::PI * step as f64 / steps as f64).cos();
        let rate = peak * warm * (0.02 + 0.98 * 0.5 * (1.0 + turn));
        model = optimiser.step(rate, model, gradients);
        let next = step + 1;
        if next.is_multiple_of(arguments.save_every) || next == steps {
            if !sum.is_finite() {
                return fail(format!("{}: the loss is {sum}", folder.display()));
            }
            eprintln!(
                "{}: step {next} of {steps}, loss {:.4}, {:.0?}",
                folder.display(),
                sum / f64::from(since),
                clock.elapsed()
            );
            (sum, since) = (0.0, 0);
            save_state(&model, &optimiser, folder, next)?;
        }
    }
    let tokens = rows.iter().flatten().filter(|id| **id != PAD).count();
    Ok(Trained {
        model: model.valid(),
        steps,
        tokens,
    })
}

/// Writes the state under the step's name, then the step, then removes older states.
fn save_state(
    model: &Transformer,
    optimiser: &burn::optim::ModuleOptimizer,
    folder: &Path,
    step: usize,
) -> Result<(), Failure> {
    let record = model.valid().into_record();
    fs::write(
        folder.join(format!("state.{step}.model")),
        &record.into_bytes()?[..],
    )?;
    optimiser.save(folder.join(format!("state.{step}.optim")))?;
    write_atomically(&folder.join("state.step"), step.to_string().as_bytes())?;
    remove_states(folder, Some(step))
}

/// Removes the states of other steps, or all of them.
fn remove_states(folder: &Path, keep: Option<usize>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kept = keep.is_some_and(|step| {
            name == "state.step" || name.starts_with(&format!("state.{step}."))
        });
        if name.starts_with("state.") && !kept {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
