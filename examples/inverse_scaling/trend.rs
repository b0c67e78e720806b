//! `trend`: statistics and labels.

use std::path::PathBuf;

use clap::Args;
use firetender_report::{Align, Cell, Column, Table};
use firetender_scaling::{
    Curve, ResultRow, Scale, ShapeOptions, Trend, attach_examples, curves, read_results, trends,
};
use firetender_support::{Failure, fail};

use crate::data;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Table with the columns family,size,task,n,value,stderr (and metric, where a task has several).
    #[arg(long, value_name = "FILE")]
    csv: Option<String>,
    /// Scores of single examples: family,size,task,example,value.
    #[arg(long, value_name = "FILE", alias = "per-example")]
    examples: Option<String>,
    /// Folder with `pythia_isp_results`, where no table is given.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Checkpoint of Pythia to judge.
    #[arg(long, default_value = "step143000")]
    checkpoint: String,
    /// Only these tasks.
    #[arg(long, value_delimiter = ',')]
    task: Vec<String>,
    /// Less is better, whatever the metric's name.
    #[arg(long)]
    lower_is_better: bool,
    /// What sizes are: parameters, non-embedding, tokens, flops, loss or strength.
    #[arg(long, default_value = "parameters")]
    axis: String,
    /// Judge models with different numbers of examples, too.
    #[arg(long)]
    unequal_n: bool,
    /// Level at which a shape is rejected.
    #[arg(long, default_value_t = 0.05)]
    alpha: f64,
    /// Least standard error.
    #[arg(long, default_value_t = 0.001)]
    floor: f64,
    /// Bootstrap draws.
    #[arg(long, default_value_t = 10_000)]
    draws: usize,
    /// Their seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn axis(name: &str) -> Result<Scale, Failure> {
    Ok(match name {
        "parameters" | "params" | "size" => Scale::Parameters,
        "non-embedding" | "non_embedding" => Scale::NonEmbedding,
        "tokens" => Scale::Tokens,
        "flops" => Scale::Flops,
        "loss" => Scale::Loss,
        "strength" => Scale::Strength,
        other => {
            return fail(format!(
                "--axis is {other:?}; expected parameters, non-embedding, tokens, flops, loss or strength"
            ));
        }
    })
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let axis = axis(&arguments.axis)?;
    let (mut rows, place): (Vec<ResultRow>, String) = match &arguments.csv {
        Some(path) => (read_results(&data::text(path)?, path)?, path.clone()),
        None => {
            let rows: Vec<ResultRow> = data::pythia(arguments.data.as_ref())?
                .into_iter()
                .filter(|(revision, row)| *revision == arguments.checkpoint && row.n.is_some())
                .map(|(_, row)| row)
                .collect();
            if rows.is_empty() {
                return fail(format!("no rows of checkpoint {}", arguments.checkpoint));
            }
            (rows, "all_results.tsv".into())
        }
    };
    if !arguments.task.is_empty() {
        rows.retain(|row| arguments.task.contains(&row.task));
        if rows.is_empty() {
            return fail(format!("{place}: no rows of {}", arguments.task.join(", ")));
        }
    }
    let mut curves: Vec<Curve> = curves(&rows, &axis, arguments.unequal_n, &place)?;
    if let Some(path) = &arguments.examples {
        attach_examples(&mut curves, &data::text(path)?, path)?;
    }
    if arguments.lower_is_better {
        curves
            .iter_mut()
            .for_each(|curve| curve.lower_is_better = true);
    }
    let options = ShapeOptions {
        alpha: arguments.alpha,
        floor: arguments.floor,
        draws: arguments.draws,
        seed: arguments.seed,
    };
    let found = trends(&curves, options)?;
    if arguments.json {
        println!("{}", serde_json::json!({ "tasks": found }));
    } else {
        println!("{}", table(&found)?.to_markdown());
        for trend in &found {
            println!(
                "{}: {}. {}",
                trend.task,
                trend.evidence,
                trend.notes.join("; ")
            );
        }
    }
    Ok(())
}

pub(crate) fn table(trends: &[Trend]) -> Result<Table, Failure> {
    let left = |name: &str| Column::new(name, Align::Left);
    let right = |name: &str| Column::new(name, Align::Right);
    let mut table = Table::new([
        left("task"),
        left("family"),
        left("label"),
        right("models"),
        right("ρ"),
        right("exact p"),
        right("τ"),
        right("slope a decade"),
        right("Theil–Sen"),
        right("χ² rising"),
        right("χ² falling"),
        right("p constant"),
    ])?;
    let number = |value: Option<f64>, digits: usize| match value {
        Some(value) => Cell::from(format!("{value:.digits$}").as_str()),
        None => Cell::Missing,
    };
    for trend in trends {
        table.push([
            Cell::from(trend.task.as_str()),
            Cell::from(trend.family.as_str()),
            Cell::from(trend.label.name()),
            Cell::from(trend.models.len().to_string().as_str()),
            number(trend.spearman.rho, 3),
            number(trend.spearman.p_exact, 4),
            number(trend.kendall.tau, 3),
            number(trend.ols.map(|line| line.slope), 4),
            number(trend.theil_sen, 4),
            number(Some(trend.chi2_increasing), 2),
            number(Some(trend.chi2_decreasing), 2),
            number(Some(trend.p_constant), 4),
        ])?;
    }
    Ok(table)
}
