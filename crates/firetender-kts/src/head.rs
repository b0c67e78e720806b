//! Through the output projection without a graph over the vocabulary.
//!
//! What is trained here is, prediction by prediction, a function of that prediction's logits: a divergence, or the log-probability
//! of a token. A recorded graph would keep and sweep some twenty tensors of `[predictions, vocabulary]` for it, the largest of the whole
//! step. But the gradients of these functions are known in closed form. So logits are made block by block outside of the graph, value and gradient
//! are computed in a few sweeps over pieces that stay in the cache, each block's gradient goes back through the projection at once, and
//! only numbers of `[predictions, width]` enter the graph.

use std::ops::Range;

use burn::tensor::{DType, Tensor};
use firetender_lm::CausalLm;

/// Logits that are made at a time: 128 MiB of them.
const BLOCK: usize = 1 << 25;

/// Logits that are swept at a time: 2 MiB, so that what is made of them stays in the cache.
const PIECE: usize = 1 << 19;

/// Hidden states of some predictions, `[n, width]`, and whose projection they go through.
pub(crate) struct Head<'a> {
    pub(crate) model: &'a dyn CausalLm,
    pub(crate) hidden: Tensor<2>,
}

/// A function of the logits of some predictions.
pub(crate) struct Rows {
    /// Its value for each.
    pub(crate) values: Tensor<1>,
    /// The gradient of each value with respect to its own row of logits.
    pub(crate) gradient: Tensor<2>,
}

/// What a function makes of some rows (their range) of the logits of the first model, and of the others' at the same places.
pub(crate) type OfRows<'a> = &'a dyn Fn(Range<usize>, Tensor<2>, &[Tensor<2>]) -> Rows;

/// The function's value for each prediction, `[n]`, with the graph of `own`'s hidden states. The others leave no graph.
pub(crate) fn of_rows(own: &Head<'_>, others: &[Head<'_>], function: OfRows<'_>) -> Tensor<1> {
    let vocabulary = own.model.shape().vocab_size.max(1);
    of_rows_by(
        own,
        others,
        function,
        [BLOCK, PIECE].map(|n| n / vocabulary),
    )
}

/// As [`of_rows`], so many rows of logits at a time, and so many swept at a time.
fn of_rows_by(
    own: &Head<'_>,
    others: &[Head<'_>],
    function: OfRows<'_>,
    [block, piece]: [usize; 2],
) -> Tensor<1> {
    let [n, _] = own.hidden.dims();
    let plain = own.hidden.clone().without_autodiff();
    let tracked = own.hidden.is_tracked();
    let (mut values, mut pulled) = (vec![], vec![]);
    for block in cut(0..n, block) {
        let logits = own.model.unembed(part(&plain, &block));
        if logits.is_tracked() {
            return through_a_graph(own, others, function, piece);
        }
        let logits = logits.without_autodiff().cast(DType::F32);
        let found = swept(&block, &logits, others, function, piece);
        drop(logits);
        values.push(found.values);
        if tracked {
            let gradient = found.gradient.cast(plain.dtype());
            match own.model.unembed_transposed(gradient) {
                Some(gradient) => pulled.push(gradient.without_autodiff()),
                None => return through_a_graph(own, others, function, piece),
            }
        }
    }
    let values = Tensor::cat(values, 0);
    if !tracked {
        return values;
    }
    hang(values, own.hidden.clone() * Tensor::cat(pulled, 0))
}

/// For a projection that is trained itself, or is no linear map: it needs its own place in the graph, and all rows at once.
fn through_a_graph(
    own: &Head<'_>,
    others: &[Head<'_>],
    function: OfRows<'_>,
    piece: usize,
) -> Tensor<1> {
    let [n, _] = own.hidden.dims();
    let logits = own.model.unembed(own.hidden.clone()).cast(DType::F32);
    let plain = logits.clone().without_autodiff();
    let found = swept(&(0..n), &plain, others, function, piece);
    if logits.is_tracked() {
        hang(found.values, logits * found.gradient)
    } else {
        found.values
    }
}

/// Values and gradients of a block of rows, piece by piece.
fn swept(
    block: &Range<usize>,
    logits: &Tensor<2>,
    others: &[Head<'_>],
    function: OfRows<'_>,
    piece: usize,
) -> Rows {
    let beside: Vec<Tensor<2>> = others
        .iter()
        .map(|other| {
            let hidden = other.hidden.clone().without_autodiff();
            unembedded(other.model, part(&hidden, block))
        })
        .collect();
    let (mut values, mut gradients) = (vec![], vec![]);
    for piece in cut(0..block.len(), piece) {
        let beside: Vec<Tensor<2>> = beside.iter().map(|logits| part(logits, &piece)).collect();
        let rows = block.start + piece.start..block.start + piece.end;
        let found = function(rows, part(logits, &piece), &beside);
        values.push(found.values);
        gradients.push(found.gradient);
    }
    Rows {
        values: Tensor::cat(values, 0),
        gradient: Tensor::cat(gradients, 0),
    }
}

/// Logits in `f32` and without a graph.
fn unembedded(model: &dyn CausalLm, hidden: Tensor<2>) -> Tensor<2> {
    model.unembed(hidden).without_autodiff().cast(DType::F32)
}

/// Values `[n]` with the graph of the sums of rows of something, whose own value does not enter.
fn hang(values: Tensor<1>, rows: Tensor<2>) -> Tensor<1> {
    let sums: Tensor<1> = rows.sum_dim(1).squeeze_dim(1);
    let nothing = sums.clone() - sums.detach();
    values + nothing
}

fn part(all: &Tensor<2>, rows: &Range<usize>) -> Tensor<2> {
    if rows.len() == all.dims()[0] {
        return all.clone();
    }
    all.clone().narrow(0, rows.start, rows.len())
}

/// A range in pieces of at most so many.
fn cut(all: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let (most, end) = (most.max(1), all.end);
    all.step_by(most)
        .map(move |start| start..(start + most).min(end))
}

/// `softmax` of rows of logits, with what it was divided by.
pub(crate) struct Normalised {
    pub(crate) probabilities: Tensor<2>,
    /// Each row's largest logit, `[n, 1]`.
    top: Tensor<2>,
    /// The sum of `exp(logit − top)`, `[n, 1]`.
    sum: Tensor<2>,
}

impl Normalised {
    pub(crate) fn of(logits: &Tensor<2>) -> Self {
        let top = logits.clone().max_dim(1);
        let exponentials = (logits.clone() - top.clone()).exp();
        let sum = exponentials.clone().sum_dim(1);
        Self {
            probabilities: exponentials * sum.clone().recip(),
            top,
            sum,
        }
    }

    /// What log-probabilities are logits less of, `[n, 1]`.
    pub(crate) fn log_sum(&self) -> Tensor<2> {
        self.top.clone() + self.sum.clone().log()
    }

    /// The difference of two of these. Not that of two rounded numbers: an error here moves all of a row's differences alike, away from
    /// what its probabilities say.
    pub(crate) fn log_sum_less(&self, other: &Self) -> Tensor<2> {
        let sums = (self.sum.clone() / other.sum.clone()).log();
        (self.top.clone() - other.top.clone()) + sums
    }
}

#[cfg(test)]
mod tests;
