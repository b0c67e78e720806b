use super::*;
use crate::adapter::tests::{model, moved};

#[test]
fn an_adapter_survives_its_files() {
    let adapter = moved(&model(), 3);
    let folder = tempfile::tempdir().unwrap();
    adapter.save_peft(folder.path(), "x").unwrap();
    assert_eq!(Adapter::load_peft(folder.path()).unwrap(), adapter);
    let text = fs::read_to_string(folder.path().join(CONFIG)).unwrap();
    assert!(text.contains("\"r\": 3") && text.contains("\"lora_alpha\": 6.0"));
}

#[test]
fn what_cannot_be_computed_is_refused() {
    let adapter = moved(&model(), 3);
    let folder = tempfile::tempdir().unwrap();
    adapter.save_peft(folder.path(), "x").unwrap();
    let path = folder.path().join(CONFIG);
    let good: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (key, value) in [
        ("use_dora", json!(true)),
        ("rank_pattern", json!({"q_proj": 8})),
        ("fan_in_fan_out", json!(true)),
        ("peft_type", json!("IA3")),
        ("r", json!(4)),
        ("lora_alpha", json!("much")),
        ("bias", json!("all")),
        ("something_new", json!(1)),
    ] {
        let mut changed = good.clone();
        changed[key] = value;
        fs::write(&path, changed.to_string()).unwrap();
        let error = Adapter::load_peft(folder.path()).unwrap_err();
        assert!(matches!(error, KtsError::Format { .. }), "{key}: {error}");
    }
    fs::write(&path, good.to_string()).unwrap();
    let weights = folder.path().join(WEIGHTS);
    let bytes = fs::read(&weights).unwrap();
    for cut in [0, 9, bytes.len() / 2] {
        fs::write(&weights, &bytes[..cut]).unwrap();
        assert!(matches!(
            Adapter::load_peft(folder.path()),
            Err(KtsError::Format { .. })
        ));
    }
}

#[test]
fn ranks_that_differ_have_no_place_in_the_file() {
    let base = model();
    let options = crate::LoraOptions {
        rank: 2,
        targets: vec!["q_proj".into()],
        ..crate::LoraOptions::default()
    };
    let mixed = moved(&base, 3)
        .plus(&options.start(&base, 1).unwrap())
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error = mixed.save_peft(folder.path(), "x").unwrap_err().to_string();
    assert!(error.contains("rank"), "{error}");
}

#[test]
fn half_floats_are_widened_exactly() {
    for (half, value) in [
        (0x3c00, 1.0),
        (0xc000, -2.0),
        (0x7bff, 65504.0),
        (0x0001, 5.960_464_5e-8),
        (0x0000, 0.0),
        (0x7c00, f32::INFINITY),
    ] {
        assert_eq!(half_to_f32(half), value);
    }
}
