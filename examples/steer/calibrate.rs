//! `--calibrate BUDGET`: the layer and the strength that achieve most within a damage budget.

use firetender_steer::{
    Benign, Calibration, Calibrator, Contrast, Layers, Method, Prompter, Prompts, Scope,
    SteeringVector, calibrate,
};
use firetender_support::{Bars, Failure, Model, fail};
use serde_json::{Value, json};

use crate::{
    arguments::Arguments,
    defaults,
    direction::{extractor, parted},
    files,
    texts::{self, Words},
};

/// What was found, and on what.
pub(crate) struct Found {
    model: String,
    site: String,
    method: String,
    tokens: String,
    pairs: usize,
    effect: &'static str,
    benign: [usize; 2],
    calibration: Calibration,
}

/// Every second of some rows, from the first or from the second on.
fn half(rows: &[Vec<u32>], from: usize) -> Vec<Vec<u32>> {
    rows.iter().skip(from).step_by(2).cloned().collect()
}

/// Searches on one half of the prompts and measures on the other.
pub(crate) fn run(
    arguments: &Arguments,
    budget: f64,
    model: &Model,
    contrast: &Contrast,
    words: &Option<Words>,
    prompter: &Prompter<'_>,
) -> Result<Found, Failure> {
    let calibrator =
        Calibrator::new(budget, &arguments.strengths()?)?.with_tokens(arguments.tokens.parse()?);
    let layers: Layers = match &arguments.layers {
        Some(layers) => layers.parse()?,
        None => Layers::All,
    };
    let Taken {
        vector,
        judge,
        method,
        pairs,
    } = take(arguments, model, contrast, layers)?;

    let neutral = defaults::targets(arguments, model, prompter)?;
    let benign = defaults::benign(arguments, model, prompter)?;
    if benign.len() < 2 || judge.pairs() < 2 {
        return fail(format!(
            "--calibrate: {} harmless prompts and {} held-out pairs; expected two or more of each, one half to search and one to judge",
            benign.len(),
            judge.pairs()
        ));
    }
    let part = |from: usize| {
        let pairs: Vec<usize> = (from..judge.pairs()).step_by(2).collect();
        let measured = texts::effect(model, words, &half(&neutral, from), &judge.subset(&pairs)?)?;
        let benign = Benign::new(half(&benign, from), Scope::AllTokens)?;
        Ok::<_, Failure>((measured, benign))
    };
    let ((search, search_benign), (other, other_benign)) = (part(0)?, part(1)?);
    let calibration = calibrate(
        &model.network,
        &vector,
        Prompts {
            effect: search.2.as_ref(),
            benign: &search_benign,
        },
        Prompts {
            effect: other.2.as_ref(),
            benign: &other_benign,
        },
        &calibrator,
        &mut Bars::new("calibration"),
    )?;
    if let Some(choice) = &calibration.choice {
        let chosen = vector.at_layers(&Layers::one(choice.layer))?;
        if let Some(path) = &arguments.save {
            chosen.save(path)?;
        }
        files::export(arguments, &chosen, Some(model))?;
    }
    Ok(Found {
        model: model.checkpoint.name.clone(),
        site: vector.site().to_string(),
        method,
        tokens: arguments.tokens.clone(),
        pairs,
        effect: search.0,
        benign: [search_benign.prompts(), other_benign.prompts()],
        calibration,
    })
}

/// The direction that is searched.
struct Taken {
    vector: SteeringVector,
    judge: Contrast,
    method: String,
    pairs: usize,
}

/// The vector to import, or the direction between the two sets of texts.
fn take(
    arguments: &Arguments,
    model: &Model,
    contrast: &Contrast,
    layers: Layers,
) -> Result<Taken, Failure> {
    if let Some(found) = files::import(arguments, Some(model))? {
        for note in &found.notes {
            eprintln!("note: {note}");
        }
        return Ok(Taken {
            vector: found.vector.at_layers(&layers)?,
            judge: contrast.clone(),
            method: "imported".into(),
            pairs: 0,
        });
    }
    let method: Method = arguments.method.parse()?;
    let (fitted, judge) = parted(contrast)?;
    let vector = extractor(arguments, layers)?
        .extract(&model.network, &fitted, method, &mut Bars::new("direction"))?
        .with_length(&arguments.length.parse()?)?
        .vector
        .with_fingerprint(model.checkpoint.fingerprint()?);
    Ok(Taken {
        vector,
        judge,
        method: method.to_string(),
        pairs: fitted.pairs(),
    })
}

/// One object: `layer` and `strength` are the answer, null where no layer gains anything within the budget.
pub(crate) fn value(found: &Found) -> Value {
    let calibration = &found.calibration;
    let choice = calibration.choice;
    json!({
        "model": found.model, "site": found.site, "method": found.method, "tokens": found.tokens,
        "pairs": found.pairs, "effect": found.effect, "benign_prompts": found.benign,
        "calibration": {
            "budget": calibration.budget, "measure": calibration.measure,
            "layer": choice.map(|c| c.layer), "strength": choice.map(|c| c.strength),
            "effect": choice.map(|c| c.effect), "damage": choice.map(|c| c.damage),
            "plain_effect": calibration.plain_effect,
            "held_out": calibration.held_out.as_ref().map(|h| json!({
                "plain_effect": h.plain_effect, "effect": h.point.effect.value,
                "shift": h.shift.value, "shift_low": h.shift.low, "shift_high": h.shift.high,
                "damage": h.damage, "damage_low": h.point.kl.low, "damage_high": h.point.kl.high,
                "top1_agreement": h.point.top1_agreement.value, "within": h.within,
            })),
            "table": calibration.table,
        },
    })
}

/// The answer first, then the table that it was chosen from.
pub(crate) fn print(found: &Found) {
    let calibration = &found.calibration;
    println!(
        "effect: {}; damage: KL(steered || plain), nats a token; budget {}",
        found.effect, calibration.budget
    );
    match (&calibration.choice, &calibration.held_out) {
        (Some(choice), Some(held_out)) => {
            println!("layer {}, strength {:+.4}", choice.layer, choice.strength);
            println!(
                "  searched on: effect {:+.3} (plain {:+.3}), damage {:.4}",
                choice.effect, calibration.plain_effect, choice.damage
            );
            println!(
                "  held out:    effect {:+.3} (plain {:+.3}), shift {:+.3} [{:+.3}, {:+.3}], damage {:.4}, {} the budget",
                held_out.point.effect.value,
                held_out.plain_effect,
                held_out.shift.value,
                held_out.shift.low,
                held_out.shift.high,
                held_out.damage,
                if held_out.within { "within" } else { "beyond" }
            );
        }
        _ => println!("no layer gains anything within the budget"),
    }
    println!(
        "\n{:>5}  {:>8}  {:>9}  {:>9}",
        "layer", "strength", "effect", "damage"
    );
    for cell in &calibration.table {
        println!(
            "{:>5}  {:>+8.3}  {:>+9.3}  {:>9.4}{}",
            cell.layer,
            cell.strength,
            cell.effect,
            cell.damage,
            if cell.within {
                ""
            } else {
                "  beyond the budget"
            }
        );
    }
}
