//! Who gets what, and which coins are laid anew.

use serde::{Deserialize, Serialize};

use super::{CoinState, Verdict};
use crate::BargainError;

/// The rules of a coin game. Rewards are (red, blue).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum CoinRules {
    /// One coin of either colour. Who picks it gets 1; if it is the other's colour, the other loses 2. The next coin has the other
    /// colour.
    Cg {
        /// Both standing on the coin pick it, each (true in the recorded runs); otherwise a fair toss decides.
        both_can_pick: bool,
    },
    /// As CG, but red gets 3 more for any coin that it picks.
    AsymCg {
        /// As in CG.
        both_can_pick: bool,
        /// Red loses 6 more when blue takes a red coin.
        punishment_helped: bool,
    },
    /// Two coins. When the flag is set, the red one is cooperative (taken only by both together: red 2, blue 0) and the blue one selfish
    /// (blue alone takes it: 1). Otherwise the blue one is cooperative (blue 3, red 0) and the red one selfish (red 1). Whatever is taken,
    /// the flag flips and both are laid anew.
    Abcg {
        /// The other player standing on the selfish coin costs its collector 0.75 (true in the recorded runs).
        punishment_helped: bool,
        /// Compatibility: those 0.75 are always red's, as in the environment that amTFT was trained in.
        red_always_pays: bool,
        /// Compatibility: with red on the red coin, blue's collection of the blue coin is not looked at.
        red_first: bool,
    },
    /// A red and a blue coin, each taken only by both together. Only the one that was taken is laid anew.
    MixedMotive {
        /// What the red and the blue coin pay: (2, 2) and (1, 4); an older, symmetric variant (2, 1) and (1, 2).
        payoffs: [[f64; 2]; 2],
    },
    /// One colourless coin, and staying is a move. Alone on it pays 1 and costs the other 1; both on it lose 3.
    Chicken,
    /// Red threatens, blue is the target; staying is a move. Coins: regular, threat, surrogate. The regular coin pays 1 to whoever is
    /// on it, to the target when both are. Red on the threat coin costs both. All coins are laid anew after a regular pick, a neutralised
    /// threat, or a tie.
    Threat {
        /// What a threat carried out pays (threatener, target): (−2, −2).
        threat: [f64; 2],
        /// The target on the threat coin, alone or with red, cancels it.
        neutralise: bool,
    },
    /// The threat game played by positions: red on the threat coin threatens, on the surrogate coin with the surrogate; blue on the regular
    /// coin does not give in.
    ThreatTable,
    /// As [`ThreatTable`](Self::ThreatTable) with a coin for each action (give in, not, threat, surrogate, no threat); unless both stand on one
    /// of their own, both get the table's least.
    ThreatTableCoins,
}

/// Target × threatener, each pair (target, threatener).
const THREAT: [[[f64; 2]; 3]; 2] = [
    [[-5.0, 5.0], [-5.0, 5.0], [0.0, 0.0]],
    [[-10.0, -2.0], [0.0, -2.0], [0.0, 0.0]],
];

const NAMES: [&str; 8] = [
    "cg",
    "asym-cg",
    "abcg",
    "mixed-motive-cg",
    "chicken-cg",
    "threat-cg",
    "threat-cg-v2",
    "threat-cg-v3",
];

