//! Questions with given answers, scored by log-likelihood: nothing is generated, so nothing can be unreadable.

use firetender_hooks::Intervene;
use firetender_lm::{CausalLm, ScoreRequest, score};

use super::{Effect, logits::check_prompts};
use crate::SteerError;

/// A prompt, options, and which of them are right.
type Marked = (Vec<u32>, Vec<Vec<u32>>, Vec<bool>);

/// Probability of a target answer among given ones: `P(target) / Σ P(answer)`, each summed over its tokens. With the letters of an
/// A/B question as answers this is the usual A/B score. With one answer it is that answer's probability itself.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::Untouched;
/// use firetender_lm::{ModelConfig, Transformer};
/// use firetender_steer::{AnswerProbability, Effect};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let of = |target| AnswerProbability::new(vec![(vec![1, 2], vec![vec![5], vec![6]], target)]).unwrap();
/// let both = [of(0), of(1)].map(|effect| effect.measure(&model, &mut Untouched).unwrap()[0]);
/// assert!((both[0] + both[1] - 1.0).abs() < 1e-12);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerProbability {
    items: Vec<(ScoreRequest, usize)>,
}

impl AnswerProbability {
    /// Items of (prompt, answers, number of the target among them).
    ///
    /// # Errors
    /// [`SteerError::Input`] when there are none, a prompt or an answer has no tokens, an item has no answers, or its target is
    /// none of them.
    pub fn new(items: Vec<(Vec<u32>, Vec<Vec<u32>>, usize)>) -> Result<Self, SteerError> {
        let right = |target: usize, n: usize| (0..n).map(|i| i == target).collect();
        let checked = items.iter().map(|(prompt, answers, target)| {
            (
                prompt.clone(),
                answers.clone(),
                right(*target, answers.len()),
            )
        });
        check(&checked.collect::<Vec<_>>())?;
        let item = |(context, continuations, target)| {
            let request = ScoreRequest {
                context,
                continuations,
            };
            (request, target)
        };
        Ok(Self {
            items: items.into_iter().map(item).collect(),
        })
    }
}

impl Effect for AnswerProbability {
    fn measure(
        &self,
        model: &dyn CausalLm,
        hook: &mut dyn Intervene,
    ) -> Result<Vec<f64>, SteerError> {
        let one = |(request, target): &(ScoreRequest, usize)| {
            let totals = totals(model, request, hook)?;
            if totals.len() == 1 {
                return Ok(totals[0].exp());
            }
            let top = totals.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = totals.iter().map(|t| (t - top).exp()).sum();
            Ok((totals[*target] - top).exp() / sum)
        };
        self.items.iter().map(one).collect()
    }
}

/// Accuracy of multiple choice: 1 where the likeliest option is a right one, else 0. As a measure of damage, use questions of
/// general knowledge; its mean is the accuracy.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::Untouched;
/// use firetender_lm::{ModelConfig, Transformer};
/// use firetender_steer::{Effect, MultipleChoice};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let item = |right: [bool; 2]| (vec![1], vec![vec![5], vec![6]], right.to_vec());
/// let quiz = MultipleChoice::new(vec![item([true, false]), item([false, true]), item([true, true])]).unwrap();
/// let found = quiz.measure(&model, &mut Untouched).unwrap();
/// assert_eq!((found[0] + found[1], found[2]), (1.0, 1.0));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultipleChoice {
    items: Vec<(ScoreRequest, Vec<bool>)>,
    by_length: bool,
}

impl MultipleChoice {
    /// Items of (prompt, options, which of them are right).
    ///
    /// # Errors
    /// [`SteerError::Input`] when there are none, a prompt or an option has no tokens, there is not one mark for each option, or
    /// none is right.
    pub fn new(items: Vec<Marked>) -> Result<Self, SteerError> {
        check(&items)?;
        let item = |(context, continuations, right)| {
            let request = ScoreRequest {
                context,
                continuations,
            };
            (request, right)
        };
        Ok(Self {
            items: items.into_iter().map(item).collect(),
            by_length: false,
        })
    }

    /// Compares log-likelihoods a token instead of whole ones, where options differ much in length.
    #[must_use]
    pub fn by_length(mut self) -> Self {
        self.by_length = true;
        self
    }
}

impl Effect for MultipleChoice {
    fn measure(
        &self,
        model: &dyn CausalLm,
        hook: &mut dyn Intervene,
    ) -> Result<Vec<f64>, SteerError> {
        let one = |(request, right): &(ScoreRequest, Vec<bool>)| {
            let mut totals = totals(model, request, hook)?;
            if self.by_length {
                for (total, option) in totals.iter_mut().zip(&request.continuations) {
                    *total /= option.len() as f64;
                }
            }
            // The first of equals, so that the order of options alone decides a tie.
            let best = (0..totals.len())
                .fold(0, |best, i| if totals[i] > totals[best] { i } else { best });
            Ok(if right[best] { 1.0 } else { 0.0 })
        };
        self.items.iter().map(one).collect()
    }
}

fn totals(
    model: &dyn CausalLm,
    request: &ScoreRequest,
    hook: &mut dyn Intervene,
) -> Result<Vec<f64>, SteerError> {
    let scored = score(model, request, hook)?;
    Ok(scored.iter().map(firetender_lm::Scored::total).collect())
}

fn check(items: &[Marked]) -> Result<(), SteerError> {
    let prompts: Vec<Vec<u32>> = items.iter().map(|(prompt, _, _)| prompt.clone()).collect();
    check_prompts(&prompts)?;
    for (at, (_, options, right)) in items.iter().enumerate() {
        let what = if options.is_empty() || options.iter().any(Vec::is_empty) {
            format!("item {at} has no answers, or one without tokens")
        } else if right.len() != options.len() || !right.contains(&true) {
            format!(
                "item {at}: the right answer is none of the {} given",
                options.len()
            )
        } else {
            continue;
        };
        return Err(SteerError::Input { what });
    }
    Ok(())
}
