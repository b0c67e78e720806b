//! Byte-pair merging by score, as the `sentencepiece` library, llama.cpp and llama2.c do it.
//!
//! The text starts as single characters; of all neighbours whose concatenation is a token, the pair with the highest score is
//! joined first (the leftmost of equals), until none is left. A character without a token is written as one token for each of
//! its bytes. Vocabularies of this kind see a space before the text, and write spaces as `▁` (`sentencepiece`) or as spaces
//! (llama2.c).

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use super::matcher::Matcher;
use super::{MAX_TOKENS, Names, Span};
use crate::LmError;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Normal,
    /// Stands for what has no token.
    Unknown,
    /// Never text: start, end, turn markers.
    Control,
    /// Text that is matched before merging.
    User,
    /// A hole in the vocabulary.
    Unused,
    /// One byte.
    Byte(u8),
}

/// Reads `<0x41>`.
pub(crate) fn byte_name(piece: &str) -> Option<u8> {
    let hex = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    if hex.len() != 2 {
        None
    } else {
        u8::from_str_radix(hex, 16).ok()
    }
}

/// One token of the vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) score: f32,
    pub(crate) kind: Kind,
}

/// How a vocabulary of this kind treats spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spaces {
    /// Whether pieces write a space as `▁`.
    pub(crate) escaped: bool,
    /// Whether a space is put before the text.
    pub(crate) prefix: bool,
    /// Whether the decoder drops that space at the start of any tokens, not only behind the start token.
    pub(crate) strip_first: bool,
}

/// A vocabulary with scores.
#[derive(Debug)]
pub(crate) struct Scores {
    pieces: Vec<Piece>,
    /// Text with plain spaces to token, for tokens that merging may make.
    index: HashMap<String, u32>,
    /// Every name to its token, first come first served.
    names: HashMap<String, u32>,
    bytes: Vec<Option<u32>>,
    unknown: Option<u32>,
    bos: Option<u32>,
    control: Matcher,
    user: Matcher,
    both: Matcher,
    spaces: Spaces,
}

impl Scores {
    pub(crate) fn new(
        pieces: Vec<Piece>,
        spaces: Spaces,
        bos: Option<u32>,
    ) -> Result<Self, LmError> {
        if pieces.is_empty() || pieces.len() > MAX_TOKENS {
            let what = format!(
                "a vocabulary of {} tokens; expected 1 to {MAX_TOKENS}",
                pieces.len()
            );
            return Err(LmError::Tokenizer { what });
        }
        let (mut index, mut names) = (HashMap::new(), HashMap::new());
        let mut bytes = vec![None; 256];
        let mut unknown = None;
        let of_kind = |kinds: &[Kind]| {
            let chosen = pieces
                .iter()
                .zip(0..)
                .filter(|(piece, _)| kinds.contains(&piece.kind));
            Matcher::new(chosen.map(|(piece, id)| (plain(&piece.text, spaces), id)))
        };
        let (control, user, both) = (
            of_kind(&[Kind::Control]),
            of_kind(&[Kind::User]),
            of_kind(&[Kind::Control, Kind::User]),
        );
        for (piece, id) in pieces.iter().zip(0_u32..) {
            if piece.score.is_nan() {
                return Err(LmError::Tokenizer {
                    what: format!("token {id} has no number as its score"),
                });
            }
            names.entry(piece.text.clone()).or_insert(id);
            match piece.kind {
                Kind::Normal | Kind::User => {
                    index.entry(plain(&piece.text, spaces)).or_insert(id);
                }
                Kind::Byte(byte) => {
                    bytes[byte as usize].get_or_insert(id);
                }
                Kind::Unknown => {
                    unknown.get_or_insert(id);
                }
                Kind::Control | Kind::Unused => {}
            }
        }
        Ok(Self {
            pieces,
            index,
            names,
            bytes,
            unknown,
            bos,
            control,
            user,
            both,
            spaces,
        })
    }

    pub(crate) fn size(&self) -> usize {
        self.pieces.len()
    }

    pub(crate) fn token(&self, id: u32) -> Option<String> {
        self.pieces.get(id as usize).map(|piece| piece.text.clone())
    }

    pub(crate) fn id(&self, name: &str) -> Option<u32> {
        self.names.get(name).copied()
    }

    pub(crate) fn is_special(&self, id: u32) -> bool {
        self.pieces
            .get(id as usize)
            .is_some_and(|piece| matches!(piece.kind, Kind::Control | Kind::Unknown))
    }

    pub(crate) fn specials(&self) -> BTreeSet<u32> {
        self.control.ids()
    }

    pub(crate) fn special_names(&self, text: &str) -> Vec<Span> {
        self.control.find(text)
    }

    /// Tokens of a text with the bytes they stand for.
    pub(crate) fn spans(&self, text: &str, names: Names) -> Result<Vec<Span>, LmError> {
        let matcher = match names {
            Names::AreTokens => &self.both,
            Names::AreText => &self.user,
        };
        let mut out = Vec::new();
        let (mut done, mut behind_control) = (0, true);
        for (id, range) in matcher.find(text) {
            self.merge(text, done..range.start, behind_control, &mut out)?;
            behind_control = self.is_special(id);
            done = range.end;
            out.push((id, range));
        }
        self.merge(text, done..text.len(), behind_control, &mut out)?;
        Ok(out)
    }

