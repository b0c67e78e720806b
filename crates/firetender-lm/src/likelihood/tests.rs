use burn::tensor::Device;

use firetender_hooks::Untouched;

use super::*;
use crate::{ModelConfig, Positions, Transformer, score_rows};

fn model() -> Transformer {
    Transformer::init(&ModelConfig::llama(40, 32, 2, 4, 2, 48), 3, &Device::flex()).unwrap()
}

fn requests() -> Vec<ScoreRequest> {
    (0..23_u32)
        .map(|i| {
            let length = 5 + i % 4;
            let context: Vec<u32> = (0..length)
                .map(|at| if at < 4 { at + 1 } else { (i * 7 + at) % 40 })
                .collect();
            let continuations = (0..2 + i % 2)
                .map(|c| {
                    (0..1 + (i + c) % 3)
                        .map(|t| (i + c * 11 + t * 5) % 40)
                        .collect()
                })
                .collect();
            ScoreRequest {
                context,
                continuations,
            }
        })
        .collect()
}

fn largest_difference(a: &[Vec<Scored>], b: &[Vec<Scored>]) -> f64 {
    assert_eq!(a.len(), b.len());
    let mut largest = 0.0_f64;
    for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
        assert_eq!(a.greedy, b.greedy);
        for (a, b) in a.log_probs.iter().zip(&b.log_probs) {
            largest = largest.max((a - b).abs());
        }
    }
    largest
}

#[test]
fn every_way_of_sharing_gives_the_scores_of_the_slow_route() {
    let (model, requests) = (model(), requests());
    let slow: Vec<Vec<Scored>> = requests
        .iter()
        .map(|request| score_rows(&model, request, &mut Untouched).unwrap())
        .collect();
    for sharing in [
        Sharing::default(),
        Sharing::one_by_one(),
        Sharing {
            prefix: false,
            ..Sharing::default()
        },
        Sharing {
            tokens: 17,
            ..Sharing::default()
        },
        Sharing {
            rows: 3,
            ..Sharing::default()
        },
        Sharing {
            columns: 40,
            ..Sharing::default()
        },
    ] {
        let found = score_batch(&model, &requests, sharing, &mut Untouched).unwrap();
        let difference = largest_difference(&found, &slow);
        assert!(difference < 1e-5, "{sharing:?}: {difference}");
    }
}

#[test]
fn the_conformance_test_accepts_models_that_keep_their_promises() {
    let model = model();
    likelihood_conformance(&mut LmScorer::new(&model, "tiny"), 40, 1e-5).unwrap();
    let mut table = LogitsModel::new("bigram", 64, |tokens: &[u32]| {
        let row = |t: &u32| (0..9).map(|v| ((t * 5 + v * 3) % 7) as f32).collect();
        Ok(tokens.iter().map(row).collect())
    });
    likelihood_conformance(&mut table, 9, 1e-9).unwrap();
}

/// A model that breaks one promise.
struct Broken<'a>(LogitsModel<'a>, &'static str);

impl LikelihoodModel for Broken<'_> {
    fn max_positions(&self) -> usize {
        64
    }

    fn fingerprint(&self) -> String {
        "broken".into()
    }

    fn score(&mut self, requests: &[ScoreRequest]) -> Result<Vec<Vec<Scored>>, LmError> {
        let mut scored = self.0.score(requests)?;
        match self.1 {
            "short" => scored[0][0].log_probs.truncate(1),
            "company" => scored[0][0].log_probs[0] -= 0.01 * requests.len() as f64,
            "mass" => scored
                .iter_mut()
                .flatten()
                .for_each(|s| s.log_probs[0] -= 0.5),
            _ => scored
                .iter_mut()
                .flatten()
                .for_each(|s| s.greedy.fill(true)),
        }
        Ok(scored)
    }
}

#[test]
fn the_conformance_test_refuses_each_broken_promise() {
    for (fault, words) in [
        ("short", "one for each token"),
        ("company", "depend on"),
        ("mass", "chain rule"),
        ("greedy", "most likely"),
    ] {
        let table = LogitsModel::new("bigram", 64, |tokens: &[u32]| {
            let row = |t: &u32| (0..9).map(|v| ((t * 5 + v * 3) % 7) as f32).collect();
            Ok(tokens.iter().map(row).collect())
        });
        let error = likelihood_conformance(&mut Broken(table, fault), 9, 1e-9).unwrap_err();
        assert!(error.contains(words), "{fault}: {error}");
    }
}

