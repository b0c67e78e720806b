//! Many boards at once.

use rayon::prelude::*;

use super::{CoinGame, CoinRules, CoinState, MOVES};
use crate::Dice;

/// Boards that one thread takes at a time.
const CHUNK: usize = 4096;

/// Boards that are stepped together. What happens on a board depends on the seed, its number and the step alone.
///
/// ```
/// use firetender_bargain::coin::{CoinGame, CoinLanes};
/// let mut lanes = CoinLanes::new(CoinGame::named("cg").unwrap(), 100, 7);
/// let mut rewards = vec![[0.0; 2]; 100];
/// lanes.step(&vec![[0, 1]; 100], &mut rewards);
/// assert_eq!(lanes.states().len(), 100);
/// ```
#[derive(Clone, Debug)]
pub struct CoinLanes {
    game: CoinGame,
    key: u64,
    time: u64,
    states: Vec<CoinState>,
}

/// CG's rewards by `red picks | blue picks << 1 | red coin << 2` where both can pick.
const WHOLE: [[i64; 2]; 8] = [
    [0, 0],
    [1, -2],
    [0, 1],
    [1, -1],
    [0, 0],
    [1, 0],
    [-2, 1],
    [-1, 1],
];

/// Where each move leads, `4 · cell + move`; a power of two in length, so that no bound has to be checked.
const FLAT: [u8; 64] = {
    let mut flat = [0; 64];
    let mut i = 0;
    while i < 36 {
        flat[i] = MOVES[i / 4][i % 4];
        i += 1;
    }
    flat
};

impl CoinLanes {
    /// Boards in their first states.
    #[must_use]
    pub fn new(game: CoinGame, lanes: usize, seed: u64) -> Self {
        let key = Dice::key(seed);
        let first = |lane: usize| game.reset(&mut Dice::keyed(key, lane as u64, 0));
        Self {
            states: (0..lanes).map(first).collect(),
            key,
            time: 0,
            game,
        }
    }

    /// The boards.
    #[must_use]
    pub fn states(&self) -> &[CoinState] {
        &self.states
    }

    /// The game.
    #[must_use]
    pub fn game(&self) -> &CoinGame {
        &self.game
    }

    /// Steps made.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.time
    }

    /// One step of every board; rewards are (red, blue).
    ///
    /// # Panics
    /// When there is not one pair of actions and of rewards for each board, or there is no such move.
    pub fn step(&mut self, actions: &[[u8; 2]], rewards: &mut [[f32; 2]]) {
        let n = self.states.len();
        assert_eq!([actions.len(), rewards.len()], [n; 2], "one a board");
        self.time += 1;
        let (game, key, time) = (&self.game, self.key, self.time);
        if n <= CHUNK {
            step_chunk(game, key, time, 0, &mut self.states, actions, rewards);
            return;
        }
        self.states
            .par_chunks_mut(CHUNK)
            .zip(actions.par_chunks(CHUNK))
            .zip(rewards.par_chunks_mut(CHUNK))
            .enumerate()
            .for_each(|(chunk, ((states, actions), rewards))| {
                let first = (chunk * CHUNK) as u64;
                step_chunk(game, key, time, first, states, actions, rewards);
            });
    }

    /// So many steps in which all players move at random; the sums of rewards. Each chunk of boards makes all its steps before the next
    /// one, which changes nothing and keeps it in the cache.
    pub fn wander(&mut self, steps: u64) -> [f64; 2] {
        let (game, key, begin) = (&self.game, self.key, self.time);
        self.time += steps;
        let plain = matches!(
            game.rules,
            CoinRules::Cg {
                both_can_pick: true
            }
        );
        self.states
            .par_chunks_mut(CHUNK)
            .enumerate()
            .map(|(chunk, states)| {
                let first = (chunk * CHUNK) as u64;
                let times = begin + 1..=begin + steps;
                if plain {
                    wander_plain(key, times, first, states)
                } else {
                    wander_any(game, key, times, first, states)
                }
            })
            // Rewards are whole numbers or quarters, so the order of the sum does not show.
            .reduce(|| [0.0; 2], |a, b| [a[0] + b[0], a[1] + b[1]])
    }
}

