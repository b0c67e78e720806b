//! Log-probabilities of many continuations at once.
//!
//! [`LikelihoodModel`] is all that an evaluation needs to know of a model: contexts and continuations in, one log-probability a token out. Three ways lead there:
//! [`LmScorer`] over any [`CausalLm`], [`LogitsModel`] over a function from tokens to logits, and your own implementation (a table, a remote server), which
//! [`likelihood_conformance`] checks.
//!
//! [`score_batch`] does the work for a [`CausalLm`]: what all contexts begin with runs once, contexts of equal remaining length run together (so nothing is padded
//! or masked), each continuation goes on from its context's cache, and the output projection is computed at scored positions only. [`score_rows`] is the slow route to the same numbers.

use std::collections::BTreeMap;

use firetender_hooks::{Intervene, Pass, Untouched};
use rayon::prelude::*;

use crate::{
    CausalLm, KvCache, LmError, ScoreRequest, Scored,
    generate::{host, log_sum_exp},
    sample::arg_max,
    score, score_rows,
};

/// A model as an evaluation sees it. Object-safe, without type parameters.
pub trait LikelihoodModel {
    /// Longest sequence that can be fed in, in tokens. The last token of a continuation is never fed in.
    fn max_positions(&self) -> usize;

    /// A name for exactly these weights, their number type and the intervention, for logs.
    fn fingerprint(&self) -> String;

    /// Scores all continuations of all requests, in their order: one value for each token of each continuation, always.
    ///
    /// # Errors
    /// An empty context or continuation, one that is too long, or whatever the model reports.
    fn score(&mut self, requests: &[ScoreRequest]) -> Result<Vec<Vec<Scored>>, LmError>;
}

/// How work is shared and bundled by [`score_batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Whether what all contexts begin with runs only once. An intervention that counts from the end of the prompt sees one shared
    /// beginning for prompts of different lengths, so leave it off for those.
    pub prefix: bool,
    /// Most tokens in one forward pass.
    pub tokens: usize,
    /// Most rows in one forward pass.
    pub rows: usize,
}

impl Default for Sharing {
    fn default() -> Self {
        Self {
            prefix: true,
            tokens: 512,
            rows: 64,
        }
    }
}

impl Sharing {
    /// One context at a time; its continuations still share it.
    #[must_use]
    pub const fn one_by_one() -> Self {
        Self {
            prefix: false,
            tokens: 1,
            rows: 1,
        }
    }
}

/// Shortest common beginning worth a pass of its own.
const WORTH: usize = 4;

