//! `dee`: equivalents from a table of curves.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use firetender_support::{Failure, fail};
use firetender_uncertainty::{
    Bands, CostModel, Dee, DeeOptions, DeePoint, DeeStatus, Interpolation, Monotone, ResultTable,
    dee, dee_table,
};
use serde_json::{Value, json};

use crate::{figures, input::is_compat, metrics::number};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Table with the columns dataset, model, method, metric, n_samples and mean_value (or value, a row a run).
    #[arg(long, value_name = "FILE")]
    csv: PathBuf,
    /// The method.
    #[arg(long)]
    method: String,
    /// The method that it is measured in.
    #[arg(long, default_value = "deepens")]
    baseline: String,
    /// The metric: by default cll if there is one, else ll.
    #[arg(long)]
    metric: Option<String>,
    /// Only rows of this dataset.
    #[arg(long)]
    dataset: Option<String>,
    /// Only rows of this model.
    #[arg(long, alias = "network")]
    model: Option<String>,
    /// The published program: ashukha2020.
    #[arg(long)]
    compat: Option<String>,
    /// How the baseline becomes monotone.
    #[arg(long, value_enum, default_value = "isotonic")]
    monotone: MonotoneName,
    /// What is linear between two sizes.
    #[arg(long, value_enum, default_value = "linear")]
    interpolation: InterpolationName,
    /// Read scores above the baseline off a power law (marked as such).
    #[arg(long)]
    extrapolate: bool,
    /// Replicates of the bootstrap.
    #[arg(long, default_value_t = 1000)]
    resamples: usize,
    /// Share of replicates in a band.
    #[arg(long, default_value_t = 0.95)]
    level: f64,
    /// Seed of the bootstrap.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write the result as a table.
    #[arg(long, value_name = "FILE.csv")]
    out: Option<PathBuf>,
    /// Write the figure to this file.
    #[arg(long, value_name = "FILE.svg")]
    figure: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum MonotoneName {
    Isotonic,
    RunningMax,
    None,
}

#[derive(Clone, Copy, ValueEnum)]
enum InterpolationName {
    Linear,
    Log,
    Reciprocal,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let options = options(arguments)?;
    let table = ResultTable::read(&arguments.csv)?
        .only(arguments.dataset.as_deref(), arguments.model.as_deref());
    if table.rows.is_empty() {
        return fail(format!(
            "{}: no rows of this dataset and model",
            arguments.csv.display()
        ));
    }
    // Where only one of several datasets has both methods, that one is meant.
    let table = only_place_of_both(&table, &arguments.method, &arguments.baseline);
    let metric = arguments
        .metric
        .as_deref()
        .unwrap_or(table.default_metric());
    let method = table.curve(&arguments.method, metric)?;
    let baseline = table.curve(&arguments.baseline, metric)?;
    let found = dee(&method, &baseline, &options)?;
    let row = &table.rows[0];
    let cost = [
        CostModel::vgg16_ashukha2020(&arguments.method.to_ascii_lowercase()),
        CostModel::vgg16_ashukha2020(&arguments.baseline.to_ascii_lowercase()),
    ];
    let cost = match cost {
        [Some(method), Some(baseline)] if row.model.eq_ignore_ascii_case("vgg16") => {
            Some((method, baseline))
        }
        _ => None,
    };
    if let Some(path) = &arguments.out {
        let text = dee_table(&found, &row.dataset, &row.model, &arguments.method, metric);
        firetender_lm::write_atomically(path, text.as_bytes())?;
    }
    if let Some(path) = &arguments.figure {
        figures::dee(&[(&arguments.method, &found)])?.write_svg(path)?;
    }
    if arguments.json {
        let points: Vec<Value> = found.points.iter().map(|p| point(p, cost)).collect();
        let result = json!({
            "dee": points,
            "method": arguments.method,
            "baseline": arguments.baseline,
            "metric": metric,
            "dataset": row.dataset,
            "model": row.model,
            "band": found.band,
            "tail": found.tail,
        });
        println!("{result}");
    } else {
        print(&found, metric, arguments);
    }
    Ok(())
}

fn options(arguments: &Arguments) -> Result<DeeOptions, Failure> {
    if is_compat(arguments.compat.as_deref())? {
        return Ok(DeeOptions::ashukha2020());
    }
    if !(arguments.level > 0.0 && arguments.level < 1.0) {
        return fail(format!(
            "--level is {}; expected a number between 0 and 1",
            arguments.level
        ));
    }
    Ok(DeeOptions {
        monotone: match arguments.monotone {
            MonotoneName::Isotonic => Monotone::Isotonic,
            MonotoneName::RunningMax => Monotone::RunningMax,
            MonotoneName::None => Monotone::None,
        },
        interpolation: match arguments.interpolation {
            InterpolationName::Linear => Interpolation::Linear,
            InterpolationName::Log => Interpolation::Log,
            InterpolationName::Reciprocal => Interpolation::Reciprocal,
        },
        bands: Bands::Bootstrap {
            resamples: arguments.resamples,
            level: arguments.level,
            seed: arguments.seed,
        },
        extrapolate: arguments.extrapolate,
    })
}

fn only_place_of_both(table: &ResultTable, method: &str, baseline: &str) -> ResultTable {
    let is = |name: &str, wanted: &str| {
        name.eq_ignore_ascii_case(wanted) || name.eq_ignore_ascii_case(&format!("{wanted} (ts)"))
    };
    let mut places: Vec<(String, String)> = vec![];
    for row in &table.rows {
        let place = (row.dataset.clone(), row.model.clone());
        if places.contains(&place) {
            continue;
        }
        let here = table.only(Some(&place.0), Some(&place.1));
        let has = |wanted: &str| here.rows.iter().any(|r| is(&r.method, wanted));
        if has(method) && has(baseline) {
            places.push(place);
        }
    }
    match &places[..] {
        [(dataset, model)] => table.only(Some(dataset), Some(model)),
        _ => table.clone(),
    }
}

fn point(p: &DeePoint, cost: Option<(CostModel, CostModel)>) -> Value {
    let size = p.size as u64;
    let mut value = json!({
        "n_samples": size,
        "dee": number(p.dee),
        "lower": number(p.lower),
        "upper": number(p.upper),
        "status": p.status.name(),
    });
    match p.status {
        DeeStatus::BelowOne { gap } | DeeStatus::AboveMax { gap } => value["gap"] = json!(gap),
        DeeStatus::Plateau { lo, hi } => value["plateau"] = json!([lo, hi]),
        _ => {}
    }
    if p.pool_limited {
        value["pool_limited"] = json!(true);
    }
    if p.censored_low > 0.0 || p.censored_high > 0.0 {
        value["censored"] = json!([p.censored_low, p.censored_high]);
    }
    if let Some((method, baseline)) = cost {
        value["cost_epochs"] = json!(method.at(p.size));
        value["cost_of_equivalent_epochs"] = json!(baseline.at(p.dee));
    }
    value
}

fn print(found: &Dee, metric: &str, arguments: &Arguments) {
    println!(
        "{} in units of {}, by {metric}; bands: {:?}",
        arguments.method, arguments.baseline, found.band
    );
    println!(
        "{:>10} {:>10} {:>10} {:>10}  status",
        "n_samples", "dee", "lower", "upper"
    );
    for p in &found.points {
        println!(
            "{:>10} {:>10.4} {:>10.4} {:>10.4}  {}{}",
            p.size,
            p.dee,
            p.lower,
            p.upper,
            p.status.name(),
            if p.pool_limited { ", pool limited" } else { "" }
        );
    }
}
