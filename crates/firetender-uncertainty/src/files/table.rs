//! Tables of results: the reference's columns, read in the order they come in, and the columns of equivalents.
//!
//! The reference writes `{dataset}-{model}-{method}-{name}.cvs` (sic) with the columns
//! `(index), dataset, model, method, n_samples, metric, value, info`, one row a run. Calibrated rows carry ` (ts)` after the method.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use super::{damaged, read_all, write_atomically};
use crate::{Dee, Direction, SizeCurve, UncertaintyError};

/// After the method of calibrated rows.
const CALIBRATED: &str = " (ts)";
/// Names of the column of values.
const VALUES: &[&str] = &["value", "mean_value", "mean"];

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultRow {
    /// Such as `CIFAR100`; empty if the table has no such column.
    pub dataset: String,
    /// Such as `VGG16`; empty if the table has no such column.
    pub model: String,
    /// Such as `deepens` or `deepens (ts)`.
    pub method: String,
    /// How many predictions are averaged.
    pub n_samples: usize,
    /// Such as `ll`.
    pub metric: String,
    /// The value, of one run or the mean over runs.
    pub value: f64,
    /// Standard deviation over runs, if the table has it.
    pub std: Option<f64>,
    /// Whatever else; often empty.
    pub info: String,
}

/// A table of results in file order.
///
/// ```
/// use std::path::Path;
/// use firetender_uncertainty::ResultTable;
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let text = "dataset,model,method,metric,n_samples,mean_value\nC,V,deepens,cll,1,-1.0\nC,V,deepens,cll,2,-0.8\n";
/// let table = ResultTable::parse(text, Path::new("curves.csv"))?;
/// let curve = table.curve("deepens", "cll")?;
/// assert_eq!((curve.sizes(), curve.means()), (&[1.0, 2.0][..], &[-1.0, -0.8][..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResultTable {
    /// The rows.
    pub rows: Vec<ResultRow>,
}

