//! Pieces of SVG: text, markers, and the width of a text without asking for a font.

use crate::{escape, number::coordinate};

/// Free space along the edges of a figure.
pub(crate) const EDGE: f64 = 16.0;
/// How far apart names turned by 35 degrees have to stand.
pub(crate) const TURNED: f64 = 21.0;
const TITLE: f64 = 15.0;

/// Where a text stands relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        }
    }
}

/// A text whose baseline starts, centres or ends at a point; `class` may be empty.
pub(crate) fn text(x: f64, y: f64, anchor: Anchor, class: &str, text: &str) -> String {
    turned(x, y, 0.0, anchor, class, text)
}

/// As [`text()`], turned by `degrees` clockwise around its point.
pub(crate) fn turned(
    x: f64,
    y: f64,
    degrees: f64,
    anchor: Anchor,
    class: &str,
    text: &str,
) -> String {
    let (x, y) = (coordinate(x), coordinate(y));
    let class = if class.is_empty() {
        String::new()
    } else {
        format!(" class=\"{class}\"")
    };
    let turn = if degrees == 0.0 {
        String::new()
    } else {
        format!(" transform=\"rotate({} {x} {y})\"", coordinate(degrees))
    };
    format!(
        "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{}\"{class}{turn}>{}</text>\n",
        anchor.name(),
        escape::html(text)
    )
}

/// A straight line.
pub(crate) fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> String {
    format!(
        "<path class=\"{class}\" d=\"M{} {}L{} {}\"/>\n",
        coordinate(from.0),
        coordinate(from.1),
        coordinate(to.0),
        coordinate(to.1)
    )
}

/// The `d` of a path through points.
pub(crate) fn path(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let mut d = String::new();
    for (x, y) in points {
        d.push(if d.is_empty() { 'M' } else { 'L' });
        d.push_str(&coordinate(x));
        d.push(' ');
        d.push_str(&coordinate(y));
    }
    d
}

/// A filled rectangle, with a title shown on hover when `title` is not empty.
pub(crate) fn rect(
    attributes: &str,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    title: &str,
) -> String {
    let place = format!(
        "<rect {attributes} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"",
        coordinate(x),
        coordinate(y),
        coordinate(width),
        coordinate(height)
    );
    closed("rect", place, title)
}

/// The marker of series `index`, about `radius` in size: circle, square, triangle, diamond … so that colour is not alone.
pub(crate) fn marker(index: usize, x: f64, y: f64, radius: f64, title: &str) -> String {
    let r = radius;
    if index == 0 {
        let circle = format!(
            "<circle class=\"ft-dot\" cx=\"{}\" cy=\"{}\" r=\"{}\"",
            coordinate(x),
            coordinate(y),
            coordinate(r)
        );
        return closed("circle", circle, title);
    }
    let corners: Vec<(f64, f64)> = match index {
        1 => polygon(4, 45.0, r * 1.25),
        2 => polygon(3, -90.0, r * 1.35),
        3 => polygon(4, 0.0, r * 1.3),
        4 => polygon(3, 90.0, r * 1.35),
        5 => polygon(6, 0.0, r * 1.15),
        6 => polygon(5, -90.0, r * 1.2),
        _ => star(r * 1.45),
    };
    let d = path(corners.into_iter().map(|(dx, dy)| (x + dx, y + dy)));
    closed("path", format!("<path class=\"ft-dot\" d=\"{d}Z\""), title)
}

/// How the line of series `index` is broken when it has no markers to tell it apart.
pub(crate) fn dash(index: usize) -> &'static str {
    match index % 4 {
        0 => "",
        1 => " stroke-dasharray=\"7 4\"",
        2 => " stroke-dasharray=\"2 4\"",
        _ => " stroke-dasharray=\"9 4 2 4\"",
    }
}

/// About how wide a text is: no font is asked, so that figures come out alike on every machine.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let em: f64 =
        text.chars()
            .map(|c| match c {
                'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | '('
                | ')' => 0.34,
                'f' | 't' | 'r' | '-' => 0.42,
                'm' | 'w' | 'M' | 'W' | '@' | '%' | '−' | '≤' => 0.86,
                'A'..='Z' => 0.69,
                c if c < '\u{1100}' => 0.58,
                _ => 1.0,
            })
            .sum();
    em * size
}

/// Lines of at most `most` pixels, broken at blanks; a longer word stands alone.
pub(crate) fn wrap(text: &str, size: f64, most: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(word, size) + 0.34 * size <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Draws a figure's title at the top left, in as many lines as it needs; returns the last baseline.
pub(crate) fn title(body: &mut String, title: &str, figure_width: f64) -> f64 {
    // Bold letters are wider.
    let lines = wrap(title, TITLE * 1.14, figure_width - 2.0 * EDGE);
    let baseline = |i: usize| EDGE - 2.0 + 19.0 * i as f64 + TITLE + 1.0;
    for (i, line) in lines.iter().enumerate() {
        *body += &text(EDGE, baseline(i), Anchor::Start, "ft-title", line);
    }
    lines.len().checked_sub(1).map_or(EDGE, baseline)
}

/// At most `most` pixels, shortened with "…".
pub(crate) fn shortened(text: &str, size: f64, most: f64) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if width(&out, size) + size > most {
            break;
        }
    }
    out.pop();
    out.push('…');
    out
}

fn closed(element: &str, open: String, title: &str) -> String {
    if title.is_empty() {
        format!("{open}/>\n")
    } else {
        format!(
            "{open}><title>{}</title></{element}>\n",
            escape::html(title)
        )
    }
}

fn polygon(corners: usize, first_degrees: f64, radius: f64) -> Vec<(f64, f64)> {
    (0..corners)
        .map(|i| {
            let angle = (first_degrees + 360.0 * i as f64 / corners as f64).to_radians();
            (radius * angle.cos(), radius * angle.sin())
        })
        .collect()
}

fn star(radius: f64) -> Vec<(f64, f64)> {
    polygon(5, -90.0, radius)
        .into_iter()
        .zip(polygon(5, -54.0, radius * 0.45))
        .flat_map(|(outer, inner)| [outer, inner])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_turned() {
        assert_eq!(
            turned(1.0, 2.5, -90.0, Anchor::Middle, "ft-name", "a<b"),
            "<text x=\"1\" y=\"2.5\" text-anchor=\"middle\" class=\"ft-name\" transform=\"rotate(-90 1 2.5)\">a&lt;b</text>\n"
        );
    }

    #[test]
    fn markers_differ() {
        let shapes: Vec<String> = (0..8).map(|i| marker(i, 0.0, 0.0, 4.0, "")).collect();
        for (i, shape) in shapes.iter().enumerate() {
            assert!(!shapes[..i].contains(shape), "{i}");
        }
        assert!(marker(0, 0.0, 0.0, 4.0, "a & b").contains("<title>a &amp; b</title></circle>"));
    }

    #[test]
    fn wrapping_loses_no_word() {
        let lines = wrap("effect of the mood vector on free text", 15.0, 120.0);
        assert!(lines.len() > 1 && lines.iter().all(|l| width(l, 15.0) <= 120.0));
        assert_eq!(lines.join(" "), "effect of the mood vector on free text");
    }

    #[test]
    fn shortening_fits_or_keeps() {
        assert_eq!(shortened("short", 12.0, 100.0), "short");
        let cut = shortened("a very long label that will not fit", 12.0, 80.0);
        assert!(cut.ends_with('…') && width(&cut, 12.0) <= 92.0, "{cut}");
    }
}
