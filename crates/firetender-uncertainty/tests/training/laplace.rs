//! Laplace approximations against curvature computed the slow way, and their samples against its inverse.

use burn::{
    module::Module,
    nn::LinearConfig,
    tensor::{Device, Tensor, activation::log_softmax},
};
use firetender_uncertainty::training::{
    DiagonalLaplace, LastLayerLaplace, StateRecord, WeightSpace,
};

use crate::support::{Net, moments, random, training_device, values};

const FEATURES: usize = 2;
const CLASSES: usize = 3;
const ROWS: usize = 12;

/// Negative log-likelihood of all rows for weights in the order (class, input), bias last.
fn loss(weights: &[f64], features: &[f64], labels: &[usize], prior: f64) -> f64 {
    let mut sum = prior / 2.0 * weights.iter().map(|w| w * w).sum::<f64>();
    for (row, &label) in labels.iter().enumerate() {
        let logits: Vec<f64> = (0..CLASSES)
            .map(|class| {
                let own = &weights[class * (FEATURES + 1)..];
                (0..FEATURES)
                    .map(|f| features[row * FEATURES + f] * own[f])
                    .sum::<f64>()
                    + own[FEATURES]
            })
            .collect();
        sum += logits.iter().map(|z| z.exp()).sum::<f64>().ln() - logits[label];
    }
    sum
}

