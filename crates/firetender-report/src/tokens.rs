//! Token strips: a text cut into its tokens, each coloured by a value.

use crate::{Align, Column, ReportError, Table, colour::Ramp, error, escape, number};

/// Tokens in a row, blue below zero, vermilion above: what a direction, a probe or a loss says at each of them.
///
/// The value is shown on hover, and in a folded table.
///
/// ```
/// use firetender_report::TokenStrip;
///
/// # fn main() -> Result<(), firetender_report::ReportError> {
/// let strip = TokenStrip::new("Projection on the mood vector", &["The", " happy", " dog"], &[0.1, 2.3, 0.7])?
///     .limit(3.0)?;
/// # let _ = strip;
/// assert!(TokenStrip::new("Lengths differ", &["a"], &[]).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TokenStrip {
    title: String,
    tokens: Vec<String>,
    values: Vec<f64>,
    limit: f64,
    table: Table,
}

impl TokenStrip {
    /// One value for each token. Tokens may hold anything; control characters are made visible.
    ///
    /// # Errors
    ///
    /// [`ReportError`] when there are no tokens, the lengths differ, or a value is not finite.
    pub fn new<S: AsRef<str>>(
        title: impl Into<String>,
        tokens: &[S],
        values: &[f64],
    ) -> Result<Self, ReportError> {
        let title = title.into();
        if tokens.is_empty() {
            return Err(ReportError::Empty {
                place: title,
                what: "tokens",
            });
        }
        error::same_length(&title, "values", tokens.len(), values.len())?;
        error::all_finite(&title, values)?;
        let tokens: Vec<String> = tokens.iter().map(|t| t.as_ref().to_owned()).collect();
        let mut table = Table::new([
            Column::new("position", Align::Right),
            Column::new("token", Align::Left),
            Column::new("value", Align::Right),
        ])?;
        for (i, (token, &value)) in tokens.iter().zip(values).enumerate() {
            table.push([i.into(), escape::visible(token).into(), value.into()])?;
        }
        let limit = values.iter().map(|v| v.abs()).fold(0.0, f64::max);
        Ok(Self {
            title,
            tokens,
            values: values.to_vec(),
            limit: if limit > 0.0 { limit } else { 1.0 },
            table,
        })
    }

    /// The value that gets the full colour; the largest of the strip if not called. Set it to compare strips.
    ///
    /// # Errors
    ///
    /// [`ReportError::NotPositive`] unless `limit` is a finite number above zero.
    pub fn limit(mut self, limit: f64) -> Result<Self, ReportError> {
        if !limit.is_finite() || limit <= 0.0 {
            return Err(ReportError::NotPositive {
                place: format!("{} / limit", self.title),
                index: 0,
                value: limit,
            });
        }
        self.limit = limit;
        Ok(self)
    }

    pub(crate) fn to_html(&self) -> String {
        let mut out = format!(
            "<figure class=\"strip\">\n<p class=\"name\">{}</p>\n<p class=\"tokens\">",
            escape::html(&self.title)
        );
        for (token, &value) in self.tokens.iter().zip(&self.values) {
            // Halved first, so that the largest finite numbers do not overflow.
            let (fill, ink) = Ramp::Diverging.at(0.5 + 0.5 * (value / self.limit));
            out += &format!(
                "<span style=\"background:{fill};color:{ink}\" title=\"{}\">{}</span>",
                number::short(value),
                escape::html(&escape::visible(token))
            );
            if token.contains('\n') {
                out += "<br>";
            }
        }
        let end = number::short(self.limit);
        let stops = [0.0, 0.25, 0.5, 0.75, 1.0]
            .map(|share| Ramp::Diverging.at(share).0)
            .join(",");
        out += &format!(
            "</p>\n<p class=\"legend\">−{end} <span style=\"background:linear-gradient(90deg,{stops})\"></span> {end}</p>\n"
        );
        out += &self.table.to_details(&self.title);
        out + "</figure>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_sign_and_the_limit() {
        let html = TokenStrip::new("t", &["a", "b", "c"], &[-2.0, 0.0, 2.0])
            .unwrap()
            .to_html();
        for (fill, token) in [("#005494", "a"), ("#f6f6f4", "b"), ("#be4a00", "c")] {
            assert!(
                html.contains(&format!("background:{fill}")),
                "{token}: {html}"
            );
        }
        let weak = TokenStrip::new("t", &["a"], &[2.0])
            .unwrap()
            .limit(1e6)
            .unwrap()
            .to_html();
        assert!(weak.contains("background:#f6f6f4"));
    }

    #[test]
    fn tokens_cannot_break_out() {
        let html = TokenStrip::new(
            "<x>",
            &["</span><script>", "\n", ""],
            &[1.0, f64::MAX, f64::MIN],
        )
        .unwrap()
        .to_html();
        assert!(!html.contains("<script>") && !html.contains("<x>"));
        assert!(html.contains("⏎") && html.contains("∅"));
    }

    #[test]
    fn bad_values_are_refused() {
        assert!(matches!(
            TokenStrip::new("t", &["a", "b"], &[0.0, f64::INFINITY]),
            Err(ReportError::NotFinite { index: 1, .. })
        ));
        let none: [&str; 0] = [];
        assert!(matches!(
            TokenStrip::new("t", &none, &[]),
            Err(ReportError::Empty { .. })
        ));
        let strip = TokenStrip::new("t", &["a"], &[0.0]).unwrap();
        assert!(strip.clone().limit(0.0).is_err() && strip.limit(f64::NAN).is_err());
    }
}
