use std::collections::BTreeMap;

use super::*;
use crate::markov::{MarkovGame, conformance};

fn games() -> Vec<CoinGame> {
    let mut all: Vec<_> = CoinRules::names()
        .iter()
        .map(|n| CoinGame::named(n).unwrap())
        .collect();
    all.push(CoinGame::new(CoinRules::Cg {
        both_can_pick: false,
    }));
    all.push(CoinGame::new(CoinRules::AsymCg {
        both_can_pick: true,
        punishment_helped: true,
    }));
    all.push(CoinGame::new(CoinRules::Abcg {
        punishment_helped: true,
        red_always_pays: true,
        red_first: true,
    }));
    all.push(CoinGame::new(CoinRules::Threat {
        threat: [-2.0, -1.0],
        neutralise: true,
    }));
    all
}

#[test]
fn moves_wrap_around_and_come_back() {
    for cell in 0..9 {
        let [right, left, down, up, stay] = MOVES[cell];
        assert_eq!(MOVES[right as usize][1], cell as u8);
        assert_eq!(MOVES[down as usize][3], cell as u8);
        assert_eq!(
            (left, up, stay as usize),
            (MOVES[right as usize][0], MOVES[down as usize][2], cell)
        );
    }
}

#[test]
fn new_coins_lie_off_players_and_colours_alternate() {
    for game in games() {
        let mut state = game.reset(&mut Dice::at(1, 0, 0));
        assert_ne!(state.players[0], state.players[1]);
        let coins = game.rules().coins();
        assert!(
            state.coins[..coins]
                .iter()
                .all(|c| !state.players.contains(c))
        );
        for time in 1..2000 {
            let mut choice = Dice::at(2, 0, time);
            let moves = game.moves() as u32;
            let actions = [choice.below(moves) as usize, choice.below(moves) as usize];
            let step = game.step(state, actions, &mut Dice::at(1, 0, time));
            for coin in 0..coins {
                if step.state.coins[coin] != state.coins[coin] {
                    assert!(!step.state.players.contains(&step.state.coins[coin]));
                }
            }
            if matches!(game.rules(), CoinRules::Cg { .. }) {
                let picks = step.picked.iter().filter(|p| **p).count();
                assert_eq!(step.state.red_coin != state.red_coin, picks > 0);
                let owner = usize::from(!state.red_coin);
                let sum = step.rewards[0] + step.rewards[1];
                let expected = match (picks, step.picked[owner]) {
                    (0, _) | (2, _) => 0.0,
                    (_, true) => 1.0,
                    (_, false) => -1.0,
                };
                assert_eq!(sum, expected, "{step:?}");
            }
            state = step.state;
        }
    }
}

#[test]
fn rules_pay_what_they_say() {
    let state = |players: [u8; 2], coins: [u8; 2], red_coin| CoinState {
        players,
        coins: [coins[0], coins[1], 0, 0, 0],
        red_coin,
    };
    let pay = |rules: &CoinRules, s: CoinState| rules.judge(&s).rewards;
    let cg = CoinRules::named("cg").unwrap();
    assert_eq!(pay(&cg, state([1, 2], [1, 0], true)), [1.0, 0.0]);
    assert_eq!(pay(&cg, state([1, 2], [2, 0], true)), [-2.0, 1.0]);
    assert_eq!(pay(&cg, state([1, 1], [1, 0], true)), [-1.0, 1.0]);
    assert_eq!(pay(&cg, state([1, 1], [1, 0], false)), [1.0, -1.0]);
    let asym = CoinRules::AsymCg {
        both_can_pick: true,
        punishment_helped: true,
    };
    assert_eq!(pay(&asym, state([1, 2], [1, 0], false)), [4.0, -2.0]);
    assert_eq!(pay(&asym, state([1, 2], [2, 0], true)), [-8.0, 1.0]);
    let abcg = CoinRules::named("abcg").unwrap();
    assert_eq!(pay(&abcg, state([1, 1], [1, 5], true)), [2.0, 0.0]);
    assert_eq!(pay(&abcg, state([1, 2], [1, 5], true)), [0.0, 0.0]);
    assert_eq!(pay(&abcg, state([1, 5], [1, 5], true)), [0.0, 1.0]);
    assert_eq!(pay(&abcg, state([5, 5], [1, 5], true)), [0.0, 0.25]);
    assert_eq!(pay(&abcg, state([5, 5], [1, 5], false)), [0.0, 3.0]);
    assert_eq!(pay(&abcg, state([1, 1], [1, 5], false)), [0.25, 0.0]);
    let compat = CoinRules::Abcg {
        punishment_helped: true,
        red_always_pays: true,
        red_first: true,
    };
    assert_eq!(pay(&compat, state([5, 5], [1, 5], true)), [-0.75, 1.0]);
    assert_eq!(pay(&compat, state([1, 5], [1, 5], true)), [0.0, 0.0]);
}

