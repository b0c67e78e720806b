//! Training on the base model's own answers, steered as in KL-then-steer.

use firetender_lm::CausalLm;

use super::answer_log_probs;
use crate::{KlThenSteer, KtsError, KtsOptions, Objective, Parts, Texts, TokenScope, VectorBank};

/// The steered student is to write what the plain base wrote: mean negative log-probability of the answers' tokens. The paper
/// tried it and found it worse than the divergence (its appendix F). The texts are prompts with answers sampled from the base.
#[derive(Debug)]
pub struct Imitate<'a> {
    draws: KlThenSteer<'a>,
}

impl<'a> Imitate<'a> {
    /// Steers as `options` say; their loss is replaced.
    ///
    /// # Errors
    /// As [`KlThenSteer::new`]; every text needs an answer.
    pub fn new(
        base: &'a dyn CausalLm,
        texts: &Texts,
        bank: VectorBank,
        options: &KtsOptions,
    ) -> Result<Self, KtsError> {
        let mut options = options.clone();
        options.loss.scope = TokenScope::Answer;
        options.keep_effect = None;
        let draws = KlThenSteer::new(base, texts, bank, &options)?;
        Ok(Self { draws })
    }
}

impl Objective for Imitate<'_> {
    fn fingerprint(&self) -> String {
        format!("imitate {}", self.draws.fingerprint())
    }

    fn begin(&mut self, step: u64, student: &dyn CausalLm) -> Result<(), KtsError> {
        self.draws.begin(step, student)
    }

    fn can_stop_before(&self, step: u64) -> bool {
        self.draws.can_stop_before(step)
    }

    fn loss(&mut self, student: &dyn CausalLm, number: u64) -> Result<Parts, KtsError> {
        let batch = self.draws.minibatches().get(number)?;
        let mut hook = batch.push.hook(&student.device());
        let (log_probs, _) = answer_log_probs(student, &batch.pass, &mut hook)?;
        let total = -log_probs.mean();
        Ok(Parts {
            named: vec![("imitate", total.clone().into_scalar::<f64>())],
            total,
            draws: batch.draws,
            texts: batch.texts,
        })
    }
}
