//! Is this a bargaining problem at all?
//!
//! A *coordination problem* has two Pareto-optimal profiles π, π′ such that playing one player's part of the first and the other's
//! of the second, `(π₁, π′₂)` or `(π′₁, π₂)`, is not Pareto-optimal. A *bargaining problem* is one in which the players rank such a
//! pair oppositely. Which profiles count is a choice that matters: without asking for individual rationality even the prisoner's
//! dilemma qualifies, by (cooperate, defect) against (defect, cooperate).

use serde::{Deserialize, Serialize};

use super::Hull;
use crate::{MatrixGame, minimax};

/// What counts as an outcome to agree on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// Pure profiles.
    #[default]
    Profiles,
    /// Corners of the hull's Pareto frontier. Mixtures of their parts are not defined, so only the opposite ranking is tested:
    /// every game with more than one corner on its frontier then qualifies.
    HullCorners,
}

/// Which outcomes are considered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Filter {
    /// The Pareto-optimal ones.
    ParetoOnly,
    /// Those that also give each player at least its (mixed) minimax value.
    #[default]
    ParetoAndIr,
    /// Those that are also pure Nash equilibria. For profiles only; at hull corners it asks for the same as `ParetoAndIr`.
    ParetoAndNash,
}

/// The pair that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Witness {
    /// The two profiles (row, column), where outcomes are profiles.
    pub profiles: Option<[[usize; 2]; 2]>,
    /// What they pay.
    pub payoffs: [[f64; 2]; 2],
}

/// One outcome: its profile where it has one, and what it pays.
type Outcome = (Option<[usize; 2]>, [f64; 2]);

/// Two Pareto-optimal outcomes that cannot be mixed without loss, or `None`.
///
/// ```
/// use firetender_bargain::{bargaining::{Filter, Scope, is_coordination_problem}, games};
/// let bos = games::named("bos").unwrap();
/// assert!(is_coordination_problem(&bos, Scope::Profiles, Filter::ParetoAndIr).is_some());
/// ```
#[must_use]
pub fn is_coordination_problem(game: &MatrixGame, scope: Scope, filter: Filter) -> Option<Witness> {
    find(game, scope, filter, |_, _| true)
}

/// As [`is_coordination_problem`], for a pair that the players rank oppositely.
///
/// ```
/// use firetender_bargain::{bargaining::{Filter, Scope, is_bargaining_problem}, games};
/// let ask = |name: &str, filter| {
///     is_bargaining_problem(&games::named(name).unwrap(), Scope::Profiles, filter).is_some()
/// };
/// assert!(ask("asym-bos", Filter::ParetoAndIr) && !ask("ipd", Filter::ParetoAndIr));
/// assert!(ask("ipd", Filter::ParetoOnly), "cooperate/defect against defect/cooperate");
/// ```
#[must_use]
pub fn is_bargaining_problem(game: &MatrixGame, scope: Scope, filter: Filter) -> Option<Witness> {
    find(game, scope, filter, |a, b| {
        (a[0] - b[0]) * (a[1] - b[1]) < 0.0
    })
}

/// Whether exchanging the players changes what is feasible (the hull), so that norms which agree in symmetric games part ways.
///
/// ```
/// use firetender_bargain::{bargaining::is_asymmetric, games};
/// assert!(is_asymmetric(&games::named("asym-bos").unwrap()));
/// assert!(!is_asymmetric(&games::named("bos").unwrap()));
/// ```
#[must_use]
pub fn is_asymmetric(game: &MatrixGame) -> bool {
    let hull = Hull::from(game);
    let mirrored: Vec<[f64; 2]> = hull.corners().iter().map(|c| [c[1], c[0]]).collect();
    let mirror = Hull::of(&mirrored);
    let within = |a: &Hull, b: &Hull| a.corners().iter().all(|c| b.contains(*c));
    !(within(&hull, &mirror) && within(&mirror, &hull))
}

