//! Reading and writing of tasks: the official `.jsonl` and the older `.csv`.

use serde_json::{Map, Value};

use crate::{
    Example, ScalingError, Task,
    csv::read_csv,
    manifest::{OFFICIAL, sha256_hex},
    parse_list, write_list,
};

/// Bound on a line.
const MAX_LINE: usize = 4 << 20;

/// Reads a task from the text of a file; `name` is the file's name, which tells the task, and whether it is comma-separated (`.csv`, `.tsv`) or one JSON object a line.
///
/// The columns tell the type: `other_prompt` makes log-odds, `completion` a sequence probability, `true_answer` a numeric task, else it is a classification.
/// `classes` may be a list or Python's literal of one; `text` and `target`, the Hub's names, are taken for `prompt` and `answer_index`.
///
/// ```
/// let line = r#"{"prompt":"2 + 2 =","classes":"[' 4', ' 5']","answer_index":0,"round":1,"part":1}"#;
/// let task = firetender_scaling::read_task("sums.jsonl", &format!("{line}\n"))?;
/// assert_eq!(task.examples[0].answer_text(), Some(" 4"));
/// assert_eq!(firetender_scaling::write_task(&task.examples), format!("{line}\n"));
/// # Ok::<(), firetender_scaling::ScalingError>(())
/// ```
///
/// # Errors
/// [`ScalingError::Parse`] with line and column for anything that is not as described, and for an example that cannot be scored: no or empty or equal classes, an
/// answer outside of them; [`ScalingError::File`] for a file without examples.
pub fn read_task(name: &str, text: &str) -> Result<Task, ScalingError> {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let lower = file.to_lowercase();
    let examples = if lower.ends_with(".csv") || lower.ends_with(".tsv") {
        from_csv(name, text)?
    } else {
        from_jsonl(name, text)?
    };
    if examples.is_empty() {
        return Err(ScalingError::File {
            place: name.into(),
            what: "no examples".into(),
        });
    }
    let official = OFFICIAL.iter().find(|official| official.file == file);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    Ok(Task {
        name: official.map_or(stem, |official| official.task).into(),
        cause: official.map(|official| official.cause),
        examples,
        sha256: sha256_hex(text.as_bytes()),
        origin: "as published".into(),
    })
}

/// One field of a record, wherever it came from.
enum Field<'a> {
    Text(&'a str),
    Json(&'a Value),
}

/// Where an error is.
struct Place<'a> {
    file: &'a str,
    line: usize,
}

impl Place<'_> {
    fn fail<T>(&self, column: usize, what: impl Into<String>) -> Result<T, ScalingError> {
        Err(ScalingError::Parse {
            place: self.file.into(),
            line: self.line,
            column,
            what: what.into(),
        })
    }
}

fn from_jsonl(file: &str, text: &str) -> Result<Vec<Example>, ScalingError> {
    let mut examples = vec![];
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.split('\n').enumerate() {
        let place = Place {
            file,
            line: index + 1,
        };
        if line.trim().is_empty() {
            continue;
        }
        if line.len() > MAX_LINE {
            return place.fail(
                MAX_LINE,
                format!("a line of {} bytes; expected at most 4 MB", line.len()),
            );
        }
        let record: Map<String, Value> = match serde_json::from_str(line) {
            Ok(record) => record,
            Err(error) => {
                let what = error.to_string();
                let what = what.split(" at line").next().unwrap_or_default();
                return place.fail(
                    error.column().max(1),
                    format!("{what}; expected a JSON object"),
                );
            }
        };
        let find = |names: &[&str]| {
            names.iter().find_map(|name| {
                let value = record.get(*name)?;
                // Where the name stands in the line, as the column of an error.
                let column = line
                    .find(&format!("\"{name}\""))
                    .map_or(1, |at| line[..at].chars().count() + 1);
                Some((Field::Json(value), column))
            })
        };
        examples.push(example(&find, &place)?);
    }
    Ok(examples)
}

