//! A finished figure: checked, laid out, and carrying its numbers.

use crate::{ReportError, Table, colour, escape, write};
use std::path::Path;

pub(crate) mod bars;
pub(crate) mod heat;
pub(crate) mod line;
pub(crate) mod plane;
pub(crate) mod scatter;

/// One figure as SVG, made by [`LineChart`](crate::LineChart), [`Scatter`](crate::Scatter), [`BarChart`](crate::BarChart)
/// or [`HeatMap`](crate::HeatMap).
///
/// ```
/// use firetender_report::BarChart;
///
/// # fn main() -> Result<(), firetender_report::ReportError> {
/// let figure = BarChart::new("Accuracy", "share right", &["plain", "steered"])
///     .series("ember", &[0.71, 0.64])
///     .build()?
///     .caption("500 questions.");
/// assert!(figure.to_svg().contains("<title>Accuracy</title>"));
/// assert_eq!(figure.data().to_csv().lines().nth(1), Some("plain,ember,0.71"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    title: String,
    description: String,
    caption: String,
    size: Size,
    body: String,
    data: Table,
}

impl Figure {
    pub(crate) fn new(
        title: String,
        description: String,
        size: Size,
        body: String,
        data: Table,
    ) -> Self {
        Self {
            title,
            description,
            caption: String::new(),
            size,
            body,
            data,
        }
    }

    /// Text below the figure in a report: what to see in it, how many samples.
    #[must_use]
    pub fn caption(mut self, text: impl Into<String>) -> Self {
        self.caption = text.into();
        self
    }

    /// The title, as drawn and as read out.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The numbers behind the figure, one row a point.
    #[must_use]
    pub fn data(&self) -> &Table {
        &self.data
    }

    /// A file of its own, with its style inside.
    #[must_use]
    pub fn to_svg(&self) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}",
            self.svg(
                " xmlns=\"http://www.w3.org/2000/svg\"",
                &format!("<style>\n{}</style>\n", colour::FIGURE_STYLE)
            )
        )
    }

    /// Writes [`Figure::to_svg`] to a file, atomically; missing folders are made.
    ///
    /// # Errors
    ///
    /// [`ReportError::Write`] when the file or its folder cannot be written.
    pub fn write_svg(&self, path: impl AsRef<Path>) -> Result<(), ReportError> {
        write::atomic(path.as_ref(), &self.to_svg())
    }

    /// Inside of a page that has [`colour::FIGURE_STYLE`].
    pub(crate) fn to_inline(&self) -> String {
        let mut out = format!("<figure>\n{}", self.svg("", ""));
        if !self.caption.is_empty() {
            out += &format!("<figcaption>{}</figcaption>\n", escape::html(&self.caption));
        }
        out += &self.data.to_details(&self.title);
        out + "</figure>\n"
    }

    fn svg(&self, namespace: &str, style: &str) -> String {
        let Size { width, height } = self.size;
        let (title, description) = (escape::html(&self.title), escape::html(&self.description));
        format!(
            "<svg{namespace} class=\"ft\" role=\"img\" aria-label=\"{title}. {description}\" \
             width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
             <title>{title}</title>\n<desc>{description}</desc>\n{style}\
             <rect class=\"ft-bg\" width=\"{width}\" height=\"{height}\"/>\n{}</svg>\n",
            self.body
        )
    }
}

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Size {
    const LEAST: u32 = 240;
    const MOST: u32 = 4096;

    pub(crate) fn check(self, place: &str) -> Result<(), ReportError> {
        let sound = Self::LEAST..=Self::MOST;
        if sound.contains(&self.width) && sound.contains(&self.height) {
            return Ok(());
        }
        Err(ReportError::Size {
            place: place.to_owned(),
            width: self.width,
            height: self.height,
            least: Self::LEAST,
            most: Self::MOST,
        })
    }
}

/// "a, b and c", for descriptions.
pub(crate) fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Fails when there are no series, too many, or two of one name.
pub(crate) fn check_series(place: &str, names: &[&str]) -> Result<(), ReportError> {
    if names.is_empty() {
        return Err(ReportError::Empty {
            place: place.to_owned(),
            what: "series",
        });
    }
    if names.len() > colour::SERIES {
        return Err(ReportError::TooMany {
            place: place.to_owned(),
            what: "series",
            limit: colour::SERIES,
            found: names.len(),
        });
    }
    crate::error::distinct(place, names)
}
