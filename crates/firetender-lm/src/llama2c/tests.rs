use super::*;
use crate::Tokenizer;

/// A file whose weights count up from 0.
fn file(header: [i32; 7], numbers: usize) -> Vec<u8> {
    let header = header.iter().flat_map(|field| field.to_le_bytes());
    header
        .chain((0..numbers).flat_map(|i| (i as f32).to_le_bytes()))
        .collect()
}

/// Width 4, feed-forward 6, two layers, two heads, one key/value head, 5 tokens, 3 positions.
const HEADER: [i32; 7] = [4, 6, 2, 2, 1, 5, 3];
const BODY: usize = 5 * 4 + 2 * (4 + 16 + 8 + 8 + 16 + 4 + 3 * 24) + 4 + 3 * 2;

fn open(bytes: Vec<u8>) -> Result<Llama2c, LmError> {
    Llama2c::from_bytes("test.bin", bytes)
}

#[test]
fn tensors_stand_where_the_format_puts_them() {
    let model = open(file(HEADER, BODY)).unwrap();
    let config = model.config();
    assert_eq!(
        (
            config.width,
            config.mlp_width,
            config.layers,
            config.heads,
            config.kv_heads
        ),
        (4, 6, 2, 2, 1)
    );
    assert_eq!(
        (
            config.vocab_size,
            config.max_positions,
            config.tied_embeddings
        ),
        (5, 3, true)
    );
    assert!(matches!(
        config.positions,
        Positions::Rotary {
            layout: RopeLayout::Interleaved,
            dims: 2,
            ..
        }
    ));
    let first = |name: &str| model.read(name).unwrap()[0] as usize;
    assert_eq!(first("model.embed_tokens.weight"), 0);
    assert_eq!(first("model.layers.0.input_layernorm.weight"), 20);
    assert_eq!(first("model.layers.1.input_layernorm.weight"), 24);
    assert_eq!(first("model.layers.0.self_attn.q_proj.weight"), 28);
    assert_eq!(first("model.layers.0.self_attn.k_proj.weight"), 60);
    assert_eq!(first("model.layers.1.self_attn.v_proj.weight"), 84);
    assert_eq!(first("model.layers.0.mlp.gate_proj.weight"), 132);
    assert_eq!(first("model.layers.0.mlp.down_proj.weight"), 180);
    assert_eq!(first("model.norm.weight"), BODY - 6 - 4);
    assert_eq!(
        model.shape("model.layers.0.mlp.down_proj.weight"),
        Some(vec![4, 6])
    );
    assert_eq!(
        model.shape("model.layers.0.self_attn.k_proj.weight"),
        Some(vec![2, 4])
    );
    assert_eq!(model.names().len(), 2 + 2 * 9);

    let mut header = HEADER;
    header[5] = -5;
    let untied = open(file(header, BODY + 20)).unwrap();
    assert!(!untied.config().tied_embeddings);
    assert_eq!(untied.read("lm_head.weight").unwrap()[0] as usize, BODY);
}

#[test]
fn every_other_size_is_an_error() {
    let bytes = file(HEADER, BODY);
    for length in 0..bytes.len() {
        let error = open(bytes[..length].to_vec()).unwrap_err();
        assert!(error.to_string().contains("test.bin"), "{error}");
    }
    let error = open([bytes, vec![0]].concat()).unwrap_err().to_string();
    assert!(
        error.contains("implies") && error.contains("bytes"),
        "{error}"
    );
}

#[test]
fn absurd_headers_cost_nothing() {
    for field in 0..7 {
        for value in [0, -1, i32::MIN, i32::MAX, 1 << 28] {
            let mut header = HEADER;
            header[field] = value;
            let found = open(file(header, BODY));
            assert!(found.is_err(), "field {field} = {value}: {found:?}");
        }
    }
    assert!(open(file([i32::MAX; 7], BODY)).is_err());
    assert!(open(file([1 << 28; 7], BODY)).is_err());
    let later = [i32::from_be_bytes(*b"ak42"), 1, 64, 172, 5, 8, 4];
    assert!(
        open(file(later, BODY))
            .unwrap_err()
            .to_string()
            .contains("version 1")
    );
    // Odd heads cannot be rotated.
    assert!(open(file([6, 6, 1, 2, 1, 5, 3], BODY)).is_err());
}

