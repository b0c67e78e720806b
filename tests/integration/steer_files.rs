//! Vector files against what the other programs do with them.

use firetender_hooks::{Padding, Pass, Untouched};
use firetender_kit::{golden_json, golden_path, load};
use firetender_lm::CausalLm;
use firetender_steer::{
    ControlVector, Generator, ImportOptions, MetadataStyle, Plan, SteeringVector, VectorFormat,
};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f32> {
    let list = value.as_array().unwrap().iter();
    list.map(|x| x.as_f64().unwrap() as f32).collect()
}

fn logits(model: &dyn CausalLm, tokens: &[u32], vector: Option<&SteeringVector>) -> Vec<f32> {
    let pass = Pass::whole(&[tokens.to_vec()], Padding::Left, 0).unwrap();
    let last = [(0, tokens.len() - 1)];
    let out = match vector {
        None => model.logits_at(&pass, &last, None, &mut Untouched),
        Some(vector) => {
            let plan = Plan::of(vector);
            let mut steering = plan.compile(&model.shape(), &model.device()).unwrap();
            model.logits_at(&pass, &last, None, &mut steering)
        }
    };
    out.unwrap().into_data().iter::<f32>().collect()
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    let both = a.iter().zip(b);
    both.map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

/// llama.cpp's library (`tests/golden/make/control_vector_applied.py`) and a plan from the file that we write agree on what each
/// `direction.N` does, and at no other block.
#[test]
fn llama_cpp_applies_a_control_vector_where_we_do() {
    let golden = golden_json("gguf/control_vector_applied.json");
    let (_, model) = load(golden_path("gguf/llama.gguf"));
    let tokens: Vec<u32> = numbers(&golden["tokens"])
        .iter()
        .map(|x| *x as u32)
        .collect();
    let plain = logits(&model, &tokens, None);
    assert!(difference(&plain, &numbers(&golden["logits"]["plain"])) < 1e-4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.gguf");
    let all = golden["directions"].as_object().unwrap();
    let cases = all.keys().map(|block| vec![block.as_str()]);
    let cases = cases.chain([all.keys().map(String::as_str).collect()]);
    for blocks in cases {
        let directions = blocks
            .iter()
            .map(|b| (b.parse().unwrap(), numbers(&all[*b])));
        let file = ControlVector::new("llama", directions.collect()).unwrap();
        file.save(&path, MetadataStyle::LlamaCpp).unwrap();
        let by = |generator| {
            let options = ImportOptions::new()
                .with_layers(4)
                .with_generator(generator);
            SteeringVector::import(&path, &options).unwrap().vector
        };
        let name = match blocks[..] {
            [block] => format!("block_{block}"),
            _ => "all".into(),
        };
        let expected = numbers(&golden["logits"][&name]);
        let found = logits(&model, &tokens, Some(&by(Generator::Repeng)));
        assert!(difference(&found, &expected) < 1e-4, "{name}");
        // Read as llama.cpp's generator means it, the same file steers the block before.
        let meant = logits(&model, &tokens, Some(&by(Generator::LlamaCpp)));
        assert!(difference(&meant, &expected) > 0.05, "{name}");
        // Every format steers alike.
        for format in [
            VectorFormat::Svec,
            VectorFormat::Npy,
            VectorFormat::Safetensors,
        ] {
            let vector = by(Generator::Repeng);
            let other = folder.path().join(format.to_string());
            // CAST has no name for the output of the last block.
            if vector.export(&other, format, "llama").is_err() {
                assert!(format == VectorFormat::Svec && vector.direction(3).is_some());
                continue;
            }
            let options = ImportOptions::new().with_layers(4).with_site(vector.site());
            let back = SteeringVector::import(&other, &options).unwrap().vector;
            assert_eq!(
                logits(&model, &tokens, Some(&back)),
                found,
                "{name} through {format}"
            );
        }
    }
}

#[test]
fn a_vector_of_other_weights_is_refused_unless_overridden() {
    let (checkpoint, model) = load(golden_path("models/llama"));
    let directions = [(1, vec![1.0; 32])].into_iter().collect();
    let site = firetender_hooks::SiteKind::ResidPost;
    let vector = SteeringVector::new("up", "down", site, 32, 4, directions).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.safetensors");
    vector
        .with_fingerprint("other weights")
        .save(&path)
        .unwrap();
    let ours = checkpoint.fingerprint().unwrap();
    let message = SteeringVector::load_for(&path, &model.shape(), Some(&ours))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("model fingerprint is other weights"),
        "{message}"
    );
    assert!(SteeringVector::load_for(&path, &model.shape(), None).is_ok());
}
