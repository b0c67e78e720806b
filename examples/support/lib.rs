//! What the examples share: choosing a device, opening a model, showing progress, and ending with one readable line.

mod command_line;
mod device;
mod ember_tasks;
pub mod fashion;
mod model;
mod named;
mod outcome;
mod printing;
mod progress;
pub mod rows;
pub mod signs;
mod texts;
pub mod toy;

pub use command_line::arguments;
pub use device::{DEVICES, device};
pub use ember_tasks::{CHOICES, Marked, choice_task, trap_task};
pub use model::Model;
pub use named::Named;
pub use outcome::{Failure, fail, finish};
pub use progress::Bars;
pub use texts::{lines, read_texts, sets};
