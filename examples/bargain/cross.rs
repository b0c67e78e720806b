//! `bargain cross-play`.

mod adaptive;
mod fixed;

use firetender_bargain::{
    CrossPlay, MatrixGame, Record, Score, Welfare,
    agents::{AmTftOptions, Mode, Norm, NormPlayer, Player, Rounds, Trigger, planned_norms},
    bargaining::Disagreement,
    coin::CoinGame,
    games,
    markov::Model,
    plan::{Horizon, JointPlan, Punishment, egalitarian_plan, evaluate},
    tabular::{QOptions, Reward, learn},
};
use firetender_support::{Failure, fail};
use serde_json::json;

use std::{path::PathBuf, sync::Arc};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Who plays: amtft (one norm each), norm-adaptive (several), or lola (learned).
    #[arg(long)]
    agents: String,
    /// A payoff table's name or file, or a coin game's name (not for lola).
    #[arg(long)]
    game: String,
    /// Replicates of each norm; for lola, pairs that are trained.
    #[arg(long, visible_alias = "pairs")]
    replicates: Option<usize>,
    /// Steps of an episode; by default 20, and 100 in coin games. For lola: training steps, 200.
    #[arg(long, visible_alias = "horizon")]
    steps: Option<usize>,
    /// Episodes where play is drawn: in coin games, 4 by default, and where too much can happen to follow it all, 40.
    #[arg(long)]
    episodes: Option<usize>,
    /// Norm-adaptive: probability of the favourite norm.
    #[arg(long, default_value_t = 0.5)]
    p: f64,
    /// Norm-adaptive: random-switch or preference-ordering.
    #[arg(long, default_value = "random-switch")]
    mode: String,
    /// amTFT's threshold, in units of reward.
    #[arg(long)]
    threshold: Option<f64>,
    /// amTFT's multiplier.
    #[arg(long)]
    multiplier: Option<f64>,
    /// Punishment: minimax, selfish or minus-other.
    #[arg(long)]
    punishment: Option<String>,
    /// Where policies come from: planned, or learned by each norm's reward (the sum, or one's own less guilt): tabular (Q-learners), and in coin games dqn,
    /// ppo or pg.
    #[arg(long, default_value = "planned")]
    source: String,
    /// Folder of players that were trained, and of what others have come to: a run that was stopped goes on (dqn, ppo, pg).
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where networks run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
    #[command(flatten)]
    numbers: crate::learn::Numbers,
    /// Tabular: train utilitarian pairs again until player 1 earns more than this a step. The released code kept pairs above 3.2 in asym-bos; it is a selection on
    /// the outcome.
    #[arg(long)]
    keep_above: Option<f64>,
    /// Play as the released code does, departures from the published algorithm included.
    #[arg(long)]
    compat: bool,
    /// Disagreement point of the scores: `a,b`, or for payoff tables minimax, pure-minimax or mixed-equilibrium.
    #[arg(long, allow_hyphen_values = true)]
    disagreement: Option<String>,
    /// Welfare functions of the scores: utilitarian, egalitarian, nash.
    #[arg(long)]
    norms: Option<String>,
    /// Folder where pairings are written down as they come: a run that was stopped goes on. Players that were trained are kept in `--folder`.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    match arguments.agents.as_str() {
        "amtft" => fixed::run(arguments),
        "norm-adaptive" | "norm_adaptive" | "adaptive" => adaptive::run(arguments),
        "lola" => crate::lola::run(&crate::lola::Arguments {
            game: arguments.game.clone(),
            pairs: arguments.replicates.unwrap_or(40),
            steps: arguments.steps.unwrap_or(200),
            rate: 1.0,
            eta: 1.0,
            learner: "lola".into(),
            sigma: 1.0,
            gamma: 0.96,
            parameters: "sigmoid-normalised".into(),
            disagreement: arguments.disagreement.clone(),
            norms: arguments.norms.clone(),
            out: arguments.out.clone(),
            seed: arguments.seed,
            json: arguments.json,
        }),
        other => fail(format!(
            "--agents {other}: expected amtft, lola or norm-adaptive"
        )),
    }
}

/// amTFT players of two norms, measured.
pub(crate) fn measure(arguments: &Arguments) -> Result<fixed::Summary, Failure> {
    fixed::measure(arguments)
}

/// The game with all that is planned in it.
struct Table {
    model: Model,
    steps: usize,
    coin: bool,
    score: Score,
    /// `[utilitarian, egalitarian]` of each replicate.
    norms: Vec<[Arc<Norm>; 2]>,
    options: AmTftOptions,
    mode: Mode,
}

