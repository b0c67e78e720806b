//! Everyone meets everyone.

use rayon::prelude::*;

use super::{Outcomes, Player, Simulation, play::follow, simulate};
use crate::{BargainError, CrossPlay, Record, Score, markov::Model};

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
    let n = count(players)?;
    let outcomes = (0..n * n)
        .into_par_iter()
        .map(|cell| one(model, players, rounds, [cell / n, cell % n]))
        .collect::<Result<_, _>>()?;
    Ok(Pairings {
        replicates: n,
        outcomes,
    })
}

/// [`pair_all`] that is written down as `experiment` and goes on from what is. A cell's numbers are all that its episodes can pay: payoffs of both and the
/// probability, in turn.
///
/// # Errors
/// As [`pair_all`] and [`Record::cells`].
pub fn pair_all_recorded(
    model: &Model,
    players: [&[Player]; 2],
    rounds: &Rounds,
    experiment: &str,
    record: &mut Record,
) -> Result<Pairings, BargainError> {
    let n = count(players)?;
    let cells: Vec<[usize; 2]> = (0..n * n).map(|cell| [cell / n, cell % n]).collect();
    let fits = |values: &[f64]| {
        let likely = values.chunks(3).all(|c| c.len() == 3 && c[2] >= 0.0);
        let sum: f64 = values.chunks(3).filter_map(|c| c.get(2)).sum();
        likely && (sum - 1.0).abs() < 1e-6
    };
    let found = record.cells(experiment, &cells, &fits, &|some| {
        let played = some.iter().map(|cell| one(model, players, rounds, *cell));
        let flat = |outcomes: Outcomes| {
            let all = outcomes.all.into_iter();
            all.flat_map(|([a, b], p)| [a, b, p]).collect()
        };
        played.map(|outcomes| Ok(flat(outcomes?))).collect()
    })?;
    let outcomes = |values: Vec<f64>| Outcomes {
        all: values.chunks(3).map(|c| ([c[0], c[1]], c[2])).collect(),
    };
    Ok(Pairings {
        replicates: n,
        outcomes: found.into_iter().map(outcomes).collect(),
    })
}

/// How many replicates there are.
fn count(players: [&[Player]; 2]) -> Result<usize, BargainError> {
    let n = players[0].len();
    if n == 0 || players[1].len() != n {
        return Err(BargainError::TooFew {
            what: format!(
                "{n} first and {} second players; expected as many of each",
                players[1].len()
            ),
        });
    }
    CrossPlay::allowed(n)?;
    Ok(n)
}

fn one(
    model: &Model,
    players: [&[Player]; 2],
    rounds: &Rounds,
    [i, j]: [usize; 2],
) -> Result<Outcomes, BargainError> {
    let pair = [&players[0][i], &players[1][j]];
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
        pair: (i * players[0].len() + j) as u64,
        remember: rounds.remember,
    };
    simulate(model, pair, &how)
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
