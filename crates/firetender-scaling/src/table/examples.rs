//! Scores of single examples, joined to the curves of their means.

use std::collections::BTreeMap;

use super::{at_field, number};
use crate::{Curve, ScalingError, csv::read_csv, parse_size};

/// Scores of one model by example, with the lines they stand in.
type Scores = BTreeMap<String, (f64, usize)>;

/// Task, family, metric and the bits of the scale.
type Key = (String, String, String, u64);

/// Puts scores of single examples to their curves, from a table with the columns `size` (or `model`), `task`, `example` and `value`, `family` where a task has several, and `metric` where
/// there are scores for a curve and its companion. Rows may come in any order; columns of the score may also be called `score`, `correct` or as the curve's metric. Tasks that the table does not
/// name keep their means.
///
/// # Errors
/// [`ScalingError::Parse`] as [`read_results`](crate::read_results), and when an example occurs twice, is there for some models only, or when the mean of a model's scores is not the value of the curve;
/// [`ScalingError::File`] when a model of a curve has no scores, or no curve has any.
pub fn attach_examples(curves: &mut [Curve], text: &str, place: &str) -> Result<(), ScalingError> {
    let table = Table::read(text, place)?;
    let mut found = false;
    let families: Vec<(String, String)> = curves
        .iter()
        .map(|curve| (curve.task.clone(), curve.family.clone()))
        .collect();
    for curve in curves {
        let alone = families
            .iter()
            .filter(|(task, _)| *task == curve.task)
            .count()
            == 1;
        found |= table.attach(curve, alone)?;
        if let Some(companion) = curve.companion.as_deref_mut() {
            found |= table.attach(companion, alone)?;
        }
    }
    if found {
        return Ok(());
    }
    Err(ScalingError::File {
        place: place.into(),
        what: "no scores of any task, family and size of the table of means".into(),
    })
}

/// A table of scores.
struct Table<'a> {
    place: &'a str,
    scores: BTreeMap<Key, Scores>,
    /// Columns of example and score, from 1.
    columns: [usize; 2],
    /// Whether it says which family and which metric a score is of.
    names: [bool; 2],
}

impl<'a> Table<'a> {
    fn read(text: &str, place: &'a str) -> Result<Self, ScalingError> {
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
        let task_at = need(&["task", "dataset"])?;
        let example_at = need(&["example", "id", "index", "doc_id"])?;
        let value_at = need(&["value", "score", "correct", "accuracy", "acc", "loss"])?;
        let family_at = find(&["family", "model_family"]);
        let metric_at = find(&["metric", "measure"]);
        let mut scores: BTreeMap<Key, Scores> = BTreeMap::new();
        for row in &rows {
            let field = |at: usize| row.fields.get(at).map_or("", |text| text.trim());
            let size = parse_size(field(size_at))
                .map_err(|error| at_field(row, size_at, place, error.to_string()))?;
            let value = number(row, value_at, place, "a finite number")?;
            let metric = metric_at.map(field).unwrap_or_default().to_lowercase();
            let key = (
                field(task_at).to_owned(),
                family_at.map(field).unwrap_or_default().to_owned(),
                if metric == "acc" {
                    "accuracy".into()
                } else {
                    metric
                },
                size.to_bits(),
            );
            let example = field(example_at).to_owned();
            let of = scores.entry(key).or_default();
            if let Some((_, line)) = of.insert(example.clone(), (value, row.line)) {
                return Err(at_field(
                    row,
                    example_at,
                    place,
                    format!(
                        "example `{example}` occurs twice, in lines {line} and {}",
                        row.line
                    ),
                ));
            }
        }
        Ok(Self {
            place,
            scores,
            columns: [example_at + 1, value_at + 1],
            names: [family_at.is_some(), metric_at.is_some()],
        })
    }

    fn fail(&self, line: usize, column: usize, what: String) -> ScalingError {
        ScalingError::Parse {
            place: self.place.into(),
            line,
            column,
            what,
        }
    }

    /// Gives a curve its scores, if the table has any of it. `alone`: its task has one family.
    fn attach(&self, curve: &mut Curve, alone: bool) -> Result<bool, ScalingError> {
        let [family, metric] = self.names;
        if !family && !alone {
            return Ok(false);
        }
        let mut columns: Vec<Option<&Scores>> = vec![];
        for point in &curve.points {
            let named = |given: bool, name: &str| {
                if given {
                    name.to_owned()
                } else {
                    String::new()
                }
            };
            columns.push(self.scores.get(&(
                curve.task.clone(),
                named(family, &curve.family),
                named(metric, &curve.metric),
                point.scale.to_bits(),
            )));
        }
        if columns.iter().all(Option::is_none) {
            return Ok(false);
        }
        if let Some(at) = columns.iter().position(Option::is_none) {
            return Err(ScalingError::File {
                place: self.place.into(),
                what: format!("{}: no scores of {}", curve.task, curve.points[at].model),
            });
        }
        let columns: Vec<&Scores> = columns.into_iter().flatten().collect();
        let mut matrix: Vec<Vec<f64>> = vec![vec![]; columns.first().map_or(0, |c| c.len())];
        for (column, point) in columns.iter().zip(&curve.points) {
            let other = |a: &Scores, b: &Scores| {
                let found = a.iter().find(|(example, _)| !b.contains_key(*example));
                found.map(|(example, (_, line))| (example.clone(), *line))
            };
            let one_sided = other(column, columns[0]).or_else(|| other(columns[0], column));
            if let Some((example, line)) = one_sided {
                let what = format!(
                    "{}: {} and {} have scores of different examples: only one of them has `{example}`",
                    curve.task, curve.points[0].model, point.model
                );
                return Err(self.fail(line, self.columns[0], what));
            }
            let mean = column.values().map(|(value, _)| value).sum::<f64>() / column.len() as f64;
            if (mean - point.value).abs() > 5e-3_f64.max(1e-3 * point.value.abs()) {
                let line = column.values().map(|(_, line)| *line).min().unwrap_or(1);
                let what = format!(
                    "{}: the scores of {} have the mean {mean}, its row in the table of means says {}",
                    curve.task, point.model, point.value
                );
                return Err(self.fail(line, self.columns[1], what));
            }
            for (row, (value, _)) in matrix.iter_mut().zip(column.values()) {
                row.push(*value);
            }
        }
        curve.examples = Some(matrix);
        Ok(true)
    }
}
