//! What KL-then-steer is compared with, as objectives for the same loop.

mod dpo;
mod imitate;
mod representation;

pub use dpo::{Dpo, DpoOptions, Preferred};
pub use imitate::Imitate;
pub use representation::{Representation, RepresentationOptions};

use burn::tensor::Tensor;
use firetender_hooks::{Intervene, Pass};
use firetender_lm::CausalLm;

use crate::{KtsError, TokenScope, step::next_log_probs};

/// Log-probabilities of a pass's answer tokens, `[n]`, and the row of each.
fn answer_log_probs(
    model: &dyn CausalLm,
    pass: &Pass,
    hook: &mut dyn Intervene,
) -> Result<(Tensor<1>, Vec<usize>), KtsError> {
    let hidden = model.hidden(pass, None, hook)?;
    next_log_probs(model, hidden, pass, TokenScope::Answer)
}

#[cfg(test)]
mod tests;
