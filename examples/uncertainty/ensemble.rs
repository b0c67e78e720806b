//! `ensemble`: every size, plain and calibrated.

use clap::Args;
use firetender_support::Failure;
use firetender_uncertainty::{
    CalibratedPoint, CurvePoint, Folds, Metrics, ResultRow, ResultTable, calibrated_curve,
    ensemble_curve, evaluate, running,
};
use serde_json::{Map, Value, json};

use crate::{
    figures,
    input::{Input, is_compat},
    metrics::{keys, number},
    temperature::FoldArguments,
};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    folds: FoldArguments,
    /// Write the curves as a table with the reference's columns.
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<std::path::PathBuf>,
    /// Name of the method in that table.
    #[arg(long, default_value = "ensemble")]
    name: String,
    /// Write a page with the curves to this file.
    #[arg(long, value_name = "FILE.html")]
    report: Option<std::path::PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let compat = is_compat(arguments.input.compat.as_deref())?;
    let loaded = arguments.input.load()?;
    let members = arguments.input.scores(&loaded)?;
    let options = arguments.input.options()?;
    let FoldArguments {
        folds,
        repeats,
        seed,
        stratified,
    } = arguments.folds;
    let folds = if stratified {
        Folds::stratified(&loaded.targets, folds, repeats, seed)?
    } else {
        Folds::random(loaded.targets.rows(), folds, repeats, seed)?
    };
    let plain = ensemble_curve(&members, &loaded.targets, options.floor)?;
    let calibrated = calibrated_curve(&members, &loaded.targets, &folds, &[], options.floor)?;
    let mut all: Vec<Metrics> = vec![];
    running(&members, |ensemble| {
        all.push(evaluate(&ensemble.scores()?, &loaded.targets, &options)?);
        Ok(())
    })?;
    let cll = |point: &CalibratedPoint| {
        if compat {
            point.mean_of_folds
        } else {
            point.calibrated_log_likelihood
        }
    };
    let mut list = vec![];
    for ((metrics, point), calibrated) in all.iter().zip(&plain).zip(&calibrated.points) {
        list.push(Value::Object(object(
            metrics,
            point,
            calibrated,
            cll(calibrated),
        )?));
    }
    if let Some(path) = &arguments.csv {
        let values: Vec<f64> = calibrated.points.iter().map(cll).collect();
        table(&all, &values, &arguments.name).write(path)?;
    }
    if let Some(path) = &arguments.report {
        figures::curves("Ensemble size", &plain, &calibrated.points)?.write(path)?;
    }
    if arguments.input.json {
        // The same numbers by metric, for plotting.
        let column =
            |key: &str| -> Vec<Value> { list.iter().map(|point| point[key].clone()).collect() };
        let result = json!({
            "n_samples": column("n_samples"),
            "ll": column("ll"),
            "cll": column("cll"),
            "accuracy": column("accuracy"),
            "brier": column("brier"),
            "ensemble": list,
            "members": members.len(),
            "folds": folds.folds(),
            "repeats": folds.repeats(),
            "seed": seed,
        });
        println!("{result}");
    } else {
        println!(
            "{:>4} {:>9} {:>11} {:>11} {:>9} {:>8} {:>8} {:>8}",
            "K", "accuracy", "ll", "cll", "±", "brier", "ece", "T"
        );
        for ((metrics, point), calibrated) in all.iter().zip(&plain).zip(&calibrated.points) {
            let fits = &calibrated.fits;
            let t = fits.iter().map(|f| f.temperature).sum::<f64>() / fits.len() as f64;
            println!(
                "{:>4} {:>9.4} {:>11.6} {:>11.6} {:>9.6} {:>8.5} {:>8.5} {:>8.4}",
                point.size,
                metrics.accuracy,
                metrics.ll,
                cll(calibrated),
                calibrated.standard_error,
                metrics.brier,
                metrics.ece,
                t
            );
        }
    }
    Ok(())
}

fn object(
    metrics: &Metrics,
    point: &CurvePoint,
    calibrated: &CalibratedPoint,
    cll: f64,
) -> Result<Map<String, Value>, Failure> {
    let mut object = Map::new();
    object.insert("n_samples".into(), json!(point.size));
    object.insert("ll".into(), number(metrics.ll));
    object.insert("cll".into(), number(cll));
    object.insert(
        "cll_standard_error".into(),
        number(calibrated.standard_error),
    );
    let mean =
        calibrated.fits.iter().map(|f| f.temperature).sum::<f64>() / calibrated.fits.len() as f64;
    object.insert("temperature".into(), number(mean));
    let temperatures: Vec<Value> = calibrated
        .fits
        .iter()
        .map(|f| number(f.temperature))
        .collect();
    object.insert("temperatures".into(), json!(temperatures));
    let mut statuses: Vec<&str> = calibrated.fits.iter().map(|f| f.status.name()).collect();
    statuses.dedup();
    object.insert("statuses".into(), json!(statuses));
    object.insert("member_ll".into(), number(point.member_log_likelihood));
    object.insert("mutual_information".into(), json!(point.mutual_information));
    object.insert("disagreement".into(), json!(point.disagreement));
    for (key, value) in keys(metrics)? {
        object.entry(key).or_insert(value);
    }
    Ok(object)
}

/// The reference's rows: metrics as they are, and the calibrated log-likelihood under the marked name.
fn table(all: &[Metrics], cll: &[f64], method: &str) -> ResultTable {
    let mut table = ResultTable::default();
    for (at, metrics) in all.iter().enumerate() {
        let mut push = |method: String, metric: &str, value: f64| {
            table.rows.push(ResultRow {
                dataset: "data".into(),
                model: "model".into(),
                method,
                n_samples: at + 1,
                metric: metric.into(),
                value,
                std: None,
                info: String::new(),
            });
        };
        push(method.to_owned(), "acc", metrics.accuracy);
        push(method.to_owned(), "ll", metrics.ll);
        push(method.to_owned(), "brier", metrics.brier);
        push(format!("{method} (ts)"), "ll", cll[at]);
    }
    table
}
