//! Tables of results: one row a model, task and metric, read from comma- or tab-separated text.

mod columns;
mod curves;
mod examples;

use crate::{
    ScalingError,
    csv::{CsvRow, read_csv},
    parse_size,
};

pub use columns::{NumberColumns, read_columns};
pub use curves::{curves, lower_is_better};
pub use examples::attach_examples;

/// One row of a table of results.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultRow {
    /// Family of models; empty where the table has no such column.
    pub family: String,
    /// The model's name or its size as written.
    pub model: String,
    /// Its size.
    pub size: f64,
    /// The task.
    pub task: String,
    /// What `value` is: `accuracy`, `loss`, …; empty where the table does not say.
    pub metric: String,
    /// Number of examples.
    pub n: Option<u64>,
    /// The mean.
    pub value: f64,
    /// Its standard error.
    pub stderr: Option<f64>,
    /// Training tokens, for regressions on both.
    pub tokens: Option<f64>,
    /// Where the row came from, for messages.
    pub line: usize,
    /// Where its fields came from, for messages.
    pub columns: FieldColumns,
}

/// Columns of a table, from 1, that messages about several rows point to; 0 where the table has no such column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldColumns {
    /// Of the size.
    pub size: usize,
    /// Of the number of examples.
    pub n: usize,
    /// Of the standard error.
    pub stderr: usize,
}

/// Names under which a column is known.
const COLUMNS: [(&str, &[&str]); 9] = [
    ("family", &["family", "model_family"]),
    ("model", &["model", "name", "model_name"]),
    (
        "size",
        &["size", "params", "parameters", "n_params", "scale"],
    ),
    ("task", &["task", "dataset"]),
    ("metric", &["metric", "measure"]),
    ("n", &["n", "examples", "count", "n_examples"]),
    (
        "value",
        &["value", "accuracy", "acc", "score", "mean", "loss"],
    ),
    (
        "stderr",
        &[
            "stderr",
            "se",
            "std_err",
            "standard_error",
            "acc_stderr",
            "sem",
        ],
    ),
    ("tokens", &["tokens", "n_tokens", "training_tokens"]),
];

/// Reads a table with the columns `size`, `task` and `value`, and optionally `family`, `model`, `metric`, `n`, `stderr` and `tokens`, in any order; others
/// are ignored.
///
/// ```
/// let text = "family,size,task,n,value,stderr\npythia,70m,memo_trap,936,0.8729,0.0109\n";
/// let rows = firetender_scaling::read_results(text, "table.csv")?;
/// assert_eq!((rows[0].size, rows[0].n), (70e6, Some(936)));
/// # Ok::<(), firetender_scaling::ScalingError>(())
/// ```
///
/// # Errors
/// [`ScalingError::Parse`] with line and column: a missing column or field, a field that is no number, a value that is not finite, a negative
/// error; [`ScalingError::File`] for a table without rows.
pub fn read_results(text: &str, place: &str) -> Result<Vec<ResultRow>, ScalingError> {
    let (header, rows) = read_csv(text, place)?;
    let names: Vec<String> = header
        .fields
        .iter()
        .map(|name| name.trim().to_lowercase())
        .collect();
    let find = |column: &str| {
        COLUMNS
            .iter()
            .find(|(name, _)| *name == column)
            .and_then(|(_, known)| {
                known
                    .iter()
                    .find_map(|name| names.iter().position(|n| n == name))
            })
    };
    let need = |column: &str| {
        find(column).ok_or_else(|| ScalingError::Parse {
            place: place.into(),
            line: header.line,
            column: 1,
            what: format!(
                "no column `{column}`; expected family,size,task,n,value,stderr, found {}",
                header.fields.join(",")
            ),
        })
    };
    let (task_at, value_at) = (need("task")?, need("value")?);
    let model_at = find("model");
    let size_at = match (find("size"), model_at) {
        (Some(at), _) | (None, Some(at)) => at,
        (None, None) => need("size")?,
    };
    let (family_at, metric_at) = (find("family"), find("metric"));
    let (n_at, stderr_at, tokens_at) = (find("n"), find("stderr"), find("tokens"));
    // A column called `accuracy` or `loss` says what the values are.
    let implied = match names[value_at].as_str() {
        "accuracy" | "acc" => "accuracy",
        "loss" => "loss",
        _ => "",
    };
    let column = |at: Option<usize>| at.map_or(0, |at| at + 1);
    let columns = FieldColumns {
        size: size_at + 1,
        n: column(n_at),
        stderr: column(stderr_at),
    };
    let mut out = Vec::with_capacity(rows.len());
    for row in &rows {
        let field = |at: usize| row.fields[at].trim();
        let optional = |at: Option<usize>| at.map(field).filter(|text| !text.is_empty());
        let number = |at: usize, expected: &str| number(row, at, place, expected);
        let value = number(value_at, "a finite number")?;
        let size = parse_size(field(size_at))
            .map_err(|error| at_field(row, size_at, place, error.to_string()))?;
        let n = match optional(n_at) {
            None => None,
            Some(_) => {
                let n = number(n_at.unwrap_or(0), "a whole number of examples")?;
                if n < 1.0 || n.fract() != 0.0 || n > 1e15 {
                    let what = format!("`{n}`; expected a whole number of examples, at least 1");
                    return Err(at_field(row, n_at.unwrap_or(0), place, what));
                }
                Some(n as u64)
            }
        };
        let positive = |at: Option<usize>, zero: bool, expected: &str| match optional(at) {
            None => Ok(None),
            Some(text) => {
                let at = at.unwrap_or(0);
                let value = number(at, expected)?;
                if value < 0.0 || (!zero && value == 0.0) {
                    return Err(at_field(
                        row,
                        at,
                        place,
                        format!("`{text}`; expected {expected}"),
                    ));
                }
                Ok(Some(value))
            }
        };
        out.push(ResultRow {
            family: optional(family_at).unwrap_or_default().into(),
            model: optional(model_at).unwrap_or(field(size_at)).into(),
            size,
            task: field(task_at).into(),
            metric: optional(metric_at).unwrap_or(implied).to_lowercase(),
            n,
            value,
            stderr: positive(stderr_at, true, "a standard error of at least 0")?,
            tokens: positive(tokens_at, false, "a positive number of tokens")?,
            line: row.line,
            columns,
        });
    }
    if out.is_empty() {
        return Err(ScalingError::File {
            place: place.into(),
            what: "no rows below the header".into(),
        });
    }
    Ok(out)
}

fn number(row: &CsvRow, at: usize, place: &str, expected: &str) -> Result<f64, ScalingError> {
    let text = row.fields[at].trim();
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(at_field(
            row,
            at,
            place,
            format!("`{text}`; expected {expected}"),
        )),
    }
}

fn at_field(row: &CsvRow, at: usize, place: &str, what: String) -> ScalingError {
    ScalingError::Parse {
        place: place.into(),
        line: row.line,
        column: at + 1,
        what,
    }
}

#[cfg(test)]
mod tests;
