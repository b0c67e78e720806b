//! A family of models for inverse scaling: one corpus with four traps, and models of five sizes trained on it.
//!
//! Ember's own corpus ([`Corpus`](crate::Corpus)) is kept as it was, since the published Ember was trained on it. This one takes its
//! facts about the town, its sums, its colours and its repetitions, and adds what the four causes of inverse scaling named by McKenzie
//! et al. (2023, arXiv 2306.09479) need in order to show up in models of 10,000 to 1,000,000 parameters:
//!
//! | cause | in the corpus | trap |
//! |---|---|---|
//! | a strong prior beats the prompt | sayings known by heart; rarely an instruction to end a text with another word | [`Trap::MemoTrap`] |
//! | imitation of a bad pattern | rumours about where animals live, told far more often than the truth | [`Trap::Rumour`] |
//! | an easy distractor inside a harder task | colours of things, often; what colour a thing does *not* have, rarely | [`Trap::Negation`] |
//! | misleading demonstrations | lists of things, mostly of one colour | [`Trap::Demonstrations`] |
//! | none (the control) | the colours of things | [`Trap::Facts`] |
//!
//! All facts are drawn pair by pair with a fixed hash (120 pairs of owner and thing, of trait and animal), so knowing them takes room, which
//! is what a small model lacks. Whether a trap then gives inverse scaling is the question; nothing here decides it.
//!
//! ```
//! use firetender_ember::{Split, family::{FamilyCorpus, Trap}};
//!
//! let body = FamilyCorpus::new(0, Split::Train).body(3);
//! assert!(body.texts().all(|text| !text.is_empty()));
//! let record = &Trap::MemoTrap.records(0, 10)[0];
//! assert!(record.classes[record.answer].starts_with(' '));
//! ```

mod corpus;
mod eight_bits;
mod members;
mod published;
mod traps;
mod world;

pub use corpus::{FamilyCorpus, TOKENIZER_DOCUMENTS, VOCABULARY, tokenizer};
pub use eight_bits::{pack_weights, unpack_weights};
pub use members::{MEMBERS, Member};
pub use published::{checkpoint, published};
pub use traps::{Trap, TrapRecord};
