//! `compare`: several methods on one test set, with intervals and the pitfalls that apply.

use clap::Args;
use firetender_report::{Align, Cell, Column, Report, Section, Table};
use firetender_support::{Failure, fail};
use firetender_uncertainty::{CompareOptions, Comparison, Scores, compare};
use serde_json::json;

use crate::{
    input::{Input, Loaded},
    temperature::FoldArguments,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Every occurrence of --probs, --logits or --log-probs is a method: NAME=FILE[,FILE…] or FILE[,FILE…].
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    folds: FoldArguments,
    /// Replicates of the paired bootstrap over objects.
    #[arg(long, default_value_t = 1000)]
    resamples: usize,
    /// Share of replicates in an interval.
    #[arg(long, default_value_t = 0.95)]
    level: f64,
    /// Print comma-separated values instead of Markdown.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Write a page with the tables to this file.
    #[arg(long, value_name = "FILE.html")]
    report: Option<std::path::PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let input = &arguments.input;
    let mut methods: Vec<(String, Input, Loaded)> = vec![];
    let kinds = [&input.probs, &input.logits, &input.log_probs];
    for (kind, lists) in kinds.iter().enumerate() {
        for list in *lists {
            let (name, files) = match list.split_once('=') {
                Some((name, files)) => (name.to_owned(), files),
                None => (stem(list), &**list),
            };
            let mut own = Input {
                labels: input.labels.clone(),
                ignore_label: input.ignore_label,
                renormalise: input.renormalise,
                binary: input.binary,
                compat: input.compat.clone(),
                ..Input::default()
            };
            let place = [&mut own.probs, &mut own.logits, &mut own.log_probs];
            place
                .into_iter()
                .nth(kind)
                .into_iter()
                .for_each(|p| p.push(files.to_owned()));
            let loaded = own.load()?;
            if let Some((_, _, first)) = methods.first()
                && first.targets != loaded.targets
            {
                return fail(format!("{name}: other labels than the first method"));
            }
            methods.push((name, own, loaded));
        }
    }
    // One file of several arrays, named by nothing: each array is a method.
    let single = methods.len() == 1 && methods[0].2.members.len() > 1;
    let mut named: Vec<(String, Vec<Scores<'_>>)> = vec![];
    for (name, own, loaded) in &methods {
        let scores = own.scores(loaded)?;
        if single {
            for (member, scores) in loaded.members.iter().zip(scores) {
                named.push((last_part(&member.name), vec![scores]));
            }
        } else {
            named.push((name.clone(), scores));
        }
    }
    let Some((_, _, loaded)) = methods.first() else {
        return fail("no predictions; give --probs, --logits or --log-probs");
    };
    let borrowed: Vec<(&str, Vec<Scores<'_>>)> = named
        .iter()
        .map(|(name, scores)| (name.as_str(), scores.clone()))
        .collect();
    let options = CompareOptions {
        folds: arguments.folds.folds,
        repeats: arguments.folds.repeats,
        seed: arguments.folds.seed,
        resamples: arguments.resamples,
        level: arguments.level,
        metrics: input.options()?,
    };
    let found = compare(&borrowed, &loaded.targets, &options)?;
    let [methods, pairs] = tables(&found)?;
    if let Some(path) = &arguments.report {
        page(&found)?.write(path)?;
    }
    if input.json {
        println!("{}", json!(found));
    } else if arguments.csv {
        print!("{}", methods.to_csv());
    } else {
        println!("{}\n{}", methods.to_markdown(), pairs.to_markdown());
        println!(
            "Kendall's rank correlation before and after calibration: {:.3}",
            found.rank_stability
        );
        for note in &found.notes {
            println!("- {note}");
        }
    }
    Ok(())
}

fn stem(files: &str) -> String {
    let first = files.split(',').next().unwrap_or(files);
    let file = first.rsplit('/').next().unwrap_or(first);
    file.trim_end_matches(".npy")
        .trim_end_matches(".npz")
        .to_owned()
}

fn last_part(name: &str) -> String {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit(':').next().unwrap_or(file).to_owned()
}

/// A page with both tables and the notes.
pub(crate) fn page(found: &Comparison) -> Result<Report, Failure> {
    let [methods, pairs] = tables(found)?;
    let mut section = Section::new("Comparison").table(methods).table(pairs);
    for note in &found.notes {
        section = section.paragraph(note);
    }
    Ok(Report::new("Which is better, and by how much").section(section))
}

/// Methods, and pairs.
pub(crate) fn tables(found: &Comparison) -> Result<[Table; 2], Failure> {
    let right = |name: &str| Column::new(name, Align::Right);
    let mut methods = Table::new([
        Column::new("method", Align::Left),
        right("members"),
        right("accuracy"),
        right("ll"),
        right("rank"),
        right("cll"),
        right("lower"),
        right("upper"),
        right("rank (cll)"),
        right("T"),
        right("brier"),
        right("ece"),
        right("aurc"),
    ])?;
    let cell = |value: f64, digits: u8| {
        if value.is_finite() {
            Cell::fixed(value, digits)
        } else {
            Cell::Missing
        }
    };
    for m in &found.methods {
        methods.push([
            m.name.as_str().into(),
            Cell::Integer(m.members as i64),
            cell(m.metrics.accuracy, 4),
            cell(m.ll.value, 5),
            Cell::Integer(m.rank_ll as i64),
            cell(m.cll.value, 5),
            cell(m.cll.low, 5),
            cell(m.cll.high, 5),
            Cell::Integer(m.rank_cll as i64),
            cell(m.temperature, 3),
            cell(m.metrics.brier, 5),
            cell(m.metrics.ece, 5),
            cell(m.metrics.aurc, 5),
        ])?;
    }
    let mut pairs = Table::new([
        Column::new("pair", Align::Left),
        right("Δ cll"),
        right("lower"),
        right("upper"),
        Column::new("clear", Align::Left),
        Column::new("flips when calibrated", Align::Left),
    ])?;
    let yes = |is: bool| if is { "yes" } else { "no" };
    for pair in &found.pairs {
        pairs.push([
            format!("{} − {}", pair.first, pair.second).as_str().into(),
            cell(pair.difference.value, 5),
            cell(pair.difference.low, 5),
            cell(pair.difference.high, 5),
            yes(pair.clear).into(),
            yes(pair.flips).into(),
        ])?;
    }
    Ok([methods, pairs])
}
