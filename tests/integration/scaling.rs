//! Likelihoods beside lm-evaluation-harness, and the prize's files and published results where they are present.

use std::fs;

use burn::tensor::Device;
use firetender_ember::family;
use firetender_kit::{data, golden_json};
use firetender_lm::{
    CausalLm, Checkpoint, CutPolicy, LikelihoodModel, LmScorer, ScoreRequest, StartToken,
    Transformer, Truncation, cut_pair, likelihood_conformance,
};
use firetender_scaling::{
    Example, RunOptions, Silent, Verified, benjamini_hochberg, evaluate, parse_list, read_task,
    two_factor, verify, write_task,
};

fn member() -> (Checkpoint, Transformer) {
    let checkpoint = family::checkpoint("92k", 0).unwrap();
    let model = Transformer::load(
        &checkpoint.config,
        checkpoint.source.as_ref(),
        checkpoint.layout(),
        &Device::flex(),
    )
    .unwrap();
    (checkpoint, model)
}

const LEFT: CutPolicy = CutPolicy {
    boundary: firetender_lm::Boundary::LmEval,
    start: StartToken::Tokenizer,
    truncation: Truncation::Left,
    empty: firetender_lm::EmptyContinuation::Error,
};

#[test]
fn likelihoods_are_those_of_the_harness_token_by_token() {
    let golden = golden_json("likelihood.json");
    let (checkpoint, model) = member();
    let tokenizer = checkpoint.tokenizer().unwrap();
    let mut scorer = LmScorer::new(&model, "ember-92k-s0");
    let (mut requests, mut pairs) = (vec![], vec![]);
    for pair in golden["pairs"].as_array().unwrap() {
        let text = |name: &str| pair[name].as_str().unwrap();
        let cut = cut_pair(
            tokenizer,
            text("prompt"),
            text("continuation"),
            &LEFT,
            model.shape().max_positions,
        )
        .unwrap();
        let expected: Vec<u32> = serde_json::from_value(pair["tokens"].clone()).unwrap();
        assert_eq!(cut.continuation, expected, "{pair}");
        // The harness drops from the left, too; the golden length is before that.
        assert_eq!(
            cut.context.len() + cut.dropped,
            pair["context"].as_u64().unwrap() as usize,
            "{pair}"
        );
        requests.push(ScoreRequest {
            context: cut.context,
            continuations: vec![cut.continuation],
        });
        pairs.push(pair);
    }
    let scored = scorer.score(&requests).unwrap();
    for (pair, scored) in pairs.iter().zip(&scored) {
        let expected: Vec<f64> = serde_json::from_value(pair["log_probs"].clone()).unwrap();
        for (found, expected) in scored[0].log_probs.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected} {pair}");
        }
        let total = pair["harness"].as_f64().unwrap();
        assert!(
            (scored[0].total() - total).abs() < 1e-4 * total.abs().max(1.0),
            "{pair}"
        );
        assert_eq!(
            scored[0].greedy.iter().all(|g| *g),
            pair["greedy"].as_bool().unwrap(),
            "{pair}"
        );
    }
}

#[test]
fn members_of_the_family_keep_the_promises_of_a_likelihood_model() {
    let (_, model) = member();
    likelihood_conformance(&mut LmScorer::new(&model, "ember-92k-s0"), 768, 2e-5).unwrap();
}

#[test]
fn the_official_files_are_read_verified_and_written_again_byte_for_byte() {
    for (name, rows, answers) in [
        ("neqa_classification.jsonl", 300, [137, 163]),
        ("memo-trap_classification.jsonl", 936, [484, 452]),
    ] {
        let Some(path) = data(&format!("inverse-scaling/{name}")) else {
            return;
        };
        let bytes = fs::read(path).unwrap();
        assert_eq!(verify(name, &bytes), Verified::Official);
        let text = String::from_utf8(bytes).unwrap();
        let task = read_task(name, &text).unwrap();
        assert_eq!(task.examples.len(), rows);
        assert!(write_task(&task.examples) == text, "{name}");
        let mut found = [0, 0];
        for example in &task.examples {
            if let Example::Classification { answer, .. } = example {
                found[*answer] += 1;
            }
        }
        assert_eq!(found, answers, "{name}");
        // Splitting at quotes differs on the rows with apostrophes only.
        let naive: Vec<usize> = text
            .lines()
            .enumerate()
            .filter(|(_, line)| {
                let record: serde_json::Value = serde_json::from_str(line).unwrap();
                let literal = record["classes"].as_str().unwrap();
                let split: Vec<&str> = literal.split('\'').skip(1).step_by(2).collect();
                parse_list(literal).unwrap() != split
            })
            .map(|(row, _)| row)
            .collect();
        assert_eq!(naive, if rows == 936 { vec![203, 493] } else { vec![] });
        let parts = |part| {
            task.examples
                .iter()
                .filter(|e| e.part() == Some(part))
                .count()
        };
        if rows == 936 {
            assert_eq!((parts(1), parts(3)), (837, 99));
        }
    }
}

