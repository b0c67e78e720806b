//! Tables that keep their numbers: rounded for readers, exact for machines.

use crate::{ReportError, error, escape};
use serde::ser::{Serialize, SerializeSeq as _, Serializer};
use serde_json::{Map, Value};

mod cell;

pub use cell::{Align, Cell, Column};

/// Rows shown below a figure; a longer table says how many are left out.
const SHOWN: usize = 400;

/// Named columns and rows of cells.
///
/// ```
/// use firetender_report::{Align, Cell, Column, Table};
///
/// # fn main() -> Result<(), firetender_report::ReportError> {
/// let mut table = Table::new([Column::new("site", Align::Left), Column::new("KL", Align::Right)])?;
/// table.push(["resid_post".into(), Cell::from(0.012_345_678)])?;
/// table.push(["mlp_out".into(), Cell::Missing])?;
///
/// assert_eq!(table.to_csv(), "site,KL\nresid_post,0.012345678\nmlp_out,\n");
/// assert_eq!(table.to_json(), "[\n{\"site\":\"resid_post\",\"KL\":0.012345678},\n{\"site\":\"mlp_out\",\"KL\":null}\n]\n");
/// assert!(table.to_markdown().contains("| resid\\_post | 0.01235 |"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    caption: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows yet.
    ///
    /// # Errors
    ///
    /// [`ReportError::Empty`] without columns, [`ReportError::Duplicate`] when two have one name.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Result<Self, ReportError> {
        let columns: Vec<Column> = columns.into_iter().collect();
        if columns.is_empty() {
            return Err(ReportError::Empty {
                place: "table".to_owned(),
                what: "columns",
            });
        }
        let names: Vec<&str> = columns.iter().map(Column::name).collect();
        error::distinct("columns of the table", &names)?;
        Ok(Self {
            caption: String::new(),
            columns,
            rows: Vec::new(),
        })
    }

    /// A line above the table in HTML: what the numbers are, over how many samples.
    #[must_use]
    pub fn caption(mut self, text: impl Into<String>) -> Self {
        self.caption = text.into();
        self
    }

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// [`ReportError::Length`] when there are not as many cells as columns, [`ReportError::NotFinite`] for NaN or infinity:
    /// say [`Cell::Missing`] where a value is not defined. The table is as before then.
    pub fn push(&mut self, row: impl IntoIterator<Item = Cell>) -> Result<(), ReportError> {
        let row: Vec<Cell> = row.into_iter().collect();
        let index = self.rows.len();
        error::same_length(
            &format!("row {index} of the table"),
            "cells",
            self.columns.len(),
            row.len(),
        )?;
        for (column, cell) in self.columns.iter().zip(&row) {
            if let Some(value) = cell.number().filter(|v| !v.is_finite()) {
                return Err(ReportError::NotFinite {
                    place: format!("column {:?} of the table", column.name),
                    index,
                    value,
                });
            }
        }
        self.rows.push(row);
        Ok(())
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A Markdown table with aligned source, for a README or a terminal.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let header: Vec<String> = self
            .columns
            .iter()
            .map(|c| escape::markdown(&c.name))
            .collect();
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| {
                row.iter()
                    .map(|cell| escape::markdown(&cell.to_string()))
                    .collect()
            })
            .collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|c| {
                let cells = rows.iter().map(|row| &row[c]).chain([&header[c]]);
                cells
                    .map(|text| text.chars().count())
                    .max()
                    .unwrap_or(0)
                    .max(3)
            })
            .collect();
        let mut out = markdown_line(&header, &widths, &self.columns);
        out.push('|');
        for (column, &width) in self.columns.iter().zip(&widths) {
            let dashes = "-".repeat(width);
            out += &match column.align {
                Align::Left => format!(" {dashes} |"),
                Align::Center => format!(":{dashes}:|"),
                Align::Right => format!(" {dashes}:|"),
            };
        }
        out.push('\n');
        for row in &rows {
            out += &markdown_line(row, &widths, &self.columns);
        }
        out
    }

    /// Comma-separated values after RFC 4180 with line feeds, numbers in full precision.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut out = csv_line(self.columns.iter().map(|c| c.name.clone()));
        for row in &self.rows {
            out += &csv_line(row.iter().map(Cell::exact));
        }
        out
    }

    /// A JSON list of objects, keys in the order of the columns, one row a line, numbers in full precision.
    #[must_use]
    pub fn to_json(&self) -> String {
        let rows: Vec<String> = (0..self.rows.len())
            .map(|row| self.object(row).to_string())
            .collect();
        if rows.is_empty() {
            return "[]\n".to_owned();
        }
        format!("[\n{}\n]\n", rows.join(",\n"))
    }

    pub(crate) fn to_html(&self) -> String {
        self.html(self.rows.len(), &self.caption)
    }

    /// Folded away, for the numbers behind a figure.
    pub(crate) fn to_details(&self, title: &str) -> String {
        let shown = self.rows.len().min(SHOWN);
        let caption = if shown < self.rows.len() {
            format!("The first {shown} of {} rows.", self.rows.len())
        } else {
            String::new()
        };
        format!(
            "<details><summary>Numbers <span class=\"hidden\">of {}</span></summary>\n{}</details>\n",
            escape::html(title),
            self.html(shown, &caption)
        )
    }

    fn html(&self, rows: usize, caption: &str) -> String {
        let class = |align: Align| match align {
            Align::Left => "",
            Align::Center => " class=\"c\"",
            Align::Right => " class=\"r\"",
        };
        // Scrolls sideways on a narrow page; focusable so that a keyboard can do it.
        let mut out = "<div class=\"scroll\" tabindex=\"0\"><table>\n".to_owned();
        if !caption.is_empty() {
            out += &format!("<caption>{}</caption>\n", escape::html(caption));
        }
        out += "<thead><tr>";
        for column in &self.columns {
            out += &format!(
                "<th scope=\"col\"{}>{}</th>",
                class(column.align),
                escape::html(&column.name)
            );
        }
        out += "</tr></thead>\n<tbody>\n";
        for row in &self.rows[..rows] {
            out += "<tr>";
            for (column, cell) in self.columns.iter().zip(row) {
                out += &format!(
                    "<td{}>{}</td>",
                    class(column.align),
                    escape::html(&cell.to_string())
                );
            }
            out += "</tr>\n";
        }
        out + "</tbody>\n</table></div>\n"
    }

    fn object(&self, row: usize) -> Value {
        let cells = self.columns.iter().zip(&self.rows[row]);
        let fields: Map<String, Value> = cells
            .map(|(column, cell)| (column.name.clone(), cell.json()))
            .collect();
        Value::Object(fields)
    }
}

