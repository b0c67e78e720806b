//! The laws of gates.

use std::{collections::BTreeMap, ops::ControlFlow};

use firetender_hooks::{Chain, Intervene, Padding, SiteKind, Untouched};
use firetender_lm::{
    CausalLm, GenerateOptions, ScoreRequest, Transformer, generate, score, score_rows,
};
use firetender_steer::{
    Benign, Condition, Decision, Entry, Fires, Gate, GateMethod, GateRead, GateReport, GateRule,
    GateTrainer, GatedPlan, GatedSteering, Join, LogisticOptions, NextTokenOdds, Plan, Probe,
    Scope, Scorer, Silent, SteeringVector, Timing, best_f1, damage, gate_damage, gate_effect,
    generate_gated,
};

use crate::support::{direction, host, logits, model, pass, rows, uneven};

/// A vector at blocks 0 to 3: on both sides of a gate at block 1.
fn mood() -> SteeringVector {
    let directions = (0..4).map(|layer| (layer, direction())).collect();
    SteeringVector::new("plus", "minus", SiteKind::ResidPost, 32, 4, directions).unwrap()
}

fn linear(layer: usize) -> Probe {
    let weights: Vec<f64> = (0..32).map(|i| f64::from((i * 7 + 3) % 11) - 5.0).collect();
    Probe::new(layer, Scorer::Linear { weights, bias: 0.0 })
}

fn gate() -> Gate {
    Gate::new("some", SiteKind::ResidPost, 32, 4, vec![linear(1)]).unwrap()
}

/// A gate that fires on exactly some of the prompts: its threshold lies in the widest gap between their scores.
fn mixed(model: &Transformer, prompts: &[Vec<u32>]) -> (Gate, Vec<bool>) {
    let margins = gate().margins(model, prompts).unwrap();
    let mut sorted = margins.clone();
    sorted.sort_by(f64::total_cmp);
    let gap = |pair: &[f64]| pair[1] - pair[0];
    let widest = sorted.windows(2).max_by(|a, b| gap(a).total_cmp(&gap(b)));
    let threshold = widest.map(|pair| (pair[0] + pair[1]) / 2.0).unwrap();
    let fires: Vec<bool> = margins.iter().map(|m| *m >= threshold).collect();
    assert!(fires.contains(&true) && fires.contains(&false));
    (gate().with_threshold(threshold), fires)
}

fn compile(model: &Transformer, gated: &GatedPlan) -> GatedSteering {
    gated.compile(&model.shape(), &model.device()).unwrap()
}

fn steering(model: &Transformer, plan: &Plan) -> firetender_steer::Steering {
    plan.compile(&model.shape(), &model.device()).unwrap()
}

#[test]
fn infinite_thresholds_mean_always_and_never() {
    for family in ["llama", "gpt2"] {
        let model = model(family);
        let whole = pass(&uneven(), Padding::Left);
        let plain = logits(&model, &whole, &mut Untouched);
        let always = logits(&model, &whole, &mut steering(&model, &Plan::of(mood())));
        let later = Plan::new().with(Entry::new(mood(), 1.0).with_layers("2..".parse().unwrap()));
        let later = logits(&model, &whole, &mut steering(&model, &later));
        for timing in [Timing::LaterLayersThenAll, Timing::SecondPrefill] {
            let with = |threshold| {
                let gated = GatedPlan::of(gate().with_threshold(threshold), Plan::of(mood()));
                let mut gated = compile(&model, &gated.with_timing(timing));
                if timing == Timing::SecondPrefill {
                    gated.decide(&model, &uneven(), 2).unwrap();
                }
                logits(&model, &whole, &mut gated)
            };
            assert_eq!(with(f64::INFINITY), plain, "never: every bit");
            let expected = if timing == Timing::SecondPrefill {
                &always
            } else {
                &later
            };
            assert_eq!(&with(f64::NEG_INFINITY), expected, "{timing:?}");
        }
        // A gate that fires below its threshold is the other way round.
        let below = Gate::new(
            "x",
            SiteKind::ResidPost,
            32,
            4,
            vec![linear(1).with_threshold(Fires::Below, f64::NEG_INFINITY)],
        );
        let mut below = compile(&model, &GatedPlan::of(below.unwrap(), Plan::of(mood())));
        assert_eq!(logits(&model, &whole, &mut below), plain);
    }
}

