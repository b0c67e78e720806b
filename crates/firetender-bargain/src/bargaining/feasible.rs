//! From where bargainers bargain: the disagreement point, and what is feasible from there.

use super::Hull;
use crate::{BargainError, MatrixGame, equilibria, minimax};

/// What each player gets when they do not agree.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Disagreement {
    /// This point.
    Given([f64; 2]),
    /// Each player's minimax value: what the other cannot keep it below, both free to mix.
    Minimax,
    /// The same with pure punishments only; never below [`Disagreement::Minimax`].
    PureMinimax,
    /// Payoffs of the Nash equilibrium in which both mix, where there is exactly one; otherwise an error.
    MixedEquilibrium,
}

impl Disagreement {
    /// The point in a game.
    ///
    /// # Errors
    /// [`BargainError::Option`] when a given point is not finite, [`BargainError::TooFew`] when there is not exactly one
    /// equilibrium in which both mix, [`BargainError::Game`] when the game is too large to list its equilibria.
    ///
    /// ```
    /// use firetender_bargain::{bargaining::Disagreement, games};
    /// let game = games::named("asym-bos").unwrap();
    /// let mixed = Disagreement::Minimax.point(&game).unwrap();
    /// assert!((mixed[0] - 4.0 / 3.0).abs() < 1e-12 && (mixed[1] - 2.0 / 3.0).abs() < 1e-12);
    /// assert_eq!(Disagreement::PureMinimax.point(&game).unwrap(), [2.0, 1.0]);
    /// ```
    pub fn point(self, game: &MatrixGame) -> Result<[f64; 2], BargainError> {
        match self {
            Self::Given(point) if point.iter().all(|x| x.is_finite()) => Ok(point),
            Self::Given(point) => Err(BargainError::Option {
                field: "disagreement",
                found: format!("({}, {})", point[0], point[1]),
                expected: "two finite numbers",
            }),
            Self::Minimax => Ok(minimax::mixed(game)),
            Self::PureMinimax => Ok(minimax::pure(game)),
            Self::MixedEquilibrium => {
                let all = equilibria(game)?;
                let mixes = |p: &[f64]| p.iter().filter(|x| **x > 0.0).count() > 1;
                let mixed: Vec<_> = all
                    .iter()
                    .filter(|e| mixes(&e.strategies[0]) && mixes(&e.strategies[1]))
                    .collect();
                match mixed[..] {
                    [one] => Ok(one.payoffs),
                    _ => Err(BargainError::TooFew {
                        what: format!(
                            "`{}` has {} equilibria in which both players mix; expected one",
                            game.name(),
                            mixed.len()
                        ),
                    }),
                }
            }
        }
    }
}

/// What two bargainers can reach from a disagreement point.
///
/// ```
/// use firetender_bargain::{bargaining::{Disagreement, Feasible}, games};
/// let game = games::named("asym-bos").unwrap();
/// let feasible = Feasible::of(&game, Disagreement::Given([0.0, 0.0])).unwrap();
/// assert_eq!(feasible.ideal(), [4.0, 2.0]);
/// assert!(Feasible::of(&game, Disagreement::Given([3.0, 2.0])).is_err(), "not both at once");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Feasible {
    disagreement: [f64; 2],
    frontier: Vec<[f64; 2]>,
    tolerance: f64,
}

impl Feasible {
    /// The lotteries over a game's outcomes that give each player at least its disagreement payoff.
    ///
    /// # Errors
    /// [`BargainError::Disagreement`] when there are none; and as [`Disagreement::point`].
    pub fn of(game: &MatrixGame, disagreement: Disagreement) -> Result<Self, BargainError> {
        let point = disagreement.point(game)?;
        Self::within(&Hull::from(game), point).ok_or_else(|| BargainError::Disagreement {
            game: game.name().into(),
            found: point,
        })
    }

    /// The part of a hull with at least `disagreement`, if there is any.
    #[must_use]
    pub fn within(hull: &Hull, disagreement: [f64; 2]) -> Option<Self> {
        let part = hull.above(disagreement)?;
        Some(Self {
            disagreement,
            frontier: part.frontier(),
            tolerance: part.tolerance(),
        })
    }

    /// The disagreement point.
    #[must_use]
    pub fn disagreement(&self) -> [f64; 2] {
        self.disagreement
    }

    /// The Pareto frontier of what is individually rational, from player 2's best to player 1's best.
    #[must_use]
    pub fn frontier(&self) -> &[[f64; 2]] {
        &self.frontier
    }

    /// The ideal point: each player's best individually rational payoff.
    #[must_use]
    pub fn ideal(&self) -> [f64; 2] {
        let last = self.frontier[self.frontier.len() - 1];
        [last[0], self.frontier[0][1]]
    }

    /// Distances below this are rounding.
    #[must_use]
    pub fn tolerance(&self) -> f64 {
        self.tolerance
    }
}
