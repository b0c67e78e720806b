//! The temperature fit against the specification's values, its laws, and its edges.

use burn::tensor::{Device, Int, Tensor, TensorData};
use firetender_uncertainty::{
    Calibration, Floor, Folds, Objects, Protocol, Scores, Stage, Targets, TemperatureFit,
    TemperatureOptions, TemperatureStatus, UncertaintyError, calibrated_curve,
    fit_shared_temperature, fit_temperature, fit_temperature_folds, fit_temperature_tensor,
    misclassification, scaled_log_probs,
};
use proptest::prelude::*;

use crate::support::{Synthetic, close, probs, set_1, set_2, synthetic};

fn fit(logits: &[f64], labels: &[i64], classes: usize) -> TemperatureFit {
    let scores = Scores::logits(logits, classes).unwrap();
    fit_temperature(
        &scores,
        &Targets::classes(labels),
        &TemperatureOptions::default(),
    )
    .unwrap()
}

fn fit_set(set: &Synthetic) -> TemperatureFit {
    fit(&set.logits, &set.labels, set.classes)
}

#[test]
fn the_synthetic_sets_have_the_specified_temperatures() {
    let cases = [
        (set_1(), 1.920157008221959, -1.2920891771611998),
        (set_2(), 1.44556728525837, -1.8947028663589562),
    ];
    for (set, temperature, log_likelihood) in cases {
        let found = fit_set(&set);
        assert_eq!(found.status, TemperatureStatus::Converged);
        close(found.temperature / temperature, 1.0, 1e-10);
        close(found.log_likelihood, log_likelihood, 1e-13);
        assert!(found.iterations <= 8, "{found:?}");
        // The same from probabilities, up to their rounding.
        let p = probs(&set);
        let scores = Scores::probs(&p, set.classes).unwrap();
        let targets = Targets::classes(&set.labels);
        let again = fit_temperature(&scores, &targets, &TemperatureOptions::default()).unwrap();
        close(again.temperature / temperature, 1.0, 1e-10);
    }
}

#[test]
fn scikit_learns_own_search_finds_the_same() {
    let golden: serde_json::Value = serde_json::from_str(include_str!(
        "../../../../tests/golden/uncertainty_temperature.json"
    ))
    .unwrap();
    for (golden, set) in golden["sets"]
        .as_array()
        .unwrap()
        .iter()
        .zip([set_1(), set_2()])
    {
        // It searches by values, which resolves a minimum to the root of the precision only.
        let beta = golden["beta"].as_f64().unwrap();
        close(fit_set(&set).beta / beta, 1.0, 1e-7);
    }
}

