//! Arrays from files: members, labels, and the conventions asked for.

use std::{fs::File, io::Read as _};

use clap::Args;
use firetender_support::{Failure, fail};
use firetender_uncertainty::{
    Checks, Floats, Floor, MetricOptions, NpyArray, NpyValues, Repair, ScoreKind, Scores, Targets,
    read_npy, read_npz,
};

/// What all commands on predictions take.
#[derive(Args, Clone, Default)]
pub(crate) struct Input {
    /// Probabilities: .npy or .npz, separated by commas; FILE.npz:NAME chooses one array.
    #[arg(long, value_name = "FILES", num_args = 1..)]
    pub(crate) probs: Vec<String>,
    /// Logits, likewise.
    #[arg(long, value_name = "FILES", num_args = 1..)]
    pub(crate) logits: Vec<String>,
    /// Log-probabilities, likewise.
    #[arg(long, value_name = "FILES", num_args = 1.., alias = "log_probs")]
    pub(crate) log_probs: Vec<String>,
    /// Integer labels [N], or a distribution a row [N, C]; may be left out if an .npz holds `labels`, `targets` or `test_targets`.
    #[arg(long, value_name = "FILE", alias = "targets")]
    pub(crate) labels: Option<String>,
    /// The arrays are [N] or [N, 1]: probability, logit or log-probability of class 1 of two.
    #[arg(long)]
    pub(crate) binary: bool,
    /// A label that marks rows to leave out.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) ignore_label: Option<i64>,
    /// Divide rows of probabilities that do not sum to one by their sums.
    #[arg(long)]
    pub(crate) renormalise: bool,
    /// Conventions of a publication: ashukha2020.
    #[arg(long)]
    pub(crate) compat: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A member as it was read.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) kind: ScoreKind,
    pub(crate) rows: usize,
    pub(crate) classes: usize,
    pub(crate) values: NpyValues,
}

/// Members with their targets.
pub(crate) struct Loaded {
    pub(crate) members: Vec<Member>,
    pub(crate) targets: Targets,
}

/// Whether the conventions of the reference are asked for.
pub(crate) fn is_compat(compat: Option<&str>) -> Result<bool, Failure> {
    match compat {
        None | Some("none") => Ok(false),
        Some("ashukha2020") => Ok(true),
        Some(other) => fail(format!("--compat is {other:?}; expected ashukha2020")),
    }
}

impl Input {
    /// All options of metrics for these conventions.
    pub(crate) fn options(&self) -> Result<MetricOptions, Failure> {
        Ok(if is_compat(self.compat.as_deref())? {
            MetricOptions::ashukha2020()
        } else {
            MetricOptions::default()
        })
    }

    pub(crate) fn floor(&self) -> Result<Floor, Failure> {
        Ok(self.options()?.floor)
    }

    /// Reads everything: members in the order of the command line, kinds in the order probs, logits, log-probs.
    pub(crate) fn load(&self) -> Result<Loaded, Failure> {
        let given = [
            (ScoreKind::Probs, &self.probs),
            (ScoreKind::Logits, &self.logits),
            (ScoreKind::LogProbs, &self.log_probs),
        ];
        let files: Vec<(ScoreKind, &str)> = given
            .iter()
            .flat_map(|(kind, lists)| {
                lists
                    .iter()
                    .flat_map(|list| list.split(','))
                    .map(|file| (*kind, file.trim()))
            })
            .filter(|(_, file)| !file.is_empty())
            .collect();
        let mut found = Files {
            binary: self.binary,
            ..Files::default()
        };
        for (kind, file) in files {
            found.add(kind, file)?;
        }
        if found.members.is_empty() {
            return fail("no predictions; give --probs, --logits or --log-probs");
        }
        let targets = match &self.labels {
            Some(file) => labels(file)?,
            None => match found.labels {
                Some(labels) => Targets::classes(&labels),
                None => return fail("no labels; give --labels FILE.npy"),
            },
        };
        let targets = match self.ignore_label {
            Some(label) => targets.with_ignore(label),
            None => targets,
        };
        for member in &found.members {
            if member.rows != targets.rows() {
                return fail(format!(
                    "{}: {} rows, but there are {} labels",
                    member.name,
                    member.rows,
                    targets.rows()
                ));
            }
        }
        Ok(Loaded {
            members: found.members,
            targets,
        })
    }

