//! Operators, strengths, conflicts and batches of plans, held to a slow oracle in `f64`.

use std::collections::BTreeMap;

use firetender_hooks::{
    Chain, Intervene, Keep, Padding, Pass, ReadAt, Recorder, Site, SiteKind, Token, Untouched,
};
use firetender_lm::{CausalLm, ModelConfig, Transformer};
use firetender_steer::{
    Adapt, AdaptTo, BatchPlan, Conflict, Entry, LowRank, LowRankLayer, Operator, Plan, Profile,
    RowPlan, Schedule, SteeringVector, Turn,
};

use crate::support::{direction, host, logits, model, pass, rows, uneven, vector};

const SITE: Site = Site::ResidPost(1);
const WIDTH: usize = 32;

fn mood() -> SteeringVector {
    vector(SiteKind::ResidPost, 1, 4, &direction())
}

fn other(seed: u64) -> SteeringVector {
    mood().random_like(seed)
}

fn compiled(model: &Transformer, plan: &Plan) -> firetender_steer::Steering {
    plan.compile(&model.shape(), &model.device()).unwrap()
}

/// The site's value at every real token, after `hook`.
fn value(model: &Transformer, hook: &mut dyn Intervene, pass: &Pass) -> Vec<f64> {
    let mut recorder = Recorder::new([SITE], ReadAt::Each, Keep::Host);
    let mut chain = Chain::new().then(hook).then(&mut recorder);
    model.hidden(pass, None, &mut chain).unwrap();
    let found = recorder.finish().unwrap();
    found[&SITE].host().iter().map(|x| f64::from(*x)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn wide(v: &[f32]) -> Vec<f64> {
    v.iter().map(|x| f64::from(*x)).collect()
}

/// `a + k b`.
fn plus(a: &[f64], k: f64, b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(x, y)| x + k * y).collect()
}

/// What the operator makes of one token's value.
fn formula(operator: &Operator, h: &[f64], v: &[f64], second: &[f64], k: f64) -> Vec<f64> {
    let unit: Vec<f64> = v.iter().map(|x| x / norm(v)).collect();
    let p = dot(h, &unit);
    match operator {
        Operator::Add => plus(h, k, v),
        Operator::ProjectOut => plus(h, -k * p, &unit),
        Operator::ProjectThenAdd => plus(&plus(h, -p, &unit), k, v),
        Operator::Piecewise => plus(h, k * p.signum(), v),
        Operator::Clamp { low, high } => {
            let inside = p.max(low.unwrap_or(p)).min(high.unwrap_or(f64::MAX));
            plus(h, k * (inside - p), &unit)
        }
        Operator::Rotate { turn, .. } => {
            let across = plus(second, -dot(second, &unit), &unit);
            let across: Vec<f64> = across.iter().map(|x| x / norm(&across)).collect();
            let (a, b) = (p, dot(h, &across));
            let (to_a, to_b, share) = match turn {
                Turn::By(angle) => {
                    let (sin, cos) = (angle * k).to_radians().sin_cos();
                    (a * cos - b * sin, a * sin + b * cos, 1.0)
                }
                Turn::To(angle) => {
                    let (sin, cos) = angle.to_radians().sin_cos();
                    (a.hypot(b) * cos, a.hypot(b) * sin, k)
                }
                other => panic!("{other:?}"),
            };
            plus(
                &plus(h, share * (to_a - a), &unit),
                share * (to_b - b),
                &across,
            )
        }
        other => panic!("{other:?}"),
    }
}

fn operators() -> Vec<Operator> {
    let rotate = |turn| Operator::Rotate {
        toward: other(11).into(),
        turn,
    };
    vec![
        Operator::Add,
        Operator::ProjectOut,
        Operator::ProjectThenAdd,
        Operator::Piecewise,
        Operator::Clamp {
            low: Some(-0.5),
            high: Some(0.25),
        },
        Operator::Clamp {
            low: Some(1.0),
            high: None,
        },
        rotate(Turn::By(35.0)),
        rotate(Turn::To(-120.0)),
    ]
}

#[test]
fn every_operator_equals_its_formula() {
    let model = model("llama");
    let whole = pass(&uneven(), Padding::Left)
        .with_prompt_lens(vec![6, 5, 4])
        .unwrap();
    let plain = value(&model, &mut Untouched, &whole);
    let (v, second) = (wide(&direction()), wide(other(11).direction(1).unwrap()));
    let unit: Vec<f64> = v.iter().map(|x| x / norm(&v)).collect();
    let fade = Schedule::Linear {
        from: 1.0,
        to: 0.25,
        steps: 3,
    };
    let adapt = Adapt {
        of: AdaptTo::Cosine,
        from: -0.3,
        to: 0.4,
    };
    for operator in operators() {
        for (k, keep_norm, adapted, scheduled) in [
            (0.8, false, false, false),
            (-1.5, true, false, false),
            (0.8, false, true, false),
            (0.6, true, true, true),
        ] {
            let rule = "all!positions:0";
            let mut entry = Entry::new(mood(), k)
                .with_operator(operator.clone())
                .with_tokens(rule.parse().unwrap());
            if keep_norm {
                entry = entry.keeping_norm();
            }
            if adapted {
                entry = entry.with_adapt(adapt);
            }
            if scheduled {
                let weights = BTreeMap::from([(1, 0.5), (-2, 3.0)]);
                entry = entry.with_schedule(fade).with_token_weights(weights);
            }
            let plan = Plan::new().with(entry);
            let found = value(&model, &mut compiled(&model, &plan), &whole);
            for (i, token) in whole.tokens().enumerate() {
                let at = i * WIDTH..(i + 1) * WIDTH;
                let (h, found) = (&plain[at.clone()], &found[at]);
                if token.position == 0 {
                    assert_eq!(h, found, "an excluded token keeps every bit");
                    continue;
                }
                let mut factor = 1.0;
                if adapted {
                    let cosine = dot(h, &unit) / norm(h);
                    factor *= ((cosine - adapt.to) / (adapt.from - adapt.to)).clamp(0.0, 1.0);
                }
                if scheduled {
                    let step = (token.from_prompt_end() + 1).max(0) as f64;
                    factor *= 1.0 - 0.75 * (step / 3.0).min(1.0);
                    factor *= if token.position == 1 { 0.5 } else { 1.0 };
                    factor *= if token.from_prompt_end() == -2 {
                        3.0
                    } else {
                        1.0
                    };
                }
                let full = formula(&operator, h, &v, &second, k);
                let mut expected = plus(h, factor, &plus(&full, -1.0, h));
                if keep_norm {
                    let scale = norm(h) / norm(&expected);
                    expected.iter_mut().for_each(|x| *x *= scale);
                }
                for (a, b) in found.iter().zip(&expected) {
                    let what = format!("{operator:?}, {k}, {token:?}: {a} and {b}");
                    assert!((a - b).abs() <= 1e-5 * (1.0 + norm(h)), "{what}");
                }
            }
        }
    }
}

/// What a rotation leaves: the part across the plane, and every length.
#[test]
fn rotations_keep_lengths_and_what_is_across() {
    let model = model("gpt2");
    let whole = pass(&rows(), Padding::Left);
    let plain = value(&model, &mut Untouched, &whole);
    let (v, second) = (wide(&direction()), wide(other(11).direction(1).unwrap()));
    for operator in &operators()[6..] {
        let plan = Plan::new().with(Entry::new(mood(), 1.0).with_operator(operator.clone()));
        let turned = value(&model, &mut compiled(&model, &plan), &whole);
        for (h, t) in plain.chunks(WIDTH).zip(turned.chunks(WIDTH)) {
            assert!((norm(h) - norm(t)).abs() <= 1e-5 * norm(h));
            let moved = plus(t, -1.0, h);
            // The change lies in the plane: nothing is left of it after taking both directions out.
            let unit: Vec<f64> = v.iter().map(|x| x / norm(&v)).collect();
            let across = plus(&second, -dot(&second, &unit), &unit);
            let across: Vec<f64> = across.iter().map(|x| x / norm(&across)).collect();
            let rest = plus(&moved, -dot(&moved, &unit), &unit);
            let rest = plus(&rest, -dot(&rest, &across), &across);
            assert!(norm(&rest) <= 1e-5 * norm(h));
        }
    }
}

#[test]
fn a_low_rank_edit_equals_its_formula() {
    let model = model("llama");
    let whole = pass(&uneven(), Padding::Right);
    let row = |seed| other(seed).direction(1).unwrap().to_vec();
    let layer = LowRankLayer {
        rotation: vec![row(1), row(2), row(3)],
        weights: vec![row(4), row(5), row(6)],
        bias: vec![0.5, -1.0, 2.0],
    };
    let edit = LowRank::new(
        SiteKind::ResidPost,
        WIDTH,
        4,
        BTreeMap::from([(1, layer.clone())]),
    );
    let plan = Plan::new().with(Entry::new(edit.unwrap(), 0.1));
    let plain = value(&model, &mut Untouched, &whole);
    let found = value(&model, &mut compiled(&model, &plan), &whole);
    for (h, f) in plain.chunks(WIDTH).zip(found.chunks(WIDTH)) {
        let mut expected = h.to_vec();
        for ((r, w), b) in layer.rotation.iter().zip(&layer.weights).zip(&layer.bias) {
            let inner = dot(&wide(w), h) + f64::from(*b) - dot(&wide(r), h);
            expected = plus(&expected, 0.1 * inner, &wide(r));
        }
        let scale = norm(&expected).max(norm(h));
        assert!(norm(&plus(f, -1.0, &expected)) <= 1e-5 * scale);
    }
}

/// At its first site an entry changes exactly that site, whatever the width there.
#[test]
fn every_site_is_reached_with_its_own_width() {
    let config = ModelConfig {
        head_dim: 6,
        max_positions: 32,
        positions: match ModelConfig::llama(40, 16, 2, 4, 2, 24).positions {
            firetender_lm::Positions::Rotary {
                base,
                layout,
                scaling,
                ..
            } => firetender_lm::Positions::Rotary {
                base,
                dims: 6,
                layout,
                scaling,
            },
            learned => learned,
        },
        ..ModelConfig::llama(40, 16, 2, 4, 2, 24)
    };
    let model = Transformer::init(&config, 5, &burn::tensor::Device::flex()).unwrap();
    let whole = pass(&[vec![1, 2, 3], vec![4, 5]], Padding::Left);
    for kind in SiteKind::ALL {
        let (layer, width) = (
            usize::from(kind.per_layer()),
            if kind == SiteKind::HeadOut { 24 } else { 16 },
        );
        let ramp: Vec<f32> = (0..width).map(|i| 0.1 * (i as f32 - 3.0)).collect();
        let plan = Plan::new().with(
            Entry::new(vector(kind, layer, 2, &ramp), 2.0).with_tokens("last:1".parse().unwrap()),
        );
        let site = kind.at(layer);
        let read = |hook: &mut dyn Intervene| {
            let mut recorder = Recorder::new([site], ReadAt::Each, Keep::Host);
            let mut chain = Chain::new().then(hook).then(&mut recorder);
            model.hidden(&whole, None, &mut chain).unwrap();
            recorder.finish().unwrap()[&site].host().to_vec()
        };
        let mut steering = compiled(&model, &plan);
        assert_eq!(steering.sites().collect::<Vec<_>>(), [site]);
        let (plain, steered) = (read(&mut Untouched), read(&mut steering));
        for (cell, (a, b)) in plain.chunks(width).zip(steered.chunks(width)).enumerate() {
            let last = [2, 4].contains(&cell);
            for ((a, b), v) in a.iter().zip(b).zip(&ramp) {
                let expected = if last { a + 2.0 * v } else { *a };
                assert!(
                    (b - expected).abs() <= 1e-6 * (1.0 + expected.abs()),
                    "{site}, cell {cell}"
                );
            }
        }
        let wrong = Plan::of(vector(kind, layer, 2, &vec![1.0; width + 1]));
        let error = wrong
            .compile(&model.shape(), &model.device())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("width is {}; expected {width}", width + 1)),
            "{error}"
        );
    }
}

