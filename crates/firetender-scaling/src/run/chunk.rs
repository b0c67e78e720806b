//! A chunk of examples: scored in one call, written as lines of a log, and had back from them.

use std::collections::HashMap;

use firetender_lm::{LikelihoodModel, ScoreRequest, Scored};
use serde_json::{Map, Value, json};

use super::Piece;
use crate::{ClassScore, RunLog, ScalingError, log::Entry};

/// What rounding may make of a log-probability of 0.
const LARGEST: f64 = 1e-4;

/// Scores of a chunk: for each example its continuations with their keys, or why not.
pub(super) type Scores = Vec<Result<Vec<(ClassScore, String)>, String>>;

pub(super) fn score_chunk(
    model: &mut dyn LikelihoodModel,
    cut: Vec<Result<Vec<Piece>, String>>,
) -> Scores {
    // One request for each context, in the order in which contexts first occur.
    let mut places: HashMap<Vec<u32>, usize> = HashMap::new();
    let mut requests: Vec<ScoreRequest> = vec![];
    for piece in cut.iter().flatten().flatten() {
        let at = *places.entry(piece.context.clone()).or_insert_with(|| {
            requests.push(ScoreRequest {
                context: piece.context.clone(),
                continuations: vec![],
            });
            requests.len() - 1
        });
        if !requests[at].continuations.contains(&piece.continuation) {
            requests[at].continuations.push(piece.continuation.clone());
        }
    }
    let scored: Vec<Result<Vec<Scored>, String>> = match model.score(&requests) {
        Ok(scored) => scored.into_iter().map(Ok).collect(),
        // One bad request must not take the others with it.
        Err(_) => requests
            .iter()
            .map(|request| match model.score(std::slice::from_ref(request)) {
                Ok(mut scored) if scored.len() == 1 => Ok(scored.remove(0)),
                Ok(_) => Err("the model gave another number of results than requests".to_owned()),
                Err(error) => Err(error.to_string()),
            })
            .collect(),
    };
    cut.into_iter()
        .map(|pieces| {
            pieces?
                .into_iter()
                .map(|piece| {
                    let at = places[&piece.context];
                    let scores = match scored.get(at) {
                        Some(Ok(scores)) => scores,
                        Some(Err(what)) => return Err(what.clone()),
                        None => return Err("the model gave no result".into()),
                    };
                    let which = requests[at]
                        .continuations
                        .iter()
                        .position(|c| *c == piece.continuation);
                    let score = which.and_then(|which| scores.get(which));
                    match score {
                        Some(score) if score.log_probs.len() == piece.continuation.len() => {
                            if let Some(bad) =
                                score.log_probs.iter().find(|v| v.is_nan() || **v > LARGEST)
                            {
                                return Err(format!("the model gave a log-probability of {bad}"));
                            }
                            let score =
                                ClassScore::new(piece.continuation, score.clone(), piece.dropped);
                            Ok((score, piece.key))
                        }
                        _ => Err("the model gave another number of values than tokens".into()),
                    }
                })
                .collect()
        })
        .collect()
}

/// The log's lines of a chunk.
pub(super) fn lines(scored: &Scores, first: usize) -> Vec<Map<String, Value>> {
    let mut lines = vec![];
    let mut push = |value: Value| {
        if let Value::Object(line) = value {
            lines.push(line);
        }
    };
    for (offset, example) in scored.iter().enumerate() {
        match example {
            Err(what) => push(json!({ "example": first + offset, "error": what })),
            Ok(list) => {
                for (at, (score, key)) in list.iter().enumerate() {
                    // JSON has no infinity: an impossible token is null.
                    push(json!({
                        "key": key, "example": first + offset, "class": at, "tokens": score.tokens,
                        "log_probs": score.log_probs, "greedy": score.greedy, "dropped": score.dropped,
                    }));
                }
            }
        }
    }
    lines
}

/// What came of each example of a chunk.
pub(super) type Restored = Vec<Result<Vec<ClassScore>, String>>;

/// The scores of a chunk from the log, if all of it is there.
pub(super) fn restore(
    entries: &[Entry],
    cut: &[Result<Vec<Piece>, String>],
    first: usize,
    log: &RunLog,
) -> Result<Option<Restored>, ScalingError> {
    let mut entries = entries.iter().peekable();
    let mut restored = vec![];
    for (offset, pieces) in cut.iter().enumerate() {
        let Some(next) = entries.peek() else {
            return Ok(None);
        };
        if next.whole("example") != Some(first + offset) {
            return Err(log.wrong(
                next.line,
                "lines of the log are missing or in another order",
            ));
        }
        if let Some(Value::String(what)) = next.value.get("error") {
            restored.push(Err(what.clone()));
            entries.next();
            continue;
        }
        let Ok(pieces) = pieces else {
            return Err(log.wrong(
                next.line,
                "the log has scores of an example that cannot be cut into tokens",
            ));
        };
        let mut scores = vec![];
        for piece in pieces {
            let Some(entry) = entries.next() else {
                return Ok(None);
            };
            let same = entry.value.get("key").and_then(Value::as_str) == Some(&piece.key);
            let numbers = |name: &str| entry.value.get(name).and_then(Value::as_array);
            let (Some(values), Some(greedy), true) =
                (numbers("log_probs"), numbers("greedy"), same)
            else {
                return Err(log.wrong(entry.line, "the log has other tokens for this example"));
            };
            // An impossible token is null; anything else is a log-probability.
            let log_probs: Option<Vec<f64>> = values
                .iter()
                .map(|value| match value {
                    Value::Null => Some(f64::NEG_INFINITY),
                    other => other.as_f64().filter(|value| *value <= LARGEST),
                })
                .collect();
            let greedy: Option<Vec<bool>> = greedy.iter().map(Value::as_bool).collect();
            let (Some(log_probs), Some(greedy)) = (log_probs, greedy) else {
                return Err(log.wrong(
                    entry.line,
                    "the log has values that are no log-probabilities",
                ));
            };
            if log_probs.len() != piece.continuation.len() || greedy.len() != log_probs.len() {
                return Err(log.wrong(
                    entry.line,
                    "the log has another number of values than tokens",
                ));
            }
            scores.push(ClassScore {
                tokens: piece.continuation.clone(),
                log_probs,
                greedy,
                dropped: piece.dropped,
            });
        }
        restored.push(Ok(scores));
    }
    match entries.next() {
        Some(extra) => Err(log.wrong(
            extra.line,
            "the log has more lines than this example has continuations",
        )),
        None => Ok(Some(restored)),
    }
}
