//! How KL-then-steer can undo the very effect it is for, and how to prevent that, in a language of forty tokens:
//! `cargo run --release --example over_cancelling`.
//!
//! A model of four blocks is trained from nothing, a direction makes it refuse, and adapters are trained in four ways. Everything takes
//! seconds a seed. The table gives whole curves, since one strength alone would deceive; the log shows what happens to the effect
//! while it happens.

#![expect(clippy::print_stdout, reason = "results go to standard output")]
#![expect(clippy::print_stderr, reason = "notes go to standard error")]

use std::process::ExitCode;

use clap::Parser;
use firetender_kts::{History, JudgedPoint, damage_at};
use firetender_report::{Align, Cell, Column, Table};
use firetender_steer::Bootstrap;
use firetender_support::{
    Failure, arguments, device, fail, finish,
    toy::{Recipe, STRENGTHS, Toy},
};
use serde_json::{Value, json};

/// Trains a tiny model and adapters that undo its steering, or do not.
#[derive(Parser)]
struct Arguments {
    /// Models with different seeds; each is trained from nothing.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Steps of each adapter.
    #[arg(long, default_value_t = 200)]
    steps: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
}

/// Methods by name; the first is the model itself.
const METHODS: [(&str, Option<Recipe>); 5] = [
    ("base", None),
    ("kts, 7 of 8 steered", Some(Recipe::Same(0.875))),
    ("kts, 1 of 8 steered", Some(Recipe::Same(0.125))),
    ("kts, benign differences", Some(Recipe::BenignDifferences)),
    ("kts, keeping the effect", Some(Recipe::Keep)),
];

/// Refusals at which methods are compared.
const MATCHED: f64 = 0.9;

/// One method: a curve and a log for each seed.
struct Found {
    name: &'static str,
    curves: Vec<Vec<JudgedPoint>>,
    logs: Vec<Vec<(u64, f64)>>,
}

fn main() -> ExitCode {
    finish(run(&arguments::<Arguments>()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.seeds == 0 {
        return fail("--seeds 0: at least one run is needed");
    }
    let device = device(arguments.device.as_deref())?;
    let mut all: Vec<Found> = METHODS
        .map(|(name, _)| Found {
            name,
            curves: vec![],
            logs: vec![],
        })
        .into();
    for seed in 0..arguments.seeds {
        let toy = Toy::train(seed, &device)?;
        for ((name, recipe), found) in METHODS.iter().zip(&mut all) {
            let Some(recipe) = recipe else {
                found.curves.push(toy.judge(toy.base())?);
                continue;
            };
            let mut history = History::default();
            let trained = toy.adapt(*recipe, arguments.steps, &mut history)?;
            let student = trained.adapter.merge_into(toy.base().clone())?;
            found.curves.push(toy.judge(&student)?);
            let log = history
                .probes
                .iter()
                .map(|(step, _, value)| (*step, *value));
            let log: Vec<(u64, f64)> = log.collect();
            let shown: Vec<String> = log.iter().map(|(_, p)| format!("{p:.2}")).collect();
            eprintln!(
                "seed {seed}, {name}: P(refuse) at 0.5 every 20 steps: {}",
                shown.join(" ")
            );
            found.logs.push(log);
        }
    }
    let matched: Vec<Vec<Option<f64>>> = all
        .iter()
        .map(|found| {
            let one = |curve: &Vec<JudgedPoint>| Ok(damage_at(curve, MATCHED)?.map(|p| p.damage));
            found.curves.iter().map(one).collect()
        })
        .collect::<Result<_, Failure>>()?;
    if arguments.json {
        let methods: Vec<Value> = all.iter().zip(&matched).map(|(f, m)| value(f, m)).collect();
        println!(
            "{}",
            json!({"strengths": STRENGTHS, "matched_effect": MATCHED, "methods": methods})
        );
    } else {
        println!("{}", table(&all, &matched)?.to_markdown());
    }
    Ok(())
}

fn value(found: &Found, matched: &[Option<f64>]) -> Value {
    let point = |p: &JudgedPoint| json!({"strength": p.strength, "refusal": p.effect(), "kl": p.damage(), "agreement": p.agreement});
    let curve = |points: &Vec<JudgedPoint>| points.iter().map(point).collect::<Vec<_>>();
    json!({
        "method": found.name,
        "curves": found.curves.iter().map(curve).collect::<Vec<_>>(),
        "log": found.logs,
        "kl_at_matched_effect": matched,
    })
}

fn table(all: &[Found], matched: &[Vec<Option<f64>>]) -> Result<Table, Failure> {
    let right = |name: String| Column::new(name, Align::Right);
    let mut columns = vec![Column::new("method", Align::Left)];
    columns.extend(STRENGTHS.iter().map(|k| right(format!("{k}"))));
    columns.push(right(format!("KL where P = {MATCHED}")));
    let mut table = Table::new(columns)?.caption(
        "By strength: KL to the unsteered base on benign answers, nats a token / share of tokens where the likeliest is the base's / P(refuse) \
         on suspicious prompts. Means over seeds; the last column with a 95 % interval over seeds.",
    );
    for (found, matched) in all.iter().zip(matched) {
        let mean = |at: usize, pick: fn(&JudgedPoint) -> f64| {
            let sum: f64 = found.curves.iter().map(|curve| pick(&curve[at])).sum();
            sum / found.curves.len() as f64
        };
        let mut row: Vec<Cell> = vec![found.name.into()];
        row.extend((0..STRENGTHS.len()).map(|at| {
            let [kl, same, refusal] = [
                mean(at, JudgedPoint::damage),
                mean(at, |p| p.agreement),
                mean(at, JudgedPoint::effect),
            ];
            Cell::from(format!("{kl:.2} / {same:.2} / {refusal:.2}"))
        }));
        let reached: Vec<f64> = matched.iter().copied().flatten().collect();
        row.push(if reached.len() == matched.len() {
            let e = Bootstrap::default().mean(&reached);
            format!("{:.2} [{:.2}, {:.2}]", e.value, e.low, e.high).into()
        } else {
            format!("reached by {} of {} seeds", reached.len(), matched.len()).into()
        });
        table.push(row)?;
    }
    Ok(table)
}
