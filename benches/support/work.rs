//! The two computations that make up all use of a language model: a prompt at once, and one token after another.

use firetender_hooks::{Intervene, Padding, Pass};
use firetender_lm::{CausalLm, KvCache};

use crate::Failure;

/// Runs a prompt into a new cache with room for `capacity` columns; gives the logits of its last position, on the host.
///
/// # Errors
/// Whatever the model reports, or a model without a cache.
pub fn prefill(
    model: &dyn CausalLm,
    ids: &[u32],
    capacity: usize,
    hook: &mut dyn Intervene,
) -> Result<(Vec<f32>, KvCache), Failure> {
    let mut cache = model
        .new_cache(1, capacity)
        .ok_or("a model without a cache")?;
    let pass = Pass::whole(&[ids.to_vec()], Padding::Left, 0)?;
    let logits = last(model, &pass, &mut cache, hook)?;
    Ok((logits, cache))
}

/// Runs one more token behind what the cache holds; gives its logits, on the host.
///
/// # Errors
/// Whatever the model reports, for instance a full cache.
pub fn step(
    model: &dyn CausalLm,
    id: u32,
    prompt_len: usize,
    cache: &mut KvCache,
    hook: &mut dyn Intervene,
) -> Result<Vec<f32>, Failure> {
    let position = cache.columns();
    let pass = Pass::from_parts(vec![id], vec![position as i32], vec![prompt_len], position)?;
    last(model, &pass, cache, hook)
}

/// Runs `count` tokens one by one, the most likely one of each step fed to the next; gives what was fed.
///
/// # Errors
/// As [`step`].
pub fn decode(
    model: &dyn CausalLm,
    mut logits: Vec<f32>,
    count: usize,
    cache: &mut KvCache,
    hook: &mut dyn Intervene,
) -> Result<Vec<u32>, Failure> {
    let prompt_len = cache.columns();
    let mut fed = Vec::with_capacity(count);
    for _ in 0..count {
        let id = most_likely(&logits);
        fed.push(id);
        logits = step(model, id, prompt_len, cache, hook)?;
    }
    Ok(fed)
}

fn last(
    model: &dyn CausalLm,
    pass: &Pass,
    cache: &mut KvCache,
    hook: &mut dyn Intervene,
) -> Result<Vec<f32>, Failure> {
    let cell = [(0, pass.columns() - 1)];
    let logits = model.logits_at(pass, &cell, Some(cache), hook)?;
    Ok(logits.into_data().convert::<f32>().try_to_vec()?)
}

fn most_likely(logits: &[f32]) -> u32 {
    let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
    best.unwrap_or(0) as u32
}
