use burn::tensor::Device;

use super::*;
use crate::{ModelConfig, Transformer};

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
