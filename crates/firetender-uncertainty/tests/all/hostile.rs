//! Input that is wrong or extreme: a typed error or a defined value, never NaN and never a panic.

use firetender_uncertainty::{Floor, Objects, Scores, Targets};

#[test]
fn certainty_about_the_wrong_class_is_defined() {
    let scores = Scores::probs(&[1.0, 0.0, 0.0, 1.0], 2).unwrap();
    let targets = Targets::classes(&[0, 0]);
    let found = Objects::new(&scores, &targets, Floor::None).unwrap();
    assert_eq!(found.log_likelihood(), f64::NEG_INFINITY);
    assert_eq!(found.impossible(), 1);
    assert_eq!(found.brier(), 1.0);
    assert!(found.rows().iter().all(|o| o.entropy == 0.0));
    let floored = Objects::new(&scores, &targets, Floor::Eps(1e-12)).unwrap();
    assert!((floored.rows()[1].log_likelihood + 27.631021).abs() < 1e-6);
    assert_eq!(floored.impossible(), 0);
    for eps in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(Objects::new(&scores, &targets, Floor::Eps(eps)).is_err());
    }
}

#[test]
fn huge_logits_stay_finite() {
    let scores = Scores::logits(&[f64::MAX, f64::MIN, 0.0, 1e-300, 0.0, 0.0], 3).unwrap();
    let found = Objects::new(&scores, &Targets::classes(&[1, 2]), Floor::Eps(1e-12)).unwrap();
    for object in found.rows() {
        for x in [
            object.log_likelihood,
            object.brier,
            object.entropy,
            object.spherical,
        ] {
            assert!(x.is_finite(), "{object:?}");
        }
    }
}
