//! The main job, in one command: `cargo run --release --example tour`.
//!
//! Loads Ember (the small model that is built in), finds a mood direction and a refusal direction, prints what the model writes at
//! strengths − / 0 / + beside each other, prints effect and damage over strengths with a random control, and writes
//! `target/tour/index.html` with the figures. A chapter steers refusal only where a gate finds a request suspicious, one
//! steers an adapted model that it hurts less, one asks how sure the model is, one what ensembles are worth, one whether larger models, or more strongly steered ones, do worse, and in the last
//! players bargain over whose norm is to hold.

#![expect(clippy::print_stdout, reason = "results go to standard output")]

mod augment;
mod bargain;
mod ensembles;
mod gate;
mod kts;
mod scaling;
mod uncertainty;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;
use firetender_ember::{Body, Split, chat, prompts, words};
use firetender_hooks::{ReadAt, SiteKind};
use firetender_lm::{CausalLm, GenerateOptions, Sampling};
use firetender_report::{
    Align, Axis, Cell, Column, LineChart, Panels, Points, Report, Scatter, Section, Series, Table,
};
use firetender_steer::{
    Benign, Contrast, Curve, Effect, Extraction, Extractor, FreeText, Method, NextTokenOdds, Plan,
    Scope, SweepOptions, first_tokens, sweep,
};
use firetender_support::{Bars, Failure, Model, arguments, device, finish};

/// Shows steering on the built-in model.
#[derive(Parser)]
struct Arguments {
    /// Fewer prompts: a smoke run.
    #[arg(long)]
    quick: bool,
    /// Folder of the report.
    #[arg(long, default_value = "target/tour")]
    out: PathBuf,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
}

/// The strengths of the sweep, in lengths of the direction.
const STRENGTHS: [f64; 7] = [-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0];
/// The blocks that are steered, of Ember's four.
const LAYERS: &str = "1..3";

fn main() -> ExitCode {
    finish(run(&arguments::<Arguments>()))
}

/// One behaviour: its texts, how it is measured, and what it is shown on.
struct Chapter<'a> {
    title: &'a str,
    about: &'a str,
    effect_name: &'a str,
    contrast: Contrast,
    read: ReadAt,
    effect: Box<dyn Effect + 'a>,
    shown: Vec<Body>,
    /// Strengths at which texts are shown.
    shown_at: [f64; 3],
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let start = Instant::now();
    let model = Model::open("ember", &device(arguments.device.as_deref())?)?;
    let many = |count: usize| if arguments.quick { count / 4 } else { count };
    let rows = |bodies: &[Body]| -> Result<Vec<Vec<u32>>, Failure> {
        bodies
            .iter()
            .map(|body| tokens(&model, &chat::prompt_text(body)))
            .collect()
    };
    let answered = prompts::benign(Split::HeldOut, 1, many(80));
    let benign = benign(&model, &answered)?;
    println!(
        "Ember, {} parameters, is open after {:.1?}.\n",
        model.network_size(),
        start.elapsed()
    );

    let chapters = [mood(&model, &rows, &many)?, refusal(&model, &rows, &many)?];
    let mut report = Report::new("Firetender: a tour")
        .lead("Steering a small language model: what it does, and what it breaks.")
        .fact("model", "Ember (built in)")
        .fact(
            "damage",
            format!(
                "KL(steered ‖ plain), nats per answer token, {} benign prompts",
                answered.len()
            ),
        );
    for chapter in &chapters {
        report = report.section(visit(&model, chapter, &benign)?);
    }
    report = report.section(gate::visit(&model, &rows, &many, &benign)?);
    report = report.section(kts::visit(&model, &rows, &many, &answered)?);
    report = report.section(uncertainty::visit(&model, &answered)?);
    report = report.section(augment::visit(
        &arguments.out,
        arguments.quick,
        &device(arguments.device.as_deref())?,
    )?);
    report = report.section(ensembles::visit()?);
    report = report.section(scaling::visit(&many)?);
    report = report.section(scaling::over_strength(&model, &rows, &many)?);
    report = report.section(bargain::visit()?);
    let path = arguments.out.join("index.html");
    report.write(&path)?;
    println!(
        "Figures: {} ({:.1?} in all)",
        path.display(),
        start.elapsed()
    );
    Ok(())
}

/// Rendered text with its markup as token ids.
fn tokens(model: &Model, text: &str) -> Result<Vec<u32>, Failure> {
    Ok(model.tokenizer()?.encode(text, false)?)
}

/// The tokens that begin one of these texts.
fn first(model: &Model, texts: &[&str]) -> Result<Vec<u32>, Failure> {
    let ids: Vec<Vec<u32>> = texts
        .iter()
        .map(|text| tokens(model, text))
        .collect::<Result<_, _>>()?;
    Ok(first_tokens(&ids))
}

