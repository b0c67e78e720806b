//! One-file HTML reports, put together from sections.

use crate::{Figure, Panels, ReportError, Table, TokenStrip, colour, escape, write};
use std::path::Path;

/// Sections that get a table of contents.
const CONTENTS_FROM: usize = 3;

/// A page with a title, facts about the run and sections.
///
/// ```
/// use firetender_report::{Report, Section};
///
/// let html = Report::new("Tour")
///     .lead("What a direction does to a small model.")
///     .fact("seed", "7")
///     .section(Section::new("Mood").paragraph("Higher is happier."))
///     .to_html();
/// assert!(html.contains("<h2>Mood</h2>") && !html.contains("<script"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    title: String,
    lead: String,
    facts: Vec<(String, String)>,
    sections: Vec<Section>,
}

/// A heading and what stands below it, in order.
///
/// ```
/// use firetender_report::Section;
///
/// let section = Section::new("Damage")
///     .paragraph("KL divergence from the unsteered model on benign prompts.")
///     .heading("Again, from a terminal")
///     .code("cargo run --release --example tour");
/// # let _ = section;
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    title: String,
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq)]
enum Item {
    Heading(String),
    Paragraph(String),
    Code(String),
    Figure(Figure),
    Table(Table),
    Tokens(TokenStrip),
    Panels(Panels),
}

impl Section {
    /// A section with a heading and nothing below it yet.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            items: Vec::new(),
        }
    }

    /// A heading of the second order.
    #[must_use]
    pub fn heading(self, text: impl Into<String>) -> Self {
        self.with(Item::Heading(text.into()))
    }

    /// A paragraph of plain text.
    #[must_use]
    pub fn paragraph(self, text: impl Into<String>) -> Self {
        self.with(Item::Paragraph(text.into()))
    }

    /// Text as it is, in a fixed-width face: a command, a prompt.
    #[must_use]
    pub fn code(self, text: impl Into<String>) -> Self {
        self.with(Item::Code(text.into()))
    }

    /// A figure, its caption, and its numbers folded away.
    #[must_use]
    pub fn figure(self, figure: Figure) -> Self {
        self.with(Item::Figure(figure))
    }

    /// A table.
    #[must_use]
    pub fn table(self, table: Table) -> Self {
        self.with(Item::Table(table))
    }

    /// Coloured tokens.
    #[must_use]
    pub fn tokens(self, strip: TokenStrip) -> Self {
        self.with(Item::Tokens(strip))
    }

    /// Texts side by side.
    #[must_use]
    pub fn panels(self, panels: Panels) -> Self {
        self.with(Item::Panels(panels))
    }

    fn with(mut self, item: Item) -> Self {
        self.items.push(item);
        self
    }

    fn to_html(&self, number: usize) -> String {
        let mut out = format!(
            "<section id=\"section-{number}\">\n<h2>{}</h2>\n",
            escape::html(&self.title)
        );
        for item in &self.items {
            out += &match item {
                Item::Heading(text) => format!("<h3>{}</h3>\n", escape::html(text)),
                Item::Paragraph(text) => format!("<p>{}</p>\n", escape::html(text)),
                Item::Code(text) => format!(
                    "<pre tabindex=\"0\"><code>{}</code></pre>\n",
                    escape::html(text)
                ),
                Item::Figure(figure) => figure.to_inline(),
                Item::Table(table) => table.to_html(),
                Item::Tokens(strip) => strip.to_html(),
                Item::Panels(panels) => panels.to_html(),
            };
        }
        out + "</section>\n"
    }
}

impl Report {
    /// A page without sections yet.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lead: String::new(),
            facts: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// One or two sentences below the title: what was asked and what came out.
    #[must_use]
    pub fn lead(mut self, text: impl Into<String>) -> Self {
        self.lead = text.into();
        self
    }

    /// A fact about the run, below the title: model, seed, device, number of samples.
    #[must_use]
    pub fn fact(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.facts.push((name.into(), value.into()));
        self
    }

    /// Adds a section. From three on, the page opens with links to them.
    #[must_use]
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// The whole page. It holds no script and asks the network for nothing, and its content policy says so.
    #[must_use]
    pub fn to_html(&self) -> String {
        let title = escape::html(&self.title);
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title}</title>\n<style>\n{}{}</style>\n</head>\n<body>\n<main>\n<header>\n<h1>{title}</h1>\n",
            colour::PAGE_STYLE,
            colour::FIGURE_STYLE
        );
        if !self.lead.is_empty() {
            out += &format!("<p class=\"lead\">{}</p>\n", escape::html(&self.lead));
        }
        if !self.facts.is_empty() {
            out += "<dl>\n";
            for (name, value) in &self.facts {
                out += &format!(
                    "<div><dt>{}</dt><dd>{}</dd></div>\n",
                    escape::html(name),
                    escape::html(value)
                );
            }
            out += "</dl>\n";
        }
        if self.sections.len() >= CONTENTS_FROM {
            out += "<nav aria-label=\"Contents\"><ol>\n";
            for (i, section) in self.sections.iter().enumerate() {
                out += &format!(
                    "<li><a href=\"#section-{}\">{}</a></li>\n",
                    i + 1,
                    escape::html(&section.title)
                );
            }
            out += "</ol></nav>\n";
        }
        out += "</header>\n";
        for (i, section) in self.sections.iter().enumerate() {
            out += &section.to_html(i + 1);
        }
        out + "</main>\n</body>\n</html>\n"
    }

    /// Writes [`Report::to_html`] to a file, atomically; missing folders are made.
    ///
    /// # Errors
    ///
    /// [`ReportError::Write`] when the file or its folder cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), ReportError> {
        write::atomic(path.as_ref(), &self.to_html())
    }
}
