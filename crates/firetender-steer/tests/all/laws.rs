//! The laws of applying a plan, and typed errors for plans that cannot be.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use firetender_hooks::{
    Chain, Intervene, Keep, Padding, ReadAt, Recorder, Site, SiteKind, Untouched,
};
use firetender_lm::{CausalLm, Transformer};
use firetender_steer::{
    Entry, Layers, Operator, Plan, SteerError, Steering, SteeringVector, Turn, VectorRef,
};

use crate::support::{direction, host, logits, model, model_on, pass, rows, uneven, vector};

const SITE: Site = Site::ResidPost(1);

fn mood() -> SteeringVector {
    vector(SiteKind::ResidPost, 1, 4, &direction())
}

fn second() -> SteeringVector {
    mood().random_like(3)
}

fn compile(model: &Transformer, plan: &Plan) -> Steering {
    plan.compile(&model.shape(), &model.device()).unwrap()
}

fn one(entry: Entry) -> Plan {
    Plan::new().with(entry)
}

/// The site's value after steering, at every token.
fn value(model: &Transformer, plan: &Plan, rows: &[Vec<u32>]) -> Vec<f32> {
    let mut steering = compile(model, plan);
    let mut recorder = Recorder::new([SITE], ReadAt::Each, Keep::Host);
    let mut chain = Chain::new().then(&mut steering).then(&mut recorder);
    model
        .hidden(&pass(rows, Padding::Left), None, &mut chain)
        .unwrap();
    recorder.finish().unwrap()[&SITE].host().to_vec()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(x, y)| f64::from(*x) * f64::from(*y))
        .sum()
}

#[test]
fn plans_that_do_nothing_change_no_bit() {
    for family in ["llama", "gpt2", "gpt_neox"] {
        let model = model(family);
        let batch = pass(&uneven(), Padding::Left);
        let plain = logits(&model, &batch, &mut Untouched);
        let cancelling = one(Entry::new(mood(), 1.5)).with(Entry::new(mood(), -1.5));
        for plan in [
            Plan::new(),
            one(Entry::new(mood(), 0.0)),
            one(Entry::new(mood(), 0.0).keeping_norm()),
            one(Entry::new(mood(), -0.0).with_operator(Operator::ProjectOut)),
            Plan::of(mood()).scaled(0.0),
            one(Entry::new(mood(), 3.0).with_tokens("generated".parse().unwrap())),
            one(Entry::new(mood(), 3.0).with_tokens("positions:50".parse().unwrap())),
            cancelling,
        ] {
            let mut steering = compile(&model, &plan);
            assert_eq!(logits(&model, &batch, &mut steering), plain, "{plan:?}");
            assert!(steering.is_idle() || plan.entries()[0].strength() == 3.0);
        }
    }
}

#[test]
fn a_rule_that_selects_nothing_in_a_pass_is_not_even_called() {
    let model = model("llama");
    let mut steering = compile(
        &model,
        &one(Entry::new(mood(), 1.0).with_tokens("generated".parse().unwrap())),
    );
    steering.begin(&pass(&rows(), Padding::Left));
    assert!(!steering.wants(SITE) && !steering.is_idle());
    let scored = pass(&rows(), Padding::Left)
        .with_prompt_lens(vec![9; 3])
        .unwrap();
    steering.begin(&scored);
    assert!(steering.wants(SITE) && !steering.wants(Site::ResidPost(2)));
}

