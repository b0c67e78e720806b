//! Tasks: lists of examples with what is known about them.

use serde::Serialize;

use crate::{ScalingError, manifest::Cause};

/// One example.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Example {
    /// Which of several continuations is right?
    Classification {
        /// The text to continue.
        prompt: String,
        /// The continuations.
        classes: Vec<String>,
        /// Index of the right one.
        answer: usize,
        /// Round of the contest.
        round: Option<u32>,
        /// Group of examples inside the task.
        part: Option<u32>,
    },
    /// How likely is one continuation?
    SequenceProb {
        /// The text to continue.
        prompt: String,
        /// The continuation.
        completion: String,
        /// Round of the contest.
        round: Option<u32>,
        /// Group of examples inside the task.
        part: Option<u32>,
    },
    /// How does a change of the prompt move the odds of two classes?
    LogOdds {
        /// The prompt.
        prompt: String,
        /// The prompt that it is compared with.
        other_prompt: String,
        /// Two continuations.
        classes: Vec<String>,
        /// Index of the right one.
        answer: usize,
    },
    /// An estimate that an anchor may pull: read and written, not evaluated.
    Numeric {
        /// The prompt.
        prompt: String,
        /// The right number.
        true_answer: f64,
        /// The anchor.
        anchor: f64,
    },
}

impl Example {
    /// The text to continue.
    #[must_use]
    pub fn prompt(&self) -> &str {
        match self {
            Self::Classification { prompt, .. }
            | Self::SequenceProb { prompt, .. }
            | Self::LogOdds { prompt, .. }
            | Self::Numeric { prompt, .. } => prompt,
        }
    }

    /// The continuation that is right, where there is one.
    #[must_use]
    pub fn answer_text(&self) -> Option<&str> {
        match self {
            Self::Classification {
                classes, answer, ..
            }
            | Self::LogOdds {
                classes, answer, ..
            } => classes.get(*answer).map(String::as_str),
            Self::SequenceProb { completion, .. } => Some(completion),
            Self::Numeric { .. } => None,
        }
    }

    /// Group of examples inside the task.
    #[must_use]
    pub const fn part(&self) -> Option<u32> {
        match self {
            Self::Classification { part, .. } | Self::SequenceProb { part, .. } => *part,
            _ => None,
        }
    }

    /// The same with another prompt.
    #[must_use]
    pub fn with_prompt(&self, text: String) -> Self {
        let mut example = self.clone();
        match &mut example {
            Self::Classification { prompt, .. }
            | Self::SequenceProb { prompt, .. }
            | Self::LogOdds { prompt, .. }
            | Self::Numeric { prompt, .. } => *prompt = text,
        }
        example
    }

    /// The kind's name, as the contest writes it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Classification { .. } => "classification",
            Self::SequenceProb { .. } => "sequence_prob",
            Self::LogOdds { .. } => "logodds",
            Self::Numeric { .. } => "numeric",
        }
    }
}

/// A task.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// Why it may scale inversely.
    pub cause: Option<Cause>,
    /// The examples, in the order of the file.
    pub examples: Vec<Example>,
    /// SHA-256 of the file that they came from, or of their written form.
    pub sha256: String,
    /// How the examples were made from the file or by what generator: `as published`, `few-shot 2, seed 0`, …
    pub origin: String,
}

/// A thing worth a look in a task. Reported, never silent, never fatal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lint {
    /// Number of the example, from 0.
    pub example: usize,
    /// What it is.
    pub what: String,
}

impl Task {
    /// The contest's rules that an example may break without being useless: classes begin with a space, prompts do not end in white space, no prompt twice.
    #[must_use]
    pub fn lints(&self) -> Vec<Lint> {
        let mut lints = vec![];
        let mut seen = std::collections::HashMap::new();
        for (index, example) in self.examples.iter().enumerate() {
            let mut add = |what: String| {
                lints.push(Lint {
                    example: index,
                    what,
                });
            };
            let prompt = example.prompt();
            if prompt.is_empty() {
                add("the prompt is empty".into());
            } else if prompt.ends_with(char::is_whitespace) {
                add("the prompt ends in white space".into());
            }
            let classes: Vec<&String> = match example {
                Example::Classification { classes, .. } | Example::LogOdds { classes, .. } => {
                    classes.iter().collect()
                }
                Example::SequenceProb { completion, .. } => vec![completion],
                Example::Numeric { .. } => vec![],
            };
            if let Some(class) = classes.iter().find(|class| !class.starts_with(' ')) {
                add(format!("class {class:?} does not begin with a space"));
            }
            if let Some(first) = seen.insert(prompt, index) {
                add(format!("the prompt is that of example {first}"));
            }
        }
        lints
    }

