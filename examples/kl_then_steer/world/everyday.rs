//! Any other model: happy against sad is the behaviour, everyday questions are what must not break.

use std::ops::ControlFlow;

use firetender_hooks::{ReadAt, SiteKind, Untouched};
use firetender_kts::{Preferred, Texts};
use firetender_lm::{CausalLm, GenerateOptions, generate};
use firetender_steer::{Contrast, Extractor, Layers, Method, NextTokenOdds, Silent, first_tokens};
use firetender_support::{Failure, Model, lines, sets};

use super::{Concept, World};
use crate::arguments::Arguments;

pub(super) fn world(model: Model, arguments: &Arguments) -> Result<World, Failure> {
    let some = |texts: &str, n: usize| -> Vec<String> {
        let n = if arguments.quick { n.min(8) } else { n };
        lines(texts).into_iter().take(n).collect()
    };
    let rows = |texts: &[String], raw: bool| -> Result<Vec<Vec<u32>>, Failure> {
        texts
            .iter()
            .map(|text| model.prompt(text, None, raw))
            .collect()
    };
    let layers: Layers = match &arguments.layers {
        Some(layers) => layers.parse()?,
        None => {
            let depth = model.network.shape().layers;
            format!("{}..{}", depth / 4, (depth / 2).max(depth / 4 + 1)).parse()?
        }
    };
    let (happy, sad) = (some(sets::MOOD_POSITIVE, 40), some(sets::MOOD_NEGATIVE, 40));
    let contrast = Contrast::new("happy", rows(&happy, true)?, "sad", rows(&sad, true)?)?;
    let vector = Extractor::new(SiteKind::ResidPost)
        .with_layers(layers.clone())
        .with_read(ReadAt::LastToken)
        .extract(&model.network, &contrast, Method::Mean, &mut Silent)?
        .vector;
    let neutral = rows(&lines(sets::NEUTRAL), true)?;
    let (targets, judged) = neutral.split_at(neutral.len() / 2);
    let words = |texts: &str| -> Result<Vec<u32>, Failure> {
        let tokenizer = model.tokenizer()?;
        let ids: Vec<Vec<u32>> = lines(texts)
            .iter()
            .map(|word| tokenizer.encode(&format!(" {word}"), false))
            .collect::<Result<_, _>>()?;
        Ok(first_tokens(&ids))
    };
    let (mut up, mut down) = (words(sets::HAPPY_WORDS)?, words(sets::SAD_WORDS)?);
    let shared: Vec<u32> = up.iter().copied().filter(|id| down.contains(id)).collect();
    up.retain(|id| !shared.contains(id));
    down.retain(|id| !shared.contains(id));
    let effect = NextTokenOdds::new(judged.to_vec(), up, down)?;
    let questions = rows(&some(sets::BENIGN, 100), false)?;
    let answered = answers(&model, &questions, if arguments.quick { 4 } else { 24 })?;
    let held_out = answered.len() / 5;
    let (judging, training) = answered.split_at(held_out.max(1));
    let preferred =
        happy
            .iter()
            .zip(&sad)
            .zip(neutral.iter().cycle())
            .map(|((happy, sad), prompt)| {
                let tokenizer = model.tokenizer()?;
                Ok(Preferred {
                    prompt: prompt.clone(),
                    wanted: tokenizer.encode(&format!(" {happy}"), false)?,
                    other: tokenizer.encode(&format!(" {sad}"), false)?,
                })
            });
    let preferred = preferred.collect::<Result<Vec<_>, Failure>>()?;
    let unwanted = rows(&sad, true)?.into_iter().map(|ids| {
        let prompt = ids.len();
        (ids, prompt)
    });
    Ok(World {
        effect_name: "happy : sad words, log-odds",
        concepts: vec![Concept {
            name: "mood",
            contrast,
            targets: targets.to_vec(),
        }],
        vector,
        layers,
        effect,
        texts: Texts::new(training.to_vec())?,
        held_out: Texts::new(judging.to_vec())?,
        base_answers: Texts::new(training.to_vec())?,
        preferred,
        unwanted: Texts::new(unwanted.collect())?,
        transfer: None,
        strengths: vec![0.0, 0.25, 0.5, 1.0, 1.5, 2.0],
        steps: 100,
        batch: 4,
        rank: 16,
        rate: 5e-4,
        model,
    })
}

/// Greedy answers of the base.
fn answers(
    model: &Model,
    prompts: &[Vec<u32>],
    tokens: usize,
) -> Result<Vec<(Vec<u32>, usize)>, Failure> {
    let options = GenerateOptions::new(tokens).with_end_tokens(model.tokenizer()?.eos());
    let mut all = vec![];
    for prompts in prompts.chunks(10) {
        let written = generate(
            &model.network,
            None,
            prompts,
            &options,
            &mut Untouched,
            &mut |_| ControlFlow::Continue(()),
        )?;
        for (prompt, answer) in prompts.iter().zip(written) {
            if !answer.ids.is_empty() {
                all.push(([prompt.as_slice(), &answer.ids].concat(), prompt.len()));
            }
        }
    }
    Ok(all)
}
