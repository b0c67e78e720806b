use std::sync::Arc;

use super::*;
use crate::{
    Draws, Score, Welfare,
    coin::CoinGame,
    games,
    markov::Model,
    plan::{Policy, Punishment},
};

fn table(name: &str) -> Model {
    Model::of(&games::named(name).unwrap()).unwrap()
}

/// `[utilitarian, egalitarian]`.
fn norms(model: &Model, floor: [f64; 2]) -> [Arc<Norm>; 2] {
    let mut all = planned_norms(model, Punishment::Minimax, floor, 200, &[0]).unwrap();
    all.swap_remove(0).map(Arc::new)
}

fn amtft(norm: &Arc<Norm>, options: AmTftOptions) -> Player {
    Player::Norms(NormPlayer::amtft(Arc::clone(norm), options).unwrap())
}

fn adaptive(norms: &[&Arc<Norm>], mode: Mode) -> Player {
    let norms = norms.iter().map(|n| Arc::clone(n)).collect();
    Player::Norms(NormPlayer::new(norms, mode, AmTftOptions::default()).unwrap())
}

fn pay(model: &Model, one: &Player, two: &Player, steps: usize) -> [f64; 2] {
    play_exact(model, [one, two], steps).unwrap().payoffs()
}

fn bos_score() -> Score {
    Score::new(
        &[Welfare::Utilitarian, Welfare::Egalitarian],
        &[5.0, 2.0],
        [0.0; 2],
        "theory",
    )
    .unwrap()
}

fn score(model: &Model, one: &Player, two: &Player) -> f64 {
    play_exact(model, [one, two], 20)
        .unwrap()
        .mean(|u| bos_score().of(u).0)
}

/// Claim C3: amTFT in asymmetric Bach or Stravinsky agrees with its own norm only, since clashing earns nobody anything and nothing is owed.
#[test]
fn amtft_clashes_between_norms_without_punishing() {
    let model = table("asym-bos");
    let [u, e] = norms(&model, [0.0; 2]);
    for options in [AmTftOptions::default(), AmTftOptions::released(10.0, 3.0)] {
        let player = |norm| amtft(norm, options);
        assert_eq!(pay(&model, &player(&u), &player(&u), 20), [4.0, 1.0]);
        assert_eq!(pay(&model, &player(&e), &player(&e), 20), [2.0, 2.0]);
        assert_eq!(pay(&model, &player(&u), &player(&e), 20), [0.0, 0.0]);
        assert!(score(&model, &player(&u), &player(&u)) >= 0.99);
        assert!(score(&model, &player(&u), &player(&e)) <= 0.05);
    }
}

/// Claim C1, its amTFT part in the dilemma.
#[test]
fn amtft_in_the_dilemma_agrees_with_anybody() {
    let model = table("ipd");
    let [u, e] = norms(&model, [-2.0; 2]);
    let player = |norm| amtft(norm, AmTftOptions::default());
    for (one, two) in [(&u, &u), (&e, &e), (&u, &e), (&e, &u)] {
        assert_eq!(pay(&model, &player(one), &player(two), 20), [-1.0, -1.0]);
    }
}

/// Claim C1, its amTFT part in the coin game, with replicates that differ in how they break ties.
#[test]
fn amtft_in_the_coin_game_agrees_with_anybody() {
    let model = Model::of(&CoinGame::named("cg").unwrap()).unwrap();
    let seeds: Vec<u64> = (0..6).collect();
    let all = planned_norms(&model, Punishment::Minimax, [0.0; 2], 500, &seeds).unwrap();
    let options = AmTftOptions {
        debit_steps: 1,
        threshold: 3.0,
        multiplier: 6.0,
        ..AmTftOptions::default()
    };
    let players: Vec<Player> = all
        .into_iter()
        .map(|[u, _]| amtft(&Arc::new(u), options))
        .collect();
    let rounds = Rounds {
        steps: 100,
        episodes: 20,
        seed: 5,
        exact: false,
        remember: false,
    };
    let found = pair_all(&model, [&players, &players], &rounds).unwrap();
    let score = Score::new(
        &[Welfare::Utilitarian, Welfare::Egalitarian],
        &[0.7, 0.35],
        [0.0; 2],
        "planner",
    )
    .unwrap();
    let (scores, table) = (found.scores(&score), found.table().unwrap());
    let own = table.self_play(&scores, &Draws::default()).unwrap().mean;
    let cross = table
        .cross(&scores, &Draws::default(), |_, _| true)
        .unwrap()
        .unwrap()
        .mean;
    println!("self {own}, cross {cross}");
    assert!(own > 0.9 && cross >= 0.9 * own, "{own} {cross}");
}

