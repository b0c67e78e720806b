//! Finds a direction from two sets of texts, steers a model along it, and measures what that does and what it breaks:
//! `cargo run --release --example steer -- --model M [--positive FILE --negative FILE] …`.
//!
//! Without files it uses the happy and sad scenes of `examples/data` (for Ember, of its own world), and measures the mood of free text by word lists that had
//! no part in making the direction. With your own files, effect is the change of preference for held-out positive over negative
//! texts, unless `--positive-words` and `--negative-words` are given. Random directions of the same length are the control.

#![expect(clippy::print_stdout, reason = "results go to standard output")]
#![expect(clippy::doc_markdown, reason = "help texts are read in a terminal")]
#![expect(clippy::print_stderr, reason = "notes go to standard error")]

mod arguments;
mod calibrate;
mod controls;
mod data;
mod defaults;
mod direction;
mod files;
mod gate;
mod measure;
mod output;
mod plan;
mod texts;

use std::process::ExitCode;

use firetender_lm::GenerateOptions;
use firetender_steer::{Plan, SweepOptions, sweep};
use firetender_support::{Bars, Failure, Model, arguments, device, finish};

use crate::{arguments::Arguments, output::Findings};

fn main() -> ExitCode {
    finish(run(&arguments::<Arguments>()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let strengths = arguments.strengths()?;
    let options = SweepOptions::new(&strengths)?;
    direction::check(arguments)?;
    let words = texts::words(arguments)?;
    let Some(name) = &arguments.model else {
        let (text, value) = files::convert(arguments)?;
        match arguments.json {
            true => println!("{value}"),
            false => println!("{text}"),
        }
        return Ok(());
    };
    let model = Model::open(name, &device(arguments.device.as_deref())?)?;
    let prompter = data::prompter(arguments, &model)?;
    let encode = |texts: &[String]| -> Result<Vec<Vec<u32>>, Failure> {
        texts
            .iter()
            .map(|text| Ok(prompter.prompt(text)?))
            .collect()
    };

    let contrast = data::contrast(arguments, &model, &prompter)?;
    if let Some(budget) = arguments.calibrate {
        let found = calibrate::run(arguments, budget, &model, &contrast, &words, &prompter)?;
        match arguments.json {
            true => println!("{}", calibrate::value(&found)),
            false => calibrate::print(&found),
        }
        return Ok(());
    }
    let direction = direction::take(arguments, &model, &contrast)?;
    let plan = &direction.plan;
    let low_rank = direction.extraction.is_none();

    let neutral = defaults::targets(arguments, &model, &prompter)?;
    let (name, targets, effect) = texts::effect(&model, &words, &neutral, &direction.judge)?;
    let benign = defaults::damage(arguments, &model, &prompter)?;
    let measure = |plan: &Plan, title: &str| {
        sweep(
            &model.network,
            plan,
            effect.as_ref(),
            &benign,
            &options,
            &mut Bars::new(title),
        )
    };
    let curve = measure(plan, "vector")?;
    let random = match low_rank {
        true => None,
        false => Some(measure(
            &plan.random_control(arguments.seed)?,
            "random control",
        )?),
    };

    let controls = controls::run(arguments, &model, &contrast, plan, &measure)?;

    let writing =
        GenerateOptions::new(arguments.max_tokens).with_end_tokens(model.tokenizer()?.eos());
    let moods = match &words {
        Some(words) => measure::moods(&model, plan, &strengths, words, neutral, &writing)?,
        None => vec![],
    };
    let rows = encode(&arguments.prompt)?;
    let prompts: Vec<_> = arguments.prompt.iter().cloned().zip(rows).collect();
    let continuations = measure::continuations(&model, plan, &strengths, &prompts, &writing)?;

    let previews = plan::preview(arguments, plan, &model, &prompts)?;
    let gated = match gate::parse(arguments)? {
        None => None,
        Some(spec) => {
            let gate = spec.gate(arguments, &model, plan, &encode)?;
            let targets = gate::Targets {
                prompts: &targets,
                effect: effect.as_ref(),
                benign: &benign,
                continued: &prompts,
                writing: &writing,
            };
            Some(gate::measure(
                &spec, &gate, &model, plan, &strengths, &targets,
            )?)
        }
    };

    let found = Findings {
        controls,
        previews,
        gated,
        model: model.checkpoint.name.clone(),
        effect: name,
        benign: benign.prompts(),
        curve,
        random,
        moods,
        continuations,
        direction,
    };
    if arguments.json {
        println!("{}", output::value(arguments, &found)?);
    } else {
        output::print(&found);
    }
    Ok(())
}
