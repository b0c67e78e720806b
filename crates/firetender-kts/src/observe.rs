//! Watching a training run.

use std::{ops::ControlFlow, path::Path};

use crate::Draw;

/// What happened in one step of the optimiser.
#[derive(Clone, Debug, PartialEq)]
pub struct StepLog {
    /// The step, from 0.
    pub step: u64,
    /// Number of steps.
    pub steps: u64,
    /// Mean loss of its minibatches.
    pub loss: f64,
    /// Parts of the loss by name, each minibatch's: `kl_steered`, `kl_unsteered`, `kept`, …
    pub parts: Vec<(&'static str, f64)>,
    /// Length of the whole gradient before it was clipped.
    pub gradient_norm: f64,
    /// Learning rate.
    pub rate: f64,
    /// What was drawn.
    pub draws: Vec<Draw>,
}

/// Told about a run as it goes. All methods do nothing by default.
pub trait TrainObserver {
    /// After each step. `Break` stops the run: a checkpoint is written if there is a place for it.
    fn stepped(&mut self, log: &StepLog) -> ControlFlow<()> {
        let _ = log;
        ControlFlow::Continue(())
    }

    /// After a probe: its name and value.
    fn probed(&mut self, step: u64, name: &str, value: f64) {
        let _ = (step, name, value);
    }

    /// After a checkpoint was written.
    fn saved(&mut self, step: u64, path: &Path) {
        let _ = (step, path);
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl TrainObserver for Unwatched {}

/// Keeps everything that happened, and sums it up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// All steps.
    pub steps: Vec<StepLog>,
    /// All probes: step, name, value.
    pub probes: Vec<(u64, String, f64)>,
}

impl TrainObserver for History {
    fn stepped(&mut self, log: &StepLog) -> ControlFlow<()> {
        self.steps.push(log.clone());
        ControlFlow::Continue(())
    }

    fn probed(&mut self, step: u64, name: &str, value: f64) {
        self.probes.push((step, name.into(), value));
    }
}

impl History {
    /// Mean of a part of the loss over the last `steps` steps that had it.
    #[must_use]
    pub fn recent(&self, part: &str, steps: usize) -> Option<f64> {
        let from = self.steps.len().saturating_sub(steps);
        let found: Vec<f64> = self.steps[from..]
            .iter()
            .flat_map(|log| &log.parts)
            .filter(|(name, _)| *name == part)
            .map(|(_, value)| *value)
            .collect();
        (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
    }

    /// Share of draws that were steered.
    #[must_use]
    pub fn share_steered(&self) -> f64 {
        let draws = || self.steps.iter().flat_map(|log| &log.draws);
        let steered = draws().filter(|draw| draw.steered).count();
        steered as f64 / draws().count().max(1) as f64
    }

    /// How many steered draws had a strength in each of `bins` equal parts of `[-limit, limit]`; the ends take what lies beyond.
    #[must_use]
    pub fn strengths(&self, limit: f64, bins: usize) -> Vec<usize> {
        let mut counts = vec![0; bins.max(1)];
        let top = counts.len() - 1;
        for draw in self.steps.iter().flat_map(|log| &log.draws) {
            if draw.steered {
                let at = (draw.strength + limit) / (2.0 * limit) * counts.len() as f64;
                counts[(at.max(0.0) as usize).min(top)] += 1;
            }
        }
        counts
    }
}