fn from_csv(file: &str, text: &str) -> Result<Vec<Example>, ScalingError> {
    let (header, rows) = read_csv(text, file)?;
    rows.iter()
        .map(|row| {
            let place = Place {
                file,
                line: row.line,
            };
            let find = |names: &[&str]| {
                names.iter().find_map(|name| {
                    let at = header
                        .fields
                        .iter()
                        .position(|field| field.trim() == *name)?;
                    Some((Field::Text(&row.fields[at]), at + 1))
                })
            };
            example(&find, &place)
        })
        .collect()
}

type Find<'a> = dyn Fn(&[&str]) -> Option<(Field<'a>, usize)> + 'a;

fn example(find: &Find<'_>, place: &Place<'_>) -> Result<Example, ScalingError> {
    let prompt = text(find, place, &["prompt", "text", "filled_template"])?;
    let example = if find(&["other_prompt"]).is_some() {
        Example::LogOdds {
            prompt,
            other_prompt: text(find, place, &["other_prompt"])?,
            classes: classes(find, place)?,
            answer: answer(find, place)?,
        }
    } else if find(&["completion"]).is_some() {
        Example::SequenceProb {
            prompt,
            completion: text(find, place, &["completion"])?,
            round: small(find, place, "round")?,
            part: small(find, place, "part")?,
        }
    } else if find(&["true_answer"]).is_some() {
        Example::Numeric {
            prompt,
            true_answer: number(find, place, "true_answer")?,
            anchor: number(find, place, "anchor")?,
        }
    } else {
        Example::Classification {
            prompt,
            classes: classes(find, place)?,
            answer: answer(find, place)?,
            round: small(find, place, "round")?,
            part: small(find, place, "part")?,
        }
    };
    let column = find(&["classes"]).map_or(1, |(_, column)| column);
    Task::check(&example).or_else(|what| place.fail(column, what))?;
    Ok(example)
}

fn missing<T>(place: &Place<'_>, name: &str) -> Result<T, ScalingError> {
    place.fail(
        1,
        format!("no `{name}`; expected prompt, classes and answer_index (or prompt and completion, or prompt, other_prompt, classes and answer_index)"),
    )
}

fn text(find: &Find<'_>, place: &Place<'_>, names: &[&str]) -> Result<String, ScalingError> {
    match find(names) {
        Some((Field::Text(text), _)) => Ok(text.into()),
        Some((Field::Json(Value::String(text)), _)) => Ok(text.clone()),
        Some((Field::Json(other), column)) => place.fail(
            column,
            format!("`{}` is {}; expected a string", names[0], kind(other)),
        ),
        None => missing(place, names[0]),
    }
}

fn classes(find: &Find<'_>, place: &Place<'_>) -> Result<Vec<String>, ScalingError> {
    let literal = match find(&["classes"]) {
        None => return missing(place, "classes"),
        Some((Field::Text(text), column)) => (text, column),
        Some((Field::Json(Value::String(text)), column)) => (text.as_str(), column),
        Some((Field::Json(Value::Array(items)), column)) => {
            return items
                .iter()
                .map(|item| match item {
                    Value::String(text) => Ok(text.clone()),
                    other => place.fail(
                        column,
                        format!("a class is {}; expected a string", kind(other)),
                    ),
                })
                .collect();
        }
        Some((Field::Json(other), column)) => {
            return place.fail(
                column,
                format!("`classes` is {}; expected a list of strings", kind(other)),
            );
        }
    };
    parse_list(literal.0).or_else(|error| {
        place.fail(
            literal.1,
            format!("`classes`, character {}: {}", error.at + 1, error.what),
        )
    })
}

fn answer(find: &Find<'_>, place: &Place<'_>) -> Result<usize, ScalingError> {
    match whole(find, place, &["answer_index", "target"])? {
        Some(index) => Ok(index as usize),
        None => missing(place, "answer_index"),
    }
}

fn small(find: &Find<'_>, place: &Place<'_>, name: &str) -> Result<Option<u32>, ScalingError> {
    Ok(whole(find, place, &[name])?.map(|value| value as u32))
}

