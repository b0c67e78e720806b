//! Coin games as games with a list of all states, for planners.

use super::{CELLS, CoinGame, CoinState, free_cells, moved};
use crate::markov::MarkovGame;

/// What comes of a place where both have moved.
pub(crate) struct Place {
    pub(crate) rewards: [f64; 2],
    /// Rewards of the other outcome, where a toss decides.
    pub(crate) toss: Option<[f64; 2]>,
    /// Bit `i`: coin `i` is laid anew.
    pub(crate) renewed: u8,
    /// The flag flips.
    pub(crate) flips: bool,
}

impl CoinGame {
    /// What comes of the place with this number.
    pub(crate) fn place(&self, index: usize) -> Place {
        let verdict = self.rules.judge(&self.state(index));
        Place {
            rewards: verdict.rewards,
            toss: verdict.toss.map(|(rewards, _)| rewards),
            renewed: verdict.renewed,
            flips: verdict.flips && verdict.renewed != 0,
        }
    }

    fn cells(&self) -> usize {
        2 + self.rules.coins()
    }

    /// The state of a number: cells as digits to base nine, red first, then the flag.
    #[must_use]
    pub fn state(&self, mut index: usize) -> CoinState {
        let mut state = CoinState::default();
        if self.rules.has_flag() {
            state.red_coin = index % 2 == 1;
            index /= 2;
        }
        for place in (0..self.cells()).rev() {
            let cell = (index % CELLS as usize) as u8;
            index /= CELLS as usize;
            if place < 2 {
                state.players[place] = cell;
            } else {
                state.coins[place - 2] = cell;
            }
        }
        state
    }

    /// The number of a state.
    ///
    /// ```
    /// use firetender_bargain::coin::CoinGame;
    /// let game = CoinGame::named("abcg").unwrap();
    /// assert_eq!(game.index(&game.state(12_345)), 12_345);
    /// ```
    #[must_use]
    pub fn index(&self, state: &CoinState) -> usize {
        let coins = &state.coins[..self.rules.coins()];
        let cells = state.players.iter().chain(coins);
        let index = cells.fold(0, |n, cell| n * CELLS as usize + *cell as usize);
        if self.rules.has_flag() {
            index * 2 + usize::from(state.red_coin)
        } else {
            index
        }
    }

    /// Adds every way of laying the coins of `todo`, the lowest first.
    fn lay(
        &self,
        state: CoinState,
        todo: u8,
        weight: f64,
        blocked: &dyn Fn(&CoinState, usize) -> u16,
        out: &mut Vec<(usize, f64)>,
    ) {
        if todo == 0 {
            out.push((self.index(&state), weight));
            return;
        }
        let coin = todo.trailing_zeros() as usize;
        let open = free_cells(blocked(&state, coin));
        let share = weight / f64::from(open.count_ones());
        for cell in (0..CELLS).filter(|cell| open & (1 << cell) != 0) {
            let mut next = state;
            next.coins[coin] = cell;
            self.lay(next, todo & (todo - 1), share, blocked, out);
        }
    }
}

impl MarkovGame for CoinGame {
    fn name(&self) -> String {
        self.rules.name().into()
    }

    fn states(&self) -> usize {
        (CELLS as usize).pow(self.cells() as u32) * if self.rules.has_flag() { 2 } else { 1 }
    }

    fn actions(&self) -> [usize; 2] {
        [self.moves(); 2]
    }

    fn first(&self) -> Vec<(usize, f64)> {
        let mut out = vec![];
        let flags: &[bool] = if self.rules.has_flag() {
            &[false, true]
        } else {
            &[false]
        };
        let all = (1_u8 << self.rules.coins()) - 1;
        let blocked = |state: &CoinState, coin: usize| self.blocked_at_reset(state, coin);
        for red in 0..CELLS {
            for blue in (0..CELLS).filter(|blue| *blue != red) {
                for flag in flags {
                    let state = CoinState {
                        players: [red, blue],
                        red_coin: *flag,
                        ..CoinState::default()
                    };
                    let weight = 1.0 / (72.0 * flags.len() as f64);
                    self.lay(state, all, weight, &blocked, &mut out);
                }
            }
        }
        out
    }

    fn outcomes(
        &self,
        state: usize,
        actions: [usize; 2],
        next: &mut Vec<(usize, f64)>,
    ) -> [f64; 2] {
        let mut after = moved(self.state(state), actions);
        let verdict = self.rules.judge(&after);
        after.red_coin ^= verdict.flips && verdict.renewed != 0;
        let blocked = |state: &CoinState, coin: usize| self.blocked(state, coin);
        self.lay(after, verdict.renewed, 1.0, &blocked, next);
        match verdict.toss {
            None => verdict.rewards,
            Some((other, _)) => [0, 1].map(|i| (verdict.rewards[i] + other[i]) / 2.0),
        }
    }

    /// Where everything stands when both have moved.
    fn after(&self, state: usize, actions: [usize; 2]) -> Option<usize> {
        Some(self.index(&moved(self.state(state), actions)))
    }
}
