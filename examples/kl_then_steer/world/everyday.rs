//! Any other model: happy against sad is the behaviour, everyday questions are what must not break.

use std::ops::ControlFlow;

use firetender_hooks::{ReadAt, SiteKind, Untouched};
use firetender_kts::{Preferred, Texts};
use firetender_lm::{CausalLm, GenerateOptions, generate};
use firetender_steer::{Contrast, Extractor, Layers, Method, NextTokenOdds, Silent, first_tokens};
use firetender_support::{Failure, Model, lines, sets};

use super::{Concept, Prefixed, Sizes, World};
use crate::arguments::Arguments;

/// Two ways to ask for the behaviour in words.
const SYSTEM_PROMPTS: [&str; 2] = [
    "You are always in a happy mood.",
    "Everyone here is happy and full of joy.",
];

pub(super) fn world(model: Model, arguments: &Arguments) -> Result<World, Failure> {
    let some = |texts: &str, n: usize| -> Vec<String> {
        // A draw takes up to ten pairs.
        let n = if arguments.quick { n.min(12) } else { n };
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
    let effect = NextTokenOdds::new(judged.to_vec(), up.clone(), down.clone())?;
    let asked_of = some(sets::BENIGN, 100);
    let questions = rows(&asked_of, false)?;
    let answered = answers(&model, &questions, if arguments.quick { 4 } else { 24 })?;
    let held_out = (answered.len() / 5).max(1);
    let (judging, training) = answered.split_at(held_out);
    let texts = lines(sets::NEUTRAL);
    let prompts = SYSTEM_PROMPTS
        .iter()
        .map(|system| {
            let asked: Vec<String> = texts[targets.len()..]
                .iter()
                .map(|text| format!("{system} {text}"))
                .collect();
            let held_out = judging.iter().map(|(ids, prompt)| {
                let text = &asked_of[prompt_index(&questions, &ids[..*prompt])];
                let mut row = model.prompt(text, Some(system), false)?;
                let begin = row.len();
                row.extend(&ids[*prompt..]);
                Ok((row, begin))
            });
            Ok(Prefixed {
                held_out: Texts::new(held_out.collect::<Result<_, Failure>>()?)?,
                effect: NextTokenOdds::new(rows(&asked, true)?, up.clone(), down.clone())?,
            })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let others = training.iter().map(|(ids, prompt)| ids[..*prompt].to_vec());
    let gate_sets = [targets.to_vec(), others.collect()];
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
        asked: judged.to_vec(),
        effect,
        prompts,
        gate_sets,
        texts: Texts::new(training.to_vec())?,
        held_out: Texts::new(judging.to_vec())?,
        base_answers: Texts::new(training.to_vec())?,
        preferred,
        unwanted: Texts::new(unwanted.collect())?,
        transfer: None,
        strengths: vec![-1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0],
        sizes: Sizes {
            layers,
            steps: 100,
            batch: 4,
            rank: 16,
            rate: 5e-4,
        },
        model,
    })
}

/// Which question has these tokens; the first when none has.
fn prompt_index(questions: &[Vec<u32>], ids: &[u32]) -> usize {
    questions.iter().position(|q| q == ids).unwrap_or(0)
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
