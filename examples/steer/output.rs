//! What is printed: one JSON object, or tables for people.

use firetender_steer::{Curve, CurvePoint, Extraction, WordCounts};
use firetender_support::Failure;
use serde_json::{Value, json};

use crate::{
    arguments::Arguments,
    controls::{self, Controls},
    direction::Direction,
    files, gate,
    measure::Continuation,
};

/// Everything that was measured.
pub(crate) struct Findings {
    pub(crate) model: String,
    pub(crate) direction: Direction,
    pub(crate) effect: &'static str,
    pub(crate) benign: usize,
    pub(crate) curve: Curve,
    pub(crate) controls: Option<Controls>,
    /// None where a plan has no such control.
    pub(crate) random: Option<Curve>,
    pub(crate) previews: Vec<Value>,
    pub(crate) gated: Option<Value>,
    pub(crate) moods: Vec<WordCounts>,
    pub(crate) continuations: Vec<Continuation>,
}

/// All of it as one object.
pub(crate) fn value(arguments: &Arguments, found: &Findings) -> Result<Value, Failure> {
    let moods: Vec<Value> = found
        .moods
        .iter()
        .zip(&found.curve.points)
        .map(|(counts, point)| {
            json!({ "strength": point.strength, "log_odds": counts.log_odds(), "positive": counts.positive,
                    "negative": counts.negative, "words": counts.words })
        })
        .collect();
    let texts: Vec<Value> = found
        .continuations
        .iter()
        .map(|c| json!({ "prompt": c.prompt, "strength": c.strength, "text": c.text }))
        .collect();
    let extraction = found.direction.extraction.as_ref();
    let vector = extraction.map(|extraction| &extraction.vector);
    let mut value = json!({
        "model": found.model, "site": vector.map(|v| v.site().name()), "method": found.direction.method,
        "tokens": arguments.tokens, "pairs": found.direction.pairs, "effect": found.effect,
        "layers": extraction.map(layer_values), "curve": points(&found.curve),
        "random_control": found.random.as_ref().map(points), "free_text": moods, "generations": texts, "saved": arguments.save,
    });
    value["read"] = json!(arguments.read);
    value["length"] = json!(arguments.length);
    value["controls"] = json!(found.controls.as_ref().map(controls::value));
    value["plan"] = json!(arguments.plan);
    value["preview"] = json!(found.previews);
    value["gate"] = json!(found.gated);
    value["imported"] = files::imported_value(arguments, vector);
    value["exported"] = files::exported_value(arguments)?;
    Ok(value)
}

/// Tables on standard output.
pub(crate) fn print(found: &Findings) {
    if let Some(extraction) = &found.direction.extraction {
        print_layers(extraction);
    }
    println!(
        "\neffect: {}; damage: KL(steered || plain) on {} benign prompts; [95 % interval over prompts]",
        found.effect, found.benign
    );
    println!(
        "{:>8}  {:>26}  {:>14}  {:>9}  {:>9}  {:>6}  free text",
        "strength", "effect", "random effect", "KL", "random KL", "top-1"
    );
    for (index, point) in found.curve.points.iter().enumerate() {
        let random = found.random.as_ref().map(|curve| &curve.points[index]);
        let random = |pick: fn(&CurvePoint) -> f64| random.map_or(f64::NAN, pick);
        let free = found.moods.get(index).map_or(String::new(), |c| {
            format!(
                "log-odds {:+.2} ({} : {} of {} words)",
                c.log_odds(),
                c.positive,
                c.negative,
                c.words
            )
        });
        println!(
            "{:>8}  {:>+9.3} [{:+.3}, {:+.3}]  {:>+14.3}  {:>9.4}  {:>9.4}  {:>6.3}  {free}",
            point.strength,
            point.effect.value,
            point.effect.low,
            point.effect.high,
            random(|p| p.effect.value),
            point.kl.value,
            random(|p| p.kl.value),
            point.top1_agreement.value
        );
    }
    if let Some(controls) = &found.controls {
        controls::print(controls);
    }
    for c in &found.continuations {
        println!("\n[{:+}] {} ⟶ {}", c.strength, c.prompt, c.text.trim());
    }
    if let Some(gated) = &found.gated {
        gate::print(gated);
    }
}

fn layer_values(extraction: &Extraction) -> Vec<Value> {
    extraction
        .reports
        .iter()
        .map(|r| {
            json!({ "layer": r.layer, "norm": r.norm, "relative_norm": r.relative_norm(),
                    "auc": r.separation.map(|s| s.auc), "d_prime": r.separation.and_then(|s| s.d_prime),
                    "explained_variance": r.explained_variance, "cosines": r.cosines })
        })
        .collect()
}

fn print_layers(extraction: &Extraction) {
    println!(
        "{:>5}  {:>8}  {:>13}  {:>12}  {:>12}",
        "layer", "length", "of the stream", "held-out AUC", "held-out d'"
    );
    for report in &extraction.reports {
        let shown =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
        let auc = shown(report.separation.map(|s| s.auc));
        let d = shown(report.separation.and_then(|s| s.d_prime));
        println!(
            "{:>5}  {:>8.3}  {:>13}  {auc:>12}  {d:>12}",
            report.layer,
            report.norm,
            shown(Some(report.relative_norm()).filter(|share| share.is_finite()))
        );
    }
}

pub(crate) fn points(curve: &Curve) -> Vec<Value> {
    curve
        .points
        .iter()
        .map(|p| {
            json!({ "strength": p.strength, "effect": p.effect.value, "effect_low": p.effect.low, "effect_high": p.effect.high,
                    "kl": p.kl.value, "kl_low": p.kl.low, "kl_high": p.kl.high, "reverse_kl": p.reverse_kl.value,
                    "top1_agreement": p.top1_agreement.value })
        })
        .collect()
}
