//! Python's literal of a list of strings, as the prize's files hold classes: `"[' A', \" don't.\"]"`.
//!
//! Splitting at quotes, as two published evaluations did, is wrong wherever a class holds an apostrophe.

/// What is wrong with a literal, and at which character (from 0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiteralError {
    /// Character, from 0.
    pub at: usize,
    /// What was expected.
    pub what: String,
}

/// Bound on strings in a list.
const MAX_STRINGS: usize = 10_000;

/// Reads a list of strings: single, double or triple quotes, all escapes of Python's grammar but named characters, adjacent strings joined, a trailing comma,
/// prefixes `u` and `r`.
///
/// ```
/// use firetender_scaling::{parse_list, write_list};
///
/// let classes = parse_list(r#"[' proceed.', " don't."]"#).unwrap();
/// assert_eq!(classes, [" proceed.", " don't."]);
/// assert_eq!(write_list(&classes), r#"[' proceed.', " don't."]"#);
/// ```
///
/// # Errors
/// The place and what was expected there.
pub fn parse_list(text: &str) -> Result<Vec<String>, LiteralError> {
    let mut reader = Reader {
        chars: text.chars().collect(),
        at: 0,
    };
    reader.spaces();
    let end = match reader.next() {
        Some('[') => ']',
        Some('(') => ')',
        _ => return Err(reader.fail(0, "expected a list that begins with [")),
    };
    let mut list = vec![];
    loop {
        reader.spaces();
        if reader.peek() == Some(end) {
            reader.at += 1;
            break;
        }
        if list.len() == MAX_STRINGS {
            return Err(reader.fail(reader.at, "more than 10,000 strings"));
        }
        let mut value = reader.string()?;
        reader.spaces();
        // Adjacent literals are one string.
        while matches!(reader.peek(), Some('\'' | '"')) {
            value.push_str(&reader.string()?);
            reader.spaces();
        }
        list.push(value);
        match reader.peek() {
            Some(',') => reader.at += 1,
            Some(c) if c == end => {}
            _ => return Err(reader.fail(reader.at, "expected a comma or the end of the list")),
        }
    }
    reader.spaces();
    if reader.at < reader.chars.len() {
        return Err(reader.fail(reader.at, "expected nothing after the list"));
    }
    Ok(list)
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn fail(&self, at: usize, what: &str) -> LiteralError {
        LiteralError {
            at,
            what: what.into(),
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn spaces(&mut self) {
        while self.peek().is_some_and(|c| c.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Result<String, LiteralError> {
        let start = self.at;
        let mut raw = false;
        if let Some(prefix @ ('u' | 'U' | 'r' | 'R')) = self.peek() {
            raw = prefix.eq_ignore_ascii_case(&'r');
            self.at += 1;
        }
        let quote = match self.next() {
            Some(quote @ ('\'' | '"')) => quote,
            _ => return Err(self.fail(start, "expected a string in quotes")),
        };
        let triple = self.chars.get(self.at..self.at + 2) == Some(&[quote, quote]);
        if triple {
            self.at += 2;
        }
        let mut value = String::new();
        loop {
            let here = self.at;
            match self.next() {
                None => return Err(self.fail(start, "a string without its closing quote")),
                Some(c) if c == quote => {
                    if !triple {
                        return Ok(value);
                    }
                    if self.chars.get(self.at..self.at + 2) == Some(&[quote, quote]) {
                        self.at += 2;
                        return Ok(value);
                    }
                    value.push(c);
                }
                Some('\n') if !triple => {
                    return Err(self.fail(here, "a line break inside a string"));
                }
                Some('\\') if raw => {
                    value.push('\\');
                    match self.next() {
                        Some(c) => value.push(c),
                        None => return Err(self.fail(start, "a string without its closing quote")),
                    }
                }
                Some('\\') => self.escape(here, &mut value)?,
                Some(c) => value.push(c),
            }
        }
    }

    fn escape(&mut self, here: usize, value: &mut String) -> Result<(), LiteralError> {
        let simple = match self.next() {
            Some('\n') => return Ok(()),
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('a') => '\x07',
            Some('b') => '\x08',
            Some('f') => '\x0c',
            Some('v') => '\x0b',
            Some(c @ ('\\' | '\'' | '"')) => c,
            Some('x') => self.hex(here, 2)?,
            Some('u') => self.hex(here, 4)?,
            Some('U') => self.hex(here, 8)?,
            Some('N') => {
                return Err(self.fail(
                    here,
                    "named characters are not read; expected \\u and four digits",
                ));
            }
            Some(first @ '0'..='7') => {
                let mut code = first as u32 - '0' as u32;
                for _ in 0..2 {
                    let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else {
                        break;
                    };
                    code = code * 8 + digit;
                    self.at += 1;
                }
                char::from_u32(code).unwrap_or('\u{fffd}')
            }
            // Python keeps the backslash of an escape that it does not know.
            Some(c) => {
                value.push('\\');
                c
            }
            None => return Err(self.fail(here, "a string without its closing quote")),
        };
        value.push(simple);
        Ok(())
    }

    fn hex(&mut self, here: usize, digits: usize) -> Result<char, LiteralError> {
        let mut code = 0;
        for _ in 0..digits {
            let Some(digit) = self.next().and_then(|c| c.to_digit(16)) else {
                return Err(self.fail(here, "an escape with too few hexadecimal digits"));
            };
            code = code * 16 + digit;
        }
        char::from_u32(code).ok_or_else(|| self.fail(here, "an escape that is no character"))
    }
}

/// Python's `repr` of a list of strings.
#[must_use]
pub fn write_list(strings: &[String]) -> String {
    let parts: Vec<String> = strings.iter().map(|s| write_string(s)).collect();
    format!("[{}]", parts.join(", "))
}

fn write_string(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_ascii_control() || ('\u{7f}'..='\u{a0}').contains(&c) || c == '\u{ad}' => {
                out.push_str(&format!("\\x{:02x}", c as u32));
            }
            // Separators other than the space are not printable for Python.
            c if c.is_whitespace() && c != ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_as_python_reads_them() {
        let cases: [(&str, &[&str]); 12] = [
            ("[' A', ' B']", &[" A", " B"]),
            (r#"[' here.', " in't."]"#, &[" here.", " in't."]),
            (r#"['it\'s', "\"q\""]"#, &["it's", "\"q\""]),
            (
                r"['\n\t\\', '\x41\u0042\U00000043', '\101']",
                &["\n\t\\", "ABC", "A"],
            ),
            (r"['\d']", &["\\d"]),
            (r"[r'\n', u'x']", &["\\n", "x"]),
            ("['a' 'b', \"c\",]", &["ab", "c"]),
            ("['''a'b''']", &["a'b"]),
            ("  [ ]  ", &[]),
            ("('a', 'b')", &["a", "b"]),
            ("[' a, b', 'c]']", &[" a, b", "c]"]),
            ("['π']", &["π"]),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_list(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_place() {
        for (text, at) in [
            ("", 0),
            ("A", 0),
            ("[1, 2]", 1),
            ("['a'", 4),
            ("['a", 1),
            ("['a' 'b] ", 5),
            ("['a'] x", 6),
            ("['a';'b']", 4),
            (r"['\x4']", 2),
            (r"['\ud800']", 2),
            ("['a\nb']", 3),
            ("[None]", 1),
        ] {
            let error = parse_list(text).unwrap_err();
            assert_eq!(error.at, at, "{text}: {error:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(strings in prop::collection::vec(".*", 0..5)) {
            let written = write_list(&strings);
            prop_assert_eq!(parse_list(&written).unwrap(), strings);
        }

        #[test]
        fn nothing_panics(text in ".*") {
            let _ = parse_list(&text);
        }
    }
}
