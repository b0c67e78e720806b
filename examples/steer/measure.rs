//! What the model writes under the plan.

use std::ops::ControlFlow;

use firetender_lm::{CausalLm, GenerateOptions, generate};
use firetender_steer::{FreeText, Plan, Steering, WordCounts};
use firetender_support::{Bars, Failure, Model};

use crate::texts::Words;

/// One continuation of a prompt.
pub(crate) struct Continuation {
    pub(crate) prompt: String,
    pub(crate) strength: f64,
    pub(crate) text: String,
}

fn compile(model: &Model, plan: &Plan, strength: f64) -> Result<Steering, Failure> {
    let (shape, device) = (model.network.shape(), model.network.device());
    Ok(plan.scaled(strength).compile(&shape, &device)?)
}

/// Words of the lists in free text after the neutral prompts, at each strength.
pub(crate) fn moods(
    model: &Model,
    plan: &Plan,
    strengths: &[f64],
    words: &Words,
    neutral: Vec<Vec<u32>>,
    writing: &GenerateOptions,
) -> Result<Vec<WordCounts>, Failure> {
    let text = FreeText::new(
        model.tokenizer()?,
        neutral,
        writing.clone(),
        words.positive.clone(),
        words.negative.clone(),
    )?;
    let bar = Bars::new("free text");
    let mut moods = vec![];
    for strength in strengths {
        bar.written(moods.len(), strengths.len());
        let mut steering = compile(model, plan, *strength)?;
        let mut counts = WordCounts::default();
        for written in text.texts(&model.network, &mut steering)? {
            counts.merge(text.counts(&written));
        }
        moods.push(counts);
    }
    Ok(moods)
}

/// Every prompt continued at every strength.
pub(crate) fn continuations(
    model: &Model,
    plan: &Plan,
    strengths: &[f64],
    prompts: &[(String, Vec<u32>)],
    writing: &GenerateOptions,
) -> Result<Vec<Continuation>, Failure> {
    let bar = Bars::new("prompts");
    let total = prompts.len() * strengths.len();
    let mut continuations = vec![];
    for (prompt, ids) in prompts {
        for strength in strengths {
            bar.written(continuations.len(), total);
            let mut steering = compile(model, plan, *strength)?;
            let out = generate(
                &model.network,
                Some(model.tokenizer()?),
                std::slice::from_ref(ids),
                writing,
                &mut steering,
                &mut |_| ControlFlow::Continue(()),
            )?;
            continuations.push(Continuation {
                prompt: prompt.clone(),
                strength: *strength,
                text: out[0].text.clone(),
            });
        }
    }
    Ok(continuations)
}