impl CoinRules {
    /// All names, in a fixed order.
    #[must_use]
    pub fn names() -> &'static [&'static str] {
        &NAMES
    }

    /// The rules of the recorded runs, by the game's name.
    ///
    /// # Errors
    /// [`BargainError::UnknownGame`], which lists all names.
    pub fn named(name: &str) -> Result<Self, BargainError> {
        Ok(
            match name.trim().to_lowercase().replace('_', "-").as_str() {
                "cg" => Self::Cg {
                    both_can_pick: true,
                },
                "asym-cg" => Self::AsymCg {
                    both_can_pick: true,
                    punishment_helped: false,
                },
                "abcg" => Self::Abcg {
                    punishment_helped: true,
                    red_always_pays: false,
                    red_first: false,
                },
                "mixed-motive-cg" => Self::MixedMotive {
                    payoffs: [[2.0, 2.0], [1.0, 4.0]],
                },
                "chicken-cg" => Self::Chicken,
                "threat-cg" => Self::Threat {
                    threat: [-2.0, -2.0],
                    neutralise: false,
                },
                "threat-cg-v2" => Self::ThreatTable,
                "threat-cg-v3" => Self::ThreatTableCoins,
                _ => {
                    return Err(BargainError::UnknownGame {
                        found: name.into(),
                        known: NAMES.join(", "),
                    });
                }
            },
        )
    }

    /// Its name; see [`names`](Self::names).
    #[must_use]
    pub fn name(&self) -> &'static str {
        NAMES[match self {
            Self::Cg { .. } => 0,
            Self::AsymCg { .. } => 1,
            Self::Abcg { .. } => 2,
            Self::MixedMotive { .. } => 3,
            Self::Chicken => 4,
            Self::Threat { .. } => 5,
            Self::ThreatTable => 6,
            Self::ThreatTableCoins => 7,
        }]
    }

    /// Coins on the board.
    #[must_use]
    pub fn coins(&self) -> usize {
        match self {
            Self::Cg { .. } | Self::AsymCg { .. } | Self::Chicken => 1,
            Self::Abcg { .. } | Self::MixedMotive { .. } => 2,
            Self::Threat { .. } | Self::ThreatTable => 3,
            Self::ThreatTableCoins => 5,
        }
    }

    /// Whether staying is a move.
    #[must_use]
    pub fn may_stay(&self) -> bool {
        matches!(
            self,
            Self::Chicken | Self::Threat { .. } | Self::ThreatTable | Self::ThreatTableCoins
        )
    }

    /// Whether the state's flag means something.
    pub(crate) fn has_flag(&self) -> bool {
        matches!(
            self,
            Self::Cg { .. } | Self::AsymCg { .. } | Self::Abcg { .. }
        )
    }

    pub(super) fn judge(&self, state: &CoinState) -> Verdict {
        match self {
            Self::Cg { both_can_pick } => one_coin(state, *both_can_pick, 0.0, 0.0),
            Self::AsymCg {
                both_can_pick,
                punishment_helped,
            } => one_coin(
                state,
                *both_can_pick,
                3.0,
                if *punishment_helped { 6.0 } else { 0.0 },
            ),
            Self::Abcg {
                punishment_helped,
                red_always_pays,
                red_first,
            } => abcg(state, *punishment_helped, *red_always_pays, *red_first),
            Self::MixedMotive { payoffs } => {
                let [red, blue] = state.players;
                let taken = (0..2).find(|i| red == blue && state.coins[*i] == red);
                taken.map_or_else(nothing, |coin| both(payoffs[coin], 1 << coin))
            }
            Self::Chicken => match on(state, 0) {
                [false, false] => nothing(),
                [true, true] => both([-3.0, -3.0], 1),
                [red, _] => Verdict {
                    picked: on(state, 0),
                    ..both(if red { [1.0, -1.0] } else { [-1.0, 1.0] }, 1)
                },
            },
            Self::Threat { threat, neutralise } => threats(state, *threat, *neutralise),
            Self::ThreatTable => {
                let (red, blue) = (state.players[0], state.players[1]);
                let column = match red {
                    cell if cell == state.coins[1] => 0,
                    cell if cell == state.coins[2] => 1,
                    _ => 2,
                };
                let row = usize::from(blue == state.coins[0]);
                let [target, threatener] = THREAT[row][column];
                let acted = column < 2 || row == 1;
                Verdict {
                    picked: [column < 2, row == 1],
                    ..both([threatener, target], if acted { 0b111 } else { 0 })
                }
            }
            Self::ThreatTableCoins => {
                let place = |player: usize, coins: std::ops::Range<usize>| {
                    let mut found = state.coins[coins].iter();
                    found.position(|cell| *cell == state.players[player])
                };
                match (place(1, 0..2), place(0, 2..5)) {
                    (Some(row), Some(column)) => {
                        let [target, threatener] = THREAT[row][column];
                        both([threatener, target], 0b11111)
                    }
                    _ => Verdict {
                        picked: [false; 2],
                        ..both([-10.0, -10.0], 0)
                    },
                }
            }
        }
    }
}

