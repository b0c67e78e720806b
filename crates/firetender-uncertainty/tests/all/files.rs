//! Files: what NumPy writes is read, and what lies about itself is refused.

use std::{fs, path::Path};

use firetender_uncertainty::{
    NpyArray, NpyValues, Predictions, ResultTable, ScoreKind, Scores, Targets, UncertaintyError,
    evaluate, parse_npy, read_npy, read_npz, write_npy, write_npz,
};
use proptest::prelude::*;

use crate::support::{close, data};

/// A version 1 file with this header and these bytes.
fn npy(header: &str, bytes: &[u8]) -> Vec<u8> {
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(bytes);
    file
}

fn parse(file: &[u8]) -> Result<NpyArray, UncertaintyError> {
    parse_npy(file, Path::new("x.npy"))
}

#[test]
fn numbers_of_every_width_and_order() {
    let header = |descr: &str, shape: &str| {
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}   \n")
    };
    let ints = |descr: &str, bytes: &[u8]| {
        let count = bytes.len() / descr[2..].parse::<usize>().unwrap();
        parse(&npy(&header(descr, &format!("({count},)")), bytes)).map(|a| a.values)
    };
    assert_eq!(
        ints("|u1", &[0, 255]).unwrap(),
        NpyValues::Int(vec![0, 255])
    );
    assert_eq!(ints("|i1", &[0, 255]).unwrap(), NpyValues::Int(vec![0, -1]));
    assert_eq!(ints("|b1", &[0, 1]).unwrap(), NpyValues::Int(vec![0, 1]));
    assert_eq!(ints("<u2", &[1, 2]).unwrap(), NpyValues::Int(vec![513]));
    assert_eq!(ints(">u2", &[1, 2]).unwrap(), NpyValues::Int(vec![258]));
    assert_eq!(
        ints("<i4", &[254, 255, 255, 255]).unwrap(),
        NpyValues::Int(vec![-2])
    );
    assert_eq!(ints(">i8", &[255; 8]).unwrap(), NpyValues::Int(vec![-1]));
    assert!(ints("<u8", &[255; 8]).is_err());
    let bytes: Vec<u8> = 1.5_f64.to_be_bytes().to_vec();
    assert_eq!(ints(">f8", &bytes).unwrap(), NpyValues::F64(vec![1.5]));
    assert_eq!(
        ints("<f4", &1.5_f32.to_le_bytes()).unwrap(),
        NpyValues::F32(vec![1.5])
    );
    // Halves: one, the largest, the smallest, minus zero, and what is not finite.
    let halves = [0x3c00_u16, 0x7bff, 0x0001, 0x8000, 0xfc00, 0x7e00].map(u16::to_le_bytes);
    let NpyValues::F16(found) = ints("<f2", &halves.concat()).unwrap() else {
        panic!("halves are known as such");
    };
    let (smallest, none) = (2f32.powi(-24), f32::NEG_INFINITY);
    assert_eq!(found[..5], [1.0, 65504.0, smallest, -0.0, none]);
    assert!(found[3].is_sign_negative() && found[5].is_nan());
    // Columns first become rows first.
    let text = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n";
    let found = parse(&npy(text, &[1, 4, 2, 5, 3, 6])).unwrap();
    assert_eq!(found.shape, [2, 3]);
    assert_eq!(found.values, NpyValues::Int(vec![1, 2, 3, 4, 5, 6]));
    // Keys in another order, a version 2 header, a single number.
    let text = "{\"shape\": (), \"fortran_order\": False, \"descr\": \"|u1\"}";
    let mut file = b"\x93NUMPY\x02\x00".to_vec();
    file.extend((text.len() as u32).to_le_bytes());
    file.extend(text.as_bytes());
    file.push(9);
    assert_eq!(parse(&file).unwrap().values, NpyValues::Int(vec![9]));
}