impl ResultTable {
    /// Reads a file of comma-separated values (`.csv`, or `.cvs`).
    ///
    /// # Errors
    /// [`UncertaintyError::Io`], and as [`parse`](Self::parse).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, UncertaintyError> {
        let path = path.as_ref();
        let text = String::from_utf8(read_all(path)?).map_err(|e| {
            damaged(
                path,
                &format!("byte {}", e.utf8_error().valid_up_to()),
                "no UTF-8",
            )
        })?;
        Self::parse(&text, path)
    }

    /// Reads text; `path` is for messages. Columns are found by name: `method`, `n_samples`, `metric` and `value` or `mean_value` are
    /// needed, `dataset`, `model` (or `network`), `std` and `info` are read if there, others are left alone. A table of equivalents has
    /// its values in the column `dee`; they are the metric `dee`.
    ///
    /// # Errors
    /// [`UncertaintyError::File`] with the line for a missing column, a row with too few fields, a size that is no positive
    /// integer, or a value that is not finite.
    pub fn parse(text: &str, path: &Path) -> Result<Self, UncertaintyError> {
        // Empty lines, and rows of nothing but commas as spreadsheets leave them, say nothing.
        let filled =
            |(_, fields): &(usize, Vec<String>)| fields.iter().any(|f| !f.trim().is_empty());
        let mut lines = records(text).into_iter().filter(filled);
        let Some((_, header)) = lines.next() else {
            return Err(damaged(path, "line 1", "an empty table, expected a header"));
        };
        let find = |names: &[&str]| {
            header
                .iter()
                .position(|h| names.contains(&h.trim().to_ascii_lowercase().as_str()))
        };
        let need = |names: &[&str]| {
            find(names).ok_or_else(|| {
                let what = format!(
                    "no column {}, found {}",
                    names.join(" or "),
                    header.join(",")
                );
                damaged(path, "line 1", what)
            })
        };
        let method = need(&["method"])?;
        let size = need(&["n_samples", "samples", "size", "k"])?;
        let equivalents = find(&["dee"]).filter(|_| find(VALUES).is_none());
        let value = match equivalents {
            Some(column) => column,
            None => need(VALUES)?,
        };
        let metric = match equivalents {
            Some(_) => None,
            None => Some(need(&["metric"])?),
        };
        let dataset = find(&["dataset"]);
        let model = find(&["model", "network", "arch", "architecture"]);
        let std = find(&["std", "std_value"]);
        let info = find(&["info"]);
        let mut rows = vec![];
        for (line, fields) in lines {
            let place = format!("line {line}");
            let field = |at: usize| {
                fields.get(at).map(|f| f.trim()).ok_or_else(|| {
                    let what = format!("{} fields, the header has {}", fields.len(), header.len());
                    damaged(path, &place, what)
                })
            };
            let optional = |at: Option<usize>| at.map_or(Ok(""), &field);
            let number = |at: usize, name: &str| -> Result<f64, UncertaintyError> {
                let text = field(at)?;
                let found: Option<f64> = text.parse().ok();
                found.filter(|v| v.is_finite()).ok_or_else(|| {
                    let what = format!("{name} is {text:?}, expected a finite number");
                    damaged(path, &place, what)
                })
            };
            let n_samples = number(size, "n_samples")?;
            if n_samples.fract() != 0.0 || !(1.0..=1e9).contains(&n_samples) {
                let what = format!("n_samples is {n_samples}, expected a whole number from 1 on");
                return Err(damaged(path, &place, what));
            }
            let deviation = match std {
                Some(at) if !field(at)?.is_empty() => Some(number(at, "std")?),
                _ => None,
            };
            rows.push(ResultRow {
                dataset: optional(dataset)?.to_owned(),
                model: optional(model)?.to_owned(),
                method: field(method)?.to_owned(),
                n_samples: n_samples as usize,
                metric: match metric {
                    Some(metric) => field(metric)?.to_owned(),
                    None => "dee".to_owned(),
                },
                value: number(value, "value")?,
                std: deviation,
                info: optional(info)?.to_owned(),
            });
        }
        if rows.is_empty() {
            return Err(damaged(path, "line 2", "no rows"));
        }
        Ok(Self { rows })
    }

    /// Only rows of this dataset and model (upper and lower case are one; `None` allows all).
    #[must_use]
    pub fn only(&self, dataset: Option<&str>, model: Option<&str>) -> Self {
        let same = |found: &str, asked: Option<&str>| {
            asked.is_none_or(|asked| found.eq_ignore_ascii_case(asked))
        };
        let rows = self.rows.iter();
        Self {
            rows: rows
                .filter(|row| same(&row.dataset, dataset) && same(&row.model, model))
                .cloned()
                .collect(),
        }
    }

    /// Different values of a field, in order of appearance.
    #[must_use]
    pub fn distinct(&self, field: impl Fn(&ResultRow) -> &str) -> Vec<String> {
        let mut found: Vec<String> = vec![];
        for row in &self.rows {
            if !found.iter().any(|f| f == field(row)) {
                found.push(field(row).to_owned());
            }
        }
        found
    }

    /// The metric to compare methods by: `cll` if the table has it, else `ll` (of calibrated rows, if there are some), else the first one.
    #[must_use]
    pub fn default_metric(&self) -> &str {
        let has = |name: &str| self.rows.iter().any(|row| row.metric == name);
        let calibrated = self.rows.iter().any(|row| row.method.ends_with(CALIBRATED));
        if has("cll") || (calibrated && (has("ll") || has("nll"))) {
            "cll"
        } else if has("ll") || has("nll") {
            "ll"
        } else {
            self.rows.first().map_or("ll", |row| &row.metric)
        }
    }

    /// A method's curve. `cll` also means `ll` of rows marked ` (ts)`; `ll` also means its old name `nll`. Several rows of one size are
    /// runs.
    ///
    /// # Errors
    /// [`UncertaintyError::Input`] when the table holds several datasets or models (choose with [`only`](Self::only)), or nothing of this
    /// method and metric (what there is, is listed); as [`SizeCurve::from_runs`].
    pub fn curve(&self, method: &str, metric: &str) -> Result<SizeCurve, UncertaintyError> {
        let spellings: Vec<(String, &str)> = match metric {
            "cll" => vec![
                (method.to_owned(), "cll"),
                (format!("{method}{CALIBRATED}"), "ll"),
                (format!("{method}{CALIBRATED}"), "nll"),
            ],
            "ll" => vec![(method.to_owned(), "ll"), (method.to_owned(), "nll")],
            other => vec![(method.to_owned(), other)],
        };
        let rows: Vec<&ResultRow> = spellings
            .iter()
            .map(|(method, metric)| {
                let rows = self.rows.iter();
                rows.filter(|r| r.method.eq_ignore_ascii_case(method) && r.metric == *metric)
                    .collect::<Vec<_>>()
            })
            .find(|rows| !rows.is_empty())
            .ok_or_else(|| {
                UncertaintyError::input(format!(
                    "no rows of method {method:?} with metric {metric:?}; methods are {}, metrics {}",
                    self.distinct(|r| &r.method).join(", "),
                    self.distinct(|r| &r.metric).join(", ")
                ))
            })?;
        for (name, field) in [
            ("dataset", (|r| &r.dataset) as fn(&ResultRow) -> &String),
            ("model", |r| &r.model),
        ] {
            if let Some(other) = rows.iter().find(|row| field(row) != field(rows[0])) {
                return Err(UncertaintyError::input(format!(
                    "the rows of {method:?} belong to several values of {name}: {:?} and {:?}; choose one",
                    field(rows[0]),
                    field(other)
                )));
            }
        }
        let mut sizes: BTreeMap<usize, Vec<&ResultRow>> = BTreeMap::new();
        for row in rows {
            sizes.entry(row.n_samples).or_default().push(row);
        }
        let direction = if metric == "ll" || metric == "cll" {
            Direction::HigherIsBetter
        } else {
            Direction::of_metric(metric)
        };
        let keys: Vec<usize> = sizes.keys().copied().collect();
        let runs = sizes.values().map(Vec::len).max().unwrap_or(0);
        if runs > 1 && sizes.values().all(|rows| rows.len() == runs) {
            let runs: Vec<Vec<f64>> = (0..runs)
                .map(|run| sizes.values().map(|rows| rows[run].value).collect())
                .collect();
            return SizeCurve::from_runs(&keys, &runs, direction);
        }
        let means: Vec<f64> = sizes
            .values()
            .map(|rows| rows.iter().map(|r| r.value).sum::<f64>() / rows.len() as f64)
            .collect();
        let deviations: Option<Vec<f64>> = sizes.values().map(|rows| rows[0].std).collect();
        match deviations {
            Some(deviations) => SizeCurve::from_mean_std(&keys, &means, &deviations, direction),
            None => SizeCurve::from_means(&keys, &means, direction),
        }
    }

    /// The reference's columns, numbers in full precision.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut out = String::from(",dataset,model,method,n_samples,metric,value,info\n");
        for (at, row) in self.rows.iter().enumerate() {
            // Writing into a string cannot fail.
            let _ = writeln!(
                out,
                "{at},{},{},{},{},{},{},{}",
                field(&row.dataset),
                field(&row.model),
                field(&row.method),
                row.n_samples,
                field(&row.metric),
                row.value,
                field(&row.info)
            );
        }
        out
    }

    /// Writes [`to_csv`](Self::to_csv), atomically.
    ///
    /// # Errors
    /// [`UncertaintyError::Io`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), UncertaintyError> {
        write_atomically(path.as_ref(), self.to_csv().as_bytes())
    }
}

