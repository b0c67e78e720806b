//! Strategies with memory of one round.

use serde::{Deserialize, Serialize};

use crate::BargainError;

/// A strategy with memory of one round in a game of two actions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strategy {
    /// Its name.
    pub name: String,
    /// Probabilities of action 0 after (own, other's) actions 00, 01, 10, 11, and at the start.
    pub first_action: [f64; 5],
}

const ZOO: [(&str, [f64; 5]); 18] = [
    ("always-cooperate", [1.0, 1.0, 1.0, 1.0, 1.0]),
    ("always-defect", [0.0, 0.0, 0.0, 0.0, 0.0]),
    ("random", [0.5, 0.5, 0.5, 0.5, 0.5]),
    ("tit-for-tat", [1.0, 0.0, 1.0, 0.0, 1.0]),
    ("suspicious-tit-for-tat", [1.0, 0.0, 1.0, 0.0, 0.0]),
    // Forgives a third of defections: what is right for payoffs 5, 3, 1, 0 (Nowak and Sigmund 1992).
    (
        "generous-tit-for-tat",
        [1.0, 1.0 / 3.0, 1.0, 1.0 / 3.0, 1.0],
    ),
    ("win-stay-lose-shift", [1.0, 0.0, 0.0, 1.0, 1.0]),
    ("noisy-win-stay-lose-shift", [0.95, 0.05, 0.05, 0.95, 1.0]),
    ("grim", [1.0, 0.0, 0.0, 0.0, 1.0]),
    ("firm-but-fair", [1.0, 0.0, 1.0, 2.0 / 3.0, 1.0]),
    ("joss", [0.9, 0.0, 0.9, 0.0, 1.0]),
    ("bully", [0.0, 1.0, 0.0, 1.0, 0.0]),
    ("alternator", [0.0, 0.0, 1.0, 1.0, 1.0]),
    ("mostly-cooperate", [0.9, 0.9, 0.9, 0.9, 0.9]),
    ("mostly-defect", [0.1, 0.1, 0.1, 0.1, 0.1]),
    ("stochastic-cooperator", [0.935, 0.229, 0.266, 0.42, 1.0]),
    // Press and Dyson 2012, for payoffs 5, 3, 1, 0: takes twice the other's surplus; and Stewart and Plotkin 2012: gives it.
    ("zd-extort-2", [8.0 / 9.0, 0.5, 1.0 / 3.0, 0.0, 1.0]),
    ("zd-generous-2", [1.0, 1.0 / 8.0, 1.0, 0.25, 1.0]),
];

/// All strategies that have a name here.
///
/// ```
/// use firetender_bargain::population::strategies;
/// assert!(strategies().iter().any(|s| s.name == "tit-for-tat"));
/// ```
#[must_use]
pub fn strategies() -> Vec<Strategy> {
    ZOO.iter()
        .map(|(name, first_action)| Strategy {
            name: (*name).into(),
            first_action: *first_action,
        })
        .collect()
}

impl Strategy {
    /// The strategy of that name. Short names of the literature (tft, wsls, allc, alld, gtft) are known, too.
    ///
    /// # Errors
    /// [`BargainError::UnknownStrategy`], which lists all names.
    pub fn named(name: &str) -> Result<Self, BargainError> {
        let wanted = name.trim().to_lowercase().replace('_', "-");
        let wanted = match wanted.as_str() {
            "tft" => "tit-for-tat",
            "wsls" | "pavlov" => "win-stay-lose-shift",
            "allc" | "cooperator" => "always-cooperate",
            "alld" | "defector" => "always-defect",
            "gtft" => "generous-tit-for-tat",
            other => other,
        };
        let found = strategies().into_iter().find(|s| s.name == wanted);
        found.ok_or_else(|| BargainError::UnknownStrategy {
            found: name.into(),
            known: ZOO.map(|(name, _)| name).join(", "),
        })
    }

    /// The probabilities in the order of shared states (row action first) for a seat, where they are stored own action first.
    #[must_use]
    pub fn shared(&self, seat: usize) -> [f64; 5] {
        let [cc, cd, dc, dd, start] = self.first_action;
        if seat == 0 {
            [cc, cd, dc, dd, start]
        } else {
            [cc, dc, cd, dd, start]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_seats_read_the_same_round() {
        for (name, _) in ZOO {
            assert_eq!(Strategy::named(name).unwrap().name, name);
        }
        assert!(
            Strategy::named("nice-guy")
                .unwrap_err()
                .to_string()
                .contains("tit-for-tat")
        );
        let tft = Strategy::named("TFT").unwrap();
        assert_eq!(tft.shared(0), [1.0, 0.0, 1.0, 0.0, 1.0]);
        assert_eq!(tft.shared(1), [1.0, 1.0, 0.0, 0.0, 1.0]);
    }
}
