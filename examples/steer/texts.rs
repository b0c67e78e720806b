//! What the effect is measured on.

use firetender_steer::{Contrast, Effect, NextTokenOdds, Preference, first_tokens};
use firetender_support::{Failure, Model, read_texts};

use crate::{arguments::Arguments, defaults};

/// Texts to token rows.
pub(crate) type Encode<'a> = dyn Fn(&[String]) -> Result<Vec<Vec<u32>>, Failure> + 'a;

/// What the effect is, in words.
const WORD_ODDS: &str = "word log-odds at the next token";
const PREFERENCE: &str = "preference for held-out texts, nats";

/// Words for the free text, when there are any.
pub(crate) struct Words {
    pub(crate) positive: Vec<String>,
    pub(crate) negative: Vec<String>,
}

pub(crate) fn words(arguments: &Arguments) -> Result<Option<Words>, Failure> {
    match (&arguments.positive_words, &arguments.negative_words) {
        (Some(positive), Some(negative)) => Ok(Some(Words {
            positive: read_texts(positive)?,
            negative: read_texts(negative)?,
        })),
        _ if arguments.positive.is_none() && arguments.data.is_none() => {
            let (positive, negative) = defaults::mood_words(arguments);
            Ok(Some(Words { positive, negative }))
        }
        _ => Ok(None),
    }
}

/// An effect's name, its prompts, and the effect.
type Measured = (&'static str, Vec<Vec<u32>>, Box<dyn Effect>);

/// Word log-odds after neutral beginnings where there are words; else the preference for held-out texts.
pub(crate) fn effect(
    model: &Model,
    words: &Option<Words>,
    neutral: &[Vec<u32>],
    judge: &Contrast,
) -> Result<Measured, Failure> {
    let tokenizer = model.tokenizer()?;
    if let Some(words) = words {
        let first = |words: &[String]| -> Result<Vec<u32>, Failure> {
            let ids: Vec<Vec<u32>> = words
                .iter()
                .map(|word| tokenizer.encode(&format!(" {word}"), false))
                .collect::<Result<_, _>>()?;
            Ok(first_tokens(&ids))
        };
        let (positive, negative) = (first(&words.positive)?, first(&words.negative)?);
        // A token that begins words of both lists says nothing.
        let only = |a: &[u32], b: &[u32]| -> Vec<u32> {
            a.iter().copied().filter(|id| !b.contains(id)).collect()
        };
        let (target, other) = (only(&positive, &negative), only(&negative, &positive));
        if !target.is_empty() && !other.is_empty() {
            let odds = NextTokenOdds::new(neutral.to_vec(), target, other)?;
            return Ok((WORD_ODDS, neutral.to_vec(), Box::new(odds)));
        }
        eprintln!(
            "this vocabulary spells the word lists with the same first tokens: measuring the preference for held-out texts"
        );
    }
    // What both texts begin with is the context: a question with two answers, or the start of the text.
    let shared = |a: &[u32], b: &[u32]| {
        let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
        same.min(a.len() - 1).min(b.len() - 1)
    };
    let items = judge
        .toward_rows()
        .iter()
        .zip(judge.away_rows())
        .filter(|(a, b)| a.len() > 1 && b.len() > 1 && a[0] == b[0])
        .map(|(a, b)| {
            let cut = shared(a, b);
            (a[..cut].to_vec(), a[cut..].to_vec(), b[cut..].to_vec())
        })
        .collect::<Vec<_>>();
    let contexts = |items: &[(Vec<u32>, Vec<u32>, Vec<u32>)]| -> Vec<Vec<u32>> {
        items
            .iter()
            .map(|(context, _, _)| context.clone())
            .collect()
    };
    if !items.is_empty() {
        return Ok((
            PREFERENCE,
            contexts(&items),
            Box::new(Preference::new(items)?),
        ));
    }
    // Texts that do not begin alike are compared as continuations of a blank line.
    let context = tokenizer.encode("\n", true)?;
    let items = judge
        .toward_rows()
        .iter()
        .zip(judge.away_rows())
        .map(|(a, b)| (context.clone(), a.clone(), b.clone()))
        .collect::<Vec<_>>();
    Ok((
        PREFERENCE,
        contexts(&items),
        Box::new(Preference::new(items)?),
    ))
}
