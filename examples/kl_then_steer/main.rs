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
mod verdict;
mod world;

use std::{process::ExitCode, time::Instant};

use firetender_kts::{History, Judge, TokenScope, base_hash};
use firetender_lm::StoreAs;
use firetender_support::{Failure, arguments, finish};

use crate::{
    arguments::Arguments,
    compare::{Judged, Way},
    method::{Method, Seconds},
    world::World,
};

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
    let random = world.vector.random_like(1);
    let mut all = vec![Judged {
        name: "plain".into(),
        curves: vec![compare::judge(
            &world,
            &judge,
            base,
            &world.vector,
            Way::Always,
        )?],
        random: compare::judge(&world, &judge, base, &random, Way::Always)?,
        transfer: compare::transfer(&world, base)?,
        seconds: Seconds::default(),
    }];
    for method in methods {
        let start = Instant::now();
        all.push(judged(method, &world, &judge, arguments, seeds)?);
        eprintln!("{}: {:.1?}", method.name(), start.elapsed());
    }
    if base_hash(base) != hash {
        return firetender_support::fail("the base model changed while adapters were trained");
    }
    // What plain steering reaches at a quarter, and at two thirds, of the largest strength.
    let top = world.strengths.last().copied().unwrap_or(1.0);
    let plain = &all[0].curves[0];
    let effects: Vec<f64> = [top / 4.0, top / 1.5]
        .iter()
        .filter_map(|k| plain.iter().find(|p| p.strength == *k))
        .map(firetender_kts::JudgedPoint::effect)
        .collect();
    let verdicts = verdict::all(&world, &all, &effects)?;
    let tables = output::tables(&world, &all, &effects, &verdicts)?;
    let found = if arguments.json {
        let methods = all.iter().map(|j| compare::value(j, &effects));
        let methods: Vec<_> = methods.collect::<Result<_, Failure>>()?;
        let found = serde_json::json!({
            "model": world.model.checkpoint.name,
            "effect": world.effect_name,
            "strengths": world.strengths,
            "methods": methods,
            "claims": verdicts.iter().map(verdict::Verdict::value).collect::<Vec<_>>(),
            "seconds": begun.elapsed().as_secs_f64(),
        });
        found.to_string()
    } else {
        tables.to_markdown()
    };
    output::write(&world, &all, tables, &arguments.out)?;
    println!("{found}");
    eprintln!(
        "Figures: {} ({:.1?} in all)",
        arguments.out.join("index.html").display(),
        begun.elapsed()
    );
    Ok(())
}

/// Trains and measures one method, with each of its seeds.
fn judged(
    method: Method,
    world: &World,
    judge: &Judge,
    arguments: &Arguments,
    seeds: u64,
) -> Result<Judged, Failure> {
    let base = &world.model.network;
    let gate = match method {
        Method::Gate | Method::KtsGate => Some(world.gate()?),
        _ => None,
    };
    let prompt = match method {
        Method::PromptV1 => world.prompts.first(),
        Method::PromptV2 => world.prompts.get(1),
        _ => None,
    };
    let way = match (&gate, prompt) {
        (Some(gate), _) => Way::Gated(gate),
        (_, Some(prompt)) => Way::Behind(prompt),
        _ => Way::Always,
    };
    let mut found = Judged {
        name: method.name().into(),
        curves: vec![],
        random: vec![],
        transfer: vec![],
        seconds: Seconds::default(),
    };
    for seed in 0..if method.repeated() { seeds } else { 1 } {
        let mut student = None;
        if let Some(trained_as) = method.trained_as() {
            let mut history = History::default();
            let (adapter, seconds) =
                method::adapter(trained_as, world, arguments, seed, &mut history)?;
            found.seconds.all += seconds.all;
            found.seconds.reading += seconds.reading;
            note(method, seed, &history, seconds);
            if method == trained_as && method != Method::KtsDpo {
                let name = format!("adapter-{}-{seed}", method.name());
                adapter.save_peft(arguments.out.join(name), &arguments.model)?;
            }
            student = Some(method::student(world, &adapter)?);
        }
        let student = student.as_ref().unwrap_or(base);
        let vector = &world.vector;
        found
            .curves
            .push(compare::judge(world, judge, student, vector, way)?);
        if seed == 0 && matches!(way, Way::Always) {
            let random = vector.random_like(1);
            found.random = compare::judge(world, judge, student, &random, way)?;
            found.transfer = compare::transfer(world, student)?;
        }
        if let (Method::KtsKeep, 0, Some(folder)) = (method, seed, &arguments.export) {
            student.save(folder, StoreAs::F32)?;
        }
    }
    Ok(found)
}

/// One line on how a training went.
fn note(method: Method, seed: u64, history: &History, seconds: Seconds) {
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
        "{} seed {seed}: {} steps,{parts}, {steered:.0} % steered; {:.1} s, {:.2} s of them reading directions",
        method.name(),
        history.steps.len(),
        seconds.all,
        seconds.reading
    );
}
