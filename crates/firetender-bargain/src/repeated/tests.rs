use approx::assert_relative_eq;
use proptest::prelude::*;

use super::*;
use crate::games::named;

const ONE: [f64; 5] = [0.5, -0.3, 0.2, -1.0, 0.1];
const TWO: [f64; 5] = [-0.4, 0.6, -0.2, 0.3, 0.7];

fn ipd() -> Repeated {
    Repeated::new(named("ipd").unwrap(), 0.96).unwrap()
}

fn near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert_relative_eq!(*a, *b, epsilon = 6e-11);
    }
}

/// The golden of the specification, section 9.1.
#[test]
fn values_gradients_and_corrections_of_the_specification() {
    let found = ipd().lola([&ONE, &TWO]).unwrap();
    near(
        &found.gradients.values,
        &[-35.737_113_035_8, -39.450_399_997_3],
    );
    near(
        &found.gradients.own[0],
        &[
            -1.464_265_696_3,
            -1.540_373_056_2,
            -1.861_639_858_7,
            -1.279_971_452_1,
            -0.279_093_366_6,
        ],
    );
    near(
        &found.gradients.own[1],
        &[
            -0.585_713_316_5,
            -0.520_770_734_8,
            -0.709_670_055_5,
            -0.548_463_327_2,
            -0.092_382_187_3,
        ],
    );
    near(
        &found.gradients.cross[0],
        &[
            2.009_706_740_9,
            1.921_679_472_4,
            2.500_155_416_7,
            2.150_460_095_6,
            0.328_451_327_9,
        ],
    );
    near(
        &found.gradients.cross[1],
        &[
            3.008_784_112_4,
            3.065_196_322_7,
            3.800_808_490_5,
            2.570_929_429_2,
            0.553_731_129_9,
        ],
    );
    near(
        &found.corrections[0],
        &[
            3.272_931_798_5,
            -1.948_956_423_4,
            2.205_069_289_8,
            -3.003_197_242_1,
            0.008_932_884_6,
        ],
    );
    near(
        &found.corrections[1],
        &[
            3.245_444_478_3,
            2.860_399_540_6,
            -3.890_192_917_1,
            -3.987_225_022_3,
            -0.036_765_834_3,
        ],
    );
}

#[test]
fn closed_forms() {
    let game = ipd();
    let policy = |p: [f64; 5]| game.two_action_policy(&p).unwrap();
    let tft = [
        policy([1.0, 0.0, 1.0, 0.0, 1.0]),
        policy([1.0, 1.0, 0.0, 0.0, 1.0]),
    ];
    let (alld, allc, random) = (policy([0.0; 5]), policy([1.0; 5]), policy([0.5; 5]));
    for (one, two, expected) in [
        (&tft[0], &tft[1], [-25.0, -25.0]),
        (&tft[0], &alld, [-51.0, -48.0]),
        (&alld, &alld, [-50.0, -50.0]),
        (&allc, &alld, [-75.0, 0.0]),
        (&random, &random, [-37.5, -37.5]),
    ] {
        near(&game.values([one, two]).unwrap(), &expected);
    }
    let bos = Repeated::new(named("asym-bos").unwrap(), 0.9).unwrap();
    let third = |p: f64| bos.two_action_policy(&[p; 5]).unwrap();
    let rate = |one, two| {
        bos.values([&third(one), &third(two)])
            .unwrap()
            .map(|v| 0.1 * v)
    };
    near(&rate(1.0, 1.0), &[4.0, 1.0]);
    near(&rate(1.0, 0.0), &[0.0, 0.0]);
    near(&rate(0.5, 0.5), &[1.5, 0.75]);
    near(&rate(2.0 / 3.0, 1.0 / 3.0), &[4.0 / 3.0, 2.0 / 3.0]);
    // The first round of tit for tat against defection costs one point more.
    near(
        &game.finite([&tft[0], &alld], 4).unwrap(),
        &[-9.0 / 4.0, -6.0 / 4.0],
    );
}

#[test]
fn wrong_policies_are_refused() {
    let game = ipd();
    assert!(
        game.lola([&ONE[..4], &TWO])
            .unwrap_err()
            .to_string()
            .contains("player 1: 4 parameters; expected 5")
    );
    assert!(
        game.lola([&ONE, &[f64::NAN; 5]])
            .unwrap_err()
            .to_string()
            .contains("player 2")
    );
    assert!(
        game.values([&[0.5; 10], &[0.6; 10]])
            .unwrap_err()
            .to_string()
            .contains("no distribution")
    );
    assert!(
        game.two_action_policy(&[1.1; 5]).is_err() && game.two_action_policy(&[1.0; 4]).is_err()
    );
    for gamma in [-0.1, 1.0, f64::NAN] {
        assert!(Repeated::new(named("ipd").unwrap(), gamma).is_err());
    }
    let three = Repeated::new(named("bos-and-pd").unwrap(), 0.9).unwrap();
    assert!(three.with_parameters(Parameters::SingleLogit).is_err());
    // Without a future only the first round counts.
    let once = Repeated::new(named("ipd").unwrap(), 0.0).unwrap();
    near(
        &once
            .values([&[1.0, 0.0].repeat(5), &[0.0, 1.0].repeat(5)])
            .unwrap(),
        &[-3.0, 0.0],
    );
}

