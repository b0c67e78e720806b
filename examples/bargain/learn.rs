//! `bargain learn`: players of coin games who learned, and what happens when they meet. Resumable: finished replicates are kept in a folder.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use firetender_bargain::{
    CrossPlay, Draws, Interval, Score, Welfare, classify,
    coin::CoinGame,
    gradient::{Algorithm, Checkpoint, DqnOptions, PgOptions, PpoOptions, Trainer},
    markov::Model,
    plan::{Horizon, JointPlan, Policy, egalitarian_plan, evaluate},
    tabular::{QOptions, Reward, learn},
};
use firetender_support::{Bars, Failure, device, fail};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A coin game: cg, asym-cg, abcg, mixed-motive-cg or chicken-cg.
    #[arg(long, default_value = "cg")]
    game: String,
    /// Who learns: lola-pg, pg (no shaping), ppo, dqn, or q (tables).
    #[arg(long, visible_alias = "algorithm", default_value = "lola-pg")]
    learner: String,
    /// What each is rewarded by: own, sum, guilt (its own less guilt for having more) or minus-other.
    #[arg(long)]
    reward: Option<String>,
    /// Pairs, each trained apart.
    #[arg(long, default_value_t = 4)]
    replicates: u64,
    #[command(flatten)]
    numbers: Numbers,
    /// Folder of finished replicates and of what others have come to; without it nothing is kept.
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

/// Numbers of the learners; what is left out is the learner's usual one.
#[derive(clap::Args, Clone, Default)]
pub(crate) struct Numbers {
    /// Boards of a batch (networks).
    #[arg(long)]
    boards: Option<usize>,
    /// Updates (networks), or thousands of episodes (q).
    #[arg(long)]
    updates: Option<usize>,
    /// Steps of a training episode.
    #[arg(long)]
    length: Option<usize>,
    /// Step size (networks).
    #[arg(long)]
    rate: Option<f64>,
    /// Discount.
    #[arg(long)]
    gamma: Option<f64>,
    /// Weight of the policies' entropy (pg, lola-pg, ppo).
    #[arg(long)]
    entropy: Option<f64>,
    /// Weight of LOLA's correction (lola-pg).
    #[arg(long)]
    correction: Option<f64>,
    /// Largest norms of gradient and weighted correction, `a,b` (pg, lola-pg).
    #[arg(long)]
    clip: Option<String>,
    /// Width of the hidden layers (networks).
    #[arg(long)]
    hidden: Option<usize>,
    /// Hidden layers (networks).
    #[arg(long)]
    layers: Option<usize>,
    /// Whether each sees itself in the middle of the board (networks).
    #[arg(long)]
    centred: Option<bool>,
    /// Whether returns are counted from their mean (pg, lola-pg).
    #[arg(long)]
    baseline: Option<bool>,
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
    let reward = reward(arguments)?;
    let chosen = learner(&arguments.learner, &arguments.numbers, reward)?;
    let bench = Bench {
        game: &game,
        model: &model,
        folder: arguments.folder.as_deref(),
        device: arguments.device.as_deref(),
    };
    let mut pairs: Vec<[Policy; 2]> = vec![];
    for number in 0..arguments.replicates {
        let seed = arguments.seed.wrapping_mul(1 << 20).wrapping_add(number);
        pairs.push(bench.pair(&chosen, &arguments.learner, reward, seed)?);
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
            "reward": reward,
            "options": options(&chosen),
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
        None if matches!(arguments.learner.as_str(), "q" | "ppo" | "dqn") => Ok(Reward::Sum),
        None | Some("own") => Ok(Reward::Own),
        Some("sum") => Ok(Reward::Sum),
        Some("minus-other") => Ok(Reward::MinusOther),
        Some("guilt") => Ok(guilt()),
        Some(other) => fail(format!(
            "--reward {other}: expected own, sum, guilt or minus-other"
        )),
    }
}

