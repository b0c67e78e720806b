//! Rules by which announcements are chosen.

use serde::{Deserialize, Serialize};

use super::{Announcements, alpha_rank};
use crate::{BargainError, Dice, MatrixGame, equilibria};

/// A rule that gives each player a mixture of announcements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Solver {
    /// The announcement whose worst case is best.
    Minimum,
    /// The best answer to someone who announces anything, each equally likely.
    Uniform,
    /// Anything, each equally likely.
    Random,
    /// The mean over time of replicator dynamics from a random start.
    Replicator,
    /// α-rank's distribution of each player's announcements.
    AlphaRankMix,
    /// The announcement of each player that is most frequent by α-rank.
    AlphaRankMax,
    /// The announcement with the most of `τ · own payoff when the other answers it best + (1 − τ) · own mean payoff`.
    Tau(f64),
    /// The Nash equilibrium with the greatest sum of payoffs; among equals the first.
    Nash,
}

/// What a rule brings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Mixtures of both players.
    pub strategies: [Vec<f64>; 2],
    /// Payoffs when both follow the rule.
    pub payoffs: [f64; 2],
    /// Each player's own payoff when the other answers its mixture best; the more, the less exploitable.
    pub answered: [f64; 2],
    /// How often the announcements meet.
    pub coordination: f64,
}

impl Solver {
    /// The rules of the paper and all others, with their names.
    #[must_use]
    pub fn all() -> Vec<(&'static str, Self)> {
        vec![
            ("minimum", Self::Minimum),
            ("uniform", Self::Uniform),
            ("replicator", Self::Replicator),
            ("alpha-rank-mix", Self::AlphaRankMix),
            ("alpha-rank-max", Self::AlphaRankMax),
            ("random", Self::Random),
            ("tau-0.5", Self::Tau(0.5)),
            ("nash", Self::Nash),
        ]
    }

    /// Applies the rule. The seed matters to [`Solver::Replicator`] only.
    ///
    /// # Errors
    /// As [`equilibria()`] for [`Solver::Nash`]; [`BargainError::Option`] for a τ outside 0 to 1.
    ///
    /// ```
    /// use firetender_bargain::meta::{Announcements, Solver};
    /// let meta = Announcements::idealised();
    /// let found = Solver::Minimum.solve(&meta, 0).unwrap();
    /// assert_eq!(found.coordination, 1.0);
    /// ```
    pub fn solve(self, meta: &Announcements, seed: u64) -> Result<Outcome, BargainError> {
        let game = meta.game();
        let strategies = self.strategies(game, seed)?;
        let payoffs = game.expected(&strategies[0], &strategies[1]);
        let answered = [
            answered(game, &strategies[0]),
            answered(&game.swapped(), &strategies[1]),
        ];
        Ok(Outcome {
            coordination: meta.coordination(&strategies),
            payoffs,
            answered,
            strategies,
        })
    }

    fn strategies(self, game: &MatrixGame, seed: u64) -> Result<[Vec<f64>; 2], BargainError> {
        let [n1, n2] = game.actions();
        let swapped = game.swapped();
        let both = |rule: &dyn Fn(&MatrixGame, usize) -> f64| {
            [
                pure(n1, &|a| rule(game, a)),
                pure(n2, &|a| rule(&swapped, a)),
            ]
        };
        let even = |n: usize| vec![1.0 / n as f64; n];
        Ok(match self {
            Self::Minimum => both(&|g, a| {
                (0..g.actions()[1])
                    .map(|b| g.payoffs(a, b)[0])
                    .fold(f64::MAX, f64::min)
            }),
            Self::Uniform => both(&mean),
            Self::Random => [even(n1), even(n2)],
            Self::Replicator => {
                let start = [dirichlet(n1, seed, 0), dirichlet(n2, seed, 1)];
                replicator(game, &start, 50_000, 1e-3)
            }
            Self::AlphaRankMix => marginals(&alpha_rank(game), n1, n2),
            Self::AlphaRankMax => {
                let joint = alpha_rank(game);
                let best = first_best(joint.len(), &|i| joint[i]);
                [
                    pure(n1, &|a| f64::from(a == best / n2)),
                    pure(n2, &|b| f64::from(b == best % n2)),
                ]
            }
            Self::Tau(tau) => {
                if !(0.0..=1.0).contains(&tau) {
                    return Err(BargainError::Option {
                        field: "tau",
                        found: tau.to_string(),
                        expected: "a number from 0 to 1",
                    });
                }
                both(&|g, a| {
                    let own = pure(g.actions()[0], &|i| f64::from(i == a));
                    tau * answered(g, &own) + (1.0 - tau) * mean(g, a)
                })
            }
            Self::Nash => {
                let sum = |e: &crate::Equilibrium| e.payoffs[0] + e.payoffs[1];
                let all = equilibria(game)?;
                let best = all.iter().map(sum).fold(f64::MIN, f64::max);
                match all.into_iter().find(|e| sum(e) >= best) {
                    Some(e) => e.strategies,
                    None => [even(n1), even(n2)],
                }
            }
        })
    }
}

/// How often each player takes each action.
fn marginals(joint: &[f64], n1: usize, n2: usize) -> [Vec<f64>; 2] {
    let own = |a: usize| joint[a * n2..(a + 1) * n2].iter().sum();
    let other = |b: usize| (0..n1).map(|a| joint[a * n2 + b]).sum();
    [(0..n1).map(own).collect(), (0..n2).map(other).collect()]
}

