//! Figures of the report.

use std::sync::Arc;

use firetender_bargain::{
    LolaOptions, Parameters, Repeated,
    agents::{
        AmTftOptions, Mode, NormPlayer, Player, expected_score, mismatch, planned_norms, play_exact,
    },
    bargaining::Hull,
    coin::CoinGame,
    cross_play, games,
    markov::Model,
    meta::{Announcements, Solver},
    plan::{Horizon, JointPlan, Punishment},
    train,
};
use firetender_report::{
    Axis, BarChart, Figure, HeatMap, LineChart, Points, Scatter, Section, Series,
};
use firetender_support::Failure;

use super::Row;

/// Cross-play scores with intervals, by row.
pub(super) fn scores(rows: &[Row]) -> Result<Figure, Failure> {
    let names: Vec<&str> = rows.iter().map(|r| r.name.as_str()).collect();
    let pick = |i: usize, f: fn(&firetender_bargain::Interval) -> f64| -> Vec<f64> {
        rows.iter()
            .map(|r| r.ours[i].as_ref().map_or(0.0, f))
            .collect()
    };
    let mut chart = BarChart::new("Scores", "score", &names);
    for (i, name) in ["self-play", "cross-play"].iter().enumerate() {
        chart = chart.series_with_interval(
            *name,
            &pick(i, |v| v.mean),
            &pick(i, |v| v.low),
            &pick(i, |v| v.high),
        );
    }
    Ok(chart.build()?.caption("99 % intervals over replicates."))
}

/// Where trained pairs and pairs who never met end in asymmetric Bach or Stravinsky, and who agrees with whom.
pub(super) fn payoffs(section: Section, pairs: usize, seed: u64) -> Result<Section, Failure> {
    let stage = games::named("asym-bos")?;
    let game =
        Repeated::new(stage.clone(), 0.96)?.with_parameters(Parameters::SigmoidNormalised)?;
    let trained = train(
        &game,
        &LolaOptions {
            pairs: pairs.min(60),
            seed,
            ..LolaOptions::default()
        },
    )?;
    let policies = |player: usize| {
        let all = trained.theta[player].iter();
        all.map(|theta| game.policy(player, theta))
            .collect::<Result<Vec<_>, _>>()
    };
    let table = cross_play(&game, &[policies(0)?, policies(1)?])?;
    let n = table.replicates();
    let split = |points: &[[f64; 2]]| -> (Vec<f64>, Vec<f64>) {
        points.iter().map(|p| (p[0], p[1])).unzip()
    };
    let mut corners = Hull::from(&stage).corners().to_vec();
    corners.extend(corners.first().copied());
    let own: Vec<[f64; 2]> = (0..n).map(|i| table.payoffs(i, i)).collect();
    let met: Vec<[f64; 2]> = (0..n)
        .flat_map(|i| {
            (0..n)
                .filter(move |j| *j != i && (i * 7 + j) % 5 == 0)
                .map(move |j| (i, j))
        })
        .map(|(i, j)| table.payoffs(i, j))
        .collect();
    let (hx, hy) = split(&corners);
    let (mx, my) = split(&met);
    let (ox, oy) = split(&own);
    let scatter = Scatter::new("LOLA-Exact, asymmetric Bach or Stravinsky", Axis::linear("player 1, a round"), Axis::linear("player 2, a round"))
        .points(Points::new("feasible", &hx, &hy).connected())
        .points(Points::new("cross-play (a fifth of the pairs)", &mx, &my))
        .points(Points::new("self-play", &ox, &oy))
        .build()?
        .caption("Pairs that were trained together end on the frontier; those who never met end anywhere below.");
    // Sorted by norm, most utilitarian first.
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| own[*b][0].total_cmp(&own[*a][0]));
    let names: Vec<String> = order.iter().map(|i| format!("{:.1}", own[*i][0])).collect();
    let cells: Vec<Vec<f64>> = order
        .iter()
        .map(|i| {
            order
                .iter()
                .map(|j| table.payoffs(*i, *j).iter().sum())
                .collect()
        })
        .collect();
    let flat: Vec<f64> = cells.concat();
    let heat = HeatMap::new("Who agrees with whom", &names, &names, &flat)
        .value_label("sum of payoffs a round")
        .build()?
        .caption(
            "Rows: player 1, columns: player 2, both sorted by what player 1 earned in training.",
        );
    Ok(section.figure(scatter).figure(heat))
}

