//! What a `tokenizer.json` must satisfy before the `tokenizers` crate reads it.

use std::collections::HashSet;

use serde_json::Value;

use super::super::MAX_TOKENS;

/// Longest regular expression, in bytes.
const MAX_PATTERN: usize = 4096;

const MODELS: &[&str] = &["BPE", "WordLevel"];
const NORMALIZERS: &[&str] = &[
    "Sequence",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Lowercase",
    "Strip",
    "StripAccents",
    "Prepend",
    "Replace",
];
const PRE_TOKENIZERS: &[&str] = &[
    "Sequence",
    "ByteLevel",
    "Split",
    "Digits",
    "Metaspace",
    "Whitespace",
    "WhitespaceSplit",
    "Punctuation",
];
const DECODERS: &[&str] = &[
    "Sequence",
    "ByteLevel",
    "ByteFallback",
    "Fuse",
    "Strip",
    "Replace",
    "Metaspace",
];

/// What the check learned.
pub(super) struct Checked {
    /// Added tokens and the ids that the file gives them.
    pub(super) added: Vec<(String, u32)>,
    /// Tokens that the template puts before a text.
    pub(super) prefix: Vec<u32>,
    /// Tokens that it puts behind.
    pub(super) suffix: Vec<u32>,
}

pub(super) fn check(json: &Value) -> Result<Checked, String> {
    if !json.is_object() {
        return Err("expected a JSON object".into());
    }
    model(&json["model"])?;
    parts(
        &json["normalizer"],
        "normalizer",
        "normalizers",
        NORMALIZERS,
    )?;
    parts(
        &json["pre_tokenizer"],
        "pre_tokenizer",
        "pretokenizers",
        PRE_TOKENIZERS,
    )?;
    parts(&json["decoder"], "decoder", "decoders", DECODERS)?;
    let (mut prefix, mut suffix) = (Vec::new(), Vec::new());
    template(&json["post_processor"], &mut prefix, &mut suffix)?;
    Ok(Checked {
        added: added(&json["added_tokens"])?,
        prefix,
        suffix,
    })
}

fn id(value: &Value) -> Option<u32> {
    value
        .as_u64()
        .and_then(|id| u32::try_from(id).ok())
        .filter(|id| (*id as usize) < MAX_TOKENS)
}

fn added(list: &Value) -> Result<Vec<(String, u32)>, String> {
    let Some(list) = list.as_array() else {
        return if list.is_null() {
            Ok(Vec::new())
        } else {
            Err("`added_tokens` is not a list".into())
        };
    };
    let one = |token: &Value| {
        Some((
            token.get("content")?.as_str()?.to_string(),
            id(token.get("id")?)?,
        ))
    };
    list.iter()
        .map(|token| {
            one(token).ok_or_else(|| format!("added token {token} lacks a name or a sensible id"))
        })
        .collect()
}

fn model(model: &Value) -> Result<(), String> {
    let merges = &model["merges"];
    // Old files have no type; only byte-pair models have merges.
    let kind = match model["type"].as_str() {
        None if merges.is_array() => "BPE",
        kind => kind.unwrap_or("absent"),
    };
    if !MODELS.contains(&kind) {
        return Err(format!(
            "the model type is {kind}; expected one of {}",
            MODELS.join(", ")
        ));
    }
    let vocab = model["vocab"]
        .as_object()
        .ok_or("`model.vocab` is not a map from tokens to ids")?;
    if vocab.is_empty() || vocab.len() > MAX_TOKENS {
        return Err(format!(
            "`model.vocab` has {} tokens; expected 1 to {MAX_TOKENS}",
            vocab.len()
        ));
    }
    let mut seen = HashSet::with_capacity(vocab.len());
    for (token, value) in vocab {
        let id = id(value).ok_or_else(|| {
            format!("token `{token}` has id {value}; expected a whole number below {MAX_TOKENS}")
        })?;
        if !seen.insert(id) {
            return Err(format!("token `{token}` shares id {id} with another token"));
        }
    }
    if kind != "BPE" {
        return Ok(());
    }
    if !matches!(model["dropout"].as_f64(), None | Some(0.0)) {
        return Err(format!(
            "`model.dropout` is {}; expected none: tokens must not be random",
            model["dropout"]
        ));
    }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if !matches!(model[key].as_str(), None | Some("")) {
            return Err(format!(
                "`model.{key}` is {}; expected none (not supported)",
                model[key]
            ));
        }
    }
    for merge in merges.as_array().ok_or("`model.merges` is not a list")? {
        let pair = match merge {
            Value::String(pair) => pair.split_once(' '),
            Value::Array(pair) => match pair.as_slice() {
                [Value::String(a), Value::String(b)] => Some((a.as_str(), b.as_str())),
                _ => None,
            },
            _ => None,
        };
        // The legacy form starts with a version line.
        if pair.is_none()
            || merge
                .as_str()
                .is_some_and(|line| line.starts_with("#version"))
        {
            if merge
                .as_str()
                .is_some_and(|line| line.starts_with("#version"))
            {
                continue;
            }
            return Err(format!("merge {merge} is not a pair of tokens"));
        }
        if let Some((a, b)) = pair
            && let Some(missing) = [a, b, &format!("{a}{b}")]
                .into_iter()
                .find(|token| !vocab.contains_key(*token))
        {
            return Err(format!(
                "merge {merge} needs the token `{missing}`, which is not in the vocabulary"
            ));
        }
    }
    Ok(())
}

