//! Look inside.
//!
//! A model names its [`Site`](crate::hooks::Site)s as TransformerLens does (`blocks.2.hook_resid_post`) and hands the value of each, `[batch, position, width]`,
//! to the intervention that it was called with. A [`Recorder`](crate::hooks::Recorder) keeps what flows there and changes nothing.
//!
//! ```
//! # use firetender::burn::tensor::Device;
//! # use firetender::lm::Transformer;
//! use firetender::hooks::{Keep, Padding, Pass, ReadAt, Recorder, Site};
//! use firetender::lm::CausalLm;
//!
//! # fn main() -> Result<(), firetender::lm::LmError> {
//! # let checkpoint = firetender::ember::checkpoint()?;
//! # let model = Transformer::load(&checkpoint.config, checkpoint.source.as_ref(), checkpoint.layout(), &Device::flex())?;
//! let tokenizer = checkpoint.tokenizer()?;
//! let rows = vec![tokenizer.encode("The happy fox", true)?, tokenizer.encode("It rained", true)?];
//! // Rows of different length are filled up on the left; padding is never read.
//! let pass = Pass::whole(&rows, Padding::Left, 0)?;
//!
//! let sites = (0..model.shape().layers).map(Site::ResidPost);
//! let mut recorder = Recorder::new(sites, ReadAt::LastToken, Keep::Host);
//! model.hidden(&pass, None, &mut recorder)?;
//!
//! let width = model.shape().width;
//! for (site, recording) in recorder.finish()? {
//!     let norms = recording.host().chunks(width).map(|v| v.iter().map(|x| x * x).sum::<f32>().sqrt());
//!     println!("{site}: {:?}", norms.collect::<Vec<_>>());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! To change a value, implement [`Intervene`](crate::hooks::Intervene) yourself. It is asked at every site, and returns what the model goes on with; here, the
//! second block adds nothing to the residual stream. Several interventions go through a [`Chain`](crate::hooks::Chain), and [`Patch`](crate::hooks::Patch) puts in what
//! another pass had there.
//!
//! ```
//! # use firetender::burn::tensor::Device;
//! # use firetender::lm::Transformer;
//! use firetender::burn::tensor::Tensor;
//! use firetender::hooks::{Intervene, Padding, Pass, Site, Untouched};
//! use firetender::lm::CausalLm;
//!
//! struct WithoutBlock(usize);
//! impl Intervene for WithoutBlock {
//!     fn wants(&self, site: Site) -> bool {
//!         site == Site::AttnOut(self.0) || site == Site::MlpOut(self.0)
//!     }
//!     fn at(&mut self, _site: Site, value: Tensor<3>, _pass: &Pass) -> Tensor<3> {
//!         value.zeros_like()
//!     }
//! }
//!
//! # fn main() -> Result<(), firetender::lm::LmError> {
//! # let checkpoint = firetender::ember::checkpoint()?;
//! # let model = Transformer::load(&checkpoint.config, checkpoint.source.as_ref(), checkpoint.layout(), &Device::flex())?;
//! let ids = checkpoint.tokenizer()?.encode("Once upon a time", true)?;
//! let pass = Pass::whole(&[ids], Padding::Left, 0)?;
//! let plain = model.logits(&pass, None, &mut Untouched)?;
//! let without = model.logits(&pass, None, &mut WithoutBlock(1))?;
//! assert!((plain - without).abs().max().into_scalar::<f32>() > 0.0);
//! # Ok(())
//! # }
//! ```
