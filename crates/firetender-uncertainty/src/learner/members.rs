//! Checkpoints of the learner as members of an ensemble.

use std::path::Path;

use burn::module::Module;
use burn_train::{
    checkpoint::{CheckpointingAction, CheckpointingStrategy},
    metric::store::EventStoreClient,
};

use crate::{UncertaintyError, training::read_member};

/// Keeps the checkpoints of the last epochs of every cycle, and the newest one to go on from.
///
/// For snapshot ensembles the last epoch of each cycle is a member; cSGLD takes the last three (Zhang et al. 2020).
///
/// ```
/// use firetender_uncertainty::learner::KeepCycleEnds;
/// let strategy = KeepCycleEnds::new(50)?.with_last(3)?;
/// assert!(strategy.is_member(48) && strategy.is_member(50) && !strategy.is_member(51));
/// assert_eq!(strategy.members(100), [48, 49, 50, 98, 99, 100]);
/// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepCycleEnds {
    cycle: usize,
    last: usize,
}

impl KeepCycleEnds {
    /// Cycles of so many epochs; the last epoch of each is a member.
    ///
    /// # Errors
    /// [`UncertaintyError::Options`] for cycles of no epochs.
    pub fn new(cycle: usize) -> Result<Self, UncertaintyError> {
        if cycle == 0 {
            return Err(UncertaintyError::Options {
                field: "cycle",
                found: "0".into(),
                expected: "at least one epoch",
            });
        }
        Ok(Self { cycle, last: 1 })
    }

    /// So many epochs at the end of each cycle are members.
    ///
    /// # Errors
    /// [`UncertaintyError::Options`] for none, or more than a cycle has.
    pub fn with_last(mut self, last: usize) -> Result<Self, UncertaintyError> {
        if last == 0 || last > self.cycle {
            return Err(UncertaintyError::Options {
                field: "last",
                found: last.to_string(),
                expected: "from 1 to the epochs of a cycle",
            });
        }
        self.last = last;
        Ok(self)
    }

    /// Whether an epoch, counted from 1 as the learner does, is a member.
    #[must_use]
    pub fn is_member(&self, epoch: usize) -> bool {
        epoch > 0 && (epoch - 1) % self.cycle >= self.cycle - self.last
    }

    /// All members of so many epochs.
    #[must_use]
    pub fn members(&self, epochs: usize) -> Vec<usize> {
        (1..=epochs).filter(|e| self.is_member(*e)).collect()
    }
}

impl CheckpointingStrategy for KeepCycleEnds {
    fn checkpointing(
        &mut self,
        epoch: usize,
        _collector: &EventStoreClient,
    ) -> Vec<CheckpointingAction> {
        let mut actions = vec![CheckpointingAction::Save];
        if epoch > 1 && !self.is_member(epoch - 1) {
            actions.push(CheckpointingAction::Delete(epoch - 1));
        }
        actions
    }
}

/// Reads the model that the learner's file checkpointer kept after an epoch (`checkpoint/model-EPOCH.bpk` under the learner's folder),
/// in evaluation mode, on the device of the template: a module of the same architecture, which is not changed.
///
/// # Errors
/// [`UncertaintyError::Record`] for a file that is not there, cannot be read, or is of another architecture.
pub fn checkpointed_member<M: Module>(
    template: &M,
    folder: &Path,
    epoch: usize,
) -> Result<M, UncertaintyError> {
    let file = format!("model-{epoch}.bpk");
    read_member(template, &folder.join("checkpoint").join(file))
}
