//! Tables and figures.

use firetender_kts::JudgedPoint;
use firetender_report::{Align, Axis, Cell, Column, LineChart, Report, Section, Series, Table};
use firetender_support::Failure;

use crate::{
    compare::{Judged, at, matched, over_seeds},
    verdict::Verdict,
    world::World,
};

pub(crate) struct Tables {
    pub(crate) curves: Table,
    pub(crate) matched: Table,
    pub(crate) transfer: Table,
    pub(crate) claims: Table,
}

impl Tables {
    pub(crate) fn to_markdown(&self) -> String {
        let tables = [&self.claims, &self.matched, &self.curves, &self.transfer];
        let some = tables.into_iter().filter(|table| !table.is_empty());
        some.map(Table::to_markdown).collect::<Vec<_>>().join("\n")
    }
}

fn columns(names: &[&str]) -> Vec<Column> {
    let align = |i: usize| if i == 0 { Align::Left } else { Align::Right };
    names
        .iter()
        .enumerate()
        .map(|(i, name)| Column::new(*name, align(i)))
        .collect()
}

pub(crate) fn tables(
    world: &World,
    all: &[Judged],
    effects: &[f64],
    verdicts: &[Verdict],
) -> Result<Tables, Failure> {
    let mut curves = Table::new(columns(&["method", "strength", "effect", "low", "high", "KL", "low ", "high ", "top-1", "random effect", "random KL"]))?
        .caption(format!("{}; KL to the plain base on held-out harmless answers, nats a token; mean over seeds with 95 % intervals over seeds.", world.effect_name));
    for judged in all {
        let random =
            |i: usize, pick: &dyn Fn(&JudgedPoint) -> f64, digits| match judged.random.get(i) {
                Some(point) => Cell::fixed(pick(point), digits),
                None => Cell::Missing,
            };
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
                random(i, &|p| p.effect(), 2),
                random(i, &|p| p.damage(), 4),
            ])?;
        }
    }
    let mut at_effect = Table::new(columns(&["method", "effect", "KL", "low", "high", "seeds that reach it"]))?
        .caption("Damage where each method reaches the same effect; no number where a seed does not reach it.");
    for effect in effects {
        for judged in all {
            let found = matched(judged, *effect)?;
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
                Cell::fixed(t.share(0), 2),
                Cell::fixed(t.share(1), 2),
                Cell::fixed(t.share(2), 2),
            ])?;
        }
    }
    let left = |name: &str| Column::new(name, Align::Left);
    let mut claims = Table::new([left("claim"), left("method"), left("verdict"), left("numbers")])?
        .caption("What the paper claims, decided from these numbers: intervals hold 95 % of bootstrap replicates over prompts and seeds.");
    for v in verdicts {
        claims.push([
            format!("({}) {}", v.claim, v.about).into(),
            v.method.as_str().into(),
            v.verdict.name().into(),
            v.numbers.as_str().into(),
        ])?;
    }
    Ok(Tables {
        claims,
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
    let line = |title: &str, y: Axis, pick: fn(&JudgedPoint) -> f64| {
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
    let markdown = tables.to_markdown();
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
    if !tables.claims.is_empty() {
        section = section.table(tables.claims);
    }
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
