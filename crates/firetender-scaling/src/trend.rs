//! Everything about one task on one family: all statistics side by side, and a label with its evidence.

use serde::Serialize;

use crate::{
    BigBench, Kendall, Label, LindMehlum, Line, MannKendall, Noise, PairTest, Scale, ScalingError,
    ShapeOptions, Shapes, Spearman, TrendTest, TwoLines, benjamini_hochberg, big_bench,
    cochran_armitage, kendall, lind_mehlum, line, mann_kendall, page, paired, spearman, theil_sen,
    two_lines,
};

/// One model on one task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The model's name.
    pub model: String,
    /// Its scale, before the logarithm.
    pub scale: f64,
    /// Number of examples.
    pub n: Option<u64>,
    /// Mean over the examples.
    pub value: f64,
    /// Its standard error.
    pub stderr: f64,
}

/// A task's results on a family, in order of scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The task.
    pub task: String,
    /// The family; may be empty.
    pub family: String,
    /// What the values are.
    pub metric: String,
    /// Whether less is better; statistics are computed on the negative then.
    pub lower_is_better: bool,
    /// What scales are.
    pub axis: Scale,
    /// The models.
    pub points: Vec<Point>,
    /// Scores of single examples, `[example][model]`, models in the order of `points`, in the metric's own direction.
    pub examples: Option<Vec<Vec<f64>>>,
    /// The same models by another, continuous metric.
    pub companion: Option<Box<Self>>,
}

/// Another metric's view of the same models.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Companion {
    /// The metric.
    pub metric: String,
    /// Spearman's ρ of performance with scale.
    pub spearman: Option<f64>,
    /// Slope a decade, oriented so that larger is better.
    pub slope: Option<f64>,
    /// Its own label.
    pub label: Label,
}

/// What is known about a trend. Statistics are on performance: larger is better, losses negated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// The task.
    pub task: String,
    /// The family.
    pub family: String,
    /// The metric.
    pub metric: String,
    /// Whether less is better in the table.
    pub lower_is_better: bool,
    /// The axis.
    pub axis: Scale,
    /// The models, in the metric's own direction.
    pub models: Vec<Point>,
    /// The verdict: the simplest shape that the data do not reject.
    pub label: Label,
    /// What the verdict rests on, for a person.
    pub evidence: String,
    /// Spearman's rank correlation.
    pub spearman: Spearman,
    /// Kendall's.
    pub kendall: Kendall,
    /// Mann–Kendall.
    pub mann_kendall: MannKendall,
    /// Median slope a decade.
    pub theil_sen: Option<f64>,
    /// Least-squares line.
    pub ols: Option<Line>,
    /// BIG-bench's linearity.
    pub linearity: Option<f64>,
    /// BIG-bench's breakthroughness.
    pub breakthroughness: Option<f64>,
    /// Distance from constant, in standard errors squared.
    pub chi2_constant: f64,
    /// Distance from rising.
    pub chi2_increasing: f64,
    /// Distance from falling.
    pub chi2_decreasing: f64,
    /// Distance from falling, then rising.
    pub chi2_u_shaped: f64,
    /// Distance from rising, then falling.
    pub chi2_inverted_u: f64,
    /// Bootstrap p of constant.
    pub p_constant: f64,
    /// Bootstrap p of rising.
    pub p_increasing: f64,
    /// Bootstrap p of falling.
    pub p_decreasing: f64,
    /// Bootstrap p of falling, then rising.
    pub p_u_shaped: f64,
    /// Bootstrap p of rising, then falling.
    pub p_inverted_u: f64,
    /// How often resampled data would get each label.
    pub label_probabilities: Vec<(Label, f64)>,
    /// Where the bootstrap's noise came from.
    pub noise: Noise,
    /// Number of bootstrap draws.
    pub draws: usize,
    /// Level of the label.
    pub alpha: f64,
    /// Least standard error used in χ².
    pub stderr_floor: f64,
    /// Lind and Mehlum's test of a U.
    pub lind_mehlum: Option<LindMehlum>,
    /// Simonsohn's two lines, with eight scales or more.
    pub two_lines: Option<TwoLines>,
    /// Cochran–Armitage, where values are counts of right answers.
    pub cochran_armitage: Option<TrendTest>,
    /// Page's L, where scores of examples are given.
    pub page: Option<TrendTest>,
    /// Neighbouring models on the same examples.
    pub adjacent: Option<Vec<PairTest>>,
    /// Another metric of the same task.
    pub companion: Option<Companion>,
    /// Whether the two metrics tell different stories; `None` without a second.
    pub metric_dependent: Option<bool>,
    /// Smallest two-sided p that a test on one number a model can give: 2/k!.
    pub smallest_model_p: f64,
    /// Least difference of an accuracy: 1/n.
    pub resolution: Option<f64>,
    /// p-values adjusted for the number of curves in the report (Benjamini–Hochberg).
    pub adjusted: Adjusted,
    /// What to keep in mind.
    pub notes: Vec<String>,
}