    /// Checks what no score can be computed without, and names the task after itself in the error.
    pub(crate) fn check(example: &Example) -> Result<(), String> {
        let classes = match example {
            Example::Classification {
                classes, answer, ..
            }
            | Example::LogOdds {
                classes, answer, ..
            } => {
                if *answer >= classes.len() {
                    return Err(format!(
                        "answer_index is {answer}, but there are {} classes",
                        classes.len()
                    ));
                }
                classes
            }
            Example::SequenceProb { completion, .. } if completion.is_empty() => {
                return Err("the completion is empty".into());
            }
            _ => return Ok(()),
        };
        if let Example::LogOdds { classes, .. } = example
            && classes.len() != 2
        {
            return Err(format!("{} classes; expected 2", classes.len()));
        }
        for (index, class) in classes.iter().enumerate() {
            if class.is_empty() {
                return Err(format!("class {index} is empty"));
            }
            if let Some(first) = classes[..index].iter().position(|other| other == class) {
                return Err(format!("classes {first} and {index} are both {class:?}"));
            }
        }
        Ok(())
    }

    /// The first `count` examples of a random order that is the same for every model: stratified by part, so that each part keeps its share (rounded), and in the
    /// order of the file.
    ///
    /// ```
    /// use firetender_scaling::{Style, generate};
    ///
    /// let task = generate(Style::SigFigs, 100, 0);
    /// let some = task.subsample(10, 7);
    /// assert_eq!(some.examples.len(), 10);
    /// assert_eq!(some, task.subsample(10, 7));
    /// ```
    #[must_use]
    pub fn subsample(&self, count: usize, seed: u64) -> Self {
        if count >= self.examples.len() {
            return self.clone();
        }
        let mut parts: std::collections::BTreeMap<Option<u32>, Vec<usize>> =
            std::collections::BTreeMap::new();
        for (index, example) in self.examples.iter().enumerate() {
            parts.entry(example.part()).or_default().push(index);
        }
        // Largest remainders, so that the shares add up to the count.
        let share =
            |members: &Vec<usize>| members.len() as f64 * count as f64 / self.examples.len() as f64;
        let mut taken: Vec<(Option<u32>, usize, f64)> = parts
            .iter()
            .map(|(part, members)| {
                (
                    *part,
                    share(members).floor() as usize,
                    share(members).fract(),
                )
            })
            .collect();
        taken.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
        let mut left = count - taken.iter().map(|(_, taken, _)| taken).sum::<usize>();
        for (_, taken, _) in &mut taken {
            if left == 0 {
                break;
            }
            *taken += 1;
            left -= 1;
        }
        let mut chosen: Vec<usize> = taken
            .into_iter()
            .flat_map(|(part, taken, _)| {
                let mut members = parts[&part].clone();
                members.sort_by_key(|index| crate::draw::hash(seed, *index as u64));
                members.truncate(taken);
                members
            })
            .collect();
        chosen.sort_unstable();
        Self {
            examples: chosen
                .iter()
                .map(|index| self.examples[*index].clone())
                .collect(),
            origin: format!(
                "{}, {count} of {} (seed {seed})",
                self.origin,
                self.examples.len()
            ),
            ..self.clone()
        }
    }

