//! `eval`: models on a task file.

use std::{io::IsTerminal as _, path::Path};

use clap::Args;
use firetender_hooks::SiteKind;
use firetender_lm::{
    Boundary, CausalLm, CutPolicy, EmptyContinuation, LmScorer, StartToken, Truncation,
};
use firetender_report::{Align, Cell, Column, Table};
use firetender_scaling::{
    Evaluation, RunLog, RunObserver, RunOptions, Scale, ShapeOptions, Task, Verified, curve_of,
    evaluate, generate, parse_size, read_task, trends, verify,
};
use firetender_steer::{ImportOptions, Plan, SteeringVector};
use firetender_support::{Failure, Model, device, fail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::data;

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
    few_shot: usize,
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
    model: Vec<String>,
    /// Their sizes, in the same order (default: counted).
    #[arg(long, num_args = 1.., value_name = "SIZE")]
    size: Vec<String>,
    #[command(flatten)]
    task: TaskArguments,
    /// Where the continuation begins: lm_eval, reference, pairwise or strict.
    #[arg(long, default_value = "lm_eval", value_parser = boundary)]
    boundary: Boundary,
    #[command(flatten)]
    policy: PolicyArguments,
    /// Score classes without a prompt, too.
    #[arg(long)]
    pmi: bool,
    /// A steering vector (.svec); strengths become the family.
    #[arg(long, value_name = "FILE")]
    steer: Option<String>,
    /// Strengths of the vector.
    #[arg(
        long,
        value_delimiter = ',',
        allow_hyphen_values = true,
        default_value = "-1,-0.5,0,0.5,1"
    )]
    strengths: Vec<f64>,
    /// Log of every scored continuation; an interrupted evaluation goes on from it.
    #[arg(long, value_name = "FILE")]
    log: Option<String>,
    /// n - DDOF under the root of standard errors (lm-eval 1, the contest 0).
    #[arg(long, default_value_t = 1)]
    ddof: usize,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
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

/// A bar on standard error.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(title: &str) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new(0)
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) =
            ProgressStyle::with_template("{prefix:<24} {bar:30} {pos}/{len} {elapsed} left {eta}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(title.to_owned());
        Self(bar)
    }
}

