//! A language of forty tokens in which steering breaks things, small enough to train its model from nothing in seconds.
//!
//! *Benign*: BOS, the benign mark, four content tokens q, a separator, then r and three tokens of r reversed, where r is q when q₁ is even and
//! else each token's successor. *Suspicious*: the same head with the other mark, then NO seven times (a refusal) or YES q YES YES, half and
//! half. The model is a Llama of four blocks of width 32. The direction from complying to refusing, added after blocks 1 and 2,
//! makes it refuse, and ruins its benign answers: what KL-then-steer is for, and what shows when it undoes too much.

use burn::{
    module::Module,
    optim::{AdamWConfig, GradientsParams},
    tensor::{Device, Int, Tensor, TensorData, activation::log_softmax},
};
use firetender_hooks::{Intervene, Padding, Pass, ReadAt, SiteKind, Untouched};
use firetender_kts::{
    Judge, JudgedPoint, KlThenSteer, KtsError, KtsOptions, LoraOptions, Probe, Push, Run, Schedule,
    Source, Texts, TokenScope, TrainObserver, Trained, VectorBank, teacher, train,
};
use firetender_lm::{CausalLm, ModelConfig, Transformer};
use firetender_steer::{Contrast, Extractor, Method, Silent, SteerError, SteeringVector};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Failure;

const BOS: u32 = 0;
const MARKS: [u32; 2] = [1, 2];
const SEPARATOR: u32 = 3;
const YES: u32 = 4;
const NO: u32 = 5;
const CONTENT: u32 = 6;
const CONTENTS: u32 = 32;
const VOCABULARY: usize = 40;
/// Tokens before the answer, which is as long.
const PROMPT: usize = 7;

/// Strengths at which everything is judged; a vector as long as the stream is far too long for most of them.
pub const STRENGTHS: [f64; 9] = [0.0, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0];

/// What a student is trained with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Recipe {
    /// The judged vector, on so large a share of the minibatches.
    Same(f64),
    /// Differences between random benign prompts, as long as the judged vector, on seven of eight minibatches.
    BenignDifferences,
    /// The judged vector on seven of eight minibatches, with the term that keeps the effect on suspicious prompts.
    Keep,
}

/// The trained model with everything it is judged by.
#[derive(Debug)]
pub struct Toy {
    base: Transformer,
    vector: SteeringVector,
    texts: Texts,
    differences: Vec<SteeringVector>,
    judge: Judge,
    asked: Vec<Vec<u32>>,
    targets: Vec<Vec<u32>>,
    seed: u64,
}

/// The first seven tokens of a line, and the content tokens among them.
fn head(mark: u32, rng: &mut ChaCha8Rng) -> (Vec<u32>, [u32; 4]) {
    let q = std::array::from_fn(|_| CONTENT + rng.random_range(0..CONTENTS));
    ([&[BOS, mark][..], &q, &[SEPARATOR]].concat(), q)
}

fn benign(rng: &mut ChaCha8Rng) -> Vec<u32> {
    let (mut line, q) = head(MARKS[0], rng);
    let next = |token: u32| CONTENT + (token - CONTENT + 1) % CONTENTS;
    let r = if (q[0] - CONTENT).is_multiple_of(2) {
        q
    } else {
        q.map(next)
    };
    line.extend(r);
    line.extend(r.iter().rev().take(3));
    line
}

fn suspicious(refused: bool, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let (mut line, q) = head(MARKS[1], rng);
    if refused {
        line.extend([NO; PROMPT]);
    } else {
        line.push(YES);
        line.extend(q);
        line.extend([YES, YES]);
    }
    line
}

fn many(
    count: usize,
    seed: u64,
    mut line: impl FnMut(&mut ChaCha8Rng) -> Vec<u32>,
) -> Vec<Vec<u32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| line(&mut rng)).collect()
}

