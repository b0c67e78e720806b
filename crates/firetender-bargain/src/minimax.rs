//! What a player can secure, whatever the other does: minimax values of a game.

use crate::MatrixGame;

/// Each player's minimax value with mixed strategies: the least that the other can hold it to, which equals the most that it can
/// secure (von Neumann 1928).
///
/// ```
/// use firetender_bargain::{games, minimax};
/// let value = minimax::mixed(&games::named("bos").unwrap());
/// assert!((value[0] - 1.2).abs() < 1e-12 && (value[1] - 1.2).abs() < 1e-12);
/// ```
#[must_use]
pub fn mixed(game: &MatrixGame) -> [f64; 2] {
    let [rows, columns] = game.actions();
    let one = |r: usize, c: usize| game.payoffs(r, c)[0];
    let two = |c: usize, r: usize| game.payoffs(r, c)[1];
    [
        zero_sum(rows, columns, one).0,
        zero_sum(columns, rows, two).0,
    ]
}

/// Each player's minimax value when the other punishes with one pure action, seen before answering.
///
/// ```
/// use firetender_bargain::{games, minimax};
/// assert_eq!(minimax::pure(&games::named("asym-bos").unwrap()), [2.0, 1.0]);
/// ```
#[must_use]
pub fn pure(game: &MatrixGame) -> [f64; 2] {
    let [rows, columns] = game.actions();
    let worst = |own: usize, other: usize, pay: &dyn Fn(usize, usize) -> f64| {
        let best = |o: usize| (0..own).map(|i| pay(i, o)).fold(f64::MIN, f64::max);
        (0..other).map(best).fold(f64::MAX, f64::min)
    };
    [
        worst(rows, columns, &|r, c| game.payoffs(r, c)[0]),
        worst(columns, rows, &|c, r| game.payoffs(r, c)[1]),
    ]
}