#[test]
fn the_steered_site_moves_by_exactly_k_v_where_selected() {
    let (model, rows) = (model("llama"), rows());
    let plain = value(&model, &Plan::new(), &rows);
    let k = -0.75;
    let plan = one(Entry::new(mood(), k).with_tokens("prompt:4..".parse().unwrap()));
    let moved = value(&model, &plan, &rows);
    for (cell, (h, s)) in plain.chunks(32).zip(moved.chunks(32)).enumerate() {
        for ((a, b), v) in h.iter().zip(s).zip(direction()) {
            let expected = if cell % 10 >= 4 {
                *a + k as f32 * v
            } else {
                *a
            };
            assert!(
                (b - expected).abs() <= 1e-6 * (1.0 + expected.abs()),
                "cell {cell}"
            );
            assert!(cell % 10 >= 4 || a == b, "unselected cells keep every bit");
        }
    }
    // Earlier positions of a causal model do not change at all.
    let whole = pass(&rows, Padding::Left);
    let plain = logits(&model, &whole, &mut Untouched);
    let steered = logits(&model, &whole, &mut compile(&model, &plan));
    for (cell, (a, b)) in plain.chunks(97).zip(steered.chunks(97)).enumerate() {
        assert_eq!(a == b, cell % 10 < 4, "cell {cell}");
    }
}

#[test]
fn two_directions_at_one_site_add_up_in_any_order() {
    let (model, rows) = (model("gpt2"), rows());
    let entries = [
        Entry::new(mood(), 0.5),
        Entry::new(second(), -1.0).with_tokens("last:2".parse().unwrap()),
        Entry::new(second(), 1.0).with_operator(Operator::ProjectOut),
        Entry::new(mood(), 2.0).keeping_norm(),
    ];
    let of = |order: &[usize]| {
        let plan = order
            .iter()
            .fold(Plan::new(), |p, i| p.with(entries[*i].clone()));
        value(&model, &plan, &rows)
    };
    let plain = of(&[]);
    let parts: Vec<Vec<f32>> = (0..4).map(|i| of(&[i])).collect();
    let (all, reversed) = (of(&[0, 1, 2, 3]), of(&[3, 2, 1, 0]));
    for i in 0..plain.len() {
        let sum: f32 = parts.iter().map(|part| part[i] - plain[i]).sum();
        assert!((all[i] - (plain[i] + sum)).abs() < 2e-5);
        assert!((all[i] - reversed[i]).abs() < 1e-5);
    }
    let twice = value(
        &model,
        &one(Entry::new(mood(), 0.3)).with(Entry::new(mood(), 0.9)),
        &rows,
    );
    let once = value(&model, &Plan::of(mood()).scaled(1.2), &rows);
    for (a, b) in twice.iter().zip(&once) {
        assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()));
    }
}

#[test]
fn projections_leave_nothing_along_the_direction() {
    let (model, rows) = (model("llama"), rows());
    let unit = mood().unit().direction(1).unwrap().to_vec();
    let project =
        |vector: SteeringVector| one(Entry::new(vector, 1.0).with_operator(Operator::ProjectOut));
    let out = value(&model, &project(mood()), &rows);
    for row in out.chunks(32) {
        assert!(dot(row, &unit).abs() <= 1e-5 * dot(row, row).sqrt());
    }
    for other in [mood().scaled(37.0).unwrap(), mood().negated()] {
        for (a, b) in value(&model, &project(other), &rows).iter().zip(&out) {
            assert!((a - b).abs() < 1e-5, "independent of length and sign");
        }
    }
    // Twice is once: a second steering at the same site finds nothing left.
    let (mut first, mut again) = (
        compile(&model, &project(mood())),
        compile(&model, &project(mood())),
    );
    let mut recorder = Recorder::new([SITE], ReadAt::Each, Keep::Host);
    let mut chain = Chain::new()
        .then(&mut first)
        .then(&mut again)
        .then(&mut recorder);
    model
        .hidden(&pass(&rows, Padding::Left), None, &mut chain)
        .unwrap();
    for (a, b) in recorder.finish().unwrap()[&SITE].host().iter().zip(&out) {
        assert!((a - b).abs() < 1e-5);
    }
    for k in [0.0, -0.5, 2.0] {
        let entry = Entry::new(mood(), k).with_operator(Operator::ProjectThenAdd);
        for row in value(&model, &one(entry), &rows).chunks(32) {
            let expected = k * mood().norm(1).unwrap();
            assert!((dot(row, &unit) - expected).abs() <= 1e-5 * (dot(row, row).sqrt() + 1.0));
        }
    }
}