fn find(
    game: &MatrixGame,
    scope: Scope,
    filter: Filter,
    ranked: impl Fn([f64; 2], [f64; 2]) -> bool,
) -> Option<Witness> {
    let slack = 1e-9 * game.scale();
    let minimax = minimax::mixed(game);
    let rational = |p: [f64; 2]| p[0] >= minimax[0] - slack && p[1] >= minimax[1] - slack;
    let outcomes: Vec<Outcome> = match scope {
        Scope::HullCorners => {
            let frontier = Hull::from(game).frontier().into_iter();
            frontier
                .filter(|p| filter == Filter::ParetoOnly || rational(*p))
                .map(|p| (None, p))
                .collect()
        }
        Scope::Profiles => profiles(game)
            .filter(|(_, p)| optimal(game, *p))
            .filter(|(profile, p)| match filter {
                Filter::ParetoOnly => true,
                Filter::ParetoAndIr => rational(*p),
                Filter::ParetoAndNash => is_equilibrium(game, *profile, slack),
            })
            .map(|(profile, p)| (Some(profile), p))
            .collect(),
    };
    for (i, (first, a)) in outcomes.iter().enumerate() {
        for (second, b) in &outcomes[i + 1..] {
            let clash = match (first, second) {
                (Some(first), Some(second)) => {
                    !optimal(game, game.payoffs(first[0], second[1]))
                        || !optimal(game, game.payoffs(second[0], first[1]))
                }
                _ => true,
            };
            if clash && ranked(*a, *b) {
                return Some(Witness {
                    profiles: first.zip(*second).map(|(x, y)| [x, y]),
                    payoffs: [*a, *b],
                });
            }
        }
    }
    None
}

fn profiles(game: &MatrixGame) -> impl Iterator<Item = ([usize; 2], [f64; 2])> + '_ {
    let [rows, columns] = game.actions();
    (0..rows).flat_map(move |r| (0..columns).map(move |c| ([r, c], game.payoffs(r, c))))
}

/// No pure profile is as good for both and better for one.
fn optimal(game: &MatrixGame, pair: [f64; 2]) -> bool {
    !game
        .table()
        .iter()
        .any(|q| q[0] >= pair[0] && q[1] >= pair[1] && *q != pair)
}

fn is_equilibrium(game: &MatrixGame, [row, column]: [usize; 2], slack: f64) -> bool {
    let [a, b] = game.payoffs(row, column);
    let [rows, columns] = game.actions();
    (0..rows).all(|r| game.payoffs(r, column)[0] <= a + slack)
        && (0..columns).all(|c| game.payoffs(row, c)[1] <= b + slack)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::games::named;

    #[test]
    fn the_truth_table_of_the_specification() {
        // Name; bargaining problem by Pareto only, and IR, and pure Nash; symmetric.
        let table = [
            ("imp", [false, false, false], true),
            ("ipd", [true, false, false], true),
            ("asym-pd", [false, false, false], false),
            ("stag-hunt", [false, false, false], true),
            ("chicken", [true, true, true], true),
            ("asym-chicken", [true, true, true], false),
            ("bos", [true, true, true], true),
            ("asym-bos", [true, true, true], false),
            ("bos-and-pd", [true, true, false], false),
            ("asym-bos-and-pd", [true, true, false], false),
        ];
        let filters = [
            Filter::ParetoOnly,
            Filter::ParetoAndIr,
            Filter::ParetoAndNash,
        ];
        for (name, expected, symmetric) in table {
            let game = named(name).unwrap();
            let found = filters.map(|f| is_bargaining_problem(&game, Scope::Profiles, f).is_some());
            assert_eq!(found, expected, "{name}");
            assert_eq!(!is_asymmetric(&game), symmetric, "{name}");
        }
    }

    #[test]
    fn the_witness_is_the_pair() {
        let game = named("asym-bos").unwrap();
        let witness = is_bargaining_problem(&game, Scope::Profiles, Filter::default()).unwrap();
        assert_eq!(witness.profiles, Some([[0, 0], [1, 1]]));
        assert_eq!(witness.payoffs, [[4.0, 1.0], [2.0, 2.0]]);
        let ipd = named("ipd").unwrap();
        let corners = is_bargaining_problem(&ipd, Scope::HullCorners, Filter::ParetoOnly);
        assert!(corners.is_some(), "on corners even the dilemma qualifies");
    }
}
