//! Gradient, minimum, penalties, the device.

use super::*;
use crate::PredictionKind;
use burn::tensor::Device;

fn pool() -> Candidates {
    let (entries, samples, classes) = (4, 60, 3);
    let mut draw = crate::Draw::at(crate::Address::default());
    let labels: Vec<i64> = (0..samples).map(|i| (i % classes) as i64).collect();
    let mut values = vec![];
    for entry in 0..entries {
        for label in &labels {
            let row: Vec<f64> = (0..classes)
                .map(|c| {
                    let own = f64::from(u8::from(c as i64 == *label));
                    own * (1.6 - 0.5 * entry as f64) + draw.normal()
                })
                .collect();
            values.extend(row.into_iter().map(|x| x as f32));
        }
    }
    let shape = [entries, samples, classes];
    Candidates::new(PredictionKind::Logits, &values, shape, &labels).unwrap()
}

#[test]
fn the_gradient_is_the_slope() {
    for by_class in [false, true] {
        let options = WeightOptions {
            by_class,
            ..WeightOptions::default()
        };
        let problem = Problem::new(&pool(), &[0, 2, 3], &options).unwrap();
        let theta: Vec<f64> = (0..problem.size()).map(|i| 0.1 + 0.07 * i as f64).collect();
        let (_, gradient) = problem.value(&theta);
        for at in 0..theta.len() {
            let moved = |by: f64| {
                let mut theta = theta.clone();
                theta[at] += by;
                problem.value(&theta).0
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!(
                (slope - gradient[at]).abs() < 1e-8,
                "{slope} {}",
                gradient[at]
            );
        }
    }
}

#[test]
fn the_minimum_is_one_and_no_neighbour_is_lower() {
    let candidates = pool();
    for by_class in [false, true] {
        let options = WeightOptions {
            by_class,
            tolerance: 1e-9,
            ..WeightOptions::default()
        };
        let found = learn_weights(&candidates, &[0, 1, 2, 3], &options).unwrap();
        assert!(found.residual <= 1e-9 && found.steps < 5_000, "{found:?}");
        assert!(found.weights.iter().all(|w| *w >= 0.0));
        let problem = Problem::new(&candidates, &[0, 1, 2, 3], &options).unwrap();
        let step = if by_class { 1 } else { 3 };
        let theta: Vec<f64> = found.weights.iter().copied().step_by(step).collect();
        let here = problem.value(&theta).0;
        assert!((problem.penalty(&theta) - here - found.log_likelihood).abs() < 1e-12);
        for at in 0..theta.len() {
            for by in [-0.01, 0.01] {
                let mut other = theta.clone();
                other[at] = (other[at] + by).max(0.0);
                assert!(problem.value(&other).0 >= here);
            }
        }
    }
}

#[test]
fn weights_by_class_fit_better_and_penalties_pull_back() {
    let candidates = pool();
    let of = |by_class, ridge| {
        let options = WeightOptions {
            by_class,
            ridge,
            ..WeightOptions::default()
        };
        learn_weights(&candidates, &[0, 1, 2, 3], &options).unwrap()
    };
    assert!(of(true, 1e-6).log_likelihood > of(false, 1e-6).log_likelihood);
    let stiff = of(false, 1e6);
    assert!(stiff.weights.iter().all(|w| (w - 0.25).abs() < 1e-4));
}

#[test]
fn host_and_device_agree() {
    let candidates = pool();
    let found = learn_weights(&candidates, &[0, 3], &WeightOptions::default()).unwrap();
    let members: Vec<Vec<f32>> = [0, 3]
        .iter()
        .map(|e| {
            candidates
                .entry(*e)
                .unwrap()
                .iter()
                .map(|p| p.ln())
                .collect()
        })
        .collect();
    let host = found.merge(&members).unwrap();
    let tables: Vec<Tensor<2>> = members
        .iter()
        .map(|m| Tensor::from_data(TensorData::new(m.clone(), [60, 3]), &Device::flex()))
        .collect();
    let device: Vec<f32> = found
        .apply(&tables)
        .unwrap()
        .into_data()
        .try_to_vec()
        .unwrap();
    for (log, p) in host.iter().zip(device) {
        assert!((log.exp() - p).abs() < 1e-6);
    }
    assert!(found.merge(&members[..1]).is_err());
    assert!(found.merge(&[members[0].clone(), vec![0.0; 5]]).is_err());
    assert!(found.apply(&tables[..1]).is_err());
    let wrong = Tensor::<2>::zeros([60, 2], &Device::flex());
    assert!(found.apply(&[tables[0].clone(), wrong]).is_err());
}

#[test]
fn what_makes_no_sense() {
    let candidates = pool();
    let default = WeightOptions::default();
    assert!(learn_weights(&candidates, &[], &default).is_err());
    assert!(learn_weights(&candidates, &[4], &default).is_err());
    let none = WeightOptions {
        ridge: 0.0,
        ..default
    };
    assert!(learn_weights(&candidates, &[0], &none).is_err());
}