#[test]
fn the_wrapper_keeps_lengths() {
    let (model, rows) = (model("gpt2"), rows());
    let plain = value(&model, &Plan::new(), &rows);
    for operator in [
        Operator::Add,
        Operator::ProjectOut,
        Operator::ProjectThenAdd,
    ] {
        let entry = Entry::new(mood(), 0.8)
            .with_operator(operator)
            .keeping_norm();
        let moved = value(&model, &one(entry), &rows);
        for (a, b) in plain.chunks(32).zip(moved.chunks(32)) {
            assert!((dot(a, a).sqrt() / dot(b, b).sqrt() - 1.0).abs() < 1e-5);
            assert!(a != b);
        }
    }
}

#[test]
fn rows_do_not_mix() {
    let model = model("llama");
    let rows = uneven();
    let plan = one(Entry::new(mood(), 1.0).with_tokens("last:3!positions:1".parse().unwrap()));
    let mut steering = compile(&model, &plan);
    let batch = model
        .logits(&pass(&rows, Padding::Left), None, &mut steering)
        .unwrap();
    for (i, row) in rows.iter().enumerate() {
        let alone = logits(
            &model,
            &pass(std::slice::from_ref(row), Padding::Left),
            &mut steering,
        );
        let cut = host(batch.clone().slice([i..i + 1, 10 - row.len()..10]));
        for (a, b) in alone.iter().zip(&cut) {
            assert!((a - b).abs() < 2e-5);
        }
    }
}

#[test]
fn gradients_pass_through_every_operator() {
    let plain = Device::flex();
    let device = Device::flex().autodiff();
    let shape = model("llama").shape();
    let batch = pass(&[vec![1, 2], vec![3]], Padding::Left);
    let values: Vec<f32> = (0..128)
        .map(|i| ((i * 37 % 101) as f32 / 50.0) - 1.0)
        .collect();
    let weights: Vec<f32> = (0..128)
        .map(|i| ((i * 53 % 89) as f32 / 44.0) - 1.0)
        .collect();
    let tensor = |v: &[f32], device: &Device| {
        Tensor::<3>::from_data(TensorData::new(v.to_vec(), [2, 2, 32]), device)
    };
    for operator in [
        Operator::Add,
        Operator::ProjectOut,
        Operator::ProjectThenAdd,
        Operator::Piecewise,
        Operator::Clamp {
            low: Some(-0.1),
            high: Some(0.1),
        },
        Operator::Rotate {
            toward: second().into(),
            turn: Turn::By(40.0),
        },
        Operator::Rotate {
            toward: second().into(),
            turn: Turn::To(40.0),
        },
    ] {
        for keep_norm in [false, true] {
            let mut entry = Entry::new(mood(), 0.7).with_operator(operator.clone());
            if keep_norm {
                entry = entry.keeping_norm();
            }
            let plan = one(entry);
            let mut steering = plan.compile(&shape, &device).unwrap();
            steering.begin(&batch);
            let h = tensor(&values, &device).require_grad();
            let out = steering.at(SITE, h.clone(), &batch);
            let loss = (out * tensor(&weights, &device)).sum();
            let gradient = host(h.grad(&loss.backward()).unwrap());
            let mut steering = plan.compile(&shape, &plain).unwrap();
            steering.begin(&batch);
            let mut loss = |at: usize, by: f32| {
                let mut moved = values.clone();
                moved[at] += by;
                let out = host(steering.at(SITE, tensor(&moved, &plain), &batch));
                dot(&out, &weights)
            };
            for at in [0, 40, 70, 127] {
                let central = (loss(at, 0.01) - loss(at, -0.01)) / 0.02;
                let found = f64::from(gradient[at]);
                assert!(
                    (found - central).abs() < 2e-3,
                    "{operator:?} {keep_norm}: {found} {central}"
                );
            }
        }
    }
}

