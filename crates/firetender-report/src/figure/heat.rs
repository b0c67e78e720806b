//! Heat maps: a matrix with named rows and columns, such as cosines between directions or accuracy by layer and site.

use crate::{
    Align, Cell, Column, Figure, ReportError, Table,
    colour::Ramp,
    error,
    figure::Size,
    number,
    svg::{self, Anchor, EDGE},
};

const NAME: f64 = 12.0;
/// Values are written into cells at least this wide and high.
const WRITTEN: (f64, f64) = (40.0, 20.0);

/// A matrix as coloured cells, with the numbers in them where there is room.
///
/// ```
/// use firetender_report::HeatMap;
///
/// # fn main() -> Result<(), firetender_report::ReportError> {
/// let names = ["mean", "pca"];
/// let figure = HeatMap::new("Cosine between directions", &names, &names, &[1.0, 0.53, 0.53, 1.0])
///     .diverging()
///     .value_label("cosine")
///     .build()?;
/// assert_eq!(figure.data().len(), 4);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    title: String,
    value_label: String,
    rows: Vec<String>,
    columns: Vec<String>,
    values: Vec<f64>,
    ramp: Ramp,
    size: Option<Size>,
}

impl HeatMap {
    /// `values` are row by row: `rows.len() × columns.len()` of them.
    #[must_use]
    pub fn new<R: AsRef<str>, C: AsRef<str>>(
        title: impl Into<String>,
        rows: &[R],
        columns: &[C],
        values: &[f64],
    ) -> Self {
        Self {
            title: title.into(),
            value_label: String::new(),
            rows: rows.iter().map(|r| r.as_ref().to_owned()).collect(),
            columns: columns.iter().map(|c| c.as_ref().to_owned()).collect(),
            values: values.to_vec(),
            ramp: Ramp::Sequential,
            size: None,
        }
    }

    /// Blue below zero, vermilion above, near-white at zero: for values whose sign matters.
    #[must_use]
    pub fn diverging(mut self) -> Self {
        self.ramp = Ramp::Diverging;
        self
    }

    /// What the colours mean, written above their scale.
    #[must_use]
    pub fn value_label(mut self, label: impl Into<String>) -> Self {
        self.value_label = label.into();
        self
    }

