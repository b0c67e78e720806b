use proptest::prelude::*;

use super::*;

const HIGHER: Direction = Direction::HigherIsBetter;

fn curve(sizes: &[usize], scores: &[f64]) -> SizeCurve {
    SizeCurve::from_means(sizes, scores, HIGHER).unwrap()
}

fn values(method: &[f64], baseline: &SizeCurve, options: &DeeOptions) -> Vec<f64> {
    let sizes: Vec<usize> = (1..=method.len()).collect();
    let found = dee(&curve(&sizes, method), baseline, options).unwrap();
    found.points.iter().map(|p| p.dee).collect()
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (at, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() < 1e-12, "{at}: {f} instead of {e}");
    }
}

#[test]
fn the_three_toy_curves() {
    let baseline = curve(&[1, 2, 3, 4], &[-1.0, -0.8, -0.7, -0.65]);
    let method = [-1.1, -0.85, -0.72, -0.78, -0.9, -0.6, -0.9];
    let published = values(&method, &baseline, &DeeOptions::ashukha2020());
    close(&published, &[1.0, 1.75, 2.8, 2.2, 2.0, 4.0, 4.0]);
    let ours = values(&method, &baseline, &DeeOptions::default());
    close(&ours, &[1.0, 1.75, 2.8, 2.2, 1.5, 4.0, 1.5]);

    let sparse = curve(&[1, 2, 5], &[-1.0, -0.8, -0.7]);
    close(
        &values(&[-0.75], &sparse, &DeeOptions::ashukha2020()),
        &[4.5],
    );
    close(&values(&[-0.75], &sparse, &DeeOptions::default()), &[3.5]);

    let flat = [-1.0, -0.8, -0.8, -0.7];
    let baseline = curve(&[1, 2, 3, 4], &flat);
    for options in [DeeOptions::ashukha2020(), DeeOptions::default()] {
        close(&values(&flat, &baseline, &options), &[1.0, 2.0, 2.0, 4.0]);
    }
    let found = dee(&baseline, &baseline, &DeeOptions::default()).unwrap();
    let plateau = DeeStatus::Plateau { lo: 2.0, hi: 3.0 };
    assert_eq!(found.points[1].status, plateau);
    assert_eq!(found.points[2].status, plateau);
}

#[test]
fn statuses_carry_their_gaps() {
    let baseline = curve(&[1, 2], &[-1.0, -0.5]);
    let found = dee(
        &curve(&[1, 2, 3], &[-1.25, -0.75, 0.0]),
        &baseline,
        &DeeOptions::default(),
    )
    .unwrap();
    let statuses: Vec<DeeStatus> = found.points.iter().map(|p| p.status).collect();
    assert_eq!(statuses[0], DeeStatus::BelowOne { gap: 0.25 });
    assert_eq!(statuses[1], DeeStatus::Interior);
    assert_eq!(statuses[2], DeeStatus::AboveMax { gap: 0.5 });
    assert_eq!(found.band, BandKind::Unknown);
}

#[test]
fn sparse_sizes_are_less_overstated_on_bent_axes() {
    // A power law between 5 and 20 networks: the chord overstates, the logarithm less, the reciprocal is right.
    let law = |k: f64| -0.7 - 0.4 / k;
    let baseline = curve(&[1, 5, 20], &[law(1.0), law(5.0), law(20.0)]);
    let at = |interpolation| {
        let options = DeeOptions {
            interpolation,
            ..DeeOptions::default()
        };
        values(&[law(10.0)], &baseline, &options)[0]
    };
    assert!(at(Interpolation::Linear) > at(Interpolation::Log));
    assert!(at(Interpolation::Log) > at(Interpolation::Reciprocal));
    assert!((at(Interpolation::Reciprocal) - 10.0).abs() < 1e-9);
}

#[test]
fn the_tail_continues_a_power_law_and_says_so() {
    let law = |k: f64| -0.7 - 0.4 * k.powf(-0.8);
    let sizes: Vec<usize> = (1..=40).collect();
    let scores: Vec<f64> = sizes.iter().map(|&k| law(k as f64)).collect();
    let options = DeeOptions {
        extrapolate: true,
        ..DeeOptions::default()
    };
    let found = dee(
        &curve(&[1, 2], &[law(90.0), -0.69]),
        &curve(&sizes, &scores),
        &options,
    )
    .unwrap();
    let tail = found.tail.unwrap();
    assert!((tail.power - 0.8).abs() < 1e-5, "{tail:?}");
    assert!(
        (found.points[0].dee - 90.0).abs() < 1e-3,
        "{:?}",
        found.points[0]
    );
    assert_eq!(found.points[0].status.name(), "extrapolated");
    // Better than any number of networks would be.
    assert_eq!(found.points[1].status.name(), "above_max");
}

