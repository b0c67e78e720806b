//! llama2.c's tokenizer file: the longest length, then for each token a score, a length and its text.
//!
//! Token 0 is the unknown one, 1 starts a text, 2 ends it, 3 to 258 are the bytes.

use std::path::Path;

use crate::blob::read_small;
use crate::tokenizer::scores::{Kind, Piece, Scores, Spaces, byte_name};
use crate::tokenizer::{MAX_FILE, MAX_TOKENS, Roles};
use crate::{LmError, Tokenizer};

/// Longest token, in bytes.
const MAX_PIECE: u32 = 1024;

impl Tokenizer {
    /// Reads a llama2.c `tokenizer.bin`.
    ///
    /// # Errors
    /// A file that ends inside a token, a token that is longer than the file says or is no UTF-8, or one without the three
    /// control tokens at its start.
    pub fn from_llama2c(path: impl AsRef<Path>) -> Result<Self, LmError> {
        let path = path.as_ref();
        Self::from_llama2c_bytes(&path.display().to_string(), &read_small(path, MAX_FILE)?)
    }

    /// Reads the bytes of a llama2.c `tokenizer.bin`; `place` names them in errors.
    ///
    /// # Errors
    /// As [`Tokenizer::from_llama2c`].
    pub fn from_llama2c_bytes(place: &str, bytes: &[u8]) -> Result<Self, LmError> {
        let pieces = parse(place, bytes)?;
        let spaces = Spaces {
            escaped: false,
            prefix: true,
            strip_first: false,
        };
        let scores = Scores::new(pieces, spaces, Some(1))?;
        let roles = Roles {
            prefix: vec![1],
            suffix: Vec::new(),
            bos: Some(1),
            eos: vec![2],
            pad: None,
        };
        Self::from_scores(scores, roles)
    }
}

fn parse(place: &str, bytes: &[u8]) -> Result<Vec<Piece>, LmError> {
    let format = |at: usize, what: String| LmError::Format {
        place: format!("{place}, byte {at}"),
        what,
    };
    let cut = |at: usize, needed: usize, what: &str| {
        bytes
            .get(at..)
            .and_then(|rest| rest.get(..needed))
            .ok_or_else(|| LmError::Truncated {
                place: place.into(),
                what: what.into(),
                offset: at as u64,
                needed: needed as u64,
                available: bytes.len().saturating_sub(at) as u64,
            })
    };
    let word = |at: usize, what: &str| -> Result<[u8; 4], LmError> {
        let mut out = [0; 4];
        out.copy_from_slice(cut(at, 4, what)?);
        Ok(out)
    };
    let longest = u32::from_le_bytes(word(0, "the longest token's length")?);
    if longest == 0 || longest > MAX_PIECE {
        return Err(format(
            0,
            format!("the longest token has {longest} bytes; expected 1 to {MAX_PIECE}"),
        ));
    }
    let mut pieces = Vec::new();
    let mut at = 4;
    while at < bytes.len() {
        let id = pieces.len();
        let score = f32::from_le_bytes(word(at, &format!("the score of token {id}"))?);
        let length = u32::from_le_bytes(word(at + 4, &format!("the length of token {id}"))?);
        // The control tokens are written with line breaks around, beyond the longest.
        if length > longest.max(8) {
            return Err(format(
                at + 4,
                format!("token {id} has {length} bytes; expected at most {longest}"),
            ));
        }
        let text = cut(at + 8, length as usize, &format!("token {id}"))?;
        let text = std::str::from_utf8(text)
            .map_err(|_| format(at + 8, format!("token {id} is not UTF-8")))?;
        if id >= MAX_TOKENS {
            return Err(format(at, format!("more than {MAX_TOKENS} tokens")));
        }
        pieces.push(Piece {
            text: text.into(),
            score,
            kind: Kind::Normal,
        });
        at += 8 + length as usize;
    }
    if pieces.len() < 3 {
        return Err(format(
            at,
            format!(
                "{} tokens; expected at least the unknown, start and end token",
                pieces.len()
            ),
        ));
    }
    for (piece, (kind, name)) in pieces.iter_mut().zip([
        (Kind::Unknown, "<unk>"),
        (Kind::Control, "<s>"),
        (Kind::Control, "</s>"),
    ]) {
        (piece.kind, piece.text) = (kind, name.into());
    }
    for piece in pieces.iter_mut().skip(3).take(256) {
        if let Some(byte) = byte_name(&piece.text) {
            piece.kind = Kind::Byte(byte);
        }
    }
    Ok(pieces)
}
