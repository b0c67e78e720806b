use burn::tensor::{Device, TensorData, activation::log_softmax};
use firetender_hooks::{Padding, Pass, Untouched};
use firetender_lm::{ModelConfig, Transformer};
use firetender_steer::token_kl;

use super::*;
use crate::{
    Divergence, LossOptions, Push, TokenScope,
    adapter::tests::{model, moved},
    step::at_cells,
    teacher,
};

const ALL: [Divergence; 3] = [
    Divergence::StudentFirst,
    Divergence::TeacherFirst,
    Divergence::JensenShannon,
];

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Of the largest: a row's offset is rounded to 2e-7 or so, and where a difference is not small enough for the series, a divergence is at least
/// φ(0.1) = 0.0054.
const VALUES: f32 = 4e-5;
const SLOPES: f32 = 2e-5;

fn close(found: &[f32], expected: &[f32], relative: f32) {
    let size = expected.iter().fold(0.0, |m: f32, x| m.max(x.abs()));
    assert!(size > 0.0 && found.len() == expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= relative * size, "{a} {b} of {size}");
    }
}

/// The same through a recorded graph in `f64`: what this module stands for.
fn recorded(options: &LossOptions, student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
    let log_probs = |logits: Tensor<2>| {
        let logits = logits.cast(DType::F64).div_scalar(options.temperature);
        log_softmax(logits, 1)
    };
    let (s, t) = (log_probs(student), log_probs(teacher));
    let values = match options.divergence {
        Divergence::StudentFirst => token_kl(s, t),
        Divergence::TeacherFirst => token_kl(t, s),
        Divergence::JensenShannon => {
            let top = s.clone().max_pair(t.clone());
            let sum = (s.clone() - top.clone()).exp() + (t.clone() - top.clone()).exp();
            let middle = (sum / 2.0).log() + top;
            (token_kl(s, middle.clone()) + token_kl(t, middle)) / 2.0
        }
    };
    values.cast(DType::F32)
}

fn pass() -> Pass {
    let rows = [vec![3, 1, 4, 1, 5, 9], vec![2, 6, 5, 3], vec![8]];
    let pass = Pass::whole(&rows, Padding::Left, 0).unwrap();
    pass.with_prompt_lens(vec![3, 2, 1]).unwrap()
}

/// Hidden states of a student and its teacher; the student's as a leaf that its gradient can be read of.
fn hidden(scope: TokenScope) -> (Transformer, Transformer, Tensor<2>, Tensor<2>) {
    let base = teacher(&model());
    let student = moved(&base, 1).attach(base.clone()).unwrap();
    let direction = (0..16).map(|i| (i % 5) as f32 * 0.3 - 0.6).collect();
    let vector = firetender_steer::SteeringVector::new(
        "up",
        "down",
        firetender_hooks::SiteKind::ResidPost,
        16,
        2,
        [(0, direction)].into(),
    );
    let push = Push::one(&vector.unwrap(), 0.5);
    let own = student.hidden(&pass(), None, &mut push.hook(&student.device()));
    let own = at_cells(own.unwrap(), &pass(), scope).unwrap();
    let other = base.hidden(&pass(), None, &mut Untouched).unwrap();
    let other = at_cells(other, &pass(), scope).unwrap().without_autodiff();
    (student, base, own.detach().require_grad(), other)
}

/// Values and gradients in closed form are those of a recorded graph, for every divergence, temperature and scope, and whatever the
/// blocks and pieces.
#[test]
fn closed_forms_are_what_a_graph_gives() {
    for scope in [
        TokenScope::RealTokens,
        TokenScope::Answer,
        TokenScope::Last(2),
        TokenScope::EverythingWithPadding,
    ] {
        let (student, base, own, other) = hidden(scope);
        for divergence in ALL {
            for temperature in [0.5, 1.0, 3.0] {
                let options = LossOptions {
                    divergence,
                    scope,
                    temperature,
                    top: None,
                };
                let expected = recorded(
                    &options,
                    student.unembed(own.clone()),
                    base.unembed(other.clone()).without_autodiff(),
                );
                // Another weight for every row, so that rows that are exchanged show.
                let n = own.dims()[0];
                let weights: Vec<f32> = (1..=n).map(|i| i as f32).collect();
                let weights =
                    Tensor::<1>::from_data(TensorData::new(weights, [n]), &Device::flex());
                let slope = |found: Tensor<1>| {
                    let gradients = (found * weights.clone()).sum().backward();
                    values(own.grad(&gradients).unwrap())
                };
                let wanted = values(expected.clone());
                let slopes = slope(expected);
                for sizes in [[100, 100], [100, 2], [3, 2], [1, 1], [0, 0]] {
                    let found = of_rows_by(
                        &Head {
                            model: &student,
                            hidden: own.clone(),
                        },
                        &[Head {
                            model: &base,
                            hidden: other.clone(),
                        }],
                        &|_, own, others| options.rows(own, others[0].clone()),
                        sizes,
                    );
                    close(&values(found.clone()), &wanted, VALUES);
                    close(&slope(found), &slopes, SLOPES);
                }
            }
        }
    }
}

