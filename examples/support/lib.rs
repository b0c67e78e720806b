//! What the examples share: choosing a device, opening a model, showing progress, and ending with one readable line.

mod command_line;
mod device;
pub mod fashion;
mod model;
mod named;
mod outcome;
mod progress;
pub mod signs;
mod texts;

pub use command_line::arguments;
pub use device::{DEVICES, device};
pub use model::Model;
pub use named::Named;
pub use outcome::{Failure, fail, finish};
pub use progress::Bars;
pub use texts::{lines, read_texts, sets};
