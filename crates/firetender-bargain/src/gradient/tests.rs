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
    assert!(with(|o| o.clip = [f64::NAN, 1.0]).is_err());
    assert!(with(|o| o.clip = [1.0, f64::NAN]).is_err());
    assert!(with(|o| (o.layers, o.hidden) = (1 << 20, 1 << 20)).is_err());
    assert!(with(|_| ()).is_ok());
    let refused = |algorithm: Algorithm| Trainer::new(&game, &algorithm, &device).is_err();
    assert!(refused(Algorithm::Ppo(PpoOptions {
        lambda: 1.5,
        ..PpoOptions::default()
    })));
    assert!(refused(Algorithm::Ppo(PpoOptions {
        epochs: 0,
        ..PpoOptions::default()
    })));
    assert!(refused(Algorithm::Dqn(DqnOptions {
        gamma: 1.0,
        ..DqnOptions::default()
    })));
    assert!(refused(Algorithm::Dqn(DqnOptions {
        temperatures: [0.5, 0.0],
        ..DqnOptions::default()
    })));
    let large = CoinGame::named("threat-cg").unwrap();
    assert!(train_networks(&large, &small(), &device, &mut |_, _| true).is_err());
}

fn algorithms() -> [Algorithm; 3] {
    [
        Algorithm::Pg(PgOptions {
            updates: 6,
            layers: 2,
            centred: true,
            baseline: true,
            ..small()
        }),
        Algorithm::Ppo(PpoOptions {
            boards: 4,
            steps: 9,
            updates: 6,
            epochs: 2,
            hidden: 6,
            ..PpoOptions::default()
        }),
        Algorithm::Dqn(DqnOptions {
            boards: 2,
            steps: 9,
            updates: 6,
            fits: 5,
            batch: 16,
            memory: 40,
            refresh: 3,
            hidden: 6,
            ..DqnOptions::default()
        }),
    ]
}

/// A training that was stopped, written down, read and gone on with ends where one that was not does; and threads do not show.
#[test]
fn trainings_go_on_to_the_same_result() {
    let device = Device::flex();
    for name in ["cg", "chicken-cg"] {
        let game = CoinGame::named(name).unwrap();
        for algorithm in algorithms() {
            let mut whole = Trainer::new(&game, &algorithm, &device).unwrap();
            while whole.step().unwrap().is_some() {}
            let mut half = Trainer::new(&game, &algorithm, &device).unwrap();
            for _ in 0..4 {
                half.step().unwrap();
            }
            let text = serde_json::to_string(&half.checkpoint().unwrap()).unwrap();
            let saved: Checkpoint = serde_json::from_str(&text).unwrap();
            assert_eq!((saved.updates(), saved.algorithm()), (4, &algorithm));
            let single = rayon::ThreadPoolBuilder::new()
                .num_threads(1)
                .build()
                .unwrap();
            let late = single.install(|| {
                let mut late = Trainer::resume(&saved, &device).unwrap();
                while late.step().unwrap().is_some() {}
                late
            });
            assert_eq!(late.checkpoint().unwrap(), whole.checkpoint().unwrap());
            assert_eq!(late.policies().unwrap(), whole.policies().unwrap());
            let other = Trainer::new(&game, &algorithm.with_seed(9), &device).unwrap();
            assert_ne!(
                other.checkpoint().unwrap(),
                Trainer::new(&game, &algorithm, &device)
                    .unwrap()
                    .checkpoint()
                    .unwrap()
            );
        }
    }
}

#[test]
fn checkpoints_that_do_not_fit_are_refused() {
    let device = Device::flex();
    let game = CoinGame::named("cg").unwrap();
    let mut trainer = Trainer::new(&game, &algorithms()[2], &device).unwrap();
    trainer.step().unwrap();
    let good = serde_json::to_value(trainer.checkpoint().unwrap()).unwrap();
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut changed = good.clone();
        change(&mut changed);
        let saved: Result<Checkpoint, _> = serde_json::from_value(changed);
        saved.map(|saved| Trainer::resume(&saved, &device).map(|_| ()))
    };
    assert!(with(&|_| ()).unwrap().is_ok());
    assert!(
        with(&|v| v["networks"][0] = serde_json::json!([1]))
            .unwrap()
            .is_err()
    );
    assert!(
        with(&|v| v["networks"] = serde_json::json!([]))
            .unwrap()
            .is_err()
    );
    assert!(
        with(&|v| v["replay"]["steps"][0][0] = serde_json::json!([9999, 0]))
            .unwrap()
            .is_err()
    );
    assert!(
        with(&|v| v["replay"]["steps"][0][2] = serde_json::json!([4, 0]))
            .unwrap()
            .is_err()
    );
    assert!(
        with(&|v| v["replay"]["next"] = serde_json::json!(99))
            .unwrap()
            .is_err()
    );
    assert!(with(&|v| v["more"] = serde_json::json!(1)).is_err());
}