/// Who stands on a coin.
fn on(state: &CoinState, coin: usize) -> [bool; 2] {
    state.players.map(|cell| cell == state.coins[coin])
}

fn nothing() -> Verdict {
    Verdict {
        rewards: [0.0; 2],
        picked: [false; 2],
        toss: None,
        renewed: 0,
        flips: false,
    }
}

fn both(rewards: [f64; 2], renewed: u8) -> Verdict {
    Verdict {
        rewards,
        picked: [true; 2],
        renewed,
        ..nothing()
    }
}

fn one_coin(state: &CoinState, both_can_pick: bool, bonus: f64, help: f64) -> Verdict {
    let picked = on(state, 0);
    if picked == [false; 2] {
        return nothing();
    }
    let owner = usize::from(!state.red_coin);
    let pay = |picked: [bool; 2]| {
        let mut rewards = [0.0; 2];
        for player in 0..2 {
            if picked[player] {
                rewards[player] += 1.0;
                if player == 0 {
                    rewards[0] += bonus;
                }
                if player != owner {
                    rewards[owner] -= 2.0;
                }
                if player == 1 && owner == 0 {
                    rewards[0] -= help;
                }
            }
        }
        rewards
    };
    let verdict = |picked: [bool; 2]| Verdict {
        rewards: pay(picked),
        picked,
        toss: None,
        renewed: 1,
        flips: true,
    };
    if picked == [true; 2] && !both_can_pick {
        let other = [false, true];
        return Verdict {
            toss: Some((pay(other), other)),
            ..verdict([true, false])
        };
    }
    verdict(picked)
}

fn abcg(state: &CoinState, helped: bool, red_always_pays: bool, red_first: bool) -> Verdict {
    let (on_red, on_blue) = (on(state, 0), on(state, 1));
    let collected = |rewards: [f64; 2], picked: [bool; 2]| Verdict {
        rewards,
        picked,
        toss: None,
        renewed: 0b11,
        flips: true,
    };
    let cost = if helped { 0.75 } else { 0.0 };
    if state.red_coin {
        if on_red == [true; 2] {
            return collected([2.0, 0.0], [true; 2]);
        }
        if on_blue[1] && !(red_first && on_red[0]) {
            let mut rewards = [0.0, 1.0];
            if on_blue[0] {
                rewards[if red_always_pays { 0 } else { 1 }] -= cost;
            }
            return collected(rewards, [false, true]);
        }
    } else {
        if on_red[0] {
            let rewards = [1.0 - if on_red[1] { cost } else { 0.0 }, 0.0];
            return collected(rewards, [true, false]);
        }
        if on_blue == [true; 2] {
            return collected([0.0, 3.0], [true; 2]);
        }
    }
    nothing()
}

fn threats(state: &CoinState, threat: [f64; 2], neutralise: bool) -> Verdict {
    let (regular, threats) = (on(state, 0), on(state, 1));
    let mut verdict = nothing();
    match regular {
        [_, true] => verdict.rewards[1] += 1.0,
        [true, false] => verdict.rewards[0] += 1.0,
        _ => {}
    }
    let neutralised = neutralise && threats[1];
    if threats[0] && !neutralised {
        verdict.rewards[0] += threat[0];
        verdict.rewards[1] += threat[1];
    }
    let tie = threats == [true; 2];
    if regular != [false; 2] || neutralised || tie {
        verdict.renewed = 0b111;
    }
    verdict.picked = [
        regular == [true, false] || threats[0],
        regular[1] || neutralised,
    ];
    verdict
}
