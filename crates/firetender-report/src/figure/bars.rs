//! Grouped bar charts: the same quantity for several things under several conditions.

use crate::{
    Align, Axis, Cell, Column, Figure, ReportError, Table, error,
    figure::{
        Size, check_series,
        line::{distinct_columns, name_or},
        listed,
        plane::{self, Bottom, Key, Mark, Plane},
    },
    number, svg,
};

/// Bars from zero, grouped by category. There is no logarithmic axis: a bar's length would mean nothing.
///
/// ```
/// use firetender_report::BarChart;
///
/// # fn main() -> Result<(), firetender_report::ReportError> {
/// let figure = BarChart::new("Refusals", "share refused", &["suspicious", "harmless"])
///     .series_with_interval("plain", &[0.52, 0.02], &[0.45, 0.00], &[0.59, 0.04])
///     .series("steered", &[0.91, 0.06])
///     .build()?;
/// assert_eq!(figure.data().len(), 4);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BarChart {
    title: String,
    y_label: String,
    groups: Vec<String>,
    series: Vec<Bars>,
    size: Size,
}

#[derive(Debug, Clone, PartialEq)]
struct Bars {
    name: String,
    values: Vec<f64>,
    interval: Option<(Vec<f64>, Vec<f64>)>,
}

impl BarChart {
    /// A chart with its categories, without bars yet.
    #[must_use]
    pub fn new<S: AsRef<str>>(
        title: impl Into<String>,
        y_label: impl Into<String>,
        groups: &[S],
    ) -> Self {
        Self {
            title: title.into(),
            y_label: y_label.into(),
            groups: groups.iter().map(|g| g.as_ref().to_owned()).collect(),
            series: Vec::new(),
            size: Size {
                width: 720,
                height: 400,
            },
        }
    }

    /// Adds one bar to every category. At most eight series, with different names.
    #[must_use]
    pub fn series(mut self, name: impl Into<String>, values: &[f64]) -> Self {
        self.series.push(Bars {
            name: name.into(),
            values: values.to_vec(),
            interval: None,
        });
        self
    }

    /// As [`BarChart::series`], with a whisker from `lower` to `upper` on each bar.
    #[must_use]
    pub fn series_with_interval(
        mut self,
        name: impl Into<String>,
        values: &[f64],
        lower: &[f64],
        upper: &[f64],
    ) -> Self {
        self.series.push(Bars {
            name: name.into(),
            values: values.to_vec(),
            interval: Some((lower.to_vec(), upper.to_vec())),
        });
        self
    }

