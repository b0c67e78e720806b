//! The runner: from a task and a model to scores of every example.
//!
//! The examples are taken in chunks in the order of the task. Of each chunk, texts are cut into tokens, equal contexts are put together, and the model scores all of them in one call, so that
//! it can share what contexts have in common. What is scored together depends on the chunk alone: resuming gives the same bits. An example that cannot be cut or scored becomes a recorded
//! error and the others go on.

use std::collections::HashMap;

use firetender_lm::{CutPolicy, LikelihoodModel, ScoreRequest, Scored, TextEncoder, cut_pair};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    Baselines, ClassScore, Curve, Example, ExampleScores, Mean, Point, RunLog, SCORES, Scale,
    ScalingError, Task, baselines, log::Entry, mean, table::lower_is_better, wilson,
};

/// Conventions of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// How texts become tokens.
    pub policy: CutPolicy,
    /// Whether classes are scored without a prompt, too, for [`ExampleScores::acc_pmi`]. Needs a start token.
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

    /// A score of every example, if all have it.
    #[must_use]
    pub fn values(&self, name: &str) -> Option<Vec<f64>> {
        self.results
            .iter()
            .map(|result| result.scores.as_ref().and_then(|s| s.get(name)))
            .collect()
    }
}

/// Puts evaluations of several models together to a curve with scores of examples: `models` gives name and scale of each. `companion` names a continuous score that has to agree
/// before a trend is called inverse.
///
/// # Errors
/// [`ScalingError::Incomparable`] when the models have different tasks or policies, or an example has such a score under some of them only.
pub fn curve_of(
    models: &[(String, f64)],
    evaluations: &[Evaluation],
    axis: &Scale,
    metric: &str,
    companion: Option<&str>,
) -> Result<Curve, ScalingError> {
    let task = evaluations.first().map_or("", |e| e.task.as_str());
    let incomparable = |what: String| ScalingError::Incomparable {
        task: task.into(),
        what,
    };
    if models.len() != evaluations.len() {
        return Err(ScalingError::Length {
            what: "names of models".into(),
            found: models.len(),
            expected: evaluations.len(),
        });
    }
    let mut order: Vec<usize> = (0..models.len()).collect();
    order.sort_by(|a, b| models[*a].1.total_cmp(&models[*b].1));
    let mut columns = vec![];
    let mut points = vec![];
    for &index in &order {
        let (name, scale) = &models[index];
        let evaluation = &evaluations[index];
        let first = &evaluations[order[0]];
        if (&evaluation.sha256, &evaluation.origin, evaluation.policy)
            != (&first.sha256, &first.origin, first.policy)
        {
            return Err(incomparable(format!(
                "{name} was evaluated on other examples or by other policies than {}",
                models[order[0]].0
            )));
        }
        let all = |evaluation: &Evaluation| -> Vec<Option<f64>> {
            let of = |result: &ExampleResult| result.scores.as_ref().and_then(|s| s.get(metric));
            evaluation.results.iter().map(of).collect()
        };
        let (scores, firsts) = (all(evaluation), all(first));
        // Examples that no model could be asked (too long for all) are left out; any other gap makes means incomparable.
        if let Some(at) = (0..scores.len()).find(|i| scores[*i].is_some() != firsts[*i].is_some()) {
            return Err(incomparable(format!(
                "{name} and {} have {metric} of different examples (the first is {at}); means over different examples are not comparable",
                models[order[0]].0
            )));
        }
        let values: Vec<f64> = scores.into_iter().flatten().collect();
        let Some(mean) = mean(&values, 1) else {
            return Err(incomparable("no examples".into()));
        };
        points.push(Point {
            model: name.clone(),
            scale: *scale,
            n: Some(values.len() as u64),
            value: mean.mean,
            stderr: mean.stderr,
        });
        columns.push(values);
    }
    let n = columns.first().map_or(0, Vec::len);
    let examples = (0..n)
        .map(|i| columns.iter().map(|c| c[i]).collect())
        .collect();
    let companion = companion
        .map(|name| curve_of(models, evaluations, axis, name, None).map(Box::new))
        .transpose()?;
    Ok(Curve {
        task: task.into(),
        family: String::new(),
        metric: metric.into(),
        lower_is_better: lower_is_better(metric),
        axis: axis.clone(),
        points,
        examples: Some(examples),
        companion,
    })
}

