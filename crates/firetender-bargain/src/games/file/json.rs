//! The JSON forms of a game.

use serde_json::{Map, Value};

use crate::{BargainError, MatrixGame};

/// Names of the whole table.
const TABLE: [&str; 5] = ["payoffs", "payoff", "table", "matrix", "utilities"];
/// Names of one player's matrix.
const ROW: [&str; 11] = [
    "row",
    "rows",
    "player1",
    "player_1",
    "p1",
    "row_player",
    "A",
    "a",
    "1",
    "red",
    "payoffs1",
];
const COLUMN: [&str; 11] = [
    "column",
    "columns",
    "player2",
    "player_2",
    "p2",
    "column_player",
    "B",
    "b",
    "2",
    "blue",
    "payoffs2",
];

pub(super) fn parse(text: &str, name: &str, place: &str) -> Result<MatrixGame, BargainError> {
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
    let name = ["name", "title"]
        .iter()
        .find_map(|key| map.get(*key))
        .map_or(Ok(name), |v| {
            v.as_str()
                .ok_or_else(|| fail(format!("`name` is {}; expected a text", kind(v))))
        })?;
    let counts = match map.get("actions") {
        None => None,
        Some(actions) => Some(counts(actions).map_err(fail)?),
    };
    let rows = table(&map, counts).map_err(fail)?;
    let game = MatrixGame::new(name, &rows)?;
    match counts {
        Some(counts) if counts != game.actions() => Err(fail(format!(
            "`actions` names {counts:?} actions; the payoffs have {:?}",
            game.actions()
        ))),
        _ => Ok(game),
    }
}

type Rows = Vec<Vec<[f64; 2]>>;

/// The first of several keys that is there.
fn find<'a>(
    map: &'a Map<String, Value>,
    keys: &[&'static str],
) -> Option<(&'static str, &'a Value)> {
    keys.iter().find_map(|key| map.get(*key).map(|v| (*key, v)))
}

fn table(map: &Map<String, Value>, counts: Option<[usize; 2]>) -> Result<Rows, String> {
    match (find(map, &TABLE), find(map, &ROW), find(map, &COLUMN)) {
        (Some((_, Value::Object(inner))), None, None) if find(inner, &TABLE).is_none() => {
            table(inner, counts)
        }
        (Some((key, payoffs)), None, None) => pairs(key, payoffs, counts),
        (None, Some(row), Some(column)) => joined(row, column),
        _ => Err(format!(
            "expected either `payoffs` (rows of pairs), or `row` and `column` (one matrix a player); found {}",
            list_of(map)
        )),
    }
}

fn list_of(map: &Map<String, Value>) -> String {
    let keys: Vec<String> = map.keys().take(8).map(|key| format!("`{key}`")).collect();
    if keys.is_empty() {
        "nothing".into()
    } else {
        keys.join(", ")
    }
}

fn joined(row: (&str, &Value), column: (&str, &Value)) -> Result<Rows, String> {
    let (a, b) = (matrix(row)?, matrix(column)?);
    let shape = |m: &[Vec<f64>]| m.iter().map(Vec::len).collect::<Vec<_>>();
    if shape(&a) != shape(&b) {
        return Err(format!(
            "`{}` has rows of {:?} numbers and `{}` of {:?}; expected the same shape",
            row.0,
            shape(&a),
            column.0,
            shape(&b)
        ));
    }
    let join = |(a, b): (Vec<f64>, Vec<f64>)| a.into_iter().zip(b).map(|(x, y)| [x, y]).collect();
    Ok(a.into_iter().zip(b).map(join).collect())
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

/// Lists inside lists, down to the first thing that is none.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.first().map_or(0, depth),
        _ => 0,
    }
}

fn pairs(key: &str, payoffs: &Value, counts: Option<[usize; 2]>) -> Result<Rows, String> {
    let cells = list(payoffs, &format!("`{key}`"))?;
    let pair = |place: String, value: &Value| match list(value, &place)? {
        [a, b] => Ok([number(a, &place)?, number(b, &place)?]),
        other => Err(format!(
            "{place} has {} numbers; expected a pair",
            other.len()
        )),
    };
    if depth(payoffs) == 2 && cells.len() > 1 {
        // Pairs in one list.
        let root = cells.len().isqrt();
        let columns = match counts {
            Some([_, columns]) => columns,
            None if root * root == cells.len() => root,
            None => {
                return Err(format!(
                    "`{key}` is a flat list of {} pairs; expected rows of pairs, or `actions` to say how many rows and columns there are",
                    cells.len()
                ));
            }
        };
        let flat = cells
            .iter()
            .enumerate()
            .map(|(i, v)| pair(format!("`{key}`, pair {i}"), v));
        let flat = flat.collect::<Result<Vec<_>, _>>()?;
        return Ok(flat.chunks(columns.max(1)).map(<[_]>::to_vec).collect());
    }
    if let [a, b] = cells
        && depth(payoffs) == 3
        && [a, b].iter().any(|m| wide(m))
    {
        return joined((&format!("{key}[0]"), a), (&format!("{key}[1]"), b));
    }
    let row = |(r, value): (usize, &Value)| {
        let cells = list(value, &format!("`{key}`, row {r}"))?
            .iter()
            .enumerate();
        cells
            .map(|(c, v)| pair(format!("`{key}`, row {r}, column {c}"), v))
            .collect()
    };
    cells.iter().enumerate().map(row).collect()
}