    /// Width and height in pixels; follows the matrix if not called.
    #[must_use]
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = Some(Size { width, height });
        self
    }

    /// Checks the data and draws.
    ///
    /// # Errors
    ///
    /// [`ReportError`] when there are no rows or columns, more than 512 of either, not as many values as cells, or values
    /// that are not finite.
    pub fn build(self) -> Result<Figure, ReportError> {
        self.check()?;
        let low = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self
            .values
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        let reach = low.abs().max(high.abs());
        let ends = match self.ramp {
            Ramp::Diverging if reach > 0.0 => (-reach, reach),
            Ramp::Sequential if high > low => (low, high),
            _ => (low - 0.5, high + 0.5),
        };
        if !(ends.1 - ends.0).is_finite() {
            return Err(ReportError::TooWide {
                place: self.title,
                low,
                high,
            });
        }
        let layout = Layout::of(&self);
        layout.size.check(&self.title)?;
        let mut body = String::new();
        svg::title(&mut body, &self.title, f64::from(layout.size.width));
        self.draw_cells(&layout, ends, &mut body);
        self.draw_scale(&layout, ends, &mut body);
        let description = format!(
            "Heat map of {} rows by {} columns, values from {} to {}.",
            self.rows.len(),
            self.columns.len(),
            number::short(low),
            number::short(high)
        );
        let data = self.data()?;
        Ok(Figure::new(
            self.title,
            description,
            layout.size,
            body,
            data,
        ))
    }

    fn check(&self) -> Result<(), ReportError> {
        const MOST: usize = 512;
        for (what, found) in [("rows", self.rows.len()), ("columns", self.columns.len())] {
            if found == 0 {
                return Err(ReportError::Empty {
                    place: self.title.clone(),
                    what,
                });
            }
            if found > MOST {
                return Err(ReportError::TooMany {
                    place: self.title.clone(),
                    what,
                    limit: MOST,
                    found,
                });
            }
        }
        let cells = self.rows.len() * self.columns.len();
        error::same_length(&self.title, "values", cells, self.values.len())?;
        error::all_finite(&self.title, &self.values)
    }

    fn draw_cells(&self, layout: &Layout, ends: (f64, f64), body: &mut String) {
        let Layout {
            left, top, cell, ..
        } = *layout;
        let written = cell.0 >= WRITTEN.0 && cell.1 >= WRITTEN.1;
        // Names that would touch are thinned out.
        let every = |needs: f64, has: f64| (needs / has).ceil().max(1.0) as usize;
        for (r, name) in self.rows.iter().enumerate() {
            let y = top + r as f64 * cell.1;
            if r % every(15.0, cell.1) == 0 {
                let fits = svg::shortened(name, NAME, 180.0);
                *body += &svg::text(left - 7.0, y + cell.1 / 2.0 + 4.0, Anchor::End, "", &fits);
            }
            for (c, column) in self.columns.iter().enumerate() {
                let value = self.values[r * self.columns.len() + c];
                let (fill, ink) = self.ramp.at((value - ends.0) / (ends.1 - ends.0));
                let x = left + c as f64 * cell.0;
                let tip = format!("{name}, {column}: {}", number::short(value));
                *body += &svg::rect(
                    &format!("fill=\"{fill}\" shape-rendering=\"crispEdges\""),
                    x,
                    y,
                    cell.0,
                    cell.1,
                    &tip,
                );
                if written {
                    let text = number::typeset(&three_digits(value));
                    // A style, since the page's rule for text would win over an attribute.
                    *body += &format!(
                        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" style=\"fill:{ink};font-size:11px;pointer-events:none\">{text}</text>\n",
                        number::coordinate(x + cell.0 / 2.0),
                        number::coordinate(y + cell.1 / 2.0 + 4.0),
                    );
                }
            }
        }
        let bottom = top + self.rows.len() as f64 * cell.1;
        for (c, name) in self.columns.iter().enumerate() {
            let x = left + (c as f64 + 0.5) * cell.0;
            if layout.turned {
                if c % every(svg::TURNED, cell.0) == 0 {
                    let fits = svg::shortened(name, NAME, 160.0);
                    *body += &svg::turned(x + 4.0, bottom + 14.0, -35.0, Anchor::End, "", &fits);
                }
            } else {
                *body += &svg::text(x, bottom + 17.0, Anchor::Middle, "", name);
            }
        }
    }

    fn draw_scale(&self, layout: &Layout, ends: (f64, f64), body: &mut String) {
        const STEPS: usize = 48;
        let height = (self.rows.len() as f64 * layout.cell.1).max(80.0);
        let x = layout.left + self.columns.len() as f64 * layout.cell.0 + 24.0;
        for step in 0..STEPS {
            let (fill, _) = self.ramp.at((step as f64 + 0.5) / STEPS as f64);
            let top = layout.top + height * (1.0 - (step + 1) as f64 / STEPS as f64);
            // Half a pixel of overlap hides seams.
            *body += &svg::rect(
                &format!("fill=\"{fill}\" shape-rendering=\"crispEdges\""),
                x,
                top,
                14.0,
                height / STEPS as f64 + 0.5,
                "",
            );
        }
        // Its own ends, not round numbers: they are the smallest and the largest value of the matrix.
        let parts = if height < 160.0 { 2 } else { 4 };
        for part in 0..=parts {
            let share = f64::from(part) / f64::from(parts);
            let y = layout.top + height * (1.0 - share);
            let value = ends.0 + (ends.1 - ends.0) * share;
            let text = number::typeset(&three_digits(value));
            *body += &svg::line("ft-axis", (x + 14.0, y), (x + 18.0, y));
            *body += &svg::text(x + 22.0, y + 4.0, Anchor::Start, "", &text);
        }
        if !self.value_label.is_empty() {
            *body += &svg::text(
                x,
                layout.top - 14.0,
                Anchor::Start,
                "ft-name",
                &self.value_label,
            );
        }
    }

    fn data(&self) -> Result<Table, ReportError> {
        let value = if self.value_label.is_empty() {
            "value"
        } else {
            &self.value_label
        };
        let columns = vec![
            Column::new("row", Align::Left),
            Column::new("column", Align::Left),
            Column::new(value, Align::Right),
        ];
        let mut table = Table::new(super::line::distinct_columns(columns))?;
        for (i, &value) in self.values.iter().enumerate() {
            let (row, column) = (i / self.columns.len(), i % self.columns.len());
            table.push([
                Cell::from(self.rows[row].as_str()),
                self.columns[column].as_str().into(),
                value.into(),
            ])?;
        }
        Ok(table)
    }
}

/// Where everything goes.
#[derive(Debug)]
struct Layout {
    size: Size,
    left: f64,
    top: f64,
    cell: (f64, f64),
    turned: bool,
}

impl Layout {
    fn of(map: &HeatMap) -> Self {
        let widest = |names: &[String]| {
            names
                .iter()
                .map(|n| svg::width(n, NAME))
                .fold(0.0, f64::max)
        };
        let (rows, columns) = (map.rows.len() as f64, map.columns.len() as f64);
        let left = EDGE + widest(&map.rows).min(180.0) + 7.0;
        let scale = 24.0 + svg::width(&map.value_label, 12.5).max(70.0) + EDGE;
        let column_names = widest(&map.columns).min(160.0);

        let width = match map.size {
            Some(size) => f64::from(size.width),
            None => (left + columns * (column_names + 8.0).clamp(44.0, 64.0) + scale)
                .clamp(360.0, 740.0),
        };
        let cell_width = ((width - left - scale) / columns).max(1.0);
        let turned = column_names + 8.0 > cell_width;
        let below = EDGE
            + if turned {
                0.574 * column_names + 18.0
            } else {
                18.0
            };
        // Measured by drawing it: the title may take several lines.
        let head = svg::title(&mut String::new(), &map.title, width)
            + if map.value_label.is_empty() {
                14.0
            } else {
                30.0
            };
        let height = match map.size {
            Some(size) => f64::from(size.height),
            None => (head + rows * (440.0 / rows).clamp(4.0, 30.0) + below).clamp(240.0, 2400.0),
        };
        let cell_height = ((height - head - below) / rows).clamp(1.0, 64.0);
        Self {
            size: Size {
                width: width.round() as u32,
                height: height.round() as u32,
            },
            left,
            top: head,
            cell: (cell_width, cell_height),
            turned,
        }
    }
}

/// Short enough for a cell.
fn three_digits(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 1000.0 || (magnitude > 0.0 && magnitude < 0.005) {
        format!("{value:.0e}")
    } else if magnitude >= 100.0 {
        number::fixed(value, 0)
    } else if magnitude >= 10.0 {
        number::fixed(value, 1)
    } else {
        number::fixed(value, 2)
    }
}
