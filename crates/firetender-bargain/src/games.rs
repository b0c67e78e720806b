//! Games: payoff tables by hand, by name, and from files.

mod file;
mod matrix;
mod several;
mod zoo;

pub use file::{from_file, from_json, from_nfg};
pub use matrix::MatrixGame;
pub use several::SeveralGame;
pub use zoo::{greed_fear, named, names, published_disagreement};

use crate::BargainError;

/// A game by name, or from a file when the text ends in `.json` or `.nfg`.
///
/// # Errors
/// As [`named`] and [`from_file`].
pub fn named_or_file(text: &str) -> Result<MatrixGame, BargainError> {
    let path = std::path::Path::new(text);
    match path.extension().and_then(|e| e.to_str()) {
        Some("json" | "nfg") => from_file(path),
        _ => named(text),
    }
}