#[test]
fn even_and_odd_rows_have_the_specified_temperatures() {
    let cases = [
        (
            set_1(),
            [2.011267140810261, 1.8291881944588197],
            -1.2936749989569138,
        ),
        (
            set_2(),
            [1.4976489730582858, 1.3949738195895576],
            -1.8959517655290306,
        ),
    ];
    for (set, [even, odd], cross_validated) in cases {
        let scores = Scores::logits(&set.logits, set.classes).unwrap();
        let targets = Targets::classes(&set.labels);
        let folds = Folds::even_odd(set.labels.len()).unwrap();
        let options = TemperatureOptions::default();
        let fits = fit_temperature_folds(&scores, &targets, &folds, &options, None).unwrap();
        // Fold 0 (even rows) is evaluated at the temperature of the odd ones.
        close(fits[0].temperature / odd, 1.0, 1e-10);
        close(fits[1].temperature / even, 1.0, 1e-10);
        let at = |temperature: f64, parity: usize| {
            let table = scaled_log_probs(&scores, temperature).unwrap();
            let rows = set.labels.iter().enumerate();
            let values: Vec<f64> = rows
                .filter(|(row, _)| row % 2 == parity)
                .map(|(row, label)| table[row * set.classes + *label as usize])
                .collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        let found = f64::midpoint(at(fits[0].temperature, 0), at(fits[1].temperature, 1));
        close(found, cross_validated, 1e-13);
        // Many at once is each alone, and a warm start ends where a cold one does.
        let betas: Vec<f64> = fits.iter().map(|f| f.beta * 1.1).collect();
        let warm =
            fit_temperature_folds(&scores, &targets, &folds, &options, Some(&betas)).unwrap();
        for (warm, cold) in warm.iter().zip(&fits) {
            close(warm.beta / cold.beta, 1.0, 1e-13);
            assert!(warm.iterations <= cold.iterations);
        }
    }
}

#[test]
fn the_fit_follows_the_scale_of_the_logits() {
    let set = set_2();
    let base = fit_set(&set).temperature;
    for exponent in -6..=6 {
        let a = 10_f64.powf(f64::from(exponent) / 2.0);
        let scaled: Vec<f64> = set.logits.iter().map(|z| a * z).collect();
        let found = fit(&scaled, &set.labels, set.classes);
        close(found.temperature / (a * base), 1.0, 1e-12);
        // The specification's range for the reference; ours is the same digits at any scale.
        assert!((1.44500..1.46484).contains(&(found.temperature / a)));
        close(found.log_likelihood, -1.8947028663589562, 1e-12);
    }
}

#[test]
fn no_signal_and_separable_data_are_said_to_be_so() {
    // Labels turned around: the logits say the wrong thing.
    let set = synthetic(300, 4, 5, 1.0);
    let against: Vec<f64> = set.logits.iter().map(|z| -z).collect();
    let found = fit(&against, &set.labels, 4);
    assert_eq!(found.status, TemperatureStatus::NoSignal);
    assert_eq!(found.temperature, f64::INFINITY);
    close(found.log_likelihood, -(4_f64.ln()), 1e-14);

    let right = fit(&[1.0, 0.0, 0.0, 2.0], &[0, 1], 2);
    assert_eq!(right.status, TemperatureStatus::Separable);
    assert!(right.temperature > 0.0 && right.temperature < 0.01);
    assert!(right.log_likelihood > -1e-100);

    let constant = fit(&[3.0, 3.0, -1.0, -1.0], &[0, 1], 2);
    assert_eq!(constant.status, TemperatureStatus::NoSignal);
    close(constant.log_likelihood, -(2_f64.ln()), 1e-15);

    // A single row is right or it is not.
    assert_eq!(
        fit(&[1.0, 0.0], &[0], 2).status,
        TemperatureStatus::Separable
    );
    assert_eq!(
        fit(&[1.0, 0.0], &[1], 2).status,
        TemperatureStatus::NoSignal
    );
}

#[test]
fn a_separable_half_does_not_ruin_the_other() {
    // Even rows are all right, one odd row is wrong by 3.
    let mut logits: Vec<f64> = [2.0, 0.0].repeat(20);
    (logits[6], logits[7]) = (0.0, 3.0);
    let scores = Scores::logits(&logits, 2).unwrap();
    let targets = Targets::classes(&[0; 20]);
    let folds = Folds::even_odd(20).unwrap();
    let members = [scores.clone(), scores.clone()];
    for stage in [
        Stage::AfterAveraging,
        Stage::BeforeAveragingShared,
        Stage::PerMember,
    ] {
        let calibration = Calibration::new(Protocol::Given(folds.clone())).with_stage(stage);
        let found = calibration.run(&members, &targets).unwrap();
        let separable = |fit: &&TemperatureFit| fit.status == TemperatureStatus::Separable;
        let fits: Vec<_> = found.fits.iter().filter(separable).collect();
        assert!(!fits.is_empty() && fits.iter().all(|fit| fit.temperature == 1.0));
        assert!(found.warnings().contains(&TemperatureStatus::Separable));
        // The odd rows are scored as they are.
        let odd = (0..20).filter(|row| row % 2 == 1);
        for row in odd {
            let gap = logits[2 * row] - logits[2 * row + 1];
            close(found.objects[row], -(-gap).exp().ln_1p(), 1e-12);
        }
    }
    let curve = calibrated_curve(&members, &targets, &folds, &[], Floor::None).unwrap();
    assert!(
        curve
            .points
            .iter()
            .all(|p| p.calibrated_log_likelihood > -1.0)
    );
    // In-sample there is nothing to carry over.
    let right = Scores::logits(&[2.0, 0.0], 2).unwrap();
    let found = Calibration::new(Protocol::InSample)
        .run(&[right], &Targets::classes(&[0]))
        .unwrap();
    assert!(found.fits[0].temperature < 0.01);
}

#[test]
fn a_start_from_the_first_rows_changes_no_digit() {
    // From 4,096 rows on the search begins on the first 512: whatever these say, the end is the same as with the rows turned around.
    let set = synthetic(5000, 4, 3, 1.7);
    let row = |at: usize| &set.logits[4 * at..4 * at + 4];
    let sharp = |at: usize| if at < 600 { 40.0 } else { 1.0 };
    let changed: [&dyn Fn(usize) -> Vec<f64>; 4] = [
        &|at| row(at).to_vec(),
        &|at| row(at).iter().map(|z| sharp(at) * z).collect(),
        &|at| {
            if at < 600 {
                row(at).iter().map(|z| -z).collect()
            } else {
                row(at).to_vec()
            }
        },
        &|at| match set.labels[at] as usize {
            label if at < 600 => (0..4).map(|c| f64::from(u8::from(c == label))).collect(),
            _ => row(at).to_vec(),
        },
    ];
    for change in changed {
        let forward: Vec<f64> = (0..5000).flat_map(change).collect();
        let backward: Vec<f64> = (0..5000).rev().flat_map(change).collect();
        let turned: Vec<i64> = set.labels.iter().rev().copied().collect();
        let (a, b) = (fit(&forward, &set.labels, 4), fit(&backward, &turned, 4));
        assert_eq!(
            (a.status, b.status),
            (TemperatureStatus::Converged, TemperatureStatus::Converged)
        );
        close(a.beta / b.beta, 1.0, 1e-12);
        close(a.log_likelihood, b.log_likelihood, 1e-13);
    }
}

#[test]
fn temperature_keeps_the_order_by_confidence_of_two_classes_only() {
    let auroc = |classes: usize, t: f64| {
        let set = synthetic(400, classes, 6, 1.5);
        let scores = Scores::logits(&set.logits, classes).unwrap();
        let table = Scores::log_probs(scaled_log_probs(&scores, t).unwrap(), classes);
        let objects = Objects::new(&table.unwrap(), &Targets::classes(&set.labels), Floor::None);
        misclassification(&objects.unwrap(), 1, |o| -o.confidence).auroc()
    };
    close(auroc(2, 3.0).unwrap(), auroc(2, 1.0).unwrap(), 1e-12);
    assert!((auroc(5, 3.0).unwrap() - auroc(5, 1.0).unwrap()).abs() > 1e-4);
}

#[test]
fn nearly_separable_data_converge() {
    // One row of a thousand is wrong, by very little or by very much.
    for lead in [1e-6, 1e-3, 1.0, 30.0, 700.0] {
        let mut logits = [5.0, 0.0].repeat(999);
        logits.extend([0.0, lead]);
        let found = fit(&logits, &[0; 1000], 2);
        let expected = [TemperatureStatus::Converged, TemperatureStatus::AtBound];
        assert!(expected.contains(&found.status), "{lead}: {found:?}");
        // 999 · 5 σ(−5β) = lead σ(lead β) at the minimum.
        if found.status == TemperatureStatus::Converged {
            let sigma = |x: f64| 1.0 / (1.0 + (-x).exp());
            let left = 999.0 * 5.0 * sigma(-5.0 * found.beta);
            close(left / (lead * sigma(lead * found.beta)), 1.0, 1e-9);
        }
    }
}

#[test]
fn impossible_classes_drop_out() {
    let never = f64::NEG_INFINITY;
    let half = 0.5_f64.ln();
    let rows = [
        0.9_f64.ln(),
        0.1_f64.ln(),
        never,
        half,
        half,
        never,
        0.2_f64.ln(),
        0.8_f64.ln(),
        never,
    ];
    let scores = Scores::log_probs(&rows, 3).unwrap();
    let options = TemperatureOptions::default();
    let found = fit_temperature(&scores, &Targets::classes(&[0, 1, 0]), &options).unwrap();
    let two: Vec<f64> = rows.iter().copied().filter(|l| l.is_finite()).collect();
    let plain = fit_temperature(
        &Scores::log_probs(&two, 2).unwrap(),
        &Targets::classes(&[0, 1, 0]),
        &options,
    )
    .unwrap();
    close(found.temperature / plain.temperature, 1.0, 1e-13);
    // A target that cannot be is no news about T.
    let impossible = fit_temperature(&scores, &Targets::classes(&[0, 2, 0]), &options).unwrap();
    assert_eq!(impossible.impossible, 1);
    assert_eq!(impossible.log_likelihood, f64::NEG_INFINITY);
    // And without a signal only what is possible is uniform.
    let none = fit_temperature(&scores, &Targets::classes(&[1, 1, 0]), &options).unwrap();
    assert_eq!(none.status, TemperatureStatus::NoSignal);
    close(none.log_likelihood, half, 1e-15);
}

#[test]
fn soft_targets_and_weights_mean_repeated_rows() {
    let set = set_1();
    let scores = Scores::logits(&set.logits, set.classes).unwrap();
    let options = TemperatureOptions::default();
    let weights: Vec<f64> = (0..200).map(|i| f64::from(i % 3)).collect();
    let weighted = Targets::classes(&set.labels).with_weights(weights.clone());
    let by_weight = fit_temperature(&scores, &weighted, &options).unwrap();
    let (mut logits, mut labels) = (vec![], vec![]);
    for (row, weight) in weights.iter().enumerate() {
        for _ in 0..*weight as usize {
            logits.extend(&set.logits[row * 5..row * 5 + 5]);
            labels.push(set.labels[row]);
        }
    }
    let repeated = fit(&logits, &labels, 5);
    // The unit of the search is a mean over rows, not over weights; the minimum is the same.
    close(by_weight.temperature / repeated.temperature, 1.0, 1e-12);
    close(by_weight.log_likelihood, repeated.log_likelihood, 1e-13);
    let mut soft = vec![0.0; 1000];
    for (row, label) in set.labels.iter().enumerate() {
        soft[row * 5 + *label as usize] = 1.0;
    }
    let soft = fit_temperature(&scores, &Targets::soft(soft, 5), &options).unwrap();
    close(soft.temperature / fit_set(&set).temperature, 1.0, 1e-13);
}

#[test]
fn one_temperature_for_all_members() {
    let sets: Vec<Synthetic> = (1..=3).map(|seed| synthetic(200, 5, seed, 2.0)).collect();
    let members: Vec<Scores<'_>> = sets
        .iter()
        .map(|s| Scores::logits(&s.logits, 5).unwrap())
        .collect();
    let targets = Targets::classes(&sets[0].labels);
    let options = TemperatureOptions::default();
    let found = fit_shared_temperature(&members, &targets, &options).unwrap();
    assert_eq!(found.status, TemperatureStatus::Local);
    // The specification's T comes from a search by values, which resolves a minimum to the root of the precision only.
    close(found.temperature, 2.11554653, 1e-7);
    close(found.temperature, 2.115546563831559, 1e-12);
    close(found.log_likelihood, -1.52303077117, 1e-11);
    // For one member it is the plain fit.
    let one = fit_shared_temperature(&members[..1], &targets, &options).unwrap();
    let plain = fit_temperature(&members[0], &targets, &options).unwrap();
    close(one.temperature / plain.temperature, 1.0, 1e-10);
    assert!(matches!(
        fit_shared_temperature(&[], &targets, &options),
        Err(UncertaintyError::Empty { .. })
    ));
}

#[test]
fn the_device_path_is_the_exact_path_to_its_precision() {
    for set in [set_1(), set_2()] {
        let device = Device::flex();
        let rows = set.labels.len();
        let logits: Vec<f32> = set.logits.iter().map(|z| *z as f32).collect();
        let tensor = Tensor::<2>::from_data(TensorData::new(logits, [rows, set.classes]), &device);
        let labels =
            Tensor::<1, Int>::from_data(TensorData::new(set.labels.clone(), [rows]), &device);
        let options = TemperatureOptions::default();
        let found = fit_temperature_tensor(tensor.clone(), labels.clone(), &options).unwrap();
        let exact = fit_set(&set);
        close(found.temperature / exact.temperature, 1.0, 1e-5);
        close(found.log_likelihood, exact.log_likelihood, 1e-6);
        assert_eq!(found.status, exact.status);
        let opposite = fit_temperature_tensor(-tensor.clone(), labels.clone(), &options).unwrap();
        assert_eq!(opposite.status, TemperatureStatus::NoSignal);
        let wrong = labels.clone() + set.classes as i32;
        assert!(fit_temperature_tensor(tensor, wrong, &options).is_err());
    }
}

#[test]
fn threads_do_not_count() {
    let set = synthetic(5000, 7, 3, 3.0);
    let scores = Scores::logits(&set.logits, 7).unwrap();
    let targets = Targets::classes(&set.labels);
    let folds = Folds::random(5000, 2, 5, 1).unwrap();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let options = TemperatureOptions::default();
        pool.build()
            .unwrap()
            .install(|| fit_temperature_folds(&scores, &targets, &folds, &options, None).unwrap())
    };
    let one = with(1);
    assert_eq!(one.len(), 10);
    assert_eq!(one, with(4));
}

