//! The trait through which everything else speaks to a language model.
//!
//! Generation, scoring, recording and steering are written once on top of [`CausalLm`], so a model of your own takes part by
//! implementing four methods (five with a cache). The trait is object-safe and has no type parameter.

use burn::tensor::{Device, Int, Tensor, TensorData};
use firetender_hooks::{Intervene, Pass};

use crate::{KvCache, LmError};

/// The sizes of a language model that others need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LmShape {
    /// Number of tokens in the vocabulary.
    pub vocab_size: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Width of all attention heads side by side.
    pub head_width: usize,
    /// Longest sequence, in tokens.
    pub max_positions: usize,
    /// Whether blocks are parallel (no `resid_mid`).
    pub parallel: bool,
}

/// A causal language model with hook sites.
pub trait CausalLm {
    /// Its sizes.
    fn shape(&self) -> LmShape;

    /// The device its weights are on.
    fn device(&self) -> Device;

    /// Runs the blocks over a pass and returns what the output projection sees, `[batch, columns, width]`.
    ///
    /// With a cache, the pass continues the columns that earlier passes left there (`pass.cache_offset()` of them), and its
    /// own are added. Calls `begin` and `end` of the intervention around its sites. Rows of padding hold arbitrary finite
    /// values.
    ///
    /// # Errors
    /// [`LmError::Input`] when a token is outside the vocabulary, a position beyond the model, or a cache does not belong to
    /// the pass or is full.
    fn hidden(
        &self,
        pass: &Pass,
        cache: Option<&mut KvCache>,
        hook: &mut dyn Intervene,
    ) -> Result<Tensor<3>, LmError>;

    /// The output projection: `[n, width]` to logits `[n, vocab_size]`.
    fn unembed(&self, hidden: Tensor<2>) -> Tensor<2>;

    /// The output projection backwards, where it is a linear map: from gradients with respect to logits, `[n, vocab_size]`, to gradients
    /// with respect to what it sees, `[n, width]`. `None`, the default, where it is not; callers then record a graph.
    fn unembed_transposed(&self, gradient: Tensor<2>) -> Option<Tensor<2>> {
        let _ = gradient;
        None
    }

    /// An empty cache for `batch` rows and at most `capacity` columns; `None` if the model has no cache.
    fn new_cache(&self, batch: usize, capacity: usize) -> Option<KvCache> {
        let _ = (batch, capacity);
        None
    }

    /// Logits of every column, `[batch, columns, vocab_size]`.
    ///
    /// # Errors
    /// As [`hidden`](Self::hidden).
    fn logits(
        &self,
        pass: &Pass,
        cache: Option<&mut KvCache>,
        hook: &mut dyn Intervene,
    ) -> Result<Tensor<3>, LmError> {
        let hidden = self.hidden(pass, cache, hook)?;
        let [batch, columns, width] = hidden.dims();
        let logits = self.unembed(hidden.reshape([batch * columns, width]));
        let vocab = logits.dims()[1];
        Ok(logits.reshape([batch, columns, vocab]))
    }

    /// Logits at chosen `(row, column)` cells only, `[cells, vocab_size]`: the projection of the others is never computed.
    ///
    /// # Errors
    /// As [`hidden`](Self::hidden); also when a cell lies outside the pass.
    fn logits_at(
        &self,
        pass: &Pass,
        cells: &[(usize, usize)],
        cache: Option<&mut KvCache>,
        hook: &mut dyn Intervene,
    ) -> Result<Tensor<2>, LmError> {
        if let Some((row, column)) = cells
            .iter()
            .find(|(r, c)| *r >= pass.batch() || *c >= pass.columns())
        {
            return Err(LmError::Input {
                what: format!(
                    "logits asked for row {row}, column {column} of a pass of {} rows and {} columns",
                    pass.batch(),
                    pass.columns()
                ),
            });
        }
        let hidden = self.hidden(pass, cache, hook)?;
        let [batch, columns, width] = hidden.dims();
        let flat = hidden.reshape([batch * columns, width]);
        let indices: Vec<i64> = cells
            .iter()
            .map(|(r, c)| (r * columns + c) as i64)
            .collect();
        let indices = TensorData::new(indices, [cells.len()]);
        let indices = Tensor::<1, Int>::from_data(indices, &flat.device());
        Ok(self.unembed(flat.select(0, indices)))
    }

    /// Checks that a pass fits the model.
    ///
    /// # Errors
    /// [`LmError::Input`] when a token is outside the vocabulary or a position beyond the longest sequence.
    fn check_pass(&self, pass: &Pass) -> Result<(), LmError> {
        let shape = self.shape();
        if let Some(id) = pass
            .ids()
            .iter()
            .find(|id| **id as usize >= shape.vocab_size)
        {
            return Err(LmError::Input {
                what: format!(
                    "token {id} is outside the model's vocabulary of {}",
                    shape.vocab_size
                ),
            });
        }
        match pass.positions().iter().copied().max() {
            Some(last) if last >= shape.max_positions as i32 => Err(LmError::Input {
                what: format!(
                    "the text is {} tokens long; this model takes at most {}",
                    last + 1,
                    shape.max_positions
                ),
            }),
            _ => Ok(()),
        }
    }
}