/// Scores many requests, each context once. Results do not depend on the order of the requests, and on their number only as far as the device's matrix product
/// rounds rows of a larger product otherwise (`docs/NUMERICS.md`).
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::Untouched;
/// use firetender_lm::{ModelConfig, ScoreRequest, Sharing, Transformer, score_batch};
///
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex())?;
/// let request = |context: Vec<u32>| ScoreRequest { context, continuations: vec![vec![3], vec![4, 5]] };
/// let requests = [request(vec![1, 2]), request(vec![1, 2, 7])];
/// let scored = score_batch(&model, &requests, Sharing::default(), &mut Untouched)?;
/// assert_eq!(scored[1][1].log_probs.len(), 2);
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
///
/// # Errors
/// As [`score`] for any of the requests.
pub fn score_batch(
    model: &dyn CausalLm,
    requests: &[ScoreRequest],
    sharing: Sharing,
    hook: &mut dyn Intervene,
) -> Result<Vec<Vec<Scored>>, LmError> {
    for (index, request) in requests.iter().enumerate() {
        let fail = |what: &str| {
            Err(LmError::Input {
                what: format!("request {index}: {what}"),
            })
        };
        if request.context.is_empty() {
            return fail("empty context; start it with the model's start token");
        }
        if let Some(empty) = request.continuations.iter().position(Vec::is_empty) {
            return fail(&format!("continuation {empty} has no tokens"));
        }
    }
    if model.new_cache(1, 1).is_none() {
        return requests
            .iter()
            .map(|request| score_rows(model, request, hook))
            .collect();
    }
    if requests.len() < 2 {
        return requests
            .iter()
            .map(|request| score(model, request, hook))
            .collect();
    }
    let longest_tail = requests
        .iter()
        .flat_map(|request| &request.continuations)
        .map(|continuation| continuation.len() - 1)
        .max()
        .unwrap_or(0);
    let shared = if sharing.prefix {
        common_prefix(requests)
    } else {
        0
    };
    let longest = requests.iter().map(|request| request.context.len()).max();
    let longest = longest.unwrap_or(0);
    let begun = if shared >= WORTH {
        Some(begin(
            model,
            &requests[0].context[..shared],
            longest + longest_tail,
            hook,
        )?)
    } else {
        None
    };
    let start = if begun.is_some() { shared } else { 0 };
    // Longest first, so that too little memory shows at once.
    let mut buckets: BTreeMap<std::cmp::Reverse<usize>, Vec<usize>> = BTreeMap::new();
    for (index, request) in requests.iter().enumerate() {
        let rest = request.context.len() - start;
        buckets
            .entry(std::cmp::Reverse(rest))
            .or_default()
            .push(index);
    }
    let mut scored: Vec<Vec<Scored>> = requests
        .iter()
        .map(|request| vec![Scored::default(); request.continuations.len()])
        .collect();
    for (std::cmp::Reverse(rest), members) in buckets {
        let rows = (sharing.tokens / rest).clamp(1, sharing.rows.max(1));
        for members in members.chunks(rows) {
            let group = Group {
                model,
                requests,
                members,
                start,
                rest,
            };
            let mut cache = match &begun {
                Some(cache) => cache.select_rows(&vec![0; members.len()]),
                None => new_cache(model, members.len(), rest + longest_tail)?,
            };
            group.first_tokens(&mut cache, hook, &mut scored)?;
            group.other_tokens(&cache, hook, &mut scored)?;
        }
    }
    Ok(scored)
}

fn new_cache(model: &dyn CausalLm, rows: usize, columns: usize) -> Result<KvCache, LmError> {
    model
        .new_cache(rows, columns)
        .ok_or_else(|| LmError::Input {
            what: "the model gave a cache before and gives none now".into(),
        })
}

/// Tokens that all contexts begin with; at least one is left to each.
fn common_prefix(requests: &[ScoreRequest]) -> usize {
    let first = &requests[0].context;
    requests
        .iter()
        .skip(1)
        .fold(first.len() - 1, |shared, request| {
            let context = &request.context;
            let equal = first
                .iter()
                .zip(context)
                .take_while(|(a, b)| a == b)
                .count();
            shared.min(equal).min(context.len() - 1)
        })
}

/// A cache of one row that holds the shared beginning.
fn begin(
    model: &dyn CausalLm,
    prefix: &[u32],
    capacity: usize,
    hook: &mut dyn Intervene,
) -> Result<KvCache, LmError> {
    let positions = (0..prefix.len() as i32).collect();
    let pass = Pass::from_parts(prefix.to_vec(), positions, vec![prefix.len()], 0)?;
    let mut cache = new_cache(model, 1, capacity)?;
    model.hidden(&pass, Some(&mut cache), hook)?;
    Ok(cache)
}

/// Requests whose contexts have one length.
struct Group<'a> {
    model: &'a dyn CausalLm,
    requests: &'a [ScoreRequest],
    members: &'a [usize],
    /// Tokens that are in the cache.
    start: usize,
    /// Tokens of each context that are not.
    rest: usize,
}

