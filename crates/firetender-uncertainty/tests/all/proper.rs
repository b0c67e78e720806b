//! Accuracy, log-likelihood, Brier and their kin, against the synthetic goldens of the specification and a slow oracle.

use burn::tensor::{Device, Tensor, TensorData};
use firetender_uncertainty::{Checks, Floor, Objects, ScoreKind, Scores, Targets};

use crate::support::{Synthetic, close, probs, set_1, set_2};

fn objects(set: &Synthetic, floor: Floor) -> Objects {
    let scores = Scores::logits(&set.logits, set.classes).unwrap();
    Objects::ordinal(&scores, &Targets::classes(&set.labels), floor).unwrap()
}

#[test]
fn the_generator_is_the_specifications() {
    let (one, two) = (set_1(), set_2());
    close(one.logits.iter().sum(), -53.98514130564934, 1e-11);
    close(two.logits.iter().sum(), 13.57430303385987, 1e-11);
    assert_eq!(one.labels.iter().sum::<i64>(), 391);
    assert_eq!(two.labels.iter().sum::<i64>(), 4619);
    let first = [-2.618225219689144, -1.3799386902080435, -1.3530639438631011];
    for (found, expected) in one.logits.iter().zip(first) {
        close(*found, expected, 1e-14);
    }
    assert_eq!(one.labels[..10], [3, 4, 2, 2, 3, 0, 0, 0, 4, 1]);
    assert_eq!(two.labels[..10], [9, 3, 4, 8, 6, 3, 5, 6, 8, 2]);
}

#[test]
fn proper_scores_are_the_specifications() {
    let eps = Floor::Eps(1e-12);
    for (set, accuracy, floored, plain, brier) in [
        (
            set_1(),
            0.47,
            -1.4383982540980902,
            -1.4383982541129916,
            0.7070839118344381,
        ),
        (
            set_2(),
            0.347,
            -1.9524403520681595,
            -1.9524403520851457,
            0.805547814224981,
        ),
    ] {
        let found = objects(&set, Floor::None);
        assert_eq!(found.accuracy(), accuracy);
        close(found.log_likelihood(), plain, 1e-12);
        close(objects(&set, eps).log_likelihood(), floored, 1e-12);
        close(found.brier(), brier, 1e-12);
    }
}

/// Every kind of score and every precision says the same.
#[test]
fn kinds_and_precisions_agree() {
    let set = set_2();
    let targets = Targets::classes(&set.labels);
    let from_logits = objects(&set, Floor::None);
    let p = probs(&set);
    let logs: Vec<f64> = p.iter().map(|p| p.ln()).collect();
    let narrow: Vec<f32> = set.logits.iter().map(|z| *z as f32).collect();
    let of = |scores: Scores<'_>| Objects::ordinal(&scores, &targets, Floor::None).unwrap();
    let by_probs = of(Scores::probs(&p, 10).unwrap());
    let by_logs = of(Scores::log_probs(&logs, 10).unwrap());
    let by_f32 = of(Scores::logits(&narrow, 10).unwrap());
    let tensor = Tensor::<2>::from_data(TensorData::new(narrow, [1000, 10]), &Device::flex());
    let kind = ScoreKind::Logits;
    let by_tensor = Objects::from_tensor(kind, tensor.clone(), &targets, Floor::None).unwrap();
    assert_eq!(by_f32.mean(|o| o.brier), by_tensor.mean(|o| o.brier));
    assert!(Scores::from_tensor(ScoreKind::Probs, tensor, Checks::default()).is_err());
    for (other, tolerance) in [(by_probs, 1e-13), (by_logs, 1e-13), (by_f32, 2e-6)] {
        for (a, b) in from_logits.rows().iter().zip(other.rows()) {
            assert_eq!(
                (a.prediction, a.rank, a.target),
                (b.prediction, b.rank, b.target)
            );
            close(a.log_likelihood, b.log_likelihood, tolerance);
            close(a.brier, b.brier, tolerance);
            close(a.entropy, b.entropy, tolerance);
            close(a.spherical, b.spherical, tolerance);
            close(a.ranked.unwrap(), b.ranked.unwrap(), tolerance);
        }
    }
}

