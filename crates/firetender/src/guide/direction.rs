//! Find a direction.
//!
//! A [`Contrast`](crate::steer::Contrast) is two named classes of token rows, paired: the texts of a pair should differ in the one thing that you are after. A
//! positive strength will steer toward the first. An [`Extractor`](crate::steer::Extractor) runs the model over them and reads; a [`Method`](crate::steer::Method) turns what was read
//! into one direction for each layer.
//!
//! ```
//! # use firetender::burn::tensor::Device;
//! # use firetender::lm::Transformer;
//! use firetender::ember::{Body, Split, chat, prompts};
//! use firetender::hooks::{ReadAt, SiteKind};
//! use firetender::steer::{Contrast, Extractor, Method, Silent};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let checkpoint = firetender::ember::checkpoint()?;
//! # let model = Transformer::load(&checkpoint.config, checkpoint.source.as_ref(), checkpoint.layout(), &Device::flex())?;
//! let tokenizer = checkpoint.tokenizer()?;
//! // The texts hold their own markup, start token included.
//! let tokens = |body: &Body| tokenizer.encode(&chat::prompt_text(body), false);
//! let pairs = prompts::mood(Split::Train, 0, 12);
//! let happy = pairs.iter().map(|pair| tokens(&pair.toward)).collect::<Result<_, _>>()?;
//! let sad = pairs.iter().map(|pair| tokens(&pair.away)).collect::<Result<_, _>>()?;
//! let contrast = Contrast::new("happy", happy, "sad", sad)?;
//!
//! let extractor = Extractor::new(SiteKind::ResidPost).with_read(ReadAt::LastToken);
//! let samples = extractor.samples(&model, &contrast, &mut Silent)?;
//! let found = samples.fit(Method::Mean)?;
//! for report in &found.reports {
//!     let auc = report.separation.map(|s| s.auc);
//!     println!("layer {}: {:.2} of the stream's length, held-out AUC {auc:?}", report.layer, report.relative_norm());
//! }
//! # assert_eq!(found.reports.len(), 4);
//!
//! // A vector is a file of its own, which says what it was made from.
//! let folder = std::env::temp_dir().join(format!("firetender-guide-{}", std::process::id()));
//! std::fs::create_dir_all(&folder)?;
//! let file = folder.join("mood.safetensors");
//! found.vector.save(&file)?;
//! assert_eq!(firetender::steer::SteeringVector::load(&file)?.toward(), "happy");
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```
//!
//! Held-out separation says whether the classes can be told apart there, not whether steering will work: that is the last
//! chapter. Read once, fit often: `samples` serves all methods, and [`Extractor::means`](crate::steer::Extractor::means) is for more texts than memory holds.
