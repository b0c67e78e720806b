//! Two players who each know how to cooperate, and do not: norms that clash, and players that adapt.

use std::sync::Arc;

use firetender_bargain::{
    agents::{AmTftOptions, Mode, NormPlayer, Player, exploit, planned_norms, play_exact},
    bargaining::{Disagreement, Hull, solve},
    games,
    markov::Model,
    plan::Punishment,
};
use firetender_report::{Align, Axis, Cell, Column, Points, Scatter, Section, Table};
use firetender_support::Failure;

/// Rounds of an episode.
const ROUNDS: usize = 20;

/// Plans players for asymmetric Bach or Stravinsky and lets them meet; prints and returns the section of the report.
pub(crate) fn visit() -> Result<Section, Failure> {
    println!("== Whose norm? ==");
    let game = games::named("asym-bos")?;
    let found = solve(&game, Disagreement::Given([0.0; 2]))?;
    let model = Model::of(&game)?;
    let mut planned = planned_norms(&model, Punishment::Minimax, [0.0; 2], 200, &[0])?;
    let [sum, even] = planned.swap_remove(0).map(Arc::new);
    let options = AmTftOptions::default();
    let player = |norms: &[&Arc<_>]| -> Result<Player, Failure> {
        let norms = norms.iter().map(|n| Arc::clone(n)).collect();
        Ok(Player::Norms(NormPlayer::new(
            norms,
            Mode::random_switch(0.5),
            options,
        )?))
    };
    let first = [
        ("greatest sum", player(&[&sum])?),
        ("even shares", player(&[&even])?),
        ("knows both", player(&[&sum, &even])?),
    ];
    let second = [
        ("greatest sum", player(&[&sum])?),
        ("even shares", player(&[&even])?),
        ("knows both", player(&[&even, &sum])?),
    ];
    let left = |name: &str| Column::new(name, Align::Left);
    let right = |name: &str| Column::new(name, Align::Right);
    let mut table = Table::new([
        left("player 1"),
        left("player 2"),
        right("player 1 earns"),
        right("player 2 earns"),
    ])?
    .caption("Payoffs a round over 20 rounds, exact.");
    let (mut x, mut y, mut labels) = (vec![], vec![], vec![]);
    for (one, a) in &first {
        for (two, b) in &second {
            let pay = play_exact(&model, [a, b], ROUNDS)?.payoffs();
            table.push([
                Cell::from(*one),
                Cell::from(*two),
                Cell::fixed(pay[0], 3),
                Cell::fixed(pay[1], 3),
            ])?;
            x.push(pay[0]);
            y.push(pay[1]);
            labels.push(format!("{one} / {two}"));
        }
    }
    println!("{}", table.to_markdown());
    let best = exploit(&model, &second[2].1, 0, ROUNDS)?;
    println!(
        "Knowing both norms has a price: whoever insists on the first gets {:.2} of 4 from a player that adapts.\n",
        best[0]
    );
    let mut corners = Hull::from(&game).corners().to_vec();
    corners.extend(corners.first().copied());
    let (hx, hy): (Vec<f64>, Vec<f64>) = corners.iter().map(|p| (p[0], p[1])).unzip();
    let figure = Scatter::new("Who meets whom", Axis::linear("player 1, a round"), Axis::linear("player 2, a round"))
        .points(Points::new("feasible", &hx, &hy).connected())
        .points(Points::new("player 1 / player 2", &x, &y).labels(&labels))
        .build()?
        .caption("Each norm works with itself and fails with the other; who knows both agrees with everyone, and can be exploited.");
    Ok(Section::new("Whose norm?")
        .paragraph(format!(
            "Two players may both go where player 1 likes it better, (4, 1), or where player 2 does, (2, 2); apart they get nothing. The utilitarian norm \
             selects ({:.0}, {:.0}), the egalitarian one ({:.0}, {:.0}). Both are cooperative, and they clash.",
            found.utilitarian.ends()[0][0],
            found.utilitarian.ends()[0][1],
            found.egalitarian[0],
            found.egalitarian[1]
        ))
        .figure(figure)
        .table(table))
}