#[test]
fn columns_are_what_they_say() {
    let set = set_1();
    let found = objects(&set, Floor::None);
    for ((object, p), y) in found
        .rows()
        .iter()
        .zip(probs(&set).chunks(5))
        .zip(&set.labels)
    {
        let y = *y as usize;
        let truth = |c: usize| f64::from(u8::from(c == y));
        let brier: f64 = (0..5).map(|c| (p[c] - truth(c)).powi(2)).sum();
        let entropy: f64 = p.iter().map(|p| -p * p.ln()).sum();
        let norm = p.iter().map(|p| p * p).sum::<f64>().sqrt();
        let below = |c: usize| p[..=c].iter().sum::<f64>() - f64::from(u8::from(c >= y));
        let ranked: f64 = (0..5).map(|c| below(c).powi(2)).sum();
        close(object.brier, brier, 1e-14);
        close(object.entropy, entropy, 1e-14);
        close(object.spherical, p[y] / norm, 1e-14);
        close(object.ranked.unwrap(), ranked, 1e-14);
        close(object.log_likelihood, p[y].ln(), 1e-13);
        assert_eq!(
            object.rank.unwrap() as usize,
            p.iter().filter(|q| **q > p[y]).count()
        );
        assert_eq!(object.correct == 1.0, object.rank == Some(0));
    }
    let correct_5 = found.top_k_accuracy(5);
    assert_eq!(correct_5, Some(1.0));
    assert!(found.top_k_accuracy(2).unwrap() > found.accuracy());
}

#[test]
fn a_one_hot_soft_target_is_a_class_and_others_are_expectations() {
    let set = set_1();
    let scores = Scores::logits(&set.logits, 5).unwrap();
    let one_hot: Vec<f64> = set
        .labels
        .iter()
        .flat_map(|y| (0..5).map(move |c| f64::from(u8::from(c == *y))))
        .collect();
    let soft = Objects::ordinal(&scores, &Targets::soft(one_hot, 5), Floor::None).unwrap();
    let hard = objects(&set, Floor::None);
    for (s, h) in soft.rows().iter().zip(hard.rows()) {
        close(s.log_likelihood, h.log_likelihood, 0.0);
        close(s.brier, h.brier, 1e-15);
        close(s.spherical, h.spherical, 1e-15);
        close(s.ranked.unwrap(), h.ranked.unwrap(), 1e-15);
        assert_eq!(s.correct, h.correct);
    }
    assert_eq!(soft.top_k_accuracy(1), None);
    let mixed = Targets::soft(vec![0.25, 0.75], 2);
    let scores = Scores::probs(&[0.5, 0.5], 2).unwrap();
    let found = Objects::new(&scores, &mixed, Floor::None).unwrap();
    close(found.log_likelihood(), 0.5f64.ln(), 1e-15);
    assert_eq!(found.accuracy(), 0.25, "ties go to the lowest index");
    assert_eq!(found.brier(), 0.125);
}

#[test]
fn weights_count_and_ignored_rows_do_not() {
    let set = set_1();
    let scores = Scores::logits(&set.logits, 5).unwrap();
    let weights: Vec<f64> = (0..200).map(|i| f64::from(i % 3)).collect();
    let weighted = Targets::classes(&set.labels).with_weights(weights.clone());
    let weighted = Objects::new(&scores, &weighted, Floor::None).unwrap();
    let (mut logits, mut labels) = (Vec::new(), Vec::new());
    for (row, weight) in weights.iter().enumerate() {
        for _ in 0..*weight as usize {
            logits.extend_from_slice(&set.logits[row * 5..][..5]);
            labels.push(set.labels[row]);
        }
    }
    let repeated = Scores::logits(logits, 5).unwrap();
    let repeated = Objects::new(&repeated, &Targets::classes(&labels), Floor::None).unwrap();
    assert_eq!(weighted.log_likelihood(), repeated.log_likelihood());
    assert_eq!(weighted.brier(), repeated.brier());
    assert_eq!(weighted.accuracy(), repeated.accuracy());

    let mut labels = set.labels.clone();
    labels[3] = -100;
    let masked = Targets::classes(&labels).with_ignore(-100);
    let masked = Objects::new(&scores, &masked, Floor::None).unwrap();
    assert_eq!((masked.len(), masked.left_out()), (199, 1));
    assert_eq!(
        masked.rows()[3].brier,
        objects(&set, Floor::None).rows()[4].brier
    );
}
