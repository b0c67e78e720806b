use burn::tensor::Device;
use firetender_hooks::{Padding, SiteKind};
use firetender_lm::Transformer;
use firetender_steer::SteeringVector;

use super::*;
use crate::{
    Adapter, DenseFactors, Divergence,
    adapter::tests::{model, moved},
    base_hash, teacher,
};

fn vector() -> SteeringVector {
    let direction = |layer: usize| {
        (0..16)
            .map(|i| ((i * 7 + layer) % 5) as f32 - 2.0)
            .collect()
    };
    let directions = [(0, direction(0)), (1, direction(1))].into();
    SteeringVector::new("up", "down", SiteKind::ResidPost, 16, 2, directions).unwrap()
}

fn pass(pads: usize) -> Pass {
    let rows = [vec![3, 1, 4, 1, 5, 9], vec![2, 6, 5], vec![8]];
    let mut rows = rows.to_vec();
    // A longer row that is cut off again leaves columns of padding.
    rows.push(vec![1; 6 + pads]);
    let all = Pass::whole(&rows, Padding::Right, 0).unwrap();
    let columns = all.columns();
    let cells = 3 * columns;
    Pass::from_parts(
        all.ids()[..cells].to_vec(),
        all.positions()[..cells].to_vec(),
        vec![3, 2, 1],
        0,
    )
    .unwrap()
}

fn values(gradient: &Tensor<2>) -> Vec<f32> {
    gradient.clone().into_data().iter::<f32>().collect()
}

/// Invariant 2.
#[test]
fn a_fresh_student_has_loss_zero_and_no_gradient_of_a() {
    let teacher = teacher(&model());
    let fresh = crate::LoraOptions::default().start(&teacher, 1).unwrap();
    let student = fresh.attach(teacher.clone()).unwrap();
    let options = LossOptions::default();
    let (loss, gradients) = step(&student, &teacher, &pass(0), &Push::nothing(), &options).unwrap();
    assert_eq!(loss, 0.0);
    assert_eq!(
        gradients.norm(),
        0.0,
        "the shifted form is exactly flat at equality"
    );
    let push = Push::one(&vector(), 0.3);
    let (loss, gradients) = step(&student, &teacher, &pass(0), &push, &options).unwrap();
    assert!(loss > 0.0);
    for (place, which, gradient) in gradients.iter() {
        let size = values(gradient)
            .iter()
            .fold(0.0, |m: f32, x| m.max(x.abs()));
        assert!((which == 'a') == (size == 0.0), "{place}.{which}: {size}");
    }
}

/// Invariant 3: only factors have gradients, and the teacher leaves none.
#[test]
fn the_base_has_no_gradients() {
    let teacher = teacher(&model());
    let student = moved(&teacher, 1).attach(teacher.clone()).unwrap();
    let options = LossOptions::default();
    let push = Push::one(&vector(), 0.5);
    let target = predictions(&teacher, &pass(0), &mut Untouched, &options).unwrap();
    assert!(!target.is_tracked());
    let loss = step_loss(&student, &teacher, &pass(0), &push, &options).unwrap();
    let gradients = loss.backward();
    for block in &student.blocks {
        let base = block.attn.q_proj.weight.base();
        assert!(base.grad(&gradients).is_none());
    }
    let found = FactorGradients::of(&student, &gradients);
    assert_eq!(found.iter().count(), 28);
    assert_eq!(base_hash(&student), base_hash(&teacher));
}

/// Invariant 20: the reference fails this.
#[test]
fn padding_never_enters_the_loss() {
    let teacher = teacher(&model());
    let student = moved(&teacher, 1).attach(teacher.clone()).unwrap();
    let push = Push::one(&vector(), 0.5);
    let loss = |pads, scope| {
        let options = LossOptions {
            scope,
            ..LossOptions::default()
        };
        step(&student, &teacher, &pass(pads), &push, &options)
            .unwrap()
            .0
    };
    for scope in [
        TokenScope::RealTokens,
        TokenScope::Answer,
        TokenScope::Last(2),
    ] {
        let (none, many) = (loss(0, scope), loss(5, scope));
        assert!(
            (none - many).abs() < 1e-6 * none,
            "{scope:?}: {none} {many}"
        );
    }
    let everything = TokenScope::EverythingWithPadding;
    assert!((loss(0, everything) - loss(5, everything)).abs() > 1e-3 * loss(0, everything));
}

