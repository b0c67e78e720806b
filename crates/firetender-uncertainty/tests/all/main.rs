//! The laws, goldens and hostile inputs of the crate, over its public interface.
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is the report"
)]

mod conformal;
mod device;
mod goldens;
mod hostile;
mod intervals;
mod laws;
mod members;
mod peers;
mod proper;
mod selective;
mod statistics;
mod support;
