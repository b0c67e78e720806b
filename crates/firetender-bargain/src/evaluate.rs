//! What happens when players who learned apart meet: cross-play, splits by norm, and intervals that respect what is dependent.

mod cross_play;
mod norms;

pub use cross_play::{CrossPlay, Draws, Interval, cross_play, cross_play_recorded};
pub use norms::{NormClass, classify};