/// Where the best is known, learners come near it: in CG both learn the rendezvous that pays 0.7 a step together.
#[test]
fn ppo_and_deep_q_learn_the_coin_game() {
    let device = Device::flex();
    let game = CoinGame::named("cg").unwrap();
    let model = Model::of(&game).unwrap();
    for algorithm in [
        Algorithm::Ppo(PpoOptions {
            updates: 60,
            boards: 32,
            reward: Reward::Sum,
            hidden: 32,
            ..PpoOptions::default()
        }),
        Algorithm::Dqn(DqnOptions {
            updates: 40,
            hidden: 32,
            ..DqnOptions::default()
        }),
    ] {
        let mut trainer = Trainer::new(&game, &algorithm, &device).unwrap();
        while trainer.step().unwrap().is_some() {}
        let [one, two] = trainer.policies().unwrap();
        let sum: f64 = evaluate(&model, [&one, &two], 100).unwrap().iter().sum();
        println!("{}: {sum}", algorithm.name());
        assert!(sum > 0.5, "{}: {sum}", algorithm.name());
    }
}

/// The advantages of PPO against their definition, and its gradient against differences of the clipped surrogate.
#[test]
fn the_clipped_surrogate_has_its_gradient() {
    let device = Device::flex();
    let game = CoinGame::named("cg").unwrap();
    let views = [0, 1].map(|seat| view(&game, seat, true, &device));
    assert_eq!(views[0].count(), 1458 / 9);
    let options = PpoOptions {
        boards: 5,
        steps: 7,
        ..PpoOptions::default()
    };
    let nets = [1, 2, 3].map(|seed| Network::draw(&[36, 6, 4], seed, &device));
    let logs = |net: &Network| net.pass(&views[0].rows).log_probs().unwrap();
    let tables = [logs(&nets[0]), logs(&nets[1])];
    let plan = Plan {
        boards: 5,
        steps: 7,
        gamma: 0.96,
        reward: Reward::Own,
        seed: 3,
        number: 0,
    };
    let batch = Batch::play(
        &game,
        [&views[0].of, &views[1].of],
        [&probabilities(&tables[0]), &probabilities(&tables[1])],
        &plan,
    );
    let values: Vec<f32> = (0..162).map(|i| (i as f32 * 0.37).sin()).collect();
    let value = |row: u32| f64::from(values[row as usize]);
    // Σ (γλ)ᵏ δ, step by step.
    let mut advantages = vec![];
    for (steps, end) in batch.episodes() {
        let rows: Vec<u32> = steps.iter().map(|s| s.rows[0]).chain([end[0]]).collect();
        let delta = |t: usize| steps[t].rewards[0] + 0.96 * value(rows[t + 1]) - value(rows[t]);
        for t in 0..7 {
            let sum: f64 = (t..7)
                .map(|k| (0.96 * 0.95_f64).powi((k - t) as i32) * delta(k))
                .sum();
            advantages.push(sum);
        }
    }
    let mean = advantages.iter().sum::<f64>() / 35.0;
    let deviation = (advantages.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / 35.0).sqrt();
    let surrogate = |net: &Network| -> f64 {
        let new = logs(net);
        let term = |(step, advantage): (&rollout::Step, &f64)| {
            let place = batch.place(step, 0);
            let ratio = f64::from(new[place] - tables[0][place]).exp();
            let a = (advantage - mean) / (deviation + 1e-8);
            (ratio * a).min(ratio.clamp(0.8, 1.2) * a)
        };
        batch.all.iter().zip(&advantages).map(term).sum::<f64>() / 35.0
    };
    // Somewhere else than where the batch was played, so that some moves are clipped.
    let now = nets[0].plus(&nets[2].scaled(3.0));
    let pass = now.pass(&views[0].rows);
    let evidence = options.evidence(&batch, 0, &values, tables[0].len());
    let quiet = PpoOptions {
        entropy: 0.0,
        ..options
    };
    let new = pass.log_probs().unwrap();
    let weights = quiet.weights(&batch, 0, &evidence, &tables[0], &new);
    let clipped = new
        .iter()
        .zip(&tables[0])
        .filter(|(a, b)| !(0.8..1.2).contains(&(*a - *b).exp()))
        .count();
    assert!(clipped > 20, "{clipped}");
    let found = now
        .gradient(&views[0].rows, &pass, &views[0].upload(weights))
        .flat()
        .unwrap();
    let size = found.iter().fold(0.0_f64, |m, x| m.max(f64::from(x.abs())));
    let near = |index: usize| {
        let slope =
            (surrogate(&now.moved(index, 2e-3)) - surrogate(&now.moved(index, -2e-3))) / 4e-3;
        (slope - f64::from(found[index])).abs() < 0.02 * size
    };
    // A difference that steps over the clip's edge or a rectifier's is no derivative.
    let good = (0..found.len()).step_by(5).filter(|i| near(*i)).count();
    let all = found.len().div_ceil(5);
    assert!(10 * good >= 9 * all, "{good} of {all}");
}