#[test]
fn bands_of_lower_is_better_are_not_swapped_except_as_published() {
    let lower = Direction::LowerIsBetter;
    let baseline =
        SizeCurve::from_mean_std(&[1, 2, 3], &[0.3, 0.2, 0.1], &[0.05; 3], lower).unwrap();
    let method = SizeCurve::from_means(&[1], &[0.2], lower).unwrap();
    let options = DeeOptions {
        bands: Bands::Shift,
        ..DeeOptions::default()
    };
    let ours = dee(&method, &baseline, &options).unwrap().points[0];
    close(&[ours.lower, ours.dee, ours.upper], &[1.5, 2.0, 2.5]);
    let theirs = dee(&method, &baseline, &DeeOptions::ashukha2020())
        .unwrap()
        .points[0];
    close(&[theirs.lower, theirs.dee, theirs.upper], &[2.5, 2.0, 1.5]);
}

/// Runs that are permutations of one pool of 40 members with scores that average.
fn pool_runs(runs: usize) -> (Vec<usize>, Vec<Vec<f64>>) {
    use rand::{RngExt, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
    let members: Vec<f64> = (0..40).map(|_| rng.random::<f64>() * 0.05).collect();
    let curves = (0..runs)
        .map(|_| {
            let mut order = members.clone();
            for at in (1..order.len()).rev() {
                order.swap(at, rng.random_range(0..=at as u64) as usize);
            }
            let mut sum = 0.0;
            order
                .iter()
                .enumerate()
                .map(|(at, member)| {
                    sum += member;
                    let k = (at + 1) as f64;
                    -0.7 - 0.4 / k + sum / k
                })
                .collect()
        })
        .collect();
    ((1..=40).collect(), curves)
}

#[test]
fn bands_do_not_vanish_where_the_pool_ends() {
    let (sizes, runs) = pool_runs(5);
    let baseline = SizeCurve::from_runs(&sizes, &runs, HIGHER).unwrap();
    let spread = baseline.deviations().unwrap();
    assert!(spread[39] < 1e-12 && spread[3] > 1e-4);
    let at = baseline.means()[34];
    let found = dee(&curve(&[1], &[at]), &baseline, &DeeOptions::default()).unwrap();
    let point = found.points[0];
    assert_eq!(found.band, BandKind::Bootstrap);
    assert!(point.pool_limited, "{point:?}");
    assert!(point.upper - point.lower > 1.0, "{point:?}");
    // The published band at the same place.
    let published = dee(&curve(&[1], &[at]), &baseline, &DeeOptions::ashukha2020()).unwrap();
    let published = published.points[0];
    assert!(published.upper - published.lower < point.upper - point.lower);
}

#[test]
fn shared_objects_narrow_the_band() {
    // Both curves move with how hard the drawn objects are; drawn together, the difficulty cancels.
    let hard: Vec<f64> = (0..400).map(|i| -f64::from(i % 20) / 5.0).collect();
    let scores = |k: f64, wave: f64| -> Vec<f64> {
        hard.iter()
            .enumerate()
            .map(|(i, h)| h - 0.5 / k + 0.05 * (i as f64 * wave).sin())
            .collect()
    };
    let sizes: Vec<usize> = (1..=20).collect();
    let objects: Vec<Vec<f64>> = sizes.iter().map(|&k| scores(k as f64, 0.7)).collect();
    let baseline = SizeCurve::from_objects(&sizes, &objects, HIGHER).unwrap();
    let method = SizeCurve::from_objects(&[1], &[scores(4.0, 1.3)], HIGHER).unwrap();
    let found = dee(&method, &baseline, &DeeOptions::default()).unwrap();
    let point = found.points[0];
    assert!((point.dee - 4.0).abs() < 0.5, "{point:?}");
    assert!(point.lower > 2.0 && point.upper < 8.0, "{point:?}");
    // As if the method had been tested elsewhere.
    let elsewhere: Vec<f64> = scores(4.0, 1.3).into_iter().take(399).collect();
    let elsewhere = SizeCurve::from_objects(&[1], &[elsewhere], HIGHER).unwrap();
    let wide = dee(&elsewhere, &baseline, &DeeOptions::default()).unwrap();
    assert!(wide.points[0].upper - wide.points[0].lower > 3.0 * (point.upper - point.lower));
}

#[test]
fn bands_depend_on_the_seed_and_not_on_threads() {
    let (sizes, runs) = pool_runs(5);
    let baseline = SizeCurve::from_runs(&sizes, &runs, HIGHER).unwrap();
    let method = SizeCurve::from_runs(&sizes, &runs[..3], HIGHER).unwrap();
    let with = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let options = DeeOptions {
            bands: Bands::Bootstrap {
                resamples: 50,
                level: 0.9,
                seed,
            },
            ..DeeOptions::default()
        };
        pool.install(|| dee(&method, &baseline, &options).unwrap())
    };
    assert_eq!(with(1, 4), with(3, 4));
    assert_ne!(with(1, 4), with(1, 5));
}