/// The value to the maximiser of the zero-sum game `pay(own action, other's action)`, and the mixture of the other that holds it there.
///
/// By the simplex method with Bland's rule, on `max Σ y` such that `Σ_j pay'(i, j) y_j ≤ 1`, with payoffs moved to be at least 1;
/// the value is `1 / Σ y`, moved back, and the mixture `y / Σ y`. A pure saddle point is found without.
pub(crate) fn zero_sum(
    own: usize,
    other: usize,
    pay: impl Fn(usize, usize) -> f64,
) -> (f64, Vec<f64>) {
    let cells: Vec<f64> = (0..own)
        .flat_map(|i| (0..other).map(move |j| (i, j)))
        .map(|(i, j)| pay(i, j))
        .collect();
    let pay = |i: usize, j: usize| cells[i * other + j];
    let most = |j: usize| (0..own).map(|i| pay(i, j)).fold(f64::MIN, f64::max);
    let least = |i: usize| (0..other).map(|j| pay(i, j)).fold(f64::MAX, f64::min);
    let secured = (0..own).map(least).fold(f64::MIN, f64::max);
    if let Some(column) = (0..other).find(|j| most(*j) <= secured) {
        let mut mixture = vec![0.0; other];
        mixture[column] = 1.0;
        return (secured, mixture);
    }
    let low = cells.iter().copied().fold(f64::MAX, f64::min);
    let high = cells.iter().copied().fold(f64::MIN, f64::max);
    // Payoffs between 1 and 2: the tableau's numbers are near 1, whatever the units.
    let unit = high - low;
    let width = other + own + 1;
    let mut rows: Vec<Vec<f64>> = (0..own)
        .map(|i| {
            let mut row = vec![0.0; width];
            for (j, cell) in row.iter_mut().take(other).enumerate() {
                *cell = (pay(i, j) - low) / unit + 1.0;
            }
            row[other + i] = 1.0;
            row[width - 1] = 1.0;
            row
        })
        .collect();
    let mut goal: Vec<f64> = (0..width)
        .map(|j| if j < other { -1.0 } else { 0.0 })
        .collect();
    let mut basis: Vec<usize> = (other..other + own).collect();
    while let Some(enter) = (0..width - 1).find(|j| goal[*j] < -1e-12) {
        let ratio = |i: usize| rows[i][width - 1] / rows[i][enter];
        let leave = (0..own).filter(|i| rows[*i][enter] > 1e-12).min_by(|a, b| {
            ratio(*a)
                .total_cmp(&ratio(*b))
                .then(basis[*a].cmp(&basis[*b]))
        });
        // All entries of a column of the first tableau are at least 1, so the problem is bounded.
        let Some(leave) = leave else { break };
        let pivot = rows[leave][enter];
        rows[leave].iter_mut().for_each(|x| *x /= pivot);
        let row = rows[leave].clone();
        let clear = |target: &mut Vec<f64>| {
            let factor = target[enter];
            target
                .iter_mut()
                .zip(&row)
                .for_each(|(t, r)| *t -= factor * r);
        };
        rows.iter_mut()
            .enumerate()
            .filter(|(i, _)| *i != leave)
            .for_each(|(_, r)| clear(r));
        clear(&mut goal);
        basis[leave] = enter;
    }
    let mut mixture = vec![0.0; other];
    for (row, variable) in rows.iter().zip(&basis) {
        if *variable < other {
            mixture[*variable] = row[width - 1] / goal[width - 1];
        }
    }
    ((1.0 / goal[width - 1] - 1.0) * unit + low, mixture)
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    use super::*;
    use crate::games::named;

    #[test]
    fn values_of_the_specification() {
        for (name, expected) in [
            ("imp", [0.0, 0.0]),
            ("ipd", [-2.0, -2.0]),
            ("stag-hunt", [1.0, 1.0]),
            ("chicken", [-1.0, -1.0]),
            ("asym-bos", [4.0 / 3.0, 2.0 / 3.0]),
            ("bos-and-pd", [-1.0, -1.0]),
            ("asym-bos-and-pd", [-1.0, -1.0]),
        ] {
            let found = mixed(&named(name).unwrap());
            assert_relative_eq!(found[0], expected[0], epsilon = 1e-12);
            assert_relative_eq!(found[1], expected[1], epsilon = 1e-12);
        }
        let one = MatrixGame::new("one", &[[[3.0, -4.0]]]).unwrap();
        assert_eq!((mixed(&one), pure(&one)), ([3.0, -4.0], [3.0, -4.0]));
    }

    proptest! {
        #[test]
        fn pure_minimax_is_no_less_and_maximin_no_more(
            payoffs in prop::collection::vec(-10.0..10.0f64, 12)
        ) {
            let rows: Vec<Vec<[f64; 2]>> =
                payoffs.chunks(4).map(|r| r.iter().map(|x| [*x, -*x]).collect()).collect();
            let game = MatrixGame::new("zero-sum", &rows).unwrap();
            let (mix, pure) = (mixed(&game), pure(&game));
            prop_assert!(pure[0] >= mix[0] - 1e-9 && pure[1] >= mix[1] - 1e-9);
            // What one wins the other loses.
            prop_assert!((mix[0] + mix[1]).abs() < 1e-9);
            let secured = payoffs.chunks(4).map(|r| r.iter().copied().fold(f64::MAX, f64::min)).fold(f64::MIN, f64::max);
            prop_assert!(mix[0] >= secured - 1e-9);
        }

        #[test]
        fn values_follow_units(payoffs in prop::collection::vec(-10.0..10.0f64, 9), scale in 1e-6..1e6f64) {
            let game = |s: f64| {
                let rows: Vec<Vec<[f64; 2]>> =
                    payoffs.chunks(3).map(|r| r.iter().map(|x| [x * s + 3.0 * s, 0.0]).collect()).collect();
                mixed(&MatrixGame::new("g", &rows).unwrap())[0]
            };
            prop_assert!((game(scale) / scale - game(1.0)).abs() < 1e-8);
        }
    }
}
