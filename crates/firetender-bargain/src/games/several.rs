//! Payoff tables of any number of players: what is optimal, what is stable, and whether it is a bargaining problem.
//!
//! For two players [`MatrixGame`](crate::MatrixGame) does more: hulls, mixtures and all equilibria. Here outcomes are pure profiles, numbered with the last player's
//! action running fastest.

use serde_json::Value;

use super::file::read_text;
use crate::BargainError;

/// Profiles that a table may have at most.
const MOST: usize = 1 << 12;

/// A game of several players in normal form.
///
/// ```
/// use firetender_bargain::games::SeveralGame;
/// // Three players; whoever is alone in choosing 1 pays for all.
/// let game = SeveralGame::from_json(r#"{"payoffs": [[[[0,0,0],[1,1,0]],[[1,0,1],[1,0,0]]],
///                                                   [[[0,1,1],[0,1,0]],[[0,0,1],[0,0,0]]]]}"#).unwrap();
/// assert_eq!((game.players(), game.actions()), (3, &[2, 2, 2][..]));
/// assert_eq!(game.payoffs(&[0, 0, 1]), Some(&[1.0, 1.0, 0.0][..]));
/// assert_eq!(game.utilitarian().len(), 3);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SeveralGame {
    name: String,
    actions: Vec<usize>,
    /// Profile after profile, a payoff for each player.
    table: Vec<Vec<f64>>,
}

impl SeveralGame {
    /// A game from its payoffs, profile after profile with the last player's action running fastest.
    ///
    /// # Errors
    /// [`BargainError::Game`] when there are fewer than two players or a player has fewer than two actions, there are more than 4,096 profiles or not one
    /// payoff of each player for each, or a payoff is not finite.
    pub fn new(
        name: impl Into<String>,
        actions: &[usize],
        table: Vec<Vec<f64>>,
    ) -> Result<Self, BargainError> {
        let name = name.into();
        let fail = |what: String| BargainError::Game {
            game: name.clone(),
            what,
        };
        if actions.len() < 2 {
            return Err(fail(format!(
                "{} players; expected at least two",
                actions.len()
            )));
        }
        if let Some(player) = actions.iter().position(|n| *n < 2) {
            return Err(fail(format!(
                "player {} has fewer than two actions to choose from",
                player + 1
            )));
        }
        let profiles = actions
            .iter()
            .try_fold(1_usize, |all, n| all.checked_mul(*n))
            .filter(|n| *n <= MOST);
        let Some(profiles) = profiles else {
            return Err(fail(format!("more than {MOST} profiles")));
        };
        if table.len() != profiles {
            return Err(fail(format!(
                "payoffs of {} profiles; expected {profiles}",
                table.len()
            )));
        }
        for (profile, row) in table.iter().enumerate() {
            if row.len() != actions.len() || !row.iter().all(|x| x.is_finite()) {
                return Err(fail(format!(
                    "profile {profile} pays {row:?}; expected {} finite numbers",
                    actions.len()
                )));
            }
        }
        Ok(Self {
            name,
            actions: actions.to_vec(),
            table,
        })
    }

    /// Reads `{"payoffs": …}`: lists inside lists, one level for each player and the payoffs of all innermost; `name` may be there.
    ///
    /// # Errors
    /// [`BargainError::Parse`] when it is no such description; and as [`new`](Self::new).
    pub fn from_json(text: &str) -> Result<Self, BargainError> {
        let fail = |what: String| BargainError::Parse {
            place: "JSON text".into(),
            what,
        };
        let value: Value =
            serde_json::from_str(text).map_err(|e| fail(format!("no valid JSON: {e}")))?;
        let Some(payoffs) = value.get("payoffs").or(value.is_array().then_some(&value)) else {
            return Err(fail("expected `payoffs`".into()));
        };
        let name = value.get("name").and_then(Value::as_str).unwrap_or("game");
        // The first entry of each level says how many actions its player has.
        let mut shape = vec![];
        let mut level = payoffs;
        while let Value::Array(list) = level {
            shape.push(list.len());
            match list.first() {
                Some(first) => level = first,
                None => break,
            }
        }
        let players = shape.pop().unwrap_or(0);
        if players != shape.len() {
            return Err(fail(format!(
                "lists of {} levels around {players} payoffs; expected a level for each player",
                shape.len()
            )));
        }
        let mut table = vec![];
        gather(payoffs, &shape, &mut table).map_err(fail)?;
        Self::new(name, &shape, table)
    }

