//! What both sides do.

use serde::Serialize;

/// Texts and sizes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Task {
    pub(crate) toward: Vec<String>,
    pub(crate) away: Vec<String>,
    pub(crate) prompt: &'static str,
    /// Layers that are steered while generating.
    pub(crate) layers: Vec<usize>,
    pub(crate) strength: f64,
    pub(crate) new_tokens: usize,
    pub(crate) batch: usize,
    pub(crate) threads: usize,
    pub(crate) runs: usize,
}

impl Task {
    /// The scenes of `examples/data`.
    pub(crate) fn new(threads: usize, runs: usize) -> Self {
        let lines = |text: &str| text.lines().map(str::to_owned).collect();
        Self {
            toward: lines(include_str!("../../examples/data/mood.positive.txt")),
            away: lines(include_str!("../../examples/data/mood.negative.txt")),
            prompt: "The letter arrived on a Monday morning, and when she opened it",
            layers: (8..16).collect(),
            strength: 0.25,
            new_tokens: 64,
            batch: 8,
            threads,
            runs,
        }
    }
}
