//! The published VGG16 curves: equivalents to the printed digits, and the facts that the specification draws from them.

use std::collections::BTreeMap;

use firetender_uncertainty::{BandKind, DeeOptions, DeeStatus, ResultTable, SizeCurve, dee};

use crate::support::data;

const CURVES: &str = "dee/vgg16_cifar100_ll_cll_by_size.csv";
const EQUIVALENTS: &str = "dee/vgg16_dee_by_size_from_cost_plot.csv";

fn curves() -> Option<ResultTable> {
    Some(ResultTable::read(data(CURVES)?).unwrap())
}

/// Published equivalents on CIFAR-100, by method.
fn published() -> Option<BTreeMap<String, Vec<(f64, f64)>>> {
    let text = std::fs::read_to_string(data(EQUIVALENTS)?).unwrap();
    let mut found: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        if fields[0] == "CIFAR100" {
            let point = (fields[3].parse().unwrap(), fields[4].parse().unwrap());
            found.entry(fields[2].to_owned()).or_default().push(point);
        }
    }
    Some(found)
}

#[test]
fn the_published_equivalents_to_the_printed_digits() {
    let (Some(table), Some(published)) = (curves(), published()) else {
        return;
    };
    let baseline = table.curve("deepens", "cll").unwrap();
    let (mut count, mut worst, mut apart) = (0, 0.0_f64, 0.0_f64);
    for (method, points) in &published {
        let curve = table.curve(method, "cll").unwrap();
        let theirs = dee(&curve, &baseline, &DeeOptions::ashukha2020()).unwrap();
        let ours = dee(&curve, &baseline, &DeeOptions::default()).unwrap();
        for (size, expected) in points {
            let at = curve.sizes().iter().position(|s| s == size).unwrap();
            worst = worst.max((theirs.points[at].dee - expected).abs());
            apart = apart.max((ours.points[at].dee - expected).abs());
            count += 1;
        }
        assert_eq!(
            ours.band,
            BandKind::Unknown,
            "one value a size says nothing of a band"
        );
    }
    assert_eq!(count, 317);
    assert!(worst <= 2e-5, "{worst}");
    assert!(apart <= 0.13, "{apart}");
}

#[test]
fn a_dip_of_the_baseline_is_worth_less_than_its_size() {
    let Some(table) = curves() else { return };
    let baseline = table.curve("deepens", "cll").unwrap();
    for options in [DeeOptions::ashukha2020(), DeeOptions::default()] {
        let found = dee(&baseline, &baseline, &options).unwrap();
        let at_94 = found.points[93];
        assert_eq!(at_94.size, 94.0);
        assert!((at_94.dee - 92.902).abs() < 0.06, "{at_94:?}");
    }
    let exact = dee(&baseline, &baseline, &DeeOptions::ashukha2020()).unwrap();
    assert!(
        (exact.points[93].dee - 92.902).abs() < 5e-4,
        "{:?}",
        exact.points[93]
    );
}

#[test]
fn isotonic_regression_moves_the_published_curve_by_almost_nothing() {
    let Some(table) = curves() else { return };
    let baseline = table.curve("deepens", "cll").unwrap();
    let smooth = firetender_uncertainty::isotonic_increasing(baseline.means());
    let moved = baseline.means().iter().zip(&smooth);
    let worst = moved.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst > 0.0 && worst < 8.4e-6, "{worst}");
}

#[test]
fn calibration_turns_the_order_of_methods_around() {
    let Some(table) = curves() else { return };
    let at_5 = |method: &str, metric: &str| -> f64 {
        let curve: SizeCurve = table.curve(method, metric).unwrap();
        curve.means()[curve.sizes().iter().position(|s| *s == 5.0).unwrap()]
    };
    // Uncalibrated, one network is worse than dropout and K-FAC Laplace; calibrated, it is better.
    for other in ["dropout", "kfacl"] {
        assert!(at_5("onenet", "ll") < at_5(other, "ll"));
        assert!(at_5("onenet", "cll") > at_5(other, "cll"));
    }
    let baseline = table.curve("deepens", "cll").unwrap();
    let one = dee(
        &table.curve("onenet", "cll").unwrap(),
        &baseline,
        &DeeOptions::default(),
    )
    .unwrap();
    assert_eq!(one.points[4].status, DeeStatus::Interior);
    assert!((one.points[4].dee - 1.03).abs() < 0.01);
}
