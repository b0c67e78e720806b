//! Tables, figures and JSON.

use std::{fs, path::Path};

use firetender_report::{
    Align, Axis, Cell, Column, LineChart, Points, Report, Scatter, Section, Series, Table,
};
use firetender_steer::CurvePoint;
use firetender_support::{Failure, Model, fail};
use serde_json::{Value, json};

use crate::{behaviour::Behaviour, experiment::Found};

/// Writes figures and a report; gives their paths.
pub(crate) fn figures(
    behaviour: &Behaviour,
    found: &Found,
    model: &Model,
    folder: &str,
) -> Result<Vec<String>, Failure> {
    let folder = Path::new(folder);
    if let Err(error) = fs::create_dir_all(folder) {
        return fail(format!("{}: {error}", folder.display()));
    }
    let column = |value: &dyn Fn(&CurvePoint) -> f64| -> Vec<f64> {
        found.curve.points.iter().map(value).collect()
    };
    let strength = column(&|p| p.strength);
    let pushes: Vec<f64> = found.random.iter().map(|r| r.effect.value).collect();
    let damages: Vec<f64> = found.random.iter().map(|r| r.kl).collect();
    let change: Vec<f64> = found.changes.iter().map(|e| e.value).collect();
    let low: Vec<f64> = found.changes.iter().map(|e| e.low).collect();
    let high: Vec<f64> = found.changes.iter().map(|e| e.high).collect();
    let name = behaviour.name;
    let effect = LineChart::new(
        format!("{name}: effect over strength"),
        Axis::linear("strength, 1 = chosen"),
        Axis::linear("change of the effect"),
    )
    .series(Series::new(behaviour.fit.toward(), &strength, &change).band(&low, &high))
    .reference("no change", 0.0)
    .build()?
    .caption(format!(
        "{}; band: 95 % over prompts",
        behaviour.effect_name
    ));
    let damage = LineChart::new(
        format!("{name}: damage over strength"),
        Axis::linear("strength, 1 = chosen"),
        Axis::linear("KL on harmless prompts, nats per token"),
    )
    .series(
        Series::new(behaviour.fit.toward(), &strength, &column(&|p| p.kl.value))
            .band(&column(&|p| p.kl.low), &column(&|p| p.kl.high)),
    )
    .build()?;
    let controls = Scatter::new(
        format!("{name}: the direction among random ones of its length"),
        Axis::linear("KL on harmless prompts, nats per token"),
        Axis::linear("half the difference between strength 1 and -1"),
    )
    .points(Points::new("random directions", &damages, &pushes))
    .points(Points::new(
        behaviour.fit.toward(),
        &[found.push.kl],
        &[found.push.effect.value],
    ))
    .build()?;
    let mut paths = vec![];
    for (kind, figure) in [
        ("effect", &effect),
        ("damage", &damage),
        ("controls", &controls),
    ] {
        let path = folder.join(format!("{name}-{kind}.svg"));
        figure.write_svg(&path)?;
        paths.push(path.display().to_string());
    }
    let section = Section::new(name)
        .paragraph(behaviour.effect_name)
        .table(table(found)?)
        .figure(effect)
        .figure(damage)
        .figure(controls);
    let path = folder.join(format!("{name}.html"));
    Report::new(format!("Steering {}: {name}", model.checkpoint.name))
        .fact("model", &model.checkpoint.name)
        .section(section)
        .write(&path)?;
    paths.push(path.display().to_string());
    Ok(paths)
}

fn table(found: &Found) -> Result<Table, Failure> {
    let mut table = Table::new(
        ["strength", "effect", "change", "low", "high", "KL", "top-1"]
            .map(|name| Column::new(name, Align::Right)),
    )?;
    for (point, change) in found.curve.points.iter().zip(&found.changes) {
        table.push([
            Cell::fixed(point.strength, 1),
            Cell::fixed(point.effect.value, 3),
            Cell::fixed(change.value, 3),
            Cell::fixed(change.low, 3),
            Cell::fixed(change.high, 3),
            Cell::fixed(point.kl.value, 4),
            Cell::fixed(point.top1_agreement.value, 3),
        ])?;
    }
    Ok(table)
}