/// p-values adjusted for the number of curves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Adjusted {
    /// Of Spearman's ρ.
    pub spearman: Option<f64>,
    /// Of the constant shape.
    pub constant: Option<f64>,
}

/// All statistics of several curves, with p-values adjusted for their number.
///
/// # Errors
/// As [`trend`].
pub fn trends(curves: &[Curve], options: ShapeOptions) -> Result<Vec<Trend>, ScalingError> {
    let mut trends = curves
        .iter()
        .map(|curve| trend(curve, options))
        .collect::<Result<Vec<_>, _>>()?;
    let constant: Vec<f64> = trends.iter().map(|trend| trend.p_constant).collect();
    for (trend, p) in trends.iter_mut().zip(benjamini_hochberg(&constant)) {
        trend.adjusted.constant = Some(p);
    }
    let known: Vec<usize> = (0..trends.len())
        .filter(|i| trends[*i].spearman.p.is_some())
        .collect();
    let p: Vec<f64> = known.iter().filter_map(|i| trends[*i].spearman.p).collect();
    for (index, p) in known.into_iter().zip(benjamini_hochberg(&p)) {
        trends[index].adjusted.spearman = Some(p);
    }
    Ok(trends)
}

/// All statistics of one curve.
///
/// A curve is called [`Label::Inverse`] only if its companion, where there is one, falls too; otherwise it is [`Label::Unresolved`].
///
/// ```
/// use firetender_scaling::{Curve, Label, Point, Scale, ShapeOptions, trend};
///
/// // Memo Trap on Pythia, 8 sizes (Michaelov and Bergen 2023).
/// let correct = [817, 794, 780, 730, 721, 732, 649, 614];
/// let sizes = [70e6, 160e6, 410e6, 1e9, 1.4e9, 2.8e9, 6.9e9, 12e9];
/// let point = |(c, scale): (i32, f64)| {
///     let p = f64::from(c) / 936.0;
///     Point { model: String::new(), scale, n: Some(936), value: p, stderr: (p * (1.0 - p) / 935.0).sqrt() }
/// };
/// let curve = Curve {
///     task: "memo_trap".into(), family: "pythia".into(), metric: "accuracy".into(), lower_is_better: false,
///     axis: Scale::Parameters, points: correct.into_iter().zip(sizes).map(point).collect(), examples: None, companion: None,
/// };
/// let found = trend(&curve, ShapeOptions::default())?;
/// assert_eq!(found.label, Label::Inverse);
/// assert!((found.chi2_decreasing - 0.37174).abs() < 1e-5);
/// # Ok::<(), firetender_scaling::ScalingError>(())
/// ```
///
/// # Errors
/// Fewer than two models, scales out of range or not in order, values that are not finite, or examples that do not fit the models.
pub fn trend(curve: &Curve, options: ShapeOptions) -> Result<Trend, ScalingError> {
    let k = curve.points.len();
    let x = curve
        .points
        .iter()
        .map(|point| curve.axis.axis(point.scale))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(at) = x.windows(2).position(|pair| pair[0] >= pair[1]) {
        return Err(ScalingError::Value {
            what: format!("{}: scale of model {}", curve.task, at + 1),
            found: curve.points[at + 1].scale.to_string(),
            expected: "models in order of scale, each scale once",
        });
    }
    let y = oriented(curve);
    let shapes = shapes(curve, &y, options)?;
    let companion = curve
        .companion
        .as_deref()
        .map(|other| companion(other, options))
        .transpose()?;
    let spearman = spearman(&x, &y);
    let ols = line(&x, &y);
    let heuristics = big_bench(&y);
    let binary = counts(curve);
    let mut notes = vec![];
    let smallest = smallest_p(k);
    if smallest > options.alpha {
        notes.push(format!(
            "{k} models: tests on one number a model cannot reach {}, their smallest p is {smallest:.3}",
            options.alpha
        ));
    }
    let mut label = shapes.label;
    if label == Label::Inverse {
        match &companion {
            None => notes.push("no continuous metric to confirm the inverse trend".into()),
            Some(other) if other.slope.is_some_and(|slope| slope < 0.0) => {}
            Some(other) => {
                notes.push(format!(
                    "{} falls but {} does not: the inverse trend exists on one metric only",
                    curve.metric, other.metric
                ));
                label = Label::Unresolved;
            }
        }
    }
    if shapes.noise == Noise::Parametric {
        notes.push(
            "no scores of single examples: errors taken as independent between models".into(),
        );
    }
    let n = curve.points.first().and_then(|point| point.n);
    if n.is_some() && curve.points.iter().any(|point| point.n != n) {
        notes.push("models answered different numbers of examples".into());
    }
    let metric_dependent = companion
        .as_ref()
        .map(|other| depends(shapes.label, other.label));
    if metric_dependent == Some(true) {
        notes.push(
            "the two metrics give opposite or different trends: see the emergence check".into(),
        );
    }
    let evidence = evidence(label, &shapes, options.alpha);
    let adjacent = curve.examples.as_ref().map(|rows| {
        let sign = if curve.lower_is_better { -1.0 } else { 1.0 };
        let column = |j: usize| rows.iter().map(|row| sign * row[j]).collect::<Vec<_>>();
        (1..k)
            .filter_map(|j| paired(&column(j - 1), &column(j)))
            .collect()
    });
    let page = curve.examples.as_ref().and_then(|rows| {
        if !curve.lower_is_better {
            return page(rows);
        }
        let rows: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| row.iter().map(|v| -v).collect())
            .collect();
        page(&rows)
    });
    let two_lines = (k >= 8).then(|| two_lines(&x, &y)).flatten();
    let probabilities = Label::ALL.into_iter().zip(shapes.probabilities).collect();
    Ok(Trend {
        task: curve.task.clone(),
        family: curve.family.clone(),
        metric: curve.metric.clone(),
        lower_is_better: curve.lower_is_better,
        axis: curve.axis.clone(),
        models: curve.points.clone(),
        label,
        evidence,
        kendall: kendall(&x, &y),
        mann_kendall: mann_kendall(&y),
        theil_sen: theil_sen(&x, &y),
        linearity: heuristics.map(|BigBench { linearity, .. }| linearity),
        breakthroughness: heuristics.and_then(|found| found.breakthroughness),
        chi2_constant: shapes.constant.chi2,
        chi2_increasing: shapes.increasing.chi2,
        chi2_decreasing: shapes.decreasing.chi2,
        chi2_u_shaped: shapes.u_shaped.chi2,
        chi2_inverted_u: shapes.inverted_u.chi2,
        p_constant: shapes.constant.p,
        p_increasing: shapes.increasing.p,
        p_decreasing: shapes.decreasing.p,
        p_u_shaped: shapes.u_shaped.p,
        p_inverted_u: shapes.inverted_u.p,
        label_probabilities: probabilities,
        noise: shapes.noise,
        draws: shapes.draws,
        alpha: options.alpha,
        stderr_floor: options.floor,
        lind_mehlum: lind_mehlum(&x, &y, 0.95),
        two_lines,
        cochran_armitage: binary.and_then(|(correct, n)| cochran_armitage(&x, &correct, &n)),
        page,
        adjacent,
        companion,
        metric_dependent,
        smallest_model_p: smallest,
        resolution: (curve.metric == "accuracy")
            .then_some(n)
            .flatten()
            .map(|n| 1.0 / n as f64),
        adjusted: Adjusted::default(),
        notes,
        spearman,
        ols,
    })
}

