//! What can be wrong with the data of a figure or table, or with the place a file is written to.

use std::{io, path::PathBuf};

/// Why a figure, table or file could not be made.
///
/// `place` names the figure or table and the series in it, as the caller named them.
///
/// ```
/// use firetender_report::{Axis, LineChart, ReportError, Series};
///
/// let nan = LineChart::new("Loss", Axis::linear("step"), Axis::linear("nats"))
///     .series(Series::new("run 1", &[0.0, 1.0], &[2.5, f64::NAN]))
///     .build();
/// let message = nan.unwrap_err().to_string();
/// assert_eq!(message, "Loss / run 1 / y: value 1 is NaN, expected a finite number; leave the point out or mend the computation");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// There is nothing to draw.
    #[error("{place}: no {what}, expected at least one")]
    Empty {
        /// Figure, or figure and series.
        place: String,
        /// What is missing: series, points, rows, columns, tokens.
        what: &'static str,
    },
    /// Two lists that belong together have different lengths.
    #[error("{place}: expected {expected} {what}, found {found}")]
    Length {
        /// Figure or table, and series or row.
        place: String,
        /// What was counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A value is NaN or infinite.
    #[error(
        "{place}: value {index} is {value}, expected a finite number; leave the point out or mend the computation"
    )]
    NotFinite {
        /// Figure or table, and series or column.
        place: String,
        /// Position in the list, from 0.
        index: usize,
        /// What was found.
        value: f64,
    },
    /// A value on a logarithmic axis is zero or negative.
    #[error(
        "{place}: value {index} is {value}, expected a number above zero on a logarithmic axis; use `Axis::log_above` or `Axis::linear`"
    )]
    NotPositive {
        /// Figure and series.
        place: String,
        /// Position in the list, from 0.
        index: usize,
        /// What was found.
        value: f64,
    },
    /// The lower end of an interval lies above its upper end.
    #[error("{place}: interval {index} goes from {lower} up to {upper}, expected lower ≤ upper")]
    Crossed {
        /// Figure and series.
        place: String,
        /// Position in the list, from 0.
        index: usize,
        /// The lower end.
        lower: f64,
        /// The upper end.
        upper: f64,
    },
    /// More series than can be told apart.
    #[error("{place}: {found} {what}, expected at most {limit}; split the figure")]
    TooMany {
        /// Figure.
        place: String,
        /// What was counted.
        what: &'static str,
        /// How many are possible.
        limit: usize,
        /// How many there are.
        found: usize,
    },
    /// Two series or columns have one name.
    #[error("{place}: the name {name:?} occurs twice, expected different names")]
    Duplicate {
        /// Figure or table.
        place: String,
        /// The name.
        name: String,
    },
    /// A figure too small to hold its labels, or absurdly large.
    #[error("{place}: {width}×{height}, expected {least} to {most} pixels each way")]
    Size {
        /// Figure.
        place: String,
        /// Asked width.
        width: u32,
        /// Asked height.
        height: u32,
        /// Smallest side.
        least: u32,
        /// Largest side.
        most: u32,
    },
    /// The values span more than floating point can subtract.
    #[error("{place}: values from {low:e} to {high:e} are too far apart for one axis")]
    TooWide {
        /// Figure and axis.
        place: String,
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
    },
    /// A file could not be written; what was there before is untouched.
    #[error("could not write {}: {source}", path.display())]
    Write {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Fails on the first value that is NaN or infinite.
pub(crate) fn all_finite(place: &str, values: &[f64]) -> Result<(), ReportError> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(ReportError::NotFinite {
            place: place.to_owned(),
            index,
            value: values[index],
        }),
        None => Ok(()),
    }
}

/// Fails when a list does not have the length of the list it belongs to.
pub(crate) fn same_length(
    place: &str,
    what: &'static str,
    expected: usize,
    found: usize,
) -> Result<(), ReportError> {
    if expected == found {
        return Ok(());
    }
    Err(ReportError::Length {
        place: place.to_owned(),
        what,
        expected,
        found,
    })
}

/// Fails when a name occurs twice.
pub(crate) fn distinct(place: &str, names: &[&str]) -> Result<(), ReportError> {
    for (i, name) in names.iter().enumerate() {
        if names[..i].contains(name) {
            return Err(ReportError::Duplicate {
                place: place.to_owned(),
                name: (*name).to_owned(),
            });
        }
    }
    Ok(())
}

/// Fails when a lower end lies above its upper end.
pub(crate) fn ordered(place: &str, lower: &[f64], upper: &[f64]) -> Result<(), ReportError> {
    for (index, (&low, &high)) in lower.iter().zip(upper).enumerate() {
        if low > high {
            return Err(ReportError::Crossed {
                place: place.to_owned(),
                index,
                lower: low,
                upper: high,
            });
        }
    }
    Ok(())
}
