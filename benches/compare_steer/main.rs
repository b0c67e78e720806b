//! Sets steering beside the Python package steering-vectors on the same weights, texts and threads; prints Markdown.
//!
//! ```sh
//! cargo run --release -p firetender-benches --bin compare_steer -- --model SmolLM2-135M-Instruct.Q4_1.gguf \
//!     --torch-python venv/bin/python --folder SMOLLM2_FOLDER --threads 2
//! ```
//!
//! `--torch-python` is an interpreter with what `benches/peer/requirements.txt` lists. First both sides have to find the same
//! vectors (mean, pair-centred component, logistic: cosine 0.9999 at every layer) and to generate the same tokens under steering;
//! else nothing is timed. Then each runs in a process of its own, in turn, `--rounds` times. Use an otherwise idle machine.
#![expect(clippy::print_stdout, reason = "the table is this program's output")]
#![expect(clippy::print_stderr, reason = "progress and errors")]

mod ours;
mod task;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use clap::Parser;
use firetender_measure::{Failure, Median};
use firetender_report::{Align, Column, Table};
use safetensors::SafeTensors;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{ours::Ours, task::Task};

/// Least cosine of two vectors that are called the same.
const SAME: f64 = 0.9999;

/// Sets steering beside the Python package steering-vectors.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// The model: a GGUF file or a Hugging Face folder.
    #[arg(long)]
    model: PathBuf,
    /// The same model as a Hugging Face folder.
    #[arg(long)]
    folder: PathBuf,
    /// A Python interpreter with torch, transformers and steering-vectors.
    #[arg(long)]
    torch_python: PathBuf,
    /// Threads of each side.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Processes of each side, in turn.
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Runs of each measurement in a process, after one that is not counted.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Used by the program itself: measure one thing and print JSON.
    #[arg(long, hide = true)]
    part: bool,
}