    /// Reads a `.json` file as [`from_json`](Self::from_json) does.
    ///
    /// # Errors
    /// [`BargainError::File`] when it cannot be read; and as [`from_json`](Self::from_json).
    pub fn from_file(path: &std::path::Path) -> Result<Self, BargainError> {
        Self::from_json(&read_text(path)?)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many play.
    #[must_use]
    pub fn players(&self) -> usize {
        self.actions.len()
    }

    /// Actions of each player.
    #[must_use]
    pub fn actions(&self) -> &[usize] {
        &self.actions
    }

    /// What all get by a profile; `None` where there is no such profile.
    #[must_use]
    pub fn payoffs(&self, profile: &[usize]) -> Option<&[f64]> {
        let fits = profile.len() == self.players()
            && profile.iter().zip(&self.actions).all(|(a, n)| a < n);
        fits.then(|| self.table[self.number(profile)].as_slice())
    }

    fn number(&self, profile: &[usize]) -> usize {
        let digits = profile.iter().zip(&self.actions);
        digits.fold(0, |number, (a, n)| number * n + a)
    }

    fn profile(&self, mut number: usize) -> Vec<usize> {
        let mut profile = vec![0; self.players()];
        for (a, n) in profile.iter_mut().zip(&self.actions).rev() {
            *a = number % n;
            number /= n;
        }
        profile
    }

    /// The payoff that each player can be sure of when it sees what the others do: `min` over theirs of `max` over its own actions.
    #[must_use]
    pub fn pure_minimax(&self) -> Vec<f64> {
        let one = |player: usize| {
            let mut best = std::collections::BTreeMap::new();
            for (number, row) in self.table.iter().enumerate() {
                let mut others = self.profile(number);
                others[player] = 0;
                let most = best.entry(others).or_insert(f64::MIN);
                *most = row[player].max(*most);
            }
            best.into_values().fold(f64::MAX, f64::min)
        };
        (0..self.players()).map(one).collect()
    }

    /// Profiles from which nobody gains by changing alone.
    #[must_use]
    pub fn equilibria(&self) -> Vec<Vec<usize>> {
        let stable = |profile: &Vec<usize>| {
            let now = &self.table[self.number(profile)];
            (0..self.players()).all(|player| {
                (0..self.actions[player]).all(|a| {
                    let mut other = profile.clone();
                    other[player] = a;
                    self.table[self.number(&other)][player] <= now[player]
                })
            })
        };
        let all = (0..self.table.len()).map(|number| self.profile(number));
        all.filter(stable).collect()
    }

    /// Profiles that no other beats for someone without costing anybody.
    #[must_use]
    pub fn optimal(&self) -> Vec<Vec<usize>> {
        let flags = self.optimal_flags();
        let all = (0..self.table.len()).filter(|number| flags[*number]);
        all.map(|number| self.profile(number)).collect()
    }

    /// For each profile, whether no other beats it.
    fn optimal_flags(&self) -> Vec<bool> {
        let optimal = |row: &Vec<f64>| {
            let beats =
                |other: &Vec<f64>| other.iter().zip(row).all(|(a, b)| a >= b) && other != row;
            !self.table.iter().any(beats)
        };
        self.table.iter().map(optimal).collect()
    }

    /// The profiles with the greatest sum of payoffs.
    #[must_use]
    pub fn utilitarian(&self) -> Vec<Vec<usize>> {
        self.best(|row| row.iter().sum())
    }

    /// The profiles whose worst-off player gains most over `floor`.
    #[must_use]
    pub fn egalitarian(&self, floor: &[f64]) -> Vec<Vec<usize>> {
        self.best(|row| {
            let gains = row.iter().zip(floor).map(|(x, d)| x - d);
            gains.fold(f64::MAX, f64::min)
        })
    }

    /// The profiles with the greatest product of gains over `floor`, among those in which nobody loses; none where somebody always does.
    #[must_use]
    pub fn nash(&self, floor: &[f64]) -> Vec<Vec<usize>> {
        self.best(|row| {
            let gains = row.iter().zip(floor).map(|(x, d)| x - d);
            if gains.clone().any(|g| g < 0.0) {
                f64::NEG_INFINITY
            } else {
                gains.product()
            }
        })
    }

    fn best(&self, value: impl Fn(&[f64]) -> f64) -> Vec<Vec<usize>> {
        let values: Vec<f64> = self.table.iter().map(|row| value(row)).collect();
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let slack = 1e-12 * (1.0 + most.abs());
        let good = |number: &usize| most.is_finite() && values[*number] >= most - slack;
        let all = (0..self.table.len()).filter(good);
        all.map(|number| self.profile(number)).collect()
    }

    /// Two optimal profiles, each giving everybody the pure minimax value, that some two players rank oppositely and that cannot be mixed without loss: if one
    /// part of the players plays by the first and the others by the second, the outcome is not optimal for some way to part them. `None` where there
    /// are no such two.
    #[must_use]
    pub fn bargaining_problem(&self) -> Option<[Vec<usize>; 2]> {
        let floor = self.pure_minimax();
        let flags = self.optimal_flags();
        let mut all = self.optimal();
        all.retain(|p| {
            let row = &self.table[self.number(p)];
            row.iter().zip(&floor).all(|(x, d)| x >= d)
        });
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                let (x, y) = (&self.table[self.number(a)], &self.table[self.number(b)]);
                let opposed =
                    x.iter().zip(y).any(|(p, q)| p > q) && x.iter().zip(y).any(|(p, q)| p < q);
                let mixed = |part: u32| {
                    let pick = |p: usize| if part >> p & 1 == 1 { a[p] } else { b[p] };
                    let profile: Vec<usize> = (0..self.players()).map(pick).collect();
                    flags[self.number(&profile)]
                };
                let parts = 1..(1_u32 << self.players()) - 1;
                if opposed && parts.into_iter().any(|part| !mixed(part)) {
                    return Some([a.clone(), b.clone()]);
                }
            }
        }
        None
    }
}