#[test]
fn entries_that_meet_do_what_the_policy_says() {
    let model = model("llama");
    let whole = pass(&uneven(), Padding::Left);
    let (first, second) = (mood(), other(4));
    let add = Entry::new(&first, 1.0).with_tokens("positions:0,1,2".parse().unwrap());
    let out = Entry::new(&second, 1.0)
        .with_operator(Operator::ProjectOut)
        .with_tokens("prompt:1..4".parse().unwrap());
    let plan = |conflict| {
        Plan::new()
            .with(add.clone())
            .with(out.clone())
            .with_conflict(conflict)
    };
    let plain = value(&model, &mut Untouched, &whole);
    let run = |plan: &Plan| value(&model, &mut compiled(&model, plan), &whole);
    let (sum, ordered, winner) = (
        run(&plan(Conflict::Sum)),
        run(&plan(Conflict::InOrder)),
        run(&plan(Conflict::FirstWins)),
    );
    let (v, w) = (wide(&direction()), wide(second.direction(1).unwrap()));
    for (i, token) in whole.tokens().enumerate() {
        let at = i * WIDTH..(i + 1) * WIDTH;
        let h = &plain[at.clone()];
        let (in_first, in_second) = (token.position < 3, (1..4).contains(&token.position));
        let added = if in_first {
            plus(h, 1.0, &v)
        } else {
            h.to_vec()
        };
        let project = |h: &[f64]| formula(&Operator::ProjectOut, h, &w, &w, 1.0);
        let expected_sum = if in_second {
            plus(&added, 1.0, &plus(&project(h), -1.0, h))
        } else {
            added.clone()
        };
        let expected_order = if in_second {
            project(&added)
        } else {
            added.clone()
        };
        let expected_first = if in_first || !in_second {
            added
        } else {
            project(h)
        };
        for (found, expected) in [
            (&sum, expected_sum),
            (&ordered, expected_order),
            (&winner, expected_first),
        ] {
            let off = norm(&plus(&found[at.clone()], -1.0, &expected));
            assert!(off <= 1e-5 * (1.0 + norm(h)), "{token:?}: {off}");
        }
    }
    let error = plan(Conflict::Error)
        .compile(&model.shape(), &model.device())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("entry 1: `tokens`") && error.contains("blocks.1.hook_resid_post"),
        "{error}"
    );
    let apart = Plan::new()
        .with(Entry::new(&first, 1.0).with_tokens("prompt".parse().unwrap()))
        .with(Entry::new(&second, 1.0).with_tokens("generated".parse().unwrap()))
        .with_conflict(Conflict::Error);
    assert!(apart.compile(&model.shape(), &model.device()).is_ok());
}