    /// Checked scores of the members.
    pub(crate) fn scores<'a>(&self, loaded: &'a Loaded) -> Result<Vec<Scores<'a>>, Failure> {
        let checks = Checks {
            repair: if self.renormalise {
                Repair::Renormalise
            } else {
                Repair::Refuse
            },
            ..Checks::default()
        };
        let several = loaded.members.len() > 1;
        loaded
            .members
            .iter()
            .map(|member| {
                // Sixteen-bit floats cannot sum to one any better.
                let row_sum_tolerance = match &member.values {
                    NpyValues::F16(_) => Checks::HALVES.row_sum_tolerance,
                    _ => checks.row_sum_tolerance,
                };
                let checks = Checks {
                    row_sum_tolerance,
                    ..checks
                };
                let values = match &member.values {
                    NpyValues::F16(values) | NpyValues::F32(values) => Floats::from(values),
                    NpyValues::F64(values) => Floats::from(values),
                    _ => return fail(format!("{}: no floats", member.name)),
                };
                Scores::new(member.kind, values, member.classes, checks).or_else(|error| {
                    if several {
                        fail(format!("{}: {error}", member.name))
                    } else {
                        Err(error.into())
                    }
                })
            })
            .collect()
    }
}

#[derive(Default)]
struct Files {
    members: Vec<Member>,
    labels: Option<Vec<i64>>,
    binary: bool,
}

impl Files {
    fn add(&mut self, kind: ScoreKind, file: &str) -> Result<(), Failure> {
        let (path, chosen) = split(file);
        if !is_archive(path) {
            return self.push(kind, file, read_npy(path)?);
        }
        let mut used = 0;
        let arrays = read_npz(path)?;
        let names: Vec<String> = arrays.iter().map(|(name, _)| name.clone()).collect();
        for (name, array) in arrays {
            let is_labels = ["labels", "targets", "test_targets", "label", "y"].contains(&&*name);
            if is_labels && chosen.is_none() {
                if let NpyValues::Int(values) = array.values {
                    self.labels.get_or_insert(values);
                }
                continue;
            }
            let wanted = chosen.is_none_or(|chosen| chosen == name);
            let least = if self.binary { 1 } else { 2 };
            let table = (least..=3).contains(&array.shape.len());
            if wanted && (table || chosen.is_some()) {
                self.push(kind, &format!("{path}:{name}"), array)?;
                used += 1;
            } else if is_labels && let NpyValues::Int(values) = array.values {
                self.labels.get_or_insert(values);
            }
        }
        if used == 0 {
            return fail(format!(
                "{file}: no such table of predictions; the file holds {}",
                names.join(", ")
            ));
        }
        Ok(())
    }

    /// One table `[N, C]`, or several `[K, N, C]`.
    fn push(&mut self, kind: ScoreKind, name: &str, array: NpyArray) -> Result<(), Failure> {
        if array.values.is_empty() {
            return fail(format!("{name}: shape {:?} holds nothing", array.shape));
        }
        let array = if self.binary {
            two_classes(kind, name, array)?
        } else {
            array
        };
        let (members, rows, classes) = match array.shape[..] {
            [rows, classes] => (1, rows, classes),
            [members, rows, classes] => (members, rows, classes),
            _ => {
                return fail(format!(
                    "{name}: shape {:?}; expected [N, C] or [K, N, C] (for one number an object, of class 1 of two, add --binary)",
                    array.shape
                ));
            }
        };
        // Whole numbers are numbers too: one-hot predictions are often stored so.
        let values = match array.values {
            NpyValues::Int(values) => NpyValues::F64(values.iter().map(|v| *v as f64).collect()),
            floats => floats,
        };
        if members == 1 {
            self.members.push(Member {
                name: name.to_owned(),
                kind,
                rows,
                classes,
                values,
            });
            return Ok(());
        }
        for member in 0..members {
            let range = member * rows * classes..(member + 1) * rows * classes;
            self.members.push(Member {
                name: format!("{name}[{member}]"),
                kind,
                rows,
                classes,
                values: match &values {
                    NpyValues::F16(values) => NpyValues::F16(values[range].to_vec()),
                    NpyValues::F32(values) => NpyValues::F32(values[range].to_vec()),
                    NpyValues::F64(values) => NpyValues::F64(values[range].to_vec()),
                    _ => return fail(format!("{name}: no floats")),
                },
            });
        }
        Ok(())
    }
}