/// CAST's library looks at row 0 only; here every row of a mixed batch is the row alone.
#[test]
fn rows_of_a_mixed_batch_are_decided_on_their_own() {
    let model = model("llama");
    let prompts = [uneven(), rows()[1..].to_vec()].concat();
    let (gate, fires) = mixed(&model, &prompts);
    for timing in [Timing::LaterLayersThenAll, Timing::SecondPrefill] {
        let plan = GatedPlan::of(gate.clone(), Plan::of(mood())).with_timing(timing);
        let mut gated = compile(&model, &plan);
        if timing == Timing::SecondPrefill {
            let decided = gated.decide(&model, &prompts, 4).unwrap();
            assert_eq!(
                decided.iter().map(Decision::fired).collect::<Vec<_>>(),
                fires
            );
        }
        for padding in [Padding::Left, Padding::Right] {
            let together = model
                .logits(&pass(&prompts, padding), None, &mut gated)
                .unwrap();
            let found: Vec<bool> = gated
                .decisions()
                .iter()
                .map(|d| d.as_ref().unwrap().fired())
                .collect();
            assert_eq!(found, fires);
            for (i, row) in prompts.iter().enumerate() {
                let start = if padding == Padding::Left {
                    10 - row.len()
                } else {
                    0
                };
                let found = host(together.clone().slice([i..i + 1, start..start + row.len()]));
                let alone = pass(std::slice::from_ref(row), Padding::Left);
                let mut fresh = compile(&model, &plan);
                if timing == Timing::SecondPrefill {
                    fresh.decide(&model, std::slice::from_ref(row), 1).unwrap();
                }
                let alone_gated = logits(&model, &alone, &mut fresh);
                let plain = logits(&model, &alone, &mut Untouched);
                for (a, b) in alone_gated.iter().zip(&found) {
                    assert!(
                        (a - b).abs() < 1e-4,
                        "{timing:?}, {padding:?}, row {i}: {a} and {b}"
                    );
                }
                assert_eq!(
                    alone_gated == plain,
                    !fires[i],
                    "row {i} is steered only where its gate fires"
                );
            }
        }
    }
}

fn write(
    model: &Transformer,
    prompts: &[Vec<u32>],
    options: &GenerateOptions,
    gated: &mut GatedSteering,
) -> (Vec<Vec<u32>>, Vec<bool>) {
    let go_on = &mut |_| ControlFlow::Continue(());
    let (texts, decisions) = generate_gated(model, None, prompts, options, gated, go_on).unwrap();
    (
        texts.into_iter().map(|one| one.ids).collect(),
        decisions.iter().map(Decision::fired).collect(),
    )
}

