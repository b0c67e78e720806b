//! The ensemble sweep and the temperature fit beside NumPy and SciPy, on the same arrays, in the same run:
//! `cargo run --release -p firetender-benches --bin compare_uncertainty -- --python PYTHON [--threads 1]`.
//!
//! The arrays are drawn here and handed to `benches/peer/uncertainty.py` as `.npy` files. Results have to agree before any time is
//! printed. Every time is a median.

#![expect(clippy::print_stdout, reason = "results go to standard output")]
#![expect(clippy::doc_markdown, reason = "help texts are read in a terminal")]

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use firetender_measure::{Failure, Median, finish, on_threads, timed};
use firetender_uncertainty::{
    Floor, Folds, NpyArray, NpyValues, Scores, Targets, TemperatureOptions, calibrated_curve,
    fit_temperature, log_likelihood_curve, write_npy,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

/// Firetender beside NumPy and SciPy.
#[derive(Parser)]
struct Arguments {
    /// A Python with NumPy and SciPy; without it, only our times.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Threads of ours and of theirs.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Runs of each.
    #[arg(long, default_value_t = 9)]
    runs: usize,
    /// Where the arrays go.
    #[arg(long, default_value = "target/bench/uncertainty")]
    folder: PathBuf,
    /// Also 50,000 × 1,000, five members.
    #[arg(long)]
    imagenet: bool,
}

/// What the script prints for one set.
#[derive(Deserialize)]
struct Theirs {
    /// Log-likelihood of each size.
    ll: Vec<f64>,
    /// Seconds of the running sum over all sizes.
    sweep: f64,
    /// The same from the targets' column alone.
    sweep_of_targets: f64,
    temperature: f64,
    /// Seconds of the reference's fit (Nelder and Mead).
    fit_reference: f64,
    temperature_bounded: f64,
    /// Seconds of a bounded scalar search in f64.
    fit_bounded: f64,
    versions: String,
}

fn main() -> ExitCode {
    finish(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    on_threads(arguments.threads, arguments.runs)?;
    std::fs::create_dir_all(&arguments.folder)?;
    let mut cases = vec![(10_000, 10, 20), (10_000, 100, 20)];
    if arguments.imagenet {
        cases.push((50_000, 1000, 5));
    }
    println!(
        "{} thread(s), medians of {} runs",
        arguments.threads, arguments.runs
    );
    for (rows, classes, members) in cases {
        case(arguments, rows, classes, members)?;
    }
    Ok(())
}

/// Log-probabilities in `f32` of members that see the truth through noise, and labels drawn from the truth.
fn draw(rows: usize, classes: usize, members: usize) -> (Vec<Vec<f32>>, Vec<i64>) {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut normal = move || {
        let (a, b): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    };
    let truth: Vec<f64> = (0..rows * classes).map(|_| 2.0 * normal()).collect();
    let labels = truth
        .chunks(classes)
        .map(|row| {
            // The largest of the row plus Gumbel noise is a draw from its softmax.
            let noisy = row.iter().map(|z| {
                let uniform = (normal().abs() + 1e-9).min(8.0);
                z - (uniform * uniform / 2.0 + 1e-9).ln()
            });
            let best = noisy
                .enumerate()
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .map(|(class, _)| class);
            best.unwrap_or(0) as i64
        })
        .collect();
    let members = (0..members)
        .map(|_| {
            let mut member: Vec<f64> = truth.iter().map(|z| 2.0 * (z + normal())).collect();
            member
                .chunks_mut(classes)
                .for_each(firetender_uncertainty::log_softmax);
            member.iter().map(|l| *l as f32).collect()
        })
        .collect();
    (members, labels)
}

fn case(arguments: &Arguments, rows: usize, classes: usize, members: usize) -> Result<(), Failure> {
    let (tables, labels) = draw(rows, classes, members);
    let scores: Vec<Scores<'_>> = tables
        .iter()
        .map(|t| Scores::log_probs(t, classes))
        .collect::<Result<_, _>>()?;
    let targets = Targets::classes(&labels);
    let half = rows / 2;
    let first = Scores::log_probs(&tables[0][..half * classes], classes)?;
    let first_targets = Targets::classes(&labels[..half]);
    println!("\n{rows} × {classes}, {members} members");

    let ll = log_likelihood_curve(&scores, &targets)?;
    let options = TemperatureOptions::default();
    let fit = fit_temperature(&first, &first_targets, &options)?;
    let theirs = match &arguments.python {
        Some(python) => Some(peer(arguments, python, &tables, &labels, classes)?),
        None => None,
    };
    if let Some(theirs) = &theirs {
        for (k, (ours, theirs)) in ll.iter().zip(&theirs.ll).enumerate() {
            if (ours - theirs).abs() > 1e-6 {
                return Err(format!("LL of {} members: {ours}, NumPy {theirs}", k + 1).into());
            }
        }
        for other in [theirs.temperature, theirs.temperature_bounded] {
            if (fit.temperature / other - 1.0).abs() > 5e-3 {
                return Err(format!("T: {}, SciPy {other}", fit.temperature).into());
            }
        }
        println!("  peer: {}", theirs.versions);
        println!(
            "  same log-likelihoods to 1e-6; T {:.9} (bounded search {:.9}, reference {:.6})",
            fit.temperature, theirs.temperature_bounded, theirs.temperature
        );
    }
    let sweep = timed(arguments.runs, || {
        log_likelihood_curve(&scores, &targets).map(|_| ())
    })?;
    report(
        "log-likelihood of every size",
        sweep,
        theirs.as_ref().map(|t| ("NumPy running sum", t.sweep)),
    );
    report(
        "",
        sweep,
        theirs
            .as_ref()
            .map(|t| ("NumPy, targets only", t.sweep_of_targets)),
    );
    let fitted = timed(arguments.runs, || {
        fit_temperature(&first, &first_targets, &options).map(|_| ())
    })?;
    report(
        &format!("temperature on {half} rows ({} passes)", fit.iterations),
        fitted,
        theirs
            .as_ref()
            .map(|t| ("SciPy, as the reference", t.fit_reference)),
    );
    report(
        "",
        fitted,
        theirs
            .as_ref()
            .map(|t| ("SciPy, bounded, f64", t.fit_bounded)),
    );
    if rows <= 10_000 {
        let folds = Folds::random(rows, 2, 5, 0)?;
        let curve = timed(3, || {
            calibrated_curve(&scores, &targets, &folds, &[], Floor::None).map(|_| ())
        })?;
        report("calibrated curve, every size, 2 × 5 folds", curve, None);
    }
    Ok(())
}

fn report(what: &str, ours: Median, theirs: Option<(&str, f64)>) {
    let ms = |seconds: f64| seconds * 1e3;
    let beside = theirs.map_or_else(String::new, |(name, seconds)| {
        format!(
            "; {name} {:.2} ms, {:.1} ×",
            ms(seconds),
            seconds / ours.value
        )
    });
    println!(
        "  {what:44} {:9.3} ms [{:.3}, {:.3}]{beside}",
        ms(ours.value),
        ms(ours.low),
        ms(ours.high)
    );
}

fn peer(
    arguments: &Arguments,
    python: &Path,
    tables: &[Vec<f32>],
    labels: &[i64],
    classes: usize,
) -> Result<Theirs, Failure> {
    let array = NpyArray {
        shape: vec![tables.len(), labels.len(), classes],
        values: NpyValues::F32(tables.concat()),
    };
    write_npy(arguments.folder.join("members.npy"), &array)?;
    let targets = NpyArray {
        shape: vec![labels.len()],
        values: NpyValues::Int(labels.to_vec()),
    };
    write_npy(arguments.folder.join("labels.npy"), &targets)?;
    let given = [
        arguments.folder.display().to_string(),
        arguments.runs.to_string(),
    ];
    firetender_measure::peer(python, "uncertainty.py", &given, arguments.threads)
}
