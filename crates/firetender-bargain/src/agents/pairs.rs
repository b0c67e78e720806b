//! Everyone meets everyone.

use rayon::prelude::*;

use super::{Outcomes, Player, Simulation, play::follow, simulate};
use crate::{BargainError, CrossPlay, Score, markov::Model};

/// Situations of a pairing that are followed at a time; where there are more, as when both punish by mixing, episodes are drawn.
const MOST: usize = 1000;

/// How players meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rounds {
    /// Steps of an episode.
    pub steps: usize,
    /// Episodes where play is drawn.
    pub episodes: usize,
    /// Seed of what is drawn.
    pub seed: u64,
    /// Follow all that can happen, and draw only where that is too much.
    pub exact: bool,
    /// Active norms outlast an episode (as released); such play is always drawn.
    pub remember: bool,
}

/// What every player in seat 1 and every player in seat 2 earned.
#[derive(Clone, Debug)]
pub struct Pairings {
    replicates: usize,
    outcomes: Vec<Outcomes>,
}

/// Pairs every player of the first list with every player of the second, which were trained together in this order.
///
/// # Errors
/// [`BargainError::TooFew`] when the lists differ in length or are empty; and as [`play_exact`](super::play_exact) and [`simulate`].
pub fn pair_all(
    model: &Model,
    players: [&[Player]; 2],
    rounds: &Rounds,
) -> Result<Pairings, BargainError> {
    let n = players[0].len();
    if n == 0 || players[1].len() != n {
        return Err(BargainError::TooFew {
            what: format!(
                "{n} first and {} second players; expected as many of each",
                players[1].len()
            ),
        });
    }
    let one = |cell: usize| {
        let pair = [&players[0][cell / n], &players[1][cell % n]];
        if rounds.exact && !rounds.remember {
            match follow(model, pair, rounds.steps, MOST) {
                // Too many situations: drawn instead.
                Err(BargainError::Game { .. }) => {}
                other => return other,
            }
        }
        let how = Simulation {
            steps: rounds.steps,
            episodes: rounds.episodes,
            seed: rounds.seed,
            pair: cell as u64,
            remember: rounds.remember,
        };
        simulate(model, pair, &how)
    };
    Ok(Pairings {
        replicates: n,
        outcomes: (0..n * n)
            .into_par_iter()
            .map(one)
            .collect::<Result<_, _>>()?,
    })
}

impl Pairings {
    /// What player 1 of replicate `one` and player 2 of replicate `two` earned.
    ///
    /// # Panics
    /// When there is no such replicate.
    #[must_use]
    pub fn outcomes(&self, one: usize, two: usize) -> &Outcomes {
        assert!(
            two < self.replicates,
            "replicate {two} of {}",
            self.replicates
        );
        &self.outcomes[one * self.replicates + two]
    }

    /// Mean payoffs as a table, for means and intervals over replicates.
    ///
    /// # Errors
    /// [`BargainError::TooFew`] when a payoff is not finite.
    pub fn table(&self) -> Result<CrossPlay, BargainError> {
        CrossPlay::of(
            self.replicates,
            self.outcomes.iter().map(Outcomes::payoffs).collect(),
        )
    }

    /// The mean score of each pairing's episodes.
    #[must_use]
    pub fn scores(&self, score: &Score) -> Vec<f64> {
        self.outcomes
            .iter()
            .map(|o| o.mean(|pay| score.of(pay).0))
            .collect()
    }
}
