use std::fs;

use super::*;
use crate::Layers;

fn vector() -> SteeringVector {
    let directions = BTreeMap::from([(1, vec![3.0, 4.0, 0.0]), (2, vec![0.0, 0.1, -2.0])]);
    SteeringVector::new("happy", "sad", SiteKind::ResidPost, 3, 4, directions)
        .unwrap()
        .with_provenance(Provenance {
            method: "mean".into(),
            fingerprint: Some("abc".into()),
            residual_norms: BTreeMap::from([(1, 10.0), (2, 30.0)]),
            separation: BTreeMap::from([(
                1,
                Separation {
                    auc: 0.75,
                    d_prime: None,
                },
            )]),
            ..Provenance::default()
        })
}

fn shape() -> LmShape {
    LmShape {
        vocab_size: 9,
        layers: 4,
        width: 3,
        head_width: 6,
        max_positions: 8,
        parallel: false,
    }
}

#[test]
fn no_direction_can_be_broken() {
    let try_with = |layer: usize, direction: Vec<f32>| {
        let directions = BTreeMap::from([(layer, direction)]);
        SteeringVector::new("a", "b", SiteKind::ResidPost, 3, 4, directions)
    };
    assert!(try_with(3, vec![0.0, 0.0, 1e-20]).is_ok());
    for (layer, direction) in [
        (0, vec![0.0; 3]),
        (0, vec![1.0, f32::NAN, 0.0]),
        (0, vec![f32::INFINITY, 0.0, 0.0]),
        (0, vec![f32::MAX; 3]),
        (0, vec![1.0]),
        (0, vec![]),
        (4, vec![1.0; 3]),
    ] {
        let error = try_with(layer, direction.clone()).unwrap_err();
        assert!(
            matches!(error, SteerError::Direction { layer: l, .. } if l == layer),
            "{direction:?}: {error}"
        );
    }
    let one = || BTreeMap::from([(0, vec![1.0])]);
    for (toward, away, width, layers, directions) in [
        ("a", "a", 1, 1, one()),
        ("a", " ", 1, 1, one()),
        ("a", "b", 0, 1, one()),
        ("a", "b", 1, 0, one()),
        ("a", "b", 1, usize::MAX, one()),
        ("a", "b", 1, 1, BTreeMap::new()),
    ] {
        let vector =
            SteeringVector::new(toward, away, SiteKind::ResidPost, width, layers, directions);
        assert!(matches!(vector, Err(SteerError::Input { .. })));
    }
    let once = BTreeMap::from([(1, vec![1.0])]);
    assert!(SteeringVector::new("a", "b", SiteKind::FinalNorm, 1, 4, once).is_err());
}

#[test]
fn arithmetic_keeps_meaning() {
    let v = vector();
    assert_eq!(v.negated().direction(1).unwrap(), [-3.0, -4.0, -0.0]);
    assert_eq!((v.negated().toward(), v.negated().away()), ("sad", "happy"));
    assert_eq!(v.negated().negated(), v);
    assert_eq!(v.scaled(2.0).unwrap().norm(1), Some(10.0));
    assert!(v.scaled(0.0).is_err() && v.scaled(f64::NAN).is_err() && v.scaled(1e300).is_err());
    assert!((v.relative(0.1).unwrap().norms()[&1] - 1.0).abs() < 1e-6);
    assert!((v.relative(0.1).unwrap().norms()[&2] - 3.0).abs() < 1e-6);
    assert!(
        v.clone()
            .with_provenance(Provenance::default())
            .relative(0.1)
            .is_err()
    );
    let random = v.random_like(5);
    for (layer, norm) in v.norms() {
        assert!((random.norms()[&layer] / norm - 1.0).abs() < 1e-6);
    }
    assert_eq!(random, v.random_like(5));
    assert_ne!(random.direction(1), v.random_like(6).direction(1));
    assert_ne!(random.unit().direction(1), random.unit().direction(2));
}

