//! Bargaining between learned players: games, the norms that select outcomes, learners that shape each other, and what happens when
//! players who learned apart meet.
//!
//! # Should I be using this crate?
//!
//! Use it to ask whether agents that each learned to cooperate can cooperate with each other. Two policies trained apart may have
//! settled on different norms; paired, they get little. That is *normative disagreement* (Stastny, Riché, Lyzhov, Treutlein, Dafoe
//! and Clifton, "Normative Disagreement as a Challenge for Cooperative AI", 2021), and this crate poses it, plays it and measures it.
//! For equilibria of large games, extensive forms or auctions use a game solver.
//!
//! # The way through
//!
//! 1. [`MatrixGame`]: payoffs by hand, by name ([`games::named`]) or from a file ([`games::from_file`]).
//! 2. [`bargaining`]: the feasible hull, its frontier, the predicates, and the points that norms select ([`bargaining::solve`]).
//! 3. [`minimax`] and [`equilibria()`]: what each can secure, and all Nash equilibria.
//! 4. [`Repeated`]: the game played again and again with memory of one round; exact values, gradients, and LOLA's corrections.
//! 5. [`train`] pairs of learners, let everyone meet everyone in [`cross_play`], and [`Score`] what they earn.
//!
//! ```
//! use firetender_bargain::{bargaining::{Disagreement, solve}, games};
//! # fn main() -> Result<(), firetender_bargain::BargainError> {
//! let game = games::named("asym-bos")?;
//! let norms = solve(&game, Disagreement::Minimax)?;
//! println!("utilitarian {:?}, egalitarian {:?}", norms.utilitarian, norms.egalitarian);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(
    test,
    expect(
        clippy::needless_range_loop,
        reason = "loops over the two players read as the formulas do"
    )
)]

pub mod agents;
pub mod bargaining;
pub mod coin;
mod dice;
mod equilibria;
mod error;
mod evaluate;
pub mod games;
pub mod gradient;
mod lola;
pub mod markov;
pub mod meta;
pub mod minimax;
pub mod negotiation;
pub mod plan;
pub mod population;
mod record;
mod repeated;
pub mod tabular;
pub mod tensor;
mod welfare;
pub mod welfare_search;

pub use dice::Dice;
pub use equilibria::{Equilibrium, equilibria};
pub use error::BargainError;
pub use evaluate::{
    CrossPlay, Draws, Interval, NormClass, classify, cross_play, cross_play_recorded,
};
pub use games::MatrixGame;
pub use lola::{LolaOptions, Trained, train, train_recorded};
pub use record::Record;
pub use repeated::{Gradients, Learner, Lola, Parameters, Repeated, States, Step};
pub use welfare::{Score, Welfare};
