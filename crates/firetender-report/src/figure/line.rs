//! Line charts: one quantity over another, with bands for uncertainty.

use crate::{
    Align, Axis, Cell, Column, Figure, ReportError, Table, error,
    figure::{
        Size, check_series, listed,
        plane::{self, Bottom, Key, Mark, Plane},
    },
    number, svg,
};

/// More points than this are drawn as a plain line.
const MARKED: usize = 40;

/// One named line.
///
/// ```
/// use firetender_report::Series;
///
/// let kl = Series::new("mood", &[0.0, 1.0], &[0.0, 0.2]).band(&[0.0, 0.1], &[0.0, 0.3]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    name: String,
    x: Vec<f64>,
    y: Vec<f64>,
    band: Option<(Vec<f64>, Vec<f64>)>,
    markers: Option<bool>,
}

impl Series {
    /// Points in the order in which the line goes through them.
    #[must_use]
    pub fn new(name: impl Into<String>, x: &[f64], y: &[f64]) -> Self {
        Self {
            name: name.into(),
            x: x.to_vec(),
            y: y.to_vec(),
            band: None,
            markers: None,
        }
    }

    /// A confidence band: lower and upper end for every point. Say in the caption which interval it is.
    #[must_use]
    pub fn band(mut self, lower: &[f64], upper: &[f64]) -> Self {
        self.band = Some((lower.to_vec(), upper.to_vec()));
        self
    }

    /// Whether points are marked; by default when there are at most 40.
    #[must_use]
    pub fn markers(mut self, marked: bool) -> Self {
        self.markers = Some(marked);
        self
    }

    fn marked(&self) -> bool {
        self.markers.unwrap_or(self.x.len() <= MARKED)
    }

    fn check(&self, figure: &str, x: &Axis, y: &Axis) -> Result<(), ReportError> {
        let place = format!("{figure} / {}", self.name);
        if self.x.is_empty() {
            return Err(ReportError::Empty {
                place,
                what: "points",
            });
        }
        error::same_length(&place, "values of y", self.x.len(), self.y.len())?;
        x.check(&format!("{place} / x"), &self.x)?;
        y.check(&format!("{place} / y"), &self.y)?;
        if let Some((lower, upper)) = &self.band {
            error::same_length(&place, "lower ends of the band", self.x.len(), lower.len())?;
            error::same_length(&place, "upper ends of the band", self.x.len(), upper.len())?;
            y.check(&format!("{place} / lower"), lower)?;
            y.check(&format!("{place} / upper"), upper)?;
            error::ordered(&place, lower, upper)?;
        }
        Ok(())
    }
}

/// One quantity over another: loss over steps, effect over strength, KL over layers.
///
/// ```
/// use firetender_report::{Axis, LineChart, Series};
///
/// # fn main() -> Result<(), firetender_report::ReportError> {
/// let steps = [0.0, 100.0, 200.0];
/// let figure = LineChart::new("Training", Axis::linear("step"), Axis::log("loss (nats)"))
///     .series(Series::new("run", &steps, &[4.1, 2.0, 1.4]).band(&[4.0, 1.8, 1.2], &[4.2, 2.2, 1.7]))
///     .reference("unigram", 3.2)
///     .build()?;
/// assert!(figure.to_svg().contains("unigram"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LineChart {
    title: String,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
    references: Vec<(String, f64)>,
    size: Size,
}

