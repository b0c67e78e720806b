//! Where data lie, and Pythia's results on the prize's tasks (Michaelov and Bergen 2023, MIT licence) as rows.

use std::{fs, path::PathBuf};

use firetender_scaling::ResultRow;
use firetender_support::{Failure, fail};

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
    fs::read_to_string(path).or_else(|error| fail(named(error)))
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
