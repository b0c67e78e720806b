//! Scoring beside lm-evaluation-harness: the same folder of weights, the same pairs, the same threads, in the same run:
//! `cargo run --release -p firetender-benches --bin compare_scaling -- --model FOLDER --task FILE --python PYTHON [--limit N] [--threads 2]`.
//!
//! The model is a Hugging Face folder that both sides read (for example `tests/golden/make/smollm2_folder.py`). Every log-probability and the
//! accuracy have to agree before a time counts; loading and tokenizing are not timed. The harness runs at several batch sizes and its best counts.
#![expect(clippy::print_stdout, reason = "the tables are this program's output")]

use std::{path::PathBuf, process::ExitCode, time::Instant};

use burn::tensor::Device;
use clap::Parser;
use firetender_hooks::Untouched;
use firetender_lm::{
    CausalLm, Checkpoint, CutPolicy, ScoreRequest, Scored, Sharing, StartToken, Transformer,
    cut_pair, score_batch,
};
use firetender_measure::{Failure, finish, on_threads, peer};
use firetender_scaling::{Example, read_task};
use serde::Deserialize;

/// Scoring beside the harness.
#[derive(Debug, Parser)]
struct Arguments {
    /// Hugging Face folder.
    #[arg(long)]
    model: PathBuf,
    /// Official classification file.
    #[arg(long)]
    task: PathBuf,
    /// First examples only.
    #[arg(long, default_value_t = usize::MAX)]
    limit: usize,
    /// A Python with lm-eval (`tests/golden/make/requirements_likelihood.txt`); without it, only our times.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Threads of ours and of theirs.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Runs of each.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Most rows in one of our passes.
    #[arg(long, default_value_t = Sharing::default().rows)]
    rows: usize,
    /// Most tokens in one of our passes.
    #[arg(long, default_value_t = Sharing::default().tokens)]
    tokens: usize,
    /// Most cached columns, of all rows together.
    #[arg(long, default_value_t = Sharing::default().columns)]
    columns: usize,
    /// Largest allowed difference of a continuation's log-probability.
    #[arg(long, default_value_t = 1e-3)]
    gate: f64,
}

/// What the script prints.
#[derive(Debug, Deserialize)]
struct Theirs {
    versions: String,
    /// Seconds of each run by batch size.
    seconds: Vec<(usize, Vec<f64>)>,
    totals: Vec<f64>,
}

fn main() -> ExitCode {
    finish(run(&Arguments::parse()))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    on_threads(arguments.threads, arguments.runs)?;
    let checkpoint = Checkpoint::open(&arguments.model)?;
    let model = Transformer::load(
        &checkpoint.config,
        checkpoint.source.as_ref(),
        checkpoint.layout(),
        &Device::flex(),
    )?;
    let tokenizer = checkpoint.tokenizer()?;
    let name = arguments.task.display().to_string();
    let task = read_task(&name, &std::fs::read_to_string(&arguments.task)?)?;
    let policy = CutPolicy {
        start: StartToken::None,
        ..CutPolicy::default()
    };
    let (mut requests, mut answers): (Vec<ScoreRequest>, Vec<usize>) = (vec![], vec![]);
    for example in task.examples.iter().take(arguments.limit) {
        let Example::Classification {
            prompt,
            classes,
            answer,
            ..
        } = example
        else {
            return Err("the comparison takes classification tasks".into());
        };
        let mut request = ScoreRequest {
            context: vec![],
            continuations: vec![],
        };
        for class in classes {
            let cut = cut_pair(
                tokenizer,
                prompt,
                class,
                &policy,
                model.shape().max_positions,
            )?;
            request.context = cut.context;
            request.continuations.push(cut.continuation);
        }
        requests.push(request);
        answers.push(*answer);
    }
    let pairs: usize = requests.iter().map(|r| r.continuations.len()).sum();
    let tokens: usize = requests
        .iter()
        .flat_map(|r| r.continuations.iter().map(|c| r.context.len() + c.len()))
        .sum();
    let score = |sharing: Sharing| -> Result<(Vec<Vec<Scored>>, f64), Failure> {
        let clock = Instant::now();
        let scored = score_batch(&model, &requests, sharing, &mut Untouched)?;
        Ok((scored, clock.elapsed().as_secs_f64()))
    };
    let sharing = Sharing {
        prefix: true,
        tokens: arguments.tokens,
        rows: arguments.rows,
        columns: arguments.columns,
    };
    let (scored, _) = score(sharing)?;
    let totals: Vec<f64> = scored.iter().flatten().map(Scored::total).collect();
    let theirs: Option<Theirs> = match &arguments.python {
        None => None,
        Some(python) => {
            let list = [
                arguments.model.display().to_string(),
                name,
                arguments.limit.min(task.examples.len()).to_string(),
                arguments.runs.to_string(),
                arguments.threads.to_string(),
            ];
            Some(peer(python, "lm_eval_scores.py", &list, arguments.threads)?)
        }
    };
    if let Some(theirs) = &theirs {
        agree(&totals, &theirs.totals, &answers, arguments.gate)?;
        println!("{pairs} pairs agree with {}", theirs.versions);
    }
    println!(
        "{pairs} pairs, {tokens} tokens if each were run whole; {} thread(s), medians of {} runs\n",
        arguments.threads, arguments.runs
    );
    println!("| scoring | seconds | pairs a second | tokens a second |\n|---|---:|---:|---:|");
    let row = |name: &str, seconds: f64| {
        println!(
            "| {name} | {seconds:.2} | {:.1} | {:.0} |",
            pairs as f64 / seconds,
            tokens as f64 / seconds
        );
    };
    let mut best = f64::INFINITY;
    for (name, sharing) in [
        ("ours", sharing),
        (
            "ours, nothing shared between contexts",
            Sharing {
                prefix: false,
                ..sharing
            },
        ),
        ("ours, one context at a time", Sharing::one_by_one()),
    ] {
        let seconds = (0..arguments.runs)
            .map(|_| Ok(score(sharing)?.1))
            .collect::<Result<Vec<f64>, Failure>>()?;
        best = best.min(median(&seconds));
        row(name, median(&seconds));
    }
    if let Some(theirs) = theirs {
        let mut fastest = f64::INFINITY;
        for (batch, seconds) in &theirs.seconds {
            fastest = fastest.min(median(seconds));
            row(&format!("lm-eval, batch {batch}"), median(seconds));
        }
        println!(
            "\n{:.2} times as fast as its best batch size",
            fastest / best
        );
    }
    Ok(())
}

/// Every continuation within the gate, and the same choices unless the margin is below it.
fn agree(ours: &[f64], theirs: &[f64], answers: &[usize], gate: f64) -> Result<(), Failure> {
    if ours.len() != theirs.len() {
        return Err(format!("{} continuations here, {} there", ours.len(), theirs.len()).into());
    }
    if let Some(at) = (0..ours.len()).find(|i| (ours[*i] - theirs[*i]).abs() > gate) {
        return Err(format!("continuation {at}: {} here, {} there", ours[at], theirs[at]).into());
    }
    let classes = ours.len() / answers.len();
    let choice = |values: &[f64]| {
        values
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1))
            .map(|(i, _)| i)
    };
    for (example, (a, b)) in ours.chunks(classes).zip(theirs.chunks(classes)).enumerate() {
        let mut sorted = a.to_vec();
        sorted.sort_by(|x, y| y.total_cmp(x));
        if choice(a) != choice(b) && sorted[0] - sorted[1] > gate {
            return Err(format!("example {example}: another class is chosen").into());
        }
    }
    Ok(())
}
