use burn::tensor::Device;
use firetender_hooks::{Padding, Pass, Untouched};
use firetender_lm::{CausalLm, ModelConfig, Positions, Transformer};

use super::*;
use crate::{LoraOptions, LoraStart, lora::normal};
use rand::SeedableRng;

pub(crate) fn model() -> Transformer {
    Transformer::init(&ModelConfig::llama(30, 16, 2, 4, 2, 24), 3, &Device::flex()).unwrap()
}

/// An adapter that changes something: both factors random.
pub(crate) fn moved(base: &Transformer, seed: u64) -> Adapter {
    let options = LoraOptions {
        rank: 3,
        alpha: 6.0,
        ..LoraOptions::default()
    };
    let mut adapter = options.start(base, seed).unwrap();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed + 100);
    for factors in adapter.factors.values_mut() {
        factors
            .b
            .iter_mut()
            .for_each(|b| *b = 0.1 * normal(&mut rng) as f32);
    }
    adapter
}

fn logits(model: &Transformer) -> Vec<f32> {
    let pass = Pass::whole(&[vec![3, 1, 4, 1, 5], vec![9, 2]], Padding::Left, 0).unwrap();
    let logits = model.logits(&pass, None, &mut Untouched).unwrap();
    logits.into_data().iter::<f32>().collect()
}

fn close(a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len());
    let worst = a
        .iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(worst <= tolerance, "{worst}");
}

/// Invariant 19.
#[test]
fn merged_is_attached_and_two_at_once_are_their_sum() {
    let base = model();
    let (one, two) = (moved(&base, 1), moved(&base, 2));
    let attached = one.attach(base.clone()).unwrap();
    let merged = one.merge_into(base.clone()).unwrap();
    assert!(logits(&attached) != logits(&base));
    close(&logits(&attached), &logits(&merged), 1e-5);
    let both = one.plus(&two).unwrap();
    let in_turn = two.merge_into(merged).unwrap();
    close(
        &logits(&both.attach(base).unwrap()),
        &logits(&in_turn),
        1e-5,
    );
    for (place, factors) in both.factors() {
        let sum = one.factors()[place].delta();
        for ((x, a), b) in factors
            .delta()
            .iter()
            .zip(&sum)
            .zip(&two.factors()[place].delta())
        {
            assert!((x - (a + b)).abs() < 1e-6);
        }
    }
}

#[test]
fn a_fresh_adapter_changes_nothing_and_the_base_stays() {
    let base = model();
    let (before, hash) = (logits(&teacher(&base)), base_hash(&base));
    close(&before, &logits(&base), 1e-6);
    for start in [LoraStart::Uniform, LoraStart::Normal] {
        let options = LoraOptions {
            start,
            ..LoraOptions::default()
        };
        let student = options
            .start(&base, 5)
            .unwrap()
            .attach(base.clone())
            .unwrap();
        assert_eq!(logits(&student), before);
        assert_eq!(base_hash(&student), hash);
    }
    assert_eq!(logits(&teacher(&base)), before);
}

/// The names of the matrices are the same in every family, where they exist.
#[test]
fn every_family_of_models_takes_an_adapter() {
    let mut config = ModelConfig::llama(30, 16, 2, 4, 2, 24);
    config.positions = Positions::Learned;
    config.mlp = firetender_lm::MlpKind::Plain;
    config.norm = firetender_lm::NormKind::Layer;
    let base = Transformer::init(&config, 3, &Device::flex()).unwrap();
    let options = LoraOptions::default();
    let message = options.start(&base, 0).unwrap_err().to_string();
    assert!(
        message.contains("gate_proj") && message.contains("up_proj"),
        "{message}"
    );
    let options = LoraOptions {
        targets: vec!["q_proj".into(), "up_proj".into()],
        ..options
    };
    assert_eq!(options.start(&base, 0).unwrap().factors().len(), 4);
}

#[test]
fn what_does_not_fit_is_refused() {
    let base = model();
    let adapter = moved(&base, 1);
    let twice = adapter.attach(adapter.attach(base.clone()).unwrap());
    assert!(twice.unwrap_err().to_string().contains("already"));
    let small =
        Transformer::init(&ModelConfig::llama(30, 8, 2, 4, 2, 24), 3, &Device::flex()).unwrap();
    assert!(adapter.attach(small.clone()).is_err());
    assert!(moved(&small, 1).plus(&adapter).is_err());
    let mut broken = adapter.factors().clone();
    broken.values_mut().next().unwrap().a[0] = f32::NAN;
    assert!(
        Adapter::new(broken)
            .unwrap_err()
            .to_string()
            .contains("NaN")
    );
    for (field, options) in [
        (
            "rank",
            LoraOptions {
                rank: 0,
                ..LoraOptions::default()
            },
        ),
        (
            "alpha",
            LoraOptions {
                alpha: f64::NAN,
                ..LoraOptions::default()
            },
        ),
        (
            "targets",
            LoraOptions {
                targets: vec!["qkv".into()],
                ..LoraOptions::default()
            },
        ),
        (
            "blocks",
            LoraOptions {
                blocks: Some(vec![2]),
                ..LoraOptions::default()
            },
        ),
    ] {
        assert!(
            options
                .start(&base, 0)
                .unwrap_err()
                .to_string()
                .contains(field)
        );
    }
}
