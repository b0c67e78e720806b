//! The laws, goldens and hostile inputs of the crate, over its public interface.
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is the report"
)]

mod calibration;
mod comparisons;
mod conformal;
mod device;
mod ensembles;
mod files;
mod goldens;
mod hostile;
mod intervals;
mod laws;
mod members;
mod peers;
mod proper;
mod published;
mod scaling;
mod selective;
mod statistics;
mod support;
mod temperature;
