//! The fast search beside a slow one, and what screening relies on.

use approx::assert_abs_diff_eq;
use burn::tensor::{Device, Int, Tensor, TensorData};
use proptest::prelude::*;

use super::{candidates, slow_search};
use crate::search::{fit::maximise, pass, *};

#[test]
fn the_fast_search_is_the_slow_one() {
    for (shape, seed) in [([7, 61, 3], 1), ([12, 90, 10], 2), ([5, 33, 2], 3)] {
        let [b, n, c] = shape;
        let candidates = candidates(b, n, c, seed);
        let trace = GreedySearch::new(6).run(&candidates).unwrap();
        for (pick, (index, score)) in trace.picks.iter().zip(slow_search(&candidates, 6)) {
            assert_eq!(pick.index, index, "{shape:?}");
            assert_abs_diff_eq!(pick.score, score, epsilon = 1e-9);
        }
    }
}

#[test]
fn screening_changes_nothing() {
    for (shape, seed) in [([60, 400, 10], 5), ([40, 300, 100], 6), ([80, 150, 3], 7)] {
        let [b, n, c] = shape;
        let candidates = candidates(b, n, c, seed);
        let screened = GreedySearch::new(25).run(&candidates).unwrap();
        let full = GreedySearch::new(25)
            .with_mode(Mode::Full)
            .run(&candidates)
            .unwrap();
        for (a, b) in screened.picks.iter().zip(&full.picks) {
            assert_eq!(
                (a.index, a.score, a.temperature, a.runner_up, a.gap),
                (b.index, b.score, b.temperature, b.runner_up, b.gap)
            );
        }
        let refined: usize = screened.picks[5..].iter().map(|p| p.refined).sum();
        assert!(refined < 20 * b / 3, "{refined} of {}", 20 * b);
    }
}

#[test]
fn rough_passes_are_within_the_margin() {
    for (shape, seed) in [([6, 500, 10], 5), ([4, 200, 100], 6), ([3, 60, 1000], 7)] {
        let [b, n, c] = shape;
        let candidates = candidates(b, n, c, seed);
        let zero32 = vec![[0.0_f32; pass::TILE]; candidates.weights.len() * c];
        let zero64 = vec![[0.0_f64; pass::TILE]; candidates.weights.len() * c];
        for entry in 0..b {
            for beta in [0.3_f32, 0.7, 1.0, 1.6] {
                let (rough, exact, plain) = candidates
                    .with_entry(entry, |tiles| {
                        let weights = &candidates.weights;
                        let exact = |floor| {
                            pass::exact(tiles, &zero64, weights, 1.0, f64::from(beta), floor)
                        };
                        (
                            pass::rough(tiles, &zero32, weights, 1.0, beta, 1e-12),
                            exact(1e-12),
                            exact(0.0),
                        )
                    })
                    .unwrap();
                let ln2 = std::f64::consts::LN_2;
                let value = ln2 * rough.value + rough.floor[0];
                let most = 1.5e-6 * exact.value.abs().max(1.0);
                assert!(
                    (value - exact.value).abs() < most,
                    "{shape:?} {beta}: {value} {}",
                    exact.value
                );
                assert!(
                    (ln2 * rough.slope - plain.slope).abs() < 1e-4 * plain.slope.abs().max(1.0)
                );
                assert!(
                    (ln2 * ln2 * rough.variance - plain.curvature).abs() < 1e-3 * plain.curvature
                );
            }
        }
    }
}

#[test]
fn no_candidate_rises_above_its_bound() {
    let candidates = candidates(30, 300, 10, 9);
    let zero32 = vec![[0.0_f32; pass::TILE]; candidates.weights.len() * 10];
    let zero64 = vec![[0.0_f64; pass::TILE]; candidates.weights.len() * 10];
    let mut useful = 0;
    for entry in 0..30 {
        for beta in [0.3_f32, 0.45, 0.6, 0.8, 1.0] {
            let (rough, fit) = candidates
                .with_entry(entry, |tiles| {
                    (
                        pass::rough(tiles, &zero32, &candidates.weights, 1.0, beta, 1e-12),
                        maximise(1.0, [1e-2, 1e2], |b| {
                            pass::exact(tiles, &zero64, &candidates.weights, 1.0, b, 1e-12)
                        }),
                    )
                })
                .unwrap();
            let bounds = screen::Bounds::of(&rough, f64::from(beta));
            assert!(
                bounds.low <= fit.value && fit.value <= bounds.high,
                "{bounds:?} {fit:?}"
            );
            useful += usize::from(bounds.high < fit.value + 1e-3);
        }
    }
    assert!(useful > 10, "{useful}");
}

