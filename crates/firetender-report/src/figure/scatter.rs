//! Scatter plots: two measured quantities against each other, such as effect against damage.

use crate::{
    Align, Axis, Cell, Column, Figure, ReportError, Table, error,
    figure::{
        Size, check_series,
        line::{distinct_columns, name_or},
        listed,
        plane::{self, Bottom, Key, Mark, Plane},
    },
    number,
    svg::{self, Anchor},
};

const TAG: f64 = 11.0;

/// A named set of points.
///
/// ```
/// use firetender_report::Points;
///
/// let mood = Points::new("mood", &[0.01, 0.1], &[0.4, 1.9]).labels(&["k = 1", "k = 2"]).connected();
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    name: String,
    x: Vec<f64>,
    y: Vec<f64>,
    labels: Vec<String>,
    connected: bool,
}

impl Points {
    /// One point for each pair of `x` and `y`.
    #[must_use]
    pub fn new(name: impl Into<String>, x: &[f64], y: &[f64]) -> Self {
        Self {
            name: name.into(),
            x: x.to_vec(),
            y: y.to_vec(),
            labels: Vec::new(),
            connected: false,
        }
    }

    /// A short text beside every point. One that would cover another is left to the hover text.
    #[must_use]
    pub fn labels<S: AsRef<str>>(mut self, labels: &[S]) -> Self {
        self.labels = labels.iter().map(|l| l.as_ref().to_owned()).collect();
        self
    }

    /// Draws a thin line through the points in their order, as along a sweep.
    #[must_use]
    pub fn connected(mut self) -> Self {
        self.connected = true;
        self
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
        if !self.labels.is_empty() {
            error::same_length(&place, "labels", self.x.len(), self.labels.len())?;
        }
        x.check(&format!("{place} / x"), &self.x)?;
        y.check(&format!("{place} / y"), &self.y)
    }
}

/// Two quantities against each other.
///
/// ```
/// use firetender_report::{Axis, Points, Scatter};
///
/// # fn main() -> Result<(), firetender_report::ReportError> {
/// let figure = Scatter::new("Effect and damage", Axis::log_above("KL (nats)", 1e-5), Axis::linear("log-odds"))
///     .points(Points::new("mood", &[0.0, 0.02, 0.3], &[0.0, 1.1, 2.7]).labels(&["0", "1", "2"]).connected())
///     .points(Points::new("random", &[0.0, 0.03, 0.4], &[0.0, 0.1, -0.2]))
///     .build()?;
/// assert_eq!(figure.data().len(), 6);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    title: String,
    x: Axis,
    y: Axis,
    points: Vec<Points>,
    size: Size,
}

