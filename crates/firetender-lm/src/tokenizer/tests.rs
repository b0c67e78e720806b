use proptest::prelude::*;

use super::scores::{Kind, Piece, Scores, Spaces, byte_name};
use super::*;

/// A byte-level tokenizer with a few merges, two control tokens and an ordinary added token.
fn json() -> serde_json::Value {
    let mut vocab = serde_json::Map::new();
    let printable = (0x21..=0x7E_u32)
        .chain(0xA1..=0xAC)
        .chain(0xAE..=0xFF)
        .chain(0x100..=0x143);
    for (id, c) in printable.filter_map(char::from_u32).enumerate() {
        vocab.insert(c.to_string(), id.into());
    }
    for token in ["th", "the", "Ġthe", "Ġt", "<s>", "</s>"] {
        let id = vocab.len();
        vocab.insert(token.into(), id.into());
    }
    let (bos, eos, added) = (vocab["<s>"].clone(), vocab["</s>"].clone(), vocab.len());
    let token = |id: &serde_json::Value, content: &str, special: bool| {
        serde_json::json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": special})
    };
    let bytes = serde_json::json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    serde_json::json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
        "padding": null,
        "added_tokens": [token(&bos, "<s>", true), token(&eos, "</s>", true), token(&added.into(), "    ", false)],
        "normalizer": null,
        "pre_tokenizer": bytes,
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [bos], "tokens": ["<s>"]}}},
        "decoder": bytes,
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    })
}

/// As above with merges, changed by `change`.
fn built(change: impl FnOnce(&mut serde_json::Value)) -> Result<Tokenizer, LmError> {
    let mut json = json();
    json["model"]["merges"] = serde_json::json!([["t", "h"], ["th", "e"], ["Ġ", "the"]]);
    change(&mut json);
    Tokenizer::from_bytes(json.to_string().as_bytes(), None)
}

fn tokenizer() -> Tokenizer {
    built(|_| ()).unwrap()
}

#[test]
fn special_tokens_around_and_inside() {
    let t = tokenizer();
    let (the, s) = (t.id("Ġthe").unwrap(), t.id("<s>").unwrap());
    // Truncation in the file is ignored.
    assert_eq!(
        t.encode("the the the", false).unwrap(),
        [t.id("the").unwrap(), the, the]
    );
    assert_eq!(t.encode(" the", true).unwrap(), [s, the]);
    assert_eq!(t.encode("<s> the", false).unwrap(), [s, the]);
    let plain = t.encode_plain("<s> the").unwrap();
    assert_eq!(plain.len(), 4);
    assert!(!plain.contains(&s));
    // An added token that is not special is text in both.
    let spaces = t.id("    ").unwrap();
    assert!(t.encode("a    b", false).unwrap().contains(&spaces));
    assert!(t.encode_plain("a    b").unwrap().contains(&spaces));
    assert_eq!(t.decode(&[s, the, spaces], true).unwrap(), " the    ");
    assert_eq!(t.decode(&[s, the], false).unwrap(), "<s> the");
    assert!(t.encode("", false).unwrap().is_empty());
    assert_eq!(t.encode("", true).unwrap(), [s]);
    assert_eq!(t.specials(), [s, t.id("</s>").unwrap()]);
    assert_eq!((t.bos(), t.eos(), t.pad()), (None, &[][..], None));
    assert_eq!(t.token(the).as_deref(), Some("Ġthe"));
    assert_eq!((t.token(9999), t.id("nothing")), (None, None));
    assert!(t.check_fits(t.vocab_size()).is_ok());
    assert!(
        t.check_fits(t.vocab_size() - 1)
            .unwrap_err()
            .to_string()
            .contains("embedding rows")
    );
}