/// Payoffs of all profiles, in order.
fn gather(value: &Value, shape: &[usize], out: &mut Vec<Vec<f64>>) -> Result<(), String> {
    let Value::Array(list) = value else {
        return Err(format!("profile {}: expected a list", out.len()));
    };
    let Some((n, rest)) = shape.split_first() else {
        let row: Option<Vec<f64>> = list.iter().map(Value::as_f64).collect();
        out.push(row.ok_or_else(|| format!("profile {}: expected numbers", out.len()))?);
        return Ok(());
    };
    if list.len() != *n {
        return Err(format!(
            "before profile {}: {} actions; expected {n} as in the first list",
            out.len(),
            list.len()
        ));
    }
    list.iter().try_for_each(|inner| gather(inner, rest, out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bargaining::{Filter, Scope, is_bargaining_problem},
        equilibria, games,
    };

    /// With two players it says what the rest of the crate says.
    #[test]
    fn two_of_several_are_two() {
        for name in games::names() {
            let two = games::named(name).unwrap();
            let rows = two.table().iter().map(|p| p.to_vec()).collect();
            let game = SeveralGame::new(name, &two.actions(), rows).unwrap();
            let pure = |e: &crate::Equilibrium| e.strategies.iter().all(|s| s.contains(&1.0));
            let count = equilibria(&two).unwrap().iter().filter(|e| pure(e)).count();
            assert_eq!(game.equilibria().len(), count, "{name}");
            assert_eq!(game.pure_minimax(), crate::minimax::pure(&two), "{name}");
            if let Some([a, b]) = game.bargaining_problem() {
                let found = is_bargaining_problem(&two, Scope::Profiles, Filter::ParetoAndIr);
                assert!(found.is_some(), "{name}: {a:?} {b:?}");
            }
        }
    }

    #[test]
    fn three_players_and_what_is_none() {
        // A choice of restaurant: nobody eats unless all go to the same; each likes another best.
        let pay = |i: usize| (0..3).map(|p| if p == i { 3.0 } else { 1.0 }).collect();
        let table: Vec<Vec<f64>> = (0..27)
            .map(|n: usize| match (n / 9, n / 3 % 3, n % 3) {
                (a, b, c) if a == b && b == c => pay(a),
                _ => vec![0.0; 3],
            })
            .collect();
        let game = SeveralGame::new("dinner", &[3, 3, 3], table).unwrap();
        let together: Vec<Vec<usize>> = (0..3).map(|i| vec![i; 3]).collect();
        assert_eq!(game.optimal(), together);
        assert_eq!(game.utilitarian(), together);
        assert_eq!(game.nash(&[0.0; 3]), together);
        assert_eq!(game.egalitarian(&[0.0, 0.0, 2.0]), [vec![2; 3]]);
        assert_eq!(game.nash(&[4.0; 3]), Vec::<Vec<usize>>::new());
        assert!(together.iter().all(|p| game.equilibria().contains(p)));
        assert_eq!(game.pure_minimax(), [0.0; 3]);
        assert_eq!(game.bargaining_problem(), Some([vec![0; 3], vec![1; 3]]));
        assert_eq!(game.payoffs(&[0, 0, 3]), None);
        for (text, part) in [
            ("{}", "expected `payoffs`"),
            ("[1, 2]", "level for each player"),
            (
                "[[[1,2,3],[1,2,3]],[[1,2,3],[1,2,3]]]",
                "level for each player",
            ),
            ("[[[1,2],[1,2]],[[1,2]]]", "1 actions; expected 2"),
            ("[[[1,2],[1,2]],[[1,2],[1,\"x\"]]]", "expected numbers"),
            ("[[[1,2],[1,2]],[[1,2],[1]]]", "expected 2 finite"),
            ("[[[1,2]],[[1,2]]]", "fewer than two"),
        ] {
            let error = SeveralGame::from_json(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(SeveralGame::new("huge", &[1 << 40, 1 << 40], vec![]).is_err());
    }
}