#[test]
fn accuracies_on_the_official_files_are_those_of_the_harness() {
    let golden = golden_json("likelihood.json");
    let (checkpoint, model) = member();
    for name in [
        "neqa_classification.jsonl",
        "memo-trap_classification.jsonl",
    ] {
        let Some(path) = data(&format!("inverse-scaling/{name}")) else {
            return;
        };
        let task = read_task(name, &fs::read_to_string(path).unwrap()).unwrap();
        let options = RunOptions {
            policy: LEFT,
            ..RunOptions::default()
        };
        let mut scorer = LmScorer::new(&model, "ember-92k-s0");
        let found = evaluate(
            &mut scorer,
            checkpoint.tokenizer().unwrap(),
            &task,
            &options,
            None,
            &mut Silent,
        )
        .unwrap();
        let (summary, expected) = (found.summary(1), &golden["files"][name]);
        let value = |field: &str| expected[field].as_f64().unwrap();
        assert_eq!(summary.n as f64, value("n"));
        assert!(
            (summary.mean("accuracy").unwrap() - value("acc")).abs() < 1e-12,
            "{name}"
        );
        assert!(
            (summary.mean("acc_norm").unwrap() - value("acc_norm")).abs() < 1e-12,
            "{name}"
        );
        assert!(
            (summary.stderr("accuracy").unwrap() - value("stderr")).abs() < 1e-12,
            "{name}"
        );
        let sum: f64 = found
            .results
            .iter()
            .flat_map(|r| &r.classes)
            .map(|c| c.total())
            .sum();
        assert!(
            (sum - value("sum")).abs() < 1e-5 * sum.abs(),
            "{sum} {expected}"
        );
    }
}

#[test]
fn the_published_regression_of_pythia_comes_out() {
    let Some(path) = data("inverse-scaling/pythia_isp_results/all_results.tsv") else {
        return;
    };
    let text = fs::read_to_string(path).unwrap();
    let mut tasks: std::collections::BTreeMap<String, [Vec<f64>; 3]> = Default::default();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let size = firetender_scaling::parse_size(fields[0]).unwrap();
        let step: f64 = fields[1].strip_prefix("step").unwrap().parse().unwrap();
        let lists = tasks.entry(fields[2].into()).or_default();
        lists[0].push(size);
        lists[1].push(step * 2_097_152.0);
        lists[2].push(fields[3].parse().unwrap());
    }
    assert_eq!(tasks.len(), 12);
    let found: Vec<_> = tasks
        .values()
        .map(|[p, t, y]| two_factor(p, t, y).unwrap())
        .collect();
    let p: Vec<f64> = found
        .iter()
        .flat_map(|f| [f.parameters.p, f.tokens.p, f.interaction.p])
        .collect();
    let adjusted = benjamini_hochberg(&p);
    for (name, t, expected_p) in [
        ("isp_memo_trap", [-10.0470, -11.3436, -9.7104], None),
        (
            "isp_hindsight_neglect",
            [-4.2155, -4.6940, -2.8849],
            Some([2.19e-4, 4.43e-5, 0.0115]),
        ),
    ] {
        let at = tasks.keys().position(|task| task == name).unwrap();
        let terms = [
            found[at].parameters,
            found[at].tokens,
            found[at].interaction,
        ];
        assert_eq!((found[at].runs, found[at].df), (64, 60));
        for (term, t) in terms.iter().zip(t) {
            assert!((term.t - t).abs() < 5.1e-5, "{name}: {} {t}", term.t);
        }
        if let Some(expected) = expected_p {
            for (found, expected) in adjusted[3 * at..3 * at + 3].iter().zip(expected) {
                assert!(
                    (found / expected - 1.0).abs() < 5e-3,
                    "{name}: {found} {expected}"
                );
            }
        }
    }
}
