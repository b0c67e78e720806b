//! The games that the literature argues about, by name.
//!
//! Payoffs as in the released code of "Normative Disagreement as a Challenge for Cooperative AI" (Stastny and others, 2021);
//! two of them (IPD, Chicken) have further versions elsewhere.

use crate::{BargainError, MatrixGame};

/// Name and rows of one game.
type Entry = (&'static str, &'static [&'static [[f64; 2]]]);

const GAMES: &[Entry] = &[
    // Matching pennies.
    (
        "imp",
        &[&[[1.0, -1.0], [-1.0, 1.0]], &[[-1.0, 1.0], [1.0, -1.0]]],
    ),
    // Prisoner's dilemma: cooperate, defect.
    (
        "ipd",
        &[&[[-1.0, -1.0], [-3.0, 0.0]], &[[0.0, -3.0], [-2.0, -2.0]]],
    ),
    (
        "asym-pd",
        &[&[[0.0, -1.0], [-3.0, 0.0]], &[[0.0, -3.0], [-2.0, -2.0]]],
    ),
    (
        "stag-hunt",
        &[&[[3.0, 3.0], [0.0, 2.0]], &[[2.0, 0.0], [1.0, 1.0]]],
    ),
    (
        "chicken",
        &[&[[0.0, 0.0], [-1.0, 1.0]], &[[1.0, -1.0], [-10.0, -10.0]]],
    ),
    (
        "asym-chicken",
        &[&[[2.0, 0.0], [-1.0, 1.0]], &[[2.5, -1.0], [-10.0, -10.0]]],
    ),
    // Bach or Stravinsky.
    (
        "bos",
        &[&[[3.0, 2.0], [0.0, 0.0]], &[[0.0, 0.0], [2.0, 3.0]]],
    ),
    (
        "asym-bos",
        &[&[[4.0, 1.0], [0.0, 0.0]], &[[0.0, 0.0], [2.0, 2.0]]],
    ),
    // Bach or Stravinsky with a third action that exploits both.
    (
        "bos-and-pd",
        &[
            &[[3.5, 1.0], [0.0, 0.0], [-3.0, 2.0]],
            &[[0.0, 0.0], [1.0, 3.0], [-3.0, 2.0]],
            &[[2.0, -3.0], [2.0, -3.0], [-1.0, -1.0]],
        ],
    ),
    (
        "asym-bos-and-pd",
        &[
            &[[4.0, 1.0], [0.0, 0.0], [-6.0, 5.0]],
            &[[0.0, 0.0], [2.0, 2.0], [-6.0, 5.0]],
            &[[5.0, -6.0], [5.0, -6.0], [-1.0, -1.0]],
        ],
    ),
    // One shot: demands against concessions.
    (
        "demand",
        &[
            &[[-3.0, -3.0], [2.0, 0.0], [5.0, -5.0], [5.0, -5.0]],
            &[[0.0, 2.0], [1.0, 1.0], [5.0, -5.0], [5.0, -5.0]],
            &[[-5.0, 5.0], [-5.0, 5.0], [1.0, 1.0], [2.0, 0.0]],
            &[[-5.0, 5.0], [-5.0, 5.0], [0.0, 2.0], [1.0, 1.0]],
        ],
    ),
    // One shot: the target (rows) gives in or not; the threatener threatens, threatens with the surrogate, or does not.
    (
        "threat",
        &[
            &[[-5.0, 5.0], [-5.0, 5.0], [0.0, 0.0]],
            &[[-10.0, -5.0], [0.0, -1.0], [10.0, 3.5]],
        ],
    ),
    (
        "threat-surrogate",
        &[
            &[[-5.0, 5.0], [-5.0, 5.0], [0.0, 0.0]],
            &[[-10.0, -2.0], [-10.0, -1.0], [10.0, 3.5]],
        ],
    ),
];

/// The names of all games, in a fixed order. Beside them, `greed-fear:G,F` is the family of [`greed_fear`].
#[must_use]
pub fn names() -> Vec<&'static str> {
    GAMES.iter().map(|(name, _)| *name).collect()
}

/// A game by its name, such as `asym-bos`; `greed-fear:1,0.5` gives [`greed_fear`]`(1.0, 0.5)`. Upper case and underscores are
/// read as lower case and hyphens.
///
/// # Errors
/// [`BargainError::UnknownGame`], which lists all names.
///
/// ```
/// use firetender_bargain::games;
/// assert_eq!(games::named("ipd").unwrap().payoffs(0, 1), [-3.0, 0.0]);
/// assert!(games::named("poker").unwrap_err().to_string().contains("asym-bos"));
/// ```
pub fn named(name: &str) -> Result<MatrixGame, BargainError> {
    let wanted = name.trim().to_lowercase().replace('_', "-");
    if let Some((_, rows)) = GAMES.iter().find(|(name, _)| *name == wanted) {
        return MatrixGame::new(wanted, rows);
    }
    if let Some((greed, fear)) = wanted
        .strip_prefix("greed-fear:")
        .and_then(|rest| rest.split_once(','))
        && let (Ok(greed), Ok(fear)) = (greed.trim().parse(), fear.trim().parse())
    {
        return greed_fear(greed, fear);
    }
    Err(BargainError::UnknownGame {
        found: name.into(),
        known: names().join(", ") + ", greed-fear:GREED,FEAR",
    })
}

/// The disagreement point by which the published experiments score a game, where they do.
///
/// For `ipd` it is (−3, −3), below what anybody can be held to: with it two defectors still score ½, and with (−2, −2) nothing.
///
/// ```
/// use firetender_bargain::games::published_disagreement;
/// assert_eq!(published_disagreement("asym-bos"), Some([0.0, 0.0]));
/// ```
#[must_use]
pub fn published_disagreement(name: &str) -> Option<[f64; 2]> {
    match name {
        "asym-bos" | "bos" => Some([0.0; 2]),
        "bos-and-pd" | "asym-bos-and-pd" => Some([-1.0; 2]),
        "ipd" => Some([-3.0; 2]),
        _ => None,
    }
}

/// A social dilemma with reward 3, punishment 1, temptation `3 + greed` and sucker's payoff `1 − fear`.
///
/// # Errors
/// [`BargainError::Game`] when a number is not finite.
pub fn greed_fear(greed: f64, fear: f64) -> Result<MatrixGame, BargainError> {
    let (r, p, t, s) = (3.0, 1.0, 3.0 + greed, 1.0 - fear);
    MatrixGame::new(
        format!("greed-fear:{greed},{fear}"),
        &[[[r, r], [s, t]], [[t, s], [p, p]]],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_game() {
        for name in names() {
            assert_eq!(named(name).unwrap().name(), name);
        }
        assert_eq!(named("Asym_BoS").unwrap(), named("asym-bos").unwrap());
        let dilemma = named("greed-fear:1,0.5").unwrap();
        assert_eq!(dilemma.payoffs(0, 1), [0.5, 4.0]);
        for wrong in [
            "",
            "greed-fear",
            "greed-fear:1",
            "greed-fear:a,b",
            "greed-fear:inf,1",
        ] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }
}
