//! The table of metrics beside torchmetrics and beside plain NumPy, on the same arrays, in the same run:
//! `cargo run --release -p firetender-benches --bin compare_metrics -- --python PYTHON [--threads 1] [--imagenet]`.
//!
//! The probabilities are drawn here and handed to `benches/peer/metrics.py` as raw files. Results have to agree before any time is
//! printed. Every time is a median; ours includes the checks of every value.
#![expect(clippy::print_stdout, reason = "the tables are this program's output")]
#![expect(clippy::print_stderr, reason = "the error goes to standard error")]

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Parser;
use firetender_measure::{Failure, finish, on_threads, predictions, softmax, timed};
use firetender_uncertainty::{MetricOptions, Metrics, Scores, Targets, evaluate};
use serde::Deserialize;

/// Metrics beside torchmetrics and NumPy.
#[derive(Debug, Parser)]
struct Arguments {
    /// A Python with torchmetrics and NumPy (`benches/peer/requirements.txt`); without it, only our times.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Threads of ours and of theirs.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Runs of each.
    #[arg(long, default_value_t = 7)]
    runs: usize,
    /// Where the arrays go.
    #[arg(long, default_value = "target/bench/metrics")]
    folder: PathBuf,
    /// Also 50,000 × 1,000.
    #[arg(long)]
    imagenet: bool,
}

/// What the script prints.
#[derive(Debug, Deserialize)]
struct Theirs {
    versions: String,
    torchmetrics: Values,
    torchmetrics_seconds: f64,
    numpy: Values,
    numpy_seconds: f64,
}

/// Metrics by name.
#[derive(Debug, Deserialize)]
struct Values {
    accuracy: f64,
    ll: f64,
    brier: f64,
    ece: f64,
    mce: Option<f64>,
    rmsce: Option<f64>,
    auroc: Option<f64>,
    ap: Option<f64>,
    sce: Option<f64>,
    tace: Option<f64>,
    ace: Option<f64>,
    aurc: Option<f64>,
}

fn main() -> ExitCode {
    finish(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    on_threads(arguments.threads, arguments.runs)?;
    fs::create_dir_all(&arguments.folder)?;
    println!(
        "{} thread(s), medians of {} runs\n",
        arguments.threads, arguments.runs
    );
    println!(
        "| objects × classes | all metrics | torchmetrics' set | torchmetrics | ÷ same set | ÷ all | NumPy | ÷ all |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    let mut shapes = vec![(10_000, 10), (10_000, 100)];
    if arguments.imagenet {
        shapes.push((50_000, 1000));
    }
    for (rows, classes) in shapes {
        shape(arguments, rows, classes)?;
    }
    Ok(())
}

fn shape(arguments: &Arguments, rows: usize, classes: usize) -> Result<(), Failure> {
    let (logits, labels) = predictions(rows, classes, 11);
    let probs = softmax(&logits, classes);
    let targets = Targets::classes(&labels);
    let all = MetricOptions::default();
    // What torchmetrics has: accuracy, log-likelihood, Brier, three calibration errors, two areas.
    let few = MetricOptions::basic();
    let once = |options| -> Result<Metrics, Failure> {
        Ok(evaluate(
            &Scores::probs(&probs, classes)?,
            &targets,
            options,
        )?)
    };
    let found = once(&all)?;
    let theirs = peer(arguments, &probs, &labels, classes)?;
    if let Some(theirs) = &theirs {
        agree(&found, &theirs.torchmetrics, "torchmetrics")?;
        agree(&found, &theirs.numpy, "NumPy")?;
        eprintln!("{rows} × {classes}: results agree with {}", theirs.versions);
    }
    let time = |options| -> Result<f64, Failure> {
        Ok(timed(arguments.runs, || once(options).map(|_| ()))?.value)
    };
    let (all, few) = (time(&all)?, time(&few)?);
    let milliseconds = |seconds: f64| format!("{:.2} ms", seconds * 1e3);
    let (torch, numpy) = match &theirs {
        Some(theirs) => {
            let (torch, numpy) = (theirs.torchmetrics_seconds, theirs.numpy_seconds);
            (
                format!(
                    "{} | {:.1} | {:.1}",
                    milliseconds(torch),
                    torch / few,
                    torch / all
                ),
                format!("{} | {:.1}", milliseconds(numpy), numpy / all),
            )
        }
        None => ("– | – | –".into(), "– | –".into()),
    };
    println!(
        "| {rows} × {classes} | {} | {} | {torch} | {numpy} |",
        milliseconds(all),
        milliseconds(few),
    );
    Ok(())
}

/// Both sides have to mean the same: 32-bit sums there, exact ones here.
fn agree(ours: &Metrics, theirs: &Values, who: &str) -> Result<(), Failure> {
    let pairs = [
        ("accuracy", Some(ours.accuracy), Some(theirs.accuracy)),
        ("ll", Some(ours.ll), Some(theirs.ll)),
        ("brier", Some(ours.brier), Some(theirs.brier)),
        ("ece", Some(ours.ece), Some(theirs.ece)),
        ("mce", Some(ours.mce), theirs.mce),
        ("rmsce", Some(ours.rmsce), theirs.rmsce),
        ("auroc", ours.misclass_confidence_auroc, theirs.auroc),
        ("ap", ours.misclass_confidence_prauc, theirs.ap),
        ("sce", ours.sce, theirs.sce),
        ("tace", ours.tace, theirs.tace),
        ("ace", ours.ace, theirs.ace),
        ("aurc", Some(ours.aurc), theirs.aurc),
    ];
    for (name, ours, theirs) in pairs {
        if let (Some(ours), Some(theirs)) = (ours, theirs)
            && (ours - theirs).abs() > 2e-5 * (1.0 + theirs.abs())
        {
            return Err(format!("{name}: {ours} here, {theirs} by {who}").into());
        }
    }
    Ok(())
}

fn peer(
    arguments: &Arguments,
    probs: &[f32],
    labels: &[i64],
    classes: usize,
) -> Result<Option<Theirs>, Failure> {
    let Some(python) = &arguments.python else {
        return Ok(None);
    };
    let bytes: Vec<u8> = probs.iter().flat_map(|p| p.to_le_bytes()).collect();
    fs::write(arguments.folder.join("probs.f32"), bytes)?;
    let bytes: Vec<u8> = labels.iter().flat_map(|y| y.to_le_bytes()).collect();
    fs::write(arguments.folder.join("labels.i64"), bytes)?;
    let given = [
        arguments.folder.display().to_string(),
        classes.to_string(),
        arguments.runs.to_string(),
        arguments.threads.to_string(),
    ];
    Ok(Some(firetender_measure::peer(
        python,
        "metrics.py",
        &given,
        arguments.threads,
    )?))
}
