use std::fs;

use proptest::prelude::*;

use super::*;

/// Made by what `SteeringVector.save` of the two libraries does: `tests/golden/make/svec.py`.
const CAST: &[u8] = include_bytes!("../../../../../tests/golden/svec/cast.svec");
const AISTEER360: &[u8] = include_bytes!("../../../../../tests/golden/svec/aisteer360.svec");
const HEADS: &[u8] = include_bytes!("../../../../../tests/golden/svec/aisteer360_heads.svec");

fn parse(json: &str) -> Result<SvecFile, SteerError> {
    SvecFile::parse("v.svec".as_ref(), json.as_bytes())
}

fn json(directions: &str, more: &str) -> String {
    format!("{{\"model_type\": \"llama\", \"directions\": {directions}{more}}}")
}

#[test]
fn cast_reads_behind_a_block_and_applies_before_it() {
    let file = SvecFile::parse("cast".as_ref(), CAST).unwrap();
    let read = file
        .to_vector(&ImportOptions::new().with_layers(4))
        .unwrap();
    let vector = read.vector;
    assert_eq!(
        (vector.site(), vector.width(), vector.n_layers()),
        (SiteKind::ResidPre, 4, 4)
    );
    assert_eq!(vector.direction(1).unwrap(), [0.1, -0.2, 0.3, 0.4]);
    let origin = vector.provenance().origin.clone().unwrap();
    assert_eq!(origin.generator, Some(Generator::Cast));
    assert_eq!(origin.read_site.as_deref(), Some("resid_post"));
    assert!(read.notes[0].contains("applied at its input"));
    assert_eq!(vector.provenance().explained_variance[&2], 0.5);
    // Where it is applied is the output of the block before.
    let after = vector.restated(SiteKind::ResidPost).unwrap();
    assert_eq!(after.direction(0), vector.direction(1));
    assert_eq!(after.provenance().explained_variance[&1], 0.5);
    // Both facts survive our own file.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.safetensors");
    vector.save(&path).unwrap();
    assert_eq!(SteeringVector::load(&path).unwrap(), vector);
}

#[test]
fn aisteer360_applies_where_it_reads() {
    let file = SvecFile::parse("ai".as_ref(), AISTEER360).unwrap();
    let vector = file.to_vector(&ImportOptions::new()).unwrap().vector;
    assert_eq!(
        (vector.site(), vector.direction(1)),
        (SiteKind::ResidPost, Some(&[0.1, -0.2, 0.3, 0.4][..]))
    );
    let origin = vector.provenance().origin.clone().unwrap();
    assert_eq!(
        (origin.generator, origin.read_site),
        (Some(Generator::AiSteer360), None)
    );
}

#[test]
fn heads_stand_side_by_side() {
    let file = SvecFile::parse("heads".as_ref(), HEADS).unwrap();
    assert_eq!((file.num_heads, file.head_dim), (Some(2), Some(3)));
    assert_eq!(file.probe_accuracies.as_ref().unwrap()["1:0"], 0.75);
    let vector = file.to_vector(&ImportOptions::new()).unwrap().vector;
    assert_eq!((vector.site(), vector.width()), (SiteKind::HeadOut, 6));
    assert_eq!(vector.direction(1).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let misfit = SvecFile {
        num_heads: Some(3),
        ..file
    };
    let message = misfit
        .to_vector(&ImportOptions::new())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("2 rows of 3 numbers; num_heads"),
        "{message}"
    );
}

#[test]
fn planes_and_positions_are_no_single_direction() {
    let file = parse(&json("{\"1\": [[1.0, 0.0], [0.0, 1.0]]}", "")).unwrap();
    assert_eq!(file.directions[&1].shape(), [2, 2]);
    let error = file.to_vector(&ImportOptions::new()).unwrap_err();
    assert!(
        matches!(error, SteerError::Direction { layer: 1, .. }),
        "{error}"
    );
    let options = ImportOptions::new().with_generator(Generator::Repeng);
    assert!(
        file.to_vector(&options)
            .unwrap_err()
            .to_string()
            .contains("repeng does not write")
    );
}