fn mean(game: &MatrixGame, a: usize) -> f64 {
    let n = game.actions()[1];
    (0..n).map(|b| game.payoffs(a, b)[0]).sum::<f64>() / n as f64
}

fn first_best(n: usize, value: &dyn Fn(usize) -> f64) -> usize {
    let best = (0..n).map(value).fold(f64::MIN, f64::max);
    (0..n)
        .find(|i| value(*i) >= best - 1e-12 * (1.0 + best.abs()))
        .unwrap_or(0)
}

/// The first action that is best, with certainty.
fn pure(n: usize, value: &dyn Fn(usize) -> f64) -> Vec<f64> {
    let best = first_best(n, value);
    (0..n).map(|i| f64::from(i == best)).collect()
}

/// Player 1's payoff when player 2 answers its mixture best; where several answers are equally good, their mean.
fn answered(game: &MatrixGame, own: &[f64]) -> f64 {
    let n = game.actions()[1];
    let against = |b: usize| {
        own.iter().enumerate().fold([0.0; 2], |sum, (a, p)| {
            let pair = game.payoffs(a, b);
            [sum[0] + p * pair[0], sum[1] + p * pair[1]]
        })
    };
    let all: Vec<[f64; 2]> = (0..n).map(against).collect();
    let best = all.iter().map(|v| v[1]).fold(f64::MIN, f64::max);
    let kept: Vec<f64> = all
        .iter()
        .filter(|v| v[1] >= best - 1e-9 * (1.0 + best.abs()))
        .map(|v| v[0])
        .collect();
    kept.iter().sum::<f64>() / kept.len() as f64
}

/// A draw from the symmetric Dirichlet distribution with parameter 1.5: half of a sum of three squared normals each, normalised.
fn dirichlet(n: usize, seed: u64, player: u64) -> Vec<f64> {
    let gamma = |i: usize| {
        let mut dice = Dice::at(seed, i as u64, player);
        let mut normal = || {
            let (a, b) = (1.0 - dice.unit(), dice.unit());
            (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
        };
        (0..3).map(|_| normal().powi(2)).sum::<f64>() / 2.0
    };
    let drawn: Vec<f64> = (0..n).map(gamma).collect();
    let sum: f64 = drawn.iter().sum();
    drawn.into_iter().map(|x| x / sum).collect()
}

/// Replicator dynamics of two populations, `ẋᵢ = xᵢ (fᵢ − f̄)`, by Euler steps; the mean over all steps, which is what `OpenSpiel`'s projected replicator
/// dynamics report (with exploration 0).
///
/// # Panics
/// When a start has another length than the player has actions.
#[must_use]
pub fn replicator(
    game: &MatrixGame,
    start: &[Vec<f64>; 2],
    steps: usize,
    dt: f64,
) -> [Vec<f64>; 2] {
    let [n1, n2] = game.actions();
    assert_eq!(
        [start[0].len(), start[1].len()],
        [n1, n2],
        "lengths of the start"
    );
    let mut now = start.clone();
    let mut sums = [vec![0.0; n1], vec![0.0; n2]];
    let mut fitness = [vec![0.0; n1], vec![0.0; n2]];
    for _ in 0..steps {
        fitness.iter_mut().for_each(|f| f.fill(0.0));
        for a in 0..n1 {
            for b in 0..n2 {
                let pair = game.payoffs(a, b);
                fitness[0][a] += now[1][b] * pair[0];
                fitness[1][b] += now[0][a] * pair[1];
            }
        }
        for player in 0..2 {
            let mean: f64 = now[player]
                .iter()
                .zip(&fitness[player])
                .map(|(x, f)| x * f)
                .sum();
            for (x, f) in now[player].iter_mut().zip(&fitness[player]) {
                *x = (*x + dt * *x * (f - mean)).max(0.0);
            }
            let total: f64 = now[player].iter().sum();
            now[player].iter_mut().for_each(|x| *x /= total);
            for (sum, x) in sums[player].iter_mut().zip(&now[player]) {
                *sum += x;
            }
        }
    }
    if steps == 0 {
        return now;
    }
    sums.map(|s| s.into_iter().map(|x| x / steps as f64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::games::named;

    #[test]
    fn rules_of_the_idealised_game() {
        let meta = Announcements::idealised();
        let found = |solver: Solver| solver.solve(&meta, 1).unwrap();
        // Announcing both meets anything; its worst case is 2 for player 1 and 1 for player 2.
        assert_eq!(found(Solver::Minimum).strategies[0], [0.0, 0.0, 1.0]);
        assert_eq!(found(Solver::Minimum).answered, [2.0, 1.0]);
        let random = found(Solver::Random);
        assert!((random.coordination - 7.0 / 9.0).abs() < 1e-12);
        for (name, solver) in Solver::all() {
            let outcome = found(solver);
            for strategy in &outcome.strategies {
                assert!((strategy.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{name}");
                assert!(strategy.iter().all(|p| *p >= 0.0), "{name}");
            }
        }
        assert!(Solver::Tau(2.0).solve(&meta, 0).is_err());
    }

    #[test]
    fn replicators_find_dominant_actions_and_keep_equilibria() {
        let start = [vec![0.5; 2], vec![0.5; 2]];
        let dilemma = replicator(&named("ipd").unwrap(), &start, 200_000, 1e-3);
        assert!(dilemma[0][1] > 0.9, "{dilemma:?}");
        let pennies = replicator(&named("imp").unwrap(), &start, 1000, 1e-3);
        assert_eq!(pennies, start);
        for seed in 0..20 {
            let drawn = dirichlet(7, seed, 0);
            assert!((drawn.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}