#[test]
fn lying_headers_are_refused_before_anything_is_allocated() {
    let good = "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }";
    let cases = [
        (
            npy(
                "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
                &[],
            ),
            "shape",
        ),
        (
            npy(
                "{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952,), }",
                &[],
            ),
            "shape",
        ),
        (
            npy(
                "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }",
                &[0; 8],
            ),
            "8 bytes follow",
        ),
        (npy(good, &[0; 9]), "9 bytes follow"),
        (
            npy(
                "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
                &[0; 8],
            ),
            "type",
        ),
        (
            npy(
                "{'descr': '<U5', 'fortran_order': False, 'shape': (1,), }",
                &[0; 20],
            ),
            "type",
        ),
        (
            npy("{'descr': '<f8', 'fortran_order': False}", &[]),
            "missing",
        ),
        (
            npy("{'descr': '<f8', 'fortran_order': 1, 'shape': (1,), }", &[]),
            "True nor False",
        ),
        (
            npy(
                "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
                &[],
            ),
            "numbers",
        ),
        (
            npy(
                "{'descr': '<f8', 'fortran_order': False, 'shape': (1.0,), }",
                &[],
            ),
            "numbers",
        ),
        (
            npy("{'descr': '<f8', 'evil': False, 'shape': (1,), }", &[]),
            "unknown key",
        ),
        (npy(&"(".repeat(60_000), &[]), "dictionary"),
        (npy("{", &[]), "no string"),
        (npy("{'descr", &[]), "without an end"),
        (npy("", &[]), "dictionary"),
        (b"\x93NUMPY\x01\x00\xff\xff".to_vec(), "the file has fewer"),
        (b"\x93NUMPY\x09\x00\x00\x00".to_vec(), "version"),
        (b"PK\x03\x04".to_vec(), "does not begin"),
        (vec![], "does not begin"),
    ];
    for (file, expected) in cases {
        let error = parse(&file).unwrap_err().to_string();
        assert!(
            error.contains(expected) && error.contains("x.npy"),
            "{error}"
        );
        assert!(error.len() < 400 && !error.contains('\n'), "{error}");
    }
    assert!(parse(&npy(good, &[0; 8])).is_ok());
}

#[test]
fn archives_are_read_and_damaged_ones_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let one = NpyArray {
        shape: vec![2, 2],
        values: NpyValues::F32(vec![1.0, 2.0, 3.0, 4.0]),
    };
    let two = NpyArray {
        shape: vec![1],
        values: NpyValues::Int(vec![7]),
    };
    write_npz(&path, &[("one", &one), ("two", &two)]).unwrap();
    let bytes = fs::read(&path).unwrap();
    write_npz(&path, &[("one", &one), ("two", &two)]).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes, "same arrays, same bytes");
    assert_eq!(
        read_npz(&path).unwrap(),
        [("one".into(), one.clone()), ("two".into(), two)]
    );
    // Every byte turned around: an error or another array, never a panic.
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        fs::write(&path, &damaged).unwrap();
        if let Ok(found) = read_npz(&path) {
            assert!(found.len() <= 2);
        }
    }
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(read_npz(&path).is_err());
    }
    write_npz(&path, &[("one", &one), ("one", &one)]).unwrap();
    assert!(
        read_npz(&path)
            .unwrap_err()
            .to_string()
            .contains("two arrays")
    );
    assert!(matches!(
        read_npz(folder.path().join("none")),
        Err(UncertaintyError::Io { .. })
    ));
}

#[test]
fn predictions_know_their_targets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.npz");
    let stored = Predictions::new(vec![vec![0.25, 0.75, 0.5, 0.5]; 3], 2, vec![1, 0]).unwrap();
    stored.write(&path).unwrap();
    let read = Predictions::read(&path).unwrap();
    assert_eq!(read.scores(ScoreKind::Probs).unwrap().len(), 3);
    assert_eq!(read.targets(), Targets::classes(&[1, 0]));
    // Labels of a test set that was shuffled afterwards.
    let mut arrays = read_npz(&path).unwrap();
    arrays[1].1.values = NpyValues::Int(vec![0, 1]);
    let arrays: Vec<(&str, &NpyArray)> = arrays.iter().map(|(n, a)| (n.as_str(), a)).collect();
    write_npz(&path, &arrays).unwrap();
    let error = Predictions::read(&path).unwrap_err().to_string();
    assert!(error.contains("other targets"), "{error}");
    write_npz(&path, &arrays[..1]).unwrap();
    assert!(
        Predictions::read(&path)
            .unwrap_err()
            .to_string()
            .contains("missing")
    );
    assert!(Predictions::new(vec![vec![0.5; 3]], 2, vec![1]).is_err());
}