impl LineChart {
    /// A chart without lines yet.
    #[must_use]
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            title: title.into(),
            x,
            y,
            series: Vec::new(),
            references: Vec::new(),
            size: Size {
                width: 720,
                height: 400,
            },
        }
    }

    /// Adds a line. At most eight, with different names.
    #[must_use]
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// Adds a grey dashed line at a height that matters: chance, a baseline, a budget.
    #[must_use]
    pub fn reference(mut self, name: impl Into<String>, y: f64) -> Self {
        self.references.push((name.into(), y));
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
    /// [`ReportError`] when there are no series or no points, more than eight series, two of one name, lengths that differ,
    /// values that are not finite or not above zero on a logarithmic axis, or a band whose ends are crossed.
    pub fn build(self) -> Result<Figure, ReportError> {
        self.size.check(&self.title)?;
        let names: Vec<&str> = self.series.iter().map(|s| s.name.as_str()).collect();
        check_series(&self.title, &names)?;
        for series in &self.series {
            series.check(&self.title, &self.x, &self.y)?;
        }
        for (name, value) in &self.references {
            self.y
                .check(&format!("{} / {name}", self.title), &[*value])?;
        }
        let x_values = self.series.iter().flat_map(|s| s.x.iter().copied());
        let y_values = self.series.iter().flat_map(|s| {
            let band = s.band.iter().flat_map(|(low, high)| low.iter().chain(high));
            s.y.iter().chain(band).copied()
        });
        let references = self.references.iter().map(|(_, value)| *value);
        let x = self
            .x
            .fit(&self.title, x_values, plane::ticks_across(self.size))?;
        let y = self.y.fit(
            &self.title,
            y_values.chain(references),
            plane::ticks_up(self.size),
        )?;
        let labels = (self.x.label(), self.y.label());
        let (plane, mut body) = Plane::new(
            &self.title,
            self.size,
            labels,
            Bottom::Numbers(x),
            y,
            &self.keys(),
        );
        self.draw(&plane, &mut body);
        let description = format!(
            "Line chart of {} over {}: {}.",
            labels.1,
            labels.0,
            listed(&names)
        );
        let data = self.data()?;
        Ok(Figure::new(self.title, description, self.size, body, data))
    }

    fn keys(&self) -> Vec<Key> {
        let series = self.series.iter().enumerate().map(|(shape, s)| Key {
            name: s.name.clone(),
            class: format!("ft-c{shape}"),
            mark: if s.marked() {
                Mark::Marked { shape }
            } else {
                Mark::Line {
                    dash: svg::dash(shape),
                }
            },
        });
        let references = self.references.iter().map(|(name, _)| Key {
            name: name.clone(),
            class: "ft-ref".to_owned(),
            mark: Mark::Line {
                dash: " stroke-dasharray=\"4 4\"",
            },
        });
        series.chain(references).collect()
    }

    fn draw(&self, plane: &Plane, body: &mut String) {
        let [left, _, right, _] = plane.edges();
        for (_, value) in &self.references {
            let y = plane.y(*value);
            let d = svg::path([(left, y), (right, y)]);
            *body += &format!(
                "<g class=\"ft-ref\"><path class=\"ft-line\" stroke-dasharray=\"4 4\" d=\"{d}\"/></g>\n"
            );
        }
        for (i, series) in self.series.iter().enumerate() {
            if let Some((lower, upper)) = &series.band {
                let there = series.x.iter().zip(upper);
                let back = series.x.iter().zip(lower).rev();
                let d = svg::path(there.chain(back).map(|(&x, &y)| (plane.x(x), plane.y(y))));
                *body +=
                    &format!("<g class=\"ft-c{i}\"><path class=\"ft-band\" d=\"{d}Z\"/></g>\n");
            }
        }
        for (i, series) in self.series.iter().enumerate() {
            let dash = if series.marked() { "" } else { svg::dash(i) };
            let d = svg::path(
                series
                    .x
                    .iter()
                    .zip(&series.y)
                    .map(|(&x, &y)| (plane.x(x), plane.y(y))),
            );
            *body += &format!("<g class=\"ft-c{i}\">\n<path class=\"ft-line\"{dash} d=\"{d}\"/>\n");
            if series.marked() {
                for (&x, &y) in series.x.iter().zip(&series.y) {
                    let tip = format!(
                        "{}: {}, {}",
                        series.name,
                        number::short(x),
                        number::short(y)
                    );
                    *body += &svg::marker(i, plane.x(x), plane.y(y), 4.0, &tip);
                }
            }
            *body += "</g>\n";
        }
    }

    fn data(&self) -> Result<Table, ReportError> {
        let mut columns = vec![
            Column::new("series", Align::Left),
            Column::new(name_or(self.x.label(), "x"), Align::Right),
            Column::new(name_or(self.y.label(), "y"), Align::Right),
        ];
        let bands = self.series.iter().any(|s| s.band.is_some());
        if bands {
            columns.push(Column::new("lower end", Align::Right));
            columns.push(Column::new("upper end", Align::Right));
        }
        let mut table = Table::new(distinct_columns(columns))?;
        for series in &self.series {
            for (i, (&x, &y)) in series.x.iter().zip(&series.y).enumerate() {
                let mut row = vec![Cell::from(series.name.as_str()), x.into(), y.into()];
                if bands {
                    let ends = series.band.as_ref();
                    row.push(ends.map_or(Cell::Missing, |(lower, _)| lower[i].into()));
                    row.push(ends.map_or(Cell::Missing, |(_, upper)| upper[i].into()));
                }
                table.push(row)?;
            }
        }
        Ok(table)
    }
}

/// A column needs a name even where an axis has none.
pub(crate) fn name_or(label: &str, otherwise: &str) -> String {
    if label.is_empty() { otherwise } else { label }.to_owned()
}

/// Axes may be called alike; columns may not.
pub(crate) fn distinct_columns(mut columns: Vec<Column>) -> Vec<Column> {
    for i in 0..columns.len() {
        while columns[..i].iter().any(|c| c.name() == columns[i].name()) {
            columns[i] = columns[i].renamed(format!("{} ({})", columns[i].name(), i + 1));
        }
    }
    columns
}