/// For people.
pub(crate) fn text(
    behaviour: &Behaviour,
    found: &Found,
    figures: &[String],
) -> Result<String, Failure> {
    let [pairs, chosen_on, measured_on] = behaviour.sizes;
    let chosen = found.chosen;
    let auc = found.reports.iter().map(|report| {
        let auc = report
            .separation
            .map_or("-".into(), |s| format!("{:.3}", s.auc));
        format!("{}: {auc}", report.layer)
    });
    let mut text = format!(
        "{}: {}\nfitted to {pairs} pairs; held-out AUC by layer {}\nchosen on {chosen_on} prompts: layer {}, length {} of the stream's \
         (change {:+.3}, KL {:.4} there); measured on {measured_on} others\n\n{}\n",
        behaviour.name,
        behaviour.effect_name,
        auc.collect::<Vec<_>>().join(", "),
        chosen.layer,
        chosen.dose,
        chosen.change,
        chosen.kl,
        table(found)?.to_markdown(),
    );
    let push = &found.push.effect;
    let random: Vec<String> = found
        .random
        .iter()
        .map(|r| format!("{:+.3}", r.effect.value))
        .collect();
    let damage: f64 = found.random.iter().map(|r| r.kl).sum::<f64>() / found.random.len() as f64;
    text += &format!(
        "half the difference between +1 and -1: {:+.3} [{:+.3}, {:+.3}] at KL {:.4}\nrandom directions of the same length: {} at KL {damage:.4}; \
         {} of {} push as hard\n",
        push.value,
        push.low,
        push.high,
        found.push.kl,
        random.join(", "),
        found.as_hard(),
        found.random.len(),
    );
    if let Some((name, _)) = &behaviour.spill {
        let spill = found.spill.iter().map(|(strength, e)| {
            format!(
                "{strength:+}: {:+.3} [{:+.3}, {:+.3}]",
                e.value, e.low, e.high
            )
        });
        text += &format!("{name}: {}\n", spill.collect::<Vec<_>>().join("; "));
    }
    text += &format!("figures: {}", figures.join(", "));
    Ok(text)
}

/// For programs.
pub(crate) fn value(
    behaviour: &Behaviour,
    found: &Found,
    model: &Model,
    figures: &[String],
) -> Value {
    let [pairs, chosen_on, measured_on] = behaviour.sizes;
    let points = found.curve.points.iter().zip(&found.changes);
    let points: Vec<Value> = points
        .map(|(p, change)| {
            json!({ "strength": p.strength, "effect": p.effect, "change": change, "kl": p.kl,
                    "reverse_kl": p.reverse_kl, "top1_agreement": p.top1_agreement })
        })
        .collect();
    let random = found.random.iter();
    let random: Vec<Value> = random
        .map(|r| json!({ "push": r.effect, "kl": r.kl }))
        .collect();
    let tried = found.tried.iter();
    let tried: Vec<Value> = tried
        .map(|t| json!({ "layer": t.layer, "dose": t.dose, "change": t.change, "kl": t.kl }))
        .collect();
    let spill = found.spill.iter();
    let spill: Vec<Value> = spill
        .map(|(s, e)| json!({ "strength": s, "effect": e }))
        .collect();
    json!({
        "model": model.checkpoint.name, "behaviour": behaviour.name, "effect": behaviour.effect_name,
        "toward": behaviour.fit.toward(), "away": behaviour.fit.away(),
        "pairs": pairs, "chosen_on": chosen_on, "measured_on": measured_on,
        "layers": found.reports, "tried": tried,
        "chosen": { "layer": found.chosen.layer, "dose": found.chosen.dose, "change": found.chosen.change, "kl": found.chosen.kl },
        "curve": points, "push": { "push": found.push.effect, "kl": found.push.kl }, "random_control": random,
        "as_hard_at_random": found.as_hard(), "spill": spill, "figures": figures,
    })
}