/// Whether all rows of a matrix have the same number of cells, which is not two: then they are no pairs.
fn wide(matrix: &Value) -> bool {
    let Value::Array(rows) = matrix else {
        return false;
    };
    let mut lengths = rows.iter().map(|row| row.as_array().map_or(0, Vec::len));
    let first = lengths.next().unwrap_or(0);
    first > 2 && lengths.all(|n| n == first) && rows.len() > 1
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

/// `actions`: two numbers, two lists of names, or one list of names for both.
fn counts(actions: &Value) -> Result<[usize; 2], String> {
    let wrong = || "`actions` is neither two numbers nor two lists of names".to_owned();
    let both = list(actions, "`actions`")?;
    if both.iter().all(Value::is_string) && !both.is_empty() {
        return Ok([both.len(); 2]);
    }
    let [a, b] = both else { return Err(wrong()) };
    let count = |value: &Value| match value {
        Value::Number(n) => n
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(wrong),
        other => Ok(list(other, "an entry of `actions`")?.len()),
    };
    Ok([count(a)?, count(b)?])
}

#[cfg(test)]
mod tests {
    use crate::games::{from_json, named};

    #[test]
    fn json_forms_agree() {
        let forms = [
            r#"[[[4,1],[0,0]],[[0,0],[2,2]]]"#,
            r#"{"payoffs":[[[4,1],[0,0]],[[0,0],[2,2]]],"actions":[["B","S"],["B","S"]]}"#,
            r#"{"payoffs":[[[4,1],[0,0]],[[0,0],[2,2]]],"actions":["B","S"],"players":2}"#,
            r#"{"row":[[4,0],[0,2]],"column":[[1,0],[0,2]]}"#,
            r#"{"payoffs":{"row":[[4,0],[0,2]],"column":[[1,0],[0,2]]}}"#,
            r#"{"title":"x","player1":[[4,0],[0,2]],"player2":[[1,0],[0,2]],"comment":"two forms"}"#,
            r#"{"payoffs":[[4,1],[0,0],[0,0],[2,2]]}"#,
            r#"{"payoffs":[[4,1],[0,0],[0,0],[2,2]],"actions":[2,2]}"#,
        ];
        let game = named("asym-bos").unwrap();
        for form in forms {
            assert_eq!(from_json(form).unwrap().table(), game.table(), "{form}");
        }
        let two = from_json("[[[1,2,3],[4,5,6]],[[0,0,1],[0,0,2]]]").unwrap();
        assert_eq!((two.actions(), two.payoffs(1, 2)), ([2, 3], [6.0, 2.0]));
    }

    #[test]
    fn what_is_no_game_says_where() {
        for (text, part) in [
            ("", "no valid JSON"),
            ("3", "found a number"),
            ("{}", "expected either `payoffs`"),
            (r#"{"row":[[1]]}"#, "expected either"),
            (r#"{"row":[[1]],"column":[[1,2]]}"#, "the same shape"),
            (r#"[[[1,2,3],[1,2,3]]]"#, "row 0, column 0 has 3 numbers"),
            (r#"[[["a",2]]]"#, "row 0, column 0 is a text"),
            (r#"[[[null,2]]]"#, "row 0, column 0 is null"),
            (r#"[[[1,2],[1,2]],[[1,2]]]"#, "row 1 has 1"),
            (r#"[[1,2],[1,2],[1,2]]"#, "flat list of 3 pairs"),
            (
                r#"{"payoffs":[[[1,2]]],"actions":[["a"],["b","c"]]}"#,
                "names [1, 2]",
            ),
            (r#"{"payoffs":[[[1,2]]],"name":3}"#, "`name` is a number"),
            (r#"[[[1e999,2]]]"#, "no valid JSON"),
            (r#"[[[1,2]],[[1,2]]]"#, "player 2 has one action"),
        ] {
            let error = from_json(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
