//! Steered logits as Python computes them: operators, sites, token windows, padding.

use burn::tensor::{Device, Tensor};
use firetender_hooks::{Padding, SiteKind};
use firetender_lm::CausalLm;
use firetender_steer::{Entry, Operator, Plan, TokenRule};
use serde_json::Value;

use crate::support::{Golden, assert_near, host, logits, model, pass, vector};

fn plan(golden: &Golden, edits: &Value) -> Plan {
    let mut plan = Plan::new();
    for edit in edits.as_array().unwrap() {
        let text = |key: &str| edit[key].as_str().unwrap();
        let (site, layer) = text("site").split_once('.').unwrap_or((text("site"), "0"));
        let site: SiteKind = site.parse().unwrap();
        let direction = golden.f32(text("vector"));
        let vector = vector(site, layer.parse().unwrap(), 4, &direction);
        let tokens: TokenRule = match edit["start"].as_u64().unwrap() {
            0 => TokenRule::all(),
            start => format!("prompt:{start}..+generated").parse().unwrap(),
        };
        let entry = Entry::new(vector, edit["strength"].as_f64().unwrap()).with_tokens(tokens);
        plan = plan.with(match text("operator") {
            "add" => entry,
            "project_out" => entry.with_operator(Operator::ProjectOut),
            "project_out_then_add" => entry.with_operator(Operator::ProjectThenAdd),
            "norm_preserving_add" => entry.keeping_norm(),
            other => panic!("{other}"),
        });
    }
    plan
}

#[test]
fn every_case_equals_the_originals() {
    let mut cases = 0;
    for family in ["llama", "gpt2", "qwen2", "gpt_neox"] {
        let golden = Golden::open(&format!("steered/{family}.safetensors"));
        let (model, rows) = (model(family), golden.tokens("tokens"));
        let whole = pass(&rows, Padding::Left);
        for (case, edits) in golden.about["cases"].as_object().unwrap() {
            let plan = plan(&golden, edits);
            let mut steering = plan.compile(&model.shape(), &model.device()).unwrap();
            let found = logits(&model, &whole, &mut steering);
            let found: Vec<f32> = found
                .chunks(97)
                .enumerate()
                .filter(|(cell, _)| [4, 9].contains(&(cell % 10)))
                .flat_map(|(_, row)| row.iter().copied())
                .collect();
            let expected = golden.values(&format!("case.{case}"));
            // Each side is within 1.1e-5 of f64 unsteered; a steered stream is a few times longer.
            assert_near(&found, expected, 1e-4, &format!("{family} {case}"));
            cases += 1;
        }
    }
    assert_eq!(cases, 42, "16 cases of two families, 5 of two others");
}

#[test]
fn padding_on_either_side_changes_nothing_at_real_tokens() {
    let golden = Golden::open("steered/llama.safetensors");
    let rows: Vec<Vec<u32>> = golden
        .tokens("tokens")
        .iter()
        .zip([10, 7, 4])
        .map(|(row, n)| row[..n].to_vec())
        .collect();
    for family in ["llama", "gpt2", "gpt_neox"] {
        let model = model(family);
        for edits in golden.about["cases"].as_object().unwrap().values() {
            let mut steering = plan(&golden, edits)
                .compile(&model.shape(), &model.device())
                .unwrap();
            let run = |rows: &[Vec<u32>], side, steering: &mut firetender_steer::Steering| {
                model.logits(&pass(rows, side), None, steering).unwrap()
            };
            let left = run(&rows, Padding::Left, &mut steering);
            let right = run(&rows, Padding::Right, &mut steering);
            for (i, row) in rows.iter().enumerate() {
                let alone = run(std::slice::from_ref(row), Padding::Left, &mut steering);
                let alone: Vec<f64> = host(alone).into_iter().map(f64::from).collect();
                let cut = |batch: &Tensor<3>, start: usize| {
                    host(batch.clone().slice([i..i + 1, start..start + row.len()]))
                };
                // The model's own tolerance for another order of the same sums.
                assert_near(&cut(&left, 10 - row.len()), &alone, 2e-5, "left");
                assert_near(&cut(&right, 0), &alone, 2e-5, "right");
            }
        }
    }
}

#[test]
fn plans_come_back_from_text_and_compile_to_the_same() {
    let golden = Golden::open("steered/gpt2.safetensors");
    let (model, whole) = (model("gpt2"), pass(&golden.tokens("tokens"), Padding::Left));
    for edits in golden.about["cases"].as_object().unwrap().values() {
        let plan = plan(&golden, edits);
        let text = serde_json::to_string_pretty(&plan).unwrap();
        let again: Plan = serde_json::from_str(&text).unwrap();
        assert_eq!(again, plan);
        let run = |plan: &Plan| {
            let mut steering = plan.compile(&model.shape(), &Device::flex()).unwrap();
            logits(&model, &whole, &mut steering)
        };
        assert_eq!(run(&plan), run(&again));
    }
}
