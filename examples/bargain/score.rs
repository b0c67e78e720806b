//! How near outcomes come to what norms consider best: shared by the commands that pair players.

use firetender_bargain::{
    BargainError, MatrixGame, Score, Welfare,
    bargaining::{Disagreement, solve},
    games,
};
use firetender_support::{Failure, fail};

/// A disagreement point from the command line; without one the published experiments', and else the mixed minimax values.
pub(crate) fn disagreement(text: Option<&str>, game: &MatrixGame) -> Result<Disagreement, Failure> {
    match text {
        None => Ok(games::published_disagreement(game.name())
            .map_or(Disagreement::Minimax, Disagreement::Given)),
        Some("minimax") => Ok(Disagreement::Minimax),
        Some("pure-minimax") => Ok(Disagreement::PureMinimax),
        Some("mixed-equilibrium") => Ok(Disagreement::MixedEquilibrium),
        Some(text) => Ok(Disagreement::Given(pair(text)?)),
    }
}

/// Two numbers.
pub(crate) fn pair(text: &str) -> Result<[f64; 2], Failure> {
    match crate::numbers("disagreement", text)?[..] {
        [a, b] => Ok([a, b]),
        _ => fail(format!("--disagreement {text}: expected two numbers `a,b`")),
    }
}

/// The welfare functions of a score by name; without names utilitarian and egalitarian, and Nash where `nash` is set.
pub(crate) fn norms(text: Option<&str>, nash: bool) -> Result<Vec<Welfare>, Failure> {
    let Some(text) = text else {
        let mut all = vec![Welfare::Utilitarian, Welfare::Egalitarian];
        if nash {
            all.push(Welfare::Nash);
        }
        return Ok(all);
    };
    let one = |name: &str| match name.trim() {
        "utilitarian" | "util" | "u" => Ok(Welfare::Utilitarian),
        "egalitarian" | "egal" | "e" => Ok(Welfare::Egalitarian),
        "nash" | "n" => Ok(Welfare::Nash),
        other => fail(format!(
            "--norms: `{other}` is none of utilitarian, egalitarian, nash"
        )),
    };
    text.split(',').map(one).collect()
}

/// The score of a payoff table, whose maxima are those of the hull; `None` where nobody gains by agreeing.
pub(crate) fn of_table(
    game: &MatrixGame,
    disagreement: Disagreement,
    norms: &[Welfare],
) -> Result<Option<Score>, Failure> {
    let found = solve(game, disagreement)?;
    let best = |norm: &Welfare| match norm {
        Welfare::Egalitarian => found.egalitarian,
        Welfare::Nash => found.nash,
        _ => found.utilitarian.ends()[0],
    };
    let floor = found.disagreement;
    // Where nobody gains by agreeing, as in games of pure conflict, there is nothing to score.
    let gains = |norm: &Welfare| norm.value(best(norm), floor) - norm.value(floor, floor) > 1e-12;
    let norms: Vec<Welfare> = norms.iter().copied().filter(gains).collect();
    if norms.is_empty() {
        return Ok(None);
    }
    let maxima: Vec<f64> = norms.iter().map(|w| w.value(best(w), floor)).collect();
    let made: Result<Score, BargainError> = Score::new(&norms, &maxima, floor, "theory");
    Ok(Some(made?))
}
