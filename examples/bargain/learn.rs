//! `bargain learn`: players of coin games who learned, and what happens when they meet. Resumable: finished replicates are kept in a folder.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use firetender_bargain::{
    CrossPlay, Draws, Interval, Score, Welfare, classify,
    coin::CoinGame,
    gradient::{PgOptions, train_networks},
    markov::Model,
    plan::{Horizon, JointPlan, Policy, egalitarian_plan, evaluate},
    tabular::{QOptions, Reward, learn},
};
use firetender_support::{Failure, device, fail};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A coin game: cg, asym-cg or abcg.
    #[arg(long, default_value = "cg")]
    game: String,
    /// Who learns: lola-pg, pg (no shaping) or q (tables).
    #[arg(long, default_value = "lola-pg")]
    learner: String,
    /// What each is rewarded by: own, sum or guilt (its own less guilt for having more).
    #[arg(long)]
    reward: Option<String>,
    /// Pairs, each trained apart.
    #[arg(long, default_value_t = 4)]
    replicates: u64,
    /// Boards of a batch (pg and lola-pg).
    #[arg(long, default_value_t = 256)]
    boards: usize,
    /// Updates (pg and lola-pg), or thousands of episodes (q).
    #[arg(long, default_value_t = 1000)]
    updates: usize,
    /// Step size (pg and lola-pg).
    #[arg(long, default_value_t = 0.3)]
    rate: f64,
    /// Discount; 0.9, and 0.96 for q.
    #[arg(long)]
    gamma: Option<f64>,
    /// Folder of finished replicates; without it nothing is kept.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where networks run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
    /// Seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A replicate in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// What it was made with; another experiment's replicate is refused.
    made_with: String,
    policies: [Vec<f64>; 2],
}

pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    if arguments.replicates == 0 {
        return fail("--replicates 0: expected at least one");
    }
    let game = CoinGame::named(&arguments.game)?;
    let model = Model::of(&game)?;
    let mut pairs: Vec<[Policy; 2]> = vec![];
    for number in 0..arguments.replicates {
        let seed = arguments.seed.wrapping_mul(1 << 20).wrapping_add(number);
        pairs.push(replicate(arguments, &game, &model, seed)?);
    }
    let n = pairs.len();
    let cell = |i: usize, j: usize| evaluate(&model, [&pairs[i][0], &pairs[j][1]], 100);
    let payoffs = (0..n * n)
        .map(|c| cell(c / n, c % n))
        .collect::<Result<Vec<_>, _>>()?;
    let table = CrossPlay::of(n, payoffs)?;
    let sum = JointPlan::best(&model, [1.0, 1.0], Horizon::Average)?.value();
    let [one, two] = egalitarian_plan(&model, [0.0; 2], 500, 12)?.policies(&model, 0);
    let even = evaluate(&model, [&one, &two], 2000)?;
    let norms = [Welfare::Utilitarian, Welfare::Egalitarian];
    let score = Score::new(&norms, &[sum, even[0].min(even[1])], [0.0; 2], "planner")?;
    let scores = table.scores(&score);
    let draws = Draws {
        seed: arguments.seed,
        ..Draws::default()
    };
    let own = table.self_play(&scores, &draws)?;
    let cross =
        |keep: &(dyn Fn(usize, usize) -> bool + Sync)| -> Result<Option<Interval>, Failure> {
            Ok(if n > 1 {
                table.cross(&scores, &draws, keep)?
            } else {
                None
            })
        };
    let classes: Option<Vec<_>> = (0..n)
        .map(|i| classify(&arguments.game, table.payoffs(i, i)))
        .collect();
    let all = cross(&|_, _| true)?;
    let (same, different) = match &classes {
        None => (None, None),
        Some(c) => (cross(&|i, j| c[i] == c[j])?, cross(&|i, j| c[i] != c[j])?),
    };
    let mean = |keep: &dyn Fn(usize, usize) -> bool| table.mean_payoffs(keep);
    if arguments.json {
        let found = json!({
            "game": arguments.game,
            "learner": arguments.learner,
            "replicates": n,
            "score": score,
            "classes": classes,
            "self_play": own, "cross_play": all, "same_norm": same, "different_norm": different,
            "payoffs": {"self_play": mean(&|i, j| i == j), "cross_play": mean(&|i, j| i != j)},
        });
        return Ok(serde_json::to_string_pretty(&found)?);
    }
    let show = |v: Option<Interval>| {
        v.map_or_else(
            || "–".into(),
            |v| format!("{:.3} [{:.3}, {:.3}]", v.mean, v.low, v.high),
        )
    };
    let pay = |p: Option<[f64; 2]>| {
        p.map_or_else(|| "–".into(), |p| format!("({:.3}, {:.3})", p[0], p[1]))
    };
    let mut text = String::new();
    writeln!(
        text,
        "{}: {n} pairs of {}, exact over 100 steps; no replicate is left out",
        arguments.game, arguments.learner
    )?;
    writeln!(
        text,
        "  self-play   {}  pays {}",
        show(Some(own)),
        pay(mean(&|i, j| i == j))
    )?;
    writeln!(
        text,
        "  cross-play  {}  pays {}",
        show(all),
        pay(mean(&|i, j| i != j))
    )?;
    if classes.is_some() {
        writeln!(text, "  same norm   {}", show(same))?;
        writeln!(text, "  different   {}", show(different))?;
    }
    Ok(text)
}