/// A whole number from 0 to 2³¹; `None` where the field is missing, null or empty.
fn whole(find: &Find<'_>, place: &Place<'_>, names: &[&str]) -> Result<Option<u64>, ScalingError> {
    let (value, column, shown) = match find(names) {
        None | Some((Field::Json(Value::Null), _)) => return Ok(None),
        Some((Field::Text(text), _)) if text.trim().is_empty() => return Ok(None),
        Some((Field::Text(text), column)) => {
            (text.trim().parse().ok(), column, format!("`{text}`"))
        }
        Some((Field::Json(Value::String(text)), column)) => {
            (text.trim().parse().ok(), column, format!("`{text}`"))
        }
        Some((Field::Json(value), column)) => (value.as_f64(), column, value.to_string()),
    };
    match value {
        Some(value) if value >= 0.0 && value.fract() == 0.0 && value < 2_147_483_648.0 => {
            Ok(Some(value as u64))
        }
        _ => place.fail(
            column,
            format!(
                "`{}` is {shown}; expected a whole number of at least 0",
                names[0]
            ),
        ),
    }
}

fn number(find: &Find<'_>, place: &Place<'_>, name: &str) -> Result<f64, ScalingError> {
    let (value, column) = match find(&[name]) {
        None => return missing(place, name),
        Some((Field::Text(text), column)) => (text.trim().parse().ok(), column),
        Some((Field::Json(value), column)) => (value.as_f64(), column),
    };
    match value.filter(|value: &f64| value.is_finite()) {
        Some(value) => Ok(value),
        None => place.fail(column, format!("`{name}` is no finite number")),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Examples as the official files write them: compact JSON in ASCII with lower-case escapes, keys in the contest's order, one record a line. An official file
/// that was read comes out byte for byte.
#[must_use]
pub fn write_task(examples: &[Example]) -> String {
    let mut out = String::new();
    for example in examples {
        let mut fields: Vec<(&str, String)> = vec![("prompt", quoted(example.prompt()))];
        match example {
            Example::Classification {
                classes,
                answer,
                round,
                part,
                ..
            } => {
                fields.push(("classes", quoted(&write_list(classes))));
                fields.push(("answer_index", answer.to_string()));
                fields.extend(round.map(|value| ("round", value.to_string())));
                fields.extend(part.map(|value| ("part", value.to_string())));
            }
            Example::SequenceProb {
                completion,
                round,
                part,
                ..
            } => {
                fields.push(("completion", quoted(completion)));
                fields.extend(round.map(|value| ("round", value.to_string())));
                fields.extend(part.map(|value| ("part", value.to_string())));
            }
            Example::LogOdds {
                other_prompt,
                classes,
                answer,
                ..
            } => {
                fields.push(("other_prompt", quoted(other_prompt)));
                fields.push(("classes", quoted(&write_list(classes))));
                fields.push(("answer_index", answer.to_string()));
            }
            Example::Numeric {
                true_answer,
                anchor,
                ..
            } => {
                fields.push(("true_answer", true_answer.to_string()));
                fields.push(("anchor", anchor.to_string()));
            }
        }
        let fields: Vec<String> = fields
            .iter()
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        out.push_str(&format!("{{{}}}\n", fields.join(",")));
    }
    out
}

/// A JSON string in ASCII, as Python's `json.dumps` writes it.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_types_are_read_from_both_formats_and_written_again() {
        let jsonl = concat!(
            "{\"prompt\":\"p \\u03c0\",\"classes\":\"[' A', \\\" don't\\\"]\",\"answer_index\":1,\"round\":2,\"part\":3}\n",
            "{\"prompt\":\"p\",\"completion\":\" c\"}\n",
            "{\"prompt\":\"p\",\"other_prompt\":\"q\",\"classes\":\"[' A', ' B']\",\"answer_index\":0}\n",
            "{\"prompt\":\"p\",\"true_answer\":3.5,\"anchor\":10}\n",
        );
        let task = read_task("x.jsonl", jsonl).unwrap();
        let kinds: Vec<&str> = task.examples.iter().map(Example::kind).collect();
        assert_eq!(
            kinds,
            ["classification", "sequence_prob", "logodds", "numeric"]
        );
        assert_eq!(write_task(&task.examples), jsonl);
        let csv = ",prompt,classes,answer_index\n0,p π,\"[' A', \"\" don't\"\"]\",1\n";
        let Example::Classification {
            prompt,
            classes,
            answer,
            ..
        } = &read_task("x.csv", csv).unwrap().examples[0]
        else {
            panic!("a classification");
        };
        assert_eq!(
            (prompt.as_str(), classes[1].as_str(), *answer),
            ("p π", " don't", 1)
        );
    }

    #[test]
    fn the_hubs_names_and_real_lists_are_taken() {
        let line = r#"{"text":"p","classes":[" A"," B"],"target":1.0,"part":null}"#;
        let task = read_task("hub.jsonl", line).unwrap();
        assert_eq!(task.examples[0].answer_text(), Some(" B"));
    }

    #[test]
    fn what_is_wrong_is_said_with_line_and_column() {
        let good = r#"{"prompt":"p","classes":"[' A', ' B']","answer_index":0}"#;
        for (line, words) in [
            ("{\"prompt\":\"p\"", "line 2, column 13"),
            ("[1]", "expected a JSON object"),
            (r#"{"classes":"[' A']","answer_index":0}"#, "no `prompt`"),
            (
                r#"{"prompt":1,"classes":"[' A']","answer_index":0}"#,
                "`prompt` is a number",
            ),
            (
                r#"{"prompt":"p","classes":"[' A'","answer_index":0}"#,
                "column 15: `classes`, character 6",
            ),
            (
                r#"{"prompt":"p","classes":"[' A', ' A']","answer_index":0}"#,
                "are both",
            ),
            (
                r#"{"prompt":"p","classes":"[' A', ' B']","answer_index":2}"#,
                "answer_index is 2",
            ),
            (
                r#"{"prompt":"p","classes":"[' A', ' B']","answer_index":-1}"#,
                "expected a whole number",
            ),
            (
                r#"{"prompt":"p","classes":"[' A', ' B']"}"#,
                "no `answer_index`",
            ),
            (
                r#"{"prompt":"p","classes":[" A",2],"answer_index":0}"#,
                "a class is a number",
            ),
            (r#"{"prompt":"p","completion":""}"#, "completion is empty"),
            (r#"{"prompt":"\ud800","completion":" c"}"#, "line 2"),
        ] {
            let error = read_task("t.jsonl", &format!("{good}\n{line}\n"))
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("t.jsonl, line 2, column") && error.contains(words),
                "{error}"
            );
        }
        assert!(
            read_task("t.jsonl", "\n")
                .unwrap_err()
                .to_string()
                .contains("no examples")
        );
        let error = read_task("t.csv", "prompt,classes,answer_index\np,\"['A'\",0\n")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("t.csv, line 2, column 2"), "{error}");
        assert!(
            read_task("t.csv", "a,b\n1,2\n")
                .unwrap_err()
                .to_string()
                .contains("no `prompt`")
        );
    }

    proptest! {
        #[test]
        fn anything_written_is_read_again(prompt in ".*", a in ".+", b in ".+", answer in 0_usize..2) {
            prop_assume!(a != b);
            let example = Example::Classification {
                prompt, classes: vec![a, b], answer, round: Some(1), part: Some(2),
            };
            let written = write_task(std::slice::from_ref(&example));
            prop_assert!(written.is_ascii());
            prop_assert_eq!(&read_task("x.jsonl", &written).unwrap().examples[0], &example);
        }

        #[test]
        fn nothing_panics(text in ".*") {
            let _ = read_task("x.jsonl", &text);
            let _ = read_task("x.csv", &text);
        }
    }
}
