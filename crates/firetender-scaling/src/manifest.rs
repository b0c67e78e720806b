//! The eleven official files of the Inverse Scaling Prize: sizes and checksums, causes and examples.

use serde::Serialize;
use sha2::{Digest, Sha256};

/// Why a task gets worse with scale, in the words of McKenzie et al. (2023).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A strong prior beats the prompt.
    StrongPrior,
    /// Bad patterns of the training text are imitated.
    UnwantedImitation,
    /// An easy task hides the real one.
    DistractorTask,
    /// Demonstrations that are right but mislead.
    SpuriousFewShot,
}

/// One official file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OfficialFile {
    /// The file's name.
    pub file: &'static str,
    /// The task.
    pub task: &'static str,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: &'static str,
    /// Number of examples (recovered from published standard errors; Prompt Injection's is not checked).
    pub examples: u64,
    /// Why it scales inversely.
    pub cause: Cause,
}

const fn official(
    file: &'static str,
    task: &'static str,
    bytes: u64,
    sha256: &'static str,
    examples: u64,
    cause: Cause,
) -> OfficialFile {
    OfficialFile {
        file,
        task,
        bytes,
        sha256,
        examples,
        cause,
    }
}

/// The official release, CC BY 4.0 (McKenzie et al. 2023 and the tasks' authors). None of the files is part of this repository.
pub const OFFICIAL: [OfficialFile; 11] = [
    official(
        "hindsight-neglect_classification.jsonl",
        "hindsight-neglect",
        953_341,
        "1539e144e20c760cd70980ca012d3d75744b59385bdf78cffc4d02560c4b3686",
        315,
        Cause::SpuriousFewShot,
    ),
    official(
        "into-the-unknown_classification.jsonl",
        "into-the-unknown",
        1_012_764,
        "74b5e1aca9e4aeedd2b6ce1686d0e5ee9cd380509d65bca37cad1ebebaecf51d",
        1824,
        Cause::DistractorTask,
    ),
    official(
        "memo-trap_classification.jsonl",
        "memo-trap",
        165_763,
        "f09aac90bf841f2eb899d23beed8c8ccad2e1d3ab4f0fd3f1ff403fd5c7e11f2",
        936,
        Cause::StrongPrior,
    ),
    official(
        "modus-tollens_classification.jsonl",
        "modus-tollens",
        426_022,
        "fdf82374d7e401902f25303428678d3b540031ec81c7a7078cb3d7f346314a7d",
        1236,
        Cause::UnwantedImitation,
    ),
    official(
        "neqa_classification.jsonl",
        "neqa",
        84_046,
        "50ca9dca517dcd7fcdbb6d7f750fbbdade2142c0ac2da2bd196dc27464b464e6",
        300,
        Cause::DistractorTask,
    ),
    official(
        "pattern-matching-suppression_classification.jsonl",
        "pattern-matching-suppression",
        338_768,
        "29ff41ccc2592ecd19c8bdf8e632a394314cb7d84d21e668d9060070d95fdad0",
        1428,
        Cause::DistractorTask,
    ),
    official(
        "prompt-injection_sequence-probability.jsonl",
        "prompt-injection",
        863_354,
        "0c8e7342a256e5ff53913e83c7477f57d5b776d77fbab2aef473e92054773e21",
        1000,
        Cause::StrongPrior,
    ),
    official(
        "redefine_classification.jsonl",
        "redefine",
        202_277,
        "4ca8573039b0f943ea773d258cea3f937a8429cf0f6f0f060c281fd8eb6d5c7c",
        1244,
        Cause::StrongPrior,
    ),
    official(
        "repetitive-algebra_classification.jsonl",
        "repetitive-algebra",
        740_039,
        "c2496c285bfef9e8da82dd28026aeb35f834da1c20ea410540c82698526428f3",
        1000,
        Cause::SpuriousFewShot,
    ),
    official(
        "resisting-correction_classification.jsonl",
        "resisting-correction",
        3_572_356,
        "0c2720f095a4272e6b1462fe774704c57db0f124c4b68f35747d76e79e5352f6",
        7344,
        Cause::StrongPrior,
    ),
    official(
        "sig-figs_classification.jsonl",
        "sig-figs",
        15_047_173,
        "19ca4afdd2b5d0fb2608097cf747b5a4105038ea2183750796c8bf57f23e7448",
        20897,
        Cause::DistractorTask,
    ),
];

/// What is known about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// An official file, byte for byte.
    Official,
    /// The name of an official file with other bytes: a copy that was changed, or of round 1.
    Differs {
        /// What is different.
        what: String,
    },
    /// Not a name of an official file.
    Unknown,
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Compares a file with the official one of its name.
///
/// ```
/// use firetender_scaling::{Verified, verify};
///
/// assert_eq!(verify("my-task.jsonl", b"{}"), Verified::Unknown);
/// assert!(matches!(verify("neqa_classification.jsonl", b"{}"), Verified::Differs { .. }));
/// ```
#[must_use]
pub fn verify(name: &str, bytes: &[u8]) -> Verified {
    let Some(official) = OFFICIAL.iter().find(|file| file.file == name) else {
        return Verified::Unknown;
    };
    if bytes.len() as u64 != official.bytes {
        return Verified::Differs {
            what: format!(
                "{} bytes; the official file has {}",
                bytes.len(),
                official.bytes
            ),
        };
    }
    let found = sha256_hex(bytes);
    if found != official.sha256 {
        return Verified::Differs {
            what: format!("SHA-256 {found}; the official file has {}", official.sha256),
        };
    }
    Verified::Official
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        assert_eq!(
            OFFICIAL.iter().map(|file| file.examples).sum::<u64>(),
            37_524
        );
        for file in OFFICIAL {
            assert_eq!(file.sha256.len(), 64);
            assert!(file.file.starts_with(file.task));
        }
        let total: u64 = OFFICIAL.iter().map(|file| file.bytes).sum();
        assert_eq!(total, 23_405_903);
    }

    #[test]
    fn a_changed_byte_shows() {
        let mut bytes = vec![b'x'; 84_046];
        let Verified::Differs { what } = verify("neqa_classification.jsonl", &bytes) else {
            panic!("it is not the official file");
        };
        assert!(what.contains("SHA-256"), "{what}");
        bytes.pop();
        let Verified::Differs { what } = verify("neqa_classification.jsonl", &bytes) else {
            panic!("it is not the official file");
        };
        assert!(what.contains("84045 bytes"), "{what}");
        assert_eq!(
            sha256_hex(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
