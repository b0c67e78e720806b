//! Effects that are read off the model's probabilities, without generating anything.

use firetender_hooks::{Intervene, Padding, Pass};
use firetender_lm::{CausalLm, ScoreRequest, score};

use super::Effect;
use crate::SteerError;

/// Prompts that run at a time.
const BATCH: usize = 8;

/// Log-odds of one set of next tokens against another: `log Σ P(target) − log Σ P(other)` after each prompt.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::Untouched;
/// use firetender_lm::{ModelConfig, Transformer};
/// use firetender_steer::{Effect, NextTokenOdds};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let odds = NextTokenOdds::new(vec![vec![1, 2], vec![3]], vec![5, 6], vec![7]).unwrap();
/// assert_eq!(odds.measure(&model, &mut Untouched).unwrap().len(), 2);
/// assert!(NextTokenOdds::new(vec![vec![1]], vec![5], vec![5]).is_err(), "a token on both sides");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextTokenOdds {
    prompts: Vec<Vec<u32>>,
    target: Vec<u32>,
    other: Vec<u32>,
}

impl NextTokenOdds {
    /// Compares the probability of `target` with that of `other` after each prompt. For words, see [`first_tokens`].
    ///
    /// # Errors
    /// [`SteerError::Input`] when there are no prompts, one is empty, or a set is empty, has a token twice or shares one with
    /// the other.
    pub fn new(
        prompts: Vec<Vec<u32>>,
        target: Vec<u32>,
        other: Vec<u32>,
    ) -> Result<Self, SteerError> {
        check_prompts(&prompts)?;
        let fail = |what: String| Err(SteerError::Input { what });
        for (name, set) in [("target", &target), ("other", &other)] {
            if set.is_empty() {
                return fail(format!("the set of {name} tokens is empty"));
            }
        }
        let mut all: Vec<u32> = target.iter().chain(&other).copied().collect();
        all.sort_unstable();
        if let Some(twice) = all.windows(2).find(|w| w[0] == w[1]) {
            return fail(format!(
                "token {} stands twice among target and other tokens; its probability would count twice",
                twice[0]
            ));
        }
        Ok(Self {
            prompts,
            target,
            other,
        })
    }
}

impl Effect for NextTokenOdds {
    fn measure(
        &self,
        model: &dyn CausalLm,
        hook: &mut dyn Intervene,
    ) -> Result<Vec<f64>, SteerError> {
        let vocab = model.shape().vocab_size;
        let tokens = self.target.iter().chain(&self.other);
        if let Some(id) = tokens.into_iter().find(|id| **id as usize >= vocab) {
            let what = format!("token {id} is outside the model's vocabulary of {vocab}");
            return Err(SteerError::Input { what });
        }
        let mut found = Vec::with_capacity(self.prompts.len());
        for prompts in self.prompts.chunks(BATCH) {
            let pass = Pass::whole(prompts, Padding::Left, 0)?;
            let last = pass.columns() - 1;
            let cells: Vec<(usize, usize)> = (0..prompts.len()).map(|row| (row, last)).collect();
            let logits = model.logits_at(&pass, &cells, None, hook)?;
            let logits: Vec<f64> = logits.into_data().iter::<f64>().collect();
            for row in logits.chunks(vocab) {
                let sum = |set: &[u32]| log_sum_exp(set.iter().map(|id| row[*id as usize]));
                found.push(sum(&self.target) - sum(&self.other));
            }
        }
        Ok(found)
    }
}

/// The distinct first tokens of some words' token sequences, ascending: the next tokens that begin one of them.
///
/// ```
/// assert_eq!(firetender_steer::first_tokens(&[vec![7, 1], vec![3], vec![7, 2], vec![]]), [3, 7]);
/// ```
#[must_use]
pub fn first_tokens(words: &[Vec<u32>]) -> Vec<u32> {
    let mut first: Vec<u32> = words
        .iter()
        .filter_map(|word| word.first().copied())
        .collect();
    first.sort_unstable();
    first.dedup();
    first
}

/// How much likelier one given continuation is than another: `log P(a | context) − log P(b | context)`, summed over tokens.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::Untouched;
/// use firetender_lm::{ModelConfig, Transformer};
/// use firetender_steer::{Effect, Preference};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let one = Preference::new(vec![(vec![1], vec![2, 3], vec![4])]).unwrap();
/// let other = Preference::new(vec![(vec![1], vec![4], vec![2, 3])]).unwrap();
/// let (x, y) = (one.measure(&model, &mut Untouched).unwrap(), other.measure(&model, &mut Untouched).unwrap());
/// assert_eq!(x[0], -y[0]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preference {
    items: Vec<ScoreRequest>,
}

impl Preference {
    /// Items of (context, continuation `a`, continuation `b`).
    ///
    /// # Errors
    /// [`SteerError::Input`] when there are none or a part is empty.
    pub fn new(items: Vec<(Vec<u32>, Vec<u32>, Vec<u32>)>) -> Result<Self, SteerError> {
        let contexts: Vec<Vec<u32>> = items.iter().map(|(c, _, _)| c.clone()).collect();
        check_prompts(&contexts)?;
        if let Some(item) = items
            .iter()
            .position(|(_, a, b)| a.is_empty() || b.is_empty())
        {
            let what = format!("a continuation of item {item} has no tokens");
            return Err(SteerError::Input { what });
        }
        let items = items
            .into_iter()
            .map(|(context, a, b)| ScoreRequest {
                context,
                continuations: vec![a, b],
            })
            .collect();
        Ok(Self { items })
    }
}

impl Effect for Preference {
    fn measure(
        &self,
        model: &dyn CausalLm,
        hook: &mut dyn Intervene,
    ) -> Result<Vec<f64>, SteerError> {
        self.items
            .iter()
            .map(|item| {
                let scored = score(model, item, hook)?;
                Ok(scored[0].total() - scored[1].total())
            })
            .collect()
    }
}

pub(super) fn check_prompts(prompts: &[Vec<u32>]) -> Result<(), SteerError> {
    let what = match prompts.iter().position(Vec::is_empty) {
        Some(row) => format!("target prompt {row} has no tokens"),
        None if prompts.is_empty() => "no target prompts; an effect needs at least one".into(),
        None => return Ok(()),
    };
    Err(SteerError::Input { what })
}

fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() {
        return top;
    }
    top + values.map(|x| (x - top).exp()).sum::<f64>().ln()
}