/// The tokenizer file with the given tokens.
fn vocabulary(longest: u32, pieces: &[(f32, &[u8])]) -> Vec<u8> {
    let mut out = longest.to_le_bytes().to_vec();
    for (score, text) in pieces {
        out.extend(score.to_le_bytes());
        out.extend((text.len() as u32).to_le_bytes());
        out.extend_from_slice(text);
    }
    out
}

fn small() -> Vec<u8> {
    let mut pieces: Vec<(f32, Vec<u8>)> = [&b"<unk>"[..], b"\n<s>\n", b"\n</s>\n"]
        .map(|text| (0.0, text.to_vec()))
        .to_vec();
    pieces.extend((0..=255).map(|byte| (0.0, format!("<0x{byte:02X}>").into_bytes())));
    for (i, text) in [" a", "ab", "b", "a", " ", " ab"].iter().enumerate() {
        pieces.push((-(i as f32), text.as_bytes().to_vec()));
    }
    vocabulary(
        6,
        &pieces
            .iter()
            .map(|(score, text)| (*score, text.as_slice()))
            .collect::<Vec<_>>(),
    )
}

#[test]
fn merging_by_score() {
    let tokenizer = Tokenizer::from_llama2c_bytes("tok.bin", &small()).unwrap();
    assert_eq!(
        (tokenizer.vocab_size(), tokenizer.bos(), tokenizer.eos()),
        (265, Some(1), &[2][..])
    );
    // " a" has the highest score, so " ab" can only come from it and "b".
    assert_eq!(tokenizer.encode("ab", true).unwrap(), [1, 264]);
    // Bytes for what has no token; the space in front is no part of the text.
    assert_eq!(
        tokenizer.encode("aé\n", false).unwrap(),
        [259, 3 + 0xC3, 3 + 0xA9, 3 + 0x0A]
    );
    let spans = tokenizer.encode_with_offsets("ab é", true).unwrap();
    assert_eq!(
        spans,
        [
            (1, 0..0),
            (264, 0..2),
            (263, 2..3),
            (3 + 0xC3, 3..5),
            (3 + 0xA9, 3..5)
        ]
    );
    // The space in front goes away behind the start token only.
    assert_eq!(
        tokenizer
            .decode(&[1, 264, 259, 3 + 0xC3, 3 + 0xA9], true)
            .unwrap(),
        "ab aé"
    );
    assert_eq!(tokenizer.decode(&[264], true).unwrap(), " ab");
    assert_eq!(tokenizer.decode(&[1, 264, 2], false).unwrap(), "<s>ab</s>");
    assert!(tokenizer.encode("", false).unwrap().is_empty());
    // Names of control tokens.
    assert_eq!(tokenizer.encode("</s>", false).unwrap(), [2]);
    assert!(!tokenizer.encode_plain("</s>").unwrap().contains(&2));
    assert!(tokenizer.decode(&[265], true).is_err());
}

#[test]
fn broken_vocabularies() {
    let good = small();
    for length in (0..good.len()).step_by(7) {
        // A cut between two tokens leaves a shorter vocabulary, which the model's size betrays.
        if let Err(error) = Tokenizer::from_llama2c_bytes("tok.bin", &good[..length]) {
            assert!(
                error.to_string().contains("tok.bin") || error.to_string().contains("token"),
                "{error}"
            );
        }
    }
    let first: [(f32, &[u8]); 3] = [(0.0, b"<unk>"), (0.0, b"<s>"), (0.0, b"</s>")];
    for (bytes, part) in [
        (vocabulary(0, &first), "longest"),
        (vocabulary(u32::MAX, &first), "longest"),
        (vocabulary(6, &first[..2]), "at least"),
        (
            vocabulary(6, &[&first[..], &[(0.0, &[0xFF])]].concat()),
            "UTF-8",
        ),
        (
            vocabulary(6, &[&first[..], &[(0.0, &[b'a'; 99])]].concat()),
            "at most",
        ),
        (
            vocabulary(6, &[&first[..], &[(f32::NAN, b"a")]].concat()),
            "score",
        ),
        ([vocabulary(6, &first), vec![0; 7]].concat(), "token 3"),
    ] {
        let error = Tokenizer::from_llama2c_bytes("tok.bin", &bytes)
            .unwrap_err()
            .to_string();
        assert!(error.contains(part), "{error} lacks {part}");
    }
}