/// What LOLA-PG samples is LOLA: on average the correction is how the other's value changes when it has stepped, `∇ᵢ ∂ᵥ Vⱼ`, by exact values of a short game, and
/// the gradient is `∇ᵢVᵢ`; both twice, as in the released code's surrogates.
#[test]
fn samples_are_right_on_average() {
    let device = Device::flex();
    let game = CoinGame::named("cg").unwrap();
    let model = Model::of(&game).unwrap();
    let views = [0, 1].map(|seat| view(&game, seat, true, &device));
    let (steps, gamma) = (4, 0.9);
    let nets = [5, 6].map(|seed| Network::draw(&[36, 8, 4], seed, &device).scaled(2.0));
    let exact = |nets: [&Network; 2]| -> [f64; 2] {
        let both = [0, 1].map(|i| {
            let logs = nets[i].pass(&views[i].rows).log_probs().unwrap();
            policy(4, &views[i].of, &probabilities(&logs)).unwrap()
        });
        let mut values = vec![[0.0; 2]; model.states()];
        for _ in 0..steps {
            values = crate::plan::back(&model, [&both[0], &both[1]], values, gamma);
        }
        let first = model.first().iter();
        first.fold([0.0; 2], |sum, (s, p)| {
            [sum[0] + p * values[*s][0], sum[1] + p * values[*s][1]]
        })
    };
    let passes = [0, 1].map(|i| nets[i].pass(&views[i].rows));
    let tables = [0, 1].map(|i| passes[i].log_probs().unwrap());
    let play = |number: usize| {
        let plan = Plan {
            boards: 100_000,
            steps,
            gamma,
            reward: Reward::Own,
            seed: 3,
            number,
        };
        Batch::play(
            &game,
            [&views[0].of, &views[1].of],
            [&probabilities(&tables[0]), &probabilities(&tables[1])],
            &plan,
        )
    };
    // Directions come from the first half of the batches, what is compared along them from the other.
    let batches: Vec<Batch> = (0..24).map(play).collect();
    let (first, second) = batches.split_at(12);
    let norm = |net: &Network| {
        let squares = net.flat().unwrap().into_iter();
        squares.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt()
    };
    let unit = |of: &dyn Fn(&Batch) -> Network| {
        let sum = first.iter().map(of).reduce(|a, b| a.plus(&b)).unwrap();
        sum.scaled(1.0 / norm(&sum))
    };
    // Mean and standard error of what batches say along a direction.
    let along = |of: &dyn Fn(&Batch) -> Network, direction: &Network| -> [f64; 2] {
        let b = direction.flat().unwrap();
        let one = |batch: &Batch| -> f64 {
            let a = of(batch).flat().unwrap();
            let products = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y));
            products.sum::<f64>() / 2.0
        };
        let all: Vec<f64> = second.iter().map(one).collect();
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        [mean, (variance / n).sqrt()]
    };
    let agree = |[mean, error]: [f64; 2], exact: f64| {
        println!("{mean} ± {error} of {exact}");
        assert!(error < 0.1 * exact && (mean - exact).abs() < 4.0 * error);
    };
    for i in 0..2 {
        let j = 1 - i;
        let by = |batch: &Batch, i: usize, k: usize| {
            let weights = batch.returns(i, k, &tables[k], 0.0, true);
            nets[k].gradient(&views[k].rows, &passes[k], &views[k].upload(weights))
        };
        let at = |own: f64, along: &Network, other: f64, v: &Network| {
            let moved = [
                nets[i].plus(&along.scaled(own)),
                nets[j].plus(&v.scaled(other)),
            ];
            if i == 0 {
                exact([&moved[0], &moved[1]])
            } else {
                exact([&moved[1], &moved[0]])
            }
        };
        // The other is moved along what is good for this one.
        let v = unit(&|batch| by(batch, i, j));
        let tangent = nets[j].tangent(&views[j].rows, &passes[j], &v).unwrap();
        let corrected = |batch: &Batch| {
            let weights = batch.correction(i, &tangent, tables[i].len());
            nets[i].gradient(&views[i].rows, &passes[i], &views[i].upload(weights))
        };
        let towards = unit(&corrected);
        let h = 0.05;
        let mixed =
            (at(h, &towards, h, &v)[j] - at(-h, &towards, h, &v)[j] - at(h, &towards, -h, &v)[j]
                + at(-h, &towards, -h, &v)[j])
                / (4.0 * h * h);
        agree(along(&corrected, &towards), mixed);
        let own = |batch: &Batch| by(batch, i, i);
        let towards = unit(&own);
        let h = 0.005;
        let slope = (at(h, &towards, 0.0, &v)[i] - at(-h, &towards, 0.0, &v)[i]) / (2.0 * h);
        agree(along(&own, &towards), slope);
    }
}
