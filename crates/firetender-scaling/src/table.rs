//! Tables of results: one row a model, task and metric, read from comma- or tab-separated text.

use std::collections::BTreeMap;

use crate::{
    Curve, Point, Scale, ScalingError,
    csv::{CsvRow, read_csv},
    parse_size,
};

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

/// True for metrics of which less is better.
#[must_use]
pub fn lower_is_better(metric: &str) -> bool {
    ["loss", "brier", "perplexity", "error", "nll", "surprisal"]
        .iter()
        .any(|name| metric.to_lowercase().contains(name))
}

/// Puts rows together to curves, one for each task and family in the order of their first rows, models in order of size. Where a task has several metrics,
/// accuracy (or else the first) makes the curve and the next one is its companion.
///
/// # Errors
/// [`ScalingError::Incomparable`] when models of a curve have different numbers of examples (unless `unequal_n`) or one size occurs twice;
/// [`ScalingError::Parse`] when a standard error is missing and cannot be had from accuracy and n.
pub fn curves(
    rows: &[ResultRow],
    axis: &Scale,
    unequal_n: bool,
    place: &str,
) -> Result<Vec<Curve>, ScalingError> {
    let mut order: Vec<(&str, &str)> = vec![];
    let mut groups: BTreeMap<(&str, &str), Vec<&ResultRow>> = BTreeMap::new();
    for row in rows {
        let key = (row.task.as_str(), row.family.as_str());
        if !groups.contains_key(&key) {
            order.push(key);
        }
        groups.entry(key).or_default().push(row);
    }
    order
        .into_iter()
        .map(|key| curve(key, &groups[&key], axis, unequal_n, place))
        .collect()
}

fn curve(
    (task, family): (&str, &str),
    rows: &[&ResultRow],
    axis: &Scale,
    unequal_n: bool,
    place: &str,
) -> Result<Curve, ScalingError> {
    let mut metrics: Vec<&str> = vec![];
    for row in rows {
        if !metrics.contains(&row.metric.as_str()) {
            metrics.push(&row.metric);
        }
    }
    // Accuracy first, the rest as they came.
    metrics.sort_by_key(|metric| !matches!(*metric, "accuracy" | "acc"));
    let name = if family.is_empty() {
        task.to_owned()
    } else {
        format!("{task} ({family})")
    };
    let mut made = metrics.iter().take(2).map(|metric| {
        let rows: Vec<&ResultRow> = rows
            .iter()
            .copied()
            .filter(|row| row.metric == *metric)
            .collect();
        // Without a name of its own a metric is an accuracy if all its values are shares.
        let shares = rows.iter().all(|row| (0.0..=1.0).contains(&row.value));
        let metric = match *metric {
            "acc" => "accuracy",
            "" if shares => "accuracy",
            "" => "value",
            other => other,
        };
        let points = points(&rows, metric, &name, unequal_n, place)?;
        Ok::<Curve, ScalingError>(Curve {
            task: task.into(),
            family: family.into(),
            metric: metric.into(),
            lower_is_better: lower_is_better(metric),
            axis: axis.clone(),
            points,
            examples: None,
            companion: None,
        })
    });
    let Some(first) = made.next() else {
        return Err(ScalingError::TooFew {
            what: "rows",
            found: 0,
            least: 1,
        });
    };
    let mut first: Curve = first?;
    first.companion = made.next().transpose()?.map(Box::new);
    Ok(first)
}

