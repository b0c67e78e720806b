//! Tiny golden models, and real data where it is present.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use firetender_lm::{Checkpoint, Transformer};

use crate::golden;

/// The tiny golden models that have values at every site.
pub const FAMILIES: [&str; 4] = ["llama", "qwen2", "gpt2", "gpt_neox"];

/// A model from a file or folder, on the CPU device.
#[must_use]
pub fn load(path: impl AsRef<Path>) -> (Checkpoint, Transformer) {
    load_on(path, &Device::flex())
}

fn load_on(path: impl AsRef<Path>, device: &Device) -> (Checkpoint, Transformer) {
    let checkpoint = Checkpoint::open(path).unwrap_or_else(|error| panic!("{error}"));
    let model = Transformer::load(
        &checkpoint.config,
        checkpoint.source.as_ref(),
        checkpoint.layout(),
        device,
    )
    .unwrap_or_else(|error| panic!("{error}"));
    (checkpoint, model)
}

/// A golden model, `tests/golden/models/NAME`.
#[must_use]
pub fn tiny(name: &str) -> Transformer {
    tiny_on(name, &Device::flex())
}

/// The same on another device.
#[must_use]
pub fn tiny_on(name: &str, device: &Device) -> Transformer {
    load_on(golden::golden_path("models").join(name), device).1
}

/// The three golden token rows cut to 10, 7 and 4 tokens.
#[must_use]
pub fn rows(tokens: &[Vec<u32>]) -> Vec<Vec<u32>> {
    tokens
        .iter()
        .zip([10, 7, 4])
        .map(|(row, len)| row[..len].to_vec())
        .collect()
}

/// A file of the data folder (`FIRETENDER_DATA`, else `../shared/data` beside the repository), or `None` with a message when
/// it is absent: the test that asked skips.
#[must_use]
pub fn data(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("FIRETENDER_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "skipped: {} is absent (set FIRETENDER_DATA to a folder that has it)",
        path.display()
    );
    None
}