    /// Width and height in pixels, 720 × 400 if not called.
    #[must_use]
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = Size { width, height };
        self
    }

    /// Checks the data and draws.
    ///
    /// # Errors
    ///
    /// [`ReportError`] when there are no categories or series, more than eight series, two of one name, lengths that
    /// differ, values that are not finite, or an interval whose ends are crossed.
    pub fn build(self) -> Result<Figure, ReportError> {
        self.size.check(&self.title)?;
        if self.groups.is_empty() {
            return Err(ReportError::Empty {
                place: self.title,
                what: "categories",
            });
        }
        let groups: Vec<&str> = self.groups.iter().map(String::as_str).collect();
        error::distinct(&self.title, &groups)?;
        let names: Vec<&str> = self.series.iter().map(|s| s.name.as_str()).collect();
        check_series(&self.title, &names)?;
        for series in &self.series {
            self.check(series)?;
        }
        let values = self.series.iter().flat_map(|s| {
            let interval = s
                .interval
                .iter()
                .flat_map(|(low, high)| low.iter().chain(high));
            s.values.iter().chain(interval).copied()
        });
        let up = Axis::linear(self.y_label.as_str()).include(0.0).fit(
            &self.title,
            values,
            plane::ticks_up(self.size),
        )?;
        let keys: Vec<Key> = names
            .iter()
            .enumerate()
            .map(|(i, name)| Key {
                name: (*name).to_owned(),
                class: format!("ft-c{i}"),
                mark: Mark::Bar,
            })
            .collect();
        let across = Bottom::Names(self.groups.clone());
        let (plane, mut body) = Plane::new(
            &self.title,
            self.size,
            ("", &self.y_label),
            across,
            up,
            &keys,
        );
        self.draw(&plane, &mut body);
        let description = format!(
            "Bar chart of {} for {}: {}.",
            self.y_label,
            listed(&groups),
            listed(&names)
        );
        let data = self.data()?;
        Ok(Figure::new(self.title, description, self.size, body, data))
    }

    fn check(&self, series: &Bars) -> Result<(), ReportError> {
        let place = format!("{} / {}", self.title, series.name);
        error::same_length(&place, "values", self.groups.len(), series.values.len())?;
        error::all_finite(&place, &series.values)?;
        if let Some((lower, upper)) = &series.interval {
            error::same_length(&place, "lower ends", self.groups.len(), lower.len())?;
            error::same_length(&place, "upper ends", self.groups.len(), upper.len())?;
            error::all_finite(&format!("{place} / lower"), lower)?;
            error::all_finite(&format!("{place} / upper"), upper)?;
            error::ordered(&place, lower, upper)?;
        }
        Ok(())
    }

    fn draw(&self, plane: &Plane, body: &mut String) {
        let slot = 1.0 / self.groups.len() as f64;
        // Bars share three quarters of their slot; one bar alone is not made wider than 72 pixels.
        let slot_pixels = plane.x(slot) - plane.x(0.0);
        let used = (slot_pixels * 0.75).min(72.0 * self.series.len() as f64);
        let width = used / self.series.len() as f64;
        for (i, series) in self.series.iter().enumerate() {
            *body += &format!("<g class=\"ft-c{i}\">\n");
            for (group, &value) in series.values.iter().enumerate() {
                let middle = plane.x((group as f64 + 0.5) * slot);
                let left = middle - used / 2.0 + i as f64 * width;
                let (top, bottom) = (plane.y(value.max(0.0)), plane.y(value.min(0.0)));
                let tip = format!(
                    "{}, {}: {}",
                    self.groups[group],
                    series.name,
                    number::short(value)
                );
                let gap = (width * 0.06).min(1.5);
                *body += &svg::rect(
                    "class=\"ft-bar\"",
                    left + gap,
                    top,
                    width - 2.0 * gap,
                    bottom - top,
                    &tip,
                );
                if let Some((lower, upper)) = &series.interval {
                    *body += &whisker(
                        left + width / 2.0,
                        plane.y(lower[group]),
                        plane.y(upper[group]),
                        width,
                    );
                }
            }
            *body += "</g>\n";
        }
    }

    fn data(&self) -> Result<Table, ReportError> {
        let intervals = self.series.iter().any(|s| s.interval.is_some());
        let mut columns = vec![
            Column::new("category", Align::Left),
            Column::new("series", Align::Left),
            Column::new(name_or(&self.y_label, "value"), Align::Right),
        ];
        if intervals {
            columns.push(Column::new("lower end", Align::Right));
            columns.push(Column::new("upper end", Align::Right));
        }
        let mut table = Table::new(distinct_columns(columns))?;
        for (i, group) in self.groups.iter().enumerate() {
            for series in &self.series {
                let mut row = vec![
                    Cell::from(group.as_str()),
                    series.name.as_str().into(),
                    series.values[i].into(),
                ];
                if intervals {
                    let ends = series.interval.as_ref();
                    row.push(ends.map_or(Cell::Missing, |(lower, _)| lower[i].into()));
                    row.push(ends.map_or(Cell::Missing, |(_, upper)| upper[i].into()));
                }
                table.push(row)?;
            }
        }
        Ok(table)
    }
}

fn whisker(x: f64, low: f64, high: f64, bar: f64) -> String {
    let half = (bar * 0.2).min(6.0);
    svg::line("ft-whisker", (x, low), (x, high))
        + &svg::line("ft-whisker", (x - half, low), (x + half, low))
        + &svg::line("ft-whisker", (x - half, high), (x + half, high))
}
