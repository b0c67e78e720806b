//! What players see: one-hot planes, apart from the dynamics.

use super::{CoinGame, CoinRules, CoinState};

impl CoinGame {
    /// Planes of an observation: one for each player and coin, and in CG and ABCG one for each kind of coin.
    #[must_use]
    pub fn planes(&self) -> usize {
        match self.rules {
            CoinRules::Cg { .. } | CoinRules::AsymCg { .. } => 4,
            CoinRules::Abcg { .. } => 6,
            _ => 2 + self.rules.coins(),
        }
    }

    /// The plane and cell of everything on the board: red, blue, then the coins.
    ///
    /// Planes are red, blue, and: in CG red coin, blue coin; in ABCG red selfish, blue selfish, red cooperative, blue cooperative;
    /// elsewhere one for each coin.
    #[must_use]
    pub fn marks(&self, state: &CoinState) -> Vec<(usize, u8)> {
        let mut marks = vec![(0, state.players[0]), (1, state.players[1])];
        for (i, cell) in state.coins[..self.rules.coins()].iter().enumerate() {
            let plane = match self.rules {
                CoinRules::Cg { .. } | CoinRules::AsymCg { .. } => 3 - usize::from(state.red_coin),
                CoinRules::Abcg { .. } => 2 + i + if (i == 0) == state.red_coin { 2 } else { 0 },
                _ => 2 + i,
            };
            marks.push((plane, *cell));
        }
        marks
    }

    /// Writes an observation `[3, 3, planes]` of zeros and ones, the plane running fastest.
    ///
    /// With `own_first` and seat 1 (blue), the planes of the players and of the coins are exchanged two by two, so that one network can
    /// play both seats. In ABCG the coins' kinds are not exchanged, since the game is not symmetric.
    ///
    /// # Panics
    /// When `out` has not `9 · planes` entries.
    ///
    /// ```
    /// use firetender_bargain::coin::{CoinGame, CoinState};
    /// let game = CoinGame::named("cg").unwrap();
    /// let state = CoinState { players: [0, 4], coins: [8, 0, 0, 0, 0], red_coin: true };
    /// let mut out = vec![0.0; 36];
    /// game.observe(&state, 0, false, &mut out);
    /// assert_eq!((out[0], out[4 * 4 + 1], out[8 * 4 + 2]), (1.0, 1.0, 1.0));
    /// assert_eq!(out.iter().sum::<f32>(), 3.0);
    /// ```
    pub fn observe(&self, state: &CoinState, seat: usize, own_first: bool, out: &mut [f32]) {
        let planes = self.planes();
        assert_eq!(out.len(), 9 * planes, "length of the observation");
        out.fill(0.0);
        for (plane, cell) in self.marks(state) {
            let swaps = own_first
                && seat == 1
                && (plane < 2
                    || (plane < 4
                        && matches!(self.rules, CoinRules::Cg { .. } | CoinRules::AsymCg { .. })));
            out[cell as usize * planes + (plane ^ usize::from(swaps))] = 1.0;
        }
    }
}
