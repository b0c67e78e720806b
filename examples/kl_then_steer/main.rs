//! KL-then-steer (Cooper Stickland et al. 2024): trains adapters so that steering stops hurting, beside the baselines it is compared
//! with, and judges all of them at equal effect: `cargo run --release --example kl_then_steer`.
//!
//! Without arguments it works on Ember in a few minutes; `--model PATH` takes any other model. What was trained is kept under
//! `--out`: a run that is stopped goes on from there.

#![expect(clippy::print_stdout, reason = "results go to standard output")]
#![expect(clippy::print_stderr, reason = "notes go to standard error")]

mod arguments;
mod compare;
mod method;
mod output;
mod world;

use std::{process::ExitCode, time::Instant};

use firetender_kts::{History, Judge, TokenScope, base_hash};
use firetender_lm::StoreAs;
use firetender_support::{Failure, arguments, finish};

use crate::{arguments::Arguments, compare::Judged, method::Method, world::World};

fn main() -> ExitCode {
    finish(run(&arguments::<Arguments>()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let begun = Instant::now();
    let (methods, seeds) = (arguments.methods()?, arguments.seeds()?);
    let world = World::open(arguments)?;
    let base = &world.model.network;
    let hash = base_hash(base);
    let judge = Judge::new(base, &world.held_out, TokenScope::Answer)?;
    let mut all = vec![Judged {
        name: "plain".into(),
        curves: vec![compare::judge(&world, &judge, base, &world.vector)?],
        random: compare::judge(&world, &judge, base, &world.vector.random_like(1))?,
        transfer: compare::transfer(&world, base)?,
        seconds: 0.0,
    }];
    for method in methods {
        let start = Instant::now();
        let mut judged = Judged {
            name: method.name().into(),
            curves: vec![],
            random: vec![],
            transfer: vec![],
            seconds: 0.0,
        };
        for seed in 0..if method.repeated() { seeds } else { 1 } {
            let mut history = History::default();
            let begun = Instant::now();
            let adapter = method::adapter(method, &world, arguments, seed, &mut history)?;
            judged.seconds += begun.elapsed().as_secs_f64();
            note(method, seed, &history);
            let folder = arguments
                .out
                .join(format!("adapter-{}-{seed}", method.name()));
            if method != Method::KtsDpo {
                adapter.save_peft(&folder, &arguments.model)?;
            }
            let student = method::student(&world, &adapter)?;
            judged
                .curves
                .push(compare::judge(&world, &judge, &student, &world.vector)?);
            if seed == 0 {
                judged.random =
                    compare::judge(&world, &judge, &student, &world.vector.random_like(1))?;
                judged.transfer = compare::transfer(&world, &student)?;
                if let (Method::KtsKeep, Some(folder)) = (method, &arguments.export) {
                    student.save(folder, StoreAs::F32)?;
                }
            }
        }
        eprintln!("{}: {:.1?}", judged.name, start.elapsed());
        all.push(judged);
    }
    if base_hash(base) != hash {
        return firetender_support::fail("the base model changed while adapters were trained");
    }
    // What plain steering reaches at a third, and at two thirds, of the largest strength.
    let plain = &all[0].curves[0];
    let effects: Vec<f64> = [3, 6]
        .iter()
        .filter_map(|i| plain.get(plain.len() * i / 9))
        .map(firetender_kts::JudgedPoint::effect)
        .collect();
    let tables = output::tables(&world, &all, &effects)?;
    if arguments.json {
        let methods: Vec<_> = all.iter().map(|j| compare::value(j, &effects)).collect();
        let found = serde_json::json!({
            "model": world.model.checkpoint.name,
            "effect": world.effect_name,
            "strengths": world.strengths,
            "methods": methods,
            "seconds": begun.elapsed().as_secs_f64(),
        });
        println!("{found}");
    } else {
        println!(
            "{}\n{}\n{}",
            tables.curves.to_markdown(),
            tables.matched.to_markdown(),
            tables.transfer.to_markdown()
        );
    }
    output::write(&world, &all, tables, &arguments.out)?;
    eprintln!(
        "Figures: {} ({:.1?} in all)",
        arguments.out.join("index.html").display(),
        begun.elapsed()
    );
    Ok(())
}

/// One line on how a training went.
fn note(method: Method, seed: u64, history: &History) {
    let part = |name: &str| {
        history
            .recent(name, 50)
            .map(|x| format!(" {name} {x:.4}"))
            .unwrap_or_default()
    };
    let parts: String = [
        "kl_steered",
        "kl_unsteered",
        "kept",
        "imitate",
        "dpo",
        "margin",
        "cosine",
        "distance",
    ]
    .map(part)
    .concat();
    let steered = 100.0 * history.share_steered();
    eprintln!(
        "{} seed {seed}: {} steps,{parts}, {steered:.0} % steered",
        method.name(),
        history.steps.len()
    );
}