/// Equivalents as comma-separated values: the columns of the reference's notebooks, and the status.
#[must_use]
pub fn dee_table(found: &Dee, dataset: &str, model: &str, method: &str, metric: &str) -> String {
    let mut out = String::from("n_samples,metric,dee,lower,upper,status,dataset,model,method\n");
    for point in &found.points {
        let _ = writeln!(
            out,
            "{},{},{},{},{},{},{},{},{}",
            point.size,
            field(metric),
            point.dee,
            point.lower,
            point.upper,
            point.status.name(),
            field(dataset),
            field(model),
            field(method)
        );
    }
    out
}

/// A field, quoted if it has to be.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Lines of fields after RFC 4180, each with its number from 1; quoted fields may hold commas and line breaks.
fn records(text: &str) -> Vec<(usize, Vec<String>)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut records, mut fields, mut current) = (vec![], vec![], String::new());
    let (mut quoted, mut line, mut start) = (false, 1, 1);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                current.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if current.is_empty() => quoted = true,
            ',' if !quoted => fields.push(std::mem::take(&mut current)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' => {
                line += 1;
                if quoted {
                    current.push(c);
                } else {
                    fields.push(std::mem::take(&mut current));
                    records.push((start, std::mem::take(&mut fields)));
                    start = line;
                }
            }
            c => current.push(c),
        }
    }
    if !(current.is_empty() && fields.is_empty()) {
        fields.push(current);
        records.push((start, fields));
    }
    records
}
