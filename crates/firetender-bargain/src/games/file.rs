//! Game descriptions in files: JSON in the forms that people write by hand, and Gambit's `.nfg`.
//!
//! A JSON game is an object with the payoffs as rows of pairs, or as one matrix a player:
//!
//! ```json
//! {"name": "asym-bos", "payoffs": [[[4, 1], [0, 0]], [[0, 0], [2, 2]]]}
//! {"name": "asym-bos", "row": [[4, 0], [0, 2]], "column": [[1, 0], [0, 2]]}
//! ```
//!
//! A bare list of rows of pairs is read, too. `actions` may name the actions; the names are checked and not used.

use std::{fs, io::Read, path::Path};

use serde_json::{Map, Value};

use crate::{BargainError, MatrixGame};

/// Bytes that a game description may have at most.
const LARGEST: u64 = 64 << 20;

/// Reads a game from a `.json` or `.nfg` file. A game without a name gets the file's.
///
/// # Errors
/// [`BargainError::File`] when it cannot be read, [`BargainError::Parse`] when it is no game description (with the place where
/// that is known), [`BargainError::Game`] when its payoffs are no game.
pub fn from_file(path: &Path) -> Result<MatrixGame, BargainError> {
    let failed = |source| BargainError::File {
        path: path.into(),
        source,
    };
    let place = path.display().to_string();
    let mut text = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(LARGEST + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > LARGEST {
        return Err(BargainError::Parse {
            place,
            what: format!("more than {LARGEST} bytes; expected a small game description"),
        });
    }
    let name = path
        .file_stem()
        .map_or("game".into(), |stem| stem.to_string_lossy().into_owned());
    if path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("nfg"))
    {
        parse_nfg(&text, &name, &place)
    } else {
        parse_json(&text, &name, &place)
    }
}

/// Reads a game from JSON text; see the [module](self) for its forms.
///
/// # Errors
/// As [`from_file`].
///
/// ```
/// use firetender_bargain::games::from_json;
/// let game = from_json(r#"{"row": [[4, 0], [0, 2]], "column": [[1, 0], [0, 2]]}"#).unwrap();
/// assert_eq!(game.payoffs(0, 0), [4.0, 1.0]);
/// assert!(from_json(r#"{"payofs": []}"#).unwrap_err().to_string().contains("unknown key `payofs`"));
/// ```
pub fn from_json(text: &str) -> Result<MatrixGame, BargainError> {
    parse_json(text, "game", "JSON text")
}

/// Reads a two-player game from Gambit's strategic form (`NFG 1 R` or `NFG 1 D`), in the payoff or the outcome version.
///
/// # Errors
/// As [`from_file`].
///
/// ```
/// use firetender_bargain::games::from_nfg;
/// // Gambit lists profiles with player 1's action running fastest.
/// let game = from_nfg("NFG 1 R \"Dilemma\" { \"A\" \"B\" } { 2 2 }\n-1 -1  0 -3  -3 0  -2 -2").unwrap();
/// assert_eq!(game.payoffs(1, 0), [0.0, -3.0]);
/// ```
pub fn from_nfg(text: &str) -> Result<MatrixGame, BargainError> {
    parse_nfg(text, "game", "NFG text")
}

fn parse_json(text: &str, name: &str, place: &str) -> Result<MatrixGame, BargainError> {
    let fail = |what: String| BargainError::Parse {
        place: place.into(),
        what,
    };
    let value: Value =
        serde_json::from_str(text).map_err(|e| fail(format!("no valid JSON: {e}")))?;
    let map = match value {
        Value::Array(_) => Map::from_iter([("payoffs".to_owned(), value)]),
        Value::Object(map) => map,
        other => {
            return Err(fail(format!(
                "found {}; expected an object with `payoffs`, or a list of rows",
                kind(&other)
            )));
        }
    };
    const KEYS: [&str; 9] = [
        "name", "title", "comment", "payoffs", "row", "column", "player1", "player2", "actions",
    ];
    if let Some(key) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(fail(format!(
            "unknown key `{key}`; known are {}",
            KEYS.join(", ")
        )));
    }
    let name = ["name", "title"]
        .iter()
        .find_map(|key| map.get(*key))
        .map_or(Ok(name), |v| {
            v.as_str()
                .ok_or_else(|| fail(format!("`name` is {}; expected a text", kind(v))))
        })?;
    let one =
        |keys: [&'static str; 2]| keys.iter().find_map(|key| map.get(*key).map(|v| (*key, v)));
    let rows = match (
        map.get("payoffs"),
        one(["row", "player1"]),
        one(["column", "player2"]),
    ) {
        (Some(payoffs), None, None) => pairs(payoffs).map_err(fail)?,
        (None, Some(row), Some(column)) => {
            let (a, b) = (matrix(row).map_err(fail)?, matrix(column).map_err(fail)?);
            let shape = |m: &[Vec<f64>]| m.iter().map(Vec::len).collect::<Vec<_>>();
            if shape(&a) != shape(&b) {
                return Err(fail(format!(
                    "`{}` has rows of {:?} numbers and `{}` of {:?}; expected the same shape",
                    row.0,
                    shape(&a),
                    column.0,
                    shape(&b)
                )));
            }
            let join =
                |(a, b): (Vec<f64>, Vec<f64>)| a.into_iter().zip(b).map(|(x, y)| [x, y]).collect();
            a.into_iter().zip(b).map(join).collect()
        }
        _ => {
            return Err(fail(
                "expected either `payoffs` (rows of pairs), or `row` and `column` (one matrix a player)".into(),
            ));
        }
    };
    let game = MatrixGame::new(name, &rows)?;
    if let Some(actions) = map.get("actions") {
        check_actions(actions, &game).map_err(fail)?;
    }
    Ok(game)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn list<'a>(value: &'a Value, place: &str) -> Result<&'a [Value], String> {
    match value {
        Value::Array(list) => Ok(list),
        other => Err(format!("{place} is {}; expected a list", kind(other))),
    }
}

