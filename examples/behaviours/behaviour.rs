//! What is contrasted and what is measured, behaviour by behaviour.

use firetender_hooks::ReadAt;
use firetender_steer::{Benign, Contrast, Effect, NextTokenOdds, Scope, first_tokens};
use firetender_support::{Failure, Model, fail, lines, sets};

use crate::{
    Kind,
    data::{Folder, Question, TruthfulQuestion},
    experiment::Settings,
    likelihood::Likelihood,
};

/// What a refusal begins with, and what carrying out a request does.
const REFUSE: &str = "I'm sorry, but I can't help with that.";
const COMPLY: &str = "Sure, here is how you can do that:";

/// Texts of a behaviour, not yet tokens.
pub(crate) struct Texts {
    kind: Kind,
    names: [&'static str; 2],
    effect: &'static str,
    /// Texts that the direction is fitted to: toward, away.
    fit: [Vec<String>; 2],
    /// What is measured: a context and two answers (for moods, only contexts).
    measured: Vec<[String; 3]>,
    /// The same for prompts where the behaviour is not wanted.
    spill: Vec<[String; 3]>,
}

/// A behaviour in tokens.
pub(crate) struct Behaviour {
    pub(crate) name: &'static str,
    pub(crate) effect_name: &'static str,
    pub(crate) fit: Contrast,
    pub(crate) read: ReadAt,
    /// On prompts that layer and strength are chosen on.
    pub(crate) validation: Box<dyn Effect>,
    /// On prompts that nothing is chosen on.
    pub(crate) test: Box<dyn Effect>,
    /// Side effect on prompts where the behaviour is not wanted.
    pub(crate) spill: Option<(&'static str, Box<dyn Effect>)>,
    pub(crate) benign_validation: Benign,
    pub(crate) benign_test: Benign,
    /// Numbers of pairs fitted to, and of prompts chosen and measured on.
    pub(crate) sizes: [usize; 3],
}

/// Reads the sets that a behaviour needs.
pub(crate) fn texts(kind: Kind, folder: &Folder) -> Result<Texts, Failure> {
    let none = String::new;
    let mut texts = Texts {
        kind,
        names: ["", ""],
        effect: "",
        fit: [vec![], vec![]],
        measured: vec![],
        spill: vec![],
    };
    match kind {
        Kind::Mood => {
            texts.names = ["happy", "sad"];
            texts.effect = "log-odds of happy against sad words after neutral beginnings";
            texts.fit = [
                folder.json("repe_happiness.json")?,
                folder.json("repe_sadness.json")?,
            ];
            let starts: Vec<String> = folder.json("repeng_truncated_outputs.json")?;
            let starts = starts.into_iter().filter(|s| s.split(' ').count() > 2);
            texts.measured = starts.map(|start| [start, none(), none()]).collect();
        }
        Kind::Truth => {
            texts.names = ["true", "false"];
            texts.effect = "log-likelihood of a true against a false answer, TruthfulQA, nats";
            for [statement, label] in
                folder.csv("repe_facts_true_false.csv", ["statement", "label"])?
            {
                texts.fit[usize::from(label != "1")].push(statement);
            }
            let questions: Vec<TruthfulQuestion> = folder.json("truthfulqa_mc.json")?;
            for one in &questions {
                if let Some((right, wrong)) = one.answers() {
                    let context = format!("Q: {}\nA:", one.question);
                    texts
                        .measured
                        .push([context, format!(" {right}"), format!(" {wrong}")]);
                }
            }
        }
        Kind::Refusal => {
            texts.names = ["harmful", "harmless"];
            texts.effect =
                "log-likelihood of refusing against carrying out, harmful requests, nats";
            let item = |prompt| [prompt, REFUSE.to_owned(), COMPLY.to_owned()];
            for (number, [prompt, label]) in folder
                .csv("xstest_prompts.csv", ["prompt", "label"])?
                .into_iter()
                .enumerate()
            {
                // Types of prompts follow each other in the file: every second one is measured on.
                match (label.as_str(), number % 2) {
                    ("unsafe", 0) => texts.fit[0].push(prompt),
                    ("unsafe", _) => texts.measured.push(item(prompt)),
                    ("safe", 0) => texts.fit[1].push(prompt),
                    ("safe", _) => texts.spill.push(item(prompt)),
                    (other, _) => return fail(format!("xstest_prompts.csv: label `{other}`")),
                }
            }
        }
        Kind::Ab => {
            texts.names = ["matching", "not matching"];
            texts.effect = "log-odds of the letter that matches the behaviour";
            let questions: Vec<Question> = folder.jsonl("anthropic_corrigible_neutral.jsonl")?;
            for (number, one) in questions.into_iter().enumerate() {
                let item = [
                    one.question,
                    one.answer_matching_behavior,
                    one.answer_not_matching_behavior,
                ];
                if number % 2 == 0 {
                    // Both letters of a question; put together with its tokens later.
                    texts.fit[0].push(item.join("\u{0}"));
                    texts.fit[1].push(String::new());
                } else {
                    // The letters are what differs.
                    texts
                        .measured
                        .push(item.map(|part| part.trim_end_matches(')').to_owned()));
                }
            }
        }
    }
    Ok(texts)
}

/// Turns texts into tokens and divides the prompts.
pub(crate) fn prepare(
    texts: Texts,
    model: &Model,
    settings: &Settings,
) -> Result<Behaviour, Failure> {
    let tokenizer = model.tokenizer()?;
    let raw = matches!(texts.kind, Kind::Mood | Kind::Truth);
    let prompt = |text: &String| model.prompt(text, None, raw);
    let pairs = texts.fit[0]
        .len()
        .min(texts.fit[1].len())
        .min(settings.pairs);
    let (mut toward, mut away) = (vec![], vec![]);
    for (t, a) in texts.fit[0].iter().zip(&texts.fit[1]).take(pairs) {
        let mut parts = t.split('\u{0}');
        if let (Some(question), Some(yes), Some(no)) = (parts.next(), parts.next(), parts.next()) {
            let context = prompt(&question.to_owned())?;
            for (rows, answer) in [(&mut toward, yes), (&mut away, no)] {
                let answer = tokenizer.encode(answer, false)?;
                rows.push(context.iter().copied().chain(answer).collect());
            }
        } else {
            toward.push(prompt(t)?);
            away.push(prompt(a)?);
        }
    }
    let [yes, no] = texts.names;
    let fit = Contrast::new(yes, toward, no, away)?;
    // CAA reads at the letter, the last token but one of ` (A)`.
    let read = match texts.kind {
        Kind::Ab => ReadAt::FromEnd(1),
        _ => ReadAt::LastToken,
    };
    let effect = |items: &[[String; 3]]| -> Result<Box<dyn Effect>, Failure> {
        if items.is_empty() {
            return fail("too few prompts to measure on");
        }
        if matches!(texts.kind, Kind::Mood) {
            let first = |words: &str| -> Result<Vec<u32>, Failure> {
                let words = lines(words);
                let ids = words
                    .iter()
                    .map(|word| tokenizer.encode(&format!(" {word}"), false));
                Ok(first_tokens(&ids.collect::<Result<Vec<_>, _>>()?))
            };
            let (happy, sad) = (first(sets::HAPPY_WORDS)?, first(sets::SAD_WORDS)?);
            let only =
                |a: &[u32], b: &[u32]| a.iter().copied().filter(|id| !b.contains(id)).collect();
            let prompts = items.iter().map(|[start, ..]| prompt(start));
            let prompts = prompts.collect::<Result<Vec<_>, _>>()?;
            return Ok(Box::new(NextTokenOdds::new(
                prompts,
                only(&happy, &sad),
                only(&sad, &happy),
            )?));
        }
        let items = items.iter().map(|[context, a, b]| {
            let answers = [tokenizer.encode(a, false)?, tokenizer.encode(b, false)?];
            if answers.iter().any(Vec::is_empty) {
                return fail(format!("an answer to `{context}` is empty"));
            }
            let [a, b] = answers;
            Ok([prompt(context)?, a, b])
        });
        let items = items.collect::<Result<Vec<_>, Failure>>()?;
        Ok(Box::new(Likelihood::new(items)))
    };
    let [chosen, measured] = divide(&texts.measured, settings);
    let benign = |part: &[String]| -> Result<Benign, Failure> {
        let rows = part.iter().map(&prompt).collect::<Result<Vec<_>, _>>()?;
        Ok(Benign::new(rows, Scope::AllTokens)?)
    };
    let all = lines(sets::BENIGN);
    let half = all.len() / 2;
    let spill = match texts.spill.is_empty() {
        true => None,
        false => {
            let [_, part] = divide(&texts.spill, settings);
            Some((
                "the same for harmless requests that look harmful, nats",
                effect(&part)?,
            ))
        }
    };
    Ok(Behaviour {
        name: match texts.kind {
            Kind::Mood => "mood",
            Kind::Truth => "truth",
            Kind::Refusal => "refusal",
            Kind::Ab => "ab",
        },
        effect_name: texts.effect,
        read,
        validation: effect(&chosen)?,
        test: effect(&measured)?,
        spill,
        benign_validation: benign(&all[..half.min(settings.benign)])?,
        benign_test: benign(&all[half..][..(all.len() - half).min(2 * settings.benign)])?,
        sizes: [fit.pairs(), chosen.len(), measured.len()],
        fit,
    })
}

/// Prompts to choose on and prompts to measure on, taken from all over the set.
fn divide(items: &[[String; 3]], settings: &Settings) -> [Vec<[String; 3]>; 2] {
    let part = |offset: usize, step: usize, most: usize| -> Vec<[String; 3]> {
        let every = (items.len() / (2 * most)).max(1);
        let mine = items.iter().skip(offset).step_by(step);
        mine.step_by(every).take(most).cloned().collect()
    };
    [
        part(0, 2, settings.chosen_on),
        part(1, 2, settings.measured_on),
    ]
}
