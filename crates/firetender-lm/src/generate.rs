//! Continues prompts token by token.
//!
//! One loop serves single prompts and batches (left padded), with a cache where the model has one. Rows that have ended leave
//! the batch's work only when all have: their cells become padding, so they never influence the others.

use std::ops::ControlFlow;

use burn::tensor::Tensor;
use firetender_hooks::{Intervene, Padding, Pass};

use crate::{CausalLm, LmError, Sampling, Tokenizer};

/// When and how to go on.
///
/// ```
/// use firetender_lm::{GenerateOptions, Sampling};
/// let options = GenerateOptions::new(32).with_sampling(Sampling::new(0.7).unwrap()).with_seed(1);
/// assert_eq!(options.max_tokens, 32);
/// ```
#[derive(Clone, Debug)]
pub struct GenerateOptions {
    /// Most tokens to add to each row.
    pub max_tokens: usize,
    /// How tokens are picked.
    pub sampling: Sampling,
    /// Seed of the random streams; row `i` uses stream `seed + i`.
    pub seed: u64,
    /// Token ids that end a row. The end token itself is part of the ids, not of the text.
    pub end_tokens: Vec<u32>,
    /// Texts that end a row; the text is cut before them. They need a tokenizer.
    pub stop: Vec<String>,
    /// Run the prompt in chunks of this many columns, to bound memory; `None` for all at once.
    pub prefill_chunk: Option<usize>,
    /// Whether to use a cache if the model has one.
    pub cached: bool,
}

impl GenerateOptions {
    /// Greedy, with a cache, until `max_tokens`.
    #[must_use]
    pub fn new(max_tokens: usize) -> Self {
        Self {
            max_tokens,
            sampling: Sampling::greedy(),
            seed: 0,
            end_tokens: vec![],
            stop: vec![],
            prefill_chunk: None,
            cached: true,
        }
    }

    /// Picks tokens this way.
    #[must_use]
    pub fn with_sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling;
        self
    }

    /// Seeds the random streams.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Ends a row at any of these tokens.
    #[must_use]
    pub fn with_end_tokens(mut self, ids: &[u32]) -> Self {
        self.end_tokens = ids.to_vec();
        self
    }

    /// Ends a row where any of these texts appears.
    #[must_use]
    pub fn with_stop(mut self, stop: &[&str]) -> Self {
        self.stop = stop.iter().map(ToString::to_string).collect();
        self
    }

    /// Runs the whole sequence again for every token: slow, and the reference that the cache is checked against.
    #[must_use]
    pub fn without_cache(mut self) -> Self {
        self.cached = false;
        self
    }
}

/// Why a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// An end token.
    EndToken,
    /// A stop text.
    Stop,
    /// As many tokens as were asked for.
    MaxTokens,
    /// The model takes no longer sequences.
    ContextFull,
    /// The callback asked for it.
    Cancelled,
}

/// What was generated for one prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// New token ids, the end token included if there was one.
    pub ids: Vec<u32>,
    /// Natural-log probability of each, under the model's unmodified softmax (temperature 1).
    pub log_probs: Vec<f64>,
    /// The text, without special tokens and cut before a stop text; empty without a tokenizer.
    pub text: String,
    /// Why it ended.
    pub ending: Ending,
}

/// One new token, as a callback sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// Row of the batch.
    pub row: usize,
    /// Number of this token in its row, from 0.
    pub step: usize,
    /// Its id.
    pub id: u32,
}

struct Row {
    ids: Vec<u32>,
    log_probs: Vec<f64>,
    text: String,
    ending: Option<Ending>,
}

