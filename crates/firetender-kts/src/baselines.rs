//! What KL-then-steer is compared with, as objectives for the same loop.

mod dpo;
mod imitate;
mod representation;

pub use dpo::{Dpo, DpoOptions, Preferred};
pub use imitate::Imitate;
pub use representation::{Representation, RepresentationOptions};

use burn::tensor::{Int, Tensor, TensorData};
use firetender_hooks::{Intervene, Pass};
use firetender_lm::CausalLm;

use crate::{KtsError, LossOptions, TokenScope, predictions};

/// Log-probabilities of a pass's answer tokens, `[n]`, and the row of each. The pass is padded on the right.
fn answer_log_probs(
    model: &dyn CausalLm,
    pass: &Pass,
    hook: &mut dyn Intervene,
) -> Result<(Tensor<1>, Vec<usize>), KtsError> {
    let options = LossOptions {
        scope: TokenScope::Answer,
        ..LossOptions::default()
    };
    let log_probs = predictions(model, pass, hook, &options)?;
    let cells = TokenScope::Answer.cells(pass);
    let ids: Vec<i64> = cells
        .iter()
        .map(|cell| i64::from(pass.ids()[cell + 1]))
        .collect();
    let ids = TensorData::new(ids, [cells.len(), 1]);
    let device = log_probs.device().without_autodiff();
    let ids = Tensor::<2, Int>::from_data(ids, &device);
    let rows = cells.iter().map(|cell| cell / pass.columns()).collect();
    Ok((log_probs.gather(1, ids).squeeze_dim(1), rows))
}

#[cfg(test)]
mod tests;