/// Robustness against exploitability.
pub(super) fn trade_off() -> Result<Figure, Failure> {
    let model = Model::of(&games::named("asym-bos")?)?;
    let norms = planned_norms(&model, Punishment::Minimax, [0.0; 2], 200, &[0])?;
    let [u, e] = norms
        .into_iter()
        .next()
        .ok_or_else(|| Failure::from(std::fmt::Error))?
        .map(Arc::new);
    let stubborn = Player::Norms(NormPlayer::amtft(Arc::clone(&u), AmTftOptions::default())?);
    let (mut ps, mut robust, mut adapting, mut held) = (vec![], vec![], vec![], vec![]);
    for step in 0..=50 {
        let p = 0.5 + f64::from(step) * 0.01;
        let player = |norms: Vec<_>| -> Result<Player, Failure> {
            Ok(Player::Norms(NormPlayer::new(
                norms,
                Mode::random_switch(p),
                AmTftOptions::default(),
            )?))
        };
        let one = player(vec![Arc::clone(&u), Arc::clone(&e)])?;
        let two = player(vec![Arc::clone(&e), Arc::clone(&u)])?;
        ps.push(p);
        robust.push(expected_score(mismatch(Some(p), Some(p), false), 20));
        adapting.push(play_exact(&model, [&one, &two], 20)?.payoffs()[0] / 4.0);
        held.push(play_exact(&model, [&stubborn, &two], 20)?.payoffs()[0] / 4.0);
    }
    Ok(LineChart::new(
        "Agreeing and holding out",
        Axis::linear("probability of the favourite norm"),
        Axis::linear("score, or share of the best payoff").include(0.0),
    )
    .series(Series::new("score among adaptive players", &ps, &robust).markers(false))
    .series(Series::new("player 1 adapts: its payoff / 4", &ps, &adapting).markers(false))
    .series(Series::new("player 1 is stubborn: its payoff / 4", &ps, &held).markers(false))
    .build()?
    .caption("Exact, 20 rounds of asymmetric Bach or Stravinsky, player 2 adaptive."))
}

/// What pairs earn while they learn.
pub(super) fn learning(seed: u64) -> Result<Figure, Failure> {
    let game = Repeated::new(games::named("ipd")?, 0.96)?
        .with_parameters(Parameters::SigmoidNormalised)?;
    let mut chart = LineChart::new(
        "Learning the prisoner's dilemma",
        Axis::linear("steps"),
        Axis::linear("payoff a round, mean of 40 pairs"),
    );
    for (name, eta) in [("LOLA-Exact", 1.0), ("naive", 0.0)] {
        let (mut x, mut y) = (vec![], vec![]);
        for steps in (0..=200).step_by(10) {
            let trained = train(
                &game,
                &LolaOptions {
                    steps,
                    eta,
                    seed,
                    ..LolaOptions::default()
                },
            )?;
            x.push(steps as f64);
            y.push(
                trained.payoffs.iter().map(|p| p[0] + p[1]).sum::<f64>()
                    / (2 * trained.payoffs.len()) as f64,
            );
        }
        chart = chart.series(Series::new(name, &x, &y).markers(false));
    }
    Ok(chart.build()?)
}

/// Solvers of the announcement game.
pub(super) fn meta(seed: u64) -> Result<Section, Failure> {
    let meta = Announcements::idealised();
    let (mut x, mut y, mut names) = (vec![], vec![], vec![]);
    for (name, solver) in Solver::all() {
        let found = solver.solve(&meta, seed)?;
        x.push(found.payoffs[0]);
        y.push(found.answered[0]);
        names.push(name);
    }
    let figure = Scatter::new(
        "Announcing norms",
        Axis::linear("player 1's payoff when both follow the rule"),
        Axis::linear("player 1's payoff when player 2 answers it"),
    )
    .points(Points::new("rules", &x, &y).labels(&names))
    .build()?
    .caption("The idealised game: to the right more cooperative, upwards less exploitable.");
    Ok(Section::new("The game before the game").figure(figure))
}

/// Some steps of the coin game by two planned players, as text.
pub(super) fn episode() -> Result<Section, Failure> {
    let game = CoinGame::named("cg")?;
    let model = Model::of(&game)?;
    let plan = JointPlan::best(&model, [1.0, 1.0], Horizon::Average)?;
    let [one, two] = plan.policies(&model, 0);
    let mut state = game.reset(&mut firetender_bargain::Dice::at(0, 0, 0));
    let mut boards = vec![];
    for time in 1..=8_u64 {
        let index = game.index(&state);
        let mut dice = firetender_bargain::Dice::at(1, 0, time);
        let actions = [one.draw(index, &mut dice), two.draw(index, &mut dice)];
        let mut cells = ['·'; 9];
        cells[state.coins[0] as usize] = if state.red_coin { 'r' } else { 'b' };
        cells[state.players[0] as usize] = 'R';
        cells[state.players[1] as usize] = if state.players[0] == state.players[1] {
            '2'
        } else {
            'B'
        };
        let step = game.step(
            state,
            actions,
            &mut firetender_bargain::Dice::at(2, 0, time),
        );
        boards.push((cells, step.rewards));
        state = step.state;
    }
    let mut lines = vec![String::new(); 4];
    for (cells, rewards) in boards {
        for (row, line) in lines.iter_mut().take(3).enumerate() {
            let part: String = cells[row * 3..row * 3 + 3]
                .iter()
                .flat_map(|c| [*c, ' '])
                .collect();
            line.push_str(&format!("{part:<12}"));
        }
        lines[3].push_str(&format!(
            "{:<12}",
            format!("{:+} {:+}", rewards[0], rewards[1])
        ));
    }
    Ok(Section::new("Eight steps of the coin game")
        .paragraph("Two planned players: R and B on the 3 × 3 torus, 2 where both stand, r and b the coin; below, what the step pays to both.")
        .code(lines.join("\n")))
}
