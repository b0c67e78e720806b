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
