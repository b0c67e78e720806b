//! The runner: from a task and a model to scores of every example.
//!
//! The examples are taken in chunks in the order of the task. Of each chunk, texts are cut into tokens, equal contexts are put together, and the model scores all of them in one call, so that
//! it can share what contexts have in common. What is scored together depends on the chunk alone: resuming gives the same bits. An example that cannot be cut or scored becomes a recorded
//! error and the others go on.

mod boundaries;
mod chunk;
mod curve;
mod evaluation;
mod pieces;

use firetender_lm::{CutPolicy, LikelihoodModel, TextEncoder};
use serde_json::{Value, json};

use crate::{RunLog, ScalingError, Task, baselines, log::Entry};
use chunk::{lines, restore, score_chunk};
use evaluation::result;
use pieces::{Piece, pieces};

pub use boundaries::{BoundaryDifference, compare_boundaries};
pub use curve::curve_of;
pub use evaluation::{Evaluation, ExampleResult, Summary};

/// Conventions of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// How texts become tokens.
    pub policy: CutPolicy,
    /// Whether classes are scored without a prompt, too, for [`ExampleScores::acc_pmi`](crate::ExampleScores::acc_pmi). Needs a start token.
    pub pmi: bool,
    /// Examples that are scored together.
    pub chunk: usize,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            policy: CutPolicy::default(),
            pmi: false,
            chunk: 256,
        }
    }
}

/// Hears how an evaluation gets on.
pub trait RunObserver {
    /// `done` of `total` examples have scores.
    fn scored(&mut self, done: usize, total: usize) {
        let _ = (done, total);
    }

    /// An example could not be scored.
    fn failed(&mut self, example: usize, what: &str) {
        let _ = (example, what);
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl RunObserver for Silent {}

/// Evaluates a model on a task. With a log, what stands there is not scored again, and what is new is appended in the order of the task.
///
/// ```
/// use firetender_lm::{LmError, LogitsModel, TextEncoder};
/// use firetender_scaling::{RunOptions, Silent, Style, evaluate, generate};
///
/// /// One token a byte.
/// struct Bytes;
/// impl TextEncoder for Bytes {
///     fn encode_text(&self, text: &str) -> Result<Vec<u32>, LmError> {
///         Ok(text.bytes().map(u32::from).collect())
///     }
///     fn start_tokens(&self) -> Vec<u32> {
///         vec![]
///     }
///     fn fingerprint(&self) -> String {
///         "bytes".into()
///     }
/// }
/// // A model to which all bytes are equally likely knows nothing: its loss is that of guessing.
/// let mut uniform = LogitsModel::new("uniform", 4096, |tokens: &[u32]| Ok(vec![vec![0.0; 256]; tokens.len()]));
/// let task = generate(Style::SigFigs, 10, 0);
/// let found = evaluate(&mut uniform, &Bytes, &task, &RunOptions::default(), None, &mut Silent)?;
/// assert!((found.summary(1).mean("loss").unwrap() - 2f64.ln()).abs() < 1e-9);
/// # Ok::<(), firetender_scaling::ScalingError>(())
/// ```
///
/// # Errors
/// A log of another run or one that cannot be written. Examples that cannot be scored are part of the result.
pub fn evaluate(
    model: &mut dyn LikelihoodModel,
    encoder: &dyn TextEncoder,
    task: &Task,
    options: &RunOptions,
    mut log: Option<&mut RunLog>,
    observer: &mut dyn RunObserver,
) -> Result<Evaluation, ScalingError> {
    let (fingerprint, tokenizer) = (model.fingerprint(), encoder.fingerprint());
    let chunk = options.chunk.max(1);
    let Value::Object(header) = json!({
        "log": "firetender-scaling 1", "model": fingerprint, "tokenizer": tokenizer, "policy": options.policy.name(),
        "task": task.name, "sha256": task.sha256, "origin": task.origin, "examples": task.examples.len(),
        "pmi": options.pmi, "chunk": chunk,
    }) else {
        return Err(ScalingError::TooFew {
            what: "fields of a header",
            found: 0,
            least: 1,
        });
    };
    let known: Vec<Entry> = match log.as_deref_mut() {
        Some(log) => log.begin(&header)?,
        None => vec![],
    };
    let secret = format!(
        "{fingerprint}\u{0}{tokenizer}\u{0}{}",
        options.policy.name()
    );
    let mut results: Vec<ExampleResult> = Vec::with_capacity(task.examples.len());
    let mut used = 0;
    for (number, examples) in task.examples.chunks(chunk).enumerate() {
        let first = number * chunk;
        let cut: Vec<Result<Vec<Piece>, String>> = examples
            .iter()
            .map(|example| pieces(example, encoder, options, model.max_positions(), &secret))
            .collect();
        // What the log knows of this chunk.
        let end = known[used..]
            .iter()
            .position(|entry| {
                entry
                    .whole("example")
                    .is_none_or(|e| e >= first + examples.len())
            })
            .map_or(known.len(), |at| used + at);
        let mine = &known[used..end];
        used = end;
        let restored = match log.as_deref() {
            Some(log) => restore(mine, &cut, first, log)?,
            None => None,
        };
        let scored = match restored {
            Some(scored) => scored,
            None => {
                let scored = score_chunk(model, cut);
                if let Some(log) = log.as_deref_mut() {
                    if !log.at_end() {
                        return Err(log.wrong(1, "the log holds an unfinished run before others"));
                    }
                    let lines = lines(&scored, first);
                    log.append(&lines[mine.len().min(lines.len())..])?;
                }
                scored
                    .into_iter()
                    .map(|s| s.map(|list| list.into_iter().map(|(score, _)| score).collect()))
                    .collect()
            }
        };
        for ((offset, example), scored) in examples.iter().enumerate().zip(scored) {
            let index = first + offset;
            let result = result(index, example, scored);
            if let Some(what) = &result.error {
                observer.failed(index, what);
            }
            results.push(result);
        }
        observer.scored(results.len(), task.examples.len());
    }
    Ok(Evaluation {
        model: fingerprint,
        tokenizer,
        policy: options.policy,
        task: task.name.clone(),
        sha256: task.sha256.clone(),
        origin: task.origin.clone(),
        baselines: baselines(&task.examples),
        results,
    })
}

#[cfg(test)]
mod tests;
