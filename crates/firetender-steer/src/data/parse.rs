//! From bytes to records, within bounds.

use std::{fmt, fs::File, io::Read, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor},
};

use super::{Labelled, Records};
use crate::SteerError;

/// Largest file, largest record, and most records that are read.
const MAX_FILE: u64 = 64 << 20;
const MAX_RECORD: usize = 1 << 20;
const MAX_RECORDS: usize = 1_000_000;

/// Keys of each shape: those it must have, and those it may have.
type Shape = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);
const SHAPES: [Shape; 9] = [
    ("concept sentences", &["concept", "sentence"], &[]),
    ("questions", &["category", "question"], &["jailbreak"]),
    (
        "refusal pairs",
        &["question", "decline_answer", "respond_answer"],
        &[],
    ),
    (
        "behaviour questions",
        &[
            "question",
            "answer_matching_behavior",
            "answer_not_matching_behavior",
        ],
        &[],
    ),
    ("prompt pairs", &["bad_prompt", "good_prompt"], &[]),
    (
        "suggested answers",
        &[
            "original_question",
            "biased_question",
            "ground_truth",
            "biased_option",
            "original_dataset",
        ],
        &[],
    ),
    ("instructions", &["instruction", "input", "output"], &[]),
    ("problems", &["question", "answer"], &[]),
    (
        "multiple choice",
        &["question", "mc0_targets", "mc1_targets", "mc2_targets"],
        &[],
    ),
];

/// A whole file, if it is text of a sensible size.
pub(super) fn text(path: &Path) -> Result<String, SteerError> {
    let io = |source| SteerError::Io {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let mut bytes = vec![];
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    let place = Place(path.display().to_string());
    if bytes.len() as u64 > MAX_FILE {
        let what = format!("more than {MAX_FILE} bytes; expected a file of texts");
        return Err(place.fail(None, what));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|b| **b == b'\n').count();
        place.fail(Some(line), "not UTF-8 text".into())
    })
}

/// The file that errors speak of.
struct Place(String);

impl Place {
    fn fail(&self, line: Option<usize>, what: String) -> SteerError {
        SteerError::Data {
            path: self.0.clone(),
            line,
            what,
        }
    }
}

pub(super) fn records(text: &str, name: &str) -> Result<Records, SteerError> {
    let place = Place(name.into());
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let records = match text.trim_start().as_bytes().first() {
        None => return Err(place.fail(None, "the file is empty".into())),
        Some(_) if name.to_lowercase().ends_with(".csv") => csv(text, &place)?,
        Some(b'[') => list(text, &place)?,
        Some(b'{') => lines(text, &place)?,
        Some(_) => {
            let rows = text.lines().enumerate();
            let rows = rows.filter(|(_, line)| !line.trim().is_empty());
            let texts: Vec<(usize, String)> = rows
                .map(|(at, line)| (at + 1, line.trim().to_owned()))
                .collect();
            for (line, text) in &texts {
                place.bound(*line, text.len())?;
            }
            Records::Texts(texts.into_iter().map(|(_, text)| text).collect())
        }
    };
    match records.len() {
        0 => Err(place.fail(None, "no records; expected one or more".into())),
        n if n > MAX_RECORDS => {
            Err(place.fail(None, format!("{n} records; expected at most {MAX_RECORDS}")))
        }
        _ => Ok(records),
    }
}

impl Place {
    fn bound(&self, line: usize, bytes: usize) -> Result<(), SteerError> {
        if bytes <= MAX_RECORD {
            return Ok(());
        }
        let what = format!("a record of {bytes} bytes; expected at most {MAX_RECORD}");
        Err(self.fail(Some(line), what))
    }
}

/// The first thing of a JSON list or the object on a line: all that is needed to tell the shape.
enum First {
    Text,
    Keys(Vec<String>),
}

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = First;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or an object")
            }

            fn visit_str<E>(self, _: &str) -> Result<First, E> {
                Ok(First::Text)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<First, A::Error> {
                let mut keys: Vec<String> = vec![];
                while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    if keys.len() < 64 {
                        keys.push(key);
                    }
                }
                Ok(First::Keys(keys))
            }
        }
        from.deserialize_any(Look)
    }
}

