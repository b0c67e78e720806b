//! The search on predictions that are there already, such as those of several networks: which to average.

use std::path::Path;

use firetender_support::Failure;
use firetender_tta::{
    Candidates, Evaluation, GreedySearch, ReadOptions, Row, WeightOptions, learn_weights,
    mixture_optimum,
};
use firetender_uncertainty::Folds;
use serde_json::json;

use super::{Arguments, show};

/// Searches one random half of the samples, measures on the other.
pub(super) fn run(arguments: &Arguments, pool: &Path, labels: &Path) -> Result<(), Failure> {
    let options = ReadOptions {
        kind: crate::search::kind(&arguments.kind)?,
        ..ReadOptions::default()
    };
    let all = Candidates::read(pool, labels, &options)?;
    let folds = Folds::random(all.samples(), 2, 1, arguments.seed)?;
    let half = |fold: u32| -> Vec<usize> {
        let of = folds.of(0);
        (0..of.len()).filter(|i| of[*i] == fold).collect()
    };
    let (seen, held) = (all.subset(&half(0))?, all.subset(&half(1))?);
    let most = arguments.samples.last().copied().unwrap_or(1);
    let trace = GreedySearch::new(most).run(&seen)?;
    let picks = trace.selected();
    let classes = all.classes();
    let tables = (0..all.entries())
        .map(|entry| {
            let probs = held.entry(entry)?;
            Ok(probs
                .iter()
                .map(|p| p.max(f32::MIN_POSITIVE).ln())
                .collect())
        })
        .collect::<Result<Vec<Vec<f32>>, Failure>>()?;
    let targets: Vec<i64> = held.labels().iter().map(|l| i64::from(*l)).collect();
    let evaluation = Evaluation {
        seed: arguments.seed,
        ..Evaluation::default()
    };
    let score = |name: &str, members: &[Vec<f32>], sizes: &[usize]| {
        evaluation.run(name, members, &targets, classes, sizes)
    };
    let best = tables[picks[0]].clone();
    let mut rows = score("best single, by the other half", &[best], &[1])?;
    rows.extend(score("mean of all", &tables, &[tables.len()])?);
    let chosen: Vec<Vec<f32>> = picks.iter().map(|entry| tables[*entry].clone()).collect();
    rows.extend(score("GPS", &chosen, &arguments.samples)?);
    let optimum = mixture_optimum(&seen, 2000, 1e-8)?;
    let mixed: Vec<f32> = (0..tables[0].len())
        .map(|at| {
            let terms = tables.iter().zip(&optimum.weights);
            let sum: f64 = terms.map(|(table, w)| w * f64::from(table[at]).exp()).sum();
            sum.max(1e-38).ln() as f32
        })
        .collect();
    rows.push(evaluation.merged("best mixture", tables.len(), &mixed, &targets, classes)?);
    let entries: Vec<usize> = (0..tables.len()).collect();
    for (name, by_class) in [
        ("learned weights", false),
        ("learned weights by class", true),
    ] {
        let options = WeightOptions {
            by_class,
            tolerance: 1e-5,
            ..WeightOptions::default()
        };
        let weights = learn_weights(&seen, &entries, &options)?;
        let merged = weights.merge(&tables)?;
        rows.push(evaluation.merged(name, tables.len(), &merged, &targets, classes)?);
    }
    let against = |than: &str| -> Result<Vec<serde_json::Value>, Failure> {
        let Some(other) = rows.iter().find(|row| row.method == than) else {
            return Ok(vec![]);
        };
        let gps = rows.iter().filter(|row: &&Row| row.method == "GPS");
        gps.map(|gps| {
            let [cll, accuracy] = evaluation.difference(gps, other)?;
            Ok(json!({
                "than": than,
                "samples": gps.samples,
                "cll": [cll.value, cll.low, cll.high],
                "accuracy": [accuracy.value, accuracy.low, accuracy.high],
            }))
        })
        .collect()
    };
    let differences = [
        against("best single, by the other half")?,
        against("mean of all")?,
    ]
    .concat();
    if arguments.json {
        let shown = json!({
            "entries": all.entries(),
            "names": all.names(),
            "searched": seen.samples(),
            "measured": held.samples(),
            "selected": picks,
            "scores": trace.scores(),
            "temperatures": trace.temperatures(),
            "mixture": optimum.weights,
            "rows": rows,
            "differences": differences,
        });
        println!("{shown}");
        return Ok(());
    }
    println!(
        "{}",
        show::rows("Measured on the half that was not searched", &rows)?.to_markdown()
    );
    println!("picked: {picks:?}");
    for difference in differences {
        println!("GPS: {difference}");
    }
    Ok(())
}
