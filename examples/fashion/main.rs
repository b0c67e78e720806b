//! Deep ensembles against everything cheaper, on Fashion-MNIST: the experiment of Ashukha et al. (2020) at a scale of two processor
//! cores and an hour.
//!
//! - `cargo run --release --example fashion` reads the predictions that are kept beside the code (of the first 700 test images, one
//!   byte a class, every run) and prints the table in seconds; `--json` for programs, `--report DIR` for a page with figures.
//! - `… --example fashion -- --train` trains what is not trained yet below `--out`, in pieces of one epoch, predicts all 10,000 test
//!   images and reports on them; `--keep DIR` writes the small files anew, and `curves.csv` with every run's scores on all test images
//!   (`uncertainty dee --csv` reads it). The images come with Debian's package
//!   `dataset-fashion-mnist`; `--data` names another folder.
#![expect(clippy::print_stderr, reason = "progress goes to standard error")]
#![expect(clippy::print_stdout, reason = "results go to standard output")]

mod chain;
mod methods;
mod page;
mod study;
mod variational;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use firetender_lm::write_atomically;
use firetender_support::{
    Failure, arguments, device, fail,
    fashion::{FOLDER, Images, Predictions, Split},
    finish,
};
use methods::{Bench, METHODS, Method};

/// Ensembles of small networks on Fashion-MNIST: log-likelihood, calibration and the deep-ensemble equivalent.
#[derive(Parser)]
struct Arguments {
    /// Trains what is not trained yet and reports on all test images.
    #[arg(long)]
    train: bool,
    /// Folder with the four files of Fashion-MNIST, for training.
    #[arg(long, default_value = FOLDER)]
    data: PathBuf,
    /// Folder for networks and full predictions, for training.
    #[arg(long, default_value = "target/fashion")]
    out: PathBuf,
    /// These methods only (repeat the flag); the report needs `deepens` among them.
    #[arg(long)]
    only: Vec<String>,
    /// Independent runs of every method but the deep ensemble, for training.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Networks in the deep ensemble's pool, for training; at least one for each run.
    #[arg(long, default_value_t = 20)]
    networks: usize,
    /// With --train: reports on what has been predicted so far and trains nothing.
    #[arg(long, requires = "train")]
    so_far: bool,
    /// Writes the predictions of the first 700 images to this folder, one byte a class, and the curves of all images.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Writes a page and its figures to this folder.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Prints JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Where to train: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
}

/// Test images in the files that are kept.
const KEPT: usize = 700;

fn main() -> ExitCode {
    finish(run(&arguments::<Arguments>()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let chosen: Vec<&Method> = METHODS
        .iter()
        .filter(|method| {
            arguments.only.is_empty() || arguments.only.iter().any(|name| name == method.name)
        })
        .collect();
    let methods = if arguments.train {
        trained(arguments, &chosen)?
    } else {
        kept(&chosen)?
    };
    if methods
        .first()
        .is_none_or(|(method, _)| method.name != "deepens")
    {
        // Nothing to compare with: `--only` was for training a part.
        return Ok(());
    }
    let rows = methods[0].1[0].labels.len();
    let curves = study::study(&methods)?;
    if let Some(folder) = &arguments.keep {
        fs::create_dir_all(folder)?;
        for (method, runs) in &methods {
            for (at, run) in runs.iter().enumerate() {
                let path = file(folder, method, at + 1);
                write_atomically(&path, &run.first(KEPT).to_bytes())?;
            }
        }
        study::table(&curves).write(folder.join("curves.csv"))?;
    }
    if let Some(folder) = &arguments.report {
        fs::create_dir_all(folder)?;
        page::write(&curves, rows, folder)?;
    }
    if arguments.json {
        println!("{:#}", page::json(&curves, rows));
    } else {
        println!(
            "{}\n{}",
            page::table(&curves)?.to_markdown(),
            page::matched(&curves)?.to_markdown()
        );
    }
    Ok(())
}

/// A method with the predictions of each of its runs.
type Runs<'a> = (&'a Method, Vec<Predictions>);

/// The predictions that come with the code.
fn kept<'a>(chosen: &[&'a Method]) -> Result<Vec<Runs<'a>>, Failure> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/data/fashion"));
    let mut found = vec![];
    for &method in chosen {
        let paths = (1..).map(|run| file(folder, method, run));
        let runs: Vec<Predictions> = paths
            .take_while(|path| path.exists())
            .map(|path| Predictions::read(&path))
            .collect::<Result<_, _>>()?;
        if runs.is_empty() {
            eprintln!("{:<12} not kept: --train makes it", method.name);
        } else {
            found.push((method, runs));
        }
    }
    Ok(found)
}

/// Every method's predictions of all test images, trained and predicted as far as they are not yet: one run after the other, so
/// that there is something to report on early.
fn trained<'a>(arguments: &Arguments, chosen: &[&'a Method]) -> Result<Vec<Runs<'a>>, Failure> {
    let (runs, networks) = (arguments.runs, arguments.networks);
    if runs == 0 || networks < runs {
        return fail(format!(
            "--runs is {runs} and --networks {networks}; expected at least one run, and a network for each"
        ));
    }
    let device = device(arguments.device.as_deref())?.autodiff();
    let all = Images::read(&arguments.data, Split::Train)?;
    let bench = Bench {
        held_out: &all.range(20_000..22_000),
        train: &all.range(0..20_000),
        test: &Images::read(&arguments.data, Split::Test)?,
        folder: &arguments.out,
        device,
    };
    fs::create_dir_all(&arguments.out)?;
    let mut found: Vec<Runs<'a>> = chosen.iter().map(|&method| (method, vec![])).collect();
    for run in 1..=runs {
        for (method, own) in &mut found {
            if run > 1 && method.name == "deepens" {
                continue;
            }
            let networks = match arguments.so_far {
                true if !bench.is_predicted(method.name, run) => continue,
                true => bench.networks(networks),
                false => networks,
            };
            let members = bench.predictions(method.name, run, networks)?;
            eprintln!(
                "{:<12} run {run}: {} members for {:.1} epochs",
                method.name,
                members.len(),
                method.once + method.each * members.len() as f64
            );
            let members = members
                .into_iter()
                .map(|member| member.into_iter().map(f64::from).collect())
                .collect();
            let labels = bench.test.labels().to_vec();
            own.push(Predictions { labels, members });
        }
    }
    found.retain(|(_, runs)| !runs.is_empty());
    Ok(found)
}

fn file(folder: &Path, method: &Method, run: usize) -> PathBuf {
    match run {
        1 => folder.join(format!("{}.predictions", method.name)),
        _ => folder.join(format!("{}-{run}.predictions", method.name)),
    }
}
