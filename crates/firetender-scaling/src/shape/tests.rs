use proptest::prelude::*;

use super::*;
use crate::Simulation;

fn options(draws: usize, seed: u64) -> ShapeOptions {
    ShapeOptions {
        draws,
        seed,
        ..ShapeOptions::default()
    }
}

/// Scores as [`Simulation`] draws them.
fn simulated(truth: &[f64], n: usize, shared: f64, seed: u64) -> Vec<Vec<f64>> {
    simulation(truth, n, shared).scores(seed)
}

fn simulation(truth: &[f64], examples: usize, shared: f64) -> Simulation {
    Simulation {
        truth: truth.to_vec(),
        examples,
        shared,
        noise: Noise::PairedExamples,
    }
}

fn labels(truth: &[f64], n: usize, runs: u64) -> [u64; 6] {
    let mut counts = [0; 6];
    for (at, shared) in [0.0, 0.5, 0.9].into_iter().enumerate() {
        let options = options(300, 10_000 * at as u64);
        let found = simulation(truth, n, shared)
            .labels(runs / 3, options)
            .unwrap();
        for (count, found) in counts.iter_mut().zip(found) {
            *count += found;
        }
    }
    counts
}

#[test]
fn flat_data_are_called_inverse_in_at_most_five_of_a_hundred() {
    let runs = 300;
    let counts = labels(&[0.6; 6], 200, runs);
    // 0.05 · 300 and three standard deviations of that count.
    assert!(counts[Label::Inverse as usize] <= 15 + 11, "{counts:?}");
    assert!(counts[Label::Constant as usize] >= 265, "{counts:?}");
}

#[test]
fn log_shaped_data_are_never_called_inverse_and_seldom_an_inverted_u() {
    // y = log x: steep, then flat. A significant quadratic would call this an inverted U every time.
    let truth: Vec<f64> = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0_f64]
        .iter()
        .map(|x| 0.4 + 0.08 * x.ln())
        .collect();
    let counts = labels(&truth, 300, 201);
    assert_eq!(counts[Label::Inverse as usize], 0, "{counts:?}");
    assert!(counts[Label::InvertedU as usize] <= 18, "{counts:?}");
    assert!(counts[Label::Positive as usize] >= 180, "{counts:?}");
    // Saturated early.
    let counts = labels(&[0.5, 0.7, 0.8, 0.8, 0.8, 0.8], 300, 201);
    assert_eq!(counts[Label::Inverse as usize], 0, "{counts:?}");
    assert!(counts[Label::InvertedU as usize] <= 18, "{counts:?}");
}

#[test]
fn clear_shapes_are_recognised() {
    let cases = [
        (vec![0.8, 0.7, 0.6, 0.5, 0.4], Label::Inverse),
        (vec![0.4, 0.5, 0.6, 0.7, 0.8], Label::Positive),
        (vec![0.8, 0.6, 0.4, 0.6, 0.8], Label::UShaped),
        (vec![0.4, 0.6, 0.8, 0.6, 0.4], Label::InvertedU),
        (vec![0.4, 0.8, 0.4, 0.8, 0.4], Label::Unresolved),
        (vec![0.5; 5], Label::Constant),
    ];
    for (means, label) in cases {
        let found = Shapes::from_means(&means, &[0.02; 5], options(1000, 0)).unwrap();
        assert_eq!(found.label, label, "{found:?}");
        let sum: f64 = found.probabilities.iter().sum();
        assert!((sum - 1.0).abs() < 1e-12);
        assert!(found.probabilities[label as usize] > 0.5, "{found:?}");
    }
}

#[test]
fn reversing_and_negating_swap_labels() {
    let means = [0.8, 0.75, 0.5, 0.62, 0.7];
    let errors = [0.02; 5];
    let label = |means: &[f64]| {
        Shapes::from_means(means, &errors, options(500, 3))
            .unwrap()
            .label
    };
    let negated: Vec<f64> = means.iter().map(|m| -m).collect();
    assert_eq!(
        (label(&means), label(&negated)),
        (Label::UShaped, Label::InvertedU)
    );
    let falling = [0.8, 0.7, 0.6, 0.5, 0.4];
    let reversed: Vec<f64> = falling.iter().rev().copied().collect();
    let shifted: Vec<f64> = falling.iter().map(|m| m + 3.0).collect();
    assert_eq!(label(&falling), Label::Inverse);
    assert_eq!(label(&reversed), Label::Positive);
    assert_eq!(label(&shifted), Label::Inverse);
}

#[test]
fn pairing_finds_what_independent_errors_hide() {
    // Every tenth example flips from model to model, all others agree.
    let examples: Vec<Vec<f64>> = (0..200)
        .map(|i| {
            (0..4)
                .map(|j| {
                    f64::from(if i < 12 {
                        u8::from(i >= 4 * j)
                    } else {
                        (i % 2) as u8
                    })
                })
                .collect()
        })
        .collect();
    let paired = Shapes::from_examples(&examples, options(1000, 0)).unwrap();
    let n = 200.0;
    let means: Vec<f64> = (0..4)
        .map(|j| examples.iter().map(|r| r[j]).sum::<f64>() / n)
        .collect();
    let errors: Vec<f64> = means
        .iter()
        .map(|p| (p * (1.0 - p) / (n - 1.0)).sqrt())
        .collect();
    let apart = Shapes::from_means(&means, &errors, options(1000, 0)).unwrap();
    assert_eq!(
        (paired.label, apart.label),
        (Label::Inverse, Label::Constant)
    );
    assert!((paired.constant.chi2 - apart.constant.chi2).abs() < 1e-9);
}

