//! Text made safe for the place it goes to. Generations and tokens hold anything: markup, pipes, control characters.

use std::fmt::Write as _;

/// Text and attribute values of HTML and SVG.
///
/// Characters that XML 1.0 forbids become U+FFFD, so that an SVG with a control character in a label stays well formed.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(c),
            // A raw carriage return would be read back as a line feed.
            '\r' => out.push_str("&#13;"),
            '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c < ' ' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A cell of a Markdown table (GitHub's flavour): one line, no markup, no column break.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut previous = None;
    for c in text.chars() {
        match c {
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // The line feed of a CRLF was written with its carriage return.
            '\n' if previous == Some('\r') => {}
            '\n' | '\r' => out.push_str("<br>"),
            '\t' => out.push(' '),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
        previous = Some(c);
    }
    out
}

/// A field of CSV after RFC 4180: quoted when it holds a comma, a quote, a line break or outer blanks.
///
/// The text itself is not changed; a spreadsheet may read a field that starts with `=` as a formula.
pub(crate) fn csv(text: &str) -> String {
    let quote = text.contains([',', '"', '\n', '\r'])
        || text.starts_with(char::is_whitespace)
        || text.ends_with(char::is_whitespace);
    if quote {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A token as a reader can see it: leading and trailing blanks, line breaks and control characters get a sign.
pub(crate) fn visible(token: &str) -> String {
    if token.is_empty() {
        return "∅".to_owned();
    }
    let mut out = String::with_capacity(token.len());
    for c in token.chars() {
        match c {
            '\n' => out.push('⏎'),
            '\r' => out.push('␍'),
            '\t' => out.push('⇥'),
            c if c.is_control() => {
                // Writing into a string cannot fail.
                let _ = write!(out, "‹{:02x}›", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_leaves_no_markup_and_no_forbidden_character() {
        assert_eq!(
            html("<b a=\"1\" b='2'>&\u{0}\u{1b}\u{85}\u{ffff}é\n"),
            "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;\u{fffd}\u{fffd}\u{fffd}\u{fffd}é\n"
        );
    }

    #[test]
    fn markdown_stays_in_its_cell() {
        assert_eq!(
            markdown("a|b\\|c\r\nd\ne*_<i>"),
            "a\\|b\\\\\\|c<br>d<br>e\\*\\_&lt;i&gt;"
        );
    }

    #[test]
    fn csv_quotes_only_when_needed() {
        assert_eq!(csv("plain text"), "plain text");
        assert_eq!(csv("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
        assert_eq!(csv(" padded"), "\" padded\"");
    }

    #[test]
    fn tokens_show_what_cannot_be_seen() {
        assert_eq!(visible("\n\t\u{0}a"), "⏎⇥‹00›a");
        assert_eq!(visible(""), "∅");
    }
}
