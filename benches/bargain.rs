//! Bargaining: boards, matches, exact learners, cross-play, planners.
//!
//! `cargo bench -p firetender-benches --bench bargain`. `RAYON_NUM_THREADS=1` for one thread.
#![expect(clippy::unwrap_used, reason = "a bench reports by panicking")]

use std::sync::Arc;

use divan::{Bencher, counter::ItemsCount};
use firetender_bargain::{
    LolaOptions, Parameters, Repeated,
    agents::{AmTftOptions, NormPlayer, Player, Rounds, pair_all, planned_norms},
    coin::{CoinGame, CoinLanes},
    cross_play, games,
    markov::Model,
    plan::{Horizon, JointPlan, Punishment},
    population::{Matches, play_matches, strategies},
    train,
};

fn main() {
    divan::main();
}

#[divan::bench(args = [1, 1024, 65_536])]
fn coin_game(bencher: Bencher<'_, '_>, boards: usize) {
    let mut lanes = CoinLanes::new(CoinGame::named("cg").unwrap(), boards, 1);
    bencher
        .counter(ItemsCount::new(boards * 100))
        .bench_local(|| lanes.wander(100));
}

#[divan::bench]
fn memory_one_matches(bencher: Bencher<'_, '_>) {
    let (game, pool) = (games::named("ipd").unwrap(), strategies());
    let how = Matches {
        repetitions: 100,
        ..Matches::default()
    };
    let matches = pool.len() * (pool.len() + 1) / 2 * how.repetitions;
    bencher
        .counter(ItemsCount::new(matches))
        .bench(|| play_matches(&game, &pool, &how).unwrap());
}

fn repeated(name: &str) -> Repeated {
    let game = Repeated::new(games::named(name).unwrap(), 0.96).unwrap();
    game.with_parameters(Parameters::SigmoidNormalised).unwrap()
}

#[divan::bench(args = ["ipd", "bos-and-pd"])]
fn lola_pair_steps(bencher: Bencher<'_, '_>, name: &str) {
    let game = repeated(name);
    let options = LolaOptions {
        pairs: 64,
        steps: 20,
        ..LolaOptions::default()
    };
    bencher
        .counter(ItemsCount::new(64_usize * 20))
        .bench(|| train(&game, &options).unwrap());
}

#[divan::bench]
fn cross_play_of_200(bencher: Bencher<'_, '_>) {
    let game = repeated("asym-bos");
    let trained = train(
        &game,
        &LolaOptions {
            pairs: 200,
            steps: 5,
            ..LolaOptions::default()
        },
    )
    .unwrap();
    let policies = [0, 1].map(|player| {
        let all = trained.theta[player].iter();
        all.map(|theta| game.policy(player, theta).unwrap())
            .collect()
    });
    bencher.bench(|| cross_play(&game, &policies).unwrap());
}

#[divan::bench(args = ["cg", "abcg"])]
fn planning(bencher: Bencher<'_, '_>, name: &str) {
    let game = CoinGame::named(name).unwrap();
    bencher.bench(|| {
        let model = Model::of(&game).unwrap();
        JointPlan::best(&model, [1.0, 1.0], Horizon::Average).unwrap()
    });
}

#[divan::bench]
fn amtft_of_80(bencher: Bencher<'_, '_>) {
    bencher.bench(|| {
        let model = Model::of(&games::named("asym-bos").unwrap()).unwrap();
        let seeds: Vec<u64> = (0..40).collect();
        let norms = planned_norms(&model, Punishment::Minimax, [0.0; 2], 200, &seeds).unwrap();
        let player = |norm| {
            Player::Norms(NormPlayer::amtft(Arc::new(norm), AmTftOptions::default()).unwrap())
        };
        let players: Vec<Player> = norms.into_iter().flatten().map(player).collect();
        let rounds = Rounds {
            steps: 20,
            episodes: 1,
            seed: 0,
            exact: true,
            remember: false,
        };
        pair_all(&model, [&players, &players], &rounds).unwrap()
    });
}