impl Group<'_> {
    /// Feeds the contexts; their last columns predict every continuation's first token.
    fn first_tokens(
        &self,
        cache: &mut KvCache,
        hook: &mut dyn Intervene,
        scored: &mut [Vec<Scored>],
    ) -> Result<(), LmError> {
        let (start, end) = (self.start, self.start + self.rest);
        let ids = self
            .members
            .iter()
            .flat_map(|member| self.requests[*member].context[start..].iter().copied())
            .collect();
        let positions = self
            .members
            .iter()
            .flat_map(|_| start as i32..end as i32)
            .collect();
        let pass = Pass::from_parts(ids, positions, vec![end; self.members.len()], start)?;
        let cells: Vec<(usize, usize)> = (0..self.members.len())
            .map(|row| (row, self.rest - 1))
            .collect();
        let logits = host(self.model.logits_at(&pass, &cells, Some(cache), hook)?);
        let vocab = logits.len() / cells.len();
        let sums: Vec<(f64, usize)> = logits.par_chunks(vocab).map(summary).collect();
        for ((row, member), (sum, top)) in self.members.iter().enumerate().zip(sums) {
            let logits = &logits[row * vocab..(row + 1) * vocab];
            let continuations = &self.requests[*member].continuations;
            for (scored, continuation) in scored[*member].iter_mut().zip(continuations) {
                push(scored, logits, continuation[0], sum, top);
            }
        }
        Ok(())
    }

    /// Feeds the continuations, those of one length together.
    fn other_tokens(
        &self,
        cache: &KvCache,
        hook: &mut dyn Intervene,
        scored: &mut [Vec<Scored>],
    ) -> Result<(), LmError> {
        let mut tails: BTreeMap<usize, Vec<(usize, usize, usize)>> = BTreeMap::new();
        for (row, member) in self.members.iter().enumerate() {
            for (which, continuation) in self.requests[*member].continuations.iter().enumerate() {
                if continuation.len() > 1 {
                    let fed = continuation.len() - 1;
                    tails.entry(fed).or_default().push((row, *member, which));
                }
            }
        }
        let end = self.start + self.rest;
        for (fed, tails) in tails {
            let rows: Vec<usize> = tails.iter().map(|(row, _, _)| *row).collect();
            let of = |(_, member, which): &(usize, usize, usize)| -> &Vec<u32> {
                &self.requests[*member].continuations[*which]
            };
            let ids = tails
                .iter()
                .flat_map(|tail| of(tail)[..fed].iter().copied())
                .collect();
            let positions = tails
                .iter()
                .flat_map(|_| end as i32..(end + fed) as i32)
                .collect();
            let pass = Pass::from_parts(ids, positions, vec![end; rows.len()], end)?;
            let cells: Vec<(usize, usize)> = (0..rows.len())
                .flat_map(|row| (0..fed).map(move |column| (row, column)))
                .collect();
            let mut cache = cache.select_rows(&rows);
            let logits = host(
                self.model
                    .logits_at(&pass, &cells, Some(&mut cache), hook)?,
            );
            let vocab = logits.len() / cells.len();
            let sums: Vec<(f64, usize)> = logits.par_chunks(vocab).map(summary).collect();
            for ((at, (row, column)), (sum, top)) in cells.iter().enumerate().zip(sums) {
                let logits = &logits[at * vocab..(at + 1) * vocab];
                let (_, member, which) = tails[*row];
                let id = of(&tails[*row])[column + 1];
                push(&mut scored[member][which], logits, id, sum, top);
            }
        }
        Ok(())
    }
}

/// Log-sum-exp and the place of the largest.
fn summary(logits: &[f32]) -> (f64, usize) {
    (log_sum_exp(logits), arg_max(logits))
}

fn push(scored: &mut Scored, logits: &[f32], id: u32, sum: f64, top: usize) {
    let at = id as usize;
    // A token outside the vocabulary has probability zero.
    let logit = logits.get(at).copied().unwrap_or(f32::NEG_INFINITY);
    scored.log_probs.push(f64::from(logit) - sum);
    scored.greedy.push(top == at);
}

/// Any [`CausalLm`], plain or with an intervention, as a [`LikelihoodModel`].
pub struct LmScorer<'a> {
    model: &'a dyn CausalLm,
    hook: Box<dyn Intervene + 'a>,
    fingerprint: String,
    sharing: Sharing,
}

impl std::fmt::Debug for LmScorer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LmScorer")
            .field("fingerprint", &self.fingerprint)
            .field("sharing", &self.sharing)
            .finish_non_exhaustive()
    }
}