#[test]
fn tables_of_the_reference() {
    let text = ",dataset,model,method,n_samples,metric,value,info\n\
                0,C,V,deepens,1,ll,-1.5,\n1,C,V,deepens (ts),1,ll,-1.0,run-0\n2,C,V,deepens (ts),1,ll,-1.2,run-1\n\
                3,C,V,deepens (ts),2,ll,-0.8,\"a, \"\"b\"\"\"\n4,C,V,deepens (ts),2,ll,-0.9,\n";
    let table = ResultTable::parse(text, Path::new("log.cvs")).unwrap();
    assert_eq!(table.rows[3].info, "a, \"b\"");
    assert_eq!(table.default_metric(), "cll");
    let curve = table.curve("deepens", "cll").unwrap();
    assert_eq!(curve.sizes(), [1.0, 2.0]);
    close(curve.means()[0], -1.1, 1e-15);
    close(curve.deviations().unwrap()[0], 0.02_f64.sqrt(), 1e-12);
    assert_eq!(
        ResultTable::parse(&table.to_csv(), Path::new("again.csv")).unwrap(),
        table
    );
    let message = |text: &str| {
        ResultTable::parse(text, Path::new("t.csv"))
            .unwrap_err()
            .to_string()
    };
    assert!(message("").contains("empty"));
    assert!(message("method,metric,value\n").contains("n_samples"));
    let head = "method,metric,n_samples,value\n";
    assert!(message(head).contains("no rows"));
    assert!(message(&format!("{head}a,ll,1,NaN\n")).contains("line 2"));
    assert!(message(&format!("{head}a,ll,1,-1\na,ll,0,1\n")).contains("line 3"));
    assert!(message(&format!("{head}a,ll,1.5,1\n")).contains("whole number"));
    assert!(message(&format!("{head}a,ll\n")).contains("2 fields"));
    assert!(
        table
            .curve("sse", "cll")
            .unwrap_err()
            .to_string()
            .contains("deepens")
    );
    let two = "dataset,method,metric,n_samples,value\nA,m,ll,1,-1\nB,m,ll,1,-2\n";
    let two = ResultTable::parse(two, Path::new("t.csv")).unwrap();
    assert!(
        two.curve("m", "ll")
            .unwrap_err()
            .to_string()
            .contains("dataset")
    );
    assert_eq!(
        two.only(Some("b"), None).curve("m", "ll").unwrap().means(),
        [-2.0]
    );
}

#[test]
fn rows_of_nothing_say_nothing() {
    let plain = "method,metric,n_samples,value\ndeepens,cll,1,-1\ndeepens,cll,2,-0.5\n";
    let spaced = "\n , ,,\r\nmethod,metric,n_samples,value\r\n,,,\r\ndeepens,cll,1,-1\r\n\r\ndeepens,cll,2,-0.5\r\n,,,\r\n \r\n";
    let read = |text| ResultTable::parse(text, Path::new("t.csv"));
    assert_eq!(read(spaced).unwrap(), read(plain).unwrap());
    // A row that says something has to say all of it, and is counted where it stands.
    let error = read("\nmethod,metric,n_samples,value\n,,,\ndeepens,cll,,-1\n").unwrap_err();
    assert!(error.to_string().contains("line 4"), "{error}");
    assert!(read("\n\n").is_err() && read("method,metric,n_samples,value\n,,,\n").is_err());
}

#[test]
fn a_table_of_equivalents_is_read_as_the_metric_dee() {
    let text =
        "dataset,model,method,n_samples,dee,cost_epochs\nC,V,sse,1,1.0,45\nC,V,sse,2,1.6,90\n";
    let table = ResultTable::parse(text, Path::new("t.csv")).unwrap();
    assert_eq!(table.default_metric(), "dee");
    assert_eq!(table.curve("sse", "dee").unwrap().means(), [1.0, 1.6]);
    // What the command writes has a metric, too; its values are the equivalents all the same.
    let own = "n_samples,metric,dee,lower,upper,status,dataset,model,method\n1,cll,1.5,1,2,interior,C,V,sse\n";
    let own = ResultTable::parse(own, Path::new("t.csv")).unwrap();
    assert_eq!(own.curve("sse", "dee").unwrap().means(), [1.5]);
}

#[test]
fn real_predictions_have_the_expected_scores() {
    let (Some(probs), Some(labels), Some(logits)) = (
        data("predictions/cifar10_cleanlab_probs.npy"),
        data("predictions/cifar10_cleanlab_labels.npy"),
        data("predictions/cifar10_resnet_logits.npz"),
    ) else {
        return;
    };
    let NpyValues::F64(values) = read_npy(probs).unwrap().values else {
        panic!("not f64")
    };
    let NpyValues::Int(labels) = read_npy(labels).unwrap().values else {
        panic!("not integers")
    };
    let targets = Targets::classes(&labels);
    let scores = Scores::probs(&values, 10).unwrap();
    let found = evaluate(
        &scores,
        &targets,
        &firetender_uncertainty::MetricOptions::default(),
    );
    let found = found.unwrap();
    close(found.accuracy, 0.9294, 1e-12);
    close(-found.ll, 0.2492, 5e-5);
    let arrays = read_npz(logits).unwrap();
    assert_eq!(arrays.len(), 5);
    let (_, stored) = arrays.iter().find(|(name, _)| name == "labels").unwrap();
    assert_eq!(stored.values, NpyValues::Int(labels));
}

proptest! {
    #[test]
    fn arrays_come_back_as_they_were(values in prop::collection::vec(any::<f64>(), 0..20), columns in 1_usize..4) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let values: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        let rows = values.len() / columns;
        let array = NpyArray { shape: vec![rows, columns], values: NpyValues::F64(values[..rows * columns].to_vec()) };
        write_npy(&path, &array).unwrap();
        prop_assert_eq!(read_npy(&path).unwrap(), array);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend(&bytes);
        let _ = parse(&file);
        let _ = ResultTable::parse(&String::from_utf8_lossy(&bytes), Path::new("x"));
    }
}
