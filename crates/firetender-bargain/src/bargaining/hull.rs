//! Convex hulls of payoff pairs, degenerate ones (a point, a segment) included.

use crate::MatrixGame;

/// The convex hull of some points: its corners anticlockwise, two for a segment, one for a point.
///
/// ```
/// use firetender_bargain::{bargaining::Hull, games};
/// let hull = Hull::of(games::named("asym-bos").unwrap().table());
/// assert_eq!(hull.corners(), [[0.0, 0.0], [4.0, 1.0], [2.0, 2.0]]);
/// assert_eq!(Hull::of(&[[1.0, 1.0], [3.0, 3.0], [2.0, 2.0]]).corners(), [[1.0, 1.0], [3.0, 3.0]]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Hull {
    corners: Vec<[f64; 2]>,
    /// What counts as no distance at all.
    tolerance: f64,
}

/// Twice the signed area of a triangle.
fn turn(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

impl Hull {
    /// The hull of some points (Andrew's monotone chain). Points on an edge are no corners.
    ///
    /// # Panics
    /// Without points, or when one is not finite.
    #[must_use]
    pub fn of(points: &[[f64; 2]]) -> Self {
        assert!(!points.is_empty(), "the hull of no points");
        assert!(
            points.iter().flatten().all(|x| x.is_finite()),
            "points are finite"
        );
        let mut sorted = points.to_vec();
        sorted.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
        sorted.dedup();
        let extent = |i: usize| {
            let values = points.iter().map(|p| p[i]);
            values.clone().fold(f64::MIN, f64::max) - values.fold(f64::MAX, f64::min)
        };
        let extent = extent(0).max(extent(1));
        let largest = points.iter().flatten().fold(0.0_f64, |m, x| m.max(x.abs()));
        let tolerance = 1e-12 * extent.max(1e-3 * largest).max(f64::MIN_POSITIVE);
        let mut corners: Vec<[f64; 2]> = vec![];
        let mut half = |points: &mut dyn Iterator<Item = [f64; 2]>| {
            let start = corners.len();
            for point in points {
                while corners.len() >= start + 2
                    && turn(
                        corners[corners.len() - 2],
                        corners[corners.len() - 1],
                        point,
                    ) <= tolerance * extent
                {
                    corners.pop();
                }
                corners.push(point);
            }
            corners.pop();
        };
        half(&mut sorted.iter().copied());
        half(&mut sorted.iter().rev().copied());
        if corners.is_empty() {
            corners.push(sorted[0]);
        }
        corners.dedup();
        Self { corners, tolerance }
    }

    /// The corners, anticlockwise from the leftmost (lowest of several).
    #[must_use]
    pub fn corners(&self) -> &[[f64; 2]] {
        &self.corners
    }

    /// Distances below this are rounding.
    #[must_use]
    pub fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// The part with at least `floor[i]` for each player `i`, if there is any. A corner that misses the floor by rounding only stays as it is.
    #[must_use]
    pub fn above(&self, floor: [f64; 2]) -> Option<Self> {
        let mut corners = self.corners.clone();
        for (axis, limit) in floor.into_iter().enumerate() {
            corners = clip(&corners, axis, limit, self.tolerance);
        }
        if corners.is_empty() {
            return None;
        }
        let mut part = Self::of(&corners);
        part.tolerance = self.tolerance;
        Some(part)
    }

    /// Whether a point belongs to it, up to rounding.
    #[must_use]
    pub fn contains(&self, point: [f64; 2]) -> bool {
        let slack = 1e3 * self.tolerance;
        match self.corners[..] {
            [only] => (0..2).all(|i| (only[i] - point[i]).abs() <= slack),
            _ => {
                let n = self.corners.len();
                let edges = (0..n).map(|i| (self.corners[i], self.corners[(i + 1) % n]));
                let inside = |(a, b): ([f64; 2], [f64; 2])| {
                    let length = (b[0] - a[0]).hypot(b[1] - a[1]);
                    turn(a, b, point) >= -slack * length
                };
                let boxed = |i: usize| {
                    let values = self.corners.iter().map(|c| c[i]);
                    point[i] >= values.clone().fold(f64::MAX, f64::min) - slack
                        && point[i] <= values.fold(f64::MIN, f64::max) + slack
                };
                edges.into_iter().all(inside) && boxed(0) && boxed(1)
            }
        }
    }

    /// The Pareto frontier: the points that no other dominates, from player 2's best to player 1's best, as a chain of corners.
    ///
    /// ```
    /// use firetender_bargain::{bargaining::Hull, games};
    /// let hull = Hull::of(games::named("asym-bos").unwrap().table());
    /// assert_eq!(hull.frontier(), [[2.0, 2.0], [4.0, 1.0]]);
    /// ```
    #[must_use]
    pub fn frontier(&self) -> Vec<[f64; 2]> {
        let best = |axis: usize| {
            let other = 1 - axis;
            let mut best = self.corners[0];
            for corner in &self.corners {
                let gain = corner[axis] - best[axis];
                if gain > self.tolerance || (gain >= -self.tolerance && corner[other] > best[other])
                {
                    best = *corner;
                }
            }
            best
        };
        let (top, right) = (best(1), best(0));
        // One point is best for both, up to rounding.
        if top[0] >= right[0] || top[1] <= right[1] {
            return vec![top];
        }
        let mut chain: Vec<[f64; 2]> = self
            .corners
            .iter()
            .copied()
            .filter(|c| c[0] >= top[0] && c[1] >= right[1])
            .collect();
        // Corners below the chord from top to right belong to the lower side.
        chain.retain(|c| *c == top || *c == right || turn(top, right, *c) > 0.0);
        chain.sort_by(|a, b| a[0].total_cmp(&b[0]).then(b[1].total_cmp(&a[1])));
        chain.dedup();
        chain
    }
}

/// What is left of a convex polygon (or segment, or point) where `axis` is at least `limit`, up to `tolerance`.
fn clip(corners: &[[f64; 2]], axis: usize, limit: f64, tolerance: f64) -> Vec<[f64; 2]> {
    let inside = |p: &[f64; 2]| p[axis] >= limit - tolerance;
    let mut kept = vec![];
    for (i, a) in corners.iter().enumerate() {
        let b = &corners[(i + 1) % corners.len()];
        if inside(a) {
            kept.push(*a);
        }
        // An edge that only just begins at the limit is cut where it begins.
        let (within, beyond) = if inside(a) { (a, b) } else { (b, a) };
        if inside(within) && !inside(beyond) && within[axis] > limit + tolerance {
            let share = (limit - a[axis]) / (b[axis] - a[axis]);
            let other = 1 - axis;
            let mut cut = [limit; 2];
            cut[other] = a[other] + share * (b[other] - a[other]);
            kept.push(cut);
        }
    }
    kept
}

impl From<&MatrixGame> for Hull {
    /// What mixtures and lotteries over the game's outcomes can pay.
    fn from(game: &MatrixGame) -> Self {
        Self::of(game.table())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::games;
    use proptest::prelude::*;

    #[test]
    fn degenerate_hulls_work() {
        let point = Hull::of(&[[2.0, -1.0]; 3]);
        assert_eq!(
            (point.corners(), point.frontier()),
            (&[[2.0, -1.0]][..], vec![[2.0, -1.0]])
        );
        let line = Hull::of(&[[0.0, 0.0], [1.0, -1.0], [-1.0, 1.0]]);
        assert_eq!(line.corners(), [[-1.0, 1.0], [1.0, -1.0]]);
        assert_eq!(line.frontier(), [[-1.0, 1.0], [1.0, -1.0]]);
        let up = Hull::of(&[[0.0, 0.0], [1.0, 1.0]]);
        assert_eq!(up.frontier(), [[1.0, 1.0]]);
        assert!(up.contains([0.5, 0.5]) && !up.contains([0.5, 0.6]) && !up.contains([1.5, 1.5]));
        assert_eq!(up.above([0.5, 0.0]).unwrap().frontier(), [[1.0, 1.0]]);
        assert!(up.above([1.1, 0.0]).is_none());
    }

    #[test]
    fn cutting_off_leaves_what_is_exact_exact() {
        let ipd = Hull::of(games::named("ipd").unwrap().table());
        let part = ipd.above([-2.0, -2.0]).unwrap();
        assert_eq!(
            part.frontier(),
            [[-2.0, -0.5], [-1.0, -1.0], [-0.5, -2.0]],
            "the floor is met exactly"
        );
        // Floors off by rounding take no corner away and add none.
        let bos = Hull::of(games::named("asym-bos").unwrap().table());
        let near = bos.above([2.0 + 1e-13, 1.0 + 1e-13]).unwrap();
        assert_eq!(near.frontier(), [[2.0, 2.0], [4.0, 1.0]]);
        let zero_sum = Hull::of(&[[4.0, -4.0], [-4.0, 4.0], [2.0, -2.0]]);
        for slip in [-1e-13, 0.0, 1e-13] {
            let corner = zero_sum.above([-4.0 + slip, 4.0 + slip]).unwrap();
            assert_eq!(corner.frontier(), [[-4.0, 4.0]]);
        }
    }

    proptest! {
        #[test]
        fn a_hull_holds_its_points_and_its_frontier_dominates_them(
            points in prop::collection::vec(prop::array::uniform2(-10.0..10.0f64), 1..12)
        ) {
            let hull = Hull::of(&points);
            let frontier = hull.frontier();
            prop_assert!(frontier.windows(2).all(|w| w[0][0] < w[1][0] && w[0][1] > w[1][1]));
            for point in &points {
                prop_assert!(hull.contains(*point));
                // No point is better than the frontier for both.
                let beaten = frontier.iter().any(|f| f[0] >= point[0] && f[1] >= point[1])
                    || frontier.windows(2).any(|w| {
                        let share = (point[0] - w[0][0]) / (w[1][0] - w[0][0]);
                        (0.0..=1.0).contains(&share)
                            && w[0][1] + share * (w[1][1] - w[0][1]) >= point[1] - 1e-9
                    });
                prop_assert!(beaten, "{point:?} above {frontier:?}");
            }
        }
    }
}