fn wander_any(
    game: &CoinGame,
    key: u64,
    times: std::ops::RangeInclusive<u64>,
    first: u64,
    states: &mut [CoinState],
) -> [f64; 2] {
    let moves = game.moves() as u32;
    let mut actions = vec![[0_u8; 2]; states.len()];
    let mut rewards = vec![[0.0_f32; 2]; states.len()];
    let mut sums = [0.0_f64; 2];
    for time in times {
        for (i, pair) in actions.iter_mut().enumerate() {
            let mut dice = Dice::keyed(!key, first + i as u64, time);
            *pair = [dice.below(moves) as u8, dice.below(moves) as u8];
        }
        step_chunk(game, key, time, first, states, &actions, &mut rewards);
        for pair in &rewards {
            sums[0] += f64::from(pair[0]);
            sums[1] += f64::from(pair[1]);
        }
    }
    sums
}

/// CG in which both can pick: moves are the four highest bits of the number whose lowest bits lay the coin.
fn wander_plain(
    key: u64,
    times: std::ops::RangeInclusive<u64>,
    first: u64,
    states: &mut [CoinState],
) -> [f64; 2] {
    let mut sums = [0_i64; 2];
    for time in times {
        for (i, state) in states.iter_mut().enumerate() {
            let dice = Dice::keyed(key, first + i as u64, time);
            let moves = (dice.seed() >> 60) as u8;
            let picks = plain_step(state, [moves & 3, moves >> 2], dice);
            let pay = WHOLE[picks & 7];
            sums[0] += pay[0];
            sums[1] += pay[1];
        }
    }
    sums.map(|s| s as f64)
}

/// One step of CG in which both can pick, without branches: a pick happens in a fifth of the steps, and a processor cannot foresee which. Gives
/// `red picks | blue picks << 1 | red coin << 2`.
#[inline(always)]
fn plain_step(state: &mut CoinState, actions: [u8; 2], mut dice: Dice) -> usize {
    let to = |player: usize| {
        FLAT[(usize::from(state.players[player]) << 2 | usize::from(actions[player])) & 63]
    };
    let (red, blue) = (to(0), to(1));
    let coin = state.coins[0];
    let picks = usize::from(red == coin) | usize::from(blue == coin) << 1;
    let seen = picks | usize::from(state.red_coin) << 2;
    // The free cell number k, counted past both players.
    let apart = u32::from(red != blue);
    let mut k = dice.below(8 - apart) as u8;
    k += u8::from(k >= red.min(blue));
    k += u8::from(k >= red.max(blue)) & apart as u8;
    state.players = [red, blue];
    state.coins[0] = if picks != 0 { k } else { coin };
    state.red_coin ^= picks != 0;
    seen
}

fn step_chunk(
    game: &CoinGame,
    key: u64,
    time: u64,
    first: u64,
    states: &mut [CoinState],
    actions: &[[u8; 2]],
    rewards: &mut [[f32; 2]],
) {
    let lanes = states.iter_mut().zip(actions).zip(rewards).enumerate();
    if let CoinRules::Cg {
        both_can_pick: true,
    } = game.rules
    {
        for (i, ((state, actions), rewards)) in lanes {
            assert!(actions[0] < 4 && actions[1] < 4, "moves {actions:?} of 4");
            let dice = Dice::keyed(key, first + i as u64, time);
            let seen = plain_step(state, *actions, dice);
            *rewards = WHOLE[seen & 7].map(|pay| pay as f32);
        }
        return;
    }
    for (i, ((state, actions), rewards)) in lanes {
        let mut dice = Dice::keyed(key, first + i as u64, time);
        let step = game.step(*state, actions.map(usize::from), &mut dice);
        *state = step.state;
        *rewards = step.rewards.map(|r| r as f32);
    }
}