/// A game of 2 × 2, 3 × 3 or 2 × 3, with any parameters that fit it.
fn games() -> impl Strategy<Value = (Repeated, Vec<f64>, Vec<f64>)> {
    let names = prop::sample::select(vec!["ipd", "asym-bos", "bos-and-pd", "threat"]);
    let kinds = prop::sample::select(vec![
        Parameters::SingleLogit,
        Parameters::Softmax,
        Parameters::SigmoidNormalised,
    ]);
    let states = prop::sample::select(vec![States::Shared, States::OwnFirst]);
    (names, kinds, states, 0.0..0.97f64).prop_flat_map(|(name, kind, states, gamma)| {
        let game = Repeated::new(named(name).unwrap(), gamma)
            .unwrap()
            .with_states(states);
        let game = game.clone().with_parameters(kind).unwrap_or(game);
        let theta = |n: usize| prop::collection::vec(-2.0..2.0f64, n);
        let thetas = (theta(game.count(0)), theta(game.count(1)));
        (Just(game), thetas.0, thetas.1)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn gradients_and_corrections_agree_with_central_differences((game, one, two) in games()) {
        const STEP: f64 = 1e-5;
        let found = game.lola([&one, &two]).unwrap();
        let scale = 1.0 + found.gradients.values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let nudged = |theta: &[f64], i: usize, by: f64| {
            let mut theta = theta.to_vec();
            theta[i] += by;
            theta
        };
        for i in 0..one.len() {
            let at = |by: f64| game.gradients([&nudged(&one, i, by), &two]).unwrap().values;
            let (high, low) = (at(STEP), at(-STEP));
            for (value, found) in [(0, &found.gradients.own[0]), (1, &found.gradients.cross[1])] {
                let expected = (high[value] - low[value]) / (2.0 * STEP);
                prop_assert!((found[i] - expected).abs() < 1e-6 * scale * game.condition(), "{} {expected}", found[i]);
            }
        }
        // The correction of player 1: the derivative of ∇₁V₂ along ∇₂V₁.
        let along = |by: f64| -> Vec<f64> { two.iter().zip(&found.gradients.cross[0]).map(|(t, v)| t + by * v).collect() };
        let size = found.gradients.cross[0].iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-9);
        let step = STEP / size;
        let high = game.gradients([&one, &along(step)]).unwrap().cross[1].clone();
        let low = game.gradients([&one, &along(-step)]).unwrap().cross[1].clone();
        for i in 0..one.len() {
            let expected = (high[i] - low[i]) / (2.0 * step);
            prop_assert!(
                (found.corrections[0][i] - expected).abs() < 1e-5 * scale * size.max(1.0) * game.condition(),
                "{} {expected}", found.corrections[0][i]
            );
        }
    }

    /// The anticipation of player 1: the derivative of ∇₁V₁ along ∇₂V₂. And SOS's step is made of its parts by its two criteria.
    #[test]
    fn anticipations_agree_with_central_differences_and_steps_with_their_formula((game, one, two) in games(), eta in 0.0..2.0f64) {
        const STEP: f64 = 1e-5;
        let found = game.step([&one, &two], Learner::sos(), eta).unwrap();
        let g = &found.gradients;
        let scale = 1.0 + g.values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let size = g.own[1].iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-9);
        let step = STEP / size;
        let along = |by: f64| -> Vec<f64> { two.iter().zip(&g.own[1]).map(|(t, v)| t + by * v).collect() };
        let high = game.gradients([&one, &along(step)]).unwrap().own[0].clone();
        let low = game.gradients([&one, &along(-step)]).unwrap().own[0].clone();
        for i in 0..one.len() {
            let expected = (high[i] - low[i]) / (2.0 * step);
            prop_assert!(
                (found.anticipations[0][i] - expected).abs() < 1e-5 * scale * size.max(1.0) * game.condition(),
                "{} {expected}", found.anticipations[0][i]
            );
        }
        prop_assert_eq!(&found.corrections, &game.lola([&one, &two]).unwrap().corrections);
        // In terms of losses, as the paper writes it.
        let flat = |both: &[Vec<f64>; 2], by: f64| -> Vec<f64> { both.iter().flatten().map(|x| by * x).collect() };
        let xi = flat(&g.own, -1.0);
        let xi_0: Vec<f64> = xi.iter().zip(flat(&found.anticipations, eta)).map(|(x, h)| x - h).collect();
        let chi = flat(&found.corrections, -eta);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let d = dot(&chi, &xi_0);
        let p1 = if d > 0.0 { 1.0 } else { (-0.5 * dot(&xi_0, &xi_0) / d).min(1.0) };
        let p2 = if dot(&xi, &xi).sqrt() < 0.1 { dot(&xi, &xi) } else { 1.0 };
        let p = if d == 0.0 { p2 } else { p1.min(p2) };
        prop_assert!((found.share - p).abs() < 1e-9, "{} {p}", found.share);
        let expected: Vec<f64> = xi_0.iter().zip(&chi).map(|(x, c)| -(x + p * c)).collect();
        for (a, b) in found.steps.iter().flatten().zip(&expected) {
            prop_assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{a} {b}");
        }
    }

    #[test]
    fn swapping_the_players_swaps_everything((game, one, two) in games()) {
        // The other seat reads the states the other way round.
        let mirrored = Repeated::new(game.game.swapped(), game.gamma).unwrap().with_states(game.states);
        let mirrored = mirrored.clone().with_parameters(game.parameters).unwrap_or(mirrored);
        let [n1, n2] = game.game.actions();
        let turn = |theta: &[f64], columns: usize, from: [usize; 2]| -> Vec<f64> {
            // Row of the state (a, b) is now that of (b, a).
            let states = from[0] * from[1];
            (0..=states)
                .map(|s| if s == states { s } else { (s % from[0]) * from[1] + s / from[0] })
                .flat_map(|s| theta[s * columns..][..columns].to_vec())
                .collect()
        };
        prop_assume!(game.states == States::Shared);
        let columns = |i: usize| game.parameters.columns(game.game.actions()[i]);
        let new_one = turn(&two, columns(1), [n1, n2]);
        let new_two = turn(&one, columns(0), [n1, n2]);
        let a = game.lola([&one, &two]).unwrap();
        let b = mirrored.lola([&new_one, &new_two]).unwrap();
        for player in 0..2 {
            prop_assert!((a.gradients.values[player] - b.gradients.values[1 - player]).abs() < 1e-9 * game.condition());
        }
        let back = turn(&a.corrections[1], columns(1), [n1, n2]);
        for (x, y) in back.iter().zip(&b.corrections[0]) {
            prop_assert!((x - y).abs() < 1e-6 * (1.0 + x.abs()) * game.condition(), "{x} {y}");
        }
    }

    #[test]
    fn values_are_feasible_and_long_games_approach_them((game, one, two) in games()) {
        let policies = [game.policy(0, &one).unwrap(), game.policy(1, &two).unwrap()];
        let values = game.values([&policies[0], &policies[1]]).unwrap();
        let hull = crate::bargaining::Hull::from(game.game());
        let rate = values.map(|v| (1.0 - game.gamma()) * v);
        prop_assert!(hull.contains(rate), "{rate:?}");
        let gradients = game.gradients([&one, &two]).unwrap();
        for player in 0..2 {
            prop_assert!((gradients.values[player] - values[player]).abs() < 1e-10 * game.condition());
        }
    }
}

