//! What models are ordered by.

use serde::Serialize;

use crate::ScalingError;

/// The axis of a scaling curve; values are plotted and fitted on their decimal logarithm, except the loss.
///
/// The paper's plots use training FLOPs, so that families share an axis; the contest's plots used parameters. A slope a decade means something
/// else on each (Memo Trap on Pythia: −0.093 on nominal parameters), so every result names its axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// All parameters.
    Parameters,
    /// Parameters without the embeddings.
    NonEmbedding,
    /// Tokens of the training text.
    Tokens,
    /// Training compute, 6 · parameters · tokens unless known better.
    Flops,
    /// Loss on a held-out text, in nats a token; smaller is larger scale, and the axis is its negative.
    Loss,
    /// Strength of an intervention, on its own axis without a logarithm.
    Strength,
    /// Something else that is positive.
    Custom(String),
}

impl Scale {
    /// The axis value of a raw one.
    ///
    /// ```
    /// use firetender_scaling::Scale;
    ///
    /// assert_eq!(Scale::Parameters.axis(1e9)?, 9.0);
    /// assert_eq!(Scale::Loss.axis(2.5)?, -2.5);
    /// assert!(Scale::Tokens.axis(0.0).is_err());
    /// # Ok::<(), firetender_scaling::ScalingError>(())
    /// ```
    ///
    /// # Errors
    /// A value that is not finite, or not positive where a logarithm is taken.
    pub fn axis(&self, value: f64) -> Result<f64, ScalingError> {
        let (fits, expected) = match self {
            Self::Loss | Self::Strength => (value.is_finite(), "a finite number"),
            _ => (value.is_finite() && value > 0.0, "a positive finite number"),
        };
        if !fits {
            return Err(ScalingError::Value {
                what: format!("scale ({})", self.name()),
                found: value.to_string(),
                expected,
            });
        }
        Ok(match self {
            Self::Loss => -value,
            Self::Strength => value,
            _ => value.log10(),
        })
    }

    /// Its name in tables.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Parameters => "parameters",
            Self::NonEmbedding => "non-embedding parameters",
            Self::Tokens => "training tokens",
            Self::Flops => "training FLOPs",
            Self::Loss => "held-out loss",
            Self::Strength => "strength",
            Self::Custom(name) => name,
        }
    }
}

/// Models by the names that papers use, with their numbers of parameters as those papers state them (GPT-3: EleutherAI's estimates).
const KNOWN: &[(&str, f64)] = &[
    ("gpt2", 124e6),
    ("gpt2-medium", 355e6),
    ("gpt2-large", 774e6),
    ("gpt2-xl", 1.5e9),
    ("ada", 350e6),
    ("babbage", 1.3e9),
    ("curie", 6.7e9),
    ("davinci", 175e9),
    ("text-ada-001", 350e6),
    ("text-babbage-001", 1.3e9),
    ("text-curie-001", 6.7e9),
    ("text-davinci-001", 175e9),
    ("gpt-neo-125m", 125e6),
    ("gpt-neo-1.3b", 1.3e9),
    ("gpt-neo-2.7b", 2.7e9),
    ("gpt-j-6b", 6e9),
];

/// A size as people write it: `70e6`, `410m`, `1.4B`, `12_000_000`, or the name of a model that carries its size (`pythia-70m`,
/// `opt-1.3b`, `gpt2-xl`).
///
/// ```
/// use firetender_scaling::parse_size;
///
/// assert_eq!(parse_size("1.4b")?, 1.4e9);
/// assert_eq!(parse_size("EleutherAI/pythia-70m")?, 70e6);
/// assert_eq!(parse_size("gpt2-xl")?, 1.5e9);
/// assert!(parse_size("gpt-9").is_err());
/// # Ok::<(), firetender_scaling::ScalingError>(())
/// ```
///
/// # Errors
/// Anything else; a model whose size is not known has to be given with one.
pub fn parse_size(text: &str) -> Result<f64, ScalingError> {
    let trimmed = text.trim();
    let name = trimmed.rsplit('/').next().unwrap_or(trimmed).to_lowercase();
    let known = || {
        KNOWN
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, size)| *size)
    };
    let tail = || name.rsplit(['-', '_', ' ']).next().and_then(suffixed);
    let found = number(trimmed)
        .or_else(|| suffixed(&name))
        .or_else(known)
        .or_else(|| {
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                .then(tail)?
        });
    found
        .filter(|size| size.is_finite() && *size > 0.0)
        .ok_or_else(|| ScalingError::Unknown {
            what: "size",
            found: text.into(),
            expected: "expected a number such as 70e6, a number with k, m, b or t (410m), or a model's name that carries its size; give \
                       others as NAME=SIZE or in a column `size`"
                .into(),
        })
}

fn number(text: &str) -> Option<f64> {
    text.replace(['_', ','], "").parse().ok()
}

fn suffixed(text: &str) -> Option<f64> {
    let last = text.chars().last()?;
    let factor = match last {
        'k' => 1e3,
        'm' => 1e6,
        'b' | 'g' => 1e9,
        't' => 1e12,
        _ => return None,
    };
    let number: f64 = text[..text.len() - 1].trim().parse().ok()?;
    // 1.4 × 1e9 and the like, rounded to what was meant.
    format!("{number}e{}", f64::log10(factor)).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        for (text, size) in [
            ("70000000", 70e6),
            ("70e6", 70e6),
            (" 410M ", 410e6),
            ("12_000_000", 12e6),
            ("opt-1.3b", 1.3e9),
            ("ember-11k", 11e3),
            ("1.4e9", 1.4e9),
            ("davinci", 175e9),
        ] {
            assert_eq!(parse_size(text).unwrap(), size, "{text}");
        }
        for text in ["", "large", "-5", "0", "nan", "inf", "b", "gpt-4", "é"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
