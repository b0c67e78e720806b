//! Steering that hurts less: a small adapter that was trained by KL-then-steer, beside the model that it was trained from.

use firetender_ember::{Split, chat, prompts, words};
use firetender_hooks::{ReadAt, SiteKind};
use firetender_kts::{Adapter, Judge, JudgedPoint, Texts, TokenScope, damage_at};
use firetender_lm::{CausalLm, Transformer};
use firetender_report::{Align, Axis, Cell, Column, Points, Scatter, Section, Table};
use firetender_steer::{Extractor, Method, NextTokenOdds, SteeringVector};
use firetender_support::{Bars, Failure, Model};

use crate::{LAYERS, Rows, contrast, first, tokens};

/// Strengths of the refusal direction.
const STRENGTHS: [f64; 6] = [0.0, 0.25, 0.5, 0.75, 1.0, 1.5];
/// The adapter. Made by `cargo run --release --example kl_then_steer -- --methods kts_keep --seeds 1 --rank 4`.
const ADAPTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/kts");

/// The direction from harmless to suspicious instructions, which makes Ember refuse.
pub(crate) fn direction(model: &Model, rows: &Rows<'_>) -> Result<SteeringVector, Failure> {
    let pairs = prompts::suspicion(Split::Train, 0, 60);
    let found = Extractor::new(SiteKind::ResidPost)
        .with_layers(LAYERS.parse()?)
        .with_read(ReadAt::LastToken)
        .extract(
            &model.network,
            &contrast(["suspicious", "harmless"], &pairs, rows)?,
            Method::Mean,
            &mut Bars::new("refusal direction"),
        )?;
    Ok(found.vector)
}

/// The adapter, and the model with it.
pub(crate) fn student(model: &Model) -> Result<(Adapter, Transformer), Failure> {
    let adapter = Adapter::load_peft(ADAPTER)?;
    let student = adapter.merge_into(model.network.clone())?;
    Ok((adapter, student))
}

/// Steers the plain model and the adapted one alike, prints, and returns the section of the report.
pub(crate) fn visit(
    model: &Model,
    rows: &Rows<'_>,
    many: &dyn Fn(usize) -> usize,
    answered: &[prompts::Answered],
) -> Result<Section, Failure> {
    println!("== Steering that hurts less ==");
    let base = &model.network;
    let vector = direction(model, rows)?;
    let effect = NextTokenOdds::new(
        rows(&prompts::suspicious(Split::HeldOut, 3, many(80)))?,
        first(model, words::REFUSAL_PREFIXES)?,
        first(model, words::COMPLY_PREFIXES)?,
    )?;
    let mut texts = vec![];
    for item in answered {
        let mut ids = tokens(model, &chat::prompt_text(&item.prompt))?;
        let prompt = ids.len();
        let answer = format!("{}{}", item.answer, chat::END);
        ids.extend(tokens(model, &answer)?);
        texts.push((ids, prompt));
    }
    let judge = Judge::new(base, &Texts::new(texts)?, TokenScope::Answer)?;
    let (adapter, student) = student(model)?;
    let curve = |network: &dyn CausalLm| judge.curve(network, &vector, &STRENGTHS, &effect);
    let (plain, trained) = (curve(base)?, curve(&student)?);

    let right = |name: &str| Column::new(name, Align::Right);
    let mut table = Table::new([
        right("strength"),
        right("effect, plain"),
        right("effect, trained"),
        right("KL, plain"),
        right("KL, trained"),
        right("top-1, plain"),
        right("top-1, trained"),
    ])?
    .caption(
        "Effect: log-odds of beginning a refusal. Damage: divergence from the plain, unsteered model on held-out harmless answers, nats a \
         token.",
    );
    for (a, b) in plain.iter().zip(&trained) {
        table.push([
            Cell::fixed(a.strength, 2),
            Cell::fixed(a.effect(), 2),
            Cell::fixed(b.effect(), 2),
            Cell::fixed(a.damage(), 4),
            Cell::fixed(b.damage(), 4),
            Cell::fixed(a.agreement, 3),
            Cell::fixed(b.agreement, 3),
        ])?;
    }
    println!("{}", table.to_markdown());
    let wanted = plain
        .iter()
        .find(|p| p.strength == 0.5)
        .map(JudgedPoint::effect);
    let wanted = wanted.unwrap_or(0.0);
    let shown = |points: &[JudgedPoint]| -> Result<String, Failure> {
        Ok(match damage_at(points, wanted)? {
            Some(found) => format!("{:.4} nats", found.damage),
            None => "no strength that reaches it".into(),
        })
    };
    let about = format!(
        "An adapter of {} numbers was trained so that the steered model predicts on harmless texts what the plain one does, and keeps its \
         effect on suspicious instructions. At the effect that plain steering has at strength 0.5 ({wanted:.2}), the plain model pays {}, \
         the trained one {}.",
        adapter.parameters(),
        shown(&plain)?,
        shown(&trained)?
    );
    println!("{about}\n");
    let labels: Vec<String> = STRENGTHS.iter().map(|k| format!("{k:+}")).collect();
    let series = |name: &str, curve: &[JudgedPoint]| {
        let damage: Vec<f64> = curve.iter().map(JudgedPoint::damage).collect();
        let effect: Vec<f64> = curve.iter().map(JudgedPoint::effect).collect();
        Points::new(name, &damage, &effect)
            .labels(&labels)
            .connected()
    };
    let figure = Scatter::new(
        "Effect against damage, before and after",
        Axis::linear("KL from the plain model, nats per answer token"),
        Axis::linear("refuse : comply, log-odds"),
    )
    .points(series("plain", &plain))
    .points(series("KL-then-steer", &trained))
    .build()?;
    Ok(Section::new("Steering that hurts less")
        .paragraph(about)
        .figure(figure)
        .table(table))
}