/// Equal rows give exactly nothing, and no slope.
#[test]
fn equal_logits_are_exactly_flat() {
    let logits: Vec<f32> = (0..400).map(|i| (i * 7919 % 1013) as f32 / 50.0).collect();
    let logits = Tensor::<2>::from_data(TensorData::new(logits, [2, 200]), &Device::flex());
    for divergence in ALL {
        let found = divergence.rows(logits.clone(), logits.clone());
        assert_eq!(values(found.values), [0.0; 2], "{divergence:?}");
        assert!(
            values(found.gradient).iter().all(|x| *x == 0.0),
            "{divergence:?}"
        );
    }
}

/// A token that one side thinks impossible costs something finite, and its slope is a number.
#[test]
fn impossible_tokens_are_finite() {
    let row = |values: [f32; 3]| Tensor::<1>::from_floats(values, &Device::flex()).unsqueeze::<2>();
    let (one, other) = (row([400.0, 0.0, -300.0]), row([-300.0, 0.0, 400.0]));
    for (divergence, expected) in [
        (Divergence::StudentFirst, 700.0),
        (Divergence::TeacherFirst, 700.0),
        (Divergence::JensenShannon, 2.0f32.ln()),
    ] {
        let found = divergence.rows(one.clone(), other.clone());
        let value = values(found.values)[0];
        assert!(
            (value - expected).abs() < 1e-3 * expected,
            "{divergence:?}: {value}"
        );
        assert!(
            values(found.gradient).iter().all(|x| x.is_finite()),
            "{divergence:?}"
        );
    }
}

/// A student whose projection is trained, too, loses none of its gradient.
#[test]
fn a_trained_projection_keeps_its_gradient() {
    let config = ModelConfig::llama(30, 16, 2, 2, 1, 32);
    let student = Transformer::init(&config, 3, &Device::flex().autodiff()).unwrap();
    let base = teacher(&model());
    let options = LossOptions::default();
    let other = base.hidden(&pass(), None, &mut Untouched).unwrap();
    let other = at_cells(other, &pass(), options.scope)
        .unwrap()
        .without_autodiff();
    let gradient = |fused: bool| {
        let own = student.hidden(&pass(), None, &mut Untouched).unwrap();
        let own = at_cells(own, &pass(), options.scope).unwrap();
        let loss = if fused {
            let own = Head {
                model: &student,
                hidden: own,
            };
            let others = [Head {
                model: &base,
                hidden: other.clone(),
            }];
            of_rows(&own, &others, &|_, own, others| {
                options.rows(own, others[0].clone())
            })
        } else {
            let target = base.unembed(other.clone()).without_autodiff();
            recorded(&options, student.unembed(own), target)
        };
        let gradients = loss.mean().backward();
        values(student.embed.weight.val().grad(&gradients).unwrap())
    };
    close(&gradient(true), &gradient(false), SLOPES);
}

#[test]
fn sums_of_exponentials_are_those_of_a_log_softmax() {
    let logits: Vec<f32> = (0..3000)
        .map(|i| (i * 7919 % 1013) as f32 / 20.0 - 900.0)
        .collect();
    let logits = Tensor::<2>::from_data(TensorData::new(logits, [3, 1000]), &Device::flex());
    let found = Normalised::of(&logits);
    let expected = log_softmax(logits.clone(), 1);
    close(
        &values(logits - found.log_sum()),
        &values(expected.clone()),
        1e-6,
    );
    close(&values(found.probabilities), &values(expected.exp()), 1e-5);
}

/// Over the teacher's likeliest tokens alone, too; over all of them it is the whole.
#[test]
fn the_likeliest_tokens_alone() {
    let (student, base, own, other) = hidden(TokenScope::RealTokens);
    let target = base.unembed(other).without_autodiff();
    for divergence in ALL {
        for (top, temperature) in [(5, 1.0), (5, 2.0), (30, 1.0), (99, 1.0)] {
            let options = LossOptions {
                divergence,
                temperature,
                top: Some(top),
                ..LossOptions::default()
            };
            let logits = student.unembed(own.clone());
            let found = options.rows(logits.clone().without_autodiff(), target.clone());
            let (teacher, chosen) = target.clone().topk_with_indices(top.min(30), 1);
            let logits = logits.detach().require_grad();
            let expected = recorded(&options, logits.clone().gather(1, chosen), teacher);
            let gradients = expected.clone().sum().backward();
            close(&values(found.values), &values(expected), VALUES);
            let slopes = values(logits.grad(&gradients).unwrap());
            close(&values(found.gradient), &slopes, SLOPES);
        }
    }
}
