//! The plan that is swept, and where it comes from.

use firetender_hooks::SiteKind;
use firetender_lm::CausalLm;
use firetender_steer::{
    Contrast, Entry, Extraction, Extractor, Layers, Length, Method, Plan, ReadPosition, TokenRule,
};
use firetender_support::{Bars, Failure, Model, fail};

use crate::{arguments::Arguments, files, gate, plan};

/// A plan at strength 1, and what is known about it.
pub(crate) struct Direction {
    /// What is swept.
    pub(crate) plan: Plan,
    /// The vector and its layers' reports; none for a plan of low-rank edits.
    pub(crate) extraction: Option<Extraction>,
    /// How it was found.
    pub(crate) method: String,
    /// Number of pairs that it was fitted to.
    pub(crate) pairs: usize,
    /// The pairs that it was not fitted to.
    pub(crate) judge: Contrast,
}

/// The default layers: the second quarter of the depth, at least two of them.
pub(crate) fn layers(arguments: &Arguments, model: &Model) -> Result<Layers, Failure> {
    Ok(match &arguments.layers {
        Some(layers) => layers.parse()?,
        None => {
            let depth = model.network.shape().layers;
            let first = depth / 4;
            format!("{first}..{}", (depth / 2).max(first + 2).min(depth)).parse()?
        }
    })
}

/// Reads where the arguments say.
pub(crate) fn extractor(arguments: &Arguments, layers: Layers) -> Result<Extractor, Failure> {
    let position: ReadPosition = arguments.read.parse()?;
    Ok(Extractor::new(arguments.site.parse()?)
        .with_layers(layers)
        .with_position(position))
}

/// A fifth of the pairs judges what the others found.
pub(crate) fn parted(contrast: &Contrast) -> Result<(Contrast, Contrast), Failure> {
    let held_out = (contrast.pairs() / 5).max(1);
    Ok(contrast.split_at(contrast.pairs().saturating_sub(held_out))?)
}

/// Refuses what can be refused before a model is opened.
pub(crate) fn check(arguments: &Arguments) -> Result<(), Failure> {
    arguments.tokens.parse::<TokenRule>()?;
    arguments.method.parse::<Method>()?;
    arguments.site.parse::<SiteKind>()?;
    arguments.read.parse::<ReadPosition>()?;
    arguments.length.parse::<Length>()?;
    gate::parse(arguments)?;
    files::check(arguments)
}

/// The vector to import, or the direction between the two sets of texts; written to the files that are asked for.
pub(crate) fn take(
    arguments: &Arguments,
    model: &Model,
    contrast: &Contrast,
) -> Result<Direction, Failure> {
    let file = plan::load(arguments)?;
    let own = file.as_ref().filter(|plan| !plan::has_names(plan));
    let imported = match own {
        None => files::import(arguments, Some(model))?,
        Some(_) => None,
    };
    let mut direction = match imported {
        None if own.is_some() => {
            let plan = own.cloned().unwrap_or_default();
            let vector = plan::own_vector(&plan);
            Direction {
                extraction: vector.as_ref().map(files::described),
                plan,
                method: "plan".into(),
                pairs: 0,
                judge: contrast.clone(),
            }
        }
        None => find(arguments, model, contrast)?,
        Some(found) => {
            for note in &found.notes {
                eprintln!("note: {note}");
            }
            let layers = match &arguments.layers {
                Some(layers) => layers.parse()?,
                None => Layers::All,
            };
            let vector = found.vector.at_layers(&layers)?;
            let rule: TokenRule = arguments.tokens.parse()?;
            Direction {
                plan: Plan::new().with(Entry::new(&vector, 1.0).with_tokens(rule)),
                extraction: Some(files::described(&vector)),
                method: "imported".into(),
                pairs: 0,
                judge: contrast.clone(),
            }
        }
    };
    if let Some(extraction) = &direction.extraction {
        if let Some(file) = &file {
            direction.plan = plan::fill(file, &extraction.vector, model)?;
        }
        files::export(arguments, &extraction.vector, Some(model))?;
    } else if !arguments.export.is_empty() {
        return fail("--export: the plan has no vector");
    }
    plan::write(arguments, &direction.plan, model)?;
    Ok(direction)
}

/// Finds the direction between the two sets of texts.
fn find(arguments: &Arguments, model: &Model, contrast: &Contrast) -> Result<Direction, Failure> {
    let rule: TokenRule = arguments.tokens.parse()?;
    let method: Method = arguments.method.parse()?;
    let (fitted, judge) = parted(contrast)?;
    let mut extraction = extractor(arguments, layers(arguments, model)?)?
        .extract(&model.network, &fitted, method, &mut Bars::new("direction"))?
        .with_length(&arguments.length.parse()?)?;
    let vector = extraction
        .vector
        .clone()
        .with_fingerprint(model.checkpoint.fingerprint()?);
    extraction.vector = vector.clone();
    if let Some(path) = &arguments.save {
        vector.save(path)?;
    }
    Ok(Direction {
        plan: Plan::new().with(Entry::new(&vector, 1.0).with_tokens(rule)),
        extraction: Some(extraction),
        method: method.to_string(),
        pairs: fitted.pairs(),
        judge,
    })
}
