//! What steering breaks: how far the model's predictions on harmless prompts move.
//!
//! Damage on benign prompts as a divergence is this project's definition, not the paper's, which has none. For each token that
//! the scope selects, the next-token distributions of the steered and the plain model are compared over the full vocabulary.
//! Sums are kept by prompt, so that intervals can be drawn over prompts and parts merge. Padding is never counted, and the
//! result does not depend on the size of the batches.

mod details;

use std::ops::ControlFlow;

use burn::tensor::{DType, Int, Tensor, TensorData, activation::log_softmax};
use firetender_hooks::{Intervene, Padding, Pass, Token, Untouched};
use firetender_lm::{CausalLm, GenerateOptions, generate};
use serde::{Deserialize, Serialize};

use crate::{Observer, SteerError, divergence::token_kl_both};

use details::Details;
pub use details::PromptDetails;

/// Logits that are compared at a time, to bound memory: cells times vocabulary.
const CHUNK: usize = 4 << 20;

/// Which predictions are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// The prediction after every real token.
    AllTokens,
    /// The prediction after the last token.
    LastToken,
    /// The predictions of the tokens after the prompt: from the last prompt token to the last but one.
    Continuation,
    /// The predictions of the first so many tokens after the prompt.
    FirstTokens(usize),
}

/// Harmless prompts, and which of their tokens count.
///
/// ```
/// use firetender_steer::{Benign, Scope};
/// let benign = Benign::new(vec![vec![1, 2, 3], vec![4, 5]], Scope::AllTokens).unwrap();
/// assert_eq!(benign.tokens(), 5);
/// let answers = benign.with_continuations(vec![1, 1]).unwrap();
/// assert_eq!((answers.scope(), answers.tokens()), (Scope::Continuation, 3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Benign {
    rows: Vec<Vec<u32>>,
    prompt_lens: Vec<usize>,
    scope: Scope,
    detailed: bool,
}

impl Benign {
    /// Prompts without an answer.
    ///
    /// # Errors
    /// [`SteerError::Input`] when there is no prompt, one is empty, or the scope asks for continuations: these need
    /// [`with_continuations`](Self::with_continuations).
    pub fn new(rows: Vec<Vec<u32>>, scope: Scope) -> Result<Self, SteerError> {
        let prompt_lens = rows.iter().map(Vec::len).collect();
        let fail = |what: String| Err(SteerError::Input { what });
        if rows.is_empty() {
            return fail("no benign prompts; damage needs at least one".into());
        }
        if let Some(row) = rows.iter().position(Vec::is_empty) {
            return fail(format!("benign prompt {row} has no tokens"));
        }
        if matches!(scope, Scope::Continuation | Scope::FirstTokens(_)) {
            return fail(
                "continuations need the length of each prompt: use with_continuations".into(),
            );
        }
        Ok(Self {
            rows,
            prompt_lens,
            scope,
            detailed: false,
        })
    }

    /// Counts only what follows the first `prompt_lens[i]` tokens of row `i`. Those tokens are the prompt for token rules too.
    ///
    /// # Errors
    /// [`SteerError::Input`] unless there is a length for each row that leaves a token on both sides.
    pub fn with_continuations(mut self, prompt_lens: Vec<usize>) -> Result<Self, SteerError> {
        let fits = prompt_lens.len() == self.rows.len()
            && prompt_lens
                .iter()
                .zip(&self.rows)
                .all(|(len, row)| (1..row.len()).contains(len));
        if !fits {
            let what = "prompt lengths of benign rows: expected one for each row, from 1 to its length minus 1".into();
            return Err(SteerError::Input { what });
        }
        self.prompt_lens = prompt_lens;
        self.scope = Scope::Continuation;
        Ok(self)
    }

    /// Of the continuations, counts the first `tokens` only: what a reader sees first, and where a text that is broken later
    /// has not yet been led astray.
    ///
    /// # Errors
    /// [`SteerError::Input`] for 0 tokens, or prompts without continuations.
    pub fn with_first(mut self, tokens: usize) -> Result<Self, SteerError> {
        let continued = matches!(self.scope, Scope::Continuation | Scope::FirstTokens(_));
        if tokens == 0 || !continued {
            let what = format!(
                "the first {tokens} tokens of {:?}; expected 1 or more, of continuations",
                self.scope
            );
            return Err(SteerError::Input { what });
        }
        self.scope = Scope::FirstTokens(tokens);
        Ok(self)
    }

    /// Prompts with what the plain model writes after them, greedily, `tokens` of it or up to an end token: damage on text
    /// that the model itself would produce. Those whose first token already ends the text are left out.
    ///
    /// # Errors
    /// [`SteerError::Input`] when nothing is written after any prompt; and whatever generation reports.
    pub fn continued(
        model: &dyn CausalLm,
        prompts: &[Vec<u32>],
        tokens: usize,
        end_tokens: &[u32],
    ) -> Result<Self, SteerError> {
        let options = GenerateOptions::new(tokens).with_end_tokens(end_tokens);
        let (mut rows, mut lens) = (vec![], vec![]);
        for chunk in prompts.chunks(8) {
            let written = generate(model, None, chunk, &options, &mut Untouched, &mut |_| {
                ControlFlow::Continue(())
            })?;
            for (prompt, text) in chunk.iter().zip(written) {
                if !text.ids.is_empty() {
                    rows.push([prompt.as_slice(), &text.ids].concat());
                    lens.push(prompt.len());
                }
            }
        }
        Self::new(rows, Scope::AllTokens)?.with_continuations(lens)
    }

