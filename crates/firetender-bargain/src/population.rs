//! Strategies with names, tournaments among them, and populations that imitate what does well.
//!
//! Strategies remember one round of a game with two actions and read their own action first, so each means the same in both seats. Tournaments are exact
//! by default: a pairing of memory-one strategies is a Markov chain with four states. [`play_matches`] draws rounds instead, many matches side
//! by side.

mod evolve;
mod matches;
mod zoo;

pub use evolve::{Evolution, moran, replicator_mix};
pub use matches::{Matches, play_matches};
pub use zoo::{Strategy, strategies};

use rayon::prelude::*;
use serde::Serialize;

use crate::{BargainError, MatrixGame, Repeated, States};

/// What every strategy earns a round with every other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tournament {
    /// Names, in the order of the rows.
    pub names: Vec<String>,
    /// `payoffs[i][j]`: row player `i`, column player `j`, both a round.
    pub payoffs: Vec<Vec<[f64; 2]>>,
}

/// Plays all pairings, itself included, over a number of rounds, exactly.
///
/// # Errors
/// [`BargainError::Game`] when the players have not two actions each; [`BargainError::TooFew`] without strategies; [`BargainError::Option`] for 0 rounds or more than 16 million.
///
/// ```
/// use firetender_bargain::{games, population::{strategies, tournament}};
/// let found = tournament(&games::named("ipd").unwrap(), &strategies(), 200).unwrap();
/// let best = found.ranking()[0].clone();
/// assert!(best.1 > -2.0, "{best:?}");
/// ```
pub fn tournament(
    game: &MatrixGame,
    players: &[Strategy],
    rounds: usize,
) -> Result<Tournament, BargainError> {
    two_actions(game)?;
    if players.is_empty() {
        return Err(BargainError::TooFew {
            what: "no strategies; expected at least one".into(),
        });
    }
    if rounds > 1 << 24 {
        return Err(BargainError::Option {
            field: "rounds",
            found: rounds.to_string(),
            expected: "at most 16 million",
        });
    }
    let repeated = Repeated::new(game.clone(), 0.0)?.with_states(States::OwnFirst);
    let tables: Vec<Vec<f64>> = players
        .iter()
        .map(|s| repeated.two_action_policy(&s.first_action))
        .collect::<Result<_, _>>()?;
    let row = |one: &Vec<f64>| {
        let cell = |two: &Vec<f64>| repeated.finite([one, two], rounds);
        tables.iter().map(cell).collect::<Result<Vec<_>, _>>()
    };
    Ok(Tournament {
        names: players.iter().map(|s| s.name.clone()).collect(),
        payoffs: tables.par_iter().map(row).collect::<Result<_, _>>()?,
    })
}

pub(crate) fn two_actions(game: &MatrixGame) -> Result<(), BargainError> {
    if game.actions() == [2, 2] {
        return Ok(());
    }
    Err(BargainError::Game {
        game: game.name().into(),
        what: format!(
            "{} × {} actions; strategies with names are for games of two actions each",
            game.actions()[0],
            game.actions()[1]
        ),
    })
}

impl Tournament {
    /// Names with their mean payoff a round over all pairings and both seats, the best first.
    #[must_use]
    pub fn ranking(&self) -> Vec<(String, f64)> {
        let n = self.names.len();
        let mean = |i: usize| {
            let sum: f64 = (0..n)
                .map(|j| self.payoffs[i][j][0] + self.payoffs[j][i][1])
                .sum();
            sum / (2 * n) as f64
        };
        let mut all: Vec<_> = (0..n).map(|i| (self.names[i].clone(), mean(i))).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all
    }

    /// What `i` earns with `j` on average over both seats: the fitness of a population that is paired at random.
    #[must_use]
    pub fn fitness(&self) -> Vec<Vec<f64>> {
        let n = self.names.len();
        let cell = |i: usize, j: usize| (self.payoffs[i][j][0] + self.payoffs[j][i][1]) / 2.0;
        (0..n)
            .map(|i| (0..n).map(|j| cell(i, j)).collect())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::games::named;

    #[test]
    fn pairings_pay_what_is_known() {
        let game = named("ipd").unwrap();
        let found = tournament(&game, &strategies(), 200).unwrap();
        let at = |name: &str| found.names.iter().position(|n| n == name).unwrap();
        let (c, d, t) = (
            at("always-cooperate"),
            at("always-defect"),
            at("tit-for-tat"),
        );
        assert_eq!(found.payoffs[c][d], [-3.0, 0.0]);
        assert_eq!(found.payoffs[t][t], [-1.0, -1.0]);
        assert!((found.payoffs[t][d][0] - (-3.0 - 2.0 * 199.0) / 200.0).abs() < 1e-12);
        // A symmetric game: seats do not matter.
        for i in 0..found.names.len() {
            for j in 0..found.names.len() {
                let (a, b) = (found.payoffs[i][j], found.payoffs[j][i]);
                assert!((a[0] - b[1]).abs() < 1e-12, "{i} {j}");
            }
        }
        // Press and Dyson 2012: the extortioner's surplus is twice the other's.
        let extort = at("zd-extort-2");
        let long = tournament(&game, &strategies(), 100_000).unwrap();
        let pair = long.payoffs[extort][at("win-stay-lose-shift")];
        assert!(pair[0] >= pair[1] - 1e-9, "{pair:?}");
        assert!(tournament(&named("threat").unwrap(), &strategies(), 3).is_err());
        assert!(tournament(&game, &[], 3).is_err());
        assert!(tournament(&game, &strategies(), 0).is_err());
        assert!(tournament(&game, &strategies(), 1 << 40).is_err());
    }
}
