//! Directions as Python finds them, from stored activations and end to end.

use firetender_hooks::SiteKind;
use firetender_steer::{
    Contrast, Extractor, Logistic, LogisticOptions, Method, Pairs, Silent, repe_with_flips,
};

use crate::support::{Golden, assert_near, model};

const METHODS: [(Method, &str); 9] = [
    (Method::Mean, "mean"),
    (Method::PcaDifference, "pca_difference"),
    (Method::PcaPairCentred, "pca_pair_centred"),
    (Method::TrimmedMean { share: 0.2 }, "trimmed_mean"),
    (Method::TrimmedMean { share: 0.5 }, "median"),
    (Method::Whitened { shrinkage: None }, "whitened"),
    (
        Method::Whitened {
            shrinkage: Some(0.3),
        },
        "whitened_fixed",
    ),
    (Method::Logistic { c: 1.0 }, "logistic"),
    (
        Method::LogisticPairCentred { c: 1.0 },
        "logistic_pair_centred",
    ),
];

/// scikit-learn stops its logistic fits where the gradient is some 1e-6; ours are the optimum to rounding.
fn tolerance(name: &str) -> f64 {
    if name.starts_with("logistic") {
        1e-5
    } else {
        1e-9
    }
}

fn pairs(golden: &Golden, layer: usize) -> Pairs {
    let side = |name: &str| golden.part(name, layer).iter().map(|x| *x as f32).collect();
    Pairs::new(32, side("toward"), side("away")).unwrap()
}

#[test]
fn every_method_equals_the_originals_on_the_same_activations() {
    for family in ["llama", "gpt2"] {
        let golden = Golden::open(&format!("directions/{family}.safetensors"));
        let flips: Vec<bool> = golden
            .values("repe_flips")
            .iter()
            .map(|x| *x < 0.0)
            .collect();
        for layer in 0..4 {
            let pairs = pairs(&golden, layer);
            let check = |name: &str, fitted: &firetender_steer::Fitted| {
                let theirs = golden.part(name, layer);
                for (a, b) in fitted.direction.iter().zip(theirs) {
                    // Both are f64 from the same numbers; eigenvectors lose digits to the gap between eigenvalues.
                    assert!(
                        (a - b).abs() < tolerance(name),
                        "{family} {layer} {name}: {a}, expected {b}"
                    );
                }
                if name.starts_with("pca") {
                    let share = golden.about["explained_variance"][name][layer]
                        .as_f64()
                        .unwrap();
                    assert!((fitted.explained_variance - share).abs() < 1e-12, "{name}");
                }
            };
            for (method, name) in METHODS {
                check(name, &method.fit(&pairs, layer).unwrap());
            }
            check("pca_repe", &repe_with_flips(&pairs, &flips, layer).unwrap());
        }
    }
}

#[test]
fn the_classifier_equals_scikit_learn() {
    for family in ["llama", "gpt2"] {
        let golden = Golden::open(&format!("directions/{family}.safetensors"));
        for layer in 0..4 {
            let pairs = pairs(&golden, layer);
            let rows = [pairs.toward(), pairs.away()].concat();
            let labels: Vec<bool> = (0..12).map(|row| row < 6).collect();
            let found = Logistic::fit(&rows, 32, &labels, &LogisticOptions::default()).unwrap();
            let near = |ours: &[f64], name: &str, tolerance: f64| {
                for (a, b) in ours.iter().zip(golden.part(name, layer)) {
                    assert!(
                        (a - b).abs() <= tolerance,
                        "{family} {layer} {name}: {a}, expected {b}"
                    );
                }
            };
            // scikit-learn stops where the gradient is some 1e-6; ours is the optimum to rounding.
            near(found.weights(), "logistic_weights", 1e-5);
            near(&[found.intercept()], "logistic_intercept", 1e-5);
            near(&found.decisions(&rows), "logistic_decisions", 1e-4);
            near(&found.direction(), "logistic", 1e-5);
            let decided = golden.part("logistic_decisions", layer);
            for (ours, theirs) in found.decisions(&rows).iter().zip(decided) {
                assert_eq!(*ours > 0.0, *theirs > 0.0);
            }
        }
    }
}

#[test]
fn the_three_components_are_different_things() {
    let golden = Golden::open("directions/llama.safetensors");
    let pairs = pairs(&golden, 1);
    let fit = |method: Method| method.fit(&pairs, 1).unwrap().direction;
    let cosine = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>().abs();
    let centred = fit(Method::PcaPairCentred);
    assert!(cosine(&centred, &fit(Method::PcaDifference)) < 0.999);
}

#[test]
fn directions_of_the_model_itself_equal_the_originals() {
    for family in ["llama", "gpt2"] {
        let golden = Golden::open(&format!("directions/{family}.safetensors"));
        let contrast = Contrast::new(
            "toward",
            golden.tokens("toward_tokens"),
            "away",
            golden.tokens("away_tokens"),
        )
        .unwrap();
        let samples = Extractor::new(SiteKind::ResidPost)
            .samples(&model(family), &contrast, &mut Silent)
            .unwrap();
        for layer in 0..4 {
            // The golden values are `f32` themselves: up to 5.9e-5 from the same model in `f64`.
            let pairs = &samples.layers()[&layer];
            assert_near(pairs.toward(), golden.part("toward", layer), 1e-4, "toward");
            assert_near(pairs.away(), golden.part("away", layer), 1e-4, "away");
        }
        for (method, name) in METHODS {
            let found = samples.fit(method).unwrap();
            for layer in 0..4 {
                let ours = found.vector.direction(layer).unwrap();
                // Whitening divides by small variances, which magnifies what f32 rounded.
                let tolerance = if name.starts_with("white") {
                    5e-4
                } else {
                    1e-4
                };
                assert_near(ours, golden.part(name, layer), tolerance, name);
            }
        }
        if family == "llama" {
            // The specification's spot check.
            let mean = samples.fit(Method::Mean).unwrap();
            let start = &mean.vector.direction(1).unwrap()[..4];
            assert_near(
                start,
                &[0.837_219, -2.130_413, -2.209_019, 2.389_868],
                2e-5,
                "spot check",
            );
            assert!((mean.vector.norm(1).unwrap() - 13.264_50).abs() < 2e-5);
        }
    }
}
