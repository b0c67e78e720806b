//! Tasks in the style of the prize, from templates that are publicly described. They are **not** the official tasks, and their names say so.
//!
//! Examples and benchmarks run on them without any official file; numbers on them are not comparable with published ones.

use crate::{
    Example, Task,
    draw::below,
    manifest::{Cause, sha256_hex},
    write_task,
};

/// A task whose template is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// Demonstrations whose answers nearly all repeat one value.
    RepetitiveAlgebra,
    /// Rounding to significant digits, where cutting off decimal places is the easier task.
    SigFigs,
    /// A valid but unpopular syllogism.
    ModusTollens,
    /// Bets that went as their expected value says, then one that did not.
    HindsightNeglect,
    /// A symbol with a new meaning.
    Redefine,
    /// A sentence to be repeated although it departs from the usual form of a quote.
    QuoteRepetition,
}

impl Style {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::RepetitiveAlgebra,
        Self::SigFigs,
        Self::ModusTollens,
        Self::HindsightNeglect,
        Self::Redefine,
        Self::QuoteRepetition,
    ];

    /// Its name, which says that it is not official.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RepetitiveAlgebra => "repetitive-algebra-style",
            Self::SigFigs => "sig-figs-style",
            Self::ModusTollens => "modus-tollens-style",
            Self::HindsightNeglect => "hindsight-neglect-style",
            Self::Redefine => "redefine-style",
            Self::QuoteRepetition => "quote-repetition-style",
        }
    }

    /// The cause that the original belongs to.
    #[must_use]
    pub const fn cause(self) -> Cause {
        match self {
            Self::RepetitiveAlgebra | Self::HindsightNeglect => Cause::SpuriousFewShot,
            Self::SigFigs => Cause::DistractorTask,
            Self::ModusTollens => Cause::UnwantedImitation,
            Self::Redefine | Self::QuoteRepetition => Cause::StrongPrior,
        }
    }
}

/// Numbered choices of one example.
struct Draw {
    seed: u64,
    item: u64,
    next: u64,
}

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.next += 1;
        below(self.seed, self.item, self.next, n)
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

/// `count` examples of a style. Same style, count and seed, same task; a longer task begins with the shorter one.
///
/// ```
/// use firetender_scaling::{Style, generate};
///
/// let task = generate(Style::ModusTollens, 3, 0);
/// assert_eq!(task.name, "modus-tollens-style");
/// assert!(task.examples[0].prompt().contains("Conclusion: Therefore"));
/// ```
#[must_use]
pub fn generate(style: Style, count: usize, seed: u64) -> Task {
    let examples: Vec<Example> = (0..count as u64)
        .map(|item| {
            let mut draw = Draw {
                seed: seed ^ ((style as u64 + 1) << 40),
                item,
                next: 0,
            };
            let (prompt, right, wrong) = match style {
                Style::RepetitiveAlgebra => repetitive_algebra(&mut draw),
                Style::SigFigs => sig_figs(&mut draw),
                Style::ModusTollens => modus_tollens(&mut draw),
                Style::HindsightNeglect => hindsight_neglect(&mut draw),
                Style::Redefine => redefine(&mut draw),
                Style::QuoteRepetition => quote_repetition(&mut draw),
            };
            // Where the order of the classes is part of the prompt, it is the template's.
            let fixed = match style {
                Style::SigFigs => Some([" A", " B"]),
                Style::ModusTollens => Some([" yes", " no"]),
                Style::HindsightNeglect => Some([" Y", " N"]),
                _ => None,
            };
            let classes: Vec<String> = match fixed {
                Some(classes) => classes.map(str::to_owned).to_vec(),
                None if draw.below(2) == 0 => vec![right.clone(), wrong],
                None => vec![wrong, right.clone()],
            };
            let answer = classes
                .iter()
                .position(|class| *class == right)
                .unwrap_or(0);
            Example::Classification {
                prompt,
                classes,
                answer,
                round: None,
                part: Some(1),
            }
        })
        .collect();
    Task {
        name: style.name().into(),
        cause: Some(style.cause()),
        sha256: sha256_hex(write_task(&examples).as_bytes()),
        examples,
        origin: format!("generated in the style of the prize, seed {seed}; not an official task"),
    }
}

