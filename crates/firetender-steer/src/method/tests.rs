use approx::assert_relative_eq;

use super::{principal::jacobi, *};

fn rows(count: usize, width: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count * width)
        .map(|i| normal(&mut rng) * (1.0 + (i % width) as f64 / 7.0))
        .collect()
}

fn pairs(count: usize, width: usize, seed: u64) -> Pairs {
    let to_f32 = |seed| {
        rows(count, width, seed)
            .into_iter()
            .map(|x| x as f32)
            .collect()
    };
    Pairs::new(width, to_f32(seed), to_f32(seed + 100)).unwrap()
}

#[test]
fn the_component_equals_a_full_decomposition() {
    for (count, width) in [(1, 5), (2, 9), (6, 32), (40, 12), (90, 130), (300, 80)] {
        let rows = rows(count, width, 1);
        let (component, share) = principal(&rows, width).unwrap();
        let mut matrix = vec![0.0; width * width];
        for row in rows.chunks(width) {
            for i in 0..width {
                for j in 0..width {
                    matrix[i * width + j] += row[i] * row[j];
                }
            }
        }
        let (values, vectors) = jacobi(matrix, width);
        let best = (0..width)
            .max_by(|a, b| values[*a].total_cmp(&values[*b]))
            .unwrap();
        let theirs: Vec<f64> = (0..width).map(|i| vectors[i * width + best]).collect();
        assert_relative_eq!(dot(&component, &theirs).abs(), 1.0, epsilon = 1e-9);
        assert_relative_eq!(
            share,
            values[best] / values.iter().sum::<f64>(),
            epsilon = 1e-10
        );
    }
}

#[test]
fn equal_eigenvalues_and_zeros_are_handled() {
    let square = [1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0];
    let (component, share) = principal(&square, 2).unwrap();
    assert_relative_eq!(dot(&component, &component), 1.0, epsilon = 1e-12);
    assert_relative_eq!(share, 0.5, epsilon = 1e-12);
    assert!(principal(&[0.0; 6], 3).is_err() && principal(&[f64::NAN; 6], 3).is_err());
}

#[test]
fn the_majority_of_pairs_decides_the_sign_and_the_mean_a_tie() {
    // Along the first axis: two small differences up, one large down. The mean points down, the majority up.
    let toward = vec![1.0, 0.1, 1.0, 0.0, 0.0, 0.0];
    let away = vec![0.0, 0.0, 0.0, 0.1, 9.0, 0.0];
    let majority = Pairs::new(2, toward, away).unwrap();
    assert!(Method::PcaPairCentred.fit(&majority, 0).unwrap().direction[0] > 0.9);
    assert!(Method::Mean.fit(&majority, 0).unwrap().direction[0] < 0.0);
    let tie = Pairs::new(2, vec![1.0, 0.1, 0.0, 0.0], vec![0.0, 0.0, 9.0, 0.0]).unwrap();
    assert!(Method::PcaPairCentred.fit(&tie, 0).unwrap().direction[0] < -0.9);
}

#[test]
fn swapping_the_classes_negates_every_fitted_direction() {
    let pairs = pairs(12, 20, 3);
    let swapped = pairs.swapped();
    for method in [
        Method::Mean,
        Method::PcaDifference,
        Method::PcaPairCentred,
        Method::PcaRepe { seed: 4 },
        Method::Whitened { shrinkage: None },
        Method::Logistic { c: 0.3 },
        Method::LogisticPairCentred { c: 2.0 },
        Method::TrimmedMean { share: 0.2 },
        Method::TrimmedMean { share: 0.5 },
    ] {
        let (one, two) = (
            method.fit(&pairs, 2).unwrap(),
            method.fit(&swapped, 2).unwrap(),
        );
        for (a, b) in one.direction.iter().zip(&two.direction) {
            assert_relative_eq!(*a, -*b, epsilon = 1e-9);
        }
    }
}

