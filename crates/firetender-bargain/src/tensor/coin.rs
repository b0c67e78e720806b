//! Coin games on a device: thousands of boards as whole-number tensors.
//!
//! What a game pays and which coins it lays anew depends only on where everything stands when both have moved, so the rules are tables by place, made once on
//! the host and looked up on the device.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::{
    BargainError, Dice,
    coin::{CoinGame, CoinState, Place, destination},
    markov::MarkovGame,
};

/// Most places that are tabled.
const MOST: usize = 1 << 20;

/// Boards of a coin game as tensors `[boards]`. They go through the same states as [`CoinLanes`](crate::coin::CoinLanes) of the same seed: what is random
/// comes from the host, 24 bits a draw, and everything else happens on the device.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use firetender_bargain::{coin::CoinGame, tensor::CoinBoards};
/// let device = Device::flex();
/// let mut boards = CoinBoards::new(&CoinGame::named("abcg").unwrap(), 5, 7, &device).unwrap();
/// let moves = Tensor::<1, Int>::from_ints([0, 1, 2, 3, 0], &device);
/// let rewards = boards.step(moves.clone(), moves);
/// assert_eq!(rewards.dims(), [5, 2]);
/// ```
#[derive(Clone, Debug)]
pub struct CoinBoards {
    players: [Tensor<1, Int>; 2],
    coins: Vec<Tensor<1, Int>>,
    /// 1 where the state's flag is set; none in games without.
    flag: Option<Tensor<1, Int>>,
    rules: Rules,
    key: u64,
    time: u64,
}

/// The rules as tables, on the device.
#[derive(Clone, Debug)]
struct Rules {
    /// Where each move leads, `5 · cell + move`.
    moves: Tensor<1, Int>,
    /// By place: rewards `[places, 2]`, and those of the other outcome of a toss.
    rewards: Tensor<2>,
    other: Tensor<2>,
    /// By place: whether there is a toss, whether the flag flips, and for each coin whether it is laid anew.
    toss: Tensor<1, Int>,
    flips: Tensor<1, Int>,
    renewed: Vec<Tensor<1, Int>>,
    /// The bit of each cell.
    bits: Tensor<1, Int>,
    /// By blocked cells as bits: how many are free; and the free cell of each number, `9 · blocked + number`.
    free: Tensor<1, Int>,
    cells: Tensor<1, Int>,
    /// Random numbers that a board may use in a step.
    draws: usize,
}

impl Rules {
    fn new(game: &CoinGame, device: &Device) -> Self {
        let coins = game.rules().coins();
        let all: Vec<Place> = (0..game.states()).map(|i| game.place(i)).collect();
        let ints = |value: &dyn Fn(&Place) -> i32| upload(all.iter().map(value).collect(), device);
        let pairs = |value: &dyn Fn(&Place) -> [f64; 2]| {
            let list: Vec<f32> = all.iter().flat_map(value).map(|r| r as f32).collect();
            Tensor::from_data(TensorData::new(list, [all.len(), 2]), device)
        };
        let most =
            |place: &Place| usize::from(place.toss.is_some()) + place.renewed.count_ones() as usize;
        let open = |blocked: i32| (0..9).filter(move |cell| blocked >> cell & 1 == 0);
        Self {
            moves: upload(
                (0..45)
                    .map(|i| i32::from(destination(i / 5, i % 5)))
                    .collect(),
                device,
            ),
            rewards: pairs(&|p| p.rewards),
            other: pairs(&|p| p.toss.unwrap_or(p.rewards)),
            toss: ints(&|p| i32::from(p.toss.is_some())),
            flips: ints(&|p| i32::from(p.flips)),
            renewed: (0..coins)
                .map(|coin| ints(&|p| i32::from(p.renewed >> coin & 1)))
                .collect(),
            bits: upload((0..9).map(|cell| 1 << cell).collect(), device),
            free: upload((0..512).map(|b| open(b).count() as i32).collect(), device),
            cells: upload(
                (0..512 * 9)
                    .map(|i| open(i / 9).nth((i % 9) as usize).unwrap_or(0))
                    .collect(),
                device,
            ),
            draws: all.iter().map(most).max().unwrap_or(0).max(1),
        }
    }
}

