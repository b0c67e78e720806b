//! Second chapter: refuse where it is called for. A probe reads each request, and only requests that it finds suspicious are
//! steered toward refusal.

use firetender_ember::{Split, prompts, words};
use firetender_hooks::{ReadAt, SiteKind};
use firetender_lm::CausalLm;
use firetender_report::{Align, Axis, Cell, Column, Points, Scatter, Section, Table};
use firetender_steer::{
    Benign, Extractor, Gate, GateDamage, GateEffect, GateMethod, GateReport, GateTrainer,
    GatedPlan, LogisticOptions, Method, NextTokenOdds, Plan, Timing, gate_damage, gate_effect,
};
use firetender_support::{Bars, Failure, Model};

use crate::{LAYERS, Rows, contrast, first};

/// Strengths of the sweep, in lengths of the direction.
const STRENGTHS: [f64; 4] = [0.25, 0.5, 0.75, 1.0];
/// The first of the two blocks that are steered: in the pass that it reads, the gate can act on the second only.
const GATE_LAYER: usize = 1;
/// Share of harmless requests that may be steered by mistake.
const FALSE_ALARMS: f64 = 0.05;

/// What was measured at one strength.
struct Point {
    strength: f64,
    later: Run,
    second: Run,
}

/// What was measured with one timing of the decision.
struct Run {
    suspicious: GateEffect,
    harmless: GateEffect,
    damage: GateDamage,
}

/// Fits and calibrates the gate, steers with and without it, prints, and returns the section of the report.
pub(crate) fn visit(
    model: &Model,
    rows: &Rows<'_>,
    many: &dyn Fn(usize) -> usize,
    benign: &Benign,
) -> Result<Section, Failure> {
    println!("== A gate for refusal ==");
    let network = &model.network;
    let pairs = prompts::suspicion(Split::Train, 0, 60);
    let found = Extractor::new(SiteKind::ResidPost)
        .with_layers(LAYERS.parse()?)
        .with_read(ReadAt::LastToken)
        .extract(
            network,
            &contrast(["suspicious", "harmless"], &pairs, rows)?,
            Method::Mean,
            &mut Bars::new("refusal direction"),
        )?;
    let (gate, calibration) = fit(model, rows)?;

    let asked = rows(&prompts::suspicious(Split::HeldOut, 3, many(40)))?;
    let plain = rows(&prompts::harmless(Split::HeldOut, 3, many(40)))?;
    let held_out = gate.measured(network, &asked, &plain)?;
    println!(
        "Gate at block {GATE_LAYER}: AUC {:.3} on held-out requests; fires on {:.1} % of the suspicious and {:.1} % of the harmless \
         ones (calibrated for {:.0} %, where it fired on {:.1} %).\n",
        held_out.auc,
        100.0 * held_out.tpr,
        100.0 * held_out.fpr,
        100.0 * FALSE_ALARMS,
        100.0 * calibration.fpr
    );

    let odds = |prompts: &[Vec<u32>]| {
        let (refuse, comply) = (words::REFUSAL_PREFIXES, words::COMPLY_PREFIXES);
        let (refuse, comply) = (first(model, refuse)?, first(model, comply)?);
        Ok::<_, Failure>(NextTokenOdds::new(prompts.to_vec(), refuse, comply)?)
    };
    let (on_asked, on_plain) = (odds(&asked)?, odds(&plain)?);
    let mut points = vec![];
    for strength in STRENGTHS {
        let plan = GatedPlan::of(gate.clone(), Plan::of(&found.vector).scaled(strength));
        let run = |timing| -> Result<Run, Failure> {
            let plan = plan.clone().with_timing(timing);
            let mut gated = plan.compile(&network.shape(), &network.device())?;
            Ok(Run {
                suspicious: gate_effect(network, &mut gated, &asked, &on_asked)?,
                harmless: gate_effect(network, &mut gated, &plain, &on_plain)?,
                damage: gate_damage(network, &mut gated, benign, &mut Bars::new("gated damage"))?,
            })
        };
        points.push(Point {
            strength,
            later: run(Timing::LaterLayersThenAll)?,
            second: run(Timing::SecondPrefill)?,
        });
    }
    let table = table(&points)?;
    println!("{}", table.to_markdown());
    Ok(Section::new("A gate for refusal")
        .paragraph(about(&calibration, &held_out, &points))
        .figure(figure(&points)?)
        .table(table))
}