    /// Measures details as well ([`PromptDetails`]: Jensen–Shannon divergence, entropies, perplexities), at the cost of some
    /// more passes over the vocabulary.
    #[must_use]
    pub fn with_details(mut self) -> Self {
        self.detailed = true;
        self
    }

    /// Number of prompts.
    #[must_use]
    pub fn prompts(&self) -> usize {
        self.rows.len()
    }

    /// The scope.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The tokens of each row that are its prompt.
    pub(crate) fn prompt_rows(&self) -> Vec<Vec<u32>> {
        let rows = self.rows.iter().zip(&self.prompt_lens);
        rows.map(|(row, len)| row[..*len].to_vec()).collect()
    }

    /// Number of predictions that count.
    #[must_use]
    pub fn tokens(&self) -> usize {
        let rows = self.rows.iter().zip(&self.prompt_lens);
        rows.map(|(row, prompt)| match self.scope {
            Scope::AllTokens => row.len(),
            Scope::LastToken => 1,
            Scope::Continuation => row.len() - prompt,
            Scope::FirstTokens(n) => n.min(row.len() - prompt),
        })
        .sum()
    }

    /// The rows in batches, each with the lengths of its prompts.
    pub(crate) fn batches(
        &self,
        batch: usize,
    ) -> impl Iterator<Item = (Vec<Vec<u32>>, Vec<usize>)> + '_ {
        let lens = self.prompt_lens.chunks(batch);
        let rows = self.rows.chunks(batch);
        rows.zip(lens)
            .map(|(rows, lens)| (rows.to_vec(), lens.to_vec()))
    }

    pub(crate) fn counts(&self, token: &Token, len: usize) -> bool {
        match self.scope {
            Scope::AllTokens => true,
            Scope::LastToken => token.position + 1 == len,
            Scope::Continuation => token.from_prompt_end() >= -1 && token.position + 1 < len,
            Scope::FirstTokens(n) => {
                (-1..n as isize - 1).contains(&token.from_prompt_end()) && token.position + 1 < len
            }
        }
    }
}

/// The damage to one prompt: sums over its counted tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PromptDamage {
    /// Number of counted tokens.
    pub tokens: usize,
    /// Sum of KL(steered ‖ plain).
    pub kl: f64,
    /// Sum of KL(plain ‖ steered).
    pub reverse_kl: f64,
    /// How often the most likely token is the same.
    pub agreed: usize,
    /// More, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<PromptDetails>,
}

/// The damage to all prompts, in nats per token, in the order in which the prompts were given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Damage {
    /// Each prompt's part.
    pub prompts: Vec<PromptDamage>,
}

impl Damage {
    /// Number of counted tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.prompts.iter().map(|p| p.tokens).sum()
    }

    /// KL(steered ‖ plain), mean over tokens.
    #[must_use]
    pub fn kl(&self) -> f64 {
        self.mean(|p| p.kl)
    }

    /// KL(plain ‖ steered), mean over tokens.
    #[must_use]
    pub fn reverse_kl(&self) -> f64 {
        self.mean(|p| p.reverse_kl)
    }

    /// Share of tokens after which the most likely next token is the same.
    #[must_use]
    pub fn top1_agreement(&self) -> f64 {
        self.mean(|p| p.agreed as f64)
    }

    /// Takes in the damage to further prompts.
    pub fn merge(&mut self, other: Self) {
        self.prompts.extend(other.prompts);
    }

    fn mean(&self, value: impl Fn(&PromptDamage) -> f64) -> f64 {
        self.prompts.iter().map(value).sum::<f64>() / self.tokens() as f64
    }
}

/// Measures what an intervention does to harmless prompts, `batch` of them at a time.
///
/// # Errors
/// [`SteerError::NotFinite`] when a divergence is not finite; and whatever the model reports.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::Untouched;
/// use firetender_lm::{ModelConfig, Transformer};
/// use firetender_steer::{Benign, Scope, Silent, damage};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let benign = Benign::new(vec![vec![1, 2, 3], vec![4, 5]], Scope::AllTokens).unwrap();
/// let none = damage(&model, &mut Untouched, &benign, 8, &mut Silent).unwrap();
/// assert_eq!((none.kl(), none.reverse_kl(), none.top1_agreement(), none.tokens()), (0.0, 0.0, 1.0, 5));
/// ```
pub fn damage(
    model: &dyn CausalLm,
    hook: &mut dyn Intervene,
    benign: &Benign,
    batch: usize,
    observer: &mut dyn Observer,
) -> Result<Damage, SteerError> {
    let mut all = damages(model, &mut [hook], benign, batch, observer)?;
    Ok(all.pop().unwrap_or_default())
}

