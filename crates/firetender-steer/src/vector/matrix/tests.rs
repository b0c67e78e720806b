use std::fs;

use firetender_hooks::SiteKind;
use proptest::prelude::*;

use super::*;

/// `numpy.save` of [[0, 0, 0], [1, 2, 3]]: `tests/golden/make/svec.py`.
const F4: &[u8] = include_bytes!("../../../../../tests/golden/svec/matrix_f4.npy");
const F8: &[u8] = include_bytes!("../../../../../tests/golden/svec/matrix_f8.npy");
const FORTRAN: &[u8] = include_bytes!("../../../../../tests/golden/svec/matrix_fortran.npy");

fn here() -> ImportOptions {
    ImportOptions::new().with_site(SiteKind::ResidPost)
}

fn small() -> DirectionMatrix {
    DirectionMatrix::new(3, vec![0.0, 0.0, 0.0, 1.0, 2.0, 3.0]).unwrap()
}

#[test]
fn numpy_files_are_numpys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.npy");
    small().save_npy(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), F4);
    for bytes in [F4, F8] {
        assert_eq!(DirectionMatrix::parse(&path, bytes, None).unwrap(), small());
    }
    let message = DirectionMatrix::parse(&path, FORTRAN, None)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("m.npy, header: columns are stored"),
        "{message}"
    );
}

#[test]
fn a_matrix_needs_a_site_and_a_row_for_each_place() {
    let message = small()
        .to_vector(&ImportOptions::new())
        .unwrap_err()
        .to_string();
    assert!(message.contains("give the site"), "{message}");
    let vector = small()
        .to_vector(&here().with_classes("up", "down"))
        .unwrap()
        .vector;
    assert_eq!(vector.directions().keys().copied().collect::<Vec<_>>(), [1]);
    assert_eq!((vector.toward(), vector.n_layers()), ("up", 2));
    let error = small().to_vector(&here().with_layers(3)).unwrap_err();
    assert!(
        matches!(
            error,
            SteerError::Mismatch {
                field: "number of rows",
                ..
            }
        ),
        "{error}"
    );
    let once = ImportOptions::new().with_site(SiteKind::FinalNorm);
    assert!(small().to_vector(&once).is_err());
    let zeros = DirectionMatrix::new(2, vec![0.0; 4]).unwrap();
    assert!(zeros.to_vector(&here()).is_err());
    assert!(
        DirectionMatrix::new(0, vec![]).is_err() && DirectionMatrix::new(2, vec![1.0; 3]).is_err()
    );
}

#[test]
fn raw_numbers_need_a_width_that_fits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.f32");
    small().save_f32(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 24);
    let vector = SteeringVector::import(&path, &here().with_width(3))
        .unwrap()
        .vector;
    assert_eq!(vector.direction(1).unwrap(), [1.0, 2.0, 3.0]);
    for options in [
        here(),
        here().with_width(4),
        here().with_width(0),
        here().with_width(usize::MAX),
    ] {
        assert!(SteeringVector::import(&path, &options).is_err());
    }
}

#[test]
fn safetensors_matrices_are_one_tensor() {
    let file = |tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]| {
        let views = tensors.iter().map(|(name, dtype, shape, data)| {
            (
                *name,
                safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap(),
            )
        });
        safetensors::serialize(views, None).unwrap()
    };
    let data: Vec<u8> = small()
        .numbers()
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let path = Path::new("m.safetensors");
    let good = file(&[("directions", Dtype::F32, vec![2, 3], data.clone())]);
    assert_eq!(DirectionMatrix::parse(path, &good, None).unwrap(), small());
    let what = |bytes: Vec<u8>| {
        DirectionMatrix::parse(path, &bytes, None)
            .unwrap_err()
            .to_string()
    };
    assert!(what(file(&[("d", Dtype::F32, vec![6], data.clone())])).contains("shape [6]"));
    assert!(what(file(&[("d", Dtype::F16, vec![4, 3], data.clone())])).contains("F16"));
    let two = [
        ("a", Dtype::F32, vec![2, 3], data.clone()),
        ("b", Dtype::F32, vec![2, 3], data),
    ];
    assert!(what(file(&two)).contains("2 tensors"));
    assert!(what(file(&[("d", Dtype::F32, vec![0, 3], vec![])])).contains("0 rows"));
}

#[test]
fn hostile_matrices_are_refused_and_never_panic() {
    let path = Path::new("m.npy");
    for length in 0..F4.len() {
        assert!(
            DirectionMatrix::parse(path, &F4[..length], None).is_err(),
            "cut to {length}"
        );
    }
    for at in 0..F4.len() {
        for flip in [0x01, 0x20, 0x80] {
            let mut bytes = F4.to_vec();
            bytes[at] ^= flip;
            let _ = DirectionMatrix::parse(path, &bytes, None);
        }
    }
    let with = |from: &str, to: &str| {
        let text = String::from_utf8_lossy(&F4[10..128]).replace(from, to);
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend(&F4[128..]);
        DirectionMatrix::parse(path, &bytes, None).map_err(|e| e.to_string())
    };
    assert!(with("(2, 3)", "(2, 3)").is_ok());
    for (from, to, expected) in [
        ("<f4", ">f4", "numbers of type >f4"),
        ("<f4", "|O", "numbers of type |O"),
        ("(2, 3)", "(6,)", "shape (6,)"),
        ("(2, 3)", "(2, 3, 1)", "shape (2, 3, 1)"),
        ("(2, 3)", "(2, 4)", "bytes of numbers"),
        ("(2, 3)", "(18446744073709551615, 3)", "bytes of numbers"),
        ("(2, 3)", "(-2, 3)", "shape (-2, 3)"),
        ("descr", "other", "no `descr`"),
        ("(2, 3), }", "(2, 3", "no `shape`"),
    ] {
        let message = with(from, to).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn formats_are_told_by_their_first_bytes() {
    let refused = VectorFormat::detect("v.txt".as_ref(), b"hello")
        .unwrap_err()
        .to_string();
    assert!(refused.contains("no vector file"), "{refused}");
    assert!(VectorFormat::detect("v".as_ref(), b"").is_err());
    assert_eq!(
        VectorFormat::detect("v.gguf".as_ref(), b" {}").unwrap(),
        VectorFormat::Svec
    );
    assert_eq!(
        VectorFormat::detect("v.f32".as_ref(), b"hell").unwrap(),
        VectorFormat::F32
    );
}

proptest! {
    #[test]
    fn every_matrix_comes_back(numbers in proptest::collection::vec(proptest::num::f32::NORMAL, 12), npy in proptest::bool::ANY) {
        let matrix = DirectionMatrix::new(4, numbers).unwrap();
        if let Ok(found) = matrix.to_vector(&here()) {
            let folder = tempfile::tempdir().unwrap();
            let (format, path) = if npy { (VectorFormat::Npy, "m.npy") } else { (VectorFormat::F32, "m.f32") };
            let path = folder.path().join(path);
            found.vector.export(&path, format, "").unwrap();
            let back = SteeringVector::import(&path, &here().with_width(4)).unwrap().vector;
            prop_assert_eq!(back.directions(), found.vector.directions());
        }
    }
}
