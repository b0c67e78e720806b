//! Load a model.
//!
//! A [`Checkpoint`](crate::lm::Checkpoint) is a model's files, opened and checked, the weights still in them. It opens a GGUF file, a Hugging Face folder or
//! a llama2.c file by what is inside; Ember's is built in. A [`Transformer`](crate::lm::Transformer) is the network itself, with its weights on a device that you
//! choose: no library of this workspace picks one.
//!
//! ```
//! use firetender::burn::tensor::Device;
//! use firetender::lm::{CausalLm, Checkpoint, Transformer};
//!
//! # fn main() -> Result<(), firetender::lm::LmError> {
//! let checkpoint: Checkpoint = firetender::ember::checkpoint()?; // or Checkpoint::open("SmolLM2-135M-Instruct.Q4_1.gguf")?
//! let source = checkpoint.source.as_ref();
//! let model = Transformer::load(&checkpoint.config, source, checkpoint.layout(), &Device::flex())?;
//! assert_eq!(model.shape().layers, 4);
//! # Ok(())
//! # }
//! ```
//!
//! A chat model wants its template around a message; plain text goes through the tokenizer alone.
//! [`generate`](crate::lm::generate) continues one prompt or a batch. Its next to last argument is the intervention, the subject of the next chapters:
//! [`Untouched`](crate::hooks::Untouched) is none. Its last is called for every token and may stop everything.
//!
//! ```
//! # use firetender::burn::tensor::Device;
//! # use firetender::lm::Transformer;
//! use std::ops::ControlFlow;
//! use firetender::hooks::Untouched;
//! use firetender::lm::{GenerateOptions, Message, Sampling, generate};
//!
//! # fn main() -> Result<(), firetender::lm::LmError> {
//! # let checkpoint = firetender::ember::checkpoint()?;
//! # let model = Transformer::load(&checkpoint.config, checkpoint.source.as_ref(), checkpoint.layout(), &Device::flex())?;
//! let tokenizer = checkpoint.tokenizer()?;
//! let plain = tokenizer.encode("Once upon a time", true)?;
//! let message = [Message::user("Tell me a story.")];
//! let chat = checkpoint.chat.as_ref().expect("Ember is a chat model").encode(tokenizer, &message, true)?;
//!
//! let options = GenerateOptions::new(12)
//!     .with_sampling(Sampling::new(0.8)?.with_top_k(40)?)
//!     .with_seed(1)
//!     .with_end_tokens(tokenizer.eos());
//! let go_on = &mut |_| ControlFlow::Continue(());
//! let written = generate(&model, Some(tokenizer), &[plain, chat], &options, &mut Untouched, go_on)?;
//! println!("{}\n{}", written[0].text, written[1].text);
//! assert!(written.iter().all(|one| one.ids.len() <= 12));
//! # Ok(())
//! # }
//! ```
//!
//! [`score`](crate::lm::score) gives exact log-probabilities of continuations in place of text.
