//! `regress`: parameters and training tokens at once.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use firetender_report::{Align, Cell, Column, Table};
use firetender_scaling::{
    ResultRow, Term, TwoFactor, benjamini_hochberg, read_results, two_factor,
};
use firetender_support::{Failure, fail};
use serde_json::json;

use crate::data;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Table with the columns size,tokens,task,value; without one, Pythia's results from the data folder.
    #[arg(long, value_name = "FILE")]
    csv: Option<String>,
    /// Folder with `pythia_isp_results`.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let rows: Vec<ResultRow> = match &arguments.csv {
        Some(path) => read_results(&data::text(path)?, path)?,
        None => data::pythia(arguments.data.as_ref())?
            .into_iter()
            .map(|(_, row)| row)
            .collect(),
    };
    let place = arguments.csv.as_deref().unwrap_or("all_results.tsv");
    let mut groups: BTreeMap<String, [Vec<f64>; 3]> = BTreeMap::new();
    for row in rows {
        let Some(tokens) = row.tokens else {
            return fail(format!(
                "{place}, line {}, column 1: no training tokens; expected a column `tokens`",
                row.line
            ));
        };
        let group = groups.entry(row.task).or_default();
        for (list, value) in group.iter_mut().zip([row.size, tokens, row.value]) {
            list.push(value);
        }
    }
    let mut found: Vec<(String, TwoFactor)> = vec![];
    for (task, [parameters, tokens, values]) in groups {
        match two_factor(&parameters, &tokens, &values) {
            Some(regression) => found.push((task, regression)),
            None => {
                return fail(format!(
                    "{place}: {task}: {} runs; expected at least 5 with different parameters, tokens and values",
                    values.len()
                ));
            }
        }
    }
    let p: Vec<f64> = found
        .iter()
        .flat_map(|(_, r)| terms(r).map(|(_, term)| term.p))
        .collect();
    let adjusted = benjamini_hochberg(&p);
    if arguments.json {
        let tasks: Vec<_> = found
            .iter()
            .zip(adjusted.chunks(3))
            .map(|((task, regression), adjusted)| {
                let mut object =
                    json!({ "task": task, "runs": regression.runs, "df": regression.df });
                for ((name, term), p) in terms(regression).into_iter().zip(adjusted) {
                    object[name] = json!({
                        "coefficient": term.coefficient, "stderr": term.stderr, "t": term.t,
                        "p": term.p, "p_adjusted": p,
                    });
                }
                object
            })
            .collect();
        println!("{}", json!({ "tests": p.len(), "tasks": tasks }));
        return Ok(());
    }
    let right = |name: &str| Column::new(name, Align::Right);
    let mut table = Table::new([
        Column::new("task", Align::Left),
        right("runs"),
        right("t parameters"),
        right("adjusted p parameters"),
        right("t tokens"),
        right("adjusted p tokens"),
        right("t product"),
        right("adjusted p product"),
    ])?;
    for ((task, regression), adjusted) in found.iter().zip(adjusted.chunks(3)) {
        let mut cells = vec![
            Cell::from(task.as_str()),
            Cell::from(regression.runs.to_string().as_str()),
        ];
        for ((_, term), p) in terms(regression).into_iter().zip(adjusted) {
            cells.push(Cell::from(format!("{:.4}", term.t).as_str()));
            cells.push(Cell::from(format!("{p:.3e}").as_str()));
        }
        table.push(cells)?;
    }
    println!("{}", table.to_markdown());
    println!(
        "t on {} degrees of freedom; Benjamini–Hochberg over {} tests",
        found.first().map_or(0, |f| f.1.df),
        p.len()
    );
    Ok(())
}

fn terms(regression: &TwoFactor) -> [(&'static str, Term); 3] {
    [
        ("parameters", regression.parameters),
        ("tokens", regression.tokens),
        ("interaction", regression.interaction),
    ]
}
