//! Figures of the other modules' numbers.

use firetender_report::{Axis, Figure, LineChart, Report, Section, Series};
use firetender_support::Failure;
use firetender_uncertainty::{
    BinTable, CalibratedPoint, CurvePoint, Dee, Floor, MetricOptions, Objects, RiskCoverage,
    Scores, Targets,
};

/// Mean accuracy over mean confidence, bin by bin.
pub(crate) fn reliability(scores: &Scores<'_>, targets: &Targets) -> Result<Figure, Failure> {
    let objects = Objects::new(scores, targets, Floor::None)?;
    let table = BinTable::top_label(&objects, &MetricOptions::default().binning);
    let (mut x, mut y) = (vec![], vec![]);
    for bin in table.rows() {
        if let (Some(confidence), Some(accuracy)) = (bin.confidence(), bin.accuracy()) {
            x.push(confidence);
            y.push(accuracy);
        }
    }
    let chart = LineChart::new(
        "Reliability",
        Axis::linear("mean confidence"),
        Axis::linear("accuracy"),
    );
    Ok(chart
        .series(Series::new("predictions", &x, &y).markers(true))
        .series(Series::new("perfectly calibrated", &[0.0, 1.0], &[0.0, 1.0]).markers(false))
        .build()?
        .caption("15 equal bins of confidence; empty ones are left out."))
}

/// Error among the most confident, over how many are kept.
pub(crate) fn rejection(scores: &Scores<'_>, targets: &Targets) -> Result<Figure, Failure> {
    let objects = Objects::new(scores, targets, Floor::None)?;
    let points = RiskCoverage::of(&objects)?.curve();
    let step = (points.len() / 200).max(1);
    let kept: Vec<_> = points.iter().skip(step - 1).step_by(step).collect();
    let x: Vec<f64> = kept.iter().map(|p| p.coverage).collect();
    let y: Vec<f64> = kept.iter().map(|p| p.risk).collect();
    let chart = LineChart::new(
        "Risk over coverage",
        Axis::linear("share of objects kept"),
        Axis::linear("error rate among them"),
    );
    Ok(chart
        .series(Series::new("by confidence", &x, &y).markers(false))
        .build()?)
}

/// Both, as a page.
pub(crate) fn page(title: &str, scores: &Scores<'_>, targets: &Targets) -> Result<Report, Failure> {
    let section = Section::new(title)
        .figure(reliability(scores, targets)?)
        .figure(rejection(scores, targets)?);
    Ok(Report::new(title).section(section))
}

/// Log-likelihood over ensemble size, plain and calibrated.
pub(crate) fn size_curve(
    plain: &[CurvePoint],
    calibrated: &[CalibratedPoint],
) -> Result<Figure, Failure> {
    let x: Vec<f64> = calibrated.iter().map(|p| p.size as f64).collect();
    let y: Vec<f64> = calibrated
        .iter()
        .map(|p| p.calibrated_log_likelihood)
        .collect();
    let error: Vec<f64> = calibrated.iter().map(|p| p.standard_error).collect();
    let moved = |sign: f64| -> Vec<f64> {
        y.iter()
            .zip(&error)
            .map(|(y, e)| y + sign * 1.96 * e)
            .collect()
    };
    let all: Vec<f64> = plain.iter().map(|p| p.size as f64).collect();
    let uncalibrated: Vec<f64> = plain.iter().map(|p| p.log_likelihood).collect();
    let chart = LineChart::new(
        "Log-likelihood over ensemble size",
        Axis::linear("members"),
        Axis::linear("nats per object"),
    );
    Ok(chart
        .series(Series::new("calibrated", &x, &y).band(&moved(-1.0), &moved(1.0)))
        .series(Series::new("as it is", &all, &uncalibrated))
        .build()?
        .caption("Bands: 1.96 standard errors over objects."))
}

/// The curve as a page.
pub(crate) fn curves(
    title: &str,
    plain: &[CurvePoint],
    calibrated: &[CalibratedPoint],
) -> Result<Report, Failure> {
    let section = Section::new(title).figure(size_curve(plain, calibrated)?);
    Ok(Report::new(title).section(section))
}

/// Equivalents over size.
pub(crate) fn dee(methods: &[(&str, &Dee)]) -> Result<Figure, Failure> {
    let mut chart = LineChart::new(
        "Deep-ensemble equivalent",
        Axis::linear("predictions averaged"),
        Axis::linear("networks it is worth"),
    );
    for (name, found) in methods {
        let x: Vec<f64> = found.points.iter().map(|p| p.size).collect();
        let y: Vec<f64> = found.points.iter().map(|p| p.dee).collect();
        let low: Vec<f64> = found.points.iter().map(|p| p.lower.min(p.dee)).collect();
        let high: Vec<f64> = found.points.iter().map(|p| p.upper.max(p.dee)).collect();
        chart = chart.series(Series::new(*name, &x, &y).band(&low, &high).markers(false));
    }
    Ok(chart.build()?)
}
