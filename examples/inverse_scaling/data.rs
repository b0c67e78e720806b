//! Where data lie, and Pythia's results on the prize's tasks (Michaelov and Bergen 2023, MIT licence) as rows.

use std::{fs, path::PathBuf};

use firetender_ember::family::Trap;
use firetender_scaling::{FieldColumns, ResultRow, Style, Task, generate};
use firetender_support::{CHOICES, Failure, choice_task, fail, trap_task};

/// Tokens of one training step of Pythia.
const STEP: f64 = 2_097_152.0;
/// Number of examples of each task, recovered from the published standard errors.
const EXAMPLES: &[(&str, u64)] = &[
    ("hindsight_neglect", 315),
    ("into_the_unknown", 1824),
    ("memo_trap", 936),
    ("modus_tollens", 1236),
    ("neqa", 300),
    ("pattern_matching_suppression", 1428),
    ("redefine", 1244),
    ("repetitive_algebra", 1000),
    ("resisting_correction", 7344),
    ("sig_figs", 20_897),
];

/// Text of a file of at most 256 MB.
pub(crate) fn text(path: &str) -> Result<String, Failure> {
    let named = |error: std::io::Error| format!("{path}: {error}");
    let size = match fs::metadata(path) {
        Ok(data) => data.len(),
        Err(error) => return fail(named(error)),
    };
    if size > 256 << 20 {
        return fail(format!("{path}: {size} bytes; expected at most 256 MB"));
    }
    let bytes = fs::read(path).or_else(|error| fail(named(error)))?;
    String::from_utf8(bytes).or_else(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .map_or(0, |last| last.chars().count())
            + 1;
        fail(format!(
            "{path}, line {line}, column {column}: not UTF-8 text"
        ))
    })
}

/// The folder with the official files: as given, or `inverse-scaling` in `FIRETENDER_DATA` or in the folder `shared/data` beside the repository.
pub(crate) fn folder(given: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(folder) = given {
        return Ok(folder.clone());
    }
    let base = std::env::var_os("FIRETENDER_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
        PathBuf::from,
    );
    let folder = base.join("inverse-scaling");
    if folder.is_dir() {
        return Ok(folder);
    }
    fail(format!(
        "{}: no such folder; name a table with --csv or the data folder with --data",
        folder.display()
    ))
}

/// All of Pythia's results; accuracies of prize tasks with their number of examples.
pub(crate) fn pythia(folder: Option<&PathBuf>) -> Result<Vec<(String, ResultRow)>, Failure> {
    let folder = folder_of_results(folder)?;
    let path = folder.join("all_results.tsv").display().to_string();
    let text = text(&path)?;
    let mut rows = vec![];
    for (index, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [model, revision, task, value, stderr] = fields[..] else {
            return fail(format!(
                "{path}, line {}: {} fields; expected 5",
                index + 1,
                fields.len()
            ));
        };
        if index == 0 {
            continue;
        }
        let number = |text: &str| text.parse::<f64>().ok().filter(|v| v.is_finite());
        let step = revision.strip_prefix("step").and_then(number);
        let (Some(value), Some(stderr), Some(step)) = (number(value), number(stderr), step) else {
            return fail(format!(
                "{path}, line {}: expected numbers and a step",
                index + 1
            ));
        };
        let task = task.strip_prefix("isp_").unwrap_or(task);
        let n = EXAMPLES
            .iter()
            .find(|(name, _)| *name == task)
            .map(|(_, n)| *n);
        rows.push((
            revision.to_owned(),
            ResultRow {
                family: "pythia".into(),
                model: model.rsplit('/').next().unwrap_or(model).into(),
                size: firetender_scaling::parse_size(model)?,
                task: task.into(),
                metric: "accuracy".into(),
                n,
                value,
                stderr: Some(stderr),
                tokens: Some(step * STEP),
                line: index + 1,
                columns: FieldColumns::default(),
            },
        ));
    }
    rows.sort_by(|(_, a), (_, b)| a.task.cmp(&b.task));
    Ok(rows)
}

fn folder_of_results(given: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    let folder = folder(given)?;
    let inner = folder.join("pythia_isp_results");
    Ok(if inner.is_dir() { inner } else { folder })
}

/// The family's own tasks, Ember's and those in the prize's style, by name: 300 examples of a seed.
pub(crate) fn built_in(name: &str, seed: u64) -> Option<Task> {
    if let Some(trap) = Trap::ALL.into_iter().find(|trap| trap.name() == name) {
        return Some(trap_task(trap, seed, 300));
    }
    if let Some(which) = CHOICES.iter().position(|choice| *choice == name) {
        return Some(choice_task(which == 1, seed, 300));
    }
    let style = Style::ALL.into_iter().find(|style| style.name() == name)?;
    Some(generate(style, 300, seed))
}

/// Whether a task's prompts are in Ember's chat format.
pub(crate) fn is_chat(task: &Task) -> bool {
    CHOICES.contains(&task.name.as_str())
}
