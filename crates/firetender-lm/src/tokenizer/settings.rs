//! `tokenizer_config.json` and `generation_config.json`: only what bears on tokens and chat templates.
//!
//! Unlike `config.json` these files hold dozens of keys for the classes of one library, so unknown keys are passed over.

use serde_json::Value;

use crate::LmError;

/// What `tokenizer_config.json` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    pub(crate) add_bos: Option<bool>,
    pub(crate) add_eos: Option<bool>,
    pub(crate) bos: Option<String>,
    pub(crate) eos: Option<String>,
    pub(crate) pad: Option<String>,
    pub(crate) chat_template: Option<String>,
}

impl Settings {
    pub(crate) fn parse_optional(json: Option<&[u8]>) -> Result<Self, LmError> {
        json.map_or_else(|| Ok(Self::default()), Self::parse)
    }

    pub(crate) fn parse(json: &[u8]) -> Result<Self, LmError> {
        let json = object("tokenizer_config.json", json)?;
        let flag = |key: &str| match json.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(other) => Err(wrong("tokenizer_config.json", key, other, "true or false")),
        };
        // A name, or an object with the name under `content`.
        let name = |key: &str| match json.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(name)) => Ok(Some(name.clone())),
            Some(other) => match other.get("content").and_then(Value::as_str) {
                Some(name) => Ok(Some(name.to_string())),
                None => Err(wrong("tokenizer_config.json", key, other, "a token's name")),
            },
        };
        Ok(Self {
            add_bos: flag("add_bos_token")?,
            add_eos: flag("add_eos_token")?,
            bos: name("bos_token")?,
            eos: name("eos_token")?,
            pad: name("pad_token")?,
            chat_template: chat_template(json.get("chat_template"))?,
        })
    }
}

/// One template, or a list of named ones of which `default` is taken, or the only one.
fn chat_template(value: Option<&Value>) -> Result<Option<String>, LmError> {
    let expected = "a template, or a list of {name, template}";
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(template)) => Ok(Some(template.clone())),
        Some(Value::Array(list)) => {
            let of = |entry: &Value| {
                entry
                    .get("template")
                    .and_then(Value::as_str)
                    .map(String::from)
            };
            let named = list
                .iter()
                .find(|entry| entry.get("name").and_then(Value::as_str) == Some("default"));
            let chosen = named.or(if list.len() == 1 { list.first() } else { None });
            let template = chosen.and_then(of);
            template.map(Some).ok_or_else(|| {
                wrong(
                    "tokenizer_config.json",
                    "chat_template",
                    &Value::Array(list.clone()),
                    "one template or one named `default`",
                )
            })
        }
        Some(other) => Err(wrong(
            "tokenizer_config.json",
            "chat_template",
            other,
            expected,
        )),
    }
}

/// The end tokens of a `generation_config.json`.
pub(crate) fn generation_ends(json: &[u8]) -> Result<Vec<u32>, LmError> {
    let json = object("generation_config.json", json)?;
    let one = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    let ends = match json.get("eos_token_id") {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(one).collect(),
        Some(value) => one(value).map(|id| vec![id]),
    };
    let found = json.get("eos_token_id").unwrap_or(&Value::Null);
    ends.ok_or_else(|| {
        wrong(
            "generation_config.json",
            "eos_token_id",
            found,
            "a token id or a list of them",
        )
    })
}

fn object(place: &str, json: &[u8]) -> Result<Value, LmError> {
    let format = |what: String| LmError::Format {
        place: place.into(),
        what,
    };
    let value: Value =
        serde_json::from_slice(json).map_err(|error| format(format!("invalid JSON: {error}")))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(format("expected a JSON object".into()))
    }
}

fn wrong(place: &str, key: &str, found: &Value, expected: &str) -> LmError {
    let mut found = found.to_string();
    if found.chars().count() > 80 {
        found = found.chars().take(80).chain("…".chars()).collect();
    }
    LmError::Config {
        place: place.into(),
        field: key.into(),
        found,
        expected: expected.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_naming_a_token() {
        let json = br#"{"bos_token":"<s>","eos_token":{"content":"</s>","lstrip":false},"pad_token":null,"add_bos_token":true,
            "tokenizer_class":"LlamaTokenizer","chat_template":[{"name":"tools","template":"x"},{"name":"default","template":"y"}]}"#;
        let settings = Settings::parse(json).unwrap();
        assert_eq!(
            (
                settings.bos.as_deref(),
                settings.eos.as_deref(),
                settings.pad
            ),
            (Some("<s>"), Some("</s>"), None)
        );
        assert_eq!((settings.add_bos, settings.add_eos), (Some(true), None));
        assert_eq!(settings.chat_template.as_deref(), Some("y"));
    }

    #[test]
    fn wrong_types_are_named() {
        for (json, key) in [
            (r#"{"add_bos_token":1}"#, "add_bos_token"),
            (r#"{"eos_token":7}"#, "eos_token"),
            (r#"{"chat_template":{}}"#, "chat_template"),
            (
                r#"{"chat_template":[{"name":"a","template":"x"},{"name":"b","template":"y"}]}"#,
                "chat_template",
            ),
        ] {
            assert!(
                Settings::parse(json.as_bytes())
                    .unwrap_err()
                    .to_string()
                    .contains(key),
                "{json}"
            );
        }
        assert!(Settings::parse(b"[]").is_err());
        assert_eq!(
            generation_ends(br#"{"eos_token_id":[2,5]}"#).unwrap(),
            [2, 5]
        );
        assert_eq!(generation_ends(br#"{"eos_token_id":2}"#).unwrap(), [2]);
        assert!(generation_ends(b"{}").unwrap().is_empty());
        assert!(generation_ends(br#"{"eos_token_id":[-2]}"#).is_err());
    }
}
