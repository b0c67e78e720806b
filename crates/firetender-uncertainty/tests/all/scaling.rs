//! Scalings with more than one number: what they do beyond a temperature, and that they do no harm in sample.

use firetender_uncertainty::{
    AffineKind, AffineScaling, Floor, IsotonicScaling, Objects, Scores, Targets,
    TemperatureOptions, fit_temperature,
};

use crate::support::{close, set_1, set_2};

#[test]
fn more_parameters_fit_no_worse() {
    for set in [set_1(), set_2()] {
        let scores = Scores::logits(&set.logits, set.classes).unwrap();
        let targets = Targets::classes(&set.labels);
        let one = fit_temperature(&scores, &targets, &TemperatureOptions::default()).unwrap();
        let mut before = one.log_likelihood;
        for kind in [
            AffineKind::BiasCorrected,
            AffineKind::Vector,
            AffineKind::Matrix,
        ] {
            let found = AffineScaling::fit(&scores, &targets, kind, 0.0).unwrap();
            assert!(found.converged, "{kind:?}: {found:?}");
            assert!(found.log_likelihood >= before - 1e-9, "{kind:?}");
            before = found.log_likelihood;
            let applied = found.apply(&scores).unwrap();
            let objects = Objects::new(&applied, &targets, Floor::None).unwrap();
            close(objects.log_likelihood(), found.log_likelihood, 1e-12);
            assert_eq!(found.bias().len(), set.classes);
        }
    }
}

#[test]
fn the_bias_correction_makes_class_means_right() {
    // At the optimum of a model with a bias a class, mean probability and frequency of every class agree.
    let set = set_1();
    let scores = Scores::logits(&set.logits, 5).unwrap();
    let targets = Targets::classes(&set.labels);
    let found = AffineScaling::fit(&scores, &targets, AffineKind::BiasCorrected, 0.0).unwrap();
    let applied = found.apply(&scores).unwrap().to_log_probs();
    for class in 0..5 {
        let mean = applied.chunks(5).map(|row| row[class].exp()).sum::<f64>() / 200.0;
        let share = set.labels.iter().filter(|l| **l == class as i64).count() as f64 / 200.0;
        close(mean, share, 1e-7);
    }
}

#[test]
fn a_large_penalty_changes_nothing() {
    let set = set_1();
    let scores = Scores::logits(&set.logits, 5).unwrap();
    let targets = Targets::classes(&set.labels);
    let found = AffineScaling::fit(&scores, &targets, AffineKind::Matrix, 1e9).unwrap();
    let plain = Objects::new(&scores, &targets, Floor::None).unwrap();
    close(found.log_likelihood, plain.log_likelihood(), 1e-6);
    assert!(AffineScaling::fit(&scores, &targets, AffineKind::Vector, -1.0).is_err());
    let other = Scores::probs(&[0.5, 0.5], 2).unwrap();
    assert!(found.apply(&other).is_err());
}

#[test]
fn isotonic_curves_are_calibrated_class_by_class_in_sample() {
    let set = set_2();
    let scores = Scores::logits(&set.logits, 10).unwrap();
    let targets = Targets::classes(&set.labels);
    let scaling = IsotonicScaling::fit(&scores, &targets).unwrap();
    let mapped = scaling.apply(&scores).unwrap();
    let before = Objects::new(&scores, &targets, Floor::None).unwrap();
    let after = Objects::new(&mapped, &targets, Floor::None).unwrap();
    assert!(after.brier() < before.brier());
    // Impossible classes do not make it fail.
    let never = Scores::probs(&[1.0, 0.0, 0.0, 1.0], 2).unwrap();
    let scaling = IsotonicScaling::fit(&never, &Targets::classes(&[0, 1])).unwrap();
    assert!(scaling.apply(&never).is_ok());
    assert!(scaling.apply(&scores).is_err());
}
