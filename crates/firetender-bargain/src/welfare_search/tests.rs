use super::*;
use crate::{Parameters, games::named};

/// The paper's, in which a crash costs 100.
fn chicken() -> Repeated {
    let rows = [[[0.0, 0.0], [-1.0, 1.0]], [[1.0, -1.0], [-100.0, -100.0]]];
    Repeated::new(MatrixGame::new("chicken", &rows).unwrap(), 0.0).unwrap()
}

/// What a player climbs, by its definition: the other steps, and then welfare is read.
fn climbed(game: &Repeated, theta: [&[f64]; 2], player: usize, aim: Aim, ahead: f64) -> f64 {
    let rate = 1.0 - game.gamma();
    let found = game.gradients(theta).unwrap();
    let other = 1 - player;
    let moved: Vec<f64> = theta[other]
        .iter()
        .zip(&found.own[other])
        .map(|(t, g)| t + ahead * rate * g)
        .collect();
    let mut there = theta;
    there[other] = &moved;
    let values = game.gradients(there).unwrap().values.map(|v| rate * v);
    aim.value([values[player], values[other]])
}

#[test]
fn steps_are_differences_of_what_is_climbed() {
    for (name, gamma, parameters) in [
        ("chicken", 0.0, Parameters::SingleLogit),
        ("ipd", 0.9, Parameters::SigmoidNormalised),
        ("bos-and-pd", 0.5, Parameters::Softmax),
        ("threat", 0.9, Parameters::Softmax),
    ] {
        let game = Repeated::new(named(name).unwrap(), gamma)
            .unwrap()
            .with_parameters(parameters)
            .unwrap();
        let theta = [0, 1].map(|player| {
            let draw = |i: usize| ((i * 7 + 3 * player) as f64 * 0.37).sin();
            (0..game.count(player)).map(draw).collect::<Vec<f64>>()
        });
        for aim in Aim::ALL {
            let ahead = 1.5;
            let both: [&[f64]; 2] = [&theta[0], &theta[1]];
            let found = aim_steps(&game, both, [Some(aim); 2], ahead).unwrap();
            for player in 0..2 {
                for i in (0..theta[player].len()).step_by(3) {
                    let at = |by: f64| {
                        let mut moved = theta.clone();
                        moved[player][i] += by;
                        climbed(&game, [&moved[0], &moved[1]], player, aim, ahead)
                    };
                    let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                    assert!(
                        (slope - found[player][i]).abs() < 1e-6 * (1.0 + slope.abs()),
                        "{name} {aim:?} {player} {i}: {slope} {}",
                        found[player][i]
                    );
                }
            }
            // A naive player's step is its gradient, whoever it meets.
            let mixed = aim_steps(&game, both, [None, Some(aim)], ahead).unwrap();
            let plain = game.gradients(both).unwrap();
            for (step, own) in mixed[0].iter().zip(&plain.own[0]) {
                assert!((step - (1.0 - gamma) * own).abs() < 1e-12);
            }
            assert_eq!(mixed[1], found[1]);
        }
    }
}

/// The paper's argument: two leaders crash, two who mind the smaller payoff swerve, and a leader gets its way with who follows.
#[test]
fn leaders_crash_and_welfare_does_not() {
    let options = SearchOptions {
        pairs: 64,
        ..Default::default()
    };
    let table = aim_game(&chicken(), &options, true).unwrap();
    let at = |a: usize, b: usize| table.payoffs(a, b);
    // Where a crash costs 10 only, each yields in time: found by an independent simulation, too.
    let mild = Repeated::new(named("chicken").unwrap(), 0.0).unwrap();
    let mild = aim_game(&mild, &options, false).unwrap();
    assert!(mild.payoffs(0, 0)[0] > -1.0, "{mild:?}");
    println!("{table:?}");
    assert!(at(0, 0)[0] < -90.0, "greedy with greedy {:?}", at(0, 0));
    assert!(at(1, 1)[0] > -0.2, "egalitarian {:?}", at(1, 1));
    assert!(at(0, 3)[0] > 0.9, "greedy leads naive {:?}", at(0, 3));
    assert!(at(3, 0)[1] > 0.9, "from either seat {:?}", at(3, 0));
}

