//! What the command line of `eval` says, and the task it names.

use std::path::Path;

use clap::Args;
use firetender_lm::{Boundary, CutPolicy, EmptyContinuation, StartToken, Truncation};
use firetender_scaling::{Task, Verified, read_task, verify};
use firetender_support::{Failure, fail};

use crate::{data, strength::StrengthArguments};

/// Which task, and how its examples are made.
#[derive(Args, Clone)]
pub(crate) struct TaskArguments {
    /// Task: an official file, your own .jsonl or .csv, or a built-in one (ember-facts, ember-memo-trap, …, sig-figs-style, …).
    #[arg(long, value_name = "FILE")]
    pub(crate) task: String,
    /// Take a file with the name of an official one and other bytes.
    #[arg(long)]
    allow_changed: bool,
    /// Demonstrations before each example.
    #[arg(long, default_value_t = 0, value_name = "K")]
    pub(crate) few_shot: usize,
    /// The first N examples only.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// N examples drawn at random, each part with its share; the same for all models.
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Seed of demonstrations, samples and built-in tasks.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// How texts become tokens.
#[derive(Args, Clone, Copy)]
pub(crate) struct PolicyArguments {
    /// Token before the text: tokenizer, none, or an id.
    #[arg(long, default_value = "tokenizer", value_parser = start)]
    start: StartToken,
    /// What happens to texts longer than the model: error or left.
    #[arg(long, default_value = "error", value_parser = truncation)]
    truncation: Truncation,
    /// What happens when a token spans the join (lm_eval): error, last_token or alone.
    #[arg(long, default_value = "error", value_parser = empty)]
    empty: EmptyContinuation,
}

#[derive(Args)]
pub(crate) struct Arguments {
    /// Models: ember, ember-11k, …, a GGUF file or a folder; several make a family.
    #[arg(long, required = true, num_args = 1.., value_name = "MODEL")]
    pub(crate) model: Vec<String>,
    /// Their sizes, in the same order (default: counted).
    #[arg(long, num_args = 1.., value_name = "SIZE")]
    pub(crate) size: Vec<String>,
    #[command(flatten)]
    pub(crate) task: TaskArguments,
    /// Where the continuation begins: lm_eval, reference, pairwise or strict.
    #[arg(long, default_value = "lm_eval", value_parser = boundary)]
    pub(crate) boundary: Boundary,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
    /// Score classes without a prompt, too.
    #[arg(long)]
    pub(crate) pmi: bool,
    #[command(flatten)]
    pub(crate) strength: StrengthArguments,
    /// Log of every scored continuation; an interrupted evaluation goes on from it.
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<String>,
    /// Judge this many groups of examples, from easy to hard, one by one, too.
    #[arg(long, default_value_t = 0, value_name = "GROUPS")]
    pub(crate) difficulty: usize,
    /// n - DDOF under the root of standard errors (lm-eval 1, the contest 0).
    #[arg(long, default_value_t = 1)]
    pub(crate) ddof: usize,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    pub(crate) device: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn boundary(text: &str) -> Result<Boundary, String> {
    let wanted = text.to_lowercase().replace('-', "_");
    Boundary::ALL
        .into_iter()
        .find(|boundary| {
            boundary.name() == wanted || (wanted == "lmeval" && *boundary == Boundary::LmEval)
        })
        .ok_or_else(|| "expected lm_eval, reference, pairwise or strict".into())
}

fn start(text: &str) -> Result<StartToken, String> {
    match text {
        "tokenizer" => Ok(StartToken::Tokenizer),
        "none" => Ok(StartToken::None),
        id => id
            .parse()
            .map(StartToken::Id)
            .map_err(|_| "expected tokenizer, none or an id".into()),
    }
}

fn truncation(text: &str) -> Result<Truncation, String> {
    match text {
        "error" => Ok(Truncation::Error),
        "left" => Ok(Truncation::Left),
        _ => Err("expected error or left".into()),
    }
}

fn empty(text: &str) -> Result<EmptyContinuation, String> {
    match text {
        "error" => Ok(EmptyContinuation::Error),
        "last_token" | "last-token" => Ok(EmptyContinuation::LastToken),
        "alone" => Ok(EmptyContinuation::Alone),
        _ => Err("expected error, last_token or alone".into()),
    }
}

impl PolicyArguments {
    pub(crate) const fn with(self, boundary: Boundary) -> CutPolicy {
        CutPolicy {
            boundary,
            start: self.start,
            truncation: self.truncation,
            empty: self.empty,
        }
    }
}

impl TaskArguments {
    /// The task, and whether its file is an official one.
    pub(crate) fn load(&self) -> Result<(Task, &'static str), Failure> {
        let (task, verified) = match data::built_in(&self.task, self.seed) {
            Some(task) => (task, "built_in"),
            None => {
                let text = data::text(&self.task)?;
                let file = Path::new(&self.task)
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy();
                let verified = match verify(&file, text.as_bytes()) {
                    Verified::Official => "official",
                    Verified::Unknown => "unknown",
                    Verified::Differs { .. } if self.allow_changed => "differs",
                    Verified::Differs { what } => {
                        return fail(format!(
                            "{}: {what}; --allow-changed takes it nevertheless",
                            self.task
                        ));
                    }
                };
                (read_task(&self.task, &text)?, verified)
            }
        };
        let mut task = task.few_shot(self.few_shot, self.seed)?;
        if let Some(count) = self.limit
            && count < task.examples.len()
        {
            let all = task.examples.len();
            task.examples.truncate(count);
            task.origin = format!("{}, the first {count} of {all}", task.origin);
        }
        if let Some(count) = self.sample {
            task = task.subsample(count, self.seed);
        }
        if task.examples.is_empty() {
            return fail("no examples are left; expected at least one");
        }
        Ok((task, verified))
    }
}
