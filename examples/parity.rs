//! Does this device compute what the CPU computes? `cargo run --release --features wgpu --example parity -- --device wgpu`.
//!
//! Runs the main computations of the workspace on a tiny random model, on the CPU and on the named device, and compares: a
//! hooked forward pass (recording and adding at sites), a cached generation, two LoRA training steps with the optimiser, the
//! tensor programs of bargaining games, the columns, averages and temperatures of predictions, and test-time augmentation with its
//! search.
//! Ends with an error when one differs by more than its tolerance. Each new part of the workspace adds its main computation here.

#![expect(clippy::print_stdout, reason = "the table goes to standard output")]

use std::{ops::ControlFlow, process::ExitCode};

use burn::{
    module::{Lora, Module, ParamGroup},
    optim::{AdamWConfig, GradientsParams},
    tensor::{Device, Int, Tensor, activation::log_softmax},
};
use clap::Parser;
use firetender_bargain::{
    Dice, Learner, Repeated,
    coin::CoinGame,
    games,
    gradient::{PgOptions, train_networks},
    tensor::{CoinBoards, lola_on_device},
};
use firetender_hooks::{
    Chain, Intervene, Keep, Padding, Pass, ReadAt, Recorder, Selection, Site, Untouched,
};
use firetender_lm::{CausalLm, GenerateOptions, ModelConfig, Transformer, generate};
use firetender_support::{Failure, arguments, device, fail, finish};
use firetender_tta::{
    Address, GreedySearch, Mixture, Policy, RgbImage, apply_batch, search_tensor, to_levels,
};
use firetender_uncertainty::{
    EnsembleTensor, Floor, Object, Objects, ScoreKind, Targets, TemperatureOptions,
    fit_temperature_tensor,
};

/// Compares a device with the CPU.
#[derive(Parser)]
struct Arguments {
    /// The device to check: wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: String,
}

/// Named values of one run.
type Values = Vec<(String, Vec<f32>)>;

