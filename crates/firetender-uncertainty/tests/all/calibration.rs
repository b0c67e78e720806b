//! The protocols of calibration: the specification's folds, and what has to hold for every one of them.

use firetender_uncertainty::{
    Calibration, Floor, Folds, Protocol, Scores, Stage, Targets, TemperatureStatus,
    calibrated_curve, running_log_likelihoods,
};

use crate::support::{Synthetic, close, set_1, set_2, synthetic};

fn logits(sets: &[Synthetic]) -> Vec<Scores<'_>> {
    sets.iter()
        .map(|s| Scores::logits(&s.logits, s.classes).unwrap())
        .collect()
}

#[test]
fn the_specified_folds() {
    for (set, expected) in [
        (set_1(), -1.2936749989569138),
        (set_2(), -1.8959517655290306),
    ] {
        let scores = Scores::logits(&set.logits, set.classes).unwrap();
        let targets = Targets::classes(&set.labels);
        let folds = Folds::even_odd(set.labels.len()).unwrap();
        let found = Calibration::new(Protocol::Given(folds.clone()))
            .run(std::slice::from_ref(&scores), &targets)
            .unwrap();
        close(found.log_likelihood, expected, 1e-13);
        let curve = calibrated_curve(&[scores], &targets, &folds, &[], Floor::None).unwrap();
        close(curve.points[0].calibrated_log_likelihood, expected, 1e-13);
        close(curve.points[0].mean_of_folds, expected, 1e-13);
        close(found.standard_error, curve.points[0].standard_error, 1e-12);
    }
}

#[test]
fn odd_sets_tell_the_mean_over_objects_from_that_over_folds() {
    let set = synthetic(201, 4, 9, 2.5);
    let scores = [Scores::logits(&set.logits, 4).unwrap()];
    let targets = Targets::classes(&set.labels);
    let ours = Calibration::new(Protocol::test_time(3))
        .run(&scores, &targets)
        .unwrap();
    let theirs = Calibration {
        mean_of_folds: true,
        ..Calibration::new(Protocol::test_time(3))
    };
    let theirs = theirs.run(&scores, &targets).unwrap();
    assert_eq!(ours.halves, theirs.halves);
    assert_eq!(ours.halves.len(), 10);
    let plain = theirs.halves.iter().map(|h| h.log_likelihood).sum::<f64>() / 10.0;
    close(theirs.log_likelihood, plain, 1e-15);
    let pooled = ours.objects.iter().sum::<f64>() / 201.0;
    close(ours.log_likelihood, pooled, 1e-14);
    assert!((ours.log_likelihood - theirs.log_likelihood).abs() > 1e-9);
    // Same seed, same result; another seed, other folds.
    let again = Calibration::new(Protocol::test_time(3))
        .run(&scores, &targets)
        .unwrap();
    assert_eq!(again, ours);
    let other = Calibration::new(Protocol::test_time(4))
        .run(&scores, &targets)
        .unwrap();
    assert_ne!(other.log_likelihood, ours.log_likelihood);
    assert!((other.log_likelihood - ours.log_likelihood).abs() < 0.02);
}

#[test]
fn every_stage_with_every_protocol() {
    let sets: Vec<Synthetic> = (1..=3).map(|seed| synthetic(200, 5, seed, 2.0)).collect();
    let members = logits(&sets);
    let targets = Targets::classes(&sets[0].labels);
    let protocols = [
        Protocol::test_time(1),
        Protocol::TestTimeCv {
            folds: 4,
            repeats: 2,
            seed: 1,
            stratified: true,
        },
        Protocol::InSample,
        Protocol::Fixed(2.0),
    ];
    for stage in [
        Stage::AfterAveraging,
        Stage::BeforeAveragingShared,
        Stage::PerMember,
    ] {
        for protocol in &protocols {
            let calibration = Calibration::new(protocol.clone()).with_stage(stage);
            let found = calibration.run(&members, &targets).unwrap();
            close(found.uncalibrated, -1.5892658390928371, 1e-12);
            assert!(
                found.log_likelihood > found.uncalibrated,
                "{stage:?} {protocol:?}"
            );
            assert!(found.brier > 0.0 && found.standard_error > 0.0);
            // Two of the members know nothing of these labels; alone, each of them should say so.
            let silent = stage != Stage::PerMember || *protocol == Protocol::Fixed(2.0);
            assert_eq!(found.warnings().is_empty(), silent);
        }
        let held_out = Calibration::new(Protocol::HeldOut).with_stage(stage);
        assert!(held_out.run(&members, &targets).is_err());
        let same = held_out
            .run_held_out(&members, &targets, &members, &targets)
            .unwrap();
        let inside = Calibration::new(Protocol::InSample).with_stage(stage);
        assert_eq!(same, inside.run(&members, &targets).unwrap());
        assert!(
            held_out
                .run_held_out(&members[..2], &targets, &members, &targets)
                .is_err()
        );
    }
    // The specification's value of one shared temperature before averaging.
    let shared = Calibration::new(Protocol::InSample).with_stage(Stage::BeforeAveragingShared);
    let found = shared.run(&members, &targets).unwrap();
    close(found.log_likelihood, -1.52303077117, 1e-11);
    close(found.fits[0].temperature, 2.11554653, 1e-7);
    // A fixed temperature of 1 changes nothing.
    for stage in [Stage::AfterAveraging, Stage::PerMember] {
        let found = Calibration::new(Protocol::Fixed(1.0)).with_stage(stage);
        let found = found.run(&members, &targets).unwrap();
        close(found.log_likelihood, found.uncalibrated, 1e-12);
    }
    for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(
            Calibration::new(Protocol::Fixed(temperature))
                .run(&members, &targets)
                .is_err()
        );
    }
}

