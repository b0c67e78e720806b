//! Agents that keep a norm: amTFT, which cooperates by one norm and punishes who does not, and norm-adaptive players, which know
//! several.
//!
//! An agent is described once, as distributions: of what it does in a state with what it remembers, and of what it remembers next.
//! [`play_exact`] follows all of it, [`simulate`] draws from it, and [`exploit`] finds the best answer to it. Cooperative and
//! punishing policies come from a planner ([`Norm::planned`]) or from anywhere else as tables ([`Norm::new`]).
//!
//! amTFT is of Lerer and Peysakhovich (2017); norm-adaptive players are of Stastny and others (2021). Each way in which the released code
//! of the latter departs from the published algorithm is an option of [`AmTftOptions`] and [`Mode`], with the sound choice as the
//! default and the released behaviour as [`AmTftOptions::released`].

mod amtft;
mod exploit;
mod norm;
mod pairs;
mod play;
mod player;
mod switch;

pub use amtft::{AmTftOptions, Search};
pub use exploit::exploit;
pub use norm::{Norm, planned_norms};
pub use pairs::{Pairings, Rounds, pair_all, pair_all_recorded};
pub(crate) use play::draw_next;
pub use play::{Outcomes, Simulation, play_exact, simulate};
pub use player::{Memory, Mode, NormPlayer, Player, Trigger};
pub use switch::{expected_score, mismatch};

#[cfg(test)]
mod tests;
