//! The same on Burn tensors, on the caller's device: exact learners and coin games for very many pairs or boards at once.
//!
//! The host path ([`Repeated`](crate::Repeated), [`CoinLanes`](crate::coin::CoinLanes)) is `f64`, exact, and on a CPU the faster one. This one is for devices with
//! thousands of lanes. Coin games are whole numbers and agree to the last bit; values and gradients are `f32` and agree to within about 10⁻⁴ of
//! their size at γ = 0.96, since the linear systems have condition `(1 + γ) / (1 − γ)`.

mod coin;
mod lola;

pub use coin::CoinBoards;
pub use lola::{DeviceLola, lola_on_device, train_on_device};