/// Decided once, kept under the cache: the same text with a cache, without one, alone, and (see [`Timing`]) in chunks.
#[test]
fn decisions_are_kept_while_generating() {
    let model = model("llama");
    let prompts = uneven();
    let (gate, fires) = mixed(&model, &prompts);
    for (timing, rule, read) in [
        (Timing::LaterLayersThenAll, "all", GateRead::LastToken),
        (
            Timing::LaterLayersThenAll,
            "from_last_prompt",
            GateRead::LastToken,
        ),
        (Timing::SecondPrefill, "all", GateRead::LastToken),
        (Timing::SecondPrefill, "generated", GateRead::LastToken),
        (Timing::LaterLayersThenAll, "all", GateRead::Mean),
    ] {
        let plan = Plan::new().with(Entry::new(mood(), 0.5).with_tokens(rule.parse().unwrap()));
        let plan = GatedPlan::of(gate.clone().with_read(read), plan).with_timing(timing);
        let options = GenerateOptions::new(8);
        let mut gated = compile(&model, &plan);
        let (cached, fired) = write(&model, &prompts, &options, &mut gated);
        if read == GateRead::LastToken {
            assert_eq!(fired, fires);
        }
        let slow = write(
            &model,
            &prompts,
            &options.clone().without_cache(),
            &mut compile(&model, &plan),
        );
        assert_eq!(
            (&slow.0, &slow.1),
            (&cached, &fired),
            "{timing:?} {rule} without a cache"
        );
        let again = write(&model, &prompts, &options, &mut gated);
        assert_eq!(
            (&again.0, &again.1),
            (&cached, &fired),
            "the same hook again"
        );
        for (i, prompt) in prompts.iter().enumerate() {
            let alone = write(
                &model,
                std::slice::from_ref(prompt),
                &options,
                &mut compile(&model, &plan),
            );
            assert_eq!(
                (&alone.0[0], alone.1[0]),
                (&cached[i], fired[i]),
                "{timing:?} {rule} alone"
            );
        }
        if timing == Timing::SecondPrefill || rule != "all" || read == GateRead::Mean {
            let mut chunked = options.clone();
            chunked.prefill_chunk = Some(3);
            let chunked = write(&model, &prompts, &chunked, &mut compile(&model, &plan));
            assert_eq!(chunked.1, fired, "{timing:?} {rule} in chunks");
            if rule != "all" || timing == Timing::SecondPrefill {
                assert_eq!(chunked.0, cached, "{timing:?} {rule} in chunks");
            }
        }
        // What a gate that does not fire writes is what the plain model writes.
        let go_on = &mut |_| ControlFlow::Continue(());
        let plain = generate(&model, None, &prompts, &options, &mut Untouched, go_on).unwrap();
        for (i, one) in plain.iter().enumerate().filter(|(i, _)| !fired[*i]) {
            assert_eq!(one.ids, cached[i]);
        }
    }
}

#[test]
fn scoring_keeps_the_decision_for_every_continuation() {
    let model = model("gpt2");
    let prompts = uneven();
    let (gate, _) = mixed(&model, &prompts);
    for context in prompts {
        let plan = GatedPlan::of(gate.clone(), Plan::of(mood()).scaled(0.5));
        let request = ScoreRequest {
            context,
            continuations: vec![vec![7], vec![7, 8, 9], vec![1, 2]],
        };
        let shared = score(&model, &request, &mut compile(&model, &plan)).unwrap();
        let single = score_rows(&model, &request, &mut compile(&model, &plan)).unwrap();
        for (a, b) in shared.iter().zip(&single) {
            for (x, y) in a.log_probs.iter().zip(&b.log_probs) {
                assert!((x - y).abs() < 3e-5);
            }
        }
    }
}

