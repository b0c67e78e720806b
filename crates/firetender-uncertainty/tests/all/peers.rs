//! What other packages compute on the synthetic sets (`tests/golden/make/uncertainty_metrics.py`).

use firetender_uncertainty::{
    BinTable, Binning, Bins, BrierScale, Checks, Conformal, Conformity, EdgeRule, Floor,
    MetricOptions, Metrics, Objects, Ranking, ScoreKind, Scores, Targets, conformal_threshold,
    evaluate, smooth_ece, smooth_ece_at,
};
use serde_json::Value;

use crate::support::{Synthetic, close, probs, set_1, set_2};

fn golden() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/uncertainty_metrics.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn sets() -> [(Synthetic, Value); 2] {
    let golden = golden();
    [
        (set_1(), golden["set_1"].clone()),
        (set_2(), golden["set_2"].clone()),
    ]
}

fn metrics(set: &Synthetic, options: &MetricOptions) -> Metrics {
    let scores = Scores::logits(&set.logits, set.classes).unwrap();
    evaluate(&scores, &Targets::classes(&set.labels), options).unwrap()
}

fn objects(set: &Synthetic) -> Objects {
    let scores = Scores::logits(&set.logits, set.classes).unwrap();
    Objects::new(&scores, &Targets::classes(&set.labels), Floor::None).unwrap()
}

fn confidences(set: &Synthetic) -> Vec<(f64, f64, f64)> {
    let objects = objects(set);
    let rows = objects.rows().iter();
    rows.map(|o| (o.confidence, o.correct, o.weight)).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::String(text) => text.split(' ').map(|x| x.parse().unwrap()).collect(),
        list => list.as_array().unwrap().iter().map(number).collect(),
    }
}

#[test]
fn scikit_learn() {
    for (set, golden) in sets() {
        let golden = &golden["scikit_learn"];
        let options = MetricOptions {
            top_k: vec![2],
            ..MetricOptions::default()
        };
        let found = metrics(&set, &options);
        let half = MetricOptions {
            brier: BrierScale::Half,
            ..options
        };
        for (name, value) in [
            ("log_loss", -found.ll),
            ("brier", found.brier),
            ("brier_half", metrics(&set, &half).brier),
            ("top_2", found.top_k_accuracy[0].accuracy),
            ("auroc_confidence", found.misclass_confidence_auroc.unwrap()),
            ("ap_confidence", found.misclass_confidence_prauc.unwrap()),
            ("auroc_entropy", found.misclass_entropy_auroc.unwrap()),
            ("ap_entropy", found.misclass_entropy_prauc.unwrap()),
        ] {
            close(value, number(&golden[name]), 1e-12);
        }
        let mut tied = Ranking::default();
        for (confidence, correct, _) in confidences(&set) {
            tied.add(
                -(confidence * 10.0).round_ties_even() / 10.0,
                correct == 0.0,
            );
        }
        close(
            tied.auroc().unwrap(),
            number(&golden["auroc_rounded"]),
            1e-12,
        );
        close(
            tied.average_precision().unwrap(),
            number(&golden["ap_rounded"]),
            1e-12,
        );
    }
}

/// torchmetrics adds in f32.
#[test]
fn torchmetrics() {
    for (set, golden) in sets() {
        let found = metrics(&set, &MetricOptions::default());
        let golden = &golden["torchmetrics"];
        close(found.ece, number(&golden["l1"]), 2e-7);
        close(found.rmsce, number(&golden["l2"]), 2e-7);
        close(found.mce, number(&golden["max"]), 2e-7);
    }
    let docstring = [
        (0.25, 0.0),
        (0.25, 0.0),
        (0.55, 1.0),
        (0.75, 1.0),
        (0.75, 1.0),
    ];
    let table = BinTable::new(
        docstring.map(|(p, y)| (p, y, 1.0)),
        &Binning::equal_width(2),
    );
    let golden = &golden()["docstring"];
    close(table.ece(), number(&golden["l1"]), 1e-7);
    close(table.rmsce(), number(&golden["l2"]), 1e-7);
    close(table.mce(), number(&golden["max"]), 1e-7);
}

/// torchmetrics gives confidence 1.0 a bin of its own; it belongs to the last.
#[test]
fn no_bin_for_certainty_alone() {
    for rule in [EdgeRule::RightClosed, EdgeRule::LeftClosed] {
        let binning = Binning::new(Bins::EqualWidth(10), rule).unwrap();
        let table = BinTable::new([(1.0, 1.0, 1.0), (0.95, 0.0, 1.0)], &binning);
        assert_eq!(table.rows().len(), 10);
        assert_eq!(table.rows()[9].weight, 2.0);
        close(table.ece(), 0.475, 1e-15);
    }
}

