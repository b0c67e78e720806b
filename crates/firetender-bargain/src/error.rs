//! What can go wrong: data that is not a game, and questions that a game does not answer.

use std::path::PathBuf;

/// An error of this crate. Each says what was found, what was expected, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BargainError {
    /// A payoff table that is none.
    #[error("game `{game}`: {what}")]
    Game {
        /// Name of the game.
        game: String,
        /// What is wrong with it.
        what: String,
    },
    /// A game that nobody knows.
    #[error("no game is called `{found}`; known are {known}")]
    UnknownGame {
        /// The name asked for.
        found: String,
        /// All names, comma-separated.
        known: String,
    },
    /// A strategy that nobody knows.
    #[error("no strategy is called `{found}`; known are {known}")]
    UnknownStrategy {
        /// The name asked for.
        found: String,
        /// All names, comma-separated.
        known: String,
    },
    /// A file that cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or text that is no game description.
    #[error("{place}: {what}")]
    Parse {
        /// File, and line and column where known.
        place: String,
        /// What was found and expected.
        what: String,
    },
    /// A number outside what is allowed.
    #[error("{field} is {found}; expected {expected}")]
    Option {
        /// Name of the number.
        field: &'static str,
        /// What was given.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A disagreement point from which no feasible payoff is an improvement for both.
    #[error("disagreement point ({}, {}): no feasible payoff of `{game}` gives each player at least this much", found[0], found[1])]
    Disagreement {
        /// Name of the game.
        game: String,
        /// The point.
        found: [f64; 2],
    },
    /// Parameters of a policy that do not fit the game.
    #[error("policy of player {player}: {found} parameters; expected {expected} ({what})")]
    Policy {
        /// 1 or 2.
        player: usize,
        /// How many there are.
        found: usize,
        /// How many are needed.
        expected: usize,
        /// How they are counted.
        what: String,
    },
    /// An experiment that is too small to give the answer.
    #[error("{what}")]
    TooFew {
        /// What is too few, and what would be enough.
        what: String,
    },
    /// Results of another experiment where this one's were to go on.
    #[error("{}: holds results of another experiment (there `{found}`, here `{expected}`); remove it, or name another folder", path.display())]
    OtherExperiment {
        /// The file.
        path: PathBuf,
        /// What that experiment was set to, from where it differs.
        found: String,
        /// What this one is set to.
        expected: String,
    },
}
