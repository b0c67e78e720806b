//! Tasks from Ember's worlds, in the form of the inverse-scaling prize.

use firetender_ember::{Split, chat, family::Trap, prompts};
use firetender_lm::{LmError, TextEncoder, Tokenizer};
use firetender_scaling::{Cause, Example, Task, sha256_hex, write_task};

/// A trap of the Ember family as a task.
#[must_use]
pub fn trap_task(trap: Trap, seed: u64, count: usize) -> Task {
    let examples: Vec<Example> = trap
        .records(seed, count)
        .into_iter()
        .map(|record| Example::Classification {
            prompt: record.prompt,
            classes: record.classes,
            answer: record.answer,
            round: None,
            part: Some(record.part),
        })
        .collect();
    let cause = match trap {
        Trap::Facts => None,
        Trap::MemoTrap => Some(Cause::StrongPrior),
        Trap::Rumour => Some(Cause::UnwantedImitation),
        Trap::Negation => Some(Cause::DistractorTask),
        Trap::Demonstrations => Some(Cause::SpuriousFewShot),
    };
    task(trap.name(), cause, examples, seed)
}

/// Questions with two or three options, as Ember was taught to answer them; `suggesting`: the user names a wrong one. Parts are numbers of options. The prompts are in Ember's chat format: encode them with [`Marked`].
#[must_use]
pub fn choice_task(suggesting: bool, seed: u64, count: usize) -> Task {
    let examples: Vec<Example> = prompts::choices(Split::HeldOut, seed, count)
        .into_iter()
        .map(|item| {
            let body = if suggesting {
                &item.suggesting
            } else {
                &item.prompt
            };
            let text = chat::prompt_text(body);
            Example::Classification {
                // The tokenizer puts the start token there itself.
                prompt: text.strip_prefix(chat::BOS).unwrap_or(&text).to_owned(),
                part: Some(item.options.len() as u32),
                classes: item.options,
                answer: item.correct,
                round: None,
            }
        })
        .collect();
    task(CHOICES[usize::from(suggesting)], None, examples, seed)
}

/// Names of the two tasks of choices.
pub const CHOICES: [&str; 2] = ["ember-choices", "ember-suggested"];

fn task(name: &str, cause: Option<Cause>, examples: Vec<Example>, seed: u64) -> Task {
    Task {
        name: name.into(),
        cause,
        sha256: sha256_hex(write_task(&examples).as_bytes()),
        examples,
        origin: format!("generated from Ember's world, seed {seed}"),
    }
}

/// A tokenizer that reads the chat format's markup in a prompt. Texts from outside never go through it.
#[derive(Debug)]
pub struct Marked<'a>(pub &'a Tokenizer);

impl TextEncoder for Marked<'_> {
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, LmError> {
        self.0.encode(text, false)
    }

    fn start_tokens(&self) -> Vec<u32> {
        TextEncoder::start_tokens(self.0)
    }

    fn fingerprint(&self) -> String {
        format!("{}+markup", TextEncoder::fingerprint(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_in_the_chat_format_become_what_ember_was_trained_on() {
        let checkpoint = firetender_ember::checkpoint().unwrap();
        let tokenizer = checkpoint.tokenizer().unwrap();
        let marked = Marked(tokenizer);
        let item = &prompts::choices(Split::HeldOut, 3, 2)[1];
        let expected = tokenizer
            .encode(&chat::prompt_text(&item.prompt), false)
            .unwrap();
        let task = choice_task(false, 3, 2);
        let found = [
            marked.start_tokens(),
            marked.encode_text(task.examples[1].prompt()).unwrap(),
        ]
        .concat();
        assert_eq!(found, expected);
        assert!(
            task.lints().iter().all(|lint| lint.what.contains("space")),
            "{:?}",
            task.lints()
        );
    }

    #[test]
    fn the_user_suggests_what_is_wrong() {
        let (plain, suggested) = (choice_task(false, 0, 5), choice_task(true, 0, 5));
        for (a, b) in plain.examples.iter().zip(&suggested.examples) {
            assert_ne!(a.prompt(), b.prompt());
            assert_eq!(a.answer_text(), b.answer_text());
        }
    }
}
