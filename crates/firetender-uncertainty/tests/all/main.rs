//! The laws, goldens and hostile inputs of the crate, over its public interface.
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is the report"
)]

mod goldens;
mod hostile;
mod proper;
mod support;
