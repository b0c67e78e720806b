//! Langevin dynamics on Gaussians, whose stationary distributions are known exactly even for finite steps.

use burn::{
    module::{Module, Param},
    nn::BatchNorm,
    optim::{GradientsParams, ModuleOptimizer, OptimizerRecord},
    tensor::{Device, Tensor},
};
use firetender_uncertainty::training::{LangevinConfig, NoisyEnd, WeightSpace};

use crate::support::{Net, moments, random, training_device, values};

/// So many independent chains of one weight each.
#[derive(Module, Debug)]
struct Chains {
    weights: Param<Tensor<1>>,
}

const CHAINS: usize = 4_000;

impl Chains {
    fn init(device: &Device) -> Self {
        Self {
            weights: Param::from_data([0.0_f32; CHAINS], device),
        }
    }

    /// One step down the loss `w²/(2 s)` of each chain.
    fn step(self, optimizer: &mut ModuleOptimizer, lr: f64, s: f64) -> Self {
        let loss = self.weights.val().powi_scalar(2).mul_scalar(0.5 / s).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &self);
        optimizer.step(lr, self, gradients)
    }
}

/// The variance over chains after enough steps to forget the start.
fn stationary(config: LangevinConfig, lr: f64, s: f64, steps: usize) -> f64 {
    let mut chains = Chains::init(&training_device());
    let mut optimizer = config.init(&chains, 17).unwrap();
    for _ in 0..steps {
        chains = chains.step(&mut optimizer, lr, s);
    }
    let (mean, variance) = moments(&values(chains.weights.val()));
    assert!(
        mean.abs() < 5.0 * (variance / CHAINS as f64).sqrt(),
        "mean {mean}"
    );
    variance
}

/// Five standard errors of a variance over the chains.
fn near(found: f64, expected: f64) {
    let error = 5.0 * expected * (2.0 / CHAINS as f64).sqrt();
    assert!(
        (found - expected).abs() < error,
        "{found}, expected {expected} ± {error}"
    );
}

#[test]
fn sgld_samples_the_posterior_of_a_gaussian() {
    // exp(−N w²/(2 s T)) has variance s T/N; steps of finite size make it s T/N / (1 − lr/(2 s)).
    let (lr, s) = (0.2, 0.5);
    for (objects, temperature) in [(1, 1.0), (100, 1.0), (100, 0.25)] {
        let config = LangevinConfig {
            temperature,
            ..LangevinConfig::new(objects)
        };
        let expected = s * temperature / objects as f64 / (1.0 - lr / (2.0 * s));
        near(stationary(config, lr, s, 60), expected);
    }
}

#[test]
fn sghmc_samples_the_posterior_of_a_gaussian() {
    // The stationary covariance of (w, v) under v' = a v − g w + ξ, w' = w + v', iterated to its fixed point.
    let (lr, s, friction, objects) = (0.05, 0.5, 0.2, 10);
    let (a, g) = (1.0 - friction, lr / s);
    let noise = 2.0 * friction * lr / objects as f64;
    let (mut ww, mut wv, mut vv) = (0.0, 0.0, 0.0);
    for _ in 0..10_000 {
        let vv2 = a * a * vv - 2.0 * a * g * wv + g * g * ww + noise;
        let wv2 = a * wv - g * ww + vv2;
        let ww2 = ww + 2.0 * (a * wv - g * ww) + vv2;
        (ww, wv, vv) = (ww2, wv2, vv2);
    }
    // Close to the posterior's s/N.
    assert!((ww / (s / objects as f64) - 1.0).abs() < 0.1);
    let config = LangevinConfig {
        friction,
        ..LangevinConfig::new(objects)
    };
    near(stationary(config, lr, s, 150), ww);
}

#[test]
fn weight_decay_is_a_prior() {
    // Loss w²/(2 s) plus decay λ w²/2: precision 1/s + λ.
    let (lr, s, weight_decay) = (0.2, 2.0, 1.5);
    let both: f64 = 1.0 / (1.0 / s + weight_decay);
    let config = LangevinConfig {
        weight_decay,
        ..LangevinConfig::new(50)
    };
    near(
        stationary(config, lr, s, 60),
        both / 50.0 / (1.0 - lr / (2.0 * both)),
    );
}

#[test]
fn without_temperature_it_is_descent() {
    let config = LangevinConfig {
        temperature: 0.0,
        ..LangevinConfig::new(1)
    };
    let mut chains = Chains {
        weights: Param::from_data([1.0_f32; CHAINS], &training_device()),
    };
    let mut optimizer = config.init(&chains, 1).unwrap();
    chains = chains.step(&mut optimizer, 0.1, 1.0);
    for value in values(chains.weights.val()) {
        assert!((value - 0.9).abs() < 1e-6);
    }
}

