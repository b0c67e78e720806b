//! Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290): the behaviour trained in, without steering.

use burn::tensor::{Tensor, TensorData, activation::log_sigmoid};
use firetender_hooks::{Padding, Pass, Untouched};
use firetender_lm::CausalLm;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::answer_log_probs;
use crate::{KtsError, Objective, Parts, Texts, vectors::hex};

/// A prompt with an answer that is wanted and one that is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preferred {
    /// Tokens of the prompt.
    pub prompt: Vec<u32>,
    /// Tokens of the wanted answer.
    pub wanted: Vec<u32>,
    /// Tokens of the other.
    pub other: Vec<u32>,
}

/// How the preference is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DpoOptions {
    /// How far the student may move from the reference; 0.1 is the usual value, the paper gives none.
    pub beta: f64,
    /// Pairs in a minibatch.
    pub batch: usize,
    /// Seed of their order.
    pub seed: u64,
}

impl Default for DpoOptions {
    /// β = 0.1, eight pairs at a time.
    fn default() -> Self {
        Self {
            beta: 0.1,
            batch: 8,
            seed: 19,
        }
    }
}

/// `−log σ(β [Δ_wanted − Δ_other])`, where Δ is the student's log-probability of an answer less the reference's.
pub struct Dpo<'a> {
    reference: &'a dyn CausalLm,
    items: Vec<Preferred>,
    order: Texts,
    options: DpoOptions,
}

impl std::fmt::Debug for Dpo<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dpo")
            .field("items", &self.items.len())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<'a> Dpo<'a> {
    /// Trains on these pairs against the base as reference.
    ///
    /// # Errors
    /// [`KtsError::Input`] when there are none or a part is empty; [`KtsError::Options`] for a β that is none.
    pub fn new(
        reference: &'a dyn CausalLm,
        items: Vec<Preferred>,
        options: &DpoOptions,
    ) -> Result<Self, KtsError> {
        if !(options.beta.is_finite() && options.beta > 0.0) {
            return Err(KtsError::options(
                "dpo.beta",
                options.beta,
                "a finite number above 0",
            ));
        }
        if options.batch == 0 {
            return Err(KtsError::options("dpo.batch", 0, "at least 1"));
        }
        let empty = |i: &Preferred| i.wanted.is_empty() || i.other.is_empty();
        if let Some(at) = items.iter().position(empty) {
            let what = format!("an answer of preference {at} has no tokens");
            return Err(KtsError::Input { what });
        }
        let prompts = items.iter().map(|i| (i.prompt.clone(), i.prompt.len()));
        let order = Texts::new(prompts.collect())?;
        Ok(Self {
            reference,
            items,
            order,
            options: options.clone(),
        })
    }
}

impl Objective for Dpo<'_> {
    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for item in &self.items {
            for ids in [&item.prompt, &item.wanted, &item.other] {
                hash.update((ids.len() as u64).to_le_bytes());
                ids.iter().for_each(|id| hash.update(id.to_le_bytes()));
            }
        }
        let options = serde_json::to_string(&self.options).unwrap_or_default();
        format!("dpo {options} pairs {}", hex(&hash.finalize()))
    }

    fn loss(&mut self, student: &dyn CausalLm, number: u64) -> Result<Parts, KtsError> {
        let chosen = self
            .order
            .minibatch(self.options.seed, number, self.options.batch);
        let items = || chosen.iter().map(|at| &self.items[*at]);
        let wanted = items().map(|i| [i.prompt.as_slice(), &i.wanted].concat());
        let other = items().map(|i| [i.prompt.as_slice(), &i.other].concat());
        let rows: Vec<Vec<u32>> = wanted.chain(other).collect();
        let prompts = items().chain(items()).map(|i| i.prompt.len()).collect();
        let pass = Pass::whole(&rows, Padding::Right, 0)?.with_prompt_lens(prompts)?;
        let (own, cells) = answer_log_probs(student, &pass, &mut Untouched)?;
        let (reference, _) = answer_log_probs(self.reference, &pass, &mut Untouched)?;
        let delta = own - reference.without_autodiff();
        // One sum for each pair: its wanted tokens count +1, the other's −1.
        let n = chosen.len();
        let mut signs = vec![0.0f32; n * cells.len()];
        for (cell, row) in cells.iter().enumerate() {
            signs[row % n * cells.len() + cell] = if *row < n { 1.0 } else { -1.0 };
        }
        let device = delta.device().without_autodiff();
        let signs = Tensor::<2>::from_data(TensorData::new(signs, [n, cells.len()]), &device);
        let margin = signs
            .matmul(delta.unsqueeze_dim::<2>(1))
            .squeeze_dim::<1>(1);
        let total = -log_sigmoid(margin.clone().mul_scalar(self.options.beta)).mean();
        let margin = margin.mean().into_scalar::<f64>();
        Ok(Parts {
            named: vec![
                ("dpo", total.clone().into_scalar::<f64>()),
                ("margin", margin),
            ],
            total,
            draws: vec![],
            texts: chosen,
        })
    }
}
