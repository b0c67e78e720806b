use std::fs;

use firetender_lm::{GgmlType, GgufValue, GgufWriter};
use proptest::prelude::*;

use super::*;

/// Made by Python's `gguf` package: `tests/golden/make/control_vector.py`.
const GOLDEN: &[u8] = include_bytes!("../../../../../tests/golden/gguf/control_vector.gguf");

fn golden() -> ControlVector {
    let directions = BTreeMap::from([(1, vec![1.0, 2.0, 3.0, 4.0]), (2, vec![2.0, 3.0, 4.0, 5.0])]);
    ControlVector::new("llama", directions).unwrap()
}

fn parse(file: &GgufWriter) -> Result<ControlVector, SteerError> {
    ControlVector::parse("v.gguf".as_ref(), file.to_bytes().unwrap())
}

#[test]
fn the_golden_file_is_met_byte_for_byte_and_read_back() {
    assert_eq!(GOLDEN.len(), 320);
    assert_eq!(golden().to_bytes(MetadataStyle::Repeng).unwrap(), GOLDEN);
    let read = ControlVector::parse("golden".as_ref(), GOLDEN.to_vec()).unwrap();
    assert_eq!(read, golden());
    let options = ImportOptions::new().with_generator(Generator::Repeng);
    let vector = read.to_vector(&options).unwrap().vector;
    let again = ControlVector::from_vector(&vector, "llama").unwrap();
    assert_eq!(again.to_bytes(MetadataStyle::Repeng).unwrap(), GOLDEN);
}

#[test]
fn both_styles_say_the_same() {
    let bytes = golden().to_bytes(MetadataStyle::LlamaCpp).unwrap();
    assert_ne!(bytes, GOLDEN);
    let file = firetender_lm::Gguf::from_bytes("f", bytes.clone()).unwrap();
    assert_eq!(
        file.value("controlvector.layer_count"),
        Some(&GgufValue::I32(2))
    );
    assert_eq!(file.tensors()[0].name, "direction.1");
    assert_eq!(ControlVector::parse("f".as_ref(), bytes).unwrap(), golden());
}

