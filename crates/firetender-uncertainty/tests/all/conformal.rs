//! Conformal sets: coverage within its band, exactness at the edges, determinism.

use firetender_uncertainty::{Conformal, Conformity, Scores, Targets};

use crate::support::{close, synthetic};

const METHODS: [Conformity; 3] = [
    Conformity::Lac,
    Conformity::Aps,
    Conformity::Raps {
        penalty: 0.02,
        rank: 2,
    },
];

#[test]
fn coverage_lies_in_its_band() {
    let (n, c) = (2000, 8);
    let calibration = synthetic(n, c, 21, 2.5);
    let test = synthetic(20_000, c, 22, 2.5);
    let scores = Scores::logits(&calibration.logits, c).unwrap();
    let later = Scores::logits(&test.logits, c).unwrap();
    let truth = Targets::classes(&test.labels);
    for method in METHODS {
        for alpha in [0.05, 0.3] {
            let fit = Conformal::new(method, alpha, 4).unwrap();
            let fit = fit
                .fit(&scores, &Targets::classes(&calibration.labels))
                .unwrap();
            let sets = fit.sets(&later).unwrap();
            assert_eq!(sets, fit.sets(&later).unwrap());
            let found = fit.coverage(&sets, &truth).unwrap();
            let (low, high) = fit.coverage_bands(0.999)[0];
            // The test set is finite too.
            let noise = 3.3 * (alpha * (1.0 - alpha) / 20_000.0).sqrt();
            assert!(
                (low - noise..=high + noise).contains(&found.coverage),
                "{method:?} {alpha}: {} not in {low}..{high}",
                found.coverage
            );
            assert_eq!(found.sizes.iter().sum::<u64>(), 20_000);
        }
    }
}

#[test]
fn sets_are_the_classes_that_conform() {
    let c = 6;
    let set = synthetic(300, c, 5, 2.0);
    let scores = Scores::logits(&set.logits, c).unwrap();
    let targets = Targets::classes(&set.labels);
    let all = scores.to_log_probs();
    for method in METHODS {
        let fit = Conformal::new(method, 0.2, 9).unwrap().deterministic();
        let fit = fit.fit(&scores, &targets).unwrap();
        let threshold = fit.thresholds()[0].unwrap();
        let mut inside = 0;
        for (row, found) in fit.sets(&scores).unwrap().iter().enumerate() {
            let p: Vec<f64> = all[row * c..][..c].iter().map(|l| l.exp()).collect();
            let near = |y: u32| (method.score(&p, y as usize, 0.0) - threshold).abs() < 1e-12;
            let slow = (0..c as u32).filter(|y| method.score(&p, *y as usize, 0.0) <= threshold);
            for y in slow.clone() {
                assert!(
                    found.contains(&y) || near(y),
                    "{method:?}, row {row}, class {y}"
                );
            }
            assert!(
                found
                    .iter()
                    .all(|y| slow.clone().any(|s| s == *y) || near(*y))
            );
            inside += usize::from(found.contains(&(set.labels[row] as u32)));
        }
        // In sample, without shares: at least the ⌈0.8 · 301⌉-th conforms.
        assert!(inside >= 241 - 1, "{inside}");
    }
}

#[test]
fn each_class_is_covered_on_request() {
    let c = 4;
    let calibration = synthetic(4000, c, 31, 2.0);
    let test = synthetic(8000, c, 32, 2.0);
    let scores = Scores::logits(&calibration.logits, c).unwrap();
    let fit = Conformal::new(Conformity::Lac, 0.1, 0)
        .unwrap()
        .class_conditional();
    let fit = fit
        .fit(&scores, &Targets::classes(&calibration.labels))
        .unwrap();
    assert_eq!(fit.thresholds().len(), c);
    let sets = fit.sets(&Scores::logits(&test.logits, c).unwrap()).unwrap();
    let found = fit
        .coverage(&sets, &Targets::classes(&test.labels))
        .unwrap();
    for (class, (low, high)) in fit.coverage_bands(0.999).iter().enumerate() {
        let coverage = found.by_class[class].unwrap();
        assert!(
            (low - 0.025..=high + 0.025).contains(&coverage),
            "{class}: {coverage}"
        );
    }
}

#[test]
fn too_little_data_means_every_class() {
    let scores = Scores::probs(&[0.9, 0.1, 0.2, 0.8], 2).unwrap();
    let targets = Targets::classes(&[0, 1]);
    let fit = Conformal::new(Conformity::Aps, 0.1, 0)
        .unwrap()
        .fit(&scores, &targets)
        .unwrap();
    assert_eq!(fit.thresholds(), [None]);
    assert_eq!(fit.coverage_bands(0.9), [(1.0, 1.0)]);
    assert_eq!(fit.sets(&scores).unwrap(), [[0, 1], [0, 1]]);
    let text = serde_json::to_string(&fit).unwrap();
    assert_eq!(
        serde_json::from_str::<firetender_uncertainty::ConformalFit>(&text).unwrap(),
        fit
    );
    let strict = Conformal::new(Conformity::Lac, 0.6, 0)
        .unwrap()
        .fit(&scores, &targets)
        .unwrap();
    let doubtful = Scores::probs(&[0.5, 0.5], 2).unwrap();
    assert!(strict.sets(&doubtful).unwrap()[0].is_empty());
    let never = Conformal::new(Conformity::Lac, 0.6, 0)
        .unwrap()
        .never_empty();
    let never = never.fit(&scores, &targets).unwrap();
    assert_eq!(never.sets(&doubtful).unwrap(), [[0]]);
    for alpha in [0.0, 1.0, f64::NAN] {
        assert!(Conformal::new(Conformity::Lac, alpha, 0).is_err());
    }
    let price = Conformity::Raps {
        penalty: -1.0,
        rank: 1,
    };
    assert!(Conformal::new(price, 0.1, 0).is_err());
    let soft = Targets::soft(vec![0.5; 4], 2);
    assert!(
        Conformal::new(Conformity::Lac, 0.5, 0)
            .unwrap()
            .fit(&scores, &soft)
            .is_err()
    );
}

#[test]
fn bands_are_quantiles_of_the_beta_law() {
    // n = 9, α = 0.1: l = 1, Beta(9, 1), whose quantile at q is q^(1/9).
    let p: Vec<f64> = (0..9).flat_map(|_| [0.5, 0.5]).collect();
    let scores = Scores::probs(&p, 2).unwrap();
    let fit = Conformal::new(Conformity::Lac, 0.1, 0).unwrap();
    let fit = fit.fit(&scores, &Targets::classes(&[0; 9])).unwrap();
    let (low, high) = fit.coverage_bands(0.9)[0];
    close(low, 0.05f64.powf(1.0 / 9.0), 1e-12);
    close(high, 0.95f64.powf(1.0 / 9.0), 1e-12);
}
