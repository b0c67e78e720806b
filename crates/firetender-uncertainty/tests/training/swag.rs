//! SWAG against two passes in 64 bits, and its samples against the covariance that they must have.

use burn::nn::{Linear, LinearConfig};
use firetender_uncertainty::training::{StateRecord, Swag, SwagConfig, WeightSpace};

use crate::support::{moments, training_device};

fn collected(config: SwagConfig, rows: &[Vec<f64>]) -> (Linear, WeightSpace, Swag) {
    let model = LinearConfig::new(2, 1).init(&training_device());
    let space = WeightSpace::of(&model).unwrap();
    let mut swag = Swag::new(&space, config).unwrap();
    for row in rows {
        swag.collect(&space.write(model.clone(), row).unwrap())
            .unwrap();
    }
    (model, space, swag)
}

/// Weights of a random walk around large means, where a difference of squares would cancel.
fn rows(count: usize) -> Vec<Vec<f64>> {
    (0..count)
        .map(|at| {
            let t = at as f64;
            vec![
                1000.0 + (0.7 * t).sin(),
                -0.5 + (1.3 * t).cos() / 8.0,
                (0.2 * t).sin() * 3.0,
            ]
        })
        .map(|row| {
            row.into_iter()
                .map(|value| f64::from(value as f32))
                .collect()
        })
        .collect()
}

#[test]
fn moments_are_those_of_two_passes() {
    let rows = rows(25);
    let (_, _, swag) = collected(SwagConfig::default(), &rows);
    for at in 0..3 {
        let column: Vec<f64> = rows.iter().map(|row| row[at]).collect();
        let (mean, variance) = moments(&column);
        assert!((swag.mean()[at] - mean).abs() < 1e-10 * mean.abs().max(1.0));
        assert!(
            (swag.variance()[at] - variance).abs() < 1e-9 * variance,
            "{at}"
        );
    }
}

#[test]
fn samples_have_the_mean_and_the_covariance() {
    let rows = rows(6);
    let config = SwagConfig {
        rank: 4,
        ..SwagConfig::default()
    };
    let (_, _, swag) = collected(config, &rows);
    // The covariance as defined, from deviations after each update of the mean.
    let mut deviations = vec![];
    for count in 1..=rows.len() {
        let mean = |at: usize| rows[..count].iter().map(|row| row[at]).sum::<f64>() / count as f64;
        deviations.push([0, 1, 2].map(|at| rows[count - 1][at] - mean(at)));
    }
    let held = &deviations[2..];
    let variance = swag.variance();
    let expected = |a: usize, b: usize| {
        let low_rank = held.iter().map(|d| d[a] * d[b]).sum::<f64>() / 3.0;
        0.5 * (low_rank + if a == b { variance[a] } else { 0.0 })
    };
    let count = 20_000;
    let samples: Vec<Vec<f64>> = (0..count)
        .map(|index| swag.sample_weights(3, index).unwrap())
        .collect();
    for a in 0..3 {
        for b in 0..=a {
            let products: Vec<f64> = samples
                .iter()
                .map(|sample| (sample[a] - swag.mean()[a]) * (sample[b] - swag.mean()[b]))
                .collect();
            let (found, spread) = moments(&products);
            let error = (spread / count as f64).sqrt();
            assert!(
                (found - expected(a, b)).abs() < 4.0 * error,
                "{a},{b}: {found} {} ± {error}",
                expected(a, b)
            );
        }
    }
}

#[test]
fn one_direction_moves_all_tensors_together() {
    // Without the diagonal part (variance floor and scale aside) the deviations of two tensors must be proportional.
    let rows = vec![vec![0.0, 0.0, 0.0], vec![1.0, 2.0, -4.0]];
    let (_, space, swag) = collected(
        SwagConfig {
            rank: 1,
            scale: 1.0,
            floor: 0.0,
        },
        &rows,
    );
    assert_eq!(space.entries().len(), 2);
    let diagonal = collected(
        SwagConfig {
            rank: 0,
            scale: 1.0,
            floor: 0.0,
        },
        &rows,
    )
    .2;
    for index in 0..20 {
        let both = swag.sample_weights(5, index).unwrap();
        let own = diagonal.sample_weights(5, index).unwrap();
        // The same diagonal draw in both: what is left is the low-rank part.
        let low_rank: Vec<f64> = both.iter().zip(own).map(|(a, b)| a - b).collect();
        assert!((low_rank[1] - 2.0 * low_rank[0]).abs() < 1e-9);
        assert!(
            (low_rank[2] + 4.0 * low_rank[0]).abs() < 1e-9,
            "weight and bias have one draw"
        );
        assert!(low_rank[0].abs() > 1e-6);
    }
}

#[test]
fn the_same_seed_gives_the_same_networks_in_any_order() {
    let (model, space, swag) = collected(SwagConfig::default(), &rows(8));
    let forward: Vec<Vec<f64>> = swag
        .samples(&model, 11)
        .take(4)
        .map(|sample| space.read(&sample.unwrap()).unwrap())
        .collect();
    for index in [3, 0, 2, 1] {
        let sample = swag.sample(&model, 11, index as u64).unwrap();
        assert_eq!(space.read(&sample).unwrap(), forward[index]);
    }
    assert_ne!(forward[0], forward[1]);
    assert_ne!(
        swag.sample_weights(12, 0).unwrap(),
        swag.sample_weights(11, 0).unwrap()
    );
}

#[test]
fn it_goes_on_from_its_record() {
    let rows = rows(9);
    let config = SwagConfig {
        rank: 3,
        ..SwagConfig::default()
    };
    let (model, space, whole) = collected(config, &rows);
    let (_, _, part) = collected(config, &rows[..5]);
    let bytes = part.to_record().to_bytes().unwrap();
    let mut resumed = Swag::resume(&space, &StateRecord::from_bytes(&bytes).unwrap()).unwrap();
    for row in &rows[5..] {
        resumed
            .collect(&space.write(model.clone(), row).unwrap())
            .unwrap();
    }
    assert_eq!(resumed.count(), 9);
    assert_eq!(
        resumed.sample_weights(1, 2).unwrap(),
        whole.sample_weights(1, 2).unwrap()
    );
}

#[test]
fn nonsense_is_refused() {
    let (model, space, empty) = collected(SwagConfig::default(), &[]);
    assert!(empty.sample_weights(1, 0).is_err());
    assert!(
        Swag::new(
            &space,
            SwagConfig {
                scale: -1.0,
                ..SwagConfig::default()
            }
        )
        .is_err()
    );
    assert!(
        Swag::new(
            &space,
            SwagConfig {
                floor: f64::NAN,
                ..SwagConfig::default()
            }
        )
        .is_err()
    );
    let mut swag = empty;
    let diverged = space.write(model, &[f64::NAN, 0.0, 0.0]).unwrap();
    assert!(swag.collect(&diverged).is_err());
    assert_eq!(swag.count(), 0);
}