#[test]
fn bad_options_are_named() {
    let set = set_1();
    let scores = Scores::logits(&set.logits, 5).unwrap();
    let targets = Targets::classes(&set.labels);
    let options = TemperatureOptions {
        max_sharpness: 0.0,
        ..TemperatureOptions::default()
    };
    assert!(fit_temperature(&scores, &targets, &options).is_err());
    assert!(
        scaled_log_probs(&scores, -1.0).is_err() && scaled_log_probs(&scores, f64::NAN).is_err()
    );
    let folds = Folds::even_odd(100).unwrap();
    let options = TemperatureOptions::default();
    assert!(fit_temperature_folds(&scores, &targets, &folds, &options, None).is_err());
    // A range that the minimum is not in: the nearer end, said to be one.
    let narrow = TemperatureOptions {
        min_sharpness: 5.0,
        max_sharpness: 6.0,
        ..TemperatureOptions::default()
    };
    let found = fit_temperature(&scores, &targets, &narrow).unwrap();
    assert_eq!(found.status, TemperatureStatus::AtBound);
}

proptest! {
    #[test]
    fn laws_of_the_minimum(seed in 0_u64..500, scale in 0.3_f64..5.0, shift in -50.0_f64..50.0) {
        let set = synthetic(60, 4, seed, scale);
        let found = fit_set(&set);
        prop_assume!(found.status == TemperatureStatus::Converged);
        let scores = Scores::logits(&set.logits, 4).unwrap();
        let targets = Targets::classes(&set.labels);
        let at = |t: f64| {
            let table = scaled_log_probs(&scores, t).unwrap();
            Objects::new(&Scores::log_probs(table, 4).unwrap(), &targets, Floor::None).unwrap()
        };
        // The best of all temperatures near and far, without changing an answer.
        let best = at(found.temperature);
        prop_assert!((best.log_likelihood() - found.log_likelihood).abs() < 1e-12);
        for factor in [0.1, 0.9, 0.999, 1.001, 1.1, 10.0, 1.0 / found.temperature] {
            prop_assert!(at(found.temperature * factor).log_likelihood() <= found.log_likelihood + 1e-13);
        }
        prop_assert_eq!(at(1.0).accuracy(), best.accuracy());
        // A constant a row changes nothing.
        let moved: Vec<f64> = set.logits.iter().enumerate().map(|(i, z)| z + shift * (i / 4) as f64).collect();
        let moved = fit(&moved, &set.labels, 4);
        prop_assert!((moved.temperature / found.temperature - 1.0).abs() < 1e-9);
        // T · a for logits · a.
        let twice: Vec<f64> = set.logits.iter().map(|z| 7.0 * z).collect();
        prop_assert!((fit(&twice, &set.labels, 4).temperature / (7.0 * found.temperature) - 1.0).abs() < 1e-12);
    }
}

