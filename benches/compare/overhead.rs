//! What hooks cost, as ratios of passes measured in turn.

use std::time::Instant;

use firetender_hooks::Untouched;
use firetender_measure::{Failure, Hook, Median, ids, load, paired_ratios, prefill, step};
use serde::{Deserialize, Serialize};

use crate::Arguments;

/// The cost of one intervention: seconds with it divided by seconds without.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// The intervention.
    pub(crate) hook: String,
    /// One token behind a full prompt.
    pub(crate) token: Median,
    /// The whole prompt.
    pub(crate) prompt: Median,
}

/// The first entry compares untouched passes with each other: what is left of the noise.
pub(crate) fn costs(arguments: &Arguments) -> Result<Vec<Cost>, Failure> {
    let model = load(&arguments.model)?;
    let length = arguments.hook_prompt;
    let prompt = ids(length, model.config().vocab_size);
    let (_, cache) = prefill(&model, &prompt, length + 1, &mut Untouched)?;
    // One cache for both sides, so that both work on the same memory.
    let cache = std::cell::RefCell::new(cache);
    let one_token = |hook: &mut dyn firetender_hooks::Intervene| -> Result<f64, Failure> {
        let mut cache = cache.borrow_mut();
        cache.truncate(length);
        let start = Instant::now();
        step(&model, 1, length, &mut cache, hook)?;
        Ok(start.elapsed().as_secs_f64())
    };
    let whole = |hook: &mut dyn firetender_hooks::Intervene| -> Result<f64, Failure> {
        let start = Instant::now();
        prefill(&model, &prompt, length, hook)?;
        Ok(start.elapsed().as_secs_f64())
    };
    let mut costs = vec![];
    for hook in Hook::ALL {
        let mut made = hook.make(&model)?;
        one_token(made.as_mut())?;
        let token = paired_ratios(
            arguments.blocks,
            &mut || one_token(&mut Untouched),
            &mut || one_token(made.as_mut()),
        )?;
        let prompt = paired_ratios(
            arguments.prefill_blocks,
            &mut || whole(&mut Untouched),
            &mut || whole(made.as_mut()),
        )?;
        costs.push(Cost {
            hook: hook.to_string(),
            token: Median::of(&token),
            prompt: Median::of(&prompt),
        });
    }
    Ok(costs)
}
