//! `tta search`: which entries of a pool, averaged, predict best.

use std::{ops::ControlFlow, path::PathBuf, time::Instant};

use clap::Args;
use firetender_report::{Align, Cell, Column, Table};
use firetender_support::{Failure, fail};
use firetender_tta::{
    Candidates, Criterion, GreedySearch, Mode, PredictionKind, ReadOptions, Trace,
};
use firetender_uncertainty::{NpyValues, read_npy};
use serde_json::{Value, json};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Predictions: a .npy file [B, N, C] (or .npz with one such array), a folder of the reference's prediction files, or a pool's folder.
    #[arg(long)]
    pool: PathBuf,
    /// True classes, a .npy file [N].
    #[arg(long)]
    labels: PathBuf,
    /// How many picks.
    #[arg(long)]
    steps: usize,
    /// cll (calibrated log-likelihood), ll, acc or brier.
    #[arg(long, default_value = "cll")]
    criterion: String,
    /// What the numbers are: log-probs, probs or logits.
    #[arg(long, default_value = "log-probs")]
    kind: String,
    /// Each entry at most once.
    #[arg(long)]
    without_replacement: bool,
    /// Fit every candidate in full, as a check.
    #[arg(long)]
    full: bool,
    /// Samples that the search may see: a .npy file of their numbers.
    #[arg(long)]
    rows: Option<PathBuf>,
    /// Entries to begin with, such as 3,1,4.
    #[arg(long, value_delimiter = ',')]
    start: Vec<usize>,
    /// End after so many picks without a new best score.
    #[arg(long)]
    patience: Option<usize>,
    /// Added to every probability under the logarithm; 0 for none.
    #[arg(long, default_value_t = 1e-12)]
    floor: f64,
    /// Bytes of predictions to keep in memory, in MiB; larger pools are read again at every step.
    #[arg(long, default_value_t = 8192)]
    memory: u64,
    /// Threads; all of them without it. The result does not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Say on standard error what each step found.
    #[arg(long)]
    verbose: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(threads) = arguments.threads {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()?;
        return pool.install(|| search(arguments));
    }
    search(arguments)
}

#[expect(clippy::print_stderr, reason = "progress goes to standard error")]
fn search(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.steps == 0 {
        return fail("--steps 0: expected at least 1");
    }
    let options = ReadOptions {
        kind: kind(&arguments.kind)?,
        rows: rows(arguments.rows.as_ref())?,
        memory: Some(arguments.memory << 20),
    };
    let candidates = Candidates::read(&arguments.pool, &arguments.labels, &options)?;
    let mut search = GreedySearch::new(arguments.steps)
        .with_criterion(Criterion::from_name(&arguments.criterion)?)
        .with_start(arguments.start.clone());
    search.replacement = !arguments.without_replacement;
    search.patience = arguments.patience;
    search.floor = (arguments.floor != 0.0).then_some(arguments.floor);
    if arguments.full {
        search.mode = Mode::Full;
    }
    let (mut step, mut clock) = (0, Instant::now());
    let trace = search.run_observed(&candidates, &mut |pick| {
        step += 1;
        if arguments.verbose {
            let seconds = clock.elapsed().as_secs_f64();
            eprintln!(
                "step {step}: entry {} ({:.6}, {} passes, {} refined, {seconds:.3} s)",
                pick.index, pick.score, pick.passes, pick.refined
            );
        }
        clock = Instant::now();
        ControlFlow::Continue(())
    })?;
    if arguments.json {
        println!("{}", result(&trace, &candidates));
    } else {
        print!("{}", table(&trace, &candidates)?.to_markdown());
    }
    Ok(())
}

pub(crate) fn kind(name: &str) -> Result<PredictionKind, Failure> {
    Ok(match name {
        "log-probs" | "log_probs" | "logprobs" => PredictionKind::LogProbs,
        "probs" => PredictionKind::Probs,
        "logits" => PredictionKind::Logits,
        other => {
            return fail(format!(
                "--kind {other}: expected log-probs, probs or logits"
            ));
        }
    })
}

fn rows(path: Option<&PathBuf>) -> Result<Option<Vec<usize>>, Failure> {
    let Some(path) = path else {
        return Ok(None);
    };
    let array = read_npy(path)?;
    let NpyValues::Int(values) = array.values else {
        return fail(format!("{}: expected whole numbers", path.display()));
    };
    let rows: Result<_, _> = values.into_iter().map(usize::try_from).collect();
    match rows {
        Ok(rows) => Ok(Some(rows)),
        Err(_) => fail(format!("{}: a negative number of a row", path.display())),
    }
}

/// A number, or null where it is none: JSON has no infinities.
fn number(x: f64) -> Value {
    if x.is_finite() { json!(x) } else { Value::Null }
}

fn result(trace: &Trace, candidates: &Candidates) -> Value {
    let selected = trace.selected();
    let numbers = |values: Vec<f64>| values.into_iter().map(number).collect::<Vec<_>>();
    let mut shown = json!({
        "selected": selected,
        "scores": numbers(trace.scores()),
        "temperatures": numbers(trace.temperatures()),
        "criterion": trace.criterion,
        "best_prefix": trace.best_prefix(),
        "gaps": trace.picks.iter().map(|p| p.gap.map_or(Value::Null, number)).collect::<Vec<_>>(),
        "runners_up": trace.picks.iter().map(|p| p.runner_up).collect::<Vec<_>>(),
        "at_bound": trace.picks.iter().map(|p| p.at_bound).collect::<Vec<_>>(),
        "entries": candidates.entries(),
        "samples": candidates.samples(),
        "classes": candidates.classes(),
    });
    if !candidates.names().is_empty() {
        let names: Vec<&String> = selected.iter().map(|at| &candidates.names()[*at]).collect();
        shown["policy"] = json!(names);
    }
    shown
}

fn table(trace: &Trace, candidates: &Candidates) -> Result<Table, Failure> {
    let column = |name: &str| Column::new(name, Align::Right);
    let mut columns = vec![
        column("step"),
        column("entry"),
        column(&trace.criterion),
        column("T"),
        column("gap"),
    ];
    let named = !candidates.names().is_empty();
    if named {
        columns.push(Column::new("recipe", Align::Left));
    }
    let mut table = Table::new(columns)?;
    for (at, pick) in trace.picks.iter().enumerate() {
        let cell = |x: f64, digits| {
            if x.is_finite() {
                Cell::fixed(x, digits)
            } else {
                Cell::Missing
            }
        };
        let mut row = vec![
            Cell::Integer(at as i64 + 1),
            Cell::Integer(pick.index as i64),
            cell(pick.score, 6),
            cell(pick.temperature, 4),
            pick.gap.map_or(Cell::Missing, |gap| cell(gap, 7)),
        ];
        if named {
            row.push(Cell::Text(candidates.names()[pick.index].clone()));
        }
        table.push(row)?;
    }
    Ok(table)
}
