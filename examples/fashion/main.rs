//! Deep ensembles against everything cheaper, on Fashion-MNIST: the experiment of Ashukha et al. (2020) at a scale of two processor
//! cores and an hour.
//!
//! `cargo run --release --example fashion -- --train` trains what is not trained yet, in pieces of one epoch, and writes the
//! predictions of every method's members. The images come with Debian's package `dataset-fashion-mnist`; `--data` names another folder.
#![expect(clippy::print_stderr, reason = "progress goes to standard error")]

mod chain;
mod methods;

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Parser;
use firetender_support::{
    Failure, device,
    fashion::{FOLDER, Images, Split},
    finish,
};
use methods::{Bench, METHODS};

/// Trains ensembles of small networks on Fashion-MNIST.
#[derive(Parser)]
struct Arguments {
    /// Folder with the four files of Fashion-MNIST.
    #[arg(long, default_value = FOLDER)]
    data: PathBuf,
    /// Folder for networks and predictions.
    #[arg(long, default_value = "target/fashion")]
    out: PathBuf,
    /// These methods only.
    #[arg(long)]
    only: Vec<String>,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
}

fn main() -> ExitCode {
    finish(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let device = device(arguments.device.as_deref())?.autodiff();
    let all = Images::read(&arguments.data, Split::Train)?;
    let bench = Bench {
        held_out: &all.range(20_000..22_000),
        train: &all.range(0..20_000),
        test: &Images::read(&arguments.data, Split::Test)?,
        folder: &arguments.out,
        device,
    };
    for method in METHODS {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|name| name == method.name) {
            continue;
        }
        let members = bench.predictions(method.name)?;
        let bytes: Vec<u8> = members
            .iter()
            .flatten()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let path = arguments.out.join(format!("{}.f32", method.name));
        fs::write(path.with_extension("partial"), bytes)?;
        fs::rename(path.with_extension("partial"), path)?;
        eprintln!(
            "{:<12} {} members for {:.1} epochs",
            method.name,
            members.len(),
            method.once + method.each * members.len() as f64
        );
    }
    Ok(())
}
