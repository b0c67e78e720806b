//! `fit`: scaling laws through points.

use clap::{Args, ValueEnum};
use firetender_scaling::{FitOptions, Form, read_columns};
use firetender_support::{Failure, fail};
use serde_json::json;

use crate::data;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Points: columns x,y; for chinchilla N,D,L.
    #[arg(long, value_name = "FILE")]
    csv: String,
    /// The form of the curve.
    #[arg(long)]
    form: Name,
    /// Breaks of the broken law.
    #[arg(long, default_value_t = 1)]
    breaks: usize,
    /// Accuracy of guessing, for the sigmoid.
    #[arg(long, default_value_t = 0.0)]
    chance: f64,
    /// Fit the first points only and predict the others.
    #[arg(long, value_name = "N")]
    first: Option<usize>,
    /// Resamplings for the intervals.
    #[arg(long, default_value_t = 200)]
    bootstrap: usize,
    /// Their seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    Bnsl,
    Power,
    Sigmoid,
    Chinchilla,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (names, rows) = read_columns(&data::text(&arguments.csv)?, &arguments.csv)?;
    let (form, wanted): (Form, &[&[&str]]) = match arguments.form {
        Name::Bnsl => (
            Form::Bnsl {
                breaks: arguments.breaks,
            },
            &[&["x"], &["y"]],
        ),
        Name::Power => (Form::Power, &[&["x"], &["y"]]),
        Name::Sigmoid => (
            Form::Sigmoid {
                chance: arguments.chance,
            },
            &[&["x"], &["y"]],
        ),
        Name::Chinchilla => (
            Form::Chinchilla,
            &[
                &["n", "params", "parameters", "size", "x1"],
                &["d", "tokens", "data", "x2"],
                &["l", "loss", "y"],
            ],
        ),
    };
    if rows[0].len() < wanted.len() {
        return fail(format!(
            "{}: {} columns; expected {}",
            arguments.csv,
            rows[0].len(),
            wanted
                .iter()
                .map(|known| known[0])
                .collect::<Vec<_>>()
                .join(",")
        ));
    }
    // By name where all names are there, else by place.
    let found: Vec<Option<usize>> = wanted
        .iter()
        .map(|known| {
            names
                .iter()
                .position(|name| known.contains(&name.to_lowercase().as_str()))
        })
        .collect();
    let places: Vec<usize> = match found.iter().copied().collect::<Option<Vec<_>>>() {
        Some(places) => places,
        None => (0..wanted.len()).collect(),
    };
    let (last, inputs) = places.split_last().unwrap_or((&0, &[]));
    let x: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| inputs.iter().map(|at| row[*at]).collect())
        .collect();
    let y: Vec<f64> = rows.iter().map(|row| row[*last]).collect();
    let first = arguments.first.unwrap_or(y.len());
    if first > y.len() {
        return fail(format!(
            "--first is {first}, but there are {} points",
            y.len()
        ));
    }
    let options = FitOptions {
        bootstrap: arguments.bootstrap,
        seed: arguments.seed,
    };
    let fit = firetender_scaling::fit(&x[..first], &y[..first], form, options)?;
    let held: Vec<f64> = x[first..].iter().map(|x| fit.predict(x)).collect();
    let held_rmsle = (!held.is_empty()).then(|| {
        let squares: f64 = held
            .iter()
            .zip(&y[first..])
            .map(|(f, y)| (f.ln_1p() - y.ln_1p()).powi(2))
            .sum();
        (squares / held.len() as f64).sqrt()
    });
    if arguments.json {
        let pick = |f: &dyn Fn(&firetender_scaling::Parameter) -> serde_json::Value| {
            serde_json::Value::Object(
                fit.parameters
                    .iter()
                    .map(|p| (p.name.clone(), f(p)))
                    .collect(),
            )
        };
        let object = json!({
            "form": arguments.form.to_possible_value().map(|v| v.get_name().to_owned()),
            "points": first,
            "parameters": pick(&|p| json!(p.value)),
            "intervals": pick(&|p| json!(p.interval)),
            "converged": fit.converged,
            "objective": fit.objective,
            "rmse": fit.rmse,
            "rmsle": fit.rmsle,
            "fitted": fit.fitted,
            "residuals": fit.residuals,
            "held_out": held,
            "held_out_rmsle": held_rmsle,
        });
        println!("{object}");
        return Ok(());
    }
    for parameter in &fit.parameters {
        match parameter.interval {
            Some((low, high)) => println!(
                "{:<6} {:>14.6}   95 % [{low:.6}, {high:.6}]",
                parameter.name, parameter.value
            ),
            None => println!("{:<6} {:>14.6}", parameter.name, parameter.value),
        }
    }
    println!(
        "root mean square error {:.3e}, of logarithms {:.3e}, converged: {}",
        fit.rmse,
        fit.rmsle.unwrap_or(f64::NAN),
        fit.converged
    );
    if let Some(rmsle) = held_rmsle {
        println!("held-out points: {:.3e}", rmsle);
    }
    Ok(())
}