/// The guilt of coin games.
pub(crate) fn guilt() -> Reward {
    Reward::InequityAversion {
        envy: 0.0,
        guilt: 0.25,
        trace: 0.9216,
    }
}

pub(crate) fn options(chosen: &Learns) -> serde_json::Value {
    match chosen {
        Learns::Tables(options) => json!(options),
        Learns::Networks(algorithm) => json!(algorithm),
    }
}

/// Who learns by tables, or by networks.
pub(crate) enum Learns {
    Tables(QOptions),
    Networks(Algorithm),
}

/// The learner of that name with its numbers.
pub(crate) fn learner(name: &str, given: &Numbers, reward: Reward) -> Result<Learns, Failure> {
    let clip = match given.clip.as_deref() {
        None => None,
        Some(text) => match crate::numbers("clip", text)?[..] {
            [a, b] => Some([a, b]),
            _ => return fail(format!("--clip {text}: expected two numbers `a,b`")),
        },
    };
    Ok(match name {
        "lola-pg" | "pg" => {
            let usual = PgOptions {
                correction: if name == "pg" { 0.0 } else { 8.0 },
                updates: 1000,
                boards: 256,
                rate: 0.3,
                ..PgOptions::default()
            };
            Learns::Networks(Algorithm::Pg(PgOptions {
                boards: given.boards.unwrap_or(usual.boards),
                steps: given.length.unwrap_or(usual.steps),
                updates: given.updates.unwrap_or(usual.updates),
                rate: given.rate.unwrap_or(usual.rate),
                gamma: given.gamma.unwrap_or(usual.gamma),
                entropy: given.entropy.unwrap_or(usual.entropy),
                correction: given.correction.unwrap_or(usual.correction),
                clip: clip.unwrap_or(usual.clip),
                hidden: given.hidden.unwrap_or(usual.hidden),
                layers: given.layers.unwrap_or(usual.layers),
                centred: given.centred.unwrap_or(usual.centred),
                baseline: given.baseline.unwrap_or(usual.baseline),
                reward,
                ..usual
            }))
        }
        "ppo" => {
            let usual = PpoOptions::default();
            Learns::Networks(Algorithm::Ppo(PpoOptions {
                boards: given.boards.unwrap_or(usual.boards),
                steps: given.length.unwrap_or(usual.steps),
                updates: given.updates.unwrap_or(usual.updates),
                rate: given.rate.unwrap_or(usual.rate),
                gamma: given.gamma.unwrap_or(usual.gamma),
                entropy: given.entropy.unwrap_or(usual.entropy),
                hidden: given.hidden.unwrap_or(usual.hidden),
                layers: given.layers.unwrap_or(usual.layers),
                centred: given.centred.unwrap_or(usual.centred),
                reward,
                ..usual
            }))
        }
        "dqn" => {
            let usual = DqnOptions::default();
            Learns::Networks(Algorithm::Dqn(DqnOptions {
                boards: given.boards.unwrap_or(usual.boards),
                steps: given.length.unwrap_or(usual.steps),
                updates: given.updates.unwrap_or(usual.updates),
                rate: given.rate.unwrap_or(usual.rate),
                gamma: given.gamma.unwrap_or(usual.gamma),
                hidden: given.hidden.unwrap_or(usual.hidden),
                layers: given.layers.unwrap_or(usual.layers),
                centred: given.centred.unwrap_or(usual.centred),
                reward,
                ..usual
            }))
        }
        "q" => Learns::Tables(QOptions {
            episodes: given.updates.unwrap_or(1000).saturating_mul(1000),
            steps: given.length.unwrap_or(100),
            gamma: given.gamma.unwrap_or(0.96),
            temperatures: [0.5, 0.02],
            ..QOptions::default()
        }),
        other => {
            return fail(format!(
                "--learner {other}: expected lola-pg, pg, ppo, dqn or q"
            ));
        }
    })
}

