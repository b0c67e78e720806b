//! What is an ensemble worth? Four ways to get ten networks for Fashion-MNIST, from predictions that were kept (example `fashion`): which is
//! better, does calibration change the answer, and how many independently trained networks is each worth.

use std::path::Path;

use firetender_report::{Align, Axis, Cell, Column, LineChart, Section, Series, Table};
use firetender_support::{
    Failure,
    fashion::{CLASSES, Predictions},
};
use firetender_uncertainty::{
    CompareOptions, DeeOptions, Direction, Floor, Folds, Scores, SizeCurve, Targets,
    calibrated_curve, compare, dee,
};

/// Files that are kept, and what they are; the first is what the others are measured in.
const METHODS: [(&str, &str); 4] = [
    ("deepens", "ten networks"),
    ("sse", "ten snapshots of one run"),
    ("csgld", "ten samples of a chain"),
    ("dropout", "ten dropout masks"),
];
/// Of folds and bootstraps.
const SEED: u64 = 5;

/// Compares, prints, and returns the section of the report.
pub(crate) fn visit() -> Result<Section, Failure> {
    println!("== What is an ensemble worth? ==");
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/data/fashion"));
    let kept: Vec<Predictions> = METHODS
        .iter()
        .map(|(file, _)| Predictions::read(&folder.join(format!("{file}.predictions"))))
        .collect::<Result<_, _>>()?;
    let labels: Vec<i64> = kept[0].labels.iter().map(|l| i64::from(*l)).collect();
    let targets = Targets::classes(&labels);
    let scores: Vec<Vec<Scores<'_>>> = kept
        .iter()
        .map(|p| {
            let members = p.members.iter();
            members
                .map(|m| Ok(Scores::log_probs(m, CLASSES)?))
                .collect()
        })
        .collect::<Result<_, Failure>>()?;
    let names = METHODS.iter().map(|(_, about)| *about);
    let methods: Vec<(&str, Vec<Scores<'_>>)> = names.zip(scores.iter().cloned()).collect();
    let options = CompareOptions {
        seed: SEED,
        ..CompareOptions::default()
    };
    let compared = compare(&methods, &targets, &options)?;

    let folds = Folds::random(labels.len(), 2, 5, SEED)?;
    let curves: Vec<SizeCurve> = scores
        .iter()
        .map(|members| {
            let points = calibrated_curve(members, &targets, &folds, &[], Floor::None)?.points;
            let sizes: Vec<usize> = points.iter().map(|p| p.size).collect();
            let objects: Vec<Vec<f64>> = points.into_iter().map(|p| p.objects).collect();
            Ok(SizeCurve::from_objects(
                &sizes,
                &objects,
                Direction::HigherIsBetter,
            )?)
        })
        .collect::<Result<_, Failure>>()?;
    let right = |name: &str| Column::new(name, Align::Right);
    let mut table = Table::new([
        Column::new("method", Align::Left),
        right("accuracy"),
        right("log-likelihood"),
        right("calibrated"),
        right("low"),
        right("high"),
        right("worth in networks"),
        Column::new("status", Align::Left),
    ])?
    .caption(format!(
        "The first {} test images. Calibrated: at the best temperature by cross-validation, with a 95 % interval over images.",
        labels.len()
    ));
    let mut chart = LineChart::new(
        "Calibrated log-likelihood over ensemble size",
        Axis::linear("members"),
        Axis::linear("nats per image"),
    );
    for (method, curve) in compared.methods.iter().zip(&curves) {
        let worth = dee(curve, &curves[0], &DeeOptions::default())?;
        let last = worth.points.last();
        table.push([
            method.name.as_str().into(),
            Cell::fixed(method.metrics.accuracy, 4),
            Cell::fixed(method.ll.value, 4),
            Cell::fixed(method.cll.value, 4),
            Cell::fixed(method.cll.low, 4),
            Cell::fixed(method.cll.high, 4),
            last.map_or(Cell::Missing, |p| Cell::fixed(p.dee, 2)),
            last.map_or("", |p| p.status.name()).into(),
        ])?;
        chart = chart.series(Series::new(
            method.name.as_str(),
            curve.sizes(),
            curve.means(),
        ));
    }
    println!("{}", table.to_markdown());
    for note in &compared.notes {
        println!("- {note}");
    }
    println!();
    let mut section = Section::new("What is an ensemble worth?")
        .paragraph(
            "Four ways to ten predictions a picture, compared as Ashukha et al. (2020) ask for: at the temperature that is best for each, on \
             objects that it was not fitted to, and in units of independently trained networks.",
        )
        .figure(chart.build()?)
        .table(table);
    for note in &compared.notes {
        section = section.paragraph(note);
    }
    Ok(section)
}
