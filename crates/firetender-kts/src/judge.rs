//! Effect and damage of a trained model, always against the model it was trained from.
//!
//! A sweep of `firetender-steer` compares a steered model with itself unsteered. Here the reference is the **base**, plain: what
//! training moved counts as damage too. A [`Judge`] runs the base once over the harmless texts; each curve then costs one pass
//! per strength. Two methods are compared where their effects are equal ([`damage_at`]), never at equal strength: strength means
//! nothing across models.

use burn::tensor::Tensor;
use firetender_hooks::{Intervene, Pass, Untouched};
use firetender_lm::CausalLm;
use firetender_steer::{Effect, SteeringVector, Track, TrackPoint, token_kl};
use serde::{Deserialize, Serialize};

use crate::{KtsError, LossOptions, Push, Texts, TokenScope, predictions};

/// Texts that run at a time.
const BATCH: usize = 8;

/// Effect and damage at one strength.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedPoint {
    /// What the direction was multiplied by.
    pub strength: f64,
    /// The effect on each target prompt.
    pub effects: Vec<f64>,
    /// KL(model steered ‖ base plain) of each harmless text, summed over its counted tokens.
    pub kl: Vec<f64>,
    /// Counted tokens of each harmless text.
    pub tokens: Vec<f64>,
    /// Share of counted tokens after which the most likely token is the base's.
    pub agreement: f64,
}

impl JudgedPoint {
    /// Mean effect.
    #[must_use]
    pub fn effect(&self) -> f64 {
        self.effects.iter().sum::<f64>() / self.effects.len() as f64
    }

    /// Damage: KL(model steered ‖ base plain), nats per token.
    #[must_use]
    pub fn damage(&self) -> f64 {
        self.kl.iter().sum::<f64>() / self.tokens.iter().sum::<f64>()
    }
}

/// The base's predictions on harmless texts, kept to compare others with.
pub struct Judge {
    batches: Vec<(Pass, Tensor<2>)>,
    options: LossOptions,
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judge")
            .field("batches", &self.batches.len())
            .finish_non_exhaustive()
    }
}

impl Judge {
    /// Runs the base over harmless texts; the predictions of this scope count.
    ///
    /// # Errors
    /// [`KtsError::Input`] when the scope selects nothing of some batch; and whatever the model reports.
    pub fn new(base: &dyn CausalLm, benign: &Texts, scope: TokenScope) -> Result<Self, KtsError> {
        let options = LossOptions {
            scope,
            ..LossOptions::default()
        };
        let all: Vec<usize> = (0..benign.len()).collect();
        let batches = all
            .chunks(BATCH)
            .map(|chosen| {
                let pass = benign.pass(chosen)?;
                let plain = predictions(base, &pass, &mut Untouched, &options)?;
                Ok((pass, plain.without_autodiff()))
            })
            .collect::<Result<_, KtsError>>()?;
        Ok(Self { batches, options })
    }

    /// Effect and damage of a model steered along a vector at some strengths.
    ///
    /// # Errors
    /// Whatever the model reports.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use firetender_hooks::SiteKind;
    /// use firetender_kts::{Judge, Texts, TokenScope};
    /// use firetender_lm::{ModelConfig, Transformer};
    /// use firetender_steer::{NextTokenOdds, SteeringVector};
    /// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
    /// let direction = std::collections::BTreeMap::from([(0, (0..16).map(|i| (i % 3) as f32 - 1.0).collect())]);
    /// let vector = SteeringVector::new("up", "down", SiteKind::ResidPost, 16, 2, direction).unwrap();
    /// let benign = Texts::new(vec![(vec![1, 2, 3], 2), (vec![4, 5], 1)]).unwrap();
    /// let judge = Judge::new(&model, &benign, TokenScope::RealTokens).unwrap();
    /// let effect = NextTokenOdds::new(vec![vec![1, 2]], vec![5], vec![7]).unwrap();
    /// let curve = judge.curve(&model, &vector, &[0.0, 1.0], &effect).unwrap();
    /// assert_eq!(curve[0].damage(), 0.0);
    /// assert!(curve[1].damage() > 0.0);
    /// ```
    pub fn curve(
        &self,
        model: &dyn CausalLm,
        vector: &SteeringVector,
        strengths: &[f64],
        effect: &dyn Effect,
    ) -> Result<Vec<JudgedPoint>, KtsError> {
        strengths
            .iter()
            .map(|strength| {
                let push = Push::one(vector, *strength);
                let mut point = self.damage(model, &push)?;
                point.strength = *strength;
                point.effects = effect.measure(model, &mut push.hook(&model.device()))?;
                Ok(point)
            })
            .collect()
    }

    /// Damage alone; strength and effects are left empty.
    ///
    /// # Errors
    /// Whatever the model reports.
    pub fn damage(&self, model: &dyn CausalLm, push: &Push) -> Result<JudgedPoint, KtsError> {
        self.damage_under(model, &mut push.hook(&model.device()))
    }

    /// Damage under any intervention: a gated one, say, that has decided about the texts' prompts already.
    ///
    /// # Errors
    /// Whatever the model reports.
    pub fn damage_under(
        &self,
        model: &dyn CausalLm,
        hook: &mut dyn Intervene,
    ) -> Result<JudgedPoint, KtsError> {
        self.compare(self.batches.iter().map(|(pass, _)| pass), model, hook)
    }