impl Table {
    fn of(arguments: &Arguments, replicates: usize) -> Result<Self, Failure> {
        if replicates == 0 {
            return fail("--replicates 0: expected at least one");
        }
        CrossPlay::allowed(replicates.saturating_mul(2))?;
        if arguments.steps.is_some_and(|steps| steps > 1 << 20) {
            return fail("--steps: expected at most a million");
        }
        let model = crate::plan::model(&arguments.game)?;
        let stage = games::named_or_file(&arguments.game).ok();
        let coin = stage.is_none();
        let steps = arguments.steps.unwrap_or(if coin { 100 } else { 20 });
        let (threshold, multiplier) = if coin { (3.0, 6.0) } else { (10.0, 3.0) };
        let mut options = if arguments.compat {
            AmTftOptions::released(threshold, multiplier)
        } else if coin {
            AmTftOptions {
                threshold: 3.0,
                multiplier: 6.0,
                ..AmTftOptions::default()
            }
        } else {
            AmTftOptions::default()
        };
        options.threshold = arguments.threshold.unwrap_or(options.threshold);
        options.multiplier = arguments.multiplier.unwrap_or(options.multiplier);
        let punishment = match arguments.punishment.as_deref() {
            None if arguments.compat => Punishment::MinusOther,
            None | Some("minimax") => Punishment::Minimax,
            Some("selfish") => Punishment::Selfish,
            Some("minus-other") => Punishment::MinusOther,
            Some(other) => {
                return fail(format!(
                    "--punishment {other}: expected minimax, selfish or minus-other"
                ));
            }
        };
        let mode = match arguments.mode.as_str() {
            "preference-ordering" | "preference" => Mode::PreferenceOrdering,
            "random-switch" if arguments.compat => Mode::RandomSwitch {
                p: arguments.p,
                trigger: Trigger::AnyDebit,
                keeps: true,
                singletons: true,
            },
            "random-switch" => Mode::random_switch(arguments.p),
            other => {
                return fail(format!(
                    "--mode {other}: expected random-switch or preference-ordering"
                ));
            }
        };
        let (score, floor) = score(arguments, stage.as_ref(), &model)?;
        let seeds: Vec<u64> = (0..replicates as u64)
            .map(|i| arguments.seed.wrapping_mul(1 << 20) + i)
            .collect();
        let norms = match arguments.source.as_str() {
            "planned" => planned_norms(&model, punishment, floor, steps.max(200), &seeds)?,
            "tabular" => seeds
                .iter()
                .map(|seed| learned(&model, coin, steps, *seed, arguments.keep_above))
                .collect::<Result<_, _>>()?,
            source @ ("dqn" | "ppo" | "pg") => networks(arguments, source, &model, &seeds)?,
            other => {
                return fail(format!(
                    "--source {other}: expected planned, tabular, dqn, ppo or pg"
                ));
            }
        };
        Ok(Self {
            model,
            steps,
            coin,
            score,
            norms: norms.into_iter().map(|pair| pair.map(Arc::new)).collect(),
            options,
            mode,
        })
    }

    /// Where pairings are kept.
    fn record(&self, arguments: &Arguments) -> Result<Record, Failure> {
        let stage = games::named_or_file(&arguments.game).ok();
        let reward = Reward::Sum;
        let learner =
            match arguments.source.as_str() {
                source @ ("dqn" | "ppo" | "pg") => Some(crate::learn::options(
                    &crate::learn::learner(source, &arguments.numbers, reward)?,
                )),
                _ => None,
            };
        let made_with = json!({
            "agents": arguments.agents,
            "game": stage.as_ref().map_or_else(|| json!(self.model.name()), crate::keep::table),
            "replicates": self.norms.len(),
            "steps": self.steps,
            "episodes": self.rounds(arguments, false).episodes,
            "mode": self.mode,
            "options": self.options,
            "punishment": arguments.punishment,
            "source": arguments.source,
            "learner": learner,
            "keep_above": arguments.keep_above,
            "compat": arguments.compat,
            "disagreement": self.score.disagreement(),
            "seed": arguments.seed,
        });
        let folder = arguments.out.as_deref();
        crate::keep::record(folder, self.model.name(), &arguments.agents, &made_with)
    }

    /// How players meet.
    fn rounds(&self, arguments: &Arguments, remember: bool) -> Rounds {
        Rounds {
            steps: self.steps,
            episodes: arguments.episodes.unwrap_or(if self.coin { 4 } else { 40 }),
            seed: arguments.seed,
            exact: !self.coin,
            remember,
        }
    }

    /// A player with these norms (0 utilitarian, 1 egalitarian) of a replicate, the favourite first.
    fn player(&self, replicate: usize, norms: &[usize], mode: Mode) -> Result<Player, Failure> {
        let chosen = norms
            .iter()
            .map(|n| Arc::clone(&self.norms[replicate][*n]))
            .collect();
        Ok(Player::Norms(NormPlayer::new(chosen, mode, self.options)?))
    }
}

