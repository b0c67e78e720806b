//! What the rule for cutting a continuation from text changes.

use firetender_lm::{CutPolicy, LikelihoodModel, TextEncoder, cut_pair};
use serde::Serialize;

use super::{RunOptions, Silent, evaluate};
use crate::{Example, ScalingError, Task};

/// How two boundary rules differ on a task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BoundaryDifference {
    /// The rule.
    pub boundary: &'static str,
    /// Pairs of prompt and continuation.
    pub pairs: usize,
    /// Pairs that the rule refuses.
    pub errors: usize,
    /// Pairs whose tokens differ from those of the first rule.
    pub different: usize,
    /// Number of the first such example.
    pub first: Option<usize>,
    /// Examples whose chosen class differs from that of the first rule; `None` without a model.
    pub flips: Option<usize>,
}

/// Compares policies on a task with the first of them: pairs whose tokens differ, and, with a model, predictions that flip.
///
/// # Errors
/// As [`evaluate`].
pub fn compare_boundaries(
    task: &Task,
    encoder: &dyn TextEncoder,
    policies: &[CutPolicy],
    max_positions: usize,
    mut model: Option<&mut dyn LikelihoodModel>,
) -> Result<Vec<BoundaryDifference>, ScalingError> {
    type Cut = Option<(Vec<u32>, Vec<u32>)>;
    let cut = |policy: &CutPolicy| -> Vec<(usize, Cut)> {
        let mut out = vec![];
        for (index, example) in task.examples.iter().enumerate() {
            let continuations: Vec<&String> = match example {
                Example::Classification { classes, .. } | Example::LogOdds { classes, .. } => {
                    classes.iter().collect()
                }
                Example::SequenceProb { completion, .. } => vec![completion],
                Example::Numeric { .. } => vec![],
            };
            for continuation in continuations {
                let found = cut_pair(
                    encoder,
                    example.prompt(),
                    continuation,
                    policy,
                    max_positions,
                );
                out.push((index, found.ok().map(|cut| (cut.context, cut.continuation))));
            }
        }
        out
    };
    let mut first: Option<Vec<(usize, Cut)>> = None;
    let mut first_choices: Option<Vec<Option<usize>>> = None;
    let mut found = vec![];
    for policy in policies {
        let pairs = cut(policy);
        let reference = first.get_or_insert_with(|| pairs.clone());
        let mut differing = pairs
            .iter()
            .zip(reference.iter())
            .filter(|((_, a), (_, b))| a.is_some() && b.is_some() && a != b)
            .map(|((index, _), _)| *index);
        let first_index = differing.next();
        let different = differing.count() + usize::from(first_index.is_some());
        let flips = match model.as_deref_mut() {
            None => None,
            Some(model) => {
                let options = RunOptions {
                    policy: *policy,
                    ..RunOptions::default()
                };
                let evaluation = evaluate(model, encoder, task, &options, None, &mut Silent)?;
                let choices: Vec<Option<usize>> = evaluation
                    .results
                    .iter()
                    .map(|r| r.scores.as_ref().and_then(|s| s.chosen))
                    .collect();
                let reference = first_choices.get_or_insert_with(|| choices.clone());
                let flips = choices
                    .iter()
                    .zip(reference.iter())
                    .filter(|(a, b)| a.is_some() && b.is_some() && a != b)
                    .count();
                Some(flips)
            }
        };
        found.push(BoundaryDifference {
            boundary: policy.boundary.name(),
            pairs: pairs.len(),
            errors: pairs.iter().filter(|(_, cut)| cut.is_none()).count(),
            different,
            first: first_index,
            flips,
        });
    }
    Ok(found)
}