#[test]
fn a_calibrated_curve_is_each_size_alone() {
    let sets: Vec<Synthetic> = (1..=5).map(|seed| synthetic(300, 6, seed, 2.0)).collect();
    let members = logits(&sets);
    let targets = Targets::classes(&sets[0].labels);
    let folds = Folds::random(300, 2, 5, 8).unwrap();
    let curve = calibrated_curve(&members, &targets, &folds, &[1, 2, 5], Floor::None).unwrap();
    let plain = running_log_likelihoods(&members, &targets).unwrap();
    for point in &curve.points {
        let alone = Calibration::new(Protocol::Given(folds.clone()))
            .run(&members[..point.size], &targets)
            .unwrap();
        close(point.calibrated_log_likelihood, alone.log_likelihood, 1e-12);
        close(point.log_likelihood, alone.uncalibrated, 1e-12);
        close(
            point.log_likelihood,
            plain[point.size - 1].iter().sum::<f64>() / 300.0,
            1e-12,
        );
        for (a, b) in point.objects.iter().zip(&alone.objects) {
            close(*a, *b, 1e-11);
        }
        for (a, b) in point.fits.iter().zip(&alone.fits) {
            close(a.beta / b.beta, 1.0, 1e-12);
        }
    }
    assert!(calibrated_curve(&members, &targets, &folds, &[2, 1], Floor::None).is_err());
    assert!(calibrated_curve(&members, &targets, &folds, &[6], Floor::None).is_err());
}

#[test]
fn scaling_the_logits_changes_no_calibrated_score() {
    let set = set_2();
    let targets = Targets::classes(&set.labels);
    let calibration = Calibration::new(Protocol::test_time(5));
    let base = calibration
        .run(&[Scores::logits(&set.logits, 10).unwrap()], &targets)
        .unwrap();
    for a in [1e-3, 0.1, 10.0, 1e3] {
        let scaled: Vec<f64> = set.logits.iter().map(|z| a * z).collect();
        let found = calibration
            .run(&[Scores::logits(&scaled, 10).unwrap()], &targets)
            .unwrap();
        close(found.log_likelihood / base.log_likelihood, 1.0, 1e-12);
        assert_eq!(found.accuracy, base.accuracy);
    }
}

#[test]
fn no_signal_and_left_out_rows() {
    let set = synthetic(100, 3, 2, 1.0);
    let against: Vec<f64> = set.logits.iter().map(|z| -z).collect();
    let mut labels = set.labels.clone();
    labels[7] = -100;
    let targets = Targets::classes(&labels).with_ignore(-100);
    let found = Calibration::new(Protocol::test_time(0))
        .run(&[Scores::logits(&against, 3).unwrap()], &targets)
        .unwrap();
    assert_eq!(found.warnings(), [TemperatureStatus::NoSignal]);
    close(found.log_likelihood, -(3_f64.ln()), 1e-14);
    assert_eq!(found.objects[7], 0.0);
    let compat = Calibration::ashukha2020(0)
        .run(&[Scores::logits(&against, 3).unwrap()], &targets)
        .unwrap();
    close(compat.log_likelihood, (1.0 / 3.0 + 1e-12_f64).ln(), 1e-14);
}