/// Consequence (ii) of the specification: with the released threshold and horizon, defectors get away.
#[test]
fn the_released_ledger_does_not_deter_in_twenty_rounds_and_ours_does() {
    let model = table("ipd");
    let [u, _] = norms(&model, [-2.0; 2]);
    let defect = Player::Fixed(Policy::pure(2, &[1; 5]));
    let released = amtft(&u, AmTftOptions::released(10.0, 3.0));
    assert_eq!(pay(&model, &defect, &released, 20), [-1.0, -2.5]);
    let ours = amtft(&u, AmTftOptions::default());
    let found = pay(&model, &defect, &ours, 20);
    assert!(found[0] < -1.5, "{found:?}");
    // The best answer to ours earns little more than cooperating: the end of the game is always free.
    let best = exploit(&model, &ours, 0, 20).unwrap();
    assert!(best[0] >= -1.0 && best[0] < -0.9, "{best:?}");
    let free = exploit(&model, &released, 0, 20).unwrap();
    assert!(free[0] > best[0], "{free:?} {best:?}");
}

/// Claim C4, and the closed form of random switching.
#[test]
fn adaptive_players_agree_with_everyone() {
    let model = table("asym-bos");
    let [u, e] = norms(&model, [0.0; 2]);
    for p in [0.5, 0.6, 0.7, 0.8, 0.9, 1.0] {
        let mode = Mode::random_switch(p);
        let one = adaptive(&[&u, &e], mode);
        let two = adaptive(&[&e, &u], mode);
        let fixed = |norm| amtft(norm, AmTftOptions::default());
        for (found, m) in [
            (
                score(&model, &one, &fixed(&e)),
                mismatch(Some(p), None, false),
            ),
            (
                score(&model, &fixed(&u), &two),
                mismatch(Some(p), None, false),
            ),
            (score(&model, &one, &two), mismatch(Some(p), Some(p), false)),
            (
                score(&model, &one, &adaptive(&[&u, &e], mode)),
                mismatch(Some(p), Some(p), true),
            ),
        ] {
            assert!(
                (found - expected_score(m, 20)).abs() < 1e-9,
                "{p}: {found} {m}"
            );
        }
        if p == 0.5 {
            for other in [fixed(&u), fixed(&e), two] {
                assert!(score(&model, &one, &other) >= 0.9);
            }
        }
    }
}

/// Claim C5: who insists agrees less, and until p ≈ 0.91 holding out pays against the adaptive.
#[test]
fn insisting_agrees_less_and_holding_out_pays() {
    let model = table("asym-bos");
    let [u, e] = norms(&model, [0.0; 2]);
    let mut last = 1.0;
    for (p, stubborn, adapting) in [(0.5, 3.80, 2.85), (0.9, 2.42, 2.33), (0.95, 1.56, 1.77)] {
        let mode = Mode::random_switch(p);
        let (one, two) = (adaptive(&[&u, &e], mode), adaptive(&[&e, &u], mode));
        let now = score(&model, &one, &two);
        assert!(now < last);
        last = now;
        let hold = pay(&model, &amtft(&u, AmTftOptions::default()), &two, 20)[0];
        let adapt = pay(&model, &one, &two, 20)[0];
        assert!(
            (hold - stubborn).abs() < 0.006 && (adapt - adapting).abs() < 0.006,
            "{p}: {hold} {adapt}"
        );
    }
}

#[test]
fn simulated_play_is_within_error_of_exact_play_and_ignores_threads() {
    let model = table("asym-bos");
    let [u, e] = norms(&model, [0.0; 2]);
    let mode = Mode::random_switch(0.7);
    let (one, two) = (adaptive(&[&u, &e], mode), adaptive(&[&e, &u], mode));
    let how = Simulation {
        steps: 20,
        episodes: 4000,
        seed: 1,
        pair: 0,
        remember: false,
    };
    let drawn = simulate(&model, [&one, &two], &how).unwrap();
    let exact = play_exact(&model, [&one, &two], 20).unwrap();
    for i in 0..2 {
        let mean = drawn.payoffs()[i];
        let variance = drawn.mean(|u| (u[i] - mean).powi(2));
        let error = (variance / 4000.0).sqrt();
        assert!(
            (mean - exact.payoffs()[i]).abs() < 4.0 * error,
            "{mean} {:?}",
            exact.payoffs()
        );
    }
    let single = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    assert_eq!(
        single
            .install(|| simulate(&model, [&one, &two], &how))
            .unwrap(),
        drawn
    );
    let other = simulate(&model, [&one, &two], &Simulation { pair: 1, ..how }).unwrap();
    assert_ne!(other, drawn);
}

