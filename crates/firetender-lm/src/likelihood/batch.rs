//! Many requests at once: what they may share, and which way they are scored.

use firetender_hooks::Intervene;
use rayon::prelude::*;

use super::{apart, tree};
use crate::{
    CausalLm, KvCache, LmError, ScoreRequest, Scored, generate::host, score, score::Judged,
    score_rows,
};
use burn::tensor::{Int, Tensor, TensorData};

/// How work is shared and bundled by [`score_batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Whether beginnings that several contexts or continuations have in common run only once. An intervention that counts from the end of the prompt sees
    /// one shared beginning for prompts of different lengths, so leave it off for those.
    pub prefix: bool,
    /// Most tokens in one forward pass.
    pub tokens: usize,
    /// Most rows in one forward pass.
    pub rows: usize,
    /// Most columns of cached keys and values, of all rows of a pass together: what bounds the memory.
    pub columns: usize,
}

impl Default for Sharing {
    fn default() -> Self {
        Self {
            prefix: true,
            tokens: 512,
            rows: 128,
            columns: 8192,
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
            columns: 1,
        }
    }
}

/// Scores many requests, each context once, and what contexts begin with only once for all of them. Results do not depend on the order of the requests, and on their number only as far as the device's matrix product
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
    if sharing.prefix {
        return tree::score(model, requests, sharing, hook);
    }
    if requests.len() < 2 {
        return requests
            .iter()
            .map(|request| score(model, request, hook))
            .collect();
    }
    apart::score(model, requests, sharing, hook)
}

pub(super) fn new_cache(
    model: &dyn CausalLm,
    rows: usize,
    columns: usize,
) -> Result<KvCache, LmError> {
    model
        .new_cache(rows, columns)
        .ok_or_else(|| LmError::Input {
            what: "the model gave a cache before and gives none now".into(),
        })
}

/// Cells whose logits are on the host at a time.
const CELLS: usize = 128;

/// Logits of chosen `(row, column)` cells of what a pass left, a bounded number at a time: `read` is called once for each cell, in their order.
pub(super) fn read_cells(
    model: &dyn CausalLm,
    hidden: Tensor<3>,
    cells: &[(usize, usize)],
    mut read: impl FnMut(usize, Judged, &[f32]),
) {
    let [batch, columns, width] = hidden.dims();
    let flat = hidden.reshape([batch * columns, width]);
    let device = flat.device();
    for (part, cells) in cells.chunks(CELLS).enumerate() {
        let indices: Vec<i64> = cells
            .iter()
            .map(|(row, column)| (row * columns + column) as i64)
            .collect();
        let indices = TensorData::new(indices, [cells.len()]);
        let indices = Tensor::<1, Int>::from_data(indices, &device);
        let logits = host(model.unembed(flat.clone().select(0, indices)));
        let vocab = (logits.len() / cells.len()).max(1);
        let judged: Vec<Judged> = logits.par_chunks(vocab).map(Judged::of).collect();
        for (at, (judged, logits)) in judged.into_iter().zip(logits.chunks(vocab)).enumerate() {
            read(part * CELLS + at, judged, logits);
        }
    }
}