#[test]
fn an_import_asks_who_wrote_the_file() {
    let file = golden();
    let message = file
        .to_vector(&ImportOptions::new())
        .unwrap_err()
        .to_string();
    assert!(message.contains("one block late"), "{message}");
    let by = |generator| {
        ImportOptions::new()
            .with_generator(generator)
            .with_layers(3)
    };
    let repeng = file.to_vector(&by(Generator::Repeng)).unwrap();
    assert_eq!(repeng.vector.direction(1).unwrap(), [1.0, 2.0, 3.0, 4.0]);
    assert!(repeng.notes[0].contains("block 2") && repeng.notes[0].contains("final norm"));
    let llama = file.to_vector(&by(Generator::LlamaCpp)).unwrap();
    assert_eq!(llama.vector.direction(0).unwrap(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(llama.vector.direction(2), None);
    let origin = llama.vector.provenance().origin.clone().unwrap();
    assert_eq!(
        (origin.generator, origin.format.as_str()),
        (Some(Generator::LlamaCpp), "gguf")
    );
    assert!(file.to_vector(&by(Generator::Cast)).is_err());
    // A file that names its classes was written here.
    let named = file.with_names("happy", "sad");
    let bytes = named.to_bytes(MetadataStyle::Repeng).unwrap();
    let read = ControlVector::parse("f".as_ref(), bytes).unwrap();
    let vector = read.to_vector(&ImportOptions::new()).unwrap().vector;
    assert_eq!((vector.toward(), vector.away()), ("happy", "sad"));
}

#[test]
fn names_are_read_as_llama_cpp_reads_them() {
    for (name, block) in [
        ("direction.3", 3),
        ("direction.3.x", 3),
        ("direction.3x", 3),
        ("direction.03", 3),
        ("direction.+3", 3),
        ("direction. 3", 3),
        ("direction.16384", 16384),
    ] {
        let read = parse(&GgufWriter::new().tensor(name, &[2], &[1.0, 2.0])).unwrap();
        assert_eq!(
            read.directions().keys().copied().collect::<Vec<_>>(),
            [block],
            "{name}"
        );
    }
    for name in [
        "direction.0",
        "direction.-1",
        "direction.",
        "direction.x",
        "direction..1",
        "direction",
        "directions.1",
        "Direction.1",
        " direction.1",
        "blk.1.weight",
        "direction.16385",
        "direction.99999999999999999999",
        "",
    ] {
        // One foreign name rejects the whole file.
        let file = GgufWriter::new().tensor("direction.1", &[1], &[1.0]);
        let error = parse(&file.tensor(name, &[1], &[1.0])).unwrap_err();
        let message = error.to_string();
        assert!(
            matches!(error, SteerError::File { .. }),
            "{name}: {message}"
        );
        assert!(message.contains(&format!("tensor `{name}`")), "{message}");
    }
}

#[test]
fn other_types_shapes_and_lengths_are_refused() {
    let what = |file: GgufWriter| parse(&file).unwrap_err().to_string();
    let f16 = GgufWriter::new().raw_tensor("direction.1", &[2], GgmlType::F16, vec![0; 4]);
    assert!(what(f16).contains("type F16; expected F32"));
    let two = GgufWriter::new().tensor("direction.1", &[2, 2], &[1.0; 4]);
    assert!(what(two).contains("shape [2, 2]; expected one dimension"));
    let none = GgufWriter::new().tensor("direction.1", &[0], &[]);
    assert!(what(none).contains("shape [0]"));
    let mixed = GgufWriter::new().tensor("direction.1", &[2], &[1.0; 2]);
    assert!(
        what(mixed.tensor("direction.2", &[3], &[1.0; 3]))
            .contains("3 numbers; the first direction has 2")
    );
    assert!(what(GgufWriter::new()).contains("no control vector"));
    // ggml does not count outer dimensions of one.
    assert!(parse(&GgufWriter::new().tensor("direction.1", &[1, 2], &[1.0; 2])).is_ok());
    // Metadata are not read, whatever they are.
    let odd = GgufWriter::new().metadata("controlvector.layer_count", GgufValue::Bool(true));
    assert!(parse(&odd.tensor("direction.1", &[1], &[1.0])).is_ok());
    // Numbers that no vector may have come to light when it is made.
    let zero = parse(&GgufWriter::new().tensor("direction.1", &[2], &[0.0; 2])).unwrap();
    let by = ImportOptions::new().with_generator(Generator::Repeng);
    assert!(
        zero.to_vector(&by)
            .unwrap_err()
            .to_string()
            .contains("length 0")
    );
}

#[test]
fn repeated_blocks_and_several_files_are_summed() {
    let twice = GgufWriter::new()
        .tensor("direction.2", &[2], &[1.0, 2.0])
        .tensor("direction.2.again", &[2], &[10.0, 20.0]);
    assert_eq!(parse(&twice).unwrap().directions()[&2], [11.0, 22.0]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let save = |name: &str, block, direction| {
        let directions = BTreeMap::from([(block, direction)]);
        let file = ControlVector::new("llama", directions).unwrap();
        file.save(path(name), MetadataStyle::Repeng).unwrap();
    };
    save("a", 2, vec![1.0, 2.0]);
    save("b", 2, vec![4.0, 4.0]);
    save("c", 3, vec![8.0, 8.0]);
    save("wide", 3, vec![8.0, 8.0, 8.0]);
    let sum = ControlVector::load_scaled(&[(path("a"), 1.0), (path("b"), -0.5), (path("c"), 2.0)]);
    let expected = BTreeMap::from([(2, vec![-1.0, 0.0]), (3, vec![16.0, 16.0])]);
    assert_eq!(*sum.unwrap().directions(), expected);
    let error = ControlVector::load_scaled(&[(path("a"), 1.0), (path("wide"), 1.0)]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("wide, directions: directions of 3 numbers"),
        "{error}"
    );
    assert!(ControlVector::load_scaled::<&str>(&[]).is_err());
}

#[test]
fn what_cannot_be_expressed_is_refused() {
    let at = |site, layer: usize| {
        let directions = BTreeMap::from([(layer, vec![1.0])]);
        let vector = SteeringVector::new("a", "b", site, 1, 4, directions).unwrap();
        ControlVector::from_vector(&vector, "llama")
    };
    assert!(
        at(SiteKind::ResidPost, 0)
            .unwrap_err()
            .to_string()
            .contains("cannot steer block 0")
    );
    assert!(at(SiteKind::ResidPre, 1).is_err());
    assert!(at(SiteKind::ResidPre, 0).is_err());
    assert!(matches!(
        at(SiteKind::MlpOut, 1),
        Err(SteerError::Mismatch { .. })
    ));
    assert_eq!(at(SiteKind::ResidPre, 3).unwrap().directions()[&2], [1.0]);
    assert!(ControlVector::new("llama", BTreeMap::new()).is_err());
    let uneven = BTreeMap::from([(1, vec![1.0]), (2, vec![1.0, 2.0])]);
    assert!(ControlVector::new("llama", uneven).is_err());
}

#[test]
fn directions_beyond_the_model_are_left_out_with_a_note() {
    let by = |layers| {
        ImportOptions::new()
            .with_generator(Generator::Repeng)
            .with_layers(layers)
    };
    let found = golden().to_vector(&by(2)).unwrap();
    assert_eq!(found.vector.n_layers(), 2);
    assert_eq!(found.vector.direction(2), None);
    assert!(
        found.notes[0].contains("layers 2 are left out"),
        "{:?}",
        found.notes
    );
    assert!(golden().to_vector(&by(1)).is_err() && golden().to_vector(&by(0)).is_err());
}

#[test]
fn damaged_files_are_refused_or_read_and_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.gguf");
    let options = ImportOptions::new().with_generator(Generator::Repeng);
    for length in 0..GOLDEN.len() {
        fs::write(&path, &GOLDEN[..length]).unwrap();
        let read = SteeringVector::import(&path, &options);
        // Only the zeros behind the last number may be missing.
        assert_eq!(read.is_ok(), length >= 304, "cut to {length} bytes");
    }
    for at in 0..GOLDEN.len() {
        for flip in [0x01, 0x20, 0x80, 0xff] {
            let mut bytes = GOLDEN.to_vec();
            bytes[at] ^= flip;
            fs::write(&path, &bytes).unwrap();
            if let Ok(read) = SteeringVector::import(&path, &options) {
                assert!(
                    read.vector
                        .norms()
                        .values()
                        .all(|n| n.is_finite() && *n > 0.0)
                );
            }
        }
    }
    let huge = fs::File::create(&path).unwrap();
    huge.set_len((256 << 20) + 1).unwrap();
    assert!(matches!(
        ControlVector::load(&path),
        Err(SteerError::TooLarge { .. })
    ));
}

proptest! {
    #[test]
    fn every_vector_comes_back(
        directions in proptest::collection::btree_map(1usize..7, proptest::collection::vec(-1e30f32..1e30, 5), 1..6),
        before in proptest::bool::ANY,
    ) {
        if let Ok(vector) = SteeringVector::new("happy", "sad", SiteKind::ResidPost, 5, 8, directions) {
            let vector = if before { vector.restated(SiteKind::ResidPre).unwrap() } else { vector };
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("v");
            vector.export(&path, VectorFormat::Gguf, "llama").unwrap();
            let options = ImportOptions::new().with_layers(8);
            let back = SteeringVector::import(&path, &options).unwrap().vector;
            let back = back.restated(vector.site()).unwrap();
            prop_assert_eq!(back.directions(), vector.directions());
            prop_assert_eq!((back.toward(), back.away(), back.n_layers()), ("happy", "sad", 8));
        }
    }
}
