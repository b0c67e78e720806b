//! The points that norms select: utilitarian, Nash, egalitarian, Kalai–Smorodinsky, equal loss.
//!
//! All are solved in closed form edge by edge on the Pareto frontier of the individually rational hull. With disagreement point
//! `d` and ideal point `I`, the best of `V` by
//!
//! | norm | maximises |
//! |---|---|
//! | utilitarian | `V₁ + V₂`; a whole edge where that is flat |
//! | Nash (1950) | `(V₁ − d₁)(V₂ − d₂)` |
//! | egalitarian (Kalai 1977) | `min (Vᵢ − dᵢ)` |
//! | Kalai–Smorodinsky (1975) | `min (Vᵢ − dᵢ) / (Iᵢ − dᵢ)` |
//! | equal loss | `min (Vᵢ − Iᵢ)` |
//!
//! The three that maximise a minimum are refined lexicographically, so that what they select is Pareto-optimal.

use serde::Serialize;

use super::{Disagreement, Feasible};
use crate::{BargainError, MatrixGame};

/// What a norm selects: a point, or all points between two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Solution {
    /// One payoff pair.
    Point([f64; 2]),
    /// All pairs between these two, from player 2's best to player 1's best.
    Segment([[f64; 2]; 2]),
}

impl Solution {
    /// Its ends: one point, or two.
    #[must_use]
    pub fn ends(&self) -> Vec<[f64; 2]> {
        match self {
            Self::Point(point) => vec![*point],
            Self::Segment(ends) => ends.to_vec(),
        }
    }
}

/// What all norms select in one game.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Solutions {
    /// The disagreement point.
    pub disagreement: [f64; 2],
    /// The ideal point.
    pub ideal: [f64; 2],
    /// Greatest sum.
    pub utilitarian: Solution,
    /// Greatest product of gains.
    pub nash: [f64; 2],
    /// Equal gains.
    pub egalitarian: [f64; 2],
    /// Equal shares of the greatest possible gains.
    pub kalai_smorodinsky: [f64; 2],
    /// Equal losses against the ideal point.
    pub equal_loss: [f64; 2],
    /// The Pareto frontier on which they lie.
    pub frontier: Vec<[f64; 2]>,
}

/// All solutions of a game.
///
/// # Errors
/// As [`Feasible::of`].
///
/// ```
/// use firetender_bargain::{bargaining::{Disagreement, Solution, solve}, games};
/// let game = games::named("asym-bos").unwrap();
/// let found = solve(&game, Disagreement::Given([0.0, 0.0])).unwrap();
/// assert_eq!(found.utilitarian, Solution::Point([4.0, 1.0]));
/// assert_eq!(found.nash, [3.0, 1.5]);
/// assert_eq!(found.egalitarian, [2.0, 2.0]);
/// assert_eq!(found.kalai_smorodinsky, [3.0, 1.5]);
/// ```
pub fn solve(game: &MatrixGame, disagreement: Disagreement) -> Result<Solutions, BargainError> {
    let feasible = Feasible::of(game, disagreement)?;
    Ok(Solutions {
        disagreement: feasible.disagreement(),
        ideal: feasible.ideal(),
        utilitarian: utilitarian(&feasible),
        nash: nash(&feasible),
        egalitarian: egalitarian(&feasible),
        kalai_smorodinsky: kalai_smorodinsky(&feasible),
        equal_loss: equal_loss(&feasible),
        frontier: feasible.frontier().to_vec(),
    })
}

/// The greatest sum of payoffs; the whole edge where it is flat.
#[must_use]
pub fn utilitarian(feasible: &Feasible) -> Solution {
    let sum = |p: &[f64; 2]| p[0] + p[1];
    let best = feasible.frontier().iter().map(sum).fold(f64::MIN, f64::max);
    let mut ends = feasible
        .frontier()
        .iter()
        .filter(|p| sum(p) >= best - 10.0 * feasible.tolerance());
    let first = *ends.next().unwrap_or(&feasible.frontier()[0]);
    match ends.next_back() {
        Some(last) => Solution::Segment([first, *last]),
        None => Solution::Point(first),
    }
}

/// The greatest product of gains over the disagreement point.
#[must_use]
pub fn nash(feasible: &Feasible) -> [f64; 2] {
    let d = feasible.disagreement();
    let product = |p: [f64; 2]| (p[0] - d[0]).max(0.0) * (p[1] - d[1]).max(0.0);
    let mut best = feasible.frontier()[0];
    let mut consider = |p: [f64; 2]| {
        // The later of equals gives player 1 more; only with d on the frontier can there be several, and then the sum decides.
        let (new, old) = (product(p), product(best));
        if new > old || (new == old && p[0] + p[1] > best[0] + best[1]) {
            best = p;
        }
    };
    for edge in feasible.frontier().windows(2) {
        let ([a, b], [c, e]) = (edge[0], edge[1]);
        // On the edge the product is a concave parabola in the share t; its top, kept inside.
        let (u, v, p, q) = (a - d[0], b - d[1], c - a, e - b);
        let t = (-(u * q + v * p) / (2.0 * p * q)).clamp(0.0, 1.0);
        consider(edge[0]);
        consider([a + t * p, b + t * q]);
        consider(edge[1]);
    }
    best
}

