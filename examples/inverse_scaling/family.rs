//! Without a command: the built-in family on its own tasks, with figures.
//!
//! Each size was trained with several seeds. The label of a task comes from the mean over seeds of every example's score; the interval from the seeds themselves
//! says how far another training run would differ.

use std::{collections::BTreeMap, path::PathBuf, time::Instant};

use clap::Args;
use firetender_ember::family::{Member, Trap, published};
use firetender_lm::LmScorer;
use firetender_report::{
    Align, Axis, Cell, Column, Figure, LineChart, Report, Section, Series, Table,
};
use firetender_scaling::{
    Baselines, Curve, Point, RunOptions, Scale, ShapeOptions, Silent, Trend, evaluate, mean, trends,
};
use firetender_support::{Failure, Model, device, fail, trap_task};
use serde_json::{Value, json};

#[derive(Args, Default)]
pub(crate) struct Arguments {
    /// Examples of each task.
    #[arg(long, default_value_t = 300)]
    examples: usize,
    /// Seed of the tasks.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Report with figures.
    #[arg(long, default_value = "target/inverse_scaling/index.html")]
    report: PathBuf,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Scores of one model on one task.
struct Run {
    member: Member,
    seed: u64,
    accuracy: Vec<f64>,
    loss: Vec<f64>,
    coverage: f64,
}

/// One task on all models.
struct Findings {
    trap: Trap,
    trend: Trend,
    runs: Vec<Run>,
    baselines: Option<Baselines>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.examples == 0 {
        return fail("--examples is 0; expected at least 2");
    }
    let start = Instant::now();
    let device = device(arguments.device.as_deref())?;
    let tasks: Vec<_> = Trap::ALL
        .map(|trap| (trap, trap_task(trap, arguments.seed, arguments.examples)))
        .into();
    let mut runs: BTreeMap<Trap, Vec<Run>> = BTreeMap::new();
    let mut baselines = BTreeMap::new();
    let mut losses = vec![];
    for (member, seed, held_out) in published() {
        let model = Model::open(&format!("ember-{}-s{seed}", member.name), &device)?;
        let fingerprint = model.checkpoint.fingerprint()?;
        losses.push((member, seed, held_out));
        for (trap, task) in &tasks {
            let mut scorer = LmScorer::new(&model.network, &fingerprint);
            let found = evaluate(
                &mut scorer,
                model.tokenizer()?,
                task,
                &RunOptions::default(),
                None,
                &mut Silent,
            )?;
            let (Some(accuracy), Some(loss), Some(coverage)) = (
                found.values("accuracy"),
                found.values("loss"),
                found.summary(1).mean("coverage"),
            ) else {
                return fail(format!("{}: some examples could not be scored", task.name));
            };
            baselines.insert(*trap, found.baselines);
            runs.entry(*trap).or_default().push(Run {
                member,
                seed,
                accuracy,
                loss,
                coverage,
            });
        }
    }
    let curves: Vec<Curve> = runs.iter().map(|(trap, runs)| curve(*trap, runs)).collect();
    let found = trends(&curves, ShapeOptions::default())?;
    let results: Vec<Findings> = runs
        .into_iter()
        .zip(found)
        .map(|((trap, runs), trend)| Findings {
            baselines: baselines.get(&trap).copied().flatten(),
            trap,
            trend,
            runs,
        })
        .collect();
    write_report(arguments, &results, &losses)?;
    if arguments.json {
        println!("{}", value(&results, &losses));
        return Ok(());
    }
    println!("{}", table(&results)?.to_markdown());
    for result in &results {
        println!(
            "{}: {}. {}",
            result.trap.name(),
            result.trend.label,
            result.trend.evidence
        );
        if !result.trend.notes.is_empty() {
            println!("    {}", result.trend.notes.join("; "));
        }
    }
    println!(
        "\nFigures: {} ({:.1?} in all)",
        arguments.report.display(),
        start.elapsed()
    );
    Ok(())
}

/// Sizes in order, with the runs of each.
fn by_size(runs: &[Run]) -> Vec<(Member, Vec<&Run>)> {
    let mut sizes: BTreeMap<usize, (Member, Vec<&Run>)> = BTreeMap::new();
    for run in runs {
        let entry = sizes
            .entry(run.member.parameters())
            .or_insert((run.member, vec![]));
        entry.1.push(run);
    }
    sizes.into_values().collect()
}

/// The mean over training seeds of every example's score.
fn curve(trap: Trap, runs: &[Run]) -> Curve {
    let one = |metric: &str, of: &dyn Fn(&Run) -> Vec<f64>, companion| {
        let columns: Vec<(Member, Vec<f64>)> = by_size(runs)
            .into_iter()
            .map(|(member, runs)| {
                let lists: Vec<Vec<f64>> = runs.iter().map(|run| of(run)).collect();
                let values = (0..lists[0].len())
                    .map(|i| lists.iter().map(|list| list[i]).sum::<f64>() / lists.len() as f64)
                    .collect();
                (member, values)
            })
            .collect();
        let points = columns
            .iter()
            .filter_map(|(member, values)| {
                let found = mean(values, 1)?;
                Some(Point {
                    model: format!("ember-{}", member.name),
                    scale: member.parameters() as f64,
                    n: Some(found.n as u64),
                    value: found.mean,
                    stderr: found.stderr,
                })
            })
            .collect();
        let n = columns.first().map_or(0, |(_, values)| values.len());
        Curve {
            task: trap.name().into(),
            family: "ember".into(),
            metric: metric.into(),
            lower_is_better: metric == "loss",
            axis: Scale::Parameters,
            points,
            examples: Some(
                (0..n)
                    .map(|i| columns.iter().map(|(_, values)| values[i]).collect())
                    .collect(),
            ),
            companion,
        }
    };
    let loss = one("loss", &|run| run.loss.clone(), None);
    one(
        "accuracy",
        &|run| run.accuracy.clone(),
        Some(Box::new(loss)),
    )
}

/// Mean over seeds and the spread of single seeds: least and most.
fn over_seeds(runs: &[&Run], of: &dyn Fn(&Run) -> f64) -> (f64, f64, f64) {
    let values: Vec<f64> = runs.iter().map(|run| of(run)).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    (
        mean,
        least,
        values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    )
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn table(results: &[Findings]) -> Result<Table, Failure> {
    let sizes: Vec<Member> = results.first().map_or(vec![], |r| {
        by_size(&r.runs).into_iter().map(|(m, _)| m).collect()
    });
    let mut columns = vec![
        Column::new("task", Align::Left),
        Column::new("label", Align::Left),
        Column::new("by loss", Align::Left),
    ];
    columns.extend(
        sizes
            .iter()
            .map(|member| Column::new(member.name, Align::Right)),
    );
    let mut table =
        Table::new(columns)?.caption("Accuracy: mean over training seeds (least to most).");
    for result in results {
        let mut row = vec![
            Cell::from(result.trap.name()),
            Cell::from(result.trend.label.name()),
            Cell::from(
                result
                    .trend
                    .companion
                    .as_ref()
                    .map_or("", |c| c.label.name()),
            ),
        ];
        for (_, runs) in by_size(&result.runs) {
            let (mean, least, most) = over_seeds(&runs, &|run| average(&run.accuracy));
            row.push(Cell::from(if runs.len() > 1 {
                format!("{mean:.3} ({least:.3} to {most:.3})")
            } else {
                format!("{mean:.3}")
            }));
        }
        table.push(row)?;
    }
    Ok(table)
}

fn figure(result: &Findings, loss: bool) -> Result<Figure, Failure> {
    let sizes = by_size(&result.runs);
    let x: Vec<f64> = sizes
        .iter()
        .map(|(member, _)| member.parameters() as f64)
        .collect();
    let of: &dyn Fn(&Run) -> f64 = if loss {
        &|run| average(&run.loss)
    } else {
        &|run| average(&run.accuracy)
    };
    let points: Vec<(f64, f64, f64)> = sizes.iter().map(|(_, runs)| over_seeds(runs, of)).collect();
    let part =
        |pick: &dyn Fn(&(f64, f64, f64)) -> f64| points.iter().map(pick).collect::<Vec<f64>>();
    let (name, axis) = if loss {
        ("loss", Axis::log("loss in nats"))
    } else {
        (
            "accuracy",
            Axis::linear("accuracy").include(0.0).include(1.0),
        )
    };
    let mut chart = LineChart::new(
        format!("{}: {name}", result.trap.name()),
        Axis::log("parameters"),
        axis,
    )
    .series(
        Series::new("Ember family", &x, &part(&|p| p.0))
            .band(&part(&|p| p.1), &part(&|p| p.2))
            .markers(true),
    );
    if let Some(b) = result.baselines {
        if loss {
            chart = chart.reference("guessing", b.chance_loss);
        } else {
            chart = chart.reference("guessing", b.chance_accuracy);
        }
    }
    let coverage: Vec<String> = sizes
        .iter()
        .map(|(member, runs)| {
            format!(
                "{} {:.2}",
                member.name,
                over_seeds(runs, &|run| run.coverage).0
            )
        })
        .collect();
    Ok(chart.build()?.caption(format!(
        "{} by {name}: {}. Band: least to most over training seeds. Coverage (probability on the two classes): {}.",
        if loss { "Companion" } else { "Label" },
        if loss {
            result.trend.companion.as_ref().map_or("", |c| c.label.name())
        } else {
            result.trend.label.name()
        },
        coverage.join(", ")
    )))
}

fn write_report(
    arguments: &Arguments,
    results: &[Findings],
    losses: &[(Member, u64, f64)],
) -> Result<(), Failure> {
    let mut overview = Table::new([
        Column::new("model", Align::Left),
        Column::new("parameters", Align::Right),
        Column::new("without embeddings", Align::Right),
        Column::new("held-out loss", Align::Right),
    ])?;
    for (member, seed, loss) in losses {
        overview.push([
            Cell::from(format!("ember-{}-s{seed}", member.name)),
            Cell::from(member.parameters()),
            Cell::from(member.body_parameters()),
            Cell::from(*loss),
        ])?;
    }
    let mut report = Report::new("Inverse scaling in the Ember family")
        .lead("Five sizes of one model on tasks with the four causes of inverse scaling, and a control.")
        .fact("examples a task", arguments.examples.to_string())
        .section(Section::new("All tasks").table(table(results)?).table(overview));
    for result in results {
        report = report.section(
            Section::new(result.trap.name())
                .paragraph(format!(
                    "{}: {}. {}",
                    result.trend.label,
                    result.trend.evidence,
                    result.trend.notes.join("; ")
                ))
                .figure(figure(result, false)?)
                .figure(figure(result, true)?),
        );
    }
    report.write(&arguments.report)?;
    Ok(())
}

fn value(results: &[Findings], losses: &[(Member, u64, f64)]) -> Value {
    let models: Vec<Value> = losses
        .iter()
        .map(|(member, seed, loss)| {
            json!({ "model": format!("ember-{}-s{seed}", member.name), "parameters": member.parameters(), "held_out_loss": loss })
        })
        .collect();
    let tasks: Vec<Value> = results
        .iter()
        .map(|result| {
            let runs: Vec<Value> = result
                .runs
                .iter()
                .map(|run| {
                    json!({ "size": run.member.name, "seed": run.seed, "accuracy": average(&run.accuracy),
                            "loss": average(&run.loss), "coverage": run.coverage })
                })
                .collect();
            json!({ "task": result.trap.name(), "label": result.trend.label, "runs": runs, "baselines": result.baselines, "trend": result.trend })
        })
        .collect();
    json!({ "models": models, "tasks": tasks })
}