/// A continuation of an example, cut into tokens.
struct Piece {
    context: Vec<u32>,
    continuation: Vec<u32>,
    dropped: usize,
    key: String,
}

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

/// All continuations of an example: its classes after its prompt (and after the other prompt, and alone).
fn pieces(
    example: &Example,
    encoder: &dyn TextEncoder,
    options: &RunOptions,
    max_positions: usize,
    secret: &str,
) -> Result<Vec<Piece>, String> {
    let mut pairs: Vec<(&str, &str)> = vec![];
    match example {
        Example::Classification {
            prompt, classes, ..
        } => {
            pairs.extend(
                classes
                    .iter()
                    .map(|class| (prompt.as_str(), class.as_str())),
            );
            if options.pmi {
                pairs.extend(classes.iter().map(|class| ("", class.as_str())));
            }
        }
        Example::SequenceProb {
            prompt, completion, ..
        } => pairs.push((prompt, completion)),
        Example::LogOdds {
            prompt,
            other_prompt,
            classes,
            ..
        } => {
            for prompt in [prompt, other_prompt] {
                pairs.extend(
                    classes
                        .iter()
                        .map(|class| (prompt.as_str(), class.as_str())),
                );
            }
        }
        Example::Numeric { .. } => {
            return Err(
                "a numeric task needs sampled answers, which are not evaluated here".into(),
            );
        }
    }
    let pieces = pairs
        .into_iter()
        .map(|(prompt, continuation)| {
            let cut = cut_pair(
                encoder,
                prompt,
                continuation,
                &options.policy,
                max_positions,
            )
            .map_err(|error| error.to_string())?;
            let mut hash = Sha256::new();
            hash.update(secret.as_bytes());
            for tokens in [&cut.context, &cut.continuation] {
                hash.update((tokens.len() as u64).to_le_bytes());
                tokens.iter().for_each(|id| hash.update(id.to_le_bytes()));
            }
            let key: String = hash.finalize()[..12]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            Ok(Piece {
                context: cut.context,
                continuation: cut.continuation,
                dropped: cut.dropped,
                key,
            })
        })
        .collect::<Result<Vec<Piece>, String>>()?;
    if let Example::LogOdds { classes, .. } = example
        && let Some(at) = pieces.iter().position(|piece| piece.continuation.len() > 1)
    {
        return Err(format!(
            "class {:?} has {} tokens; log-odds are of classes of one token",
            classes[at % classes.len()],
            pieces[at].continuation.len()
        ));
    }
    // Different strings that are the same tokens after the same context would be one class.
    for (index, piece) in pieces.iter().enumerate() {
        let same = |other: &&Piece| {
            other.context == piece.context && other.continuation == piece.continuation
        };
        if pieces[..index].iter().any(|other| same(&other)) {
            return Err(format!(
                "continuation {index} is cut into the same tokens as an earlier one"
            ));
        }
    }
    Ok(pieces)
}

/// Scores of a chunk: for each example its continuations with their keys, or why not.
type Scores = Vec<Result<Vec<(ClassScore, String)>, String>>;

fn score_chunk(model: &mut dyn LikelihoodModel, cut: Vec<Result<Vec<Piece>, String>>) -> Scores {
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
                                score.log_probs.iter().find(|v| v.is_nan() || **v > 1e-4)
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
fn lines(scored: &Scores, first: usize) -> Vec<Map<String, Value>> {
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
type Restored = Vec<Result<Vec<ClassScore>, String>>;

/// The scores of a chunk from the log, if all of it is there.
fn restore(
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
            let log_probs: Vec<f64> = values
                .iter()
                .map(|v| v.as_f64().unwrap_or(f64::NEG_INFINITY))
                .collect();
            if log_probs.len() != piece.continuation.len() || greedy.len() != log_probs.len() {
                return Err(log.wrong(
                    entry.line,
                    "the log has another number of values than tokens",
                ));
            }
            scores.push(ClassScore {
                tokens: piece.continuation.clone(),
                log_probs,
                greedy: greedy
                    .iter()
                    .map(|g| g.as_bool().unwrap_or(false))
                    .collect(),
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

fn result(
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

#[cfg(test)]
mod tests;
