//! This crate inside of `burn-train`'s learner: its metrics by epoch, and checkpoints that become members.
//!
//! The learner has accuracy, a loss, and AUROC; it has no proper scores and no calibration. [`EpochMetric`] adds those: register one
//! for each [`Measure`] you want to see, on the validation split above all. Values come from the same [`MetricState`] as everywhere
//! in this crate, so an epoch's value is that of all its objects at once and not a mean over batches (a mean of batches' calibration
//! errors is far too large), and it is the same whatever the batches were.
//!
//! The learner has no place where a model could be copied while it trains; checkpoints are that place. [`KeepCycleEnds`] says which
//! epochs to keep, [`checkpointed_member`] reads one back as a member of an ensemble. The schedules of
//! [`training`](crate::training) are `LrScheduler`s and go into the learner as they are.
//!
//! If you write your own loop, you do not need this module, nor the feature `learner` and the dependency that it brings.

mod members;
mod metric;

pub use members::{KeepCycleEnds, checkpointed_member};
pub use metric::{EpochMetric, Measure, Predicted};
