//! What the student is trained to make small.

use burn::tensor::{Tensor, activation::log_softmax};
use firetender_hooks::Pass;
use firetender_steer::token_kl;
use serde::{Deserialize, Serialize};

use crate::KtsError;

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
    /// Of each row, from log-probabilities `[n, vocabulary]` to `[n]`; zero, with a gradient of exactly zero, where they are equal.
    #[must_use]
    pub fn of(self, student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
        match self {
            Self::StudentFirst => token_kl(student, teacher),
            Self::TeacherFirst => token_kl(teacher, student),
            Self::JensenShannon => {
                // log of the mean of two probabilities, by the larger of both.
                let top = student.clone().max_pair(teacher.clone());
                let sum =
                    (student.clone() - top.clone()).exp() + (teacher.clone() - top.clone()).exp();
                let middle = (sum / 2.0).log() + top;
                (token_kl(student, middle.clone()) + token_kl(teacher, middle)) / 2.0
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
}

impl Default for LossOptions {
    /// KL(student ‖ teacher) at temperature 1, mean over all real tokens.
    fn default() -> Self {
        Self {
            divergence: Divergence::StudentFirst,
            scope: TokenScope::RealTokens,
            temperature: 1.0,
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
        check_scope("loss.scope", self.scope)
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
