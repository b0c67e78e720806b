//! Each fused pass beside the tensor operations it stands for.

use burn::{
    nn::{LayerNormConfig, RmsNormConfig},
    tensor::{
        TensorData,
        activation::{self, silu},
        module::attention,
        ops::AttentionModuleOptions,
    },
};
use firetender_hooks::{Padding, Pass};

use super::*;
use crate::{ModelConfig, Positions, RopeLayout, attention::rotate, layout::Layout};

/// Values that are the same in every run.
fn values<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    use rand::{RngExt, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| rng.random_range(-3.0..3.0)).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn host_values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn largest_difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let pairs = host_values(a).into_iter().zip(host_values(b));
    pairs
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |worst, difference| {
            if difference.is_nan() {
                f32::INFINITY
            } else {
                worst.max(difference)
            }
        })
}

#[test]
fn only_plain_values_of_the_cpu_backend_fit() {
    let device = Device::flex();
    assert!(is_host(&device), "{device:?} was renamed");
    let plain = Tensor::<1>::zeros([2], &device);
    assert!(fits(&plain));
    assert!(!fits(&plain.cast(DType::F16)));
    let tracked = Device::flex().autodiff();
    assert!(!fits(&Tensor::<1>::zeros([2], &tracked)));
}

#[test]
fn a_shared_tensor_is_left_alone() {
    let x = values([2, 3], 0);
    let before = host_values(x.clone());
    let doubled = edit(x.clone(), |values| {
        values.iter_mut().for_each(|x| *x *= 2.0)
    });
    assert_eq!(host_values(x.clone()), before);
    assert_eq!(host_values(doubled), host_values(x * 2.0));
}

#[test]
fn norm() {
    // The second is spread over threads.
    for (columns, width) in [(3, 50), (90, 576)] {
        let mut norm = RmsNormConfig::new(width).init(&Device::flex());
        norm.gamma = burn::module::Param::from_tensor(values([width], 1));
        let x = values([2, columns, width], 2);
        let expected = norm.forward(x.clone());
        let found = rms_norm(x, norm.gamma.val(), norm.epsilon);
        assert!(largest_difference(found, expected) < 2e-6);
    }
}

#[test]
fn norm_with_a_mean() {
    for (columns, width, bias) in [(3, 50, true), (90, 576, true), (3, 50, false)] {
        let config = LayerNormConfig::new(width).with_epsilon(1e-3);
        let mut norm = config.with_bias(bias).init(&Device::flex());
        norm.gamma = burn::module::Param::from_tensor(values([width], 1));
        norm.beta = bias.then(|| burn::module::Param::from_tensor(values([width], 6)));
        let x = values([2, columns, width], 2) + 1.0;
        let expected = norm.forward(x.clone());
        let beta = norm.beta.as_ref().map(burn::module::Param::val);
        let found = layer_norm(x, norm.gamma.val(), beta, 1e-3);
        assert!(largest_difference(found, expected) < 5e-6);
    }
}

#[test]
fn activations() {
    for width in [5, 50_000] {
        let x = values([1, 2, width], 3) * 3.0;
        let expected = activation::gelu(x.clone());
        assert!(largest_difference(gelu(x.clone()), expected) < 3e-6);
        let expected = activation::gelu_approximate(x.clone());
        assert!(largest_difference(gelu_tanh(x), expected) < 3e-6);
    }
    // Far out they end at 0 and x, and what is no number stays none.
    let ends = [-1e30, -200.0, 200.0, 1e30, f32::NAN];
    for function in [gelu, gelu_tanh] {
        let x = Tensor::from_data(TensorData::new(ends.to_vec(), [1, 1, 5]), &Device::flex());
        let found = host_values(function(x));
        assert!(found[..2].iter().all(|y| y.abs() < 1e-7), "{found:?}");
        assert_eq!(found[2..4], ends[2..4]);
        assert!(found[4].is_nan());
    }
}