#[test]
fn what_cannot_be_scored_is_refused() {
    let model = model();
    let mut scorer = LmScorer::new(&model, "tiny");
    let long = ScoreRequest {
        context: vec![1; 3000],
        continuations: vec![vec![1]],
    };
    assert!(scorer.score(&[long.clone(), long]).is_err());
    assert!(scorer.score(&[]).unwrap().is_empty());
    let mut wrong = LogitsModel::new("wrong", 8, |_: &[u32]| Ok(vec![vec![0.0; 4]]));
    let request = ScoreRequest {
        context: vec![1, 2],
        continuations: vec![vec![1]],
    };
    assert!(
        wrong
            .score(&[request])
            .unwrap_err()
            .to_string()
            .contains("1 lists of logits for 2")
    );
}

/// Demonstrations that all prompts have in common, behind them two kinds of instruction, and classes that begin alike.
fn few_shot() -> Vec<ScoreRequest> {
    (0..30_u32)
        .map(|i| {
            let shots = (0..40).map(|at| (at * 7 + 1) % 40);
            let instruction = (0..12).map(|at| (at * 5 + i % 2) % 40);
            let question = (0..3 + i % 5).map(|at| (i * 11 + at * 3) % 40);
            ScoreRequest {
                context: shots.chain(instruction).chain(question).collect(),
                continuations: vec![vec![4, 5, i], vec![4, 5, i + 1, 6], vec![4], vec![9, i % 7]],
            }
        })
        .collect()
}

#[test]
fn few_shot_prompts_and_classes_that_begin_alike_are_scored_as_by_the_slow_route() {
    let config = ModelConfig {
        sliding_window: Some(9),
        ..ModelConfig::llama(40, 32, 2, 4, 2, 48)
    };
    let learned = ModelConfig {
        positions: Positions::Learned,
        ..ModelConfig::llama(40, 32, 2, 4, 4, 48)
    };
    for model in [
        model(),
        Transformer::init(&config, 1, &Device::flex()).unwrap(),
        Transformer::init(&learned, 2, &Device::flex()).unwrap(),
    ] {
        let requests = few_shot();
        let slow: Vec<Vec<Scored>> = requests
            .iter()
            .map(|request| score_rows(&model, request, &mut Untouched).unwrap())
            .collect();
        for sharing in [
            Sharing::default(),
            Sharing {
                tokens: 30,
                rows: 8,
                ..Sharing::default()
            },
        ] {
            let found = score_batch(&model, &requests, sharing, &mut Untouched).unwrap();
            let difference = largest_difference(&found, &slow);
            assert!(difference < 1e-5, "{sharing:?}: {difference}");
        }
    }
}

#[test]
fn the_order_of_requests_changes_no_bit_and_the_size_of_blocks_next_to_nothing() {
    let (model, requests) = (model(), few_shot());
    let score = |requests: &[ScoreRequest], sharing| {
        score_batch(&model, requests, sharing, &mut Untouched).unwrap()
    };
    let all = score(&requests, Sharing::default());
    let mut order: Vec<usize> = (0..requests.len()).collect();
    for turn in 1..6 {
        order.sort_by_key(|i| (i * 7919 * turn) % 31);
        let mixed: Vec<ScoreRequest> = order.iter().map(|i| requests[*i].clone()).collect();
        let found = score(&mixed, Sharing::default());
        for (at, i) in order.iter().enumerate() {
            assert_eq!(found[at], all[*i], "bit for bit");
        }
    }
    for rows in [1, 2, 5, 64] {
        let sharing = Sharing {
            rows,
            ..Sharing::default()
        };
        assert!(largest_difference(&score(&requests, sharing), &all) < 1e-5);
    }
    // A request asked twice has one answer.
    let twice = score(
        &[requests[3].clone(), requests[3].clone()],
        Sharing::default(),
    );
    assert_eq!(twice[0], twice[1]);
}

#[test]
fn threads_change_no_bit() {
    let (model, requests) = (model(), few_shot());
    let run = || score_batch(&model, &requests, Sharing::default(), &mut Untouched).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
    assert_eq!(pool.build().unwrap().install(run), run());
}