/// [`damage`] of several interventions at once: the plain model runs only once.
///
/// # Errors
/// As [`damage`].
pub fn damages(
    model: &dyn CausalLm,
    hooks: &mut [&mut dyn Intervene],
    benign: &Benign,
    batch: usize,
    observer: &mut dyn Observer,
) -> Result<Vec<Damage>, SteerError> {
    let empty = Damage {
        prompts: vec![PromptDamage::default(); benign.prompts()],
    };
    let mut found = vec![empty; hooks.len()];
    let mut order: Vec<usize> = (0..benign.prompts()).collect();
    order.sort_by_key(|row| benign.rows[*row].len());
    let mut done = 0;
    for prompts in order.chunks(batch.max(1)) {
        let rows: Vec<Vec<u32>> = prompts.iter().map(|i| benign.rows[*i].clone()).collect();
        let lens = prompts.iter().map(|i| benign.prompt_lens[*i]).collect();
        let pass = Pass::whole(&rows, Padding::Left, 0)?.with_prompt_lens(lens)?;
        let counted = |t: &Token| benign.counts(t, rows[t.row].len());
        let cells: Vec<Token> = pass.tokens().filter(counted).collect();
        let plain = flat(model.hidden(&pass, None, &mut Untouched)?);
        let steered = hooks
            .iter_mut()
            .map(|hook| Ok(flat(model.hidden(&pass, None, *hook)?)))
            .collect::<Result<Vec<_>, SteerError>>()?;
        let chunk = (CHUNK / model.shape().vocab_size.max(1)).max(1);
        for cells in cells.chunks(chunk) {
            let indices = cells
                .iter()
                .map(|t| (t.row * pass.columns() + t.column) as i64);
            let indices = TensorData::new(indices.collect::<Vec<_>>(), [cells.len()]);
            let indices = Tensor::from_data(indices, &plain.device());
            let plain = Predictions::at(model, &plain, &indices);
            for (steered, damage) in steered.iter().zip(&mut found) {
                let steered = Predictions::at(model, steered, &indices);
                let details = benign.detailed.then(|| {
                    let next = |t: &Token| rows[t.row].get(t.position + 1).copied().unwrap_or(0);
                    let next: Vec<u32> = cells.iter().map(next).collect();
                    Details::of(&plain.log_probs, &steered.log_probs, &next)
                });
                let [kl, reverse, same] = steered.compare(&plain);
                for (i, cell) in cells.iter().enumerate() {
                    let prompt = prompts[cell.row];
                    if let Some(found) = [kl[i], reverse[i]].into_iter().find(|x| !x.is_finite()) {
                        return Err(SteerError::NotFinite {
                            what: "the divergence of a prediction".into(),
                            found,
                            prompt,
                        });
                    }
                    let of = &mut damage.prompts[prompt];
                    of.tokens += 1;
                    of.kl += kl[i];
                    of.reverse_kl += reverse[i];
                    of.agreed += usize::from(same[i] != 0.0);
                    if let Some(found) = &details {
                        let sums = of.details.get_or_insert_default();
                        sums.js += found.js[i];
                        sums.plain_entropy += found.entropies[0][i];
                        sums.steered_entropy += found.entropies[1][i];
                        if cell.position + 1 < rows[cell.row].len() {
                            sums.predicted += 1;
                            sums.plain_loss += found.losses[0][i];
                            sums.steered_loss += found.losses[1][i];
                        }
                    }
                }
            }
        }
        done += prompts.len();
        observer.damaged(done, benign.prompts());
    }
    Ok(found)
}

/// `[batch · columns, width]`, out of any gradient graph.
fn flat(hidden: Tensor<3>) -> Tensor<2> {
    let [batch, columns, width] = hidden.dims();
    hidden.without_autodiff().reshape([batch * columns, width])
}

/// Next-token predictions at some cells.
struct Predictions {
    log_probs: Tensor<2>,
    first: Tensor<2, Int>,
}

impl Predictions {
    fn at(model: &dyn CausalLm, hidden: &Tensor<2>, cells: &Tensor<1, Int>) -> Self {
        let logits = model.unembed(hidden.clone().select(0, cells.clone()));
        let logits = logits.without_autodiff().cast(DType::F32);
        Self {
            first: logits.clone().argmax(1),
            log_probs: log_softmax(logits, 1),
        }
    }

    /// KL(self ‖ plain), KL(plain ‖ self), and 1 where the first choices agree.
    fn compare(self, plain: &Self) -> [Vec<f64>; 3] {
        let host = |tensor: Tensor<1>| tensor.into_data().iter::<f64>().collect();
        let same = self.first.equal(plain.first.clone()).float();
        let [kl, reverse] = token_kl_both(self.log_probs, plain.log_probs.clone());
        [host(kl), host(reverse), host(same.squeeze_dim(1))]
    }
}
