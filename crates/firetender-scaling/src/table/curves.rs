//! Rows of a table as curves over scale.

use std::collections::BTreeMap;

use super::ResultRow;
use crate::{Curve, Point, Scale, ScalingError};

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
/// [`ScalingError::Parse`] with line and column when models of a curve have different numbers of examples (unless `unequal_n`), when one size occurs twice or is the only one, or when a
/// standard error is missing and cannot be had from accuracy and n.
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
    let fail = |row: &ResultRow, column: usize, what: String| ScalingError::Parse {
        place: place.into(),
        line: row.line,
        column: column.max(1),
        what: format!("{name}: {what}"),
    };
    if let [row] = rows[..] {
        let what = format!(
            "{} is the only model; expected at least two sizes",
            row.model
        );
        return Err(fail(row, row.columns.size, what));
    }
    for pair in rows.windows(2) {
        // The later line is the one to look at.
        let (one, other) = match pair[0].line > pair[1].line {
            true => (pair[1], pair[0]),
            false => (pair[0], pair[1]),
        };
        if one.size == other.size {
            let what = format!(
                "size {} occurs twice, in lines {} and {}; give each family or training seed a name of its own in the column `family`",
                one.size, one.line, other.line
            );
            return Err(fail(other, other.columns.size, what));
        }
        if one.n != other.n && !unequal_n {
            let show = |n: Option<u64>| n.map_or("no n".into(), |n| format!("n = {n}"));
            let what = format!(
                "{} has {} (line {}) and {} has {} (line {}); means over different examples are not comparable",
                one.model,
                show(one.n),
                one.line,
                other.model,
                show(other.n),
                other.line
            );
            return Err(fail(other, other.columns.n, what));
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
                    let what = format!(
                        "{}: no standard error, and none can be had from an accuracy between 0 and 1 and its n",
                        row.model
                    );
                    return Err(fail(row, row.columns.stderr, what));
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