#[test]
fn one_norm_in_either_mode_is_plain_amtft() {
    let model = table("ipd");
    let [u, _] = norms(&model, [-2.0; 2]);
    let bully = Player::Fixed(Policy::pure(2, &[1, 0, 1, 0, 1]));
    let plain = pay(&model, &amtft(&u, AmTftOptions::default()), &bully, 20);
    assert_eq!(
        pay(
            &model,
            &adaptive(&[&u], Mode::random_switch(0.5)),
            &bully,
            20
        ),
        plain
    );
    // The released wrapper never punishes.
    let compat = Mode::RandomSwitch {
        p: 0.5,
        trigger: Trigger::AnyDebit,
        keeps: true,
        singletons: true,
    };
    let released = pay(&model, &adaptive(&[&u], compat), &bully, 20);
    assert!(released[0] < plain[0], "{released:?} {plain:?}");
}

#[test]
fn preference_ordering_conforms_to_any_norm_it_knows() {
    // Two norms that punish each other's cooperation: in the three-action game the egalitarian player owes the utilitarian nothing, either.
    let model = table("asym-bos");
    let [u, e] = norms(&model, [0.0; 2]);
    let both = adaptive(&[&u, &e], Mode::PreferenceOrdering);
    // Published rule: a clash makes no debit in this game, so the favourite is never left.
    assert_eq!(
        pay(&model, &both, &amtft(&e, AmTftOptions::default()), 20),
        [0.0, 0.0]
    );
    assert_eq!(
        pay(&model, &both, &amtft(&u, AmTftOptions::default()), 20),
        [4.0, 1.0]
    );
}

#[test]
fn deterministic_cooperators_owe_nothing_and_lengths_are_minimal() {
    let model = Model::of(&CoinGame::named("cg").unwrap()).unwrap();
    let all = planned_norms(&model, Punishment::Minimax, [0.0; 2], 500, &[0]).unwrap();
    let norm = &all[0][0];
    for state in (0..model.states()).step_by(11) {
        for seat in 0..2 {
            let worth = norm.temptations(&model, seat, state, 20);
            let row = norm.cooperation(1 - seat).row(state);
            let action = row.iter().position(|p| *p == 1.0).unwrap();
            let options = AmTftOptions::default();
            assert_eq!(
                options.debits(&model, norm, seat, state, action, 50),
                [(0, 1.0)]
            );
            assert_eq!(worth.len(), 4);
            // The chosen length is the smallest that costs enough, by looking at all.
            let owed = 2.0;
            let ledger = player::Ledger {
                debit: (owed * 4_294_967_296.0) as i64,
                ..Default::default()
            };
            let booked = options.book(&model, norm, seat, &ledger, 0, state, 50);
            let enough = |k: usize| {
                norm.losses(&model, seat, state, k, 50)[k] >= options.multiplier * owed - 1e-6
            };
            match (1..=20).find(|k| enough(*k)) {
                Some(k) => assert_eq!(usize::from(booked.left), k),
                None => assert!(booked.left > 0),
            }
        }
    }
}

#[test]
fn wrong_players_are_refused() {
    let model = table("ipd");
    let [u, _] = norms(&model, [-2.0; 2]);
    assert!(NormPlayer::new(vec![], Mode::PreferenceOrdering, AmTftOptions::default()).is_err());
    assert!(
        NormPlayer::new(
            vec![Arc::clone(&u)],
            Mode::random_switch(1.5),
            AmTftOptions::default()
        )
        .is_err()
    );
    let bad = AmTftOptions {
        threshold: f64::NAN,
        ..AmTftOptions::default()
    };
    assert!(NormPlayer::amtft(Arc::clone(&u), bad).is_err());
    let player = amtft(&u, AmTftOptions::default());
    assert!(play_exact(&model, [&player, &player], 0).is_err());
    let other = Player::Fixed(Policy::pure(3, &[0; 10]));
    assert!(play_exact(&model, [&player, &other], 5).is_err());
    let rounds = Rounds {
        steps: 3,
        episodes: 1,
        seed: 0,
        exact: true,
        remember: false,
    };
    assert!(pair_all(&model, [std::slice::from_ref(&player), &[]], &rounds).is_err());
    assert!(exploit(&model, &player, 0, 0).is_err());
}

/// What punishment costs is the same by table and by following it forth.
#[test]
fn losses_by_table_and_by_following_agree() {
    for name in ["ipd", "asym-bos-and-pd"] {
        let model = table(name);
        let [_, norm] = norms(&model, [-2.0; 2]);
        for seat in 0..2 {
            for state in 0..model.states() {
                for steps in [1, 5, 20, 60] {
                    let most = 20.min(steps);
                    let tabled = norm.losses(&model, seat, state, most, steps);
                    let followed = norm.followed(&model, seat, state, most, steps);
                    assert_eq!(tabled.len(), most + 1);
                    for (a, b) in tabled.iter().zip(&followed) {
                        assert!((a - b).abs() < 1e-9, "{name} {state} {steps}: {a} {b}");
                    }
                }
            }
        }
    }
}