#[test]
fn the_settings_decide_what_stands_around() {
    let mut json = json();
    json["model"]["merges"] = serde_json::json!([]);
    let json = json.to_string();
    let with = |config: &str| Tokenizer::from_bytes(json.as_bytes(), Some(config.as_bytes()));
    let t = with(r#"{"bos_token":"<s>","eos_token":{"content":"</s>"},"pad_token":"</s>","add_eos_token":true}"#).unwrap();
    let (s, e) = (t.id("<s>").unwrap(), t.id("</s>").unwrap());
    assert_eq!((t.bos(), t.eos(), t.pad()), (Some(s), &[e][..], Some(e)));
    assert_eq!(t.encode("x", true).unwrap(), [s, t.id("x").unwrap(), e]);
    let t = with(r#"{"bos_token":"<s>","add_bos_token":false}"#).unwrap();
    assert_eq!(t.encode("x", true).unwrap(), [t.id("x").unwrap()]);
    assert!(
        with(r#"{"bos_token":"<start>"}"#)
            .unwrap_err()
            .to_string()
            .contains("<start>")
    );
    assert!(with(r#"{"add_bos_token":true}"#).is_err());
}

#[test]
fn offsets_cover_the_text() {
    let t = tokenizer();
    let text = "the é <s>the";
    let spans = t.encode_with_offsets(text, true).unwrap();
    assert_eq!(spans[0].1, 0..0);
    assert_eq!(spans[1], (t.id("the").unwrap(), 0..3));
    // The space belongs to the token that begins with it.
    assert_eq!(spans[2].1, 3..4);
    // Both bytes of `é` have the character's range.
    assert_eq!((spans[3].1.clone(), spans[4].1.clone()), (4..6, 4..6));
    assert_eq!(spans[6], (t.id("<s>").unwrap(), 7..10));
    assert_eq!(spans.last().unwrap().1, 10..13);
    assert_eq!(
        spans.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        t.encode(text, true).unwrap()
    );
}

#[test]
fn hostile_files_are_refused_before_the_crate_sees_them() {
    type Case = (fn(&mut serde_json::Value), &'static str);
    let cases: Vec<Case> = vec![
        (
            |j| j["model"]["merges"] = serde_json::json!([["t", "zzzzzzzzzzzz"]]),
            "zzzzzzzzzzzz",
        ),
        (
            |j| j["model"]["merges"] = serde_json::json!([["</s>", "</s>"]]),
            "</s></s>",
        ),
        (
            |j| j["model"]["merges"] = serde_json::json!(["nospace"]),
            "nospace",
        ),
        (
            |j| j["model"]["merges"] = serde_json::json!([1]),
            "not a pair",
        ),
        (
            |j| j["model"]["merges"] = serde_json::json!(7),
            "not a list",
        ),
        (|j| j["model"]["dropout"] = 0.1.into(), "dropout"),
        (
            |j| j["model"]["continuing_subword_prefix"] = "##".into(),
            "continuing_subword_prefix",
        ),
        (|j| j["model"]["type"] = "Unigram".into(), "Unigram"),
        (|j| j["model"]["vocab"] = serde_json::json!({}), "vocab"),
        (|j| j["model"]["vocab"] = serde_json::json!([]), "vocab"),
        (|j| j["model"]["vocab"]["x"] = (-1).into(), "`x`"),
        (
            |j| j["model"]["vocab"]["x"] = 4_294_967_295_u32.into(),
            "`x`",
        ),
        (|j| j["model"]["vocab"]["x"] = 1.into(), "shares id"),
        (|j| j["added_tokens"][0]["id"] = 5.into(), "<s>"),
        (|j| j["added_tokens"][0]["content"] = "new".into(), "new"),
        (
            |j| j["added_tokens"] = serde_json::json!([{"id": 1}]),
            "lacks a name",
        ),
        (
            |j| j["normalizer"] = serde_json::json!({"type": "Precompiled"}),
            "Precompiled",
        ),
        (
            |j| {
                j["pre_tokenizer"] =
                    serde_json::json!({"type": "Sequence", "pretokenizers": [{"type": "Odd"}]})
            },
            "Odd",
        ),
        (
            |j| {
                j["pre_tokenizer"] =
                    serde_json::json!({"type": "Split", "pattern": {"Regex": "x".repeat(9999)}})
            },
            "9999 bytes",
        ),
        (
            |j| {
                j["decoder"] =
                    serde_json::json!({"type": "Strip", "content": " ", "start": 0, "stop": 3})
            },
            "stop 3",
        ),
        (
            |j| j["post_processor"]["special_tokens"] = serde_json::json!({}),
            "no ids for `<s>`",
        ),
        (
            |j| j["post_processor"]["single"] = serde_json::json!([]),
            "no place for the text",
        ),
        (
            |j| j["post_processor"]["special_tokens"]["<s>"]["ids"] = serde_json::json!([99_999]),
            "99999",
        ),
        (
            |j| j["post_processor"] = serde_json::json!({"type": "Odd"}),
            "Odd",
        ),
        (|j| *j = serde_json::json!([]), "object"),
    ];
    for (change, part) in cases {
        let error = built(change).unwrap_err().to_string();
        assert!(error.contains(part), "{error} lacks {part}");
    }
    for bytes in [&b""[..], b"{", b"\xff", b"null"] {
        assert!(Tokenizer::from_bytes(bytes, None).is_err());
    }
    let deep = "[".repeat(100_000);
    assert!(Tokenizer::from_bytes(deep.as_bytes(), None).is_err());
}

#[test]
fn end_tokens_are_collected() {
    let t = built(|j| {
        let id = j["model"]["vocab"].as_object().unwrap().len() + 1;
        j["added_tokens"].as_array_mut().unwrap().push(serde_json::json!({"id": id, "content": "<|im_end|>",
            "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}));
    })
    .unwrap();
    assert_eq!(t.eos(), [t.id("<|im_end|>").unwrap()]);
}

/// A SentencePiece-style vocabulary: bytes, characters, and words with scores.
fn sentence_piece() -> Tokenizer {
    let special =
        ["<unk>", "<s>", "</s>"]
            .into_iter()
            .zip([Kind::Unknown, Kind::Control, Kind::Control]);
    let mut pieces: Vec<Piece> = special
        .map(|(text, kind)| Piece {
            text: text.into(),
            score: 0.0,
            kind,
        })
        .collect();
    for byte in 0..=255_u8 {
        let text = format!("<0x{byte:02X}>");
        assert_eq!(byte_name(&text), Some(byte));
        pieces.push(Piece {
            text,
            score: 0.0,
            kind: Kind::Byte(byte),
        });
    }
    for (i, text) in [
        "▁t", "he", "▁the", "▁", "t", "h", "e", "a", "▁a", "n", "▁an",
    ]
    .into_iter()
    .enumerate()
    {
        pieces.push(Piece {
            text: text.into(),
            score: -(i as f32),
            kind: Kind::Normal,
        });
    }
    pieces.push(Piece {
        text: "▁▁".into(),
        score: 0.0,
        kind: Kind::User,
    });
    let scores = Scores::new(
        pieces,
        Spaces {
            escaped: true,
            prefix: true,
            strip_first: true,
        },
        Some(1),
    )
    .unwrap();
    Tokenizer::from_scores(
        scores,
        Roles {
            prefix: vec![1],
            bos: Some(1),
            eos: vec![2],
            ..Roles::default()
        },
    )
    .unwrap()
}

#[test]
fn sentence_piece_style() {
    let t = sentence_piece();
    let id = |name: &str| t.id(name).unwrap();
    assert_eq!(
        t.encode("the an", true).unwrap(),
        [1, id("▁the"), id("▁an")]
    );
    // A space in front behind control tokens, none behind others.
    assert_eq!(
        t.encode("the</s>the", false).unwrap(),
        [id("▁the"), 2, id("▁the")]
    );
    assert_eq!(
        t.encode("a  a", false).unwrap(),
        [id("▁a"), id("▁▁"), id("a")]
    );
    assert_eq!(
        t.decode(&[1, id("▁the"), id("▁an")], true).unwrap(),
        "the an"
    );
    assert_eq!(t.decode(&[id("▁the"), id("▁an")], true).unwrap(), "the an");
    // Text that goes on keeps its space.
    let mut stream = t.decode_stream_after(&[1, id("▁the")], true);
    assert_eq!(stream.push(id("▁an")).unwrap(), " an");
}

/// Slow merging straight from the definition.
fn oracle(t: &Tokenizer, text: &str) -> Vec<String> {
    let score = |piece: &str| t.id(piece).filter(|id| *id > 258).map(|id| id as i64);
    let mut parts: Vec<String> = format!(" {text}")
        .replace(' ', "▁")
        .chars()
        .map(String::from)
        .collect();
    loop {
        // Here a lower id is a higher score.
        let pairs = parts
            .windows(2)
            .enumerate()
            .filter_map(|(i, w)| Some((score(&w.concat())?, i)));
        let Some((_, i)) = pairs.min() else {
            return parts;
        };
        let joined = parts[i..i + 2].concat();
        parts.splice(i..i + 2, [joined]);
    }
}

proptest! {
    #[test]
    fn merging_agrees_with_the_definition(text in "[thean]{1,6}( [thean]{1,6}){0,6}") {
        let t = sentence_piece();
        let names: Vec<String> = t.encode(&text, false).unwrap().into_iter().map(|id| t.token(id).unwrap()).collect();
        prop_assert_eq!(names, oracle(&t, &text));
    }

    #[test]
    fn text_survives(text in any::<String>()) {
        for t in [tokenizer(), sentence_piece()] {
            let ids = t.encode_plain(&text).unwrap();
            prop_assert_eq!(t.decode(&ids, true).unwrap(), text.clone());
            prop_assert!(ids.iter().all(|id| !t.is_special(*id)));
            let spans = t.encode_with_offsets(&text, true).unwrap();
            prop_assert!(spans.iter().all(|(_, range)| text.get(range.clone()).is_some()));
            let ids = t.encode(&text, true).unwrap();
            prop_assert_eq!(spans.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), ids);
        }
    }

    #[test]
    fn streams_agree_with_decode(ids in proptest::collection::vec(0_u32..250, 0..40), skip in any::<bool>()) {
        for t in [tokenizer(), sentence_piece()] {
            let mut stream = t.decode_stream(skip);
            let mut text = String::new();
            for id in &ids {
                let piece = stream.push(*id).unwrap();
                let whole = !piece.ends_with('\u{FFFD}');
                prop_assert!(whole);
                text += &piece;
            }
            text += &stream.finish().unwrap();
            prop_assert_eq!(text, t.decode(&ids, skip).unwrap());
        }
    }

    #[test]
    fn damaged_files_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = json().to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(t) = Tokenizer::from_bytes(&bytes, None) {
            let _ = t.encode("the <s> é    ", true);
        }
    }
}

#[test]
fn an_id_outside_is_an_error_and_the_stream_goes_on() {
    let t = tokenizer();
    let mut stream = t.decode_stream(true);
    assert!(stream.push(u32::MAX).is_err());
    assert_eq!(stream.push(t.id("the").unwrap()).unwrap(), "the");
    assert!(t.decode(&[u32::MAX], true).is_err());
}
