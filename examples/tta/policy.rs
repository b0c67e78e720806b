//! `tta policy`: policy files.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use firetender_support::{Failure, fail};
use firetender_tta::{
    Policy,
    reference::{
        NoneMeans, parse_policy_lines, policy_texts, read_policy, write_npy_policy,
        write_npz_policy,
    },
};
use firetender_uncertainty::write_atomically;
use serde_json::json;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Turns a policy into another form, by the ends of the names: .json (ours), .npz (CIFAR) and .npy (ImageNet, both the reference's), .txt (one
    /// recipe a line).
    Convert {
        /// The policy to read.
        input: PathBuf,
        /// The file to write.
        output: PathBuf,
        /// Take None for "no operation, then crop and mirror at random", as the reference's evaluation does, and not for the central crop.
        #[arg(long)]
        none_is_random: bool,
        /// Whose list of operations the numbers of a .txt file mean: cifar or imagenet.
        #[arg(long, default_value = "cifar")]
        space: String,
        /// Only the first so many entries.
        #[arg(long)]
        first: Option<usize>,
    },
    /// Says what is in a policy, as JSON.
    Show {
        /// The policy.
        input: PathBuf,
    },
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Convert {
            input,
            output,
            none_is_random,
            space,
            first,
        } => {
            let none = if *none_is_random {
                NoneMeans::RandomFrame
            } else {
                NoneMeans::Central
            };
            let mut policy = read(input, none, space)?;
            if let Some(first) = first {
                let entries: Vec<usize> = (0..*first).collect();
                policy = policy.select(&entries)?;
            }
            if policy.is_empty() {
                return fail(format!("{}: no recipe in it", input.display()));
            }
            warn(&policy);
            write(output, &policy)?;
            let shown = json!({
                "entries": policy.len(),
                "central": policy.entries.iter().filter(|e| e.is_central()).count(),
                "space": policy.space.name,
                "out": output,
            });
            println!("{shown}");
            Ok(())
        }
        Command::Show { input } => {
            let policy = read(input, NoneMeans::Central, "cifar")?;
            warn(&policy);
            let shown = json!({
                "entries": policy.len(),
                "central": policy.entries.iter().filter(|e| e.is_central()).count(),
                "space": policy.space.name,
                "recipes": policy_texts(&policy)?,
            });
            println!("{shown}");
            Ok(())
        }
    }
}

/// A policy in any form that is known, by what the file holds.
pub(crate) fn read(path: &Path, none: NoneMeans, space: &str) -> Result<Policy, Failure> {
    match extension(path).as_str() {
        "npz" | "npy" => Ok(read_policy(path, none)?),
        "json" => Ok(Policy::read(path)?),
        "txt" | "csv" | "" => {
            let empty = match space {
                "cifar" => Policy::cifar(),
                "imagenet" => Policy::imagenet(224, 0.875),
                other => return fail(format!("--space {other}: expected cifar or imagenet")),
            };
            let text = match std::fs::read_to_string(path) {
                Ok(text) => text,
                Err(error) => return fail(format!("{}: {error}", path.display())),
            };
            Ok(parse_policy_lines(&text, empty, none, path)?)
        }
        other => fail(format!(
            "{}: a policy ends in .json, .npz, .npy or .txt, not .{other}",
            path.display()
        )),
    }
}

fn write(path: &Path, policy: &Policy) -> Result<(), Failure> {
    match extension(path).as_str() {
        "json" => policy.write(path)?,
        "npz" => write_npz_policy(path, policy)?,
        "npy" => write_npy_policy(path, policy)?,
        "txt" => {
            let text = policy_texts(policy)?.join("\n") + "\n";
            write_atomically(path, text.as_bytes())?;
        }
        other => {
            return fail(format!(
                "{}: a policy ends in .json, .npz, .npy or .txt, not .{other}",
                path.display()
            ));
        }
    }
    Ok(())
}

fn extension(path: &Path) -> String {
    path.extension()
        .map(|e| e.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default()
}

#[expect(clippy::print_stderr, reason = "warnings go to standard error")]
fn warn(policy: &Policy) {
    for line in policy.warnings().iter().take(5) {
        eprintln!("note: {line}");
    }
    let more = policy.warnings().len().saturating_sub(5);
    if more > 0 {
        eprintln!("note: {more} more like these");
    }
}
