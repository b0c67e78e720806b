//! Gambit's strategic form, `.nfg`.

use crate::{BargainError, MatrixGame};

/// A piece of an `.nfg` file.
#[derive(Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Text,
    Number(f64),
    Word(String),
}

pub(super) fn parse(text: &str, name: &str, place: &str) -> Result<MatrixGame, BargainError> {
    let fail = |what: &str| BargainError::Parse {
        place: place.into(),
        what: what.into(),
    };
    let (tokens, title) = tokens(text).map_err(|(line, what)| BargainError::Parse {
        place: format!("{place}, line {line}"),
        what,
    })?;
    let mut rest = tokens.as_slice();
    match rest {
        [
            Token::Word(word),
            Token::Number(version),
            Token::Word(_),
            Token::Text,
            tail @ ..,
        ] if word == "NFG" && *version == 1.0 => {
            rest = tail;
        }
        _ => return Err(fail("expected a head such as `NFG 1 R \"title\"`")),
    }
    let players = block(&mut rest).ok_or_else(|| fail("expected the players' names in braces"))?;
    if players.len() != 2 {
        return Err(fail(&format!("{} players; expected two", players.len())));
    }
    let strategies = block(&mut rest).ok_or_else(|| fail("expected the strategies in braces"))?;
    let mut counts = vec![];
    match strategies.first() {
        // Numbers of strategies.
        Some(Token::Number(_)) => {
            for token in strategies {
                match token {
                    Token::Number(n) if *n >= 1.0 && *n <= 1000.0 && n.fract() == 0.0 => {
                        counts.push(*n as usize);
                    }
                    _ => {
                        return Err(fail(
                            "a number of strategies is no whole number from 1 to 1000",
                        ));
                    }
                }
            }
        }
        // Lists of names.
        _ => {
            let mut inner = strategies;
            while let Some(names) = block(&mut inner) {
                counts.push(names.len());
            }
        }
    }
    let [rows, columns] = counts[..] else {
        return Err(fail(&format!(
            "strategies of {} players; expected two",
            counts.len()
        )));
    };
    if matches!(rest.first(), Some(Token::Text)) {
        rest = &rest[1..];
    }
    let values: Vec<[f64; 2]> = if matches!(rest.first(), Some(Token::Open)) {
        // A list of outcomes, then the number of the outcome of each profile; 0 pays nothing.
        let mut inner =
            block(&mut rest).ok_or_else(|| fail("the list of outcomes does not end"))?;
        let mut outcomes = vec![[0.0; 2]];
        while let Some(outcome) = block(&mut inner) {
            let numbers: Vec<f64> = outcome.iter().filter_map(value).collect();
            let [a, b] = numbers[..] else {
                return Err(fail(&format!(
                    "outcome {} has {} payoffs; expected two",
                    outcomes.len(),
                    numbers.len()
                )));
            };
            outcomes.push([a, b]);
        }
        let pick = |token: &Token| {
            let index = value(token).filter(|i| i.fract() == 0.0 && *i >= 0.0)? as usize;
            outcomes.get(index).copied()
        };
        rest.iter()
            .map(pick)
            .collect::<Option<_>>()
            .ok_or_else(|| fail("a profile names an outcome that is not in the list"))?
    } else {
        let numbers: Vec<f64> = rest
            .iter()
            .map(value)
            .collect::<Option<_>>()
            .ok_or_else(|| fail("expected nothing but numbers after the strategies"))?;
        if numbers.len() % 2 == 1 {
            return Err(fail(
                "an odd number of payoffs; expected a pair for each profile",
            ));
        }
        numbers.chunks(2).map(|p| [p[0], p[1]]).collect()
    };
    if values.len() != rows * columns {
        return Err(fail(&format!(
            "payoffs of {} profiles; expected {rows} × {columns}",
            values.len()
        )));
    }
    let row = |r: usize| (0..columns).map(|c| values[c * rows + r]).collect();
    let table: Vec<Vec<[f64; 2]>> = (0..rows).map(row).collect();
    let name = title.filter(|t| !t.is_empty()).unwrap_or(name.into());
    MatrixGame::new(name, &table)
}