/// With a second prefill, gating in the loop is the paper's mixture; with the later layers only it is not.
#[test]
fn in_the_loop_and_mixture() {
    let model = model("llama");
    let prompts = [uneven(), rows()[1..].to_vec()].concat();
    let (gate, fires) = mixed(&model, &prompts);
    let effect = NextTokenOdds::new(prompts.clone(), vec![3, 4], vec![5, 6]).unwrap();
    let benign = Benign::new(prompts.clone(), Scope::AllTokens).unwrap();
    for timing in [Timing::SecondPrefill, Timing::LaterLayersThenAll] {
        let plan = GatedPlan::of(gate.clone(), Plan::of(mood()).scaled(0.3)).with_timing(timing);
        let mut gated = compile(&model, &plan);
        let found = gate_effect(&model, &mut gated, &prompts, &effect).unwrap();
        assert_eq!(
            found
                .decisions
                .iter()
                .map(Decision::fired)
                .collect::<Vec<_>>(),
            fires
        );
        let mut apart = 0.0f64;
        for (i, fires) in fires.iter().enumerate() {
            assert_eq!(
                found.mixture[i],
                if *fires {
                    found.always[i]
                } else {
                    found.plain[i]
                }
            );
            apart = apart.max((found.in_loop[i] - found.mixture[i]).abs());
            assert!(
                *fires
                    || found.in_loop[i] == found.plain[i]
                    || (found.in_loop[i] - found.plain[i]).abs() < 2e-5
            );
        }
        let harm = gate_damage(&model, &mut gated, &benign, &mut Silent).unwrap();
        assert_eq!(harm.fired(), found.fired());
        for (i, prompt) in harm.mixture.prompts.iter().enumerate() {
            assert_eq!(
                prompt.kl == 0.0,
                !fires[i],
                "an unsteered prompt is not damaged"
            );
        }
        if timing == Timing::SecondPrefill {
            assert!(apart < 3e-5, "{apart}");
            assert!((harm.in_loop.kl() - harm.mixture.kl()).abs() < 1e-4 * harm.mixture.kl());
        } else {
            assert!(
                apart > 1e-2,
                "block 0 and 1 are not steered in the prompt's pass: {apart}"
            );
        }
        let all = damage(
            &model,
            &mut steering(&model, &Plan::of(mood()).scaled(0.3)),
            &benign,
            4,
            &mut Silent,
        )
        .unwrap();
        assert!((all.kl() - harm.always.kl()).abs() < 1e-4 * all.kl());
    }
}

#[test]
fn several_conditions_join_by_rules() {
    let model = model("llama");
    let prompts = uneven();
    let (harm, fires) = mixed(&model, &prompts);
    let conditions = BTreeMap::from([
        ("harm".to_string(), Condition::Gate(Box::new(harm))),
        ("guard".to_string(), Condition::External),
    ]);
    let other = Plan::of(mood().random_like(3));
    let plan = GatedPlan::new(conditions)
        .with_case("harm or guard".parse().unwrap(), Plan::of(mood()))
        .unwrap()
        .with_case("guard and not harm".parse().unwrap(), other.clone())
        .unwrap()
        .with_timing(Timing::SecondPrefill);
    let error = compile(&model, &plan)
        .decide(&model, &prompts, 2)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`conditions`") && error.contains("guard"),
        "{error}"
    );
    let mut gated = compile(&model, &plan).with_external(|name, _row, prompt| {
        assert_eq!(name, "guard");
        prompt.len() == 4
    });
    let decided = gated.decide(&model, &prompts, 3).unwrap();
    for (i, decision) in decided.iter().enumerate() {
        let guard = i == 2;
        assert_eq!(decision.cases, [fires[i] || guard, guard && !fires[i]]);
        let single = pass(std::slice::from_ref(&prompts[i]), Padding::Left);
        let (mut a, mut b) = (
            steering(&model, &Plan::of(mood())),
            steering(&model, &other),
        );
        let mut chain = Chain::new();
        if decision.cases[0] {
            chain = chain.then(&mut a);
        }
        if decision.cases[1] {
            chain = chain.then(&mut b);
        }
        assert_eq!(
            logits(&model, &single, &mut gated),
            logits(&model, &single, &mut chain)
        );
    }
    // Decisions can be set from outside altogether.
    let fixed = vec![Decision {
        cases: vec![true, false],
        ..Decision::default()
    }];
    gated.set_decisions(Some(fixed)).unwrap();
    let single = pass(&prompts[..1], Padding::Left);
    assert_eq!(
        logits(&model, &single, &mut gated),
        logits(&model, &single, &mut steering(&model, &Plan::of(mood())))
    );
    assert!(
        gated
            .set_decisions(Some(vec![Decision::default()]))
            .is_err()
    );
}

