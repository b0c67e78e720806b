//! One place for figures (SVG), tables and one-file HTML reports.
//!
//! # Should I be using this crate?
//!
//! Use it to show what an experiment found: a sweep of strengths, effect against damage, a matrix of cosines, generations
//! beside each other. It takes plain data (`f64` slices and strings, on the host) and knows nothing of models or tensors.
//! Do not use it for interactive plots, live dashboards or more than some ten thousand points a figure: every point becomes
//! a piece of text.
//!
//! # What comes out
//!
//! - A [`Report`] is **one HTML file** with its styles and figures inside: no script, no link to elsewhere, nothing to
//!   fetch. It follows the reader's light or dark scheme and can be printed.
//! - A [`Figure`] is **one SVG**: [`LineChart`], [`Scatter`], [`BarChart`] and [`HeatMap`] build it. It carries its numbers
//!   as a [`Table`], so that who cannot see the figure, or doubts it, can read them.
//! - A [`Table`] is rendered as HTML, Markdown, CSV or JSON, each with its own escaping. CSV and JSON keep full precision.
//! - [`TokenStrip`] and [`Panels`] are HTML only: coloured tokens, and texts side by side.
//!
//! # What holds
//!
//! - Checked when built: a figure of nothing, lengths that differ, NaN, infinity, or zero on a logarithmic axis is a
//!   [`ReportError`] that says where. What is built can be rendered; rendering cannot fail.
//! - Same data, same bytes: no date, no random identifier, no hash order.
//! - Every string is escaped for the place it goes to: titles, tokens and generations may hold anything.
//! - Files are written to a temporary name and renamed, so that a reader never sees half of one.
//! - Colours are those of Okabe and Ito (2008, "Color Universal Design") and cividis (Nuñez, Anderton and Renslow, 2018),
//!   both made for readers with any kind of colour vision; series differ by marker or dash too.
//!
//! # Why the SVG is written here
//!
//! A plotting library (plotters 0.3) was tried first. Its SVG has fixed colours in every element, so that it cannot follow
//! a dark page; it has no titles for screen readers and no values on hover, rounds to whole pixels, and lays its legend over
//! the data. What was left of it, axes and ticks, is `scale.rs`.
//!
//! # Example
//!
//! ```
//! use firetender_report::{Align, Axis, Column, LineChart, Report, Section, Series, Table};
//!
//! # fn main() -> Result<(), firetender_report::ReportError> {
//! let strength = [-2.0, -1.0, 0.0, 1.0, 2.0];
//! let effect = LineChart::new("Mood over strength", Axis::linear("strength"), Axis::linear("log-odds"))
//!     .series(Series::new("mood vector", &strength, &[-3.1, -1.4, 0.1, 1.6, 2.9]))
//!     .series(Series::new("random control", &strength, &[0.2, 0.1, 0.1, 0.0, 0.1]))
//!     .build()?;
//!
//! let mut table = Table::new([Column::new("strength", Align::Right), Column::new("KL", Align::Right)])?;
//! table.push([1.0.into(), 0.034.into()])?;
//! table.push([2.0.into(), 0.141.into()])?;
//!
//! let report = Report::new("Steering a small model")
//!     .fact("model", "ember")
//!     .section(Section::new("Effect").paragraph("How far the words move.").figure(effect).table(table));
//! let html = report.to_html();
//! assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<svg"));
//! # Ok(())
//! # }
//! ```

mod colour;
mod error;
mod escape;
mod figure;
mod number;
mod panels;
mod report;
mod scale;
mod svg;
mod table;
mod tokens;
mod write;

pub use error::ReportError;
pub use figure::Figure;
pub use figure::bars::BarChart;
pub use figure::heat::HeatMap;
pub use figure::line::{LineChart, Series};
pub use figure::scatter::{Points, Scatter};
pub use panels::Panels;
pub use report::{Report, Section};
pub use scale::Axis;
pub use table::{Align, Cell, Column, Table};
pub use tokens::TokenStrip;
