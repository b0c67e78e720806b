//! Results that are written down as they come, so that a long run that was stopped goes on where it was.
//!
//! A [`Record`] is a text file with a line for each cell of an experiment: its name, the replicate in seat 1, the replicate in seat 2, and numbers. Its first line
//! says what the run was set to; another run's file is refused. Cells are computed side by side and written in their order, whole batches at a time, so a
//! run that was killed and gone on with ends with the same file, byte by byte, as one that was not: what was written of a line that broke off is dropped.
//!
//! Use it where an experiment takes minutes or more. What is written is safe from a process that dies, not from a machine that loses power.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use crate::BargainError;

/// Cells that one call of the work gets.
const SIDE_BY_SIDE: usize = 8;

/// Cells that are written together.
const BATCH: usize = 256;

/// Largest file that is read.
const MOST: u64 = 1 << 30;

const MARK: &str = "# firetender-bargain results 1 ";
const COLUMNS: &str = "experiment,seat_1,seat_2,values";

/// Results of a run in a file, or nowhere.
///
/// ```
/// use firetender_bargain::Record;
/// let folder = std::env::temp_dir().join(format!("firetender-record-{}", std::process::id()));
/// let path = folder.join("squares.csv");
/// let cells = [[0, 0], [0, 1], [1, 0], [1, 1]];
/// let work = |cells: &[[usize; 2]]| Ok(cells.iter().map(|c| vec![(c[0] * 10 + c[1]) as f64]).collect());
/// let mut record = Record::open(&path, "two by two").unwrap();
/// let first = record.cells("tens", &cells, &|v| v.len() == 1, &work).unwrap();
/// drop(record);
/// // Read, and not computed again.
/// let mut again = Record::open(&path, "two by two").unwrap();
/// assert_eq!(again.known(), 4);
/// assert_eq!(again.cells("tens", &cells, &|v| v.len() == 1, &|_| panic!("computed again")).unwrap(), first);
/// drop(again);
/// assert!(Record::open(&path, "three by three").is_err());
/// std::fs::remove_dir_all(folder).unwrap();
/// ```
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    file: Option<File>,
    known: VecDeque<Line>,
}

#[derive(Debug)]
struct Line {
    number: usize,
    experiment: String,
    cell: [usize; 2],
    values: Vec<f64>,
}

/// What the work makes of a few cells: the numbers of each.
type Work<'a> = dyn Fn(&[[usize; 2]]) -> Result<Vec<Vec<f64>>, BargainError> + Sync + 'a;

impl Record {
    /// Results that are not kept.
    #[must_use]
    pub fn nowhere() -> Self {
        Self {
            path: PathBuf::new(),
            file: None,
            known: VecDeque::new(),
        }
    }