/// Harmless prompts with the corpus's own answers; only predictions of the answers count.
fn benign(model: &Model, answered: &[prompts::Answered]) -> Result<Benign, Failure> {
    let (mut rows, mut lens) = (vec![], vec![]);
    for item in answered {
        let mut row = tokens(model, &chat::prompt_text(&item.prompt))?;
        lens.push(row.len());
        row.extend(tokens(model, &format!("{}{}", item.answer, chat::END))?);
        rows.push(row);
    }
    Ok(Benign::new(rows, Scope::AllTokens)?.with_continuations(lens)?)
}

type Rows<'a> = dyn Fn(&[Body]) -> Result<Vec<Vec<u32>>, Failure> + 'a;

fn contrast(
    names: [&str; 2],
    pairs: &[prompts::Contrast],
    rows: &Rows<'_>,
) -> Result<Contrast, Failure> {
    let (toward, away): (Vec<Body>, Vec<Body>) = pairs
        .iter()
        .map(|p| (p.toward.clone(), p.away.clone()))
        .unzip();
    Ok(Contrast::new(
        names[0],
        rows(&toward)?,
        names[1],
        rows(&away)?,
    )?)
}

fn mood<'a>(
    model: &'a Model,
    rows: &Rows<'_>,
    many: &dyn Fn(usize) -> usize,
) -> Result<Chapter<'a>, Failure> {
    let list = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    let writing = GenerateOptions::new(60)
        .with_sampling(Sampling::new(0.8)?)
        .with_end_tokens(model.tokenizer()?.eos());
    let neutral = prompts::neutral_stories(Split::HeldOut, 2, many(32));
    let effect = FreeText::new(
        model.tokenizer()?,
        rows(&neutral)?,
        writing,
        list(words::HAPPY_WORDS),
        list(words::SAD_WORDS),
    )?;
    Ok(Chapter {
        title: "Mood",
        about: "Happy against sad story requests give a direction; the effect is the log-odds of happy against sad words in \
                stories that the model then writes for requests that name no mood.",
        effect_name: "happy : sad words, log-odds",
        contrast: contrast(["happy", "sad"], &prompts::mood(Split::Train, 0, 60), rows)?,
        read: ReadAt::LastToken,
        effect: Box::new(effect),
        shown: neutral.into_iter().take(2).collect(),
        shown_at: [-1.0, 0.0, 1.0],
    })
}

fn refusal<'a>(
    model: &'a Model,
    rows: &Rows<'_>,
    many: &dyn Fn(usize) -> usize,
) -> Result<Chapter<'a>, Failure> {
    let suspicious = prompts::suspicious(Split::HeldOut, 3, many(40));
    let harmless = prompts::harmless(Split::HeldOut, 3, many(40));
    let asked = [suspicious.as_slice(), &harmless].concat();
    let effect = NextTokenOdds::new(
        rows(&asked)?,
        first(model, words::REFUSAL_PREFIXES)?,
        first(model, words::COMPLY_PREFIXES)?,
    )?;
    Ok(Chapter {
        title: "Refusal",
        about: "Suspicious against harmless instructions, read where the answer begins, give a direction; the effect is the \
                log-odds of beginning a refusal after held-out instructions, half of them suspicious (which Ember was taught to \
                refuse half of the time), half harmless.",
        effect_name: "refuse : comply, log-odds",
        contrast: contrast(
            ["suspicious", "harmless"],
            &prompts::suspicion(Split::Train, 0, 60),
            rows,
        )?,
        read: ReadAt::LastToken,
        effect: Box::new(effect),
        shown: [&suspicious[..1], &harmless[..1]].concat(),
        shown_at: [-0.75, 0.0, 0.75],
    })
}

/// Extracts, shows, measures; prints and returns the section of the report.
fn visit(model: &Model, chapter: &Chapter<'_>, benign: &Benign) -> Result<Section, Failure> {
    println!("== {} ==", chapter.title);
    let network = &model.network;
    let extraction = Extractor::new(SiteKind::ResidPost)
        .with_layers(LAYERS.parse()?)
        .with_read(chapter.read.clone())
        .extract(
            network,
            &chapter.contrast,
            Method::Mean,
            &mut Bars::new(chapter.title),
        )?;
    let plan = Plan::of(&extraction.vector);
    let panels = texts(model, chapter, &plan)?;

    let options = SweepOptions::new(&STRENGTHS)?;
    let curve = sweep(
        network,
        &plan,
        chapter.effect.as_ref(),
        benign,
        &options,
        &mut Bars::new(chapter.title),
    )?;
    let control = plan.random_control(1)?;
    let control = sweep(
        network,
        &control,
        chapter.effect.as_ref(),
        benign,
        &options,
        &mut Bars::new("random control"),
    )?;
    let table = table(chapter, &curve, &control)?;
    println!("{}", table.to_markdown());
    Ok(Section::new(chapter.title)
        .paragraph(chapter.about)
        .panels(panels)
        .figure(effect_figure(chapter, &curve, &control)?)
        .figure(front_figure(chapter, &curve, &control)?)
        .table(table)
        .table(layers(&extraction)?))
}