/// The utilitarian and the egalitarian norm of one replicate, learned as the released code's rewards have it, punishment included.
fn learned(
    model: &Model,
    coin: bool,
    steps: usize,
    seed: u64,
    keep_above: Option<f64>,
) -> Result<[Norm; 2], Failure> {
    let norm = |name: &str, reward: Reward, seed: u64| -> Result<Norm, Failure> {
        let mut options = QOptions {
            steps,
            seed,
            ..QOptions::default()
        };
        if coin {
            options.episodes = 20_000;
            options.temperatures = [0.5, 0.02];
        }
        let mut together = learn(model, reward, &options)?;
        if let (Some(least), Reward::Sum) = (keep_above, reward) {
            for attempt in 1..=100 {
                if evaluate(model, [&together[0], &together[1]], steps)?[0] > least {
                    break;
                }
                if attempt == 100 {
                    return fail(format!(
                        "--keep-above {least}: no pair in a hundred earns so much"
                    ));
                }
                options.seed = seed.wrapping_add(attempt << 40);
                together = learn(model, reward, &options)?;
            }
        }
        let punishing = learn(model, Reward::MinusOther, &options)?;
        Ok(Norm::new(model, name, together, punishing, 0.96, 20)?)
    };
    let guilt = match (coin, Reward::guilt()) {
        (true, Reward::InequityAversion { envy, trace, .. }) => Reward::InequityAversion {
            envy,
            guilt: 0.25,
            trace,
        },
        (_, other) => other,
    };
    Ok([
        norm("utilitarian", Reward::Sum, seed)?,
        norm("egalitarian", guilt, seed ^ 0x5eed)?,
    ])
}

/// The same by networks. What is trained is kept in the folder, punishers included.
fn networks(
    arguments: &Arguments,
    source: &str,
    model: &Model,
    seeds: &[u64],
) -> Result<Vec<[Norm; 2]>, Failure> {
    let Ok(game) = CoinGame::named(&arguments.game) else {
        return fail(format!(
            "--source {source}: networks learn coin games; for payoff tables expected planned or tabular"
        ));
    };
    let bench = crate::learn::Bench {
        game: &game,
        model,
        folder: arguments.folder.as_deref(),
        device: arguments.device.as_deref(),
    };
    let mut all = vec![];
    for seed in seeds {
        let pair = |reward: Reward, name: &str| {
            let learner = crate::learn::learner(source, &arguments.numbers, reward)?;
            bench.pair(&learner, &format!("{source}-{name}"), reward, *seed)
        };
        let punishing = pair(Reward::MinusOther, "punishing")?;
        let norm = |reward: Reward, name: &str| -> Result<Norm, Failure> {
            let together = pair(reward, name)?;
            Ok(Norm::new(
                model,
                name,
                together,
                punishing.clone(),
                0.96,
                20,
            )?)
        };
        all.push([
            norm(Reward::Sum, "utilitarian")?,
            norm(crate::learn::guilt(), "egalitarian")?,
        ]);
    }
    Ok(all)
}

/// The score, and the disagreement point.
fn score(
    arguments: &Arguments,
    stage: Option<&MatrixGame>,
    model: &Model,
) -> Result<(Score, [f64; 2]), Failure> {
    let norms = crate::score::norms(arguments.norms.as_deref(), false)?;
    let Some(stage) = stage else {
        let floor = match arguments.disagreement.as_deref() {
            None => [0.0; 2],
            Some(text) => crate::score::pair(text)?,
        };
        // The planner's maxima: of the sum exactly, of the smaller one at the best corner of the frontier.
        let sum = JointPlan::best(model, [1.0, 1.0], Horizon::Average)?.value();
        let [one, two] = egalitarian_plan(model, floor, 2000, 16)?.policies(model, 0);
        let even = evaluate(model, [&one, &two], 2000)?;
        let best = |norm: &Welfare| match norm {
            Welfare::Utilitarian => sum,
            other => other.value(even, floor),
        };
        let maxima: Vec<f64> = norms.iter().map(best).collect();
        return Ok((Score::new(&norms, &maxima, floor, "planner")?, floor));
    };
    let disagreement: Disagreement =
        crate::score::disagreement(arguments.disagreement.as_deref(), stage)?;
    let Some(score) = crate::score::of_table(stage, disagreement, &norms)? else {
        return fail(format!(
            "in `{}` nobody gains by agreeing, so there is nothing to score; choose another --disagreement",
            stage.name()
        ));
    };
    let floor = score.disagreement();
    Ok((score, floor))
}

/// Whether a name is a coin game's.
fn is_coin(name: &str) -> bool {
    games::named_or_file(name).is_err()
}