impl<'a> LmScorer<'a> {
    /// The model as it is; `fingerprint` names its weights, see [`Checkpoint::fingerprint`](crate::Checkpoint::fingerprint).
    #[must_use]
    pub fn new(model: &'a dyn CausalLm, fingerprint: impl Into<String>) -> Self {
        Self {
            model,
            hook: Box::new(Untouched),
            fingerprint: fingerprint.into(),
            sharing: Sharing::default(),
        }
    }

    /// The model under an intervention; `name` has to name it exactly, its strength included, because it becomes part of the fingerprint. The
    /// beginnings of different prompts are no longer shared.
    #[must_use]
    pub fn with_intervention(mut self, hook: impl Intervene + 'a, name: &str) -> Self {
        self.hook = Box::new(hook);
        self.fingerprint = format!("{}+{name}", self.fingerprint);
        self.sharing.prefix = false;
        self
    }

    /// Other ways to share work.
    #[must_use]
    pub fn with_sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        self
    }
}

impl LikelihoodModel for LmScorer<'_> {
    fn max_positions(&self) -> usize {
        self.model.shape().max_positions
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    fn score(&mut self, requests: &[ScoreRequest]) -> Result<Vec<Vec<Scored>>, LmError> {
        score_batch(self.model, requests, self.sharing, self.hook.as_mut())
    }
}

/// A function from tokens to the logits after each of them, as a [`LikelihoodModel`]: for tables, n-grams and other people's models.
///
/// ```
/// use firetender_lm::{LikelihoodModel, LogitsModel, ScoreRequest};
///
/// // Every next token is as likely as any other of four.
/// let mut model = LogitsModel::new("uniform", 16, |tokens: &[u32]| Ok(vec![vec![0.0; 4]; tokens.len()]));
/// let scored = model.score(&[ScoreRequest { context: vec![0], continuations: vec![vec![1, 2]] }])?;
/// assert!((scored[0][0].total() + 2.0 * 4f64.ln()).abs() < 1e-12);
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
pub struct LogitsModel<'a> {
    fingerprint: String,
    max_positions: usize,
    logits: Box<LogitsFunction<'a>>,
}

/// Tokens to logits, one list for each token.
type LogitsFunction<'a> = dyn FnMut(&[u32]) -> Result<Vec<Vec<f32>>, LmError> + 'a;

impl std::fmt::Debug for LogitsModel<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogitsModel")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl<'a> LogitsModel<'a> {
    /// The function, its name and the longest sequence that it takes.
    pub fn new(
        fingerprint: impl Into<String>,
        max_positions: usize,
        logits: impl FnMut(&[u32]) -> Result<Vec<Vec<f32>>, LmError> + 'a,
    ) -> Self {
        Self {
            fingerprint: fingerprint.into(),
            max_positions,
            logits: Box::new(logits),
        }
    }
}

impl LikelihoodModel for LogitsModel<'_> {
    fn max_positions(&self) -> usize {
        self.max_positions
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    fn score(&mut self, requests: &[ScoreRequest]) -> Result<Vec<Vec<Scored>>, LmError> {
        let fail = |what: String| Err(LmError::Input { what });
        let mut out = vec![];
        for request in requests {
            if request.context.is_empty() {
                return fail("empty context; start it with the model's start token".into());
            }
            let mut scores = vec![];
            for continuation in &request.continuations {
                let Some((_, fed)) = continuation.split_last() else {
                    return fail("a continuation has no tokens".into());
                };
                let tokens = [request.context.as_slice(), fed].concat();
                if tokens.len() > self.max_positions {
                    return fail(format!(
                        "{} tokens; this model takes {}",
                        tokens.len(),
                        self.max_positions
                    ));
                }
                let logits = (self.logits)(&tokens)?;
                if logits.len() != tokens.len() {
                    return fail(format!(
                        "{} lists of logits for {} tokens; expected one for each",
                        logits.len(),
                        tokens.len()
                    ));
                }
                let mut scored = Scored::default();
                for (row, id) in logits[request.context.len() - 1..].iter().zip(continuation) {
                    let (sum, top) = summary(row);
                    push(&mut scored, row, *id, sum, top);
                }
                scores.push(scored);
            }
            out.push(scores);
        }
        Ok(out)
    }
}

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

#[cfg(test)]
mod tests;