/// Each row of a batch with a plan of its own, or none, is the row run alone with its plan.
#[test]
fn rows_of_one_batch_have_plans_of_their_own() {
    let model = model("gpt2");
    let rows = uneven();
    let plans = vec![
        Plan::new().with(Entry::new(mood(), 1.0).with_tokens("last:2".parse().unwrap())),
        Plan::new().with(Entry::new(other(2), 1.5)).with(Entry::new(
            vector(SiteKind::AttnOut, 2, 4, &direction()),
            1.0,
        )),
        Plan::new()
            .with(Entry::new(mood(), 1.0).with_operator(Operator::ProjectOut))
            .with(Entry::new(other(3), -1.0).keeping_norm())
            .with_conflict(Conflict::InOrder),
    ];
    for (assigned, strengths) in [
        ([Some(0), Some(1), Some(2)], [1.0, 1.0, 1.0]),
        ([Some(2), None, Some(0)], [0.5, 1.0, -2.0]),
        ([Some(1), Some(1), Some(0)], [0.25, 2.0, 0.0]),
    ] {
        let of_row = |i: usize| {
            assigned[i].map(|plan| RowPlan {
                plan,
                strength: strengths[i],
            })
        };
        let batch = BatchPlan::with_rows(plans.clone(), (0..3).map(of_row).collect()).unwrap();
        let text = serde_json::to_string(&batch).unwrap();
        assert_eq!(serde_json::from_str::<BatchPlan>(&text).unwrap(), batch);
        let mut steering = batch.compile(&model.shape(), &model.device()).unwrap();
        for padding in [Padding::Left, Padding::Right] {
            let together = model
                .logits(&pass(&rows, padding), None, &mut steering)
                .unwrap();
            for (i, row) in rows.iter().enumerate() {
                let start = if padding == Padding::Left {
                    10 - row.len()
                } else {
                    0
                };
                let found = host(together.clone().slice([i..i + 1, start..start + row.len()]));
                let single = pass(std::slice::from_ref(row), Padding::Left);
                let alone = match assigned[i] {
                    None => logits(&model, &single, &mut Untouched),
                    Some(plan) => {
                        let one = compiled(&model, &plans[plan]);
                        logits(
                            &model,
                            &single,
                            &mut one.with_row_strengths(&[strengths[i]]).unwrap(),
                        )
                    }
                };
                for (a, b) in alone.iter().zip(&found) {
                    assert!((a - b).abs() < 3e-5, "row {i}: {a} and {b}");
                }
            }
        }
    }
}