fn main() -> ExitCode {
    finish(run(&arguments::<Arguments>()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let cpu = device(Some("cpu"))?;
    let other = device(Some(&arguments.device))?;
    let config = ModelConfig {
        qkv_bias: true,
        ..ModelConfig::llama(97, 32, 2, 4, 2, 64)
    };
    // Everything random is drawn on the CPU, since random streams differ between devices.
    let base = Transformer::init(&config, 1, &cpu)?;
    let student = adapted(&base, &cpu);

    let expected = measure(&base, &student, &cpu)?;
    let found = measure(
        &base.clone().to_device(&other),
        &student.clone().fork(&other.clone().autodiff()),
        &other,
    )?;
    let mut worst: f32 = 0.0;
    for ((name, a), (_, b)) in expected.iter().zip(&found) {
        let scale = a.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
        let difference = a
            .iter()
            .zip(b)
            .map(|(x, y)| (x - y).abs())
            .fold(0.0, f32::max)
            / scale;
        let same = a.len() == b.len() && b.iter().all(|v| v.is_finite());
        let difference = if same { difference } else { f32::INFINITY };
        println!("{name:<28} largest relative difference {difference:.1e}");
        worst = worst.max(difference);
    }
    // Sums of f32 in another order, through two blocks and two optimiser steps.
    const TOLERANCE: f32 = 1e-3;
    if worst > TOLERANCE {
        return fail(format!(
            "{} differs from the CPU by {worst:.1e}; allowed {TOLERANCE:.0e}",
            arguments.device
        ));
    }
    println!("{} agrees with the CPU", arguments.device);
    Ok(())
}

/// LoRA on the query and value projections; the random factors are drawn on the CPU.
fn adapted(base: &Transformer, cpu: &Device) -> Transformer {
    cpu.seed(2);
    let group = ParamGroup::from_any_predicates(vec!["q_proj.weight", "v_proj.weight"]);
    base.clone()
        .train()
        .apply_lora(Lora::new(2, 4.0).set_param_group(group))
}

fn measure(base: &Transformer, student: &Transformer, device: &Device) -> Result<Values, Failure> {
    let mut values = forward(base, device)?;
    values.push(generation(base)?);
    values.extend(training(base, student.clone(), device)?);
    values.extend(bargaining(device)?);
    values.extend(uncertainty(device)?);
    values.extend(augmentation(device)?);
    Ok(values)
}

/// Images under recipes of their own, as means of cells (one level in one pixel may differ), and the scores of a search.
fn augmentation(device: &Device) -> Result<Values, Failure> {
    let policy = Mixture::new(&[(24, 3, 30.0)]).draw(&Policy::cifar(), 1)?;
    let image = |at: usize| {
        let pixels = (0..3 * 32 * 32).map(|i| (i * (5 + at) % 251) as u8);
        RgbImage::new(32, 32, pixels.collect())
    };
    let images = (0..24).map(image).collect::<Result<Vec<_>, _>>()?;
    let ops = policy.entries[..24]
        .iter()
        .enumerate()
        .map(|(at, recipe)| {
            let address = Address {
                entry: at as u64,
                ..Address::default()
            };
            policy.resolve(recipe, [32, 32], address)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let changed = apply_batch(&ops, to_levels(&images, device)?, &policy.compat)?;
    let cells = changed
        .reshape([24 * 3 * 4, 8, 4, 8])
        .mean_dim(3)
        .mean_dim(1);
    let pool: Vec<f32> = (0..8 * 40 * 5)
        .map(|i| Dice::at(40, i, 0).unit() as f32 + 0.1)
        .collect();
    let pool = Tensor::<1>::from_floats(pool.as_slice(), device).reshape([8, 40, 5]);
    let pool = pool.clone() / pool.sum_dim(2);
    let labels: Vec<i32> = (0..40).map(|i| i % 5).collect();
    let labels = Tensor::<1, Int>::from_ints(labels.as_slice(), device);
    let trace = search_tensor(&GreedySearch::new(6), pool, labels, 4)?;
    let scores = trace.picks.iter().map(|pick| pick.score as f32);
    Ok(vec![
        ("tta: images".to_owned(), cells.try_into_vec_as()?),
        ("tta: search".to_owned(), scores.collect()),
    ])
}

/// Columns of a table of logits, the average of two members, and a temperature.
fn uncertainty(device: &Device) -> Result<Values, Failure> {
    let (rows, classes) = (512_u64, 10_u64);
    let table = |member: u64| {
        let list: Vec<f32> = (0..rows * classes)
            .map(|i| 6.0 * Dice::at(20 + member, i, 0).unit() as f32)
            .collect();
        Tensor::<1>::from_floats(list.as_slice(), device).reshape([rows as usize, classes as usize])
    };
    let labels: Vec<i64> = (0..rows)
        .map(|row| i64::from(Dice::at(30, row, 0).below(10)))
        .collect();
    let logits = table(1);
    // Labels that the scores know something about, so that there is a temperature.
    let best: Vec<i64> = logits
        .clone()
        .argmax(1)
        .reshape([rows as usize])
        .try_into_vec_as()?;
    let labels: Vec<i64> = best
        .iter()
        .zip(&labels)
        .enumerate()
        .map(|(row, (best, other))| if row % 3 == 0 { *other } else { *best })
        .collect();
    let targets = Targets::classes(&labels);
    let objects = Objects::on_device(ScoreKind::Logits, logits.clone(), &targets, Floor::None)?;
    let column = |pick: fn(&Object) -> f64| -> Vec<f32> {
        objects.rows().iter().map(|o| pick(o) as f32).collect()
    };
    let mut ensemble = EnsembleTensor::new();
    for member in [logits.clone(), table(2)] {
        ensemble.add(ScoreKind::Logits, member, 1.0)?;
    }
    let index = Tensor::<1, Int>::from_ints(labels.as_slice(), device);
    let fit = fit_temperature_tensor(logits, index, &TemperatureOptions::default())?;
    Ok(vec![
        (
            "uncertainty: log-likelihood".to_owned(),
            column(|o| o.log_likelihood),
        ),
        ("uncertainty: entropy".to_owned(), column(|o| o.entropy)),
        (
            "uncertainty: average".to_owned(),
            ensemble.log_probs()?.try_into_vec_as()?,
        ),
        (
            "uncertainty: temperature".to_owned(),
            vec![fit.temperature as f32],
        ),
    ])
}

/// Values and corrections of a batch of policies, twenty steps of a batch of boards, and two updates of a pair of networks.
fn bargaining(device: &Device) -> Result<Values, Failure> {
    let game = Repeated::new(games::named("asym-bos")?, 0.96)?;
    let draw = |seat: u64| {
        let list: Vec<f32> = (0..320)
            .map(|i| Dice::at(seat, i, 0).unit() as f32 - 0.5)
            .collect();
        Tensor::<1>::from_floats(list.as_slice(), device).reshape([64, 5, 1])
    };
    let found = lola_on_device(&game, [draw(1), draw(2)])?;
    let [sos, _] = found.steps(Learner::sos(), 1.0);
    let [one, two] = found.corrections;
    let mut values = vec![
        (
            "bargain: values".to_owned(),
            found.values.try_into_vec_as()?,
        ),
        (
            "bargain: corrections".to_owned(),
            Tensor::cat(vec![one, two, sos], 0).try_into_vec_as()?,
        ),
    ];
    for name in ["cg", "abcg"] {
        let mut boards = CoinBoards::new(&CoinGame::named(name)?, 256, 3, device)?;
        let mut rewards = vec![];
        for step in 0..20 {
            let moves = |seat: u64| {
                let list: Vec<i32> = (0..256)
                    .map(|lane| Dice::at(10 + seat, lane, step).below(4) as i32)
                    .collect();
                Tensor::<1, Int>::from_ints(list.as_slice(), device)
            };
            rewards.extend(boards.step(moves(0), moves(1)).try_into_vec_as::<f32>()?);
        }
        values.push((format!("bargain: {name}"), rewards));
    }
    let coins = CoinGame::named("cg")?;
    let options = PgOptions {
        boards: 16,
        updates: 2,
        ..PgOptions::default()
    };
    let trained = train_networks(&coins, &options, device, &mut |_, _| true)?;
    let policy: Vec<f32> = (0..1458)
        .flat_map(|s| trained.policies[0].row(s).to_vec())
        .map(|p| p as f32)
        .collect();
    values.push(("bargain: networks".to_owned(), policy));
    Ok(values)
}

/// Adds a fixed pattern to later tokens at one site.
struct Push(Tensor<1>);

impl Intervene for Push {
    fn wants(&self, site: Site) -> bool {
        site == Site::ResidPost(0)
    }

    fn at(&mut self, _site: Site, value: Tensor<3>, pass: &Pass) -> Tensor<3> {
        let pattern = self.0.clone().unsqueeze::<3>();
        match pass.select(&value.device(), |token| token.position >= 2) {
            Selection::Nothing => value,
            Selection::All => value + pattern,
            Selection::Some(mask) => value + mask * pattern,
        }
    }
}

fn push(device: &Device) -> Push {
    let pattern: Vec<f32> = (0..32).map(|i| (i as f32 * 0.7).sin()).collect();
    Push(Tensor::from_floats(pattern.as_slice(), device))
}

fn rows() -> Vec<Vec<u32>> {
    vec![(5..17).collect(), vec![90, 3, 44, 8, 1], vec![7, 7]]
}

fn forward(model: &Transformer, device: &Device) -> Result<Values, Failure> {
    let pass = Pass::whole(&rows(), Padding::Left, 0)?;
    let mut recorder = Recorder::new(
        [Site::ResidPost(1)],
        ReadAt::LastToken,
        Keep::MeanAndCovariance,
    );
    let mut push = push(device);
    let mut chain = Chain::new().then(&mut push).then(&mut recorder);
    let logits = host(model.logits(&pass, None, &mut chain)?);
    let recordings = recorder.finish()?;
    let moments = recordings[&Site::ResidPost(1)]
        .moments()
        .map(|m| m.mean().to_vec())
        .unwrap_or_default();
    let real: Vec<f32> = pass
        .tokens()
        .flat_map(|t| logits[(t.row * pass.columns() + t.column) * 97..][..97].to_vec())
        .collect();
    Ok(vec![
        ("hooked forward: logits".into(), real),
        (
            "hooked forward: recording".into(),
            moments.iter().map(|v| *v as f32).collect(),
        ),
    ])
}

fn generation(model: &Transformer) -> Result<(String, Vec<f32>), Failure> {
    let options = GenerateOptions::new(12);
    let mut hook = push(&model.device());
    let out = generate(model, None, &rows(), &options, &mut hook, &mut |_| {
        ControlFlow::Continue(())
    })?;
    let log_probs = out
        .iter()
        .flat_map(|g| g.log_probs.iter().map(|p| *p as f32))
        .collect();
    Ok(("cached generation".into(), log_probs))
}

/// Two steps of pulling the steered student towards the unsteered base.
fn training(
    base: &Transformer,
    mut student: Transformer,
    device: &Device,
) -> Result<Values, Failure> {
    let pass = Pass::whole(&rows()[..1], Padding::Left, 0)?;
    let teacher = log_softmax(base.logits(&pass, None, &mut Untouched)?, 2);
    let mut optimiser = AdamWConfig::new().init();
    let mut values = vec![];
    for step in 0..2 {
        let logits = student.logits(&pass, None, &mut push(device))?;
        let student_log = log_softmax(logits, 2);
        let teacher = teacher.clone().autodiff();
        let loss = (student_log.clone().exp() * (student_log - teacher))
            .sum_dim(2)
            .mean();
        let gradients = loss.backward();
        values.push((format!("LoRA step {step}: loss"), host(loss.inner())));
        let gradients = GradientsParams::from_grads(gradients, &student);
        student = optimiser.step(1e-2, student, gradients);
    }
    for (name, linear) in [
        ("q", &student.blocks[0].attn.q_proj),
        ("v", &student.blocks[1].attn.v_proj),
    ] {
        if let Some(adapter) = linear.weight.adapter() {
            values.push((
                format!("LoRA: {name} factor A"),
                host(adapter.a.val().inner()),
            ));
            values.push((
                format!("LoRA: {name} factor B"),
                host(adapter.b.val().inner()),
            ));
        }
    }
    // The adapted model moved; its unsteered output is part of the comparison.
    let moved = student.valid().logits(&pass, None, &mut Untouched)?;
    values.push(("LoRA: unsteered logits".into(), host(moved)));
    Ok(values)
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
