//! Steer.
//!
//! A [`Plan`](crate::steer::Plan) is data: vectors, the layers and tokens that they are applied to, how, and how strongly. Compiled for a model it is an
//! intervention like any other, and works with and without a cache, in any batch.
//!
//! ```
//! # use firetender::burn::tensor::Device;
//! # use firetender::lm::{LmError, Transformer};
//! use std::{collections::BTreeMap, ops::ControlFlow};
//! use firetender::hooks::SiteKind;
//! use firetender::lm::{CausalLm, GenerateOptions, generate};
//! use firetender::steer::{Entry, Plan, SteeringVector, TokenRule};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let checkpoint = firetender::ember::checkpoint()?;
//! # let model = Transformer::load(&checkpoint.config, checkpoint.source.as_ref(), checkpoint.layout(), &Device::flex())?;
//! # let shape = model.shape();
//! # let some: Vec<f32> = (0..shape.width).map(|i| (i % 5) as f32 - 2.0).collect();
//! # let found = BTreeMap::from([(1, some.clone()), (2, some)]);
//! // The vector of the chapter before, or one made by hand: a direction for each layer that it acts on.
//! let vector = SteeringVector::new("happy", "sad", SiteKind::ResidPost, shape.width, shape.layers, found)?;
//!
//! let entry = Entry::new(&vector, 1.0)
//!     .with_layers("1..3".parse()?)
//!     .with_tokens(TokenRule::from_last_prompt()); // every choice that the model makes, and nothing before
//! let plan = Plan::new().with(entry);
//!
//! let tokenizer = checkpoint.tokenizer()?;
//! let prompt = tokenizer.encode("One morning", true)?;
//! let mut texts = vec![];
//! for strength in [-1.0, 0.0, 1.0] {
//!     let mut steering = plan.scaled(strength).compile(&shape, &model.device())?;
//!     let go_on = &mut |_| ControlFlow::Continue(());
//!     let options = GenerateOptions::new(12);
//!     let written = generate(&model, Some(tokenizer), &[prompt.clone()], &options, &mut steering, go_on)?;
//!     texts.push(format!("{strength:+}: {}", written[0].text));
//! }
//! println!("{}", texts.join("\n"));
//! # assert_eq!(texts.len(), 3);
//! # Ok(())
//! # }
//! ```
//!
//! Which strength? A mean difference at strength 1 moves a text about as far as the classes are apart, at every layer it is applied to, so
//! with many layers less is enough. To compare vectors, give them the same length relative to the stream first
//! ([`SteeringVector::relative`](crate::steer::SteeringVector::relative)). Besides adding, an [`Operator`](crate::steer::Operator) can take a direction away.
