//! What every likelihood model promises, as one function that checks it.

use super::LikelihoodModel;
use crate::{ScoreRequest, Scored};

/// Checks what every [`LikelihoodModel`] promises, for a model that knows the tokens below `vocab` (at least 8): one value for each token; probabilities of all tokens sum to
/// one; the chain rule; independence of order, company and of tokens that come later; and errors instead of guesses for empty input. `tolerance` is that of a log-probability.
///
/// # Errors
/// What is broken, in words.
pub fn likelihood_conformance(
    model: &mut dyn LikelihoodModel,
    vocab: u32,
    tolerance: f64,
) -> Result<(), String> {
    let token = |seed: u32| seed.wrapping_mul(2_654_435_761) >> 7;
    let tokens = |seed: u32, length: u32| -> Vec<u32> {
        (0..length)
            .map(|i| token(seed * 31 + i + 1) % vocab)
            .collect()
    };
    // Two contexts begin alike, lengths differ, one continuation begins another.
    let tail = tokens(9, 3);
    let requests: Vec<ScoreRequest> = [(1, 5), (1, 7), (3, 5), (4, 2)]
        .into_iter()
        .map(|(seed, length)| ScoreRequest {
            context: tokens(seed, length),
            continuations: vec![tail.clone(), tail[..2].to_vec(), tokens(seed + 20, 1)],
        })
        .collect();
    let mut run = |requests: &[ScoreRequest]| {
        let scored = model.score(requests).map_err(|error| error.to_string())?;
        let counts: Vec<Vec<[usize; 2]>> = scored
            .iter()
            .map(|list| {
                list.iter()
                    .map(|s| [s.log_probs.len(), s.greedy.len()])
                    .collect()
            })
            .collect();
        let expected: Vec<Vec<[usize; 2]>> = requests
            .iter()
            .map(|request| request.continuations.iter().map(|c| [c.len(); 2]).collect())
            .collect();
        if counts != expected {
            return Err(format!(
                "{counts:?} values; expected one for each token: {expected:?}"
            ));
        }
        if let Some(value) = scored
            .iter()
            .flatten()
            .flat_map(|s| &s.log_probs)
            .find(|value| value.is_nan() || **value > tolerance)
        {
            return Err(format!("a log-probability of {value}; expected at most 0"));
        }
        Ok(scored)
    };
    let together = run(&requests)?;
    let near = |what: &str, a: &[Vec<Scored>], b: &[Vec<Scored>]| {
        let values = |lists: &[Vec<Scored>]| -> Vec<f64> {
            lists
                .iter()
                .flatten()
                .flat_map(|s| s.log_probs.clone())
                .collect()
        };
        for (a, b) in values(a).into_iter().zip(values(b)) {
            if (a - b).abs() > tolerance {
                return Err(format!(
                    "{what}: {a} and {b} differ by more than {tolerance}"
                ));
            }
        }
        Ok(())
    };
    let reversed: Vec<ScoreRequest> = requests.iter().rev().cloned().collect();
    let mut backwards = run(&reversed)?;
    backwards.reverse();
    near(
        "scores depend on the order of requests",
        &together,
        &backwards,
    )?;
    for (request, scores) in requests.iter().zip(&together) {
        let alone = run(std::slice::from_ref(request))?;
        near(
            "scores depend on the company of a request",
            std::slice::from_ref(scores),
            &alone,
        )?;
        // The first two tokens of the longer continuation do not know of the third.
        let (long, short) = (&scores[0].log_probs[..2], &scores[1].log_probs);
        for (a, b) in long.iter().zip(short) {
            if (a - b).abs() > tolerance {
                return Err(format!(
                    "a later token changes an earlier score: {a} and {b}"
                ));
            }
        }
        // s(c1 c2 | x) = s(c1 | x) + s(c2 | x c1).
        let longer = ScoreRequest {
            context: [request.context.as_slice(), &tail[..1]].concat(),
            continuations: vec![tail[1..].to_vec()],
        };
        let rest = run(&[longer])?[0][0].total();
        let chain = scores[0].log_probs[0] + rest;
        if (chain - scores[0].total()).abs() > 4.0 * tolerance {
            return Err(format!(
                "the chain rule fails: {chain} and {}",
                scores[0].total()
            ));
        }
    }
    let every = ScoreRequest {
        context: tokens(5, 4),
        continuations: (0..vocab).map(|id| vec![id]).collect(),
    };
    let scored = run(&[every])?;
    let sum: f64 = scored[0].iter().map(|s| s.total().exp()).sum();
    if (sum - 1.0).abs() > 1e-4 {
        return Err(format!(
            "the probabilities of all tokens sum to {sum}; expected 1"
        ));
    }
    if scored[0].iter().filter(|s| s.greedy[0]).count() != 1 {
        return Err("not exactly one of all tokens is the most likely one".into());
    }
    for broken in [
        ScoreRequest {
            context: vec![],
            continuations: vec![vec![0]],
        },
        ScoreRequest {
            context: vec![0],
            continuations: vec![vec![]],
        },
    ] {
        if model.score(&[broken]).is_ok() {
            return Err("an empty context or continuation was scored".into());
        }
    }
    Ok(())
}