    /// Opens the results in `path`, or begins them; folders on the way are made. `configuration` is one line that says all that the results depend on.
    ///
    /// # Errors
    /// [`BargainError::OtherExperiment`] when the file holds results of another configuration; [`BargainError::Parse`] with the line when it is damaged other than
    /// by a last line that broke off; [`BargainError::File`] when it cannot be read or written, or another run is writing it.
    pub fn open(path: &Path, configuration: &str) -> Result<Self, BargainError> {
        let failed = |source: io::Error| BargainError::File {
            path: path.into(),
            source,
        };
        if configuration.contains(['\n', '\r']) {
            return Err(BargainError::Option {
                field: "configuration",
                found: "several lines".into(),
                expected: "one line",
            });
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(failed(io::Error::other("another run is writing to it")));
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        if file.metadata().map_err(failed)?.len() > MOST {
            return Err(failed(io::Error::other("more than 1 GiB of results")));
        }
        let mut bytes = vec![];
        file.read_to_end(&mut bytes).map_err(failed)?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let head = format!("{MARK}{configuration}\n{COLUMNS}\n");
        let begun = head.as_bytes().starts_with(&bytes) && bytes.len() < head.len();
        let mut known = VecDeque::new();
        if begun {
            // Nothing yet, or a run that was stopped while it wrote the head.
            file.set_len(0).map_err(failed)?;
            file.seek(SeekFrom::Start(0)).map_err(failed)?;
            file.write_all(head.as_bytes()).map_err(failed)?;
        } else {
            known = parse(&bytes[..whole], configuration, path)?;
            file.set_len(whole as u64).map_err(failed)?;
            file.seek(SeekFrom::End(0)).map_err(failed)?;
        }
        Ok(Self {
            path: path.into(),
            file: Some(file),
            known,
        })
    }

    /// Results that were read and not asked for yet.
    #[must_use]
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// The numbers of all cells of an experiment, in their order: as far as they are known they are read, and the rest is computed, eight cells to a call of `work`
    /// and calls side by side, and written down. `fits` says whether numbers can be those of a cell.
    ///
    /// # Errors
    /// [`BargainError::Parse`] when the file has other cells in this place, or numbers that do not fit; [`BargainError::Option`] for a name of an experiment with a comma
    /// or a line's end, or a number that is not finite; [`BargainError::File`] when the file cannot be written; and what `work` returns.
    pub fn cells(
        &mut self,
        experiment: &str,
        cells: &[[usize; 2]],
        fits: &dyn Fn(&[f64]) -> bool,
        work: &Work<'_>,
    ) -> Result<Vec<Vec<f64>>, BargainError> {
        let odd = |found: String, expected| BargainError::Option {
            field: "experiment",
            found,
            expected,
        };
        if experiment.is_empty() || experiment.contains([',', '\n', '\r']) {
            let found = experiment.escape_debug().to_string();
            return Err(odd(found, "a name without commas and ends of lines"));
        }
        let mut out = Vec::with_capacity(cells.len());
        while let Some(cell) = cells.get(out.len()) {
            let Some(line) = self.known.pop_front() else {
                break;
            };
            if line.experiment != experiment || line.cell != *cell || !fits(&line.values) {
                return Err(BargainError::Parse {
                    place: format!("{}, line {}", self.path.display(), line.number),
                    what: format!(
                        "found {} numbers of `{}` ({}, {}); expected those of `{experiment}` ({}, {})",
                        line.values.len(),
                        line.experiment,
                        line.cell[0],
                        line.cell[1],
                        cell[0],
                        cell[1]
                    ),
                });
            }
            out.push(line.values);
        }
        for batch in cells[out.len()..].chunks(BATCH) {
            let found: Vec<Vec<Vec<f64>>> = batch
                .par_chunks(SIDE_BY_SIDE)
                .map(work)
                .collect::<Result<_, _>>()?;
            let found: Vec<Vec<f64>> = found.into_iter().flatten().collect();
            if found.len() != batch.len() || !found.iter().flatten().all(|x| x.is_finite()) {
                return Err(odd(
                    format!("{} results of `{experiment}`", found.len()),
                    "finite numbers for each cell",
                ));
            }
            self.write(experiment, batch, &found)?;
            out.extend(found);
        }
        Ok(out)
    }

    fn write(
        &mut self,
        experiment: &str,
        cells: &[[usize; 2]],
        found: &[Vec<f64>],
    ) -> Result<(), BargainError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let mut text = String::new();
        for ([one, two], values) in cells.iter().zip(found) {
            // A string takes all that is written to it.
            let _ = write!(text, "{experiment},{one},{two},");
            for (i, value) in values.iter().enumerate() {
                let _ = write!(text, "{}{value:?}", if i == 0 { "" } else { " " });
            }
            text.push('\n');
        }
        file.write_all(text.as_bytes())
            .map_err(|source| BargainError::File {
                path: self.path.clone(),
                source,
            })
    }
}

fn parse(bytes: &[u8], configuration: &str, path: &Path) -> Result<VecDeque<Line>, BargainError> {
    let fail = |number: usize, what: &str| BargainError::Parse {
        place: format!("{}, line {number}", path.display()),
        what: what.into(),
    };
    let text = std::str::from_utf8(bytes).map_err(|_| fail(1, "no text"))?;
    let mut lines = text.lines();
    let Some(found) = lines.next().and_then(|line| line.strip_prefix(MARK)) else {
        return Err(fail(1, "no results of this kind begin so"));
    };
    if found != configuration {
        return Err(BargainError::OtherExperiment {
            path: path.into(),
            found: differing(found, configuration),
            expected: differing(configuration, found),
        });
    }
    if lines.next() != Some(COLUMNS) {
        return Err(fail(2, "expected the names of the columns"));
    }
    let one = |(i, line): (usize, &str)| {
        let number = i + 3;
        let parts: Vec<&str> = line.split(',').collect();
        let [experiment, one, two, values] = parts[..] else {
            return Err(fail(number, "expected four columns"));
        };
        let seat = |text: &str| {
            text.parse()
                .map_err(|_| fail(number, "a replicate is no whole number"))
        };
        let value = |text: &str| match text.parse::<f64>() {
            Ok(x) if x.is_finite() => Ok(x),
            _ => Err(fail(number, "a value is no finite number")),
        };
        let values = values.split(' ').filter(|v| !v.is_empty());
        Ok(Line {
            number,
            experiment: experiment.into(),
            cell: [seat(one)?, seat(two)?],
            values: values.map(value).collect::<Result<_, _>>()?,
        })
    };
    lines.enumerate().map(one).collect()
}

/// Where a text differs from another: a few words around the first difference.
fn differing(text: &str, other: &str) -> String {
    let same = text.chars().zip(other.chars()).take_while(|(a, b)| a == b);
    let at = same.count().saturating_sub(24);
    let part: String = text.chars().skip(at).take(60).collect();
    if at == 0 { part } else { format!("…{part}") }
}

#[cfg(test)]
mod tests;