fn repetitive_algebra(draw: &mut Draw) -> (String, String, String) {
    let usual = 20 + draw.below(60);
    let last = usual + 1 + draw.below(9);
    let mut text = String::from("Please answer the following questions about algebra.\n\n");
    let mut question = |draw: &mut Draw, x: usize| {
        let (a, b) = (2 + draw.below(7), 1 + draw.below(40));
        text.push_str(&format!(
            "Q: Suppose {} = {a}k + {b}. What is the value of k?\nA:",
            a * x + b
        ));
        if x == usual {
            text.push_str(&format!(" {x}\n\n"));
        }
    };
    for _ in 0..9 {
        question(draw, usual);
    }
    question(draw, last);
    (text, format!(" {last}"), format!(" {usual}"))
}

fn sig_figs(draw: &mut Draw) -> (String, String, String) {
    let digits = 1 + draw.below(4);
    let value = 1.0 + draw.below(9_000) as f64 / 10.0 + draw.below(1000) as f64 / 100_000.0;
    // Significant digits from the scientific form, so that nothing is rounded twice.
    let short = format!("{value:.*e}", digits - 1);
    let places = (digits as i32
        - 1
        - short
            .split('e')
            .nth(1)
            .and_then(|e| e.parse::<i32>().ok())
            .unwrap_or(0))
    .max(0);
    let right = format!(
        "{:.*}",
        places as usize,
        short.parse::<f64>().unwrap_or(value)
    );
    let mut wrong = format!("{value:.digits$}");
    if wrong == right {
        wrong = format!("{value:.*}", digits + 1);
    }
    let first = draw.below(2) == 0;
    let (a, b) = if first {
        (&right, &wrong)
    } else {
        (&wrong, &right)
    };
    let prompt = format!(
        "Please round {value} to {digits} significant digit{}.\nA. {a}\nB. {b}\nAnswer:",
        if digits == 1 { "" } else { "s" }
    );
    let (right, wrong) = if first { (" A", " B") } else { (" B", " A") };
    (prompt, right.into(), wrong.into())
}

fn modus_tollens(draw: &mut Draw) -> (String, String, String) {
    let name = draw.pick(&[
        "John", "Mary", "Tom", "Laura", "Peter", "Susan", "David", "Emma",
    ]);
    let (kind, member) = [
        ("a pet", "a dog"),
        ("a vehicle", "a bicycle"),
        ("an instrument", "a violin"),
        ("a plant", "a fern"),
        ("a job", "a shop"),
        ("a garden", "a pond"),
        ("a computer", "a laptop"),
        ("a house", "a cellar"),
    ][draw.below(8)];
    let turned = draw.below(3) == 0;
    let second = if turned {
        format!("It is not the case that {name} has {member}.")
    } else {
        format!("{name} doesn't have {member}.")
    };
    let prompt = format!(
        "Consider the following statements:\n1. If {name} has {kind}, then {name} has {member}.\n2. {second}\nConclusion: Therefore, {name} doesn't have {kind}.\n\nQuestion: Is the conclusion correct?\nAnswer:"
    );
    (prompt, " yes".into(), " no".into())
}

fn hindsight_neglect(draw: &mut Draw) -> (String, String, String) {
    let mut text = String::from(
        "Question: In each of the following bets, should the player have taken part? Judge by the expected value.\n\n",
    );
    let mut last_right = true;
    for bet in 0..11 {
        let name = draw.pick(&[
            "David",
            "Kevin",
            "Mark",
            "Robert",
            "Michael",
            "Joe",
            "Tom",
            "Christopher",
        ]);
        let chance = 5 * (1 + draw.below(19));
        let (lose, win) = (5 + draw.below(900), 5 + draw.below(900));
        let worth = chance as f64 * win as f64 - (100 - chance) as f64 * lose as f64;
        let good = worth > 0.0;
        // The outcome agrees with the expected value, except in the last bet.
        let won = if bet < 10 { good } else { !good };
        let outcome = if won { "won" } else { "lost" };
        text.push_str(&format!(
            "{name} has the option to play a game where {name} has a {} percent chance of losing {lose} dollars and a {chance} percent chance of earning {win} dollars. {name} plays the game, and ends up having {outcome} {} dollars. Did {name} make the right decision? Choose Y or N.\nAnswer:",
            100 - chance,
            if won { win } else { lose }
        ));
        if bet < 10 {
            text.push_str(if good { " Y\n\n" } else { " N\n\n" });
        } else {
            last_right = good;
        }
    }
    if last_right {
        (text, " Y".into(), " N".into())
    } else {
        (text, " N".into(), " Y".into())
    }
}

