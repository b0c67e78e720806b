//! Controls beside the vector: random directions of its length, and directions fitted to shuffled labels.

use firetender_steer::{Contrast, Controlled, Curve, Entry, Method, Plan, SteerError, VectorRef};
use firetender_support::{Bars, Failure, Model, fail};
use serde_json::{Value, json};

use crate::{
    arguments::Arguments,
    direction::{extractor, layers, parted},
    output,
};

/// The controls' curves.
pub(crate) struct Controls {
    random: Vec<Curve>,
    shuffled: Vec<Curve>,
}

/// Sweeps as many of both kinds as were asked for; `None` when that is none.
pub(crate) fn run(
    arguments: &Arguments,
    model: &Model,
    contrast: &Contrast,
    plan: &Plan,
    measure: &dyn Fn(&Plan, &str) -> Result<Curve, SteerError>,
) -> Result<Option<Controls>, Failure> {
    if arguments.controls == 0 {
        return Ok(None);
    }
    let seeds: Vec<u64> = (0..arguments.controls as u64)
        .map(|n| arguments.seed + n)
        .collect();
    let mut random = vec![];
    for seed in &seeds {
        let title = format!("random direction {seed}");
        random.push(measure(&plan.random_control(*seed)?, &title)?);
    }
    let mut shuffled = vec![];
    // Labels can be shuffled only where the direction was found here, in one piece.
    if arguments.import.is_none()
        && let [entry] = plan.entries()
        && let VectorRef::Inline(vector) = entry.vector()
    {
        let method: Method = arguments.method.parse()?;
        let (fitted, _) = parted(contrast)?;
        let samples = extractor(arguments, layers(arguments, model)?)?.samples(
            &model.network,
            &fitted,
            &mut Bars::new("shuffled labels"),
        )?;
        for seed in &seeds {
            let control = samples.shuffled_control(&method, vector, *seed)?;
            let entry = Entry::new(&control, entry.strength()).with_tokens(entry.tokens().clone());
            let title = format!("shuffled labels {seed}");
            shuffled.push(measure(&Plan::new().with(entry), &title)?);
        }
    }
    if random.is_empty() {
        return fail("no controls");
    }
    Ok(Some(Controls { random, shuffled }))
}

/// All curves, and what the controls of a kind do together.
pub(crate) fn value(controls: &Controls) -> Value {
    let all = |curves: &[Curve]| curves.iter().map(output::points).collect::<Vec<_>>();
    json!({
        "random": all(&controls.random), "random_spread": Controlled::spread(&controls.random),
        "shuffled": all(&controls.shuffled), "shuffled_spread": Controlled::spread(&controls.shuffled),
    })
}

/// A table for people.
pub(crate) fn print(controls: &Controls) {
    for (name, curves) in [
        ("random directions", &controls.random),
        ("shuffled labels", &controls.shuffled),
    ] {
        if curves.is_empty() {
            continue;
        }
        println!(
            "\n{} {name} of the vector's length: mean effect (lowest to highest), mean KL",
            curves.len()
        );
        for at in Controlled::spread(curves) {
            println!(
                "{:>8}  {:>+9.3} ({:+.3} to {:+.3})  {:>9.4}",
                at.strength, at.effect, at.lowest_effect, at.highest_effect, at.damage
            );
        }
    }
}