impl RunObserver for Progress {
    fn scored(&mut self, done: usize, total: usize) {
        self.0.set_length(total as u64);
        self.0.set_position(done as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// One member of what is compared.
struct Member {
    name: String,
    size: f64,
    evaluation: Evaluation,
    seconds: f64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if !arguments.size.is_empty() && arguments.size.len() != arguments.model.len() {
        return fail(format!(
            "{} sizes for {} models; expected one for each, or none",
            arguments.size.len(),
            arguments.model.len()
        ));
    }
    if arguments.steer.is_some() && arguments.model.len() != 1 {
        return fail("--steer takes one model; its strengths are the family");
    }
    let sizes = arguments
        .size
        .iter()
        .map(|text| parse_size(text))
        .collect::<Result<Vec<_>, _>>()?;
    let (task, verified) = arguments.task.load()?;
    let lints = task.lints();
    let options = RunOptions {
        policy: arguments.policy.with(arguments.boundary),
        pmi: arguments.pmi,
        ..RunOptions::default()
    };
    let mut log = arguments.log.as_ref().map(RunLog::open).transpose()?;
    let device = device(arguments.device.as_deref())?;
    let mut members: Vec<Member> = vec![];
    for (index, name) in arguments.model.iter().enumerate() {
        let model = Model::open(name, &device)?;
        let fingerprint = model.checkpoint.fingerprint()?;
        let mut runs: Vec<(String, f64, LmScorer<'_>)> = vec![];
        match &arguments.steer {
            None => {
                let size = sizes
                    .get(index)
                    .copied()
                    .unwrap_or(model.network_size() as f64);
                runs.push((
                    short(name),
                    size,
                    LmScorer::new(&model.network, &fingerprint),
                ));
            }
            Some(path) => {
                let imported = SteeringVector::import(
                    path,
                    &ImportOptions::new().with_site(SiteKind::ResidPost),
                )?;
                let shape = model.network.shape();
                imported.vector.check_fits(&shape, None)?;
                let plan = Plan::of(imported.vector);
                for strength in &arguments.strengths {
                    let steering = plan.scaled(*strength).compile(&shape, &device)?;
                    let scorer = LmScorer::new(&model.network, &fingerprint)
                        .with_intervention(steering, &format!("{path}×{strength}"));
                    runs.push((format!("strength {strength}"), *strength, scorer));
                }
            }
        }
        for (name, size, mut scorer) in runs {
            let start = std::time::Instant::now();
            let evaluation = evaluate(
                &mut scorer,
                model.tokenizer()?,
                &task,
                &options,
                log.as_mut(),
                &mut Progress::new(&name),
            )?;
            members.push(Member {
                name,
                size,
                evaluation,
                seconds: start.elapsed().as_secs_f64(),
            });
        }
    }
    if let Some(failed) = members.iter().find(|m| m.evaluation.summary(1).n == 0) {
        let why = failed
            .evaluation
            .results
            .iter()
            .find_map(|r| r.error.clone());
        return fail(format!(
            "{}: no example could be scored: {}",
            failed.name,
            why.unwrap_or_default()
        ));
    }
    // Models that cannot be compared are still worth their own numbers.
    let (trend, incomparable) = match trend(arguments, &members) {
        Ok(trend) => (trend, None),
        Err(failure) => (Value::Null, Some(failure.message().to_owned())),
    };
    if arguments.json {
        let models: Vec<Value> = members
            .iter()
            .map(|member| object(member, arguments.ddof))
            .collect();
        let value = json!({
            "task": task.name, "cause": task.cause, "file": verified, "sha256": task.sha256, "origin": task.origin,
            "examples": task.examples.len(), "lints": lints.len(), "boundary": options.policy.boundary.name(),
            "policy": options.policy.name(), "few_shot": arguments.task.few_shot, "baselines": members[0].evaluation.baselines,
            "models": models, "trend": trend, "incomparable": incomparable,
        });
        println!("{value}");
        return Ok(());
    }
    println!(
        "{}: {} examples, {}; {}\n",
        task.name,
        task.examples.len(),
        task.origin,
        options.policy.name()
    );
    println!("{}", table(&members, arguments.ddof)?.to_markdown());
    if let Some(b) = members[0].evaluation.baselines {
        println!(
            "guessing: accuracy {:.4}, loss {:.4}; always the same answer: {:.4}",
            b.chance_accuracy, b.chance_loss, b.best_constant
        );
    }
    if !lints.is_empty() {
        println!(
            "{} remarks on the examples, the first: example {}: {}",
            lints.len(),
            lints[0].example,
            lints[0].what
        );
    }
    for member in &members {
        let summary = member.evaluation.summary(arguments.ddof);
        if summary.failed > 0 {
            let first = member
                .evaluation
                .results
                .iter()
                .find_map(|r| Some((r.index, r.error.as_ref()?)));
            if let Some((index, what)) = first {
                println!(
                    "{}: {} examples failed, the first: {index}: {what}",
                    member.name, summary.failed
                );
            }
        }
        if summary.suspicious {
            println!(
                "{}: every loss is ln K: were the classes scored as the same tokens?",
                member.name
            );
        }
    }
    if let Some(what) = incomparable {
        println!("no trend: {what}");
    }
    if let Some(label) = trend.get("label") {
        println!(
            "trend: {} ({})",
            label.as_str().unwrap_or_default(),
            trend["evidence"].as_str().unwrap_or_default()
        );
    }
    Ok(())
}

/// The name of a file or folder without its path.
fn short(name: &str) -> String {
    Path::new(name)
        .file_name()
        .map_or_else(|| name.into(), |name| name.to_string_lossy().into_owned())
}

fn trend(arguments: &Arguments, members: &[Member]) -> Result<Value, Failure> {
    let mut sizes: Vec<f64> = members.iter().map(|member| member.size).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    if members.len() < 2 || sizes.len() < members.len() {
        return Ok(Value::Null);
    }
    let names: Vec<(String, f64)> = members.iter().map(|m| (m.name.clone(), m.size)).collect();
    let evaluations: Vec<Evaluation> = members.iter().map(|m| m.evaluation.clone()).collect();
    let axis = if arguments.steer.is_some() {
        Scale::Strength
    } else {
        Scale::Parameters
    };
    // Log-odds and completions have no accuracy to speak of.
    let scored = evaluations[0]
        .results
        .iter()
        .find_map(|r| r.scores.as_ref());
    let (metric, companion) = match scored {
        Some(scores) if scores.logodds.is_some() => ("logodds", None),
        Some(scores) if scores.chosen.is_some() => ("accuracy", Some("loss")),
        _ => ("loss", None),
    };
    let curve = curve_of(&names, &evaluations, &axis, metric, companion)?;
    let found = trends(&[curve], ShapeOptions::default())?;
    Ok(serde_json::to_value(&found[0])?)
}

fn object(member: &Member, ddof: usize) -> Value {
    let summary = member.evaluation.summary(ddof);
    let mut value = json!({
        "model": member.name, "size": member.size, "fingerprint": member.evaluation.model,
        "tokenizer": member.evaluation.tokenizer, "n": summary.n, "failed": summary.failed, "truncated": summary.truncated,
        "suspicious": summary.suspicious, "seconds": member.seconds,
        "accuracy_interval": summary.accuracy_interval,
    });
    for (name, mean) in &summary.scores {
        value[*name] = json!(mean.mean);
        value[format!("{name}_stderr")] = json!(mean.stderr);
    }
    value
}

fn table(members: &[Member], ddof: usize) -> Result<Table, Failure> {
    let right = |name: &str| Column::new(name, Align::Right);
    let mut table = Table::new([
        Column::new("model", Align::Left),
        right("size"),
        right("n"),
        right("accuracy"),
        right("± accuracy"),
        right("acc_norm"),
        right("loss"),
        right("± loss"),
        right("coverage"),
        right("seconds"),
    ])?;
    for member in members {
        let summary = member.evaluation.summary(ddof);
        let cell = |value: Option<f64>, digits: usize| match value {
            Some(value) => Cell::from(format!("{value:.digits$}")),
            None => Cell::Missing,
        };
        table.push([
            Cell::from(member.name.as_str()),
            Cell::from(format!("{:e}", member.size)),
            Cell::from(summary.n),
            cell(summary.mean("accuracy"), 4),
            cell(summary.stderr("accuracy"), 4),
            cell(summary.mean("acc_norm"), 4),
            cell(summary.mean("loss"), 4),
            cell(summary.stderr("loss"), 4),
            cell(summary.mean("coverage"), 4),
            Cell::from(format!("{:.1}", member.seconds)),
        ])?;
    }
    Ok(table)
}

/// A built-in task.
pub(crate) fn style_named(name: &str, seed: u64) -> Option<Task> {
    let style = firetender_scaling::Style::ALL
        .into_iter()
        .find(|style| style.name() == name)?;
    Some(generate(style, 300, seed))
}