fn points(
    rows: &[&ResultRow],
    metric: &str,
    name: &str,
    unequal_n: bool,
    place: &str,
) -> Result<Vec<Point>, ScalingError> {
    let mut rows = rows.to_vec();
    rows.sort_by(|a, b| a.size.total_cmp(&b.size));
    for pair in rows.windows(2) {
        let incomparable = |what: String| {
            Err(ScalingError::Incomparable {
                task: name.into(),
                what,
            })
        };
        if pair[0].size == pair[1].size {
            return incomparable(format!(
                "size {} occurs twice, in lines {} and {}; give each family or training seed a name of its own in the column `family`",
                pair[0].size, pair[0].line, pair[1].line
            ));
        }
        if pair[0].n != pair[1].n && !unequal_n {
            let show = |n: Option<u64>| n.map_or("no n".into(), |n| format!("n = {n}"));
            return incomparable(format!(
                "{} has {} (line {}) and {} has {} (line {}); means over different examples are not comparable",
                pair[0].model,
                show(pair[0].n),
                pair[0].line,
                pair[1].model,
                show(pair[1].n),
                pair[1].line
            ));
        }
    }
    rows.into_iter()
        .map(|row| {
            let stderr = match (row.stderr, row.n) {
                (Some(stderr), _) => stderr,
                (None, Some(n)) if metric == "accuracy" && n > 1 && (0.0..=1.0).contains(&row.value) => {
                    (row.value * (1.0 - row.value) / (n as f64 - 1.0)).sqrt()
                }
                _ => {
                    return Err(ScalingError::Parse {
                        place: place.into(),
                        line: row.line,
                        column: 1,
                        what: format!(
                            "{name}, {}: no standard error, and none can be had from an accuracy between 0 and 1 and its n",
                            row.model
                        ),
                    });
                }
            };
            Ok(Point {
                model: row.model.clone(),
                scale: row.size,
                n: row.n,
                value: row.value,
                stderr,
            })
        })
        .collect()
}

/// Puts scores of single examples to their curves, from a table with the columns `size` (or `model`), `task`, `example` and `value`, and `family` where the curves
/// have one. Rows may come in any order; columns of the score may also be called `score`, `correct` or as the curve's metric.
///
/// # Errors
/// As [`read_results`]; and [`ScalingError::Incomparable`] when a model of a curve has no scores or scores of other examples than its neighbours, when an example
/// occurs twice, or when the mean of the scores is not the value of the curve.
pub fn attach_examples(curves: &mut [Curve], text: &str, place: &str) -> Result<(), ScalingError> {
    let (header, rows) = read_csv(text, place)?;
    let names: Vec<String> = header
        .fields
        .iter()
        .map(|name| name.trim().to_lowercase())
        .collect();
    let find = |known: &[&str]| {
        known
            .iter()
            .find_map(|name| names.iter().position(|n| n == name))
    };
    let need = |known: &[&str]| {
        find(known).ok_or_else(|| ScalingError::Parse {
            place: place.into(),
            line: header.line,
            column: 1,
            what: format!(
                "no column `{}`; expected family,size,task,example,value",
                known[0]
            ),
        })
    };
    let size_at = need(&["size", "params", "parameters", "scale", "model"])?;
    let (task_at, example_at) = (
        need(&["task", "dataset"])?,
        need(&["example", "id", "index", "doc_id"])?,
    );
    let value_at = need(&["value", "score", "correct", "accuracy", "acc", "loss"])?;
    let family_at = find(&["family", "model_family"]);
    type Scores = BTreeMap<String, f64>;
    let mut scores: BTreeMap<(String, String, u64), Scores> = BTreeMap::new();
    for row in &rows {
        let field = |at: usize| row.fields[at].trim();
        let size = parse_size(field(size_at))
            .map_err(|error| at_field(row, size_at, place, error.to_string()))?;
        let family = family_at.map(field).unwrap_or_default();
        let value = number(row, value_at, place, "a finite number")?;
        let key = (field(task_at).to_owned(), family.to_owned(), size.to_bits());
        let example = field(example_at).to_owned();
        if scores
            .entry(key)
            .or_default()
            .insert(example.clone(), value)
            .is_some()
        {
            return Err(at_field(
                row,
                example_at,
                place,
                format!("example `{example}` occurs twice"),
            ));
        }
    }
    for curve in curves {
        let incomparable = |what: String| ScalingError::Incomparable {
            task: curve.task.clone(),
            what,
        };
        let mut columns: Vec<&Scores> = vec![];
        for point in &curve.points {
            let key = (
                curve.task.clone(),
                curve.family.clone(),
                point.scale.to_bits(),
            );
            match scores.get(&key) {
                Some(found) => columns.push(found),
                // A table of examples may be about some of the tasks only.
                None if columns.is_empty() => break,
                None => {
                    return Err(incomparable(format!(
                        "{place} has no scores of {}",
                        point.model
                    )));
                }
            }
        }
        let Some(first) = columns.first() else {
            continue;
        };
        if columns.len() < curve.points.len() {
            return Err(incomparable(format!(
                "{place} has scores of some models only"
            )));
        }
        for (column, point) in columns.iter().zip(&curve.points) {
            if !column.keys().eq(first.keys()) {
                return Err(incomparable(format!(
                    "{} and {} have scores of different examples in {place}",
                    curve.points[0].model, point.model
                )));
            }
            let mean = column.values().sum::<f64>() / column.len() as f64;
            if (mean - point.value).abs() > 5e-3_f64.max(1e-3 * point.value.abs()) {
                return Err(incomparable(format!(
                    "the scores of {} in {place} have the mean {mean}, its row says {}",
                    point.model, point.value
                )));
            }
        }
        let matrix = first
            .keys()
            .map(|example| columns.iter().map(|column| column[example]).collect())
            .collect();
        curve.examples = Some(matrix);
    }
    Ok(())
}