fn oriented(curve: &Curve) -> Vec<f64> {
    let sign = if curve.lower_is_better { -1.0 } else { 1.0 };
    curve
        .points
        .iter()
        .map(|point| sign * point.value)
        .collect()
}

fn shapes(curve: &Curve, y: &[f64], options: ShapeOptions) -> Result<Shapes, ScalingError> {
    match &curve.examples {
        Some(rows) if curve.lower_is_better => {
            let rows: Vec<Vec<f64>> = rows
                .iter()
                .map(|row| row.iter().map(|v| -v).collect())
                .collect();
            checked(curve, Shapes::from_examples(&rows, options)?)
        }
        Some(rows) => checked(curve, Shapes::from_examples(rows, options)?),
        None => {
            let errors: Vec<f64> = curve.points.iter().map(|point| point.stderr).collect();
            Shapes::from_means(y, &errors, options)
        }
    }
}

fn checked(curve: &Curve, shapes: Shapes) -> Result<Shapes, ScalingError> {
    let found = shapes.constant.fit.len();
    if found != curve.points.len() {
        return Err(ScalingError::Length {
            what: format!("{}: models with scores of examples", curve.task),
            found,
            expected: curve.points.len(),
        });
    }
    Ok(shapes)
}

fn companion(curve: &Curve, options: ShapeOptions) -> Result<Companion, ScalingError> {
    let x = curve
        .points
        .iter()
        .map(|point| curve.axis.axis(point.scale))
        .collect::<Result<Vec<_>, _>>()?;
    let y = oriented(curve);
    Ok(Companion {
        metric: curve.metric.clone(),
        spearman: spearman(&x, &y).rho,
        slope: line(&x, &y).map(|line| line.slope),
        label: shapes(curve, &y, options)?.label,
    })
}