#[test]
fn a_model_can_be_trained_through_its_steering() {
    let model = model_on("llama", &Device::flex().autodiff());
    let mut steering = compile(&model, &Plan::of(mood()));
    let out = model
        .logits(&pass(&uneven(), Padding::Left), None, &mut steering)
        .unwrap();
    let gradients = out.square().mean().backward();
    let gradient = model.embed.weight.val().grad(&gradients).unwrap();
    let largest = gradient.abs().max().into_scalar::<f32>();
    assert!(largest.is_finite() && largest > 0.0);
}

#[test]
fn plans_that_do_not_fit_name_what_is_wrong() {
    let model = model("llama");
    let refuse = |plan: &Plan| {
        plan.compile(&model.shape(), &model.device())
            .unwrap_err()
            .to_string()
    };
    let wide = vector(SiteKind::ResidPost, 1, 4, &[1.0; 16]);
    assert!(refuse(&Plan::of(wide)).contains("entry 0: width is 16; expected 32"));
    // A "direction" of length 1 must never be broadcast.
    let single = vector(SiteKind::ResidPost, 1, 4, &[1.0]);
    assert!(refuse(&Plan::of(single)).contains("width is 1; expected 32"));
    let deep = vector(SiteKind::ResidPost, 1, 5, &direction());
    let message = refuse(&Plan::of(mood()).with(Entry::new(deep, 1.0)));
    assert!(
        message.contains("entry 1: number of layers is 5; expected 4"),
        "{message}"
    );
    for strength in [f64::NAN, f64::INFINITY, 1e39] {
        assert!(refuse(&one(Entry::new(mood(), strength))).contains("`strength`"));
    }
    for layers in ["0", "9", "-9", "2..3"] {
        let entry = Entry::new(mood(), 1.0).with_layers(layers.parse().unwrap());
        assert!(refuse(&one(entry)).contains(&format!("layers `{layers}`")));
    }
    assert!(refuse(&Plan::of("mood")).contains("`mood` is only a name"));
    let missing = Plan::of("mood").resolved(&BTreeMap::from([("other".to_string(), mood())]));
    assert!(
        missing
            .unwrap_err()
            .to_string()
            .contains("known are [\"other\"]")
    );
    let given = Plan::of("mood").resolved(&BTreeMap::from([("mood".to_string(), mood())]));
    assert_eq!(given.unwrap(), Plan::of(mood()));
    let parallel = firetender_lm::LmShape {
        parallel: true,
        ..model.shape()
    };
    let middle = Plan::of(vector(SiteKind::ResidMid, 1, 4, &direction()));
    assert!(matches!(
        middle.compile(&parallel, &model.device()),
        Err(SteerError::Mismatch { field: "site", .. })
    ));
}

#[test]
fn controls_are_random_directions_of_equal_length_at_the_same_places() {
    let plan = one(Entry::new(mood(), 0.5).with_tokens("last:2".parse().unwrap()))
        .with(Entry::new(second(), 1.0).with_operator(Operator::ProjectOut))
        .with(Entry::new(mood(), 1.0).with_layers(Layers::one(1)));
    let control = plan.random_control(9).unwrap();
    let vector = |plan: &Plan, i: usize| match plan.entries()[i].vector() {
        VectorRef::Inline(vector) => (**vector).clone(),
        other => panic!("{other:?}"),
    };
    for i in 0..3 {
        let (real, random) = (vector(&plan, i), vector(&control, i));
        assert!((real.norm(1).unwrap() / random.norm(1).unwrap() - 1.0).abs() < 1e-6);
        let cosine = dot(
            real.unit().direction(1).unwrap(),
            random.unit().direction(1).unwrap(),
        );
        assert!(cosine.abs() < 0.6, "{cosine}");
        assert_eq!(plan.entries()[i].tokens(), control.entries()[i].tokens());
        assert_eq!(
            plan.entries()[i].operator(),
            control.entries()[i].operator()
        );
    }
    assert_eq!(
        vector(&control, 0),
        vector(&control, 2),
        "equal vectors, equal controls"
    );
    assert_ne!(
        vector(&control, 0).direction(1),
        vector(&control, 1).direction(1)
    );
    assert_eq!(control, plan.random_control(9).unwrap());
    assert!(Plan::of("name").random_control(0).is_err());
}
