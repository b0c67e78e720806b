//! What `eval` prints.

use firetender_lm::CutPolicy;
use firetender_report::{Align, Cell, Column, Table};
use firetender_scaling::{Evaluation, Summary, Task};
use firetender_support::Failure;
use serde_json::{Value, json};

use super::{Arguments, Judged, Member};

/// Most failed examples that are named; all are in the log.
const ERRORS: usize = 100;

/// Everything that there is to print.
pub(super) struct Printed<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) task: &'a Task,
    pub(super) verified: &'static str,
    pub(super) policy: CutPolicy,
    pub(super) members: &'a [Member],
    pub(super) judged: &'a Judged,
    pub(super) incomparable: Option<String>,
}

impl Printed<'_> {
    /// One JSON object.
    pub(super) fn json(&self) -> Result<(), Failure> {
        let (task, arguments) = (self.task, self.arguments);
        let models: Vec<Value> = self
            .members
            .iter()
            .map(|member| object(member, arguments.ddof))
            .collect();
        let parts: Vec<Value> = self
            .judged
            .parts
            .iter()
            .map(|(part, trend)| {
                let of = |member: &Member| means(&member.evaluation.part(*part), arguments.ddof);
                let models: Vec<Value> = self
                    .members
                    .iter()
                    .map(|member| {
                        let mut value = of(member);
                        value["model"] = json!(member.name);
                        value["size"] = json!(member.size);
                        value
                    })
                    .collect();
                json!({ "part": part, "models": models, "trend": trend })
            })
            .collect();
        let value = json!({
            "task": task.name, "cause": task.cause, "file": self.verified, "sha256": task.sha256, "origin": task.origin,
            "examples": task.examples.len(), "lints": task.lints().len(), "boundary": self.policy.boundary.name(),
            "policy": self.policy.name(), "few_shot": arguments.task.few_shot, "steer": arguments.strength.steer,
            "adapter": arguments.strength.adapter, "baselines": self.members.first().and_then(|m| m.evaluation.baselines),
            "models": models, "trend": self.judged.whole, "parts": parts, "difficulty": self.judged.difficulty,
            "incomparable": self.incomparable,
        });
        println!("{value}");
        Ok(())
    }

    /// Tables and sentences.
    pub(super) fn text(&self) -> Result<(), Failure> {
        let (task, ddof) = (self.task, self.arguments.ddof);
        println!(
            "{}: {} examples, {}; {}\n",
            task.name,
            task.examples.len(),
            task.origin,
            self.policy.name()
        );
        println!("{}", table(self.members, ddof)?.to_markdown());
        if let Some(b) = self.members.first().and_then(|m| m.evaluation.baselines) {
            println!(
                "guessing: accuracy {:.4}, loss {:.4}; always the same answer: {:.4}",
                b.chance_accuracy, b.chance_loss, b.best_constant
            );
        }
        let lints = task.lints();
        if let Some(first) = lints.first() {
            println!(
                "{} remarks on the examples, the first: example {}: {}",
                lints.len(),
                first.example,
                first.what
            );
        }
        for member in self.members {
            remarks(member, &member.evaluation.summary(ddof));
        }
        if let Some(what) = &self.incomparable {
            println!("no trend: {what}");
        }
        let parts = self.judged.parts.iter().filter_map(|(_, t)| t.as_ref());
        let whole = self.judged.whole.iter();
        for trend in whole.chain(&self.judged.difficulty).chain(parts) {
            println!("{}: {} ({})", trend.task, trend.label, trend.evidence);
        }
        Ok(())
    }
}

/// What is odd about a member's results.
fn remarks(member: &Member, summary: &Summary) {
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

/// Means of all scores, with their errors.
fn means(evaluation: &Evaluation, ddof: usize) -> Value {
    let summary = evaluation.summary(ddof);
    let mut value = json!({
        "n": summary.n, "failed": summary.failed, "truncated": summary.truncated, "suspicious": summary.suspicious,
        "accuracy_interval": summary.accuracy_interval,
    });
    for (name, mean) in &summary.scores {
        value[*name] = json!(mean.mean);
        value[format!("{name}_stderr")] = json!(mean.stderr);
    }
    value
}

fn object(member: &Member, ddof: usize) -> Value {
    let mut value = means(&member.evaluation, ddof);
    value["model"] = json!(member.name);
    value["size"] = json!(member.size);
    value["fingerprint"] = json!(member.evaluation.model);
    value["tokenizer"] = json!(member.evaluation.tokenizer);
    value["seconds"] = json!(member.seconds);
    let failed = member.evaluation.results.iter().filter_map(|r| {
        let error = r.error.as_ref()?;
        Some(json!({ "example": r.index, "what": error }))
    });
    value["errors"] = failed.take(ERRORS).collect();
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
