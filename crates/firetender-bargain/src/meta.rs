//! The game before the game: each player announces which norms it would go by.
//!
//! Each announces a non-empty set of norms. If the sets meet, one common norm is drawn and both play by it; if not, each falls back on a norm of its
//! own. The result is a payoff table like any other, to be solved by rules of very different kinds; [`Solver`] has those of the paper beside all
//! Nash equilibria. What a rule earns when both follow it, and what it keeps when the other answers it selfishly, is the trade-off between
//! cooperative robustness and exploitability.

mod alpha_rank;
mod solvers;

pub use alpha_rank::alpha_rank;
pub use solvers::{Outcome, Solver, replicator};

use crate::{BargainError, MatrixGame};

/// The announcement game.
///
/// ```
/// use firetender_bargain::{equilibria, meta::Announcements};
/// let meta = Announcements::idealised();
/// // Both announcing both norms is no equilibrium: whoever drops one gets its own.
/// let both = meta.labels().iter().position(|l| l == "{U, E}").unwrap();
/// let pure = |e: &firetender_bargain::Equilibrium| e.strategies.iter().all(|s| s[both] == 1.0);
/// assert!(!equilibria(meta.game()).unwrap().iter().any(pure));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Announcements {
    sets: Vec<u32>,
    labels: Vec<String>,
    game: MatrixGame,
}

impl Announcements {
    /// The game of all non-empty sets of norms (at most 8). `payoffs[i][j]` is what both get when player 1 plays by norm `i` and player 2 by
    /// norm `j`; `fallback` are the norms by which they play when their sets do not meet.
    ///
    /// # Errors
    /// [`BargainError::Game`] when the table is not square, has more than 8 norms or other names than norms, or holds what is no number; and when a
    /// fallback is no norm.
    pub fn new(
        names: &[&str],
        payoffs: &[Vec<[f64; 2]>],
        fallback: [usize; 2],
    ) -> Result<Self, BargainError> {
        let n = names.len();
        if n == 0 || n > 8 {
            return Err(BargainError::Game {
                game: "announcements".into(),
                what: format!("{n} norms; expected from 1 to 8"),
            });
        }
        // Small sets first, so that the labels read well.
        let mut sets: Vec<u32> = (1..1 << n).collect();
        sets.sort_by_key(|set| (set.count_ones(), *set));
        Self::of_sets(names, sets, payoffs, fallback)
    }

    fn of_sets(
        names: &[&str],
        sets: Vec<u32>,
        payoffs: &[Vec<[f64; 2]>],
        fallback: [usize; 2],
    ) -> Result<Self, BargainError> {
        let n = names.len();
        if payoffs.len() != n
            || payoffs.iter().any(|row| row.len() != n)
            || fallback.iter().any(|f| *f >= n)
        {
            return Err(BargainError::Game {
                game: "announcements".into(),
                what: format!("expected a table of {n} × {n} payoff pairs and fallbacks below {n}"),
            });
        }
        let pay = |a: u32, b: u32| {
            let common: Vec<usize> = (0..n).filter(|i| a & b & (1 << i) != 0).collect();
            if common.is_empty() {
                return payoffs[fallback[0]][fallback[1]];
            }
            let mean = |player: usize| {
                let sum: f64 = common.iter().map(|i| payoffs[*i][*i][player]).sum();
                sum / common.len() as f64
            };
            [mean(0), mean(1)]
        };
        let rows: Vec<Vec<[f64; 2]>> = sets
            .iter()
            .map(|a| sets.iter().map(|b| pay(*a, *b)).collect())
            .collect();
        let label = |set: &u32| {
            let members: Vec<&str> = (0..n)
                .filter(|i| set & (1 << i) != 0)
                .map(|i| names[i])
                .collect();
            format!("{{{}}}", members.join(", "))
        };
        Ok(Self {
            labels: sets.iter().map(label).collect(),
            game: MatrixGame::new("announcements", &rows)?,
            sets,
        })
    }

    /// The idealised game of `asym-bos`: utilitarian (4, 1) or egalitarian (2, 2), nothing when norms clash.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn idealised() -> Self {
        let payoffs = [vec![[4.0, 1.0], [0.0, 0.0]], vec![[0.0, 0.0], [2.0, 2.0]]];
        match Self::of_sets(&["U", "E"], vec![0b01, 0b10, 0b11], &payoffs, [0, 1]) {
            Ok(game) => game,
            Err(error) => unreachable!("{error}"),
        }
    }

    /// The sets that can be announced; bit `i` is norm `i`.
    #[must_use]
    pub fn sets(&self) -> &[u32] {
        &self.sets
    }

    /// Their names.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The payoff table.
    #[must_use]
    pub fn game(&self) -> &MatrixGame {
        &self.game
    }

    /// How often the sets meet when both draw their announcements.
    #[must_use]
    pub fn coordination(&self, strategies: &[Vec<f64>; 2]) -> f64 {
        let mut sum = 0.0;
        for (a, p) in self.sets.iter().zip(&strategies[0]) {
            for (b, q) in self.sets.iter().zip(&strategies[1]) {
                if a & b != 0 {
                    sum += p * q;
                }
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::equilibria;

    /// Claim C6 of the specification.
    #[test]
    fn announcing_both_norms_is_no_equilibrium() {
        let meta = Announcements::idealised();
        assert_eq!(meta.labels(), ["{U}", "{E}", "{U, E}"]);
        assert_eq!(meta.game().payoffs(2, 2), [3.0, 1.5]);
        assert_eq!(meta.game().payoffs(0, 2), [4.0, 1.0]);
        assert_eq!(meta.game().payoffs(0, 1), [0.0, 0.0]);
        // Player 1 gains by dropping E, player 2 by dropping U.
        assert!(meta.game().payoffs(0, 2)[0] > meta.game().payoffs(2, 2)[0]);
        assert!(meta.game().payoffs(2, 1)[1] > meta.game().payoffs(2, 2)[1]);
        let all = equilibria(meta.game()).unwrap();
        assert!(!all.is_empty());
        assert!(
            !all.iter()
                .any(|e| e.strategies.iter().all(|s| s[2] > 1.0 - 1e-9))
        );
    }

    #[test]
    fn seven_announcements_of_three_norms() {
        let names = ["E", "M", "U"];
        let row = |i: usize| {
            (0..3)
                .map(|j| {
                    if i == j {
                        [2.0 + i as f64, 2.0 - i as f64 / 2.0]
                    } else {
                        [0.5, 0.25]
                    }
                })
                .collect()
        };
        let payoffs: Vec<Vec<[f64; 2]>> = (0..3).map(row).collect();
        let meta = Announcements::new(&names, &payoffs, [2, 0]).unwrap();
        assert_eq!(meta.game().actions(), [7, 7]);
        assert_eq!(meta.labels()[6], "{E, M, U}");
        assert_eq!(meta.game().payoffs(6, 6), [3.0, 1.5]);
        let even = [vec![1.0 / 7.0; 7], vec![1.0 / 7.0; 7]];
        assert!((meta.coordination(&even) - 37.0 / 49.0).abs() < 1e-12);
        assert!(Announcements::new(&names, &payoffs[..2], [0, 0]).is_err());
        assert!(Announcements::new(&names, &payoffs, [0, 3]).is_err());
        assert!(Announcements::new(&[], &[], [0, 0]).is_err());
    }
}
