//! Plans from and to files, what they select, and models that need none.

use std::{collections::BTreeMap, path::Path};

use firetender_hooks::{Padding, Pass};
use firetender_lm::{CausalLm, StoreAs};
use firetender_steer::{Plan, SteeringVector, VectorRef};
use firetender_support::{Failure, Model, fail};
use serde_json::{Value, json};

use crate::arguments::Arguments;

/// The plan of the file, if one is given. Names in it stay names.
pub(crate) fn load(arguments: &Arguments) -> Result<Option<Plan>, Failure> {
    arguments
        .plan
        .as_ref()
        .map_or(Ok(None), |path| Ok(Some(Plan::load(path)?)))
}

/// The plan with `direction` and the vector's own names filled in, checked against the model.
pub(crate) fn fill(plan: &Plan, vector: &SteeringVector, model: &Model) -> Result<Plan, Failure> {
    let names = BTreeMap::from([
        ("direction".to_owned(), vector.clone()),
        (vector.toward().to_owned(), vector.clone()),
    ]);
    let plan = plan.resolved(&names)?;
    plan.compile(&model.network.shape(), &model.network.device())?;
    Ok(plan)
}

/// The first vector that stands in a plan itself.
pub(crate) fn own_vector(plan: &Plan) -> Option<SteeringVector> {
    let mut entries = plan.entries().iter();
    entries.find_map(|entry| match entry.vector() {
        VectorRef::Inline(vector) => Some((**vector).clone()),
        _ => None,
    })
}

/// Whether some vector of a plan is only a name.
pub(crate) fn has_names(plan: &Plan) -> bool {
    let named = |vector: &VectorRef| matches!(vector, VectorRef::Named(_));
    plan.entries().iter().any(|entry| {
        named(entry.vector())
            || matches!(entry.operator(), firetender_steer::Operator::Rotate { toward, .. } if named(toward))
    })
}

/// Writes the plan and the baked model, where asked for.
pub(crate) fn write(arguments: &Arguments, plan: &Plan, model: &Model) -> Result<(), Failure> {
    if let Some(path) = &arguments.save_plan {
        plan.save(path)?;
    }
    let [strength, folder] = arguments.bake.as_slice() else {
        return Ok(());
    };
    let Ok(strength) = strength.parse::<f64>() else {
        return fail(format!("--bake strength `{strength}`; expected a number"));
    };
    let biases = plan.scaled(strength).baked(&model.network.shape())?;
    let baked = model.network.with_block_biases(&biases)?;
    baked.save(Path::new(folder), StoreAs::F32)?;
    let checkpoint = &model.checkpoint;
    if let Err(error) = checkpoint
        .tokenizer()?
        .save(folder, checkpoint.chat.as_ref())
    {
        eprintln!("note: the baked model comes without a tokenizer: {error}");
    }
    Ok(())
}

/// Which tokens of each prompt every entry selects, as data and as text.
pub(crate) fn preview(
    arguments: &Arguments,
    plan: &Plan,
    model: &Model,
    prompts: &[(String, Vec<u32>)],
) -> Result<Vec<Value>, Failure> {
    if !arguments.preview {
        return Ok(vec![]);
    }
    let tokenizer = model.tokenizer()?;
    let mut shown = vec![];
    for (prompt, ids) in prompts {
        let pass = Pass::whole(std::slice::from_ref(ids), Padding::Left, 0)?;
        for (number, entry) in plan.entries().iter().enumerate() {
            let preview = entry.tokens().preview(&pass);
            let text = |id| tokenizer.decode(&[id], false).unwrap_or_default();
            let text = preview.with_texts(text).to_string();
            if !arguments.json {
                eprintln!("entry {number}, {}: {}", entry.tokens(), text.trim_end());
            }
            shown.push(
                json!({ "prompt": prompt, "entry": number, "tokens": entry.tokens().to_string(),
                               "positions": preview.selected()[0], "text": text.trim_end() }),
            );
        }
    }
    Ok(shown)
}
