//! Merging, the fit, features.

use super::*;
use crate::PredictionKind;

fn logs(probs: &[f32]) -> Vec<f32> {
    probs.iter().map(|p| p.ln()).collect()
}

#[test]
fn keeping_all_is_the_mean_and_keeping_one_the_surest() {
    let members = [
        logs(&[0.5, 0.5, 0.99, 0.01]),
        logs(&[0.9, 0.1, 0.6, 0.4]),
        logs(&[0.1, 0.9, 0.7, 0.3]),
    ];
    let all = most_certain(&members, 2, 3).unwrap();
    assert!((all[0].exp() - 0.5).abs() < 1e-6 && (all[2].exp() - 2.29 / 3.0).abs() < 1e-6);
    // 0.9 and 0.1 are equally sure: the first.
    let one = most_certain(&members, 2, 1).unwrap();
    assert!((one[0].exp() - 0.9).abs() < 1e-6 && (one[2].exp() - 0.99).abs() < 1e-6);
    assert!(most_certain(&members, 2, 0).is_err() && most_certain(&members, 2, 4).is_err());
    assert!(most_certain(&[], 2, 1).is_err() && most_certain(&members, 3, 1).is_err());
    assert!(most_certain(&members, 0, 1).is_err());
    // An impossible class is no NaN.
    let hard = most_certain(&[vec![0.0, f32::NEG_INFINITY]], 2, 1).unwrap();
    assert_eq!(hard, [0.0, f32::NEG_INFINITY]);
}

#[test]
fn the_fit_solves_the_normal_equations() {
    let mut a = vec![4.0, 1.0, 0.5, 1.0, 3.0, -1.0, 0.5, -1.0, 2.0];
    let kept = a.clone();
    let mut right = vec![vec![1.0, 0.0], vec![2.0, 5.0], vec![-1.0, 4.0]];
    let wanted = right.clone();
    solve(&mut a, &mut right, 3);
    for column in 0..2 {
        for row in 0..3 {
            let found: f64 = (0..3).map(|k| kept[row * 3 + k] * right[k][column]).sum();
            assert!((found - wanted[row][column]).abs() < 1e-12);
        }
    }
}

#[test]
fn features_by_hand() {
    let found = confidence_features(&logs(&[0.2, 0.7, 0.1]), 3).unwrap();
    let h = -(0.2_f64 * 0.2_f64.ln() + 0.7 * 0.7_f64.ln() + 0.1 * 0.1_f64.ln());
    for (x, y) in found.iter().zip([0.2, 0.7, 0.1, h, 0.5]) {
        assert!((x - y).abs() < 1e-6, "{found:?}");
    }
    assert!(confidence_features(&[0.0; 4], 3).is_err());
}

#[test]
fn bad_features_are_errors() {
    let pool = [0.5_f32; 8];
    let candidates = Candidates::new(PredictionKind::Probs, &pool, [2, 2, 2], &[0, 1]).unwrap();
    assert!(LossPredictor::fit(&candidates, &[1.0, 2.0, 3.0], 1.0).is_err());
    assert!(LossPredictor::fit(&candidates, &[], 1.0).is_err());
    assert!(LossPredictor::fit(&candidates, &[1.0, f64::NAN], 1.0).is_err());
    assert!(LossPredictor::fit(&candidates, &[1.0, 2.0], 0.0).is_err());
    // A constant feature is fine, and says nothing.
    let fitted = LossPredictor::fit(&candidates, &[1.0, 2.0, 1.0, 3.0], 1.0).unwrap();
    assert!(fitted.predict(&[1.0, 2.0, 3.0]).is_err());
    assert!(fitted.choose(&[1.0, 2.0], 3).is_err());
    assert_eq!(fitted.choose(&[9.0, 9.0], 2).unwrap(), [[0, 1]]);
    assert!(
        fitted
            .merge(&[vec![0.0; 4]], 2, &[1.0, 2.0, 1.0, 3.0], 1)
            .is_err()
    );
}
