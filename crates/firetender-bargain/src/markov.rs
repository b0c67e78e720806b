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

    /// A number below [`states`](Self::states) such that two joint actions, in whatever states, that give the same number have the same
    /// [`outcomes`](Self::outcomes); or `None`. In many games what follows depends only on where the pieces stand when both have moved: then each
    /// such place is looked at once and not once for every way to it.
    fn after(&self, _state: usize, _actions: [usize; 2]) -> Option<usize> {
        None
    }
}

/// Checks that a game tells what it should: there are states and actions, distributions add up to 1 and name states that exist,
/// rewards are finite, asking twice gives the same answer, and joint actions that are said to come to the same do (in every 97th state).
///
/// # Errors
/// [`BargainError::Game`] with the first place where it does not.
pub fn conformance(game: &dyn MarkovGame) -> Result<(), BargainError> {
    survey(game, &mut |_, _| 0).map(|_| ())
}

/// Takes the rewards and successors of an outcome and gives its number.
type Add<'a> = dyn FnMut([f64; 2], &[(usize, f64)]) -> u32 + 'a;

/// Asks a conforming game for everything: `add` gets the rewards and successors of what is new and gives its number; the numbers of all states and
/// joint actions come back.
fn survey(game: &dyn MarkovGame, add: &mut Add<'_>) -> Result<Vec<u32>, BargainError> {
    let fail = |what: String| BargainError::Game {
        game: game.name(),
        what,
    };
    let (states, [one, two]) = (game.states(), game.actions());
    if states == 0 || one == 0 || two == 0 {
        return Err(fail(format!(
            "{states} states and {one} × {two} actions; expected at least one of each"
        )));
    }
    if states > MOST_STATES || states.saturating_mul(one).saturating_mul(two) > MOST_STATES * 16 {
        return Err(fail(format!(
            "{states} states and {one} × {two} actions are too many to list; simulate it instead"
        )));
    }
    distribution(&game.first(), states).map_err(|what| fail(format!("first states: {what}")))?;
    let mut numbers = Vec::with_capacity(states * one * two);
    // Where each group was first seen, and its number.
    let mut groups: Vec<Option<(usize, [usize; 2], u32)>> = vec![];
    let (mut next, mut again) = (vec![], vec![]);
    for state in 0..states {
        for joint in 0..one * two {
            let actions = [joint / two, joint % two];
            let place = || format!("state {state}, actions ({}, {})", actions[0], actions[1]);
            let group = game.after(state, actions);
            let sampled = state.is_multiple_of(97);
            if let Some(group) = group {
                if group >= states {
                    return Err(fail(format!(
                        "{}: comes to {group}; expected a number below {states}",
                        place()
                    )));
                }
                groups.resize(states, None);
                if let Some((state_before, actions_before, number)) = groups[group] {
                    if sampled {
                        next.clear();
                        again.clear();
                        let rewards = game.outcomes(state, actions, &mut next);
                        let before = game.outcomes(state_before, actions_before, &mut again);
                        if rewards != before || next != again {
                            return Err(fail(format!(
                                "{}: comes to {group}, as actions {actions_before:?} in state {state_before} do, but has other outcomes",
                                place()
                            )));
                        }
                    }
                    numbers.push(number);
                    continue;
                }
            }
            next.clear();
            let rewards = game.outcomes(state, actions, &mut next);
            if !rewards.iter().all(|r| r.is_finite()) {
                return Err(fail(format!(
                    "{}: rewards {rewards:?}; expected finite numbers",
                    place()
                )));
            }
            distribution(&next, states).map_err(|what| fail(format!("{}: {what}", place())))?;
            if sampled {
                again.clear();
                if game.outcomes(state, actions, &mut again) != rewards || again != next {
                    return Err(fail(format!(
                        "{}: asked twice, it answers differently",
                        place()
                    )));
                }
            }
            let number = add(rewards, &next);
            if let Some(group) = group {
                groups[group] = Some((state, actions, number));
            }
            numbers.push(number);
        }
    }
    Ok(numbers)
}

/// What is wrong with a distribution of states, if anything is.
fn distribution(list: &[(usize, f64)], states: usize) -> Result<(), String> {
    let sum: f64 = list.iter().map(|(_, p)| p).sum();
    if let Some((state, p)) = list
        .iter()
        .find(|(s, p)| *s >= states || p.is_nan() || *p < 0.0)
    {
        return Err(format!(
            "state {state} with probability {p}; there are {states} states"
        ));
    }
    if (sum - 1.0).abs() > 1e-9 {
        return Err(format!("probabilities add up to {sum}; expected 1"));
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

    fn after(&self, _state: usize, [row, column]: [usize; 2]) -> Option<usize> {
        Some(row * Self::actions(self)[1] + column)
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
        fn after(&self, state: usize, _: [usize; 2]) -> Option<usize> {
            (self.0 == 6).then_some(2 + state)
        }
    }

    /// Says that both states come to the same, which they do not.
    #[derive(Debug)]
    struct Mistaken;

    impl MarkovGame for Mistaken {
        fn name(&self) -> String {
            "mistaken".into()
        }
        fn states(&self) -> usize {
            98
        }
        fn actions(&self) -> [usize; 2] {
            [1, 1]
        }
        fn first(&self) -> Vec<(usize, f64)> {
            vec![(0, 1.0)]
        }
        fn outcomes(&self, state: usize, _: [usize; 2], next: &mut Vec<(usize, f64)>) -> [f64; 2] {
            next.push((state, 1.0));
            [0.0; 2]
        }
        fn after(&self, _: usize, _: [usize; 2]) -> Option<usize> {
            Some(0)
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
            "expected a number below 2",
        ];
        for (i, part) in parts.iter().enumerate() {
            let error = conformance(&Broken(i as u8)).unwrap_err().to_string();
            assert!(error.contains(part), "{i}: {error}");
        }
        let error = conformance(&Mistaken).unwrap_err().to_string();
        assert!(error.contains("has other outcomes"), "{error}");
        conformance(&Broken(9)).unwrap();
        for name in games::names() {
            conformance(&games::named(name).unwrap()).unwrap();
        }
    }
}
