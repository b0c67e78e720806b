//! `bargain value`.

use std::fmt::Write;

use firetender_bargain::{Learner, MatrixGame, Parameters, Repeated, games};
use firetender_support::{Failure, fail};
use serde_json::json;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A game's name, or a .json or .nfg file.
    #[arg(long)]
    game: String,
    /// Parameters of player 1, comma-separated: one logit of action 0 a state (CC, CD, DC, DD, start) where both have two actions;
    /// otherwise one number an action and state.
    #[arg(long, allow_hyphen_values = true)]
    theta1: String,
    /// Parameters of player 2; both read the states in the same order.
    #[arg(long, allow_hyphen_values = true)]
    theta2: String,
    /// Discount a round.
    #[arg(long, default_value_t = 0.96)]
    gamma: f64,
    /// How parameters stand for probabilities: single-logit, softmax or sigmoid-normalised.
    #[arg(long)]
    parameters: Option<String>,
    /// Rounds; the discounted sum over these many only, without derivatives. Needed where the discount is 1.
    #[arg(long)]
    horizon: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The parameters that a name stands for.
pub(crate) fn parameters(name: &str) -> Result<Parameters, Failure> {
    match name {
        "single-logit" => Ok(Parameters::SingleLogit),
        "softmax" => Ok(Parameters::Softmax),
        "sigmoid-normalised" => Ok(Parameters::SigmoidNormalised),
        other => fail(format!(
            "--parameters {other}: expected single-logit, softmax or sigmoid-normalised"
        )),
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let stage = games::named_or_file(&arguments.game)?;
    if let Some(rounds) = arguments.horizon {
        return finite(arguments, stage, rounds);
    }
    let mut game = Repeated::new(stage, arguments.gamma)?;
    if let Some(name) = &arguments.parameters {
        game = game.with_parameters(parameters(name)?)?;
    }
    let one = crate::numbers("theta1", &arguments.theta1)?;
    let two = crate::numbers("theta2", &arguments.theta2)?;
    let found = game.lola([&one, &two])?;
    let gradients = &found.gradients;
    let sos = game.step([&one, &two], Learner::sos(), 1.0)?;
    if arguments.json {
        let found = json!({
            "values": gradients.values,
            "per_round": gradients.values.map(|v| (1.0 - game.gamma()) * v),
            "gradients": gradients.own,
            "cross_gradients": gradients.cross,
            "lola": found.corrections,
            "sos": {"anticipations": sos.anticipations, "p": sos.share, "step": sos.steps},
            "gamma": game.gamma(),
            "condition": game.condition(),
        });
        return Ok(serde_json::to_string_pretty(&found)?);
    }
    let row = |v: &[f64]| v.iter().map(|x| format!("{x:>16.10}")).collect::<String>();
    let mut text = String::new();
    writeln!(
        text,
        "V1 {:.10}  V2 {:.10}",
        gradients.values[0], gradients.values[1]
    )?;
    for (name, values) in [
        ("∇₁V₁", &gradients.own[0]),
        ("∇₂V₂", &gradients.own[1]),
        ("∇₂V₁", &gradients.cross[0]),
        ("∇₁V₂", &gradients.cross[1]),
        ("LOLA 1", &found.corrections[0]),
        ("LOLA 2", &found.corrections[1]),
        ("SOS 1", &sos.steps[0]),
        ("SOS 2", &sos.steps[1]),
    ] {
        writeln!(text, "{name:<7}{}", row(values))?;
    }
    Ok(text)
}

/// Values over a finite number of rounds.
fn finite(arguments: &Arguments, stage: MatrixGame, rounds: usize) -> Result<String, Failure> {
    // The discount of the sums is given apart; the game's own is not used.
    let mut game = Repeated::new(stage, 0.0)?;
    if let Some(name) = &arguments.parameters {
        game = game.with_parameters(parameters(name)?)?;
    }
    let one = game.policy(0, &crate::numbers("theta1", &arguments.theta1)?)?;
    let two = game.policy(1, &crate::numbers("theta2", &arguments.theta2)?)?;
    let values = game.finite_discounted([&one, &two], rounds, arguments.gamma)?;
    if arguments.json {
        let found = json!({
            "values": values,
            "gradients": null,
            "lola": null,
            "gamma": arguments.gamma,
            "horizon": rounds,
        });
        return Ok(serde_json::to_string_pretty(&found)?);
    }
    Ok(format!(
        "V1 {:.10}  V2 {:.10}  over {rounds} rounds",
        values[0], values[1]
    ))
}
