//! `metrics`: every metric of the members' average.

use clap::Args;
use firetender_support::{Failure, fail};
use firetender_uncertainty::{Bootstrap, Ensemble, Metrics, Objects, Scores, evaluate_ensemble};
use serde_json::{Map, Value, json};

use crate::{figures, input::Input};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    input: Input,
    /// Replicates of the bootstrap over objects; 0 for no intervals.
    #[arg(long, default_value_t = 1000)]
    resamples: usize,
    /// Share of replicates in an interval.
    #[arg(long, default_value_t = 0.95)]
    level: f64,
    /// Seed of the bootstrap.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write a page with the reliability diagram and the risk-coverage curve to this file.
    #[arg(long, value_name = "FILE.html")]
    report: Option<std::path::PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let loaded = arguments.input.load()?;
    let members = arguments.input.scores(&loaded)?;
    let options = arguments.input.options()?;
    let scores = average(&members)?;
    let found = evaluate_ensemble(&members, &loaded.targets, &options)?;
    let mut object = keys(&found.metrics)?;
    if let Value::Object(all) = serde_json::to_value(&found)? {
        for (key, value) in all {
            object.insert(key, value);
        }
    }
    object.insert("mutual_information".into(), json!(found.mi));
    if arguments.resamples > 0 {
        let bootstrap = Bootstrap::new(arguments.resamples, arguments.level, arguments.seed)?;
        let objects = Objects::new(&scores, &loaded.targets, options.floor)?;
        let intervals = bootstrap.metrics(&objects, &options.binning, options.brier)?;
        object.insert("intervals".into(), serde_json::to_value(intervals)?);
    }
    if let Some(path) = &arguments.report {
        let title = "Predicted probabilities";
        figures::page(title, &scores, &loaded.targets)?.write(path)?;
    }
    if arguments.input.json {
        println!("{}", Value::Object(object));
    } else {
        print_object(&object);
    }
    Ok(())
}

/// The members' mean; a single member stays as it is.
pub(crate) fn average<'a>(members: &[Scores<'a>]) -> Result<Scores<'a>, Failure> {
    match members {
        [one] => Ok(one.clone()),
        _ => Ok(Ensemble::of(members)?.scores()?),
    }
}

/// The metrics by name; `acc` and `nll` are second names of `accuracy` and −`ll`.
pub(crate) fn keys(metrics: &Metrics) -> Result<Map<String, Value>, Failure> {
    let Value::Object(mut object) = serde_json::to_value(metrics)? else {
        return fail("metrics are no object");
    };
    object.insert("acc".into(), json!(metrics.accuracy));
    object.insert("nll".into(), number(-metrics.ll));
    Ok(object)
}

/// A number, or null where it is not finite.
pub(crate) fn number(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else {
        Value::Null
    }
}

pub(crate) fn print_object(object: &Map<String, Value>) {
    for (key, value) in object {
        match value {
            Value::Number(n) if n.is_f64() => {
                println!("{key:28} {:.6}", n.as_f64().unwrap_or(f64::NAN));
            }
            Value::Array(items) if items.is_empty() => {}
            Value::Object(inner) if key == "intervals" => {
                for (name, found) in inner.iter().filter(|(_, found)| found.is_object()) {
                    let end = |end: &str| found[end].as_f64().unwrap_or(f64::NAN);
                    println!(
                        "{:28} [{:.6}, {:.6}]",
                        format!("  {name}, interval"),
                        end("low"),
                        end("high")
                    );
                }
            }
            other => println!("{key:28} {other}"),
        }
    }
}