impl Scatter {
    /// A plot without points yet.
    #[must_use]
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            title: title.into(),
            x,
            y,
            points: Vec::new(),
            size: Size {
                width: 720,
                height: 440,
            },
        }
    }

    /// Adds a set of points. At most eight, with different names.
    #[must_use]
    pub fn points(mut self, points: Points) -> Self {
        self.points.push(points);
        self
    }

    /// Width and height in pixels, 720 × 440 if not called.
    #[must_use]
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = Size { width, height };
        self
    }

    /// Checks the data and draws.
    ///
    /// # Errors
    ///
    /// [`ReportError`] when there are no points, more than eight sets, two of one name, lengths that differ, or values that
    /// are not finite or not above zero on a logarithmic axis.
    pub fn build(self) -> Result<Figure, ReportError> {
        self.size.check(&self.title)?;
        let names: Vec<&str> = self.points.iter().map(|p| p.name.as_str()).collect();
        check_series(&self.title, &names)?;
        for points in &self.points {
            points.check(&self.title, &self.x, &self.y)?;
        }
        let x_values = self.points.iter().flat_map(|p| p.x.iter().copied());
        let y_values = self.points.iter().flat_map(|p| p.y.iter().copied());
        let x = self
            .x
            .fit(&self.title, x_values, plane::ticks_across(self.size))?;
        let y = self
            .y
            .fit(&self.title, y_values, plane::ticks_up(self.size))?;
        let labels = (self.x.label(), self.y.label());
        let keys: Vec<Key> = names
            .iter()
            .enumerate()
            .map(|(shape, name)| Key {
                name: (*name).to_owned(),
                class: format!("ft-c{shape}"),
                mark: Mark::Dot { shape },
            })
            .collect();
        let (plane, mut body) =
            Plane::new(&self.title, self.size, labels, Bottom::Numbers(x), y, &keys);
        self.draw(&plane, &mut body);
        let description = format!(
            "Scatter plot of {} against {}: {}.",
            labels.1,
            labels.0,
            listed(&names)
        );
        let data = self.data()?;
        Ok(Figure::new(self.title, description, self.size, body, data))
    }

    fn draw(&self, plane: &Plane, body: &mut String) {
        let mut taken: Vec<Area> = Vec::new();
        for points in &self.points {
            for (&x, &y) in points.x.iter().zip(&points.y) {
                taken.push(Area::around(plane.x(x), plane.y(y), 5.0));
            }
        }
        for (i, points) in self.points.iter().enumerate() {
            let places: Vec<(f64, f64)> = points
                .x
                .iter()
                .zip(&points.y)
                .map(|(&x, &y)| (plane.x(x), plane.y(y)))
                .collect();
            *body += &format!("<g class=\"ft-c{i}\">\n");
            if points.connected {
                let d = svg::path(places.iter().copied());
                *body += &format!("<path class=\"ft-thin\" d=\"{d}\"/>\n");
            }
            for (j, &(x, y)) in places.iter().enumerate() {
                let label = points
                    .labels
                    .get(j)
                    .map_or(String::new(), |l| format!(", {l}"));
                let (px, py) = (number::short(points.x[j]), number::short(points.y[j]));
                let tip = format!("{}{label}: {px}, {py}", points.name);
                *body += &svg::marker(i, x, y, 5.0, &tip);
            }
            *body += "</g>\n";
            for (label, &(x, y)) in points.labels.iter().zip(&places) {
                *body += &tag(label, x, y, plane, &mut taken);
            }
        }
    }

    fn data(&self) -> Result<Table, ReportError> {
        let labelled = self.points.iter().any(|p| !p.labels.is_empty());
        let mut columns = vec![
            Column::new("series", Align::Left),
            Column::new(name_or(self.x.label(), "x"), Align::Right),
            Column::new(name_or(self.y.label(), "y"), Align::Right),
        ];
        if labelled {
            columns.push(Column::new("label", Align::Left));
        }
        let mut table = Table::new(distinct_columns(columns))?;
        for points in &self.points {
            for (i, (&x, &y)) in points.x.iter().zip(&points.y).enumerate() {
                let mut row = vec![Cell::from(points.name.as_str()), x.into(), y.into()];
                if labelled {
                    row.push(
                        points
                            .labels
                            .get(i)
                            .map_or(Cell::Missing, |l| l.as_str().into()),
                    );
                }
                table.push(row)?;
            }
        }
        Ok(table)
    }
}

/// A taken area in pixels.
#[derive(Debug, Clone, Copy)]
struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Area {
    fn around(x: f64, y: f64, radius: f64) -> Self {
        Self {
            left: x - radius,
            top: y - radius,
            right: x + radius,
            bottom: y + radius,
        }
    }

    fn meets(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

/// The label right of, left of, above or below its point: the first place that is free, or none.
fn tag(label: &str, x: f64, y: f64, plane: &Plane, taken: &mut Vec<Area>) -> String {
    let width = svg::width(label, TAG);
    let [left, top, right, bottom] = plane.edges();
    let candidates = [
        (x + 9.0, y + 4.0, Anchor::Start, x + 9.0),
        (x - 9.0, y + 4.0, Anchor::End, x - 9.0 - width),
        (x, y - 9.0, Anchor::Middle, x - width / 2.0),
        (x, y + 17.0, Anchor::Middle, x - width / 2.0),
    ];
    for (at, baseline, anchor, start) in candidates {
        let area = Area {
            left: start,
            top: baseline - TAG + 2.0,
            right: start + width,
            bottom: baseline + 3.0,
        };
        let inside = area.left >= left - 4.0
            && area.right <= right + 12.0
            && area.top >= top - 4.0
            && area.bottom <= bottom;
        if inside && !taken.iter().any(|t| t.meets(&area)) {
            taken.push(area);
            return svg::text(at, baseline, anchor, "ft-tag", label);
        }
    }
    String::new()
}