/// The shape that has exactly these keys.
fn shape(keys: &[String], line: usize, place: &Place) -> Result<&'static str, SteerError> {
    let has = |key: &&str| keys.iter().any(|k| k == key);
    let complete = |shape: &&Shape| shape.1.iter().all(&has);
    let foreign = |shape: &Shape| {
        let known = |key: &str| shape.1.contains(&key) || shape.2.contains(&key);
        keys.iter().find(|key| !known(key)).cloned()
    };
    if let Some(fits) = SHAPES
        .iter()
        .filter(complete)
        .find(|s| foreign(s).is_none())
    {
        return Ok(fits.0);
    }
    // The most demanding shape that is there in full: what is more than that is unknown.
    let nearest = SHAPES.iter().filter(complete).max_by_key(|s| s.1.len());
    Err(match nearest {
        Some(near) => place.fail(
            Some(line),
            format!(
                "unknown key `{}` among {}; expected {}",
                foreign(near).unwrap_or_default(),
                near.0,
                near.1.join(", ")
            ),
        ),
        None => {
            let known: Vec<String> = SHAPES.iter().map(|s| s.1.join(", ")).collect();
            place.fail(
                Some(line),
                format!(
                    "keys {} are of no known shape; expected {}",
                    keys.join(", "),
                    known.join("; or ")
                ),
            )
        }
    })
}

/// One JSON list.
fn list(text: &str, place: &Place) -> Result<Records, SteerError> {
    let wrong = |error: &serde_json::Error| place.fail(Some(error.line()), error.to_string());
    let start = text.find('[').map_or(0, |at| at + 1);
    let line = 1 + text[..start].matches('\n').count();
    let mut first = serde_json::Deserializer::from_str(&text[start..]).into_iter::<First>();
    let keys = match first.next() {
        Some(Ok(First::Keys(keys))) => keys,
        Some(Ok(First::Text)) => {
            let texts: Vec<String> = serde_json::from_str(text).map_err(|e| wrong(&e))?;
            for text in &texts {
                place.bound(line, text.len())?;
            }
            return Ok(Records::Texts(texts));
        }
        // Whatever is wrong, the parser of the whole says so; an empty list is said to be one.
        _ => {
            let texts: Vec<String> = serde_json::from_str(text).map_err(|e| wrong(&e))?;
            return Ok(Records::Texts(texts));
        }
    };
    fn all<T: DeserializeOwned>(
        text: &str,
        wrong: &dyn Fn(&serde_json::Error) -> SteerError,
    ) -> Result<Vec<T>, SteerError> {
        serde_json::from_str(text).map_err(|error| wrong(&error))
    }
    Ok(match shape(&keys, line, place)? {
        "concept sentences" => Records::Sentences(all(text, &wrong)?),
        "questions" => Records::Questions(all(text, &wrong)?),
        "refusal pairs" => Records::Refusals(all(text, &wrong)?),
        "behaviour questions" => Records::Behaviours(all(text, &wrong)?),
        "prompt pairs" => Records::PromptPairs(all(text, &wrong)?),
        "suggested answers" => Records::Suggestions(all(text, &wrong)?),
        "instructions" => Records::Instructions(all(text, &wrong)?),
        "problems" => Records::Problems(all(text, &wrong)?),
        _ => Records::Choices(all(text, &wrong)?),
    })
}