#[test]
fn symmetrised_differences_equal_points_minus_midpoints() {
    let pairs = pairs(7, 16, 5);
    let (toward, away) = (pairs.toward(), pairs.away());
    let mut points = vec![];
    for side in [toward, away] {
        for (i, x) in side.iter().enumerate() {
            let middle = (f64::from(toward[i]) + f64::from(away[i])) / 2.0;
            points.push(f64::from(*x) - middle);
        }
    }
    let (theirs, share) = principal(&points, 16).unwrap();
    let ours = Method::PcaPairCentred.fit(&pairs, 0).unwrap();
    assert_relative_eq!(dot(&theirs, &ours.direction).abs(), 1.0, epsilon = 1e-12);
    assert_relative_eq!(share, ours.explained_variance, epsilon = 1e-12);
}

#[test]
fn the_mean_of_differences_is_the_difference_of_means() {
    let pairs = pairs(33, 10, 7);
    let mean_of = |rows: &[f32]| mean(&rows.iter().map(|x| f64::from(*x)).collect::<Vec<_>>(), 10);
    let (toward, away) = (mean_of(pairs.toward()), mean_of(pairs.away()));
    let fitted = Method::Mean.fit(&pairs, 0).unwrap().direction;
    for i in 0..10 {
        assert_relative_eq!(fitted[i], toward[i] - away[i], epsilon = 6e-8);
    }
}

#[test]
fn a_random_direction_has_the_length_of_the_mean_and_its_own_stream() {
    let pairs = pairs(6, 40, 9);
    let norm = |fitted: &Fitted| dot(&fitted.direction, &fitted.direction).sqrt();
    let mean = Method::Mean.fit(&pairs, 1).unwrap();
    let random = |seed, layer| Method::Random { seed }.fit(&pairs, layer).unwrap();
    assert_relative_eq!(norm(&random(1, 1)), norm(&mean), max_relative = 1e-6);
    assert_eq!(random(1, 1), random(1, 1));
    assert_ne!(random(1, 1), random(1, 2));
    assert_ne!(random(1, 1), random(2, 1));
}

#[test]
fn classes_that_do_not_differ_or_are_too_small_are_refused() {
    let same = Pairs::new(2, vec![1.0, 2.0], vec![1.0, 2.0]).unwrap();
    for method in [
        Method::Mean,
        Method::PcaPairCentred,
        Method::Random { seed: 0 },
        Method::Logistic { c: 1.0 },
        Method::LogisticPairCentred { c: 1.0 },
        Method::TrimmedMean { share: 0.1 },
    ] {
        assert!(matches!(
            method.fit(&same, 3),
            Err(SteerError::Direction { layer: 3, .. })
        ));
    }
    let one = Pairs::new(2, vec![1.0, 2.0], vec![1.0, 3.0]).unwrap();
    assert_eq!(Method::Mean.fit(&one, 0).unwrap().direction, [0.0, -1.0]);
    for method in [
        Method::PcaDifference,
        Method::PcaRepe { seed: 0 },
        Method::Whitened { shrinkage: None },
    ] {
        let error = method.fit(&one, 0).unwrap_err();
        assert!(matches!(
            error,
            SteerError::TooFewPairs {
                needed: 2,
                found: 1,
                ..
            }
        ));
    }
    assert!(repe_with_flips(&pairs(3, 2, 1), &[true], 0).is_err());
}

#[test]
fn names_round_trip() {
    for text in [
        "mean",
        "pca_difference",
        "pca_pair_centred",
        "pca_repe:7",
        "random:0",
        "whitened",
        "whitened:0.25",
        "logistic:1",
        "logistic_pair_centred:0.5",
        "trimmed_mean:0.1",
        "median",
    ] {
        assert_eq!(text.parse::<Method>().unwrap().to_string(), text);
    }
    assert_eq!(
        "pca-pair-centred".parse::<Method>().unwrap(),
        Method::PcaPairCentred
    );
    let logistic = Method::Logistic { c: 1.0 };
    assert_eq!("logistic".parse::<Method>().unwrap(), logistic);
    for text in [
        "",
        "means",
        "mean:1",
        "random:x",
        "pca:1",
        "random:-1",
        "median:0.5",
        "whitened:1.5",
        "whitened:nan",
        "logistic:0",
        "logistic:inf",
        "trimmed-mean:0.6",
    ] {
        assert!(text.parse::<Method>().is_err(), "{text}");
    }
}

