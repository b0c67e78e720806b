//! KL-then-steer as an objective: draws, steers, compares.

use firetender_hooks::{Padding, Pass};
use firetender_lm::CausalLm;
use firetender_steer::SteeringVector;

use crate::{
    Draw, Drawer, KtsError, KtsOptions, Objective, Parts, Push, Texts, TokenScope, VectorBank,
    step::{against, divergence, next_log_probs, steered},
};

/// Minibatches of texts with what is drawn for each: everything of KL-then-steer that needs no model once directions are read.
#[derive(Clone, Debug)]
pub struct Minibatches {
    texts: Texts,
    bank: VectorBank,
    options: KtsOptions,
    drawer: Option<Drawer>,
}

impl Minibatches {
    /// Checks that everything fits together.
    ///
    /// # Errors
    /// [`KtsError::Options`] for options that cannot be, among them: steering without any source of directions, a scope of
    /// answers where no text has one, keeping an effect where no source has target prompts.
    pub fn new(texts: &Texts, bank: VectorBank, options: &KtsOptions) -> Result<Self, KtsError> {
        options.check()?;
        if bank.is_empty() && options.dose.p_steer > 0.0 {
            let what = "0 when there is no source of directions";
            return Err(KtsError::options(
                "dose.p_steer",
                options.dose.p_steer,
                what,
            ));
        }
        let texts = texts.clone().cut(options.training.max_length);
        let answered = texts.rows().iter().all(|(ids, prompt)| *prompt < ids.len());
        if options.loss.scope == TokenScope::Answer && !answered {
            let what =
                "another scope, or texts that each have an answer within training.max_length";
            return Err(KtsError::options("loss.scope", "answer", what));
        }
        if options
            .task
            .as_ref()
            .is_some_and(|t| t.scope == TokenScope::Answer)
            && !answered
        {
            let what =
                "another scope, or texts that each have an answer within training.max_length";
            return Err(KtsError::options("task.scope", "answer", what));
        }
        let bare = |s: &crate::SourceSize| s.weight > 0.0 && s.targets == 0;
        if options.keep_effect.is_some() && bank.sizes().iter().any(bare) {
            let what = "absent, or target prompts for every source (`Source::with_targets`)";
            return Err(KtsError::options("keep_effect", "set", what));
        }
        let targets = options.keep_effect.as_ref().map_or(0, |keep| keep.rows);
        let drawer = (!bank.is_empty()).then(|| {
            Drawer::new(
                options.training.seed,
                &options.dose,
                options.vectors.pairs,
                targets,
                &bank.sizes(),
            )
        });
        Ok(Self {
            texts,
            bank,
            options: options.clone(),
            drawer,
        })
    }

    /// A name for exactly these minibatches: options, texts and directions.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let options = serde_json::to_string(&self.options).unwrap_or_default();
        let (texts, vectors) = (self.texts.fingerprint(), self.bank.fingerprint());
        format!("{options} texts {texts} vectors {vectors}")
    }

    /// What minibatch `number` holds: its texts' numbers, the pass, what is drawn and what that adds.
    ///
    /// # Errors
    /// [`KtsError::Steer`] when a direction is zero.
    pub fn get(&self, number: u64) -> Result<Minibatch, KtsError> {
        let training = &self.options.training;
        let texts = self.texts.minibatch(training.seed, number, training.batch);
        let pass = self.texts.pass(&texts)?;
        let draws = match &self.drawer {
            Some(drawer) => drawer.minibatch(number, texts.len()),
            None => vec![],
        };
        let push = self.push(&draws)?;
        Ok(Minibatch {
            texts,
            pass,
            draws,
            push,
        })
    }

    fn push(&self, draws: &[Draw]) -> Result<Push, KtsError> {
        let vectors: Vec<Option<SteeringVector>> = draws
            .iter()
            .map(|draw| draw.steered.then(|| self.bank.direction(draw)).transpose())
            .collect::<Result<_, _>>()?;
        let push = match (draws, vectors.as_slice()) {
            ([], _) | (_, [None]) => Push::nothing(),
            ([draw], [Some(vector)]) => Push::one(vector, draw.strength),
            _ => {
                let rows: Vec<Option<(&SteeringVector, f64)>> = draws
                    .iter()
                    .zip(&vectors)
                    .map(|(draw, vector)| Some((vector.as_ref()?, draw.strength)))
                    .collect();
                Push::rows(&rows)?
            }
        };
        Ok(
            if self.options.loss.scope == TokenScope::EverythingWithPadding {
                push.with_padding()
            } else {
                push
            },
        )
    }
}

