//! More about the damage to predictions than divergences: how sure the model is, and how well it still predicts the text.

use burn::tensor::{Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::Damage;
use crate::divergence::token_js;

/// Sums over a prompt's counted tokens that cost some passes over the vocabulary more than a divergence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PromptDetails {
    /// Sum of the Jensen–Shannon divergences, nats.
    pub js: f64,
    /// Sum of the plain model's entropies, nats.
    pub plain_entropy: f64,
    /// Sum of the steered model's entropies, nats.
    pub steered_entropy: f64,
    /// Number of counted tokens that are followed by a token of the text.
    pub predicted: usize,
    /// Sum of `−log p` of those tokens in the plain model.
    pub plain_loss: f64,
    /// Sum of `−log p` of those tokens in the steered model.
    pub steered_loss: f64,
}

impl Damage {
    fn detail(&self, value: impl Fn(&PromptDetails) -> f64) -> Option<f64> {
        let details = self.prompts.iter().map(|p| p.details.as_ref().map(&value));
        details.sum::<Option<f64>>()
    }

    /// Jensen–Shannon divergence, mean over tokens, in nats (at most log 2); `None` unless details were asked for.
    #[must_use]
    pub fn js(&self) -> Option<f64> {
        Some(self.detail(|d| d.js)? / self.tokens() as f64)
    }

    /// Change of entropy by steering, mean over tokens, in nats: negative is a model that has become too sure.
    #[must_use]
    pub fn entropy_change(&self) -> Option<f64> {
        Some(self.detail(|d| d.steered_entropy - d.plain_entropy)? / self.tokens() as f64)
    }

    /// Perplexity of the prompts' own tokens in the plain and in the steered model; `None` also when no token follows another.
    #[must_use]
    pub fn perplexities(&self) -> Option<[f64; 2]> {
        let predicted = self.detail(|d| d.predicted as f64).filter(|n| *n > 0.0)?;
        let plain = self.detail(|d| d.plain_loss)? / predicted;
        let steered = self.detail(|d| d.steered_loss)? / predicted;
        Some([plain.exp(), steered.exp()])
    }
}

/// What is counted for each cell: JS, entropies and losses.
pub(super) struct Details {
    pub(super) js: Vec<f64>,
    pub(super) entropies: [Vec<f64>; 2],
    pub(super) losses: [Vec<f64>; 2],
}

impl Details {
    /// Compares log-probabilities `[n, vocabulary]`; `next` is the token that follows each, or 0 where none does.
    pub(super) fn of(plain: &Tensor<2>, steered: &Tensor<2>, next: &[u32]) -> Self {
        let host = |tensor: Tensor<1>| tensor.into_data().iter::<f64>().collect::<Vec<_>>();
        let ids: Vec<i64> = next.iter().map(|id| i64::from(*id)).collect();
        let count = ids.len();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [count, 1]), &plain.device());
        // A token with probability 0 adds nothing, though its logarithm is infinite.
        let entropy = |log: &Tensor<2>| {
            let finite = log.clone().clamp_min(-1e4);
            host(-(log.clone().exp() * finite).sum_dim(1).squeeze_dim::<1>(1))
        };
        let loss = |log: &Tensor<2>| host(-log.clone().gather(1, ids.clone()).squeeze_dim::<1>(1));
        Self {
            js: host(token_js(steered.clone(), plain.clone())),
            entropies: [entropy(plain), entropy(steered)],
            losses: [loss(plain), loss(steered)],
        }
    }
}
