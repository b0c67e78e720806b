//! The published text sets, read from a folder.

use std::{fs, path::PathBuf};

use firetender_support::{Failure, fail};
use serde::{Deserialize, de::DeserializeOwned};

/// Files of this size or more are none of these sets.
const MAX_FILE: u64 = 16 << 20;

/// Where the sets are.
pub(crate) struct Folder(PathBuf);

/// One A/B question.
#[derive(Deserialize)]
pub(crate) struct Question {
    pub(crate) question: String,
    pub(crate) answer_matching_behavior: String,
    pub(crate) answer_not_matching_behavior: String,
}

/// One question of TruthfulQA, of whose answer lists the two-answer one is used.
#[derive(Deserialize)]
pub(crate) struct TruthfulQuestion {
    pub(crate) question: String,
    mc0_targets: std::collections::BTreeMap<String, u8>,
}

impl TruthfulQuestion {
    /// An answer that is true, and one that is not.
    pub(crate) fn answers(&self) -> Option<(&str, &str)> {
        let first = |truth: u8| {
            let mut answers = self.mc0_targets.iter();
            answers.find(|(_, t)| **t == truth).map(|(a, _)| a.as_str())
        };
        first(1).zip(first(0))
    }
}

impl Folder {
    /// A folder by name.
    pub(crate) fn new(path: &str) -> Self {
        Self(path.into())
    }

    fn text(&self, name: &str) -> Result<String, Failure> {
        let path = self.0.join(name);
        let place = path.display();
        match fs::metadata(&path) {
            Err(error) => {
                return fail(format!(
                    "{place}: {error}; --data names a folder with the text sets"
                ));
            }
            Ok(about) if about.len() >= MAX_FILE => {
                return fail(format!("{place}: {} bytes, no such text set", about.len()));
            }
            Ok(_) => {}
        }
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text),
            Err(error) => fail(format!("{place}: {error}")),
        }
    }

    /// One JSON value.
    pub(crate) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, Failure> {
        let text = self.text(name)?;
        serde_json::from_str(&text).or_else(|error| fail(format!("{name}: {error}")))
    }

    /// One JSON value a line.
    pub(crate) fn jsonl<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>, Failure> {
        let text = self.text(name)?;
        let lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty());
        lines
            .map(|(number, line)| {
                serde_json::from_str(line)
                    .or_else(|error| fail(format!("{name}, line {}: {error}", number + 1)))
            })
            .collect()
    }

    /// Two columns of a table of comma-separated values, by the names in its first line.
    pub(crate) fn csv(&self, name: &str, columns: [&str; 2]) -> Result<Vec<[String; 2]>, Failure> {
        let rows = fields(&self.text(name)?);
        let Some((head, rows)) = rows.split_first() else {
            return fail(format!("{name}: empty"));
        };
        let place = |column: &str| match head.iter().position(|h| h == column) {
            Some(place) => Ok(place),
            None => fail(format!("{name}: no column `{column}`; it has {head:?}")),
        };
        let [first, second] = [place(columns[0])?, place(columns[1])?];
        rows.iter()
            .enumerate()
            .map(|(number, row)| match (row.get(first), row.get(second)) {
                (Some(a), Some(b)) => Ok([a.clone(), b.clone()]),
                _ => fail(format!("{name}, row {}: {} fields", number + 2, row.len())),
            })
            .collect()
    }
}

/// Rows of fields; a field in quotes may hold commas, line ends and doubled quotes.
fn fields(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (vec![], vec![], String::new());
    let (mut quoted, mut characters) = (false, text.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                field.push('"');
                characters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            other => field.push(other),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}
