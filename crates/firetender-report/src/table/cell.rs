//! The parts of a table: columns, and cells that keep their numbers.

use crate::number;
use serde_json::Value;

/// On which side a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Align {
    /// Words.
    Left,
    /// Short marks.
    Center,
    /// Numbers.
    Right,
}

/// A column's name and side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub(super) name: String,
    pub(super) align: Align,
}

impl Column {
    /// A column called `name`.
    ///
    /// ```
    /// use firetender_report::{Align, Column};
    /// assert_eq!(Column::new("KL (nats)", Align::Right).name(), "KL (nats)");
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>, align: Align) -> Self {
        Self {
            name: name.into(),
            align,
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn renamed(&self, name: String) -> Self {
        Self {
            name,
            align: self.align,
        }
    }
}

/// What stands in one place of a table.
///
/// ```
/// use firetender_report::Cell;
/// assert_eq!(Cell::from(0.123_456).to_string(), "0.1235");
/// assert_eq!(Cell::fixed(0.5, 2).to_string(), "0.50");
/// assert_eq!(Cell::from(300_u32).to_string(), "300");
/// assert_eq!(Cell::Missing.to_string(), "–");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Cell {
    /// Words.
    Text(String),
    /// A count or an index.
    Integer(i64),
    /// A number, shown with four significant digits. Must be finite.
    Number(f64),
    /// A number, shown with `decimals` digits after the point. Must be finite.
    Fixed {
        /// The exact value, as CSV and JSON get it.
        value: f64,
        /// Digits after the point; more than 17 count as 17.
        decimals: u8,
    },
    /// Not measured, not defined: "–" for readers, empty in CSV, `null` in JSON.
    Missing,
}

impl Cell {
    /// A number shown with so many digits after the point.
    #[must_use]
    pub fn fixed(value: f64, decimals: u8) -> Self {
        Cell::Fixed { value, decimals }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Cell::Number(value) | Cell::Fixed { value, .. } => Some(*value),
            Cell::Text(_) | Cell::Integer(_) | Cell::Missing => None,
        }
    }

    pub(super) fn exact(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Integer(value) => value.to_string(),
            Cell::Number(value) | Cell::Fixed { value, .. } => number::exact(*value),
            Cell::Missing => String::new(),
        }
    }

    pub(super) fn json(&self) -> Value {
        match self {
            Cell::Text(text) => Value::from(text.as_str()),
            Cell::Integer(value) => Value::from(*value),
            Cell::Number(value) | Cell::Fixed { value, .. } => Value::from(*value),
            Cell::Missing => Value::Null,
        }
    }
}

/// As a reader sees it, before escaping.
impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cell::Text(text) => f.write_str(text),
            Cell::Integer(value) => write!(f, "{value}"),
            Cell::Number(value) => f.write_str(&number::short(*value)),
            Cell::Fixed { value, decimals } => {
                f.write_str(&number::fixed(*value, usize::from(*decimals).min(17)))
            }
            Cell::Missing => f.write_str("–"),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Cell::Number(value)
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Cell::Integer(value)
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Cell::Integer(i64::from(value))
    }
}

/// Lengths and counts; what does not fit into `i64` becomes its largest value.
impl From<usize> for Cell {
    fn from(value: usize) -> Self {
        Cell::Integer(i64::try_from(value).unwrap_or(i64::MAX))
    }
}
