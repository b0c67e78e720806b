use std::path::PathBuf;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::SafeTensorsSource;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(name)
}

fn open(bytes: Vec<u8>) -> Result<Gguf, LmError> {
    Gguf::from_bytes("test.gguf", bytes)
}

/// One key of each type and tensors of two types.
fn sample() -> GgufWriter {
    GgufWriter::new()
        .metadata("general.architecture", GgufValue::String("llama".into()))
        .metadata("a.u8", GgufValue::U8(200))
        .metadata("a.i8", GgufValue::I8(-3))
        .metadata("a.u16", GgufValue::U16(65_000))
        .metadata("a.i16", GgufValue::I16(7))
        .metadata("a.u32", GgufValue::U32(4_000_000_000))
        .metadata("a.i32", GgufValue::I32(-1))
        .metadata("a.u64", GgufValue::U64(u64::MAX))
        .metadata("a.i64", GgufValue::I64(5))
        .metadata("a.f32", GgufValue::F32(0.5))
        .metadata("a.f64", GgufValue::F64(-2.25))
        .metadata("a.bool", GgufValue::Bool(true))
        .metadata(
            "a.strings",
            GgufValue::Array(GgufArray::String(vec!["x".into(), String::new()])),
        )
        .metadata(
            "a.numbers",
            GgufValue::Array(GgufArray::I32(vec![1, -2, 3])),
        )
        .metadata(
            "a.flags",
            GgufValue::Array(GgufArray::Bool(vec![true, false])),
        )
        .metadata("a.none", GgufValue::Array(GgufArray::F64(Vec::new())))
        .tensor("w", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
        .raw_tensor(
            "q",
            &[1, 32],
            GgmlType::Q8_0,
            [&[0x00, 0x3C][..], &[3; 32]].concat(),
        )
}

#[test]
fn what_is_written_is_read() {
    let file = open(sample().to_bytes().unwrap()).unwrap();
    assert_eq!(file.version(), 3);
    assert_eq!(file.keys().len(), 16);
    assert_eq!(file.whole("a.u8").unwrap(), Some(200));
    assert_eq!(file.whole("a.u64").unwrap(), Some(u64::MAX));
    assert_eq!(file.whole("a.i64").unwrap(), Some(5));
    assert_eq!(file.number("a.f32").unwrap(), Some(0.5));
    assert_eq!(file.number("a.f64").unwrap(), Some(-2.25));
    assert_eq!(file.flag("a.bool").unwrap(), Some(true));
    assert_eq!(file.strings("a.strings").unwrap().unwrap(), ["x", ""]);
    assert_eq!(
        file.array("a.numbers").unwrap().unwrap(),
        &GgufArray::I32(vec![1, -2, 3])
    );
    assert_eq!(
        file.value("a.flags"),
        Some(&GgufValue::Array(GgufArray::Bool(vec![true, false])))
    );
    assert!(file.array("a.none").unwrap().unwrap().is_empty());
    assert_eq!(file.string("absent").unwrap(), None);
    // Negative numbers are no sizes, and types are not mixed.
    assert!(file.whole("a.i8").unwrap_err().to_string().contains("a.i8"));
    assert!(
        file.string("a.u8").is_err() && file.flag("a.u8").is_err() && file.number("a.u8").is_err()
    );

    assert_eq!(file.names(), ["w", "q"]);
    assert_eq!(file.shape("w"), Some(vec![2, 3]));
    assert_eq!(file.read("w").unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(file.read("q").unwrap(), [3.0; 32]);
    assert_eq!(file.sample("w").unwrap().len(), 24);
    assert!(
        file.read("absent")
            .unwrap_err()
            .to_string()
            .contains("absent")
    );
}

#[test]
fn the_golden_control_vector_is_written_byte_by_byte() {
    let bytes = GgufWriter::new()
        .metadata(
            "general.architecture",
            GgufValue::String("controlvector".into()),
        )
        .metadata(
            "controlvector.model_hint",
            GgufValue::String("llama".into()),
        )
        .metadata("controlvector.layer_count", GgufValue::U32(2))
        .tensor("direction.2", &[4], &[2.0, 3.0, 4.0, 5.0])
        .tensor("direction.1", &[4], &[1.0, 2.0, 3.0, 4.0])
        .to_bytes()
        .unwrap();
    assert_eq!(bytes.len(), 320);
    let sha: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        sha,
        "b96311e5ae2b6c2728856ec0bcf94b7ea562b396b8dacac30574330d5acab13b"
    );
    assert_eq!(
        bytes,
        std::fs::read(golden("gguf/control_vector.gguf")).unwrap()
    );
    let file = open(bytes).unwrap();
    assert_eq!(file.tensor("direction.2").unwrap().offset, 256);
    assert_eq!(file.read("direction.1").unwrap(), [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn blocks_agree_with_the_python_package_bit_for_bit() {
    let file = Gguf::open(golden("gguf/blocks.gguf")).unwrap();
    let expected = SafeTensorsSource::open(golden("gguf/blocks.safetensors")).unwrap();
    let mut kinds = std::collections::HashSet::new();
    for tensor in file.tensors() {
        let (found, wanted) = (
            file.read(&tensor.name).unwrap(),
            expected.read(&tensor.name).unwrap(),
        );
        assert_eq!(expected.shape(&tensor.name).unwrap(), tensor.shape);
        assert_eq!(found.len(), wanted.len());
        for (i, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            assert_eq!(
                found.to_bits(),
                wanted.to_bits(),
                "{} at {i}: {found} instead of {wanted}",
                tensor.name
            );
        }
        kinds.insert(tensor.kind);
    }
    // All but F64.
    assert_eq!(kinds.len(), 11);
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = sample().to_bytes().unwrap();
    // The last tensor's padding may be missing: nothing is read from it.
    let needed = bytes.len() - (64 - 34);
    for length in 0..needed {
        let error = open(bytes[..length].to_vec()).unwrap_err();
        assert!(error.to_string().contains("test.gguf"), "{error}");
    }
    for length in needed..bytes.len() {
        assert!(open(bytes[..length].to_vec()).is_ok());
    }
}

/// Every byte of the header replaced by others: no panic, no absurd allocation, and reading what was accepted works.
#[test]
fn every_changed_byte_is_survived() {
    let bytes = sample().to_bytes().unwrap();
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7F, 0x80, 0xFF, bytes[at] ^ 1] {
            let mut changed = bytes.clone();
            changed[at] = value;
            if let Ok(file) = open(changed) {
                for name in file.names() {
                    let values = file.read(&name).unwrap();
                    assert_eq!(
                        values.len(),
                        file.shape(&name).unwrap().iter().product::<usize>()
                    );
                }
            }
        }
    }
}

/// A file's start with the given counts and bytes behind.
fn crafted(tensors: u64, keys: u64, rest: &[u8]) -> Vec<u8> {
    [
        b"GGUF",
        &3_u32.to_le_bytes()[..],
        &tensors.to_le_bytes(),
        &keys.to_le_bytes(),
        rest,
    ]
    .concat()
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// A tensor's description, innermost dimension first as in the file.
fn described(name: &str, dims: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let dims_bytes: Vec<u8> = dims.iter().flat_map(|dim| dim.to_le_bytes()).collect();
    let count = (dims.len() as u32).to_le_bytes();
    [
        &text(name)[..],
        &count,
        &dims_bytes,
        &kind.to_le_bytes(),
        &offset.to_le_bytes(),
    ]
    .concat()
}

#[test]
fn lies_are_told_apart() {
    let list = |kind: u32, count: u64| {
        [
            &text("k")[..],
            &9_u32.to_le_bytes(),
            &kind.to_le_bytes(),
            &count.to_le_bytes(),
            &[0; 64],
        ]
        .concat()
    };
    let one =
        |dims: &[u64], kind, offset| [described("t", dims, kind, offset), vec![0; 256]].concat();
    let two = |second: &str, offset| {
        [
            described("t", &[8], 0, 0),
            described(second, &[8], 0, offset),
            vec![0; 256],
        ]
        .concat()
    };
    let alignment = |n: u32| {
        [
            &text("general.alignment")[..],
            &4_u32.to_le_bytes(),
            &n.to_le_bytes(),
        ]
        .concat()
    };
    let cases: Vec<(Vec<u8>, &[&str])> = vec![
        (b"GGML".to_vec(), &["GGUF"]),
        (
            [b"GGUF", &1_u32.to_le_bytes()[..], &[0; 16]].concat(),
            &["version 1"],
        ),
        (
            [b"GGUF", &3_u32.to_be_bytes()[..], &[0; 16]].concat(),
            &["big-endian"],
        ),
        (crafted(0, u64::MAX, &[0; 64]), &["number of keys", "limit"]),
        (
            crafted(u64::MAX, 0, &[0; 64]),
            &["number of tensors", "limit"],
        ),
        (
            crafted(0, 1, &[&u64::MAX.to_le_bytes()[..], &[0; 64]].concat()),
            &["length of a key", "limit"],
        ),
        (
            crafted(
                0,
                1,
                &[
                    &text("k")[..],
                    &8_u32.to_le_bytes(),
                    &(1_u64 << 40).to_le_bytes(),
                ]
                .concat(),
            ),
            &["`k`", "limit"],
        ),
        (
            crafted(
                0,
                1,
                &[
                    &text("k")[..],
                    &8_u32.to_le_bytes(),
                    &1000_u64.to_le_bytes(),
                ]
                .concat(),
            ),
            &["`k`", "1000"],
        ),
        (
            crafted(
                0,
                1,
                &[&text("k")[..], &13_u32.to_le_bytes(), &[0; 9]].concat(),
            ),
            &["`k`", "type 13"],
        ),
        (
            crafted(0, 1, &[&text("k")[..], &7_u32.to_le_bytes(), &[2]].concat()),
            &["`k`", "truth value of 2"],
        ),
        (
            crafted(
                0,
                1,
                &[&3_u64.to_le_bytes()[..], &[0xFF; 3], &[0; 9]].concat(),
            ),
            &["UTF-8"],
        ),
        (crafted(0, 1, &list(0, u64::MAX)), &["`k`"]),
        (crafted(0, 1, &list(12, 1 << 61)), &["`k`"]),
        (crafted(0, 1, &list(8, 1 << 40)), &["`k`"]),
        (crafted(0, 1, &list(7, 65)), &["`k`"]),
        (crafted(0, 1, &list(9, 1)), &["list of lists"]),
        (crafted(0, 1, &list(77, 1)), &["type 77"]),
        (
            crafted(0, 2, &[list(0, 64), list(0, 64)].concat()),
            &["`k` appears twice"],
        ),
        (
            crafted(1, 0, &one(&[8], 99, 0)),
            &["`t`", "99, which is unknown", "Q4_K"],
        ),
        (
            crafted(1, 0, &one(&[8], 10, 0)),
            &["`t`", "Q2_K (10)", "Q4_K"],
        ),
        (crafted(1, 0, &one(&[1; 5], 0, 0)), &["`t`", "5 dimensions"]),
        (
            crafted(1, 0, &one(&[33], 8, 0)),
            &["`t`", "rows of 33", "multiple of 32"],
        ),
        (
            crafted(1, 0, &one(&[u64::MAX, 2], 0, 0)),
            &["`t`", "absurd shape"],
        ),
        (
            crafted(1, 0, &one(&[1 << 40], 0, 0)),
            &["`t`", "4398046511104 bytes"],
        ),
        (
            crafted(1, 0, &one(&[8], 0, 3)),
            &["`t`", "offset 3", "alignment 32"],
        ),
        (
            crafted(1, 0, &one(&[8], 0, 1 << 40)),
            &["`t`", "32 bytes at offset"],
        ),
        (
            crafted(1, 0, &one(&[8], 0, u64::MAX - 31)),
            &["`t`", "32 bytes at offset"],
        ),
        (crafted(2, 0, &two("t", 32)), &["`t` appears twice"]),
        (crafted(2, 0, &two("u", 0)), &["`t` and `u` overlap"]),
        (
            crafted(0, 1, &alignment(0)),
            &["general.alignment", "power of two"],
        ),
        (
            crafted(0, 1, &alignment(48)),
            &["general.alignment", "power of two"],
        ),
        (
            crafted(0, 1, &alignment(1 << 30)),
            &["general.alignment", "power of two"],
        ),
    ];
    for (bytes, parts) in cases {
        let error = open(bytes).unwrap_err().to_string();
        for part in parts.iter().chain(&["test.gguf"]) {
            assert!(error.contains(part), "{error} lacks {part}");
        }
    }
    // The same bytes without a lie.
    assert!(open(crafted(2, 0, &two("u", 32))).is_ok());
    assert!(open(crafted(0, 1, &alignment(64))).is_ok());
}

#[test]
fn the_writer_refuses_what_it_could_not_read() {
    let twice = GgufWriter::new()
        .tensor("t", &[1], &[0.0])
        .tensor("t", &[1], &[0.0]);
    assert!(twice.to_bytes().is_err());
    assert!(
        GgufWriter::new()
            .tensor("t", &[3], &[0.0])
            .to_bytes()
            .is_err()
    );
    assert!(
        GgufWriter::new()
            .raw_tensor("t", &[33], GgmlType::Q8_0, vec![0; 34])
            .to_bytes()
            .is_err()
    );
    let key = || GgufValue::U8(1);
    assert!(
        GgufWriter::new()
            .metadata("k", key())
            .metadata("k", key())
            .to_bytes()
            .is_err()
    );
    // A folder that is not there: nothing is left behind.
    let folder = tempfile::tempdir().unwrap();
    assert!(
        GgufWriter::new()
            .write(folder.path().join("no/where.gguf"))
            .is_err()
    );
    GgufWriter::new()
        .write(folder.path().join("x.gguf"))
        .unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = open(bytes.clone());
        let _ = open(crafted(1, 1, &bytes));
        let _ = open(crafted(2, 0, &bytes));
    }

    #[test]
    fn blocks_of_random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 210 * 4)) {
        for id in 0..40 {
            if let Some(kind) = GgmlType::from_id(id) {
                let whole = bytes.len() / kind.block_bytes() * kind.block_bytes();
                prop_assert_eq!(kind.dequantize(&bytes[..whole]).len(), whole / kind.block_bytes() * kind.block_len());
            }
        }
    }
}