#[test]
fn noise_keeps_to_the_end_of_the_cycle() {
    let window = NoisyEnd { cycle: 4, noisy: 1 };
    let config = LangevinConfig {
        window: Some(window),
        ..LangevinConfig::new(1)
    };
    let mut chains = Chains::init(&training_device());
    let mut optimizer = config.init(&chains, 1).unwrap();
    let mut variances = vec![];
    for _ in 0..8 {
        chains = chains.step(&mut optimizer, 0.1, 1e6);
        variances.push(moments(&values(chains.weights.val())).1);
    }
    assert_eq!(variances[..3], [0.0; 3]);
    assert!(variances[3] > 0.0);
    assert!((variances[6] - variances[3]).abs() < 1e-6);
    assert!(variances[7] > 1.5 * variances[3]);
}

#[test]
fn noise_differs_between_parameters_and_leaves_running_statistics_alone() {
    let device = training_device();
    let model = Net::init(&device);
    let space = WeightSpace::of(&model).unwrap();
    let config = LangevinConfig::new(1);
    let mut optimizer = config.init(&model, 3).unwrap();
    let before = space.read(&model).unwrap();
    let loss = model
        .forward(random(1, [8, 3], &device))
        .mul_scalar(0.0)
        .sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let statistics = |norm: &BatchNorm| values(norm.running_mean.value_sync());
    let expected = statistics(&model.norm);
    let model = optimizer.step(0.5, model, gradients);
    assert_eq!(statistics(&model.norm), expected);
    let noise: Vec<f64> = space
        .read(&model)
        .unwrap()
        .iter()
        .zip(&before)
        .map(|(a, b)| a - b)
        .collect();
    // Scale, shift and both biases of the middle have four numbers each.
    let (bias, gamma, beta) = (&noise[12..16], &noise[16..20], &noise[20..24]);
    assert_ne!(bias, gamma);
    assert_ne!(gamma, beta);
    assert!(noise.iter().all(|z| z.abs() > 0.0));
}

#[test]
fn trap_10_a_resumed_chain_is_the_same_chain() {
    for friction in [1.0, 0.1] {
        let config = LangevinConfig {
            friction,
            ..LangevinConfig::new(10)
        };
        let device = training_device();
        let fresh = || {
            let model = Net::init(&device);
            let space = WeightSpace::of(&model).unwrap();
            let numbers: Vec<f64> = (0..space.weights()).map(|at| (at as f64).sin()).collect();
            space.write(model, &numbers).unwrap()
        };
        // Without dropout, whose masks come from the device.
        let step = |model: Net, optimizer: &mut ModuleOptimizer, at: u64| {
            let hidden = model
                .norm
                .forward(model.body.forward(random(at, [8, 3], &device)));
            let loss = model.head.forward(hidden).powi_scalar(2).mean();
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            optimizer.step(0.05, model, gradients)
        };
        let mut whole = fresh();
        let mut optimizer = config.init(&whole, 5).unwrap();
        for at in 0..6 {
            whole = step(whole, &mut optimizer, at);
        }
        let mut first = fresh();
        let mut optimizer = config.init(&first, 5).unwrap();
        for at in 0..3 {
            first = step(first, &mut optimizer, at);
        }
        let state = optimizer.to_record().into_bytes().unwrap();
        let record = first.valid().into_record();
        // A new process: other ids until the record is loaded.
        let mut second = fresh().load_record(record);
        let mut optimizer = config
            .init(&second, 5)
            .unwrap()
            .load_record(OptimizerRecord::from_bytes(state).unwrap());
        for at in 3..6 {
            second = step(second, &mut optimizer, at);
        }
        let space = WeightSpace::of(&whole).unwrap();
        assert_eq!(space.read(&whole).unwrap(), space.read(&second).unwrap());
    }
}

#[test]
fn nonsense_is_refused() {
    let model = Chains::init(&training_device());
    let good = LangevinConfig::new(10);
    let bad = [
        LangevinConfig { objects: 0, ..good },
        LangevinConfig {
            temperature: -1.0,
            ..good
        },
        LangevinConfig {
            temperature: f64::NAN,
            ..good
        },
        LangevinConfig {
            friction: 0.0,
            ..good
        },
        LangevinConfig {
            friction: 1.5,
            ..good
        },
        LangevinConfig {
            weight_decay: f64::INFINITY,
            ..good
        },
        LangevinConfig {
            window: Some(NoisyEnd { cycle: 0, noisy: 0 }),
            ..good
        },
        LangevinConfig {
            window: Some(NoisyEnd { cycle: 2, noisy: 3 }),
            ..good
        },
    ];
    for config in bad {
        assert!(config.init(&model, 1).is_err(), "{config:?}");
    }
    assert!(good.init(&model.valid(), 1).is_err());
}
