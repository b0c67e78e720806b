//! What the student is trained to make small.

use burn::tensor::{IndexingUpdateOp, Tensor, activation::log_softmax};
use firetender_hooks::Pass;
use firetender_steer::kl_of;
use serde::{Deserialize, Serialize};

use crate::{
    KtsError,
    head::{Normalised, Rows},
};

/// Which divergence between the student `s` and the teacher `t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Divergence {
    /// KL(s ‖ t), the paper's: where the student puts its mass, the teacher must.
    #[default]
    StudentFirst,
    /// KL(t ‖ s): what the teacher finds possible, the student must.
    TeacherFirst,
    /// Half of both against their mean (Jensen–Shannon).
    JensenShannon,
}

impl Divergence {
    /// Of each row of logits, with its gradient in the student's: zero, and with a gradient of exactly zero, where both are equal.
    ///
    /// With `p` and `q` the student's and the teacher's probabilities and `δ = log p − log q`, the gradients are `p (δ − KL(p ‖ q))`,
    /// `p − q`, and for Jensen–Shannon `½ p (a − Σ p a)` with `a = log p − log ½(p + q)`.
    pub(crate) fn rows(self, student: Tensor<2>, teacher: Tensor<2>) -> Rows {
        let (own, base) = (Normalised::of(&student), Normalised::of(&teacher));
        let delta = (student - teacher) - own.log_sum_less(&base);
        let (p, q) = (own.probabilities, base.probabilities);
        match self {
            Self::StudentFirst => {
                let values = kl_of(delta.clone(), p.clone(), q);
                let gradient = (delta - values.clone().unsqueeze_dim(1)) * p;
                Rows { values, gradient }
            }
            Self::TeacherFirst => Rows {
                values: kl_of(-delta, q.clone(), p.clone()),
                gradient: p - q,
            },
            Self::JensenShannon => {
                let middle = (p.clone() + q.clone()) / 2.0;
                // log p − log m = −log((1 + e^−δ)/2); beyond 80 the rarer side adds less than f32 can hold.
                let over = |delta: Tensor<2>| -((delta.exp() + 1.0) / 2.0).log();
                let delta = delta.clamp(-80.0, 80.0);
                let (a, b) = (over(-delta.clone()), over(delta));
                let values = kl_of(a.clone(), p.clone(), middle.clone()) + kl_of(b, q, middle);
                let mean = (p.clone() * a.clone()).sum_dim(1);
                Rows {
                    values: values / 2.0,
                    gradient: (a - mean) * p / 2.0,
                }
            }
        }
    }
}

/// Which predictions count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenScope {
    /// After every real token.
    #[default]
    RealTokens,
    /// Of the tokens after the prompt: from the last prompt token to the last but one.
    Answer,
    /// After the last `n` real tokens of each row.
    Last(usize),
    /// Of every column, padding too, as the reference's code has it. For comparison only: the loss then depends on padding.
    EverythingWithPadding,
}

impl TokenScope {
    /// The cells that count, as indices into `[batch · columns]`, ascending.
    #[must_use]
    pub fn cells(self, pass: &Pass) -> Vec<usize> {
        let columns = pass.columns();
        if self == Self::EverythingWithPadding {
            return (0..pass.batch() * columns).collect();
        }
        let mut last = vec![0; pass.batch()];
        for token in pass.tokens() {
            last[token.row] = token.position;
        }
        pass.tokens()
            .filter(|token| match self {
                Self::Answer => token.from_prompt_end() >= -1 && token.position < last[token.row],
                Self::Last(n) => token.position + n > last[token.row],
                Self::RealTokens | Self::EverythingWithPadding => true,
            })
            .map(|token| token.row * columns + token.column)
            .collect()
    }
}

/// The divergence that is made small.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossOptions {
    /// Which divergence.
    pub divergence: Divergence,
    /// Which predictions count; the loss is the mean over them.
    pub scope: TokenScope,
    /// Both sides' logits are divided by it.
    pub temperature: f64,
    /// Only so many of the teacher's likeliest tokens count, both sides normalised over them; the whole vocabulary when absent. Choosing them
    /// costs a sort of every row.
    pub top: Option<usize>,
}

impl Default for LossOptions {
    /// KL(student ‖ teacher) at temperature 1 over the whole vocabulary, mean over all real tokens.
    fn default() -> Self {
        Self {
            divergence: Divergence::StudentFirst,
            scope: TokenScope::RealTokens,
            temperature: 1.0,
            top: None,
        }
    }
}

impl LossOptions {
    pub(crate) fn check(&self) -> Result<(), KtsError> {
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return Err(KtsError::options(
                "loss.temperature",
                self.temperature,
                "a finite number above 0",
            ));
        }
        if self.top.is_some_and(|k| k < 2) {
            let found = self.top.unwrap_or(0);
            let what = "2 tokens or more (one alone is certain on both sides), or absent";
            return Err(KtsError::options("loss.top", found, what));
        }
        check_scope("loss.scope", self.scope)
    }

    /// The divergence of each row of logits at the temperature.
    pub(crate) fn rows(&self, student: Tensor<2>, teacher: Tensor<2>) -> Rows {
        let [_, vocabulary] = teacher.dims();
        if let Some(k) = self.top.filter(|k| *k < vocabulary) {
            let (teacher, chosen) = teacher.topk_with_indices(k, 1);
            let whole = Self {
                top: None,
                ..self.clone()
            };
            let found = whole.rows(student.clone().gather(1, chosen.clone()), teacher);
            let nothing = student.zeros_like();
            return Rows {
                gradient: nothing.scatter(1, chosen, found.gradient, IndexingUpdateOp::Add),
                ..found
            };
        }
        if self.temperature == 1.0 {
            return self.divergence.rows(student, teacher);
        }
        let cooled = |logits: Tensor<2>| logits.div_scalar(self.temperature);
        let found = self.divergence.rows(cooled(student), cooled(teacher));
        Rows {
            gradient: cooled(found.gradient),
            ..found
        }
    }

    /// Log-probabilities at the temperature, in `f32`.
    pub(crate) fn log_probs(&self, logits: Tensor<2>) -> Tensor<2> {
        let logits = logits.cast(burn::tensor::DType::F32);
        if self.temperature == 1.0 {
            return log_softmax(logits, 1);
        }
        log_softmax(logits.div_scalar(self.temperature), 1)
    }
}

pub(crate) fn check_scope(field: &'static str, scope: TokenScope) -> Result<(), KtsError> {
    if scope == TokenScope::Last(0) {
        return Err(KtsError::options(
            field,
            "last 0",
            "the last 1 or more tokens",
        ));
    }
    Ok(())
}