fn look(table: &Tensor<1, Int>, at: &Tensor<1, Int>) -> Tensor<1, Int> {
    table.clone().select(0, at.clone())
}

impl CoinBoards {
    /// Boards in their first states.
    ///
    /// # Errors
    /// [`BargainError::Game`] for games with more places than a table takes (a million): those run on the host.
    pub fn new(
        game: &CoinGame,
        boards: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self, BargainError> {
        if game.states() > MOST {
            return Err(BargainError::Game {
                game: game.rules().name().into(),
                what: format!(
                    "{} places; on a device at most {MOST} are tabled, so it runs on the host only",
                    game.states()
                ),
            });
        }
        let key = Dice::key(seed);
        let first: Vec<CoinState> = (0..boards as u64)
            .map(|lane| game.reset(&mut Dice::keyed(key, lane, 0)))
            .collect();
        let list =
            |value: &dyn Fn(&CoinState) -> i32| upload(first.iter().map(value).collect(), device);
        Ok(Self {
            players: [0, 1].map(|i: usize| list(&|s| i32::from(s.players[i]))),
            coins: (0..game.rules().coins())
                .map(|coin| list(&|s| i32::from(s.coins[coin])))
                .collect(),
            flag: game
                .rules()
                .has_flag()
                .then(|| list(&|s| i32::from(s.red_coin))),
            rules: Rules::new(game, device),
            key,
            time: 0,
        })
    }

    /// One step of every board. Moves are numbered as in [`CoinGame`]; rewards are `[boards, 2]`, (red, blue).
    ///
    /// # Panics
    /// When there is not one move of each player for each board.
    pub fn step(&mut self, red_moves: Tensor<1, Int>, blue_moves: Tensor<1, Int>) -> Tensor<2> {
        let boards = self.players[0].dims()[0];
        assert_eq!(
            [red_moves.dims()[0], blue_moves.dims()[0]],
            [boards; 2],
            "one move a board"
        );
        self.time += 1;
        let rules = &self.rules;
        let go = |player: usize, moves: Tensor<1, Int>| {
            look(
                &rules.moves,
                &(self.players[player].clone().mul_scalar(5) + moves),
            )
        };
        let players = [go(0, red_moves), go(1, blue_moves)];
        // The number of the place, as CoinGame::index has it.
        let mut place = players[0].clone().mul_scalar(9) + players[1].clone();
        for coin in &self.coins {
            place = place.mul_scalar(9) + coin.clone();
        }
        if let Some(flag) = &self.flag {
            place = place.mul_scalar(2) + flag.clone();
        }
        let draws = self.draws(&place.device(), boards);
        // How many random numbers a board has used so far.
        let mut used = look(&rules.toss, &place);
        let first: Tensor<1, Int> = draws.clone().narrow(1, 0, 1).squeeze_dim(1);
        let tossed = first.div_scalar(1 << 23) * used.clone();
        let tossed: Tensor<2> = tossed.float().unsqueeze_dim(1);
        let plain = rules.rewards.clone().select(0, place.clone());
        let other = rules.other.clone().select(0, place.clone());
        let rewards = plain.clone() + (other - plain) * tossed;
        let bit = |cell: &Tensor<1, Int>| look(&rules.bits, cell);
        let stand = bit(&players[0]).bitwise_or(bit(&players[1]));
        for coin in 0..self.coins.len() {
            let anew = look(&rules.renewed[coin], &place);
            let others = self.coins.iter().enumerate().filter(|(i, _)| *i != coin);
            let blocked = others.fold(stand.clone(), |mask, (_, cell)| mask.bitwise_or(bit(cell)));
            let column: Tensor<2, Int> = used
                .clone()
                .clamp_max(rules.draws as i32 - 1)
                .unsqueeze_dim(1);
            let drawn: Tensor<1, Int> = draws.clone().gather(1, column).squeeze_dim(1);
            let number = (drawn * look(&rules.free, &blocked)).div_scalar(1 << 24);
            let laid = look(&rules.cells, &(blocked.mul_scalar(9) + number));
            let old = self.coins[coin].clone();
            self.coins[coin] = old.clone() + (laid - old) * anew.clone();
            used = used + anew;
        }
        if let Some(flag) = &mut self.flag {
            // Flips where the table says so.
            let flips = look(&rules.flips, &place);
            *flag = flag.clone() + flips.clone() - (flag.clone() * flips).mul_scalar(2);
        }
        self.players = players;
        rewards
    }

    /// The random numbers of this step, `[boards, draws]`.
    fn draws(&self, device: &Device, boards: usize) -> Tensor<2, Int> {
        let draws = self.rules.draws;
        let mut list = Vec::with_capacity(boards * draws);
        for lane in 0..boards as u64 {
            let mut dice = Dice::keyed(self.key, lane, self.time);
            list.extend((0..draws).map(|_| dice.bits() as i32));
        }
        Tensor::from_data(TensorData::new(list, [boards, draws]), device)
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
                    game: "coin game".into(),
                    what: format!("could not be read from the device: {error}"),
                })
        };
        let players = [read(&self.players[0])?, read(&self.players[1])?];
        let coins = self.coins.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let flag = self.flag.as_ref().map(read).transpose()?;
        Ok((0..players[0].len())
            .map(|i| {
                let mut state = CoinState {
                    players: [players[0][i] as u8, players[1][i] as u8],
                    red_coin: flag.as_ref().is_some_and(|f| f[i] == 1),
                    ..CoinState::default()
                };
                for (cell, coin) in state.coins.iter_mut().zip(&coins) {
                    *cell = coin[i] as u8;
                }
                state
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
    use crate::coin::{CoinLanes, CoinRules};

    #[test]
    fn boards_on_the_device_are_lanes_on_the_host() {
        let device = Device::flex();
        let mut games: Vec<CoinGame> = CoinRules::names()
            .iter()
            .map(|name| CoinGame::named(name).unwrap())
            .filter(|game| game.states() < MOST)
            .collect();
        assert!(games.len() >= 7);
        games.push(CoinGame::new(CoinRules::Cg {
            both_can_pick: false,
        }));
        games.push(CoinGame::new(CoinRules::Abcg {
            punishment_helped: true,
            red_always_pays: true,
            red_first: true,
        }));
        games.push(CoinGame::new(CoinRules::Threat {
            threat: [-2.0, -1.0],
            neutralise: true,
        }));
        for game in games {
            let n = 200;
            let mut lanes = CoinLanes::new(game.clone(), n, 9);
            let mut boards = CoinBoards::new(&game, n, 9, &device).unwrap();
            assert_eq!(boards.states().unwrap(), lanes.states());
            let mut rewards = vec![[0.0_f32; 2]; n];
            let mut paid = 0;
            for time in 0..40 {
                let actions: Vec<[u8; 2]> = (0..n as u64)
                    .map(|lane| {
                        let mut dice = Dice::at(4, lane, time);
                        let moves = game.moves() as u32;
                        [dice.below(moves) as u8, dice.below(moves) as u8]
                    })
                    .collect();
                lanes.step(&actions, &mut rewards);
                let moves =
                    |i: usize| upload(actions.iter().map(|a| i32::from(a[i])).collect(), &device);
                let found: Vec<f32> = boards.step(moves(0), moves(1)).try_into_vec_as().unwrap();
                assert_eq!(found, rewards.concat(), "{game:?}");
                assert_eq!(boards.states().unwrap(), lanes.states(), "{game:?}");
                paid += found.iter().filter(|r| **r != 0.0).count();
            }
            assert!(paid > 100, "{game:?}: {paid}");
        }
        assert!(CoinBoards::new(&CoinGame::named("threat-cg-v3").unwrap(), 1, 0, &device).is_err());
    }
}
