//! The laws of steering and the Python originals' values, on tiny models of each family.

#![allow(
    clippy::unwrap_used,
    reason = "a test's panic is its report, in its helpers too"
)]

mod application;
mod baking;
mod calibration;
mod damage;
mod data;
mod directions;
mod divergence;
mod extraction;
mod gates;
mod generation;
mod laws;
mod plans;
mod steered;
mod support;
mod sweeping;