#[test]
fn any_and_all_layers() {
    let model = model("gpt2");
    let prompts = [uneven(), rows()[1..].to_vec()].concat();
    let probes = || {
        vec![
            linear(1).with_threshold(Fires::Above, 1.0),
            linear(2).with_threshold(Fires::Below, 4.0),
        ]
    };
    let gate = |join| {
        Gate::new("x", SiteKind::ResidPost, 32, 4, probes())
            .unwrap()
            .with_join(join)
    };
    let one = |probe| {
        Gate::new("x", SiteKind::ResidPost, 32, 4, vec![probe])
            .unwrap()
            .margins(&model, &prompts)
            .unwrap()
    };
    let (a, b) = (one(probes().remove(0)), one(probes().remove(1)));
    let (any, all) = (
        gate(Join::Any).margins(&model, &prompts).unwrap(),
        gate(Join::All).margins(&model, &prompts).unwrap(),
    );
    for i in 0..prompts.len() {
        assert_eq!(any[i] >= 0.0, a[i] >= 0.0 || b[i] >= 0.0);
        assert_eq!(all[i] >= 0.0, a[i] >= 0.0 && b[i] >= 0.0);
    }
    // The compiled gate computes the margins that the trainer's reader does.
    let mut gated = compile(&model, &GatedPlan::of(gate(Join::Any), Plan::of(mood())));
    for (found, margin) in gated.decide(&model, &prompts, 2).unwrap().iter().zip(&any) {
        assert!((found.margins["gate"] - margin).abs() < 1e-4 * (1.0 + margin.abs()));
    }
}

/// Prompts of two kinds that any probe tells apart, by their last token.
fn two_kinds(n: u32) -> [Vec<Vec<u32>>; 2] {
    let rows = |last: u32, salt: u32| {
        let row = |i: u32| vec![(i * 13 + salt) % 97, last + i % 2];
        (0..n).map(row).collect()
    };
    [rows(20, 1), rows(60, 5)]
}

#[test]
fn every_method_learns_and_keeps_its_false_alarms() {
    let model = model("llama");
    let [yes, no] = two_kinds(40);
    let split = |set: &[Vec<u32>]| (set[..20].to_vec(), set[20..].to_vec());
    let ((fit_yes, cal_yes), (fit_no, cal_no)) = (split(&yes), split(&no));
    for method in [
        GateMethod::Logistic(LogisticOptions::default()),
        GateMethod::Whitened(0.2),
        GateMethod::Dot,
        GateMethod::Condition(50),
    ] {
        for (layers, join) in [("1", Join::Any), ("1,2,3", Join::All), ("0..3", Join::Any)] {
            let trainer = GateTrainer::new("kind", method)
                .with_layers(layers.parse().unwrap())
                .with_join(join);
            let gate = trainer.fit(&model, &fit_yes, &fit_no, &mut Silent).unwrap();
            // Random weights: the condition's bent score tells the kinds apart where it was fitted only.
            let condition = matches!(method, GateMethod::Condition(_));
            let least = if condition { 0.0 } else { 0.7 };
            for fpr in [0.0, 0.05, 0.3, 1.0] {
                let (calibrated, report) = gate.calibrated(&model, &cal_yes, &cal_no, fpr).unwrap();
                assert!(
                    report.fpr <= fpr + 1e-12,
                    "{method:?} {layers}: {} at {fpr}",
                    report.fpr
                );
                assert!(fpr < 1.0 || report.tpr == 1.0);
                assert_eq!(calibrated.report(), Some(&report));
                assert!(report.auc > least, "{method:?} {layers}: {}", report.auc);
                let text = serde_json::to_string(&calibrated).unwrap();
                assert_eq!(serde_json::from_str::<Gate>(&text).unwrap(), calibrated);
            }
        }
    }
}

#[test]
fn the_condition_is_the_papers() {
    let score = |c: [f64; 3], h: [f64; 3]| {
        Probe::new(
            0,
            Scorer::Condition {
                direction: c.to_vec(),
            },
        )
        .score(&h)
    };
    // From torch: cosine_similarity(h, tanh(outer(c, c) / dot(c, c) @ h)).
    assert!((score([1.0, 2.0, -1.0], [3.5, 1.0, 2.0]) - 0.349834978580475).abs() < 1e-6);
    assert!((score([1.0, 2.0, -1.0], [0.5, 1.0, 2.0]) - 0.0870386483336982).abs() < 1e-6);
    assert_eq!(
        score([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]),
        0.0,
        "nothing along the condition"
    );
}

