//! What is trained for: one trait for KL-then-steer and for everything it is compared with.

use burn::tensor::Tensor;
use firetender_lm::CausalLm;

use crate::{Draw, KtsError};

/// The loss of one minibatch.
#[derive(Debug)]
pub struct Parts {
    /// What the gradient is taken of, `[1]`, with its graph.
    pub total: Tensor<1>,
    /// Its parts by name, for the log.
    pub named: Vec<(&'static str, f64)>,
    /// What was drawn.
    pub draws: Vec<Draw>,
    /// The numbers of the texts.
    pub texts: Vec<usize>,
}

/// Something a student can be trained for, in [`crate::train`].
pub trait Objective {
    /// A name for it with everything that decides what it computes, so that a checkpoint of another run is refused.
    fn fingerprint(&self) -> String;

    /// Called before each step of the optimiser, counted from 0.
    ///
    /// # Errors
    /// Whatever the model reports.
    fn begin(&mut self, step: u64, student: &dyn CausalLm) -> Result<(), KtsError> {
        let _ = (step, student);
        Ok(())
    }

    /// Whether a run that is stopped before this step can be resumed to the same numbers.
    fn can_stop_before(&self, step: u64) -> bool {
        let _ = step;
        true
    }

    /// The loss of minibatch `number`, counted over the whole run; a function of the student and that number alone.
    ///
    /// # Errors
    /// Whatever the model reports.
    fn loss(&mut self, student: &dyn CausalLm, number: u64) -> Result<Parts, KtsError>;
}
