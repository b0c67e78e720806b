//! `rates`: how often the label is wrong, by simulation.

use clap::Args;
use firetender_report::{Align, Cell, Column, Table};
use firetender_scaling::{Label, Noise, ShapeOptions, Simulation, wilson};
use firetender_support::{Failure, fail};
use serde_json::{Value, json};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Simulated curves for each truth.
    #[arg(long, default_value_t = 1000)]
    runs: u64,
    /// Models of a curve.
    #[arg(long, default_value_t = 6)]
    models: usize,
    /// Examples of a task.
    #[arg(long, default_value_t = 300)]
    examples: usize,
    /// Level at which a shape is rejected.
    #[arg(long, default_value_t = 0.05)]
    alpha: f64,
    /// Bootstrap draws of each curve.
    #[arg(long, default_value_t = 1000)]
    draws: usize,
    /// Seed of the first curve; the others follow.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Name, accuracy at place t of 0 to 1 along the axis, and the label that would be right.
type Truth = (&'static str, fn(f64) -> f64, Label);

/// Flat and log-shaped truths are those on which a wrong "inverse" would be a false alarm; the others show what the classifier can see.
const TRUTHS: [Truth; 7] = [
    ("flat at 0.6", |_| 0.6, Label::Constant),
    ("flat at 0.95", |_| 0.95, Label::Constant),
    // Logarithms of something that grows a thousandfold: steep, then flat.
    (
        "like a logarithm",
        |t| 0.4 + 0.5 * (1.0 + 999.0 * t).ln() / 1000f64.ln(),
        Label::Positive,
    ),
    (
        "rising early, then flat",
        |t| 0.8 - 0.3 * (-8.0 * t).exp(),
        Label::Positive,
    ),
    ("falling evenly", |t| 0.75 - 0.2 * t, Label::Inverse),
    (
        "falling, then rising",
        |t| 0.5 + 0.9 * (t - 0.5) * (t - 0.5),
        Label::UShaped,
    ),
    (
        "rising, then falling",
        |t| 0.75 - 0.9 * (t - 0.5) * (t - 0.5),
        Label::InvertedU,
    ),
];

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.runs == 0 || arguments.models < 2 || arguments.examples < 2 {
        return fail("--runs is at least 1, --models and --examples at least 2");
    }
    let mut columns = vec![
        Column::new("truth", Align::Left),
        Column::new("luck shared", Align::Right),
        Column::new("seen", Align::Left),
    ];
    columns.extend(Label::ALL.map(|label| Column::new(label.name(), Align::Right)));
    columns.push(Column::new("\"Inverse\", 95 %", Align::Right));
    let mut table = Table::new(columns)?;
    let mut rows: Vec<Value> = vec![];
    let options = ShapeOptions {
        alpha: arguments.alpha,
        draws: arguments.draws,
        seed: arguments.seed,
        ..ShapeOptions::default()
    };
    for (name, truth, right) in TRUTHS {
        for shared in [0.0, 0.5, 0.9] {
            for noise in [Noise::PairedExamples, Noise::Parametric] {
                let place = |j: usize| j as f64 / (arguments.models - 1) as f64;
                let simulation = Simulation {
                    truth: (0..arguments.models).map(|j| truth(place(j))).collect(),
                    examples: arguments.examples,
                    shared,
                    noise,
                };
                let counts = simulation.labels(arguments.runs, options)?;
                let share = |label: Label| counts[label as usize] as f64 / arguments.runs as f64;
                let (low, high) = wilson(counts[Label::Inverse as usize], arguments.runs);
                let seen = match noise {
                    Noise::PairedExamples => "examples",
                    Noise::Parametric => "means",
                };
                let mut row = vec![Cell::from(name), Cell::fixed(shared, 1), Cell::from(seen)];
                row.extend(Label::ALL.map(|label| Cell::fixed(share(label), 3)));
                row.push(Cell::from(format!("{low:.3} to {high:.3}")));
                table.push(row)?;
                let labels: serde_json::Map<String, Value> = Label::ALL
                    .into_iter()
                    .map(|label| (label.name().to_owned(), json!(share(label))))
                    .collect();
                rows.push(json!({
                    "truth": name, "right": right, "shared": shared, "seen": seen, "labels": labels,
                    "inverse_interval": [low, high],
                }));
            }
        }
    }
    if arguments.json {
        let value = json!({
            "runs": arguments.runs, "models": arguments.models, "examples": arguments.examples, "alpha": arguments.alpha,
            "draws": arguments.draws, "seed": arguments.seed, "rates": rows,
        });
        println!("{value}");
        return Ok(());
    }
    println!("{}", table.to_markdown());
    println!(
        "{} curves of {} models and {} examples a row, {} bootstrap draws each, alpha {}",
        arguments.runs, arguments.models, arguments.examples, arguments.draws, arguments.alpha
    );
    Ok(())
}