#[test]
fn the_same_seed_gives_the_same_result_on_any_number_of_threads() {
    let examples = simulated(&[0.3, 0.5, 0.4, 0.6, 0.2, 0.5, 0.5, 0.1, 0.9], 50, 0.5, 1);
    let run = || Shapes::from_examples(&examples, options(200, 5)).unwrap();
    let one = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap()
        .install(run);
    assert_eq!(one, run());
}

#[test]
fn perfect_scores_have_no_error_and_do_not_break_anything() {
    let examples = vec![vec![1.0, 1.0, 0.0]; 20];
    let found = Shapes::from_examples(&examples, options(100, 0)).unwrap();
    assert_eq!(found.label, Label::Inverse);
    let equal = Shapes::from_examples(&vec![vec![1.0; 4]; 20], options(100, 0)).unwrap();
    assert_eq!(equal.label, Label::Constant);
}

#[test]
fn nonsense_is_refused() {
    let bad = [
        Shapes::from_means(&[1.0], &[0.1], options(10, 0)),
        Shapes::from_means(&[1.0, 2.0], &[0.1], options(10, 0)),
        Shapes::from_means(&[1.0, f64::NAN], &[0.1, 0.1], options(10, 0)),
        Shapes::from_means(&[1.0, 2.0], &[0.1, -0.1], options(10, 0)),
        Shapes::from_means(&[1.0, 2.0], &[0.1, 0.1], options(0, 0)),
        Shapes::from_examples(&[vec![1.0, 2.0], vec![1.0]], options(10, 0)),
        Shapes::from_examples(&[vec![1.0, 2.0]], options(10, 0)),
    ];
    for result in bad {
        assert!(result.is_err(), "{result:?}");
    }
}

proptest! {
    #[test]
    fn distances_follow_the_symmetries_of_the_shapes(
        points in prop::collection::vec((-1.0_f64..1.0, 0.01_f64..0.2), 2..8), lift in -3.0_f64..3.0,
    ) {
        let (means, errors): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
        let of = |means: &[f64], errors: &[f64]| {
            let found = Shapes::from_means(means, errors, options(1, 0)).unwrap();
            found.fits().map(|fit| fit.chi2)
        };
        let backwards = |values: &[f64]| values.iter().rev().copied().collect::<Vec<f64>>();
        let near = |a: [f64; 5], b: [f64; 5]| {
            a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-8 * (1.0 + a.abs()))
        };
        let [constant, rising, falling, valley, hill] = of(&means, &errors);
        let negated: Vec<f64> = means.iter().map(|m| -m).collect();
        prop_assert!(near(of(&negated, &errors), [constant, falling, rising, hill, valley]));
        let reversed = of(&backwards(&means), &backwards(&errors));
        prop_assert!(near(reversed, [constant, falling, rising, valley, hill]));
        let lifted: Vec<f64> = means.iter().map(|m| m + lift).collect();
        prop_assert!(near(of(&lifted, &errors), [constant, rising, falling, valley, hill]));
        // A wider shape is never further away.
        let slack = 1e-9 * (1.0 + constant);
        prop_assert!(rising.max(falling) <= constant + slack);
        prop_assert!(valley.max(hill) <= rising.min(falling) + slack);
    }

    #[test]
    fn equal_means_are_constant_and_examples_asked_twice_tell_the_same_story(
        value in -2.0_f64..2.0, k in 2_usize..7, seed in 0_u64..1000,
    ) {
        let flat = Shapes::from_means(&vec![value; k], &vec![0.1; k], options(50, seed)).unwrap();
        prop_assert_eq!(flat.label, Label::Constant);
        let truth: Vec<f64> = (0..k).map(|j| 0.9 - 0.8 * j as f64 / k as f64).collect();
        let once = simulated(&truth, 120, 0.5, seed);
        let twice = [once.clone(), once.clone()].concat();
        let of = |rows: &[Vec<f64>]| Shapes::from_examples(rows, options(100, seed)).unwrap();
        let (once, twice) = (of(&once), of(&twice));
        prop_assert_eq!(once.label, Label::Inverse);
        prop_assert_eq!(twice.label, Label::Inverse);
        // Twice the examples, half the variance.
        let ratio = twice.constant.chi2 / once.constant.chi2;
        prop_assert!((ratio - 239.0 / 119.0).abs() < 1e-9, "{}", ratio);
    }
}

#[test]
fn counting_bytes_resamples_as_summing_numbers_does() {
    // More than 255 examples and more than eight models; a score that is neither 0 nor 1 takes the other route.
    for (n, k) in [(700, 3), (300, 11), (255, 8), (256, 9)] {
        let examples = simulated(&vec![0.6; k], n, 0.5, 4);
        let means: Vec<f64> = (0..k)
            .map(|j| examples.iter().map(|row| row[j]).sum::<f64>() / n as f64)
            .collect();
        let counted = resampled(&examples, &means, options(40, 3));
        let halved: Vec<Vec<f64>> = examples
            .iter()
            .map(|row| row.iter().map(|v| v / 2.0).collect())
            .collect();
        let half: Vec<f64> = means.iter().map(|m| m / 2.0).collect();
        assert!(packed(&examples, k).is_some() && packed(&halved, k).is_none());
        let summed = resampled(&halved, &half, options(40, 3));
        for (a, b) in counted.iter().zip(&summed) {
            assert!((a - 2.0 * b).abs() < 1e-12, "{a} {b}");
        }
    }
}