#[test]
fn a_device_finds_the_same() {
    let (b, n, c) = (14, 300, 6);
    let candidates = candidates(b, n, c, 21);
    let values: Vec<f32> = (0..b).flat_map(|e| candidates.entry(e).unwrap()).collect();
    let device = Device::flex();
    let pool = Tensor::<3>::from_data(TensorData::new(values, [b, n, c]), &device);
    let labels: Vec<i64> = candidates.labels().iter().map(|l| i64::from(*l)).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [n]), &device);
    for (criterion, replacement) in [("cll", true), ("ll", true), ("cll", false)] {
        let mut search =
            GreedySearch::new(8).with_criterion(Criterion::from_name(criterion).unwrap());
        search.replacement = replacement;
        let host = search.run(&candidates).unwrap();
        for chunk in [3, 14] {
            let found = search_tensor(&search, pool.clone(), labels.clone(), chunk).unwrap();
            for (a, b) in found.picks.iter().zip(&host.picks) {
                assert_abs_diff_eq!(a.score, b.score, epsilon = 1e-6);
                if b.gap.unwrap() < 1e-5 {
                    break;
                }
                assert_eq!(a.index, b.index);
                assert_abs_diff_eq!(a.temperature, b.temperature, epsilon = 1e-3);
            }
        }
    }
    assert!(
        search_tensor(
            &GreedySearch::new(1),
            pool,
            Tensor::from_data([9], &device),
            2
        )
        .is_err()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn newton_beats_every_point_of_a_grid(
        rows in prop::collection::vec(prop::collection::vec(-8.0..8.0_f64, 4), 3..12),
        labels in prop::collection::vec(0_i64..4, 12),
    ) {
        let n = rows.len();
        let values: Vec<f32> = rows.iter().flatten().map(|x| *x as f32).collect();
        let candidates = Candidates::new(PredictionKind::Logits, &values, [1, n, 4], &labels[..n]).unwrap();
        let pick = GreedySearch::new(1).run(&candidates).unwrap().picks[0].clone();
        let zero = vec![[0.0; pass::TILE]; candidates.weights.len() * 4];
        let best = candidates.with_entry(0, |tiles| {
            (0..=1000)
                .map(|i| 10f64.powf(-2.0 + 4.0 * f64::from(i) / 1000.0))
                .map(|b| pass::exact(tiles, &zero, &candidates.weights, 1.0, b, 1e-12).value)
                .fold(f64::NEG_INFINITY, f64::max)
        }).unwrap();
        // Above the floor the function is concave; far below it, it may rise again.
        prop_assert!(pick.score >= best - 1e-9 || best < -2.0, "{} {best}", pick.score);
    }

    #[test]
    fn screened_is_full_on_random_pools(b in 2_usize..14, n in 1_usize..40, c in 2_usize..6, seed in any::<u64>()) {
        let candidates = candidates(b, n, c, seed);
        let screened = GreedySearch::new(5).run(&candidates).unwrap();
        let full = GreedySearch::new(5).with_mode(Mode::Full).run(&candidates).unwrap();
        for (a, b) in screened.picks.iter().zip(&full.picks) {
            prop_assert_eq!(a.index, b.index);
            prop_assert_eq!(a.score, b.score);
        }
    }
}

#[test]
fn a_floor_does_not_hide_the_maximum() {
    // One confident error far below the floor: from β = 1 the slope leads to ever sharper predictions, away from the best.
    let log = |p: [f64; 2]| p.map(|x| x as f32);
    let row = |right: f64| {
        let z = (-right.abs()).exp();
        let (big, small) = (-(1.0 + z).ln(), -right.abs() - (1.0 + z).ln());
        if right > 0.0 {
            log([big, small])
        } else {
            log([small, big])
        }
    };
    let rows: Vec<f32> = [9.0, 6.0, 12.0, -80.0]
        .iter()
        .flat_map(|m| row(*m))
        .collect();
    let candidates = Candidates::new(PredictionKind::LogProbs, &rows, [1, 4, 2], &[0; 4]).unwrap();
    let trace = GreedySearch::new(1).run(&candidates).unwrap();
    let probs: Vec<f64> = candidates
        .entry(0)
        .unwrap()
        .iter()
        .map(|p| f64::from(*p))
        .collect();
    let mut best = f64::NEG_INFINITY;
    for k in 0..=4000 {
        let beta = 10_f64.powf(-2.0 + f64::from(k) / 1000.0);
        let mean: f64 = probs
            .chunks(2)
            .map(|q| {
                let (a, b) = (beta * q[0].ln(), beta * q[1].ln());
                let top = a.max(b);
                (1e-12 + (a - top).exp() / ((a - top).exp() + (b - top).exp())).ln()
            })
            .sum::<f64>()
            / 4.0;
        best = best.max(mean);
    }
    assert!(
        trace.picks[0].score >= best - 1e-9,
        "{} {best}",
        trace.picks[0].score
    );
    assert!(trace.picks[0].score < best + 1e-4);
}