#[test]
fn searching_agrees_with_its_like_and_leads_who_follows() {
    let options = SearchOptions {
        pairs: 200,
        ..Default::default()
    };
    let with_itself = search(&chicken(), &options, Opponent::Same).unwrap();
    let with_naive = search(&chicken(), &options, Opponent::Naive).unwrap();
    println!("{with_itself:?}\n{with_naive:?}");
    let greedy = |e: &Episode| e.chosen[0][0];
    assert!(with_itself[2].end[0] > -1.0, "{:?}", with_itself[2]);
    assert!(with_itself[2].end[0] > with_itself[0].end[0] + 1.0);
    assert!(greedy(&with_itself[2]) < 20, "{:?}", with_itself[2]);
    assert!(with_naive[2].end[0] > 0.8, "{:?}", with_naive[2]);
    assert!(greedy(&with_naive[2]) > 150, "{:?}", with_naive[2]);
    assert!(with_naive[2].chosen[1].is_empty());
    for episode in &with_itself {
        assert!(
            episode
                .chosen
                .iter()
                .all(|c| c.iter().sum::<usize>() == 200)
        );
    }
    let single = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let short = SearchOptions {
        steps: 20,
        pairs: 11,
        ..Default::default()
    };
    let again = single.install(|| search(&chicken(), &short, Opponent::Same));
    assert_eq!(
        again.unwrap(),
        search(&chicken(), &short, Opponent::Same).unwrap()
    );
}

#[test]
fn impossible_searches_are_refused() {
    let with = |change: fn(&mut SearchOptions)| {
        let mut options = SearchOptions {
            pairs: 2,
            steps: 2,
            ..Default::default()
        };
        change(&mut options);
        search(&chicken(), &options, Opponent::Same)
    };
    assert!(with(|_| ()).is_ok());
    assert!(with(|o| o.aims.clear()).is_err());
    assert!(with(|o| o.aims = vec![Aim::Greedy; 2]).is_err());
    assert!(with(|o| o.pairs = 0).is_err());
    assert!(with(|o| o.episodes = 0).is_err());
    assert!(with(|o| o.steps = 1 << 30).is_err());
    assert!(with(|o| o.rate = f64::NAN).is_err());
    assert!(with(|o| o.ahead = -1.0).is_err());
    assert!(with(|o| o.steps = 0).is_ok());
    assert!(Aim::named("nice").is_err());
    let theta: [&[f64]; 2] = [&[0.0; 5], &[0.0; 4]];
    assert!(aim_steps(&chicken(), theta, [None; 2], 1.0).is_err());
}

/// The same steps by automatic differentiation through the other's step (`tests/golden/make/bargain.py`).
#[test]
fn steps_are_those_of_automatic_differentiation() {
    #[derive(Deserialize)]
    struct Case {
        game: String,
        parameters: Parameters,
        gamma: f64,
        aims: [Option<Aim>; 2],
        ahead: f64,
        theta: [Vec<f64>; 2],
        steps: [Vec<f64>; 2],
    }
    let cases: Vec<Case> = serde_json::from_str(include_str!(
        "../../../../tests/golden/bargain/welfare.json"
    ))
    .unwrap();
    assert_eq!(cases.len(), 30);
    for case in cases {
        let game = Repeated::new(named(&case.game).unwrap(), case.gamma)
            .unwrap()
            .with_parameters(case.parameters)
            .unwrap();
        let theta: [&[f64]; 2] = [&case.theta[0], &case.theta[1]];
        let found = aim_steps(&game, theta, case.aims, case.ahead).unwrap();
        for (found, expected) in found.iter().flatten().zip(case.steps.iter().flatten()) {
            assert!(
                (found - expected).abs() < 1e-9 * (1.0 + expected.abs()),
                "{} {:?}: {found} {expected}",
                case.game,
                case.aims
            );
        }
    }
}
