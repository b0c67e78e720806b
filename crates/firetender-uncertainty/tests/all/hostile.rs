//! Input that is wrong or extreme: a typed error or a defined value, never NaN and never a panic.

use firetender_uncertainty::{
    Binning, Bins, EdgeRule, Floor, MetricOptions, Note, Objects, Ranking, Scores, Targets,
    evaluate,
};

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

#[test]
fn extreme_tables_give_defined_metrics() {
    let options = MetricOptions::default();
    let compatible = MetricOptions::ashukha2020();
    // One object; one-hot rows; an absent class; a thousand classes with fewer objects than bins; all wrong; all right.
    let one_hot: Vec<f64> = (0..12).map(|i| f64::from(u8::from(i % 4 == 0))).collect();
    let wide = vec![1e-3; 3000];
    for (p, c, labels) in [
        (vec![0.3, 0.7], 2, vec![1]),
        (vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0], 3, vec![0, 2]),
        (one_hot.clone(), 4, vec![0, 0, 0]),
        (one_hot, 4, vec![3, 3, 3]),
        (wide, 1000, vec![0, 999, 500]),
    ] {
        let scores = Scores::probs(&p, c).unwrap();
        for options in [&options, &compatible] {
            let found = evaluate(&scores, &Targets::classes(&labels), options).unwrap();
            let text = serde_json::to_string(&found).unwrap();
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            for (key, value) in value.as_object().unwrap() {
                let finite = value.as_f64().is_none_or(f64::is_finite);
                assert!(finite, "{key} of {labels:?}");
            }
            assert!(found.ece.is_finite() && found.e_aurc >= 0.0 && !found.ll.is_nan());
            assert!(found.smooth_ece.unwrap().is_finite() && found.ece_sweep.unwrap().is_finite());
            let parts = found.brier_parts.unwrap();
            assert!((parts.total() - found.brier).abs() < 1e-12);
        }
    }
}

#[test]
fn short_classes_are_merged_or_refused() {
    let scores = Scores::probs(&[0.3, 0.7, 0.6, 0.4], 2).unwrap();
    let targets = Targets::classes(&[1, 1]);
    let ours = evaluate(&scores, &targets, &MetricOptions::default()).unwrap();
    // Two bins of one object each: |0.3 − 0| + |0.6 − 0| + |0.4 − 1| + |0.7 − 1| over N·C = 4.
    assert!((ours.ace.unwrap() - 0.45).abs() < 1e-15);
    assert!(ours.notes.contains(&Note::ShortClasses { tace: 2, ace: 2 }));
    let compatible = evaluate(&scores, &targets, &MetricOptions::ashukha2020()).unwrap();
    assert_eq!(
        (compatible.tace, compatible.ace, compatible.acc_aac),
        (None, None, None)
    );
}

#[test]
fn one_kind_of_object_cannot_be_ranked() {
    let scores = Scores::probs(&[0.9, 0.1, 0.8, 0.2], 2).unwrap();
    for labels in [[0, 0], [1, 1]] {
        let found = evaluate(
            &scores,
            &Targets::classes(&labels),
            &MetricOptions::default(),
        )
        .unwrap();
        assert_eq!(found.misclass_entropy_auroc, None);
        assert!(found.notes.contains(&Note::OneKind));
    }
    assert_eq!(Ranking::default().auroc(), None);
    assert!(Ranking::of(&[f64::NAN], &[0.0]).is_err());
    assert_eq!(
        Ranking::of(&[f64::INFINITY], &[0.0]).unwrap().auroc(),
        Some(1.0)
    );
}

#[test]
fn the_references_dropped_zeros_are_a_switch() {
    // A class that came true at probability zero: the reference does not see it.
    let scores = Scores::probs(&[1.0, 0.0, 1.0, 0.0], 2).unwrap();
    let targets = Targets::classes(&[1, 0]);
    let sce = |drop_zeros| {
        let options = MetricOptions {
            drop_zeros,
            ..MetricOptions::default()
        };
        evaluate(&scores, &targets, &options).unwrap().sce.unwrap()
    };
    assert_eq!(sce(false), 0.5);
    assert_eq!(sce(true), 0.25);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let scores = Scores::probs(&[0.9, 0.1], 2).unwrap();
    let targets = Targets::classes(&[0]);
    let base = MetricOptions::default();
    for options in [
        MetricOptions {
            adaptive_bins: 0,
            ..base.clone()
        },
        MetricOptions {
            tace_threshold: 1.0,
            ..base.clone()
        },
        MetricOptions {
            tace_threshold: f64::NAN,
            ..base.clone()
        },
        MetricOptions {
            floor: Floor::Eps(-1.0),
            ..base.clone()
        },
        MetricOptions {
            class_binning: Binning::new(Bins::EqualMass(5), EdgeRule::RightClosed).unwrap(),
            ..base.clone()
        },
    ] {
        assert!(
            evaluate(&scores, &targets, &options).is_err(),
            "{options:?}"
        );
    }
    let bins = |bins| Binning::new(bins, EdgeRule::RightClosed);
    for bad in [
        vec![],
        vec![0.0],
        vec![0.0, 0.5],
        vec![0.0, 0.7, 0.3, 1.0],
        vec![0.0, f64::NAN, 1.0],
    ] {
        assert!(bins(Bins::Edges(bad)).is_err());
    }
    assert!(bins(Bins::EqualWidth(0)).is_err() && bins(Bins::EqualMass(usize::MAX)).is_err());
    let text = serde_json::to_string(&base).unwrap();
    assert_eq!(serde_json::from_str::<MetricOptions>(&text).unwrap(), base);
    assert!(serde_json::from_str::<MetricOptions>("{\"flor\": \"none\"}").is_err());
}

#[test]
fn borders_belong_where_the_rule_says() {
    for n in [1, 2, 3, 7, 10, 15, 100, 1000] {
        for rule in [EdgeRule::RightClosed, EdgeRule::LeftClosed] {
            let fast = Binning::new(Bins::EqualWidth(n), rule).unwrap();
            let slow = Binning::new(Bins::Edges(fast.edges().to_vec()), rule).unwrap();
            for (at, edge) in fast.edges().iter().enumerate() {
                let expected = match rule {
                    EdgeRule::RightClosed => at.saturating_sub(1),
                    EdgeRule::LeftClosed => at.min(n - 1),
                };
                assert_eq!(fast.find(*edge), expected, "border {at} of {n}");
                for x in [edge.next_down(), *edge, edge.next_up()] {
                    assert_eq!(fast.find(x), slow.find(x), "{x} in {n} bins");
                }
            }
        }
    }
}