/// The Hessian by central differences of the loss.
fn hessian(weights: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<Vec<f64>> {
    let h = 1e-4;
    let shifted = |a: usize, da: f64, b: usize, db: f64| {
        let mut w = weights.to_vec();
        w[a] += da;
        w[b] += db;
        f(&w)
    };
    (0..weights.len())
        .map(|a| {
            (0..weights.len())
                .map(|b| {
                    (shifted(a, h, b, h) - shifted(a, h, b, -h) - shifted(a, -h, b, h)
                        + shifted(a, -h, b, -h))
                        / (4.0 * h * h)
                })
                .collect()
        })
        .collect()
}

/// The inverse of a small positive matrix by Gauss and Jordan, and the logarithm of its determinant.
fn inverse(matrix: &[Vec<f64>]) -> (Vec<Vec<f64>>, f64) {
    let n = matrix.len();
    let mut work: Vec<Vec<f64>> = matrix
        .iter()
        .enumerate()
        .map(|(row, values)| {
            let mut values = values.clone();
            values.extend((0..n).map(|column| f64::from(u8::from(row == column))));
            values
        })
        .collect();
    let mut log_determinant = 0.0;
    for pivot in 0..n {
        let factor = work[pivot][pivot];
        log_determinant += factor.ln();
        work[pivot].iter_mut().for_each(|value| *value /= factor);
        let own = work[pivot].clone();
        for (row, values) in work.iter_mut().enumerate() {
            if row != pivot {
                let factor = values[pivot];
                values
                    .iter_mut()
                    .zip(&own)
                    .for_each(|(value, own)| *value -= factor * own);
            }
        }
    }
    let inverse = work
        .into_iter()
        .map(|values| values[n..].to_vec())
        .collect();
    (inverse, log_determinant)
}

#[test]
fn the_last_layer_is_the_inverse_hessian_exactly() {
    let device = Device::flex();
    let head = LinearConfig::new(FEATURES, CLASSES).init(&device);
    let features = random(3, [ROWS, FEATURES], &device);
    let prior = 0.7;
    let mut posterior =
        LastLayerLaplace::new(head.weight.val(), head.bias.as_ref().map(|bias| bias.val()))
            .unwrap();
    // In two parts: sums do not depend on batches.
    posterior.add(features.clone().narrow(0, 0, 5)).unwrap();
    posterior
        .add(features.clone().narrow(0, 5, ROWS - 5))
        .unwrap();
    let posterior = posterior.with_prior(prior).unwrap();
    assert_eq!(posterior.objects(), ROWS as u64);

    let (weight, bias) = (
        values(head.weight.val()),
        values(head.bias.as_ref().unwrap().val()),
    );
    let mut trained = vec![];
    for class in 0..CLASSES {
        trained.extend((0..FEATURES).map(|feature| weight[feature * CLASSES + class]));
        trained.push(bias[class]);
    }
    let features = values(features);
    let labels: Vec<usize> = (0..ROWS).map(|row| row % CLASSES).collect();
    let loss_of = |weights: &[f64], prior: f64| loss(weights, &features, &labels, prior);
    let (covariance, log_determinant) =
        inverse(&hessian(&trained, |weights| loss_of(weights, prior)));
    // ∫ exp(−loss) N(w; 0, 1/prior) dw by Laplace: the loss at the weights, the prior there, the Hessian's determinant.
    let likelihood = -loss_of(&trained, 0.0);
    let size = trained.len() as f64;
    let expected = -loss_of(&trained, prior) + 0.5 * (size * prior.ln() - log_determinant);
    let found = posterior.log_evidence(likelihood).unwrap();
    assert!((found - expected).abs() < 1e-4, "{found} {expected}");

    let count = 20_000;
    let samples: Vec<Vec<f64>> = posterior
        .samples(5)
        .take(count)
        .map(|sample| {
            let sample = sample.unwrap();
            let (weight, bias) = (values(sample.weight), values(sample.bias.unwrap()));
            let mut flat = vec![];
            for class in 0..CLASSES {
                flat.extend((0..FEATURES).map(|feature| weight[feature * CLASSES + class]));
                flat.push(bias[class]);
            }
            flat
        })
        .collect();
    for a in 0..trained.len() {
        for b in 0..=a {
            let products: Vec<f64> = samples
                .iter()
                .map(|sample| (sample[a] - trained[a]) * (sample[b] - trained[b]))
                .collect();
            let (found, spread) = moments(&products);
            let error = (spread / count as f64).sqrt();
            assert!(
                (found - covariance[a][b]).abs() < 4.5 * error + 1e-5,
                "{a},{b}: {found} {} ± {error}",
                covariance[a][b]
            );
        }
    }
}

#[test]
fn evidence_is_the_gaussian_integral_where_the_loss_is_flat() {
    // No data: the integral over the prior alone is 1 whatever its precision.
    let device = Device::flex();
    let head = Tensor::<2>::zeros([2, 3], &device);
    for precision in [0.1, 1.0, 25.0] {
        let posterior = LastLayerLaplace::new(head.clone(), None)
            .unwrap()
            .with_prior(precision)
            .unwrap();
        assert!(posterior.log_evidence(0.0).unwrap().abs() < 1e-12);
    }
}

#[test]
fn the_diagonal_is_the_sum_of_squared_gradients() {
    let device = training_device();
    let model = Net::init(&device);
    let _ = model.forward(random(4, [8, 3], &device));
    let space = WeightSpace::of(&model).unwrap();
    let (total, prior, count) = (60, 0.5, 6);
    let data = random(9, [count, 3], &device);
    let loss_of = |model: &Net, row: usize| {
        log_softmax(model.forward(data.clone().narrow(0, row, 1)), 1)
            .narrow(1, row % 2, 1)
            .neg()
            .reshape([1])
    };
    let posterior = DiagonalLaplace::fit(&model, &space, total, prior, 0..count, |model, row| {
        loss_of(model, row)
    })
    .unwrap();
    // By central differences in evaluation mode.
    let plain = model.valid();
    let weights = space.read(&plain).unwrap();
    let numbers = data.clone().without_autodiff();
    let value = |weights: &[f64], row: usize| {
        let model = space.write(plain.clone(), weights).unwrap();
        let log = log_softmax(model.forward(numbers.clone().narrow(0, row, 1)), 1);
        -values(log)[row % 2]
    };
    for at in [0, 5, 13, 17, 21, 26, 33] {
        let mut expected = prior;
        for row in 0..count {
            let h = 1e-2;
            let (mut up, mut down) = (weights.clone(), weights.clone());
            up[at] += h;
            down[at] -= h;
            let slope = (value(&up, row) - value(&down, row)) / (2.0 * h);
            expected += total as f64 / count as f64 * slope * slope;
        }
        let found = posterior.precision()[at];
        assert!(
            (found - expected).abs() < 0.05 * expected,
            "{at}: {found} {expected}"
        );
    }
    // The live model still trains, and its statistics are its own.
    assert!(model.norm.training.is_enabled());
}

#[test]
fn diagonal_samples_have_the_variance_and_a_record() {
    let device = training_device();
    let model = LinearConfig::new(2, 1).init(&device);
    let space = WeightSpace::of(&model).unwrap();
    let fit = DiagonalLaplace::fit(&model, &space, 10, 2.0, 0..3_u64, |model, seed| {
        model.forward(random(seed, [1, 2], &device)).reshape([1])
    })
    .unwrap()
    .with_scale(1.5)
    .unwrap();
    let trained = space.read(&model).unwrap();
    let count = 20_000;
    for (at, &trained) in trained.iter().enumerate() {
        let squares: Vec<f64> = (0..count)
            .map(|index| (fit.sample_weights(3, index)[at] - trained).powi(2))
            .collect();
        let (found, spread) = moments(&squares);
        let expected = 2.25 / fit.precision()[at];
        let error = (spread / count as f64).sqrt();
        assert!(
            (found - expected).abs() < 4.0 * error,
            "{at}: {found} {expected} ± {error}"
        );
    }
    let record = StateRecord::from_bytes(&fit.to_record().to_bytes().unwrap()).unwrap();
    let back = DiagonalLaplace::resume(&space, &record).unwrap();
    assert_eq!(back.sample_weights(3, 7), fit.sample_weights(3, 7));
}

#[test]
fn nonsense_is_refused() {
    let device = Device::flex();
    let head = Tensor::<2>::zeros([2, 3], &device);
    assert!(LastLayerLaplace::new(Tensor::zeros([2, 1], &device), None).is_err());
    assert!(LastLayerLaplace::new(head.clone(), Some(Tensor::zeros([2], &device))).is_err());
    let mut posterior = LastLayerLaplace::new(head, None).unwrap();
    assert!(posterior.sample(1, 0).is_err());
    assert!(posterior.log_evidence(0.0).is_err());
    assert!(posterior.add(Tensor::zeros([4, 5], &device)).is_err());
    assert!(
        posterior
            .add(Tensor::full([4, 2], f32::NAN, &device))
            .is_err()
    );
    assert!(posterior.clone().with_prior(0.0).is_err());
    assert!(posterior.with_scale(f64::NAN).is_err());
    let model = LinearConfig::new(2, 1).init(&training_device());
    let space = WeightSpace::of(&model).unwrap();
    let none: [u64; 0] = [];
    assert!(
        DiagonalLaplace::fit(&model, &space, 10, 1.0, none, |model, _: u64| model
            .weight
            .val()
            .sum())
        .is_err()
    );
    assert!(
        DiagonalLaplace::fit(&model, &space, 10, -1.0, [1], |model, _| model
            .weight
            .val()
            .sum())
        .is_err()
    );
}
