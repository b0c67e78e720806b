//! The study as tables, figures and JSON.

use std::path::Path;

use firetender_report::{
    Align, Axis, Cell, Column, Figure, LineChart, Points, Report, ReportError, Scatter, Section,
    Series, Table,
};
use serde_json::{Value, json};

use crate::{
    methods::NETWORK,
    study::{Curve, ranks},
};

/// Every method's largest ensemble, and every method at five members.
pub(crate) fn table(curves: &[Curve]) -> Result<Table, ReportError> {
    let right = |name: &str| Column::new(name, Align::Right);
    let mut table = Table::new([
        Column::new("method", Align::Left),
        right("runs"),
        right("K"),
        right("epochs"),
        right("accuracy"),
        right("LL"),
        right("CLL"),
        right("± over runs"),
        right("rank by LL"),
        right("rank by CLL"),
        right("DEE"),
        right("from"),
        right("to"),
        Column::new("status", Align::Left),
        right("networks paid"),
    ])?;
    let last = |values: &[f64]| values.last().copied().unwrap_or(f64::NAN);
    let plain: Vec<f64> = curves.iter().map(|curve| last(&curve.plain)).collect();
    let calibrated: Vec<f64> = curves.iter().map(|curve| last(&curve.calibrated)).collect();
    let (by_plain, by_calibrated) = (ranks(&plain), ranks(&calibrated));
    for (at, curve) in curves.iter().enumerate() {
        let Some(point) = curve.dee.points.last() else {
            continue;
        };
        let epochs = curve.cost.at(point.size);
        table.push([
            curve.name.into(),
            if pooled(curve) {
                "pool".into()
            } else {
                curve.runs.len().into()
            },
            curve.sizes.len().into(),
            round(epochs, 1).into(),
            round(curve.accuracy, 4).into(),
            round(plain[at], 4).into(),
            round(calibrated[at], 4).into(),
            match spread(curve) {
                Some(spread) => round(spread, 4).into(),
                None => Cell::Missing,
            },
            by_plain[at].into(),
            by_calibrated[at].into(),
            round(point.dee, 2).into(),
            round(point.lower, 2).into(),
            round(point.upper, 2).into(),
            point.status.name().into(),
            round(epochs / NETWORK as f64, 2).into(),
        ])?;
    }
    Ok(table)
}

/// Orders of one pool are no independent runs.
fn pooled(curve: &Curve) -> bool {
    curve.name == "deepens"
}

/// Standard deviation over independent runs of the largest ensemble's calibrated log-likelihood.
fn spread(curve: &Curve) -> Option<f64> {
    let last: Vec<f64> = curve
        .runs
        .iter()
        .filter_map(|run| run.calibrated.last().copied())
        .collect();
    if pooled(curve) || last.len() < 2 {
        return None;
    }
    let mean = last.iter().sum::<f64>() / last.len() as f64;
    let squares: f64 = last.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (last.len() - 1) as f64).sqrt())
}

/// What a budget buys: the calibrated log-likelihood of the largest ensemble that it pays for, and how many members that has.
pub(crate) fn matched(curves: &[Curve]) -> Result<Table, ReportError> {
    let budgets = [1.0, 2.0, 3.0, 5.0, 10.0].map(|networks| networks * NETWORK as f64);
    let mut columns = vec![Column::new("CLL (members) for epochs", Align::Left)];
    columns.extend(budgets.map(|budget| Column::new(format!("{budget}"), Align::Right)));
    let mut table = Table::new(columns)?;
    for curve in curves {
        let mut row: Vec<Cell> = vec![curve.name.into()];
        for budget in budgets {
            let sizes = curve.sizes.iter().zip(&curve.calibrated);
            let mut paid = sizes.filter(|(size, _)| curve.cost.at(**size as f64) <= budget);
            row.push(match paid.next_back() {
                Some((size, value)) => format!("{value:.4} ({size})").as_str().into(),
                None => Cell::Missing,
            });
        }
        table.push(row)?;
    }
    Ok(table)
}