/// The paper's objective: the steered student is to predict on harmless texts what the plain base predicts.
pub struct KlThenSteer<'a> {
    teacher: &'a dyn CausalLm,
    batches: Minibatches,
}

impl std::fmt::Debug for KlThenSteer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KlThenSteer")
            .field("options", &self.batches.options)
            .field("texts", &self.batches.texts.len())
            .finish_non_exhaustive()
    }
}

impl<'a> KlThenSteer<'a> {
    /// `teacher` is the base, without adapter, as [`crate::teacher`] makes it.
    ///
    /// # Errors
    /// As [`Minibatches::new`].
    pub fn new(
        teacher: &'a dyn CausalLm,
        texts: &Texts,
        bank: VectorBank,
        options: &KtsOptions,
    ) -> Result<Self, KtsError> {
        let batches = Minibatches::new(texts, bank, options)?;
        Ok(Self { teacher, batches })
    }

    /// With minibatches that are put together already.
    #[must_use]
    pub fn with_minibatches(teacher: &'a dyn CausalLm, batches: Minibatches) -> Self {
        Self { teacher, batches }
    }

    /// Its minibatches.
    #[must_use]
    pub fn minibatches(&self) -> &Minibatches {
        &self.batches
    }
}

/// One minibatch, ready to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Minibatch {
    /// Numbers of the texts.
    pub texts: Vec<usize>,
    /// The texts.
    pub pass: Pass,
    /// What was drawn.
    pub draws: Vec<Draw>,
    /// What the draws add.
    pub push: Push,
}

impl Objective for KlThenSteer<'_> {
    fn fingerprint(&self) -> String {
        format!("kl_then_steer {}", self.batches.fingerprint())
    }

    fn begin(&mut self, step: u64, student: &dyn CausalLm) -> Result<(), KtsError> {
        self.batches.bank.refresh(step, student)
    }

    fn can_stop_before(&self, step: u64) -> bool {
        self.batches.bank.is_read_at(step)
    }

    fn loss(&mut self, student: &dyn CausalLm, number: u64) -> Result<Parts, KtsError> {
        let batch = self.batches.get(number)?;
        let options = &self.batches.options;
        let is_steered = !batch.push.is_nothing();
        let hidden = steered(student, &batch.pass, &batch.push)?;
        let loss = against(
            student,
            hidden.clone(),
            self.teacher,
            &batch.pass,
            &Push::nothing(),
            &options.loss,
        )?;
        let value = loss.clone().into_scalar::<f64>();
        let mut named = vec![(
            if is_steered {
                "kl_steered"
            } else {
                "kl_unsteered"
            },
            value,
        )];
        let mut total = loss;
        if let Some(task) = &options.task {
            let (next, _) = next_log_probs(student, hidden, &batch.pass, task.scope)?;
            let loss = -next.mean();
            named.push(("task", loss.clone().into_scalar::<f64>()));
            total = total + loss.mul_scalar(task.weight);
        }
        if let (Some(keep), true, Some(draw)) =
            (&options.keep_effect, is_steered, batch.draws.first())
        {
            let pass = Pass::whole(&self.batches.bank.targets(draw), Padding::Right, 0)?;
            let kept_loss = crate::LossOptions {
                scope: keep.scope,
                ..options.loss.clone()
            };
            let both = [&batch.push, &batch.push];
            let kept = divergence(student, self.teacher, &pass, both, &kept_loss)?;
            named.push(("kept", kept.clone().into_scalar::<f64>()));
            total = total + kept.mul_scalar(keep.weight);
        }
        Ok(Parts {
            total,
            named,
            draws: batch.draws,
            texts: batch.texts,
        })
    }
}