#[test]
fn hostile_text_is_refused_with_its_place() {
    let refuse = |text: &str, expected: &str| {
        let message = parse(text).unwrap_err().to_string();
        assert!(
            message.contains("v.svec, JSON") && message.contains(expected),
            "{message}"
        );
    };
    refuse("", "EOF");
    refuse("[]", "invalid");
    refuse(&json("{\"1\": [1.0, [2.0]]}", ""), "mixed");
    refuse(&json("{\"1\": [[1.0], 2.0]}", ""), "mixed");
    refuse(
        &json("{\"1\": [[1.0], [2.0, 3.0]]}", ""),
        "different length",
    );
    refuse(&json("{\"1\": [[], [1.0]]}", ""), "different length");
    refuse(&json("{\"1\": [NaN]}", ""), "line 1 column");
    refuse(&json("{\"-1\": [1.0]}", ""), "line 1 column");
    refuse(&json("{\"1\": [\"1\"]}", ""), "a number or a list");
    refuse(&json("{}", ", \"surprise\": 1"), "surprise");
    refuse("{\"directions\": {}}", "model_type");
    refuse(&"[".repeat(100_000), "");
    let vector = |directions: &str| {
        parse(&json(directions, ""))
            .unwrap()
            .to_vector(&ImportOptions::new())
    };
    for bad in [
        "{}",
        "{\"1\": []}",
        "{\"1\": [0.0]}",
        "{\"1\": [1e39]}",
        "{\"1\": [1.0], \"2\": [1.0, 2.0]}",
        "{\"999999\": [1.0]}",
    ] {
        assert!(vector(bad).is_err(), "{bad}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.svec");
    for length in 0..CAST.len() {
        fs::write(&path, &CAST[..length]).unwrap();
        assert!(
            SteeringVector::import(&path, &ImportOptions::new()).is_err(),
            "cut to {length}"
        );
    }
    for at in 0..CAST.len() {
        let mut bytes = CAST.to_vec();
        bytes[at] ^= 0x11;
        fs::write(&path, &bytes).unwrap();
        let _ = SteeringVector::import(&path, &ImportOptions::new());
    }
}

#[test]
fn the_last_output_has_no_name_there() {
    let last = BTreeMap::from([(3, vec![1.0])]);
    let vector = SteeringVector::new("a", "b", SiteKind::ResidPost, 1, 4, last).unwrap();
    assert!(matches!(
        SvecFile::from_vector(&vector, "llama"),
        Err(SteerError::Direction { layer: 3, .. })
    ));
}

proptest! {
    #[test]
    fn every_vector_comes_back(
        directions in proptest::collection::btree_map(0usize..7, proptest::collection::vec(proptest::num::f32::NORMAL, 3), 1..6),
        share in 0.0f64..1.0,
    ) {
        if let Ok(vector) = SteeringVector::new("happy", "sad", SiteKind::ResidPost, 3, 8, directions) {
            let layer = *vector.directions().keys().next().unwrap();
            let vector = vector.with_provenance(crate::Provenance {
                explained_variance: BTreeMap::from([(layer, share)]),
                ..Default::default()
            });
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("v.svec");
            vector.export(&path, VectorFormat::Svec, "llama").unwrap();
            let back = SteeringVector::import(&path, &ImportOptions::new().with_layers(8)).unwrap().vector;
            let back = back.restated(SiteKind::ResidPost).unwrap();
            prop_assert_eq!(back.directions(), vector.directions());
            prop_assert_eq!((back.toward(), back.away()), ("happy", "sad"));
            let origin = back.provenance().origin.clone().unwrap();
            prop_assert_eq!((origin.generator, origin.read_site), (Some(Generator::Firetender), None));
            prop_assert_eq!(&back.provenance().explained_variance, &vector.provenance().explained_variance);
        }
    }
}
