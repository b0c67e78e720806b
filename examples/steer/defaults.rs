//! What is used where no files are named: the sets of `examples/data`, or, for Ember, texts of its own world, since it knows no other.

use firetender_ember::{Body, Split, chat, prompts, words};
use firetender_steer::{Benign, Contrast, Prompter, Scope, TextPairs};
use firetender_support::{Failure, Model, lines, read_texts, sets};

use crate::arguments::Arguments;

/// Pairs of Ember's own that a direction is made from.
const PAIRS: usize = 75;
/// Harmless prompts.
const HARMLESS: usize = 50;

/// Whether the model is the embedded one.
pub(crate) fn is_ember(arguments: &Arguments) -> bool {
    arguments.model.as_deref() == Some("ember")
}

/// Happy and sad words, none of which is in the contrast sets.
pub(crate) fn mood_words(arguments: &Arguments) -> (Vec<String>, Vec<String>) {
    let own = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    match is_ember(arguments) {
        true => (own(words::HAPPY_WORDS), own(words::SAD_WORDS)),
        false => (lines(sets::HAPPY_WORDS), lines(sets::SAD_WORDS)),
    }
}

/// Happy and sad scenes.
pub(crate) fn mood(
    arguments: &Arguments,
    model: &Model,
    prompter: &Prompter<'_>,
) -> Result<Contrast, Failure> {
    if is_ember(arguments) {
        let count = arguments.max_pairs.unwrap_or(PAIRS);
        let (happy, sad): (Vec<Body>, Vec<Body>) =
            prompts::mood(Split::Train, arguments.seed, count)
                .into_iter()
                .map(|pair| (pair.toward, pair.away))
                .unzip();
        let contrast = Contrast::new("happy", rows(model, &happy)?, "sad", rows(model, &sad)?)?;
        return Ok(contrast);
    }
    let (happy, sad) = (lines(sets::MOOD_POSITIVE), lines(sets::MOOD_NEGATIVE));
    let mut pairs = TextPairs::from_lists("happy", &happy, "sad", &sad)?;
    if let Some(most) = arguments.max_pairs {
        pairs = pairs.drawn(most, arguments.seed)?;
    }
    Ok(pairs.encode(prompter)?)
}

/// The prompts on which the effect is measured: those of `--target`, or beginnings that lean neither way.
pub(crate) fn targets(
    arguments: &Arguments,
    model: &Model,
    prompter: &Prompter<'_>,
) -> Result<Vec<Vec<u32>>, Failure> {
    match &arguments.target {
        Some(path) => encode(prompter, &read_texts(path)?),
        None if is_ember(arguments) => {
            rows(model, &prompts::neutral_openings(Split::HeldOut, 2, 32))
        }
        None => encode(prompter, &lines(sets::NEUTRAL)),
    }
}

/// The prompts on which damage is measured: those of `--benign`, or everyday questions and requests.
pub(crate) fn benign(
    arguments: &Arguments,
    model: &Model,
    prompter: &Prompter<'_>,
) -> Result<Vec<Vec<u32>>, Failure> {
    match &arguments.benign {
        Some(path) => encode(prompter, &read_texts(path)?),
        None if is_ember(arguments) => {
            let asked: Vec<Body> = prompts::benign(Split::HeldOut, 1, HARMLESS)
                .into_iter()
                .map(|item| item.prompt)
                .collect();
            rows(model, &asked)
        }
        None => {
            let asked: Vec<String> = lines(sets::BENIGN).into_iter().take(HARMLESS).collect();
            encode(prompter, &asked)
        }
    }
}

/// The same, every token of theirs.
pub(crate) fn damage(
    arguments: &Arguments,
    model: &Model,
    prompter: &Prompter<'_>,
) -> Result<Benign, Failure> {
    Ok(Benign::new(
        benign(arguments, model, prompter)?,
        Scope::AllTokens,
    )?)
}

/// Texts as the command line's template puts them.
fn encode(prompter: &Prompter<'_>, texts: &[String]) -> Result<Vec<Vec<u32>>, Failure> {
    texts
        .iter()
        .map(|text| Ok(prompter.prompt(text)?))
        .collect()
}

/// Ember's documents with their markup.
fn rows(model: &Model, bodies: &[Body]) -> Result<Vec<Vec<u32>>, Failure> {
    let tokenizer = model.tokenizer()?;
    bodies
        .iter()
        .map(|body| Ok(tokenizer.encode(&chat::prompt_text(body), false)?))
        .collect()
}
