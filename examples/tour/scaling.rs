//! Does it get worse with scale? Five sizes of Ember on a task where rumours outnumber the truth, and on the facts as the control; and one model over the strength
//! of its steering, which is a scale like any other.

use firetender_ember::family::{MEMBERS, Trap};
use firetender_lm::{CausalLm, LmScorer, Transformer};
use firetender_report::{Align, Axis, Cell, Column, Figure, LineChart, Section, Series, Table};
use firetender_scaling::{
    Curve, Evaluation, RunOptions, Scale, ShapeOptions, Silent, Trend, curve_of, evaluate, trends,
};
use firetender_steer::Plan;
use firetender_support::{Failure, Marked, Model, choice_task, trap_task};

use crate::{Rows, kts};

/// Evaluates, prints, and returns the section of the report.
pub(crate) fn visit(many: &dyn Fn(usize) -> usize) -> Result<Section, Failure> {
    println!("== Does it get worse with scale? ==");
    let tasks = [Trap::Facts, Trap::Rumour].map(|trap| trap_task(trap, 0, many(200)));
    let mut models = vec![];
    let mut found: [Vec<Evaluation>; 2] = [vec![], vec![]];
    for member in MEMBERS {
        let name = format!("ember-{}", member.name);
        let model = Model::open(&name, &firetender_support::device(None)?)?;
        for (task, found) in tasks.iter().zip(&mut found) {
            let mut scorer = LmScorer::new(&model.network, &name);
            let tokenizer = model.tokenizer()?;
            found.push(evaluate(
                &mut scorer,
                tokenizer,
                task,
                &RunOptions::default(),
                None,
                &mut Silent,
            )?);
        }
        models.push((name, member.parameters() as f64));
    }
    let curves = found
        .iter()
        .map(|found| curve_of(&models, found, &Scale::Parameters, "accuracy", Some("loss")))
        .collect::<Result<Vec<_>, _>>()?;
    let trends = trends(&curves, ShapeOptions::default())?;
    let (table, figure) = shown(
        &trends,
        &MEMBERS.map(|member| member.name.to_owned()),
        Axis::log("parameters"),
    )?;
    println!("{}", table.to_markdown());
    for trend in &trends {
        println!("{}: {}. {}", trend.task, trend.label, trend.evidence);
    }
    println!();
    Ok(Section::new("Does it get worse with scale?")
        .paragraph(
            "Five sizes of one model, trained on the same texts, in which rumours about animals are told far more often than the truth. Asked for the truth, most \
             sizes follow the rumour. Another training run of a size can differ by more than the band, which is that of the examples.",
        )
        .table(table)
        .figure(figure))
}

/// Strengths of the refusal direction.
const STRENGTHS: [f64; 5] = [0.0, 0.5, 1.0, 1.5, 2.0];

/// The same tests over strength: what refusing costs on ordinary questions, with and without KL-then-steer.
pub(crate) fn over_strength(
    model: &Model,
    rows: &Rows<'_>,
    many: &dyn Fn(usize) -> usize,
) -> Result<Section, Failure> {
    println!("== Does it get worse with strength? ==");
    let task = choice_task(false, 0, many(100));
    let plan = Plan::of(kts::direction(model, rows)?);
    let (_, student) = kts::student(model)?;
    let encoder = Marked(model.tokenizer()?);
    let curve = |network: &Transformer, name: &str| -> Result<Curve, Failure> {
        let (mut models, mut found) = (vec![], vec![]);
        for strength in STRENGTHS {
            let steering = plan
                .scaled(strength)
                .compile(&network.shape(), &network.device())?;
            let mut scorer = LmScorer::new(network, name)
                .with_intervention(steering, &format!("refusal×{strength}"));
            let options = RunOptions::default();
            found.push(evaluate(
                &mut scorer,
                &encoder,
                &task,
                &options,
                None,
                &mut Silent,
            )?);
            models.push((format!("{strength}"), strength));
        }
        let curve = curve_of(&models, &found, &Scale::Strength, "accuracy", Some("loss"))?;
        Ok(Curve {
            task: format!("{}, {name}", curve.task),
            ..curve
        })
    };
    let curves = [
        curve(&model.network, "plain")?,
        curve(&student, "KL-then-steer")?,
    ];
    let trends = trends(&curves, ShapeOptions::default())?;
    let names = STRENGTHS.map(|strength| strength.to_string());
    let (table, figure) = shown(&trends, &names, Axis::linear("strength of steering"))?;
    println!("{}", table.to_markdown());
    for trend in &trends {
        println!("{}: {}. {}", trend.task, trend.label, trend.evidence);
    }
    println!();
    Ok(Section::new("Does it get worse with strength?")
        .paragraph(
            "One model, steered ever more strongly toward refusing, on multiple-choice questions that nobody should refuse. Strength takes the place of size: the curve, the tests and the \
             labels are the same.",
        )
        .table(table)
        .figure(figure))
}

/// Accuracies of some trends, as a table and a figure.
fn shown(trends: &[Trend], names: &[String], axis: Axis) -> Result<(Table, Figure), Failure> {
    let mut columns = vec![
        Column::new("task", Align::Left),
        Column::new("label", Align::Left),
    ];
    columns.extend(
        names
            .iter()
            .map(|name| Column::new(name.as_str(), Align::Right)),
    );
    let mut table = Table::new(columns)?.caption("Accuracy, choosing the likeliest class.");
    let mut chart = LineChart::new(
        "Accuracy",
        axis,
        Axis::linear("accuracy").include(0.0).include(1.0),
    )
    .reference("one half", 0.5);
    for trend in trends {
        let x: Vec<f64> = trend.models.iter().map(|point| point.scale).collect();
        let y: Vec<f64> = trend.models.iter().map(|point| point.value).collect();
        let mut row = vec![
            Cell::from(trend.task.as_str()),
            Cell::from(trend.label.name()),
        ];
        row.extend(y.iter().map(|value| Cell::from(format!("{value:.3}"))));
        table.push(row)?;
        let moved = |sign: f64| -> Vec<f64> {
            trend
                .models
                .iter()
                .map(|p| p.value + sign * 1.96 * p.stderr)
                .collect()
        };
        let series = Series::new(trend.task.as_str(), &x, &y).band(&moved(-1.0), &moved(1.0));
        chart = chart.series(series.markers(true));
    }
    Ok((table, chart.build()?))
}
