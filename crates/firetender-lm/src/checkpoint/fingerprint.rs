//! A name for exactly these weights.

use sha2::{Digest, Sha256};

use crate::{LmError, ModelConfig, Naming, TensorSource};

/// Changes when the rule below does, so that old and new names never agree by chance.
const RULE: &[u8] = b"firetender fingerprint 1";

pub(super) fn fingerprint(
    config: &ModelConfig,
    naming: Naming,
    qk_permuted: bool,
    source: &dyn TensorSource,
) -> Result<String, LmError> {
    let mut hash = Sha256::new();
    // Every part is preceded by its length, so that no two sequences of parts run together.
    let mut put = |part: &[u8]| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    put(RULE);
    put(format!("{config:?} {naming:?} {qk_permuted}").as_bytes());
    let mut names = source.names();
    names.sort();
    for name in names {
        put(name.as_bytes());
        put(format!("{:?}", source.shape(&name).unwrap_or_default()).as_bytes());
        put(&source.sample(&name)?);
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
