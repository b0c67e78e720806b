//! `bargain lola`.

use std::{collections::BTreeMap, fmt::Write, path::PathBuf};

use firetender_bargain::{
    CrossPlay, Draws, Interval, Learner, LolaOptions, NormClass, Repeated, classify,
    cross_play_recorded, games, train_recorded,
};
use firetender_support::{Failure, fail};
use serde_json::json;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A game's name, or a .json or .nfg file.
    #[arg(long)]
    pub(crate) game: String,
    /// Pairs of players, each trained apart from the others.
    #[arg(long, default_value_t = 40)]
    pub(crate) pairs: usize,
    /// Steps.
    #[arg(long, default_value_t = 200)]
    pub(crate) steps: usize,
    /// Step size.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) rate: f64,
    /// Weight of what each makes of the other's learning; 0 learns naively.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) eta: f64,
    /// How each takes the other's learning into account: lola, sos (stable opponent shaping), lookahead or naive.
    #[arg(long, default_value = "lola")]
    pub(crate) learner: String,
    /// Standard deviation of the first parameters.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) sigma: f64,
    /// Discount a round.
    #[arg(long, default_value_t = 0.96)]
    pub(crate) gamma: f64,
    /// How parameters stand for probabilities: single-logit, softmax or sigmoid-normalised (the released code's).
    #[arg(long, default_value = "sigmoid-normalised")]
    pub(crate) parameters: String,
    /// Disagreement point of the scores: `a,b`, minimax, pure-minimax or mixed-equilibrium; by default that of the published
    /// experiments, and the mixed minimax values for other games.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) disagreement: Option<String>,
    /// Welfare functions of the scores: utilitarian, egalitarian, nash.
    #[arg(long)]
    pub(crate) norms: Option<String>,
    /// Folder where pairs and pairings are written down as they come: a run that was stopped goes on.
    #[arg(long, visible_alias = "folder")]
    pub(crate) out: Option<PathBuf>,
    /// Seed.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The learner of that name.
pub(crate) fn learner(name: &str) -> Result<Learner, Failure> {
    match name {
        "lola" => Ok(Learner::Lola),
        "sos" => Ok(Learner::sos()),
        "lookahead" | "look-ahead" => Ok(Learner::LookAhead),
        "naive" => Ok(Learner::Naive),
        other => fail(format!(
            "--learner {other}: expected lola, sos, lookahead or naive"
        )),
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let stage = games::named_or_file(&arguments.game)?;
    let game = Repeated::new(stage.clone(), arguments.gamma)?
        .with_parameters(crate::value::parameters(&arguments.parameters)?)?;
    let options = LolaOptions {
        pairs: arguments.pairs,
        steps: arguments.steps,
        rate: arguments.rate,
        eta: arguments.eta,
        learner: learner(&arguments.learner)?,
        sigma: arguments.sigma,
        seed: arguments.seed,
    };
    CrossPlay::allowed(options.pairs)?;
    let made_with = json!({
        "lola": options, "gamma": arguments.gamma, "parameters": game.parameters(), "game": crate::keep::table(&stage),
    });
    let mut record =
        crate::keep::record(arguments.out.as_deref(), stage.name(), "lola", &made_with)?;
    let trained = train_recorded(&game, &options, "train", &mut record)?;
    let policies = [0, 1].map(|player| {
        let all = trained.theta[player].iter();
        all.map(|theta| game.policy(player, theta))
            .collect::<Result<Vec<_>, _>>()
    });
    let [one, two] = policies;
    let table = cross_play_recorded(&game, &[one?, two?], "pairs", &mut record)?;
    let disagreement = crate::score::disagreement(arguments.disagreement.as_deref(), &stage)?;
    let norms = crate::score::norms(arguments.norms.as_deref(), stage.name() == "asym-bos")?;
    // Learners of games of pure conflict are trained all the same; there is no agreement to score.
    let score = crate::score::of_table(&stage, disagreement, &norms)?;
    let scores = score.as_ref().map(|score| table.scores(score));
    let draws = Draws {
        seed: arguments.seed,
        ..Draws::default()
    };
    let classes: Option<Vec<NormClass>> = trained
        .payoffs
        .iter()
        .map(|p| classify(stage.name(), *p))
        .collect();
    let own = match &scores {
        Some(scores) => Some(table.self_play(scores, &draws)?),
        None => None,
    };
    let several = trained.payoffs.len() > 1;
    let cross =
        |keep: &(dyn Fn(usize, usize) -> bool + Sync)| -> Result<Option<Interval>, Failure> {
            Ok(match &scores {
                Some(scores) if several => table.cross(scores, &draws, keep)?,
                _ => None,
            })
        };
    let all = cross(&|_, _| true)?;
    let (same, different) = match &classes {
        None => (None, None),
        Some(c) => (cross(&|i, j| c[i] == c[j])?, cross(&|i, j| c[i] != c[j])?),
    };
    let mut counts: BTreeMap<NormClass, usize> = BTreeMap::new();
    for class in classes.iter().flatten() {
        *counts.entry(*class).or_default() += 1;
    }
    if arguments.json {
        let counts: Vec<_> = counts
            .iter()
            .map(|(c, n)| json!({"class": c, "pairs": n}))
            .collect();
        let found = json!({
            "game": stage.name(),
            "learner": options.learner,
            "pairs": trained.payoffs,
            "classes": classes,
            "class_counts": counts,
            "score": score,
            "self_play": own,
            "cross_play": all,
            "same_norm": same,
            "different_norm": different,
        });
        return Ok(serde_json::to_string_pretty(&found)?);
    }
    let show = |i: Option<Interval>| match i {
        Some(i) => format!("{:.3} [{:.3}, {:.3}]", i.mean, i.low, i.high),
        None => "no such pair".into(),
    };
    let mean = |player: usize| {
        trained.payoffs.iter().map(|p| p[player]).sum::<f64>() / trained.payoffs.len() as f64
    };
    let mut text = String::new();
    writeln!(
        text,
        "{}: {} pairs, {} steps; self-play pays ({:.3}, {:.3}) a round",
        stage.name(),
        arguments.pairs,
        arguments.steps,
        mean(0),
        mean(1)
    )?;
    for (class, n) in &counts {
        writeln!(text, "  {n:>4} {class:?}")?;
    }
    writeln!(
        text,
        "score (share of what the nearest norm considers best), with 99 % intervals over replicates"
    )?;
    writeln!(text, "  self-play               {}", show(own))?;
    writeln!(text, "  cross-play, all         {}", show(all))?;
    if classes.is_some() {
        writeln!(text, "  cross-play, same norm   {}", show(same))?;
        writeln!(text, "  cross-play, different   {}", show(different))?;
    }
    Ok(text)
}
