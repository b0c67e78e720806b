//! What steering achieves: how far it moves a behaviour on target prompts.
//!
//! An [`Effect`] gives one number for each prompt, so that intervals can be drawn over prompts; what is quoted is their mean.
//! Effects are plain quantities of the model's own distribution: odds between sets of next tokens ([`NextTokenOdds`]), how much
//! likelier one continuation is than another ([`Preference`]), the probability of an answer among others, such as the letters of
//! an A/B question ([`AnswerProbability`]), the accuracy of multiple choice ([`MultipleChoice`]), the odds between two word lists
//! in generated text ([`FreeText`]), or what a judge says of it, refusals by their beginning included ([`Judged`]). Any closure from a model and an intervention to numbers is an effect too.

mod choices;
mod free_text;
mod judged;
mod logits;

use firetender_hooks::Intervene;
use firetender_lm::CausalLm;

use crate::SteerError;

pub use choices::{AnswerProbability, MultipleChoice};
pub use free_text::{FreeText, WordCounts, word_counts};
pub use judged::{Judged, REFUSALS, is_refusal};
pub use logits::{NextTokenOdds, Preference, first_tokens};

/// A behaviour as numbers: larger means more of it.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::{Intervene, Untouched};
/// use firetender_lm::{CausalLm, ModelConfig, Transformer};
/// use firetender_steer::{Effect, SteerError};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let own = |model: &dyn CausalLm, _hook: &mut dyn Intervene| Ok::<_, SteerError>(vec![model.shape().layers as f64]);
/// assert_eq!(own.measure(&model, &mut Untouched).unwrap(), [2.0]);
/// ```
pub trait Effect {
    /// One number for each prompt, in a fixed order.
    ///
    /// # Errors
    /// Whatever the model reports.
    fn measure(
        &self,
        model: &dyn CausalLm,
        hook: &mut dyn Intervene,
    ) -> Result<Vec<f64>, SteerError>;
}

impl<F> Effect for F
where
    F: Fn(&dyn CausalLm, &mut dyn Intervene) -> Result<Vec<f64>, SteerError>,
{
    fn measure(
        &self,
        model: &dyn CausalLm,
        hook: &mut dyn Intervene,
    ) -> Result<Vec<f64>, SteerError> {
        self(model, hook)
    }
}
