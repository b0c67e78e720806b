//! A comparison with a Python peer: the same arrays, the same threads, and a program that ends with one line when something is wrong.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use serde::de::DeserializeOwned;

use crate::{Failure, Median};

/// Turns the outcome of a comparison into its exit code, printing an error to standard error.
#[must_use]
#[expect(clippy::print_stderr, reason = "the error goes to standard error")]
pub fn finish(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Our computations on so many threads; `runs` of each are asked for.
///
/// # Errors
/// Without threads or runs, or when the threads are chosen a second time.
pub fn on_threads(threads: usize, runs: usize) -> Result<(), Failure> {
    if runs == 0 || threads == 0 {
        return Err("--runs and --threads have to be at least 1".into());
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    Ok(pool.build_global()?)
}

/// What `benches/peer/SCRIPT` prints as JSON, run with these arguments on so many threads.
///
/// # Errors
/// When the program cannot be run, fails, or prints something else.
pub fn peer<T: DeserializeOwned>(
    python: &Path,
    script: &str,
    arguments: &[String],
    threads: usize,
) -> Result<T, Failure> {
    let threads = threads.to_string();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peer");
    let output = Command::new(python)
        .arg(folder.join(script))
        .args(arguments)
        .env("OMP_NUM_THREADS", &threads)
        .env("OPENBLAS_NUM_THREADS", &threads)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("{}: {}", python.display(), output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Seconds of some runs, after one that does not count.
///
/// # Errors
/// That of the work.
pub fn timed<E: Into<Failure>>(
    runs: usize,
    mut work: impl FnMut() -> Result<(), E>,
) -> Result<Median, Failure> {
    work().map_err(Into::into)?;
    let mut seconds = vec![];
    for _ in 0..runs {
        let start = Instant::now();
        work().map_err(Into::into)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(Median::of(&seconds))
}
