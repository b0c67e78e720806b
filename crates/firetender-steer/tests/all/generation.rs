//! Greedy text under every token rule: with a cache, without one, in chunks, in any batch, and as Python writes it.

use std::{collections::BTreeMap, ops::ControlFlow};

use firetender_hooks::{Intervene, SiteKind};
use firetender_lm::{
    CausalLm, GenerateOptions, ScoreRequest, Transformer, generate, score, score_rows,
};
use firetender_steer::{Adapt, AdaptTo, Conflict, Entry, Operator, Plan, Schedule, TokenRule};

use crate::support::{direction, golden_path, model, vector};

fn write(
    model: &Transformer,
    prompts: &[Vec<u32>],
    options: &GenerateOptions,
    hook: &mut dyn Intervene,
) -> Vec<Vec<u32>> {
    let go_on = &mut |_| ControlFlow::Continue(());
    let written = generate(model, None, prompts, options, hook, go_on).unwrap();
    written.into_iter().map(|one| one.ids).collect()
}

fn ids(value: &serde_json::Value) -> Vec<Vec<u32>> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn greedy_text_under_every_rule_equals_the_originals() {
    let golden: serde_json::Value =
        serde_json::from_slice(&std::fs::read(golden_path("generation.json")).unwrap()).unwrap();
    let prompts = ids(&golden["prompts"]);
    let mut cases = 0;
    for (family, about) in golden["models"].as_object().unwrap() {
        let model = model(family);
        let strength = about["strength"].as_f64().unwrap();
        for (rule, case) in about["rules"].as_object().unwrap() {
            let vector = vector(SiteKind::ResidPost, 1, 4, &direction());
            let plan = match rule.as_str() {
                "none" => Plan::new(),
                name => {
                    let text = match name {
                        "generated_2_to_5" => "generated:2..5",
                        "positions_0_to_3" => "positions:0,1,2",
                        other => other,
                    };
                    Plan::new()
                        .with(Entry::new(vector, strength).with_tokens(text.parse().unwrap()))
                }
            };
            let mut steering = plan.compile(&model.shape(), &model.device()).unwrap();
            let expected = ids(&case["ids"]);
            let options = GenerateOptions::new(12);
            let what = format!("{family} {rule}");
            let cached = write(&model, &prompts, &options, &mut steering);
            assert_eq!(cached, expected, "{what}, cached");
            let uncached = options.clone().without_cache();
            let uncached = write(&model, &prompts, &uncached, &mut steering);
            assert_eq!(uncached, expected, "{what}, without a cache");
            for chunk in [1, 3] {
                let mut chunked = options.clone();
                chunked.prefill_chunk = Some(chunk);
                let chunked = write(&model, &prompts, &chunked, &mut steering);
                assert_eq!(chunked, expected, "{what}, chunks of {chunk}");
            }
            for (prompt, expected) in prompts.iter().zip(&expected) {
                let alone = write(
                    &model,
                    std::slice::from_ref(prompt),
                    &options,
                    &mut steering,
                );
                assert_eq!(&alone[0], expected, "{what}, alone");
            }
            cases += 1;
        }
    }
    assert_eq!(cases, 28);
}

/// Rules and operators beyond the originals': every way of running has to agree with the slow one.
#[test]
fn every_other_rule_and_operator_is_the_same_in_every_way_of_running() {
    let model = model("llama");
    let prompts = crate::support::uneven();
    let policies = [Conflict::Sum, Conflict::InOrder, Conflict::FirstWins];
    for (rule, conflict) in [
        "last:3",
        "positions:0,11,-2",
        "prompt:1..-1",
        "generated:..3",
        "ids:72,49,96,38",
        "all!generated:1..4!positions:0",
    ]
    .into_iter()
    .zip(policies.into_iter().cycle())
    {
        for operator in [
            Operator::Add,
            Operator::ProjectThenAdd,
            Operator::Piecewise,
            Operator::Clamp {
                low: Some(2.0),
                high: None,
            },
        ] {
            let tokens: TokenRule = rule.parse().unwrap();
            let vector = vector(SiteKind::ResidPost, 1, 4, &direction());
            let entry = Entry::new(&vector, 1.0)
                .with_tokens(tokens)
                .with_operator(operator.clone());
            // A second entry, so that schedules, weights, adaptation and the policy go through every way of running too.
            let second = Entry::new(vector.random_like(5), 1.5)
                .with_schedule(Schedule::Linear {
                    from: 1.0,
                    to: 0.0,
                    steps: 5,
                })
                .with_token_weights(BTreeMap::from([(0, 0.0), (-1, 2.0)]))
                .with_adapt(Adapt {
                    of: AdaptTo::Cosine,
                    from: -0.5,
                    to: 0.5,
                });
            let plan = Plan::new().with(entry).with(second).with_conflict(conflict);
            let mut steering = plan.compile(&model.shape(), &model.device()).unwrap();
            let options = GenerateOptions::new(8);
            let slow = write(
                &model,
                &prompts,
                &options.clone().without_cache(),
                &mut steering,
            );
            assert_eq!(
                write(&model, &prompts, &options, &mut steering),
                slow,
                "{rule} {operator:?}"
            );
            let mut chunked = options.clone();
            chunked.prefill_chunk = Some(2);
            assert_eq!(
                write(&model, &prompts, &chunked, &mut steering),
                slow,
                "{rule} in chunks"
            );
        }
    }
}

/// Scoring a text gives the probabilities that generating it gave: phases are known by token, not by pass.
#[test]
fn scoring_selects_the_same_tokens_as_generating() {
    let model = model("gpt2");
    for rule in [
        "all",
        "prompt",
        "generated",
        "from_last_prompt",
        "generated:1..3",
        "last:2",
    ] {
        let vector = vector(SiteKind::ResidPost, 1, 4, &direction());
        let plan = Plan::new().with(Entry::new(vector, 2.0).with_tokens(rule.parse().unwrap()));
        let mut steering = plan.compile(&model.shape(), &model.device()).unwrap();
        let prompt = crate::support::uneven()[1].clone();
        let options = GenerateOptions::new(6);
        let go_on = &mut |_| ControlFlow::Continue(());
        let written = generate(
            &model,
            None,
            std::slice::from_ref(&prompt),
            &options,
            &mut steering,
            go_on,
        )
        .unwrap();
        let request = ScoreRequest {
            context: prompt,
            continuations: vec![written[0].ids.clone()],
        };
        let shared = score(&model, &request, &mut steering).unwrap();
        let whole = score_rows(&model, &request, &mut steering).unwrap();
        for (step, log_prob) in written[0].log_probs.iter().enumerate() {
            for scored in [&shared[0], &whole[0]] {
                assert!(
                    (scored.log_probs[step] - log_prob).abs() < 1e-4,
                    "{rule}, step {step}"
                );
            }
        }
    }
}
