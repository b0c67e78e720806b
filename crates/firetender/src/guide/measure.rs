//! Measure.
//!
//! Steering that works can still be too dear. So two things are measured over a range of strengths: an [`Effect`](crate::steer::Effect) on prompts where a
//! change is wanted, and the damage on benign prompts where none is: how far the predictions move (KL divergence, nats per
//! token) and how often the most likely token stays. Beside it stands a random direction of the same length: what *any* push
//! of that size does.
//!
//! ```
//! # use firetender::burn::tensor::Device;
//! # use firetender::hooks::SiteKind;
//! # use firetender::lm::{CausalLm, Transformer};
//! # use firetender::steer::{Plan, SteeringVector};
//! # use std::collections::BTreeMap;
//! use firetender::ember::{Split, chat, prompts};
//! use firetender::report::{Align, Column, Table};
//! use firetender::steer::{Benign, NextTokenOdds, Scope, Silent, SweepOptions, first_tokens, sweep};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let checkpoint = firetender::ember::checkpoint()?;
//! # let model = Transformer::load(&checkpoint.config, checkpoint.source.as_ref(), checkpoint.layout(), &Device::flex())?;
//! # let shape = model.shape();
//! # let some = (0..shape.width).map(|i| (i % 5) as f32 - 2.0).collect();
//! # let vector = SteeringVector::new("happy", "sad", SiteKind::ResidPost, shape.width, shape.layers, BTreeMap::from([(2, some)]))?;
//! let plan = Plan::of(&vector);
//! let tokenizer = checkpoint.tokenizer()?;
//! let words = |words: &[&str]| -> Result<Vec<u32>, firetender::lm::LmError> {
//!     let tokens: Result<Vec<_>, _> = words.iter().map(|word| tokenizer.encode(word, false)).collect();
//!     Ok(first_tokens(&tokens?))
//! };
//! // Effect: the odds that the next word is a happy rather than a sad one.
//! let targets = [" The fox felt", "Everybody was"].map(|text| tokenizer.encode(text, true));
//! let targets = targets.into_iter().collect::<Result<_, _>>()?;
//! let effect = NextTokenOdds::new(targets, words(&[" happy", " glad"])?, words(&[" sad", " lost"])?)?;
//! // Damage: on prompts that the direction has nothing to do with.
//! let benign = prompts::benign(Split::HeldOut, 0, 6);
//! let benign = benign.iter().map(|item| tokenizer.encode(&chat::prompt_text(&item.prompt), false));
//! let benign = Benign::new(benign.collect::<Result<_, _>>()?, Scope::AllTokens)?;
//!
//! let options = SweepOptions::new(&[-0.5, 0.0, 0.5])?;
//! let curve = sweep(&model, &plan, &effect, &benign, &options, &mut Silent)?;
//! let control = sweep(&model, &plan.random_control(1)?, &effect, &benign, &options, &mut Silent)?;
//!
//! let columns = ["strength", "effect", "random", "KL", "top-1 stays"].map(|name| Column::new(name, Align::Right));
//! let mut table = Table::new(columns)?;
//! for (point, random) in curve.points.iter().zip(&control.points) {
//!     let numbers = [point.strength, point.effect.value, random.effect.value, point.kl.value, point.top1_agreement.value];
//!     table.push(numbers.map(Into::into))?;
//! }
//! println!("{}", table.to_markdown());
//! assert_eq!(curve.at(0.0).map(|plain| plain.kl.value), Some(0.0));
//! # Ok(())
//! # }
//! ```
//!
//! Judge a direction by its effect *at a given damage*, beside the control's, and on prompts and words that had no part in
//! making it. [`Report`](crate::report::Report) puts tables and figures into one HTML file.
