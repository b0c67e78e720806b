//! The vocabulary inside a GGUF file.
//!
//! `tokenizer.ggml.model` is `gpt2` for byte-level byte-pair tokenizers, whose way of cutting text into words is named by
//! `tokenizer.ggml.pre`, or `llama` for SentencePiece-style vocabularies with scores. The cutting rules are those of the models'
//! own `tokenizer.json`; a name that is not on the list is an error, since another rule would give other tokens.

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior};

use super::{Gguf, GgufArray};
use crate::tokenizer::fast::Fast;
use crate::tokenizer::scores::{Kind, Piece, Scores, Spaces, byte_name};
use crate::tokenizer::{MAX_TOKENS, Roles};
use crate::{LmError, Tokenizer};

/// Llama 3's pattern.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen2's pattern: the same with single digits.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How a byte-pair tokenizer cuts text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pre {
    name: &'static str,
    cut: Cut,
    /// Whether text is composed (NFC) first.
    compose: bool,
    /// Whether words that are tokens skip merging, and a start token is added unless the file says otherwise.
    llama3: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// GPT-2's rule.
    Gpt2,
    /// Digits one by one, then GPT-2's rule.
    Digits,
    /// A pattern, then bytes.
    Pattern(&'static str),
}

const fn pre(name: &'static str, cut: Cut, compose: bool, llama3: bool) -> Pre {
    Pre {
        name,
        cut,
        compose,
        llama3,
    }
}

/// The known names. `default` is what old files of GPT-2-like models say.
const PRES: [Pre; 9] = [
    pre("default", Cut::Gpt2, false, false),
    pre("gpt-2", Cut::Gpt2, false, false),
    pre("olmo", Cut::Gpt2, true, false),
    pre("smollm", Cut::Digits, false, false),
    pre("llama-bpe", Cut::Pattern(LLAMA3), false, true),
    pre("llama3", Cut::Pattern(LLAMA3), false, true),
    pre("llama-v3", Cut::Pattern(LLAMA3), false, true),
    pre("smaug-bpe", Cut::Pattern(LLAMA3), false, false),
    pre("qwen2", Cut::Pattern(QWEN2), true, false),
];

/// Reads the tokenizer, or `None` if the file has none.
pub(crate) fn read(file: &Gguf) -> Result<Option<Tokenizer>, LmError> {
    let Some(model) = file.string("tokenizer.ggml.model")? else {
        return Ok(None);
    };
    let key = "tokenizer.ggml.tokens";
    let tokens = file
        .strings(key)?
        .ok_or_else(|| file.wrong(key, "absent", "the list of tokens"))?;
    if tokens.is_empty() || tokens.len() > MAX_TOKENS {
        return Err(file.wrong(
            key,
            &tokens.len().to_string(),
            &format!("1 to {MAX_TOKENS} tokens"),
        ));
    }
    let kinds = kinds(file, tokens)?;
    let id = |key: &str| -> Result<Option<u32>, LmError> {
        let Some(id) = file.whole(key)? else {
            return Ok(None);
        };
        match u32::try_from(id) {
            Ok(id) if (id as usize) < tokens.len() => Ok(Some(id)),
            // Some writers mean "none" by the highest number.
            Ok(u32::MAX) => Ok(None),
            _ => Err(file.wrong(
                key,
                &id.to_string(),
                &format!("an id below {}", tokens.len()),
            )),
        }
    };
    let bos = id("tokenizer.ggml.bos_token_id")?;
    let ends = [
        id("tokenizer.ggml.eos_token_id")?,
        id("tokenizer.ggml.eot_token_id")?,
        id("tokenizer.ggml.eom_token_id")?,
    ];
    let pad = id("tokenizer.ggml.padding_token_id")?;
    let (add_bos, add_eos) = (
        file.flag("tokenizer.ggml.add_bos_token")?,
        file.flag("tokenizer.ggml.add_eos_token")?.unwrap_or(false),
    );
    let roles = |default_bos: bool| -> Result<Roles, LmError> {
        let around = |wanted: bool, id: Option<u32>, key: &str| match (wanted, id) {
            (false, _) => Ok(Vec::new()),
            (true, Some(id)) => Ok(vec![id]),
            (true, None) => Err(file.wrong(key, "true without a token", "a token id beside it")),
        };
        let prefix = around(
            add_bos.unwrap_or(default_bos && bos.is_some()),
            bos,
            "tokenizer.ggml.add_bos_token",
        )?;
        let suffix = around(add_eos, ends[0], "tokenizer.ggml.add_eos_token")?;
        let mut eos: Vec<u32> = Vec::new();
        for end in ends.into_iter().flatten() {
            if !eos.contains(&end) {
                eos.push(end);
            }
        }
        Ok(Roles {
            prefix,
            suffix,
            bos,
            eos,
            pad,
        })
    };
    match model {
        "gpt2" => {
            let key = "tokenizer.ggml.pre";
            let name = file.string(key)?.unwrap_or("default");
            let pre = PRES.iter().find(|pre| pre.name == name);
            let pre =
                pre.ok_or_else(|| file.wrong(key, name, &PRES.map(|pre| pre.name).join(", ")))?;
            Tokenizer::from_fast(byte_level(file, tokens, &kinds, *pre)?, roles(pre.llama3)?)
                .map(Some)
        }
        "llama" => {
            let scores = with_scores(file, tokens, &kinds, bos)?;
            Tokenizer::from_scores(scores, roles(true)?).map(Some)
        }
        other => Err(file.wrong("tokenizer.ggml.model", other, "gpt2 or llama")),
    }
}