#[test]
fn row_strengths_multiply_and_zero_is_the_plain_row() {
    let model = model("llama");
    let rows = rows();
    let batch = pass(&rows, Padding::Left);
    let steering = compiled(&model, &Plan::of(mood()));
    let plain = logits(&model, &batch, &mut Untouched);
    let closed = logits(
        &model,
        &batch,
        &mut steering.clone().with_row_strengths(&[0.0; 3]).unwrap(),
    );
    assert_eq!(closed, plain, "all rows closed: every bit");
    let mut mixed = steering
        .clone()
        .with_row_strengths(&[2.0, 0.0, -0.5])
        .unwrap();
    let mixed = logits(&model, &batch, &mut mixed);
    let size = plain.len() / 3;
    assert_eq!(
        mixed[size..2 * size],
        plain[size..2 * size],
        "a closed row keeps every bit"
    );
    for (row, k) in [(0, 2.0), (2, -0.5)] {
        let single = pass(std::slice::from_ref(&rows[row]), Padding::Left);
        let scaled = Plan::of(mood()).scaled(k);
        let alone = logits(&model, &single, &mut compiled(&model, &scaled));
        for (a, b) in alone.iter().zip(&mixed[row * size..(row + 1) * size]) {
            assert!((a - b).abs() < 2e-5);
        }
    }
    assert!(steering.clone().with_row_strengths(&[]).is_err());
    assert!(steering.with_row_strengths(&[f64::NAN]).is_err());
}

