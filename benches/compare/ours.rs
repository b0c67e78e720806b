//! This workspace's side of the comparison: what `benches/peer/torch_smollm2.py` measures, in the same order.

use std::time::Instant;

use firetender_hooks::Untouched;
use firetender_measure::{Failure, Median, decode, ids, load, prefill, weight_bytes};
use serde::{Deserialize, Serialize};

use crate::Arguments;

/// What one process found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Speed {
    /// From nothing in memory to the first new token after a prompt of 16, in seconds.
    pub(crate) load_to_first_token: f64,
    /// Seconds of a prompt, into a cache, logits of its last position only.
    pub(crate) prefill: f64,
    /// Seconds of the decoded tokens, for each context.
    pub(crate) decode: Vec<f64>,
    /// Bytes of the weights.
    pub(crate) weight_bytes: f64,
    /// Most memory held until the first token, in bytes; `None` where the system does not tell.
    pub(crate) loaded_peak_bytes: Option<f64>,
    /// Most memory held at any time, in bytes.
    pub(crate) peak_bytes: Option<f64>,
    /// Load average over the last minute, at the end.
    pub(crate) load_average: Option<f64>,
}

pub(crate) fn speed(arguments: &Arguments) -> Result<Speed, Failure> {
    let start = Instant::now();
    let model = load(&arguments.model)?;
    let vocab = model.config().vocab_size;
    prefill(&model, &ids(16, vocab), 16, &mut Untouched)?;
    let load_to_first_token = start.elapsed().as_secs_f64();
    let loaded_peak_bytes = peak_bytes();

    let prompt = ids(arguments.prefill, vocab);
    let whole = repeated(arguments.runs, || {
        let start = Instant::now();
        prefill(&model, &prompt, prompt.len(), &mut Untouched)?;
        Ok(start.elapsed().as_secs_f64())
    })?;
    let mut decoded = vec![];
    for context in arguments.contexts() {
        let prompt = ids(context, vocab);
        decoded.push(repeated(arguments.runs, || {
            let (logits, mut cache) =
                prefill(&model, &prompt, context + arguments.decode, &mut Untouched)?;
            let start = Instant::now();
            decode(&model, logits, arguments.decode, &mut cache, &mut Untouched)?;
            Ok(start.elapsed().as_secs_f64())
        })?);
    }
    Ok(Speed {
        load_to_first_token,
        prefill: whole,
        decode: decoded,
        weight_bytes: weight_bytes(&model) as f64,
        loaded_peak_bytes,
        peak_bytes: peak_bytes(),
        load_average: load_average(),
    })
}

/// The median of `runs` measurements, after one that is not counted.
fn repeated(runs: usize, mut run: impl FnMut() -> Result<f64, Failure>) -> Result<f64, Failure> {
    run()?;
    let seconds = (0..runs)
        .map(|_| run())
        .collect::<Result<Vec<f64>, Failure>>()?;
    Ok(Median::of(&seconds).value)
}

/// The process's largest resident size so far, as Linux reports it.
fn peak_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

pub(crate) fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}