/// Numbers in columns, with or without a header: the names (empty without one) and the rows.
///
/// # Errors
/// [`ScalingError::Parse`] for a field that is no finite number, or rows of different length.
pub fn read_columns(text: &str, place: &str) -> Result<(Vec<String>, Vec<Vec<f64>>), ScalingError> {
    let (header, rows) = read_csv(text, place)?;
    let numbers = |row: &CsvRow| {
        (0..row.fields.len())
            .map(|at| number(row, at, place, "a finite number"))
            .collect::<Result<Vec<f64>, _>>()
    };
    let mut values = vec![];
    let mut names = vec![];
    match numbers(&header) {
        Ok(first) => values.push(first),
        Err(_) => {
            names = header
                .fields
                .iter()
                .map(|name| name.trim().to_owned())
                .collect()
        }
    }
    for row in &rows {
        values.push(numbers(row)?);
    }
    if values.is_empty() {
        return Err(ScalingError::File {
            place: place.into(),
            what: "no rows of numbers".into(),
        });
    }
    Ok((names, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "family,size,task,n,value,stderr\n";

    fn fails(text: &str) -> String {
        let rows = match read_results(text, "t.csv") {
            Ok(rows) => rows,
            Err(error) => return error.to_string(),
        };
        curves(&rows, &Scale::Parameters, false, "t.csv")
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn rows_become_curves_in_order_of_size() {
        let text = format!("{HEADER}a,1b,x,10,0.5,\na,70m,x,10,0.4,0.1\nb,1b,x,20,0.1,0.2\n");
        let rows = read_results(&text, "t.csv").unwrap();
        let curves = curves(&rows, &Scale::Parameters, false, "t.csv").unwrap();
        assert_eq!(curves.len(), 2);
        assert_eq!(curves[0].points[0].scale, 70e6);
        // √(0.5 · 0.5 / 9)
        assert!((curves[0].points[1].stderr - 1.0 / 6.0).abs() < 1e-12);
        assert_eq!(curves[0].metric, "accuracy");
    }

    #[test]
    fn a_second_metric_is_a_companion() {
        let text = "size,task,metric,value,stderr\n1,x,loss,2.0,0.1\n1,x,accuracy,0.5,0.1\n2,x,accuracy,0.6,0.1\n2,x,loss,1.0,0.1\n";
        let rows = read_results(text, "t.csv").unwrap();
        let curve = &curves(&rows, &Scale::Parameters, false, "t.csv").unwrap()[0];
        assert_eq!(curve.metric, "accuracy");
        let companion = curve.companion.as_ref().unwrap();
        assert!(companion.lower_is_better && companion.metric == "loss");
    }

    #[test]
    fn tabs_and_other_orders_of_columns_are_taken() {
        let rows = read_results("task\tsize\taccuracy\tn\nx\t1e6\t0.5\t10\n", "t.tsv").unwrap();
        assert_eq!((rows[0].value, rows[0].metric.as_str()), (0.5, "accuracy"));
    }

    #[test]
    fn examples_join_their_curves_in_any_order() {
        let text = format!("{HEADER}a,1m,x,2,0.5,0.5\na,2m,x,2,1.0,0\n");
        let make = || {
            let rows = read_results(&text, "t.csv").unwrap();
            curves(&rows, &Scale::Parameters, false, "t.csv").unwrap()
        };
        let head = "family,size,task,example,value\n";
        let mut found = make();
        attach_examples(
            &mut found,
            &format!("{head}a,2m,x,q1,1\na,1m,x,q2,1\na,2m,x,q2,1\na,1m,x,q1,0\n"),
            "e.csv",
        )
        .unwrap();
        assert_eq!(
            found[0].examples,
            Some(vec![vec![0.0, 1.0], vec![1.0, 1.0]])
        );
        for (rows, expected) in [
            ("a,1m,x,q1,0\na,1m,x,q2,1\n", "no scores of 2m"),
            (
                "a,1m,x,q1,0\na,1m,x,q2,1\na,2m,x,q1,1\na,2m,x,q3,1\n",
                "different examples",
            ),
            ("a,1m,x,q1,0\na,1m,x,q1,1\n", "occurs twice"),
            (
                "a,1m,x,q1,0\na,1m,x,q2,0\na,2m,x,q1,1\na,2m,x,q2,1\n",
                "have the mean 0",
            ),
        ] {
            let error =
                attach_examples(&mut make(), &format!("{head}{rows}"), "e.csv").unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn columns_of_numbers_with_and_without_names() {
        let (names, rows) = read_columns("x,y\n1,2\n3,4\n", "t").unwrap();
        assert_eq!((names.join(","), rows.len()), ("x,y".into(), 2));
        let (names, rows) = read_columns("1,2\n3,4\n", "t").unwrap();
        assert_eq!((names.len(), rows.len()), (0, 2));
        assert!(
            read_columns("x,y\n1,b\n", "t")
                .unwrap_err()
                .to_string()
                .contains("line 2, column 2")
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let cases = [
            (
                "family,task,n,value,stderr\na,x,10,0.5,0.1\n",
                "no column `size`",
            ),
            (
                &format!("{HEADER}a,1b,x,10,zero,0.1\n")[..],
                "line 2, column 5: `zero`",
            ),
            (
                &format!("{HEADER}a,huge,x,10,0.5,0.1\n")[..],
                "line 2, column 2",
            ),
            (
                &format!("{HEADER}a,1b,x,10.5,0.5,0.1\n")[..],
                "whole number",
            ),
            (&format!("{HEADER}a,1b,x,10,0.5,-0.1\n")[..], "column 6"),
            (&format!("{HEADER}a,1b,x,10,nan,0.1\n")[..], "`nan`"),
            (&format!("{HEADER}a,1b,x,10\n")[..], "line 2"),
            (HEADER, "no rows"),
            ("", "empty"),
            (
                &format!("{HEADER}a,1b,x,10,0.5,0.1\na,2b,x,11,0.5,0.1\n")[..],
                "n = 11",
            ),
            (
                &format!("{HEADER}a,1b,x,10,0.5,0.1\na,1b,x,10,0.6,0.1\n")[..],
                "occurs twice, in lines 2 and 3",
            ),
            (
                &format!("{HEADER}a,1b,x,10,7.5,\na,2b,x,10,7.5,\n")[..],
                "no standard error",
            ),
        ];
        for (text, expected) in cases {
            let error = fails(text);
            assert!(error.contains(expected), "{error} / {expected}");
        }
    }
}