fn reward(arguments: &Arguments) -> Result<Reward, Failure> {
    match arguments.reward.as_deref() {
        None if arguments.learner == "q" => Ok(Reward::Sum),
        None | Some("own") => Ok(Reward::Own),
        Some("sum") => Ok(Reward::Sum),
        Some("guilt") => Ok(Reward::InequityAversion {
            envy: 0.0,
            guilt: 0.25,
            trace: 0.9216,
        }),
        Some(other) => fail(format!("--reward {other}: expected own, sum or guilt")),
    }
}

fn replicate(
    arguments: &Arguments,
    game: &CoinGame,
    model: &Model,
    seed: u64,
) -> Result<[Policy; 2], Failure> {
    let reward = reward(arguments)?;
    let pg = PgOptions {
        boards: arguments.boards,
        updates: arguments.updates,
        rate: arguments.rate,
        gamma: arguments.gamma.unwrap_or(0.9),
        correction: if arguments.learner == "lola-pg" {
            8.0
        } else {
            0.0
        },
        reward,
        seed,
        ..PgOptions::default()
    };
    let q = QOptions {
        episodes: arguments.updates.saturating_mul(1000),
        steps: 100,
        gamma: arguments.gamma.unwrap_or(0.96),
        temperatures: [0.5, 0.02],
        seed,
        ..QOptions::default()
    };
    let made_with = match arguments.learner.as_str() {
        "lola-pg" | "pg" => format!("{} {}", arguments.game, serde_json::to_string(&pg)?),
        "q" => format!(
            "{} {} {}",
            arguments.game,
            serde_json::to_string(&q)?,
            serde_json::to_string(&reward)?
        ),
        other => return fail(format!("--learner {other}: expected lola-pg, pg or q")),
    };
    let path = arguments.folder.as_ref().map(|f| {
        f.join(format!(
            "{}-{}-{seed}.json",
            arguments.game, arguments.learner
        ))
    });
    if let Some(path) = &path
        && let Some(kept) = kept(path, &made_with, model)?
    {
        return Ok(kept);
    }
    let policies = if arguments.learner == "q" {
        learn(model, reward, &q)?
    } else {
        train_networks(
            game,
            &pg,
            &device(arguments.device.as_deref())?,
            &mut |_, _| true,
        )?
        .policies
    };
    if let Some(path) = &path {
        let rows = |p: &Policy| (0..p.states()).flat_map(|s| p.row(s).to_vec()).collect();
        let text = serde_json::to_string(&Kept {
            made_with,
            policies: [rows(&policies[0]), rows(&policies[1])],
        })?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        firetender_lm::write_atomically(path, text.as_bytes())?;
    }
    Ok(policies)
}

/// A finished replicate, if there is one.
fn kept(path: &Path, made_with: &str, model: &Model) -> Result<Option<[Policy; 2]>, Failure> {
    if !path.exists() {
        return Ok(None);
    }
    if fs::metadata(path)?.len() > 64 << 20 {
        return fail(format!(
            "{}: more than 64 MiB; expected two policies",
            path.display()
        ));
    }
    let found: Kept = match serde_json::from_str(&fs::read_to_string(path)?) {
        Ok(found) => found,
        Err(error) => return fail(format!("{}: {error}", path.display())),
    };
    let fits = (0..2).all(|i| found.policies[i].len() == model.states() * model.actions()[i]);
    if found.made_with != made_with || !fits {
        return fail(format!(
            "{}: from another experiment; remove it, or name another --folder",
            path.display()
        ));
    }
    let [one, two] = found.policies;
    Ok(Some([
        Policy::new(model.actions()[0], one)?,
        Policy::new(model.actions()[1], two)?,
    ]))
}
