use proptest::prelude::*;

use super::*;
use approx::{assert_abs_diff_eq, assert_relative_eq};

/// Counts of the specification's section 8.4.
const NAMES: [f64; 8] = [70e6, 160e6, 410e6, 1e9, 1.4e9, 2.8e9, 6.9e9, 12e9];
const MEMO: [f64; 8] = [817.0, 794.0, 780.0, 730.0, 721.0, 732.0, 649.0, 614.0];
const HINDSIGHT: [f64; 8] = [158.0, 175.0, 138.0, 172.0, 134.0, 105.0, 143.0, 76.0];
const NEQA: [f64; 8] = [137.0, 137.0, 138.0, 137.0, 137.0, 137.0, 135.0, 142.0];

fn x() -> Vec<f64> {
    NAMES.iter().map(|size| size.log10()).collect()
}

fn shares(counts: &[f64], n: f64) -> Vec<f64> {
    counts.iter().map(|count| count / n).collect()
}

#[test]
fn pythia_rank_tests() {
    // ρ, p by t, exact p, τ, its p, S, Var, Z, linearity, breakthroughness, Theil–Sen.
    let expected: [(&[f64], f64, [f64; 11]); 3] = [
        (
            &MEMO,
            936.0,
            [
                -0.92857, 0.000_863, 0.002_232, -0.85714, 0.001_736, -24.0, 65.333, -2.8455,
                -4.99946, -8.82609, -0.092_395,
            ],
        ),
        (
            &HINDSIGHT,
            315.0,
            [
                -0.71429, 0.04653, 0.05759, -0.57143, 0.06101, -16.0, 65.333, -1.8558, -2.49377,
                -2.67568, -0.113_135,
            ],
        ),
        (
            &NEQA,
            300.0,
            [
                0.05455, 0.89791, 0.91071, 0.0, 1.0, 0.0, 48.667, 0.0, 2.49727, 7.0, 0.0,
            ],
        ),
    ];
    for (
        counts,
        n,
        [
            rho,
            p_t,
            p_exact,
            tau,
            p_tau,
            s,
            var,
            z,
            linear,
            breakthrough,
            slope,
        ],
    ) in expected
    {
        let (x, y) = (x(), shares(counts, n));
        let found = spearman(&x, &y);
        assert_abs_diff_eq!(found.rho.unwrap(), rho, epsilon = 5.1e-6);
        assert_abs_diff_eq!(found.p_t.unwrap(), p_t, epsilon = 5.1e-6);
        assert_abs_diff_eq!(found.p_exact.unwrap(), p_exact, epsilon = 5.1e-6);
        let found = kendall(&x, &y);
        assert_abs_diff_eq!(found.tau.unwrap(), tau, epsilon = 5.1e-6);
        assert_abs_diff_eq!(found.p.unwrap(), p_tau, epsilon = 5.1e-6);
        let found = mann_kendall(&y);
        assert_eq!(found.s, s);
        assert_abs_diff_eq!(found.var, var, epsilon = 5.1e-4);
        assert_abs_diff_eq!(found.z, z, epsilon = 5.1e-5);
        let found = big_bench(&y).unwrap();
        assert_abs_diff_eq!(found.linearity, linear, epsilon = 5.1e-6);
        assert_abs_diff_eq!(
            found.breakthroughness.unwrap(),
            breakthrough,
            epsilon = 5.1e-6
        );
        assert_abs_diff_eq!(theil_sen(&x, &y).unwrap(), slope, epsilon = 5.1e-7);
    }
}

#[test]
fn hindsight_passes_by_t_and_fails_exactly() {
    let found = spearman(&x(), &HINDSIGHT);
    assert!(found.p_t.unwrap() < 0.05 && found.p_exact.unwrap() > 0.05);
    assert_eq!(found.p, found.p_exact);
}

/// All orders, the slow way.
fn oracle(x: &[f64], y: &[f64]) -> f64 {
    fn go(x: &[f64], y: &mut Vec<f64>, at: usize, least: f64, counts: &mut (u32, u32)) {
        if at == y.len() {
            let rho = correlation(&average_ranks(x), &average_ranks(y)).unwrap();
            counts.0 += 1;
            counts.1 += u32::from(rho.abs() >= least - 1e-12);
            return;
        }
        for other in at..y.len() {
            y.swap(at, other);
            go(x, y, at + 1, least, counts);
            y.swap(at, other);
        }
    }
    let least = correlation(&average_ranks(x), &average_ranks(y))
        .unwrap()
        .abs();
    let mut counts = (0, 0);
    go(x, &mut y.to_vec(), 0, least, &mut counts);
    f64::from(counts.1) / f64::from(counts.0)
}