/// Where replicates are kept, and where networks run.
pub(crate) struct Bench<'a> {
    pub(crate) game: &'a CoinGame,
    pub(crate) model: &'a Model,
    pub(crate) folder: Option<&'a Path>,
    pub(crate) device: Option<&'a str>,
}

impl Bench<'_> {
    /// Trains a pair, or goes on with it, or reads it when it was trained before. `name` is the experiment's.
    pub(crate) fn pair(
        &self,
        learner: &Learns,
        name: &str,
        reward: Reward,
        seed: u64,
    ) -> Result<[Policy; 2], Failure> {
        let model = self.model.name();
        let made_with = match learner {
            Learns::Networks(algorithm) => format!(
                "{model} {}",
                serde_json::to_string(&algorithm.with_seed(seed))?
            ),
            Learns::Tables(options) => format!(
                "{model} {} {}",
                serde_json::to_string(&QOptions { seed, ..*options })?,
                serde_json::to_string(&reward)?
            ),
        };
        let place = self
            .folder
            .map(|f| f.join(format!("{model}-{name}-{seed}.json")));
        if let Some(path) = &place
            && let Some(kept) = kept(path, &made_with, self.model)?
        {
            return Ok(kept);
        }
        if let Some(folder) = self.folder {
            fs::create_dir_all(folder)?;
        }
        let policies = match learner {
            Learns::Tables(options) => learn(self.model, reward, &QOptions { seed, ..*options })?,
            Learns::Networks(algorithm) => {
                let half = place.as_ref().map(|p| p.with_extension("part.json"));
                self.train(&algorithm.with_seed(seed), half.as_deref(), name)?
            }
        };
        if let Some(path) = &place {
            let rows = |p: &Policy| (0..p.states()).flat_map(|s| p.row(s).to_vec()).collect();
            let text = serde_json::to_string(&Kept {
                made_with,
                policies: [rows(&policies[0]), rows(&policies[1])],
            })?;
            firetender_lm::write_atomically(path, text.as_bytes())?;
            let half = path.with_extension("part.json");
            if half.exists() {
                fs::remove_file(half)?;
            }
        }
        Ok(policies)
    }

    /// Trains networks, from what is kept in `half` where there is such a file, and keeps there what it comes to every 20 seconds.
    fn train(
        &self,
        algorithm: &Algorithm,
        half: Option<&Path>,
        name: &str,
    ) -> Result<[Policy; 2], Failure> {
        let device = device(self.device)?;
        let mut trainer = match half.filter(|path| path.exists()) {
            None => Trainer::new(self.game, algorithm, &device)?,
            Some(path) => {
                let saved: Checkpoint = read(path)?;
                if saved.algorithm() != algorithm || saved.game() != self.game {
                    return fail(format!(
                        "{}: from another experiment; remove it, or name another --folder",
                        path.display()
                    ));
                }
                Trainer::resume(&saved, &device)?
            }
        };
        let progress = Bars::new(&format!("{} {name}", self.model.name()));
        let mut saved = Instant::now();
        while trainer.step()?.is_some() {
            progress.counted(trainer.updates(), algorithm.updates());
            if let Some(path) = half
                && saved.elapsed().as_secs() >= 20
            {
                let text = serde_json::to_string(&trainer.checkpoint()?)?;
                firetender_lm::write_atomically(path, text.as_bytes())?;
                saved = Instant::now();
            }
        }
        Ok(trainer.policies()?)
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    if fs::metadata(path)?.len() > 256 << 20 {
        return fail(format!(
            "{}: more than 256 MiB; expected a pair of players",
            path.display()
        ));
    }
    match serde_json::from_str(&fs::read_to_string(path)?) {
        Ok(found) => Ok(found),
        Err(error) => fail(format!("{}: {error}", path.display())),
    }
}

/// A finished replicate, if there is one.
fn kept(path: &Path, made_with: &str, model: &Model) -> Result<Option<[Policy; 2]>, Failure> {
    if !path.exists() {
        return Ok(None);
    }
    let found: Kept = read(path)?;
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
