//! Who wrote a vector file, and what that says about its layers.
//!
//! Files of one format mean different things depending on the program that made them: llama.cpp's own generator writes each
//! direction one block late, CAST reads after a block and applies before it. Nothing in such a file says so, and a wrong guess
//! steers the wrong block without any error. So an import asks.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::SteerError;

/// The program that wrote a vector file, or a program that does as it does. As text: `firetender`, `repeng`, `llama.cpp`,
/// `cast`, `aisteer360`.
///
/// ```
/// use firetender_steer::Generator;
/// assert_eq!("llama.cpp".parse::<Generator>().unwrap(), Generator::LlamaCpp);
/// assert_eq!(Generator::Repeng.to_string(), "repeng");
/// assert!("guess".parse::<Generator>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Generator {
    /// This library: directions stand at the block whose output they are added to, which is where they were read.
    Firetender,
    /// repeng (GGUF): as [`Firetender`](Self::Firetender), except that the direction of the last block was read behind the final
    /// norm, whose scale is another, and is applied before it.
    Repeng,
    /// llama.cpp's `cvector-generator` (GGUF): what was read after block `n` is stored as `direction.n+1`, so each direction is
    /// put back by one block. Unit length, and the sign is arbitrary.
    LlamaCpp,
    /// IBM's `activation-steering` (`.svec`): what was read after block `L` is added before block `L`.
    Cast,
    /// `AISteer360` (`.svec`): read after block `L` and added there; or heads, side by side before the output projection.
    AiSteer360,
}

impl Generator {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Firetender, "firetender"),
        (Self::Repeng, "repeng"),
        (Self::LlamaCpp, "llama.cpp"),
        (Self::Cast, "cast"),
        (Self::AiSteer360, "aisteer360"),
    ];
}

impl fmt::Display for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(known, _)| known == self);
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

impl FromStr for Generator {
    type Err = SteerError;

    fn from_str(text: &str) -> Result<Self, SteerError> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found
            .map(|(known, _)| *known)
            .ok_or_else(|| SteerError::Input {
                what: format!(
                    "generator `{text}`; expected firetender, repeng, llama.cpp, cast or aisteer360"
                ),
            })
    }
}

impl TryFrom<String> for Generator {
    type Error = SteerError;

    fn try_from(text: String) -> Result<Self, SteerError> {
        text.parse()
    }
}

impl From<Generator> for String {
    fn from(generator: Generator) -> Self {
        generator.to_string()
    }
}
