//! Does it get worse with scale? Five sizes of Ember on a task where rumours outnumber the truth, and on the facts as the control.

use firetender_ember::family::{MEMBERS, Trap};
use firetender_lm::LmScorer;
use firetender_report::{Align, Axis, Cell, Column, LineChart, Section, Series, Table};
use firetender_scaling::{
    Evaluation, Example, RunOptions, Scale, ShapeOptions, Silent, Task, curve_of, evaluate,
    sha256_hex, trends, write_task,
};
use firetender_support::{Failure, Model};

/// Evaluates, prints, and returns the section of the report.
pub(crate) fn visit(many: &dyn Fn(usize) -> usize) -> Result<Section, Failure> {
    println!("== Does it get worse with scale? ==");
    let tasks = [Trap::Facts, Trap::Rumour].map(|trap| task(trap, many(200)));
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
    let mut columns = vec![
        Column::new("task", Align::Left),
        Column::new("label", Align::Left),
    ];
    columns.extend(MEMBERS.map(|member| Column::new(member.name, Align::Right)));
    let mut table =
        Table::new(columns)?.caption("Accuracy on two classes; guessing gives one half.");
    let mut chart = LineChart::new(
        "Accuracy over size",
        Axis::log("parameters"),
        Axis::linear("accuracy").include(0.0).include(1.0),
    )
    .reference("guessing", 0.5);
    for trend in &trends {
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
        .figure(chart.build()?))
}

fn task(trap: Trap, count: usize) -> Task {
    let examples: Vec<Example> = trap
        .records(0, count)
        .into_iter()
        .map(|record| Example::Classification {
            prompt: record.prompt,
            classes: record.classes,
            answer: record.answer,
            round: None,
            part: Some(record.part),
        })
        .collect();
    Task {
        name: trap.name().into(),
        cause: None,
        sha256: sha256_hex(write_task(&examples).as_bytes()),
        examples,
        origin: "generated from Ember's world, seed 0".into(),
    }
}
