//! The guide: from a model's file to a table that says what steering did.
//!
//! Five short chapters, to be read in order. Their examples run on Ember, the model that is built in, so nothing is downloaded;
//! put a file's path in place of it and they run on SmolLM2, Llama, Qwen2, GPT-2 or Pythia.
//!
//! 1. [`load`](mod@load): a model, its tokenizer, and text.
//! 2. [`look`]: read what flows through it, and change it by hand.
//! 3. [`direction`]: turn two sets of texts into a direction.
//! 4. [`steer`]: apply it while the model writes.
//! 5. [`measure`]: what it did, and what it broke.
//!
//! Two side roads need no language model: [`augment`] (with the feature `tta`), better predictions from a classifier that is trained already, and [`bargain`]
//! (with the feature `bargain`), players who learned apart.

#[cfg(feature = "tta")]
pub mod augment;
#[cfg(feature = "bargain")]
pub mod bargain;
pub mod direction;
pub mod load;
pub mod look;
pub mod measure;
pub mod steer;
