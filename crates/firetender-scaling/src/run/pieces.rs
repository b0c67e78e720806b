//! The continuations of an example, cut into tokens, with their keys in a log.

use firetender_lm::{TextEncoder, cut_pair};
use sha2::{Digest, Sha256};

use super::RunOptions;
use crate::Example;

/// A continuation of an example, cut into tokens.
pub(super) struct Piece {
    pub(super) context: Vec<u32>,
    pub(super) continuation: Vec<u32>,
    pub(super) dropped: usize,
    pub(super) key: String,
}

/// All continuations of an example: its classes after its prompt (and after the other prompt, and alone).
pub(super) fn pieces(
    example: &Example,
    encoder: &dyn TextEncoder,
    options: &RunOptions,
    max_positions: usize,
    secret: &str,
) -> Result<Vec<Piece>, String> {
    let mut pairs: Vec<(&str, &str)> = vec![];
    match example {
        Example::Classification {
            prompt, classes, ..
        } => {
            pairs.extend(
                classes
                    .iter()
                    .map(|class| (prompt.as_str(), class.as_str())),
            );
            if options.pmi {
                pairs.extend(classes.iter().map(|class| ("", class.as_str())));
            }
        }
        Example::SequenceProb {
            prompt, completion, ..
        } => pairs.push((prompt, completion)),
        Example::LogOdds {
            prompt,
            other_prompt,
            classes,
            ..
        } => {
            for prompt in [prompt, other_prompt] {
                pairs.extend(
                    classes
                        .iter()
                        .map(|class| (prompt.as_str(), class.as_str())),
                );
            }
        }
        Example::Numeric { .. } => {
            return Err(
                "a numeric task needs sampled answers, which are not evaluated here".into(),
            );
        }
    }
    let pieces = pairs
        .into_iter()
        .map(|(prompt, continuation)| {
            let cut = cut_pair(
                encoder,
                prompt,
                continuation,
                &options.policy,
                max_positions,
            )
            .map_err(|error| error.to_string())?;
            let mut hash = Sha256::new();
            hash.update(secret.as_bytes());
            for tokens in [&cut.context, &cut.continuation] {
                hash.update((tokens.len() as u64).to_le_bytes());
                tokens.iter().for_each(|id| hash.update(id.to_le_bytes()));
            }
            let key: String = hash.finalize()[..12]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            Ok(Piece {
                context: cut.context,
                continuation: cut.continuation,
                dropped: cut.dropped,
                key,
            })
        })
        .collect::<Result<Vec<Piece>, String>>()?;
    if let Example::LogOdds { classes, .. } = example
        && let Some(at) = pieces.iter().position(|piece| piece.continuation.len() > 1)
    {
        return Err(format!(
            "class {:?} has {} tokens; log-odds are of classes of one token",
            classes[at % classes.len()],
            pieces[at].continuation.len()
        ));
    }
    // Different strings that are the same tokens after the same context would be one class.
    for (index, piece) in pieces.iter().enumerate() {
        let same = |other: &&Piece| {
            other.context == piece.context && other.continuation == piece.continuation
        };
        if pieces[..index].iter().any(|other| same(&other)) {
            return Err(format!(
                "continuation {index} is cut into the same tokens as an earlier one"
            ));
        }
    }
    Ok(pieces)
}
