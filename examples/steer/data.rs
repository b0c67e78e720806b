//! The texts that a direction is made from: files of every shape, and the template that they are put into.

use firetender_steer::{Contrast, Prompter, Records, Template, TextPairs};
use firetender_support::{Failure, Model, fail};

use crate::{arguments::Arguments, defaults};

/// How texts become tokens.
pub(crate) fn prompter<'a>(
    arguments: &Arguments,
    model: &'a Model,
) -> Result<Prompter<'a>, Failure> {
    let template = match (&arguments.template, &model.checkpoint.chat) {
        (Some(format), _) => Template::Format(format.clone()),
        (None, Some(chat)) if arguments.chat => {
            Template::chat(chat.clone(), arguments.system.clone())
        }
        (None, None) if arguments.chat => {
            eprintln!(
                "this model has no chat template: texts are given as they are (see --template)"
            );
            Template::Plain
        }
        _ => Template::Plain,
    };
    Ok(Prompter::new(model.tokenizer()?, template)?)
}

/// The two classes: the files given, or happy and sad scenes.
pub(crate) fn contrast(
    arguments: &Arguments,
    model: &Model,
    prompter: &Prompter<'_>,
) -> Result<Contrast, Failure> {
    let mut pairs = match (&arguments.data, &arguments.positive, &arguments.negative) {
        (Some(path), _, _) => match Records::read(path)?.pairs(arguments.seed) {
            Ok(pairs) => pairs,
            Err(error) => return fail(format!("{path}: {error}")),
        },
        (None, Some(positive), Some(negative)) => {
            lists("positive", &texts(positive)?, "negative", &texts(negative)?)?
        }
        _ => return defaults::mood(arguments, model, prompter),
    };
    if let Some(most) = arguments.max_pairs {
        pairs = pairs.drawn(most, arguments.seed)?;
    }
    Ok(pairs.encode(prompter)?)
}

/// The texts of a file of one side.
fn texts(path: &str) -> Result<Vec<String>, Failure> {
    let texts = Records::read(path)?.texts();
    match texts.iter().position(|text| text.trim().is_empty()) {
        Some(at) => fail(format!("{path}: text {at} is empty")),
        None => Ok(texts),
    }
}

fn lists(
    toward: &str,
    positive: &[String],
    away: &str,
    negative: &[String],
) -> Result<TextPairs, Failure> {
    if positive.len() != negative.len() {
        eprintln!(
            "{} {toward} and {} {away} texts: the first {} of each are used",
            positive.len(),
            negative.len(),
            positive.len().min(negative.len())
        );
    }
    Ok(TextPairs::from_lists(toward, positive, away, negative)?)
}
