//! What has to hold before anything is timed: the routes that are compared compute the same thing.

use firetender_hooks::{Padding, Pass, Untouched};
use firetender_lm::CausalLm;

use crate::{Failure, Hook, ids, prefill, step};

/// Largest difference of two lists of logits; infinite where one is not a number or the lengths differ.
#[must_use]
pub fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return f32::INFINITY;
    }
    let difference = |(a, b): (&f32, &f32)| Some((a - b).abs()).filter(|d| !d.is_nan());
    a.iter()
        .zip(b)
        .map(|pair| difference(pair).unwrap_or(f32::INFINITY))
        .fold(0.0, f32::max)
}

/// Logits after the last of `ids`, computed at once, and token by token behind a cache: they have to agree to 1e-3, which is a
/// hundred times what rounding gives.
///
/// # Errors
/// The two routes disagree, or the model reports something.
pub fn check_routes(model: &dyn CausalLm, ids: &[u32]) -> Result<Vec<f32>, Failure> {
    let pass = Pass::whole(&[ids.to_vec()], Padding::Left, 0)?;
    let whole = model.logits_at(&pass, &[(0, ids.len() - 1)], None, &mut Untouched)?;
    let whole: Vec<f32> = whole.into_data().convert::<f32>().try_to_vec()?;
    let half = ids.len() / 2;
    let (mut cached, mut cache) = prefill(model, &ids[..half], ids.len(), &mut Untouched)?;
    for id in &ids[half..] {
        cached = step(model, *id, half, &mut cache, &mut Untouched)?;
    }
    let difference = largest_difference(&whole, &cached);
    if difference > 1e-3 {
        return Err(format!(
            "logits with and without a cache differ by {difference:e}; expected at most 1e-3"
        )
        .into());
    }
    Ok(whole)
}

/// Interventions that only look leave the logits as they are, bit for bit; those that steer change them.
///
/// # Errors
/// One does otherwise, or the model reports something.
pub fn check_hooks(model: &dyn CausalLm) -> Result<(), Failure> {
    let ids = ids(12, model.shape().vocab_size);
    let (plain, _) = prefill(model, &ids, ids.len(), &mut Untouched)?;
    for hook in Hook::ALL {
        let mut made = hook.make(model)?;
        let (found, _) = prefill(model, &ids, ids.len(), made.as_mut())?;
        if (found == plain) != hook.changes_nothing() {
            let difference = largest_difference(&found, &plain);
            return Err(
                format!("{hook}: logits differ from the untouched ones by {difference:e}").into(),
            );
        }
    }
    Ok(())
}