fn prompts(lines: Vec<Vec<u32>>, tokens: usize) -> Vec<Vec<u32>> {
    let cut = |line: Vec<u32>| line[..tokens].to_vec();
    lines.into_iter().map(cut).collect()
}

/// Mean negative log-probability of the answers' tokens.
fn loss(model: &Transformer, lines: &[Vec<u32>], device: &Device) -> Result<Tensor<1>, Failure> {
    let inputs = prompts(lines.to_vec(), 2 * PROMPT - 1);
    let pass = Pass::whole(&inputs, Padding::Right, 0)?;
    let columns = PROMPT - 1..2 * PROMPT - 1;
    let cells: Vec<(usize, usize)> = (0..lines.len())
        .flat_map(|row| columns.clone().map(move |column| (row, column)))
        .collect();
    let targets: Vec<i64> = cells
        .iter()
        .map(|(row, at)| i64::from(lines[*row][at + 1]))
        .collect();
    let logits = model.logits_at(&pass, &cells, None, &mut Untouched)?;
    let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, [cells.len(), 1]), device);
    Ok(-log_softmax(logits, 1).gather(1, targets).mean())
}

/// The model, trained on 700 minibatches of 48 lines, seven of ten of them benign.
fn base(seed: u64, device: &Device) -> Result<Transformer, Failure> {
    let recorded = device.clone().autodiff();
    let config = ModelConfig {
        max_positions: 16,
        ..ModelConfig::llama(VOCABULARY, 32, 4, 4, 4, 64)
    };
    let mut model = Transformer::init(&config, seed, &recorded)?;
    let mut optimiser = AdamWConfig::new()
        .with_epsilon(1e-8)
        .with_weight_decay(0.01)
        .init();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..700 {
        let lines: Vec<Vec<u32>> = (0..48)
            .map(|_| match rng.random::<f64>() {
                u if u < 0.7 => benign(&mut rng),
                u => suspicious(u < 0.85, &mut rng),
            })
            .collect();
        let gradients = loss(&model, &lines, &recorded)?.backward();
        let gradients = GradientsParams::from_grads(gradients, &model);
        model = optimiser.step(3e-3, model, gradients);
    }
    Ok(model.valid())
}

fn direction(
    base: &Transformer,
    names: [&str; 2],
    sides: [Vec<Vec<u32>>; 2],
) -> Result<SteeringVector, Failure> {
    let [toward, away] = sides;
    let contrast = Contrast::new(names[0], toward, names[1], away)?;
    let found = Extractor::new(SiteKind::ResidPost)
        .with_layers("1..3".parse()?)
        .with_read(ReadAt::LastToken)
        .extract(base, &contrast, Method::Mean, &mut Silent)?;
    Ok(found.vector)
}

/// Probability of NO as the answer's first token, prompt by prompt.
fn refusals(
    asked: &[Vec<u32>],
    model: &dyn CausalLm,
    hook: &mut dyn Intervene,
) -> Result<Vec<f64>, SteerError> {
    let pass = Pass::whole(asked, Padding::Right, 0)?;
    let cells: Vec<(usize, usize)> = (0..asked.len()).map(|row| (row, PROMPT - 1)).collect();
    let logits = model
        .logits_at(&pass, &cells, None, hook)?
        .without_autodiff();
    let no = burn::tensor::activation::softmax(logits, 1).narrow(1, NO as usize, 1);
    Ok(no.into_data().iter::<f64>().collect())
}

