//! Two players in a game: all that can happen with its probability, or draws of it.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::{Memory, Player, player::Seen};
use crate::{BargainError, Dice, markov::Model};

/// Most situations (state and both memories) that are followed at a time.
const MOST: usize = 1 << 18;

/// What an episode can pay: payoffs a step of both players, each with its probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcomes {
    /// Payoffs a step, and how likely they are.
    pub all: Vec<([f64; 2], f64)>,
}

impl Outcomes {
    /// The mean payoffs.
    #[must_use]
    pub fn payoffs(&self) -> [f64; 2] {
        [0, 1].map(|i| self.all.iter().map(|(pay, p)| p * pay[i]).sum())
    }

    /// The mean of a function of an episode's payoffs, such as a score. It is not the function of the mean payoffs: players who agree now on one norm and
    /// now on another agree.
    #[must_use]
    pub fn mean(&self, value: impl Fn([f64; 2]) -> f64) -> f64 {
        self.all.iter().map(|(pay, p)| p * value(*pay)).sum()
    }
}

/// A state, both memories, and what was earned so far in units of 2⁻³².
type Situation = (usize, Memory, Memory, [i64; 2]);

const UNIT: f64 = 4_294_967_296.0;

/// What an episode of `steps` steps can pay, by following every situation that can come about.
///
/// # Errors
/// [`BargainError::Option`] for 0 steps; [`BargainError::Policy`] when a player is for another game; [`BargainError::Game`] when there are too many
/// situations: then [`simulate`].
pub fn play_exact(
    model: &Model,
    players: [&Player; 2],
    steps: usize,
) -> Result<Outcomes, BargainError> {
    follow(model, players, steps, MOST)
}

/// [`play_exact`] with at most so many situations at a time.
pub(super) fn follow(
    model: &Model,
    players: [&Player; 2],
    steps: usize,
    most: usize,
) -> Result<Outcomes, BargainError> {
    check(model, players, steps)?;
    let mut now: BTreeMap<Situation, f64> = BTreeMap::new();
    for (state, p) in model.first() {
        for (one, q) in players[0].start() {
            for (two, r) in players[1].start() {
                *now.entry((*state, one.clone(), two, [0; 2])).or_default() += p * q * r;
            }
        }
    }
    let columns = model.actions()[1];
    for step in 0..steps {
        let left = steps - 1 - step;
        let mut after: BTreeMap<Situation, f64> = BTreeMap::new();
        for ((state, one, two, earned), weight) in now {
            let rows = [
                players[0].row(0, &one, state),
                players[1].row(1, &two, state),
            ];
            for (a, p) in rows[0].iter().enumerate().filter(|(_, p)| **p > 0.0) {
                for (b, q) in rows[1].iter().enumerate().filter(|(_, q)| **q > 0.0) {
                    let joint = a * columns + b;
                    let weight = weight * p * q;
                    let rewards = model.rewards(state, joint);
                    let earned = [0, 1].map(|i| earned[i] + (rewards[i] * UNIT).round() as i64);
                    if left == 0 {
                        // Where it ends does not matter.
                        let end = (0, Memory::default(), Memory::default(), earned);
                        *after.entry(end).or_default() += weight;
                        continue;
                    }
                    model.successors(state, joint, |next, r| {
                        let seen = |seat| Seen {
                            model,
                            seat,
                            state,
                            actions: [a, b],
                            next,
                            left,
                        };
                        let twos = players[1].observe(&seen(1), &two);
                        for (one, x) in players[0].observe(&seen(0), &one) {
                            for (two, y) in &twos {
                                let situation = (next, one.clone(), two.clone(), earned);
                                *after.entry(situation).or_default() += weight * r * x * y;
                            }
                        }
                    });
                }
            }
            if after.len() > most {
                return Err(BargainError::Game {
                    game: model.name().into(),
                    what: format!(
                        "more than {most} situations after {} steps; simulate it instead",
                        step + 1
                    ),
                });
            }
        }
        now = after;
    }
    let mean = |earned: [i64; 2]| earned.map(|e| e as f64 / UNIT / steps as f64);
    Ok(Outcomes {
        all: now
            .into_iter()
            .map(|((.., earned), p)| (mean(earned), p))
            .collect(),
    })
}