/// Batches of 1, 2 and 3 with and without padding, for rules that need a mask (RepE shapes it as one row's).
#[test]
fn masks_fit_every_batch() {
    let model = model("llama");
    let plan =
        Plan::new().with(Entry::new(mood(), 1.0).with_tokens("positions:0,2,40".parse().unwrap()));
    let mut steering = compiled(&model, &plan);
    for batch in [uneven(), rows()] {
        let alone: Vec<Vec<f32>> = batch
            .iter()
            .map(|row| {
                logits(
                    &model,
                    &pass(std::slice::from_ref(row), Padding::Left),
                    &mut steering,
                )
            })
            .collect();
        for n in 1..=3 {
            let whole = pass(&batch[..n], Padding::Left);
            let together = model.logits(&whole, None, &mut steering).unwrap();
            let columns = whole.columns();
            for (i, row) in batch[..n].iter().enumerate() {
                let found = host(
                    together
                        .clone()
                        .slice([i..i + 1, columns - row.len()..columns]),
                );
                for (a, b) in alone[i].iter().zip(&found) {
                    assert!((a - b).abs() < 2e-5, "{n} rows, row {i}");
                }
            }
        }
    }
}

#[test]
fn profiles_weigh_layers() {
    let model = model("llama");
    let all = BTreeMap::from_iter((0..4).map(|layer| (layer, direction())));
    let vector = SteeringVector::new("a", "b", SiteKind::ResidPost, WIDTH, 4, all).unwrap();
    let sites = |profile| {
        let plan = Plan::new().with(Entry::new(&vector, 1.0).with_profile(profile));
        plan.compile(&model.shape(), &model.device())
            .map(|s| s.sites().collect::<Vec<_>>())
    };
    let decay = |from, peak, to| Profile::Triangle { from, peak, to };
    assert_eq!(
        sites(decay(-1, -2, -4)).unwrap(),
        [Site::ResidPost(1), Site::ResidPost(2)]
    );
    assert_eq!(
        sites(decay(1, 1, 3)).unwrap(),
        [Site::ResidPost(1), Site::ResidPost(2)]
    );
    let each = |weights: &[(i64, f64)]| Profile::Each(weights.iter().copied().collect());
    assert_eq!(
        sites(each(&[(0, 0.0), (1, 1.0), (2, 0.0), (-1, -2.0)])).unwrap(),
        [Site::ResidPost(1), Site::ResidPost(3)]
    );
    for (bad, what) in [
        (decay(0, 7, 3), "names layer 7"),
        (decay(0, 3, 1), "peaks at layer 3"),
        (each(&[(0, 1.0)]), "no weight for layer 1"),
        (each(&[(0, f64::NAN)]), "weighs layer 0 by NaN"),
        (each(&[(3, 1.0), (-1, 1.0)]), "twice"),
    ] {
        let error = sites(bad).unwrap_err().to_string();
        assert!(
            error.contains("`profile`") && error.contains(what),
            "{error}"
        );
    }
    // A profile multiplies the strength: exactly the plan with that strength at that layer.
    let weighed = Plan::new().with(
        Entry::new(&vector, 2.0)
            .with_layers("1".parse().unwrap())
            .with_profile(each(&[(1, 0.25)])),
    );
    let direct = Plan::new().with(Entry::new(&vector, 0.5).with_layers("1".parse().unwrap()));
    let batch = pass(&uneven(), Padding::Left);
    assert_eq!(
        value(&model, &mut compiled(&model, &weighed), &batch),
        value(&model, &mut compiled(&model, &direct), &batch)
    );
}