/// What the script prints.
#[derive(Debug, Deserialize)]
struct Theirs {
    texts_to_vector: f64,
    plain: f64,
    steered: f64,
    tokens: Vec<u32>,
    ids: Vec<u32>,
    torch: String,
    transformers: String,
    load_average: f64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<String, Failure> {
    if arguments.rounds == 0 || arguments.runs == 0 || arguments.threads == 0 {
        return Err("--rounds, --runs and --threads have to be at least 1".into());
    }
    let task = Task::new(arguments.threads, arguments.runs);
    let folder = std::env::temp_dir().join(format!("firetender-compare-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let (told, vectors) = (folder.join("task.json"), folder.join("vectors.safetensors"));
    if arguments.part {
        fs::remove_dir(&folder)?;
        let ours = ours::measure(&arguments.model, &task, None)?;
        return Ok(serde_json::to_string(&ours)?);
    }
    fs::write(&told, serde_json::to_string(&task)?)?;
    let found = compare(arguments, &task, &told, &vectors);
    fs::remove_dir_all(&folder)?;
    found
}

fn compare(
    arguments: &Arguments,
    task: &Task,
    told: &Path,
    vectors: &Path,
) -> Result<String, Failure> {
    let peer = || -> Result<Theirs, Failure> {
        let script =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peer/package_steering_vectors.py");
        let mut command = Command::new(&arguments.torch_python);
        command
            .arg(script)
            .arg(&arguments.folder)
            .arg(told)
            .arg(vectors);
        command.env("OMP_NUM_THREADS", task.threads.to_string());
        json(command.env("HF_HUB_OFFLINE", "1"))
    };
    let here = || -> Result<Ours, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--part").arg("--model").arg(&arguments.model);
        command
            .arg("--folder")
            .arg(&arguments.folder)
            .arg("--torch-python");
        command.arg(&arguments.torch_python);
        for (name, number) in [("--threads", task.threads), ("--runs", task.runs)] {
            command.arg(name).arg(number.to_string());
        }
        json(command.env("RAYON_NUM_THREADS", task.threads.to_string()))
    };
    let (mut ours, mut theirs) = (vec![], vec![]);
    let mut agreement = String::new();
    for round in 0..arguments.rounds {
        eprintln!("round {} of {}", round + 1, arguments.rounds);
        theirs.push(peer()?);
        if round == 0 {
            agreement = gate(arguments, task, vectors, &theirs[0])?;
            eprintln!("{agreement}");
        }
        ours.push(here()?);
    }
    let mut table = Table::new([
        Column::new("", Align::Left),
        Column::new("Firetender", Align::Right),
        Column::new("steering-vectors", Align::Right),
        Column::new("steering-vectors ÷ Firetender", Align::Right),
    ])?;
    let mut row = |name: String, ours: Vec<f64>, theirs: Vec<f64>| {
        let (ours, theirs) = (Median::of(&ours).value, Median::of(&theirs).value);
        table.push([
            name.into(),
            format!("{ours:.2} s").into(),
            format!("{theirs:.2} s").into(),
            format!("{:.2}", theirs / ours).into(),
        ])
    };
    let texts = 2 * task.toward.len();
    row(
        format!(
            "{texts} texts to a mean vector, all layers, batches of {}",
            task.batch
        ),
        ours.iter().map(|o| o.texts_to_vector).collect(),
        theirs.iter().map(|t| t.texts_to_vector).collect(),
    )?;
    row(
        format!(
            "{} tokens, steered at {} layers",
            task.new_tokens,
            task.layers.len()
        ),
        ours.iter().map(|o| o.steered).collect(),
        theirs.iter().map(|t| t.steered).collect(),
    )?;
    row(
        format!("{} tokens, unsteered", task.new_tokens),
        ours.iter().map(|o| o.plain).collect(),
        theirs.iter().map(|t| t.plain).collect(),
    )?;
    let busiest = theirs.iter().map(|t| t.load_average).fold(0.0, f64::max);
    Ok(format!(
        "{agreement}\n\n{}\n{} threads, f32, greedy; medians of {} processes of {} runs; torch {}, transformers {}; highest load \
         average {busiest:.1}.",
        table.to_markdown(),
        task.threads,
        arguments.rounds,
        task.runs,
        theirs[0].torch,
        theirs[0].transformers,
    ))
}

/// Both sides find the same vectors and generate the same tokens.
fn gate(
    arguments: &Arguments,
    task: &Task,
    vectors: &Path,
    theirs: &Theirs,
) -> Result<String, Failure> {
    let bytes = fs::read(vectors)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let mut directions = ours::Directions::new();
    let ours = ours::measure(&arguments.model, task, Some(&mut directions))?;
    if ours.ids != theirs.ids {
        return Err("the two tokenizers disagree".into());
    }
    let mut said = vec![];
    for (method, layers) in &directions {
        let mut least = 1.0f64;
        for (layer, mine) in layers {
            let other = file.tensor(&format!("{method}.{layer}"))?;
            let other = other.data().as_chunks().0.iter();
            let other: Vec<f64> = other.map(|b| f64::from(f32::from_le_bytes(*b))).collect();
            least = least.min(cosine(mine, &other));
        }
        if least.is_nan() || least < SAME {
            return Err(format!("{method}: least cosine {least}; expected {SAME} or more").into());
        }
        said.push(format!("{method} {least:.7}"));
    }
    let same = ours.tokens.iter().zip(&theirs.tokens);
    let same = same.take_while(|(a, b)| a == b).count();
    if same < task.new_tokens {
        return Err(format!(
            "only the first {same} of {} generated tokens are the same",
            task.new_tokens
        )
        .into());
    }
    Ok(format!(
        "Least cosine over the layers: {}. Generated tokens: all {same} equal.",
        said.join(", ")
    ))
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(x, y)| x * y).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Runs a command and reads the JSON that it prints.
fn json<T: DeserializeOwned>(command: &mut Command) -> Result<T, Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name}: {}", output.status).into());
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{name}: its output: {error}").into())
}