/// Everything, for programs.
pub(crate) fn json(curves: &[Curve], rows: usize) -> Value {
    let methods: Vec<Value> = curves
        .iter()
        .map(|curve| {
            let points: Vec<Value> = curve
                .dee
                .points
                .iter()
                .zip(curve.plain.iter().zip(&curve.calibrated))
                .map(|(point, (ll, cll))| {
                    json!({
                        "n_samples": point.size,
                        "ll": ll,
                        "cll": cll,
                        "dee": point.dee,
                        "lower": point.lower,
                        "upper": point.upper,
                        "status": point.status.name(),
                        "epochs": curve.cost.at(point.size),
                    })
                })
                .collect();
            let runs: Vec<Value> = curve
                .runs
                .iter()
                .map(|run| json!({ "ll": run.plain, "cll": run.calibrated }))
                .collect();
            json!({
                "method": curve.name,
                "accuracy": curve.accuracy,
                "points": points,
                // Orders of one pool for the deep ensemble, independent runs for all others.
                "runs": runs,
                "cll_deviation_over_runs": spread(curve),
            })
        })
        .collect();
    json!({ "images": rows, "epochs_of_a_network": NETWORK, "methods": methods })
}

/// The figures: log-likelihood by size, calibrated and not; equivalents by size and by cost.
pub(crate) fn figures(curves: &[Curve]) -> Result<Vec<(&'static str, Figure)>, ReportError> {
    let sizes =
        |curve: &Curve| -> Vec<f64> { curve.sizes.iter().map(|&size| size as f64).collect() };
    let mut plain = LineChart::new(
        "Log-likelihood as it is",
        Axis::linear("members"),
        Axis::linear("mean log-likelihood, nats"),
    );
    let mut calibrated = LineChart::new(
        "Log-likelihood at the best temperature",
        Axis::linear("members"),
        Axis::linear("calibrated log-likelihood, nats"),
    );
    let mut equivalents = LineChart::new(
        "Deep-ensemble equivalent",
        Axis::linear("members"),
        Axis::linear("independently trained networks"),
    );
    let mut costs = Scatter::new(
        "What the equivalent costs",
        Axis::log("epochs of training"),
        Axis::linear("deep-ensemble equivalent"),
    );
    for curve in curves {
        plain = plain.series(Series::new(curve.name, &sizes(curve), &curve.plain));
        calibrated = calibrated.series(Series::new(curve.name, &sizes(curve), &curve.calibrated));
        let values: Vec<f64> = curve.dee.points.iter().map(|point| point.dee).collect();
        let lower: Vec<f64> = curve.dee.points.iter().map(|point| point.lower).collect();
        let upper: Vec<f64> = curve.dee.points.iter().map(|point| point.upper).collect();
        let line = Series::new(curve.name, &sizes(curve), &values);
        equivalents = equivalents.series(line.band(&lower, &upper));
        let epochs: Vec<f64> = curve
            .dee
            .points
            .iter()
            .map(|point| curve.cost.at(point.size))
            .collect();
        costs = costs.points(Points::new(curve.name, &epochs, &values).connected());
    }
    Ok(vec![
        ("ll", plain.build()?),
        ("cll", calibrated.build()?),
        ("dee", equivalents.build()?),
        ("cost", costs.build()?),
    ])
}

/// One HTML page and the figures as SVG files.
pub(crate) fn write(curves: &[Curve], rows: usize, folder: &Path) -> Result<(), ReportError> {
    let mut section = Section::new("Figures");
    for (name, figure) in figures(curves)? {
        figure.write_svg(folder.join(format!("{name}.svg")))?;
        section = section.figure(figure);
    }
    Report::new("Ensembles on Fashion-MNIST")
        .lead(
            "Deep ensembles against what is cheaper, after Ashukha, Lyzhov, Molchanov and Vetrov (2020). Calibrated values are at the \
             best temperature by test-time cross-validation; bands are 95 % of a bootstrap over images, paired between method and \
             deep ensemble, over a method's runs, and over the deep ensemble's networks.",
        )
        .fact("test images", rows.to_string())
        .fact("epochs of one network", NETWORK.to_string())
        .section(Section::new("All methods").table(table(curves)?).table(matched(curves)?))
        .section(section)
        .write(folder.join("fashion.html"))
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}