/// `FILE.npz:NAME` into file and name.
fn split(file: &str) -> (&str, Option<&str>) {
    match file.rsplit_once(':') {
        Some((path, name)) if path.to_ascii_lowercase().ends_with(".npz") => (path, Some(name)),
        _ => (file, None),
    }
}

/// Both columns of a binary problem from the second.
fn two_classes(kind: ScoreKind, name: &str, array: NpyArray) -> Result<NpyArray, Failure> {
    let rows = match array.shape[..] {
        [rows] | [rows, 1] => rows,
        _ => {
            return fail(format!(
                "{name}: shape {:?}; with --binary expected [N] or [N, 1]",
                array.shape
            ));
        }
    };
    let values = match array.values {
        NpyValues::F16(values) | NpyValues::F32(values) => {
            values.into_iter().map(f64::from).collect()
        }
        NpyValues::F64(values) => values,
        NpyValues::Int(values) => values.into_iter().map(|v| v as f64).collect(),
        _ => return fail(format!("{name}: no numbers")),
    };
    let both = values.into_iter().flat_map(|one| match kind {
        ScoreKind::Probs => [1.0 - one, one],
        ScoreKind::Logits => [0.0, one],
        ScoreKind::LogProbs => [(-one.exp_m1()).ln(), one],
    });
    Ok(NpyArray {
        shape: vec![rows, 2],
        values: NpyValues::F64(both.collect()),
    })
}

/// Whether a file is an `.npz`, by its name or its first bytes.
fn is_archive(path: &str) -> bool {
    let begins = || {
        let mut start = [0; 2];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
        read.is_ok() && start == *b"PK"
    };
    path.to_ascii_lowercase().ends_with(".npz") || begins()
}

/// Labels `[N]` or `[N, 1]`, whole floats too; `[N, C]` is a distribution a row.
fn labels(file: &str) -> Result<Targets, Failure> {
    let (path, chosen) = split(file);
    let array = if is_archive(path) {
        let name = chosen.unwrap_or("labels");
        let found = read_npz(path)?.into_iter().find(|(n, _)| {
            n == name || (chosen.is_none() && (n == "targets" || n == "test_targets"))
        });
        match found {
            Some((_, array)) => array,
            None => return fail(format!("{file}: no array {name:?}")),
        }
    } else {
        read_npy(path)?
    };
    let floats = |values: NpyValues| -> Result<Vec<f64>, Failure> {
        Ok(match values {
            NpyValues::Int(values) => values.into_iter().map(|v| v as f64).collect(),
            NpyValues::F16(values) | NpyValues::F32(values) => {
                values.into_iter().map(f64::from).collect()
            }
            NpyValues::F64(values) => values,
            _ => return fail(format!("{file}: no numbers")),
        })
    };
    if array.shape.iter().filter(|n| **n != 1).count() > 1 {
        return match array.shape[..] {
            [_, classes] => Ok(Targets::soft(floats(array.values)?, classes)),
            _ => fail(format!(
                "{file}: shape {:?}; expected one label a row, [N], or one distribution, [N, C]",
                array.shape
            )),
        };
    }
    if let NpyValues::Int(values) = array.values {
        return Ok(Targets::classes(&values));
    }
    let values = floats(array.values)?;
    let whole = |v: &f64| v.fract() == 0.0 && v.abs() <= 2f64.powi(53);
    match values.iter().position(|v| !whole(v)) {
        Some(row) => fail(format!(
            "{file}: label of row {row}: {}; expected a whole number",
            values[row]
        )),
        None => {
            let labels: Vec<i64> = values.iter().map(|v| *v as i64).collect();
            Ok(Targets::classes(&labels))
        }
    }
}
