//! `fit`: scaling laws through points.

use clap::{Args, ValueEnum};
use firetender_scaling::{Fit, FitOptions, Form, NumberColumns, Parameter, read_columns};
use firetender_support::{Failure, fail};
use serde_json::{Value, json};

use crate::data;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Points: columns x,y; for chinchilla N,D,L; for ladder N,D,L,accuracy.
    #[arg(long, value_name = "FILE")]
    csv: String,
    /// The form of the curve.
    #[arg(long)]
    form: Name,
    /// Breaks of the broken law.
    #[arg(long, default_value_t = 1)]
    breaks: usize,
    /// Accuracy of guessing, for the sigmoid and the ladder.
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
    /// Chinchilla's loss, then accuracy as a sigmoid of the loss.
    Ladder,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let NumberColumns { names, rows, lines } =
        read_columns(&data::text(&arguments.csv)?, &arguments.csv)?;
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
        Name::Ladder => (
            Form::Chinchilla,
            &[
                &["n", "params", "parameters", "size", "x1"],
                &["d", "tokens", "data", "x2"],
                &["l", "loss", "y1"],
                &["accuracy", "acc", "a", "y2"],
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
    // What the form takes the logarithm of.
    let least = |column: usize| match (arguments.form, column + 1 == wanted.len()) {
        (Name::Bnsl, true) => Some(-1.0),
        (Name::Sigmoid | Name::Ladder, true) => None,
        _ => Some(0.0),
    };
    for (row, line) in rows.iter().zip(&lines) {
        for (column, at) in places.iter().enumerate() {
            let value = row[*at];
            if let Some(least) = least(column).filter(|least| value <= *least) {
                return fail(format!(
                    "{}, line {line}, column {}: `{value}`; expected a number above {least}",
                    arguments.csv,
                    at + 1
                ));
            }
        }
    }
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
    if let Name::Ladder = arguments.form {
        return ladder(arguments, &x, &y, first, options);
    }
    let fit = firetender_scaling::fit(&x[..first], &y[..first], form, options)
        .or_else(|error| fail(format!("{}: {error}", arguments.csv)))?;
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
        let mut object = object(&fit);
        object["form"] = json!(
            arguments
                .form
                .to_possible_value()
                .map(|v| v.get_name().to_owned())
        );
        object["points"] = json!(first);
        object["held_out"] = json!(held);
        object["held_out_rmsle"] = json!(held_rmsle);
        println!("{object}");
        return Ok(());
    }
    show(&fit);
    if let Some(rmsle) = held_rmsle {
        println!("held-out points: {:.3e}", rmsle);
    }
    Ok(())
}

/// A fit as JSON.
fn object(fit: &Fit) -> Value {
    let pick = |f: &dyn Fn(&Parameter) -> Value| {
        let pairs = fit.parameters.iter().map(|p| (p.name.clone(), f(p)));
        Value::Object(pairs.collect())
    };
    json!({
        "parameters": pick(&|p| json!(p.value)),
        "intervals": pick(&|p| json!(p.interval)),
        "converged": fit.converged,
        "objective": fit.objective,
        "rmse": fit.rmse,
        "rmsle": fit.rmsle,
        "fitted": fit.fitted,
        "residuals": fit.residuals,
    })
}

/// Parameters and how well they fit.
fn show(fit: &Fit) {
    for parameter in &fit.parameters {
        match parameter.interval {
            Some((low, high)) => println!(
                "{:<6} {:>14.6}   95 % [{low:.6}, {high:.6}]",
                parameter.name, parameter.value
            ),
            None => println!("{:<6} {:>14.6}", parameter.name, parameter.value),
        }
    }
    let logs = fit
        .rmsle
        .map_or_else(|| "undefined".into(), |v| format!("{v:.3e}"));
    println!(
        "root mean square error {:.3e}, of logarithms {logs}, converged: {}",
        fit.rmse, fit.converged
    );
}

/// Both steps from size to accuracy, and what they say of points that were held out.
fn ladder(
    arguments: &Arguments,
    rows: &[Vec<f64>],
    accuracy: &[f64],
    first: usize,
    options: FitOptions,
) -> Result<(), Failure> {
    let x: Vec<Vec<f64>> = rows.iter().map(|row| row[..2].to_vec()).collect();
    let loss: Vec<f64> = rows.iter().map(|row| row[2]).collect();
    let (chance, accuracy) = (arguments.chance, &accuracy[..first]);
    let found = firetender_scaling::ladder(&x[..first], &loss[..first], accuracy, chance, options)
        .or_else(|error| fail(format!("{}: {error}", arguments.csv)))?;
    let held: Vec<[f64; 2]> = x[first..]
        .iter()
        .map(|x| {
            let (loss, accuracy) = found.predict(x[0], x[1]);
            [loss, accuracy]
        })
        .collect();
    if arguments.json {
        let value = json!({
            "form": "ladder", "points": first, "loss": object(&found.loss), "accuracy": object(&found.accuracy),
            "converged": found.loss.converged && found.accuracy.converged, "held_out": held,
        });
        println!("{value}");
        return Ok(());
    }
    println!("loss from parameters and tokens");
    show(&found.loss);
    println!("accuracy from loss");
    show(&found.accuracy);
    for (x, [loss, accuracy]) in x[first..].iter().zip(held) {
        println!(
            "held out, {:e} parameters and {:e} tokens: loss {loss:.4}, accuracy {accuracy:.4}",
            x[0], x[1]
        );
    }
    Ok(())
}