/// Continues each prompt. `tokenizer` is needed for texts and stop strings; `on_token` is called for every new token in order
/// of step, then row, and may end everything with [`ControlFlow::Break`].
///
/// # Errors
/// [`LmError::Input`] for an empty or over-long prompt, or stop texts without a tokenizer; and whatever the model reports.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::Untouched;
/// use firetender_lm::{GenerateOptions, ModelConfig, Transformer, generate};
/// use std::ops::ControlFlow;
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let options = GenerateOptions::new(5);
/// let out = generate(&model, None, &[vec![1, 2]], &options, &mut Untouched, &mut |_| ControlFlow::Continue(())).unwrap();
/// assert_eq!(out[0].ids.len(), 5);
/// ```
pub fn generate(
    model: &dyn CausalLm,
    tokenizer: Option<&Tokenizer>,
    prompts: &[Vec<u32>],
    options: &GenerateOptions,
    hook: &mut dyn Intervene,
    on_token: &mut dyn FnMut(NewToken) -> ControlFlow<()>,
) -> Result<Vec<Generation>, LmError> {
    if tokenizer.is_none() && !options.stop.is_empty() {
        return Err(LmError::Input {
            what: "stop texts need a tokenizer to see the text".into(),
        });
    }
    if options.stop.iter().any(String::is_empty) {
        return Err(LmError::Input {
            what: "an empty stop text would stop at once".into(),
        });
    }
    let whole = Pass::whole(prompts, Padding::Left, 0)?;
    model.check_pass(&whole)?;
    let lens: Vec<usize> = prompts.iter().map(Vec::len).collect();
    let max = model.shape().max_positions;
    let mut rows: Vec<Row> = prompts
        .iter()
        .map(|_| Row {
            ids: vec![],
            log_probs: vec![],
            text: String::new(),
            ending: None,
        })
        .collect();
    // The last token is never fed in.
    let capacity = whole.columns() + options.max_tokens.saturating_sub(1).min(max);
    let mut cache = if options.cached {
        model.new_cache(prompts.len(), capacity)
    } else {
        None
    };
    for step in 0..options.max_tokens {
        let logits = if step > 0 && cache.is_some() {
            last_logits(
                model,
                &step_pass(&rows, &lens, whole.columns(), step)?,
                cache.as_mut(),
                hook,
            )?
        } else if step > 0 {
            let sequences: Vec<Vec<u32>> = prompts
                .iter()
                .zip(&rows)
                .map(|(prompt, row)| [prompt.as_slice(), &row.ids].concat())
                .collect();
            let pass = Pass::whole(&sequences, Padding::Left, 0)?.with_prompt_lens(lens.clone())?;
            last_logits(model, &pass, None, hook)?
        } else {
            let chunk = options
                .prefill_chunk
                .filter(|_| cache.is_some())
                .unwrap_or(usize::MAX)
                .max(1);
            let mut start = 0;
            while whole.columns() - start > chunk {
                model.hidden(&whole.chunk(start..start + chunk), cache.as_mut(), hook)?;
                start += chunk;
            }
            last_logits(
                model,
                &whole.chunk(start..whole.columns()),
                cache.as_mut(),
                hook,
            )?
        };
        let vocab = logits.len() / rows.len();
        for (index, row) in rows.iter_mut().enumerate() {
            if row.ending.is_some() {
                continue;
            }
            let logits = &logits[index * vocab..(index + 1) * vocab];
            let id =
                options
                    .sampling
                    .pick(logits, options.seed.wrapping_add(index as u64), step as u64);
            row.ids.push(id);
            row.log_probs
                .push(f64::from(logits[id as usize]) - log_sum_exp(logits));
            row.ending = ending(row, tokenizer, options, lens[index] + row.ids.len() >= max)?;
            if on_token(NewToken {
                row: index,
                step,
                id,
            })
            .is_break()
            {
                for row in rows.iter_mut().filter(|row| row.ending.is_none()) {
                    row.ending = Some(Ending::Cancelled);
                }
                break;
            }
        }
        if rows.iter().all(|row| row.ending.is_some()) {
            break;
        }
    }
    rows.into_iter()
        .map(|row| {
            let text = match (&row.ending, tokenizer) {
                (Some(Ending::Stop), _) => row.text,
                (_, Some(tokenizer)) => tokenizer.decode(&row.ids, true)?,
                _ => String::new(),
            };
            let ending = row.ending.unwrap_or(Ending::MaxTokens);
            Ok(Generation {
                ids: row.ids,
                log_probs: row.log_probs,
                text,
                ending,
            })
        })
        .collect()
}

/// Whether the row's newest token ends it.
fn ending(
    row: &mut Row,
    tokenizer: Option<&Tokenizer>,
    options: &GenerateOptions,
    full: bool,
) -> Result<Option<Ending>, LmError> {
    if row
        .ids
        .last()
        .is_some_and(|id| options.end_tokens.contains(id))
    {
        return Ok(Some(Ending::EndToken));
    }
    if let (Some(tokenizer), false) = (tokenizer, options.stop.is_empty()) {
        let text = tokenizer.decode(&row.ids, true)?;
        if let Some(at) = options
            .stop
            .iter()
            .filter_map(|stop| text.find(stop.as_str()))
            .min()
        {
            row.text = text[..at].into();
            return Ok(Some(Ending::Stop));
        }
    }
    Ok(full.then_some(Ending::ContextFull))
}

/// The pass that feeds each row's newest token; ended rows are padding.
fn step_pass(
    rows: &[Row],
    lens: &[usize],
    prompt_columns: usize,
    step: usize,
) -> Result<Pass, LmError> {
    let (ids, positions) = rows
        .iter()
        .zip(lens)
        .map(|(row, len)| match (row.ids.last(), row.ending) {
            (Some(id), None) => (*id, (len + row.ids.len() - 1) as i32),
            _ => (0, -1),
        })
        .unzip();
    Ok(Pass::from_parts(
        ids,
        positions,
        lens.to_vec(),
        prompt_columns + step - 1,
    )?)
}

/// Logits at the last column of every row, on the host.
fn last_logits(
    model: &dyn CausalLm,
    pass: &Pass,
    cache: Option<&mut crate::KvCache>,
    hook: &mut dyn Intervene,
) -> Result<Vec<f32>, LmError> {
    let cells: Vec<(usize, usize)> = (0..pass.batch())
        .map(|row| (row, pass.columns() - 1))
        .collect();
    Ok(host(model.logits_at(pass, &cells, cache, hook)?))
}

pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.try_to_vec::<f32>().unwrap_or_default()
}

/// `log Σ exp` in `f64`.
pub(crate) fn log_sum_exp(logits: &[f32]) -> f64 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !top.is_finite() {
        return f64::from(top);
    }
    f64::from(top)
        + logits
            .iter()
            .map(|x| (f64::from(*x) - f64::from(top)).exp())
            .sum::<f64>()
            .ln()
}
