//! `compare-boundaries`: what the rule for cutting a continuation from text changes.

use clap::Args;
use firetender_lm::{Boundary, CausalLm, LikelihoodModel, LmScorer, TextEncoder};
use firetender_report::{Align, Cell, Column, Table};
use firetender_scaling::compare_boundaries;
use firetender_support::{Failure, Marked, Model, device};
use serde_json::json;

use crate::{
    data,
    eval::{PolicyArguments, TaskArguments},
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// A model with its tokenizer.
    #[arg(long, value_name = "MODEL")]
    model: String,
    #[command(flatten)]
    task: TaskArguments,
    #[command(flatten)]
    policy: PolicyArguments,
    /// Rules to compare with the first of them.
    #[arg(long, value_delimiter = ',', value_parser = crate::eval::boundary, default_value = "lm_eval,reference,pairwise,strict")]
    boundary: Vec<Boundary>,
    /// Only compare tokens; score nothing.
    #[arg(long)]
    tokens_only: bool,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (task, _) = arguments.task.load()?;
    let model = Model::open(&arguments.model, &device(arguments.device.as_deref())?)?;
    let policies: Vec<_> = arguments
        .boundary
        .iter()
        .map(|b| arguments.policy.with(*b))
        .collect();
    let mut scorer = LmScorer::new(&model.network, model.checkpoint.fingerprint()?);
    let positions = model.network.shape().max_positions;
    let scorer: Option<&mut dyn LikelihoodModel> = if arguments.tokens_only {
        None
    } else {
        Some(&mut scorer)
    };
    let marked = Marked(model.tokenizer()?);
    let encoder: &dyn TextEncoder = if data::is_chat(&task) {
        &marked
    } else {
        marked.0
    };
    let found = compare_boundaries(&task, encoder, &policies, positions, scorer)?;
    if arguments.json {
        let value = json!({
            "task": task.name, "model": arguments.model, "examples": task.examples.len(),
            "reference": policies.first().map(|p| p.boundary.name()), "boundaries": found,
        });
        println!("{value}");
        return Ok(());
    }
    let right = |name: &str| Column::new(name, Align::Right);
    let mut table = Table::new([
        Column::new("boundary", Align::Left),
        right("pairs"),
        right("refused"),
        right("other tokens"),
        right("other predictions"),
    ])?;
    for difference in found {
        table.push([
            Cell::from(difference.boundary),
            Cell::from(difference.pairs),
            Cell::from(difference.errors),
            Cell::from(difference.different),
            difference.flips.map_or(Cell::Missing, Cell::from),
        ])?;
    }
    println!("{}", table.to_markdown());
    Ok(())
}