fn value(token: &Token) -> Option<f64> {
    match token {
        Token::Number(x) => Some(*x),
        _ => None,
    }
}

/// Takes `{ … }` off the front and gives what is inside.
fn block<'a>(rest: &mut &'a [Token]) -> Option<&'a [Token]> {
    if rest.first() != Some(&Token::Open) {
        return None;
    }
    let mut depth = 0_usize;
    for (i, token) in rest.iter().enumerate() {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let inside = &rest[1..i];
            *rest = &rest[i + 1..];
            return Some(inside);
        }
    }
    None
}

/// The tokens, and the first quoted text (the title).
fn tokens(text: &str) -> Result<(Vec<Token>, Option<String>), (usize, String)> {
    let mut found = vec![];
    let mut title = None;
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let used = match first {
            '{' => {
                found.push(Token::Open);
                1
            }
            '}' => {
                found.push(Token::Close);
                1
            }
            '"' => {
                // A quote inside is written `\"`.
                let mut escaped = false;
                let end = rest[1..].find(|c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                });
                let end = end.ok_or((line, "a text without its closing quote".to_owned()))?;
                title.get_or_insert_with(|| rest[1..=end].to_owned());
                found.push(Token::Text);
                end + 2
            }
            c if c.is_whitespace() || c == ',' => c.len_utf8(),
            _ => {
                let end = rest
                    .find(|c: char| c.is_whitespace() || "{}\",".contains(c))
                    .unwrap_or(rest.len());
                let word = &rest[..end];
                found.push(number_of(word).map_or_else(|| Token::Word(word.into()), Token::Number));
                end
            }
        };
        line += rest[..used].matches('\n').count();
        rest = &rest[used..];
    }
    Ok((found, title))
}

/// A decimal number or a fraction such as `3/4`.
fn number_of(word: &str) -> Option<f64> {
    if let Some((a, b)) = word.split_once('/') {
        return Some(a.parse::<f64>().ok()? / b.parse::<f64>().ok()?).filter(|x| x.is_finite());
    }
    let starts = word
        .trim_start_matches(['-', '+'])
        .starts_with(|c: char| c.is_ascii_digit() || c == '.');
    word.parse().ok().filter(|_| starts)
}

#[cfg(test)]
mod tests {
    use crate::games::{from_nfg, named};

    #[test]
    fn both_versions_of_gambits_form_are_read() {
        let payoffs = "NFG 1 R \"Bach or \\\"Stravinsky\\\"\" { \"one\" \"two\" }\n{ { \"B\" \"S\" } { \"B\" \"S\" } }\n\"\"\n4 1 0 0 0 0 2 2\n";
        let outcomes = "NFG 1 D \"x\" { \"a\" \"b\" } { 2 2 }\n{ { \"bb\" 4, 1 } { \"ss\" 4/2 2.0 } }\n1 0 0 2";
        for text in [payoffs, outcomes] {
            assert_eq!(
                from_nfg(text).unwrap().table(),
                named("asym-bos").unwrap().table()
            );
        }
        for (text, part) in [
            ("", "expected a head"),
            ("NFG 1 R \"x", "line 1: a text without"),
            ("NFG 1 R \"x\" { \"a\" \"b\" \"c\" } { 2 2 2 }", "3 players"),
            ("NFG 1 R \"x\" { \"a\" \"b\" } { 2 0 }", "no whole number"),
            ("NFG 1 R \"x\" { \"a\" \"b\" } { 1 2 } 1 2 3", "odd number"),
            (
                "NFG 1 R \"x\" { \"a\" \"b\" } { 1 2 } 1 2",
                "payoffs of 1 profiles",
            ),
            (
                "NFG 1 R \"x\" { \"a\" \"b\" } { 1 1 } { { \"o\" 1 2 } } 2",
                "not in the list",
            ),
            (
                "NFG 1 R \"x\" { \"a\" \"b\" } { 1 1 } { { \"o\" 1 2 ",
                "does not end",
            ),
            ("NFG 1 R \"x\" } {", "players' names"),
        ] {
            let error = from_nfg(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