#[test]
fn previews_are_what_is_steered() {
    let model = model("llama");
    let whole = pass(&uneven(), Padding::Left)
        .with_prompt_lens(vec![6, 7, 2])
        .unwrap();
    let plain = value(&model, &mut Untouched, &whole);
    for rule in [
        "all",
        "prompt",
        "generated",
        "from_last_prompt",
        "last:3",
        "positions:0,5,-2",
        "generated:1..3",
        "ids:0,7,12,40!prompt:1..",
    ] {
        let rule: firetender_steer::TokenRule = rule.parse().unwrap();
        let plan = Plan::new().with(Entry::new(mood(), 1.0).with_tokens(rule.clone()));
        let moved = value(&model, &mut compiled(&model, &plan), &whole);
        let preview = rule.preview(&whole);
        let shown: Vec<bool> = preview.rows.iter().flatten().map(|t| t.selected).collect();
        let changed: Vec<bool> = plain
            .chunks(WIDTH)
            .zip(moved.chunks(WIDTH))
            .map(|(a, b)| a != b)
            .collect();
        assert_eq!(shown, changed, "{rule}");
        let tokens: Vec<Token> = whole.tokens().collect();
        assert_eq!(
            shown,
            tokens.iter().map(|t| rule.selects(t)).collect::<Vec<_>>()
        );
    }
}