    /// Merges one stretch of text without matched names.
    fn merge(
        &self,
        text: &str,
        range: std::ops::Range<usize>,
        first: bool,
        out: &mut Vec<Span>,
    ) -> Result<(), LmError> {
        if range.is_empty() {
            return Ok(());
        }
        // With a space in front, every position in `work` is one further than in `text`.
        let shift = usize::from(first && self.spaces.prefix);
        let work = format!("{}{}", &"  "[..shift], &text[range.clone()]);
        for (from, to) in self.merged(&work) {
            let place = (range.start + from).saturating_sub(shift).max(range.start)
                ..range.start + to - shift;
            match self.index.get(&work[from..to]) {
                Some(id) => out.push((*id, place)),
                None => self.fall_back(&work[from..to], place, out)?,
            }
        }
        Ok(())
    }

    /// The boundaries that merging leaves.
    fn merged(&self, work: &str) -> Vec<(usize, usize)> {
        let mut symbols: Vec<Symbol> = work
            .char_indices()
            .enumerate()
            .map(|(i, (at, c))| Symbol {
                from: at,
                to: at + c.len_utf8(),
                before: i.checked_sub(1),
                after: Some(i + 1),
            })
            .collect();
        if let Some(last) = symbols.last_mut() {
            last.after = None;
        }
        let mut heap = BinaryHeap::new();
        for left in 0..symbols.len() {
            self.offer(work, &symbols, left, &mut heap);
        }
        while let Some(pair) = heap.pop() {
            let (left, right) = (symbols[pair.left], symbols[pair.right]);
            // One of the two was joined with another in the meantime.
            let empty = left.from == left.to || right.from == right.to;
            if empty || left.after != Some(pair.right) || right.to - left.from != pair.bytes {
                continue;
            }
            symbols[pair.left].to = right.to;
            symbols[pair.left].after = right.after;
            symbols[pair.right].to = right.from;
            if let Some(next) = right.after {
                symbols[next].before = Some(pair.left);
            }
            self.offer(work, &symbols, pair.left, &mut heap);
            if let Some(before) = left.before {
                self.offer(work, &symbols, before, &mut heap);
            }
        }
        symbols
            .iter()
            .filter(|symbol| symbol.from < symbol.to)
            .map(|symbol| (symbol.from, symbol.to))
            .collect()
    }

    /// Puts the pair that starts at `left` on the heap if it makes a token.
    fn offer(&self, work: &str, symbols: &[Symbol], left: usize, heap: &mut BinaryHeap<Pair>) {
        let Some(right) = symbols[left].after else {
            return;
        };
        let (from, to) = (symbols[left].from, symbols[right].to);
        if let Some(id) = self.index.get(&work[from..to]) {
            heap.push(Pair {
                score: self.pieces[*id as usize].score,
                left,
                right,
                bytes: to - from,
            });
        }
    }

    /// A character without a token: its bytes, or the unknown token.
    fn fall_back(
        &self,
        text: &str,
        place: std::ops::Range<usize>,
        out: &mut Vec<Span>,
    ) -> Result<(), LmError> {
        let bytes: Option<Vec<u32>> = text.bytes().map(|byte| self.bytes[byte as usize]).collect();
        match (bytes, self.unknown) {
            (Some(ids), _) => out.extend(ids.into_iter().map(|id| (id, place.clone()))),
            (None, Some(unknown)) => out.push((unknown, place)),
            (None, None) => {
                let what =
                    format!("no token for {text:?}, none for its bytes and none for the unknown");
                return Err(LmError::Tokenizer { what });
            }
        }
        Ok(())
    }

    /// Text of tokens that are known to be in the vocabulary.
    pub(crate) fn decode(&self, ids: &[u32], skip_special: bool) -> String {
        let mut out = Vec::new();
        let mut strip = self.spaces.strip_first && self.spaces.prefix;
        for id in ids {
            let Some(piece) = self.pieces.get(*id as usize) else {
                continue;
            };
            let hidden = skip_special && self.is_special(*id);
            match piece.kind {
                Kind::Byte(byte) => out.push(byte),
                _ if hidden => {}
                _ => {
                    let text = plain(&piece.text, self.spaces);
                    let text = if strip {
                        text.strip_prefix(' ').unwrap_or(&text)
                    } else {
                        &text
                    };
                    out.extend_from_slice(text.as_bytes());
                }
            }
            // The space that the encoder put before the text stands behind the start token.
            strip = Some(*id) == self.bos && self.spaces.prefix;
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

fn plain(text: &str, spaces: Spaces) -> String {
    if spaces.escaped {
        text.replace('▁', " ")
    } else {
        text.into()
    }
}

/// A stretch of the text between two of its neighbours; empty when it was joined to the one before.
#[derive(Clone, Copy, Debug)]
struct Symbol {
    from: usize,
    to: usize,
    before: Option<usize>,
    after: Option<usize>,
}

/// Two neighbours that would make a token.
#[derive(Clone, Copy, Debug)]
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    bytes: usize,
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}
