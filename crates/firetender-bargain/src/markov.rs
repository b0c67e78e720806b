//! Games with states: what a planner needs to know, and whether a game of one's own tells it right.

mod model;

use crate::{BargainError, MatrixGame};

pub use model::Model;

/// Most states that are listed.
const MOST_STATES: usize = 1 << 22;

/// A game for two whose states can be listed.
///
/// ```
/// use firetender_bargain::markov::{MarkovGame, conformance};
/// /// Who says 1 moves the marker.
/// #[derive(Debug)]
/// struct Marker;
/// impl MarkovGame for Marker {
///     fn name(&self) -> String { "marker".into() }
///     fn states(&self) -> usize { 2 }
///     fn actions(&self) -> [usize; 2] { [2, 2] }
///     fn first(&self) -> Vec<(usize, f64)> { vec![(0, 1.0)] }
///     fn outcomes(&self, state: usize, [a, b]: [usize; 2], next: &mut Vec<(usize, f64)>) -> [f64; 2] {
///         next.push(((state + a + b) % 2, 1.0));
///         [state as f64, 1.0 - state as f64]
///     }
/// }
/// conformance(&Marker).unwrap();
/// ```
pub trait MarkovGame: std::fmt::Debug + Sync {
    /// Its name.
    fn name(&self) -> String;

    /// Number of states.
    fn states(&self) -> usize;

    /// Actions of each player, the same in all states.
    fn actions(&self) -> [usize; 2];

    /// The distribution of the first state.
    fn first(&self) -> Vec<(usize, f64)>;

    /// Adds the distribution of the next state to `next`, which is empty, and gives the expected rewards.
    fn outcomes(&self, state: usize, actions: [usize; 2], next: &mut Vec<(usize, f64)>)
    -> [f64; 2];
}

/// Checks that a game tells what it should: there are states and actions, distributions add up to 1 and name states that exist,
/// rewards are finite, and asking twice gives the same answer.
///
/// # Errors
/// [`BargainError::Game`] with the first place where it does not.
pub fn conformance(game: &dyn MarkovGame) -> Result<(), BargainError> {
    let fail = |what: String| {
        Err(BargainError::Game {
            game: game.name(),
            what,
        })
    };
    let (states, [one, two]) = (game.states(), game.actions());
    if states == 0 || one == 0 || two == 0 {
        return fail(format!(
            "{states} states and {one} × {two} actions; expected at least one of each"
        ));
    }
    if states > MOST_STATES || states.saturating_mul(one).saturating_mul(two) > MOST_STATES * 16 {
        return fail(format!(
            "{states} states and {one} × {two} actions are too many to list; simulate it instead"
        ));
    }
    let check = |list: &[(usize, f64)], place: &str| {
        let sum: f64 = list.iter().map(|(_, p)| p).sum();
        if let Some((state, p)) = list
            .iter()
            .find(|(s, p)| *s >= states || p.is_nan() || *p < 0.0)
        {
            return Err(format!(
                "{place}: state {state} with probability {p}; there are {states} states"
            ));
        }
        if (sum - 1.0).abs() > 1e-9 {
            return Err(format!(
                "{place}: probabilities add up to {sum}; expected 1"
            ));
        }
        Ok(())
    };
    if let Err(what) = check(&game.first(), "first states") {
        return fail(what);
    }
    let (mut next, mut again) = (vec![], vec![]);
    for state in 0..states {
        for a in 0..one {
            for b in 0..two {
                next.clear();
                let rewards = game.outcomes(state, [a, b], &mut next);
                let place = format!("state {state}, actions ({a}, {b})");
                if !rewards.iter().all(|r| r.is_finite()) {
                    return fail(format!(
                        "{place}: rewards {rewards:?}; expected finite numbers"
                    ));
                }
                if let Err(what) = check(&next, &place) {
                    return fail(what);
                }
                if state % 97 == 0 {
                    again.clear();
                    if game.outcomes(state, [a, b], &mut again) != rewards || again != next {
                        return fail(format!("{place}: asked twice, it answers differently"));
                    }
                }
            }
        }
    }
    Ok(())
}

/// A payoff table played again and again; the state is the last joint action, and the start comes last.
impl MarkovGame for MatrixGame {
    fn name(&self) -> String {
        Self::name(self).into()
    }

    fn states(&self) -> usize {
        self.profiles() + 1
    }

    fn actions(&self) -> [usize; 2] {
        Self::actions(self)
    }

    fn first(&self) -> Vec<(usize, f64)> {
        vec![(self.profiles(), 1.0)]
    }

    fn outcomes(
        &self,
        _state: usize,
        [row, column]: [usize; 2],
        next: &mut Vec<(usize, f64)>,
    ) -> [f64; 2] {
        next.push((row * Self::actions(self)[1] + column, 1.0));
        self.payoffs(row, column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::games;

    #[derive(Debug)]
    struct Broken(u8);

    impl MarkovGame for Broken {
        fn name(&self) -> String {
            "broken".into()
        }
        fn states(&self) -> usize {
            if self.0 == 0 { 0 } else { 2 }
        }
        fn actions(&self) -> [usize; 2] {
            [1, if self.0 == 5 { 1 << 30 } else { 1 }]
        }
        fn first(&self) -> Vec<(usize, f64)> {
            vec![(0, if self.0 == 1 { 0.5 } else { 1.0 })]
        }
        fn outcomes(&self, _: usize, _: [usize; 2], next: &mut Vec<(usize, f64)>) -> [f64; 2] {
            next.push((
                if self.0 == 2 { 2 } else { 1 },
                if self.0 == 3 { f64::NAN } else { 1.0 },
            ));
            [0.0, if self.0 == 4 { f64::INFINITY } else { 0.0 }]
        }
    }

    #[test]
    fn broken_games_are_told() {
        let parts = [
            "0 states",
            "first states",
            "state 2 with",
            "probability NaN",
            "inf",
            "too many",
        ];
        for (i, part) in parts.iter().enumerate() {
            let error = conformance(&Broken(i as u8)).unwrap_err().to_string();
            assert!(error.contains(part), "{i}: {error}");
        }
        conformance(&Broken(9)).unwrap();
        for name in games::names() {
            conformance(&games::named(name).unwrap()).unwrap();
        }
    }
}