/// Labels that cannot both be true of one ability. Constant against a trend is only that when the trend is on the coarse metric, which is
/// what `first` is.
fn depends(first: Label, second: Label) -> bool {
    first != second
        && first != Label::Unresolved
        && second != Label::Unresolved
        && first != Label::Constant
}

/// Right answers and examples, if all values are shares of whole numbers.
fn counts(curve: &Curve) -> Option<(Vec<u64>, Vec<u64>)> {
    if curve.metric != "accuracy" {
        return None;
    }
    let mut out = (vec![], vec![]);
    for point in &curve.points {
        let n = point.n?;
        let correct = point.value * n as f64;
        let whole = correct.round();
        // Published shares are rounded to four digits or more.
        if !(0.0..=n as f64).contains(&whole)
            || (correct - whole).abs() > 0.05_f64.max(1e-4 * n as f64)
        {
            return None;
        }
        out.0.push(whole as u64);
        out.1.push(n);
    }
    Some(out)
}

fn smallest_p(k: usize) -> f64 {
    let orders: f64 = (1..=k.min(170)).map(|i| i as f64).product();
    (2.0 / orders).min(1.0)
}

fn evidence(label: Label, shapes: &Shapes, alpha: f64) -> String {
    let [constant, rising, falling, valley, hill] = shapes.fits().map(|fit| fit.p);
    match label {
        Label::Constant => format!("a constant fits (p = {constant:.4} > {alpha})"),
        Label::Positive => format!(
            "a constant is rejected (p = {constant:.4}), a rising curve is not (p = {rising:.4}), a falling one is (p = {falling:.4})"
        ),
        Label::Inverse => format!(
            "a constant is rejected (p = {constant:.4}), a falling curve is not (p = {falling:.4}), a rising one is (p = {rising:.4})"
        ),
        Label::UShaped => format!(
            "rising and falling are rejected (p = {rising:.4}, {falling:.4}), falling then rising is not (p = {valley:.4})"
        ),
        Label::InvertedU => format!(
            "rising and falling are rejected (p = {rising:.4}, {falling:.4}), rising then falling is not (p = {hill:.4})"
        ),
        Label::Unresolved => format!(
            "no single simple shape survives: constant p = {constant:.4}, rising {rising:.4}, falling {falling:.4}, U {valley:.4}, inverted U {hill:.4}"
        ),
    }
}

#[cfg(test)]
mod tests;
