//! The ensemble golden of the specification, and the laws of averaging.

use firetender_uncertainty::{
    Diversity, Floor, MetricOptions, Metrics, Scores, Targets, evaluate, evaluate_ensemble,
    evaluate_many, evaluate_sizes,
};

use crate::support::{close, synthetic};

#[test]
fn the_specifications_ensembles() {
    let sets = [1, 2, 3].map(|seed| synthetic(200, 5, seed, 2.0));
    let targets = Targets::classes(&sets[0].labels);
    let members: Vec<Scores<'_>> = sets
        .iter()
        .map(|set| Scores::logits(&set.logits, 5).unwrap())
        .collect();
    let options = MetricOptions::default();
    let found = evaluate_sizes(&members, &[1, 2, 3], &targets, &options).unwrap();
    for (found, ll, member, mi, disagreement) in [
        (
            &found[1],
            -1.5387742216495683,
            -2.1999131373672247,
            0.3327944956838462,
            0.855,
        ),
        (
            &found[2],
            -1.5892658390928371,
            -2.449922340829828,
            0.4403129656988424,
            0.8183333333333334,
        ),
    ] {
        close(found.metrics.ll, ll, 1e-12);
        close(found.member_ll.unwrap(), member, 1e-12);
        close(found.mi, mi, 1e-12);
        close(found.disagreement, disagreement, 1e-12);
        close(
            found.metrics.entropy.unwrap(),
            found.mi + found.expected_entropy,
            1e-12,
        );
        assert!(found.jensen_gap.unwrap() > 0.0);
    }
    let one = &found[0];
    let alone = evaluate(&members[0], &targets, &options).unwrap();
    assert_eq!(one.metrics, alone);
    assert_eq!(
        (one.mi, one.disagreement, one.variation_ratio),
        (0.0, 0.0, 0.0)
    );
    let many = evaluate_many(&members, &targets, &options).unwrap();
    assert_eq!(many[0], alone);
    assert_eq!(many.len(), 3);
    let text = serde_json::to_string(&found[1]).unwrap();
    for key in [
        "\"ll\":",
        "\"mi\":",
        "\"misclass_MI_auroc\":",
        "\"members\":2",
    ] {
        assert!(text.contains(key), "{key}");
    }
}

#[test]
fn identical_members_are_one() {
    let set = synthetic(100, 6, 4, 3.0);
    let targets = Targets::classes(&set.labels);
    let scores = Scores::logits(&set.logits, 6).unwrap();
    let members = vec![scores.clone(), scores.clone(), scores.clone()];
    let options = MetricOptions::default();
    let three = evaluate_ensemble(&members, &targets, &options).unwrap();
    let one = evaluate(&scores, &targets, &options).unwrap();
    close(three.metrics.ll, one.ll, 1e-13);
    close(three.metrics.brier, one.brier, 1e-13);
    assert!(three.jensen_gap.unwrap() < 1e-13);
    assert!(three.mi < 1e-15);
    assert_eq!(three.disagreement, 0.0);
}

#[test]
fn members_that_do_not_fit_are_named() {
    let a = Scores::probs(&[0.5, 0.5], 2).unwrap();
    let b = Scores::probs(&[0.5, 0.5, 0.5, 0.5], 2).unwrap();
    let targets = Targets::classes(&[0]);
    let options = MetricOptions::default();
    let error = evaluate_ensemble(&[a.clone(), b], &targets, &options).unwrap_err();
    assert!(error.to_string().contains("member 1"), "{error}");
    assert!(evaluate_ensemble(&[], &targets, &options).is_err());
    assert!(evaluate_sizes(std::slice::from_ref(&a), &[0], &targets, &options).is_err());
    assert!(evaluate_sizes(&[a], &[2], &targets, &options).is_err());
}

#[test]
fn impossible_members_stay_defined() {
    let sure = Scores::probs(&[1.0, 0.0], 2).unwrap();
    let other = Scores::probs(&[0.0, 1.0], 2).unwrap();
    let targets = Targets::classes(&[1]);
    let options = MetricOptions::default();
    let found = evaluate_ensemble(&[sure.clone(), other], &targets, &options).unwrap();
    close(found.metrics.ll, 0.5f64.ln(), 1e-15);
    assert_eq!(found.member_ll, None);
    close(found.mi, 2f64.ln(), 1e-15);
    let both = evaluate_ensemble(&[sure.clone(), sure], &targets, &options).unwrap();
    assert_eq!(both.metrics.ll, f64::NEG_INFINITY);
    assert_eq!(both.metrics.impossible, 1);
    let diversity = Diversity::new(
        &[Scores::probs(&[0.5, 0.5], 2).unwrap()],
        &targets,
        Floor::None,
    );
    assert_eq!(diversity.unwrap().objects()[0].variation_ratio, 0.0);
}

/// Means of probabilities are probabilities: 0.6 is in the bin that ends there, and equal means tie.
#[test]
fn means_of_probabilities_are_not_taken_through_logarithms() {
    let rows: [&[f64]; 3] = [&[0.25, 0.75], &[0.75, 0.25], &[0.5, 0.5]];
    let members: Vec<Scores<'_>> = rows
        .iter()
        .map(|row| Scores::probs(row.to_vec(), 2).unwrap())
        .collect();
    let found =
        evaluate_ensemble(&members, &Targets::classes(&[0]), &MetricOptions::default()).unwrap();
    assert_eq!(
        (found.metrics.accuracy, found.metrics.confidence),
        (1.0, 0.5)
    );
    let members: Vec<Scores<'_>> = [[0.5, 0.5], [0.7, 0.3]]
        .iter()
        .map(|row| Scores::probs(row.to_vec(), 2).unwrap())
        .collect();
    let found =
        evaluate_ensemble(&members, &Targets::classes(&[0]), &MetricOptions::default()).unwrap();
    assert_eq!(found.metrics.confidence, 0.6);
}

/// A choice of columns leaves the others out and changes none that stay.
#[test]
fn the_basic_table_is_part_of_the_whole() {
    for (kind, classes) in [(0, 3), (1, 10), (0, 10), (2, 17)] {
        let set = synthetic(300, classes, 5, 2.0);
        let logits = Scores::logits(&set.logits, classes).unwrap();
        let logs = logits.to_log_probs();
        let scores = match kind {
            0 => Scores::probs(
                logs.iter().map(|l| l.exp() as f32).collect::<Vec<_>>(),
                classes,
            ),
            1 => Scores::log_probs(&logs, classes),
            _ => Ok(logits),
        }
        .unwrap();
        let targets = Targets::classes(&set.labels)
            .with_ignore(1)
            .with_weights((0..300).map(|row| f64::from(row % 3)).collect());
        let all = evaluate(&scores, &targets, &MetricOptions::default()).unwrap();
        let few = evaluate(&scores, &targets, &MetricOptions::basic()).unwrap();
        let shortened = Metrics {
            top_k_accuracy: vec![],
            entropy: None,
            ece_sweep: None,
            smooth_ece: None,
            sce: None,
            tace: None,
            ace: None,
            brier_parts: None,
            misclass_entropy_auroc: None,
            misclass_entropy_prauc: None,
            misclass_entropy_fpr95: None,
            notes: few.notes.clone(),
            ..all
        };
        assert_eq!(few, shortened);
    }
}