    /// The paper's few-shot rule: `k` other examples, drawn without replacement from all examples but the current one, each with its right answer, joined by three
    /// line breaks, the current prompt last. An example gets the same demonstrations whatever subset is run later, so build them before a subsample.
    ///
    /// ```
    /// use firetender_scaling::{Style, generate};
    ///
    /// let task = generate(Style::SigFigs, 20, 0).few_shot(2, 1)?;
    /// assert_eq!(task.examples[0].prompt().matches("\n\n\n").count(), 2);
    /// # Ok::<(), firetender_scaling::ScalingError>(())
    /// ```
    ///
    /// # Errors
    /// Fewer than k + 1 examples, or examples without a right answer.
    pub fn few_shot(&self, k: usize, seed: u64) -> Result<Self, ScalingError> {
        if k == 0 {
            return Ok(self.clone());
        }
        let n = self.examples.len();
        if n <= k {
            return Err(ScalingError::TooFew {
                what: "examples",
                found: n,
                least: k + 1,
            });
        }
        let mut examples = Vec::with_capacity(n);
        for (index, example) in self.examples.iter().enumerate() {
            let mut chosen: Vec<usize> = vec![];
            let mut draw = 0;
            while chosen.len() < k {
                let at = crate::draw::below(seed, index as u64, draw, n);
                draw += 1;
                if at != index && !chosen.contains(&at) {
                    chosen.push(at);
                }
            }
            let mut text = String::new();
            for shot in chosen {
                let Some(answer) = self.examples[shot].answer_text() else {
                    return Err(ScalingError::Example {
                        task: self.name.clone(),
                        index: shot,
                        what: "no right answer to demonstrate".into(),
                    });
                };
                text.push_str(self.examples[shot].prompt());
                text.push_str(answer);
                text.push_str("\n\n\n");
            }
            text.push_str(example.prompt());
            examples.push(example.with_prompt(text));
        }
        Ok(Self {
            examples,
            origin: format!("{}, few-shot {k} (seed {seed})", self.origin),
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Style, generate};

    fn task(parts: &[u32]) -> Task {
        let mut task = generate(Style::RepetitiveAlgebra, parts.len(), 0);
        for (example, part) in task.examples.iter_mut().zip(parts) {
            if let Example::Classification { part: own, .. } = example {
                *own = Some(*part);
            }
        }
        task
    }

    #[test]
    fn subsamples_keep_the_shares_of_parts() {
        let parts: Vec<u32> = (0..100).map(|i| if i < 80 { 1 } else { 3 }).collect();
        let some = task(&parts).subsample(11, 3);
        assert_eq!(some.examples.len(), 11);
        let of_first = some.examples.iter().filter(|e| e.part() == Some(1)).count();
        assert_eq!(of_first, 9);
        assert_ne!(some.examples, task(&parts).subsample(11, 4).examples);
        assert_eq!(task(&parts).subsample(1000, 0).examples.len(), 100);
        // In the order of the file.
        let all = task(&parts).examples;
        let places: Vec<usize> = some
            .examples
            .iter()
            .map(|e| all.iter().position(|a| a == e).unwrap())
            .collect();
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn few_shot_never_shows_the_example_itself_and_gives_right_answers() {
        let task = generate(Style::Redefine, 12, 0);
        let with = task.few_shot(5, 9).unwrap();
        for (plain, with) in task.examples.iter().zip(&with.examples) {
            let parts: Vec<&str> = with.prompt().split("\n\n\n").collect();
            assert_eq!(parts.len(), 6);
            assert_eq!(*parts.last().unwrap(), plain.prompt());
            for shot in &parts[..5] {
                let source = task
                    .examples
                    .iter()
                    .find(|e| *shot == format!("{}{}", e.prompt(), e.answer_text().unwrap()));
                assert!(source.is_some_and(|source| source != plain), "{shot}");
            }
        }
        assert!(task.few_shot(12, 0).is_err());
        assert_eq!(task.few_shot(0, 0).unwrap(), task);
    }

    #[test]
    fn lints_say_what_the_contest_forbids() {
        let mut task = generate(Style::SigFigs, 3, 0);
        if let Example::Classification {
            prompt, classes, ..
        } = &mut task.examples[1]
        {
            prompt.push(' ');
            classes[0] = "A".into();
        }
        task.examples.push(task.examples[0].clone());
        let lints = task.lints();
        let about = |example: usize| lints.iter().filter(|l| l.example == example).count();
        assert_eq!((about(0), about(1), about(3)), (0, 2, 1), "{lints:?}");
    }

    #[test]
    fn examples_that_cannot_be_scored_are_refused() {
        let make = |classes: &[&str], answer| Example::Classification {
            prompt: "p".into(),
            classes: classes.iter().map(|c| (*c).to_owned()).collect(),
            answer,
            round: None,
            part: None,
        };
        assert!(Task::check(&make(&[" A", " B"], 1)).is_ok());
        for (classes, answer, words) in [
            (&[" A", " B"][..], 2, "answer_index is 2"),
            (&[][..], 0, "0 classes"),
            (&[" A", " A"][..], 0, "classes 0 and 1 are both"),
            (&[" A", ""][..], 0, "class 1 is empty"),
        ] {
            let error = Task::check(&make(classes, answer)).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
