//! CG on a device: thousands of boards as whole-number tensors.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::{
    BargainError, Dice,
    coin::{CoinGame, CoinRules, CoinState, destination},
};

/// Boards of CG (both can pick) as tensors `[boards]`. They go through the same states as [`CoinLanes`](crate::coin::CoinLanes) of the same seed: what is random
/// comes from the host, 24 bits a board and step, and everything else happens on the device.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use firetender_bargain::{coin::CoinGame, tensor::CoinBoards};
/// let device = Device::flex();
/// let mut boards = CoinBoards::new(&CoinGame::named("cg").unwrap(), 5, 7, &device).unwrap();
/// let moves = Tensor::<1, Int>::from_ints([0, 1, 2, 3, 0], &device);
/// let rewards = boards.step(moves.clone(), moves);
/// assert_eq!(rewards.dims(), [5, 2]);
/// ```
#[derive(Clone, Debug)]
pub struct CoinBoards {
    red: Tensor<1, Int>,
    blue: Tensor<1, Int>,
    coin: Tensor<1, Int>,
    /// 1 where the coin is red.
    red_coin: Tensor<1, Int>,
    /// Where each move leads, `4 · cell + move`.
    moves: Tensor<1, Int>,
    key: u64,
    time: u64,
}

impl CoinBoards {
    /// Boards in their first states.
    ///
    /// # Errors
    /// [`BargainError::Game`] for other rules than CG with both picking.
    pub fn new(
        game: &CoinGame,
        boards: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self, BargainError> {
        if !matches!(
            game.rules(),
            CoinRules::Cg {
                both_can_pick: true
            }
        ) {
            return Err(BargainError::Game {
                game: game.rules().name().into(),
                what: "runs on the host only; on a device there is CG in which both can pick"
                    .into(),
            });
        }
        let key = Dice::key(seed);
        let first: Vec<CoinState> = (0..boards as u64)
            .map(|lane| game.reset(&mut Dice::keyed(key, lane, 0)))
            .collect();
        let list =
            |value: &dyn Fn(&CoinState) -> i32| upload(first.iter().map(value).collect(), device);
        let moves = (0..36)
            .map(|i| i32::from(destination(i / 4, i % 4)))
            .collect();
        Ok(Self {
            red: list(&|s| i32::from(s.players[0])),
            blue: list(&|s| i32::from(s.players[1])),
            coin: list(&|s| i32::from(s.coins[0])),
            red_coin: list(&|s| i32::from(s.red_coin)),
            moves: upload(moves, device),
            key,
            time: 0,
        })
    }

    /// One step of every board. Moves are numbered as in [`CoinGame`]; rewards are `[boards, 2]`, (red, blue).
    ///
    /// # Panics
    /// When there is not one move of each player for each board.
    pub fn step(&mut self, red_moves: Tensor<1, Int>, blue_moves: Tensor<1, Int>) -> Tensor<2> {
        let boards = self.red.dims()[0];
        assert_eq!(
            [red_moves.dims()[0], blue_moves.dims()[0]],
            [boards; 2],
            "one move a board"
        );
        self.time += 1;
        let go = |from: &Tensor<1, Int>, moves: Tensor<1, Int>| {
            self.moves
                .clone()
                .select(0, from.clone().mul_scalar(4) + moves)
        };
        let (red, blue) = (go(&self.red, red_moves), go(&self.blue, blue_moves));
        let red_picks = red.clone().equal(self.coin.clone()).int();
        let blue_picks = blue.clone().equal(self.coin.clone()).int();
        let is_red = self.red_coin.clone();
        let is_blue = is_red.clone().neg().add_scalar(1);
        let red_pay = red_picks.clone() - (blue_picks.clone() * is_red).mul_scalar(2);
        let blue_pay = blue_picks.clone() - (red_picks.clone() * is_blue).mul_scalar(2);
        // The free cell number k, counted past both players.
        let apart = red.clone().not_equal(blue.clone()).int();
        let free = apart.clone().neg().add_scalar(8);
        let k = (self.bits(&red.device(), boards) * free).div_scalar(1 << 24);
        let (low, high) = (
            red.clone().min_pair(blue.clone()),
            red.clone().max_pair(blue.clone()),
        );
        let k = k.clone() + k.greater_equal(low).int();
        let k = k.clone() + k.greater_equal(high).int() * apart;
        let picked = (red_picks + blue_picks).clamp_max(1);
        self.coin = k * picked.clone() + self.coin.clone() * picked.clone().neg().add_scalar(1);
        // Flips where something was picked.
        self.red_coin =
            self.red_coin.clone() + picked.clone() - (self.red_coin.clone() * picked).mul_scalar(2);
        self.red = red;
        self.blue = blue;
        Tensor::stack::<2>(vec![red_pay, blue_pay], 1).float()
    }

    /// The random numbers of this step.
    fn bits(&self, device: &Device, boards: usize) -> Tensor<1, Int> {
        let draw = |lane: u64| Dice::keyed(self.key, lane, self.time).bits() as i32;
        upload((0..boards as u64).map(draw).collect(), device)
    }

    /// The boards, read back.
    ///
    /// # Errors
    /// [`BargainError::Game`] when the device does not give its numbers back.
    pub fn states(&self) -> Result<Vec<CoinState>, BargainError> {
        let read = |tensor: &Tensor<1, Int>| {
            tensor
                .try_to_vec_as::<i32>()
                .map_err(|error| BargainError::Game {
                    game: "cg".into(),
                    what: format!("could not be read from the device: {error}"),
                })
        };
        let (red, blue, coin, flag) = (
            read(&self.red)?,
            read(&self.blue)?,
            read(&self.coin)?,
            read(&self.red_coin)?,
        );
        Ok((0..red.len())
            .map(|i| CoinState {
                players: [red[i] as u8, blue[i] as u8],
                coins: [coin[i] as u8, 0, 0, 0, 0],
                red_coin: flag[i] == 1,
            })
            .collect())
    }
}

fn upload(list: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let n = list.len();
    Tensor::from_data(TensorData::new(list, [n]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coin::CoinLanes;

    #[test]
    fn boards_on_the_device_are_lanes_on_the_host() {
        let device = Device::flex();
        let game = CoinGame::named("cg").unwrap();
        let n = 300;
        let mut lanes = CoinLanes::new(game.clone(), n, 9);
        let mut boards = CoinBoards::new(&game, n, 9, &device).unwrap();
        assert_eq!(boards.states().unwrap(), lanes.states());
        let mut rewards = vec![[0.0_f32; 2]; n];
        for time in 0..60 {
            let actions: Vec<[u8; 2]> = (0..n as u64)
                .map(|lane| {
                    let mut dice = Dice::at(4, lane, time);
                    [dice.below(4) as u8, dice.below(4) as u8]
                })
                .collect();
            lanes.step(&actions, &mut rewards);
            let moves =
                |i: usize| upload(actions.iter().map(|a| i32::from(a[i])).collect(), &device);
            let found: Vec<f32> = boards.step(moves(0), moves(1)).try_into_vec_as().unwrap();
            assert_eq!(found, rewards.concat());
            assert_eq!(boards.states().unwrap(), lanes.states());
        }
        assert!(CoinBoards::new(&CoinGame::named("abcg").unwrap(), 1, 0, &device).is_err());
    }
}
