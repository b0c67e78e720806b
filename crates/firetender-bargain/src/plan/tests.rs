use super::*;
use crate::{
    MatrixGame,
    coin::{CoinGame, CoinRules},
    games,
    markov::Model,
};

fn model(name: &str) -> Model {
    match games::named(name) {
        Ok(game) => Model::of(&game).unwrap(),
        Err(_) => Model::of(&CoinGame::named(name).unwrap()).unwrap(),
    }
}

/// Derived in closed form: a pick takes 10/7 steps at best, and pays 1.
#[test]
fn the_coin_game_pays_seven_tenths_a_step() {
    for both_can_pick in [true, false] {
        let model = Model::of(&CoinGame::new(CoinRules::Cg { both_can_pick })).unwrap();
        let plan = JointPlan::best(&model, [1.0, 1.0], Horizon::Average).unwrap();
        assert!((plan.value() - 0.7).abs() < 1e-9, "{}", plan.value());
        let [one, two] = plan.policies(&model, 3);
        let payoffs = evaluate(&model, [&one, &two], 4000).unwrap();
        assert!((payoffs[0] + payoffs[1] - 0.7).abs() < 1e-3, "{payoffs:?}");
        assert!((payoffs[0] - payoffs[1]).abs() < 1e-2, "{payoffs:?}");
    }
}

#[test]
fn plans_of_payoff_tables_are_their_best_profiles() {
    for (name, best) in [
        ("ipd", -2.0),
        ("asym-bos", 5.0),
        ("bos", 5.0),
        ("stag-hunt", 6.0),
        ("asym-bos-and-pd", 5.0),
    ] {
        let model = model(name);
        let plan = JointPlan::best(&model, [1.0, 1.0], Horizon::Average).unwrap();
        assert!((plan.value() - best).abs() < 1e-9, "{name}");
        let discounted = JointPlan::best(&model, [1.0, 1.0], Horizon::Discounted(0.9)).unwrap();
        assert!((discounted.value() - 10.0 * best).abs() < 1e-8, "{name}");
    }
    let model = model("asym-bos");
    let plan = egalitarian_plan(&model, [0.0; 2], 20, 30).unwrap();
    let [one, two] = plan.policies(&model, 0);
    assert_eq!(evaluate(&model, [&one, &two], 20).unwrap(), [2.0, 2.0]);
}

/// A slow oracle: all joint policies of a small game with memory, by brute force.
#[test]
fn a_plan_is_the_best_of_all_policies() {
    #[derive(Debug)]
    struct Ring;
    impl crate::markov::MarkovGame for Ring {
        fn name(&self) -> String {
            "ring".into()
        }
        fn states(&self) -> usize {
            3
        }
        fn actions(&self) -> [usize; 2] {
            [2, 1]
        }
        fn first(&self) -> Vec<(usize, f64)> {
            vec![(0, 1.0)]
        }
        fn outcomes(&self, s: usize, [a, _]: [usize; 2], next: &mut Vec<(usize, f64)>) -> [f64; 2] {
            if a == 0 {
                next.push(((s + 1) % 3, 1.0));
                [[0.0, 1.0, 5.0][s], 0.0]
            } else {
                next.extend([(0, 0.25), (s, 0.75)]);
                [[0.9, 1.5, 1.0][s], 1.0]
            }
        }
    }
    let model = Model::of(&Ring).unwrap();
    let other = Policy::pure(1, &[0; 3]);
    for weights in [[1.0, 0.0], [1.0, 1.0], [0.2, 1.0], [-1.0, 0.0]] {
        let plan = JointPlan::best(&model, weights, Horizon::Average).unwrap();
        let best = (0..8_usize)
            .map(|code| {
                let policy = Policy::pure(2, &[code & 1, code >> 1 & 1, code >> 2 & 1]);
                let sums = |n: usize| {
                    evaluate(&model, [&policy, &other], n)
                        .unwrap()
                        .map(|x| x * n as f64)
                };
                let (a, b) = (sums(3000), sums(6000));
                (weights[0] * (b[0] - a[0]) + weights[1] * (b[1] - a[1])) / 3000.0
            })
            .fold(f64::MIN, f64::max);
        assert!(
            (plan.value() - best).abs() < 1e-6,
            "{weights:?}: {} {best}",
            plan.value()
        );
    }
}

#[test]
fn minimax_punishment_holds_the_other_to_its_minimax_value() {
    for name in games::names() {
        let game = games::named(name).unwrap();
        let model = Model::of(&game).unwrap();
        let value = crate::minimax::mixed(&game);
        let both = punish(&model, Punishment::Minimax, 0.9).unwrap();
        for victim in 0..2 {
            let answer = best_response(&model, &both[1 - victim], victim, 0.9).unwrap();
            assert!(
                (answer.payoffs[victim] - value[victim]).abs() < 1e-6,
                "{name}: {answer:?} {value:?}"
            );
        }
    }
}

#[test]
fn in_the_coin_game_punishment_hurts_more_than_selfishness() {
    let model = model("cg");
    let held = |how| {
        let both = punish(&model, how, 0.9).unwrap();
        best_response(&model, &both[0], 1, 0.9).unwrap().payoffs[1]
    };
    let (minimax, selfish, minus) = (
        held(Punishment::Minimax),
        held(Punishment::Selfish),
        held(Punishment::MinusOther),
    );
    assert!(
        minimax <= selfish + 1e-6 && minimax <= minus + 1e-6,
        "{minimax} {selfish} {minus}"
    );
    assert!(minimax < 0.0);
}

