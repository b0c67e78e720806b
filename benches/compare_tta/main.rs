//! Image operations beside Pillow and the greedy search beside NumPy, on the same images and the same predictions, in the same run:
//! `cargo run --release -p firetender-benches --bin compare_tta -- --python PYTHON [ops] [recipes] [s] [s2] [m] [l] [xl]`.
//!
//! The pools are drawn by `benches/peer/tta.py` (the specification's synth), so that both sides read one file. The picks, and the bytes of every
//! operation, have to agree before any time is printed. Every time is a median.

#![expect(clippy::print_stdout, reason = "results go to standard output")]
#![expect(clippy::print_stderr, reason = "the error goes to standard error")]

mod images;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use clap::Parser;
use firetender_measure::{Failure, Median};
use firetender_tta::{Candidates, GreedySearch, Mode, ReadOptions};
use serde::Deserialize;

/// Firetender beside Pillow and NumPy.
#[derive(Parser)]
struct Arguments {
    /// What: ops (one by one), recipes (three operations), and pools s (40 x 1000 x 10), s2 (30 x 600 x 100), m (1101 x 5000 x 10),
    /// l (1101 x 5000 x 100), xl (64 x 25000 x 1000, read anew at every step).
    #[arg(default_values = ["ops", "recipes", "s", "s2"])]
    what: Vec<String>,
    /// A Python with NumPy, Pillow and torchvision; pools have to be there already without it.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Threads of ours; theirs is one.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Where the pools are.
    #[arg(long, default_value = "target/bench/tta")]
    folder: PathBuf,
    /// Leave out the peer's search.
    #[arg(long)]
    alone: bool,
    /// Mebibytes of predictions that the search may keep in memory.
    #[arg(long)]
    memory: Option<u64>,
}

#[derive(Deserialize)]
struct Theirs {
    picks: Vec<usize>,
    scores: Vec<f64>,
    seconds: Vec<f64>,
    versions: String,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads)
        .build_global()?;
    for what in &arguments.what {
        match what.as_str() {
            "ops" => images::ops(arguments)?,
            "recipes" => images::recipes(arguments)?,
            "s" => search(arguments, "s", [40, 1000, 10], 30, 30)?,
            "s2" => search(arguments, "s2", [30, 600, 100], 15, 15)?,
            "m" => search(arguments, "m", [1101, 5000, 10], 100, 2)?,
            "l" => search(arguments, "l", [1101, 5000, 100], 100, 1)?,
            "xl" => search(arguments, "xl", [64, 25_000, 1000], 5, 1)?,
            other => {
                return Err(format!("{other}: expected ops, recipes, s, s2, m, l or xl").into());
            }
        }
    }
    Ok(())
}

/// What the peer prints; nothing without a Python.
fn python(arguments: &Arguments, words: &[&str]) -> Result<Option<String>, Failure> {
    let Some(python) = &arguments.python else {
        return Ok(None);
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peer/tta.py");
    let found = Command::new(python)
        .arg(script)
        .args(words)
        .env("OMP_NUM_THREADS", "1")
        .stderr(Stdio::inherit())
        .output()?;
    if !found.status.success() {
        return Err(format!("the peer failed: {}", found.status).into());
    }
    Ok(Some(String::from_utf8(found.stdout)?))
}

/// `steps` of ours; the peer makes `theirs` of them and its time is extrapolated by step.
fn search(
    arguments: &Arguments,
    name: &str,
    [b, n, c]: [usize; 3],
    steps: usize,
    theirs: usize,
) -> Result<(), Failure> {
    let folder = arguments.folder.join(name);
    fs::create_dir_all(&folder)?;
    let place = folder.to_string_lossy().into_owned();
    if !folder.join("pool.npy").exists() {
        let sizes = [b, n, c].map(|x| x.to_string());
        python(
            arguments,
            &["pool", &sizes[0], &sizes[1], &sizes[2], &place],
        )?
        .ok_or("no pool, and no --python to draw one")?;
    }
    let begun = Instant::now();
    let candidates = Candidates::read(
        folder.join("pool.npy"),
        folder.join("labels.npy"),
        &ReadOptions {
            memory: arguments.memory.map(|mebibytes| mebibytes << 20),
            ..ReadOptions::default()
        },
    )?;
    let loading = begun.elapsed().as_secs_f64();
    let run = GreedySearch::new(steps);
    let trace = run.run(&candidates)?;
    let peer: Option<Theirs> = if arguments.alone {
        None
    } else {
        python(arguments, &["search", &place, &theirs.to_string()])?
            .map(|text| serde_json::from_str(&text))
            .transpose()?
    };
    if let Some(peer) = &peer {
        for (step, (pick, (index, score))) in trace
            .picks
            .iter()
            .zip(peer.picks.iter().zip(&peer.scores))
            .enumerate()
        {
            if (pick.score - score).abs() > 1e-6 {
                return Err(format!("step {step}: {} here, {score} there", pick.score).into());
            }
            // The peer's mixtures are f32.
            if pick.index != *index && pick.gap.is_none_or(|gap| gap > 1e-5) {
                return Err(format!("step {step}: {} here, {index} there", pick.index).into());
            }
        }
    }
    let runs = if b * n * c > 100_000_000 { 1 } else { 9 };
    let time = |search: &GreedySearch| -> Result<Median, Failure> {
        let mut seconds = vec![];
        for _ in 0..runs {
            let begun = Instant::now();
            search.run(&candidates)?;
            seconds.push(begun.elapsed().as_secs_f64());
        }
        Ok(Median::of(&seconds))
    };
    let ours = time(&run)?;
    let refined: usize = trace.picks.iter().map(|p| p.refined).sum();
    let passes: usize = trace.picks.iter().map(|p| p.passes).sum();
    println!(
        "search {name}, {b} x {n} x {c}, {steps} steps, {} thread(s): {:.4} s [{:.4}, {:.4}]; loading {loading:.3} s; \
         {:.2} passes and {:.3} full fits a candidate",
        arguments.threads,
        ours.value,
        ours.low,
        ours.high,
        passes as f64 / (steps * b) as f64,
        refined as f64 / (steps * b) as f64,
    );
    if let Some(peak) = peak_memory() {
        println!("  peak memory of the process: {peak} MiB");
    }
    if runs > 1 && b * n * c < 10_000_000 {
        let full = time(&run.clone().with_mode(Mode::Full))?;
        println!("  without screening: {:.4} s", full.value);
    }
    if let Some(peer) = peer {
        let per_step = peer.seconds.iter().sum::<f64>() / peer.seconds.len() as f64;
        println!(
            "  {} with Newton's method, one thread, {} step(s): {:.3} s a step, {:.2} s for {steps}: {:.1} x",
            peer.versions,
            peer.seconds.len(),
            per_step,
            per_step * steps as f64,
            per_step * steps as f64 / ours.value
        );
    }
    Ok(())
}

/// What the system says of this process, in mebibytes.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes / 1024)
}
