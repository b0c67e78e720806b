//! Named sites in a network, and the trait that sees and changes what flows through them.
//!
//! # Should I be using this crate?
//!
//! Use it when you write a model that others should be able to look into (call [`visit`] at every site you name), or when you
//! write something that looks into or changes a model (implement [`Intervene`]). To steer an existing language model,
//! `firetender-steer` is built on top of this crate; the models themselves are in `firetender-lm`.
//!
//! # The idea
//!
//! A model takes a [`Pass`] (the tokens of one forward pass and where each stands in its sequence) and a `&mut dyn Intervene`.
//! At each [`Site`] it hands over the tensor `[batch, position, width]` and goes on with what it gets back. With [`Untouched`]
//! the model's output is bit-identical to a model without hooks. Hooks are arguments of the call, never state of the module, so
//! a model can be shared, cloned and trained while others look into it; and because the trait is object-safe with one fixed
//! rank, no model or trainer carries a type parameter for it.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use firetender_hooks::{Intervene, Pass, Site, visit};
//!
//! /// Doubles what block 0 adds to the residual stream.
//! struct Double;
//! impl Intervene for Double {
//!     fn wants(&self, site: Site) -> bool {
//!         site == Site::MlpOut(0)
//!     }
//!     fn at(&mut self, _site: Site, value: Tensor<3>, _pass: &Pass) -> Tensor<3> {
//!         value * 2.0
//!     }
//! }
//!
//! let device = Device::flex();
//! let pass = Pass::whole(&[vec![5, 6]], firetender_hooks::Padding::Left, 0).unwrap();
//! let out = visit(&mut Double, Site::MlpOut(0), Tensor::<3>::ones([1, 2, 4], &device), &pass);
//! assert_eq!(out.into_data().try_to_vec::<f32>().unwrap(), vec![2.0; 8]);
//! ```

mod chain;
pub mod conformance;
mod error;
mod intervene;
mod moments;
mod pass;
mod patch;
mod record;
mod select;
mod site;

pub use chain::Chain;
pub use error::HookError;
pub use intervene::{Intervene, Untouched, visit};
pub use moments::Moments;
pub use pass::{Padding, Pass, Phase, Token};
pub use patch::{Patch, PatchValue};
pub use record::{Keep, Recorder, Recording, SampleOrigin};
pub use select::{ReadAt, Selection};
pub use site::{Site, SiteKind};