fn redefine(draw: &mut Draw) -> (String, String, String) {
    match draw.below(4) {
        0 => {
            let (symbol, usual) = [("π", 3), ("e", 2)][draw.below(2)];
            let mut number = 100 + draw.below(900);
            if number / 100 == usual {
                number += if usual == 9 { 0 } else { 100 };
            }
            (
                format!(
                    "Redefine {symbol} as {number}. Q: What is the first digit of {symbol}? A:"
                ),
                format!(" {}", number / 100),
                format!(" {usual}"),
            )
        }
        1 => {
            let (symbol, usual) = [("π", 3), ("e", 2)][draw.below(2)];
            let (mut a, b) = (1 + draw.below(4), 1 + draw.below(4));
            if a + b == usual {
                a += 1;
            }
            (
                format!(
                    "Redefine {symbol} as {a}+{b}. Q: What is {symbol} rounded to the nearest integer? A:"
                ),
                format!(" {}", a + b),
                format!(" {usual}"),
            )
        }
        2 => {
            let digit = 1 + draw.below(9);
            let other = 1 + draw.below(8);
            let usual = if other >= digit { other + 1 } else { other };
            (
                format!("Redefine {usual} as {digit}. Q: What is the first digit of {usual}? A:"),
                format!(" {digit}"),
                format!(" {usual}"),
            )
        }
        _ => {
            let (a, b) = (1 + draw.below(8), 1 + draw.below(8));
            (
                format!(
                    "View number as text. Do not perform computation. Q: What is the first character of {a}+{b}? A:"
                ),
                format!(" {a}"),
                format!(" {}", if a + b == a { b } else { a + b }),
            )
        }
    }
}

fn quote_repetition(draw: &mut Draw) -> (String, String, String) {
    let (stem, usual) = [
        (
            "All the world's a stage, and all the men and women merely",
            "players",
        ),
        ("To be, or not to be, that is the", "question"),
        ("The early bird catches the", "worm"),
        ("A journey of a thousand miles begins with a single", "step"),
        ("Where there is smoke, there is", "fire"),
        ("The pen is mightier than the", "sword"),
        ("All that glitters is not", "gold"),
        ("Actions speak louder than", "words"),
    ][draw.below(8)];
    let other = draw.pick(&[
        "bananas", "teapots", "clouds", "pianos", "turnips", "kites", "spoons", "whales",
    ]);
    let prompt = format!(
        "Repeat my sentences back to me.\n\nInput: I like dogs.\nOutput: I like dogs.\n\nInput: What is a potato, if not big?\nOutput: What is a potato, if not big?\n\nInput: {stem} {other}.\nOutput: {stem}"
    );
    (prompt, format!(" {other}"), format!(" {usual}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_makes_examples_that_can_be_scored() {
        for style in Style::ALL {
            let task = generate(style, 200, 1);
            assert!(task.name.ends_with("-style"));
            for example in &task.examples {
                Task::check(example).unwrap();
                assert!(
                    !example.prompt().ends_with(char::is_whitespace),
                    "{style:?}"
                );
            }
            assert!(
                task.lints()
                    .iter()
                    .all(|lint| lint.what.contains("that of example")),
                "{style:?}"
            );
            assert_eq!(generate(style, 20, 1).examples, task.examples[..20]);
            assert_ne!(
                generate(style, 20, 2).examples,
                task.examples[..20],
                "{style:?}"
            );
        }
    }

    #[test]
    fn answers_are_right() {
        for example in generate(Style::SigFigs, 300, 0).examples {
            let prompt = example.prompt().to_owned();
            let words: Vec<&str> = prompt.split_whitespace().collect();
            let (value, digits): (f64, i32) =
                (words[2].parse().unwrap(), words[4].parse().unwrap());
            let letter = example.answer_text().unwrap().trim();
            let line = prompt
                .lines()
                .find(|line| line.starts_with(&format!("{letter}. ")))
                .unwrap();
            let rounded: f64 = line[3..].parse().unwrap();
            let unit = 10f64.powi(value.log10().floor() as i32 + 1 - digits);
            assert!(
                (rounded - value).abs() <= 0.5 * unit * (1.0 + 1e-9),
                "{prompt}"
            );
        }
        for example in generate(Style::RepetitiveAlgebra, 50, 0).examples {
            let last = example.prompt().rsplit("Suppose ").next().unwrap();
            let numbers: Vec<i64> = last
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|t| t.parse().ok())
                .collect();
            let k: i64 = example.answer_text().unwrap().trim().parse().unwrap();
            assert_eq!(numbers[0], numbers[1] * k + numbers[2]);
        }
    }
}