fn number(value: &Value, place: &str) -> Result<f64, String> {
    value
        .as_f64()
        .ok_or_else(|| format!("{place} is {}; expected a number", kind(value)))
}

fn pairs(payoffs: &Value) -> Result<Vec<Vec<[f64; 2]>>, String> {
    let pair = |r: usize, c: usize, value: &Value| {
        let place = format!("`payoffs`, row {r}, column {c}");
        match list(value, &place)? {
            [a, b] => Ok([number(a, &place)?, number(b, &place)?]),
            other => Err(format!(
                "{place} has {} numbers; expected a pair",
                other.len()
            )),
        }
    };
    let row = |(r, value): (usize, &Value)| {
        let cells = list(value, &format!("`payoffs`, row {r}"))?;
        cells
            .iter()
            .enumerate()
            .map(|(c, v)| pair(r, c, v))
            .collect()
    };
    list(payoffs, "`payoffs`")?
        .iter()
        .enumerate()
        .map(row)
        .collect()
}

fn matrix((key, value): (&str, &Value)) -> Result<Vec<Vec<f64>>, String> {
    let row = |(r, value): (usize, &Value)| {
        let cells = list(value, &format!("`{key}`, row {r}"))?
            .iter()
            .enumerate();
        cells
            .map(|(c, v)| number(v, &format!("`{key}`, row {r}, column {c}")))
            .collect()
    };
    list(value, &format!("`{key}`"))?
        .iter()
        .enumerate()
        .map(row)
        .collect()
}

fn check_actions(actions: &Value, game: &MatrixGame) -> Result<(), String> {
    let lists = list(actions, "`actions`")?;
    let counts: Vec<usize> = lists
        .iter()
        .map(|names| Ok(list(names, "an entry of `actions`")?.len()))
        .collect::<Result<_, String>>()?;
    if counts == game.actions() {
        return Ok(());
    }
    Err(format!(
        "`actions` names {counts:?} actions; the payoffs have {:?}",
        game.actions()
    ))
}

/// A piece of an `.nfg` file.
#[derive(Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Text,
    Number(f64),
    Word(String),
}

fn parse_nfg(text: &str, name: &str, place: &str) -> Result<MatrixGame, BargainError> {
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
    use super::*;
    use crate::games::named;

    #[test]
    fn json_forms_agree() {
        let forms = [
            r#"[[[4,1],[0,0]],[[0,0],[2,2]]]"#,
            r#"{"payoffs":[[[4,1],[0,0]],[[0,0],[2,2]]],"actions":[["B","S"],["B","S"]]}"#,
            r#"{"row":[[4,0],[0,2]],"column":[[1,0],[0,2]]}"#,
            r#"{"title":"x","player1":[[4,0],[0,2]],"player2":[[1,0],[0,2]],"comment":"two forms"}"#,
        ];
        let game = named("asym-bos").unwrap();
        for form in forms {
            assert_eq!(from_json(form).unwrap().table(), game.table(), "{form}");
        }
    }

    #[test]
    fn what_is_no_game_says_where() {
        for (text, part) in [
            ("", "no valid JSON"),
            ("3", "found a number"),
            ("{}", "expected either `payoffs`"),
            (r#"{"row":[[1]]}"#, "expected either"),
            (r#"{"row":[[1]],"column":[[1,2]]}"#, "the same shape"),
            (r#"[[[1,2,3]]]"#, "row 0, column 0 has 3 numbers"),
            (r#"[[["a",2]]]"#, "row 0, column 0 is a text"),
            (r#"[[[1,2]],[]]"#, "row 1 has 0"),
            (
                r#"{"payoffs":[[[1,2]]],"actions":[["a"],["b","c"]]}"#,
                "names [1, 2]",
            ),
            (r#"{"payoffs":[[[1,2]]],"name":3}"#, "`name` is a number"),
            (r#"[[[1e999,2]]]"#, "no valid JSON"),
        ] {
            let error = from_json(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

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
