//! Vectors from and to the files of other programs.

use std::{collections::BTreeMap, path::Path};

use firetender_hooks::SiteKind;
use firetender_lm::{CausalLm, Naming};
use firetender_steer::{
    Extraction, Generator, ImportOptions, Imported, LayerReport, SteeringVector, VectorFormat,
};
use firetender_support::{Failure, Model, fail};
use serde_json::{Value, json};

use crate::arguments::Arguments;

/// Refuses what can be refused before anything is read.
pub(crate) fn check(arguments: &Arguments) -> Result<(), Failure> {
    generator(arguments)?;
    exports(arguments)?;
    Ok(())
}

/// The vector that `--import` names; with a model, checked against it.
pub(crate) fn import(
    arguments: &Arguments,
    model: Option<&Model>,
) -> Result<Option<Imported>, Failure> {
    let Some(path) = &arguments.import else {
        return Ok(None);
    };
    let site: SiteKind = arguments.site.parse()?;
    let mut options = ImportOptions::new().with_site(site);
    if let Some(generator) = generator(arguments)? {
        options = options.with_generator(generator);
    }
    if let Some(model) = model {
        let shape = model.network.shape();
        let width = if site == SiteKind::HeadOut {
            shape.head_width
        } else {
            shape.width
        };
        options = options.with_layers(shape.layers).with_width(width);
    }
    let found = SteeringVector::import(path, &options)?;
    if let Some(model) = model {
        let fingerprint = match arguments.any_weights {
            true => None,
            false => Some(model.checkpoint.fingerprint()?),
        };
        let shape = model.network.shape();
        let fits = found.vector.check_fits(&shape, fingerprint.as_deref());
        if let Err(error) = fits {
            return fail(format!("{path}: {error}"));
        }
    }
    Ok(Some(found))
}

/// What is known about an imported vector's layers.
pub(crate) fn described(vector: &SteeringVector) -> Extraction {
    let about = vector.provenance();
    let reports = vector.norms().into_iter().map(|(layer, norm)| LayerReport {
        layer,
        norm,
        residual_norm: about
            .residual_norms
            .get(&layer)
            .copied()
            .unwrap_or(f64::NAN),
        separation: about.separation.get(&layer).copied(),
        explained_variance: about
            .explained_variance
            .get(&layer)
            .copied()
            .unwrap_or(f64::NAN),
        cosines: BTreeMap::new(),
    });
    Extraction {
        vector: vector.clone(),
        reports: reports.collect(),
    }
}

/// Writes the vector wherever `--export` says.
pub(crate) fn export(
    arguments: &Arguments,
    vector: &SteeringVector,
    model: Option<&Model>,
) -> Result<(), Failure> {
    for (format, path) in exports(arguments)? {
        let hint = match model {
            Some(model) => architecture(model),
            None => vector.provenance().model.as_deref().unwrap_or_default(),
        };
        match (model, format) {
            (None, VectorFormat::Svec) => beyond(vector)?.export(path, format, hint)?,
            _ => vector.export(path, format, hint)?,
        }
    }
    Ok(())
}

/// `.svec` names what leaves a block by the block after it. Another program's file does not say how many there are, so without a
/// model the highest direction passed for the last block's; one more is granted.
fn beyond(vector: &SteeringVector) -> Result<SteeringVector, Failure> {
    match vector.provenance().origin {
        Some(_) => Ok(vector.for_depth(vector.n_layers() + 1)?),
        None => Ok(vector.clone()),
    }
}

/// `--import` and `--export` without a model: one file becomes others. Gives what is printed.
pub(crate) fn convert(arguments: &Arguments) -> Result<(String, Value), Failure> {
    let Some(found) = import(arguments, None)? else {
        return fail("--model is missing; only --import with --export does without one");
    };
    if arguments.export.is_empty() {
        return fail("--model is missing: without one, --import needs --export FORMAT PATH");
    }
    let vector = &found.vector;
    export(arguments, vector, None)?;
    let norms: Vec<Value> = vector
        .norms()
        .iter()
        .map(|(layer, norm)| json!({ "layer": layer, "norm": norm }))
        .collect();
    let mut value = json!({
        "site": vector.site().name(), "toward": vector.toward(), "away": vector.away(), "width": vector.width(), "layers": norms,
    });
    value["imported"] = imported_value(arguments, Some(vector));
    value["exported"] = exported_value(arguments)?;
    let mut text = format!(
        "{} directions of width {} at {}, toward `{}` and away from `{}`",
        vector.directions().len(),
        vector.width(),
        vector.site(),
        vector.toward(),
        vector.away()
    );
    for note in &found.notes {
        text += &format!("\nnote: {note}");
    }
    Ok((text, value))
}

/// `null` unless a vector was imported.
pub(crate) fn imported_value(arguments: &Arguments, vector: Option<&SteeringVector>) -> Value {
    let (Some(path), Some(vector)) = (&arguments.import, vector) else {
        return Value::Null;
    };
    json!({ "path": path, "origin": vector.provenance().origin })
}

/// A list of what was written.
pub(crate) fn exported_value(arguments: &Arguments) -> Result<Value, Failure> {
    let written = exports(arguments)?;
    let written = written
        .iter()
        .map(|(format, path)| json!({ "format": format.to_string(), "path": path }));
    Ok(written.collect())
}

fn exports(arguments: &Arguments) -> Result<Vec<(VectorFormat, &Path)>, Failure> {
    let pairs = arguments.export.as_chunks::<2>().0.iter();
    pairs
        .map(|[format, path]| Ok((format.parse()?, Path::new(path))))
        .collect()
}

fn generator(arguments: &Arguments) -> Result<Option<Generator>, Failure> {
    Ok(arguments.generator.as_deref().map(str::parse).transpose()?)
}

/// Hugging Face's name of the model's architecture, as far as it is known.
fn architecture(model: &Model) -> &'static str {
    match model.checkpoint.naming {
        Naming::HfGpt2 => "gpt2",
        Naming::HfGptNeoX => "gpt_neox",
        Naming::HfLlama | Naming::Gguf => "llama",
    }
}