/// What the model writes at − / 0 / +, printed and as panels.
fn texts(model: &Model, chapter: &Chapter<'_>, plan: &Plan) -> Result<Panels, Failure> {
    let columns: Vec<String> = chapter
        .shown_at
        .iter()
        .map(|s| format!("strength {s:+}"))
        .collect();
    let mut panels = Panels::new(format!("{}: greedy answers", chapter.title), &columns)?;
    let options = GenerateOptions::new(60).with_end_tokens(model.tokenizer()?.eos());
    for body in &chapter.shown {
        let prompt = body.texts().last().unwrap_or_default().to_owned();
        let ids = [tokens(model, &chat::prompt_text(body))?];
        let mut written = vec![];
        println!("> {prompt}");
        for strength in chapter.shown_at {
            let mut steering = plan
                .scaled(strength)
                .compile(&model.network.shape(), &model.network.device())?;
            let out = firetender_lm::generate(
                &model.network,
                Some(model.tokenizer()?),
                &ids,
                &options,
                &mut steering,
                &mut |_| std::ops::ControlFlow::Continue(()),
            )?;
            println!("  [{strength:+}] {}", out[0].text.trim());
            written.push(out[0].text.trim().to_owned());
        }
        println!();
        panels.push(format!("{prompt} "), &written)?;
    }
    Ok(panels)
}

fn table(chapter: &Chapter<'_>, curve: &Curve, control: &Curve) -> Result<Table, Failure> {
    let column = |name: &str| Column::new(name, Align::Right);
    let mut table = Table::new([
        column("strength"),
        column(chapter.effect_name),
        column("low"),
        column("high"),
        column("random"),
        column("KL"),
        column("random KL"),
        column("top-1"),
    ])?
    .caption("Effect with its 95 % interval over prompts, damage, and random directions of the same length.");
    for (point, random) in curve.points.iter().zip(&control.points) {
        table.push([
            Cell::fixed(point.strength, 2),
            Cell::fixed(point.effect.value, 2),
            Cell::fixed(point.effect.low, 2),
            Cell::fixed(point.effect.high, 2),
            Cell::fixed(random.effect.value, 2),
            Cell::fixed(point.kl.value, 4),
            Cell::fixed(random.kl.value, 4),
            Cell::fixed(point.top1_agreement.value, 3),
        ])?;
    }
    Ok(table)
}

fn column(curve: &Curve, pick: impl Fn(&firetender_steer::CurvePoint) -> f64) -> Vec<f64> {
    curve.points.iter().map(pick).collect()
}

fn effect_figure(
    chapter: &Chapter<'_>,
    curve: &Curve,
    control: &Curve,
) -> Result<firetender_report::Figure, Failure> {
    let strength = column(curve, |p| p.strength);
    let series = |name: &str, curve: &Curve| {
        Series::new(name, &strength, &column(curve, |p| p.effect.value))
            .band(
                &column(curve, |p| p.effect.low),
                &column(curve, |p| p.effect.high),
            )
            .markers(true)
    };
    let chart = LineChart::new(
        format!("{}: effect over strength", chapter.title),
        Axis::linear("strength"),
        Axis::linear(chapter.effect_name),
    );
    Ok(chart
        .series(series("direction", curve))
        .series(series("random control", control))
        .build()?)
}

fn front_figure(
    chapter: &Chapter<'_>,
    curve: &Curve,
    control: &Curve,
) -> Result<firetender_report::Figure, Failure> {
    let labels: Vec<String> = curve
        .points
        .iter()
        .map(|p| format!("{:+}", p.strength))
        .collect();
    let points = |name: &str, curve: &Curve| {
        Points::new(
            name,
            &column(curve, |p| p.kl.value),
            &column(curve, |p| p.effect.value),
        )
        .labels(&labels)
        .connected()
    };
    let chart = Scatter::new(
        format!("{}: effect against damage", chapter.title),
        Axis::linear("KL(steered ‖ plain), nats per answer token"),
        Axis::linear(chapter.effect_name),
    );
    Ok(chart
        .points(points("direction", curve))
        .points(points("random control", control))
        .build()?)
}

fn layers(extraction: &Extraction) -> Result<Table, Failure> {
    let column = |name: &str| Column::new(name, Align::Right);
    let mut table = Table::new([
        column("layer"),
        column("length / stream"),
        column("held-out AUC"),
    ])?
    .caption("The direction, layer by layer.");
    for report in &extraction.reports {
        let auc = report
            .separation
            .map_or(Cell::Missing, |s| Cell::fixed(s.auc, 3));
        table.push([
            Cell::Integer(report.layer as i64),
            Cell::fixed(report.relative_norm(), 3),
            auc,
        ])?;
    }
    Ok(table)
}
