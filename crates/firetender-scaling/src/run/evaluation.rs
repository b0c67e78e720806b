//! What came of an evaluation, example by example, and its means.

use firetender_lm::CutPolicy;
use serde::Serialize;

use crate::{Baselines, ClassScore, Example, ExampleScores, Mean, SCORES, mean, wilson};

/// What came of one example.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExampleResult {
    /// Its number in the task.
    pub index: usize,
    /// Its group.
    pub part: Option<u32>,
    /// Its scores, unless it failed.
    pub scores: Option<ExampleScores>,
    /// The scored continuations: classes (after the prompt, then after the other prompt, then alone).
    pub classes: Vec<ClassScore>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A model's results on a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The model's fingerprint.
    pub model: String,
    /// The tokenizer's.
    pub tokenizer: String,
    /// The policies.
    pub policy: CutPolicy,
    /// The task's name.
    pub task: String,
    /// SHA-256 of the task's file.
    pub sha256: String,
    /// How the examples came from the file.
    pub origin: String,
    /// One for each example, in the order of the task.
    pub results: Vec<ExampleResult>,
    /// What guessing is worth.
    pub baselines: Option<Baselines>,
}

/// Means over the examples of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Examples with scores.
    pub n: usize,
    /// Examples without.
    pub failed: usize,
    /// Examples of which the oldest part of the prompt was dropped.
    pub truncated: usize,
    /// Mean and standard error of each score that the examples have.
    pub scores: Vec<(&'static str, Mean)>,
    /// Wilson's interval of the accuracy.
    pub accuracy_interval: Option<(f64, f64)>,
    /// Whether every loss is exactly ln K: classes scored as the same tokens.
    pub suspicious: bool,
}

impl Summary {
    /// The mean of a score.
    #[must_use]
    pub fn mean(&self, name: &str) -> Option<f64> {
        self.scores
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, mean)| mean.mean)
    }

    /// Its standard error.
    #[must_use]
    pub fn stderr(&self, name: &str) -> Option<f64> {
        self.scores
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, mean)| mean.stderr)
    }
}

impl Evaluation {
    /// Means with n − `ddof` under the root of their errors (lm-eval: 1; the contest's pipeline: 0).
    #[must_use]
    pub fn summary(&self, ddof: usize) -> Summary {
        let scored: Vec<&ExampleScores> = self
            .results
            .iter()
            .filter_map(|r| r.scores.as_ref())
            .collect();
        let values = |name: &str| {
            scored
                .iter()
                .filter_map(|s| s.get(name))
                .collect::<Vec<f64>>()
        };
        let accuracy = values("accuracy");
        let correct = accuracy.iter().sum::<f64>() as u64;
        let ln_k = |result: &ExampleResult| {
            let k = result.classes.len();
            let loss = result.scores.as_ref().and_then(|s| s.loss);
            k > 1 && loss.is_some_and(|loss| (loss - (k as f64).ln()).abs() < 1e-9)
        };
        Summary {
            n: scored.len(),
            failed: self.results.len() - scored.len(),
            truncated: self
                .results
                .iter()
                .filter(|r| r.classes.iter().any(|c| c.dropped > 0))
                .count(),
            scores: SCORES
                .into_iter()
                .filter_map(|name| Some((name, mean(&values(name), ddof)?)))
                .collect(),
            accuracy_interval: (!accuracy.is_empty())
                .then(|| wilson(correct, accuracy.len() as u64)),
            suspicious: self.results.len() > 1 && self.results.iter().all(ln_k),
        }
    }

    /// The groups of the task's examples, in order; empty where it has none.
    #[must_use]
    pub fn parts(&self) -> Vec<u32> {
        let parts: std::collections::BTreeSet<u32> =
            self.results.iter().filter_map(|r| r.part).collect();
        parts.into_iter().collect()
    }

    /// The examples of one group only, as an evaluation of their own; what guessing is worth on them is not known here.
    #[must_use]
    pub fn part(&self, part: u32) -> Self {
        let results = self.results.iter().filter(|r| r.part == Some(part));
        Self {
            results: results.cloned().collect(),
            task: format!("{} (part {part})", self.task),
            origin: format!("{}, part {part}", self.origin),
            baselines: None,
            ..self.clone()
        }
    }

    /// A score of every example, if all have it.
    #[must_use]
    pub fn values(&self, name: &str) -> Option<Vec<f64>> {
        self.results
            .iter()
            .map(|result| result.scores.as_ref().and_then(|s| s.get(name)))
            .collect()
    }
}

pub(super) fn result(
    index: usize,
    example: &Example,
    scored: Result<Vec<ClassScore>, String>,
) -> ExampleResult {
    let empty = ExampleResult {
        index,
        part: example.part(),
        scores: None,
        classes: vec![],
        error: None,
    };
    let classes = match scored {
        Ok(classes) => classes,
        Err(what) => {
            return ExampleResult {
                error: Some(what),
                ..empty
            };
        }
    };
    let totals: Vec<f64> = classes.iter().map(ClassScore::total).collect();
    let scores = match example {
        Example::Classification {
            classes: texts,
            answer,
            ..
        } => {
            let k = texts.len();
            let tokens: Vec<usize> = classes.iter().map(|c| c.tokens.len()).collect();
            let alone = (totals.len() == 2 * k).then(|| &totals[k..]);
            Some(ExampleScores::classification(
                &totals[..k],
                texts,
                &tokens[..k],
                *answer,
                alone,
            ))
        }
        Example::SequenceProb { completion, .. } => classes
            .first()
            .map(|score| ExampleScores::sequence(score, completion)),
        Example::LogOdds { answer, .. } => match totals[..] {
            [a, b, c, d] => Some(ExampleScores::log_odds([a, b], [c, d], *answer)),
            _ => None,
        },
        Example::Numeric { .. } => None,
    };
    let error = scores
        .is_none()
        .then(|| "no scores for this type of example".to_owned());
    ExampleResult {
        scores,
        classes,
        error,
        ..empty
    }
}
