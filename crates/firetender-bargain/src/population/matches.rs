//! Matches drawn round by round, many side by side.

use rayon::prelude::*;

use super::{Strategy, two_actions};
use crate::{BargainError, Dice, MatrixGame};

/// Matches that are played in step, so that the processor always has something to do while a random number is made.
const SIDE_BY_SIDE: usize = 16;

/// Rounds that a counter of 16 bits holds.
const PACKED: u32 = 65_535;

/// How matches are played.
///
/// ```
/// let matches = firetender_bargain::population::Matches { rounds: 10, ..Default::default() };
/// assert_eq!(matches.repetitions, 5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matches {
    /// Rounds of a match.
    pub rounds: u32,
    /// Matches of each pairing.
    pub repetitions: usize,
    /// Seed.
    pub seed: u64,
}

impl Default for Matches {
    /// 200 rounds, 5 repetitions, seed 0.
    fn default() -> Self {
        Self {
            rounds: 200,
            repetitions: 5,
            seed: 0,
        }
    }
}

/// Mean payoffs a round of all pairings `(i, j)` with `i ≤ j`, in that order, drawn; the same for any number of threads.
///
/// # Errors
/// [`BargainError::Game`] when the players have not two actions each; [`BargainError::TooFew`] without strategies, rounds or repetitions.
///
/// ```
/// use firetender_bargain::{games, population::{Matches, play_matches, strategies}};
/// let found = play_matches(&games::named("ipd").unwrap(), &strategies()[..2], &Matches::default()).unwrap();
/// assert_eq!(found[1], [-3.0, 0.0], "always-cooperate against always-defect");
/// ```
pub fn play_matches(
    game: &MatrixGame,
    players: &[Strategy],
    how: &Matches,
) -> Result<Vec<[f64; 2]>, BargainError> {
    two_actions(game)?;
    if players.is_empty() || how.rounds == 0 || how.repetitions == 0 {
        return Err(BargainError::TooFew {
            what: "expected at least one strategy, round and repetition".into(),
        });
    }
    let n = players.len();
    let pairings: Vec<(usize, usize)> = (0..n).flat_map(|i| (i..n).map(move |j| (i, j))).collect();
    // Every match is a job; jobs are dealt out in blocks, and each draws by its own number.
    let jobs = pairings.len() * how.repetitions;
    let counts: Vec<[u32; 4]> = (0..jobs.div_ceil(SIDE_BY_SIDE))
        .into_par_iter()
        .with_min_len(8)
        .flat_map_iter(|block| {
            let job = |lane: usize| (block * SIDE_BY_SIDE + lane).min(jobs - 1);
            let pair = |lane: usize| pairings[job(lane) / how.repetitions];
            let tables: [[[u32; 2]; 8]; SIDE_BY_SIDE] = std::array::from_fn(|lane| {
                let (i, j) = pair(lane);
                let (one, two) = (thresholds(&players[i], 0), thresholds(&players[j], 1));
                // Three unused entries, so that no bound has to be checked.
                std::array::from_fn(|state| [one[state.min(4)], two[state.min(4)]])
            });
            let seeds: [u64; SIDE_BY_SIDE] = std::array::from_fn(|lane| job(lane) as u64);
            let counts = side_by_side(&tables, &seeds, how);
            let used = SIDE_BY_SIDE.min(jobs - block * SIDE_BY_SIDE);
            counts.into_iter().take(used)
        })
        .collect();
    let table = game.table();
    let rounds = f64::from(how.rounds) * how.repetitions as f64;
    let mean = |of_pair: &[[u32; 4]]| {
        let mut sum = [0.0; 2];
        for counts in of_pair {
            for (count, pair) in counts.iter().zip(table) {
                sum[0] += f64::from(*count) * pair[0];
                sum[1] += f64::from(*count) * pair[1];
            }
        }
        sum.map(|s| s / rounds)
    };
    Ok(counts.chunks(how.repetitions).map(mean).collect())
}

/// 31-bit thresholds below which action 0 is taken, in the order of shared states.
fn thresholds(strategy: &Strategy, seat: usize) -> [u32; 5] {
    strategy
        .shared(seat)
        .map(|p| (p * f64::from(1_u32 << 31)) as u32)
}

/// How often each joint action was seen in each of the matches.
fn side_by_side(
    tables: &[[[u32; 2]; 8]; SIDE_BY_SIDE],
    jobs: &[u64; SIDE_BY_SIDE],
    how: &Matches,
) -> [[u32; 4]; SIDE_BY_SIDE] {
    let key = Dice::key(how.seed);
    // Xorshift64 (Marsaglia 2003) from a mixed, odd start.
    let mut random = jobs.map(|job| Dice::keyed(key, job, 0).seed() | 1);
    let mut state = [4_usize; SIDE_BY_SIDE];
    let mut counts = [[0_u32; 4]; SIDE_BY_SIDE];
    let mut rounds = how.rounds;
    while rounds > 0 {
        let part = rounds.min(PACKED);
        rounds -= part;
        // Four counters of 16 bits in one word.
        let mut packed = [0_u64; SIDE_BY_SIDE];
        for _ in 0..part {
            for lane in 0..SIDE_BY_SIDE {
                let mut x = random[lane];
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                random[lane] = x;
                let (one, two) = ((x >> 33) as u32, (x & 0x7fff_ffff) as u32);
                let [own, other] = tables[lane][state[lane] & 7];
                let next = usize::from(one >= own) << 1 | usize::from(two >= other);
                packed[lane] += 1 << (next << 4);
                state[lane] = next;
            }
        }
        for (counts, packed) in counts.iter_mut().zip(packed) {
            for (i, count) in counts.iter_mut().enumerate() {
                *count += (packed >> (16 * i)) as u32 & 0xffff;
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        games::named,
        population::{strategies, tournament},
    };

    #[test]
    fn drawn_matches_agree_with_exact_values() {
        let game = named("ipd").unwrap();
        let players = strategies();
        let exact = tournament(&game, &players, 200).unwrap();
        let how = Matches {
            repetitions: 400,
            seed: 3,
            ..Matches::default()
        };
        let drawn = play_matches(&game, &players, &how).unwrap();
        let mut at = 0;
        for i in 0..players.len() {
            for j in i..players.len() {
                for seat in 0..2 {
                    // Payoffs span 3, and rounds hang together: strategies that lock in make a match one draw.
                    let error = (drawn[at][seat] - exact.payoffs[i][j][seat]).abs();
                    assert!(
                        error < 0.35,
                        "{} {}: {:?} {:?}",
                        players[i].name,
                        players[j].name,
                        drawn[at],
                        exact.payoffs[i][j]
                    );
                }
                at += 1;
            }
        }
        let one = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        assert_eq!(
            one.install(|| play_matches(&game, &players, &how)).unwrap(),
            drawn
        );
        assert!(play_matches(&game, &[], &how).is_err());
    }
}
