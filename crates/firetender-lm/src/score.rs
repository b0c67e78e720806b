//! How likely a model finds given continuations of a context.
//!
//! `s(c | x) = Σ_t log p(c_t | x, c_<t)`: natural logarithm over the full vocabulary, summed over all tokens of the
//! continuation, never divided by its length here. Logits are computed in `f32` on the device; the log-sum-exp and all sums are
//! `f64` on the host. Where a continuation is cut from text (boundary policies) is the business of `firetender-scaling`; this
//! is the core they share.

use firetender_hooks::{Intervene, Padding, Pass};

use crate::{
    CausalLm, LmError,
    generate::{host, log_sum_exp},
    sample::arg_max,
};

/// One context and all the continuations to score after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreRequest {
    /// Tokens before the continuations; at least one (the model's start token if there is no text).
    pub context: Vec<u32>,
    /// Tokens to score; each at least one long.
    pub continuations: Vec<Vec<u32>>,
}

/// The score of one continuation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scored {
    /// Natural-log probability of each token.
    pub log_probs: Vec<f64>,
    /// Whether each token was the most likely one.
    pub greedy: Vec<bool>,
}

impl Scored {
    /// The sum over the tokens.
    ///
    /// ```
    /// let scored = firetender_lm::Scored { log_probs: vec![-1.0, -0.5], greedy: vec![false, true] };
    /// assert_eq!(scored.total(), -1.5);
    /// ```
    #[must_use]
    pub fn total(&self) -> f64 {
        self.log_probs.iter().sum()
    }
}

/// Scores all continuations of one context. The context runs once and its cache is shared, if the model has one.
///
/// Tokens of the continuation count as generated for interventions, so a steering rule selects the same tokens as in
/// generation.
///
/// # Errors
/// [`LmError::Input`] for an empty context or continuation or one that is too long; and whatever the model reports.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::Untouched;
/// use firetender_lm::{ModelConfig, ScoreRequest, Transformer, score};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let request = ScoreRequest { context: vec![1, 2], continuations: vec![vec![3], vec![4, 5]] };
/// let scores = score(&model, &request, &mut Untouched).unwrap();
/// assert_eq!(scores[1].log_probs.len(), 2);
/// ```
pub fn score(
    model: &dyn CausalLm,
    request: &ScoreRequest,
    hook: &mut dyn Intervene,
) -> Result<Vec<Scored>, LmError> {
    let (context, continuations) = (&request.context, &request.continuations);
    check(request)?;
    let longest = continuations.iter().map(Vec::len).max().unwrap_or(0);
    let whole = Pass::whole(std::slice::from_ref(context), Padding::Left, 0)?;
    let Some(mut cache) = model.new_cache(1, context.len() + longest) else {
        return score_rows(model, request, hook);
    };
    let last = [(0, context.len() - 1)];
    let first = host(model.logits_at(&whole, &last, Some(&mut cache), hook)?);
    let judged = Judged::of(&first);
    let mut scored: Vec<Scored> = continuations
        .iter()
        .map(|c| {
            let mut scored = Scored {
                log_probs: vec![],
                greedy: vec![],
            };
            scored.push(judged, &first, c[0]);
            scored
        })
        .collect();
    // What is fed in is every token but the last; continuations of one token are done.
    let rows: Vec<usize> = (0..continuations.len())
        .filter(|i| continuations[*i].len() > 1)
        .collect();
    if rows.is_empty() {
        return Ok(scored);
    }
    let columns = longest - 1;
    let (mut ids, mut positions, mut cells) = (vec![], vec![], vec![]);
    for (row, index) in rows.iter().enumerate() {
        let fed = &continuations[*index][..continuations[*index].len() - 1];
        ids.extend(
            fed.iter()
                .copied()
                .chain(std::iter::repeat_n(0, columns - fed.len())),
        );
        let start = context.len() as i32;
        positions.extend(
            (start..start + fed.len() as i32).chain(std::iter::repeat_n(-1, columns - fed.len())),
        );
        cells.extend((0..fed.len()).map(|column| (row, column)));
    }
    let pass = Pass::from_parts(
        ids,
        positions,
        vec![context.len(); rows.len()],
        context.len(),
    )?;
    let mut cache = cache.select_rows(&vec![0; rows.len()]);
    let logits = host(model.logits_at(&pass, &cells, Some(&mut cache), hook)?);
    let vocab = first.len();
    for ((row, column), logits) in cells.iter().zip(logits.chunks(vocab)) {
        let index = rows[*row];
        scored[index].push(Judged::of(logits), logits, continuations[index][column + 1]);
    }
    Ok(scored)
}

/// The same scores without sharing: one whole sequence for each continuation, no cache. The slow route that [`score`] is
/// checked against, and its fallback for models without a cache.
///
/// # Errors
/// As [`score`].
pub fn score_rows(
    model: &dyn CausalLm,
    request: &ScoreRequest,
    hook: &mut dyn Intervene,
) -> Result<Vec<Scored>, LmError> {
    check(request)?;
    let start = request.context.len();
    request
        .continuations
        .iter()
        .map(|continuation| {
            let fed = [
                request.context.as_slice(),
                &continuation[..continuation.len() - 1],
            ]
            .concat();
            let pass = Pass::whole(std::slice::from_ref(&fed), Padding::Left, 0)?
                .with_prompt_lens(vec![start])?;
            let cells: Vec<(usize, usize)> =
                (start - 1..fed.len()).map(|column| (0, column)).collect();
            let logits = host(model.logits_at(&pass, &cells, None, hook)?);
            let mut scored = Scored {
                log_probs: vec![],
                greedy: vec![],
            };
            for (logits, id) in logits.chunks(logits.len() / cells.len()).zip(continuation) {
                scored.push(Judged::of(logits), logits, *id);
            }
            Ok(scored)
        })
        .collect()
}

fn check(request: &ScoreRequest) -> Result<(), LmError> {
    if request.context.is_empty() {
        return Err(LmError::Input {
            what: "empty context; start it with the model's start token".into(),
        });
    }
    if let Some(index) = request.continuations.iter().position(Vec::is_empty) {
        return Err(LmError::Input {
            what: format!("continuation {index} has no tokens"),
        });
    }
    Ok(())
}

/// What the logits after a token say whatever is asked about them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    /// Log of the sum of their exponentials.
    sum: f64,
    /// Place of the largest.
    top: usize,
}

impl Judged {
    pub(crate) fn of(logits: &[f32]) -> Self {
        Self {
            sum: log_sum_exp(logits),
            top: arg_max(logits),
        }
    }
}

impl Scored {
    /// Adds the token that came.
    pub(crate) fn push(&mut self, judged: Judged, logits: &[f32], id: u32) {
        let at = id as usize;
        // A token outside the vocabulary has probability zero.
        let logit = logits.get(at).copied().unwrap_or(f32::NEG_INFINITY);
        self.log_probs.push(f64::from(logit) - judged.sum);
        self.greedy.push(judged.top == at);
    }
}
