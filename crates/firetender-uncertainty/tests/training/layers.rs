//! Dropout and variational layers: masks and noise that repeat, whatever the batches, and have the moments that they must have.

use burn::{
    nn::{LinearConfig, PaddingConfig2d, conv::Conv2dConfig},
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use firetender_uncertainty::training::{
    DropoutDraw, Grain, McDropout, VariationalConv2d, VariationalLinear, WeightDraw,
};
use proptest::prelude::*;

use crate::support::{moments, random, training_device, values};

fn draw(member: u64, objects: std::ops::Range<u64>) -> DropoutDraw {
    DropoutDraw::of_range(7, member, objects)
}

#[test]
fn trap_6_masks_do_not_depend_on_batches_devices_or_other_draws() {
    let layer = McDropout::new(0.4, 3, Grain::Value).unwrap();
    let device = Device::flex();
    let ones = Tensor::<2>::ones([6, 50], &device);
    let whole = values(layer.forward(ones.clone(), Some(&draw(2, 0..6))));
    device.seed(99);
    let _ = Tensor::<1>::random([10], burn::tensor::Distribution::Default, &device);
    let mut parts = values(layer.forward(ones.clone().narrow(0, 0, 2), Some(&draw(2, 0..2))));
    parts.extend(values(
        layer.forward(ones.clone().narrow(0, 2, 4), Some(&draw(2, 2..6))),
    ));
    assert_eq!(whole, parts);
    let training = Tensor::<2>::ones([6, 50], &training_device());
    assert_eq!(values(layer.forward(training, Some(&draw(2, 0..6)))), whole);
    // Members, layers and seeds have masks of their own.
    assert_ne!(
        values(layer.forward(ones.clone(), Some(&draw(3, 0..6)))),
        whole
    );
    let other = McDropout::new(0.4, 4, Grain::Value).unwrap();
    assert_ne!(
        values(other.forward(ones.clone(), Some(&draw(2, 0..6)))),
        whole
    );
    let seed = DropoutDraw {
        seed: 8,
        ..draw(2, 0..6)
    };
    assert_ne!(values(layer.forward(ones, Some(&seed))), whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn masks_drop_their_share_and_keep_the_mean(probability in 0.0_f64..0.95) {
        let layer = McDropout::new(probability, 0, Grain::Value).unwrap();
        let ones = Tensor::<2>::ones([50, 400], &Device::flex());
        let found = values(layer.forward(ones, Some(&draw(0, 0..50))));
        let kept = found.iter().filter(|&&value| value != 0.0).count() as f64 / 20_000.0;
        let error = (probability * (1.0 - probability) / 20_000.0).sqrt();
        prop_assert!((kept - (1.0 - probability)).abs() <= 5.0 * error);
        let scale = 1.0 / (1.0 - probability);
        prop_assert!(found.iter().all(|&value| value == 0.0 || (value - scale).abs() < 1e-5 * scale));
    }
}

#[test]
fn channels_fall_as_one() {
    let layer = McDropout::new(0.5, 0, Grain::Channel).unwrap();
    let ones = Tensor::<4>::ones([4, 16, 3, 3], &Device::flex());
    let found = values(layer.forward(ones, Some(&draw(0, 0..4))));
    for channel in found.chunks(9) {
        assert!(channel.iter().all(|value| *value == channel[0]));
    }
    assert!(found.contains(&0.0) && found.contains(&2.0));
}

#[test]
fn gradients_pass_through_kept_values_alone() {
    let device = training_device();
    let layer = McDropout::new(0.5, 0, Grain::Value).unwrap();
    let input = Tensor::<2>::ones([2, 20], &device).require_grad();
    let output = layer.forward(input.clone(), Some(&draw(0, 0..2)));
    let mask = values(output.clone());
    let gradients = output.sum().backward();
    assert_eq!(values(input.grad(&gradients).unwrap()), mask);
}

#[test]
#[should_panic(expected = "a dropout draw for 3 objects, but 2 rows")]
fn a_draw_for_other_objects_is_a_mistake() {
    let layer = McDropout::new(0.5, 0, Grain::Value).unwrap();
    let _ = layer.forward(
        Tensor::<2>::ones([2, 2], &Device::flex()),
        Some(&draw(0, 0..3)),
    );
}

#[test]
fn variational_outputs_have_the_moments_of_their_weights() {
    let device = Device::flex();
    let trained = LinearConfig::new(3, 2).init(&device);
    let layer = VariationalLinear::around(&trained, 0.3, 1.0, 0).unwrap();
    let input = random(1, [1, 3], &device);
    let mean = values(trained.forward(input.clone()));
    let squares: f64 = values(input.clone()).iter().map(|x| x * x).sum();
    let rows = 4_000;
    let many = input.repeat_dim(0, rows);
    let draw = WeightDraw {
        seed: 3,
        member: 0,
        objects: (0..rows as u64).collect(),
    };
    let found = layer.forward(many, Some(&draw));
    for (output, &expected) in mean.iter().enumerate() {
        let (mean, variance) = moments(&values(found.clone().narrow(1, output, 1)));
        assert!((mean - expected).abs() < 5.0 * (variance / rows as f64).sqrt());
        let wanted = 0.09 * squares;
        assert!((variance - wanted).abs() < 5.0 * wanted * (2.0 / rows as f64).sqrt());
    }
}

#[test]
fn variational_noise_belongs_to_the_object() {
    let device = Device::flex();
    let layer =
        VariationalLinear::around(&LinearConfig::new(3, 2).init(&device), 0.3, 1.0, 0).unwrap();
    let input = random(1, [4, 3], &device);
    let of = |objects: Vec<u64>| WeightDraw {
        seed: 3,
        member: 1,
        objects,
    };
    let whole = values(layer.forward(input.clone(), Some(&of(vec![0, 1, 2, 3]))));
    let part = values(layer.forward(input.narrow(0, 2, 2), Some(&of(vec![2, 3]))));
    assert_eq!(whole[4..], part);
}

#[test]
fn divergence_from_the_prior_in_closed_form() {
    let device = training_device();
    let trained = LinearConfig::new(2, 2).init(&device);
    let (s, prior) = (0.2_f64, 0.8_f64);
    let layer = VariationalLinear::around(&trained, s, prior, 0).unwrap();
    let expected: f64 = values(trained.weight.val())
        .iter()
        .map(|mu| 0.5 * ((s * s + mu * mu) / (prior * prior) - 1.0) - (s / prior).ln())
        .sum();
    assert!((values(layer.kl())[0] - expected).abs() < 1e-5);
    // At the prior itself it is zero.
    let zero = burn::nn::Linear {
        weight: burn::module::Param::from_tensor(Tensor::zeros([2, 2], &device)),
        bias: None,
    };
    let at_prior = VariationalLinear::around(&zero, prior, prior, 0).unwrap();
    assert!(values(at_prior.kl())[0].abs() < 1e-6);
}

#[test]
fn variational_layers_learn_means_and_deviations() {
    let device = training_device();
    let linear = LinearConfig::new(3, 2).init(&device);
    let layer = VariationalLinear::around(&linear, 0.1, 1.0, 0).unwrap();
    let draw = WeightDraw {
        seed: 1,
        member: 0,
        objects: vec![0, 1, 2, 3],
    };
    // A row of zeros must not make the root's gradient infinite.
    let input = random(1, [4, 3], &device)
        * Tensor::<2>::from_floats([[1.0], [1.0], [1.0], [0.0]], &device);
    let loss =
        layer.forward(input, Some(&draw)).powi_scalar(2).mean() + layer.kl().mul_scalar(0.01);
    let gradients = GradientsParams::from_grads(loss.backward(), &layer);
    assert_eq!(gradients.len(), 3);
    let slope = gradients.get::<2>(layer.log_deviation.id).unwrap();
    assert!(values(slope).iter().all(|g| g.is_finite() && *g != 0.0));

    let conv = Conv2dConfig::new([2, 3], [3, 3])
        .with_stride([2, 2])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .init(&device);
    let layer = VariationalConv2d::around(&conv, 0.1, 1.0, 1).unwrap();
    let input = random(2, [4, 2, 8, 8], &device);
    assert_eq!(
        values(layer.forward(input.clone(), None)),
        values(conv.forward(input.clone()))
    );
    let output = layer.forward(input.clone(), Some(&draw));
    assert_eq!(
        values(output.clone()),
        values(layer.forward(input.clone(), Some(&draw)))
    );
    assert_ne!(values(output.clone()), values(conv.forward(input)));
    let loss = output.powi_scalar(2).mean() + layer.kl().mul_scalar(0.01);
    assert_eq!(
        GradientsParams::from_grads(loss.backward(), &layer).len(),
        3
    );
}

#[test]
fn nonsense_is_refused() {
    for probability in [-0.1, 1.0, f64::NAN] {
        assert!(McDropout::new(probability, 0, Grain::Value).is_err());
    }
    let linear = LinearConfig::new(3, 2).init(&Device::flex());
    for (deviation, prior) in [
        (0.0, 1.0),
        (1.0, 0.0),
        (f64::NAN, 1.0),
        (1.0, f64::INFINITY),
    ] {
        assert!(VariationalLinear::around(&linear, deviation, prior, 0).is_err());
    }
}
