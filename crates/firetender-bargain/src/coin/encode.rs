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

    /// As [`observe`](Self::observe), on a board that is turned until the player of `seat` (0 or 1) stands in the middle of it: the torus has no edges, so
    /// what is lost is nothing that matters, and a network has a ninth of the observations to learn.
    ///
    /// # Panics
    /// When `out` has not `9 · planes` entries or there is no such seat.
    ///
    /// ```
    /// use firetender_bargain::coin::{CoinGame, CoinState};
    /// let game = CoinGame::named("cg").unwrap();
    /// let state = |players, coin| CoinState { players, coins: [coin, 0, 0, 0, 0], red_coin: true };
    /// let (mut one, mut two) = (vec![0.0; 36], vec![0.0; 36]);
    /// game.observe_centred(&state([0, 4], 8), 0, &mut one);
    /// game.observe_centred(&state([4, 8], 0), 0, &mut two);
    /// assert_eq!(one, two, "one step right and down from everything");
    /// assert_eq!(one[4 * 4], 1.0, "red in the middle");
    /// ```
    pub fn observe_centred(&self, state: &CoinState, seat: usize, out: &mut [f32]) {
        let planes = self.planes();
        assert_eq!(out.len(), 9 * planes, "length of the observation");
        out.fill(0.0);
        let own = usize::from(state.players[seat]);
        // From the player's row and column to those of the middle.
        let turn = |cell: usize| {
            let row = (cell / 3 + 4 - own / 3) % 3;
            let column = (cell % 3 + 4 - own % 3) % 3;
            3 * row + column
        };
        for (plane, cell) in self.marks(state) {
            out[turn(usize::from(cell)) * planes + plane] = 1.0;
        }
    }
}
