//! The log of an evaluation: one JSON line for each scored continuation, only ever appended to.
//!
//! A run that was stopped, even in the middle of a line, goes on where it was and leaves the same file as one that was not. The first line of a run names the model, the tokenizer, the policies
//! and the task; a log of anything else is refused. Several models may follow each other in one log.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::ScalingError;

/// Bound on a log, in bytes.
const MAX_LOG: u64 = 8 << 30;

/// One line below a header.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) value: Map<String, Value>,
    pub(crate) line: usize,
}

impl Entry {
    pub(crate) fn whole(&self, name: &str) -> Option<usize> {
        self.value.get(name)?.as_u64().map(|value| value as usize)
    }
}

/// A log that can be continued.
#[derive(Debug)]
pub struct RunLog {
    path: PathBuf,
    file: File,
    /// Headers with their lines, in the order of the file.
    runs: Vec<(Entry, Vec<Entry>)>,
    /// Number of runs begun in this process.
    begun: usize,
}

impl RunLog {
    /// Opens a log, or makes an empty one. A last line without its end is cut off, since it may be half of what it should be.
    ///
    /// # Errors
    /// A file that cannot be read or written, is larger than 8 GB, or holds anything else than such a log.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ScalingError> {
        let path = path.as_ref().to_path_buf();
        let io = |source| ScalingError::Io {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let fail = |line: usize, what: String| ScalingError::Parse {
            place: path.display().to_string(),
            line,
            column: 1,
            what,
        };
        if size > MAX_LOG {
            return Err(fail(
                1,
                format!("a log of {size} bytes; expected at most 8 GB"),
            ));
        }
        let mut bytes = Vec::with_capacity(size as usize);
        file.read_to_end(&mut bytes).map_err(io)?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let mut runs: Vec<(Entry, Vec<Entry>)> = vec![];
        for (index, line) in bytes[..whole].split(|byte| *byte == b'\n').enumerate() {
            let line_number = index + 1;
            if line.is_empty() {
                continue;
            }
            let value: Map<String, Value> = serde_json::from_slice(line).map_err(|error| {
                fail(
                    line_number,
                    format!("{error}; expected a log of this program"),
                )
            })?;
            let entry = Entry {
                value,
                line: line_number,
            };
            if entry.value.contains_key("log") {
                runs.push((entry, vec![]));
            } else {
                match runs.last_mut() {
                    Some((_, entries)) => entries.push(entry),
                    None => {
                        return Err(fail(
                            line_number,
                            "no header; expected a log of this program (name another file)".into(),
                        ));
                    }
                }
            }
        }
        // A log never begins in the middle of a foreign file.
        if runs.is_empty()
            && !bytes.is_empty()
            && !b"{\"log\":".starts_with(&bytes[..bytes.len().min(7)])
        {
            return Err(fail(
                1,
                "not a log of this program; name another file".into(),
            ));
        }
        file.set_len(whole as u64).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        Ok(Self {
            path,
            file,
            runs,
            begun: 0,
        })
    }

    /// Starts or continues a run; gives what is known of it.
    pub(crate) fn begin(
        &mut self,
        header: &Map<String, Value>,
    ) -> Result<Vec<Entry>, ScalingError> {
        let at = self.begun;
        self.begun += 1;
        let Some((found, entries)) = self.runs.get(at) else {
            self.append(std::slice::from_ref(header))?;
            return Ok(vec![]);
        };
        for (key, expected) in header {
            let value = found.value.get(key).unwrap_or(&Value::Null);
            if value != expected {
                return Err(ScalingError::Parse {
                    place: self.path.display().to_string(),
                    line: found.line,
                    column: 1,
                    what: format!(
                        "the log is of another run: its {key} is {value}, this run's is {expected}; name another file"
                    ),
                });
            }
        }
        // Lines of a run that is not the last in the file cannot be added to.
        Ok(entries.clone())
    }

    /// Whether lines of the current run would stand at the end of the file.
    pub(crate) fn at_end(&self) -> bool {
        self.begun >= self.runs.len()
    }

    pub(crate) fn append(&mut self, lines: &[Map<String, Value>]) -> Result<(), ScalingError> {
        let mut text = String::new();
        for line in lines {
            text.push_str(&Value::Object(line.clone()).to_string());
            text.push('\n');
        }
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.flush())
            .map_err(|source| ScalingError::Io {
                path: self.path.clone(),
                source,
            })
    }

    pub(crate) fn wrong(&self, line: usize, what: &str) -> ScalingError {
        ScalingError::Parse {
            place: self.path.display().to_string(),
            line,
            column: 1,
            what: format!("{what}; name another file, or remove this one to start again"),
        }
    }
}
