//! `bargain plan`.

use firetender_bargain::{
    coin::CoinGame,
    games,
    markov::{MarkovGame, Model},
    plan::{Horizon, JointPlan, egalitarian_plan, evaluate},
};
use firetender_support::{Failure, fail};
use serde_json::json;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A coin game (cg, asym-cg, abcg, mixed-motive-cg, chicken-cg, threat-cg, threat-cg-v2), a payoff table's name, or a .json or .nfg file.
    #[arg(long)]
    game: String,
    /// What is to be greatest: util (the sum), red (player 1's), blue (player 2's), egal (the smaller one), or two weights `a,b`.
    #[arg(long, default_value = "util", allow_hyphen_values = true)]
    welfare: String,
    /// Plan for the sum discounted by this a step instead of the average.
    #[arg(long)]
    gamma: Option<f64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A game by name or file, with its tables.
pub(crate) fn model(name: &str) -> Result<Model, Failure> {
    let coin = CoinGame::named(name);
    let table = games::named_or_file(name);
    let model = match (&coin, &table) {
        (Ok(game), _) => Model::of(game),
        (_, Ok(game)) => Model::of(game as &dyn MarkovGame),
        (Err(one), Err(two)) => {
            let file = name.ends_with(".json") || name.ends_with(".nfg");
            return if file {
                fail(two.to_string())
            } else {
                fail(format!("{two}; and {}", after(&one.to_string())))
            };
        }
    };
    Ok(model?)
}

/// What follows the semicolon.
fn after(text: &str) -> String {
    text.split_once("; ")
        .map_or(text, |(_, rest)| rest)
        .replace("known are", "coin games are")
}

pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let model = model(&arguments.game)?;
    let horizon = arguments
        .gamma
        .map_or(Horizon::Average, Horizon::Discounted);
    let mut weights = None;
    let plan = match arguments.welfare.as_str() {
        "egal" | "egalitarian" if arguments.gamma.is_none() => {
            egalitarian_plan(&model, [0.0; 2], 2000, 24)?
        }
        "egal" | "egalitarian" => {
            return fail("--welfare egal plans the average; leave out --gamma");
        }
        other => {
            let chosen = match other {
                "util" | "utilitarian" | "joint" => [1.0, 1.0],
                "red" | "player1" | "1" => [1.0, 0.0],
                "blue" | "player2" | "2" => [0.0, 1.0],
                text => match crate::numbers("welfare", text)?[..] {
                    [a, b] => [a, b],
                    _ => {
                        return fail(format!(
                            "--welfare {text}: expected util, red, blue, egal or two weights"
                        ));
                    }
                },
            };
            weights = Some(chosen);
            JointPlan::best(&model, chosen, horizon)?
        }
    };
    let [one, two] = plan.policies(&model, 0);
    let payoffs = evaluate(&model, [&one, &two], 2000)?;
    let optimum = if weights.is_some() {
        plan.value()
    } else {
        payoffs[0].min(payoffs[1])
    };
    if arguments.json {
        let found = json!({
            "game": model.name(),
            "welfare": arguments.welfare,
            "optimum": optimum,
            "weights": plan.weights(),
            "payoffs": payoffs,
            "states": model.states(),
            "gamma": arguments.gamma,
        });
        return Ok(serde_json::to_string_pretty(&found)?);
    }
    let unit = if arguments.gamma.is_some() {
        "discounted sum"
    } else {
        "a step"
    };
    Ok(format!(
        "{} ({} states): best by {} is {optimum:.9} {unit}; over 2,000 steps the plan pays ({:.4}, {:.4}) a step",
        model.name(),
        model.states(),
        arguments.welfare,
        payoffs[0],
        payoffs[1]
    ))
}