#[test]
fn curves_that_are_none_are_refused() {
    let refused = |result: Result<SizeCurve, UncertaintyError>| result.unwrap_err().to_string();
    assert!(refused(SizeCurve::from_means(&[], &[], HIGHER)).contains("without sizes"));
    assert!(refused(SizeCurve::from_means(&[0], &[1.0], HIGHER)).contains("size 0"));
    assert!(refused(SizeCurve::from_means(&[2, 2], &[1.0, 2.0], HIGHER)).contains("strictly"));
    assert!(refused(SizeCurve::from_means(&[1], &[f64::NAN], HIGHER)).contains("NaN"));
    assert!(refused(SizeCurve::from_means(&[1, 2], &[1.0], HIGHER)).contains("1 values"));
    assert!(refused(SizeCurve::from_runs(&[1], &[], HIGHER)).contains("no runs"));
    let one = curve(&[1], &[0.5]);
    let other = SizeCurve::from_means(&[1], &[0.5], Direction::LowerIsBetter).unwrap();
    assert!(dee(&one, &other, &DeeOptions::default()).is_err());
}

/// A strictly increasing curve over increasing sizes.
fn rising() -> impl Strategy<Value = (Vec<usize>, Vec<f64>)> {
    prop::collection::vec((1_usize..4, 0.001_f64..0.5), 2..20).prop_map(|steps| {
        let (mut size, mut score) = (0, -2.0);
        steps
            .into_iter()
            .map(|(more, better)| {
                size += more;
                score += better;
                (size, score)
            })
            .unzip()
    })
}

