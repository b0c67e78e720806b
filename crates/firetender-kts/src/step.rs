//! One KL-then-steer step, as a pure function of what it is given.
//!
//! The student runs steered, the teacher plain; the loss is the mean divergence of their next-token distributions over the cells
//! that count. Only those cells are projected to the vocabulary, no graph is kept over it, the teacher leaves none at all, and nothing here
//! draws, keeps or updates anything: [`crate::train`] is built on it, and so can be a loop of your own.

use std::ops::Range;

use burn::{
    module::Module,
    tensor::{IndexingUpdateOp, Int, Tensor, TensorData},
};
use firetender_hooks::{Intervene, Pass, Untouched};
use firetender_lm::CausalLm;

use crate::{
    FactorGradients, KtsError, LossOptions, Push, TokenScope,
    head::{Head, Normalised, Rows, of_rows},
};

/// Log-probabilities of the predictions that a scope selects, `[cells, vocabulary]`.
///
/// # Errors
/// [`KtsError::Input`] when the scope selects none; and whatever the model reports.
pub fn predictions(
    model: &dyn CausalLm,
    pass: &Pass,
    hook: &mut dyn Intervene,
    options: &LossOptions,
) -> Result<Tensor<2>, KtsError> {
    let hidden = at_cells(model.hidden(pass, None, hook)?, pass, options.scope)?;
    Ok(options.log_probs(model.unembed(hidden)))
}

/// What a scope selects of `[batch, columns, width]`.
pub(crate) fn at_cells(
    hidden: Tensor<3>,
    pass: &Pass,
    scope: TokenScope,
) -> Result<Tensor<2>, KtsError> {
    some_cells(hidden, scope.cells(pass), scope)
}

/// Log-probabilities of the tokens that follow in the texts, `[n]`, where a scope selects what predicts them; and the row of each.
pub(crate) fn next_log_probs(
    model: &dyn CausalLm,
    hidden: Tensor<3>,
    pass: &Pass,
    scope: TokenScope,
) -> Result<(Tensor<1>, Vec<usize>), KtsError> {
    let columns = pass.columns();
    let mut real = vec![false; pass.batch() * columns];
    for token in pass.tokens() {
        real[token.row * columns + token.column] = true;
    }
    let followed =
        |cell: &usize| !(cell + 1).is_multiple_of(columns) && real[*cell] && real[cell + 1];
    let cells: Vec<usize> = scope.cells(pass).into_iter().filter(followed).collect();
    let rows = cells.iter().map(|cell| cell / columns).collect();
    let next: Vec<i64> = cells
        .iter()
        .map(|cell| i64::from(pass.ids()[cell + 1]))
        .collect();
    let own = Head {
        model,
        hidden: some_cells(hidden, cells, scope)?,
    };
    let device = own.hidden.device().without_autodiff();
    let written = |range: Range<usize>, logits: Tensor<2>, _: &[Tensor<2>]| {
        let shape = [range.len(), 1];
        let ids = TensorData::new(next[range].to_vec(), shape);
        let ids = Tensor::<2, Int>::from_data(ids, &device);
        let found = Normalised::of(&logits);
        let sum = found.log_sum();
        let ones = Tensor::ones(shape, &device);
        Rows {
            values: (logits.gather(1, ids.clone()) - sum).squeeze_dim(1),
            // One for the token that was written, less the probabilities.
            gradient: (-found.probabilities).scatter(1, ids, ones, IndexingUpdateOp::Add),
        }
    };
    Ok((of_rows(&own, &[], &written), rows))
}

fn some_cells(
    hidden: Tensor<3>,
    cells: Vec<usize>,
    scope: TokenScope,
) -> Result<Tensor<2>, KtsError> {
    let [batch, columns, width] = hidden.dims();
    let flat = hidden.reshape([batch * columns, width]);
    if cells.is_empty() {
        let what = format!("no token of the batch is within the scope {scope:?}");
        return Err(KtsError::Input { what });
    }
    if cells.len() == batch * columns {
        return Ok(flat);
    }
    let cells: Vec<i64> = cells.into_iter().map(|cell| cell as i64).collect();
    let cells = TensorData::new(cells.clone(), [cells.len()]);
    let device = flat.device().without_autodiff();
    Ok(flat.select(0, Tensor::<1, Int>::from_data(cells, &device)))
}

/// The loss of one minibatch, `[1]`, with its graph: the student steered by `push` against the plain teacher.
///
/// # Errors
/// As [`predictions`].
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::{Padding, Pass};
/// use firetender_kts::{LoraOptions, LossOptions, Push, step_loss, teacher};
/// use firetender_lm::{ModelConfig, Transformer};
/// let base = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let teacher = teacher(&base);
/// let student = LoraOptions::default().start(&base, 1).unwrap().attach(base).unwrap();
/// let pass = Pass::whole(&[vec![3, 1, 4], vec![1, 5]], Padding::Right, 0).unwrap();
/// let loss = step_loss(&student, &teacher, &pass, &Push::nothing(), &LossOptions::default()).unwrap();
/// assert_eq!(loss.into_scalar::<f32>(), 0.0, "a fresh adapter, unsteered, is the teacher");
/// ```
pub fn step_loss(
    student: &dyn CausalLm,
    teacher: &dyn CausalLm,
    pass: &Pass,
    push: &Push,
    options: &LossOptions,
) -> Result<Tensor<1>, KtsError> {
    divergence(student, teacher, pass, [push, &Push::nothing()], options)
}

/// As [`step_loss`], with a push for the student and one for the teacher.
pub(crate) fn divergence(
    student: &dyn CausalLm,
    teacher: &dyn CausalLm,
    pass: &Pass,
    [push, teachers_push]: [&Push; 2],
    options: &LossOptions,
) -> Result<Tensor<1>, KtsError> {
    let own = steered(student, pass, push)?;
    against(student, own, teacher, pass, teachers_push, options)
}

/// A model's hidden states under a push.
pub(crate) fn steered(
    model: &dyn CausalLm,
    pass: &Pass,
    push: &Push,
) -> Result<Tensor<3>, KtsError> {
    if push.is_nothing() {
        return Ok(model.hidden(pass, None, &mut Untouched)?);
    }
    Ok(model.hidden(pass, None, &mut push.hook(&model.device()))?)
}

/// The divergence of a student, by its hidden states, from a teacher under a push.
pub(crate) fn against(
    student: &dyn CausalLm,
    own: Tensor<3>,
    teacher: &dyn CausalLm,
    pass: &Pass,
    teachers_push: &Push,
    options: &LossOptions,
) -> Result<Tensor<1>, KtsError> {
    let target = steered(teacher, pass, teachers_push)?;
    let target = Head {
        model: teacher,
        hidden: at_cells(target, pass, options.scope)?.without_autodiff(),
    };
    let own = Head {
        model: student,
        hidden: at_cells(own, pass, options.scope)?,
    };
    let rows = |_, own, others: &[Tensor<2>]| options.rows(own, others[0].clone());
    Ok(of_rows(&own, &[target], &rows).mean())
}

/// The value of one minibatch's loss and the gradients of the student's factors.
///
/// # Errors
/// As [`step_loss`].
pub fn step<M: CausalLm + Module>(
    student: &M,
    teacher: &dyn CausalLm,
    pass: &Pass,
    push: &Push,
    options: &LossOptions,
) -> Result<(f64, FactorGradients), KtsError> {
    let loss = step_loss(student, teacher, pass, push, options)?;
    let gradients = loss.backward();
    Ok((
        loss.into_scalar::<f64>(),
        FactorGradients::of(student, &gradients),
    ))
}

#[cfg(test)]
mod tests;