/// Equal gains over the disagreement point, as far as that is efficient.
#[must_use]
pub fn egalitarian(feasible: &Feasible) -> [f64; 2] {
    balance(feasible, feasible.disagreement(), [1.0, 1.0])
}

/// Equal shares of the gains that the ideal point promises, as far as that is efficient.
#[must_use]
pub fn kalai_smorodinsky(feasible: &Feasible) -> [f64; 2] {
    let (d, ideal) = (feasible.disagreement(), feasible.ideal());
    let hope = [ideal[0] - d[0], ideal[1] - d[1]];
    // Who cannot gain does not bargain: the other takes the best that costs nobody anything.
    match [
        hope[0] <= feasible.tolerance(),
        hope[1] <= feasible.tolerance(),
    ] {
        [true, _] => feasible.frontier()[0],
        [false, true] => feasible.frontier()[feasible.frontier().len() - 1],
        _ => balance(feasible, d, hope),
    }
}

/// Equal losses against the ideal point, as far as that is efficient.
#[must_use]
pub fn equal_loss(feasible: &Feasible) -> [f64; 2] {
    balance(feasible, feasible.ideal(), [1.0, 1.0])
}

/// The best of the frontier by `min (Vᵢ − originᵢ) / unitᵢ`, ties by the larger of the two.
///
/// From player 2's best to player 1's best the first quotient grows and the second falls, so it is where they cross, or the end
/// that is nearest to crossing.
fn balance(feasible: &Feasible, origin: [f64; 2], unit: [f64; 2]) -> [f64; 2] {
    let gap = |p: [f64; 2]| (p[0] - origin[0]) / unit[0] - (p[1] - origin[1]) / unit[1];
    let frontier = feasible.frontier();
    if gap(frontier[0]) >= 0.0 {
        return frontier[0];
    }
    for edge in frontier.windows(2) {
        let (low, high) = (gap(edge[0]), gap(edge[1]));
        if high >= 0.0 {
            let t = -low / (high - low);
            let at = |i: usize| edge[0][i] + t * (edge[1][i] - edge[0][i]);
            return if t == 1.0 { edge[1] } else { [at(0), at(1)] };
        }
    }
    frontier[frontier.len() - 1]
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    use super::*;
    use crate::{bargaining::Hull, games::named};

    fn close(found: [f64; 2], expected: [f64; 2]) {
        assert_relative_eq!(found[0], expected[0], epsilon = 1e-9, max_relative = 1e-12);
        assert_relative_eq!(found[1], expected[1], epsilon = 1e-9, max_relative = 1e-12);
    }

    #[test]
    fn solutions_of_the_specification() {
        let solved = |name: &str, d| solve(&named(name).unwrap(), d).unwrap();
        let found = solved("asym-bos", Disagreement::Minimax);
        assert_eq!(found.utilitarian, Solution::Point([4.0, 1.0]));
        close(found.nash, [3.0, 1.5]);
        close(found.egalitarian, [22.0 / 9.0, 16.0 / 9.0]);
        close(found.kalai_smorodinsky, [3.0, 1.5]);
        let found = solved("bos", Disagreement::Given([0.0; 2]));
        assert_eq!(
            found.utilitarian,
            Solution::Segment([[2.0, 3.0], [3.0, 2.0]])
        );
        for point in [
            found.nash,
            found.egalitarian,
            found.kalai_smorodinsky,
            found.equal_loss,
        ] {
            close(point, [2.5, 2.5]);
        }
        let found = solved("chicken", Disagreement::Given([-1.0; 2]));
        assert_eq!(
            found.utilitarian,
            Solution::Segment([[-1.0, 1.0], [1.0, -1.0]])
        );
        for point in [found.nash, found.egalitarian, found.kalai_smorodinsky] {
            close(point, [0.0, 0.0]);
        }
    }

    /// The minimax point of a game of pure conflict is a corner of a segment: there is one outcome left, and no norm can fail to find it.
    #[test]
    fn games_of_pure_conflict_have_their_value() {
        let rows = [
            [[4.0, -4.0], [-4.0, 4.0], [2.0, -2.0]],
            [[3.0, -3.0], [-4.0, 4.0], [4.0, -4.0]],
        ];
        let found = solve(
            &MatrixGame::new("conflict", &rows).unwrap(),
            Disagreement::Minimax,
        )
        .unwrap();
        for point in [found.nash, found.egalitarian, found.kalai_smorodinsky] {
            assert_eq!(point, [-4.0, 4.0]);
        }
        let ipd = solve(&named("ipd").unwrap(), Disagreement::Minimax).unwrap();
        assert_eq!(ipd.ideal, [-0.5, -0.5]);
        assert_eq!(ipd.kalai_smorodinsky, [-1.0, -1.0]);
    }

    #[test]
    fn a_disagreement_point_on_the_frontier_is_the_solution() {
        let found = solve(&named("asym-bos").unwrap(), Disagreement::Given([3.0, 1.5])).unwrap();
        close(found.nash, [3.0, 1.5]);
        close(found.egalitarian, [3.0, 1.5]);
        close(found.kalai_smorodinsky, [3.0, 1.5]);
        let error =
            solve(&named("asym-bos").unwrap(), Disagreement::Given([3.0, 1.6])).unwrap_err();
        assert!(error.to_string().contains("(3, 1.6)"), "{error}");
        assert!(solve(&named("bos").unwrap(), Disagreement::Given([f64::NAN, 0.0])).is_err());
        let flat = MatrixGame::new("flat", &[[[1.0, 1.0]; 2]; 2]).unwrap();
        let found = solve(&flat, Disagreement::Minimax).unwrap();
        assert_eq!((found.nash, found.egalitarian), ([1.0; 2], [1.0; 2]));
    }

    fn points() -> impl Strategy<Value = Vec<[f64; 2]>> {
        prop::collection::vec(prop::array::uniform2(-5.0..5.0f64), 3..9)
    }

    /// A disagreement point inside the hull.
    fn inside(points: &[[f64; 2]]) -> [f64; 2] {
        let n = points.len() as f64;
        [0, 1].map(|i| points.iter().map(|p| p[i]).sum::<f64>() / n)
    }

    proptest! {
        #[test]
        fn solutions_are_efficient_rational_and_best_by_sampling(points in points()) {
            let hull = Hull::of(&points);
            let d = inside(&points);
            let feasible = Feasible::within(&hull, d).unwrap();
            let ideal = feasible.ideal();
            let n = nash(&feasible);
            let e = egalitarian(&feasible);
            let k = kalai_smorodinsky(&feasible);
            let l = equal_loss(&feasible);
            let value_n = |p: [f64; 2]| (p[0] - d[0]) * (p[1] - d[1]);
            let value_e = |p: [f64; 2]| (p[0] - d[0]).min(p[1] - d[1]);
            let value_k = |p: [f64; 2]| ((p[0] - d[0]) / (ideal[0] - d[0])).min((p[1] - d[1]) / (ideal[1] - d[1]));
            let value_l = |p: [f64; 2]| (p[0] - ideal[0]).min(p[1] - ideal[1]);
            for p in [n, e, k, l] {
                prop_assert!(hull.contains(p));
                prop_assert!(p[0] >= d[0] - 1e-9 && p[1] >= d[1] - 1e-9);
            }
            for edge in feasible.frontier().windows(2) {
                for i in 0..=50 {
                    let t = f64::from(i) / 50.0;
                    let p = [0, 1].map(|j| edge[0][j] + t * (edge[1][j] - edge[0][j]));
                    prop_assert!(value_n(n) >= value_n(p) - 1e-9);
                    prop_assert!(value_e(e) >= value_e(p) - 1e-9);
                    prop_assert!(value_k(k) >= value_k(p) - 1e-9);
                    prop_assert!(value_l(l) >= value_l(p) - 1e-9);
                }
            }
        }

        #[test]
        fn nash_and_kalai_smorodinsky_follow_affine_maps_and_egalitarian_shifts(
            points in points(), scale in prop::array::uniform2(0.1..10.0f64), shift in prop::array::uniform2(-9.0..9.0f64)
        ) {
            let map = |p: [f64; 2], s: [f64; 2]| [p[0] * s[0] + shift[0], p[1] * s[1] + shift[1]];
            let d = inside(&points);
            let solved = |s: [f64; 2]| {
                let moved: Vec<_> = points.iter().map(|p| map(*p, s)).collect();
                Feasible::within(&Hull::of(&moved), map(d, s)).unwrap()
            };
            let (plain, scaled, moved) = (
                Feasible::within(&Hull::of(&points), d).unwrap(), solved(scale), solved([1.0; 2]),
            );
            for (before, after) in [
                (map(nash(&plain), scale), nash(&scaled)),
                (map(kalai_smorodinsky(&plain), scale), kalai_smorodinsky(&scaled)),
                (map(egalitarian(&plain), [1.0; 2]), egalitarian(&moved)),
            ] {
                for i in 0..2 {
                    prop_assert!((before[i] - after[i]).abs() < 1e-6, "{before:?} {after:?}");
                }
            }
        }

        #[test]
        fn swapping_the_players_swaps_the_solutions(points in points()) {
            let d = inside(&points);
            let swapped: Vec<_> = points.iter().map(|p| [p[1], p[0]]).collect();
            let a = Feasible::within(&Hull::of(&points), d).unwrap();
            let b = Feasible::within(&Hull::of(&swapped), [d[1], d[0]]).unwrap();
            for rule in [nash, egalitarian, kalai_smorodinsky, equal_loss] {
                let (x, y) = (rule(&a), rule(&b));
                prop_assert!((x[0] - y[1]).abs() < 1e-7 && (x[1] - y[0]).abs() < 1e-7);
            }
        }
    }
}