#[test]
fn exact_p_is_that_of_all_orders_with_and_without_ties() {
    for y in [
        vec![1.0, 2.0, 4.0, 3.0, 5.0],
        vec![1.0, 1.0, 4.0, 3.0, 3.0],
        vec![2.0, 1.0, 2.0, 1.0, 2.0, 7.0],
    ] {
        let x: Vec<f64> = (0..y.len()).map(|i| i as f64).collect();
        assert_relative_eq!(
            spearman(&x, &y).p_exact.unwrap(),
            oracle(&x, &y),
            max_relative = 1e-12
        );
    }
}

#[test]
fn an_exact_test_keeps_its_level_on_null_data() {
    // Over all orders of five values the share with p ≤ α is at most α.
    let x = [0.0, 1.0, 2.0, 3.0, 4.0];
    let (mut all, mut below) = (0, [0; 3]);
    let mut y = [0.0, 1.0, 2.0, 3.0, 4.0];
    let mut rotate = |y: &[f64]| {
        all += 1;
        let p = spearman(&x, y).p_exact.unwrap();
        for (count, level) in below.iter_mut().zip([0.05, 0.1, 0.2]) {
            *count += u32::from(p <= level);
        }
    };
    fn go(y: &mut [f64; 5], at: usize, seen: &mut dyn FnMut(&[f64])) {
        if at == 5 {
            return seen(y);
        }
        for other in at..5 {
            y.swap(at, other);
            go(y, at + 1, seen);
            y.swap(at, other);
        }
    }
    go(&mut y, 0, &mut rotate);
    for (count, level) in below.iter().zip([0.05, 0.1, 0.2]) {
        assert!(
            f64::from(*count) <= level * f64::from(all),
            "{count} of {all} at {level}"
        );
    }
}

#[test]
fn constant_values_have_no_correlation() {
    let x = [1.0, 2.0, 3.0];
    assert_eq!(spearman(&x, &[1.0; 3]).rho, None);
    assert_eq!(kendall(&x, &[1.0; 3]).tau, None);
    let flat = mann_kendall(&[1.0; 3]);
    assert_eq!((flat.s, flat.var, flat.z, flat.p), (0.0, 0.0, 0.0, 1.0));
    assert_eq!(theil_sen(&[1.0, 1.0], &[0.0, 1.0]), None);
}

#[test]
fn ties_lower_mann_kendalls_variance() {
    // 4·3·13/18 less 2·1·9/18.
    assert_relative_eq!(
        mann_kendall(&[5.0, 4.0, 4.0, 1.0]).var,
        (156.0 - 18.0) / 18.0
    );
}

proptest! {
    #[test]
    fn ranks_do_not_know_scales(
        y in prop::collection::vec(0_u8..6, 3..8), shift in -5.0_f64..5.0, factor in 0.1_f64..9.0,
    ) {
        let y: Vec<f64> = y.into_iter().map(f64::from).collect();
        let x: Vec<f64> = (0..y.len()).map(|i| i as f64).collect();
        let moved: Vec<f64> = x.iter().map(|x| shift + factor * x).collect();
        let curved: Vec<f64> = y.iter().map(|y| (0.7 * y).exp() + shift).collect();
        let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-12,
            (a, b) => a == b,
        };
        for (x, y) in [(&moved, &y), (&x, &curved)] {
            prop_assert!(near(spearman(x, y).rho, spearman(&moved, &curved).rho));
            prop_assert!(near(spearman(x, y).p_exact, spearman(&moved, &curved).p_exact));
            prop_assert!(near(kendall(x, y).p, kendall(&moved, &curved).p));
            prop_assert_eq!(mann_kendall(y), mann_kendall(&curved));
        }
        let reversed: Vec<f64> = y.iter().rev().copied().collect();
        prop_assert!(near(spearman(&x, &reversed).rho, spearman(&x, &y).rho.map(|rho| -rho)));
        prop_assert!(near(spearman(&x, &reversed).p_exact, spearman(&x, &y).p_exact));
        prop_assert_eq!(mann_kendall(&reversed).s, -mann_kendall(&y).s);
    }
}
