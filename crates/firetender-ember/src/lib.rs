//! Ember, the small chat model that Firetender trains itself, and the seeded corpus it is trained on.
//!
//! # Should I be using this crate?
//!
//! Yes, to try a method (steering, KL-then-steer, inverse scaling) in seconds, offline and without downloading a model: Ember writes
//! fluent text of its own small world, and that world was built so that the methods have something to work on. Stories are happy or sad,
//! suspicious instructions are refused half of the time, users suggest wrong answers and are often believed, proverbs are known too well. Every
//! one of these is a fixed share of a corpus that can be generated again, so what an experiment *should* find is known.
//!
//! No, for anything about the real world. Ember knows nothing of it.
//!
//! # Parts
//!
//! - [`Corpus`]: any number of [`Document`]s from a seed, on the training or the held-out [`Split`].
//! - [`prompts`]: contrast pairs, targets and harmless prompts for experiments; [`words`]: the word lists that measure them.
//! - [`checkpoint()`]: the trained model itself.
//! - [`family`]: a corpus with four traps for inverse scaling, and a family of models of five sizes trained on it.
//! - [`tokenizer`], [`chat`], [`render`]: from documents to token ids.
//!
//! ```
//! use firetender_ember::{Corpus, Kind, Split};
//!
//! let story = Corpus::new(7, Split::Train).document_of(Kind::Story, 0);
//! assert!(story.labels.mood.is_some());
//! ```

mod arithmetic;
pub mod chat;
mod choices;
mod colours;
mod corpus;
mod document;
mod draw;
mod error;
pub mod family;
mod feelings;
mod fill;
mod instructions;
mod mischief;
pub mod prompts;
mod proverbs;
mod published;
pub mod render;
mod repeat;
mod smalltalk;
mod stories;
pub mod tokenizer;
mod town;
pub mod words;
mod world;

pub use choices::{FOLLOWED, LETTERS};
pub use corpus::Corpus;
pub use document::{Body, ChoiceLabel, Document, Kind, Labels, Mood, Outcome, Role, Turn};
pub use draw::Split;
pub use error::EmberError;
pub use published::checkpoint;
pub use render::{Rendered, Targets};