/// A logistic probe on the requests' last tokens; one half fits, the other calibrates.
fn fit(model: &Model, rows: &Rows<'_>) -> Result<(Gate, GateReport), Failure> {
    let suspicious = rows(&prompts::suspicious(Split::Train, 5, 400))?;
    let harmless = rows(&prompts::harmless(Split::Train, 5, 400))?;
    let half = |rows: &[Vec<u32>]| rows.len() / 2;
    let (fit_yes, other_yes) = suspicious.split_at(half(&suspicious));
    let (fit_no, other_no) = harmless.split_at(half(&harmless));
    let method = GateMethod::Logistic(LogisticOptions::default());
    let gate = GateTrainer::new("suspicious", method)
        .with_layers(GATE_LAYER.to_string().parse()?)
        .fit(&model.network, fit_yes, fit_no, &mut Bars::new("gate"))?;
    Ok(gate.calibrated(&model.network, other_yes, other_no, FALSE_ALARMS)?)
}

fn about(calibration: &GateReport, held_out: &GateReport, points: &[Point]) -> String {
    let fired = points.first().map_or(0.0, |p| p.later.damage.fired());
    format!(
        "A logistic probe reads the residual stream after block {GATE_LAYER} at the end of each request. Its threshold lets {:.0} % of \
         harmless requests of a set apart fire ({:.1} % did). On held-out requests it fires on {:.1} % of the suspicious and {:.1} % of the \
         harmless ones, and on {:.1} % of the everyday prompts on which damage is measured. Only rows on which it fires are steered: \
         either the later block of the prompt and then both blocks of all that is written, or both blocks in a second pass over the prompt. The \
         mixture picks finished runs after the fact, as in the KL-then-steer paper.",
        100.0 * FALSE_ALARMS,
        100.0 * calibration.fpr,
        100.0 * held_out.tpr,
        100.0 * held_out.fpr,
        100.0 * fired
    )
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn table(points: &[Point]) -> Result<Table, Failure> {
    let column = |name: &str| Column::new(name, Align::Right);
    let plain = points.first().map_or([f64::NAN; 2], |p| {
        [
            mean(&p.later.suspicious.plain),
            mean(&p.later.harmless.plain),
        ]
    });
    let mut table = Table::new([
        column("strength"),
        column("suspicious: always"),
        column("suspicious: later blocks"),
        column("suspicious: second prefill"),
        column("suspicious: mixture"),
        column("harmless: always"),
        column("harmless: second prefill"),
        column("KL: always"),
        column("KL: later blocks"),
        column("KL: second prefill"),
        column("KL: mixture"),
    ])?
    .caption(format!(
        "Log-odds of beginning a refusal (unsteered {:.2} on suspicious and {:.2} on harmless requests), and damage on everyday prompts, nats \
         per answer token.",
        plain[0], plain[1]
    ));
    for point in points {
        let (later, second) = (&point.later, &point.second);
        table.push([
            Cell::fixed(point.strength, 2),
            Cell::fixed(mean(&later.suspicious.always), 2),
            Cell::fixed(mean(&later.suspicious.in_loop), 2),
            Cell::fixed(mean(&second.suspicious.in_loop), 2),
            Cell::fixed(mean(&second.suspicious.mixture), 2),
            Cell::fixed(mean(&second.harmless.always), 2),
            Cell::fixed(mean(&second.harmless.in_loop), 2),
            Cell::fixed(later.damage.always.kl(), 4),
            Cell::fixed(later.damage.in_loop.kl(), 4),
            Cell::fixed(second.damage.in_loop.kl(), 4),
            Cell::fixed(second.damage.mixture.kl(), 4),
        ])?;
    }
    Ok(table)
}

fn figure(points: &[Point]) -> Result<firetender_report::Figure, Failure> {
    let labels: Vec<String> = points.iter().map(|p| format!("{:+}", p.strength)).collect();
    let series = |name: &str, pick: &dyn Fn(&Point) -> (f64, f64)| {
        let (damage, effect): (Vec<f64>, Vec<f64>) = points.iter().map(pick).unzip();
        Points::new(name, &damage, &effect)
            .labels(&labels)
            .connected()
    };
    let chart = Scatter::new(
        "Refusing what is suspicious, against damage",
        Axis::linear("KL(steered ‖ plain) on everyday prompts, nats per answer token"),
        Axis::linear("suspicious requests: refuse : comply, log-odds"),
    );
    let always = |p: &Point| (p.later.damage.always.kl(), mean(&p.later.suspicious.always));
    let in_loop = |run: &Run| (run.damage.in_loop.kl(), mean(&run.suspicious.in_loop));
    let mixture = |p: &Point| {
        (
            p.second.damage.mixture.kl(),
            mean(&p.second.suspicious.mixture),
        )
    };
    Ok(chart
        .points(series("always", &always))
        .points(series("gated, later blocks", &|p| in_loop(&p.later)))
        .points(series("gated, second prefill", &|p| in_loop(&p.second)))
        .points(series("mixture", &mixture))
        .build()?)
}
