//! What estimates do on data whose truth is known: labels drawn from the predictions.

use firetender_uncertainty::{BinTable, Binning, smooth_ece};

use crate::support::{Draw, close};

/// Confidences and outcomes of a calibrated model.
fn calibrated(n: usize, seed: u64) -> Vec<(f64, f64, f64)> {
    let mut draw = Draw(seed);
    (0..n)
        .map(|_| {
            let p = 0.2 + 0.8 * draw.uniform();
            (p, f64::from(u8::from(draw.uniform() < p)), 1.0)
        })
        .collect()
}

#[test]
fn calibrated_models_have_no_error_but_noise() {
    let bins = Binning::default();
    let error = |n| BinTable::new(calibrated(n, 3), &bins).ece();
    for n in [1_000, 100_000] {
        let bound = (15.0 / n as f64).sqrt();
        assert!(error(n) < bound, "{} at {n}", error(n));
    }
    assert!(error(100_000) < error(1_000) / 3.0);
    let smooth = |n| smooth_ece(&calibrated(n, 3)).0;
    let (few, many) = (smooth(1_000), smooth(100_000));
    assert!(
        few < 0.06 && many < few / 2.0 && many < 0.015,
        "{few} {many}"
    );
}

#[test]
fn the_plug_in_error_is_biased_up_and_the_debiased_one_is_not() {
    let bins = Binning::default();
    let tables: Vec<BinTable> = (0..200)
        .map(|seed| BinTable::new(calibrated(300, 1000 + seed), &bins))
        .collect();
    let debiased: Vec<f64> = tables.iter().map(|t| t.debiased_squared().0).collect();
    let mean = debiased.iter().sum::<f64>() / 200.0;
    let variance = debiased.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 199.0;
    assert!(mean.abs() < 3.0 * (variance / 200.0).sqrt(), "{mean}");
    let plug_in = tables.iter().map(|t| t.rmsce().powi(2)).sum::<f64>() / 200.0;
    assert!(plug_in > 5.0 * mean.abs() && plug_in > 0.005, "{plug_in}");
}

#[test]
fn known_miscalibration_is_found() {
    // Promises p, keeps p − 0.1.
    let mut draw = Draw(9);
    let objects: Vec<(f64, f64, f64)> = (0..200_000)
        .map(|_| {
            let p = 0.3 + 0.7 * draw.uniform();
            (p, f64::from(u8::from(draw.uniform() < p - 0.1)), 1.0)
        })
        .collect();
    let table = BinTable::new(objects.clone(), &Binning::default());
    close(table.ece(), 0.1, 0.004);
    close(table.rmsce(), 0.1, 0.004);
    close(table.debiased_squared().0, 0.01, 0.0008);
    close(smooth_ece(&objects).0, 0.1, 0.01);
}

#[test]
fn wilsons_interval_covers() {
    let mut covered = 0;
    for seed in 0..400 {
        let mut draw = Draw(seed);
        let objects = (0..50).map(|_| (0.5, f64::from(u8::from(draw.uniform() < 0.3)), 1.0));
        let table = BinTable::new(objects, &Binning::equal_width(1));
        let (low, high) = table.rows()[0].accuracy_interval(1.96).unwrap();
        covered += usize::from(low <= 0.3 && 0.3 <= high);
    }
    assert!((365..=395).contains(&covered), "{covered} of 400");
}
