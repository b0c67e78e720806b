//! Tables and figures.

use firetender_report::{Align, Axis, Cell, Column, LineChart, Report, Section, Series, Table};
use firetender_support::Failure;

use crate::{
    compare::{Judged, at, matched, over_seeds},
    world::World,
};

pub(crate) struct Tables {
    pub(crate) curves: Table,
    pub(crate) matched: Table,
    pub(crate) transfer: Table,
}

fn columns(names: &[&str]) -> Vec<Column> {
    let align = |i: usize| if i == 0 { Align::Left } else { Align::Right };
    names
        .iter()
        .enumerate()
        .map(|(i, name)| Column::new(*name, align(i)))
        .collect()
}

pub(crate) fn tables(world: &World, all: &[Judged], effects: &[f64]) -> Result<Tables, Failure> {
    let mut curves = Table::new(columns(&["method", "strength", "effect", "low", "high", "KL", "low ", "high ", "top-1", "random effect", "random KL"]))?
        .caption(format!("{}; KL to the plain base on held-out harmless answers, nats a token; mean over seeds with 95 % intervals over seeds.", world.effect_name));
    for judged in all {
        for (i, strength) in world.strengths.iter().enumerate() {
            let (effect, kl) = (at(judged, i, |p| p.effect()), at(judged, i, |p| p.damage()));
            curves.push([
                judged.name.clone().into(),
                Cell::fixed(*strength, 3),
                Cell::fixed(effect.value, 2),
                Cell::fixed(effect.low, 2),
                Cell::fixed(effect.high, 2),
                Cell::fixed(kl.value, 4),
                Cell::fixed(kl.low, 4),
                Cell::fixed(kl.high, 4),
                Cell::fixed(at(judged, i, |p| p.agreement).value, 3),
                Cell::fixed(judged.random[i].effect(), 2),
                Cell::fixed(judged.random[i].damage(), 4),
            ])?;
        }
    }
    let mut at_effect = Table::new(columns(&["method", "effect", "KL", "low", "high", "seeds that reach it"]))?
        .caption("Damage where each method reaches the same effect; no number where a seed does not reach it.");
    for effect in effects {
        for judged in all {
            let found = matched(judged, *effect);
            let reached = found.iter().flatten().count();
            let estimate = over_seeds(&found);
            let cell = |pick: fn(&firetender_steer::Estimate) -> f64| match &estimate {
                Some(estimate) => Cell::fixed(pick(estimate), 4),
                None => "not reached".into(),
            };
            at_effect.push([
                judged.name.clone().into(),
                Cell::fixed(*effect, 2),
                cell(|e| e.value),
                cell(|e| e.low),
                cell(|e| e.high),
                format!("{reached} of {}", found.len()).into(),
            ])?;
        }
    }
    let mut transfer = Table::new(columns(&["method", "strength", "suggested", "right, suggesting", "right, plain"]))?
        .caption("A vector that was in no training: what a suggestion adds to a question. Shares of questions, by likelihood of the options.");
    for judged in all {
        for t in &judged.transfer {
            transfer.push([
                judged.name.clone().into(),
                Cell::fixed(t.strength, 2),
                Cell::fixed(t.followed, 2),
                Cell::fixed(t.right_suggesting, 2),
                Cell::fixed(t.right_plain, 2),
            ])?;
        }
    }
    Ok(Tables {
        curves,
        matched: at_effect,
        transfer,
    })
}

/// Writes `index.html` with the figures, and `curves.md`.
pub(crate) fn write(
    world: &World,
    all: &[Judged],
    tables: Tables,
    folder: &std::path::Path,
) -> Result<(), Failure> {
    let line = |title: &str, y: Axis, pick: fn(&firetender_kts::JudgedPoint) -> f64| {
        let mut chart = LineChart::new(title, Axis::linear("strength"), y);
        // A figure holds eight lines.
        for judged in all.iter().take(8) {
            let means: Vec<firetender_steer::Estimate> = (0..world.strengths.len())
                .map(|i| at(judged, i, pick))
                .collect();
            let side = |pick: fn(&firetender_steer::Estimate) -> f64| -> Vec<f64> {
                means.iter().map(pick).collect()
            };
            let series = Series::new(judged.name.clone(), &world.strengths, &side(|e| e.value))
                .band(&side(|e| e.low), &side(|e| e.high))
                .markers(true);
            chart = chart.series(series);
        }
        chart.build()
    };
    let markdown = format!(
        "{}\n{}\n{}",
        tables.curves.to_markdown(),
        tables.matched.to_markdown(),
        tables.transfer.to_markdown()
    );
    let mut section = Section::new("Effect and damage")
        .figure(line(
            "Effect over strength",
            Axis::linear(world.effect_name),
            |p| p.effect(),
        )?)
        .figure(line(
            "Damage over strength",
            Axis::linear("KL, nats a token"),
            |p| p.damage(),
        )?)
        .table(tables.matched)
        .table(tables.curves);
    if !tables.transfer.is_empty() {
        section = section.table(tables.transfer);
    }
    Report::new("KL-then-steer")
        .lead("Train the side effects of steering away, and compare at equal effect.")
        .fact("model", world.model.checkpoint.name.clone())
        .section(section)
        .write(folder.join("index.html"))?;
    firetender_lm::write_atomically(&folder.join("curves.md"), markdown.as_bytes())?;
    Ok(())
}
