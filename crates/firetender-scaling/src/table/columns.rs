//! Columns of plain numbers, for fits.

use super::number;
use crate::{
    ScalingError,
    csv::{CsvRow, read_csv},
};

/// Numbers in columns.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberColumns {
    /// The header's names; empty without a header.
    pub names: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<f64>>,
    /// In which line each row stands, for messages.
    pub lines: Vec<usize>,
}

/// Reads numbers in columns, with or without a header.
///
/// ```
/// let found = firetender_scaling::read_columns("x,y\n1,2\n3,4\n", "points.csv")?;
/// assert_eq!((found.names, found.rows[1].clone(), found.lines[1]), (vec!["x".into(), "y".into()], vec![3.0, 4.0], 3));
/// # Ok::<(), firetender_scaling::ScalingError>(())
/// ```
///
/// # Errors
/// [`ScalingError::Parse`] for a field that is no finite number, or rows of different length.
pub fn read_columns(text: &str, place: &str) -> Result<NumberColumns, ScalingError> {
    let (header, rows) = read_csv(text, place)?;
    let numbers = |row: &CsvRow| {
        (0..row.fields.len())
            .map(|at| number(row, at, place, "a finite number"))
            .collect::<Result<Vec<f64>, _>>()
    };
    let mut found = NumberColumns {
        names: vec![],
        rows: vec![],
        lines: vec![],
    };
    let names = || header.fields.iter().map(|name| name.trim().to_owned());
    match numbers(&header) {
        Ok(first) => {
            found.rows.push(first);
            found.lines.push(header.line);
        }
        // A number with a slip is no name.
        Err(error)
            if header
                .fields
                .iter()
                .any(|f| f.trim().parse::<f64>().is_ok()) =>
        {
            return Err(error);
        }
        Err(_) => found.names = names().collect(),
    }
    for row in &rows {
        found.rows.push(numbers(row)?);
        found.lines.push(row.line);
    }
    if found.rows.is_empty() {
        return Err(ScalingError::File {
            place: place.into(),
            what: "no rows of numbers".into(),
        });
    }
    Ok(found)
}
