//! Tables of an evaluation.

use firetender_report::{Align, Cell, Column, Table};
use firetender_support::Failure;
use firetender_tta::Row;

/// One line for each method and number of passes.
pub(super) fn rows(title: &str, rows: &[Row]) -> Result<Table, Failure> {
    let column = |name: &str| Column::new(name, Align::Right);
    let mut table = Table::new([
        Column::new("method", Align::Left),
        column("samples"),
        column("accuracy %"),
        column("± %"),
        column("cLL"),
        column("±"),
        column("LL"),
        column("T"),
    ])?
    .caption(title);
    let half = |interval: [f64; 2]| (interval[1] - interval[0]) / 2.0;
    for row in rows {
        table.push([
            Cell::Text(row.method.clone()),
            Cell::Integer(row.samples as i64),
            Cell::fixed(100.0 * row.accuracy, 2),
            Cell::fixed(100.0 * half(row.accuracy_interval), 2),
            Cell::fixed(row.cll, 4),
            Cell::fixed(half(row.cll_interval), 4),
            Cell::fixed(row.ll, 4),
            // Infinite where a half says nothing about its labels.
            if row.temperature.is_finite() {
                Cell::fixed(row.temperature, 3)
            } else {
                Cell::Missing
            },
        ])?;
    }
    Ok(table)
}