#[test]
fn netcal() {
    for (set, golden) in sets() {
        let golden = &golden["netcal"];
        for (name, bins) in [("ece_15", 15), ("ece_10", 10)] {
            let binning = Binning::new(Bins::EqualWidth(bins), EdgeRule::LeftClosed).unwrap();
            let table = BinTable::new(confidences(&set), &binning);
            close(table.ece(), number(&golden[name]), 1e-12);
            if bins == 15 {
                close(table.mce(), number(&golden["mce_15"]), 1e-12);
            }
        }
    }
}

#[test]
fn relplot() {
    for (set, golden) in sets() {
        let golden = &golden["relplot"];
        let (error, width) = smooth_ece(&confidences(&set));
        assert_eq!(width, number(&golden["width"]));
        close(error, number(&golden["smooth_ece"]), 1e-12);
        for (sigma, text) in [(0.01, "0.01"), (0.05, "0.05")] {
            let found = smooth_ece_at(&confidences(&set), sigma);
            close(found, number(&golden["fixed"][text]), 1e-12);
        }
    }
}

#[test]
fn verified_calibration() {
    for (set, golden) in sets() {
        let golden = &golden["verified_calibration"];
        let table = BinTable::top_label(&objects(&set), &Binning::default());
        close(
            table.debiased_squared().0,
            number(&golden["debiased_squared"]),
            1e-12,
        );
        close(table.ece(), number(&golden["plugin_l1"]), 1e-12);
        close(table.rmsce(), number(&golden["plugin_l2"]), 1e-12);
    }
}

/// The first half calibrates, the second is predicted, at alpha 0.1 and 0.4.
#[test]
fn mapie() {
    for (set, golden) in sets() {
        let golden = &golden["mapie"];
        let (p, c) = (probs(&set), set.classes);
        let half = set.labels.len() / 2;
        let (first, second) = p.split_at(half * c);
        let row = |row: usize| &first[row * c..][..c];
        let draws = numbers(&golden["draws"]);
        for (at, alpha) in [0.1, 0.4].into_iter().enumerate() {
            let calibration = Scores::probs(first, c).unwrap();
            let targets = Targets::classes(&set.labels[..half]);
            let fit = Conformal::new(Conformity::Lac, alpha, 0).unwrap();
            let fit = fit.fit(&calibration, &targets).unwrap();
            let threshold = numbers(&golden["lac"]["thresholds"])[at];
            close(fit.thresholds()[0].unwrap(), threshold, 1e-15);
            let sets = fit.sets(&Scores::probs(second, c).unwrap()).unwrap();
            let sizes: Vec<f64> = sets.iter().map(|s| s.len() as f64).collect();
            assert_eq!(sizes, numbers(&golden["lac"]["sizes"][at]));
            let found = fit
                .coverage(&sets, &Targets::classes(&set.labels[half..]))
                .unwrap();
            close(
                found.coverage,
                number(&golden["lac"]["coverage"][at]),
                1e-15,
            );

            let scores = |conformity: Conformity| -> Vec<f64> {
                let labels = set.labels[..half].iter().enumerate();
                labels
                    .map(|(i, y)| conformity.score(row(i), *y as usize, draws[i]))
                    .collect()
            };
            let aps = conformal_threshold(&scores(Conformity::Aps), alpha);
            close(aps, numbers(&golden["aps"]["thresholds"])[at], 1e-14);
            let raps = Conformity::Raps {
                penalty: 0.05,
                rank: 2,
            };
            let found = conformal_threshold(&scores(raps), alpha);
            close(found, numbers(&golden["raps_threshold"])[at], 1e-14);
            // MAPIE's `include_last_label`: up to the class that crosses the threshold.
            let sizes: Vec<f64> = second
                .chunks(c)
                .map(|p| {
                    (0..c)
                        .filter(|y| Conformity::Aps.score(p, *y, 1.0) < aps)
                        .count() as f64
                })
                .collect();
            assert_eq!(sizes, numbers(&golden["aps"]["sizes"][at]));
        }
    }
}

#[test]
fn kinds_of_input_give_the_same_table() {
    let set = set_2();
    let options = MetricOptions::default();
    let by_logits = metrics(&set, &options);
    let p = probs(&set);
    let scores = Scores::new(ScoreKind::Probs, &p, 10, Checks::default()).unwrap();
    let by_probs = evaluate(&scores, &Targets::classes(&set.labels), &options).unwrap();
    for (a, b) in [
        (by_logits.ll, by_probs.ll),
        (by_logits.ece, by_probs.ece),
        (by_logits.sce.unwrap(), by_probs.sce.unwrap()),
        (by_logits.tace.unwrap(), by_probs.tace.unwrap()),
        (by_logits.aurc, by_probs.aurc),
        (by_logits.smooth_ece.unwrap(), by_probs.smooth_ece.unwrap()),
    ] {
        close(a, b, 1e-12);
    }
}
