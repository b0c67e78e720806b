//! `bargain reproduce`: the paper's table at this machine's scale, each number beside the released one.

mod figures;

use std::{fmt::Write, path::PathBuf, time::Instant};

use clap::Parser;
use firetender_bargain::{
    Draws, Interval, LolaOptions, MatrixGame, NormClass, Parameters, Repeated, Welfare,
    bargaining::Disagreement, classify, cross_play, games, train,
};
use firetender_report::{Align, Cell, Column, Report, Section, Table};
use firetender_support::Failure;
use serde_json::json;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Pairs of LOLA learners.
    #[arg(long, default_value_t = 200)]
    pairs: usize,
    /// Seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Leave out the coin games, which take most of the time.
    #[arg(long)]
    quick: bool,
    /// Write a report with figures to this folder.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Scores of one row.
pub(crate) struct Row {
    pub(crate) name: String,
    /// Self-play, cross-play, same norm, different norms.
    pub(crate) ours: [Option<Interval>; 4],
    /// The same, released.
    pub(crate) released: [Option<f64>; 4],
    /// Payoffs in self-play and in cross-play between norms, or in all where norms are not told apart.
    pub(crate) payoffs: [Option<[f64; 2]>; 2],
    seconds: f64,
}

/// A payoff table that was trained on by mistake: player 2's payoffs of the dilemma are transposed, so cooperating is dominant.
fn transposed() -> Result<MatrixGame, Failure> {
    Ok(MatrixGame::new(
        "ipd-transposed",
        &[[[-1.0, -1.0], [0.0, -3.0]], [[-3.0, 0.0], [-2.0, -2.0]]],
    )?)
}

#[derive(Parser)]
struct Alone {
    #[command(flatten)]
    arguments: crate::cross::Arguments,
}