/// What each token is for; all ordinary if the file does not say.
fn kinds(file: &Gguf, tokens: &[String]) -> Result<Vec<Kind>, LmError> {
    let key = "tokenizer.ggml.token_type";
    let Some(list) = file.array(key)? else {
        return Ok(vec![Kind::Normal; tokens.len()]);
    };
    if list.len() != tokens.len() {
        return Err(file.wrong(
            key,
            &format!("{} entries", list.len()),
            &format!("{}, one a token", tokens.len()),
        ));
    }
    let of = |i: usize| match list.get(i).and_then(|value| value.as_u64()) {
        Some(1) => Ok(Kind::Normal),
        Some(2) => Ok(Kind::Unknown),
        Some(3) => Ok(Kind::Control),
        Some(4) => Ok(Kind::User),
        Some(5) => Ok(Kind::Unused),
        Some(6) => match byte_name(&tokens[i]) {
            Some(byte) => Ok(Kind::Byte(byte)),
            None => Err(file.wrong(
                key,
                &format!("6 for token {:?}", tokens[i]),
                "bytes to be written <0x00> to <0xFF>",
            )),
        },
        _ => Err(file.wrong(key, &format!("an unknown type for token {i}"), "1 to 6")),
    };
    (0..tokens.len()).map(of).collect()
}

fn byte_level(file: &Gguf, tokens: &[String], kinds: &[Kind], pre: Pre) -> Result<Fast, LmError> {
    let fail = |error: tokenizers::Error| LmError::Tokenizer {
        what: error.to_string(),
    };
    let mut vocab = Vocab::default();
    for (token, id) in tokens.iter().zip(0_u32..) {
        if vocab.insert(token.clone(), id).is_some() {
            return Err(file.wrong(
                "tokenizer.ggml.tokens",
                &format!("{token:?} twice"),
                "different tokens",
            ));
        }
    }
    let key = "tokenizer.ggml.merges";
    let lines = file
        .strings(key)?
        .ok_or_else(|| file.wrong(key, "absent", "the list of merges"))?;
    let mut merges = Vec::with_capacity(lines.len());
    for line in lines {
        // A token may begin with a space, so the first byte never separates.
        let at = line
            .bytes()
            .skip(1)
            .position(|byte| byte == b' ')
            .map(|at| at + 1);
        let (a, b) = at
            .and_then(|at| Some((line.get(..at)?, line.get(at + 1..)?)))
            .unwrap_or((line, ""));
        if let Some(missing) = [a, b, &format!("{a}{b}")]
            .into_iter()
            .find(|token| !vocab.contains_key(*token))
        {
            return Err(file.wrong(
                key,
                &format!("{line:?}"),
                &format!("two tokens that make a third; {missing:?} is none"),
            ));
        }
        merges.push((a.to_string(), b.to_string()));
    }
    let model = BPE::builder()
        .vocab_and_merges(vocab, merges)
        .ignore_merges(pre.llama3)
        .build()
        .map_err(fail)?;
    let mut inner = tokenizers::Tokenizer::new(model);
    if pre.compose {
        inner.with_normalizer(Some(NFC)).map_err(fail)?;
    }
    let words = ByteLevel::new(false, true, true);
    let bytes = ByteLevel::new(false, true, false);
    let parts: Vec<PreTokenizerWrapper> = match pre.cut {
        Cut::Gpt2 => vec![words.into()],
        Cut::Digits => vec![Digits::new(true).into(), words.into()],
        Cut::Pattern(pattern) => {
            let pattern = SplitPattern::Regex(pattern.into());
            vec![
                Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
                    .map_err(fail)?
                    .into(),
                bytes.into(),
            ]
        }
    };
    inner.with_pre_tokenizer(Some(Sequence::new(parts)));
    inner.with_decoder(Some(ByteLevel::default()));
    let added = tokens
        .iter()
        .zip(kinds)
        .filter_map(|(token, kind)| match kind {
            Kind::Control | Kind::Unknown => {
                Some(AddedToken::from(token.as_str(), true).normalized(false))
            }
            Kind::User => Some(AddedToken::from(token.as_str(), false).normalized(false)),
            Kind::Normal | Kind::Unused | Kind::Byte(_) => None,
        });
    inner.add_tokens(added.collect::<Vec<_>>()).map_err(fail)?;
    Ok(Fast::new(inner))
}

fn with_scores(
    file: &Gguf,
    tokens: &[String],
    kinds: &[Kind],
    bos: Option<u32>,
) -> Result<Scores, LmError> {
    let key = "tokenizer.ggml.scores";
    let scores = match file.array(key)? {
        Some(GgufArray::F32(scores)) if scores.len() == tokens.len() => scores,
        Some(_) => {
            return Err(file.wrong(
                key,
                "another list",
                &format!("{} floating-point numbers", tokens.len()),
            ));
        }
        None => return Err(file.wrong(key, "absent", "a score for each token")),
    };
    let pieces = tokens.iter().zip(kinds).zip(scores);
    let pieces = pieces
        .map(|((text, kind), score)| Piece {
            text: text.clone(),
            score: *score,
            kind: *kind,
        })
        .collect();
    let prefix = file
        .flag("tokenizer.ggml.add_space_prefix")?
        .unwrap_or(true);
    Scores::new(
        pieces,
        Spaces {
            escaped: true,
            prefix,
            strip_first: true,
        },
        bos,
    )
}