proptest! {
    #[test]
    fn a_rising_curve_is_worth_its_own_size((sizes, scores) in rising()) {
        let baseline = curve(&sizes, &scores);
        let found = dee(&baseline, &baseline, &DeeOptions::default()).unwrap();
        for (point, size) in found.points.iter().zip(&sizes) {
            prop_assert!((point.dee - *size as f64).abs() < 1e-9);
        }
        // Better by delta everywhere is worth at least as much.
        let better: Vec<f64> = scores.iter().map(|s| s + 0.01).collect();
        let found = dee(&curve(&sizes, &better), &baseline, &DeeOptions::default()).unwrap();
        for (point, size) in found.points.iter().zip(&sizes) {
            prop_assert!(point.dee >= *size as f64 - 1e-9);
        }
    }

    #[test]
    fn better_scores_are_worth_no_less(
        noisy in prop::collection::vec(-2.0_f64..0.0, 2..20),
        mut scores in prop::collection::vec(-2.5_f64..0.5, 1..20),
        a in 0.1_f64..10.0,
        b in -3.0_f64..3.0,
    ) {
        scores.sort_by(f64::total_cmp);
        let sizes: Vec<usize> = (1..=noisy.len()).collect();
        let baseline = curve(&sizes, &noisy);
        for monotone in [Monotone::Isotonic, Monotone::RunningMax, Monotone::None] {
            let options = DeeOptions { monotone, ..DeeOptions::default() };
            let found = values(&scores, &baseline, &options);
            prop_assert!(found.windows(2).all(|w| w[0] <= w[1] + 1e-12));
            // Only comparisons count: one rising line applied to both changes nothing.
            let moved: Vec<f64> = noisy.iter().map(|s| a * s + b).collect();
            let both: Vec<f64> = scores.iter().map(|s| a * s + b).collect();
            let again = values(&both, &curve(&sizes, &moved), &options);
            for (x, y) in found.iter().zip(&again) {
                // A plateau may break by rounding; then the value moves within it.
                prop_assert!((x - y).abs() < 1e-6 || monotone == Monotone::Isotonic);
            }
        }
    }

    #[test]
    fn lower_value_upper(
        base in prop::collection::vec(prop::collection::vec(-2.0_f64..0.0, 6), 2..5),
        method in prop::collection::vec(prop::collection::vec(-2.0_f64..0.0, 6), 2..5),
        higher in any::<bool>(),
    ) {
        let direction = if higher { HIGHER } else { Direction::LowerIsBetter };
        let sizes = [1, 2, 3, 5, 8, 13];
        let baseline = SizeCurve::from_runs(&sizes, &base, direction).unwrap();
        let curve = SizeCurve::from_runs(&sizes, &method, direction).unwrap();
        for bands in [Bands::Shift, Bands::Bootstrap { resamples: 40, level: 0.9, seed: 1 }] {
            let options = DeeOptions { bands, ..DeeOptions::default() };
            let found = dee(&curve, &baseline, &options).unwrap();
            for p in &found.points {
                prop_assert!(p.lower <= p.dee && p.dee <= p.upper, "{p:?}");
                prop_assert!(p.lower >= 1.0 && p.upper <= 13.0);
            }
            // The order of runs means nothing to the values.
            let mut turned = base.clone();
            turned.reverse();
            let turned = SizeCurve::from_runs(&sizes, &turned, direction).unwrap();
            let again = dee(&curve, &turned, &options).unwrap();
            for (p, q) in found.points.iter().zip(&again.points) {
                prop_assert!((p.dee - q.dee).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn pooled_violators_are_the_closest_rising_curve(values in prop::collection::vec(-5.0_f64..5.0, 1..9)) {
        // The slow way: max over starts of min over ends of block means.
        let mean = |a: usize, b: usize| values[a..=b].iter().sum::<f64>() / (b - a + 1) as f64;
        let found = isotonic_increasing(&values);
        for (at, found) in found.iter().enumerate() {
            let expected = (0..=at)
                .map(|a| (at..values.len()).map(|b| mean(a, b)).fold(f64::INFINITY, f64::min))
                .fold(f64::NEG_INFINITY, f64::max);
            prop_assert!((found - expected).abs() < 1e-12);
        }
    }
}

#[test]
fn runs_of_objects_widen_a_band() {
    let higher = Direction::HigherIsBetter;
    let baseline =
        SizeCurve::from_means(&[1, 2, 3, 4], &[-1.0, -0.8, -0.7, -0.65], higher).unwrap();
    let objects = |shift: f64| -> Vec<Vec<f64>> {
        vec![
            (0..200)
                .map(|i| -0.75 + shift + 0.001 * f64::from(i % 5))
                .collect(),
        ]
    };
    let width = |runs: &[Vec<Vec<f64>>]| {
        let curve = SizeCurve::from_run_objects(&[5], runs, higher).unwrap();
        let point = dee(&curve, &baseline, &DeeOptions::default())
            .unwrap()
            .points[0];
        assert!(point.lower <= point.dee && point.dee <= point.upper);
        point.upper - point.lower
    };
    let same = width(&[objects(0.0), objects(0.0), objects(0.0)]);
    let one = width(&[objects(0.0)]);
    let other = width(&[objects(-0.04), objects(0.0), objects(0.04)]);
    assert!((same - one).abs() < 1e-9, "{same} {one}");
    // Means of three runs with deviation 0.04 deviate by 0.023: 0.1 nats is one network here.
    assert!(other > 20.0 * one && other > 0.5 && other < 1.5, "{other}");
    let spread =
        SizeCurve::from_run_objects(&[5], &[objects(-0.04), objects(0.0), objects(0.04)], higher);
    assert!((spread.unwrap().deviations().unwrap()[0] - 0.04).abs() < 1e-12);
    assert!(SizeCurve::from_run_objects(&[5], &[], higher).is_err());
    let short = vec![vec![-1.0]];
    assert!(SizeCurve::from_run_objects(&[5], &[objects(0.0), short], higher).is_err());
}
