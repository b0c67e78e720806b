//! All Nash equilibria of a small game, degenerate ones included.
//!
//! By vertex enumeration: with payoffs moved to be positive, the extreme equilibria are the pairs of corners of the two best-response
//! polytopes `{x ≥ 0, Bᵀx ≤ 1}` and `{y ≥ 0, Ay ≤ 1}` that are completely labelled (von Stengel 2002). A degenerate game may have
//! infinitely many equilibria; the extreme ones listed here are the corners of their components.

use serde::Serialize;

use crate::{BargainError, MatrixGame};

/// The most actions of both players together; 12 have at most 924 subsets of half.
const MOST: usize = 16;

/// A Nash equilibrium.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Equilibrium {
    /// Each player's mixture.
    pub strategies: [Vec<f64>; 2],
    /// What it pays.
    pub payoffs: [f64; 2],
}

/// All extreme Nash equilibria, in a fixed order (pure ones by profile first).
///
/// # Errors
/// [`BargainError::Game`] when the players have more than 16 actions together.
///
/// ```
/// use firetender_bargain::{equilibria, games};
/// let found = equilibria(&games::named("asym-bos").unwrap()).unwrap();
/// assert_eq!(found.len(), 3);
/// assert_eq!(found[0].payoffs, [4.0, 1.0]);
/// // The mixed one: player 1 plays Bach with probability 2/3.
/// assert!((found[2].strategies[0][0] - 2.0 / 3.0).abs() < 1e-12);
/// ```
pub fn equilibria(game: &MatrixGame) -> Result<Vec<Equilibrium>, BargainError> {
    let [m, n] = game.actions();
    if m + n > MOST {
        return Err(BargainError::Game {
            game: game.name().into(),
            what: format!("{m} + {n} actions; all equilibria are listed for at most {MOST}"),
        });
    }
    // Labels: 0..m are player 1's actions, m..m+n player 2's.
    let one = corners(m, n, 0, m, |c, r| normal(game, 1, game.payoffs(r, c)[1]));
    let two = corners(n, m, m, 0, |r, c| normal(game, 0, game.payoffs(r, c)[0]));
    let everything = (1_u32 << (m + n)) - 1;
    let mut found: Vec<Equilibrium> = vec![];
    for (x, x_labels) in &one {
        for (y, y_labels) in &two {
            let empty = |z: &[f64]| z.iter().all(|v| *v == 0.0);
            if x_labels | y_labels != everything || empty(x) || empty(y) {
                continue;
            }
            let strategies = [share(x), share(y)];
            let near = |e: &Equilibrium| {
                let pairs = e
                    .strategies
                    .iter()
                    .flatten()
                    .zip(strategies.iter().flatten());
                pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-9)
            };
            if !found.iter().any(near) {
                let payoffs = game.expected(&strategies[0], &strategies[1]);
                found.push(Equilibrium {
                    strategies,
                    payoffs,
                });
            }
        }
    }
    let pure = |e: &Equilibrium| e.strategies.iter().all(|s| s.contains(&1.0));
    found.sort_by(|a, b| {
        let weights =
            |e: &Equilibrium| -> Vec<f64> { e.strategies.iter().flatten().copied().collect() };
        let by_weight = weights(b)
            .iter()
            .zip(&weights(a))
            .map(|(x, y)| x.total_cmp(y))
            .find(|o| o.is_ne());
        pure(b)
            .cmp(&pure(a))
            .then(by_weight.unwrap_or(std::cmp::Ordering::Equal))
    });
    Ok(found)
}

/// A payoff of a player, moved and scaled to lie between 1 and 2.
fn normal(game: &MatrixGame, player: usize, payoff: f64) -> f64 {
    let values = game.table().iter().map(|p| p[player]);
    let low = values.clone().fold(f64::MAX, f64::min);
    let high = values.fold(f64::MIN, f64::max);
    if high == low {
        1.0
    } else {
        1.0 + (payoff - low) / (high - low)
    }
}