#[test]
fn layers_can_be_chosen() {
    let v = vector();
    assert_eq!(v.at_layers(&Layers::All).unwrap(), v);
    let one = v.at_layers(&"-3".parse().unwrap()).unwrap();
    assert_eq!(one.directions().keys().copied().collect::<Vec<_>>(), [1]);
    assert!(
        v.at_layers(&Layers::one(0))
            .unwrap_err()
            .to_string()
            .contains("no direction at layer 0")
    );
    assert!(v.for_depth(3).is_ok() && v.for_depth(2).is_err());
}

#[test]
fn foreign_models_are_refused() {
    let v = vector();
    assert!(v.check_fits(&shape(), Some("abc")).is_ok());
    assert!(v.check_fits(&shape(), None).is_ok());
    let message = |shape: &LmShape, f| v.check_fits(shape, f).unwrap_err().to_string();
    assert!(
        message(
            &LmShape {
                width: 4,
                ..shape()
            },
            None
        )
        .contains("width is 3; expected 4")
    );
    assert!(
        message(
            &LmShape {
                layers: 5,
                ..shape()
            },
            None
        )
        .contains("number of layers is 4")
    );
    assert!(message(&shape(), Some("xyz")).contains("model fingerprint is abc"));
}

#[test]
fn files_round_trip_and_are_stable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.safetensors");
    vector().save(&path).unwrap();
    let first = fs::read(&path).unwrap();
    vector().save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), first);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left behind"
    );
    assert_eq!(SteeringVector::load(&path).unwrap(), vector());
    let tensors = safetensors::SafeTensors::deserialize(&first).unwrap();
    let mut names = tensors.names();
    names.sort_unstable();
    assert_eq!(names, ["layer.1.resid_post", "layer.2.resid_post"]);
    let wide = LmShape {
        width: 4,
        ..shape()
    };
    let message = SteeringVector::load_for(&path, &wide, None)
        .unwrap_err()
        .to_string();
    assert!(message.contains("v.safetensors: width is 3"), "{message}");
    assert!(
        vector()
            .save(folder.path().join("no/such/v.safetensors"))
            .is_err()
    );
}

#[test]
fn json_round_trips_and_is_checked() {
    let json = serde_json::to_string(&vector()).unwrap();
    assert_eq!(
        serde_json::from_str::<SteeringVector>(&json).unwrap(),
        vector()
    );
    let zero = json.replace("[3.0,4.0,0.0]", "[0.0,0.0,0.0]");
    assert!(serde_json::from_str::<SteeringVector>(&zero).is_err());
    let extra = json.replacen('{', "{\"x\":1,", 1);
    assert!(serde_json::from_str::<SteeringVector>(&extra).is_err());
}

/// A safetensors file with this header text and these data.
fn crafted(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(data);
    file
}

