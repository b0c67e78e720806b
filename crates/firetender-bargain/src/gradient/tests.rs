use super::{
    network::Network,
    rollout::{Batch, Plan},
    *,
};
use crate::{markov::Model, plan::evaluate, tabular::Reward};

fn small() -> PgOptions {
    PgOptions {
        boards: 6,
        steps: 5,
        hidden: 5,
        ..PgOptions::default()
    }
}

/// The gradient and the directional derivative, against differences.
#[test]
fn derivatives_are_differences() {
    let device = Device::flex();
    let game = CoinGame::named("cg").unwrap();
    let inputs = view(&game, 0, false, &device).rows.narrow(0, 0, 40);
    let net = Network::draw(&[36, 7, 5, 4], 3, &device);
    let other = Network::draw(&[36, 7, 5, 4], 9, &device);
    let weights: Vec<f32> = (0..160)
        .map(|i| (Dice::at(1, i, 0).unit() - 0.5) as f32)
        .collect();
    let upload = Tensor::<2>::from_data(TensorData::new(weights.clone(), [40, 4]), &device);
    let pass = net.pass(&inputs);
    let gradient = net.gradient(&inputs, &pass, &upload).flat().unwrap();
    let value = |net: &Network| -> f64 {
        let table = net.pass(&inputs).log_probs().unwrap();
        table
            .iter()
            .zip(&weights)
            .map(|(l, w)| f64::from(*l) * f64::from(*w))
            .sum()
    };
    for index in (0..gradient.len()).step_by(7) {
        let slope = (value(&net.moved(index, 1e-3)) - value(&net.moved(index, -1e-3))) / 2e-3;
        assert!(
            (slope - f64::from(gradient[index])).abs() < 6e-3,
            "{index}: {slope} {}",
            gradient[index]
        );
    }
    let along = net.tangent(&inputs, &pass, &other).unwrap();
    let table = |eps: f64| {
        net.plus(&other.scaled(eps))
            .pass(&inputs)
            .log_probs()
            .unwrap()
    };
    let (up, down) = (table(1e-3), table(-1e-3));
    for i in 0..160 {
        let slope = f64::from(up[i] - down[i]) / 2e-3;
        assert!(
            (slope - f64::from(along[i])).abs() < 2e-3,
            "{i}: {slope} {}",
            along[i]
        );
    }
}

/// The correction is the gradient of its surrogate.
#[test]
fn the_correction_is_a_gradient() {
    let device = Device::flex();
    let game = CoinGame::named("cg").unwrap();
    let views = [0, 1].map(|seat| view(&game, seat, false, &device));
    let inputs = &views[0].rows;
    let nets = [1, 2].map(|seed| Network::draw(&[36, 5, 4], seed, &device));
    let passes = [nets[0].pass(inputs), nets[1].pass(inputs)];
    let tables = [
        passes[0].log_probs().unwrap(),
        passes[1].log_probs().unwrap(),
    ];
    let plan = Plan {
        boards: 200,
        steps: 5,
        gamma: 0.9,
        reward: Reward::Own,
        seed: 0,
        number: 0,
    };
    let batch = Batch::play(
        &game,
        [&views[0].of, &views[1].of],
        [&probabilities(&tables[0]), &probabilities(&tables[1])],
        &plan,
    );
    let upload = |w: Vec<f32>| views[0].upload(w);
    for i in 0..2 {
        let j = 1 - i;
        let direction = nets[j].gradient(
            inputs,
            &passes[j],
            &upload(batch.returns(i, j, &tables[j], 0.0, false)),
        );
        let along = nets[j].tangent(inputs, &passes[j], &direction).unwrap();
        let weights = batch.correction(i, &along, tables[i].len());
        let found = nets[i]
            .gradient(inputs, &passes[i], &upload(weights))
            .flat()
            .unwrap();
        let value =
            |net: &Network| batch.surrogate(i, &along, &net.pass(inputs).log_probs().unwrap());
        let size = found.iter().fold(0.0_f64, |m, x| m.max(f64::from(x.abs())));
        assert!(size > 0.0);
        for index in (0..found.len()).step_by(11) {
            let slope =
                (value(&nets[i].moved(index, 5e-3)) - value(&nets[i].moved(index, -5e-3))) / 1e-2;
            assert!(
                (slope - f64::from(found[index])).abs() < 0.02 * size,
                "{index}: {slope} {}",
                found[index]
            );
        }
    }
}

#[test]
fn players_learn_to_pick_their_coins_together() {
    let device = Device::flex();
    let game = CoinGame::named("cg").unwrap();
    let options = PgOptions {
        boards: 256,
        steps: 20,
        updates: 150,
        correction: 0.0,
        rate: 0.5,
        reward: Reward::Sum,
        ..PgOptions::default()
    };
    let trained = train_networks(&game, &options, &device, &mut |_, _| true).unwrap();
    let model = Model::of(&game).unwrap();
    let [one, two] = &trained.policies;
    let payoffs = evaluate(&model, [one, two], 100).unwrap();
    println!("{payoffs:?}");
    let begin = trained.curve[0];
    assert!(
        payoffs[0] + payoffs[1] > begin[0] + begin[1] + 0.15,
        "{payoffs:?} {begin:?}"
    );
    let again = train_networks(
        &game,
        &PgOptions {
            updates: 3,
            ..options
        },
        &device,
        &mut |_, _| true,
    )
    .unwrap();
    let single = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let alone = single
        .install(|| {
            train_networks(
                &game,
                &PgOptions {
                    updates: 3,
                    ..options
                },
                &device,
                &mut |_, _| true,
            )
        })
        .unwrap();
    assert_eq!(again.curve, alone.curve);
    let mut stopped = 0;
    train_networks(&game, &options, &device, &mut |_, _| {
        stopped += 1;
        false
    })
    .unwrap();
    assert_eq!(stopped, 1);
}

#[test]
fn impossible_numbers_are_refused() {
    let device = Device::flex();
    let game = CoinGame::named("cg").unwrap();
    let with = |change: fn(&mut PgOptions)| {
        let mut options = PgOptions {
            updates: 0,
            ..small()
        };
        change(&mut options);
        train_networks(&game, &options, &device, &mut |_, _| true)
    };
    assert!(with(|o| o.boards = 0).is_err());
    assert!(with(|o| o.gamma = 1.5).is_err());
    assert!(with(|o| o.rate = f64::NAN).is_err());
    assert!(with(|_| ()).is_ok());
    let large = CoinGame::named("threat-cg").unwrap();
    assert!(train_networks(&large, &small(), &device, &mut |_, _| true).is_err());
}
