use super::*;

fn options(draws: usize, seed: u64) -> ShapeOptions {
    ShapeOptions {
        draws,
        seed,
        ..ShapeOptions::default()
    }
}

/// 0/1 scores: example i is right under model j when its own uniform number (shared in part between models) is below `truth[j]`.
fn simulated(truth: &[f64], n: usize, shared: f64, seed: u64) -> Vec<Vec<f64>> {
    let mut random = stream(seed, 1 << 40);
    let unit = |random: &mut ChaCha8Rng| (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    (0..n)
        .map(|_| {
            let own = unit(&mut random);
            truth
                .iter()
                .map(|p| {
                    let u = if unit(&mut random) < shared {
                        own
                    } else {
                        unit(&mut random)
                    };
                    f64::from(u < *p)
                })
                .collect()
        })
        .collect()
}

fn labels(truth: &[f64], n: usize, runs: u64) -> [u64; 6] {
    let mut counts = [0; 6];
    for run in 0..runs {
        let shared = [0.0, 0.5, 0.9][(run % 3) as usize];
        let examples = simulated(truth, n, shared, run);
        counts[Shapes::from_examples(&examples, options(300, run))
            .unwrap()
            .label as usize] += 1;
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
    let counts = labels(&truth, 300, 200);
    assert_eq!(counts[Label::Inverse as usize], 0, "{counts:?}");
    assert!(counts[Label::InvertedU as usize] <= 18, "{counts:?}");
    assert!(counts[Label::Positive as usize] >= 180, "{counts:?}");
    // Saturated early.
    let counts = labels(&[0.5, 0.7, 0.8, 0.8, 0.8, 0.8], 300, 200);
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