/// By torch's automatic differentiation (`tests/golden/make/bargain.py`).
#[test]
fn values_gradients_and_corrections_are_those_of_automatic_differentiation() {
    #[derive(serde::Deserialize)]
    struct Case {
        game: String,
        parameters: Parameters,
        gamma: f64,
        theta: [Vec<f64>; 2],
        values: [f64; 2],
        own: [Vec<f64>; 2],
        cross: [Vec<f64>; 2],
        corrections: [Vec<f64>; 2],
        anticipations: [Vec<f64>; 2],
        sos_share: f64,
        sos_steps: [Vec<f64>; 2],
    }
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../tests/golden/bargain/lola.json")).unwrap();
    assert!(cases.len() >= 8);
    for case in cases {
        let game = Repeated::new(named(&case.game).unwrap(), case.gamma)
            .unwrap()
            .with_parameters(case.parameters)
            .unwrap();
        let theta: [&[f64]; 2] = [&case.theta[0], &case.theta[1]];
        let found = game.lola(theta).unwrap();
        let sos = game.step(theta, Learner::sos(), 1.0).unwrap();
        assert!((sos.share - case.sos_share).abs() < 1e-9, "{}", case.game);
        for player in 0..2 {
            let value = found.gradients.values[player];
            assert!(
                (value - case.values[player]).abs() < 1e-10 * (1.0 + value.abs()),
                "{}",
                case.game
            );
            for (a, b) in [
                (&found.gradients.own[player], &case.own[player]),
                (&found.gradients.cross[player], &case.cross[player]),
                (&found.corrections[player], &case.corrections[player]),
                (&sos.anticipations[player], &case.anticipations[player]),
                (&sos.steps[player], &case.sos_steps[player]),
            ] {
                assert_eq!(a.len(), b.len());
                for (a, b) in a.iter().zip(b) {
                    assert!(
                        (a - b).abs() < 1e-9 * (1.0 + b.abs()),
                        "{}: {a} {b}",
                        case.game
                    );
                }
            }
        }
    }
}