/// As [`Table::to_json`]: a list of objects.
impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.rows.len()))?;
        for row in 0..self.rows.len() {
            list.serialize_element(&self.object(row))?;
        }
        list.end()
    }
}

fn markdown_line(cells: &[String], widths: &[usize], columns: &[Column]) -> String {
    let mut out = "|".to_owned();
    for ((cell, &width), column) in cells.iter().zip(widths).zip(columns) {
        out += &match column.align {
            Align::Left => format!(" {cell:<width$} |"),
            Align::Center => format!(" {cell:^width$} |"),
            Align::Right => format!(" {cell:>width$} |"),
        };
    }
    out.push('\n');
    out
}

fn csv_line(fields: impl Iterator<Item = String>) -> String {
    let fields: Vec<String> = fields.map(|field| escape::csv(&field)).collect();
    fields.join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new([
            Column::new("na|me", Align::Left),
            Column::new("n", Align::Center),
            Column::new("x", Align::Right),
        ])
        .unwrap();
        table
            .push(["a\"b,c\nd".into(), 3_usize.into(), 0.1.into()])
            .unwrap();
        table
            .push(["<i>".into(), Cell::Missing, Cell::fixed(1.0 / 3.0, 2)])
            .unwrap();
        table
    }

    #[test]
    fn markdown_is_aligned_and_escaped() {
        assert_eq!(
            sample().to_markdown(),
            "| na\\|me     |  n  |    x |\n\
             | ---------- |:---:| ----:|\n\
             | a\"b,c<br>d |  3  |  0.1 |\n\
             | &lt;i&gt;  |  –  | 0.33 |\n"
        );
    }

    #[test]
    fn csv_and_json_are_exact() {
        assert_eq!(
            sample().to_csv(),
            "na|me,n,x\n\"a\"\"b,c\nd\",3,0.1\n<i>,,0.3333333333333333\n"
        );
        let back: Value = serde_json::from_str(&sample().to_json()).unwrap();
        assert_eq!(back[0]["na|me"], "a\"b,c\nd");
        assert_eq!(back[1]["n"], Value::Null);
        assert_eq!(back[1]["x"], 1.0 / 3.0);
        assert_eq!(back, serde_json::to_value(sample()).unwrap());
        let keys: Vec<&String> = back[0].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["na|me", "n", "x"]);
    }

    #[test]
    fn html_escapes_and_aligns() {
        let html = sample().caption("a & b").to_html();
        assert!(html.contains("<caption>a &amp; b</caption>"));
        assert!(html.contains("<td>&lt;i&gt;</td><td class=\"c\">–</td><td class=\"r\">0.33</td>"));
    }

    #[test]
    fn wrong_rows_are_refused_and_leave_the_table_alone() {
        let mut table = sample();
        let short = table.push(["x".into()]).unwrap_err();
        assert_eq!(
            short.to_string(),
            "row 2 of the table: expected 3 cells, found 1"
        );
        let nan = table
            .push(["x".into(), 1_u32.into(), f64::NAN.into()])
            .unwrap_err();
        assert!(
            matches!(nan, ReportError::NotFinite { index: 2, .. }),
            "{nan}"
        );
        assert_eq!(table, sample());
        assert!(Table::new([]).is_err());
        let twice = ["a", "a"].map(|n| Column::new(n, Align::Left));
        assert!(matches!(
            Table::new(twice),
            Err(ReportError::Duplicate { .. })
        ));
    }

    #[test]
    fn long_tables_say_what_is_left_out() {
        let mut table = Table::new([Column::new("i", Align::Right)]).unwrap();
        for i in 0..1000_u32 {
            table.push([i.into()]).unwrap();
        }
        let details = table.to_details("a figure");
        assert!(details.contains("The first 400 of 1000 rows."));
        assert_eq!(details.matches("<tr>").count(), 401);
        assert!(table.to_html().contains("<td class=\"r\">999</td>"));
    }
}
