//! Student and teacher as one module, which the learner moves around.

use burn::{
    lr_scheduler::module_lr_scheduler::ModuleLearningRate,
    module::{Module, ModuleDisplay, ModuleVisitor, Param},
    optim::{GradientsParams, ModuleOptimizer},
    tensor::{ExecutionError, Tensor},
};
use burn_train::{
    InferenceStep, ItemLazy, TrainOutput, TrainStep,
    metric::{Adaptor, LossInput},
};
use firetender_lm::CausalLm;

use super::Halt;
use crate::{Clip, LossOptions, Minibatch, step_loss};

/// What does not move.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) loss: LossOptions,
    pub(super) clip: Option<Clip>,
    /// One over the number of minibatches whose gradients the learner adds up.
    pub(super) share: f64,
    pub(super) halt: Halt,
}

/// The teacher is a real field, so that it goes to every device; it is frozen, so no optimiser touches it.
#[derive(Module, Debug)]
pub(super) struct Trainee<M: Module> {
    pub(super) student: M,
    pub(super) teacher: M,
    #[module(skip)]
    pub(super) settings: Settings,
}

impl<M: CausalLm + Module> Trainee<M> {
    fn loss(&self, batch: &Minibatch) -> Tensor<1> {
        step_loss(
            &self.student,
            &self.teacher,
            &batch.pass,
            &batch.push,
            &self.settings.loss,
        )
        // The learner takes no errors from a step.
        .unwrap_or_else(|error| panic!("{error}"))
    }
}

impl<M: CausalLm + Module + ModuleDisplay + 'static> TrainStep for Trainee<M> {
    type Input = Minibatch;
    type Output = Loss;

    fn step(&self, batch: Minibatch) -> TrainOutput<Loss> {
        let loss = self.loss(&batch);
        let gradients = loss.clone().mul_scalar(self.settings.share).backward();
        TrainOutput::new(self, gradients, Loss(loss))
    }

    fn optimize(
        self,
        optimiser: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        mut gradients: GradientsParams,
    ) -> Self {
        let norm = shorten(&self, &mut gradients, self.settings.clip);
        if !self.settings.halt.allows(norm) {
            return self;
        }
        optimiser.step(rate, self, gradients)
    }
}

impl<M: CausalLm + Module + ModuleDisplay + 'static> InferenceStep for Trainee<M> {
    type Input = Minibatch;
    type Output = Loss;

    fn step(&self, batch: Minibatch) -> Loss {
        Loss(self.loss(&batch))
    }
}

/// Clips as [`crate::FactorGradients`] does; the length before.
fn shorten<M: Module>(model: &M, gradients: &mut GradientsParams, clip: Option<Clip>) -> f64 {
    struct Lengths<'a> {
        gradients: &'a GradientsParams,
        squares: Vec<Tensor<1>>,
    }
    impl ModuleVisitor for Lengths<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                self.squares.push(gradient.square().sum());
            }
        }
    }
    struct Scale<'a> {
        gradients: &'a mut GradientsParams,
        factors: std::vec::IntoIter<f64>,
    }
    impl ModuleVisitor for Scale<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.remove::<D>(param.id) {
                let factor = self.factors.next().unwrap_or(1.0);
                let gradient = if factor < 1.0 {
                    gradient.mul_scalar(factor)
                } else {
                    gradient
                };
                self.gradients.register(param.id, gradient);
            }
        }
    }
    let mut lengths = Lengths {
        gradients,
        squares: vec![],
    };
    model.visit(&mut lengths);
    if lengths.squares.is_empty() {
        return 0.0;
    }
    let squares: Vec<f64> = Tensor::cat(lengths.squares, 0)
        .into_data()
        .iter::<f64>()
        .collect();
    let norm = squares.iter().sum::<f64>().sqrt();
    let factors: Vec<f64> = match clip {
        None => return norm,
        Some(Clip::Whole(limit)) => vec![limit / (norm + 1e-6); squares.len()],
        Some(Clip::Each(limit)) => squares.iter().map(|square| limit / square.sqrt()).collect(),
    };
    model.visit(&mut Scale {
        gradients,
        factors: factors.into_iter(),
    });
    norm
}

/// The loss of a step, for the metrics.
pub(super) struct Loss(Tensor<1>);

impl ItemLazy for Loss {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(Self(self.0.without_autodiff()))
    }
}

impl Adaptor<LossInput> for Loss {
    fn adapt(&self) -> LossInput {
        LossInput::new(self.0.clone())
    }
}