fn amtft(game: &str, seed: u64, released: [Option<f64>; 4]) -> Result<Row, Failure> {
    let begun = Instant::now();
    let seed = seed.to_string();
    let given = [
        "amtft", "--agents", "amtft", "--game", game, "--seed", &seed,
    ];
    let found = crate::cross::measure(&Alone::parse_from(given).arguments)?;
    Ok(Row {
        name: format!("amTFT, {game}"),
        ours: [Some(found.own), found.all, found.same, found.different],
        released,
        payoffs: [found.payoffs[0].1, found.payoffs[3].1],
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// LOLA-Exact, trained and paired, with the scores of the published experiments.
fn lola(
    name: &str,
    stage: &MatrixGame,
    parameters: Parameters,
    options: &LolaOptions,
    released: [Option<f64>; 4],
) -> Result<Row, Failure> {
    let begun = Instant::now();
    let game = Repeated::new(stage.clone(), 0.96)?.with_parameters(parameters)?;
    let trained = train(&game, options)?;
    let policies = |player: usize| {
        let all = trained.theta[player].iter();
        all.map(|theta| game.policy(player, theta))
            .collect::<Result<Vec<_>, _>>()
    };
    let table = cross_play(&game, &[policies(0)?, policies(1)?])?;
    let is_ipd = stage.name().starts_with("ipd");
    let floor = if is_ipd {
        [-3.0; 2]
    } else {
        games::published_disagreement(stage.name()).unwrap_or([0.0; 2])
    };
    let mut norms = vec![Welfare::Utilitarian, Welfare::Egalitarian];
    if stage.name() == "asym-bos" {
        norms.push(Welfare::Nash);
    }
    // The transposed game is scored as what it was taken for.
    let scored = if is_ipd {
        games::named("ipd")?
    } else {
        stage.clone()
    };
    let Some(score) = crate::score::of_table(&scored, Disagreement::Given(floor), &norms)? else {
        return firetender_support::fail(format!("{name}: nothing to score"));
    };
    let scores = table.scores(&score);
    let draws = Draws {
        seed: options.seed,
        ..Draws::default()
    };
    let classes: Option<Vec<NormClass>> = trained
        .payoffs
        .iter()
        .map(|p| classify(stage.name(), *p))
        .collect();
    let (mut same, mut different, mut apart) = (None, None, None);
    if let Some(c) = &classes {
        same = table.cross(&scores, &draws, |i, j| c[i] == c[j])?;
        different = table.cross(&scores, &draws, |i, j| c[i] != c[j])?;
        apart = table.mean_payoffs(|i, j| c[i] != c[j]);
    }
    Ok(Row {
        name: name.into(),
        ours: [
            Some(table.self_play(&scores, &draws)?),
            table.cross(&scores, &draws, |_, _| true)?,
            same,
            different,
        ],
        released,
        payoffs: [
            table.mean_payoffs(|i, j| i == j),
            apart.or_else(|| table.mean_payoffs(|i, j| i != j)),
        ],
        seconds: begun.elapsed().as_secs_f64(),
    })
}

fn rows(arguments: &Arguments) -> Result<Vec<Row>, Failure> {
    let seed = arguments.seed;
    let all = |values: [f64; 4]| values.map(Some);
    let two = |own: f64, cross: f64| [Some(own), Some(cross), None, None];
    let options = LolaOptions {
        pairs: arguments.pairs,
        seed,
        ..LolaOptions::default()
    };
    let naive = LolaOptions {
        eta: 0.0,
        ..options
    };
    let (ipd, bos) = (games::named("ipd")?, games::named("asym-bos")?);
    let sigmoid = Parameters::SigmoidNormalised;
    let mut rows = vec![
        amtft("ipd", seed, all([1.0; 4]))?,
        amtft("asym-bos", seed, all([1.0, 0.547, 1.0, 0.014]))?,
        amtft("asym-bos-and-pd", seed, [None; 4])?,
        lola("LOLA-Exact, ipd", &ipd, sigmoid, &options, [None; 4])?,
        lola(
            "LOLA-Exact, ipd as trained on (transposed)",
            &transposed()?,
            sigmoid,
            &options,
            two(1.0, 1.0),
        )?,
        lola("naive, ipd", &ipd, sigmoid, &naive, [None; 4])?,
        lola(
            "LOLA-Exact, asym-bos",
            &bos,
            sigmoid,
            &options,
            all([0.999, 0.525, 0.896, 0.321]),
        )?,
        lola(
            "LOLA-Exact, asym-bos, softmax",
            &bos,
            Parameters::Softmax,
            &options,
            [None; 4],
        )?,
        lola(
            "LOLA-Exact, asym-bos, σ = 3",
            &bos,
            sigmoid,
            &LolaOptions {
                sigma: 3.0,
                ..options
            },
            [None; 4],
        )?,
        lola(
            "LOLA-Exact, asym-bos-and-pd",
            &games::named("asym-bos-and-pd")?,
            sigmoid,
            &options,
            [None; 4],
        )?,
    ];
    if !arguments.quick {
        rows.push(amtft("cg", seed, all([0.943, 0.940, 0.939, 0.941]))?);
        rows.push(amtft("abcg", seed, all([0.940, 0.569, 0.855, 0.310]))?);
    }
    Ok(rows)
}

pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let rows = rows(arguments)?;
    if let Some(folder) = &arguments.report {
        report(&rows, arguments, folder)?;
    }
    if arguments.json {
        let list: Vec<_> = rows
            .iter()
            .map(|row| {
                let [own, all, same, different] = &row.ours;
                json!({
                    "name": row.name,
                    "self_play": own, "cross_play": all, "same_norm": same, "different_norm": different,
                    "released": row.released,
                    "payoffs": row.payoffs,
                })
            })
            .collect();
        return Ok(serde_json::to_string_pretty(
            &json!({"pairs": arguments.pairs, "rows": list}),
        )?);
    }
    let mut text = String::new();
    writeln!(text, "scores [99 % interval over replicates] / as released")?;
    for row in &rows {
        writeln!(text, "{} ({:.1} s)", row.name, row.seconds)?;
        for (i, name) in ["self-play", "cross-play", "same norm", "different"]
            .iter()
            .enumerate()
        {
            if let Some(ours) = row.ours[i] {
                let released = row.released[i].map_or_else(|| "–".into(), |r| format!("{r:.3}"));
                writeln!(
                    text,
                    "  {name:<12}{:.3} [{:.3}, {:.3}] / {released}",
                    ours.mean, ours.low, ours.high
                )?;
            }
        }
        let show = |p: Option<[f64; 2]>| {
            p.map_or_else(|| "–".into(), |p| format!("({:.3}, {:.3})", p[0], p[1]))
        };
        writeln!(
            text,
            "  pays        {} → {}",
            show(row.payoffs[0]),
            show(row.payoffs[1])
        )?;
    }
    Ok(text)
}

fn report(rows: &[Row], arguments: &Arguments, folder: &std::path::Path) -> Result<(), Failure> {
    let right = |name: &str| Column::new(name, Align::Right);
    let mut table = Table::new([
        Column::new("players, game", Align::Left),
        right("self-play"),
        right("cross-play"),
        right("same norm"),
        right("different norms"),
        right("released"),
    ])?
    .caption("Scores: the share of what the nearest norm considers best, with 99 % intervals over replicates.");
    for row in rows {
        let cell = |i: usize| {
            row.ours[i].map_or_else(
                || "–".to_owned(),
                |v| format!("{:.3} [{:.3}, {:.3}]", v.mean, v.low, v.high),
            )
        };
        let released: Vec<String> = row
            .released
            .iter()
            .flatten()
            .map(|r| format!("{r:.3}"))
            .collect();
        table.push([
            Cell::from(row.name.clone()),
            Cell::from(cell(0)),
            Cell::from(cell(1)),
            Cell::from(cell(2)),
            Cell::from(cell(3)),
            Cell::from(if released.is_empty() {
                "–".to_owned()
            } else {
                released.join(", ")
            }),
        ])?;
    }
    let mut section = Section::new("Self-play and cross-play")
        .table(table)
        .figure(figures::scores(rows)?);
    section = figures::payoffs(section, arguments.pairs, arguments.seed)?;
    let mut trade = Section::new("Adapting to the other's norm").paragraph(
        "A norm-adaptive player of asymmetric Bach or Stravinsky plays by its favourite norm with probability p whenever the other does not fit the \
         norm that it plays by. The surer it is of its favourite, the less it can be exploited by someone stubborn, and the less it agrees.",
    );
    trade = trade
        .figure(figures::trade_off()?)
        .figure(figures::learning(arguments.seed)?);
    let episode = figures::episode()?;
    let meta = figures::meta(arguments.seed)?;
    Report::new("Normative disagreement")
        .lead("Players who learned apart, and whether they agree when they meet.")
        .fact("LOLA pairs", arguments.pairs.to_string())
        .fact("seed", arguments.seed.to_string())
        .section(section)
        .section(trade)
        .section(meta)
        .section(episode)
        .write(folder.join("index.html"))?;
    Ok(())
}