#[test]
fn lanes_are_the_single_board_whatever_the_threads_and_chunks() {
    for game in games() {
        let n = 5000;
        let mut lanes = CoinLanes::new(game.clone(), n, 11);
        let mut few = CoinLanes::new(game.clone(), 3, 11);
        let one = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        let mut alone = lanes.clone();
        let (mut rewards, mut other) = (vec![[0.0; 2]; n], vec![[0.0; 2]; n]);
        let mut board = game.reset(&mut Dice::at(11, 4999, 0));
        for time in 1..30_u64 {
            let moves = game.moves() as u32;
            let actions: Vec<[u8; 2]> = (0..n as u64)
                .map(|lane| {
                    let mut dice = Dice::at(5, lane, time);
                    [dice.below(moves) as u8, dice.below(moves) as u8]
                })
                .collect();
            lanes.step(&actions, &mut rewards);
            one.install(|| alone.step(&actions, &mut other));
            few.step(&actions[..3], &mut other[..3]);
            assert_eq!(&rewards[..3], &other[..3]);
            let step = game.step(
                board,
                actions[4999].map(usize::from),
                &mut Dice::at(11, 4999, time),
            );
            assert_eq!(
                (rewards[4999], lanes.states()[4999]),
                (step.rewards.map(|r| r as f32), step.state)
            );
            board = step.state;
        }
        assert_eq!(lanes.states(), alone.states());
        assert_eq!(&lanes.states()[..3], few.states());
    }
}

#[test]
fn wandering_is_stepping_at_random() {
    let game = CoinGame::named("cg").unwrap();
    let mut a = CoinLanes::new(game.clone(), 9000, 3);
    let mut b = a.clone();
    let whole = a.wander(20);
    let parts = [b.wander(15), b.wander(5)];
    assert_eq!(whole, [0, 1].map(|i| parts[0][i] + parts[1][i]));
    assert_eq!(a.states(), b.states());
    // At random, what a player wins by picking it loses by the other's picking: 180,000 steps, a standard deviation of about 0.002.
    assert!(
        whole.iter().all(|sum| (sum / 180_000.0).abs() < 0.01),
        "{whole:?}"
    );
}

#[test]
fn all_states_are_listed_and_drawn_as_often_as_they_should() {
    for game in games().into_iter().filter(|g| g.states() < 20_000) {
        conformance(&game).unwrap();
        for index in (0..game.states()).step_by(37) {
            assert_eq!(game.index(&game.state(index)), index);
        }
    }
    let game = CoinGame::named("abcg").unwrap();
    // Both are on the red coin after this step.
    let state = CoinState {
        players: [0, 2],
        coins: [1, 5, 0, 0, 0],
        red_coin: true,
    };
    let mut next = vec![];
    let rewards = game.outcomes(game.index(&state), [0, 1], &mut next);
    assert_eq!(rewards, [2.0, 0.0]);
    // The red coin avoids the players' cell and the old blue one; the blue coin the players and the new red one.
    assert_eq!(next.len(), 7 * 7);
    let expected: BTreeMap<usize, f64> = next.into_iter().collect();
    let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
    for lane in 0..50_000 {
        let step = game.step(state, [0, 1], &mut Dice::at(9, lane, 1));
        *counts.entry(game.index(&step.state)).or_default() += 1.0;
    }
    assert_eq!(expected.len(), counts.len());
    for (state, share) in expected {
        let found = counts[&state] / 50_000.0;
        assert!(
            (found - share).abs() < 5.0 * (share / 50_000.0).sqrt(),
            "{state}: {found} {share}"
        );
    }
}

#[test]
fn observations_are_one_hot() {
    for game in games() {
        let state = game.reset(&mut Dice::at(8, 0, 0));
        let mut out = vec![9.0; 9 * game.planes()];
        let marks = game.marks(&state);
        game.observe(&state, 0, true, &mut out);
        assert_eq!(out.iter().sum::<f32>() as usize, marks.len());
        for (plane, cell) in marks {
            assert_eq!(out[cell as usize * game.planes() + plane], 1.0);
        }
    }
    let game = CoinGame::named("cg").unwrap();
    let state = CoinState {
        players: [0, 4],
        coins: [8, 0, 0, 0, 0],
        red_coin: true,
    };
    let mut out = vec![0.0; 36];
    game.observe(&state, 1, true, &mut out);
    assert_eq!((out[1], out[16], out[35]), (1.0, 1.0, 1.0));
}