/// Checks a part or a sequence of parts.
fn parts(part: &Value, role: &str, children: &str, known: &[&str]) -> Result<(), String> {
    if part.is_null() {
        return Ok(());
    }
    let kind = part["type"]
        .as_str()
        .ok_or_else(|| format!("the {role} has no type"))?;
    if !known.contains(&kind) {
        return Err(format!(
            "the {role} type is {kind}; expected one of {}",
            known.join(", ")
        ));
    }
    if kind == "Sequence" {
        let list = part[children]
            .as_array()
            .ok_or_else(|| format!("the {role} sequence has no list `{children}`"))?;
        return list
            .iter()
            .try_for_each(|part| parts(part, role, children, known));
    }
    if let Some(pattern) = part["pattern"]["Regex"].as_str()
        && pattern.len() > MAX_PATTERN
    {
        return Err(format!(
            "a pattern of {} bytes in the {role}; expected at most {MAX_PATTERN}",
            pattern.len()
        ));
    }
    // The decoder of this name fails on tokens shorter than `stop`; published files use 0.
    if role == "decoder" && kind == "Strip" && part["stop"].as_u64() != Some(0) {
        return Err(format!(
            "the decoder Strip has stop {}; expected 0",
            part["stop"]
        ));
    }
    Ok(())
}

/// Reduces the post-processor to the tokens around a single text.
fn template(part: &Value, prefix: &mut Vec<u32>, suffix: &mut Vec<u32>) -> Result<(), String> {
    match part["type"].as_str() {
        None if part.is_null() => Ok(()),
        Some("ByteLevel") => Ok(()),
        Some("Sequence") => {
            let list = part["processors"]
                .as_array()
                .ok_or("the post_processor sequence has no list `processors`")?;
            list.iter()
                .try_for_each(|part| template(part, prefix, suffix))
        }
        Some("RobertaProcessing" | "BertProcessing") => {
            for (key, list) in [("cls", prefix), ("sep", suffix)] {
                list.push(
                    id(&part[key][1])
                        .ok_or_else(|| format!("the post_processor has no id for `{key}`"))?,
                );
            }
            Ok(())
        }
        Some("TemplateProcessing") => {
            let pieces = part["single"]
                .as_array()
                .ok_or("the post_processor template has no list `single`")?;
            let mut text = false;
            for piece in pieces {
                if piece.get("Sequence").is_some() && !text {
                    text = true;
                } else if let Some(name) = piece["SpecialToken"]["id"].as_str() {
                    let ids = part["special_tokens"][name]["ids"]
                        .as_array()
                        .filter(|ids| ids.len() <= 16);
                    let ids: Option<Vec<u32>> = ids.and_then(|ids| ids.iter().map(id).collect());
                    let ids = ids.ok_or_else(|| {
                        format!("the post_processor template has no ids for `{name}`")
                    })?;
                    if text { &mut *suffix } else { &mut *prefix }.extend(ids);
                } else {
                    return Err(format!(
                        "{piece} in the post_processor template; expected one text and special tokens"
                    ));
                }
            }
            if text {
                Ok(())
            } else {
                Err("the post_processor template has no place for the text".into())
            }
        }
        kind => Err(format!(
            "the post_processor type is {}; expected ByteLevel, TemplateProcessing, RobertaProcessing, BertProcessing or Sequence",
            kind.unwrap_or("absent")
        )),
    }
}
