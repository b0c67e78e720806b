//! Sets this workspace beside torch on the same weights and threads, and gives the cost of hooks; prints Markdown.
//!
//! ```sh
//! cargo run --release -p firetender-benches --bin compare -- --model SmolLM2-135M-Instruct.Q4_1.gguf \
//!     --torch-python venv/bin/python --folder SMOLLM2_FOLDER --threads 2
//! ```
//!
//! `--folder` is the same model for transformers (`tests/golden/make/smollm2_folder.py` makes it from the GGUF file) and
//! `--torch-python` an interpreter with what `benches/peer/requirements.txt` lists; without the two, only this workspace is
//! measured. First the logits of both are compared; then each runs in a process of its own, in turn, `--rounds` times, and
//! medians are reported. The costs of hooks are ratios of passes measured in turn in one process (see `Median`). Use an
//! otherwise idle machine: the load average is part of what is printed.
#![expect(clippy::print_stdout, reason = "the tables are this program's output")]
#![expect(clippy::print_stderr, reason = "progress and errors")]

mod ours;
mod overhead;
mod peer;
mod tables;

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
};

use clap::{Parser, ValueEnum};
use firetender_measure::{Failure, check_hooks, check_routes, ids, largest_difference, load};
use serde::{Serialize, de::DeserializeOwned};

/// Largest difference of a logit to torch's: f32 on both sides, 30 blocks, other orders of summation. It is about 1e-4.
const TOLERANCE: f32 = 5e-3;

/// Sets this workspace beside torch on the same weights and threads.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// The model: a GGUF file, a llama2.c file or a Hugging Face folder.
    #[arg(long)]
    model: PathBuf,
    /// The same model as a Hugging Face folder, for torch.
    #[arg(long, requires = "torch_python")]
    folder: Option<PathBuf>,
    /// A Python interpreter with torch and transformers.
    #[arg(long, requires = "folder")]
    torch_python: Option<PathBuf>,
    /// Torch's attention; without it, transformers' own choice.
    #[arg(long, value_parser = ["eager", "sdpa"])]
    attention: Option<String>,
    /// Threads of each side.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Processes of each side, in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Runs of each measurement in a process, after one that is not counted.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Blocks of four single-token passes for each cost of a hook; 0 leaves hooks out.
    #[arg(long, default_value_t = 150)]
    blocks: usize,
    /// Blocks of four passes over the prompt for each cost of a hook.
    #[arg(long, default_value_t = 40)]
    prefill_blocks: usize,
    /// Tokens of the prompt on which the costs of hooks are measured: short, so that many passes fit into the time. What a hook does
    /// grows with the tokens, as most of a pass does; attention grows faster, so a longer prompt makes the share smaller.
    #[arg(long, default_value_t = 128)]
    hook_prompt: usize,
    /// Tokens of the prompt.
    #[arg(long, default_value_t = 512)]
    prefill: usize,
    /// Tokens that are decoded.
    #[arg(long, default_value_t = 128)]
    decode: usize,
    /// Used by the program itself: measure one thing and print JSON.
    #[arg(long, hide = true)]
    part: Option<Part>,
}

/// What a process of its own measures.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    Gate,
    Speed,
    Hooks,
}

impl Arguments {
    /// Contexts after which tokens are decoded.
    fn contexts(&self) -> [usize; 2] {
        [16, self.prefill]
    }

    /// Runs this program again for one part, with its threads; rayon reads their number from the environment once.
    fn child<T: DeserializeOwned>(&self, part: Part) -> Result<T, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        let numbers = [
            ("--threads", self.threads),
            ("--runs", self.runs),
            ("--blocks", self.blocks),
            ("--prefill-blocks", self.prefill_blocks),
            ("--hook-prompt", self.hook_prompt),
            ("--prefill", self.prefill),
            ("--decode", self.decode),
        ];
        command.arg("--model").arg(&self.model);
        for (name, number) in numbers {
            command.arg(name).arg(number.to_string());
        }
        let part = part.to_possible_value().ok_or("an unnamed part")?;
        command.arg("--part").arg(part.get_name());
        peer::json(command.env("RAYON_NUM_THREADS", self.threads.to_string()))
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.part {
        Some(part) => measure(&arguments, part),
        None => compare(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments, part: Part) -> Result<(), Failure> {
    fn print(found: &impl Serialize) -> Result<(), Failure> {
        println!("{}", serde_json::to_string(found)?);
        Ok(())
    }
    match part {
        Part::Gate => {
            let model = load(&arguments.model)?;
            check_hooks(&model)?;
            print(&check_routes(&model, &ids(48, model.config().vocab_size))?)
        }
        Part::Speed => print(&ours::speed(arguments)?),
        Part::Hooks => print(&overhead::costs(arguments)?),
    }
}

fn compare(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.rounds == 0
        || arguments.runs == 0
        || arguments.prefill == 0
        || arguments.hook_prompt == 0
        || arguments.threads == 0
    {
        return Err(
            "--rounds, --runs, --prefill, --hook-prompt and --threads have to be at least 1".into(),
        );
    }
    let peer = peer::Peer::new(arguments);
    eprintln!("checking that the logits agree");
    let logits: Vec<f32> = arguments.child(Part::Gate)?;
    if let Some(peer) = &peer {
        let theirs = peer.logits(&ids(48, logits.len()))?;
        let difference = largest_difference(&logits, &theirs);
        eprintln!("largest difference of a logit to torch's: {difference:e}");
        if difference > TOLERANCE {
            return Err(format!("logits differ from torch's by {difference:e}; expected at most {TOLERANCE:e}: not the same model?").into());
        }
    }
    let (mut ours, mut theirs) = (vec![], vec![]);
    for round in 0..arguments.rounds {
        eprintln!("round {} of {}", round + 1, arguments.rounds);
        // Who comes first changes from round to round.
        for turn in 0..2 {
            if (turn + round) % 2 == 0 {
                ours.push(arguments.child::<ours::Speed>(Part::Speed)?);
            } else if let Some(peer) = &peer {
                theirs.push(peer.speed()?);
            }
        }
    }
    println!("{}", tables::speed(arguments, &ours, &theirs)?);
    if arguments.blocks > 0 && arguments.prefill_blocks > 0 {
        eprintln!("costs of hooks");
        let costs: Vec<overhead::Cost> = arguments.child(Part::Hooks)?;
        println!("{}", tables::costs(arguments, &costs)?);
    }
    Ok(())
}
