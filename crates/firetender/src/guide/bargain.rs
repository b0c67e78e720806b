//! A side road: players who each know how to cooperate, and whose norm is to hold.
//!
//! Two players of a game may settle on different norms. Each works with its own kind; between kinds both get nothing. Whether that can happen is a
//! property of the game, and a player who knows both norms can repair it, at a price.
//!
//! ```
//! use std::sync::Arc;
//! use firetender::bargain::{
//!     BargainError,
//!     agents::{AmTftOptions, Mode, NormPlayer, Player, planned_norms, play_exact},
//!     bargaining::{Disagreement, solve},
//!     games,
//!     markov::Model,
//!     plan::Punishment,
//! };
//! # fn main() -> Result<(), BargainError> {
//! let game = games::named("asym-bos")?;
//! let norms = solve(&game, Disagreement::Given([0.0, 0.0]))?;
//! assert_eq!(norms.utilitarian.ends(), [[4.0, 1.0]]);
//! assert_eq!(norms.egalitarian, [2.0, 2.0]);
//!
//! let model = Model::of(&game)?;
//! let mut planned = planned_norms(&model, Punishment::Minimax, [0.0, 0.0], 200, &[0])?;
//! let [sum, even] = planned.swap_remove(0).map(Arc::new);
//! let player = |norms: &[&Arc<_>]| -> Result<Player, BargainError> {
//!     let norms = norms.iter().map(|norm| Arc::clone(norm)).collect();
//!     Ok(Player::Norms(NormPlayer::new(norms, Mode::random_switch(0.5), AmTftOptions::default())?))
//! };
//! let clash = play_exact(&model, [&player(&[&sum])?, &player(&[&even])?], 20)?;
//! assert_eq!(clash.payoffs(), [0.0, 0.0]);
//! let adaptive = play_exact(&model, [&player(&[&sum])?, &player(&[&even, &sum])?], 20)?;
//! assert!(adaptive.payoffs()[0] > 3.7);
//! # Ok(())
//! # }
//! ```
