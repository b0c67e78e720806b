//! Times one step of KL-then-steer, of plain fine-tuning in the same harness, and of both forms of a low-rank adapter; prints one
//! JSON object: `cargo run --release -p firetender-benches --bin kts -- --shape smollm2 --mode kts`.
//!
//! Weights are random: only shapes matter. Run each mode by itself, since the peak of memory is the process's. The peer is
//! `benches/peer/torch_kts.py`.

#![allow(clippy::print_stdout, reason = "the outcome goes to standard output")]

use std::{ops::ControlFlow, process::ExitCode, time::Instant};

use burn::tensor::Device;
use burn_flex as _;
use clap::{Parser, ValueEnum};
use firetender_hooks::SiteKind;
use firetender_kts::{
    Imitate, KlThenSteer, KtsOptions, LossOptions, Objective, Push, Run, Source, StepLog, Texts,
    TrainObserver, VectorBank, step_loss, teacher, train,
};
use firetender_lm::{ModelConfig, Transformer};
use firetender_measure::Failure;
use firetender_steer::SteeringVector;

#[derive(Clone, Copy, ValueEnum, Debug)]
enum Shape {
    /// Ember's: 4 blocks of width 128, vocabulary 1,536.
    Ember,
    /// SmolLM2-135M's: 30 blocks of width 576, vocabulary 49,152.
    Smollm2,
}

#[derive(Clone, Copy, ValueEnum, Debug, PartialEq)]
enum Mode {
    /// A whole step of KL-then-steer: teacher, student steered, backward, `AdamW`.
    Kts,
    /// A whole step of fine-tuning: student, backward, `AdamW`.
    Sft,
    /// Loss and backward of KL-then-steer, adapters as two thin products.
    Thin,
    /// The same with Burn's built-in form, which makes the whole weight.
    Dense,
}

#[derive(Parser)]
struct Arguments {
    #[arg(long, value_enum)]
    shape: Shape,
    #[arg(long, value_enum)]
    mode: Mode,
    /// Rows of a minibatch.
    #[arg(long, default_value_t = 8)]
    rows: usize,
    /// Tokens of a row.
    #[arg(long, default_value_t = 64)]
    columns: usize,
    /// Rank of the adapter.
    #[arg(long, default_value_t = 16)]
    rank: usize,
    /// Steps that count; one more goes before.
    #[arg(long, default_value_t = 5)]
    runs: u64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(found) => {
            println!("{found}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// When each step ended.
struct Clock(Vec<Instant>);

impl TrainObserver for Clock {
    fn stepped(&mut self, _log: &StepLog) -> ControlFlow<()> {
        self.0.push(Instant::now());
        ControlFlow::Continue(())
    }
}

fn run(arguments: &Arguments) -> Result<serde_json::Value, Failure> {
    let config = match arguments.shape {
        Shape::Ember => ModelConfig {
            max_positions: 256,
            ..ModelConfig::llama(1536, 128, 4, 4, 2, 320)
        },
        Shape::Smollm2 => ModelConfig {
            max_positions: 2048,
            ..ModelConfig::llama(49_152, 576, 30, 9, 3, 1536)
        },
    };
    let base = Transformer::init(&config, 1, &Device::flex())?;
    let teacher = teacher(&base);
    let id = |i: usize| (i * 7919 % config.vocab_size) as u32;
    let rows = (0..arguments.rows * 4).map(|row| {
        let ids = (0..arguments.columns).map(|i| id(row * 997 + i)).collect();
        (ids, 1)
    });
    let texts = Texts::new(rows.collect())?;
    let direction: Vec<f32> = (0..config.width)
        .map(|i| (i % 7) as f32 * 0.01 - 0.03)
        .collect();
    let layers = (config.layers / 4)..(config.layers / 2);
    let directions = layers.map(|layer| (layer, direction.clone())).collect();
    let vector = SteeringVector::new(
        "up",
        "down",
        SiteKind::ResidPost,
        config.width,
        config.layers,
        directions,
    )?;
    let mut options = KtsOptions::default();
    options.lora.rank = arguments.rank;
    options.dose.p_steer = if arguments.mode == Mode::Sft {
        0.0
    } else {
        1.0
    };
    options.training.steps = arguments.runs + 1;
    options.training.batch = arguments.rows;
    let start = options.lora.start(&base, 1)?;
    let mut clock = Clock(vec![]);
    if matches!(arguments.mode, Mode::Kts | Mode::Sft) {
        let bank = VectorBank::read(&base, &options.vectors, vec![Source::fixed("up", vector)])?;
        let mut objective: Box<dyn Objective + '_> = match arguments.mode {
            Mode::Kts => Box::new(KlThenSteer::new(&teacher, &texts, bank, &options)?),
            _ => Box::new(Imitate::new(&teacher, &texts, bank, &options)?),
        };
        train(
            &base,
            &start,
            objective.as_mut(),
            &options.training,
            &Run::new(),
            &mut clock,
        )?;
    } else {
        let student = if arguments.mode == Mode::Thin {
            start.attach(base.clone())?
        } else {
            start.attach_dense(base.clone())?
        };
        let pass = texts.pass(&(0..arguments.rows).collect::<Vec<_>>())?;
        let push = Push::one(&vector, 1.0);
        for _ in 0..=arguments.runs {
            let loss = step_loss(&student, &teacher, &pass, &push, &LossOptions::default())?;
            let gradients = loss.backward();
            let last = &student.blocks[0].mlp.up_proj.weight;
            if let Some(lora) = last.adapter() {
                let _ = lora.b.val().grad(&gradients);
            }
            drop(gradients);
            clock.0.push(Instant::now());
        }
    }
    let mut seconds: Vec<f64> = clock
        .0
        .windows(2)
        .map(|w| (w[1] - w[0]).as_secs_f64())
        .collect();
    seconds.sort_by(f64::total_cmp);
    Ok(serde_json::json!({
        "shape": format!("{:?}", arguments.shape).to_lowercase(),
        "mode": format!("{:?}", arguments.mode).to_lowercase(),
        "rows": arguments.rows, "columns": arguments.columns, "rank": arguments.rank,
        "seconds": seconds[seconds.len() / 2], "fastest": seconds[0],
        "peak_mib": peak_mib(),
    }))
}

/// The process's largest resident size, where the system tells.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kib / 1024.0).round())
}
