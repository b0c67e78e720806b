//! Texts side by side: what a model writes at several strengths, for several prompts.

use crate::{ReportError, error, escape};

/// A grid of texts: one column a condition, one row a prompt.
///
/// ```
/// use firetender_report::Panels;
///
/// # fn main() -> Result<(), firetender_report::ReportError> {
/// let mut panels = Panels::new("Free text", &["strength −2", "0", "+2"])?;
/// panels.push("One morning,", &["it rained.", "he got up.", "the sun danced."])?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panels {
    title: String,
    columns: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Panels {
    /// A grid without rows yet. Two to five columns can be read on a screen.
    ///
    /// # Errors
    ///
    /// [`ReportError::Empty`] without columns, [`ReportError::Duplicate`] when two have one name.
    pub fn new<S: AsRef<str>>(
        title: impl Into<String>,
        columns: &[S],
    ) -> Result<Self, ReportError> {
        let title = title.into();
        if columns.is_empty() {
            return Err(ReportError::Empty {
                place: title,
                what: "columns",
            });
        }
        let names: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
        error::distinct(&title, &names)?;
        Ok(Self {
            title,
            columns: names.into_iter().map(str::to_owned).collect(),
            rows: Vec::new(),
        })
    }

    /// Adds the texts of one prompt, which is repeated in grey at the start of each; it may be empty.
    ///
    /// # Errors
    ///
    /// [`ReportError::Length`] when there are not as many texts as columns.
    pub fn push<S: AsRef<str>>(
        &mut self,
        prompt: impl Into<String>,
        texts: &[S],
    ) -> Result<(), ReportError> {
        let place = format!("{} / row {}", self.title, self.rows.len());
        error::same_length(&place, "texts", self.columns.len(), texts.len())?;
        let texts = texts.iter().map(|t| t.as_ref().to_owned()).collect();
        self.rows.push((prompt.into(), texts));
        Ok(())
    }

    pub(crate) fn to_html(&self) -> String {
        let mut out = format!(
            "<figure class=\"panels\">\n<p class=\"name\">{}</p>\n",
            escape::html(&self.title)
        );
        for (prompt, texts) in &self.rows {
            out += &format!("<div class=\"row\" style=\"--n:{}\">\n", self.columns.len());
            for (column, text) in self.columns.iter().zip(texts) {
                out += &format!("<section><h4>{}</h4><p>", escape::html(column));
                if !prompt.is_empty() {
                    out += &format!("<span class=\"prompt\">{}</span>", escape::html(prompt));
                }
                out += &format!("{}</p></section>\n", escape::html(text));
            }
            out += "</div>\n";
        }
        out + "</figure>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_stands_below_its_column() {
        let mut panels = Panels::new("t", &["−1", "+1"]).unwrap();
        panels.push("Once <b>", &[" sad & so", " glad"]).unwrap();
        panels.push("", &["x", "y"]).unwrap();
        let html = panels.to_html();
        assert!(html.contains(
            "<h4>−1</h4><p><span class=\"prompt\">Once &lt;b&gt;</span> sad &amp; so</p>"
        ));
        assert!(html.contains("<h4>+1</h4><p>y</p>"));
    }

    #[test]
    fn a_row_of_another_length_is_refused() {
        let mut panels = Panels::new("t", &["a", "b"]).unwrap();
        let error = panels.push("p", &["one"]).unwrap_err();
        assert_eq!(error.to_string(), "t / row 0: expected 2 texts, found 1");
        assert!(Panels::new("t", &["a", "a"]).is_err());
        assert!(Panels::new::<&str>("t", &[]).is_err());
    }
}