#[test]
fn gate() {
    for width in [5, 50_000] {
        let (gate, up) = (values([1, 2, width], 3), values([1, 2, width], 4));
        let expected = silu(gate.clone()) * up.clone();
        assert!(largest_difference(silu_times(gate, up), expected) < 3e-6);
    }
}

#[test]
fn rotation_is_the_same_to_the_last_bit() {
    for layout in [RopeLayout::Half, RopeLayout::Interleaved] {
        for dims in [16, 8] {
            let mut config = ModelConfig::llama(20, 64, 1, 4, 4, 32);
            let Positions::Rotary {
                dims: turned,
                layout: order,
                ..
            } = &mut config.positions
            else {
                panic!("a Llama has rotary positions")
            };
            (*turned, *order) = (dims, layout);
            for padding in [Padding::Left, Padding::Right] {
                let pass = Pass::whole(&[vec![1; 7], vec![2; 5]], padding, 0).unwrap();
                let keys: Vec<&[i32]> = pass.positions().chunks(7).collect();
                let angles = Layout::new(&config, &pass, &keys, &Device::flex())
                    .rotary
                    .unwrap();
                let x = values([2, 7, 4, 16], 5);
                let expected = host_values(rotate(x.clone(), &angles, dims, layout));
                assert_eq!(host_values(turn(x, &angles, dims, layout)), expected);
            }
        }
    }
}

#[test]
fn attention_in_blocks() {
    // Columns of the pass, columns before it, rows, and the shortest row.
    for (columns, past, batch, short) in [
        (1, 9, 1, 1),
        (7, 0, 2, 3),
        (300, 0, 1, 300),
        (260, 5, 2, 131),
        (129, 300, 1, 129),
    ] {
        for (window, padding) in [
            (None, Padding::Left),
            (Some(40), Padding::Left),
            (None, Padding::Right),
        ] {
            let mut config = ModelConfig::llama(20, 64, 1, 6, 2, 2048);
            config.sliding_window = window;
            let rows = [vec![1; past + columns], vec![1; past + short]];
            let whole = Pass::whole(&rows[..batch], padding, 0).unwrap();
            let pass = whole.chunk(past..past + columns);
            let keys: Vec<&[i32]> = whole.positions().chunks(past + columns).collect();
            let layout = Layout::new(&config, &pass, &keys, &Device::flex());
            let spans = layout.spans().expect("runs of keys");

            let total = past + columns;
            let q = values([batch, columns, 6, 8], 6);
            let (k, v) = (
                values([batch, 2, total, 8], 7),
                values([batch, 2, total, 8], 8),
            );
            let grouped = q
                .clone()
                .swap_dims(1, 2)
                .reshape([batch, 2, 3 * columns, 8]);
            let mask = layout.mask(&config, &pass);
            let options = AttentionModuleOptions::default();
            let expected = attention(grouped, k.clone(), v.clone(), mask, None, options)
                .reshape([batch, 6, columns, 8])
                .swap_dims(1, 2)
                .reshape([batch, columns, 48]);
            let found = attend(q, k, v, spans);
            // Scores reach 25, where neighbours are 2e-6 apart, and values 3.
            let worst = largest_difference(found, expected);
            assert!(
                worst < 1e-5,
                "{columns}, {past}, {window:?}, {padding:?}: {worst:e}"
            );
        }
    }
}

#[test]
fn a_score_that_is_not_a_number_is_not_hidden() {
    let config = ModelConfig::llama(20, 64, 1, 1, 1, 32);
    let pass = Pass::whole(&[vec![1; 3]], Padding::Left, 0).unwrap();
    let layout = Layout::new(&config, &pass, &[pass.positions()], &Device::flex());
    let q = Tensor::<4>::from_floats([[[[1.0]], [[f32::NAN]], [[1.0]]]], &Device::flex());
    let ones = Tensor::<4>::ones([1, 1, 3, 1], &Device::flex());
    let found = host_values(attend(q, ones.clone(), ones, layout.spans().unwrap()));
    assert_eq!((found[0], found[2]), (1.0, 1.0));
    assert!(found[1].is_nan());
}