fn check(model: &Model, players: [&Player; 2], steps: usize) -> Result<(), BargainError> {
    if steps == 0 || steps > 1 << 20 {
        return Err(BargainError::Option {
            field: "steps",
            found: steps.to_string(),
            expected: "from 1 to a million",
        });
    }
    for (seat, player) in players.into_iter().enumerate() {
        let policy = match player {
            Player::Fixed(policy) => policy,
            Player::Norms(player) => player.norms()[0].cooperation(seat),
        };
        let expected = model.states() * model.actions()[seat];
        let found = policy.states() * policy.actions();
        if found != expected {
            return Err(BargainError::Policy {
                player: seat + 1,
                found,
                expected,
                what: format!(
                    "{} states, {} actions each",
                    model.states(),
                    model.actions()[seat]
                ),
            });
        }
    }
    Ok(())
}

/// How to simulate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Simulation {
    /// Steps of an episode.
    pub steps: usize,
    /// Episodes.
    pub episodes: usize,
    /// Seed.
    pub seed: u64,
    /// Which pair of players this is, so that pairs draw apart.
    pub pair: u64,
    /// The players' norms outlast an episode, though not their ledgers (as released; fresh at each start by default).
    pub remember: bool,
}

/// Plays episodes; the same result for any number of threads.
///
/// # Errors
/// [`BargainError::Option`] without steps or episodes; [`BargainError::Policy`] when a player is for another game.
pub fn simulate(
    model: &Model,
    players: [&Player; 2],
    how: &Simulation,
) -> Result<Outcomes, BargainError> {
    check(model, players, how.steps.min(how.episodes))?;
    let key = Dice::key(how.seed);
    let run = |episode: usize, kept: Option<[Memory; 2]>| {
        let lane = how.pair.wrapping_mul(1 << 20).wrapping_add(episode as u64);
        let mut dice = Dice::keyed(key, lane, 0);
        let begin = |player: &Player, kept: Option<&Memory>, dice: &mut Dice| {
            let options = player.start();
            let mut drawn = options[dice.pick(options.iter().map(|(_, p)| *p))]
                .0
                .clone();
            if let Some(kept) = kept {
                drawn.active = kept.active;
            }
            drawn
        };
        let firsts = model.first();
        let mut state = firsts[dice.pick(firsts.iter().map(|(_, p)| *p))].0;
        let mut memories =
            [0, 1].map(|i| begin(players[i], kept.as_ref().map(|k| &k[i]), &mut dice));
        let mut sums = [0.0; 2];
        for step in 0..how.steps {
            let mut dice = Dice::keyed(key, lane, 1 + step as u64);
            let actions = [0, 1].map(|i| {
                let row = players[i].row(i, &memories[i], state);
                dice.pick(row.iter().copied())
            });
            let joint = actions[0] * model.actions()[1] + actions[1];
            let rewards = model.rewards(state, joint);
            sums[0] += rewards[0];
            sums[1] += rewards[1];
            let next = draw_next(model, state, joint, &mut dice);
            for i in 0..2 {
                let left = how.steps - 1 - step;
                let seen = Seen {
                    model,
                    seat: i,
                    state,
                    actions,
                    next,
                    left,
                };
                let mut options = players[i].observe(&seen, &memories[i]);
                let chosen = if options.len() == 1 {
                    0
                } else {
                    dice.pick(options.iter().map(|(_, p)| *p))
                };
                memories[i] = options.swap_remove(chosen).0;
            }
            state = next;
        }
        (sums.map(|s| s / how.steps as f64), memories)
    };
    let all: Vec<[f64; 2]> = if how.remember {
        let mut kept = None;
        (0..how.episodes)
            .map(|episode| {
                let (payoffs, memories) = run(episode, kept.take());
                kept = Some(memories);
                payoffs
            })
            .collect()
    } else {
        (0..how.episodes)
            .into_par_iter()
            .map(|e| run(e, None).0)
            .collect()
    };
    let share = 1.0 / all.len() as f64;
    Ok(Outcomes {
        all: all.into_iter().map(|pay| (pay, share)).collect(),
    })
}

/// Draws a successor.
pub(crate) fn draw_next(model: &Model, state: usize, joint: usize, dice: &mut Dice) -> usize {
    let (mut chosen, mut left) = (usize::MAX, dice.unit());
    let mut last = 0;
    model.successors(state, joint, |next, p| {
        last = next;
        if chosen == usize::MAX {
            if left < p {
                chosen = next;
            }
            left -= p;
        }
    });
    if chosen == usize::MAX { last } else { chosen }
}