/// A slow oracle: values step by step backwards, without looking for where the chain settles; with policies that never do (they alternate), too.
#[test]
fn evaluation_is_that_of_going_backwards() {
    let coins = model("cg");
    let table = model("asym-bos-and-pd");
    let mixed = |model: &Model, seat: usize, seed: u64| {
        let n = model.actions()[seat];
        let rows = (0..model.states()).flat_map(|s| {
            let row: Vec<f64> = (0..n)
                .map(|a| Dice::at(seed, s as u64, a as u64).unit() + 0.01)
                .collect();
            let sum: f64 = row.iter().sum();
            row.into_iter().map(move |p| p / sum).collect::<Vec<_>>()
        });
        Policy::new(n, rows.collect()).unwrap()
    };
    let turn: Vec<usize> = (0..10).map(|s| [1, 2, 2, 2, 0, 2, 2, 2, 2, 0][s]).collect();
    let turns = [Policy::pure(3, &turn), Policy::pure(3, &turn)];
    for (model, pair) in [
        (&coins, [mixed(&coins, 0, 1), mixed(&coins, 1, 2)]),
        (&table, [mixed(&table, 0, 3), mixed(&table, 1, 4)]),
        (&table, turns),
    ] {
        for steps in [1, 2, 7, 501] {
            let mut values = vec![[0.0; 2]; model.states()];
            for _ in 0..steps {
                values = back(model, [&pair[0], &pair[1]], values, 1.0);
            }
            let found = evaluate(model, [&pair[0], &pair[1]], steps).unwrap();
            for i in 0..2 {
                let slow: f64 = model.first().iter().map(|(s, p)| p * values[*s][i]).sum();
                let slow = slow / steps as f64;
                assert!((found[i] - slow).abs() < 1e-11, "{steps}: {found:?} {slow}");
            }
        }
    }
}

#[test]
fn wrong_questions_are_refused() {
    let model = model("ipd");
    let defect = Policy::pure(2, &[1; 5]);
    let short = Policy::pure(2, &[1; 4]);
    assert!(evaluate(&model, [&defect, &short], 3).is_err());
    assert!(evaluate(&model, [&defect, &defect], 0).is_err());
    assert!(discounted(&model, [&defect, &defect], 1.0).is_err());
    assert!(punish(&model, Punishment::Minimax, 1.5).is_err());
    assert!(best_response(&model, &short, 0, 0.9).is_err());
    assert!(JointPlan::best(&model, [f64::NAN, 1.0], Horizon::Average).is_err());
    let values = discounted(&model, [&defect, &defect], 0.96).unwrap();
    assert!((values[0][0] + 50.0).abs() < 1e-9);
    // Near a discount of 1 values are large, and rounding ends the search for them.
    for gamma in [0.999, 0.99995] {
        let far = JointPlan::best(&model, [1.0, 1.0], Horizon::Discounted(gamma)).unwrap();
        assert!((far.value() * (1.0 - gamma) + 2.0).abs() < 1e-9, "{gamma}");
        let answer = best_response(&model, &defect, 0, gamma).unwrap();
        assert!((answer.payoffs[0] + 2.0).abs() < 1e-9, "{gamma}");
    }
    assert!(JointPlan::best(&model, [1.0, 1.0], Horizon::Discounted(1.0 - 1e-9)).is_err());
    assert!(best_response(&model, &defect, 2, 0.9).is_err());
    let one = MatrixGame::new("one", &[[[1.0, 2.0]]]).unwrap();
    let plan = JointPlan::best(&Model::of(&one).unwrap(), [1.0, 1.0], Horizon::Average).unwrap();
    assert!((plan.value() - 3.0).abs() < 1e-12);
}

/// By an independent program (`tests/golden/make/bargain.py`). The released departures leave the joint optimum where it is, and help blue alone.
#[test]
fn optima_of_coin_games_are_those_of_another_planner() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../../../tests/golden/bargain/plans.json")).unwrap();
    let compat = CoinRules::Abcg {
        punishment_helped: true,
        red_always_pays: true,
        red_first: true,
    };
    for (name, game) in [
        ("cg", CoinGame::named("cg").unwrap()),
        ("abcg", CoinGame::named("abcg").unwrap()),
        ("abcg-compat", CoinGame::new(compat)),
    ] {
        let model = Model::of(&game).unwrap();
        for (welfare, weights) in [
            ("util", [1.0, 1.0]),
            ("red", [1.0, 0.0]),
            ("blue", [0.0, 1.0]),
        ] {
            let plan = JointPlan::best(&model, weights, Horizon::Average).unwrap();
            let expected = golden[name][welfare].as_f64().unwrap();
            assert!(
                (plan.value() - expected).abs() < 1e-9,
                "{name} {welfare}: {} {expected}",
                plan.value()
            );
        }
    }
}

/// Found by feeding the command line extremes: sums beyond all numbers ended in a panic.
#[test]
fn payoffs_that_cannot_be_added_up_are_refused() {
    let rows = [[[1e308, 1e308], [-1e308, 0.0]], [[0.0, 0.0], [1e308, 1.0]]];
    let model = Model::of(&MatrixGame::new("huge", &rows).unwrap()).unwrap();
    for horizon in [Horizon::Average, Horizon::Discounted(0.96)] {
        let error = JointPlan::best(&model, [1.0, 1.0], horizon).unwrap_err();
        assert!(error.to_string().contains("too large"), "{error}");
    }
}
