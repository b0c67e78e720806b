use proptest::prelude::*;

use super::*;

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        data,
    ]
    .concat()
}

fn open(bytes: Vec<u8>) -> Result<SafeTensorsSource, LmError> {
    SafeTensorsSource::from_bytes("test.safetensors", bytes)
}

const HEADER: &str = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},
    "b":{"dtype":"BF16","shape":[1,2],"data_offsets":[4,8]},"c":{"dtype":"F64","shape":[1],"data_offsets":[8,16]},
    "d":{"dtype":"I64","shape":[1],"data_offsets":[16,24]},"e":{"dtype":"F32","shape":[],"data_offsets":[24,28]},
    "f":{"dtype":"F32","shape":[0,3],"data_offsets":[28,28]}}"#;

fn sample() -> Vec<u8> {
    let data = [
        &[0x00, 0x3C, 0x00, 0xC0][..],
        &[0x80, 0x3F, 0x00, 0xC0],
        &0.1_f64.to_le_bytes(),
        &7_i64.to_le_bytes(),
        &2.5_f32.to_le_bytes(),
    ];
    file(HEADER, &data.concat())
}

#[test]
fn every_float_type_is_converted() {
    let source = open(sample()).unwrap();
    assert_eq!(source.names(), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(source.read("a").unwrap(), [1.0, -2.0]);
    assert_eq!(source.read("b").unwrap(), [1.0, -2.0]);
    assert_eq!(source.shape("b"), Some(vec![1, 2]));
    assert_eq!(source.read("c").unwrap(), [0.1]);
    assert_eq!(
        (source.read("e").unwrap(), source.shape("e")),
        (vec![2.5], Some(vec![]))
    );
    assert!(source.read("f").unwrap().is_empty());
    assert_eq!(source.sample("c").unwrap(), 0.1_f64.to_le_bytes());
    let error = source.read("d").unwrap_err().to_string();
    assert!(
        error.contains("test.safetensors")
            && error.contains("`d`")
            && error.contains("I64")
            && error.contains("BF16")
    );
    assert!(source.read("z").unwrap_err().to_string().contains("`z`"));
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = sample();
    for length in 0..bytes.len() {
        let error = open(bytes[..length].to_vec()).unwrap_err();
        assert!(error.to_string().contains("test.safetensors"), "{error}");
    }
    assert!(
        open([bytes, vec![0]].concat())
            .unwrap_err()
            .to_string()
            .contains("holds 29")
    );
}

#[test]
fn lies_are_told_apart() {
    let one = |shape: &str, from: u64, to: u64| {
        file(
            &format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}}}"#),
            &[0; 16],
        )
    };
    for (bytes, part) in [
        (u64::MAX.to_le_bytes().to_vec(), "limit"),
        ((1_u64 << 24).to_le_bytes().to_vec(), "the header"),
        (file("{", &[]), "header"),
        (file("\u{0}", &[]), "header"),
        (file("[]", &[]), "header"),
        (one("[4]", 0, 12), "header"),
        (one("[4]", 4, 20), "`a`"),
        (one("[4]", 16, 0), "`a`"),
        (one("[18446744073709551615,2]", 0, 16), "overflow"),
        (one("[4611686018427387904]", 0, 16), "overflow"),
        (one("[2]", 0, 8), "the file holds 16"),
        (one("[8]", 0, 32), "32 bytes"),
        (one("[-1]", 0, 16), "header"),
    ] {
        let error = open(bytes).unwrap_err().to_string();
        assert!(
            error.contains(part) && error.contains("test.safetensors"),
            "{error} lacks {part}"
        );
    }
    let deep = file(&format!("{{\"a\":{}", "[".repeat(100_000)), &[]);
    assert!(open(deep).is_err());
}

#[test]
fn shards_must_agree_with_their_index() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let tensor = |name: &str| {
        file(
            &format!(r#"{{"{name}":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#),
            &[0; 4],
        )
    };
    let index = |map: &str| {
        write(
            INDEX,
            format!(r#"{{"metadata":{{}},"weight_map":{map}}}"#).as_bytes(),
        )
    };
    let open = || SafeTensorsSource::open(folder.path());
    assert!(matches!(open(), Err(LmError::NotAModel { .. })));
    write("1.safetensors", &tensor("x"));
    assert_eq!(open().unwrap().names(), ["x"]);
    write("2.safetensors", &tensor("y"));
    assert!(matches!(open(), Err(LmError::NotAModel { .. })));
    index(r#"{"x":"1.safetensors","y":"2.safetensors"}"#);
    assert_eq!(open().unwrap().names(), ["x", "y"]);
    for (map, part) in [
        (
            r#"{"x":"../1.safetensors","y":"2.safetensors"}"#,
            "inside the folder",
        ),
        (r#"{"x":"/etc/passwd"}"#, "inside the folder"),
        (r#"{"x":".."}"#, "inside the folder"),
        (r#"{"x":"a\\b"}"#, "inside the folder"),
        (r#"{"x":""}"#, "inside the folder"),
        (r#"{"x":1}"#, "not a string"),
        (r#"{"x":"3.safetensors"}"#, "3.safetensors"),
        (r#"{"x":"2.safetensors","y":"1.safetensors"}"#, "`x`"),
        (
            r#"{"x":"1.safetensors","y":"2.safetensors","z":"2.safetensors"}"#,
            "`z`",
        ),
        (r#"{"x":"1.safetensors"}"#, ""),
        ("[]", "weight_map"),
    ] {
        index(map);
        let found = open();
        if part.is_empty() {
            // A shard that the index does not name is not opened.
            assert_eq!(found.unwrap().names(), ["x"]);
        } else {
            let error = found.unwrap_err().to_string();
            assert!(error.contains(part), "{error} lacks {part}");
        }
    }
    write("2.safetensors", &tensor("x"));
    index(r#"{"x":"1.safetensors","y":"2.safetensors"}"#);
    assert!(
        open()
            .unwrap_err()
            .to_string()
            .contains("also in another shard")
    );
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = sample();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(source) = open(bytes) {
            for name in source.names() {
                let _ = source.read(&name);
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = open(file(&String::from_utf8_lossy(&bytes), &bytes));
        let _ = open(bytes);
    }
}