/// The corners of `{z ≥ 0, Σ_i pay(k, i) z_i ≤ 1 for each of the other's actions k}`, with the labels of what is tight:
/// `own + i` for `z_i = 0`, `other + k` for the constraints.
fn corners(
    size: usize,
    others: usize,
    own: usize,
    other: usize,
    pay: impl Fn(usize, usize) -> f64,
) -> Vec<(Vec<f64>, u32)> {
    const TIGHT: f64 = 1e-9;
    let total = size + others;
    let mut found: Vec<(Vec<f64>, u32)> = vec![];
    // Every choice of `size` constraints to hold with equality.
    for chosen in 0_u32..1 << total {
        if chosen.count_ones() as usize != size {
            continue;
        }
        let rows = (0..total).filter(|i| chosen >> i & 1 == 1).map(|i| {
            if i < size {
                let mut row = vec![0.0; size + 1];
                row[i] = 1.0;
                row
            } else {
                let mut row: Vec<f64> = (0..size).map(|j| pay(i - size, j)).collect();
                row.push(1.0);
                row
            }
        });
        let Some(point) = solve(rows.collect()) else {
            continue;
        };
        let point: Vec<f64> = point
            .iter()
            .map(|z| if z.abs() < TIGHT { 0.0 } else { *z })
            .collect();
        if point.iter().any(|z| *z < 0.0) {
            continue;
        }
        let mut labels = 0;
        let mut allowed = true;
        for (i, z) in point.iter().enumerate() {
            labels |= u32::from(*z == 0.0) << (own + i);
        }
        for k in 0..others {
            let sum: f64 = point.iter().enumerate().map(|(i, z)| pay(k, i) * z).sum();
            allowed &= sum <= 1.0 + TIGHT;
            labels |= u32::from(sum >= 1.0 - TIGHT) << (other + k);
        }
        let known = found
            .iter()
            .any(|(p, _)| p.iter().zip(&point).all(|(a, b)| (a - b).abs() < TIGHT));
        if allowed && !known {
            found.push((point, labels));
        }
    }
    found
}

/// Solves a square linear system given as rows with the right side last; `None` when it is singular.
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let n = rows.len();
    for column in 0..n {
        let best =
            (column..n).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        if rows[best][column].abs() < 1e-11 {
            return None;
        }
        rows.swap(column, best);
        let pivot = rows[column].clone();
        for (i, row) in rows.iter_mut().enumerate() {
            if i != column && row[column] != 0.0 {
                let factor = row[column] / pivot[column];
                row.iter_mut()
                    .zip(&pivot)
                    .for_each(|(a, b)| *a -= factor * b);
            }
        }
    }
    Some((0..n).map(|i| rows[i][n] / rows[i][i]).collect())
}

fn share(point: &[f64]) -> Vec<f64> {
    let sum: f64 = point.iter().sum();
    point.iter().map(|z| z / sum).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::games::{named, names};

    fn regret(game: &MatrixGame, e: &Equilibrium) -> f64 {
        let [m, n] = game.actions();
        let unit = |i: usize, len: usize| {
            (0..len)
                .map(|j| f64::from(u8::from(i == j)))
                .collect::<Vec<_>>()
        };
        let one = (0..m).map(|r| game.expected(&unit(r, m), &e.strategies[1])[0] - e.payoffs[0]);
        let two = (0..n).map(|c| game.expected(&e.strategies[0], &unit(c, n))[1] - e.payoffs[1]);
        one.chain(two).fold(0.0, f64::max)
    }

    #[test]
    fn equilibria_of_the_zoo() {
        let count = |name: &str| equilibria(&named(name).unwrap()).unwrap().len();
        assert_eq!(count("ipd"), 1);
        assert_eq!(count("imp"), 1);
        assert_eq!(count("stag-hunt"), 3);
        assert_eq!(count("chicken"), 3);
        for name in names() {
            let game = named(name).unwrap();
            let found = equilibria(&game).unwrap();
            assert!(!found.is_empty(), "{name}");
            for e in &found {
                assert!(regret(&game, e) < 1e-8, "{name}: {e:?}");
            }
        }
    }

    #[test]
    fn degenerate_games_have_their_corners_listed() {
        // Player 1 does not care: any of its mixtures against column 0 or 1 as player 2 likes.
        let flat = MatrixGame::new("flat", &[[[1.0, 1.0], [1.0, 1.0]]; 2]).unwrap();
        assert_eq!(equilibria(&flat).unwrap().len(), 4);
        let weak = MatrixGame::new(
            "weak",
            &[[[1.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]],
        )
        .unwrap();
        for e in equilibria(&weak).unwrap() {
            assert!(regret(&weak, &e) < 1e-9);
        }
        let large = MatrixGame::new("large", &vec![vec![[0.0; 2]; 9]; 8]).unwrap();
        assert!(equilibria(&large).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn random_games_have_an_odd_number_without_regret(
            payoffs in prop::collection::vec(prop::array::uniform2(-1.0..1.0f64), 9)
        ) {
            let rows: Vec<&[[f64; 2]]> = payoffs.chunks(3).collect();
            let game = MatrixGame::new("g", &rows).unwrap();
            let found = equilibria(&game).unwrap();
            // Generic games have an odd number (Wilson 1971).
            prop_assert_eq!(found.len() % 2, 1);
            for e in &found {
                prop_assert!(regret(&game, e) < 1e-7);
            }
        }
    }
}