/// The discriminant by the text-book: whole covariance, whole inverse.
fn discriminant(pairs: &Pairs, share: f64) -> Vec<f64> {
    let width = pairs.width();
    let rows = within_classes(pairs);
    let n = (rows.len() / width) as f64;
    let mut covariance = vec![0.0; width * width];
    for row in rows.chunks(width) {
        for i in 0..width {
            for j in 0..width {
                covariance[i * width + j] += row[i] * row[j] / n;
            }
        }
    }
    let trace: f64 = (0..width).map(|i| covariance[i * width + i]).sum();
    covariance.iter_mut().for_each(|x| *x *= 1.0 - share);
    (0..width).for_each(|i| covariance[i * width + i] += share * trace / width as f64);
    let (values, vectors) = jacobi(covariance, width);
    let mean = Method::Mean.fit(pairs, 0).unwrap().direction;
    let mut found = vec![0.0; width];
    for (k, value) in values.iter().enumerate() {
        let along: f64 = (0..width).map(|i| vectors[i * width + k] * mean[i]).sum();
        (0..width).for_each(|i| found[i] += vectors[i * width + k] * along / value);
    }
    let norm = dot(&found, &found).sqrt();
    found.iter().map(|x| x / norm).collect()
}

#[test]
fn whitening_is_the_discriminant_in_both_spaces() {
    for (count, width, share) in [(5, 20, 0.2), (40, 12, 0.0), (40, 12, 0.4), (6, 12, 0.1)] {
        let pairs = pairs(count, width, 11);
        let shrinkage = Some(share);
        let ours = Method::Whitened { shrinkage }.fit(&pairs, 0).unwrap();
        for (a, b) in ours.direction.iter().zip(discriminant(&pairs, share)) {
            assert_relative_eq!(*a, b, epsilon = 1e-9);
        }
    }
    let few = Method::Whitened {
        shrinkage: Some(0.0),
    };
    let error = few.fit(&pairs(3, 20, 1), 4).unwrap_err().to_string();
    assert!(error.contains("has no inverse"), "{error}");
    // All of it replaced: the mean's direction.
    let whole = Method::Whitened {
        shrinkage: Some(1.0),
    };
    let pairs = pairs(9, 20, 2);
    let (a, b) = (whole.fit(&pairs, 0).unwrap(), Method::Mean.fit(&pairs, 0));
    assert_relative_eq!(
        cosine(&a.direction, &b.unwrap().direction),
        1.0,
        epsilon = 1e-12
    );
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn whitening_finds_the_axis_that_noise_hides_and_trimming_forgets_the_odd_pair() {
    // The classes differ by 1 along the first axis; along the second both vary by 20.
    let (mut toward, mut away) = (vec![], vec![]);
    for i in 0..40 {
        let noise = 20.0 * ((i * 7919 % 41) as f32 / 41.0 - 0.5);
        let other = 20.0 * ((i * 331 % 37) as f32 / 37.0 - 0.5);
        let small = (i * 17 % 13) as f32 / 50.0;
        toward.extend([1.0 + small, noise]);
        away.extend([small, other]);
    }
    let pairs = Pairs::new(2, toward.clone(), away.clone()).unwrap();
    let whitened = Method::Whitened { shrinkage: None }.fit(&pairs, 0).unwrap();
    let mean = Method::Mean.fit(&pairs, 0).unwrap();
    let axis = |fitted: &Fitted| cosine(&fitted.direction, &[1.0, 0.0]);
    assert!(axis(&whitened) > 0.99 && axis(&whitened) > axis(&mean));
    toward[0] = 1e6;
    let odd = Pairs::new(2, toward, away).unwrap();
    let trimmed = |pairs| Method::TrimmedMean { share: 0.1 }.fit(pairs, 0).unwrap();
    assert!((trimmed(&odd).direction[0] - trimmed(&pairs).direction[0]).abs() < 0.1);
    assert!(Method::Mean.fit(&odd, 0).unwrap().direction[0] > 1e4);
}
