//! Coin games on a 3 × 3 torus: two players move at once and pick up coins that may belong to the other.
//!
//! Introduced by Lerer and Peysakhovich (2017); the variants here are those of the released code of "Normative Disagreement as a
//! Challenge for Cooperative AI" (2021). Published versions differ in ties, colours, the number of coins and whether staying is
//! a move, so each rule is said at its variant. Common rules: moves are right, left, down, up (and stay in the variants that have
//! it); edges wrap around; players may share a cell; new coins lie off both players and off other coins. Player 1 is red.
//!
//! A state is eight bytes of plain data. [`CoinGame::step`] draws from [`Dice`] alone; [`CoinLanes`] steps many
//! at once; observations are made apart from the dynamics ([`CoinGame::observe`]).

mod encode;
mod lanes;
mod markov;
mod rules;

pub use lanes::CoinLanes;
pub(crate) use markov::Place;
pub use rules::CoinRules;

use serde::{Deserialize, Serialize};

use crate::{BargainError, Dice};

/// Cells of the torus.
pub const CELLS: u8 = 9;

/// Where each move leads: `MOVES[cell][action]`.
const MOVES: [[u8; 5]; 9] = [
    [1, 2, 3, 6, 0],
    [2, 0, 4, 7, 1],
    [0, 1, 5, 8, 2],
    [4, 5, 6, 0, 3],
    [5, 3, 7, 1, 4],
    [3, 4, 8, 2, 5],
    [7, 8, 0, 3, 6],
    [8, 6, 1, 4, 7],
    [6, 7, 2, 5, 8],
];

/// Where everything lies. Cells are numbered row by row from 0 to 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CoinState {
    /// Cells of red and blue.
    pub players: [u8; 2],
    /// Cells of the coins; those beyond the game's number are 0.
    pub coins: [u8; 5],
    /// CG and `AsymCG`: the coin is red. ABCG: the red coin is the cooperative one. Elsewhere unused.
    pub red_coin: bool,
}

/// What a step brought.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoinStep {
    /// The next state.
    pub state: CoinState,
    /// Rewards of red and blue.
    pub rewards: [f64; 2],
    /// Who picked up a coin. Where a coin takes both, both.
    pub picked: [bool; 2],
}

/// A coin game.
///
/// ```
/// use firetender_bargain::{Dice, coin::CoinGame};
/// let game = CoinGame::named("cg").unwrap();
/// let state = game.reset(&mut Dice::at(0, 0, 0));
/// let step = game.step(state, [0, 2], &mut Dice::at(0, 0, 1));
/// assert!(!step.picked[0] || step.rewards[0] != 0.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CoinGame {
    rules: CoinRules,
}

/// What a move does before new coins are laid.
struct Verdict {
    rewards: [f64; 2],
    picked: [bool; 2],
    /// The other outcome of a fair toss, where there is one.
    toss: Option<([f64; 2], [bool; 2])>,
    /// Bit `i`: coin `i` is laid anew.
    renewed: u8,
    flips: bool,
}

impl CoinGame {
    /// A game by its rules.
    #[must_use]
    pub fn new(rules: CoinRules) -> Self {
        Self { rules }
    }

    /// A game by its name: `cg`, `asym-cg`, `abcg`, `mixed-motive-cg`, `chicken-cg`, `threat-cg`, `threat-cg-v2`, `threat-cg-v3`,
    /// with the rules of the recorded runs.
    ///
    /// # Errors
    /// [`BargainError::UnknownGame`], which lists all names.
    pub fn named(name: &str) -> Result<Self, BargainError> {
        Ok(Self::new(CoinRules::named(name)?))
    }

    /// Its rules.
    #[must_use]
    pub fn rules(&self) -> &CoinRules {
        &self.rules
    }

    /// Moves that each player has: 4, or 5 with staying.
    #[must_use]
    pub fn moves(&self) -> usize {
        if self.rules.may_stay() { 5 } else { 4 }
    }

    /// A first state: players on different cells, the flag by a fair toss, coins off both players, each equally likely.
    pub fn reset(&self, dice: &mut Dice) -> CoinState {
        let red = dice.below(9) as u8;
        let mut blue = dice.below(8) as u8;
        blue += u8::from(blue >= red);
        let mut state = CoinState {
            players: [red, blue],
            ..CoinState::default()
        };
        state.red_coin = dice.below(2) == 1;
        if !self.rules.has_flag() {
            state.red_coin = false;
        }
        for coin in 0..self.rules.coins() {
            let blocked = self.blocked_at_reset(&state, coin);
            state.coins[coin] = free(blocked, dice);
        }
        state
    }

    /// One step.
    ///
    /// # Panics
    /// When a player has no such move.
    pub fn step(&self, state: CoinState, actions: [usize; 2], dice: &mut Dice) -> CoinStep {
        let mut next = moved(state, actions);
        let verdict = self.rules.judge(&next);
        let (mut rewards, mut picked) = (verdict.rewards, verdict.picked);
        if let Some(other) = verdict.toss
            && dice.below(2) == 1
        {
            (rewards, picked) = other;
        }
        if verdict.renewed != 0 {
            next.red_coin ^= verdict.flips;
            for coin in 0..self.rules.coins() {
                if verdict.renewed & (1 << coin) != 0 {
                    next.coins[coin] = free(self.blocked(&next, coin), dice);
                }
            }
        }
        CoinStep {
            state: next,
            rewards,
            picked,
        }
    }

    /// The cells where a coin cannot be laid anew, as bits: both players and every other coin. A coin laid first therefore also avoids
    /// the cells of those that are about to be moved, as in the released code.
    fn blocked(&self, state: &CoinState, coin: usize) -> u16 {
        let mut blocked = 1 << state.players[0] | 1 << state.players[1];
        for (i, cell) in state.coins[..self.rules.coins()].iter().enumerate() {
            if i != coin {
                blocked |= 1 << cell;
            }
        }
        blocked
    }

    /// At the start only coins that lie already are in the way; in ABCG also cell 0, as in the released code.
    fn blocked_at_reset(&self, state: &CoinState, coin: usize) -> u16 {
        let mut blocked = 1 << state.players[0] | 1 << state.players[1];
        for cell in &state.coins[..coin] {
            blocked |= 1 << cell;
        }
        if coin == 0 && matches!(self.rules, CoinRules::Abcg { .. }) {
            blocked |= 1;
        }
        blocked
    }
}

/// Where a move leads.
pub(crate) fn destination(cell: usize, action: usize) -> u8 {
    MOVES[cell][action]
}

/// The state after both moved, with coins as they were.
fn moved(state: CoinState, actions: [usize; 2]) -> CoinState {
    let to = |player: usize| MOVES[state.players[player] as usize][actions[player]];
    CoinState {
        players: [to(0), to(1)],
        ..state
    }
}

/// The cells that are not blocked, as bits.
fn free_cells(blocked: u16) -> u16 {
    !blocked & 0x1ff
}

/// A free cell, each equally likely.
fn free(blocked: u16, dice: &mut Dice) -> u8 {
    let open = free_cells(blocked);
    nth(open, dice.below(open.count_ones()))
}

/// The place of the bit number `n` that is set.
fn nth(mut bits: u16, n: u32) -> u8 {
    for _ in 0..n {
        bits &= bits - 1;
    }
    bits.trailing_zeros() as u8
}

#[cfg(test)]
mod tests;