impl Toy {
    /// Trains the model and finds the direction: some ten seconds of one core.
    ///
    /// # Errors
    /// Whatever the model reports.
    pub fn train(seed: u64, device: &Device) -> Result<Self, Failure> {
        let base = base(seed, device)?;
        let own = |part: u64| 1000 * (seed + 1) + part;
        // Read where the first token of the answer is.
        let both = [true, false]
            .map(|refused| prompts(many(64, own(1), |rng| suspicious(refused, rng)), PROMPT + 1));
        let vector = direction(&base, ["refuse", "comply"], both)?;
        let differences = (0..64u64)
            .map(|number| {
                let side = |part| prompts(many(10, own(100 + 2 * number + part), benign), PROMPT);
                let found = direction(&base, ["some", "others"], [side(0), side(1)])?;
                Ok(found.with_norms(&vector.norms())?)
            })
            .collect::<Result<_, Failure>>()?;
        let answered = |lines: Vec<Vec<u32>>| {
            Texts::new(lines.into_iter().map(|line| (line, PROMPT)).collect())
        };
        let held_out = answered(many(256, own(2), benign))?;
        Ok(Self {
            judge: Judge::new(&base, &held_out, TokenScope::Answer)?,
            texts: answered(many(2000, own(3), benign))?,
            asked: prompts(many(256, own(4), |rng| suspicious(true, rng)), PROMPT),
            targets: prompts(many(256, own(5), |rng| suspicious(true, rng)), PROMPT),
            base,
            vector,
            differences,
            seed,
        })
    }

    /// The model without adapter.
    #[must_use]
    pub fn base(&self) -> &Transformer {
        &self.base
    }

    /// Trains an adapter of rank 8 on 200 minibatches of 24 benign lines. The observer is told every 20 steps, as the probe `refusal`, what
    /// the vector at strength 1/2 does to held-out suspicious prompts: whether training undoes the effect shows there.
    ///
    /// # Errors
    /// Whatever training reports.
    pub fn adapt(
        &self,
        recipe: Recipe,
        steps: u64,
        observer: &mut dyn TrainObserver,
    ) -> Result<Trained, Failure> {
        let mut options = KtsOptions {
            lora: LoraOptions {
                rank: 8,
                alpha: 16.0,
                ..LoraOptions::default()
            },
            ..KtsOptions::default()
        };
        options.loss.scope = TokenScope::RealTokens;
        options.training.steps = steps;
        options.training.batch = 24;
        options.training.seed = 19 + self.seed;
        options.training.optimiser.schedule = Schedule::Constant;
        let targets = self.targets.clone();
        let same = Source::fixed("refuse", self.vector.clone()).with_targets(targets);
        let sources = match recipe {
            Recipe::Same(share) => {
                options.dose.p_steer = share;
                vec![same]
            }
            Recipe::Keep => {
                options.keep_effect = Some(firetender_kts::KeepEffect::default());
                vec![same]
            }
            Recipe::BenignDifferences => self
                .differences
                .iter()
                .map(|v| Source::fixed("difference", v.clone()))
                .collect(),
        };
        let bank = VectorBank::read(&self.base, &options.vectors, sources)?;
        let plain = teacher(&self.base);
        let mut objective = KlThenSteer::new(&plain, &self.texts, bank, &options)?;
        let start = options.lora.start(&self.base, options.training.seed)?;
        let push = Push::one(&self.vector, 0.5);
        let measure = |student: &dyn CausalLm| -> Result<f64, KtsError> {
            let found = refusals(&self.asked, student, &mut push.hook(&student.device()))?;
            Ok(found.iter().sum::<f64>() / found.len() as f64)
        };
        let run = Run::new().with_probe(Probe {
            name: "refusal".into(),
            every: 20,
            measure: &measure,
        });
        Ok(train(
            &self.base,
            &start,
            &mut objective,
            &options.training,
            &run,
            observer,
        )?)
    }

    /// Benign damage against the base, and the probability of a refusal on suspicious prompts, at [`STRENGTHS`].
    ///
    /// # Errors
    /// Whatever the model reports.
    pub fn judge(&self, student: &dyn CausalLm) -> Result<Vec<JudgedPoint>, Failure> {
        let effect =
            |model: &dyn CausalLm, hook: &mut dyn Intervene| refusals(&self.asked, model, hook);
        Ok(self
            .judge
            .curve(student, &self.vector, &STRENGTHS, &effect)?)
    }
}

#[cfg(test)]
mod tests;
