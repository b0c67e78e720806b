//! Models as [`LikelihoodModel`]s: any [`CausalLm`], and any function from tokens to logits.

use firetender_hooks::{Intervene, Untouched};

use super::{LikelihoodModel, Sharing, score_batch};
use crate::{CausalLm, LmError, ScoreRequest, Scored, score::Judged};

/// Any [`CausalLm`], plain or with an intervention, as a [`LikelihoodModel`].
pub struct LmScorer<'a> {
    model: &'a dyn CausalLm,
    hook: Box<dyn Intervene + 'a>,
    fingerprint: String,
    sharing: Sharing,
}

impl std::fmt::Debug for LmScorer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LmScorer")
            .field("fingerprint", &self.fingerprint)
            .field("sharing", &self.sharing)
            .finish_non_exhaustive()
    }
}

impl<'a> LmScorer<'a> {
    /// The model as it is; `fingerprint` names its weights, see [`Checkpoint::fingerprint`](crate::Checkpoint::fingerprint).
    #[must_use]
    pub fn new(model: &'a dyn CausalLm, fingerprint: impl Into<String>) -> Self {
        Self {
            model,
            hook: Box::new(Untouched),
            fingerprint: fingerprint.into(),
            sharing: Sharing::default(),
        }
    }

    /// The model under an intervention; `name` has to name it exactly, its strength included, because it becomes part of the fingerprint. The
    /// beginnings of different prompts are no longer shared.
    #[must_use]
    pub fn with_intervention(mut self, hook: impl Intervene + 'a, name: &str) -> Self {
        self.hook = Box::new(hook);
        self.fingerprint = format!("{}+{name}", self.fingerprint);
        self.sharing.prefix = false;
        self
    }

    /// Other ways to share work.
    #[must_use]
    pub fn with_sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        self
    }
}

impl LikelihoodModel for LmScorer<'_> {
    fn max_positions(&self) -> usize {
        self.model.shape().max_positions
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    fn score(&mut self, requests: &[ScoreRequest]) -> Result<Vec<Vec<Scored>>, LmError> {
        score_batch(self.model, requests, self.sharing, self.hook.as_mut())
    }
}

/// A function from tokens to the logits after each of them, as a [`LikelihoodModel`]: for tables, n-grams and other people's models.
///
/// ```
/// use firetender_lm::{LikelihoodModel, LogitsModel, ScoreRequest};
///
/// // Every next token is as likely as any other of four.
/// let mut model = LogitsModel::new("uniform", 16, |tokens: &[u32]| Ok(vec![vec![0.0; 4]; tokens.len()]));
/// let scored = model.score(&[ScoreRequest { context: vec![0], continuations: vec![vec![1, 2]] }])?;
/// assert!((scored[0][0].total() + 2.0 * 4f64.ln()).abs() < 1e-12);
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
pub struct LogitsModel<'a> {
    fingerprint: String,
    max_positions: usize,
    logits: Box<LogitsFunction<'a>>,
}

/// Tokens to logits, one list for each token.
type LogitsFunction<'a> = dyn FnMut(&[u32]) -> Result<Vec<Vec<f32>>, LmError> + 'a;

impl std::fmt::Debug for LogitsModel<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogitsModel")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl<'a> LogitsModel<'a> {
    /// The function, its name and the longest sequence that it takes.
    pub fn new(
        fingerprint: impl Into<String>,
        max_positions: usize,
        logits: impl FnMut(&[u32]) -> Result<Vec<Vec<f32>>, LmError> + 'a,
    ) -> Self {
        Self {
            fingerprint: fingerprint.into(),
            max_positions,
            logits: Box::new(logits),
        }
    }
}

impl LikelihoodModel for LogitsModel<'_> {
    fn max_positions(&self) -> usize {
        self.max_positions
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    fn score(&mut self, requests: &[ScoreRequest]) -> Result<Vec<Vec<Scored>>, LmError> {
        let fail = |what: String| Err(LmError::Input { what });
        let mut out = vec![];
        for request in requests {
            if request.context.is_empty() {
                return fail("empty context; start it with the model's start token".into());
            }
            let mut scores = vec![];
            for continuation in &request.continuations {
                let Some((_, fed)) = continuation.split_last() else {
                    return fail("a continuation has no tokens".into());
                };
                let tokens = [request.context.as_slice(), fed].concat();
                if tokens.len() > self.max_positions {
                    return fail(format!(
                        "{} tokens; this model takes {}",
                        tokens.len(),
                        self.max_positions
                    ));
                }
                let logits = (self.logits)(&tokens)?;
                if logits.len() != tokens.len() {
                    return fail(format!(
                        "{} lists of logits for {} tokens; expected one for each",
                        logits.len(),
                        tokens.len()
                    ));
                }
                let mut scored = Scored::default();
                for (row, id) in logits[request.context.len() - 1..].iter().zip(continuation) {
                    scored.push(Judged::of(row), row, *id);
                }
                scores.push(scored);
            }
            out.push(scores);
        }
        Ok(out)
    }
}