/// One JSON object a line.
fn lines(text: &str, place: &Place) -> Result<Records, SteerError> {
    fn all<T: DeserializeOwned>(text: &str, place: &Place) -> Result<Vec<T>, SteerError> {
        let mut rows = vec![];
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            place.bound(at + 1, line.len())?;
            let row = serde_json::from_str(line).map_err(|error| {
                // The parser counts lines within the line.
                let what = error.to_string();
                let what = what
                    .split(" at line ")
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                place.fail(Some(at + 1), format!("{what} (column {})", error.column()))
            })?;
            rows.push(row);
            if rows.len() > MAX_RECORDS {
                break;
            }
        }
        Ok(rows)
    }
    let first = text.lines().enumerate().find(|(_, l)| !l.trim().is_empty());
    let (at, line) = first.unwrap_or((0, ""));
    place.bound(at + 1, line.len())?;
    let keys = match serde_json::from_str::<First>(line) {
        Ok(First::Keys(keys)) => keys,
        Ok(First::Text) => vec![],
        Err(error) => {
            let what = format!("{error}; expected one JSON object a line");
            return Err(place.fail(Some(at + 1), what));
        }
    };
    Ok(match shape(&keys, at + 1, place)? {
        "concept sentences" => Records::Sentences(all(text, place)?),
        "questions" => Records::Questions(all(text, place)?),
        "refusal pairs" => Records::Refusals(all(text, place)?),
        "behaviour questions" => Records::Behaviours(all(text, place)?),
        "prompt pairs" => Records::PromptPairs(all(text, place)?),
        "suggested answers" => Records::Suggestions(all(text, place)?),
        "instructions" => Records::Instructions(all(text, place)?),
        "problems" => Records::Problems(all(text, place)?),
        _ => Records::Choices(all(text, place)?),
    })
}

/// Comma-separated values with a header: `statement,label`, or those of `XSTest`.
fn csv(text: &str, place: &Place) -> Result<Records, SteerError> {
    let mut table = Table::new(text);
    let (_, header) = table.next(place)?.unwrap_or_default();
    let names: Vec<&str> = header.iter().map(|name| name.trim()).collect();
    let (text_at, label_at, category_at) = match names.as_slice() {
        ["statement", "label"] => (0, 1, None),
        ["id", "prompt", "type", "label", "focus", "note"] => (1, 3, Some(2)),
        _ => {
            let what = format!(
                "columns {}; expected statement, label or id, prompt, type, label, focus, note",
                names.join(", ")
            );
            return Err(place.fail(Some(1), what));
        }
    };
    let mut rows = vec![];
    while let Some((line, record)) = table.next(place)? {
        if record.len() != header.len() {
            let (found, expected) = (record.len(), header.len());
            let what = format!("{found} fields; expected {expected}, as in the header");
            return Err(place.fail(Some(line), what));
        }
        let field = |at: usize| record[at].trim().to_owned();
        let row = Labelled {
            text: field(text_at),
            label: field(label_at),
            category: category_at.map(field),
        };
        if row.text.is_empty() || row.label.is_empty() {
            return Err(place.fail(Some(line), "a text or a label is empty".into()));
        }
        rows.push(row);
        if rows.len() > MAX_RECORDS {
            break;
        }
    }
    Ok(Records::Labelled(rows))
}

/// The records of a CSV text, one after the other.
struct Table<'a> {
    reader: csv_core::Reader,
    rest: &'a [u8],
    fields: Vec<u8>,
    ends: Vec<usize>,
}

impl<'a> Table<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            reader: csv_core::Reader::new(),
            rest: text.as_bytes(),
            fields: vec![0; MAX_RECORD],
            ends: vec![0; 64],
        }
    }

    /// The line on which the next record begins, and its fields; `None` at the end.
    fn next(&mut self, place: &Place) -> Result<Option<(usize, Vec<String>)>, SteerError> {
        let line = self.reader.line() as usize;
        let (mut written, mut found) = (0, 0);
        loop {
            let (result, read, wrote, ended) = self.reader.read_record(
                self.rest,
                &mut self.fields[written..],
                &mut self.ends[found..],
            );
            self.rest = &self.rest[read..];
            written += wrote;
            found += ended;
            match result {
                // Nothing is left: the next call, without input, ends the record or the file.
                csv_core::ReadRecordResult::InputEmpty => {}
                csv_core::ReadRecordResult::OutputFull => place.bound(line, MAX_RECORD + 1)?,
                csv_core::ReadRecordResult::OutputEndsFull => {
                    return Err(place.fail(Some(line), "more than 64 fields".into()));
                }
                csv_core::ReadRecordResult::Record => break,
                csv_core::ReadRecordResult::End => return Ok(None),
            }
        }
        let mut start = 0;
        let mut fields = Vec::with_capacity(found);
        for end in &self.ends[..found] {
            // Fields are cut at ASCII characters, so they are text as the whole is.
            fields.push(String::from_utf8_lossy(&self.fields[start..*end]).into_owned());
            start = *end;
        }
        Ok(Some((line, fields)))
    }
}
