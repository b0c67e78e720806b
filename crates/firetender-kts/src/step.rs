//! One KL-then-steer step, as a pure function of what it is given.
//!
//! The student runs steered, the teacher plain; the loss is the mean divergence of their next-token distributions over the cells
//! that count. Only those cells are projected to the vocabulary, the teacher leaves no graph, and nothing here draws, keeps or
//! updates anything: [`crate::train`] is built on it, and so can be a loop of your own.

use burn::{
    module::Module,
    tensor::{Int, Tensor, TensorData},
};
use firetender_hooks::{Intervene, Pass, Untouched};
use firetender_lm::CausalLm;

use crate::{FactorGradients, KtsError, LossOptions, Push, TokenScope};

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
    let cells = scope.cells(pass);
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
    let target = if teachers_push.is_nothing() {
        predictions(teacher, pass, &mut Untouched, options)?
    } else {
        let mut hook = teachers_push.hook(&teacher.device());
        predictions(teacher, pass, &mut hook, options)?
    };
    let mut hook = push.hook(&student.device());
    let own = predictions(student, pass, &mut hook, options)?;
    Ok(options.divergence.of(own, target.without_autodiff()).mean())
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