    /// Damage with other prompts before the same counted tokens, such as a system prompt: row by row, what the model predicts there is
    /// compared with what the base predicts after the judge's own prompts.
    ///
    /// # Errors
    /// [`KtsError::Input`] when a row does not count as many tokens as the judge's; and whatever the model reports.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use firetender_hooks::Untouched;
    /// use firetender_kts::{Judge, Texts, TokenScope};
    /// use firetender_lm::{ModelConfig, Transformer};
    /// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
    /// let texts = Texts::new(vec![(vec![1, 2, 3, 4], 2)]).unwrap();
    /// let judge = Judge::new(&model, &texts, TokenScope::Answer).unwrap();
    /// let longer = Texts::new(vec![(vec![9, 9, 1, 2, 3, 4], 4)]).unwrap();
    /// assert!(judge.damage_of(&model, &longer, &mut Untouched).unwrap().damage() > 0.0);
    /// assert_eq!(judge.damage_of(&model, &texts, &mut Untouched).unwrap().damage(), 0.0);
    /// ```
    pub fn damage_of(
        &self,
        model: &dyn CausalLm,
        texts: &Texts,
        hook: &mut dyn Intervene,
    ) -> Result<JudgedPoint, KtsError> {
        let all: Vec<usize> = (0..texts.len()).collect();
        let passes: Vec<Pass> = all
            .chunks(BATCH)
            .map(|chosen| texts.pass(chosen))
            .collect::<Result<_, _>>()?;
        let counted = |pass: &Pass| {
            let cells = self.options.scope.cells(pass);
            let mut rows = vec![0; pass.batch()];
            for cell in cells {
                rows[cell / pass.columns()] += 1;
            }
            rows
        };
        let own: Vec<Vec<i32>> = self.batches.iter().map(|(pass, _)| counted(pass)).collect();
        if passes.iter().map(counted).collect::<Vec<_>>() != own {
            let what = "texts to compare do not count as many tokens, row by row, as the judge's"
                .to_owned();
            return Err(KtsError::Input { what });
        }
        self.compare(passes.iter(), model, hook)
    }

    fn compare<'a>(
        &self,
        passes: impl Iterator<Item = &'a Pass>,
        model: &dyn CausalLm,
        hook: &mut dyn Intervene,
    ) -> Result<JudgedPoint, KtsError> {
        let (mut kl, mut tokens, mut agreed) = (vec![], vec![], 0.0);
        for (pass, (_, plain)) in passes.zip(&self.batches) {
            let own = predictions(model, pass, hook, &self.options)?.without_autodiff();
            let same = own.clone().argmax(1).equal(plain.clone().argmax(1)).float();
            agreed += same.sum().into_scalar::<f64>();
            let each = token_kl(own, plain.clone());
            let each: Vec<f64> = each.into_data().iter::<f64>().collect();
            let start = kl.len();
            kl.resize(start + pass.batch(), 0.0);
            tokens.resize(start + pass.batch(), 0.0);
            for (cell, value) in self.options.scope.cells(pass).iter().zip(each) {
                let row = start + cell / pass.columns();
                kl[row] += value;
                tokens[row] += 1.0;
            }
        }
        let counted: f64 = tokens.iter().sum();
        Ok(JudgedPoint {
            strength: 0.0,
            effects: vec![],
            kl,
            tokens,
            agreement: agreed / counted,
        })
    }
}

/// The curve as plain numbers: what `firetender-steer` reads areas and budgets off.
///
/// # Errors
/// [`KtsError::Steer`] unless strengths differ and one of them is 0.
pub fn track(points: &[JudgedPoint]) -> Result<Track, KtsError> {
    let point = |p: &JudgedPoint| TrackPoint {
        strength: p.strength,
        effect: p.effect(),
        damage: p.damage(),
    };
    Ok(Track::new(points.iter().map(point).collect())?)
}

/// Where a method reaches an effect that is above the base's (for one below, negate effects), on the way outward from strength
/// zero, on whichever side costs less: [`Track::damage_at_effect`]. A method that is there or beyond without being steered has its damage at
/// strength zero. `None` when the effect is never reached: curves are not continued beyond their ends.
///
/// ```
/// use firetender_kts::{JudgedPoint, damage_at};
/// let point = |strength: f64, effect, damage| JudgedPoint {
///     strength, effects: vec![effect], kl: vec![damage], tokens: vec![1.0], agreement: 1.0,
/// };
/// let curve = [point(-1.0, 0.0, 0.3), point(0.0, 1.0, 0.1), point(1.0, 3.0, 0.5), point(2.0, 2.5, 0.9)];
/// assert_eq!(damage_at(&curve, 2.0)?.unwrap().strength, 0.5);
/// assert_eq!(damage_at(&curve, 0.5)?.unwrap().damage, 0.1, "without steering");
/// assert!(damage_at(&curve, 3.5)?.is_none());
/// # Ok::<(), firetender_kts::KtsError>(())
/// ```
///
/// # Errors
/// As [`track`].
pub fn damage_at(points: &[JudgedPoint], effect: f64) -> Result<Option<TrackPoint>, KtsError> {
    let track = track(points)?;
    if track.plain().effect >= effect {
        return Ok(Some(track.plain()));
    }
    Ok(track.damage_at_effect(effect))
}
