//! Two-player games in normal form: a table of payoff pairs.

use serde::{Deserialize, Serialize};

use crate::BargainError;

/// Actions a player may have at most; larger tables are refused before anything is computed.
const MOST_ACTIONS: usize = 1000;

/// A two-player game in normal form. Player 1 chooses the row, player 2 the column.
///
/// ```
/// use firetender_bargain::MatrixGame;
/// let game = MatrixGame::new("asym-bos", &[&[[4.0, 1.0], [0.0, 0.0]], &[[0.0, 0.0], [2.0, 2.0]]]).unwrap();
/// assert_eq!(game.actions(), [2, 2]);
/// assert_eq!(game.payoffs(0, 0), [4.0, 1.0]);
/// assert!(MatrixGame::new("ragged", &[vec![[1.0, 1.0]], vec![]]).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct MatrixGame {
    name: String,
    actions: [usize; 2],
    payoffs: Vec<[f64; 2]>,
}

/// How a game is written: rows of payoff pairs.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    payoffs: Vec<Vec<[f64; 2]>>,
}

impl TryFrom<Raw> for MatrixGame {
    type Error = BargainError;

    fn try_from(raw: Raw) -> Result<Self, BargainError> {
        Self::new(raw.name, &raw.payoffs)
    }
}

impl From<MatrixGame> for Raw {
    fn from(game: MatrixGame) -> Self {
        let rows = game.payoffs.chunks(game.actions[1]);
        Self {
            payoffs: rows.map(<[[f64; 2]]>::to_vec).collect(),
            name: game.name,
        }
    }
}

impl MatrixGame {
    /// A game from its rows of payoff pairs (player 1, player 2).
    ///
    /// # Errors
    /// [`BargainError::Game`] when there is no row or column, rows differ in length, a payoff is not finite, or a player has more
    /// than 1,000 actions.
    pub fn new<R: AsRef<[[f64; 2]]>>(
        name: impl Into<String>,
        rows: &[R],
    ) -> Result<Self, BargainError> {
        let name = name.into();
        let fail = |what: String| BargainError::Game {
            game: name.clone(),
            what,
        };
        let columns = rows.first().map_or(0, |row| row.as_ref().len());
        if columns == 0 {
            return Err(fail(
                "there are no payoffs; expected at least one row and one column".into(),
            ));
        }
        if rows.len() > MOST_ACTIONS || columns > MOST_ACTIONS {
            return Err(fail(format!(
                "{} rows and {columns} columns; expected at most {MOST_ACTIONS} of each",
                rows.len()
            )));
        }
        for (r, row) in rows.iter().enumerate() {
            let row = row.as_ref();
            if row.len() != columns {
                return Err(fail(format!(
                    "row {r} has {} payoff pairs; expected {columns}, as row 0 has",
                    row.len()
                )));
            }
            for (c, pair) in row.iter().enumerate() {
                if let Some(player) = pair.iter().position(|x| !x.is_finite()) {
                    return Err(fail(format!(
                        "the payoff of player {} in row {r}, column {c} is {}; expected a finite number",
                        player + 1,
                        pair[player]
                    )));
                }
            }
        }
        Ok(Self {
            actions: [rows.len(), columns],
            payoffs: rows.iter().flat_map(|row| row.as_ref()).copied().collect(),
            name,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many actions each player has.
    #[must_use]
    pub fn actions(&self) -> [usize; 2] {
        self.actions
    }

    /// Number of joint actions.
    #[must_use]
    pub fn profiles(&self) -> usize {
        self.payoffs.len()
    }

    /// What both players get.
    ///
    /// # Panics
    /// When there is no such action.
    #[must_use]
    pub fn payoffs(&self, row: usize, column: usize) -> [f64; 2] {
        assert!(
            column < self.actions[1],
            "column {column} of {}",
            self.actions[1]
        );
        self.payoffs[row * self.actions[1] + column]
    }

    /// All payoff pairs, row after row.
    #[must_use]
    pub fn table(&self) -> &[[f64; 2]] {
        &self.payoffs
    }

    /// The same game seen by the other player: rows and columns, and the two payoffs, exchanged.
    ///
    /// ```
    /// use firetender_bargain::games;
    /// let game = games::named("threat").unwrap();
    /// assert_eq!(game.swapped().actions(), [3, 2]);
    /// assert_eq!(game.swapped().swapped(), game);
    /// ```
    #[must_use]
    pub fn swapped(&self) -> Self {
        let [rows, columns] = self.actions;
        let pairs = (0..columns).flat_map(|c| (0..rows).map(move |r| (r, c)));
        let payoffs = pairs
            .map(|(r, c)| {
                let [a, b] = self.payoffs(r, c);
                [b, a]
            })
            .collect();
        Self {
            name: self.name.clone(),
            actions: [columns, rows],
            payoffs,
        }
    }

    /// Expected payoffs when both mix.
    ///
    /// # Panics
    /// When a mixture has another length than the player has actions.
    #[must_use]
    pub fn expected(&self, row: &[f64], column: &[f64]) -> [f64; 2] {
        assert_eq!(
            [row.len(), column.len()],
            self.actions,
            "lengths of the mixtures"
        );
        let mut sum = [0.0; 2];
        for (r, p) in row.iter().enumerate() {
            for (c, q) in column.iter().enumerate() {
                let pair = self.payoffs(r, c);
                sum[0] += p * q * pair[0];
                sum[1] += p * q * pair[1];
            }
        }
        sum
    }

    /// The largest difference between two payoffs of one player, at least the smallest normal number: what tolerances are
    /// relative to.
    pub(crate) fn scale(&self) -> f64 {
        let spread = |i: usize| {
            let values = self.payoffs.iter().map(|p| p[i]);
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| {
                (l.min(x), h.max(x))
            });
            high - low
        };
        spread(0).max(spread(1)).max(f64::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_table_is_refused_with_its_place() {
        let none: [Vec<[f64; 2]>; 0] = [];
        let message = |rows: &[Vec<[f64; 2]>]| MatrixGame::new("g", rows).unwrap_err().to_string();
        assert!(message(&none).contains("no payoffs"));
        assert!(message(&[vec![]]).contains("no payoffs"));
        assert!(message(&[vec![[1.0, 2.0]], vec![[1.0, 2.0]; 2]]).contains("row 1 has 2"));
        let nan = message(&[vec![[1.0, 2.0], [0.0, f64::NAN]]]);
        assert!(nan.contains("player 2 in row 0, column 1 is NaN"), "{nan}");
        assert!(message(&vec![vec![[0.0; 2]]; 1001]).contains("1001 rows"));
    }

    #[test]
    fn games_are_data() {
        let game = MatrixGame::new("g", &[[[1.0, 2.0], [3.0, 4.0], [0.1, 0.2]]]).unwrap();
        let text = serde_json::to_string(&game).unwrap();
        assert_eq!(serde_json::from_str::<MatrixGame>(&text).unwrap(), game);
        assert!(serde_json::from_str::<MatrixGame>(r#"{"name":"g","payoffs":[[]]}"#).is_err());
        assert_eq!(game.expected(&[1.0], &[0.5, 0.5, 0.0]), [2.0, 3.0]);
    }
}