/// Invariant 18: the gradient is the slope, for every divergence.
#[test]
fn gradients_are_slopes() {
    let teacher = teacher(&model());
    let adapter = moved(&teacher, 1);
    let push = Push::rows(&[Some((&vector(), 0.4)), None, Some((&vector(), -0.2))]).unwrap();
    for divergence in [
        Divergence::StudentFirst,
        Divergence::TeacherFirst,
        Divergence::JensenShannon,
    ] {
        let options = LossOptions {
            divergence,
            temperature: 1.5,
            ..LossOptions::default()
        };
        let run = |adapter: &Adapter| {
            let student = adapter.attach(teacher.clone()).unwrap();
            step(&student, &teacher, &pass(1), &push, &options).unwrap()
        };
        let (_, gradients) = run(&adapter);
        // Along the gradient itself, where the slope is steepest and rounding matters least.
        let norm = gradients.norm();
        let moved_by = |size: f64| {
            let mut factors = adapter.factors().clone();
            for (place, which, gradient) in gradients.iter() {
                let factors = factors.get_mut(place).unwrap();
                let own = if which == 'a' {
                    &mut factors.a
                } else {
                    &mut factors.b
                };
                for (x, g) in own.iter_mut().zip(values(gradient)) {
                    *x += (size * f64::from(g) / norm) as f32;
                }
            }
            run(&Adapter::new(factors).unwrap()).0
        };
        let h = 3e-3;
        let slope = (moved_by(h) - moved_by(-h)) / (2.0 * h);
        assert!(
            (slope - norm).abs() < 1e-3 * norm,
            "{divergence:?}: {slope} {norm}"
        );
    }
}

/// Invariant 11: never negative, quadratic in small strengths, and not symmetric.
#[test]
fn the_divergence_behaves_as_one() {
    let base = teacher(&model());
    let student = crate::LoraOptions::default().start(&base, 1).unwrap();
    let student = student.attach(base.clone()).unwrap();
    let loss = |k, divergence| {
        let options = LossOptions {
            divergence,
            ..LossOptions::default()
        };
        step(
            &student,
            &base,
            &pass(0),
            &Push::one(&vector(), k),
            &options,
        )
        .unwrap()
        .0
    };
    let ratio = loss(2e-3, Divergence::StudentFirst) / loss(1e-3, Divergence::StudentFirst);
    assert!((ratio - 4.0).abs() < 0.02, "{ratio}");
    let (there, back) = (
        loss(0.5, Divergence::StudentFirst),
        loss(0.5, Divergence::TeacherFirst),
    );
    assert!((there - back).abs() > 1e-3 * there);
    let between = loss(0.5, Divergence::JensenShannon);
    assert!(between > 0.0 && between < there.min(back));
}

/// Invariant 7: a row's push stays in its row.
#[test]
fn rows_do_not_mix() {
    let teacher = teacher(&model());
    let options = LossOptions::default();
    let rows = [vec![3, 1, 4], vec![2, 6, 5]];
    let both = Pass::whole(&rows, Padding::Right, 0).unwrap();
    let push = Push::rows(&[None, Some((&vector(), 0.7))]).unwrap();
    let mut hook = push.hook(&Device::flex());
    let found = values(&predictions(&teacher, &both, &mut hook, &options).unwrap());
    for (row, push) in rows
        .iter()
        .zip([Push::nothing(), Push::one(&vector(), 0.7)])
    {
        let alone = Pass::whole(std::slice::from_ref(row), Padding::Right, 0).unwrap();
        let mut hook = push.hook(&Device::flex());
        let alone = values(&predictions(&teacher, &alone, &mut hook, &options).unwrap());
        let start = if row[0] == 3 { 0 } else { alone.len() };
        for (a, b) in found[start..].iter().zip(&alone) {
            assert!((a - b).abs() < 1e-5);
        }
    }
}

/// Two thin products give what the full weight gives.
#[test]
fn low_rank_and_dense_agree() {
    let teacher = teacher(&model());
    let adapter = moved(&teacher, 4);
    let thin = adapter.attach(teacher.clone()).unwrap();
    let dense = adapter.attach_dense(teacher.clone()).unwrap();
    let options = LossOptions::default();
    let push = Push::one(&vector(), 0.5);
    let run = |student: &Transformer| {
        let loss = step_loss(student, &teacher, &pass(0), &push, &options).unwrap();
        let gradients = loss.backward();
        (loss.into_scalar::<f64>(), gradients)
    };
    let ((a, ours), (b, theirs)) = (run(&thin), run(&dense));
    assert!((a - b).abs() < 1e-5 * a, "{a} {b}");
    for (x, y) in thin.blocks.iter().zip(&dense.blocks) {
        let (x, y) = (&x.mlp.up_proj.weight, &y.mlp.up_proj.weight);
        let own = x.adapter().unwrap().b.val().grad(&ours).unwrap();
        let other = y
            .reparameterization::<DenseFactors>()
            .unwrap()
            .inner
            .b
            .val()
            .grad(&theirs)
            .unwrap();
        for (a, b) in values(&own).iter().zip(values(&other)) {
            assert!((a - b).abs() < 1e-5 + 1e-4 * a.abs(), "{a} {b}");
        }
    }
}