#[test]
fn reports_and_f1_equal_counting() {
    let (yes, no) = ([0.5, 2.0, -1.0, 0.5], [-2.0, 0.5, -0.5]);
    let report = GateReport::measure(&yes, &no).unwrap();
    assert_eq!((report.tpr, report.fpr), (0.75, 1.0 / 3.0));
    for point in &report.roc {
        let count = |list: &[f64]| {
            list.iter().filter(|x| **x >= point.margin).count() as f64 / list.len() as f64
        };
        assert_eq!((point.tpr, point.fpr), (count(&yes), count(&no)));
    }
    let area: f64 = report
        .roc
        .windows(2)
        .map(|w| (w[1].fpr - w[0].fpr) * (w[1].tpr + w[0].tpr) / 2.0)
        .sum();
    assert!(
        (area - report.auc).abs() < 1e-12,
        "the area under the curve is the AUC"
    );
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<GateReport>(&text).unwrap(), report);
    assert!(GateReport::measure(&[], &no).is_none());
    let (fires, threshold, f1) = best_f1(&yes, &no, 6).unwrap();
    assert_eq!(fires, Fires::Above);
    assert!((threshold + 4.0 / 3.0).abs() < 1e-12 && (f1 - 0.8).abs() < 1e-12);
}

#[test]
fn wrong_gates_name_their_field() {
    let model = model("llama");
    let make = |probes: Vec<Probe>| Gate::new("x", SiteKind::ResidPost, 32, 4, probes);
    let what = |gate: Result<Gate, firetender_steer::SteerError>| gate.unwrap_err().to_string();
    assert!(what(make(vec![])).contains("`probes`"));
    assert!(what(make(vec![linear(4)])).contains("`layer` is 4"));
    assert!(what(make(vec![linear(1), linear(1)])).contains("two probes"));
    let scorer = |direction| Probe::new(0, Scorer::Dot { direction });
    assert!(what(make(vec![scorer(vec![1.0])])).contains("`direction` has 1 numbers"));
    assert!(what(make(vec![scorer(vec![0.0; 32])])).contains("squared length 0"));
    assert!(what(make(vec![scorer(vec![f64::NAN; 32])])).contains("NaN"));
    assert!(
        what(make(vec![linear(0).with_threshold(Fires::Above, f64::NAN)])).contains("`threshold`")
    );
    assert!(
        what(make(vec![Probe {
            scale: 0.0,
            ..linear(0)
        }]))
        .contains("`scale`")
    );
    assert!(
        what(Gate::new(" ", SiteKind::ResidPost, 32, 4, vec![linear(0)])).contains("`fires_on`")
    );
    let fitted = gate().with_fingerprint("abc");
    let error = fitted
        .check_fits(&model.shape(), Some("def"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("fingerprint is abc; expected def"),
        "{error}"
    );
    let deep = Gate::new("x", SiteKind::ResidPost, 32, 9, vec![linear(1)]).unwrap();
    let error = GatedPlan::of(deep, Plan::new())
        .compile(&model.shape(), &model.device())
        .unwrap_err()
        .to_string();
    assert!(error.contains("gate: number of layers is 9"), "{error}");
    let none = GatedPlan::new(BTreeMap::new()).compile(&model.shape(), &model.device());
    assert!(none.unwrap_err().to_string().contains("`cases`"));
    let rows = uneven();
    assert!(
        gate()
            .calibrated(&model, &rows, &rows, 1.5)
            .unwrap_err()
            .to_string()
            .contains("`fpr`")
    );
    assert!(
        gate()
            .calibrated(&model, &[], &rows, 0.5)
            .unwrap_err()
            .to_string()
            .contains("`positive`")
    );
    let endless = gate()
        .with_threshold(f64::INFINITY)
        .calibrated(&model, &rows, &rows, 0.5);
    assert!(endless.unwrap_err().to_string().contains("`threshold`"));
    let trainer = GateTrainer::new("x", GateMethod::Dot).with_layers("1".parse().unwrap());
    assert!(
        trainer
            .fit(&model, &rows, &[], &mut Silent)
            .unwrap_err()
            .to_string()
            .contains("`negative`")
    );
    assert!(
        trainer
            .fit(&model, &rows, &rows, &mut Silent)
            .unwrap_err()
            .to_string()
            .contains("reads the same")
    );
    let flat = GateTrainer::new("x", GateMethod::Whitened(0.0)).with_layers("1".parse().unwrap());
    let [yes, no] = two_kinds(3);
    assert!(
        flat.fit(&model, &yes, &no, &mut Silent)
            .unwrap_err()
            .to_string()
            .contains("`shrinkage`")
    );
    for rule in ["", "a and", "(a", "a b", "not", "a or and b", ")", "a & b"] {
        assert!(
            rule.parse::<GateRule>()
                .unwrap_err()
                .to_string()
                .contains("`when`"),
            "{rule}"
        );
    }
    let deep = format!("{}a{}", "(".repeat(1000), ")".repeat(1000));
    assert!(deep.parse::<GateRule>().is_err());
}

#[test]
fn gates_and_gated_plans_round_trip_and_refuse_what_is_foreign() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate.json");
    for threshold in [0.1 + 0.2, f64::INFINITY, f64::NEG_INFINITY] {
        let gate = gate()
            .with_threshold(threshold)
            .with_fingerprint("f")
            .with_read(GateRead::Mean)
            .with_join(Join::All);
        gate.save(&path).unwrap();
        assert_eq!(Gate::load(&path).unwrap(), gate);
    }
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to, what) in [
        ("\"format\": 1", "\"format\": 7", "`format` is 7"),
        ("\"join\": \"all\"", "\"join\": \"most\"", "most"),
        ("\"width\": 32", "\"width\": 31", "`weights`"),
        (
            "\"threshold\": \"-inf\"",
            "\"threshold\": \"low\"",
            "threshold",
        ),
        ("\"fires_on\"", "\"fires\"", "unknown field"),
        ("\"resid_post\"", "\"resid\"", "resid"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = Gate::load(&path).unwrap_err().to_string();
        assert!(
            error.contains(what) && error.contains("gate.json"),
            "{error}"
        );
    }
    let conditions = BTreeMap::from([
        ("a".to_string(), Condition::Gate(Box::new(gate()))),
        ("b".to_string(), Condition::External),
    ]);
    let plan = GatedPlan::new(conditions)
        .with_case("not (a and b) or b".parse().unwrap(), Plan::of(mood()))
        .unwrap();
    let plan = plan.with_timing(Timing::SecondPrefill);
    plan.save(&path).unwrap();
    assert_eq!(GatedPlan::load(&path).unwrap(), plan);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("not (a and b)", "not (a and c)")).unwrap();
    assert!(
        GatedPlan::load(&path)
            .unwrap_err()
            .to_string()
            .contains("names `c`")
    );
}

/// A hook that has not seen the prompts of a cache cannot know what was decided.
#[test]
#[should_panic(expected = "has not seen these rows' prompts")]
fn a_gate_that_comes_late_says_so() {
    let model = model("llama");
    let whole = pass(&uneven(), Padding::Left);
    let mut cache = model.new_cache(3, 10).unwrap();
    model
        .hidden(&whole.chunk(0..6), Some(&mut cache), &mut Untouched)
        .unwrap();
    let mut gated = compile(&model, &GatedPlan::of(gate(), Plan::of(mood())));
    gated.begin(&whole.chunk(6..10));
}