/// The quick ways (a start in `f32`, one pass in `f64`, scores kept as they came) end where a plain search ends.
#[test]
fn the_quick_start_changes_nothing() {
    for (classes, scale) in [(3, 0.5), (10, 2.0), (37, 6.0)] {
        let set = synthetic(5000, classes, 11, scale);
        let single: Vec<f32> = set.logits.iter().map(|z| *z as f32).collect();
        let double: Vec<f64> = single.iter().map(|z| f64::from(*z)).collect();
        let targets = Targets::classes(&set.labels);
        let options = TemperatureOptions::default();
        let kept = fit_temperature(
            &Scores::logits(&single, classes).unwrap(),
            &targets,
            &options,
        )
        .unwrap();
        let wide = fit_temperature(
            &Scores::logits(&double, classes).unwrap(),
            &targets,
            &options,
        )
        .unwrap();
        assert_eq!(kept, wide, "the same differences, the same sums");
        // The derivative vanishes, and the log-likelihood is the one at that temperature.
        let (mut slope, mut sum) = (0.0, 0.0);
        for (row, label) in double.chunks(classes).zip(&set.labels) {
            let mut logs: Vec<f64> = row.iter().map(|z| z * kept.beta).collect();
            firetender_uncertainty::log_softmax(&mut logs);
            let mean: f64 = logs.iter().zip(row).map(|(l, z)| l.exp() * z).sum();
            slope += mean - row[*label as usize];
            sum += logs[*label as usize];
        }
        assert!((slope / 5000.0).abs() < 1e-12 * scale, "{slope:e}");
        assert!((sum / 5000.0 - kept.log_likelihood).abs() < 1e-13);
    }
}

/// Rows that are certain and right are changed by no temperature: nothing to carry over but T = 1.
#[test]
fn certain_rows_are_separable_and_not_silent() {
    let scores = Scores::probs(&[1.0, 0.0, 0.0, 1.0], 2).unwrap();
    let targets = Targets::classes(&[0, 1]);
    let fit = fit_temperature(&scores, &targets, &TemperatureOptions::carried_over()).unwrap();
    assert_eq!(
        (fit.status, fit.temperature),
        (TemperatureStatus::Separable, 1.0)
    );
    let uniform = Scores::probs(&[0.5, 0.5, 0.5, 0.5], 2).unwrap();
    let fit = fit_temperature(&uniform, &targets, &TemperatureOptions::carried_over()).unwrap();
    assert_eq!(fit.status, TemperatureStatus::NoSignal);
}