#[test]
fn hostile_files_are_refused_with_file_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.safetensors");
    let check = |bytes: &[u8], expected: &str| {
        fs::write(&path, bytes).unwrap();
        let message = SteeringVector::load(&path).unwrap_err().to_string();
        assert!(message.contains("v.safetensors"), "{message}");
        assert!(
            message.contains(expected),
            "{message} should contain {expected}"
        );
    };
    vector().save(&path).unwrap();
    let good = fs::read(&path).unwrap();
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        assert!(
            SteeringVector::load(&path).is_err(),
            "cut to {length} bytes"
        );
    }
    // Every single-byte change is refused or still gives a vector that holds its promises; it never panics.
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x20;
        fs::write(&path, &bytes).unwrap();
        let _ = SteeringVector::load(&path);
    }
    check(b"", "header");
    check(&[0xff; 64], "header");
    check(
        &crafted("{}", &[]),
        "key `firetender_steering_vector` is missing",
    );
    let meta = |json: &str, tensors: &str, data: &[u8]| {
        let escaped = serde_json::to_string(json).unwrap();
        crafted(
            &format!("{{\"__metadata__\":{{\"firetender_steering_vector\":{escaped}}}{tensors}}}"),
            data,
        )
    };
    let head = |format: u32, width: usize| {
        format!(
            "{{\"format\":{format},\"toward\":\"a\",\"away\":\"b\",\"site\":\"resid_post\",\"width\":{width},\"layers\":2,\"provenance\":{{}}}}"
        )
    };
    let tensor = |name: &str, dtype: &str, shape: &str, bytes: usize| {
        format!(
            ",\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[0,{bytes}]}}"
        )
    };
    let one = [1.0f32.to_le_bytes(), 2.0f32.to_le_bytes()].concat();
    let nan = [1.0f32.to_le_bytes(), f32::NAN.to_le_bytes()].concat();
    let good = tensor("layer.1.resid_post", "F32", "[2]", 8);
    check(&meta("{", &good, &one), "metadata");
    check(&meta(&head(2, 2), &good, &one), "format version 2");
    check(&meta(&head(1, 3), &good, &one), "expected F32 of shape [3]");
    check(
        &meta(&head(1, 2), &good, &nan),
        "layer.1.resid_post: number 1 is NaN",
    );
    check(
        &meta(&head(1, 2), &good, &[0; 8]),
        "layer.1.resid_post: length 0",
    );
    check(&meta(&head(1, 2), "", &[]), "without any direction");
    check(&meta(&head(1, usize::MAX), "", &[]), "width");
    check(
        &meta(
            &head(1, 2).replace("\"layers\":2", "\"layers\":1"),
            &good,
            &one,
        ),
        "layers 0 to 0",
    );
    check(
        &meta(&head(1, 2).replace("resid_post", "nowhere"), &good, &one),
        "`nowhere` is not a site",
    );
    check(
        &meta(
            &head(1, 2).replace("\"layers\"", "\"more\":0,\"layers\""),
            &good,
            &one,
        ),
        "unknown field",
    );
    for name in [
        "layer.1.attn_out",
        "layer.x.resid_post",
        "layer.01.resid_post",
        "direction.1",
    ] {
        check(
            &meta(&head(1, 2), &tensor(name, "F32", "[2]", 8), &one),
            "unknown tensor",
        );
    }
    check(
        &meta(
            &head(1, 2),
            &tensor("layer.1.resid_post", "F64", "[1]", 8),
            &one,
        ),
        "F64",
    );
    check(
        &meta(
            &head(1, 2),
            &tensor("layer.1.resid_post", "F32", "[1,2]", 8),
            &one,
        ),
        "[1, 2]",
    );
    let huge = fs::File::create(&path).unwrap();
    huge.set_len((256 << 20) + 1).unwrap();
    let error = SteeringVector::load(&path).unwrap_err();
    assert!(matches!(error, SteerError::TooLarge { .. }), "{error}");
}

proptest::proptest! {
    #[test]
    fn every_vector_comes_back_from_file_and_text(
        bits in proptest::collection::vec(proptest::num::f32::NORMAL, 3),
        residual in proptest::num::f64::POSITIVE,
    ) {
        let directions = BTreeMap::from([(0, bits)]);
        if let Ok(made) = SteeringVector::new("a", "b", SiteKind::ResidPost, 3, 1, directions) {
            let made = made.with_provenance(Provenance {
                residual_norms: BTreeMap::from([(0, residual)]),
                ..Provenance::default()
            });
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("v");
            made.save(&path).unwrap();
            let read = SteeringVector::load(&path).unwrap();
            proptest::prop_assert_eq!(read.directions(), made.directions());
            let back: SteeringVector =
                serde_json::from_str(&serde_json::to_string(&made).unwrap()).unwrap();
            proptest::prop_assert_eq!(back.directions(), made.directions());
            let norm = read.provenance().residual_norms[&0];
            proptest::prop_assert!((norm / made.provenance().residual_norms[&0] - 1.0).abs() < 1e-12);
        }
    }
}
